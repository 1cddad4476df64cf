//! Where in a reply the next byte stands: in the head, in a chunk, in an event, in a character.
//!
//! The tracker sees one byte at a time and remembers a fixed amount besides the head, so that where it stands
//! depends on the bytes alone. It knows the grammar of HTTP/1.1 and of event streams just as far as places
//! need it; a reply that breaks either has places up to the break.

use crate::scenario::At;

/// A head past this is no head; the catalogue's largest is 120 KB.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// Follows the bytes of one reply.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    sent: u64,
    /// The head so far.
    head: Vec<u8>,
    /// Where the headers start, once the status line was passed.
    headers_start: Option<u64>,
    /// Where the body starts, once the end of the head was passed.
    body_start: Option<u64>,
    chunks: Chunks,
    events: Events,
    /// Characters of more than one byte whose first byte was passed; the last byte was one of those.
    characters: u32,
    in_character: bool,
}

/// Where the next byte of the body stands in its chunks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Chunks {
    /// There are none: every byte is data.
    None,
    /// In the size line of this chunk; its digits may be followed by an extension.
    Size {
        chunk: u32,
        byte: u64,
        size: u64,
        digits: bool,
    },
    Data {
        chunk: u32,
        byte: u64,
        size: u64,
    },
    /// In the line end that follows the data of this chunk.
    DataEnd {
        chunk: u32,
        byte: u64,
    },
    /// Past the last chunk, or past what can be read.
    Over,
}

/// Counts the events of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Events {
    pub(super) ended: u32,
    /// Bytes of the event that has not ended.
    pub(super) bytes: u64,
    tail: [u8; 3],
}

impl Events {
    /// Takes one byte of the stream; whether it ended an event.
    pub(super) fn advance(&mut self, byte: u8) -> bool {
        self.bytes += 1;
        self.tail = [self.tail[1], self.tail[2], byte];
        let ended =
            matches!(self.tail, [_, b'\n', b'\n'] | [_, b'\r', b'\r'] | [b'\n', b'\r', b'\n']);
        if ended {
            *self = Self { ended: self.ended + 1, ..Self::default() };
        }
        ended
    }
}

impl Tracker {
    pub(super) fn new() -> Self {
        Self {
            sent: 0,
            head: vec![],
            headers_start: None,
            body_start: None,
            chunks: Chunks::None,
            events: Events::default(),
            characters: 0,
            in_character: false,
        }
    }

    /// Takes the byte that was passed.
    pub(super) fn advance(&mut self, byte: u8) {
        self.sent += 1;
        if self.body_start.is_some() {
            return self.advance_body(byte);
        }
        if self.head.len() < HEAD_BYTES_MAX {
            self.head.push(byte);
        }
        if byte == b'\n' && self.headers_start.is_none() {
            self.headers_start = Some(self.sent);
        }
        if self.head.ends_with(b"\r\n\r\n") {
            self.body_start = Some(self.sent);
            if is_chunked(&self.head) {
                self.chunks = Chunks::Size { chunk: 1, byte: 0, size: 0, digits: true };
            }
        }
    }

    /// Whether the reply stands at this place, whatever follows.
    pub(super) fn is_at(&self, at: At) -> bool {
        match at {
            At::BodyByte(offset) => {
                self.body_start.is_some_and(|start| self.sent == start + offset)
            }
            At::Character(number) => self.in_character && self.characters == number,
            At::ChunkByte { chunk, byte } => {
                matches!(self.chunks, Chunks::Data { chunk: here, byte: out, .. }
                    if (here, out) == (chunk, byte))
            }
            At::ChunkSizeByte { chunk, byte } => {
                matches!(self.chunks, Chunks::Size { chunk: here, byte: out, .. }
                    if (here, out) == (chunk, byte))
            }
            At::End | At::FinalChunk => false,
            At::EventByte { event, byte } => {
                let started = self.events.ended + 1 == event && self.events.bytes == byte;
                started && self.is_data_next()
            }
            At::EventEnd(event) => {
                self.events.ended == event && self.events.bytes == 0 && self.is_data_last()
            }
            At::EventStart(event) => self.is_at(At::EventByte { event, byte: 0 }),
            At::HeadByte(offset) => self.sent == offset,
            At::HeadersStart => self.headers_start == Some(self.sent),
            // The fate is asked when the request has come so far, and not a byte of the reply is out by then.
            At::RequestByte(_) => self.sent == 0,
        }
    }

    /// Whether it stands at this place because this byte follows: no last chunk has a size that starts
    /// otherwise, and no other chunk has one that starts so.
    pub(super) fn is_before(&self, at: At, next: u8) -> bool {
        at == At::FinalChunk && next == b'0' && matches!(self.chunks, Chunks::Size { byte: 0, .. })
    }

    fn advance_body(&mut self, byte: u8) {
        self.in_character = false;
        self.chunks = match self.chunks {
            Chunks::None => {
                self.advance_data(byte);
                Chunks::None
            }
            Chunks::Size { size: 0, .. } if byte == b'\n' => Chunks::Over,
            Chunks::Size { chunk, size, .. } if byte == b'\n' => {
                Chunks::Data { chunk, byte: 0, size }
            }
            Chunks::Size { chunk, byte: out, size, digits } => {
                let digit = char::from(byte).to_digit(16).filter(|_| digits);
                let size = digit.map_or(size, |digit| size.saturating_mul(16) + u64::from(digit));
                Chunks::Size { chunk, byte: out + 1, size, digits: digit.is_some() }
            }
            Chunks::Data { chunk, byte: out, size } => {
                self.advance_data(byte);
                if out + 1 < size {
                    Chunks::Data { chunk, byte: out + 1, size }
                } else {
                    Chunks::DataEnd { chunk, byte: 0 }
                }
            }
            Chunks::DataEnd { chunk, byte: 0 } => Chunks::DataEnd { chunk, byte: 1 },
            Chunks::DataEnd { chunk, .. } => {
                Chunks::Size { chunk: chunk + 1, byte: 0, size: 0, digits: true }
            }
            Chunks::Over => Chunks::Over,
        };
    }

    fn advance_data(&mut self, byte: u8) {
        self.events.advance(byte);
        // Only the first byte of a character of several has both upper bits set.
        self.in_character = 0xc0 <= byte;
        self.characters += u32::from(self.in_character);
    }

    fn is_data_next(&self) -> bool {
        match self.chunks {
            Chunks::None => self.body_start.is_some(),
            Chunks::Data { .. } => true,
            Chunks::Size { .. } | Chunks::DataEnd { .. } | Chunks::Over => false,
        }
    }

    fn is_data_last(&self) -> bool {
        match self.chunks {
            Chunks::None => self.body_start.is_some(),
            Chunks::Data { byte, .. } => byte != 0,
            Chunks::DataEnd { byte, .. } => byte == 0,
            Chunks::Size { .. } | Chunks::Over => false,
        }
    }
}

/// Whether this head says that the body comes in chunks.
pub(super) fn is_chunked(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).lines().filter_map(|line| line.split_once(':')).any(
        |(name, value)| {
            name.eq_ignore_ascii_case("transfer-encoding")
                && value.trim().eq_ignore_ascii_case("chunked")
        },
    )
}
