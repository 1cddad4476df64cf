//! Any answer gets a class, the class fits the answer, and nothing depends on how the bytes were cut.
//!
//! The input is text, so that seeds can be read and a finding can be mailed:
//!
//! ```text
//! 200 0 3 1 7              status, 0 for a reply or 1–5 for a cut, then the sizes of the pieces, in turn
//! content-type: text/html  headers
//!
//! body
//! ```
//!
//! Every input is one: what is not a number counts as one. The classes are checked against a second, coarser
//! opinion that looks at statuses and plain bytes only.

use std::borrow::Cow;

use ::classify::sse::{self, Decoder, End, Event, Limits};
use ::classify::stream::{
    self, Grammar, Lint, Linter, NOTES_MAX, Outcome, StreamReading, VIOLATIONS_MAX,
};
use ::classify::{Class, Cut, CutKind, Headers, Observation, Reply, classify, envelope};

/// With `PROBITY_FUZZ_PLANT` set when it is built, the target states something wrong, and a run that finds nothing
/// shows a fuzzer that is asleep.
const PLANTED: bool = option_env!("PROBITY_FUZZ_PLANT").is_some();

/// Small enough that an input of a few hundred bytes reaches both limits.
const TIGHT: Limits = Limits { line_bytes_max: 48, event_bytes_max: 64 };

/// Panics where a property does not hold.
pub fn run(bytes: &[u8]) {
    let input = Input::split(bytes);
    let usual =
        Limits { line_bytes_max: sse::LINE_BYTES_MAX, event_bytes_max: sse::EVENT_BYTES_MAX };
    check_decoder(&input, usual);
    check_decoder(&input, TIGHT);
    check_grammar(&input);
    check_lint(&input);
    check_class(&input);
}

/// The input taken apart.
struct Input<'a> {
    observation: Observation,
    body: &'a [u8],
    /// Sizes of the pieces the body arrives in, used in turn; never 0.
    pieces: Vec<usize>,
}

impl<'a> Input<'a> {
    fn split(bytes: &'a [u8]) -> Self {
        let (head, body) = split_once(bytes, b"\n\n");
        let (first, fields) = split_once(head, b"\n");
        let mut numbers = first.split(|&byte| byte == b' ').map(number);
        let status = numbers.next().unwrap_or(0) % 1000;
        let kind = numbers.next().unwrap_or(0) as usize % (1 + CutKind::ALL.len());
        let mut headers = Headers::default();
        for field in fields.split(|&byte| byte == b'\n').filter(|field| !field.is_empty()) {
            let (name, value) = split_once(field, b":");
            headers.push(text(name), text(value.trim_ascii()));
        }
        let reply = Reply { status, headers, body: body.to_vec().into() };
        let observation = match kind.checked_sub(1).map(|kind| CutKind::ALL[kind]) {
            None => Observation::Reply(reply),
            // The API sends no status below 100, so these stand for a head that did not arrive either.
            Some(kind) => Observation::Cut(Cut { kind, partial: (status >= 100).then_some(reply) }),
        };
        let pieces = numbers.map(|size| usize::from(size.max(1))).collect();
        Self { observation, body, pieces }
    }

    /// The body in its pieces; byte by byte where the input names none.
    fn cut_up(&self) -> impl Iterator<Item = &'a [u8]> {
        let sizes = if self.pieces.is_empty() { &[1][..] } else { &self.pieces };
        let (mut rest, mut sizes) = (self.body, sizes.iter().cycle());
        std::iter::from_fn(move || {
            let (piece, after) = rest.split_at(rest.len().min(*sizes.next()?));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

fn split_once<'a>(bytes: &'a [u8], at: &[u8]) -> (&'a [u8], &'a [u8]) {
    match bytes.windows(at.len()).position(|window| window == at) {
        Some(place) => (&bytes[..place], &bytes[place + at.len()..]),
        None => (bytes, &[]),
    }
}

/// The digits of `token` as a number; any other byte counts as some digit.
fn number(token: &[u8]) -> u16 {
    token.iter().fold(0, |sum: u16, byte| {
        sum.wrapping_mul(10).wrapping_add(u16::from(byte.wrapping_sub(b'0')))
    })
}

fn text(bytes: &[u8]) -> Cow<'static, str> {
    Cow::Owned(String::from_utf8_lossy(bytes).into_owned())
}

/// The same events, the same end and the same overflow, whole or in pieces; no more of them than the bytes can hold.
fn check_decoder(input: &Input<'_>, limits: Limits) {
    let whole = decode([input.body].into_iter(), limits);
    assert_eq!(whole, decode(input.cut_up(), limits), "whole and in pieces");
    let (events, ..) = &whole;
    // A blank line and a line of data at the least, and U+FFFD is three bytes for one.
    assert!(events.len() <= input.body.len() / 2);
    let data_bytes: usize = events.iter().map(|event| event.data.len()).sum();
    assert!(data_bytes <= 3 * input.body.len());
    assert!(
        events.iter().all(|event| !event.id.contains('\0') && !event.name.contains(['\r', '\n']))
    );
    assert!(!PLANTED || planted_holds(events), "the planted property does not hold");
}

fn decode<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    limits: Limits,
) -> (Vec<Event>, End, Option<u64>) {
    let mut decoder = Decoder::new(limits);
    let events = pieces.flat_map(|piece| decoder.push(piece)).collect();
    let retry_ms = decoder.retry_ms();
    (events, decoder.finish(), retry_ms)
}

/// Wrong on purpose: a stream may give its events ids. No seed does, so the fuzzer has to find it out.
fn planted_holds(events: &[Event]) -> bool {
    events.iter().all(|event| event.id.is_empty())
}

/// The reading of a stream does not contradict itself, and is the same when events are read as they arrive.
fn check_grammar(input: &Input<'_>) {
    let reading = stream::read(input.body);
    assert_eq!(reading, read_in_pieces(input));
    assert!(reading.defects.len() <= VIOLATIONS_MAX);
    assert!(reading.defects.iter().all(|defect| defect.event_idx < reading.events));
    match &reading.outcome {
        Outcome::Done => {
            assert!(reading.defects.is_empty() && reading.stop_reason.is_some());
            // A message_start, a message_delta and a message_stop.
            assert!(reading.events >= 3);
        }
        Outcome::Failed(_) => assert!(reading.events >= 1),
        Outcome::Malformed => assert!(!reading.defects.is_empty()),
        Outcome::Truncated => assert!(reading.defects.is_empty()),
    }
}

fn read_in_pieces(input: &Input<'_>) -> StreamReading {
    let (mut decoder, mut grammar) = (Decoder::default(), Grammar::default());
    for piece in input.cut_up() {
        for event in decoder.push(piece) {
            grammar.event(&event);
        }
    }
    grammar.finish(&decoder.finish())
}

/// Everything that the rules say is the same however the bytes were cut, agrees with the reading, and is bounded.
fn check_lint(input: &Input<'_>) {
    let lint = stream::lint(input.body);
    assert_eq!(lint, lint_in_pieces(input), "whole and in pieces");
    let Lint { events, outcome, stop_reason, violations, notes, sights } = lint;
    let reading = stream::read(input.body);
    assert_eq!((&reading.outcome, reading.events), (&outcome, events));
    assert_eq!(reading.stop_reason, stop_reason);
    assert!(violations.len() <= VIOLATIONS_MAX && notes.len() <= NOTES_MAX);
    assert!(violations.is_sorted_by_key(|violation| violation.event_idx));
    for violation in &violations {
        assert!(violation.offset <= input.body.len() && violation.event_idx <= events);
        assert!(violation.trace.len() <= 1 + 2 * stream::AROUND);
        assert!(violation.trace.is_sorted_by_key(|line| line.event_idx));
        let culprit = violation.trace.iter().find(|line| line.is_culprit);
        assert!(culprit.is_none_or(|line| line.event_idx == violation.event_idx));
        // What was not seen cannot have been wrong.
        assert!(sights.has(violation.rule.sight()), "{}", violation.rule);
    }
    // A stream that is not whole breaks a rule, and so does one that breaks the grammar.
    assert!(!violations.is_empty() || matches!(outcome, Outcome::Done | Outcome::Failed(_)));
}

fn lint_in_pieces(input: &Input<'_>) -> Lint {
    let mut linter = Linter::default();
    input.cut_up().for_each(|piece| linter.push(piece));
    linter.finish()
}

fn check_class(input: &Input<'_>) {
    let class = classify(&input.observation);
    assert_eq!(Class::parse(class.name()), Some(class));
    assert_eq!(classify(&respelt(&input.observation)), class, "headers respelt");
    match &input.observation {
        Observation::Reply(reply) => {
            assert!(permits(class, reply.status), "{class} under {}", reply.status);
            check_body(class, reply);
        }
        Observation::Cut(cut) => match (class, &cut.partial) {
            (Class::Unreachable(kind), _) => assert_eq!(kind, cut.kind),
            (
                Class::Streamed | Class::StreamCut | Class::StreamError | Class::StreamMalformed,
                Some(partial),
            ) => {
                check_body(class, partial);
            }
            _ => panic!("{class} for a cut"),
        },
        Observation::Unsendable(_) => assert_eq!(class, Class::Unsendable),
    }
}

/// The same answer: header names in capitals, and a field at the end that nobody knows.
fn respelt(observation: &Observation) -> Observation {
    let mut observation = observation.clone();
    let reply = match &mut observation {
        Observation::Reply(reply) => Some(reply),
        Observation::Cut(cut) => cut.partial.as_mut(),
        Observation::Unsendable(_) => None,
    };
    if let Some(reply) = reply {
        for (name, _) in &mut reply.headers.0 {
            *name = Cow::Owned(name.to_ascii_uppercase());
        }
        reply.headers.push("x-probity-unknown", "1");
    }
    observation
}

/// Whether a reply of that status may have that class at all.
fn permits(class: Class, status: u16) -> bool {
    let success = (200..300).contains(&status);
    match class {
        Class::Accepted
        | Class::Impostor
        | Class::StreamCut
        | Class::StreamError
        | Class::StreamMalformed
        | Class::Streamed => success,
        Class::Intermediary => !success,
        Class::Malformed | Class::Undocumented => true,
        Class::ContentFiltered | Class::InvalidRequest | Class::RateLimitDisguised => status == 400,
        Class::BillingRequired => matches!(status, 400 | 402),
        Class::SpendLimited => matches!(status, 400 | 429),
        Class::Unauthorized => status == 401,
        Class::EdgeForbidden | Class::PermissionDenied => status == 403,
        Class::NotFound => status == 404,
        Class::MethodNotAllowed => status == 405,
        Class::Conflict => status == 409,
        Class::TooLarge => status == 413,
        Class::RateLimited => status == 429,
        Class::ServerError => (500..600).contains(&status),
        Class::Unavailable => status == 503,
        Class::TimedOut => matches!(status, 408 | 504),
        Class::Overloaded => status == 529,
        Class::Unreachable(_) | Class::Unsendable => false,
    }
}

/// What the body must hold for a class, told by its bytes alone.
fn check_body(class: Class, reply: &Reply) {
    let holds = |text: &str| reply.body.windows(text.len()).any(|window| window == text.as_bytes());
    let body = reply.body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&reply.body).trim_ascii();
    let declared = reply.headers.get("content-type").unwrap_or_default().to_ascii_lowercase();
    match class {
        Class::Accepted => {
            assert!(body.starts_with(b"{") && body.ends_with(b"}"), "accepted, but no object");
            assert!(envelope::parse(body).is_none(), "accepted, but an error envelope");
        }
        Class::Streamed => {
            assert!(declared.contains("text/event-stream"));
            assert!(holds("message_start") && holds("message_delta") && holds("message_stop"));
        }
        Class::StreamCut | Class::StreamError | Class::StreamMalformed => {
            assert!(declared.contains("text/event-stream"));
        }
        Class::EdgeForbidden
        | Class::Impostor
        | Class::Intermediary
        | Class::Malformed
        | Class::TooLarge => {}
        _ => assert!(
            envelope::parse(&reply.body).is_some() || class == Class::Undocumented,
            "{class} without an envelope"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planted_property_does_not_hold() {
        let events = |body: &'static [u8]| decode([body].into_iter(), TIGHT).0;
        assert!(planted_holds(&events(b"data: a\n\ndata: b\n\n")));
        assert!(!planted_holds(&events(b"id: 7\ndata: a\n\n")));
    }

    #[test]
    fn an_input_reads_as_written() {
        let input = Input::split(b"429 4 3 1\nRetry-After: 7\n\nabcdefgh");
        let Observation::Cut(cut) = &input.observation else { panic!("a cut") };
        let partial = cut.partial.as_ref().unwrap();
        assert_eq!((cut.kind, partial.status), (CutKind::Reset, 429));
        assert_eq!(partial.headers.get("retry-after"), Some("7"));
        let pieces: Vec<_> = input.cut_up().collect();
        assert_eq!(pieces, [&b"abc"[..], b"d", b"efg", b"h"]);
    }
}
