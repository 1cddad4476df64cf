//! The decoder against an opinion of its own kind: the standard, done naively over the whole text at once.

use classify::sse::{Decoder, Event};
use proptest::prelude::*;

/// What the decoder must tell of a stream: its events, the one that is dropped, and the reconnection time.
#[derive(Debug, Default, PartialEq)]
struct Told {
    events: Vec<(String, String, String)>,
    dropped: Option<(String, String)>,
    retry_ms: Option<u64>,
}

/// By the letter of the standard: decode as UTF-8, take one mark away, cut into lines, go through them.
fn naive(stream: &[u8]) -> Told {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    // Bytes that no line end follows are no line, and a blank one is nothing at all.
    let rest = lines.pop().unwrap_or_default();
    let mut told = Told::default();
    let (mut name, mut data, mut id) = (String::new(), String::new(), String::new());
    for (line, is_whole) in lines.iter().map(|line| (*line, true)).chain([(rest, false)]) {
        if line.is_empty() && is_whole {
            if !data.is_empty() {
                data.pop();
                told.events.push((name.clone(), data.clone(), id.clone()));
            }
            (name, data) = (String::new(), String::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value.to_owned(),
            "data" => data = data + value + "\n",
            "id" if !value.contains('\0') => id = value.to_owned(),
            "retry"
                if is_whole && !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) =>
            {
                told.retry_ms = Some(value.parse().unwrap_or(u64::MAX));
            }
            _ => {}
        }
    }
    if !data.is_empty() || !name.is_empty() {
        data.pop();
        told.dropped = Some((name, data));
    }
    told
}

/// The stream in pieces that end at `cuts`.
fn decoded(stream: &[u8], cuts: &[usize]) -> Told {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for pair in cuts.windows(2) {
        let piece = decoder.push(&stream[pair[0]..pair[1]]);
        for event in &piece {
            assert!(is_begin_of_line(stream, event.offset), "{event:?}");
        }
        events.extend(piece);
    }
    let told = |Event { name, data, id, .. }| (name, data, id);
    let retry_ms = decoder.retry_ms();
    let dropped = decoder.finish().dropped.map(|event| (event.name, event.data));
    Told { events: events.into_iter().map(told).collect(), dropped, retry_ms }
}

fn is_begin_of_line(stream: &[u8], offset: usize) -> bool {
    offset == 0 || matches!(stream[offset - 1], b'\n' | b'\r')
}

/// Pieces of streams, whole and broken: every rule of the standard is a few of them away.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let atoms: &[&[u8]] = &[
        b"\n",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"data: ",
        b"data:",
        b"data",
        b"event: e",
        b"event",
        b"id: 7",
        b"id: a\0b",
        b"id",
        b"retry: 15",
        b"retry: 1x",
        b"retry: 99999999999999999999",
        b": note",
        b":",
        b" ",
        b"  ",
        b"a",
        b"{\"type\":\"ping\"}",
        b"\xEF\xBB\xBF",
        b"\xEF\xBB",
        b"\xC3",
        b"\xA9",
        b"\xF0\x9F\x8C",
        b"\xA4",
        b"\xFF",
        b"\0",
        b"DATA: x",
    ];
    let atom = prop::sample::select(atoms);
    prop::collection::vec(atom, 0..40).prop_map(|atoms| atoms.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_in_any_pieces(stream in stream(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        prop_assert_eq!(decoded(&stream, &cuts), naive(&stream), "{}", String::from_utf8_lossy(&stream));
    }
}

#[test]
fn a_byte_at_a_time() {
    let stream =
        "\u{feff}event: e\r\ndata: Z\u{fc}rich\r\rid: 1\ndata:\n\ndata: \u{1f324}\r\n\r\ndata: x";
    let stream = stream.as_bytes();
    let cuts: Vec<usize> = (0..stream.len()).collect();
    assert_eq!(decoded(stream, &cuts), naive(stream));
    assert_eq!(naive(stream).events.len(), 3);
}
