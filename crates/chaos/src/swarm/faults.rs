//! Faults drawn by chance, at places of which good clients agree what they are.
//!
//! Bytes in the middle of a head, or a turned bit there, are read by one good parser and refused by the next:
//! what comes of them says nothing, so what adds or changes bytes keeps to bodies and whole header lines.

use std::num::NonZeroU32;

use super::dice::Dice;
use crate::scenario::{At, Coding, Destination, Fault, Span, Strike, When};

/// More faults in one draw hide one another.
const STRIKES_MAX: u64 = 4;

/// A delay is either no matter to anybody's limit, or past it by so much that no clock can doubt it.
const DELAY_MS_MAX: u64 = 40;
const LATE_MS_MIN: u64 = 300;
const LATE_MS_MAX: u64 = 500;

/// A reply is slowed down to so many bytes at a time, with a moment between.
const DRIP_BYTES_MIN: u32 = 128;
const DRIP_MS_MAX: u64 = 2;
const BYTES_PER_S_MIN: u32 = 60_000;

/// The largest reply: two kilobytes of a script, a flood, and a long stream's events.
const FLOOD_TIMES_MAX: u32 = 20;

/// All that a draw adds to an attempt without running into its limit: three delays and the slowest pace, each timer a
/// little late. Well under the least limit, so that it is never a matter of chance who was first.
pub(super) const SLOW_MS_MAX: u64 = 400;

const DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" again\"}}\n\n";

/// What is put into a body: what a stream may hold anywhere, and what nothing may.
const TEXTS: [&str; 6] = [
    DELTA,
    ": keepalive\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
    "ZZZ\r\n",
    "\0\0\0\0",
];

/// What is put among headers.
const HEADER: &str = "x-probity-filler: nothing to see\r\n";

/// What takes a reply's place: errors of the API, and pages of what stands before it.
const INSTEAD: [&str; 5] =
    ["400-extra-field", "413-edge", "500-api-error", "502-nginx-cloudflare", "529-overloaded"];

/// Where a kind of fault may strike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Where {
    Anywhere,
    /// Anywhere but after the last byte, where nothing is left to change, and where a client may send its next request
    /// to a server that has fallen silent and does not see it.
    BeforeEnd,
    Body,
    BodyOrHeaders,
    /// Before an event, and so only in a stream.
    EventStart,
    HeadStart,
}

/// What a fault is drawn for.
struct Draw<'a> {
    dice: &'a mut Dice,
    at: At,
    timeout_ms: u64,
}

/// A kind of fault: where it may strike, and what it is.
type Kind = (Where, fn(Draw<'_>) -> Fault);

const KINDS: [Kind; 18] = [
    (Where::Anywhere, |_| Fault::Close),
    (Where::Body, |_| Fault::Corrupt),
    (Where::Anywhere, |_| Fault::Cut),
    (Where::BeforeEnd, |draw| Fault::Delay { ms: delay_ms(draw) }),
    (Where::BeforeEnd, |Draw { dice, .. }| Fault::Drip {
        bytes: bytes(dice, DRIP_BYTES_MIN),
        ms: dice.between(1, DRIP_MS_MAX),
    }),
    (Where::EventStart, |_| Fault::DropEvent),
    (Where::EventStart, |_| Fault::DuplicateEvent),
    (Where::BodyOrHeaders, |Draw { dice, at, .. }| Fault::Flood {
        text: text(dice, at),
        times: times(dice),
    }),
    (Where::HeadStart, |Draw { dice, .. }| Fault::Gzip(dice.one_of(&CODINGS))),
    (Where::Anywhere, |_| Fault::HalfClose),
    (Where::BodyOrHeaders, |Draw { dice, at, .. }| Fault::Insert { text: text(dice, at) }),
    (Where::HeadStart, |Draw { dice, .. }| Fault::Redirect {
        status: dice.one_of(&[301, 302, 303, 307, 308]),
        to: dice.one_of(&DESTINATIONS),
    }),
    (Where::Anywhere, |Draw { dice, .. }| Fault::Replace {
        reply: dice.one_of(&INSTEAD).to_owned(),
    }),
    (Where::Anywhere, |_| Fault::Reset),
    (Where::BeforeEnd, |Draw { dice, .. }| Fault::Slice { bytes: bytes(dice, 1) }),
    (Where::BeforeEnd, |_| Fault::Stall),
    (Where::EventStart, |_| Fault::SwapEvents),
    (Where::BeforeEnd, |Draw { dice, .. }| Fault::Throttle {
        bytes_per_s: bytes(dice, BYTES_PER_S_MIN),
    }),
];

const CODINGS: [Coding; 5] =
    [Coding::Corrupt, Coding::Negotiated, Coding::Plain, Coding::Truncated, Coding::Whole];

const DESTINATIONS: [Destination; 3] =
    [Destination::SameOrigin, Destination::SecondHost, Destination::SecondOrigin];

/// Places in a body. The offsets reach a little past the end of most replies.
const IN_BODY: [fn(&mut Dice) -> At; 8] = [
    |dice| At::BodyByte(dice.below(2_000)),
    |dice| At::Character(dice.count(1, 6)),
    |dice| At::ChunkByte { chunk: dice.count(1, 8), byte: dice.below(120) },
    |dice| At::ChunkSizeByte { chunk: dice.count(1, 8), byte: dice.below(4) },
    |dice| At::EventByte { event: dice.count(1, 8), byte: dice.below(120) },
    |dice| At::EventEnd(dice.count(1, 8)),
    |dice| At::EventStart(dice.count(1, 8)),
    |_| At::FinalChunk,
];

/// Places around the body.
const AROUND_BODY: [fn(&mut Dice) -> At; 4] = [
    |dice| At::HeadByte(dice.below(160)),
    |_| At::HeadersStart,
    |dice| At::RequestByte(dice.below(100)),
    |_| At::End,
];

/// A few strikes out of a part of all kinds.
pub(super) fn strikes(dice: &mut Dice, streams: bool, timeout_ms: u64) -> Vec<Strike> {
    let mut kinds = KINDS.to_vec();
    kinds.retain(|(place, _)| (streams || *place != Where::EventStart) && dice.one_in(2));
    if kinds.is_empty() {
        return vec![];
    }
    let n_strikes = dice.between(0, STRIKES_MAX);
    let mut strikes: Vec<_> = (0..n_strikes).map(|_| strike(dice, &kinds, timeout_ms)).collect();
    let mut is_coded = false;
    // A body that is coded twice says so in two headers, and not everybody reads the second.
    strikes.retain(|strike| {
        !matches!(strike.fault, Fault::Gzip(_)) || !std::mem::replace(&mut is_coded, true)
    });
    strikes
}

/// Many more pieces than the script has.
pub(super) fn long_stream(dice: &mut Dice) -> Strike {
    let fault = Fault::Flood { text: DELTA.to_owned(), times: times(dice) };
    unforced(Span { first: 1, last: None }, At::EventStart(4), fault)
}

fn strike(dice: &mut Dice, kinds: &[Kind], timeout_ms: u64) -> Strike {
    let (place, fault) = dice.one_of(kinds);
    let at = at(dice, place);
    let (first, last) = dice.one_of(&[
        (1, Some(1)),
        (1, Some(1)),
        (1, Some(2)),
        (1, None),
        (2, Some(2)),
        (2, None),
    ]);
    unforced(Span { first, last }, at, fault(Draw { dice, at, timeout_ms }))
}

/// A drawn place need not be one that the reply has. Every request meets the condition, and a fault with one may stay
/// out.
fn unforced(attempts: Span, at: At, fault: Fault) -> Strike {
    Strike { attempts, when: Some(When::RequestBytes(0)), at, fault }
}

fn at(dice: &mut Dice, place: Where) -> At {
    match place {
        Where::Anywhere if dice.one_in(3) => dice.one_of(&AROUND_BODY)(dice),
        Where::BeforeEnd if dice.one_in(3) => dice.one_of(&AROUND_BODY[..3])(dice),
        Where::BodyOrHeaders if dice.one_in(6) => At::HeadersStart,
        Where::Anywhere | Where::BeforeEnd | Where::Body | Where::BodyOrHeaders => {
            dice.one_of(&IN_BODY)(dice)
        }
        Where::EventStart => At::EventStart(dice.count(1, 8)),
        Where::HeadStart => At::HeadByte(0),
    }
}

fn delay_ms(Draw { dice, timeout_ms, .. }: Draw<'_>) -> u64 {
    if dice.one_in(4) {
        return timeout_ms + dice.between(LATE_MS_MIN, LATE_MS_MAX);
    }
    dice.between(0, DELAY_MS_MAX)
}

fn text(dice: &mut Dice, at: At) -> String {
    let text = if at == At::HeadersStart { HEADER } else { dice.one_of(&TEXTS) };
    text.to_owned()
}

/// So many, or up to sixteen times as many.
fn bytes(dice: &mut Dice, least: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(dice.count(least - 1, least * 16))
}

fn times(dice: &mut Dice) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(dice.count(1, FLOOD_TIMES_MAX))
}
