//! What a stream has to hold before a rule can be broken by it.
//!
//! A stream without a call keeps every rule about calls, which says nothing of the server. Each rule names what it
//! takes, and a reading tells what there was.

/// One thing that a stream can hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sight {
    /// Every stream holds it.
    Stream,
    /// `message_start`.
    Message,
    /// An event of a block.
    Block,
    Delta,
    /// A call of a tool, whoever runs it.
    Call,
    /// A second one.
    Calls,
    /// A call of a tool of the caller's, or the stop reason that goes with one.
    OwnCall,
    /// A call of a toolset's member.
    Toolset,
    Thinking,
    RedactedThinking,
    Citation,
    /// A stop reason.
    Ending,
    /// The stop reason `stop_sequence`.
    StopSequence,
    /// An `error` event.
    Error,
}

/// All that a stream holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sights(u16);

impl Sights {
    pub fn has(self, sight: Sight) -> bool {
        self.0 & (1 << sight as u16) != 0
    }

    pub(super) fn add(&mut self, sight: Sight) {
        self.0 |= 1 << sight as u16;
    }
}
