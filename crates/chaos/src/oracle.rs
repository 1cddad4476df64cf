//! The judgement of a client: what it did, held against what it was given and what the scenario demands.
//!
//! General rules hold in every scenario and look at the wire first; the scenario's own expectation comes
//! last, so that a finding names the rule that was broken before it names the file that noticed. The price of
//! rules that need no scenario is that each must be right in all of them: what is only advisable warns.

mod connections;
mod demand;
mod expectation;
mod finding;
pub mod herd;
mod retries;
mod sameness;
mod times;
mod truth;
mod waits;

use crate::handling::{Handling, OutcomeClass};
use crate::scenario::{Scenario, Surface};
use crate::served::{Served, served};

use demand::{Demand, demand};
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
const NOISE_MS_MAX: u64 = waits::EARLY_MS_MIN / 2;

/// One trial, with what each attempt was given read once.
struct Trial<'a> {
    scenario: &'a Scenario,
    surface: Surface,
    handling: &'a Handling,
    served: Vec<Served>,
    /// What came of the last redirect to the second origin, if the last attempt ended in one.
    abroad: Option<Served>,
}

/// Every rule, in the order of its findings.
const RULES: [fn(&Trial<'_>) -> Vec<Finding>; 17] = [
    truth::key_stays_hidden,
    connections::credentials_stay_at_home,
    truth::answer_is_reported_as_it_was,
    truth::error_keeps_what_the_api_said,
    times::call_ends,
    retries::only_the_retryable_is_retried,
    retries::budget_is_kept,
    waits::demanded_wait_is_kept,
    waits::backoff_is_kept,
    waits::backoff_grows,
    sameness::attempts_are_equal,
    truth::partial_text_was_sent,
    connections::replies_are_awaited,
    connections::given_up_is_let_go,
    times::attempt_ends_in_time,
    retries::retryable_is_retried,
    expectation::expectation_is_met,
];

/// Judges one trial.
pub fn judge(scenario: &Scenario, surface: Surface, handling: &Handling) -> Judgement {
    let mut trial = Trial {
        scenario,
        surface,
        handling,
        served: handling.attempts.iter().map(served).collect(),
        abroad: None,
    };
    if trial.served.last().is_some_and(Served::redirects) {
        trial.abroad = handling.abroad.last().map(served);
    }
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
    timed_out || heaviest.all(|finding| finding.is_within(trial.handling.noise_ms))
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

    /// What the server's side of the last attempt amounts to, wherever it led.
    fn last(&self) -> Option<&Served> {
        self.abroad.as_ref().or_else(|| self.served.last())
    }
}

impl Served {
    fn header(&self, name: &str) -> Option<&str> {
        self.reply.as_ref()?.headers.get(name)
    }

    fn status(&self) -> Option<u16> {
        self.reply.as_ref().map(|reply| reply.status)
    }

    fn demand(&self) -> Demand {
        self.reply.as_ref().map_or(Demand::None, |reply| demand(&reply.headers))
    }

    /// Whether it sends the client elsewhere.
    fn redirects(&self) -> bool {
        matches!(self.status(), Some(301 | 302 | 303 | 307 | 308))
            && self.header("location").is_some()
    }
}

#[cfg(test)]
mod tests;
