//! What can be wrong with an event stream: a closed list with stable names.

use std::fmt;

/// One break of the grammar, at the event of that index (0 is the first one dispatched).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Defect {
    pub event_idx: usize,
    pub kind: DefectKind,
}

/// The closed list of defects.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DefectKind {
    /// An event of the grammar after `message_stop`; only the first is named.
    AfterMessageStop,
    /// A block event after the first `message_delta`.
    BlockAfterMessageDelta,
    /// `message_delta` or `message_stop` while a block is open.
    BlockLeftOpen,
    /// A block starts before the one before it has stopped.
    BlockOverlap,
    /// The data of a known event is not a JSON object.
    DataNotJson,
    /// The data holds bytes that are not UTF-8.
    DataNotUtf8,
    /// A delta of a known type that the open block cannot take.
    DeltaTypeMismatch,
    /// A delta for a block that is not open.
    DeltaUnopened,
    /// A block, `message_delta` or `message_stop` before `message_start`; only the first is named.
    EventBeforeStart,
    /// A line or an event beyond the decoder's limits; nothing after it was read.
    EventTooLong,
    /// A known event without its `event` line; clients that go by that line lose it.
    EventUnnamed,
    /// A field that the grammar itself needs is missing: an index, a block, a delta, a message.
    FieldMissing,
    /// A block index that skips one.
    IndexGap,
    /// A block index that was there before.
    IndexReused,
    /// `message_stop` without a `message_delta`.
    MessageDeltaMissing,
    /// The `event` line and `type` in the data disagree.
    NameTypeMismatch,
    SecondMessageStart,
    /// A thinking delta or a second signature after the signature.
    SignatureNotLast,
    /// A thinking block that was not cut short has no signature.
    SignatureMissing,
    /// `message_stop`, and no `message_delta` gave a stop reason.
    StopReasonMissing,
    /// `content_block_stop` for a block that is not open.
    StopUnopened,
    /// The pieces of a tool's input do not make a JSON object, and the answer was not cut short.
    ToolJsonBroken,
}

impl DefectKind {
    pub const ALL: [Self; 22] = [
        Self::AfterMessageStop,
        Self::BlockAfterMessageDelta,
        Self::BlockLeftOpen,
        Self::BlockOverlap,
        Self::DataNotJson,
        Self::DataNotUtf8,
        Self::DeltaTypeMismatch,
        Self::DeltaUnopened,
        Self::EventBeforeStart,
        Self::EventTooLong,
        Self::EventUnnamed,
        Self::FieldMissing,
        Self::IndexGap,
        Self::IndexReused,
        Self::MessageDeltaMissing,
        Self::NameTypeMismatch,
        Self::SecondMessageStart,
        Self::SignatureNotLast,
        Self::SignatureMissing,
        Self::StopReasonMissing,
        Self::StopUnopened,
        Self::ToolJsonBroken,
    ];

    /// The stable kebab-case name used in ledgers and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterMessageStop => "after-message-stop",
            Self::BlockAfterMessageDelta => "block-after-message-delta",
            Self::BlockLeftOpen => "block-left-open",
            Self::BlockOverlap => "block-overlap",
            Self::DataNotJson => "data-not-json",
            Self::DataNotUtf8 => "data-not-utf8",
            Self::DeltaTypeMismatch => "delta-type-mismatch",
            Self::DeltaUnopened => "delta-unopened",
            Self::EventBeforeStart => "event-before-start",
            Self::EventTooLong => "event-too-long",
            Self::EventUnnamed => "event-unnamed",
            Self::FieldMissing => "field-missing",
            Self::IndexGap => "index-gap",
            Self::IndexReused => "index-reused",
            Self::MessageDeltaMissing => "message-delta-missing",
            Self::NameTypeMismatch => "name-type-mismatch",
            Self::SecondMessageStart => "second-message-start",
            Self::SignatureNotLast => "signature-not-last",
            Self::SignatureMissing => "signature-missing",
            Self::StopReasonMissing => "stop-reason-missing",
            Self::StopUnopened => "stop-unopened",
            Self::ToolJsonBroken => "tool-json-broken",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.event_idx, self.kind.name())
    }
}
