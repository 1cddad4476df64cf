//! The scenario's own demands.

use super::retries::is_early;
use super::{Code, Finding, Trial};

/// A wait may exceed its upper bound by a quarter and by this much, for scheduling.
const LATE_MS: u64 = 1_000;

pub(super) fn expectation_is_met(trial: &Trial<'_>) -> Vec<Finding> {
    let expect = &trial.scenario.expect;
    let mut findings = vec![];
    let n_attempts = trial.n_attempts();
    if !expect.attempts.contains(n_attempts) {
        let few = n_attempts < expect.attempts.first;
        let code = if few { Code::TooFewAttempts } else { Code::TooManyAttempts };
        findings.push(code.fail(format!("{n_attempts} attempts instead of {}", expect.attempts)));
    }
    for wait in &expect.waits {
        let Some(&gap_ms) = trial.gaps_ms.get((wait.retry as usize).saturating_sub(1)) else {
            continue;
        };
        let detail = format!("retry {} after {gap_ms} ms", wait.retry);
        if is_early(gap_ms, wait.at_least_ms) {
            findings
                .push(Code::EarlyRetry.fail(format!("{detail}, {} ms were due", wait.at_least_ms)));
        }
        if wait.at_most_ms.is_some_and(|most_ms| most_ms + most_ms / 4 + LATE_MS < gap_ms) {
            findings.push(Code::LateRetry.fail(detail));
        }
    }
    let Some(outcome) = &trial.handling.outcome else { return findings };
    if !expect.outcome.contains(&outcome.class) {
        let permitted: Vec<_> = expect.outcome.iter().map(|class| class.name()).collect();
        let detail =
            format!("{} instead of {}: {}", outcome.class, permitted.join(" or "), outcome.message);
        findings.push(Code::UnexpectedOutcome.fail(detail));
    }
    if expect.status.is_some() && outcome.status != expect.status {
        let detail = format!("status {:?} instead of {:?}", outcome.status, expect.status);
        findings.push(Code::UntypedError.fail(detail));
    }
    for (name, expected, found) in [
        ("type", &expect.error_type, &outcome.error_type),
        ("request id", &expect.request_id, &outcome.request_id),
    ] {
        if expected.is_some() && found != expected {
            findings
                .push(Code::UntypedError.fail(format!("{name} {found:?} instead of {expected:?}")));
        }
    }
    findings
}
