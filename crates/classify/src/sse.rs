//! Server-sent events from bytes, by the rules of the WHATWG living standard.
//!
//! No IO: bytes go in as they arrive, events come out, and the events are the same however the bytes were cut.
//! Lines are found in the bytes and only then decoded, so a character cut in two is whole again before anybody
//! looks at it. The price is that one line must fit in memory, hence the limits.
//!
//! An event without the blank line after it is dropped, as the standard says; [`Decoder::finish`] reports it.

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
    /// Whether bytes that are not UTF-8 were replaced by U+FFFD in one of its fields.
    pub lossy: bool,
}

/// What was left when the bytes ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct End {
    /// The event that no blank line dispatched: what a reader would deliver that flushes at the end.
    pub dropped: Option<Event>,
    /// The limit at which decoding stopped.
    pub overflow: Option<Overflow>,
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

/// The decoder: feed it with [`push`](Self::push), end it with [`finish`](Self::finish).
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The last byte was a CR: an LF right after it belongs to the same line end.
    after_cr: bool,
    /// A line has ended: only before that can a byte order mark stand.
    begun: bool,
    pending: Event,
    has_data: bool,
    last_id: String,
    retry_ms: Option<u64>,
    overflow: Option<Overflow>,
}

impl Decoder {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            line: Vec::new(),
            after_cr: false,
            begun: false,
            pending: Event::default(),
            has_data: false,
            last_id: String::new(),
            retry_ms: None,
            overflow: None,
        }
    }

    /// The events that `bytes` complete. After an overflow there are no more; see [`Self::overflow`].
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while self.overflow.is_none() && !bytes.is_empty() {
            if self.after_cr && bytes[0] == b'\n' {
                bytes = &bytes[1..];
            }
            self.after_cr = false;
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.limits.line_bytes_max < self.line.len() + part.len() {
                self.overflow = Some(Overflow::Line);
                break;
            }
            self.line.extend_from_slice(part);
            let Some(&terminator) = rest.first() else { break };
            self.after_cr = terminator == b'\r';
            bytes = &rest[1..];
            events.extend(self.end_line());
        }
        events
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
        if self.overflow.is_none() && !self.line.is_empty() {
            self.end_line();
        }
        let dropped = (self.has_data || !self.pending.name.is_empty()).then(|| self.take_pending());
        End { dropped, overflow: self.overflow }
    }

    /// The finished line takes effect; a blank one dispatches.
    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let line = if self.begun { &bytes[..] } else { crate::envelope::without_bom(&bytes) };
        self.begun = true;
        let event = if line.is_empty() { self.dispatch() } else { self.field(line) };
        // The buffer goes back, so that a stream of short lines allocates it once.
        self.line = bytes;
        self.line.clear();
        event
    }

    fn dispatch(&mut self) -> Option<Event> {
        let event = self.take_pending();
        std::mem::take(&mut self.has_data).then_some(event)
    }

    fn take_pending(&mut self) -> Event {
        Event { id: self.last_id.clone(), ..std::mem::take(&mut self.pending) }
    }

    fn field(&mut self, line: &[u8]) -> Option<Event> {
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"data" => self.data(value),
            b"event" => {
                self.pending.name = self.text(value);
            }
            b"id" if !value.contains(&0) => {
                self.last_id = self.text(value);
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry_ms =
                    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            }
            // Comments have an empty name, and the standard ignores the names it does not know.
            _ => {}
        }
        None
    }

    fn data(&mut self, value: &[u8]) {
        if self.limits.event_bytes_max < self.pending.data.len() + value.len() {
            self.overflow = Some(Overflow::Event);
            return;
        }
        let text = self.text(value);
        if self.has_data {
            self.pending.data.push('\n');
            self.pending.data.push_str(&text);
        } else {
            self.pending.data = text;
        }
        self.has_data = true;
    }

    fn text(&mut self, value: &[u8]) -> String {
        let text = String::from_utf8_lossy(value);
        // Only a repair makes an owned string.
        self.pending.lossy |= matches!(text, std::borrow::Cow::Owned(_));
        text.into_owned()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Limits { line_bytes_max: LINE_BYTES_MAX, event_bytes_max: EVENT_BYTES_MAX })
    }
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
