use super::*;
use crate::handling::{CANARY_KEY, End, Outcome, OutcomeClass, Sent, Struck};

const SCENARIO: &str = r#"
id = "told"
why = "The record is tried on it."
severity = "S2"
evidence = ["the report's own tests"]
surfaces = ["create"]

[[fault]]
attempts = "1"
at = { event-start = 4 }
fault = "reset"

[expect]
attempts = "1-2"
outcome = ["success", "api-error"]
status = 429
wait = [{ retry = 1, at-least-ms = 2000 }]
"#;

const LIMITED: &str = concat!(
    "HTTP/1.1 429 No\r\nretry-after: 60\r\ncontent-length: 67\r\n\r\n",
    r#"{"type":"error","error":{"type":"rate_limit_error","message":"no"}}"#
);

const N_SENT: u64 = LIMITED.len() as u64;

fn limited() -> Handling {
    let attempt = |number: u32, head_ms| Attempt {
        number,
        connection: number,
        head_ms,
        end_ms: head_ms + 5,
        served: LIMITED.as_bytes().to_vec(),
        sent: (0..N_SENT).map(|at_ms| Sent { at_ms: head_ms + at_ms / 40, bytes: 1 }).collect(),
        request: request(),
        end: End::Closed,
        ..Attempt::default()
    };
    let mut first = attempt(1, 10);
    first.struck = vec![Struck { at_ms: 12, fault: 0 }];
    Handling { attempts: vec![first, attempt(2, 2_015)], elapsed_ms: 2_020, ..Handling::default() }
}

fn outcome() -> Outcome {
    Outcome {
        status: Some(429),
        error_type: Some("rate_limit_error".to_owned()),
        message: format!("no\nmore with {CANARY_KEY}"),
        ..Outcome::of(OutcomeClass::ApiError)
    }
}

fn report(handling: &Handling) -> TrialReport {
    let mut scenario = Scenario::parse(SCENARIO).unwrap();
    scenario.deadline_ms = 100_000;
    TrialReport::new(&scenario, Surface::Create, handling)
}

fn lines(report: &TrialReport) -> Vec<String> {
    let line = |moment: &Moment| format!("{} {:?} {}", moment.at_ms, moment.kind, moment.what);
    report.timeline.iter().map(line).collect()
}

#[test]
fn a_trial_is_told_from_beginning_to_end() {
    let report = report(&Handling { outcome: Some(outcome()), ..limited() });
    assert_eq!(
        report.expected,
        "1 to 2 attempts, then success or api-error, status 429, retry 1 after 2000 ms at least"
    );
    assert_eq!(
        report.summary,
        "2 attempts, waits of 2000 ms, then api-error 429 rate_limit_error: no more with [the key], after 2020 ms"
    );
    let lines = lines(&report);
    assert!(lines[0].starts_with("10 Request attempt 1 on connection 1: "), "{lines:#?}");
    assert_eq!(lines[1], "10 Sent 4 bytes in 4 writes");
    let fault = lines.iter().position(|line| line.contains("Fault")).unwrap();
    assert_eq!(lines[fault], "12 Fault the connection is reset at event 4");
    let end = format!("15 End attempt 1: {N_SENT} bytes sent, rate-limited, closed");
    assert!(lines.contains(&end), "{lines:#?}");
    assert!(lines.contains(&"15 Wait waits 2000 ms".to_owned()), "{lines:#?}");
    let last = "2020 Outcome outcome api-error 429 rate_limit_error: no more with [the key]";
    assert_eq!(lines.last().map(String::as_str), Some(last));
    let sent = |moment: &&Moment| moment.kind == MomentKind::Sent && moment.attempt == Some(1);
    let pieces: Vec<_> = report.timeline.iter().filter(sent).collect();
    assert!(pieces.len() <= 40);
    assert_eq!(pieces.iter().filter_map(|piece| piece.bytes).sum::<u64>(), N_SENT);
    let words = serde_json::to_string(&report).unwrap();
    assert!(!words.contains(CANARY_KEY), "{words}");
}

#[test]
fn waits_that_took_no_time_and_waits_without_end_are_named() {
    let mut spared = Handling { outcome: Some(outcome()), ..limited() };
    spared.waits_ms = Some(vec![61_000]);
    let report = report(&spared);
    assert_eq!(report.observed.gaps_ms, [61_000]);
    assert!(lines(&report).contains(&"15 Wait waits 61000 ms (injected)".to_owned()));
    assert!(report.summary.contains("waits of 61000 ms (injected)"), "{}", report.summary);
    let mut cut = limited();
    (cut.attempts[1].served, cut.censored_ms) = (LIMITED.as_bytes().to_vec(), Some(5_000));
    cut.attempts.remove(0);
    cut.elapsed_ms = 7_020;
    let report = self::report(&cut);
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    assert_eq!(report.observed.outcome, None);
    assert_eq!(report.summary, "1 attempt, then waited ≥ 5 s (censored)");
    assert!(lines(&report).contains(&"2020 Wait waited ≥ 5 s (censored)".to_owned()));
}

fn herd(n_clients: u64, wait_ms: impl Fn(u64) -> u64) -> Vec<Handling> {
    let client = |idx| {
        let served = b"HTTP/1.1 529 No\r\ncontent-length: 0\r\n\r\n".to_vec();
        let attempt = |number| Attempt {
            number,
            connection: number,
            served: served.clone(),
            end: End::Closed,
            request: request(),
            ..Attempt::default()
        };
        let outcome = Outcome { status: Some(529), ..Outcome::of(OutcomeClass::ApiError) };
        Handling {
            attempts: (1..=3).map(attempt).collect(),
            outcome: Some(outcome),
            waits_ms: Some(vec![wait_ms(idx), 2 * wait_ms(idx)]),
            ..Handling::default()
        }
    };
    (0..n_clients).map(client).collect()
}

fn request() -> classify::Request {
    let headers = [
        ("x-api-key", CANARY_KEY),
        ("anthropic-version", "2026-10-21"),
        ("content-type", "application/json"),
        ("content-length", "2"),
    ];
    classify::Request {
        method: "POST".into(),
        target: "/v1/messages".into(),
        headers: classify::Headers(headers.map(|(name, value)| (name.into(), value.into())).into()),
        body: classify::Body::Bytes(bytes::Bytes::from_static(b"{}")),
    }
}

fn check_herd(first: &[Handling], second: &[Handling], verdict: Verdict, codes: &[Code]) {
    let mut scenario = Scenario::parse(SCENARIO).unwrap();
    (scenario.expect.attempts.last, scenario.expect.status) = (Some(3), Some(529));
    scenario.expect.waits.clear();
    scenario.faults.clear();
    let report = TrialReport::herd(&scenario, Surface::Create, first, second);
    let found: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    assert_eq!((report.verdict, &*found), (verdict, codes), "{report:#?}");
    assert!(report.summary.starts_with(&format!("{} clients", first.len())), "{}", report.summary);
}

#[test]
fn a_herd_is_judged_as_one_and_one_by_one() {
    let one = herd(40, |idx| 400 + 10 * idx);
    let other = herd(40, |idx| 400 + 10 * (39 - idx));
    check_herd(&one, &other, Verdict::Pass, &[]);
    check_herd(&one, &one, Verdict::Fail, &[Code::SeededJitter]);
    let close = herd(40, |_| 500);
    check_herd(&close, &close, Verdict::Fail, &[Code::NoJitter; 3]);
    check_herd(&one[..9], &other[..9], Verdict::Inconclusive, &[]);
    let mut silent = herd(40, |idx| 400 + 10 * idx);
    silent[6].outcome = None;
    check_herd(&silent, &other, Verdict::Fail, &[Code::Hang]);
    let report =
        TrialReport::herd(&Scenario::parse(SCENARIO).unwrap(), Surface::Create, &silent, &other);
    let hang = report.findings.iter().find(|finding| finding.code == Code::Hang).unwrap();
    assert!(hang.detail.starts_with("client 7 of 40: no outcome"), "{}", hang.detail);
    let mut lost = herd(40, |idx| 400 + 10 * idx);
    lost[3].trouble = Some("no port".to_owned());
    check_herd(&lost, &other, Verdict::HarnessError, &[]);
    let nobody = TrialReport::herd(&Scenario::parse(SCENARIO).unwrap(), Surface::Create, &[], &[]);
    assert_eq!(nobody.verdict, Verdict::Skip);
}
