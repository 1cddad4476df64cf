use std::cell::Cell;
use std::sync::LazyLock;

use chaos::scenario::{Fault, KeyShape};
use chaos::{Attempt, End, Handling, Outcome, OutcomeClass, Scenario};
use client::Policy;
use wire::trial::trial;

use super::*;
use crate::specs::Overrides;
use crate::subject::Reference;

static SPECS: LazyLock<Specs> = LazyLock::new(|| Specs::load(&Overrides::default()).unwrap());

/// Most of a draw's time is waiting.
const JOBS: usize = 48;

const SEED: u64 = 1;

fn order(draws_max: u64, surfaces: &[Surface], folder: &Path) -> Order {
    Order {
        seed: SEED,
        draws_max,
        jobs: JOBS,
        surfaces: surfaces.to_vec(),
        folder: folder.to_owned(),
    }
}

async fn hold(planned: Planned, change: fn(&mut Policy)) -> TrialReport {
    let stage = Stage::of(&SPECS.scripts);
    let reference = Reference::new(&planned.scenario, stage).with(change);
    trial(&planned.scenario, planned.surface, stage, &reference).await
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn failures(soak: &Soak) -> String {
    let failures = soak.failures.iter().map(|failure| {
        let file = failure.file.as_ref().map(|file| std::fs::read_to_string(file).unwrap());
        let Failure { report, .. } = failure;
        format!("{:?}\n{:?}\n{}\n", report.findings, report.timeline, file.unwrap_or_default())
    });
    failures.collect()
}

#[test]
fn every_reply_of_a_draw_is_there() {
    let of_faults = |scenario: &Scenario| {
        let replies = scenario.faults.iter().filter_map(|strike| match &strike.fault {
            Fault::Replace { reply } => Some(reply.clone()),
            _ => None,
        });
        replies.collect::<Vec<_>>()
    };
    for scenario in (0..2_000).map(|number| draw(SEED, number)).chain([plain_call()]) {
        let replies = scenario.replies.iter().chain(&scenario.stream_replies).cloned();
        for reply in replies.chain(of_faults(&scenario)) {
            assert!(SPECS.scripts.contains_key(&reply), "{reply}");
        }
    }
}

/// What a soak writes must read back, whatever it is about.
#[test]
fn every_scenario_of_the_catalogue_reads_back_from_its_own_text() {
    for scenario in &SPECS.scenarios {
        let text = scenario.to_toml();
        assert_eq!(&Scenario::parse(&text).unwrap(), scenario, "{text}");
    }
    assert!(SPECS.scenarios.iter().any(|scenario| scenario.ask.key != KeyShape::Plain));
}

#[tokio::test]
async fn the_reference_client_survives() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(200, &[Surface::Create, Surface::Stream], folder.path());
    let mut soak = Soak::default();
    rounds(&mut soak, &order, &|planned| hold(planned, |_| {}), |_| {}).await;
    assert!(soak.failures.is_empty(), "{}", failures(&soak));
    assert_eq!((soak.draws, soak.plain_calls), (200, 4));
    assert!(150 < soak.counts.judged(), "{:?}", soak.counts);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_client_that_takes_half_streams_is_caught_and_its_file_shows_it() {
    let wrong: fn(&mut Policy) = |policy| policy.demands_message_stop = false;
    let folder = tempfile::tempdir().unwrap();
    let order = order(200, &[Surface::Stream], folder.path());
    let mut soak = Soak::default();
    rounds(&mut soak, &order, &|planned| hold(planned, wrong), |_| {}).await;
    let caught = soak.failures.iter().find(|failure| failure.code == Code::FalseOk).unwrap();
    let text = std::fs::read_to_string(caught.file.as_ref().unwrap()).unwrap();
    let scenario = Scenario::parse(&text).unwrap();
    assert!(caught.again && scenario.faults.len() <= 1, "{text}");
    assert_eq!(scenario.surfaces, [Surface::Stream]);
    assert!(scenario.why.starts_with("Success reported where there was none."), "{text}");
    let planned = Planned { scenario, surface: Surface::Stream };
    assert_eq!(breach(&hold(planned.clone(), wrong).await), Some(Code::FalseOk));
    assert_eq!(breach(&hold(planned, |_| {}).await), None);
}

/// A client that does as it is told: it succeeds, believes a cut reply, or never returns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Does {
    Believe,
    Hang,
    Succeed,
}

fn report(planned: &Planned, does: Does) -> TrialReport {
    let body = match does {
        Does::Succeed => {
            r#"{"type":"message","id":"m","role":"assistant","content":[],"stop_reason":"end_turn"}"#
        }
        Does::Believe | Does::Hang => r#"{"type":"mess"#,
    };
    let served = format!("HTTP/1.1 200 OK\r\ncontent-length: 84\r\n\r\n{body}").into_bytes();
    let attempt =
        Attempt { number: 1, connection: 1, served, end: End::Closed, ..Attempt::default() };
    let handling = Handling {
        attempts: vec![attempt],
        outcome: (does != Does::Hang).then(|| Outcome::of(OutcomeClass::Success)),
        connections: 1,
        ..Handling::default()
    };
    TrialReport::new(&planned.scenario, planned.surface, &handling)
}

/// One round of draws to a client that does this in its trial of this number, counted from 1.
async fn one_round(folder: &Path, does: impl Fn(&Planned, u64) -> Does) -> Soak {
    let n_trials = Cell::new(0);
    let hold = |planned: Planned| {
        n_trials.set(n_trials.get() + 1);
        let report = report(&planned, does(&planned, n_trials.get()));
        async { report }
    };
    let mut soak = Soak::default();
    rounds(&mut soak, &order(ROUND, &[Surface::Create], folder), &hold, |_| {}).await;
    soak
}

fn is_plain_call(planned: &Planned) -> bool {
    planned.scenario.id == plain_call().id
}

#[tokio::test]
async fn a_client_that_does_not_recover_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let does = |planned: &Planned, _| {
        if is_plain_call(planned) { Does::Hang } else { Does::Succeed }
    };
    let soak = one_round(folder.path(), does).await;
    let codes: Vec<_> = soak.failures.iter().map(|failure| failure.code).collect();
    assert_eq!((codes, soak.plain_calls), (vec![Code::NotHealed], 1));
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn what_only_a_busy_machine_shows_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let does = |_: &Planned, trial| if trial == 5 { Does::Hang } else { Does::Succeed };
    let soak = one_round(folder.path(), does).await;
    assert_eq!((soak.unsteady, soak.failures.len()), (1, 0));
    let does = |_: &Planned, trial| if trial == 5 { Does::Believe } else { Does::Succeed };
    let soak = one_round(folder.path(), does).await;
    assert_eq!((soak.unsteady, soak.failures.len(), soak.failures[0].again), (0, 1, false));
}

#[tokio::test]
async fn many_failures_are_a_few_files_and_none_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let believes = |planned: &Planned, _| {
        if is_plain_call(planned) { Does::Succeed } else { Does::Believe }
    };
    let soak = one_round(folder.path(), believes).await;
    assert_eq!(soak.failures.len(), ALIKE_MAX);
    assert_eq!(soak.codes[&Code::FalseOk], soak.draws);
    assert_eq!(names(folder.path()).len(), ALIKE_MAX);
    for failure in &soak.failures {
        let text = std::fs::read_to_string(failure.file.as_ref().unwrap()).unwrap();
        assert!(Scenario::parse(&text).unwrap().faults.is_empty(), "{text}");
    }
    // The same once more is in the same files; another client's goes beside what somebody has written.
    one_round(folder.path(), believes).await;
    assert_eq!(names(folder.path()).len(), ALIKE_MAX);
    let mine = folder.path().join(&names(folder.path())[0]);
    std::fs::write(&mine, "mine").unwrap();
    one_round(folder.path(), believes).await;
    assert_eq!(std::fs::read_to_string(mine).unwrap(), "mine");
    assert_eq!(names(folder.path()).len(), ALIKE_MAX + 1);
}

#[tokio::test]
async fn the_end_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(u64::MAX, &[Surface::Create], folder.path());
    let n_trials = Cell::new(0);
    let hold = |planned: Planned| {
        n_trials.set(n_trials.get() + 1);
        let held = (n_trials.get() == 3).then(|| report(&planned, Does::Believe));
        async {
            match held {
                Some(report) => report,
                None => std::future::pending().await,
            }
        }
    };
    let mut soak = Soak::default();
    let played = timeout(Duration::from_millis(50), rounds(&mut soak, &order, &hold, |_| {}));
    assert!(played.await.is_err());
    soak.settle_all(&order.folder);
    assert_eq!((soak.draws, soak.failures.len()), (1, 1));
    assert_eq!(names(folder.path()).len(), 1);
}
