//! A whole answer, and a whole refusal, read from their bodies.

use serde_json::Value;

use crate::error::{ApiError, Error};
use crate::policy::Reading;

/// A complete answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    pub id: String,
    /// The text blocks, joined.
    pub text: String,
    /// Every block as it came, those of unknown types too: a later turn can send it back unchanged. A tool's block
    /// that the token limit cut has no input to send back, and is left out.
    pub content: Vec<Value>,
    /// The calls that the caller is asked to make. One that the token limit cut is none.
    pub tool_calls: Vec<ToolCall>,
    pub stop_reason: Option<String>,
    pub request_id: Option<String>,
}

/// A call of a tool, with an input that is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// A JSON object.
    pub input: Value,
}

impl Message {
    /// The message with what its blocks say.
    pub(crate) fn with_content(
        self,
        content: Vec<Value>,
        reading: &Reading,
    ) -> Result<Self, Error> {
        let heeded = if reading.first_block_only { content.len().min(1) } else { content.len() };
        let blocks = &content[..heeded];
        let text = blocks.iter().filter_map(text).collect();
        let calls = blocks.iter().filter(|block| block["type"] == "tool_use").map(tool_call);
        let tool_calls = calls
            .collect::<Option<_>>()
            .ok_or_else(|| protocol("a tool call lacks its id, its name or its input"))?;
        let stop_reason = self.stop_reason.filter(|_| reading.keeps_stop_reason);
        Ok(Self { text, tool_calls, stop_reason, content, ..self })
    }
}

/// The text of a block, if it is one of text.
pub(crate) fn text(block: &Value) -> Option<&str> {
    block["text"].as_str().filter(|_| block["type"] == "text")
}

fn tool_call(block: &Value) -> Option<ToolCall> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(ToolCall {
        id: text(&block["id"])?,
        name: text(&block["name"])?,
        input: Some(&block["input"]).filter(|input| input.is_object())?.clone(),
    })
}

/// Reads the body of a 2xx answer to a call that did not ask for a stream.
pub(crate) fn message(
    status: u16,
    body: &[u8],
    request_id: Option<String>,
    reading: &Reading,
) -> Result<Message, Error> {
    if body.is_empty() {
        return Err(protocol("the body is empty"));
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|_| protocol("the body is not JSON"))?;
    match value["type"].as_str() {
        Some("message") => {}
        Some("error") => return Err(refusal(&value, status, body, request_id)),
        _ => return Err(protocol("the body is not a message")),
    }
    let content =
        value["content"].as_array().ok_or_else(|| protocol("the message has no content"))?;
    let id = value["id"].as_str().ok_or_else(|| protocol("the message has no id"))?;
    let stop_reason = value["stop_reason"].as_str().map(str::to_owned);
    Message { id: id.to_owned(), stop_reason, request_id, ..Message::default() }
        .with_content(content.clone(), reading)
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
    Error::api(fitting_status(&said), said)
}

/// The status that the API gives an error of this type when it still can.
pub(crate) fn fitting_status(said: &ApiError) -> u16 {
    match said.kind.as_deref() {
        _ if 300 <= said.status => said.status,
        Some("authentication_error") => 401,
        Some("billing_error") => 402,
        Some("conflict_error") => 409,
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
    // Some gateways give a list where one error is meant.
    let error = match &value["error"] {
        Value::Array(errors) => errors.first().unwrap_or(&Value::Null),
        error => error,
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let message = text(&error["message"]).or_else(|| text(error));
    ApiError {
        status,
        kind: text(&error["type"]),
        code: text(&error["details"]["error_code"]),
        message: message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
        request_id: request_id.or_else(|| text(&value["request_id"])),
        retry_after_ms: None,
        partial: String::new(),
    }
}

pub(crate) fn protocol(detail: &str) -> Error {
    Error::Protocol { detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::Policy;

    fn check(body: &str, expected: Result<&str, &str>) {
        match (message(200, body.as_bytes(), None, &Policy::official().reading), expected) {
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
        check(r#"{"type":"message","id":"msg_1","content":[{"type":"new","text":1}]}"#, Ok(""));
        check(r#"{"type":"message","id":"msg_1","content":null}"#, Err("protocol-error"));
        check(r#"{"type":"error","error":{"type":"overloaded_error"}}"#, Err("api-error"));
        check(r#"{"object":"chat.completion","choices":[]}"#, Err("protocol-error"));
        check("<html>", Err("protocol-error"));
        check("null", Err("protocol-error"));
        check("[]", Err("protocol-error"));
        check("", Err("protocol-error"));
    }

    #[test]
    fn content_is_kept_and_tool_calls_are_whole() {
        let read = |content: &Value| {
            let body = json!({ "type": "message", "id": "msg_1", "content": content }).to_string();
            message(200, body.as_bytes(), None, &Policy::official().reading)
        };
        let tool = json!({ "type": "tool_use", "id": "t", "name": "n", "input": { "a": 1 } });
        let content = json!([{ "type": "new", "x": [1] }, tool]);
        let message = read(&content).unwrap();
        assert_eq!(json!(message.content), content);
        assert_eq!(message.tool_calls[0].input, json!({ "a": 1 }));
        for bad in [json!("{"), json!(null), json!([])] {
            let content =
                json!([{ "type": "tool_use", "id": "t", "name": "n", "input": bad.clone() }]);
            assert_eq!(read(&content).unwrap_err().class(), "protocol-error", "{bad}");
        }
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
        assert_eq!(said(br#"{"error":[{"type":"listed"}]}"#).kind.as_deref(), Some("listed"));
        assert_eq!(said(br#"{"error":[]}"#).kind, None);
        assert_eq!(said(b"\xFF<html>").message, "\u{FFFD}<html>");
        assert_eq!(said(b"").request_id.as_deref(), Some("req_1"));
    }
}
