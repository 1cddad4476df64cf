//! Server-sent events from bytes, by the rules of the WHATWG living standard.
//!
//! No IO: bytes go in as they arrive, events come out, and the events are the same however the bytes were cut.
//! Lines are found in the bytes and only then decoded, so a character cut in two is whole again before anybody
//! looks at it. The price is that one line must fit in memory, hence the limits.
//!
//! [`Decoder::push_with`] lends each event from buffers that it uses again, and allocates nothing once they have
//! grown; [`Decoder::push`] is the same for those who want to keep the events.
//!
//! An event without the blank line after it is dropped, as the standard says; [`Decoder::finish`] reports it.

use memchr::memchr2;

use crate::envelope;

/// Twice the largest line worth expecting (one delta of 8 MB), and small enough that a flood without line ends
/// cannot fill the memory.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// All `data` lines of one event together: two of the largest lines.
pub const EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One dispatched event.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    /// The `event` field; empty where the stream gave none.
    pub name: String,
    /// The `data` lines, joined by line feeds.
    pub data: String,
    /// The last `id` of the stream so far; empty if there was none.
    pub id: String,
    /// Where in the stream its first line begins.
    pub offset: usize,
    /// Whether bytes that are not UTF-8 were replaced by U+FFFD in one of its fields.
    pub lossy: bool,
}

impl Event {
    /// The same event as the decoder lends it.
    pub fn lend(&self) -> EventRef<'_> {
        let Self { name, data, id, offset, lossy } = self;
        EventRef { name, data, id, offset: *offset, lossy: *lossy }
    }
}

/// An event as the decoder lends it; the members are those of [`Event`].
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    pub name: &'a str,
    pub data: &'a str,
    pub id: &'a str,
    pub offset: usize,
    pub lossy: bool,
}

impl EventRef<'_> {
    /// The same event without a hold on the decoder.
    pub fn into_owned(self) -> Event {
        Event {
            name: self.name.to_owned(),
            data: self.data.to_owned(),
            id: self.id.to_owned(),
            offset: self.offset,
            lossy: self.lossy,
        }
    }
}

/// What was left when the bytes ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct End {
    /// The event that no blank line dispatched: what a reader would deliver that flushes at the end.
    pub dropped: Option<Event>,
    /// The limit at which decoding stopped.
    pub overflow: Option<Overflow>,
    /// Whether a byte order mark stood in front: the standard takes it away, and not every client does.
    pub marked: bool,
    /// The bytes that were decoded.
    pub bytes: usize,
}

/// A limit that the stream broke. Nothing is decoded after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Overflow {
    /// The `data` of one event is longer than [`Limits::event_bytes_max`].
    Event,
    /// One line is longer than [`Limits::line_bytes_max`].
    Line,
}

/// How much one line and one event may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub line_bytes_max: usize,
    pub event_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes_max: LINE_BYTES_MAX, event_bytes_max: EVENT_BYTES_MAX }
    }
}

/// The decoder: feed it with [`push`](Self::push) or [`push_with`](Self::push_with), end it with
/// [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct Decoder {
    limits: Limits,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The bytes before the next one to look at.
    bytes: usize,
    /// The last byte was a CR: an LF right after it belongs to the same line end.
    after_cr: bool,
    /// A line has ended: only before that can a byte order mark stand.
    begun: bool,
    marked: bool,
    pending: Pending,
    last_id: String,
    retry_ms: Option<u64>,
    overflow: Option<Overflow>,
}

/// The event that no blank line has dispatched yet.
#[derive(Debug, Default)]
struct Pending {
    name: String,
    data: String,
    has_data: bool,
    lossy: bool,
    /// None before the first field.
    offset: Option<usize>,
}

impl Decoder {
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The events that `bytes` complete. After an overflow there are no more; see [`Self::overflow`].
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        self.push_with(bytes, |event| events.push(event.into_owned()));
        events
    }

    /// Lends each event that `bytes` complete to `take`.
    pub fn push_with(&mut self, mut bytes: &[u8], mut take: impl FnMut(EventRef<'_>)) {
        while self.overflow.is_none() && !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                self.bytes += 1;
                bytes = &bytes[1..];
                continue;
            }
            let end = memchr2(b'\n', b'\r', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.limits.line_bytes_max < self.line.len() + part.len() {
                self.bytes -= self.line.len();
                self.overflow = Some(Overflow::Line);
                return;
            }
            let Some(end) = end else {
                self.bytes += part.len();
                return self.line.extend_from_slice(part);
            };
            let begins = self.bytes - self.line.len();
            self.bytes += end + 1;
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if self.line.is_empty() {
                self.end_line(part, begins, &mut take);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(part);
                self.end_line(&line, begins, &mut take);
                // The buffer goes back, so that a stream in small pieces allocates it once.
                line.clear();
                self.line = line;
            }
        }
    }

    /// The limit at which decoding stopped, if it did.
    pub fn overflow(&self) -> Option<Overflow> {
        self.overflow
    }

    /// The reconnection time that the stream asked for last.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Ends the stream. A line that no line end closed still counts for what was dropped.
    pub fn finish(mut self) -> End {
        let line = std::mem::take(&mut self.line);
        if self.overflow.is_none() && !line.is_empty() {
            self.end_line(&line, self.bytes - line.len(), &mut |_| {});
        }
        let is_left = self.pending.has_data || !self.pending.name.is_empty();
        let dropped = is_left.then(|| self.pending.lend(&self.last_id).into_owned());
        End { dropped, overflow: self.overflow, marked: self.marked, bytes: self.bytes }
    }

    /// The finished line takes effect; a blank one dispatches.
    fn end_line(&mut self, line: &[u8], begins: usize, take: &mut impl FnMut(EventRef<'_>)) {
        let line = if self.begun { line } else { self.first_line(line) };
        if !line.is_empty() {
            return self.field(line, begins);
        }
        if self.pending.has_data {
            take(self.pending.lend(&self.last_id));
        }
        self.pending.clear();
    }

    fn first_line<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        self.begun = true;
        let bare = envelope::without_bom(line);
        self.marked = bare.len() < line.len();
        bare
    }

    fn field(&mut self, line: &[u8], begins: usize) {
        let (name, value) = split(line);
        if !name.is_empty() {
            self.pending.offset.get_or_insert(begins);
        }
        match name {
            b"data" => self.data(value),
            b"event" => {
                self.pending.name.clear();
                self.pending.lossy |= push_text(&mut self.pending.name, value);
            }
            b"id" if !value.contains(&0) => {
                self.last_id.clear();
                self.pending.lossy |= push_text(&mut self.last_id, value);
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // A time too long for a number is as good as for ever.
                let digits = std::str::from_utf8(value).unwrap_or_default();
                self.retry_ms = Some(digits.parse().unwrap_or(u64::MAX));
            }
            // Comments have an empty name, and the standard ignores the names it does not know.
            _ => {}
        }
    }

    fn data(&mut self, value: &[u8]) {
        let pending = &mut self.pending;
        if self.limits.event_bytes_max < pending.data.len() + value.len() {
            self.overflow = Some(Overflow::Event);
            return;
        }
        if std::mem::replace(&mut pending.has_data, true) {
            pending.data.push('\n');
        }
        pending.lossy |= push_text(&mut pending.data, value);
    }
}

impl Pending {
    fn lend<'a>(&'a self, id: &'a str) -> EventRef<'a> {
        let Self { name, data, lossy, offset, .. } = self;
        EventRef { name, data, id, offset: offset.unwrap_or_default(), lossy: *lossy }
    }

    /// What `Default` would give, in the same buffers.
    fn clear(&mut self) {
        self.name.clear();
        self.data.clear();
        (self.has_data, self.lossy, self.offset) = (false, false, None);
    }
}

/// Name and value of a line; without a colon all of it is the name.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    // The names of interest are short: looking for the colon byte by byte is the quickest.
    let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
    let value = line.get(colon + 1..).unwrap_or_default();
    (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
}

/// Appends `value`, and says whether it had to be repaired.
fn push_text(to: &mut String, value: &[u8]) -> bool {
    let text = std::str::from_utf8(value);
    match text {
        Ok(text) => to.push_str(text),
        Err(_) => to.push_str(&String::from_utf8_lossy(value)),
    }
    text.is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIGHT: Limits = Limits { line_bytes_max: 9, event_bytes_max: 6 };

    fn decode(limits: Limits, pieces: &[&[u8]]) -> (Vec<Event>, End) {
        let mut decoder = Decoder::new(limits);
        let events = pieces.iter().flat_map(|piece| decoder.push(piece)).collect();
        (events, decoder.finish())
    }

    /// `expected` is `name=data` for each event, then `!name=data` for what was dropped.
    fn check(stream: &str, expected: &[&str]) {
        let mut decoder = Decoder::default();
        let events = decoder.push(stream.as_bytes());
        let line = |event: &Event| format!("{}={}", event.name, event.data);
        let mut seen: Vec<String> = events.iter().map(line).collect();
        seen.extend(decoder.finish().dropped.iter().map(|event| format!("!{}", line(event))));
        assert_eq!(seen, expected, "{stream:?}");
    }

    #[test]
    fn the_standard() {
        check("", &[]);
        check("data: a\n\n", &["=a"]);
        check("event: e\ndata: a\n\n", &["e=a"]);
        check("data: a\nevent: e\n\n", &["e=a"]);
        check("data:a\ndata:  b\ndata\n\n", &["=a\n b\n"]);
        check("data\n\n", &["="]);
        check("data:\n\n", &["="]);
        check("event: e\n\ndata: a\n\n", &["=a"]);
        check(": note\n\n:\n\ndata: a\n\n", &["=a"]);
        check("unknown: x\ndata: a: b\nDATA: c\n\n", &["=a: b"]);
        check("data: a\r\rdata: b\r\n\r\ndata: c\n\n", &["=a", "=b", "=c"]);
        check("data: a\r\n\ndata: b\n\n", &["=a", "=b"]);
        check("\u{feff}data: a\n\n", &["=a"]);
        check("\u{feff}\u{feff}data: a\n\n", &[]);
        check("\n\u{feff}data: a\n\n", &[]);
    }

    #[test]
    fn the_last_event_needs_its_blank_line() {
        check("data: a\n\ndata: b\n", &["=a", "!=b"]);
        check("data: a\n\nevent: e\ndata: b", &["=a", "!e=b"]);
        check("event: e", &["!e="]);
        check("data: a\n\n: note", &["=a"]);
    }

    #[test]
    fn ids_stay_and_retry_is_kept() {
        let mut decoder = Decoder::default();
        let events = decoder
            .push(b"id: 7\nretry: 1500\ndata: a\n\ndata: b\nid: 8\0\nretry: 1x\n\nid\ndata: c\n\n");
        let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!((ids, decoder.retry_ms()), (vec!["7", "7", ""], Some(1500)));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_told() {
        let (events, _) = decode(TIGHT, &[b"data: \xC3\n\ndata: \xC3\xA9\n\n"]);
        let seen: Vec<_> = events.iter().map(|event| (event.data.as_str(), event.lossy)).collect();
        assert_eq!(seen, [("\u{fffd}", true), ("é", false)]);
    }

    #[test]
    fn limits_stop_the_decoder_without_a_panic() {
        let (events, end) = decode(TIGHT, &[b"data: a\n\ndata: 1234567890\n\ndata: b\n\n"]);
        assert_eq!((events.len(), end.overflow), (1, Some(Overflow::Line)));
        let (events, end) = decode(TIGHT, &[b"data:1234\ndata:567\n\ndata: b\n\n"]);
        assert_eq!((events.len(), end.overflow), (0, Some(Overflow::Event)));
    }

    /// Every stream of up to five atoms, cut at every place and at all, gives the same events. The atoms are the
    /// smallest set that reaches every branch: both halves of each line end, of a character and of a mark.
    #[test]
    fn every_chunking_gives_the_same_events() {
        const ATOMS: [&[u8]; 7] =
            [b"\r", b"\n", b"data:", b"event: ", b"\xC3", b"\xA9", b"\xEF\xBB\xBF"];
        const ATOMS_MAX: u32 = 5;
        for len in 1..=ATOMS_MAX {
            for mut number in 0..ATOMS.len().pow(len) {
                let mut stream = Vec::new();
                for _ in 0..len {
                    stream.extend_from_slice(ATOMS[number % ATOMS.len()]);
                    number /= ATOMS.len();
                }
                let whole = decode(TIGHT, &[&stream]);
                for cut in 1..stream.len() {
                    assert_eq!(
                        whole,
                        decode(TIGHT, &[&stream[..cut], &stream[cut..]]),
                        "{stream:?} at {cut}"
                    );
                }
                let bytes: Vec<&[u8]> = stream.chunks(1).collect();
                assert_eq!(whole, decode(TIGHT, &bytes), "{stream:?} byte by byte");
            }
        }
    }
}
