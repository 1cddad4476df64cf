use std::collections::BTreeSet;

use super::*;
use crate::handling::{Attempt, End, Handling, Outcome};

const SEED: u64 = 7;

fn draws(n: u64) -> impl Iterator<Item = Scenario> {
    (0..n).map(|number| draw(SEED, number))
}

fn place(at: At) -> &'static str {
    match at {
        At::BodyByte(_) => "body-byte",
        At::Character(_) => "character",
        At::ChunkByte { .. } => "chunk-byte",
        At::ChunkSizeByte { .. } => "chunk-size-byte",
        At::End => "end",
        At::EventByte { .. } => "event-byte",
        At::EventEnd(_) => "event-end",
        At::EventStart(_) => "event-start",
        At::FinalChunk => "final-chunk",
        At::HeadByte(_) => "head-byte",
        At::HeadersStart => "headers-start",
        At::RequestByte(_) => "request-byte",
    }
}

fn kind(fault: &Fault) -> &'static str {
    match fault {
        Fault::Close => "close",
        Fault::Corrupt => "corrupt",
        Fault::Cut => "cut",
        Fault::Delay { .. } => "delay",
        Fault::Drip { .. } => "drip",
        Fault::DropEvent => "drop-event",
        Fault::DuplicateEvent => "duplicate-event",
        Fault::Flood { .. } => "flood",
        Fault::Gzip(_) => "gzip",
        Fault::HalfClose => "half-close",
        Fault::Insert { .. } => "insert",
        Fault::Redirect { .. } => "redirect",
        Fault::Replace { .. } => "replace",
        Fault::Reset => "reset",
        Fault::Slice { .. } => "slice",
        Fault::Stall => "stall",
        Fault::SwapEvents => "swap-events",
        Fault::Throttle { .. } => "throttle",
    }
}

#[test]
fn a_draw_is_its_numbers_and_reads_back_from_its_file() {
    for (number, scenario) in draws(2_000).enumerate() {
        assert_eq!(draw(SEED, number as u64), scenario);
        let text = scenario.to_toml();
        let read = Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read, scenario, "{text}");
    }
    let plain = plain_call();
    assert_eq!(Scenario::parse(&plain.to_toml()).unwrap(), plain);
}

#[test]
fn other_numbers_draw_other_scenarios() {
    let contents = |seed, number| {
        let drawn = draw(seed, number);
        format!("{:?} {:?} {:?}", drawn.faults, drawn.replies, drawn.timeout_ms)
    };
    let drawn: BTreeSet<_> =
        (0..20).flat_map(|seed| (0..20).map(move |number| contents(seed, number))).collect();
    assert!(380 < drawn.len(), "{}", drawn.len());
}

#[test]
fn every_kind_and_place_and_ask_is_drawn() {
    let (mut kinds, mut places, mut asks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for scenario in draws(500) {
        for strike in &scenario.faults {
            kinds.insert(kind(&strike.fault));
            places.insert(place(strike.at));
        }
        let ask = scenario.ask;
        asks.insert((
            ask.calls.is_some(),
            ask.parallel.is_some(),
            ask.abort_after_events.is_some(),
        ));
    }
    assert_eq!(
        (kinds.len(), places.len(), asks.len()),
        (18, 12, 4),
        "{kinds:?} {places:?} {asks:?}"
    );
}

#[test]
fn a_draw_takes_a_few_seconds_at_most() {
    for scenario in draws(2_000) {
        let n_attempts =
            u64::from(scenario.retries + 1) * u64::from(scenario.ask.calls.unwrap_or(1));
        let stalled_ms = n_attempts * scenario.timeout_ms;
        assert!(
            stalled_ms <= STALLED_MS_MAX && scenario.deadline_ms <= 12_000,
            "{}",
            scenario.to_toml()
        );
        assert!(scenario.faults.len() <= 5 && TIMEOUT_MS_MIN <= scenario.timeout_ms);
    }
}

/// A client that was given this and says that it was an answer.
fn report_of(reply: &str) -> TrialReport {
    let attempt = Attempt {
        number: 1,
        connection: 1,
        served: reply.as_bytes().to_vec(),
        end: End::Closed,
        ..Attempt::default()
    };
    let handling = Handling {
        attempts: vec![attempt],
        outcome: Some(Outcome::of(OutcomeClass::Success)),
        connections: 1,
        ..Handling::default()
    };
    TrialReport::new(&plain_call(), Surface::Create, &handling)
}

#[test]
fn harm_is_a_breach_and_bad_manners_are_not() {
    let cut = report_of("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"type\":\"mess");
    assert_eq!(breach(&cut), Some(Code::FalseOk), "{:?}", cut.findings);
    let whole = report_of(
        "HTTP/1.1 200 OK\r\n\r\n{\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\",\"content\":[]}",
    );
    // The request of this client is no request, which is bad, and not what a soak looks for.
    assert_eq!(breach(&whole), None, "{:?}", whole.findings);
    let failed = not_healed(cut);
    assert_eq!((failed.verdict, failed.finding), (Verdict::Fail, Some(Code::NotHealed)));
    assert_eq!(breach(&failed), Some(Code::NotHealed));
}
