//! Clients with a defect, each on trial in the scenario that is about it; the right client passes the same.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chaos::oracle::Verdict;
use chaos::{Call, Outcome, OutcomeClass, Scenario, Told, TrialReport};
use client::{MUTANTS, Policy};
use probity::specs::{Overrides, Specs};
use probity::subject::Reference;
use wire::trial::{Stage, Subject, Unseen, trial};

/// A busy machine makes a trial unclear; so many of them in a row are worth a look.
const TRIES_MAX: usize = 8;

static SPECS: LazyLock<Specs> =
    LazyLock::new(|| Specs::load(&Overrides::default()).unwrap_or_else(|stop| panic!("{stop:?}")));

/// A client that does another thing, or hears another thing.
#[derive(Clone, Copy)]
struct Client {
    change: fn(&mut Policy),
    hear: Hear,
}

/// What its caller is told of an outcome.
type Hear = fn(Outcome) -> Outcome;

const RIGHT: Client = Client { change: |_| {}, hear: |outcome| outcome };

/// Mistakes of reading that no policy of the reference client has.
const DEAF: [(&str, Hear); 2] = [
    ("hears-names-only", |_| Outcome {
        text: Some(String::new()),
        stop_reason: Some("end_turn".to_owned()),
        ..Outcome::of(OutcomeClass::Success)
    }),
    ("knows-no-new-stop-reason", |outcome| {
        let known = ["end_turn", "max_tokens", "stop_sequence", "tool_use"];
        match &outcome.stop_reason {
            Some(reason) if !known.contains(&&**reason) => Outcome::of(OutcomeClass::ProtocolError),
            _ => outcome,
        }
    }),
];

fn client(name: &str) -> Client {
    let deaf = DEAF.iter().find(|(known, _)| *known == name);
    let mutant = MUTANTS.iter().find(|mutant| mutant.name == name);
    match (deaf, mutant) {
        (Some((_, hear)), _) => Client { hear: *hear, ..RIGHT },
        (None, Some(mutant)) => Client { change: mutant.change, ..RIGHT },
        (None, None) => panic!("no client {name}"),
    }
}

/// The client fails the scenario with those codes on one of its surfaces, and the right client on none.
pub(crate) async fn check(number: u32, scenario: &str, name: &str, codes: &[String]) {
    let scenario = SPECS.scenarios.iter().find(|known| known.id == scenario);
    let scenario = scenario.unwrap_or_else(|| panic!("{number}: no such scenario"));
    let surface = *scenario.surfaces.last().unwrap();
    let is_failed = |report: &TrialReport| {
        let found: BTreeSet<_> = report.findings.iter().map(|it| it.code.to_string()).collect();
        report.verdict == Verdict::Fail && codes.iter().all(|code| found.contains(code))
    };
    let report = hold(scenario, surface, client(name), is_failed).await;
    assert!(is_failed(&report), "{number} {name}: {report:#?}");
    let is_passed = |report: &TrialReport| report.verdict == Verdict::Pass;
    let report = hold(scenario, surface, RIGHT, is_passed).await;
    assert!(is_passed(&report), "{number}: {report:#?}");
}

/// Until it is as expected, or several times it was not.
async fn hold(
    scenario: &Scenario,
    surface: chaos::Surface,
    client: Client,
    is_it: impl Fn(&TrialReport) -> bool,
) -> TrialReport {
    let mut tries = 0;
    loop {
        let stage = Stage::of(&SPECS.scripts);
        let reference = Reference::new(scenario, stage).with(client.change);
        let report =
            trial(scenario, surface, stage, &Hearing { reference, hear: client.hear }).await;
        tries += 1;
        if is_it(&report) || tries == TRIES_MAX {
            return report;
        }
    }
}

/// The client, and what its caller is told.
struct Hearing {
    reference: Reference,
    hear: Hear,
}

impl Subject for Hearing {
    async fn run(&self, call: Call) -> Result<Told, Unseen> {
        let told = self.reference.run(call).await?;
        let outcomes = told.outcomes.into_iter().map(self.hear).collect();
        Ok(Told { outcomes, ..told })
    }
}
