//! The grammar of a Messages event stream, as a state machine over decoded events.
//!
//! ```text
//! stream  := message_start block* message_delta+ message_stop
//!          | any prefix of it, then error
//! block   := content_block_start content_block_delta* content_block_stop
//! ```
//!
//! Blocks carry the indexes 0, 1, 2 … and do not overlap; `ping` may stand anywhere. Event, delta and block
//! types that are not known are ignored wherever they stand: the API promises to add some. The price is that
//! a misspelt event name shows only by what it leaves missing.
//!
//! A defect does not end the reading. One cause can therefore name several defects; the first is the cause.

mod defect;
mod payload;

use crate::envelope::{self, Envelope};
use crate::sse::{self, Decoder, Event};

pub use defect::{Defect, DefectKind};
use payload::Payload;

/// What a whole event stream says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamReading {
    /// Events dispatched, unknown ones and pings included.
    pub events: usize,
    pub outcome: Outcome,
    /// The last `stop_reason` a `message_delta` gave.
    pub stop_reason: Option<String>,
    /// The defects in order of appearance, at most [`DEFECTS_MAX`] of them.
    pub defects: Vec<Defect>,
}

/// How a stream ended. An `error` event outweighs defects, and defects outweigh a missing end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It ran to `message_stop` without a defect.
    Done,
    /// An `error` event ended it.
    Failed(Envelope<'static>),
    /// It breaks the grammar; see [`StreamReading::defects`].
    Malformed,
    /// It stopped before `message_stop`.
    Truncated,
}

/// A report needs the first few; a stream that is nothing but defects must not grow a list as long as itself.
pub const DEFECTS_MAX: usize = 32;

/// As much as one event may hold. What is longer is kept up to here, and therefore broken.
const TOOL_JSON_BYTES_MAX: usize = sse::EVENT_BYTES_MAX;

/// More than one open block is a defect already; this many are enough to pair some more deltas with them.
const OPEN_MAX: usize = 64;

/// Reads a whole body.
pub fn read(body: &[u8]) -> StreamReading {
    let mut decoder = Decoder::default();
    let mut grammar = Grammar::default();
    for event in decoder.push(body) {
        grammar.event(&event);
    }
    grammar.finish(&decoder.finish())
}

/// The state machine, for those who read events as they arrive.
#[derive(Debug, Default)]
pub struct Grammar {
    phase: Phase,
    events: usize,
    started: bool,
    index_next: u64,
    open: Vec<Block>,
    /// A defect of the block closed last, unless the answer turns out to be cut short there.
    unless_cut_short: Option<Defect>,
    stop_reason: Option<String>,
    failure: Option<Envelope<'static>>,
    defects: Vec<Defect>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Phase {
    #[default]
    Before,
    Open,
    Closing,
    Stopped,
    /// After `message_stop` came more; nothing after that is looked at.
    Beyond,
}

#[derive(Debug)]
struct Block {
    index: u64,
    /// None for a block that is not known.
    kind: Option<&'static str>,
    tool_json: String,
    signed: bool,
}

impl Grammar {
    /// Takes the next event.
    pub fn event(&mut self, event: &Event) {
        self.events += 1;
        if self.failure.is_some() || self.phase == Phase::Beyond {
            return;
        }
        let named = Kind::parse(&event.name);
        if named.is_none() && !event.name.is_empty() || named == Some(Kind::Ping) {
            return;
        }
        let payload = envelope::object::<Payload<'_>>(event.data.as_bytes());
        let Some(kind) = self.identify(event, named, payload.as_ref()) else { return };
        if self.phase == Phase::Stopped {
            self.phase = Phase::Beyond;
            return self.defect(DefectKind::AfterMessageStop);
        }
        if kind == Kind::Error {
            self.failure = Some(failure(&event.data));
            return;
        }
        if event.lossy {
            self.defect(DefectKind::DataNotUtf8);
        }
        let Some(payload) = payload else {
            return self.defect(DefectKind::DataNotJson);
        };
        if kind == Kind::MessageStart {
            return self.message_start(&payload);
        }
        if self.phase == Phase::Before {
            self.defect(DefectKind::EventBeforeStart);
            self.phase = Phase::Open;
        }
        match kind {
            Kind::BlockDelta | Kind::BlockStart | Kind::BlockStop => {
                self.block_event(kind, &payload)
            }
            Kind::MessageDelta => self.message_delta(&payload),
            Kind::MessageStop => self.message_stop(),
            Kind::Error | Kind::MessageStart | Kind::Ping => {}
        }
    }

    /// Ends the stream; `end` is what the decoder had left.
    pub fn finish(mut self, end: &sse::End) -> StreamReading {
        if end.overflow.is_some() {
            self.events += 1;
            self.defect(DefectKind::EventTooLong);
        }
        let outcome = match self.failure {
            Some(envelope) => Outcome::Failed(envelope),
            None if !self.defects.is_empty() => Outcome::Malformed,
            None if self.phase == Phase::Stopped => Outcome::Done,
            None => Outcome::Truncated,
        };
        StreamReading {
            events: self.events,
            outcome,
            stop_reason: self.stop_reason,
            defects: self.defects,
        }
    }

    /// The kind of a known event, by the type in its data where it has one; none for what is to be ignored.
    fn identify(
        &mut self,
        event: &Event,
        named: Option<Kind>,
        payload: Option<&Payload<'_>>,
    ) -> Option<Kind> {
        if named == Some(Kind::Error) {
            return named;
        }
        let Some(payload) = payload else {
            // Some gateways end with `data: [DONE]`, as another vendor does; it carries nothing.
            if named.is_none() && event.data != "[DONE]" {
                self.defect(DefectKind::DataNotJson);
            }
            return named;
        };
        let typed = Kind::parse(payload.kind.as_str());
        if named.is_some() && !payload.kind.is(&event.name) {
            self.defect(DefectKind::NameTypeMismatch);
        } else if named.is_none() && typed.is_some_and(|kind| kind != Kind::Ping) {
            self.defect(DefectKind::EventUnnamed);
        }
        typed.filter(|&kind| kind != Kind::Ping)
    }

    fn message_start(&mut self, payload: &Payload<'_>) {
        if !payload.message.0.present {
            self.defect(DefectKind::FieldMissing);
        }
        if self.started {
            return self.defect(DefectKind::SecondMessageStart);
        }
        self.started = true;
        if self.phase == Phase::Before {
            self.phase = Phase::Open;
        }
    }

    fn block_event(&mut self, kind: Kind, payload: &Payload<'_>) {
        if self.phase == Phase::Closing {
            return self.defect(DefectKind::BlockAfterMessageDelta);
        }
        let Some(index) = payload.index.0.0 else {
            return self.defect(DefectKind::FieldMissing);
        };
        let at = self.open.iter().position(|block| block.index == index);
        match (kind, at) {
            (Kind::BlockStart, _) => self.block_start(index, payload),
            (Kind::BlockDelta, Some(at)) => self.block_delta(at, payload),
            (Kind::BlockDelta, None) => self.defect(DefectKind::DeltaUnopened),
            (_, Some(at)) => self.block_stop(at),
            (_, None) => self.defect(DefectKind::StopUnopened),
        }
    }

    fn block_start(&mut self, index: u64, payload: &Payload<'_>) {
        let start = &payload.content_block.0;
        self.settle(false);
        if start.kind.0.is_none() {
            self.defect(DefectKind::FieldMissing);
        }
        if !self.open.is_empty() {
            self.defect(DefectKind::BlockOverlap);
        }
        if index < self.index_next {
            self.defect(DefectKind::IndexReused);
            self.open.retain(|block| block.index != index);
        } else if self.index_next < index {
            self.defect(DefectKind::IndexGap);
        }
        self.index_next = self.index_next.max(index.saturating_add(1));
        if self.open.len() < OPEN_MAX {
            let (kind, signed) =
                (known_block(start.kind.as_str()), !start.signature.as_str().is_empty());
            self.open.push(Block { index, kind, tool_json: String::new(), signed });
        }
    }

    fn block_delta(&mut self, at: usize, payload: &Payload<'_>) {
        let delta = &payload.delta.0;
        let kind = delta.kind.as_str();
        if kind.is_empty() {
            return self.defect(DefectKind::FieldMissing);
        }
        let block = &mut self.open[at];
        // An unknown delta or an unknown block: the versioning promise says to ignore it.
        let (Some(homes), Some(block_kind)) = (homes(kind), block.kind) else { return };
        if !homes.contains(&block_kind) {
            return self.defect(DefectKind::DeltaTypeMismatch);
        }
        match kind {
            "input_json_delta" if block.tool_json.len() < TOOL_JSON_BYTES_MAX => {
                block.tool_json.push_str(delta.partial_json.as_str());
            }
            "thinking_delta" if block.signed => self.defect(DefectKind::SignatureNotLast),
            "signature_delta" if std::mem::replace(&mut block.signed, true) => {
                self.defect(DefectKind::SignatureNotLast);
            }
            _ => {}
        }
    }

    fn block_stop(&mut self, at: usize) {
        let block = self.open.remove(at);
        let kind = match block.kind {
            Some("thinking") if !block.signed => DefectKind::SignatureMissing,
            _ if !block.tool_json.is_empty() && !is_json_object(&block.tool_json) => {
                DefectKind::ToolJsonBroken
            }
            _ => return,
        };
        self.unless_cut_short = Some(Defect { event_idx: self.events - 1, kind });
    }

    fn message_delta(&mut self, payload: &Payload<'_>) {
        self.close_blocks();
        self.phase = Phase::Closing;
        if let Some(reason) = &payload.delta.0.stop_reason.0 {
            self.settle(CUT_SHORT.contains(&&**reason));
            self.stop_reason = Some(reason.clone().into_owned());
        }
    }

    fn message_stop(&mut self) {
        self.close_blocks();
        self.settle(false);
        if self.phase != Phase::Closing {
            self.defect(DefectKind::MessageDeltaMissing);
        } else if self.stop_reason.is_none() {
            self.defect(DefectKind::StopReasonMissing);
        }
        self.phase = Phase::Stopped;
    }

    fn close_blocks(&mut self) {
        if !self.open.is_empty() {
            self.open.clear();
            self.defect(DefectKind::BlockLeftOpen);
        }
    }

    /// Decides about the block closed last: what was cut short may be unfinished, what was not may not.
    fn settle(&mut self, cut_short: bool) {
        let defect = self.unless_cut_short.take();
        if !cut_short && self.defects.len() < DEFECTS_MAX {
            self.defects.extend(defect);
        }
    }

    fn defect(&mut self, kind: DefectKind) {
        if self.defects.len() < DEFECTS_MAX {
            self.defects.push(Defect { event_idx: self.events - 1, kind });
        }
    }
}

/// Stop reasons under which the last block may end anywhere.
const CUT_SHORT: [&str; 3] = ["max_tokens", "model_context_window_exceeded", "refusal"];

/// The events of the grammar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    BlockDelta,
    BlockStart,
    BlockStop,
    Error,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "content_block_delta" => Self::BlockDelta,
            "content_block_start" => Self::BlockStart,
            "content_block_stop" => Self::BlockStop,
            "error" => Self::Error,
            "message_delta" => Self::MessageDelta,
            "message_start" => Self::MessageStart,
            "message_stop" => Self::MessageStop,
            "ping" => Self::Ping,
            _ => return None,
        })
    }
}

/// The blocks that take deltas of that type; none for a type not known.
fn homes(delta: &str) -> Option<&'static [&'static str]> {
    Some(match delta {
        "citations_delta" | "text_delta" => &["text"],
        "input_json_delta" => &["mcp_tool_use", "server_tool_use", "tool_use"],
        "signature_delta" | "thinking_delta" => &["thinking"],
        _ => return None,
    })
}

/// The name of a known block; none for one to be ignored. Results of server tools are all alike here.
fn known_block(kind: &str) -> Option<&'static str> {
    const KNOWN: [&str; 7] = [
        "container_upload",
        "mcp_tool_use",
        "redacted_thinking",
        "server_tool_use",
        "text",
        "thinking",
        "tool_use",
    ];
    let named = KNOWN.into_iter().find(|known| *known == kind);
    named.or_else(|| kind.ends_with("_tool_result").then_some("tool_result"))
}

fn is_json_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The envelope in an `error` event; gateways also write plain text there, which then is the message.
fn failure(data: &str) -> Envelope<'static> {
    let plain = || Envelope { message: data.into(), ..Envelope::default() };
    envelope::parse(data.as_bytes()).unwrap_or_else(plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream in shorthand: each line is `name json`, the type being that of the name; `- json` has no name.
    fn stream(lines: &str) -> String {
        let event =
            |line: &str| match line.trim().split_once(' ').unwrap_or_else(|| (line.trim(), "{}")) {
                ("-", data) => format!("data: {data}\n\n"),
                (name, "{}") => format!("event: {name}\ndata: {{\"type\":\"{name}\"}}\n\n"),
                (name, data) if data.starts_with('{') && !data.contains("\"type\":\"message") => {
                    format!("event: {name}\ndata: {{\"type\":\"{name}\",{}\n\n", &data[1..])
                }
                (name, data) => format!("event: {name}\ndata: {data}\n\n"),
            };
        lines.lines().filter(|line| !line.trim().is_empty()).map(event).collect()
    }

    /// `expected` is the outcome's name and the defects as `index:name`.
    fn check(lines: &str, expected: &str) {
        let reading = read(stream(lines).as_bytes());
        let outcome = match &reading.outcome {
            Outcome::Done => "done".to_owned(),
            Outcome::Failed(envelope) => format!("failed {}", envelope.message),
            Outcome::Malformed => "malformed".to_owned(),
            Outcome::Truncated => "truncated".to_owned(),
        };
        let defects = reading.defects.iter().map(|d| format!(" {}:{}", d.event_idx, d.kind.name()));
        assert_eq!(outcome + &defects.collect::<String>(), expected, "{lines}");
    }

    const START: &str = r#"message_start {"message":{}}"#;
    const TEXT: &str =
        r#"content_block_start {"index":0,"content_block":{"type":"text","text":""}}"#;
    const TOOL: &str =
        r#"content_block_start {"index":0,"content_block":{"type":"tool_use","input":{}}}"#;
    const THINKING: &str =
        r#"content_block_start {"index":0,"content_block":{"type":"thinking","signature":""}}"#;
    const HELLO: &str =
        r#"content_block_delta {"index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;
    const SIGNATURE: &str =
        r#"content_block_delta {"index":0,"delta":{"type":"signature_delta","signature":"x"}}"#;
    const BLOCK_STOP: &str = r#"content_block_stop {"index":0}"#;
    const END_TURN: &str = r#"message_delta {"delta":{"stop_reason":"end_turn"}}"#;
    const CUT_SHORT: &str = r#"message_delta {"delta":{"stop_reason":"max_tokens"}}"#;
    const STOP: &str = "message_stop";

    fn check_lines(lines: &[&str], expected: &str) {
        check(&lines.join("\n"), expected);
    }

    #[test]
    fn whole_streams() {
        check_lines(&[START, TEXT, HELLO, BLOCK_STOP, END_TURN, STOP], "done");
        check_lines(&[START, END_TURN, STOP], "done");
        check_lines(
            &[
                "ping",
                START,
                "ping",
                "novel_event {\"index\":9}",
                END_TURN,
                END_TURN,
                "ping",
                STOP,
                "ping",
            ],
            "done",
        );
        check_lines(
            &[START, END_TURN, STOP, "- [DONE]", "- {\"type\":\"novel\"}", "- {\"type\":\"ping\"}"],
            "done",
        );
        check_lines(&[START, THINKING, SIGNATURE, BLOCK_STOP, END_TURN, STOP], "done");
    }

    #[test]
    fn unknown_deltas_and_blocks_are_ignored() {
        let novel = r#"content_block_delta {"index":0,"delta":{"type":"novel_delta"}}"#;
        check_lines(&[START, TEXT, novel, BLOCK_STOP, END_TURN, STOP], "done");
        let novel = r#"content_block_start {"index":0,"content_block":{"type":"novel"}}"#;
        check_lines(&[START, novel, HELLO, SIGNATURE, BLOCK_STOP, END_TURN, STOP], "done");
    }

    #[test]
    fn every_prefix_of_a_whole_stream_is_truncated() {
        let lines = [
            START,
            TOOL,
            r#"content_block_delta {"index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        ];
        for len in 0..=lines.len() {
            check_lines(&lines[..len], "truncated");
        }
        check_lines(&[START, TEXT, HELLO, BLOCK_STOP, END_TURN], "truncated");
        let unflushed = stream(&[START, END_TURN, STOP].join("\n"));
        assert_eq!(read(unflushed.trim_end().as_bytes()).outcome, Outcome::Truncated);
    }

    #[test]
    fn an_error_ends_the_stream() {
        let error = r#"error {"error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        check_lines(&[error], "failed Overloaded");
        check_lines(&[START, TEXT, HELLO, error, STOP, STOP], "failed Overloaded");
        check_lines(&[START, START, error], "failed Overloaded 1:second-message-start");
        check_lines(&[START, "error upstream exploded"], "failed upstream exploded");
        check_lines(
            &[START, "- {\"type\":\"error\",\"error\":\"no\"}"],
            "failed no 1:event-unnamed",
        );
        check_lines(&[START, END_TURN, STOP, error], "malformed 3:after-message-stop");
    }

    #[test]
    fn message_events_out_of_order() {
        check_lines(&[TEXT, START, BLOCK_STOP, END_TURN, STOP], "malformed 0:event-before-start");
        check_lines(&[START, START, END_TURN, STOP], "malformed 1:second-message-start");
        check_lines(&[START, END_TURN, STOP, START, TEXT], "malformed 3:after-message-stop");
        check_lines(&[START, STOP], "malformed 1:message-delta-missing");
        check_lines(&[START, "message_delta", STOP], "malformed 2:stop-reason-missing");
        check_lines(&[START, TEXT, END_TURN, STOP], "malformed 2:block-left-open");
        check_lines(&[START, TEXT, STOP], "malformed 2:block-left-open 2:message-delta-missing");
        check_lines(&[START, END_TURN, TEXT, STOP], "malformed 2:block-after-message-delta");
    }

    #[test]
    fn block_events_out_of_order() {
        let second = TEXT.replace(":0", ":1");
        let third = TEXT.replace(":0", ":2");
        check_lines(&[START, HELLO, END_TURN, STOP], "malformed 1:delta-unopened");
        check_lines(&[START, BLOCK_STOP, END_TURN, STOP], "malformed 1:stop-unopened");
        check_lines(&[START, TEXT, BLOCK_STOP, &third], "malformed 3:index-gap");
        check_lines(&[START, TEXT, BLOCK_STOP, TEXT], "malformed 3:index-reused");
        check_lines(&[START, TEXT, &second, HELLO], "malformed 2:block-overlap");
        check_lines(&[START, TEXT, SIGNATURE], "malformed 2:delta-type-mismatch");
        check_lines(&[START, TOOL, HELLO], "malformed 2:delta-type-mismatch");
        check_lines(&[START, THINKING, SIGNATURE, SIGNATURE], "malformed 3:signature-not-last");
    }

    #[test]
    fn data_that_is_not_what_the_grammar_needs() {
        check_lines(&["message_start {\"message\":7}"], "malformed 0:field-missing");
        check_lines(&[START, "content_block_start"], "malformed 1:field-missing");
        check_lines(&[START, "content_block_start {\"index\":-1}"], "malformed 1:field-missing");
        check_lines(
            &[START, TEXT, "content_block_delta {\"index\":0}"],
            "malformed 2:field-missing",
        );
        check_lines(&[START, "content_block_delta []"], "malformed 1:data-not-json");
        check_lines(&[START, "content_block_delta <html>"], "malformed 1:data-not-json");
        check_lines(
            &["message_stop {\"type\":\"message_start\",\"message\":{}}"],
            "malformed 0:name-type-mismatch",
        );
        check_lines(
            &["- {\"type\":\"message_start\",\"message\":{}}"],
            "malformed 0:event-unnamed",
        );
        let bytes = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"\xC3\"}}\n\n";
        assert_eq!(read(bytes).defects, [Defect { event_idx: 0, kind: DefectKind::DataNotUtf8 }]);
    }

    #[test]
    fn what_was_cut_short_may_be_unfinished() {
        let piece = r#"content_block_delta {"index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\": 1,"}}"#;
        let second = TEXT.replace(":0", ":1");
        check_lines(&[START, TOOL, piece, BLOCK_STOP, CUT_SHORT, STOP], "done");
        check_lines(
            &[START, TOOL, piece, BLOCK_STOP, END_TURN, STOP],
            "malformed 3:tool-json-broken",
        );
        check_lines(&[START, TOOL, piece, BLOCK_STOP, &second], "malformed 3:tool-json-broken");
        check_lines(&[START, TOOL, BLOCK_STOP, END_TURN, STOP], "done");
        check_lines(&[START, THINKING, BLOCK_STOP, CUT_SHORT, STOP], "done");
        check_lines(
            &[START, THINKING, BLOCK_STOP, END_TURN, STOP],
            "malformed 2:signature-missing",
        );
    }

    #[test]
    fn defects_are_counted_up_to_a_limit() {
        let reading = read(stream(&format!("{HELLO}\n").repeat(100)).as_bytes());
        assert_eq!((reading.events, reading.defects.len()), (100, DEFECTS_MAX));
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = DefectKind::ALL.map(DefectKind::name).into();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DefectKind::ALL.len());
    }
}
