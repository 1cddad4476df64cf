//! What came back from one attempt: an answer, a lost connection, or nothing because nothing could be sent.
//!
//! A lost connection is an observation, not an error: it is a fact about the target.

use serde::{Deserialize, Serialize};

use crate::http::Reply;

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Observation {
    Reply(Reply),
    Cut(Cut),
    /// The request could not be written as HTTP at all; the text says why.
    Unsendable(String),
}

impl Observation {
    /// The status line's code, if one arrived.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Reply(reply) => Some(reply.status),
            Self::Cut(cut) => cut.partial.as_ref().map(|reply| reply.status),
            Self::Unsendable(_) => None,
        }
    }
}

/// A connection that ended before the answer was complete, with what had arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cut {
    pub kind: CutKind,
    /// The head and the body so far, if the head was complete.
    pub partial: Option<Reply>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutKind {
    /// The bytes that arrived are not HTTP, or contradict their own framing.
    BadFraming,
    /// The other side closed before the answer was complete.
    Closed,
    /// Nobody listens there, or the name does not resolve.
    Refused,
    /// The other side reset the connection.
    Reset,
    /// The answer did not arrive within the sender's limit.
    TimedOut,
}

impl CutKind {
    pub const ALL: [Self; 5] =
        [Self::BadFraming, Self::Closed, Self::Refused, Self::Reset, Self::TimedOut];
}
