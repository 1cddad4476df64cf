mod calls;
mod codes;
mod policies;
mod requests;
mod tools;

use bytes::Bytes;
use classify::{Body, Headers, Request};

use super::*;
use crate::handling::{Attempt, CANARY_KEY, End, Outcome, OutcomeClass, Sent};

const SCENARIO: &str = r#"
id = "judged"
why = "The rules are tried on it."
severity = "S2"
evidence = ["the oracle's own tests"]
surfaces = ["create", "stream"]
timeout-ms = 1000

[expect]
attempts = "1-3"
outcome = ["success", "api-error", "incomplete", "timeout", "transport-error"]
"#;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 51\r\n\r\n\
    {\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\"}      ";
const CUT_STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
    event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n";

fn error(status: u16, kind: &str, headers: &str) -> String {
    let body =
        format!("{{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"no\"}}}}");
    format!("HTTP/1.1 {status} No\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// When attempt `idx` begins: the waits are 1 s, 2 s, and 4 s from then on.
fn head_ms(idx: u64) -> u64 {
    [0, 1001, 3002].get(idx as usize).copied().unwrap_or_else(|| 3002 + (idx - 2) * 4001)
}

/// Attempts 1 ms long, each given these bytes.
fn handling(served: &[&str], outcome: OutcomeClass) -> Handling {
    let headers = [
        ("x-api-key", CANARY_KEY),
        ("anthropic-version", "2026-10-21"),
        ("content-type", "application/json"),
        ("content-length", "2"),
    ];
    let headers = Headers(headers.map(|(name, value)| (name.into(), value.into())).into());
    let request = Request {
        method: "POST".into(),
        target: "/v1/messages".into(),
        headers,
        body: Body::Bytes(Bytes::from_static(b"{}")),
    };
    let attempts: Vec<Attempt> = served
        .iter()
        .enumerate()
        .map(|(idx, served)| Attempt {
            number: idx as u32 + 1,
            connection: idx as u32 + 1,
            head_ms: head_ms(idx as u64),
            end_ms: head_ms(idx as u64) + 1,
            request: request.clone(),
            served: served.as_bytes().to_vec(),
            end: End::Closed,
            ..Attempt::default()
        })
        .collect();
    let outcome = Outcome { text: Some(String::new()), ..Outcome::of(outcome) };
    let elapsed_ms = attempts.last().map_or(0, |attempt| attempt.end_ms);
    Handling { attempts, outcome: Some(outcome), elapsed_ms, ..Handling::default() }
}

/// The client reports what the API's error said.
fn reported(mut handling: Handling, status: u16, kind: &str) -> Handling {
    let outcome = handling.outcome.as_mut().unwrap();
    (outcome.status, outcome.error_type) = (Some(status), Some(kind.to_owned()));
    outcome.retry_after = Some("as the header said".to_owned());
    handling
}

fn scenario(more: &str) -> Scenario {
    Scenario::parse(&SCENARIO.replace("timeout-ms = 1000", more)).unwrap()
}

fn check_on(
    scenario: &Scenario,
    surface: Surface,
    handling: &Handling,
    verdict: Verdict,
    codes: &[&str],
) {
    let judgement = judge(scenario, surface, handling);
    let found: Vec<_> = judgement.findings.iter().map(|finding| finding.code.name()).collect();
    assert_eq!((judgement.verdict, &*found), (verdict, codes), "{judgement:#?}");
}

fn check(handling: &Handling, verdict: Verdict, codes: &[&str]) {
    check_on(&scenario(""), Surface::Create, handling, verdict, codes);
}

#[test]
fn right_handling_passes() {
    let overloaded = error(529, "overloaded_error", "");
    check(&handling(&[OK], OutcomeClass::Success), Verdict::Pass, &[]);
    check(&handling(&[&overloaded, OK], OutcomeClass::Success), Verdict::Pass, &[]);
    let given_up = handling(&[&overloaded, &overloaded, &overloaded], OutcomeClass::ApiError);
    check(&reported(given_up, 529, "overloaded_error"), Verdict::Pass, &[]);
    let refused = handling(&[&error(400, "invalid_request_error", "")], OutcomeClass::ApiError);
    check(&reported(refused, 400, "invalid_request_error"), Verdict::Pass, &[]);
}

/// Every truth of the server against every word of the client.
#[test]
fn success_is_believed_only_after_a_complete_answer() {
    use OutcomeClass::*;
    let refused = error(400, "invalid_request_error", "");
    let refused_report =
        |class| reported(handling(&[&refused], class), 400, "invalid_request_error");
    for class in [Incomplete, Timeout, TransportError] {
        check(&handling(&[OK], class), Verdict::Warn, &["error-despite-answer"]);
        check(&handling(&[&OK[..90]], class), Verdict::Pass, &[]);
        check(&refused_report(class), Verdict::Fail, &["untyped-error"]);
    }
    check(&handling(&[OK], Success), Verdict::Pass, &[]);
    check(&handling(&[&OK[..90]], Success), Verdict::Fail, &["false-ok"]);
    check(&handling(&[""], Success), Verdict::Fail, &["false-ok"]);
    check(&refused_report(Success), Verdict::Fail, &["false-ok"]);
    check(&refused_report(ApiError), Verdict::Pass, &[]);
    check_on(
        &scenario(""),
        Surface::Stream,
        &handling(&[CUT_STREAM], Success),
        Verdict::Fail,
        &["false-ok"],
    );
    check_on(
        &scenario(""),
        Surface::Stream,
        &handling(&[CUT_STREAM], Incomplete),
        Verdict::Pass,
        &[],
    );
}

#[test]
fn errors_keep_their_status_and_type() {
    let refused = error(400, "invalid_request_error", "request-id: req_1\r\n");
    let plain = handling(&[&refused], OutcomeClass::ApiError);
    check(&plain, Verdict::Fail, &["untyped-error"; 3]);
    check(&reported(plain, 400, "invalid_request_error"), Verdict::Warn, &["untyped-error"]);
}

#[test]
fn what_cannot_succeed_is_not_retried() {
    for status in [400, 401, 402, 403, 404, 413, 422, 431] {
        let retried = handling(&[&error(status, "some_error", ""), OK], OutcomeClass::Success);
        check(&retried, Verdict::Fail, &["retried-non-retryable"]);
        let told = handling(
            &[&error(status, "some_error", "x-should-retry: true\r\n"), OK],
            OutcomeClass::Success,
        );
        check(&told, Verdict::Pass, &[]);
    }
    let told_off = handling(
        &[&error(529, "overloaded_error", "x-should-retry: false\r\n"), OK],
        OutcomeClass::Success,
    );
    check(&told_off, Verdict::Fail, &["retried-against-header"]);
    check(&handling(&[OK, OK], OutcomeClass::Success), Verdict::Fail, &["repeated-after-success"]);
    let replay = handling(&[CUT_STREAM, CUT_STREAM], OutcomeClass::Incomplete);
    check_on(&scenario(""), Surface::Stream, &replay, Verdict::Fail, &["replay-after-delta"]);
}

#[test]
fn what_can_succeed_should_be_retried() {
    let overloaded = reported(
        handling(&[&error(529, "overloaded_error", "")], OutcomeClass::ApiError),
        529,
        "overloaded_error",
    );
    check(&overloaded, Verdict::Warn, &["gave-up-early"]);
    check_on(&scenario("retries = 0"), Surface::Create, &overloaded, Verdict::Pass, &[]);
    let demand =
        handling(&[&error(529, "overloaded_error", "retry-after: 61\r\n")], OutcomeClass::ApiError);
    check(&reported(demand, 529, "overloaded_error"), Verdict::Pass, &[]);
}

#[test]
fn budgets_hold() {
    let overloaded = error(529, "overloaded_error", "");
    let tried = |n| {
        reported(handling(&vec![&*overloaded; n], OutcomeClass::ApiError), 529, "overloaded_error")
    };
    check(&tried(4), Verdict::Fail, &["budget-exceeded", "too-many-attempts"]);
    check(&tried(11), Verdict::Fail, &["retry-storm", "too-many-attempts"]);
}

#[test]
fn demanded_waits_are_kept() {
    for (header, code) in [
        ("retry-after: 1", None),
        ("retry-after: 1.05", None),
        ("retry-after: 1.2", Some("early-retry")),
        ("retry-after-ms: 1200", Some("early-retry")),
        ("retry-after-ms: 1000\r\nretry-after: 9", None),
        ("retry-after: nonsense", None),
        ("retry-after: -1", None),
        ("retry-after: 3000000", None),
    ] {
        let reply = error(529, "overloaded_error", &format!("{header}\r\n"));
        let verdict = code.map_or(Verdict::Pass, |_| Verdict::Fail);
        check(&handling(&[&reply, OK], OutcomeClass::Success), verdict, code.as_slice());
    }
    // What the harness's own timers can explain is inconclusive, and nothing else.
    for (demand, noise_ms, verdict) in [
        ("1.2", 25, Verdict::Fail),
        ("1.2", 60, Verdict::Fail),
        ("1.2", 80, Verdict::Inconclusive),
        ("2", 80, Verdict::Fail),
    ] {
        let reply = error(529, "overloaded_error", &format!("retry-after: {demand}\r\n"));
        let noisy = Handling { noise_ms, ..handling(&[&reply, OK], OutcomeClass::Success) };
        check(&noisy, verdict, &["early-retry"]);
    }
}

#[test]
fn a_client_waits_of_its_own_accord() {
    let overloaded = error(529, "overloaded_error", "");
    let mut hasty = handling(&[&overloaded, OK], OutcomeClass::Success);
    hasty.attempts[1].head_ms = 50;
    check(&hasty, Verdict::Fail, &["no-backoff"]);
    // A dead reused connection may be replaced at once.
    let mut stale = handling(&[&overloaded, "", OK], OutcomeClass::Success);
    (stale.attempts[1].connection, stale.attempts[2].head_ms) = (1, stale.attempts[1].end_ms);
    check(&stale, Verdict::Pass, &[]);
}

#[test]
fn attempts_are_alike_and_end_in_time() {
    let overloaded = error(529, "overloaded_error", "");
    let retried = || handling(&[&overloaded, OK], OutcomeClass::Success);
    let mut changed = retried();
    changed.attempts[1].request.body = Body::Empty;
    check(&changed, Verdict::Fail, &["body-changed"]);
    let mut changed = retried();
    changed.attempts[1].request.target = "/v1//messages".into();
    check(&changed, Verdict::Fail, &["request-changed"]);
    let mut changed = retried();
    changed.attempts[1].request.headers.replace("x-api-key", "another");
    check(&changed, Verdict::Fail, &["credential-changed"]);
    let mut slow = handling(&[OK], OutcomeClass::Success);
    slow.attempts[0].end_ms = 9_000;
    check_on(
        &scenario("timeout-ms = 1000"),
        Surface::Create,
        &slow,
        Verdict::Fail,
        &["late-timeout"],
    );
}

#[test]
fn hangs_and_leaks_are_found() {
    let mut hang = handling(&[OK], OutcomeClass::Success);
    hang.outcome = None;
    check(&hang, Verdict::Fail, &["hang"]);
    let mut leak = handling(&[&OK[..90]], OutcomeClass::TransportError);
    leak.outcome.as_mut().unwrap().message = format!("cannot send {CANARY_KEY}");
    check(&leak, Verdict::Fail, &["key-leak"]);
    let mut leak = handling(&[OK], OutcomeClass::Success);
    leak.attempts[0].request.target = format!("/v1/messages?key={CANARY_KEY}").into();
    check(&leak, Verdict::Fail, &["key-leak"]);
}

#[test]
fn the_scenario_has_the_last_word() {
    let demand = |expect: &str| {
        Scenario::parse(
            &SCENARIO.replace("[expect]\nattempts = \"1-3\"", &format!("[expect]\n{expect}")),
        )
        .unwrap()
    };
    let on = |expect: &str, handling: &Handling, verdict, codes: &[&str]| {
        check_on(&demand(expect), Surface::Create, handling, verdict, codes);
    };
    let overloaded = error(529, "overloaded_error", "");
    let retried = handling(&[&overloaded, OK], OutcomeClass::Success);
    on("attempts = \"1\"", &retried, Verdict::Fail, &["too-many-attempts"]);
    on("attempts = \"3\"", &retried, Verdict::Fail, &["too-few-attempts"]);
    on("attempts = \"2\"\ntext = \"a\"", &retried, Verdict::Fail, &["lost-text"]);
    let refused = reported(
        handling(&[&error(400, "invalid_request_error", "")], OutcomeClass::ApiError),
        400,
        "invalid_request_error",
    );
    on("attempts = \"1\"\nstatus = 400", &refused, Verdict::Pass, &[]);
    on("attempts = \"1\"\nstatus = 401", &refused, Verdict::Fail, &["untyped-error"]);
    on("attempts = \"1\"\nerror-code = \"x\"", &refused, Verdict::Fail, &["untyped-error"]);
    for (own, should, must) in [
        (None, Verdict::Pass, Verdict::Pass),
        (Some(true), Verdict::Pass, Verdict::Pass),
        (Some(false), Verdict::Warn, Verdict::Fail),
    ] {
        let mut told = refused.clone();
        told.outcome.as_mut().unwrap().own_error = own;
        let codes: &[_] = if own == Some(false) { &["untyped-error"] } else { &[] };
        on("attempts = \"1\"", &told, should, codes);
        on("attempts = \"1\"\nown-error = true", &told, must, codes);
    }
    on("attempts = \"2\"\nstatus = 400", &retried, Verdict::Pass, &[]);
    on(
        "attempts = \"2\"\nwait = [{ retry = 1, at-least-ms = 1040 }]",
        &retried,
        Verdict::Pass,
        &[],
    );
    on(
        "attempts = \"2\"\nwait = [{ retry = 1, at-least-ms = 1100 }]",
        &retried,
        Verdict::Fail,
        &["early-retry"],
    );
    let answered = || handling(&[OK], OutcomeClass::Success);
    on(
        "attempts = \"1\"\nstop-reason = \"refusal\"",
        &answered(),
        Verdict::Fail,
        &["lost-stop-reason"],
    );
    on("attempts = \"1\"\nwithin-ms = 1", &answered(), Verdict::Pass, &[]);
    on("attempts = \"1\"\nwithin-ms = 0", &answered(), Verdict::Fail, &["late-outcome"]);
    let aborted = handling(&[&OK[..90]], OutcomeClass::Aborted);
    on("attempts = \"1\"", &aborted, Verdict::Fail, &["unexpected-outcome"]);
}

#[test]
fn a_trial_that_did_not_happen_as_planned_says_nothing() {
    let strike = "[[fault]]\nattempts = \"2\"\nat = { body-byte = 1 }\nfault = \"close\"\n[expect]";
    let planned = Scenario::parse(&SCENARIO.replace("[expect]", strike)).unwrap();
    let overloaded = error(529, "overloaded_error", "");
    let missed =
        |served: &[&str]| Handling { unfired: vec![0], ..handling(served, OutcomeClass::Success) };
    check_on(&planned, Surface::Create, &missed(&[&overloaded, OK]), Verdict::HarnessError, &[]);
    // The client never came to the fault's attempt, and need not have.
    check_on(&planned, Surface::Create, &missed(&[OK]), Verdict::Pass, &[]);
    check(&handling(&[], OutcomeClass::Success), Verdict::HarnessError, &[]);
    let broken =
        Handling { trouble: Some("no port".to_owned()), ..handling(&[OK], OutcomeClass::Success) };
    check(&broken, Verdict::HarnessError, &[]);
}

/// A stream of these text deltas, with or without its end, in a body that the end of the connection ends.
fn sse(deltas: &[&str], stops: bool) -> String {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"x\",\"stop_reason\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n\
        event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let end = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
        event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let mut body = start.to_owned();
    for text in deltas {
        body += &format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        );
    }
    let end = if stops { end } else { "" };
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{body}{end}")
}

fn with_text(mut handling: Handling, text: &str) -> Handling {
    handling.outcome.as_mut().unwrap().text = Some(text.to_owned());
    handling
}

#[test]
fn the_text_is_the_one_that_was_given() {
    let whole = sse(&["Hello, ", "wörld"], true);
    let told = |text: &str, verdict, codes: &[&str]| {
        let success = with_text(handling(&[&whole], OutcomeClass::Success), text);
        check_on(&scenario(""), Surface::Stream, &success, verdict, codes);
    };
    told("Hello, wörld", Verdict::Pass, &[]);
    for (text, code) in [
        ("", "lost-text"),
        ("Hello, ", "lost-text"),
        ("wörld", "lost-text"),
        ("Hello, wrld", "lost-text"),
        ("Hello, Hello, wörld", "duplicated-text"),
        ("Hello, wörldwörld", "duplicated-text"),
        ("Hello, wörldHello, wörld", "duplicated-text"),
        ("Hello, w\u{fffd}rld", "corrupt-text"),
        ("Hello, wörld!", "corrupt-text"),
        ("Goodbye", "corrupt-text"),
    ] {
        told(text, Verdict::Fail, &[code]);
    }
    let half = sse(&["Hello, ", "wörld"], false);
    let broken = |text: &str, verdict, codes: &[&str]| {
        let incomplete = with_text(handling(&[&half], OutcomeClass::Incomplete), text);
        check_on(&scenario(""), Surface::Stream, &incomplete, verdict, codes);
    };
    broken("", Verdict::Pass, &[]);
    broken("Hello, ", Verdict::Pass, &[]);
    broken("Hello, wörld", Verdict::Pass, &[]);
    broken("Hello, wörldHello, wörld", Verdict::Fail, &["duplicated-text"]);
    broken("Hullo", Verdict::Fail, &["corrupt-text"]);
}

/// Who iterates over bare events sees that the last one is missing, unless he is told a stop reason.
#[test]
fn bare_events_expose_what_is_missing() {
    let half = with_text(handling(&[&sse(&["Hello"], false)], OutcomeClass::Success), "Hello");
    check_on(&scenario(""), Surface::Stream, &half, Verdict::Fail, &["false-ok"]);
    check_on(&scenario(""), Surface::Raw, &half, Verdict::Warn, &["false-ok"]);
    let mut sure = half;
    sure.outcome.as_mut().unwrap().stop_reason = Some("end_turn".to_owned());
    check_on(&scenario(""), Surface::Raw, &sure, Verdict::Fail, &["false-ok"]);
}

/// An answer that came to its end against the rules is the scenario's to judge.
#[test]
fn a_doubtful_answer_may_be_taken_or_refused() {
    let doubled =
        sse(&["a"], true).replace("\r\n\r\n", "\r\n\r\ndata: {\"type\":\"message_start\"}\n\n");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2e\r\n\
        {\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\"}\r\n";
    let brotli = "HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\nxx";
    for served in [doubled.as_str(), chunked, brotli] {
        for class in [OutcomeClass::Success, OutcomeClass::TransportError] {
            check(&handling(&[served], class), Verdict::Pass, &[]);
        }
    }
}

#[test]
fn redirects_are_not_retries_and_credentials_stay_at_home() {
    let moved = |status: u16| {
        format!("HTTP/1.1 {status} Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
    };
    let followed = |status, method: &'static str, outcome| {
        let mut handling = handling(&[&moved(status), OK], outcome);
        let hop = &mut handling.attempts[1];
        (hop.head_ms, hop.request.target, hop.request.method) =
            (3, "/elsewhere".into(), method.into());
        (hop.end_ms, handling.elapsed_ms) = (4, 5);
        if method == "GET" {
            hop.request.body = Body::Empty;
        }
        handling
    };
    let once = |handling: &Handling, verdict, codes: &[&str]| {
        check_on(&scenario("retries = 0"), Surface::Create, handling, verdict, codes);
    };
    once(&followed(307, "POST", OutcomeClass::Success), Verdict::Pass, &[]);
    once(&followed(307, "GET", OutcomeClass::Success), Verdict::Fail, &["request-changed"]);
    once(&followed(302, "GET", OutcomeClass::Success), Verdict::Fail, &["request-changed"]);
    once(
        &followed(302, "GET", OutcomeClass::TransportError),
        Verdict::Warn,
        &["error-despite-answer"],
    );
    let moved = moved(307);
    let endless = vec![&*moved; 22];
    let looping = handling(&endless, OutcomeClass::TransportError);
    check(&looping, Verdict::Fail, &["redirect-loop", "too-many-attempts"]);
    // Usual clients follow twenty, and are shown one more.
    let bounded = handling(&endless[1..], OutcomeClass::TransportError);
    check(&bounded, Verdict::Fail, &["too-many-attempts"]);

    let abroad = |name: &str, value: &str, body: Body| {
        let mut handling = handling(&[&moved], OutcomeClass::Success);
        let mut there = handling.attempts[0].clone();
        let request = &mut there.request;
        request.headers = Headers(vec![(name.to_owned().into(), value.to_owned().into())]);
        request.body = body;
        handling.attempts[0]
            .request
            .headers
            .push("x-gateway-key".to_owned(), "gateway-secret".to_owned());
        there.served = OK.as_bytes().to_vec();
        handling.abroad.push(there);
        handling
    };
    let body = || Body::Bytes(Bytes::from_static(b"{}"));
    check(&abroad("accept", "*/*", Body::Empty), Verdict::Pass, &[]);
    check(&abroad("accept", "*/*", body()), Verdict::Warn, &["body-abroad"]);
    let bearer = format!("Bearer {CANARY_KEY}");
    check(&abroad("authorization", &bearer, Body::Empty), Verdict::Fail, &["credential-leak"]);
    check(
        &abroad("x-any", "a gateway-secret", body()),
        Verdict::Fail,
        &["credential-leak", "body-abroad"],
    );
}

#[test]
fn a_call_that_does_not_end_is_placed() {
    let hung = |served: &[&str], end, place: &str, code: &str| {
        let mut hang = Handling {
            outcome: None,
            elapsed_ms: 16_000,
            ..handling(served, OutcomeClass::Success)
        };
        if let Some(last) = hang.attempts.last_mut() {
            last.end = end;
            last.end_ms = if end == End::Left { 16_001 } else { last.end_ms };
        }
        let mut told = scenario("timeout-ms = 20000");
        told.expect.attempts.first = 0;
        let judgement = judge(&told, Surface::Create, &hang);
        let found = &judgement.findings[0];
        assert_eq!(found.code.name(), code, "{judgement:?}");
        assert!(found.detail.contains(place), "{judgement:?}");
    };
    hung(&[], End::Closed, "before-request", "hang");
    hung(&[&error(529, "overloaded_error", "")], End::Closed, "in-backoff", "hang");
    hung(&[&OK[..90]], End::Left, "in-read", "hang");
    hung(&[""], End::Unended, "in-read", "hang");
    hung(&[OK], End::Kept, "after the answer", "hang");
    hung(
        &[&error(529, "overloaded_error", "retry-after: 61\r\n")],
        End::Kept,
        "61000 ms",
        "oversleep",
    );

    let demand = error(429, "rate_limit_error", "retry-after: 61\r\n");
    let mut late = reported(handling(&[&demand], OutcomeClass::ApiError), 429, "rate_limit_error");
    late.elapsed_ms = 9_000;
    check(&late, Verdict::Warn, &["oversleep"]);
    let mut late = handling(&[OK], OutcomeClass::Success);
    late.elapsed_ms = 9_000;
    let told = scenario("timeout-ms = 1000");
    check_on(&told, Surface::Create, &late, Verdict::Fail, &["late-outcome"]);
}

/// Bytes that keep coming leave a limit on silence nothing to end.
#[test]
fn a_limit_on_silence_is_one() {
    let trickling = |every_ms: usize| {
        let mut slow = handling(&[OK], OutcomeClass::Success);
        slow.attempts[0].end_ms = 9_000;
        slow.elapsed_ms = 9_000;
        let sent = (0..9_000).step_by(every_ms).map(|at_ms| Sent { at_ms, bytes: 1 });
        slow.attempts[0].sent = sent.collect();
        slow
    };
    let told = scenario("timeout-ms = 1000");
    let on = |handling: &Handling, verdict, code| {
        check_on(&told, Surface::Create, handling, verdict, &[code]);
    };
    on(&trickling(900), Verdict::Info, "late-timeout");
    check_on(
        &told,
        Surface::Create,
        &trickling(1_100),
        Verdict::Fail,
        &["late-outcome", "late-timeout"],
    );
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    let pinged = format!("{CUT_STREAM}{ping}{ping}");
    for (served, every_ms, verdict) in [
        (&*pinged, 900, Verdict::Warn),
        (&*pinged, 1_100, Verdict::Fail),
        (CUT_STREAM, 900, Verdict::Fail),
    ] {
        let mut hang = trickling(every_ms);
        (hang.outcome, hang.attempts[0].end) = (None, End::Left);
        hang.attempts[0].served = served.as_bytes().to_vec();
        check_on(&told, Surface::Stream, &hang, verdict, &["hang"]);
    }
}

/// What the envelope does not say as it should, nobody has to tell.
#[test]
fn an_error_without_a_type_is_any_error() {
    let list = error(500, "api_error", "").replace("\"error\":{", "\"error\":[{");
    let list = list.replace("\"}}", "\"}]");
    let mut told = handling(&[&list, &list, &list], OutcomeClass::ApiError);
    told.outcome.as_mut().unwrap().status = Some(500);
    check(&told, Verdict::Pass, &[]);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nevent: error\ndata: ";
    for class in [OutcomeClass::ApiError, OutcomeClass::Incomplete] {
        let told = |data: &str| handling(&[&format!("{head}{data}\n\n")], class);
        let typed = "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}";
        check_on(&scenario(""), Surface::Stream, &told("no"), Verdict::Pass, &[]);
        let codes = ["untyped-error"];
        check_on(&scenario(""), Surface::Stream, &told(typed), Verdict::Fail, &codes);
    }
}

#[test]
fn an_answer_under_a_long_head_should_not_be_asked_for_again() {
    let padded = |bytes: usize| OK.replace("\r\n\r\n", &format!("\r\nx: {:0bytes$}\r\n\r\n", 0));
    let (short, long) = (padded(10_000), padded(20_000));
    let codes = ["repeated-after-success"];
    check(&handling(&[&short, OK], OutcomeClass::Success), Verdict::Fail, &codes);
    check(&handling(&[&long, OK], OutcomeClass::Success), Verdict::Warn, &codes);
}

#[test]
fn a_stream_begins_within_the_limit() {
    let told = scenario("timeout-ms = 1000\nretries = 0");
    let silent = |ms: u64, served: &str| {
        let mut silent = handling(&[served], OutcomeClass::Timeout);
        (silent.attempts[0].end_ms, silent.attempts[0].end) = (ms, End::Left);
        silent.elapsed_ms = ms;
        silent
    };
    let on = |handling: &Handling, verdict, codes: &[&str]| {
        check_on(&told, Surface::Stream, handling, verdict, codes);
    };
    on(&silent(2_200, ""), Verdict::Pass, &[]);
    on(&silent(2_300, ""), Verdict::Fail, &["late-timeout"]);
    on(&silent(9_000, CUT_STREAM), Verdict::Pass, &[]);
}

#[test]
fn codes_are_sorted_and_say_what_they_mean() {
    assert!(Code::ALL.is_sorted_by_key(|code| code.name()));
    for code in Code::ALL {
        assert!(code.sentence().ends_with('.') && !code.sentence().starts_with(' '), "{code}");
    }
    assert_eq!(Code::FalseOk.severity(), Severity::S0);
    assert_eq!(Code::Hang.sentence(), "The call did not end.");
}
