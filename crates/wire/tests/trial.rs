//! The scenarios put the reference client on trial: it passes, and every wrong copy of it fails.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chaos::oracle::{Code, Verdict};
use chaos::served::{observation, served};
use chaos::{Attempt, Call, End, Outcome, OutcomeClass, Scenario, Surface, TrialReport};
use classify::{Body, Headers, Request, Script, script};
use client::{Client, Error, Key, Message, Policy, RealTime};
use serde_json::json;
use wire::trial::{Stage, trial};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

fn specs(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(folder)
}

/// Every file under the folder with this extension, by name.
fn files(folder: &Path, extension: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

fn scripts() -> BTreeMap<String, Script> {
    let parse =
        |(name, text): (String, String)| (name.clone(), Script::parse(&name, &text).unwrap());
    files(&specs("replies"), "http").into_iter().map(parse).collect()
}

fn scenarios() -> BTreeMap<String, Scenario> {
    let parse = |(name, text): (String, String)| {
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scenario.id, name);
        (name, scenario)
    };
    files(&specs("scenarios"), "toml").into_iter().map(parse).collect()
}

/// The reference client, with the shortest waits that still count as waits.
fn policy(call: &Call) -> Policy {
    Policy {
        max_retries: call.max_retries,
        backoff_base_ms: 200,
        attempt_ms_max: call.timeout_ms,
        call_ms_max: call.deadline_ms,
        ..Policy::official()
    }
}

async fn subject(call: Call, policy: Policy) -> Outcome {
    let key = Key::new(&call.key).unwrap_or_else(|error| panic!("{error}"));
    let client = Client::new(&call.base_url, key, policy).unwrap();
    let request = json!({
        "model": "claude-sonnet-5-5",
        "max_tokens": 64,
        "messages": [{ "role": "user", "content": call.prompt() }],
    });
    let mut text = String::new();
    let result = match call.surface {
        Surface::Create => client.create(&request, &RealTime).await,
        Surface::Raw | Surface::Stream => {
            client.stream(&request, &RealTime, |delta| text.push_str(delta)).await
        }
    };
    match result {
        Ok(message) => succeeded(message, text),
        Err(error) => failed(&error, text),
    }
}

/// A streaming caller has what was handed on, whatever the message at the end says.
fn succeeded(message: Message, streamed: String) -> Outcome {
    Outcome {
        request_id: message.request_id,
        text: Some(if streamed.is_empty() { message.text } else { streamed }),
        stop_reason: message.stop_reason,
        ..Outcome::of(OutcomeClass::Success)
    }
}

fn failed(error: &Error, text: String) -> Outcome {
    let said = error.said().cloned();
    let class = OutcomeClass::parse(error.class()).unwrap();
    Outcome {
        status: said.as_ref().map(|said| said.status),
        error_type: said.as_ref().and_then(|said| said.kind.clone()),
        error_code: said.as_ref().and_then(|said| said.code.clone()),
        request_id: said.and_then(|said| said.request_id),
        message: error.to_string(),
        text: Some(text),
        ..Outcome::of(class)
    }
}

/// A busy machine makes a trial inconclusive; so many of them in a row are worth a look.
const TRIES_MAX: usize = 4;

async fn run(
    scenario: &Scenario,
    surface: Surface,
    change: impl Fn(Policy) -> Policy,
) -> TrialReport {
    let scripts = scripts();
    let stage = Stage { scripts: &scripts, mock: None };
    let mut tries = 0;
    loop {
        let changed = |call: Call| {
            let policy = change(policy(&call));
            subject(call, policy)
        };
        let report = trial(scenario, surface, stage, changed).await;
        tries += 1;
        if report.verdict != Verdict::Inconclusive || tries == TRIES_MAX {
            return report;
        }
    }
}

#[tokio::test]
async fn the_reference_client_passes_every_scenario() {
    let scenarios = scenarios();
    let trials =
        scenarios.values().filter(|scenario| scenario.id != "canary").flat_map(|scenario| {
            scenario.surfaces.iter().map(move |&surface| run(scenario, surface, |policy| policy))
        });
    // Side by side: the waits are real, and the machine is idle in all of them.
    let reports = futures::future::join_all(trials).await;
    assert!(!reports.is_empty());
    let failed: Vec<_> = reports.iter().filter(|report| report.verdict != Verdict::Pass).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn the_canary_fails() {
    for surface in [Surface::Create, Surface::Stream] {
        let report = run(&scenarios()["canary"], surface, |policy| policy).await;
        assert_eq!(report.verdict, Verdict::Fail, "{report:#?}");
        assert_eq!(report.finding, Some(Code::UnexpectedOutcome), "{report:#?}");
    }
}

/// A client with one wrong value is caught by this scenario, and for this reason.
async fn check_mutant(id: &str, surface: Surface, code: Code, change: impl Fn(Policy) -> Policy) {
    let report = run(&scenarios()[id], surface, change).await;
    assert_eq!((report.verdict, report.finding), (Verdict::Fail, Some(code)), "{report:#?}");
}

#[tokio::test]
async fn a_client_that_retries_everything_is_caught() {
    let everything = |policy| Policy { retry_statuses: vec![400..=599], ..policy };
    check_mutant("err-400", Surface::Create, Code::RetriedNonRetryable, everything).await;
    check_mutant("err-413", Surface::Stream, Code::RetriedNonRetryable, everything).await;
}

#[tokio::test]
async fn a_client_that_ignores_retry_after_is_caught() {
    let deaf = |policy| Policy { honours_retry_after: false, ..policy };
    check_mutant("ra-on-529", Surface::Create, Code::EarlyRetry, deaf).await;
}

#[tokio::test]
async fn a_client_that_accepts_half_a_stream_is_caught() {
    let trusting = |policy| Policy { demands_message_stop: false, ..policy };
    check_mutant("sse-clean-eof-no-stop", Surface::Stream, Code::FalseOk, trusting).await;
}

#[tokio::test]
async fn a_client_that_starts_over_after_a_delta_is_caught() {
    let replaying = |policy| Policy { replays_after_delta: true, ..policy };
    check_mutant("sse-clean-eof-no-stop", Surface::Stream, Code::ReplayAfterDelta, replaying).await;
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_caught() {
    let hasty = |policy| Policy { backoff_base_ms: 0, ..policy };
    check_mutant("fail-k-then-ok", Surface::Create, Code::NoBackoff, hasty).await;
}

#[tokio::test]
async fn a_client_that_does_not_keep_its_budget_is_caught() {
    let generous = |policy| Policy { max_retries: 3, backoff_base_ms: 150, ..policy };
    check_mutant("fail-forever", Surface::Create, Code::BudgetExceeded, generous).await;
}

#[tokio::test]
async fn a_client_without_patience_or_without_end_is_caught() {
    let impatient = |policy| Policy { attempt_ms_max: 200, max_retries: 0, ..policy };
    check_mutant("ttfb-slow-ok", Surface::Create, Code::UnexpectedOutcome, impatient).await;
    let endless = |policy| Policy { attempt_ms_max: 60_000, call_ms_max: 60_000, ..policy };
    check_mutant("stall-before-headers", Surface::Stream, Code::Hang, endless).await;
}

#[tokio::test]
async fn a_scenario_that_cannot_be_played_is_the_harness_s_error() {
    let scenarios = scenarios();
    let mut unplayable = scenarios["err-413"].clone();
    unplayable.replies = vec!["no-such-reply".to_owned()];
    let report = run(&unplayable, Surface::Create, |policy| policy).await;
    assert_eq!(report.verdict, Verdict::HarnessError);
    assert_eq!(report.reason.as_deref(), Some("there is no reply `no-such-reply`"));
    unplayable.replies = vec![];
    let report = run(&unplayable, Surface::Create, |policy| policy).await;
    assert_eq!(report.verdict, Verdict::HarnessError, "{report:#?}");
    let report = run(&scenarios["err-413"], Surface::Raw, |policy| policy).await;
    assert_eq!(report.verdict, Verdict::Skip);
}

/// Where a scenario names no script, the mock stands behind the proxy.
#[tokio::test]
async fn faults_strike_the_mock_s_answers_too() {
    let mock = MockServer::start().await;
    let message = observation(&scripts()["200-message"].wire_bytes(), End::Closed);
    let classify::Observation::Reply(message) = message else { panic!("it is whole") };
    let template = ResponseTemplate::new(200).set_body_raw(message.body, "application/json");
    Mock::given(any()).respond_with(template).mount(&mock).await;
    let scripts = scripts();
    let stage = Stage { scripts: &scripts, mock: Some(*mock.address()) };
    for (id, verdict) in [("ttfb-slow-ok", Verdict::Pass), ("rst-mid-body", Verdict::Pass)] {
        let mut scenario = scenarios()[id].clone();
        scenario.replies = vec![];
        let standard = |call: Call| {
            let policy = policy(&call);
            subject(call, policy)
        };
        let report = trial(&scenario, Surface::Create, stage, standard).await;
        assert_eq!(report.verdict, verdict, "{report:#?}");
    }
}

/// The judge reads bytes that left; the scripts say what they are. The two must agree on every reply.
#[test]
fn the_judge_reads_every_script_as_it_is_meant() {
    for script in scripts().values() {
        let end = match script.end {
            script::End::Reset { .. } => End::Reset,
            script::End::Closed { .. } | script::End::Complete => End::Closed,
        };
        let bytes = script.wire_bytes();
        assert_eq!(observation(&bytes, end), script.observation(), "{}", script.name);
        let request = Request {
            method: "POST".into(),
            target: "/".into(),
            headers: Headers::default(),
            body: Body::Empty,
        };
        let (head_ms, end_ms) = (0, 0);
        let attempt = Attempt {
            number: 1,
            connection: 1,
            head_ms,
            end_ms,
            request,
            served: bytes,
            end,
            ..Attempt::default()
        };
        assert_eq!(served(&attempt).class, script.class, "{}", script.name);
    }
}
