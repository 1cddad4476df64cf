//! A streamed answer, gathered event by event.
//!
//! What a later turn sends back must be what came, so every block is kept as the JSON that it began as, with its
//! deltas applied. A delta of an unknown type cannot be applied and is dropped; the rest of its block stays.

use serde_json::Value;

use crate::error::{ApiError, Error};
use crate::message::{Message, protocol, refusal, text};
use crate::policy::Reading;
use crate::sse::Event;
use crate::tool;

/// The message so far.
#[derive(Debug)]
pub(crate) struct Gathering<'a> {
    reading: &'a Reading,
    message: Message,
    blocks: Vec<Block>,
    started: bool,
    /// Whether `message_stop` came.
    pub(crate) stopped: bool,
    /// Whether a delta came: from then on the answer cannot be taken back.
    pub(crate) delivered: bool,
}

#[derive(Debug)]
struct Block {
    index: u64,
    value: Value,
    /// The pieces of a tool's input, joined.
    input: String,
    open: bool,
}

/// The events that carry the answer; what else comes may be new, and may be ignored.
const KNOWN: [&str; 7] = [
    "content_block_delta",
    "content_block_start",
    "content_block_stop",
    "error",
    "message_delta",
    "message_start",
    "message_stop",
];

/// Stop reasons that may strike inside a tool's input, and leave the answer whole all the same.
const LIMITS: [&str; 3] = ["max_tokens", "model_context_window_exceeded", "refusal"];

impl<'a> Gathering<'a> {
    pub(crate) fn new(request_id: Option<String>, reading: &'a Reading) -> Self {
        Self {
            reading,
            message: Message { request_id, ..Message::default() },
            blocks: vec![],
            started: false,
            stopped: false,
            delivered: false,
        }
    }

    /// Takes in one event and gives the text that it adds. The payload's own `type` decides: names get lost
    /// on the way, and an error without its name must not pass for an unknown event.
    pub(crate) fn on_event(&mut self, event: &Event) -> Result<String, Error> {
        let Ok(value) = serde_json::from_str::<Value>(&event.data) else {
            return self.on_unreadable(event);
        };
        match value["type"].as_str().unwrap_or(&event.name) {
            "content_block_delta" => self.on_delta(&value),
            "content_block_start" => self.on_block(&value),
            "content_block_stop" => {
                // A block that stops twice, or never began, has nothing to lose.
                self.block(&value).into_iter().for_each(|block| block.open = false);
                Ok(String::new())
            }
            "error" if self.reading.heeds_error_events => Err(self.refused(&value, &event.data)),
            "message_delta" => {
                if let Some(reason) = value["delta"]["stop_reason"].as_str() {
                    self.message.stop_reason = Some(reason.to_owned());
                }
                Ok(String::new())
            }
            "message_start" => self.on_start(&value),
            "message_stop" if self.started => {
                self.stopped = true;
                Ok(String::new())
            }
            "message_stop" => Err(protocol("message_stop without message_start")),
            "ping" => Ok(String::new()),
            _ if self.reading.ignores_unknown_events => Ok(String::new()),
            unknown => Err(protocol(&format!("unknown event `{unknown}`"))),
        }
    }

    /// The whole message, or what is missing.
    pub(crate) fn finish(self, demands_message_stop: bool, ended: &str) -> Result<Message, Error> {
        let partial = self.text();
        if demands_message_stop && !self.stopped {
            return Err(Error::Incomplete { partial, detail: ended.to_owned() });
        }
        let stop_reason = self.message.stop_reason.as_deref();
        let cut_by_limit = stop_reason.is_some_and(|reason| LIMITS.contains(&reason));
        let mut content = vec![];
        for Block { mut value, input, .. } in self.blocks {
            match tool_input(&input, &partial, self.reading) {
                Ok(Some(input)) => value["input"] = input,
                Ok(None) => {}
                Err(_) if cut_by_limit => continue,
                Err(error) => return Err(error),
            }
            content.push(value);
        }
        self.message.with_content(content, self.reading)
    }

    fn on_start(&mut self, value: &Value) -> Result<String, Error> {
        if self.started && !self.reading.takes_second_message {
            return Err(protocol("a second message_start"));
        }
        let id = value["message"]["id"].as_str();
        self.message.id = id.ok_or_else(|| protocol("message_start without a message"))?.to_owned();
        self.started = true;
        Ok(String::new())
    }

    fn on_block(&mut self, value: &Value) -> Result<String, Error> {
        let block = &value["content_block"];
        let Some(index) = value["index"].as_u64().filter(|_| block.is_object()) else {
            return Err(protocol("content_block_start without an index or a block"));
        };
        if !self.started {
            return Err(protocol("content before message_start"));
        }
        if self.block(value).is_some() && !self.reading.takes_second_message {
            return Err(protocol(&format!("a second block {index}")));
        }
        self.blocks.push(Block { index, value: block.clone(), input: String::new(), open: true });
        Ok(self.handed_on(text(block).unwrap_or_default()))
    }

    fn on_delta(&mut self, value: &Value) -> Result<String, Error> {
        let delta = &value["delta"];
        let Some(block) = self.block(value).filter(|block| block.open) else {
            return Err(protocol("a delta for a block that is not open"));
        };
        apply(block, delta).map_err(|detail| protocol(&detail))?;
        let is_text = block.value["type"] == "text";
        self.delivered = true;
        let text = delta["text"].as_str().filter(|_| is_text);
        Ok(self.handed_on(text.unwrap_or_default()))
    }

    /// The latest block of the event's index.
    fn block(&mut self, value: &Value) -> Option<&mut Block> {
        let index = value["index"].as_u64()?;
        self.blocks.iter_mut().rev().find(|block| block.index == index)
    }

    fn handed_on(&self, text: &str) -> String {
        let heeded = !self.reading.first_block_only || self.blocks.len() <= 1;
        if heeded { text.to_owned() } else { String::new() }
    }

    fn text(&self) -> String {
        self.blocks.iter().filter_map(|block| text(&block.value)).collect()
    }

    fn refused(&self, value: &Value, data: &str) -> Error {
        let mut error = refusal(value, 200, data.as_bytes(), self.message.request_id.clone());
        if let Some(ApiError { partial, .. }) = error.said_mut() {
            *partial = self.text();
        }
        error
    }

    /// A known event whose data is no JSON has lost a piece of the answer. An event that lost its name, too, is
    /// known by the look of its data: end markers of other APIs are no objects.
    fn on_unreadable(&self, event: &Event) -> Result<String, Error> {
        if event.name == "error" && self.reading.heeds_error_events {
            return Err(self.refused(&Value::Null, &event.data));
        }
        let unnamed = event.name == "message" && event.data.trim_start().starts_with('{');
        let known = unnamed || KNOWN.contains(&&*event.name);
        if !known || self.reading.skips_unreadable {
            return Ok(String::new());
        }
        Err(protocol(&format!("the data of a `{}` event is not JSON", event.name)))
    }
}

/// Adds a delta to its block, or says why it does not fit.
fn apply(block: &mut Block, delta: &Value) -> Result<(), String> {
    let Some(kind) = delta["type"].as_str() else {
        return Err("a delta without a type".to_owned());
    };
    let text =
        |name: &str| delta[name].as_str().ok_or_else(|| format!("a `{kind}` without its `{name}`"));
    match kind {
        "citations_delta" => {
            let citation = delta["citation"].clone();
            match &mut block.value["citations"] {
                Value::Array(citations) => citations.push(citation),
                missing => *missing = Value::Array(vec![citation]),
            }
        }
        "compaction_delta" => append(block, "content", text("content")?)?,
        "input_json_delta" => block.input.push_str(text("partial_json")?),
        "signature_delta" => block.value["signature"] = text("signature")?.into(),
        "text_delta" => append(block, "text", text("text")?)?,
        "thinking_delta" => append(block, "thinking", text("thinking")?)?,
        // Versions may add deltas.
        _ => {}
    }
    Ok(())
}

/// Adds to a text of the block, which may begin without it. A tool's block has no text at all.
fn append(block: &mut Block, name: &str, piece: &str) -> Result<(), String> {
    let kind = block.value["type"].as_str().unwrap_or_default();
    let misfit = format!("a delta of `{name}` for a block of `{kind}`");
    if kind.ends_with("tool_use") {
        return Err(misfit);
    }
    match &mut block.value[name] {
        Value::String(text) => text.push_str(piece),
        missing @ Value::Null => *missing = piece.into(),
        _ => return Err(misfit),
    }
    Ok(())
}

/// The input that came in pieces, if it did.
fn tool_input(input: &str, partial: &str, reading: &Reading) -> Result<Option<Value>, Error> {
    if input.is_empty() || !reading.reads_tool_input {
        return Ok(None);
    }
    if reading.repairs_tool_input {
        return tool::input(&tool::repaired(input), partial).map(Some);
    }
    tool::input(input, partial).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::message::fitting_status;
    use crate::policy::Policy;

    const START: &str = r#"{"type":"message_start","message":{"id":"msg_1"}}"#;
    const BLOCK: &str =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    const TOOL: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}"#;
    const DELTA: &str =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
    const BLOCK_STOP: &str = r#"{"type":"content_block_stop","index":0}"#;
    const STOP: &str = r#"{"type":"message_stop"}"#;
    const OVERLOADED: &str =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;

    /// Events under the name that their payload says, if it says one.
    fn gather(payloads: &[&str]) -> Result<Message, Error> {
        let name = |payload: &str| {
            let value: Value = serde_json::from_str(payload).unwrap_or_default();
            value["type"].as_str().unwrap_or("brand_new").to_owned()
        };
        let named: Vec<_> = payloads.iter().map(|payload| (name(payload), *payload)).collect();
        gather_named(&named)
    }

    fn gather_named(events: &[(impl AsRef<str>, &str)]) -> Result<Message, Error> {
        let policy = Policy::official();
        let mut gathering = Gathering::new(None, &policy.reading);
        let mut handed_on = String::new();
        for (name, data) in events {
            let event = Event { name: name.as_ref().to_owned(), data: (*data).to_owned() };
            handed_on += &gathering.on_event(&event)?;
        }
        let message = gathering.finish(true, "the stream ended")?;
        assert_eq!(message.text, handed_on);
        Ok(message)
    }

    fn check(payloads: &[&str], expected: Result<&str, &str>) {
        match (gather(payloads), expected) {
            (Ok(message), Ok(text)) => assert_eq!(message.text, text),
            (Err(error), Err(class)) => assert_eq!(error.class(), class, "{error}"),
            (found, _) => panic!("{payloads:?}: {found:?}"),
        }
    }

    #[test]
    fn a_stream_is_whole_or_an_error() {
        check(&[START, BLOCK, DELTA, DELTA, BLOCK_STOP, STOP], Ok("HiHi"));
        check(&[START, BLOCK, DELTA, "{}", r#"{"type":"ping"}"#, "no JSON", STOP], Ok("Hi"));
        check(&[START, BLOCK, DELTA], Err("incomplete"));
        check(&[], Err("incomplete"));
        check(&[START, BLOCK, DELTA, OVERLOADED, STOP], Err("api-error"));
    }

    #[test]
    fn names_and_payloads_may_disagree() {
        let check = |event, class| {
            let error = gather_named(&[("message_start", START), event, ("message_stop", STOP)]);
            assert_eq!(error.unwrap_err().class(), class, "{event:?}");
        };
        check(("message", OVERLOADED), "api-error");
        check(("error", "upstream exploded"), "api-error");
        check(("content_block_delta", "{"), "protocol-error");
        check(("content_block_delta", ""), "protocol-error");
        check(("message_delta", "{"), "protocol-error");
        check(("message", "{\"type\":\"content_blo"), "protocol-error");
        let done = [("message_start", START), ("message", "[DONE]"), ("message_stop", STOP)];
        assert_eq!(gather_named(&done).unwrap().id, "msg_1");
    }

    #[test]
    fn the_grammar_is_kept_or_nothing_is_lost() {
        check(&[STOP], Err("protocol-error"));
        check(&[BLOCK, DELTA, STOP], Err("protocol-error"));
        check(&[START, START, STOP], Err("protocol-error"));
        check(&[START, DELTA, STOP], Err("protocol-error"));
        check(&[START, BLOCK, BLOCK_STOP, DELTA, STOP], Err("protocol-error"));
        check(&[START, BLOCK, BLOCK, STOP], Err("protocol-error"));
        check(&[START, TOOL, DELTA, STOP], Err("protocol-error"));
        check(&[START, BLOCK, DELTA, STOP], Ok("Hi"));
        check(&[START, BLOCK, DELTA, BLOCK_STOP, BLOCK_STOP, STOP], Ok("Hi"));
        let (block, delta) = (BLOCK.replace(":0", ":2"), DELTA.replace(":0", ":2"));
        check(&[START, &block, &delta, STOP], Ok("Hi"));
        check(&[START, &block, BLOCK, &delta, DELTA, STOP], Ok("HiHi"));
    }

    /// What comes of a tool's block with these pieces of input, and this stop reason at the end.
    fn tool(pieces: &[&str], stop_reason: &str) -> Result<Message, Error> {
        let delta = |piece: &&str| {
            let delta = json!({ "type": "input_json_delta", "partial_json": piece });
            json!({ "type": "content_block_delta", "index": 0, "delta": delta }).to_string()
        };
        let deltas: Vec<_> = pieces.iter().map(delta).collect();
        let end = json!({ "type": "message_delta", "delta": { "stop_reason": stop_reason } });
        let end = end.to_string();
        let mut events = vec![START, TOOL];
        events.extend(deltas.iter().map(String::as_str));
        events.extend([BLOCK_STOP, &end, STOP]);
        gather(&events)
    }

    #[test]
    fn a_tool_is_called_with_a_whole_input_only() {
        let message = tool(&["", "{\"amount\": 1", "00}"], "tool_use").unwrap();
        assert_eq!(message.tool_calls[0].input, json!({ "amount": 100 }));
        assert_eq!(message.content[0]["input"], json!({ "amount": 100 }));
        assert_eq!(tool(&[], "tool_use").unwrap().tool_calls[0].input, json!({}));
        assert_eq!(tool(&["", ""], "tool_use").unwrap().tool_calls[0].input, json!({}));
        let class = |piece| tool(&[piece], "tool_use").unwrap_err().class();
        assert_eq!(class("{\"amount\": 1"), "incomplete");
        assert_eq!(class("{\"amount\": 1,, }"), "protocol-error");
        assert_eq!(class("[1]"), "protocol-error");
        let limited = tool(&["{\"city\": \"Zü"], "max_tokens").unwrap();
        assert_eq!(limited.stop_reason.as_deref(), Some("max_tokens"));
        assert_eq!((limited.tool_calls, limited.content), (vec![], vec![]));
    }

    #[test]
    fn content_is_kept_for_the_next_turn() {
        let event = |kind: &str, rest: Value| {
            let mut event = json!({ "type": kind, "index": 0 });
            event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            event.to_string()
        };
        let new = json!({ "type": "novel_block", "novel": { "a": [1] } });
        let content = gather(&[
            START,
            &event("content_block_start", json!({ "content_block": new })),
            &event("content_block_delta", json!({ "delta": { "type": "novel_delta" } })),
            STOP,
        ]);
        assert_eq!(content.unwrap().content, [new]);
        let delta = |delta: Value| event("content_block_delta", json!({ "delta": delta }));
        let thinking = json!({ "type": "thinking", "thinking": "", "signature": "" });
        let content = gather(&[
            START,
            &event("content_block_start", json!({ "content_block": thinking })),
            &delta(json!({ "type": "thinking_delta", "thinking": "Hm" })),
            &delta(json!({ "type": "signature_delta", "signature": "s" })),
            STOP,
        ]);
        let whole = json!({ "type": "thinking", "thinking": "Hm", "signature": "s" });
        assert_eq!(content.unwrap().content, [whole]);
    }

    #[test]
    fn an_error_keeps_the_text_before_it() {
        let policy = Policy::official();
        let mut gathering = Gathering::new(Some("req_1".to_owned()), &policy.reading);
        let mut feed = |data: &str| {
            gathering.on_event(&Event { name: "message".to_owned(), data: data.to_owned() })
        };
        for data in [START, BLOCK, DELTA] {
            feed(data).unwrap();
        }
        let error = feed(OVERLOADED).unwrap_err();
        assert_eq!(error.partial(), "Hi");
        assert_eq!(error.said().unwrap().request_id.as_deref(), Some("req_1"));
        assert_eq!(fitting_status(error.said().unwrap()), 529);
    }
}
