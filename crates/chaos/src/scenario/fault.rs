//! What goes wrong, and at which place of a reply.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::Span;

/// One fault: on which attempts, at which place of the reply, what happens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Strike {
    pub attempts: Span,
    /// Only on requests of this kind; one that never came is no failure of the harness.
    pub when: Option<When>,
    pub at: At,
    pub fault: Fault,
}

/// A kind of request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum When {
    /// So many requests came on its connection, itself included.
    ConnectionRequest(Span),
    /// Its credential is not one key after one space, or not a key alone.
    CredentialMalformed,
    /// It offers to take this content coding.
    Offers(String),
    /// It does not.
    OffersNot(String),
    /// Its body has at least so many bytes.
    RequestBytes(u64),
}

/// A place in the bytes of a reply. It is reached when the bytes before it are out, not when the next arrives,
/// unless only the next can tell. Offsets count from 0; chunks, events and characters count from 1.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum At {
    /// So many bytes after the end of the head, chunk sizes counted as they stand on the wire.
    BodyByte(u64),
    /// After the first byte of this character, of those in the body that take more than one.
    Character(u32),
    /// So many bytes into the data of this chunk.
    ChunkByte { chunk: u32, byte: u64 },
    /// So many bytes into the size line of this chunk; 0 is before it.
    ChunkSizeByte { chunk: u32, byte: u64 },
    /// After the last byte.
    End,
    /// So many bytes into this event of a stream, chunk sizes not counted.
    EventByte { event: u32, byte: u64 },
    /// After the blank line of this event, before what ends its chunk.
    EventEnd(u32),
    /// Before the first byte of this event, after the size of its chunk.
    EventStart(u32),
    /// Before the chunk of no bytes that ends the body.
    FinalChunk,
    /// So many bytes into the head; 0 is before the status line.
    HeadByte(u64),
    /// Between the status line and the first header.
    HeadersStart,
    /// When so many bytes of the request's body have arrived, while the client still sends.
    RequestByte(u64),
}

/// What happens at that place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Fault {
    /// The connection is closed in order (FIN).
    Close,
    /// Every bit of the next byte is turned over.
    Corrupt,
    /// The connection is closed (FIN) without the farewell that TLS demands; in the clear there is none.
    Cut,
    /// Nothing moves for so long, then the reply goes on.
    Delay { ms: u64 },
    /// From here on so many bytes move at a time, with so long between.
    Drip { bytes: NonZeroU32, ms: u64 },
    /// The event that starts here is left out.
    DropEvent,
    /// The event that starts here is sent twice.
    DuplicateEvent,
    /// These bytes are sent so many times, then the reply goes on.
    Flood { text: String, times: NonZeroU32 },
    /// The body goes out in this coding.
    Gzip(Coding),
    /// The server's half of the connection is closed, and the client's stays open until it leaves.
    HalfClose,
    /// These bytes are sent, then the reply goes on.
    Insert { text: String },
    /// The reply is a redirect with this status.
    Redirect { status: u16, to: Destination },
    /// The rest of the reply is this script's bytes.
    Replace { reply: String },
    /// The connection is reset (RST).
    Reset,
    /// From here on the bytes leave in writes of so many.
    Slice { bytes: NonZeroU32 },
    /// Nothing moves any more, and the connection stays open.
    Stall,
    /// The event that starts here changes places with the next.
    SwapEvents,
    /// From here on no more than so many bytes move in a second.
    Throttle { bytes_per_s: NonZeroU32 },
}

/// What becomes of a body that is said to be gzip.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// It is, with bytes in the middle turned over.
    Corrupt,
    /// It is where the request offers to take it; else the body is left alone, and nothing is said.
    Negotiated,
    /// It is not.
    Plain,
    /// It is, without the check sum at the end.
    Truncated,
    /// It is, whether the request offers to take it or not.
    Whole,
}

/// Where a redirect leads; the path stays the same.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Destination {
    /// The server that the client asked.
    SameOrigin,
    /// Another name for this machine and another port, which is another origin.
    SecondHost,
    /// The same host on another port, which is another origin.
    SecondOrigin,
}

impl Strike {
    /// Whether nothing can happen there, or nothing that is meant.
    pub(super) fn is_misplaced(&self) -> bool {
        let numbered = match self.at {
            At::Character(number) | At::EventEnd(number) | At::EventStart(number) => Some(number),
            At::ChunkByte { chunk, .. } | At::ChunkSizeByte { chunk, .. } => Some(chunk),
            At::EventByte { event, .. } => Some(event),
            At::BodyByte(_)
            | At::End
            | At::FinalChunk
            | At::HeadByte(_)
            | At::HeadersStart
            | At::RequestByte(_) => None,
        };
        if numbered == Some(0) {
            return true;
        }
        match self.fault {
            Fault::DropEvent | Fault::DuplicateEvent | Fault::SwapEvents => {
                !matches!(self.at, At::EventStart(_))
            }
            Fault::Gzip(_) | Fault::Redirect { .. } => self.at != At::HeadByte(0),
            Fault::Corrupt | Fault::Drip { .. } | Fault::Slice { .. } | Fault::Throttle { .. } => {
                self.at == At::End
            }
            Fault::Close
            | Fault::Cut
            | Fault::Delay { .. }
            | Fault::Flood { .. }
            | Fault::HalfClose
            | Fault::Insert { .. }
            | Fault::Replace { .. }
            | Fault::Reset
            | Fault::Stall => false,
        }
    }
}
