//! Puts the events of a stream together into the message that the same request gets without `stream`.
//!
//! Streaming changes how an answer travels and not what it says, so the two can be compared member by member:
//! [`fold`] makes the message, [`differences`] says where two messages disagree. A message is given only for a
//! stream that runs to its end without a break of the [grammar](stream): half an answer that looks whole is the
//! mistake that clients make here. The price is that a stream which a lenient client would still understand
//! has no message.
//!
//! What is not known is treated as the versioning promise asks: unknown events and deltas are left out, unknown
//! blocks stay as they started, and members that nobody knows are kept.

mod difference;

use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};

use crate::envelope::Envelope;
use crate::sse::{self, Decoder, Event};
use crate::stream::{Defect, Grammar, Outcome};

pub use difference::{DIFFERENCES_MAX, Difference, MAY_DIFFER, MayDiffer, differences};

/// Data of all events together. Twice what one event may hold: no answer comes near it, and a stream without an
/// end must not fill the memory.
pub const FOLDED_BYTES_MAX: usize = 2 * sse::EVENT_BYTES_MAX;

/// The message of a whole body.
pub fn fold(body: &[u8]) -> Result<Value, FoldError> {
    let mut decoder = Decoder::default();
    let mut folder = Folder::default();
    for event in decoder.push(body) {
        folder.event(&event);
    }
    match decoder.overflow() {
        Some(_) => Err(FoldError::TooLong),
        None => folder.finish(),
    }
}

/// Why a stream has no message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FoldError {
    /// An `error` event ended it.
    Failed(Envelope<'static>),
    /// It ended before `message_stop`, after so many events.
    Incomplete { events: usize },
    /// It breaks the grammar; this is the first place.
    Malformed(Defect),
    /// The data of that event passes for JSON and cannot be read: nested too deeply, or half of a surrogate pair.
    Unreadable { event_idx: usize },
    /// The answer was cut short within the input of the tool that this block calls.
    InputUnfinished { index: usize },
    /// It breaks a limit of the decoder, or [`FOLDED_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for FoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(envelope) => write!(f, "an error event ended it: {}", envelope.message),
            Self::Incomplete { events } => write!(f, "it ended unfinished after {events} events"),
            Self::Malformed(defect) => write!(f, "it breaks the grammar at {defect}"),
            Self::Unreadable { event_idx } => {
                write!(f, "the data of event {event_idx} cannot be read")
            }
            Self::InputUnfinished { index } => {
                write!(f, "the input of the tool in block {index} is unfinished")
            }
            Self::TooLong => f.write_str("it is longer than what is read"),
        }
    }
}

impl Error for FoldError {}

/// Puts a message together as its events arrive: feed it with [`event`](Self::event), end it with
/// [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct Folder {
    /// Finds what is wrong with the order of events, so that the rest may rely on it.
    grammar: Grammar,
    events: usize,
    bytes: usize,
    message: Map<String, Value>,
    /// The blocks so far; the last one is the one that grows.
    content: Vec<Value>,
    /// The pieces of a tool's input, until its block stops.
    input_json: String,
    /// What keeps the stream from having a message though its grammar is right.
    trouble: Option<FoldError>,
}

impl Folder {
    /// Takes the next event.
    pub fn event(&mut self, event: &Event) {
        self.grammar.event(event);
        self.events += 1;
        self.bytes = self.bytes.saturating_add(event.data.len());
        if FOLDED_BYTES_MAX < self.bytes {
            self.trouble = Some(FoldError::TooLong);
        }
        if self.trouble.is_some() || !PARTS.contains(&&*event.name) {
            return;
        }
        match serde_json::from_str(&event.data) {
            Ok(data @ Value::Object(_)) => self.part(&event.name, data),
            // The grammar names it.
            Ok(_) => {}
            Err(_) => {
                self.trouble = Some(FoldError::Unreadable { event_idx: self.events - 1 });
            }
        }
    }

    /// The message, if the stream was whole.
    pub fn finish(mut self) -> Result<Value, FoldError> {
        let reading = self.grammar.finish(&sse::End::default());
        match (reading.outcome, reading.defects.first(), self.trouble) {
            (Outcome::Failed(envelope), ..) => Err(FoldError::Failed(envelope)),
            (_, Some(&defect), _) => Err(FoldError::Malformed(defect)),
            (_, _, Some(trouble)) if trouble == FoldError::TooLong => Err(trouble),
            (Outcome::Truncated, ..) => Err(FoldError::Incomplete { events: self.events }),
            (_, _, Some(trouble)) => Err(trouble),
            (Outcome::Done | Outcome::Malformed, None, None) => {
                self.message.insert("content".to_owned(), self.content.into());
                Ok(self.message.into())
            }
        }
    }

    /// Whatever is missing or out of place here is a defect of the grammar, and there is no message anyway.
    fn part(&mut self, name: &str, mut data: Value) {
        match name {
            "message_start" => {
                let Value::Object(mut message) = data["message"].take() else { return };
                if let Some(Value::Array(content)) = message.remove("content") {
                    self.content = content;
                }
                self.message = message;
            }
            "content_block_start" => {
                self.content.push(data["content_block"].take());
                self.input_json.clear();
            }
            "content_block_delta" => self.delta(data["delta"].take()),
            "content_block_stop" => self.block_stop(),
            "message_delta" => self.message_delta(data),
            _ => {}
        }
    }

    fn delta(&mut self, mut delta: Value) {
        let Some(Value::Object(block)) = self.content.last_mut() else { return };
        let home = block.get("type").and_then(Value::as_str).unwrap_or_default();
        match (home, delta["type"].as_str().unwrap_or_default()) {
            ("text", "text_delta") => append(block, "text", &delta),
            ("text", "citations_delta") => {
                let citations = block.entry("citations").or_insert(Value::Null);
                if citations.is_null() {
                    *citations = Value::Array(Vec::new());
                }
                if let Value::Array(citations) = citations {
                    citations.push(delta["citation"].take());
                }
            }
            ("thinking", "thinking_delta") => append(block, "thinking", &delta),
            // It comes whole, and once.
            ("thinking", "signature_delta") => replace(block, "signature", &mut delta),
            ("tool_use" | "server_tool_use" | "mcp_tool_use", "input_json_delta") => {
                self.input_json.push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            // A beta; it carries the final values.
            ("compaction", "compaction_delta") => {
                replace(block, "content", &mut delta);
                replace(block, "encrypted_content", &mut delta);
            }
            _ => {}
        }
    }

    /// The pieces of an input are an object only together. No piece, or none but empty ones, leave the input that
    /// the block started with.
    fn block_stop(&mut self) {
        let json = std::mem::take(&mut self.input_json);
        let Some(Value::Object(block)) = self.content.last_mut() else { return };
        if json.is_empty() {
            return;
        }
        match serde_json::from_str::<Map<String, Value>>(&json) {
            Ok(input) => drop(block.insert("input".to_owned(), input.into())),
            Err(_) => {
                let index = self.content.len() - 1;
                self.trouble = Some(FoldError::InputUnfinished { index });
            }
        }
    }

    fn message_delta(&mut self, mut data: Value) {
        overlay(&mut self.message, data["delta"].take());
        if let Value::Object(usage) =
            self.message.entry("usage").or_insert_with(|| Map::new().into())
        {
            overlay(usage, data["usage"].take());
        }
        let Value::Object(mut data) = data else { return };
        data.retain(|name, _| BESIDE_THE_DELTA.contains(&&**name));
        overlay(&mut self.message, data.into());
    }
}

/// The events that a message is made of.
const PARTS: [&str; 5] = [
    "content_block_delta",
    "content_block_start",
    "content_block_stop",
    "message_delta",
    "message_start",
];

/// Members of a message that a `message_delta` brings beside its `delta`; both are betas.
const BESIDE_THE_DELTA: [&str; 2] = ["context_management", "input_transformations"];

fn append(block: &mut Map<String, Value>, member: &str, delta: &Value) {
    let more = delta[member].as_str().unwrap_or_default();
    match block.get_mut(member) {
        Some(Value::String(text)) => text.push_str(more),
        _ => drop(block.insert(member.to_owned(), more.into())),
    }
}

fn replace(block: &mut Map<String, Value>, member: &str, delta: &mut Value) {
    if let Some(value) = delta.get_mut(member) {
        block.insert(member.to_owned(), value.take());
    }
}

/// Lays what came last over what was there. Counts are cumulative and therefore replace; what is null says nothing
/// new, so it does not take a value away.
fn overlay(onto: &mut Map<String, Value>, last: Value) {
    let Value::Object(last) = last else { return };
    for (name, value) in last {
        if !value.is_null() || !onto.contains_key(&name) {
            onto.insert(name, value);
        }
    }
}
