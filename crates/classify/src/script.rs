//! Scripted answers: one file, one answer, typed by hand with the class it must get.
//!
//! ```text
//! # class: rate-limited
//! # operation: messages.create
//! # why: One line: what this answer teaches.
//! # source: Where it was documented or seen.
//! # framing: chunked            (optional: length, the default; chunked; close)
//! # end: closed 412             (optional: complete, the default; closed N; reset N; N bytes of the body arrive)
//! # stream: true                (optional: the request asked for a stream)
//! # body: escaped               (optional: \r \n \t \\ and \xHH in the body stand for bytes)
//! HTTP/1.1 429 Too Many Requests
//! content-type: application/json
//!
//! {"type":"error", …}
//! ```
//!
//! The body is everything after the first blank line without the file's last line end. The format is HTTP as a
//! person would type it; the price is that bytes outside UTF-8 and other line ends need the escaped form.

mod error;

use std::borrow::Cow;

use bytes::Bytes;

use crate::class::Class;
use crate::http::{Headers, Reply};
use crate::observation::{Cut, CutKind, Observation};

pub use error::{Problem, ScriptError};

/// One scripted answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Script {
    /// The file's name without its extension.
    pub name: String,
    pub class: Class,
    pub operation: String,
    pub why: String,
    pub source: String,
    /// Whether the request that gets this answer asked for a stream.
    pub stream: bool,
    pub status: u16,
    /// The text after the status; may be empty.
    pub reason: String,
    /// As typed: what the framing adds is not in here, see [`Script::sent_headers`].
    pub headers: Headers,
    /// The whole body, also where [`End`] keeps a part of it back.
    pub body: Bytes,
    pub framing: Framing,
    pub end: End,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// By `content-length`, which is added if the file has none.
    Length,
    /// In chunks: one for each event of a stream, else one for all.
    Chunked,
    /// By closing the connection.
    Close,
}

/// What happens after the bytes are written. The counts are bytes of the body, without its framing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    Complete,
    Closed { after_bytes: usize },
    Reset { after_bytes: usize },
}

impl Script {
    /// Reads the text of the reply file `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScriptError> {
        parse(text).map(|script| Self { name: name.to_owned(), ..script }).map_err(
            |(line_idx, problem)| ScriptError {
                name: name.to_owned(),
                line: line_idx + 1,
                problem,
            },
        )
    }

    /// The part of the body that is sent.
    pub fn sent_body(&self) -> Bytes {
        match self.end {
            End::Complete => self.body.clone(),
            End::Closed { after_bytes } | End::Reset { after_bytes } => {
                self.body.slice(..after_bytes.min(self.body.len()))
            }
        }
    }

    /// The headers as they go out, the framing's own at the end.
    pub fn sent_headers(&self) -> Headers {
        let mut headers = self.headers.clone();
        match self.framing {
            Framing::Length
                if headers.get("content-length").is_none() && may_have_body(self.status) =>
            {
                headers.push("content-length", self.body.len().to_string());
            }
            Framing::Length => {}
            Framing::Chunked => headers.push("transfer-encoding", "chunked"),
            Framing::Close => headers.push("connection", "close"),
        }
        headers
    }

    /// Everything to write before the connection is closed, reset or kept, as [`End`] says.
    pub fn wire_bytes(&self) -> Vec<u8> {
        let mut wire = format!("HTTP/1.1 {:03} {}\r\n", self.status, self.reason).into_bytes();
        for (name, value) in self.sent_headers().iter() {
            wire.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        wire.extend_from_slice(b"\r\n");
        let body = self.sent_body();
        if self.framing != Framing::Chunked {
            wire.extend_from_slice(&body);
            return wire;
        }
        for chunk in chunks(&body) {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        if self.end == End::Complete {
            wire.extend_from_slice(b"0\r\n\r\n");
        }
        wire
    }

    /// What a reader must observe who knows HTTP: a whole reply, or a cut.
    pub fn observation(&self) -> Observation {
        let sent = self.sent_body();
        let declared =
            self.headers.get("content-length").and_then(|length| length.parse::<usize>().ok());
        let (body, whole) = match (self.framing, self.end) {
            (Framing::Length, _) => {
                let declared = declared.unwrap_or(self.body.len());
                (sent.slice(..sent.len().min(declared)), declared <= sent.len())
            }
            (Framing::Chunked, end) => (sent, end == End::Complete),
            // A close is the end of the body here, wherever it comes; a reset is not.
            (Framing::Close, end) => (sent, !matches!(end, End::Reset { .. })),
        };
        let reply = Reply { status: self.status, headers: self.sent_headers(), body };
        if whole {
            return Observation::Reply(reply);
        }
        let kind =
            if matches!(self.end, End::Reset { .. }) { CutKind::Reset } else { CutKind::Closed };
        Observation::Cut(Cut { kind, partial: Some(reply) })
    }
}

/// The keys a file may hold, the four it must hold first.
const KEYS: [&str; 8] = ["class", "operation", "why", "source", "stream", "framing", "end", "body"];

/// The answer, or the index of the line that is wrong.
fn parse(text: &str) -> Result<Script, (usize, Problem)> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (head, body) = split_head(text)?;
    let lines: Vec<&str> = head.split('\n').collect();
    if let Some(idx) = lines.iter().position(|line| line.ends_with('\r')) {
        return Err((idx, Problem::CarriageReturn));
    }
    let status_idx = lines.iter().position(|line| !line.starts_with('#')).unwrap_or(lines.len());
    let keys = Keys::parse(&lines[..status_idx])?;
    let (status, reason) = lines
        .get(status_idx)
        .and_then(|line| status_line(line))
        .ok_or((status_idx, Problem::BadStatusLine))?;
    let mut headers = Headers::default();
    for (idx, line) in lines.iter().enumerate().skip(status_idx + 1) {
        let (name, value) = header(line).map_err(|problem| (idx, problem))?;
        headers.push(name, value);
    }
    let body = keys.body(body).map_err(|problem| (lines.len() + 1, problem))?;
    Ok(Script {
        name: String::new(),
        class: keys.required("class", |value| {
            Class::parse(value).ok_or_else(|| Problem::UnknownClass(value.into()))
        })?,
        operation: keys.required("operation", |value| Ok(value.to_owned()))?,
        why: keys.required("why", |value| Ok(value.to_owned()))?,
        source: keys.required("source", |value| Ok(value.to_owned()))?,
        stream: keys.optional("stream", false, boolean)?,
        status,
        reason,
        headers,
        framing: keys.optional("framing", Framing::Length, framing)?,
        end: keys.optional("end", End::Complete, |value| end(value, body.len()))?,
        body,
    })
}

/// Head and body, cut at the first blank line.
fn split_head(text: &str) -> Result<(&str, &str), (usize, Problem)> {
    text.split_once("\n\n").or_else(|| text.strip_suffix('\n').map(|head| (head, ""))).ok_or_else(
        || {
            let crlf = text.find("\r\n").map(|_| (0, Problem::CarriageReturn));
            crlf.unwrap_or_else(|| (text.lines().count(), Problem::NoBlankLine))
        },
    )
}

/// The `# key: value` lines, by key, with the index of their line.
struct Keys<'a>([Option<(usize, &'a str)>; KEYS.len()]);

impl<'a> Keys<'a> {
    fn parse(lines: &[&'a str]) -> Result<Self, (usize, Problem)> {
        let mut found = [None; KEYS.len()];
        for (idx, line) in lines.iter().enumerate() {
            let (key, value) = line[1..].split_once(':').ok_or((idx, Problem::NoKey))?;
            let (key, value) = (key.trim(), value.trim());
            let at = KEYS.iter().position(|known| *known == key);
            let at = at.ok_or_else(|| (idx, Problem::UnknownKey(key.to_owned())))?;
            if found[at].replace((idx, value)).is_some() {
                return Err((idx, Problem::DuplicateKey(KEYS[at])));
            }
        }
        Ok(Self(found))
    }

    fn find(&self, key: &str) -> Option<(usize, &'a str)> {
        self.0[KEYS.iter().position(|known| *known == key)?]
    }

    fn required<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'a str) -> Result<T, Problem>,
    ) -> Result<T, (usize, Problem)> {
        let (idx, value) = self
            .find(key)
            .filter(|(_, value)| !value.is_empty())
            .ok_or((0, Problem::MissingKey(key)))?;
        read(value).map_err(|problem| (idx, problem))
    }

    fn optional<T>(
        &self,
        key: &'static str,
        absent: T,
        read: impl FnOnce(&'a str) -> Result<T, Problem>,
    ) -> Result<T, (usize, Problem)> {
        let Some((idx, value)) = self.find(key) else { return Ok(absent) };
        read(value).map_err(|problem| (idx, problem))
    }

    fn body(&self, text: &str) -> Result<Bytes, Problem> {
        match self.find("body") {
            None => Ok(text.to_owned().into()),
            Some((_, "escaped")) => unescape(text).map(Bytes::from).ok_or(Problem::BadEscape),
            Some((_, other)) => Err(Problem::UnknownBody(other.to_owned())),
        }
    }
}

fn status_line(line: &str) -> Option<(u16, String)> {
    let rest = line.strip_prefix("HTTP/1.1 ")?;
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    is_status.then(|| status.parse().ok().map(|status| (status, reason.to_owned())))?
}

fn header(line: &str) -> Result<(Cow<'static, str>, Cow<'static, str>), Problem> {
    let (name, value) = line.split_once(':').ok_or(Problem::BadHeader)?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(Problem::BadHeader);
    }
    if name.eq_ignore_ascii_case("transfer-encoding") {
        return Err(Problem::FramingHeader);
    }
    Ok((name.to_owned().into(), value.trim().to_owned().into()))
}

fn boolean(value: &str) -> Result<bool, Problem> {
    value.parse().map_err(|_| Problem::BadBoolean(value.to_owned()))
}

fn framing(value: &str) -> Result<Framing, Problem> {
    match value {
        "length" => Ok(Framing::Length),
        "chunked" => Ok(Framing::Chunked),
        "close" => Ok(Framing::Close),
        _ => Err(Problem::BadFraming(value.to_owned())),
    }
}

fn end(value: &str, body_bytes: usize) -> Result<End, Problem> {
    if value == "complete" {
        return Ok(End::Complete);
    }
    let bad = || Problem::BadEnd(value.to_owned());
    let (how, count) = value.split_once(' ').ok_or_else(bad)?;
    let after_bytes = count.trim().parse().map_err(|_| bad())?;
    if body_bytes < after_bytes {
        return Err(Problem::EndBeyondBody { body_bytes });
    }
    match how {
        "closed" => Ok(End::Closed { after_bytes }),
        "reset" => Ok(End::Reset { after_bytes }),
        _ => Err(bad()),
    }
}

/// 1xx, 204 and 304 have no body, and no length of one.
fn may_have_body(status: u16) -> bool {
    200 <= status && !matches!(status, 204 | 304)
}

/// The body cut after each blank line, as a server flushes its events.
fn chunks(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let end = rest.windows(2).position(|pair| pair == b"\n\n").map_or(rest.len(), |at| at + 2);
        let (chunk, after) = rest.split_at(end);
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&escape, after) = rest.split_first()?;
        rest = after;
        bytes.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                let digit = |at: usize| char::from(digits[at]).to_digit(16);
                (digit(0)? * 16 + digit(1)?) as u8
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_LINES: &str =
        "# class: rate-limited\n# operation: messages.create\n# why: W.\n# source: S.\n";

    fn script(more: &str) -> Script {
        Script::parse("x", &format!("{KEY_LINES}{more}")).expect("the script of a test is right")
    }

    fn check_wire(more: &str, expected: &str) {
        assert_eq!(String::from_utf8(script(more).wire_bytes()).unwrap(), expected, "{more}");
    }

    fn check_error(text: &str, line: usize, problem: Problem) {
        let error = Script::parse("x", text).unwrap_err();
        assert_eq!(error, ScriptError { name: "x".to_owned(), line, problem }, "{text}");
        assert!(error.to_string().starts_with(&format!("x.http:{line}: ")));
    }

    /// A cut is told by its kind and what had arrived.
    fn check_observation(more: &str, expected_cut: Option<CutKind>, expected_body: &str) {
        let (cut, body) = match script(more).observation() {
            Observation::Reply(reply) => (None, reply.body),
            Observation::Cut(cut) => (Some(cut.kind), cut.partial.expect("the head was sent").body),
            Observation::Unsendable(_) => panic!("an answer is not sent by us"),
        };
        assert_eq!((cut, &body[..]), (expected_cut, expected_body.as_bytes()), "{more}");
    }

    #[test]
    fn everything_in_its_place() {
        let script = script("# stream: true\nHTTP/1.1 529 \nA: b:c \n\nx\n\ny\n\n");
        assert_eq!(
            (script.status, &*script.reason, script.headers.get("a")),
            (529, "", Some("b:c"))
        );
        assert_eq!(
            (script.class, script.stream, &script.body[..]),
            (Class::RateLimited, true, &b"x\n\ny\n"[..])
        );
        assert_eq!(
            (&*script.operation, &*script.why, &*script.source),
            ("messages.create", "W.", "S.")
        );
    }

    #[test]
    fn on_the_wire() {
        check_wire(
            "HTTP/1.1 200 OK\na: b\n\nxy\n",
            "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 2\r\n\r\nxy",
        );
        check_wire("HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        check_wire("HTTP/1.1 204 \n\n", "HTTP/1.1 204 \r\n\r\n");
        check_wire(
            "HTTP/1.1 200 OK\nContent-Length: 9\n\nxy\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxy",
        );
        check_wire(
            "# framing: close\nHTTP/1.1 200 OK\n\nxy\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nxy",
        );
        check_wire(
            "# framing: chunked\nHTTP/1.1 200 OK\n\nab\n\nc\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nab\n\n\r\n1\r\nc\r\n0\r\n\r\n",
        );
        check_wire(
            "# framing: chunked\n# end: reset 1\nHTTP/1.1 200 OK\n\nab\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
        );
        check_wire(
            "# end: closed 1\nHTTP/1.1 200 OK\n\nab\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na",
        );
    }

    #[test]
    fn as_a_reader_sees_it() {
        check_observation("HTTP/1.1 200 OK\n\nab\n", None, "ab");
        check_observation("HTTP/1.1 200 OK\ncontent-length: 1\n\nab\n", None, "a");
        check_observation(
            "HTTP/1.1 200 OK\ncontent-length: 3\n\nab\n",
            Some(CutKind::Closed),
            "ab",
        );
        check_observation("# end: closed 1\nHTTP/1.1 200 OK\n\nab\n", Some(CutKind::Closed), "a");
        check_observation("# end: reset 2\nHTTP/1.1 200 OK\n\nab\n", None, "ab");
        check_observation(
            "# framing: chunked\n# end: closed 2\nHTTP/1.1 200 OK\n\nab\n",
            Some(CutKind::Closed),
            "ab",
        );
        check_observation("# framing: close\n# end: closed 1\nHTTP/1.1 200 OK\n\nab\n", None, "a");
        check_observation(
            "# framing: close\n# end: reset 1\nHTTP/1.1 200 OK\n\nab\n",
            Some(CutKind::Reset),
            "a",
        );
    }

    #[test]
    fn an_escaped_body_holds_any_bytes() {
        let body =
            |text: &str| script(&format!("# body: escaped\nHTTP/1.1 200 OK\n\n{text}\n")).body;
        assert_eq!(&body(r"a\r\n\t\\\xC3\x00")[..], b"a\r\n\t\\\xC3\0");
        for text in [r"\", r"\q", r"\x", r"\xC", r"\xCG"] {
            let text = format!("{KEY_LINES}# body: escaped\nHTTP/1.1 200 OK\n\n{text}\n");
            check_error(&text, 8, Problem::BadEscape);
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let with = |more: &str| format!("{KEY_LINES}{more}");
        check_error("", 1, Problem::NoBlankLine);
        check_error("HTTP/1.1 200 OK\n\n", 1, Problem::MissingKey("class"));
        check_error(
            "# class: nonsense\nHTTP/1.1 200 OK\n\n",
            1,
            Problem::UnknownClass("nonsense".into()),
        );
        check_error(&with("# clas: x\nHTTP/1.1 200 OK\n\n"), 5, Problem::UnknownKey("clas".into()));
        check_error(&with("# why: x\nHTTP/1.1 200 OK\n\n"), 5, Problem::DuplicateKey("why"));
        check_error(&with("# note\nHTTP/1.1 200 OK\n\n"), 5, Problem::NoKey);
        check_error(
            &with("# stream: yes\nHTTP/1.1 200 OK\n\n"),
            5,
            Problem::BadBoolean("yes".into()),
        );
        check_error(&with("# framing: x\nHTTP/1.1 200 OK\n\n"), 5, Problem::BadFraming("x".into()));
        check_error(&with("# end: x\nHTTP/1.1 200 OK\n\n"), 5, Problem::BadEnd("x".into()));
        check_error(
            &with("# end: closed 3\nHTTP/1.1 200 OK\n\nab\n"),
            5,
            Problem::EndBeyondBody { body_bytes: 2 },
        );
        check_error(
            &with("# body: raw\nHTTP/1.1 200 OK\n\n"),
            8,
            Problem::UnknownBody("raw".into()),
        );
        check_error(&with("HTTP/2 200\n\n"), 5, Problem::BadStatusLine);
        check_error(&with("HTTP/1.1 2000 OK\n\n"), 5, Problem::BadStatusLine);
        check_error(&with("HTTP/1.1 200 OK\na b: c\n\n"), 6, Problem::BadHeader);
        check_error(
            &with("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"),
            6,
            Problem::FramingHeader,
        );
        check_error("# class: accepted\r\nHTTP/1.1 200 OK\r\n\r\n", 1, Problem::CarriageReturn);
    }
}
