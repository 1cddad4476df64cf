//! The scenario's own demands.

use super::truth::{excerpt, shown, words};
use super::waits::early_by;
use super::{Call, Code, Finding, Trial};
use crate::handling::{Outcome, OutcomeClass};
use crate::scenario::Expect;

/// A wait may exceed its upper bound by a quarter and by this much, for scheduling.
const LATE_MS: u64 = 1_000;

/// Stands in a scenario for the host and port that were called.
const ADDRESS: &str = "{address}";

/// The attempts of all calls together. A client that was cut short in a wait might have come back.
pub(super) fn attempts_are_as_many(trial: &Trial<'_>) -> Vec<Finding> {
    let expected = trial.scenario.expect.attempts;
    let n_attempts = u32::try_from(trial.handling.attempts.len()).unwrap_or(u32::MAX);
    let few = n_attempts < expected.first;
    if expected.contains(n_attempts) || few && trial.handling.censored_ms.is_some() {
        return vec![];
    }
    let code = if few { Code::TooFewAttempts } else { Code::TooManyAttempts };
    vec![code.fail(format!("{n_attempts} attempts instead of {expected}"))]
}

/// What the scenario says of the last call; of those before it knows the outcomes alone.
pub(super) fn expectation_is_met(call: &Call<'_>) -> Vec<Finding> {
    let expect = &call.scenario.expect;
    let outcome = call.handling.outcome.as_ref();
    if !call.is_last {
        let permitted = if expect.earlier.is_empty() { &expect.outcome } else { &expect.earlier };
        return outcome
            .and_then(|outcome| class_is_right(permitted, outcome))
            .into_iter()
            .collect();
    }
    let mut findings = waits_are_kept(call);
    if let Some(outcome) = outcome {
        findings.extend(end_is_in_time(expect, call.elapsed_ms()));
        findings.extend(class_is_right(&expect.outcome, outcome));
        findings.extend(facts_are_right(expect, outcome));
    }
    findings
}

fn waits_are_kept(call: &Call<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    for wait in &call.scenario.expect.waits {
        let place = (wait.retry as usize).saturating_sub(1);
        let Some((_, gap_ms)) = call.gaps().find(|(idx, _)| *idx == place) else { continue };
        let detail = format!("retry {} after {gap_ms} ms", wait.retry);
        if let Some(by_ms) = early_by(gap_ms, wait.at_least_ms) {
            let detail = format!("{detail}, {} ms were due", wait.at_least_ms);
            findings.push(call.timed(Code::EarlyRetry.fail(detail), by_ms));
        }
        let bound_ms = wait.at_most_ms.map(|most_ms| most_ms.saturating_add(most_ms / 4 + LATE_MS));
        if let Some(bound_ms) = bound_ms.filter(|bound_ms| *bound_ms < gap_ms) {
            findings.push(call.timed(Code::LateRetry.fail(detail), gap_ms - bound_ms));
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

fn class_is_right(permitted: &[OutcomeClass], outcome: &Outcome) -> Option<Finding> {
    if permitted.contains(&outcome.class) {
        return None;
    }
    let permitted: Vec<_> = permitted.iter().map(|class| class.name()).collect();
    let (class, permitted) = (outcome.class, permitted.join(" or "));
    let detail = format!("{class} instead of {permitted}{}", words(outcome));
    Some(Code::UnexpectedOutcome.fail(detail))
}

/// What the caller must be told. A success has no error to tell of, and a black box no words for one.
fn facts_are_right(expect: &Expect, outcome: &Outcome) -> Vec<Finding> {
    let mut findings = vec![];
    let is_error = !matches!(outcome.class, OutcomeClass::Failed | OutcomeClass::Success);
    if is_error && expect.status.is_some() && outcome.status != expect.status {
        let detail =
            format!("status {} instead of {}", shown(&outcome.status), shown(&expect.status));
        findings.push(Code::UntypedError.fail(detail));
    }
    for (name, expected, found) in [
        ("type", &expect.error_type, &outcome.error_type),
        ("code", &expect.error_code, &outcome.error_code),
        ("request id", &expect.request_id, &outcome.request_id),
    ] {
        if is_error && expected.is_some() && found != expected {
            let detail = format!("{name} {} instead of {}", shown(found), shown(expected));
            findings.push(Code::UntypedError.fail(detail));
        }
    }
    let told = outcome.class == OutcomeClass::Success
        && (outcome.text.is_some() || outcome.stop_reason.is_some());
    if told && expect.stop_reason.is_some() && outcome.stop_reason != expect.stop_reason {
        let detail = format!(
            "stop reason {} instead of {}",
            shown(&outcome.stop_reason),
            shown(&expect.stop_reason)
        );
        findings.push(Code::LostStopReason.fail(detail));
    }
    findings
}

/// Words as a scenario wants them; the address is another one each time.
fn quoted(words: &str) -> String {
    if words == ADDRESS { "the address".to_owned() } else { format!("{words:?}") }
}

/// A longer error fills a screen, and nobody finds its beginning.
const MESSAGE_BYTES_MAX: usize = 4096;

/// The words of an error are for a person: they name what the scenario says they should, and are no page.
pub(super) fn error_helps(call: &Call<'_>) -> Vec<Finding> {
    let Some(outcome) = &call.handling.outcome else { return vec![] };
    // Of a black box nobody knows whether what it prints is its error.
    let satisfied = matches!(
        outcome.class,
        OutcomeClass::Aborted | OutcomeClass::Failed | OutcomeClass::Success
    );
    let mut findings = vec![];
    let message = outcome.message.to_lowercase();
    let says = |words: &String| {
        message.contains(&words.replace(ADDRESS, &call.handling.address).to_lowercase())
    };
    let wanted = &call.scenario.expect.says;
    if call.is_last && !satisfied && !wanted.is_empty() && !wanted.iter().any(says) {
        let words: Vec<_> = wanted.iter().map(|words| quoted(words)).collect();
        let detail = format!("none of {} in {:?}", words.join(", "), excerpt(&outcome.message));
        findings.push(Code::UnhelpfulError.warn(detail));
    }
    let is_page = || message.contains("<html") || message.contains("<!doctype");
    if MESSAGE_BYTES_MAX < message.len() && is_page() {
        let detail = format!("{} bytes of error with a page in it", outcome.message.len());
        findings.push(Code::BloatedError.warn(detail));
    }
    findings
}
