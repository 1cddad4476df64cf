//! What a client was really given: HTTP/1.1 bytes on their way out, read back as an observation.
//!
//! The judge reads the bytes that left, not the script they came from, so a fault that missed its mark shows
//! as what it did. The reader is as lenient as a good client may be and no more; the price is a second, small
//! HTTP reader in the house, which no subject shares.

mod content;

use std::io::Read;

use classify::{Class, Cut, CutKind, Headers, Observation, Reply, envelope, stream};

use flate2::read::GzDecoder;
use memchr::memmem;
use serde_json::Value;

use crate::handling::{Attempt, End};

pub use content::ToolUse;
use content::{Content, content};

/// What the server's side of one attempt amounts to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Served {
    pub class: Class,
    pub truth: Truth,
    /// The head of the reply, if it was complete, with what there was of the body, its coding undone.
    pub reply: Option<Reply>,
    /// Whether a piece of the answer's content had left before the end.
    pub delta_delivered: bool,
    /// The text that was handed over, complete or not.
    pub text: String,
    /// The tool calls that were handed over, complete or not.
    pub tools: Vec<ToolUse>,
    /// Whether more was sent than was kept: what is read here is only the beginning.
    pub is_excerpt: bool,
}

/// What an honest client could report of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Truth {
    /// A complete answer: nothing is missing.
    Complete,
    /// An answer that came to its end against the rules of its grammar, framing or coding, in another form than was
    /// asked for, or with a tool call in it that did not come to its own. Good clients differ over it, and only a
    /// scenario can say what is right.
    Doubtful,
    /// The API said no, in the body or in the stream.
    Error { status: u16, error_type: Option<String>, request_id: Option<String> },
    /// No answer, half of one, or something that is not an answer of this API.
    NoAnswer,
}

/// A body that grows beyond this in decoding is a bomb; the largest reply of the catalogue is a quarter of it.
const DECODED_BYTES_MAX: u64 = 64 << 20;

/// Reads what one attempt was given.
pub fn served(attempt: &Attempt) -> Served {
    let (observation, coding) = decoded(observation(&attempt.served, attempt.end));
    let class = classify::classify(&observation);
    let framed = matches!(observation, Observation::Reply(_));
    let reply = match observation {
        Observation::Reply(reply) => Some(reply),
        Observation::Cut(cut) => cut.partial,
        Observation::Unsendable(_) => None,
    };
    let is_excerpt = attempt.is_excerpt();
    let Some(reply) = reply else {
        let truth = if is_excerpt { Truth::Doubtful } else { Truth::NoAnswer };
        let (text, tools) = (String::new(), vec![]);
        return Served { class, truth, reply, delta_delivered: false, text, tools, is_excerpt };
    };
    let Content { text, tools, stopped, bent } = content(&reply.body, is_stream(&reply));
    let readable = match coding {
        Coding::Plain => true,
        Coding::Undone => accepts_gzip(attempt),
        Coding::Unknown => false,
    };
    let truth = match truth(&reply, class) {
        _ if !readable => Truth::Doubtful,
        Truth::Complete if bent || tools.iter().any(|tool| tool.input.is_none()) => Truth::Doubtful,
        // What was not kept may have made an answer of it.
        Truth::NoAnswer if is_excerpt || is_doubtful(&reply, framed, stopped) => Truth::Doubtful,
        truth => truth,
    };
    // A body under a status of failure is an error, whatever stands in it.
    let delta_delivered = (200..300).contains(&reply.status)
        && find(ended_events(&reply.body), b"\"content_block_delta\"").is_some();
    Served { class, truth, reply: Some(reply), delta_delivered, text, tools, is_excerpt }
}

impl Served {
    /// The same for a client that asked for a stream, or for none: what comes in the other form may be taken or
    /// refused.
    pub(crate) fn asked_for(mut self, streams: bool) -> Self {
        let other_form = |reply: &Reply| is_stream(reply) != streams;
        if self.truth == Truth::Complete && self.reply.as_ref().is_some_and(other_form) {
            self.truth = Truth::Doubtful;
        }
        self
    }
}

impl Served {
    /// Whether the last event of a stream, as far as it was sent and kept, is a ping.
    pub(crate) fn ends_in_ping(&self) -> bool {
        let Some(reply) = self.reply.as_ref().filter(|reply| is_stream(reply)) else {
            return false;
        };
        let events = ended_events(&reply.body);
        let before = memmem::rfind(events, b"\n\n").unwrap_or_default();
        find(&events[before..], b"\"ping\"").is_some()
    }
}

/// A stream up to its last blank line: what comes after it no reader hands on.
fn ended_events(body: &[u8]) -> &[u8] {
    let ends = [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"];
    let end = ends.iter().filter_map(|end| memmem::rfind(body, end)).max();
    &body[..end.unwrap_or_default()]
}

/// The status and the headers of the final answer in these bytes, once its head is complete.
pub(crate) fn head(bytes: &[u8]) -> Option<(u16, Headers)> {
    read_head(final_head(bytes)?.0)
}

/// What became of the body's content coding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    Plain,
    Undone,
    /// One that the judge does not speak.
    Unknown,
}

/// The observation with its coding undone as far as that goes. Gzip that is broken or ends early is a body cut
/// short, whatever the framing says.
fn decoded(observation: Observation) -> (Observation, Coding) {
    let (mut reply, cut) = match observation {
        Observation::Reply(reply) => (reply, None),
        Observation::Cut(Cut { kind, partial: Some(reply) }) => (reply, Some(kind)),
        other => return (other, Coding::Plain),
    };
    let coding = match reply.headers.get("content-encoding").map(str::to_ascii_lowercase) {
        None => Coding::Plain,
        Some(name) if name == "identity" => Coding::Plain,
        Some(name) if name == "gzip" || name == "x-gzip" => Coding::Undone,
        Some(_) => Coding::Unknown,
    };
    let mut kind = cut;
    if coding == Coding::Undone {
        let mut body = vec![];
        let read = GzDecoder::new(&*reply.body).take(DECODED_BYTES_MAX).read_to_end(&mut body);
        reply.body = body.into();
        if read.is_err() {
            kind = kind.or(Some(CutKind::BadFraming));
        }
    }
    let observation = match kind {
        None => Observation::Reply(reply),
        Some(kind) => Observation::Cut(Cut { kind, partial: Some(reply) }),
    };
    (observation, coding)
}

fn accepts_gzip(attempt: &Attempt) -> bool {
    let mut accepted = attempt.request.headers.all("accept-encoding");
    accepted.any(|codings| codings.contains("gzip") || codings.contains('*'))
}

/// Whether a 2xx that is no proper answer holds one from beginning to end all the same: a stream that breaks
/// the grammar on its way to `message_stop`, or a message of which only the last chunk is missing.
fn is_doubtful(reply: &Reply, framed: bool, stopped: bool) -> bool {
    let chunked = reply.headers.get("transfer-encoding").is_some();
    let whole = || classify::classify(&Observation::Reply(reply.clone())).is_success();
    (200..300).contains(&reply.status) && (stopped || !framed && chunked && whole())
}

fn is_stream(reply: &Reply) -> bool {
    let media_type = reply.headers.get("content-type").unwrap_or_default();
    media_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
}

fn truth(reply: &Reply, class: Class) -> Truth {
    if class.is_success() {
        return Truth::Complete;
    }
    let parsed = || envelope::parse(&reply.body).map(envelope::Envelope::into_owned);
    let envelope = match class {
        Class::StreamError => match stream::read(&reply.body).outcome {
            stream::Outcome::Failed(envelope) => Some(envelope),
            _ => parsed(),
        },
        _ => parsed(),
    };
    if envelope.is_none() && reply.status < 400 {
        return Truth::NoAnswer;
    }
    let mut envelope = envelope.unwrap_or_default();
    // The envelope is read loosely; nobody has to find a type in a list.
    if is_list_of_errors(&reply.body) {
        envelope.error_type = None;
    }
    let header = reply.headers.get("request-id").map(str::to_owned);
    let request_id = header.or_else(|| envelope.request_id.map(String::from));
    Truth::Error {
        status: reply.status,
        error_type: envelope.error_type.map(String::from),
        request_id,
    }
}

fn is_list_of_errors(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body["error"].is_array())
}

/// The reply in these bytes, given how the connection ended.
pub fn observation(bytes: &[u8], end: End) -> Observation {
    let Some((head, body)) = final_head(bytes) else {
        return Observation::Cut(Cut { kind: cut_kind(end), partial: None });
    };
    let Some((status, headers)) = read_head(head) else {
        return Observation::Cut(Cut { kind: CutKind::BadFraming, partial: None });
    };
    let (body, state) = read_body(body, framing(status, &headers));
    let reply = Reply { status, headers, body: body.into() };
    match state {
        BodyState::Whole => Observation::Reply(reply),
        BodyState::UntilClose if end == End::Closed => Observation::Reply(reply),
        BodyState::Bad => Observation::Cut(Cut { kind: CutKind::BadFraming, partial: Some(reply) }),
        BodyState::Short | BodyState::UntilClose => {
            Observation::Cut(Cut { kind: cut_kind(end), partial: Some(reply) })
        }
    }
}

/// Whether these bytes are one whole reply that says where it ends and does not announce a close.
pub fn keeps_connection(bytes: &[u8]) -> bool {
    let Some((head, body)) = final_head(bytes) else { return false };
    let Some((status, headers)) = read_head(head) else { return false };
    let closes =
        headers.all("connection").any(|value| value.to_ascii_lowercase().contains("close"));
    !closes
        && head.starts_with(b"HTTP/1.1")
        && matches!(read_body(body, framing(status, &headers)).1, BodyState::Whole)
}

/// The data of a chunked body so far, and whether it came to its end.
pub fn dechunk(mut rest: &[u8]) -> (Vec<u8>, BodyState) {
    let mut data = vec![];
    loop {
        let Some(line_end) = find(rest, b"\r\n") else { return (data, BodyState::Short) };
        let size = &rest[..line_end];
        let size = size.split(|&byte| byte == b';').next().unwrap_or_default();
        let parsed = std::str::from_utf8(size)
            .ok()
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let Some(size) = parsed else { return (data, BodyState::Bad) };
        rest = &rest[line_end + 2..];
        if size == 0 {
            // Trailers are lines, and the last line is empty.
            let ended = rest.starts_with(b"\r\n") || find(rest, b"\r\n\r\n").is_some();
            return (data, if ended { BodyState::Whole } else { BodyState::Short });
        }
        data.extend_from_slice(&rest[..size.min(rest.len())]);
        if rest.len() < size.saturating_add(2) {
            return (data, BodyState::Short);
        }
        if !rest[size..].starts_with(b"\r\n") {
            return (data, BodyState::Bad);
        }
        rest = &rest[size + 2..];
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyState {
    /// The framing contradicts itself.
    Bad,
    Short,
    /// Only the end of the connection can say that it is whole.
    UntilClose,
    Whole,
}

#[derive(Clone, Copy)]
enum Framing {
    Chunked,
    Length(usize),
    UntilClose,
}

/// The head of the final answer, past any interim ones, and what follows it.
fn final_head(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    loop {
        let end = find(bytes, b"\r\n\r\n")? + 4;
        let (head, rest) = bytes.split_at(end);
        if !head.starts_with(b"HTTP/1.1 1") {
            return Some((head, rest));
        }
        bytes = rest;
    }
}

fn read_head(head: &[u8]) -> Option<(u16, Headers)> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status_line = lines.next()?;
    let (version, rest) = status_line.split_once(' ')?;
    let status = rest.get(..3)?.parse().ok()?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    let mut headers = Headers::default();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.push(name.to_owned(), value.trim().to_owned());
    }
    Some((status, headers))
}

fn framing(status: u16, headers: &Headers) -> Framing {
    let chunked =
        headers.all("transfer-encoding").any(|value| value.eq_ignore_ascii_case("chunked"));
    match headers.get("content-length").and_then(|length| length.parse().ok()) {
        _ if status == 204 || status == 304 => Framing::Length(0),
        _ if chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    }
}

fn read_body(rest: &[u8], framing: Framing) -> (Vec<u8>, BodyState) {
    match framing {
        Framing::Chunked => dechunk(rest),
        Framing::Length(length) if rest.len() < length => (rest.to_vec(), BodyState::Short),
        Framing::Length(length) => (rest[..length].to_vec(), BodyState::Whole),
        Framing::UntilClose => (rest.to_vec(), BodyState::UntilClose),
    }
}

fn cut_kind(end: End) -> CutKind {
    match end {
        End::Closed => CutKind::Closed,
        End::Reset => CutKind::Reset,
        // Whoever leaves before the end has stopped waiting for it.
        End::Kept | End::Left | End::Unended => CutKind::TimedOut,
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    memmem::find(bytes, pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, end: End, status: u16, cut: Option<CutKind>, body: &str) {
        let found = observation(bytes.as_bytes(), end);
        let (kind, reply) = match found {
            Observation::Reply(reply) => (None, reply),
            Observation::Cut(cut) => (Some(cut.kind), cut.partial.unwrap_or_default()),
            Observation::Unsendable(text) => panic!("{text}"),
        };
        assert_eq!((reply.status, kind, &*reply.body), (status, cut, body.as_bytes()), "{bytes}");
    }

    #[test]
    fn replies_are_read_by_their_framing() {
        let closed = Some(CutKind::Closed);
        check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", End::Kept, 200, None, "{}");
        check("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", End::Closed, 200, closed, "{}");
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
            End::Reset,
            200,
            Some(CutKind::Reset),
            "{}",
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
            End::Left,
            200,
            Some(CutKind::TimedOut),
            "{}",
        );
        check("HTTP/1.1 200 OK\r\n\r\n{}", End::Closed, 200, None, "{}");
        check("HTTP/1.1 200 OK\r\n\r\n{}", End::Reset, 200, Some(CutKind::Reset), "{}");
        check(
            "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 529 \r\ncontent-length: 0\r\n\r\n",
            End::Kept,
            529,
            None,
            "",
        );
        check("HTTP/1.1 20", End::Closed, 0, closed, "");
        check("HTTP/1.1 2x0\r\n\r\n", End::Closed, 0, Some(CutKind::BadFraming), "");
        let chunked =
            |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
        check(&chunked("2;x=y\r\n{}\r\n0\r\n\r\n"), End::Kept, 200, None, "{}");
        check(&chunked("2\r\n{}\r\n0\r\na: b\r\n\r\n"), End::Kept, 200, None, "{}");
        check(&chunked("2\r\n{}\r\n"), End::Closed, 200, closed, "{}");
        check(&chunked("4\r\n{}"), End::Closed, 200, closed, "{}");
        check(&chunked("ZZ\r\n{}"), End::Closed, 200, Some(CutKind::BadFraming), "");
        check(&chunked("ffffffffffffffff\r\n{}"), End::Closed, 200, closed, "{}");
    }

    #[test]
    fn half_an_event_is_handed_on_by_nobody() {
        let check = |status: u16, event: &str, expected: bool| {
            let head = "OK\r\ncontent-type: text/event-stream\r\n\r\nevent: ping\ndata: {}\n\n";
            let bytes = format!("HTTP/1.1 {status} {head}{event}").into_bytes();
            let attempt = Attempt { served: bytes, end: End::Closed, ..Attempt::default() };
            assert_eq!(served(&attempt).delta_delivered, expected, "{event:?}");
        };
        let delta = "data: {\"type\":\"content_block_delta\",\"index\":0}";
        check(200, "", false);
        check(200, delta, false);
        check(200, &format!("{delta}\n"), false);
        check(429, &format!("{delta}\n\n"), false);
        for end in ["\n\n", "\r\r", "\r\n\r\n"] {
            check(200, &format!("{delta}{end}"), true);
            check(200, &format!("{delta}{end}data: {{"), true);
        }
    }

    #[test]
    fn a_connection_is_kept_only_after_a_whole_reply() {
        assert!(keeps_connection(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"));
        assert!(!keeps_connection(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}"));
        assert!(!keeps_connection(
            b"HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 2\r\n\r\n{}"
        ));
        assert!(!keeps_connection(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}"));
        assert!(!keeps_connection(b"HTTP/1.1 200 OK\r\n\r\n{}"));
    }

    fn gzip(text: &str) -> Vec<u8> {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// A reply with this body in this coding, to a client that accepts what it says.
    fn check_coded(coding: &str, accepted: &str, body: &[u8], truth: &Truth, text: &str) {
        let request = classify::Request {
            method: "POST".into(),
            target: "/v1/messages".into(),
            headers: Headers(vec![("accept-encoding".into(), accepted.to_owned().into())]),
            body: classify::Body::Empty,
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let bytes = [head.as_bytes(), body].concat();
        let attempt = Attempt {
            number: 1,
            connection: 1,
            head_ms: 0,
            end_ms: 1,
            request,
            served: bytes,
            end: End::Kept,
            ..Attempt::default()
        };
        let found = served(&attempt);
        assert_eq!((&found.truth, &*found.text), (truth, text), "{coding}: {:?}", found.class);
    }

    #[test]
    fn a_coding_is_undone_where_the_client_asked_for_it() {
        let message = r#"{"type":"message","id":"m","role":"assistant","content":[{"type":"text","text":"hi"}]}"#;
        let coded = gzip(message);
        check_coded("gzip", "gzip, br", &coded, &Truth::Complete, "hi");
        check_coded("identity", "", message.as_bytes(), &Truth::Complete, "hi");
        check_coded("gzip", "", &coded, &Truth::Doubtful, "hi");
        check_coded("br", "br", message.as_bytes(), &Truth::Doubtful, "hi");
        check_coded("gzip", "gzip", &coded[..coded.len() / 2], &Truth::NoAnswer, "");
        check_coded("gzip", "gzip", message.as_bytes(), &Truth::NoAnswer, "");
        let mut corrupt = coded;
        corrupt[20] ^= 0xff;
        check_coded("gzip", "gzip", &corrupt, &Truth::NoAnswer, "");
    }

    #[test]
    fn of_a_reply_that_was_not_kept_nobody_knows_the_end() {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let mut attempt = Attempt {
            served: format!("{head}event: ping").into_bytes(),
            end: End::Closed,
            ..Attempt::default()
        };
        let truth = |attempt: &Attempt| (served(attempt).truth, served(attempt).is_excerpt);
        assert_eq!(truth(&attempt), (Truth::NoAnswer, false));
        attempt.sent = vec![crate::handling::Sent { at_ms: 1, bytes: 64 << 20 }];
        assert_eq!(truth(&attempt), (Truth::Doubtful, true));
    }
}
