//! The judgement of a client: what it did, held against what it was given and what the scenario demands.
//!
//! General rules hold in every scenario and look at the wire first; the scenario's own expectation comes
//! last, so that a finding names the rule that was broken before it names the file that noticed. The price of
//! rules that need no scenario is that each must be right in all of them: what is only advisable warns.

mod expectation;
mod finding;
mod retries;
mod truth;

use crate::handling::{Handling, OutcomeClass};
use crate::scenario::{Scenario, Surface};
use crate::served::{Served, served};

pub use finding::{Code, Finding, Level, Verdict};

/// The judgement of one trial.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Everything that was found, the most telling first.
    pub findings: Vec<Finding>,
    /// Why the trial says nothing about the client, where it does not.
    pub reason: Option<String>,
}

/// Times are believed this far: half of the tolerance that a client is given for being early.
const NOISE_MS_MAX: u64 = retries::EARLY_MS_MIN / 2;

/// One trial, with what each attempt was given read once.
struct Trial<'a> {
    scenario: &'a Scenario,
    surface: Surface,
    handling: &'a Handling,
    served: Vec<Served>,
    gaps_ms: Vec<u64>,
}

/// Every rule, in the order of its findings.
const RULES: [fn(&Trial<'_>) -> Vec<Finding>; 12] = [
    truth::key_stays_hidden,
    truth::answer_is_reported_as_it_was,
    truth::error_keeps_what_the_api_said,
    truth::call_ends,
    retries::only_the_retryable_is_retried,
    retries::budget_is_kept,
    retries::demanded_wait_is_kept,
    retries::backoff_is_kept,
    retries::attempts_are_equal,
    retries::attempt_ends_in_time,
    retries::retryable_is_retried,
    expectation::expectation_is_met,
];

/// Judges one trial.
pub fn judge(scenario: &Scenario, surface: Surface, handling: &Handling) -> Judgement {
    let trial = Trial {
        scenario,
        surface,
        handling,
        served: handling.attempts.iter().map(served).collect(),
        gaps_ms: handling.gaps_ms(),
    };
    if let Some(reason) = harness_error(&trial) {
        return Judgement {
            verdict: Verdict::HarnessError,
            findings: vec![],
            reason: Some(reason),
        };
    }
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&trial)).collect();
    let level = findings.iter().map(|finding| finding.level).max();
    let verdict = level.map_or(Verdict::Pass, Level::verdict);
    if Some(Level::Warn) <= level
        && NOISE_MS_MAX < handling.noise_ms
        && rests_on_time(&trial, &findings)
    {
        let noise_ms = handling.noise_ms;
        let reason =
            format!("{verdict} with timers of our own that were late by up to {noise_ms} ms");
        return Judgement { verdict: Verdict::Inconclusive, findings, reason: Some(reason) };
    }
    Judgement { verdict, findings, reason: None }
}

/// Whether a machine that kept the harness waiting may have brought about what was found: a measured time, or
/// a client that ran out of patience.
fn rests_on_time(trial: &Trial<'_>, findings: &[Finding]) -> bool {
    let level = findings.iter().map(|finding| finding.level).max();
    let mut heaviest = findings.iter().filter(|finding| Some(finding.level) == level);
    let timed_out =
        trial.handling.outcome.iter().any(|outcome| outcome.class == OutcomeClass::Timeout);
    timed_out || heaviest.all(|finding| finding.code.is_about_time())
}

/// Why nothing can be said about the client, if that is so. A fault that could not strike because the client
/// stopped before its attempt is the expectation's business; one whose attempt came and went is ours.
fn harness_error(trial: &Trial<'_>) -> Option<String> {
    if let Some(trouble) = &trial.handling.trouble {
        return Some(trouble.clone());
    }
    let n_attempts = trial.n_attempts();
    if n_attempts == 0 && !trial.scenario.expect.attempts.contains(0) {
        return Some("no request of the client reached the proxy".to_owned());
    }
    let missed = |idx: &&usize| trial.scenario.faults[**idx].attempts.first <= n_attempts;
    let idx = trial.handling.unfired.iter().find(missed)?;
    Some(format!("fault {} of the scenario never struck", idx + 1))
}

impl Trial<'_> {
    fn n_attempts(&self) -> u32 {
        u32::try_from(self.handling.attempts.len()).unwrap_or(u32::MAX)
    }

    /// What the server's side of the last attempt amounts to.
    fn last(&self) -> Option<&Served> {
        self.served.last()
    }
}

impl Served {
    fn header(&self, name: &str) -> Option<&str> {
        self.reply.as_ref()?.headers.get(name)
    }

    fn status(&self) -> Option<u16> {
        self.reply.as_ref().map(|reply| reply.status)
    }
}

#[cfg(test)]
mod tests;
