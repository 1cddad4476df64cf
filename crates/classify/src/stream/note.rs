//! What is odd in a stream and no fault: the API promises to add events, deltas, blocks and values.

use std::fmt;

/// Something worth a word, at the event of that index.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    pub kind: NoteKind,
    pub event_idx: usize,
    pub offset: usize,
    /// The name or value in question; empty where the kind says it all.
    pub detail: String,
}

/// The closed list of notes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum NoteKind {
    /// In front of the stream: the standard takes it away, and some clients lose the first event by it.
    ByteOrderMark,
    /// Before `message_start` or after the end.
    PingOutside,
    UnknownBlock,
    UnknownCitation,
    UnknownDelta,
    UnknownErrorType,
    UnknownEvent,
    UnknownStopReason,
}

impl NoteKind {
    pub const ALL: [Self; 8] = [
        Self::ByteOrderMark,
        Self::PingOutside,
        Self::UnknownBlock,
        Self::UnknownCitation,
        Self::UnknownDelta,
        Self::UnknownErrorType,
        Self::UnknownEvent,
        Self::UnknownStopReason,
    ];

    /// The stable kebab-case name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "byte-order-mark",
            Self::PingOutside => "ping-outside",
            Self::UnknownBlock => "unknown-block",
            Self::UnknownCitation => "unknown-citation",
            Self::UnknownDelta => "unknown-delta",
            Self::UnknownErrorType => "unknown-error-type",
            Self::UnknownEvent => "unknown-event",
            Self::UnknownStopReason => "unknown-stop-reason",
        }
    }

    /// What it is, in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "the stream begins with a byte order mark",
            Self::PingOutside => "a `ping` before `message_start` or after the end",
            Self::UnknownBlock => "a content block of a type not known here",
            Self::UnknownCitation => "a citation of a type not known here",
            Self::UnknownDelta => "a delta of a type not known here",
            Self::UnknownErrorType => "an error of a type not known here, in a stream",
            Self::UnknownEvent => "an event not known here",
            Self::UnknownStopReason => "a stop reason not known here",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.event_idx, self.kind.name())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " `{}`", self.detail) }
    }
}
