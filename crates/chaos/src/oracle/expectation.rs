//! The scenario's own demands.

use super::waits::early_by;
use super::{Code, Finding, Trial};
use crate::handling::Outcome;
use crate::scenario::Expect;

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
    findings.extend(waits_are_kept(trial));
    if let Some(outcome) = &trial.handling.outcome {
        findings.extend(end_is_in_time(expect, trial.handling.elapsed_ms));
        findings.extend(outcome_is_right(expect, outcome));
    }
    findings
}

fn waits_are_kept(trial: &Trial<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    for wait in &trial.scenario.expect.waits {
        let place = (wait.retry as usize).saturating_sub(1);
        let Some((_, gap_ms)) = trial.gaps().find(|(idx, _)| *idx == place) else { continue };
        let detail = format!("retry {} after {gap_ms} ms", wait.retry);
        if let Some(by_ms) = early_by(gap_ms, wait.at_least_ms) {
            let detail = format!("{detail}, {} ms were due", wait.at_least_ms);
            findings.push(Code::EarlyRetry.fail(detail).by(by_ms));
        }
        let bound_ms = wait.at_most_ms.map(|most_ms| most_ms.saturating_add(most_ms / 4 + LATE_MS));
        if let Some(bound_ms) = bound_ms.filter(|bound_ms| *bound_ms < gap_ms) {
            findings.push(Code::LateRetry.fail(detail).by(gap_ms - bound_ms));
        }
    }
    findings
}

fn end_is_in_time(expect: &Expect, elapsed_ms: u64) -> Option<Finding> {
    let within_ms = expect.within_ms?;
    let by_ms = elapsed_ms.checked_sub(within_ms).filter(|by_ms| 0 < *by_ms)?;
    let detail = format!("an outcome after {elapsed_ms} ms, {within_ms} ms were allowed");
    Some(Code::LateOutcome.fail(detail).by(by_ms))
}

fn outcome_is_right(expect: &Expect, outcome: &Outcome) -> Vec<Finding> {
    let mut findings = vec![];
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
    for (code, name, expected, found) in [
        (Code::UntypedError, "type", &expect.error_type, &outcome.error_type),
        (Code::UntypedError, "code", &expect.error_code, &outcome.error_code),
        (Code::UntypedError, "request id", &expect.request_id, &outcome.request_id),
        (Code::LostStopReason, "stop reason", &expect.stop_reason, &outcome.stop_reason),
    ] {
        if expected.is_some() && found != expected {
            findings.push(code.fail(format!("{name} {found:?} instead of {expected:?}")));
        }
    }
    findings
}
