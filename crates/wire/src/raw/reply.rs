//! Reads an HTTP/1.1 answer from bytes as they come, and keeps what arrived when they stop coming.
//!
//! Stricter than a client would be: an answer that contradicts its own framing is a finding, so it is named
//! and not repaired. Owns no socket.

use bytes::{Bytes, BytesMut};
use classify::{CutKind, Headers, Reply};

/// Larger than any head a gateway was seen to send; past it something else than HTTP is talking.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Twice what the API's own answers carry behind a talkative proxy.
const HEADERS_MAX: usize = 128;

/// One is usual and a handful can be meant; a server that announces for ever never answers.
const INTERIM_MAX: u32 = 100;

/// A chunk's size line with its extensions, or one trailer field.
const CHUNK_LINE_BYTES_MAX: usize = 4 * 1024;

/// Answers are kept whole until they are judged; this holds the largest one the API documents but for batch
/// results, and a few hundred of them in flight are still no danger to a laptop.
pub(crate) const REPLY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// An answer on its way in.
pub(super) struct Incoming {
    /// Bytes not yet understood.
    buffer: BytesMut,
    reply: Option<Reply>,
    body: BytesMut,
    framing: Framing,
    answers_head: bool,
    interims: u32,
}

/// How the end of the answer is known.
enum Framing {
    /// The head is not complete.
    Head,
    Length {
        left: u64,
    },
    Chunked(Chunk),
    UntilClose,
    Done,
}

/// What is expected next in a chunked body.
enum Chunk {
    Size,
    Data { left: u64 },
    DataEnd,
    Trailer,
}

impl Incoming {
    /// `answers_head` says whether the request's method was HEAD, whose answers have no body.
    pub(super) fn new(answers_head: bool) -> Self {
        let (buffer, body) = (BytesMut::new(), BytesMut::new());
        Self { buffer, reply: None, body, framing: Framing::Head, answers_head, interims: 0 }
    }

    /// Takes the bytes that arrived; true once the answer is complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<bool, CutKind> {
        self.buffer.extend_from_slice(bytes);
        while self.step()? {}
        // Too long for us is, as too late is, a limit of the sender.
        if self.body.len() > REPLY_BYTES_MAX {
            return Err(CutKind::TimedOut);
        }
        Ok(matches!(self.framing, Framing::Done))
    }

    /// The other side closed: whether that is how this answer ends.
    pub(super) fn ends_at_close(&self) -> bool {
        matches!(self.framing, Framing::UntilClose | Framing::Done)
    }

    /// The head and as much of the body as arrived; none while the head is incomplete.
    pub(super) fn into_reply(self) -> Option<Reply> {
        let body = self.body.freeze();
        self.reply.map(|head| Reply { body, ..head })
    }

    /// Understands one more element; false when more bytes are needed.
    fn step(&mut self) -> Result<bool, CutKind> {
        match &mut self.framing {
            Framing::Head => self.read_head(),
            Framing::Length { left } => {
                let took = take(&mut self.buffer, &mut self.body, left);
                if *left == 0 {
                    self.framing = Framing::Done;
                }
                Ok(took)
            }
            Framing::Chunked(chunk) => match read_chunk(chunk, &mut self.buffer, &mut self.body)? {
                Step::More => Ok(true),
                Step::Wait => Ok(false),
                Step::End => {
                    self.framing = Framing::Done;
                    Ok(false)
                }
            },
            Framing::UntilClose => {
                self.body.extend_from_slice(&self.buffer.split());
                Ok(false)
            }
            // What follows a complete answer is the next answer's affair, and there is none.
            Framing::Done => Ok(false),
        }
    }

    fn read_head(&mut self) -> Result<bool, CutKind> {
        let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut fields);
        let length = match head.parse(&self.buffer).map_err(|_| CutKind::BadFraming)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial if self.buffer.len() > HEAD_BYTES_MAX => {
                return Err(CutKind::BadFraming);
            }
            httparse::Status::Partial => return Ok(false),
        };
        let status = head.code.ok_or(CutKind::BadFraming)?;
        let mut headers = Headers::default();
        for field in head.headers.iter() {
            headers.push(field.name.to_owned(), String::from_utf8_lossy(field.value).into_owned());
        }
        let _head = self.buffer.split_to(length);
        // An interim answer (100 Continue, 103 Early Hints) announces the real one; after a switch of protocols
        // (101) no HTTP follows.
        if (100..200).contains(&status) && status != 101 {
            self.interims += 1;
            return if self.interims > INTERIM_MAX { Err(CutKind::BadFraming) } else { Ok(true) };
        }
        self.framing = framing(status, &headers, self.answers_head)?;
        self.reply = Some(Reply { status, headers, body: Bytes::new() });
        Ok(true)
    }
}

/// RFC 9112, section 6.3. A length beside a chunked coding is passed over, as the ordinary sender's client
/// does: a verdict may not hang on which of the two sent the case.
fn framing(status: u16, headers: &Headers, answers_head: bool) -> Result<Framing, CutKind> {
    if answers_head || matches!(status, 101 | 204 | 304) {
        return Ok(Framing::Done);
    }
    let length = content_length(headers)?;
    let mut codings = headers.all("transfer-encoding");
    match (codings.next(), codings.next(), length) {
        (None, _, Some(0)) => Ok(Framing::Done),
        (None, _, Some(left)) => Ok(Framing::Length { left }),
        (None, _, None) => Ok(Framing::UntilClose),
        (Some(coding), None, _) if coding.trim().eq_ignore_ascii_case("chunked") => {
            Ok(Framing::Chunked(Chunk::Size))
        }
        _ => Err(CutKind::BadFraming),
    }
}

fn content_length(headers: &Headers) -> Result<Option<u64>, CutKind> {
    let mut length = None;
    for value in headers.all("content-length") {
        let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let value = value.parse().ok().filter(|_| digits).ok_or(CutKind::BadFraming)?;
        if length.replace(value).is_some_and(|other| other != value) {
            return Err(CutKind::BadFraming);
        }
    }
    Ok(length)
}

enum Step {
    More,
    Wait,
    End,
}

fn read_chunk(
    chunk: &mut Chunk,
    buffer: &mut BytesMut,
    body: &mut BytesMut,
) -> Result<Step, CutKind> {
    match chunk {
        Chunk::Size => match httparse::parse_chunk_size(buffer).map_err(|_| CutKind::BadFraming)? {
            httparse::Status::Complete((line, size)) => {
                let _line = buffer.split_to(line);
                *chunk = if size == 0 { Chunk::Trailer } else { Chunk::Data { left: size } };
                Ok(Step::More)
            }
            httparse::Status::Partial if buffer.len() > CHUNK_LINE_BYTES_MAX => {
                Err(CutKind::BadFraming)
            }
            httparse::Status::Partial => Ok(Step::Wait),
        },
        Chunk::Data { left } => {
            let took = take(buffer, body, left);
            if *left == 0 {
                *chunk = Chunk::DataEnd;
            }
            Ok(if took { Step::More } else { Step::Wait })
        }
        Chunk::DataEnd => match &buffer[..] {
            [b'\r', b'\n', ..] => {
                let _end = buffer.split_to(2);
                *chunk = Chunk::Size;
                Ok(Step::More)
            }
            [] | [b'\r'] => Ok(Step::Wait),
            _ => Err(CutKind::BadFraming),
        },
        // Trailers carry nothing the API documents, so they are passed over.
        Chunk::Trailer => match buffer.windows(2).position(|pair| pair == b"\r\n") {
            Some(0) => Ok(Step::End),
            Some(line) => {
                let _trailer = buffer.split_to(line + 2);
                Ok(Step::More)
            }
            None if buffer.len() > CHUNK_LINE_BYTES_MAX => Err(CutKind::BadFraming),
            None => Ok(Step::Wait),
        },
    }
}

/// Moves up to `left` bytes; false if there were none to move.
fn take(buffer: &mut BytesMut, body: &mut BytesMut, left: &mut u64) -> bool {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    body.extend_from_slice(&buffer.split_to(count));
    *left -= count as u64;
    count > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` whole and byte by byte, then closes; both must come out as expected.
    fn check(wire: &str, expected: Result<(u16, &str), CutKind>) {
        for step in [wire.len().max(1), 1] {
            let mut incoming = Incoming::new(false);
            let mut end = Ok(false);
            for piece in wire.as_bytes().chunks(step) {
                end = incoming.feed(piece);
                if end != Ok(false) {
                    break;
                }
            }
            let end = end.and_then(|done| {
                if done || incoming.ends_at_close() { Ok(()) } else { Err(CutKind::Closed) }
            });
            let got = end.map(|()| incoming.into_reply().expect("a complete answer has a head"));
            match (got, expected) {
                (Ok(reply), Ok((status, body))) => {
                    assert_eq!((reply.status, &*reply.body), (status, body.as_bytes()), "{wire:?}");
                }
                (got, expected) => {
                    assert_eq!(got.err(), expected.err(), "{wire:?} in steps of {step}");
                }
            }
        }
    }

    #[test]
    fn complete_answers() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", Ok((200, "hi")));
        check("HTTP/1.1 413 \r\ncontent-length: 0\r\n\r\n", Ok((413, "")));
        check("HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n", Ok((204, "")));
        check("HTTP/1.1 200 OK\r\n\r\nuntil close", Ok((200, "until close")));
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 B\r\n\r\nx", Ok((400, "x")));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(
            &format!("{chunked}3\r\nabc\r\na;x=y\r\n0123456789\r\n0\r\n\r\n"),
            Ok((200, "abc0123456789")),
        );
        check(&format!("{chunked}0\r\nx-trailer: 1\r\n\r\n"), Ok((200, "")));
    }

    #[test]
    fn cut_answers() {
        check("", Err(CutKind::Closed));
        check("HTTP/1.1 200 OK\r\ncontent-le", Err(CutKind::Closed));
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi", Err(CutKind::Closed));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{chunked}3\r\nabc\r\n"), Err(CutKind::Closed));
        check(&format!("{chunked}0\r\n"), Err(CutKind::Closed));
    }

    #[test]
    fn answers_that_contradict_themselves() {
        check("SSH-2.0-OpenSSH_9.6\r\n\r\n", Err(CutKind::BadFraming));
        let lengths = "content-length: 2\r\ncontent-length: 3\r\n";
        check(&format!("HTTP/1.1 200 OK\r\n{lengths}\r\nhi"), Err(CutKind::BadFraming));
        check("HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi", Err(CutKind::BadFraming));
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", Err(CutKind::BadFraming));
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{chunked}zz\r\n"), Err(CutKind::BadFraming));
        check(&format!("{chunked}3\r\nabcdef\r\n"), Err(CutKind::BadFraming));
    }
}
