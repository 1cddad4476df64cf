use std::io::Read;
use std::num::NonZeroU32;

use flate2::read::GzDecoder;

use super::*;
use crate::scenario::{Coding, Fault, Span, When};
use classify::{Headers, Request};

const REPLY: &[u8] = b"H\r\r\n\r\nbody!";
const HEADERS_START: usize = 4;
const BODY_START: usize = 6;

fn strike(at: At, fault: Fault) -> Strike {
    Strike { attempts: Span { first: 1, last: Some(1) }, when: None, at, fault }
}

fn plan(strikes: &[Strike]) -> Plan {
    let text = "# class: accepted\n# operation: o\n# why: w\n# source: s\n# framing: close\n# end: closed 1\n\
        HTTP/1.1 200 OK\n\nabc\n";
    let replies = [("cut".to_owned(), Script::parse("cut", text).unwrap())].into();
    let scenario = r#"
        id = "planned"
        why = "The plan is tried on it."
        severity = "S3"
        evidence = ["the plan's own tests"]
        surfaces = ["create"]
        expect = { attempts = "1", outcome = [] }
    "#;
    let mut scenario = Scenario::parse(scenario).unwrap();
    scenario.faults = strikes.to_vec();
    Plan::new(&scenario, &replies).unwrap()
}

const REPLACED: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\na";

/// A request that offers these codings.
fn asked(attempt: u32, request: &Request) -> Asked<'_> {
    Asked { attempt, on_connection: 1, request }
}

fn request(codings: &str) -> Request {
    let mut headers = Headers::default();
    headers.push("accept-encoding", codings.to_owned());
    Request { method: "POST".into(), target: "/".into(), headers, body: classify::Body::Empty }
}

/// Runs one attempt with the reply in these pieces; neighbouring bytes are joined. What is said of strikes is
/// what the fate says of them in the end.
fn run(plan: &mut Plan, attempt: u32, pieces: &[&[u8]]) -> Vec<Action> {
    run_asked(plan, asked(attempt, &request("")), pieces)
}

fn run_asked(plan: &mut Plan, asked: Asked<'_>, pieces: &[&[u8]]) -> Vec<Action> {
    let (mut fate, mut actions) = plan.on_connect(asked);
    for piece in pieces {
        actions.extend(fate.on_bytes(piece));
    }
    if !fate.is_over() {
        actions.extend(fate.on_end());
    }
    plan.settle(&fate);
    let mut joined: Vec<Action> = vec![];
    let mut struck = vec![];
    for action in actions {
        match (joined.last_mut(), action) {
            (Some(Action::Pass(before)), Action::Pass(bytes)) => {
                *before = [&before[..], &bytes[..]].concat().into()
            }
            (_, Action::Strike { fault }) => struck.push(fault),
            (_, action) => joined.push(action),
        }
    }
    assert_eq!(struck, fate.struck());
    joined
}

/// Ways to cut a reply up: every way for its last bytes, and everywhere else in one or two places, or in all.
fn splits(reply: &'static [u8]) -> Vec<Vec<&'static [u8]>> {
    const EXHAUSTED_BYTES: usize = 11;
    let len = reply.len();
    let tail = len.min(EXHAUSTED_BYTES);
    let mut cuts: Vec<Vec<usize>> = (0..1 << (tail - 1))
        .map(|bits| {
            (1..tail)
                .filter(move |cut| bits & (1 << (cut - 1)) != 0)
                .map(move |cut| len - tail + cut)
        })
        .map(Iterator::collect)
        .collect();
    cuts.extend((1..len).flat_map(|one| (one..len).map(move |other| vec![one, other])));
    cuts.push((1..len).collect());
    cuts.iter().map(|cuts| cut(reply, cuts)).collect()
}

fn cut(reply: &'static [u8], cuts: &[usize]) -> Vec<&'static [u8]> {
    let ends = cuts.iter().copied().chain([reply.len()]);
    let mut start = 0;
    ends.map(|end| &reply[std::mem::replace(&mut start, end)..end]).collect()
}

/// Whatever pieces the reply arrives in, the actions are these.
fn check(strikes: &[Strike], expected: &[Action], unfired: &[usize]) {
    check_reply(REPLY, strikes, expected, unfired);
}

fn check_reply(reply: &'static [u8], strikes: &[Strike], expected: &[Action], unfired: &[usize]) {
    let planned = plan(strikes);
    for pieces in splits(reply) {
        let mut plan = planned.clone();
        assert_eq!(run(&mut plan, 1, &pieces), expected, "{strikes:?} {pieces:?}");
        assert_eq!(plan.unfired(), unfired, "{strikes:?} {pieces:?}");
    }
}

fn pass(bytes: &[u8]) -> Vec<Action> {
    if bytes.is_empty() { vec![] } else { vec![Action::Pass(Bytes::copy_from_slice(bytes))] }
}

#[test]
fn a_reply_without_faults_is_passed_whole() {
    check(&[], &pass(REPLY), &[]);
}

#[test]
fn every_fault_strikes_at_its_byte_whatever_the_pieces() {
    for offset in 0..=REPLY.len() {
        let mut places = vec![At::HeadByte(offset as u64)];
        if HEADERS_START == offset {
            places.push(At::HeadersStart);
        }
        if BODY_START <= offset {
            places.push(At::BodyByte((offset - BODY_START) as u64));
        }
        for at in places {
            let (before, after) = REPLY.split_at(offset);
            let ends = |action| [pass(before), vec![action]].concat();
            check(&[strike(at, Fault::Close)], &ends(Action::Close), &[]);
            check(&[strike(at, Fault::Cut)], &ends(Action::Cut), &[]);
            check(&[strike(at, Fault::Reset)], &ends(Action::Reset), &[]);
            check(&[strike(at, Fault::Stall)], &ends(Action::Stall), &[]);
            let delayed = [pass(before), vec![Action::Delay { ms: 7 }], pass(after)].concat();
            check(&[strike(at, Fault::Delay { ms: 7 })], &delayed, &[]);
            let flood = Fault::Flood { text: "no".to_owned(), times: NonZeroU32::new(3).unwrap() };
            let flooded = pass(&[before, b"nonono", after].concat());
            check(&[strike(at, flood)], &flooded, &[]);
            let replaced = [pass(&[before, REPLACED].concat()), vec![Action::Close]].concat();
            check(&[strike(at, Fault::Replace { reply: "cut".to_owned() })], &replaced, &[]);
        }
    }
}

#[test]
fn faults_of_one_place_strike_in_the_order_of_the_file() {
    let at = At::BodyByte(2);
    let strikes =
        [strike(at, Fault::Delay { ms: 1 }), strike(at, Fault::Reset), strike(at, Fault::Close)];
    let (before, _) = REPLY.split_at(BODY_START + 2);
    check(&strikes, &[pass(before), vec![Action::Delay { ms: 1 }, Action::Reset]].concat(), &[2]);
}

/// A strike that is about these requests only.
fn strike_when(when: When, at: At, fault: Fault) -> Strike {
    let attempts = Span { first: 1, last: None };
    Strike { attempts, when: Some(when), at, fault }
}

fn request_with(name: &'static str, value: &str) -> Request {
    let mut headers = Headers::default();
    headers.push(name, value.to_owned());
    Request { headers, ..request("") }
}

/// A request of which this much of the body has arrived.
fn request_of(body: &'static str) -> Request {
    Request { body: classify::Body::Bytes(body.into()), ..request("") }
}

#[test]
fn a_fault_strikes_the_requests_that_it_is_about() {
    let second = When::ConnectionRequest(Span { first: 2, last: Some(2) });
    let (gzip, no_gzip) = (When::Offers("gzip".to_owned()), When::OffersNot("gzip".to_owned()));
    let large = When::RequestBytes(3);
    for (when, on_connection, request, meets) in [
        (&second, 1, request(""), false),
        (&second, 2, request(""), true),
        (&gzip, 1, request("br, GZip"), true),
        (&gzip, 1, request("br"), false),
        (&no_gzip, 1, request("br"), true),
        (&no_gzip, 1, request("gzip"), false),
        (&When::CredentialMalformed, 1, request_with("x-api-key", "a"), false),
        (&When::CredentialMalformed, 1, request_with("x-api-key", ""), true),
        (&When::CredentialMalformed, 1, request_with("authorization", "Bearer a"), false),
        (&When::CredentialMalformed, 1, request_with("authorization", "Bearer  a"), true),
        (&When::CredentialMalformed, 1, request_with("authorization", "Bearer"), true),
        (&large, 1, request_with("content-length", "2"), false),
        (&large, 1, request_with("content-length", "3"), true),
        (&large, 1, request_of("abc"), true),
    ] {
        let planned = plan(&[strike_when(when.clone(), At::BodyByte(2), Fault::Reset)]);
        let asked = Asked { attempt: 1, on_connection, request: &request };
        let (before, _) = REPLY.split_at(BODY_START + 2);
        let expected =
            if meets { [pass(before), vec![Action::Reset]].concat() } else { pass(REPLY) };
        for pieces in splits(REPLY) {
            let mut plan = planned.clone();
            assert_eq!(run_asked(&mut plan, asked, &pieces), expected, "{when:?} {pieces:?}");
            // Nobody promised that such a request comes.
            assert_eq!(plan.unfired(), [0_usize; 0], "{when:?}");
        }
    }
}

#[test]
fn a_request_is_read_as_far_as_its_fault_and_no_further() {
    let at = At::RequestByte(4);
    let whole = request_of("abcdef");
    let begun = request_of("abcd");
    let short = request_of("abc");
    for (fault, expected) in [
        (Fault::Reset, vec![Action::Reset]),
        (Fault::Delay { ms: 7 }, [vec![Action::Delay { ms: 7 }], pass(REPLY)].concat()),
        (
            Fault::Replace { reply: "cut".to_owned() },
            [pass(REPLACED), vec![Action::Close]].concat(),
        ),
    ] {
        let planned = plan(&[strike(at, fault)]);
        assert_eq!(planned.reads_only(asked(1, &request(""))), Some(4));
        assert_eq!(planned.reads_only(asked(2, &request(""))), None);
        for pieces in splits(REPLY) {
            for (request, expected, unfired) in [
                (&begun, &expected, &[][..]),
                (&whole, &expected, &[][..]),
                (&short, &pass(REPLY), &[0][..]),
            ] {
                let mut plan = planned.clone();
                assert_eq!(&run_asked(&mut plan, asked(1, request), &pieces), expected);
                assert_eq!(plan.unfired(), unfired);
            }
        }
    }
}

#[test]
fn a_fault_beyond_the_reply_or_the_attempts_stays_unfired() {
    check(&[strike(At::BodyByte(100), Fault::Close)], &pass(REPLY), &[0]);
    let mut plan = plan(&[strike(At::HeadByte(0), Fault::Close)]);
    assert_eq!(run(&mut plan, 2, &[REPLY]), pass(REPLY));
    assert_eq!(plan.unfired(), [0]);
    assert_eq!(run(&mut plan, 1, &[REPLY]), [Action::Close]);
    assert_eq!(plan.unfired(), [0_usize; 0]);
}

/// Two events in two chunks, which part in the middle of a character.
const CHUNKED: &[u8] =
    b"H\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na\n\n\xc3\r\n3\r\n\xa9\n\n\r\n0\r\n\r\n";
const CHUNKS_START: usize = 33;

#[test]
fn every_place_is_where_it_says() {
    let at_event = |event, byte| At::EventByte { event, byte };
    let at_chunk = |chunk, byte| At::ChunkByte { chunk, byte };
    let at_size = |chunk, byte| At::ChunkSizeByte { chunk, byte };
    for (at, offset) in [
        (at_size(1, 0), 0),
        (at_size(1, 1), 1),
        (at_chunk(1, 0), 3),
        (At::EventStart(1), 3),
        (at_event(1, 1), 4),
        (at_chunk(1, 2), 5),
        (At::EventEnd(1), 6),
        (At::EventStart(2), 6),
        (At::Character(1), 7),
        (at_size(2, 0), 9),
        (at_size(2, 2), 11),
        (at_event(2, 1), 12),
        (at_chunk(2, 0), 12),
        (At::EventEnd(2), 15),
        (At::FinalChunk, 17),
        (At::End, 22),
    ] {
        let (before, _) = CHUNKED.split_at(CHUNKS_START + offset);
        let expected = [pass(before), vec![Action::Close]].concat();
        check_reply(CHUNKED, &[strike(at, Fault::Close)], &expected, &[]);
    }
    for at in [At::EventStart(3), At::Character(2), at_chunk(3, 0), at_chunk(1, 4)] {
        check_reply(CHUNKED, &[strike(at, Fault::Close)], &pass(CHUNKED), &[0]);
    }
}

#[test]
fn the_line_ends_of_events_may_be_any() {
    for reply in ["H\r\n\r\na\r\n\r\nb\r\n\r\n", "H\r\n\r\na\r\rb\r\r", "H\r\n\r\na\n\nb\n\n"] {
        let middle = reply.find('b').unwrap();
        let expected = [pass(&reply.as_bytes()[..middle]), vec![Action::Reset]].concat();
        for at in [At::EventEnd(1), At::EventStart(2)] {
            check_reply(reply.as_bytes(), &[strike(at, Fault::Reset)], &expected, &[]);
        }
    }
}

#[test]
fn bytes_move_at_the_pace_of_the_fault() {
    let two = NonZeroU32::new(2).unwrap();
    let at = At::BodyByte(1);
    // The pace starts at the place: two bytes after it, then a pause.
    let mut expected =
        [pass(b"H\r\r\n\r\nbod"), vec![Action::Delay { ms: 9 }], pass(b"y!")].concat();
    check(&[strike(at, Fault::Drip { bytes: two, ms: 9 })], &expected, &[]);
    expected[1] = Action::Delay { ms: 0 };
    check(&[strike(at, Fault::Slice { bytes: two })], &expected, &[]);
    // Forty bytes a second are two in each step.
    expected[1] = Action::Delay { ms: 50 };
    let forty = NonZeroU32::new(40).unwrap();
    check(&[strike(at, Fault::Throttle { bytes_per_s: forty })], &expected, &[]);
}

#[test]
fn one_byte_is_turned_over() {
    let mut corrupted = REPLY.to_vec();
    corrupted[BODY_START + 2] = !b'd';
    check(&[strike(At::BodyByte(2), Fault::Corrupt)], &pass(&corrupted), &[]);
}

#[test]
fn what_stands_at_the_end_strikes_after_the_last_byte() {
    let insert = || Fault::Insert { text: "more".to_owned() };
    check(&[strike(At::End, insert())], &pass(&[REPLY, b"more"].concat()), &[]);
    let left_open = [pass(REPLY), vec![Action::HalfClose]].concat();
    check(&[strike(At::End, Fault::HalfClose)], &left_open, &[]);
    let (status, to) = (307, Destination::SecondOrigin);
    let redirect = strike(At::HeadByte(0), Fault::Redirect { status, to });
    check(&[redirect], &[Action::Redirect { status, to }], &[]);
}

#[test]
fn events_are_dropped_doubled_and_swapped() {
    const LENGTH: &[u8] = b"H\r\ncontent-length: 9\r\nx: y\r\n\r\na\n\nb\n\nc\n\n";
    let check_edit = |at, fault: &Fault, body: &str, chunks: &str| {
        let rewritten = format!("H\r\nx: y\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let strikes = [strike(At::EventStart(at), fault.clone())];
        check_reply(LENGTH, &strikes, &pass(rewritten.as_bytes()), &[]);
        let chunked = format!("H\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
        check_reply(CHUNKED, &strikes, &pass(chunked.as_bytes()), &[]);
    };
    let a = "3\r\na\n\n\r\n";
    let e = "4\r\n\u{e9}\n\n\r\n";
    check_edit(1, &Fault::DropEvent, "b\n\nc\n\n", e);
    check_edit(2, &Fault::DuplicateEvent, "a\n\nb\n\nb\n\nc\n\n", &format!("{a}{e}{e}"));
    check_edit(1, &Fault::SwapEvents, "b\n\na\n\nc\n\n", &format!("{e}{a}"));
    let missing = strike(At::EventStart(3), Fault::SwapEvents);
    check_reply(LENGTH, &[missing], &pass(LENGTH), &[0]);
}

/// The coded body of a short reply, for a request that offers these codings.
fn coded(coding: Coding, offered: &str) -> (bool, Vec<u8>) {
    let plan = plan(&[strike(At::HeadByte(0), Fault::Gzip(coding))]);
    let (mut fate, _) = plan.on_connect(asked(1, &request(offered)));
    let reply = b"H\r\ncontent-length: 16\r\n\r\nbody body body b";
    let actions = [fate.on_bytes(&reply[..9]), fate.on_bytes(&reply[9..]), fate.on_end()].concat();
    let [Action::Strike { fault: 0 }, Action::Pass(bytes)] = &actions[..] else {
        panic!("{actions:?}")
    };
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).unwrap();
    assert!(head.contains(&format!("content-length: {}\r\n", bytes.len() - head_end)), "{head}");
    (head.contains("content-encoding: gzip\r\n"), bytes[head_end..].to_vec())
}

fn decoded(body: &[u8]) -> Option<String> {
    let mut text = String::new();
    GzDecoder::new(body).read_to_string(&mut text).ok().map(|_| text)
}

#[test]
fn a_body_is_coded_right_or_wrong_as_asked() {
    let whole = Some("body body body b".to_owned());
    for (coding, offered, labelled, expected) in [
        (Coding::Whole, "", true, whole.clone()),
        (Coding::Negotiated, "br, gzip;q=0.5", true, whole),
        (Coding::Corrupt, "", true, None),
        (Coding::Truncated, "", true, None),
        (Coding::Plain, "", true, None),
        (Coding::Negotiated, "br, gzip;q=0", false, None),
        (Coding::Negotiated, "", false, None),
    ] {
        let (said, body) = coded(coding, offered);
        assert_eq!((said, decoded(&body)), (labelled, expected), "{coding:?} {offered}");
    }
}
