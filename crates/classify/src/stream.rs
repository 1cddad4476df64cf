//! The grammar of a Messages event stream, and the promises about what its events carry.
//!
//! ```text
//! stream  := message_start block* message_delta+ message_stop
//!          | any prefix of it, then error
//! block   := content_block_start content_block_delta* content_block_stop
//! ```
//!
//! Blocks carry the indexes 0, 1, 2 … and do not overlap; `ping` may stand anywhere. Event, delta and block
//! types that are not known are ignored wherever they stand, since the API promises to add some; [`lint`] makes a
//! note of them.
//!
//! One state machine serves two readers. [`read`] asks whether the grammar holds, which is all that a class
//! depends on; [`lint`] names every [`Rule`] that is broken and shows the events around the place. A break does
//! not end the reading, so one cause can name several rules; the first is the cause. The price of one machine for
//! both is that every rule says whether it is of the grammar.

mod blocks;
mod grammar;
mod log;
mod names;
mod note;
mod payload;
mod rule;
mod shape;
mod sight;
#[cfg(test)]
mod tests;
mod tool_json;

use std::fmt;

use serde::de::IgnoredAny;

use crate::envelope::Envelope;
use crate::sse::{Decoder, Limits};

pub use grammar::Grammar;
pub use note::{Note, NoteKind};
pub use rule::Rule;
pub use sight::{Sight, Sights};

/// What the rules say about a whole event stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lint {
    /// Events dispatched, unknown ones and pings included.
    pub events: usize,
    pub outcome: Outcome,
    /// The last `stop_reason` a `message_delta` gave.
    pub stop_reason: Option<String>,
    /// By event, at most [`VIOLATIONS_MAX`] of them.
    pub violations: Vec<Violation>,
    /// What is odd and no fault, at most [`NOTES_MAX`] of them and each only once.
    pub notes: Vec<Note>,
    pub sights: Sights,
}

/// One break of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    pub rule: Rule,
    /// The event that breaks it, 0 being the first one dispatched. What is missing at the end stands at the index
    /// that the next event would have had.
    pub event_idx: usize,
    /// Where that event begins, in bytes.
    pub offset: usize,
    /// What was found, in a few words.
    pub detail: String,
    /// The event and up to [`AROUND`] on either side.
    pub trace: Vec<TraceLine>,
}

/// An event as a report shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TraceLine {
    pub event_idx: usize,
    /// Where the event begins, in bytes.
    pub offset: usize,
    /// Empty where the stream gave none.
    pub name: String,
    /// The first [`EXCERPT_BYTES_MAX`] bytes; an ellipsis at the end says that there is more.
    pub data_excerpt: String,
    pub is_culprit: bool,
}

/// What the classification looks at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamReading {
    /// Events dispatched, unknown ones and pings included.
    pub events: usize,
    pub outcome: Outcome,
    /// The last `stop_reason` a `message_delta` gave.
    pub stop_reason: Option<String>,
    /// The breaks of the grammar by event, at most [`VIOLATIONS_MAX`] of them.
    pub defects: Vec<Defect>,
}

/// One break of the grammar, without the events around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Defect {
    pub event_idx: usize,
    pub rule: Rule,
}

/// How a stream ended. An `error` event outweighs breaks of the grammar, and these outweigh a missing end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It ran to `message_stop` and keeps the grammar.
    Done,
    /// An `error` event ended it.
    Failed(Envelope<'static>),
    /// It breaks the grammar.
    Malformed,
    /// It stopped before `message_stop`.
    Truncated,
}

/// A report needs the first few; a stream that is nothing but faults must not grow a list as long as itself.
pub const VIOLATIONS_MAX: usize = 32;

/// The same for notes.
pub const NOTES_MAX: usize = 32;

/// Events shown on either side of a break: enough to see what the server was about to do.
pub const AROUND: usize = 2;

/// A line of a report holds as much.
pub const EXCERPT_BYTES_MAX: usize = 160;

/// Values in details are as long as a server makes them.
const DETAIL_BYTES_MAX: usize = 200;

/// Looks at everything in a whole body.
pub fn lint(body: &[u8]) -> Lint {
    let mut linter = Linter::default();
    linter.push(body);
    linter.finish()
}

/// Reads a whole body for its grammar alone.
pub fn read(body: &[u8]) -> StreamReading {
    let mut decoder = Decoder::default();
    let mut grammar = Grammar::default();
    decoder.push_with(body, |event| grammar.take(&event));
    grammar.finish(&decoder.finish())
}

/// [`lint`] for those who get the bytes piece by piece. The cut makes no difference.
#[derive(Debug)]
pub struct Linter {
    decoder: Decoder,
    grammar: Grammar,
}

impl Linter {
    pub fn new(limits: Limits) -> Self {
        Self { decoder: Decoder::new(limits), grammar: Grammar::wide() }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let Self { decoder, grammar } = self;
        decoder.push_with(bytes, |event| grammar.take(&event));
    }

    /// Ends the stream.
    pub fn finish(self) -> Lint {
        self.grammar.lint(&self.decoder.finish())
    }
}

impl Default for Linter {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.event_idx, self.rule)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "event {} at byte {}: {}: {}",
            self.event_idx, self.offset, self.rule, self.detail
        )
    }
}

/// Why the data of an event of the grammar is no object that can be read.
fn unreadable(data: &str) -> (Rule, String) {
    let text = data.trim_ascii();
    if text.is_empty() {
        return (Rule::DataEmpty, "nothing in it".to_owned());
    }
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => (Rule::DataNotJson, error.to_string()),
        Ok(_) if !text.starts_with('{') => (Rule::DataNotObject, "another JSON value".to_owned()),
        // What passes for JSON and cannot be read: half a character, a member that stands twice, endless depth.
        Ok(_) => match serde_json::from_str::<serde_json::Value>(text) {
            Err(error) if error.to_string().contains("hex escape") => {
                (Rule::LoneSurrogate, error.to_string())
            }
            Err(error) => (Rule::DataNotJson, error.to_string()),
            Ok(_) => (Rule::DataNotJson, "a member stands twice".to_owned()),
        },
    }
}
