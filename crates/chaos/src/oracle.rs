//! The judgement of a client: what it did, held against what it was given and what the scenario demands.
//!
//! General rules hold in every scenario and look at the wire first; the scenario's own expectation comes
//! last, so that a finding names the rule that was broken before it names the file that noticed. Of several
//! calls each is judged by itself, and what concerns them all only once. The price of rules that need no
//! scenario is that each must be right in all of them: what is only advisable warns.

mod calls;
mod connections;
mod demand;
mod expectation;
mod finding;
pub mod herd;
mod request;
mod retries;
mod sameness;
mod times;
mod tools;
mod truth;
mod turn;
mod waits;

use crate::handling::{Attempt, End, Handling, OutcomeClass};
use crate::scenario::{Scenario, Severity, Surface};
use crate::served::{Served, head};

pub(crate) use calls::{Call, calls};
pub(crate) use connections::secrets;
use demand::{DEMAND_MS_MAX, Demand, demand};
pub use finding::{Code, Finding, Level, Verdict};

/// The judgement of one trial.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// Everything that was found, the most telling first.
    pub findings: Vec<Finding>,
    /// Why the trial says nothing about the client, or less than it might.
    pub reason: Option<String>,
}

/// Times are believed this far: half of the tolerance that a client is given for being early.
const NOISE_MS_MAX: u64 = waits::EARLY_MS_MIN / 2;

/// Stands in the reason of a judgement that a busy machine may have had a part in, whether it is one or not.
pub const LATE_TIMERS: &str = "with timers of our own that were late";

/// What many calls do alike is told of so many of them.
const ALIKE_MAX: usize = 3;

/// So many attempts of one client would be a storm in any scenario, and may be more than the harness serves.
const OVERRUN: usize = 400;

/// One trial, with what each attempt was given read once.
struct Trial<'a> {
    scenario: &'a Scenario,
    handling: &'a Handling,
    calls: &'a [Call<'a>],
    /// The nonces of clients that this one knows nothing of.
    strangers: &'a [&'a str],
}

/// A rule, and what it looks at.
enum Rule {
    /// Each call by itself.
    Call(fn(&Call<'_>) -> Vec<Finding>),
    /// Everything that the client did.
    Trial(fn(&Trial<'_>) -> Vec<Finding>),
}

/// Every rule, in the order of its findings.
const RULES: [Rule; 28] = [
    Rule::Trial(truth::key_stays_hidden),
    Rule::Trial(connections::credentials_stay_at_home),
    Rule::Trial(truth::answer_is_its_own),
    Rule::Call(tools::tool_calls_are_those_that_were_made),
    Rule::Call(truth::answer_is_reported_as_it_was),
    Rule::Call(truth::error_keeps_what_the_api_said),
    Rule::Call(truth::error_is_the_clients_own),
    Rule::Trial(times::calls_end),
    Rule::Call(times::call_returns_in_time),
    Rule::Call(retries::only_the_retryable_is_retried),
    Rule::Call(retries::budget_is_kept),
    Rule::Call(waits::demanded_wait_is_kept),
    Rule::Call(waits::backoff_is_kept),
    Rule::Call(waits::backoff_grows),
    Rule::Call(sameness::attempts_are_equal),
    Rule::Trial(sameness::idempotency_keys_differ),
    Rule::Trial(request::request_is_well_formed),
    Rule::Trial(turn::blocks_come_back_as_they_came),
    Rule::Call(truth::partial_text_was_sent),
    Rule::Trial(connections::replies_are_awaited),
    Rule::Call(connections::given_up_is_let_go),
    Rule::Call(times::attempt_ends_in_time),
    Rule::Call(retries::retryable_is_retried),
    Rule::Trial(expectation::attempts_are_as_many),
    Rule::Call(expectation::expectation_is_met),
    Rule::Trial(connections::connections_are_few),
    Rule::Call(expectation::error_helps),
    Rule::Call(truth::demand_is_passed_on),
];

/// Judges one trial.
pub fn judge(scenario: &Scenario, surface: Surface, handling: &Handling) -> Judgement {
    judge_calls(&[], scenario, handling, &calls(scenario, surface, handling))
}

/// Judges a client among others, whose nonces these are, with its trial taken apart.
pub(crate) fn judge_calls(
    strangers: &[&str],
    scenario: &Scenario,
    handling: &Handling,
    calls: &[Call<'_>],
) -> Judgement {
    let trial = Trial { scenario, handling, calls, strangers };
    if let Some(reason) = harness_error(&trial) {
        let (verdict, findings) = (Verdict::HarnessError, vec![]);
        return Judgement { verdict, findings, reason: Some(reason) };
    }
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule.findings(&trial)).collect();
    let level = findings.iter().map(|finding| finding.level).max();
    let verdict = level.map_or(Verdict::Pass, Level::verdict);
    if let Some(reason) = took_another_turn(&trial).filter(|_| !findings.iter().any(is_grave)) {
        return Judgement { verdict: Verdict::Inconclusive, findings, reason: Some(reason) };
    }
    let is_noisy = Some(Level::Warn) <= level && NOISE_MS_MAX < handling.noise_ms;
    let doubted = findings.iter().filter(|found| is_noisy && Some(found.level) == level);
    if doubted.filter(|found| may_be_noise(&trial, found)).count() > 0 {
        let noise_ms = handling.noise_ms;
        let reason = format!("{verdict} {LATE_TIMERS} by up to {noise_ms} ms");
        let rests = rests_on_time(&trial, &findings);
        let verdict = if rests { Verdict::Inconclusive } else { verdict };
        return Judgement { verdict, findings, reason: Some(reason) };
    }
    Judgement { verdict, findings, reason: truth::unjudged(&trial) }
}

impl Rule {
    fn findings(&self, trial: &Trial<'_>) -> Vec<Finding> {
        match self {
            Self::Call(rule) if trial.calls.len() == 1 => rule(&trial.calls[0]),
            Self::Call(rule) => {
                let of_call = |(idx, call)| named(&format!("call {}", idx + 1), rule(call));
                few(trial.calls.iter().enumerate().flat_map(of_call).collect())
            }
            Self::Trial(rule) => few(rule(trial)),
        }
    }
}

/// The findings with whose they are.
pub(crate) fn named(whose: &str, mut findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut findings {
        finding.detail = format!("{whose}: {}", finding.detail);
    }
    findings
}

/// The first few of each code and level, the last of which counts the rest and takes the widest margin.
pub(crate) fn few(findings: Vec<Finding>) -> Vec<Finding> {
    let mut few: Vec<(Finding, usize)> = vec![];
    for finding in findings {
        let alike = |(one, _): &&mut (Finding, usize)| {
            (one.code, one.level) == (finding.code, finding.level)
        };
        let (n_alike, last) = (few.iter_mut().filter(alike).count(), few.iter_mut().rfind(alike));
        match last {
            Some((last, more)) if ALIKE_MAX <= n_alike => {
                last.margin_ms =
                    last.margin_ms.zip(finding.margin_ms).map(|(one, other)| one.max(other));
                *more += 1;
            }
            _ => few.push((finding, 0)),
        }
    }
    let told = few.into_iter().map(|(mut finding, more)| {
        if 0 < more {
            finding.detail += &format!(" (and {more} more like it)");
        }
        finding
    });
    told.collect()
}

/// The wait that the reply to this attempt demands at least, if it demands one: what it takes to know that a
/// client which says nothing keeps a wait.
pub fn demanded_ms(attempt: &Attempt) -> Option<u64> {
    let (status, headers) = head(&attempt.served)?;
    match demand(&headers) {
        Demand::Wait { least_ms, .. } if 400 <= status => Some(least_ms),
        Demand::TooLong if 400 <= status => Some(DEMAND_MS_MAX as u64),
        Demand::None | Demand::TooLong | Demand::Wait { .. } => None,
    }
}

/// What does so much harm that it counts in whatever trial it is found.
fn is_grave(finding: &Finding) -> bool {
    finding.level == Level::Fail && finding.code.severity() <= Severity::S1
}

/// Whether everything that decided may be a busy machine's doing.
fn rests_on_time(trial: &Trial<'_>, findings: &[Finding]) -> bool {
    let level = findings.iter().map(|finding| finding.level).max();
    let mut heaviest = findings.iter().filter(|finding| Some(finding.level) == level);
    heaviest.all(|finding| may_be_noise(trial, finding))
}

/// Whether a machine that kept the harness waiting may have brought it about: a measured time, or whatever a client
/// does that ran out of patience with an attempt or with the whole call.
fn may_be_noise(trial: &Trial<'_>, finding: &Finding) -> bool {
    let Handling { attempts, outcome, earlier, noise_ms, .. } = trial.handling;
    let timed_out =
        outcome.iter().chain(earlier).any(|outcome| outcome.class == OutcomeClass::Timeout)
            || attempts.iter().any(|attempt| attempt.end == End::Left);
    if timed_out { !finding.is_certain(*noise_ms) } else { finding.is_within(*noise_ms) }
}

/// Why nothing can be said about the client, if that is so. A fault that could not strike because the client
/// stopped before its attempt is the expectation's business; one whose attempt came and went is ours, unless
/// the client left first, or never came to an end.
fn harness_error(trial: &Trial<'_>) -> Option<String> {
    let Handling { attempts, outcome, connections, trouble, .. } = trial.handling;
    // A storm that overruns the harness is the client's, and found all the same.
    if let Some(trouble) = trouble.as_ref().filter(|_| attempts.len() <= OVERRUN) {
        return Some(trouble.clone());
    }
    // A client that refuses to send, or to speak to whom it met, has reached us all the same.
    let refused = outcome.iter().any(|outcome| outcome.class == OutcomeClass::LocalError);
    let seen = refused || 0 < *connections;
    if attempts.is_empty() && !seen && !trial.scenario.expect.attempts.contains(0) {
        return Some("no request of the client reached the proxy".to_owned());
    }
    let passed = |attempt: &Attempt| !matches!(attempt.end, End::Left | End::Unended);
    let missed = |idx: &&usize| attempts_of(trial, **idx).any(passed);
    let idx = trial.handling.unfired.iter().find(missed)?;
    Some(format!("fault {} of the scenario never struck", idx + 1))
}

/// The attempts that this fault of the scenario is about.
fn attempts_of<'a>(trial: &Trial<'a>, fault: usize) -> impl Iterator<Item = &'a Attempt> {
    let strike = trial.scenario.faults.get(fault);
    let attempts = trial.handling.attempts.iter();
    attempts.filter(move |attempt| {
        strike.is_some_and(|strike| strike.attempts.contains(attempt.number))
    })
}

/// Why the trial is not the one that the scenario is about, if the client saw to that.
fn took_another_turn(trial: &Trial<'_>) -> Option<String> {
    for &idx in &trial.handling.unfired {
        if let Some(attempt) = attempts_of(trial, idx).next() {
            let number = attempt.number;
            return Some(format!(
                "attempt {number} was over before fault {} of the scenario could strike",
                idx + 1
            ));
        }
    }
    let reused = || {
        let mut attempts = trial.handling.attempts.iter().enumerate();
        attempts.any(|(idx, attempt)| {
            let earlier = &trial.handling.attempts[..idx];
            earlier.iter().any(|one| one.connection == attempt.connection)
        })
    };
    let unseen = trial.scenario.expect.reuse && !reused();
    unseen.then(|| "no connection was seen to carry a second request".to_owned())
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
        matches!(self.status(), Some(300..=399)) && self.header("location").is_some()
    }
}

#[cfg(test)]
mod tests;
