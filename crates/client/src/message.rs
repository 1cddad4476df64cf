//! A whole answer, and a whole refusal, read from their bodies.

use serde_json::Value;

use crate::error::{ApiError, Error};

/// A complete answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    pub id: String,
    /// The text blocks, joined.
    pub text: String,
    pub stop_reason: Option<String>,
    pub request_id: Option<String>,
}

/// Error texts are cut after this many bytes: enough for every message of the API, and not a whole HTML page.
const MESSAGE_BYTES_MAX: usize = 2_048;

/// Reads the body of a 2xx answer to a call that did not ask for a stream.
pub(crate) fn message(body: &[u8], request_id: Option<String>) -> Result<Message, Error> {
    let protocol = |detail: &str| Error::Protocol { detail: detail.to_owned() };
    let value: Value =
        serde_json::from_slice(body).map_err(|_| protocol("the body is not JSON"))?;
    match value["type"].as_str() {
        Some("message") => {}
        Some("error") => return Err(refusal(&value, 200, body, request_id)),
        _ => return Err(protocol("the body is not a message")),
    }
    let blocks =
        value["content"].as_array().ok_or_else(|| protocol("the message has no content"))?;
    let id = value["id"].as_str().ok_or_else(|| protocol("the message has no id"))?;
    Ok(Message {
        id: id.to_owned(),
        text: blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        stop_reason: value["stop_reason"].as_str().map(str::to_owned),
        request_id,
    })
}

/// Reads the body of an error status. Anything is an error there: what is not the API's envelope is shown raw.
pub(crate) fn refused(
    status: u16,
    body: &[u8],
    request_id: Option<String>,
    retry_after_ms: Option<u64>,
) -> Error {
    let value = serde_json::from_slice(body).unwrap_or(Value::Null);
    Error::api(status, ApiError { retry_after_ms, ..said(&value, status, body, request_id) })
}

/// Reads an error that came under a status of success.
pub(crate) fn refusal(
    value: &Value,
    status: u16,
    body: &[u8],
    request_id: Option<String>,
) -> Error {
    let said = said(value, status, body, request_id);
    Error::api(fitting_status(said.kind.as_deref()), said)
}

/// The status that the API gives an error of this type when it still can.
pub(crate) fn fitting_status(kind: Option<&str>) -> u16 {
    match kind {
        Some("authentication_error") => 401,
        Some("billing_error") => 402,
        Some("invalid_request_error") => 400,
        Some("not_found_error") => 404,
        Some("overloaded_error") => 529,
        Some("permission_error") => 403,
        Some("rate_limit_error") => 429,
        Some("request_too_large") => 413,
        Some("timeout_error") => 504,
        _ => 500,
    }
}

fn said(value: &Value, status: u16, body: &[u8], request_id: Option<String>) -> ApiError {
    let error = &value["error"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = text(&error["message"]).or_else(|| text(error));
    ApiError {
        status,
        kind: text(&error["type"]),
        code: text(&error["details"]["error_code"]),
        message: shortened(message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())),
        request_id: request_id.or_else(|| text(&value["request_id"])),
        retry_after_ms: None,
        partial: String::new(),
    }
}

fn shortened(mut text: String) -> String {
    if MESSAGE_BYTES_MAX < text.len() {
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
        text.push_str(" […]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<&str, &str>) {
        match (message(body.as_bytes(), None), expected) {
            (Ok(message), Ok(text)) => assert_eq!(message.text, text),
            (Err(error), Err(class)) => assert_eq!(error.class(), class, "{error}"),
            (found, _) => panic!("{body}: {found:?}"),
        }
    }

    #[test]
    fn only_a_message_is_a_message() {
        let block = r#"{"type":"text","text":"a"}"#;
        check(
            &format!(r#"{{"type":"message","id":"msg_1","content":[{block},{block}]}}"#),
            Ok("aa"),
        );
        check(r#"{"type":"message","id":"msg_1","content":null}"#, Err("protocol-error"));
        check(r#"{"type":"error","error":{"type":"overloaded_error"}}"#, Err("api-error"));
        check(r#"{"object":"chat.completion","choices":[]}"#, Err("protocol-error"));
        check("<html>", Err("protocol-error"));
        check("null", Err("protocol-error"));
        check("[]", Err("protocol-error"));
        check("", Err("protocol-error"));
    }

    #[test]
    fn a_refusal_keeps_what_it_can() {
        let said = |body: &[u8]| {
            refused(529, body, Some("req_1".to_owned()), None).said().unwrap().clone()
        };
        let api =
            said(br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#);
        assert_eq!((api.kind.as_deref(), &*api.message), (Some("overloaded_error"), "Overloaded"));
        assert_eq!(said(br#"{"error":"flat"}"#).message, "flat");
        assert_eq!(said(b"\xFF<html>").message, "\u{FFFD}<html>");
        assert_eq!(said(&[b'x'; 5_000]).message.len(), 2_048 + " […]".len());
        assert_eq!(said(b"").request_id.as_deref(), Some("req_1"));
    }
}
