//! Server-sent events, decoded as the bytes come.
//!
//! Our own, after the standard's grammar: the library in use before it panicked on a byte order mark, took no
//! lone CR for a line end and buffered without a limit, and none was found that keeps all of the grammar and
//! bounds its memory as well. The price is a second decoder in the house, which shares nothing with the judge's.

/// The decoder's state between two pieces of the body.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The line so far.
    line: Vec<u8>,
    /// Whether a line has ended: a byte order mark can only stand before.
    begun: bool,
    /// Whether the last byte was a CR, which an LF may belong to.
    after_cr: bool,
    name: String,
    /// The data lines of the event so far, each with its line end.
    data: String,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Event {
    /// `message` where the stream names none.
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Why a stream is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Defect {
    #[error("a line of the stream is not UTF-8")]
    NotUtf8,
    #[error("an event of the stream is longer than {EVENT_BYTES_MAX} bytes")]
    TooLong,
}

/// Twice the largest text that a single event is known to bring, which is 8 MB; past it somebody is filling our
/// memory.
pub(crate) const EVENT_BYTES_MAX: usize = 16 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl Decoder {
    /// Takes bytes from the front until an event is complete or none are left. An event that no blank line ends
    /// never comes out.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Option<Result<Event, Defect>> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                *bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if EVENT_BYTES_MAX < self.line.len() + self.data.len() + piece.len() {
                return Some(Err(Defect::TooLong));
            }
            self.line.extend_from_slice(piece);
            let Some((&line_end, rest)) = rest.split_first() else {
                *bytes = rest;
                return None;
            };
            *bytes = rest;
            // The line is over at the CR: to wait for its LF would hold back an event for as long as the silence after it.
            self.after_cr = line_end == b'\r';
            if let Some(event) = self.end_line().transpose() {
                return Some(event);
            }
        }
        None
    }

    fn end_line(&mut self) -> Result<Option<Event>, Defect> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if line.is_empty() {
            return Ok(self.end_event());
        }
        let (field, value) = field(&line);
        let text = |value| std::str::from_utf8(value).map_err(|_| Defect::NotUtf8);
        match field {
            b"data" => {
                self.data.push_str(text(value)?);
                self.data.push('\n');
            }
            b"event" => self.name = text(value)?.to_owned(),
            // Comments have no name before their colon; ids and the rest mean nothing here.
            _ => {}
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        // Without a line of data there is no event.
        data.pop()?;
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Event { name, data })
    }
}

fn field(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = line.iter().position(|&byte| byte == b':') else { return (line, b"") };
    let value = &line[colon + 1..];
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Event>, Defect> {
        let (mut decoder, mut events) = (Decoder::default(), vec![]);
        for mut piece in pieces {
            while let Some(event) = decoder.next(&mut piece) {
                events.push(event?);
            }
        }
        Ok(events)
    }

    /// However the bytes are cut, the same events come out.
    fn check(bytes: impl AsRef<[u8]>, expected: &[(&str, &str)]) {
        let bytes = bytes.as_ref();
        for size in [1, 2, 3, 7, bytes.len().max(1)] {
            let events = decode(bytes.chunks(size)).unwrap();
            let events: Vec<_> = events.iter().map(|event| (&*event.name, &*event.data)).collect();
            assert_eq!(events, expected, "{:?} by {size}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn events_are_read_in_every_legal_form() {
        check("event: a\ndata: 1\n\nevent: b\ndata: 2\n\n", &[("a", "1"), ("b", "2")]);
        check("event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", &[("a", "1"), ("message", "2")]);
        check("event: a\rdata: 1\r\rdata: 2\r\r", &[("a", "1"), ("message", "2")]);
        check("event: a\rdata: 1\r\n\ndata: 2\n\r", &[("a", "1"), ("message", "2")]);
        check("\u{FEFF}event: a\ndata: 1\n\n", &[("a", "1")]);
        check("\u{FEFF}\u{FEFF}data: 1\n\ndata: 2\n\n", &[("message", "2")]);
        check(": c\nid: 7\nretry: 1\ndata:1\nevent:a\n: c\n\n", &[("a", "1")]);
        check("data: 1\ndata:  2\ndata\n\n", &[("message", "1\n 2\n")]);
        check("data:\n\n", &[("message", "")]);
        check("event: a\n\ndata: 1\n\n", &[("message", "1")]);
        check("data: Zürich 🦀\n\n", &[("message", "Zürich 🦀")]);
        check(b": caf\xE9\ndata: 1\n\n", &[("message", "1")]);
        check("data: 1\n\ndata: 2\n", &[("message", "1")]);
        check("", &[]);
    }

    #[test]
    fn an_event_comes_out_with_its_last_cr() {
        assert_eq!(decode([&b"data: 1\r\r"[..]]).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_text_or_has_no_end_is_refused() {
        assert_eq!(decode([&b"data: \xC3\n\n"[..]]), Err(Defect::NotUtf8));
        let flood = vec![b'x'; 1 << 20];
        assert_eq!(decode(std::iter::repeat_n(&*flood, 64)), Err(Defect::TooLong));
        let lines = b"data: 0123456789\n".repeat(1 << 16);
        assert_eq!(decode(std::iter::repeat_n(&*lines, 64)), Err(Defect::TooLong));
    }

    #[test]
    fn large_events_and_many_take_linear_time() {
        let began = Instant::now();
        let giant = format!("data: {}\n\n", "x".repeat(8 << 20));
        assert_eq!(decode(giant.as_bytes().chunks(16 << 10)).unwrap().len(), 1);
        let many = "event: a\ndata: {\"x\":1}\n\n".repeat(50_000);
        assert_eq!(decode([many.as_bytes()]).unwrap().len(), 50_000);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
