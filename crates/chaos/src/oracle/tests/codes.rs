//! A finding that nothing can draw is a promise that nothing keeps: each is drawn here once.

use std::collections::BTreeSet;

use serde_json::json;

use super::policies::{Wrong, ordinary, patient, play};
use super::*;
use crate::scenario::Span;
use crate::{TrialReport, swarm};

#[test]
fn every_code_can_be_drawn() {
    let mut drawn: BTreeSet<&str> = BTreeSet::new();
    let mut draw = |findings: &[Finding]| {
        drawn.extend(findings.iter().map(|finding| finding.code.name()));
    };
    for (wrong, _, answers) in Wrong::ALL {
        let policy = ordinary(Some(wrong));
        let played = play(&policy, answers, &[50]);
        draw(&judge(&patient(&policy, ""), Surface::Create, &played).findings);
    }
    for (told, surface, handling) in single() {
        draw(&judge(&told, surface, &handling).findings);
    }
    for (gap_ms, differs) in [(500, false), (400, true)] {
        let herd = herd(40, |idx| if differs { gap_ms + 10 * idx } else { gap_ms });
        draw(&TrialReport::herd(&scenario(""), Surface::Create, &herd, &herd).findings);
    }
    let stuck = TrialReport::skipped(&scenario(""), Surface::Create, "it does not return");
    draw(&swarm::not_healed(stuck).findings);
    let all: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(drawn, all);
}

/// Trials that show what no policy of a single call on bare errors can.
fn single() -> Vec<(Scenario, Surface, Handling)> {
    use OutcomeClass::{Aborted, ApiError, Incomplete, Success, TransportError};
    let plain = || scenario("");
    let with = |line: &str| Scenario::parse(&format!("{SCENARIO}{line}\n")).unwrap();
    let overloaded = error(529, "overloaded_error", "");
    let retried = || handling(&[&overloaded, OK], Success);
    let changed = |change: fn(&mut Handling)| {
        let mut changed = retried();
        change(&mut changed);
        (plain(), Surface::Create, changed)
    };
    let moved = "HTTP/1.1 307 Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    let mut abroad = handling(&[moved], Success);
    abroad.abroad = handling(&[OK], Success).attempts;
    let on_stream = |served: &str, text: &str| {
        (plain(), Surface::Stream, with_text(handling(&[served], Success), text))
    };
    let whole = sse(&["Hello, ", "wörld"], true);
    let pay = |amount: u32| ("pay", json!({ "amount": amount }), true);
    let tool = tools::stream("{\"amount\": 100}", "tool_use", true);
    let cut_tool = tools::stream("{\"amount\": 1", "tool_use", false);
    let mut doubled = handling(&[OK, OK], Success);
    doubled.nonces = vec!["nonce-00000001".to_owned(), "nonce-00000002".to_owned()];
    for (attempt, nonce) in doubled.attempts.iter_mut().zip(&doubled.nonces) {
        attempt.request.body = Body::Bytes(format!("\"{nonce}\"").into());
        attempt.request.headers.push("idempotency-key", "the same");
    }
    doubled.outcome.as_mut().unwrap().text = Some(doubled.nonces[0].clone());
    doubled.earlier = vec![Outcome::of(Success)];
    vec![
        (plain(), Surface::Create, handling(&[OK], TransportError)),
        (plain(), Surface::Create, abroad),
        (plain(), Surface::Create, handling(&[OK, OK], Success)),
        (plain(), Surface::Stream, handling(&[CUT_STREAM, CUT_STREAM], Incomplete)),
        (plain(), Surface::Create, handling(&vec![moved; 22], TransportError)),
        (plain(), Surface::Create, handling(&[&OK[..90]], Aborted)),
        (scenario("ask = { calls = 2 }"), Surface::Create, doubled),
        on_stream(&whole, "Hello, "),
        on_stream(&whole, "Hello, Hello, wörld"),
        on_stream(&whole, "Goodbye"),
        (plain(), Surface::Stream, tools::told(&tool, Success, &[])),
        (plain(), Surface::Stream, tools::told(&tool, Success, &[pay(1)])),
        (plain(), Surface::Stream, tools::told(&cut_tool, Incomplete, &[pay(1)])),
        (with("stop-reason = \"refusal\""), Surface::Create, retried()),
        (with("connections = \"1\""), Surface::Create, retried()),
        (with("says = [\"why\"]"), Surface::Create, handling(&[&OK[..90]], TransportError)),
        changed(|handling| handling.attempts[1].request.target = "/v2/messages".into()),
        changed(|handling| handling.attempts[1].request.headers.replace("x-api-key", "another")),
        changed(|handling| {
            for (attempt, count) in handling.attempts.iter_mut().zip(["1", "0"]) {
                attempt.request.headers.push("x-stainless-retry-count", count);
            }
        }),
        changed(|handling| {
            (handling.attempts[1].head_ms, handling.elapsed_ms) = (400_000, 400_001)
        }),
        changed(|handling| handling.elapsed_ms = 900_000),
        changed(|handling| {
            let outcome = handling.outcome.as_mut().unwrap();
            (outcome.class, outcome.message) =
                (TransportError, format!("<html>{}", "x".repeat(5_000)));
        }),
        (in_attempts(3), Surface::Create, retried()),
        (in_attempts(1), Surface::Create, retried()),
        (scenario("timeout-ms = 1000"), Surface::Create, {
            let mut slow = handling(&[OK], Success);
            slow.attempts[0].end_ms = 9_000;
            slow
        }),
        {
            let demand = error(429, "rate_limit_error", "retry-after: 61\r\n");
            let mut late = reported(handling(&[&demand], ApiError), 429, "rate_limit_error");
            late.elapsed_ms = 9_000;
            (plain(), Surface::Create, late)
        },
    ]
}

fn in_attempts(n_attempts: u32) -> Scenario {
    let mut told = scenario("");
    told.expect.attempts = Span { first: n_attempts, last: Some(n_attempts) };
    told
}

/// Clients that fail twice, with these waits and twice as long ones.
pub(super) fn herd(n_clients: u64, wait_ms: impl Fn(u64) -> u64) -> Vec<Handling> {
    let overloaded = error(529, "overloaded_error", "");
    let client = |idx| {
        let mut client = handling(&[&overloaded, &overloaded, OK], OutcomeClass::Success);
        client.waits_ms = Some(vec![wait_ms(idx), 2 * wait_ms(idx)]);
        client.nonces = vec![format!("nonce-{idx:08x}")];
        client
    };
    (0..n_clients).map(client).collect()
}
