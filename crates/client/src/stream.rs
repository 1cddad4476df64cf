//! A streamed answer, gathered event by event.

use serde_json::Value;

use crate::error::{ApiError, Error};
use crate::message::{Message, fitting_status, refusal};

/// The message so far.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    message: Message,
    /// Whether `message_stop` came.
    pub(crate) stopped: bool,
}

impl Gathering {
    pub(crate) fn new(request_id: Option<String>) -> Self {
        Self { message: Message { request_id, ..Message::default() }, stopped: false }
    }

    /// Takes in one event and gives the text that it adds. The payload's own `type` decides: names get lost
    /// on the way, and an error without its name must not pass for an unknown event.
    pub(crate) fn on_event(&mut self, name: &str, data: &str) -> Result<Option<String>, Error> {
        let Ok(value) = serde_json::from_str::<Value>(data) else {
            return Err(self.unreadable(name, data));
        };
        match value["type"].as_str().unwrap_or(name) {
            "content_block_delta" => {
                let Some(text) = value["delta"]["text"].as_str() else { return Ok(None) };
                self.message.text.push_str(text);
                return Ok(Some(text.to_owned()));
            }
            "error" => return Err(self.refused(&value, data)),
            "message_delta" => {
                self.message.stop_reason =
                    value["delta"]["stop_reason"].as_str().map(str::to_owned);
            }
            "message_start" => {
                self.message.id = value["message"]["id"].as_str().unwrap_or_default().to_owned();
            }
            "message_stop" => self.stopped = true,
            // Versions may add events; the rest carry nothing that is kept.
            _ => {}
        }
        Ok(None)
    }

    /// The whole message, or what is missing.
    pub(crate) fn finish(self, demands_message_stop: bool, detail: &str) -> Result<Message, Error> {
        if demands_message_stop && !self.stopped {
            return Err(Error::Incomplete {
                partial: self.message.text,
                detail: detail.to_owned(),
            });
        }
        Ok(self.message)
    }

    fn refused(&self, value: &Value, data: &str) -> Error {
        let with_partial = |mut said: Box<ApiError>| {
            said.partial = self.message.text.clone();
            said
        };
        match refusal(value, 200, data.as_bytes(), self.message.request_id.clone()) {
            Error::RateLimited(said) => Error::RateLimited(with_partial(said)),
            Error::Request(said) => Error::Request(with_partial(said)),
            Error::Server(said) => Error::Server(with_partial(said)),
            other => other,
        }
    }

    fn unreadable(&self, name: &str, data: &str) -> Error {
        if name == "error" {
            return self.refused(&Value::Null, data);
        }
        Error::Protocol { detail: format!("the data of a `{name}` event is not JSON") }
    }
}

/// The status that fits an error inside a stream, where the status line said 200.
pub(crate) fn status_for_retry(said: &ApiError) -> u16 {
    if said.status == 200 { fitting_status(said.kind.as_deref()) } else { said.status }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: (&str, &str) =
        ("message_start", r#"{"type":"message_start","message":{"id":"msg_1"}}"#);
    const DELTA: (&str, &str) = (
        "content_block_delta",
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}"#,
    );
    const STOP: (&str, &str) = ("message_stop", r#"{"type":"message_stop"}"#);
    const OVERLOADED: &str =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;

    fn check(events: &[(&str, &str)], expected: Result<&str, &str>) {
        let mut gathering = Gathering::new(None);
        let fed =
            events.iter().try_for_each(|(name, data)| gathering.on_event(name, data).map(drop));
        match (fed.and_then(|()| gathering.finish(true, "the stream ended")), expected) {
            (Ok(message), Ok(text)) => assert_eq!(message.text, text),
            (Err(error), Err(class)) => assert_eq!(error.class(), class, "{error}"),
            (found, _) => panic!("{events:?}: {found:?}"),
        }
    }

    #[test]
    fn a_stream_is_whole_or_an_error() {
        check(&[START, DELTA, DELTA, STOP], Ok("HiHi"));
        check(&[START, DELTA, ("brand_new", "{}"), ("ping", r#"{"type":"ping"}"#), STOP], Ok("Hi"));
        check(&[START, DELTA], Err("incomplete"));
        check(&[], Err("incomplete"));
        check(&[START, DELTA, ("error", OVERLOADED), STOP], Err("api-error"));
        check(&[START, ("message", OVERLOADED), STOP], Err("api-error"));
        check(&[START, ("error", "upstream exploded")], Err("api-error"));
        check(&[START, ("content_block_delta", "{"), STOP], Err("protocol-error"));
    }

    #[test]
    fn an_error_keeps_the_text_before_it() {
        let mut gathering = Gathering::new(Some("req_1".to_owned()));
        gathering.on_event(DELTA.0, DELTA.1).unwrap();
        let error = gathering.on_event("error", OVERLOADED).unwrap_err();
        assert_eq!(error.partial(), "Hi");
        assert_eq!(error.said().unwrap().request_id.as_deref(), Some("req_1"));
        assert_eq!(status_for_retry(error.said().unwrap()), 529);
    }
}
