//! The scenarios put the reference client on trial: it passes, and every wrong copy of it fails.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use chaos::oracle::{Code, Verdict};
use chaos::served::{observation, served};
use chaos::{Attempt, End, Scenario, Surface, TrialReport};
use classify::{Body, Headers, Request, Script, script};
use client::Policy;
use futures::StreamExt;
use probity::subject::Reference;
use wire::tls::Authority;
use wire::trial::{Stage, trial};

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

static SCRIPTS: LazyLock<BTreeMap<String, Script>> = LazyLock::new(|| {
    let parse =
        |(name, text): (String, String)| (name.clone(), Script::parse(&name, &text).unwrap());
    files(&specs("replies"), "http").into_iter().map(parse).collect()
});

static SCENARIOS: LazyLock<BTreeMap<String, Scenario>> = LazyLock::new(|| {
    let parse = |(name, text): (String, String)| {
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scenario.id, name);
        (name, scenario)
    };
    files(&specs("scenarios"), "toml").into_iter().map(parse).collect()
});

/// There is none in a build without TLS.
static AUTHORITY: LazyLock<Option<Arc<Authority>>> =
    LazyLock::new(|| Authority::generate().ok().map(Arc::new));

/// The scenario whose expectation is wrong on purpose.
const CANARY: &str = "canary";

/// Trials at once: more of them would wait for two cores instead of for sockets.
const TRIALS_MAX: usize = 16;

/// Trials at once that measure: each waits more than it works.
const TIMED_TRIALS_MAX: usize = 10;

/// A busy machine makes a trial inconclusive; so many of them in a row are worth a look.
const TRIES_MAX: usize = 4;

/// Runs it until it says something.
async fn run(scenario: &Scenario, surface: Surface, change: fn(&mut Policy)) -> TrialReport {
    let mut tries = 0;
    loop {
        let report = run_once(scenario, surface, change).await;
        tries += 1;
        if report.verdict != Verdict::Inconclusive || tries == TRIES_MAX {
            return report;
        }
    }
}

async fn run_once(scenario: &Scenario, surface: Surface, change: fn(&mut Policy)) -> TrialReport {
    let stage = Stage { authority: AUTHORITY.as_ref(), ..Stage::of(&SCRIPTS) };
    let client = Reference::new(scenario, stage).with(change);
    trial(scenario, surface, stage, &client).await
}

fn right(_: &mut Policy) {}

/// Passed, or not for it: TLS takes the feature, and text in this process is text.
fn is_right(report: &TrialReport) -> bool {
    let reasons = ["it takes TLS", "holds no half of a surrogate pair"];
    let reason = report.reason.as_deref().unwrap_or_default();
    let is_for_others =
        report.verdict == Verdict::Skip && reasons.iter().any(|known| reason.contains(known));
    report.verdict == Verdict::Pass || is_for_others
}

/// What went wrong with one trial, on one line.
fn told(report: &TrialReport) -> String {
    let TrialReport { scenario, surface, verdict, reason, observed, findings, .. } = report;
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| format!("{} ({})", finding.code.name(), finding.detail))
        .collect();
    let reason = reason.as_deref().unwrap_or_default();
    format!("{scenario} {}: {verdict} {reason} {findings:?} {observed:?}", surface.name())
}

/// Neighbours can spoil a trial and cannot mend one: what fails in company is tried again alone.
#[tokio::test]
async fn the_reference_client_passes_every_scenario() {
    let (timed, others): (Vec<_>, Vec<_>) = plan(false).partition(|(scenario, _)| scenario.timing);
    let mut reports = at_once(others, TRIALS_MAX).await;
    reports.append(&mut at_once(timed, TIMED_TRIALS_MAX).await);
    assert!(!reports.is_empty());
    let mut wrong = vec![];
    for report in reports.iter().filter(|report| !is_right(report)) {
        let alone = run(&SCENARIOS[&report.scenario], report.surface, right).await;
        if !is_right(&alone) {
            wrong.push(told(&alone));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A herd fills the thread that it has, and has it to itself.
#[tokio::test]
async fn the_reference_client_passes_every_scenario_of_many_clients() {
    for (scenario, surface) in plan(true) {
        let report = run(scenario, surface, right).await;
        assert!(is_right(&report), "{}", told(&report));
    }
}

/// Every trial of one client, or of many.
fn plan(many: bool) -> impl Iterator<Item = (&'static Scenario, Surface)> {
    let scenarios = SCENARIOS.values().filter(move |scenario| {
        scenario.id != CANARY && !scenario.slow && scenario.ask.clients.is_some() == many
    });
    scenarios.flat_map(|scenario| {
        // It has no bare stream beside the other.
        let surfaces = scenario.surfaces.iter().filter(|surface| **surface != Surface::Raw);
        surfaces.map(move |&surface| (scenario, surface))
    })
}

async fn at_once(plan: Vec<(&Scenario, Surface)>, trials_max: usize) -> Vec<TrialReport> {
    futures::stream::iter(plan)
        .map(|(scenario, surface)| run_once(scenario, surface, right))
        .buffer_unordered(trials_max)
        .collect()
        .await
}

#[tokio::test]
async fn the_canary_fails() {
    for surface in [Surface::Create, Surface::Stream] {
        let report = run(&SCENARIOS[CANARY], surface, right).await;
        assert_eq!(report.verdict, Verdict::Fail, "{report:#?}");
        assert_eq!(report.finding, Some(Code::UnexpectedOutcome), "{report:#?}");
    }
}

/// A client with one wrong value is caught by this scenario, and for this reason.
async fn check_mutant(id: &str, surface: Surface, code: Code, change: fn(&mut Policy)) {
    let report = run(&SCENARIOS[id], surface, change).await;
    assert_eq!((report.verdict, report.finding), (Verdict::Fail, Some(code)), "{report:#?}");
}

#[tokio::test]
async fn a_client_that_retries_everything_is_caught() {
    let everything = |policy: &mut Policy| policy.retry_statuses = vec![400..=599];
    check_mutant("err-400", Surface::Create, Code::RetriedNonRetryable, everything).await;
    check_mutant("err-413", Surface::Stream, Code::RetriedNonRetryable, everything).await;
}

#[tokio::test]
async fn a_client_that_ignores_retry_after_is_caught() {
    let deaf = |policy: &mut Policy| policy.honours_retry_after = false;
    check_mutant("ra-on-529", Surface::Create, Code::EarlyRetry, deaf).await;
}

#[tokio::test]
async fn a_client_that_accepts_half_a_stream_is_caught() {
    let trusting = |policy: &mut Policy| policy.demands_message_stop = false;
    check_mutant("sse-clean-eof-no-stop", Surface::Stream, Code::FalseOk, trusting).await;
}

#[tokio::test]
async fn a_client_that_starts_over_after_a_delta_is_caught() {
    let replaying = |policy: &mut Policy| policy.replays_after_delta = true;
    check_mutant("sse-clean-eof-no-stop", Surface::Stream, Code::ReplayAfterDelta, replaying).await;
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_caught() {
    let hasty = |policy: &mut Policy| policy.backoff_base_ms = 0;
    check_mutant("fail-k-then-ok", Surface::Create, Code::NoBackoff, hasty).await;
}

#[tokio::test]
async fn a_client_that_does_not_keep_its_budget_is_caught() {
    let generous = |policy: &mut Policy| policy.max_retries += 1;
    check_mutant("fail-forever", Surface::Create, Code::BudgetExceeded, generous).await;
}

#[tokio::test]
async fn a_client_without_patience_or_without_end_is_caught() {
    let impatient = |policy: &mut Policy| (policy.attempt_ms_max, policy.max_retries) = (200, 0);
    check_mutant("ttfb-slow-ok", Surface::Create, Code::UnexpectedOutcome, impatient).await;
    let endless =
        |policy: &mut Policy| (policy.attempt_ms_max, policy.call_ms_max) = (60_000, 60_000);
    check_mutant("stall-before-headers", Surface::Stream, Code::Hang, endless).await;
}

#[tokio::test]
async fn a_scenario_that_cannot_be_played_is_the_harness_s_error() {
    let mut unplayable = SCENARIOS["err-413"].clone();
    unplayable.replies = vec!["no-such-reply".to_owned()];
    let report = run(&unplayable, Surface::Create, right).await;
    assert_eq!(report.verdict, Verdict::HarnessError);
    assert_eq!(report.reason.as_deref(), Some("there is no reply `no-such-reply`"));
    unplayable.replies = vec![];
    let report = run(&unplayable, Surface::Create, right).await;
    assert_eq!(report.verdict, Verdict::HarnessError, "{report:#?}");
    let report = run(&SCENARIOS["err-413"], Surface::Raw, right).await;
    assert_eq!(report.verdict, Verdict::Skip);
}

/// It really waits for eight seconds, and is believed after five.
#[tokio::test]
async fn a_long_wait_that_is_kept_is_not_waited_for() {
    let mut scenario = SCENARIOS["ra-on-529"].clone();
    (scenario.timing, scenario.deadline_ms) = (true, 60_000);
    scenario.faults.clear();
    scenario.replies = vec!["529-retry-after".to_owned()];
    scenario.expect.waits.clear();
    let report = run(&scenario, Surface::Create, right).await;
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    assert_eq!((report.observed.attempts, report.observed.outcome), (1, None), "{report:#?}");
    assert!((5_000..7_000).contains(&report.observed.elapsed_ms), "{report:#?}");
}

#[tokio::test]
async fn what_the_contract_objects_to_is_found() {
    let check = |request: &Request| vec![format!("no {}, please", request.method)];
    let stage = Stage { check: Some(&check), ..Stage::of(&SCRIPTS) };
    let scenario = &SCENARIOS["err-400"];
    let report = trial(scenario, Surface::Create, stage, &Reference::new(scenario, stage)).await;
    assert!(told(&report).contains("no POST, please"), "{report:#?}");
}

/// Where a scenario names no script, the mock stands behind the proxy.
#[tokio::test]
async fn faults_strike_the_mock_s_answers_too() {
    let mock = wire::script::serve(vec![SCRIPTS["200-message"].clone()]).await.unwrap();
    let stage = Stage { mock: Some(mock.address), ..Stage::of(&SCRIPTS) };
    for (id, verdict) in [("ttfb-slow-ok", Verdict::Pass), ("rst-mid-body", Verdict::Pass)] {
        let mut scenario = SCENARIOS[id].clone();
        scenario.replies = vec![];
        let client = Reference::new(&scenario, stage);
        let report = trial(&scenario, Surface::Create, stage, &client).await;
        assert_eq!(report.verdict, verdict, "{report:#?}");
    }
}

/// The judge reads bytes that left; the scripts say what they are. The two must agree on every reply.
#[test]
fn the_judge_reads_every_script_as_it_is_meant() {
    for script in SCRIPTS.values() {
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
