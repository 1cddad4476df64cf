//! A message told as events.
//!
//! Everything is cut out of the finished message, so that the two ways of asking agree; the price is that the
//! mock cannot show an answer that changes its mind halfway. Text and JSON are cut at fixed sizes, wherever a
//! character allows it: a client that expects whole words or whole members should stumble here.

use serde::Serialize;
use serde_json::Value;

use crate::dice::Dice;
use crate::message::{Block, Caller, Citation, Ending, Message, OutputDetails, ServerToolUsage};
use crate::{Chunk, Pace};

/// The events of the message, one chunk each. The throw decides about pings and gaps, never about the message.
pub(crate) fn events(message: &Message, pace: Pace, dice: &mut Dice) -> Vec<Chunk> {
    let mut out = Teller { chunks: Vec::new(), pace, waited_ms: 0, dice };
    out.tell(&Event::MessageStart { message: &opening(message) });
    out.tell(&Event::Ping);
    for (index, block) in message.content.iter().enumerate() {
        out.tell(&Event::ContentBlockStart { index, content_block: Opening::of(block) });
        deltas(block, &mut |delta| out.tell(&Event::ContentBlockDelta { index, delta }));
        out.tell(&Event::ContentBlockStop { index });
    }
    let usage = &message.usage;
    let usage = FinalUsage {
        input_tokens: usage.input_tokens,
        cache_creation_input_tokens: usage.cache_creation_input_tokens,
        cache_read_input_tokens: usage.cache_read_input_tokens,
        output_tokens: usage.output_tokens,
        output_tokens_details: usage.output_tokens_details,
        server_tool_use: usage.server_tool_use,
    };
    out.tell(&Event::MessageDelta { delta: &message.ending, usage });
    out.tell(&Event::MessageStop);
    out.chunks
}

struct Teller<'a> {
    chunks: Vec<Chunk>,
    pace: Pace,
    waited_ms: u32,
    dice: &'a mut Dice,
}

impl Teller<'_> {
    fn tell(&mut self, event: &Event<'_>) {
        /// The API sends one when nothing has come for a while; here it is a matter of luck.
        const PING_ONE_IN: usize = 32;
        let is_first = matches!(event, Event::MessageStart { .. });
        if !is_first && self.dice.one_in(PING_ONE_IN) {
            self.push(&Event::Ping);
        }
        self.push(event);
    }

    fn push(&mut self, event: &Event<'_>) {
        /// Holds most events, so that writing one allocates once.
        const EVENT_BYTES: usize = 192;
        let mut bytes = Vec::with_capacity(EVENT_BYTES);
        bytes.extend_from_slice(b"event: ");
        bytes.extend_from_slice(event.name().as_bytes());
        bytes.extend_from_slice(b"\ndata: ");
        serde_json::to_writer(&mut bytes, event)
            .expect("our own types have string keys and finite numbers");
        bytes.extend_from_slice(b"\n\n");
        let delay_ms = self.gap_ms();
        self.chunks.push(Chunk { bytes: bytes.into(), delay_ms });
    }

    fn gap_ms(&mut self) -> u32 {
        /// Long enough to be seen as several pieces, short enough for a test suite.
        const GAP_MS_MAX: usize = 15;
        /// Nobody waits longer for a long answer than this, however many events it takes.
        const WAITED_MS_MAX: u32 = 2_000;
        match self.pace {
            Pace::Instant => 0,
            Pace::Human => {
                let gap = self.dice.below(GAP_MS_MAX + 1) as u32;
                let gap = gap.min(WAITED_MS_MAX - self.waited_ms);
                self.waited_ms += gap;
                gap
            }
        }
    }
}

/// The message as it stands before its first token.
fn opening(message: &Message) -> Message {
    let mut usage = message.usage.clone();
    usage.output_tokens = usage.output_tokens.min(1);
    usage.output_tokens_details = None;
    usage.server_tool_use = None;
    Message {
        id: message.id.clone(),
        role: message.role,
        model: message.model.clone(),
        content: Vec::new(),
        ending: Ending::default(),
        usage,
        diagnostics: message.diagnostics.clone(),
    }
}

fn deltas<'a>(block: &'a Block, push: &mut dyn FnMut(Delta<'a>)) {
    match block {
        Block::Text { text, citations } => {
            pieces(text).for_each(|text| push(Delta::Text { text }));
            citations.iter().flatten().for_each(|citation| push(Delta::Citations { citation }));
        }
        Block::Thinking { thinking, signature } => {
            pieces(thinking).for_each(|thinking| push(Delta::Thinking { thinking }));
            push(Delta::Signature { signature });
        }
        // A call of a toolset's member arrives in one piece.
        Block::ToolUse { input, toolset_name: Some(_), .. } => {
            push(Delta::InputJson { partial_json: input.to_string() });
        }
        Block::ToolUse { input, .. } | Block::ServerToolUse { input, .. } => {
            push(Delta::InputJson { partial_json: String::new() });
            let json = input.to_string();
            if json != "{}" {
                pieces(&json)
                    .for_each(|piece| push(Delta::InputJson { partial_json: piece.to_owned() }));
            }
        }
        // These come whole when they start.
        Block::RedactedThinking { .. } | Block::ServerToolResult { .. } => {}
    }
}

/// The text in pieces of [`PIECE_BYTES_MAX`] or, where a character stands across that border, a little less.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    /// Small enough that a sentence takes several events.
    const PIECE_BYTES_MAX: usize = 24;
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES_MAX));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    MessageStart { message: &'a Message },
    Ping,
    ContentBlockStart { index: usize, content_block: Opening<'a> },
    ContentBlockDelta { index: usize, delta: Delta<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: &'a Ending, usage: FinalUsage },
    MessageStop,
}

impl Event<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::Ping => "ping",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }
}

/// A block as it stands before its first delta.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Opening<'a> {
    Text {
        text: &'static str,
        citations: Option<[Citation; 0]>,
    },
    Thinking {
        thinking: &'static str,
        signature: &'static str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Value,
        caller: Caller,
        toolset_name: Option<&'static str>,
    },
    ServerToolUse {
        id: &'a str,
        name: &'static str,
        input: Value,
        caller: Caller,
    },
    #[serde(untagged)]
    Whole(&'a Block),
}

impl<'a> Opening<'a> {
    fn of(block: &'a Block) -> Self {
        match block {
            Block::Text { citations, .. } => {
                Self::Text { text: "", citations: citations.as_ref().map(|_| []) }
            }
            Block::Thinking { .. } => Self::Thinking { thinking: "", signature: "" },
            Block::ToolUse { id, name, caller, toolset_name, .. } => Self::ToolUse {
                id,
                name,
                input: nothing(),
                caller: *caller,
                toolset_name: *toolset_name,
            },
            Block::ServerToolUse { id, name, caller, .. } => {
                Self::ServerToolUse { id, name, input: nothing(), caller: *caller }
            }
            Block::RedactedThinking { .. } | Block::ServerToolResult { .. } => Self::Whole(block),
        }
    }
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Delta<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "citations_delta")]
    Citations { citation: &'a Citation },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
}

/// Cumulative, as the API counts at the end.
#[derive(Serialize)]
struct FinalUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<ServerToolUsage>,
}

#[cfg(test)]
mod tests {
    use classify::{Class, Observation, classify, sse};
    use contract::version::OperationId;
    use serde_json::json;

    use super::*;
    use crate::compose::{self, Turn};
    use crate::dice::Dice;
    use crate::fixture::{self, contract};

    /// The same message whole and as events, under several throws.
    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn check(params: Value) {
        let edition = contract().edition(contract::version::Version::V2026_10_21);
        let model = contract().models.find(params["model"].as_str().unwrap());
        for seed in 0..50 {
            let mut dice = Dice::of_part(seed, "stream", 0);
            let turn = Turn {
                params: &params,
                model,
                dice: &mut dice,
                now: fixture::now(),
                batched: false,
            };
            let message = compose::message(turn);
            let chunks = events(&message, Pace::Human, &mut dice);
            let waited: u32 = chunks.iter().map(|chunk| chunk.delay_ms).sum();
            assert!(waited <= 2_000 && chunks.iter().all(|chunk| chunk.delay_ms <= 15), "{waited}");
            let body: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.clone()).collect();
            assert_eq!(classify::stream::lint(&body).violations, []);
            let decoded = decode(&body);
            for event in &decoded {
                let problems = edition.validators.success_problems(
                    OperationId::MessagesCreate,
                    "text/event-stream",
                    event,
                );
                assert_eq!(problems, [], "{event}");
            }
            let (told, plain) = (fold(&decoded), serde_json::to_value(&message).unwrap());
            // Null and absent are alike: a stream leaves room for citations that a plain answer does not mention.
            assert_eq!(classify::fold::differences(&told, &plain), []);
            assert_eq!(classify::fold::fold(&body), Ok(told));
            let headers = crate::headers("req_01".to_owned(), "text/event-stream");
            let reply = classify::Reply { status: 200, headers, body: body.into() };
            assert_eq!(classify(&Observation::Reply(reply)), Class::Streamed);
        }
    }

    fn decode(body: &[u8]) -> Vec<Value> {
        let mut decoder = sse::Decoder::default();
        let events = decoder.push(body);
        events.iter().map(|event| serde_json::from_str(&event.data).unwrap()).collect()
    }

    /// What a client puts together.
    fn fold(events: &[Value]) -> Value {
        let mut message = Value::Null;
        let mut tool_json = String::new();
        for event in events {
            match event["type"].as_str().unwrap() {
                "message_start" => message = event["message"].clone(),
                "content_block_start" => {
                    tool_json.clear();
                    message["content"].as_array_mut().unwrap().push(event["content_block"].clone());
                }
                "content_block_delta" => {
                    let block = &mut message["content"][event["index"].as_u64().unwrap() as usize];
                    let delta = &event["delta"];
                    let mut append = |member: &str| {
                        let text = format!(
                            "{}{}",
                            block[member].as_str().unwrap(),
                            delta[member].as_str().unwrap()
                        );
                        block[member] = text.into();
                    };
                    match delta["type"].as_str().unwrap() {
                        "text_delta" => append("text"),
                        "thinking_delta" => append("thinking"),
                        "signature_delta" => append("signature"),
                        "citations_delta" => {
                            block["citations"]
                                .as_array_mut()
                                .unwrap()
                                .push(delta["citation"].clone());
                        }
                        "input_json_delta" => {
                            tool_json.push_str(delta["partial_json"].as_str().unwrap());
                            block["input"] =
                                serde_json::from_str(&tool_json).unwrap_or_else(|_| json!({}));
                        }
                        other => panic!("{other}"),
                    }
                }
                "message_delta" => {
                    merge(&mut message, &event["delta"]);
                    merge(&mut message["usage"], &event["usage"]);
                }
                _ => {}
            }
        }
        message
    }

    fn merge(into: &mut Value, from: &Value) {
        for (name, value) in from.as_object().unwrap() {
            into[name] = value.clone();
        }
    }

    #[test]
    fn text() {
        check(
            json!({"model": "claude-haiku-5-5", "max_tokens": 500, "messages": [{"role": "user", "content": "nonce:αβγ7-x Hello"}]}),
        );
        check(
            json!({"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}], "stop_sequences": ["e"]}),
        );
        check(
            json!({"model": "claude-sonnet-4-6", "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}], "stop_sequences": ["."]}),
        );
    }

    #[test]
    fn thinking() {
        for display in ["summarized", "omitted"] {
            check(json!({
                "model": "claude-opus-5-5", "max_tokens": 4_000, "thinking": {"type": "adaptive", "display": display},
                "messages": [{"role": "user", "content": "Hello"}], "diagnostics": {"previous_message_id": "msg_01"},
            }));
        }
        check(json!({
            "model": "claude-sonnet-4-5", "max_tokens": 2_000, "thinking": {"type": "enabled", "budget_tokens": 1_024},
            "messages": [{"role": "user", "content": "Hello"}],
        }));
    }

    #[test]
    fn tools() {
        let tools = json!([fixture::weather_tool(), {"type": "bash_20250124", "name": "bash"}, {"type": "computer_toolset_20260801"}]);
        for choice in ["auto", "any", "none"] {
            check(json!({
                "model": "claude-sonnet-4-6", "max_tokens": 800, "tools": tools, "tool_choice": {"type": choice},
                "messages": [{"role": "user", "content": "What is the weather?"}], "container": "container_01",
            }));
        }
        check(json!({
            "model": "claude-sonnet-4-6", "max_tokens": 2, "tools": tools, "tool_choice": {"type": "tool", "name": "weather"},
            "messages": [{"role": "user", "content": "What is the weather?"}],
        }));
    }

    #[test]
    fn server_tools() {
        let tools = json!([
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 1},
            {"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": true}},
            {"type": "code_execution_20260120", "name": "code_execution"},
            {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
        ]);
        for asked in [
            "",
            "probity:pause-turn",
            "probity:tool-error",
            "probity:web-fetch",
            "probity:code-execution",
        ] {
            check(json!({
                "model": "claude-opus-5-5", "max_tokens": 800, "tools": tools,
                "messages": [{"role": "user", "content": format!("Read https://example.com/a. {asked}")}],
            }));
        }
    }

    #[test]
    fn citations_and_ends() {
        let document = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grass is green. Café. Sky 🙂 is blue."}, "citations": {"enabled": true}});
        for asked in [
            "Hello",
            "probity:refusal",
            "probity:refusal-midway",
            "probity:redacted-thinking",
            "probity:long",
            "probity:empty",
        ] {
            check(json!({
                "model": "claude-sonnet-5-5", "max_tokens": 4_000,
                "messages": [{"role": "user", "content": [document, {"type": "text", "text": asked}]}],
            }));
        }
    }

    #[test]
    fn without_a_pace_nobody_waits() {
        let params = json!({"model": "claude-haiku-5-5", "max_tokens": 4_000, "messages": [{"role": "user", "content": "probity:long"}]});
        let mut dice = Dice::of_part(1, "stream", 0);
        let turn = Turn {
            params: &params,
            model: None,
            dice: &mut dice,
            now: fixture::now(),
            batched: false,
        };
        let message = compose::message(turn);
        let chunks = events(&message, Pace::Instant, &mut dice);
        assert!(chunks.iter().all(|chunk| chunk.delay_ms == 0));
        let pings = chunks.iter().filter(|chunk| chunk.bytes.starts_with(b"event: ping")).count();
        assert!(chunks.len() > 300 && pings > 1, "{pings} of {}", chunks.len());
    }
}
