use bytes::Bytes;
use classify::{Body, Headers, Request};

use super::*;
use crate::handling::{Attempt, CANARY_KEY, End, Outcome, OutcomeClass};

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

/// Attempts 1 ms long, one second apart, each given these bytes.
fn handling(served: &[&str], outcome: OutcomeClass) -> Handling {
    let headers = Headers(vec![("x-api-key".into(), CANARY_KEY.into())]);
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
            head_ms: idx as u64 * 1001,
            end_ms: idx as u64 * 1001 + 1,
            request: request.clone(),
            served: served.as_bytes().to_vec(),
            end: End::Closed,
        })
        .collect();
    let outcome = Outcome {
        class: outcome,
        status: None,
        error_type: None,
        error_code: None,
        request_id: None,
        message: String::new(),
        text: String::new(),
        stop_reason: None,
    };
    let elapsed_ms = attempts.last().map_or(0, |attempt| attempt.end_ms);
    Handling {
        attempts,
        outcome: Some(outcome),
        elapsed_ms,
        unfired: vec![],
        noise_ms: 0,
        trouble: None,
    }
}

/// The client reports what the API's error said.
fn reported(mut handling: Handling, status: u16, kind: &str) -> Handling {
    let outcome = handling.outcome.as_mut().unwrap();
    (outcome.status, outcome.error_type) = (Some(status), Some(kind.to_owned()));
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
    let mut noisy = handling(
        &[&error(529, "overloaded_error", "retry-after: 2\r\n"), OK],
        OutcomeClass::Success,
    );
    noisy.noise_ms = 60;
    check(&noisy, Verdict::Inconclusive, &["early-retry"]);
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
    on("attempts = \"2\"\nstatus = 400", &retried, Verdict::Fail, &["untyped-error"]);
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
