//! What a reply hands to its reader: the text and the tool calls that an honest client repeats.
//!
//! Only text blocks and calls of the caller's own tools count, in the order in which they begin. The judge has
//! a reader of its own for them, so that no client is believed on what it says it was given; the price is that
//! text blocks which overlap, against the grammar, are read as they come.

use classify::sse::Decoder;
use serde_json::Value;

/// What one body hands over.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) tools: Vec<ToolUse>,
    /// Whether a stream came to its `message_stop`, be it one that no blank line ends.
    pub(super) stopped: bool,
    /// Whether a message has something else than a list for its content, or a stream ends without its usage.
    pub(super) bent: bool,
}

/// A tool call as the server made it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolUse {
    pub name: String,
    /// The input, if it came to its end: an object is an object from brace to brace.
    pub input: Option<Value>,
    /// Whether the server said that the call is over.
    pub closed: bool,
}

/// Reads a body as what it is: a stream of events, or one message.
pub(super) fn content(body: &[u8], streams: bool) -> Content {
    let mut content = Content::default();
    if !streams {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        content.bent = message.get("content").is_some_and(|content| !content.is_array());
        push_blocks(&mut content, &message);
        return content;
    }
    let mut open = vec![];
    let mut decoder = Decoder::default();
    for event in decoder.push(body) {
        let Ok(payload) = serde_json::from_str::<Value>(&event.data) else { continue };
        read_event(&mut content, &mut open, &payload);
        if content.stopped {
            break;
        }
    }
    // Some readers take a last event that lacks nothing but its blank line.
    content.stopped |= decoder.finish().dropped.is_some_and(|event| is_stop(&event.data));
    for call in open {
        close(&mut content, call, false);
    }
    content
}

fn is_stop(data: &str) -> bool {
    serde_json::from_str::<Value>(data).is_ok_and(|payload| payload["type"] == "message_stop")
}

/// A tool call on its way.
struct Open {
    index: Option<u64>,
    /// Its place among the calls.
    place: usize,
    start: Value,
    pieces: String,
}

fn read_event(content: &mut Content, open: &mut Vec<Open>, payload: &Value) {
    let index = payload["index"].as_u64();
    match payload["type"].as_str() {
        Some("content_block_start") => {
            let block = &payload["content_block"];
            push_text(&mut content.text, block);
            if block["type"] == "tool_use" {
                let (place, start) = (content.tools.len(), block["input"].clone());
                open.push(Open { index, place, start, pieces: String::new() });
                content.tools.push(ToolUse { name: name(block), input: None, closed: false });
            }
        }
        Some("content_block_delta") => match payload["delta"]["type"].as_str() {
            Some("text_delta") => push(&mut content.text, &payload["delta"]["text"]),
            Some("input_json_delta") => {
                if let Some(call) = open.iter_mut().rfind(|call| call.index == index) {
                    push(&mut call.pieces, &payload["delta"]["partial_json"]);
                }
            }
            _ => {}
        },
        Some("content_block_stop") => {
            if let Some(at) = open.iter().rposition(|call| call.index == index) {
                close(content, open.remove(at), true);
            }
        }
        Some("message_delta") => content.bent |= !payload["usage"].is_object(),
        Some("message_start") => push_blocks(content, &payload["message"]),
        Some("message_stop") => content.stopped = true,
        _ => {}
    }
}

/// No pieces, or only empty ones, leave what the call began with.
fn close(content: &mut Content, call: Open, closed: bool) {
    let pieced = || serde_json::from_str(&call.pieces).ok().filter(Value::is_object);
    let given = if call.pieces.trim().is_empty() {
        Some(call.start).filter(|_| closed || content.stopped)
    } else {
        pieced()
    };
    if let Some(tool) = content.tools.get_mut(call.place) {
        (tool.input, tool.closed) = (given, closed);
    }
}

fn push_blocks(content: &mut Content, message: &Value) {
    for block in message["content"].as_array().into_iter().flatten() {
        push_text(&mut content.text, block);
        if block["type"] == "tool_use" {
            let input = Some(block["input"].clone());
            content.tools.push(ToolUse { name: name(block), input, closed: true });
        }
    }
}

fn push_text(text: &mut String, block: &Value) {
    if block["type"] == "text" {
        push(text, &block["text"]);
    }
}

fn push(text: &mut String, piece: &Value) {
    text.push_str(piece.as_str().unwrap_or_default());
}

fn name(block: &Value) -> String {
    block["name"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_text_blocks_say() {
        let message = r#"{"content":[{"type":"text","text":"a"},{"type":"thinking","text":"x"},{"type":"text","text":"b"}]}"#;
        assert_eq!(content(message.as_bytes(), false).text, "ab");
        assert_eq!(content(b"<html>", false).text, "");
        assert!(content(br#"{"content":null}"#, false).bent);
        assert!(!content(br#"{"content":[]}"#, false).bent);
        let ended = |usage: &str| {
            content(format!("data: {{\"type\":\"message_delta\"{usage}}}\n\n").as_bytes(), true)
                .bent
        };
        assert_eq!([ended(""), ended(",\"usage\":{}")], [true, false]);
        let delta = "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n";
        let stop = "data: {\"type\":\"message_stop\"}\n\n";
        let stream = |parts: &[&str]| {
            let content = content(parts.concat().as_bytes(), true);
            (content.text, content.stopped)
        };
        assert_eq!(stream(&[delta, "data: {\n\n", delta]), ("aa".to_owned(), false));
        assert_eq!(stream(&[delta, stop, delta]), ("a".to_owned(), true));
        assert_eq!(stream(&[delta, stop.trim_end()]), ("a".to_owned(), true));
        assert_eq!(stream(&[delta, &stop[..20]]), ("a".to_owned(), false));
    }

    /// A stream of one call: these pieces of input, then these events.
    fn check(pieces: &[&str], then: &[&str], input: Option<&str>, closed: bool) {
        let event = |payload: Value| format!("data: {payload}\n\n");
        let mut body = event(serde_json::json!({
            "type": "content_block_start", "index": 1,
            "content_block": { "type": "tool_use", "name": "pay", "input": {} },
        }));
        for piece in pieces {
            body += &event(serde_json::json!({
                "type": "content_block_delta", "index": 1,
                "delta": { "type": "input_json_delta", "partial_json": piece },
            }));
        }
        for kind in then {
            body += &event(serde_json::json!({ "type": kind, "index": 1 }));
        }
        let input = input.map(|text| serde_json::from_str(text).unwrap());
        let expected = vec![ToolUse { name: "pay".to_owned(), input, closed }];
        assert_eq!(content(body.as_bytes(), true).tools, expected, "{pieces:?} {then:?}");
    }

    #[test]
    fn a_call_is_whole_when_its_input_is() {
        let both = ["content_block_stop", "message_stop"];
        check(&["{\"a\"", ": 1}"], &both, Some("{\"a\":1}"), true);
        check(&["{\"a\"", ": 1}"], &[], Some("{\"a\":1}"), false);
        check(&["{\"a\": 1"], &both, None, true);
        check(&["{\"a\": 1,, }"], &both, None, true);
        check(&["\"a\""], &both, None, true);
        check(&[""], &both, Some("{}"), true);
        check(&[], &["message_stop"], Some("{}"), false);
        check(&[], &[], None, false);
        let message = r#"{"content":[{"type":"tool_use","name":"pay","input":{"a":1}}]}"#;
        assert_eq!(content(message.as_bytes(), false).tools.len(), 1);
    }
}
