//! Rules about which attempts are repeated, and how many there are.

use classify::Class;
use memchr::memmem;

use super::demand::Demand;
use super::sameness::credential;
use super::{Call, Code, Finding};
use crate::handling::{Attempt, End, OutcomeClass};
use crate::scenario::{Credential, Surface};
use crate::served::{Served, Truth};

/// Past this many attempts no declared budget is an excuse.
pub(super) const STORM: u32 = 10;

/// Browsers give up after as many.
const HOPS_MAX: u32 = 20;

/// Statuses that the same request will get again.
const NON_RETRYABLE: [u16; 8] = [400, 401, 402, 403, 404, 413, 422, 431];

/// A retry needs a reason that the last reply gives. A credential that was refused may be replaced once, by a
/// client that has another.
pub(super) fn only_the_retryable_is_retried(call: &Call<'_>) -> Vec<Finding> {
    let mut refreshed = false;
    let mut findings = vec![];
    for (pair, served) in call.handling.attempts.windows(2).zip(&call.served) {
        let rotated = served.status() == Some(401) && credential(&pair[0]) != credential(&pair[1]);
        if rotated && refreshed {
            let detail = format!("attempt {} is the second with a new credential", pair[1].number);
            findings.push(Code::RetriedNonRetryable.fail(detail));
        } else {
            findings.extend(needless_retry(call.surface, &pair[0], served, rotated));
        }
        refreshed |= rotated;
    }
    findings
}

/// The limits of common readers lie between this and 80 KiB: who refuses a longer head could not see the answer, and
/// only should know that it will be the same again.
const HEAD_BYTES_MAX: usize = 16 << 10;

fn head_bytes(attempt: &Attempt) -> usize {
    memmem::find(&attempt.served, b"\r\n\r\n").unwrap_or(attempt.served.len())
}

fn needless_retry(
    surface: Surface,
    before: &Attempt,
    served: &Served,
    rotated: bool,
) -> Option<Finding> {
    let number = before.number;
    if served.truth == Truth::Complete && before.end != End::Left {
        let detail = format!("attempt {number} was given a complete answer");
        return Some(if HEAD_BYTES_MAX < head_bytes(before) {
            Code::RepeatedAfterSuccess.warn(format!("{detail} under a head of many bytes"))
        } else {
            Code::RepeatedAfterSuccess.fail(detail)
        });
    }
    if surface.streams() && served.delta_delivered && served.truth != Truth::Complete {
        let detail =
            format!("attempt {number} broke off after a piece of the answer, and another followed");
        return Some(Code::ReplayAfterDelta.fail(detail));
    }
    let status = served.status()?;
    let told = served.header("x-should-retry");
    if told == Some("false") {
        let detail = format!("attempt {number} was given {status} with x-should-retry: false");
        return Some(Code::RetriedAgainstHeader.fail(detail));
    }
    if told == Some("true") || rotated {
        return None;
    }
    let detail = format!("attempt {number} was given {status} ({}) and was repeated", served.class);
    match status {
        _ if NON_RETRYABLE.contains(&status) => Some(Code::RetriedNonRetryable.fail(detail)),
        _ if served.class == Class::SpendLimited => Some(Code::RetriedNonRetryable.warn(detail)),
        // What the server does not implement it will not learn meanwhile.
        501 | 505 => Some(Code::RetriedNonRetryable.info(detail)),
        _ => None,
    }
}

/// A redirect that is followed is no retry, but it has a bound of its own. A request that found its kept
/// connection dead was never made, and to make it takes no budget.
pub(super) fn budget_is_kept(call: &Call<'_>) -> Vec<Finding> {
    let n_hops = call.served.iter().filter(|served| served.redirects()).count();
    let n_hops = u32::try_from(n_hops).unwrap_or(u32::MAX);
    // The last redirect was shown, and followed only if another request came of it, here or abroad.
    let ends_in_one = call.served.last().is_some_and(Served::redirects) && call.abroad.is_none();
    let n_followed = n_hops.saturating_sub(u32::from(ends_in_one));
    if HOPS_MAX < n_followed {
        return vec![Code::RedirectLoop.fail(format!("{n_followed} redirects were followed"))];
    }
    // The last redirect may have been obeyed or not.
    let n_attempts = call.n_attempts().saturating_sub(n_hops).max(1);
    let n_stale = call.stale.iter().rev().skip(1).filter(|stale| **stale).count();
    let n_made = n_attempts.saturating_sub(u32::try_from(n_stale).unwrap_or(u32::MAX));
    let budget = call.scenario.retries.saturating_add(1);
    let detail = || {
        let times = f64::from(n_attempts) / f64::from(budget);
        format!("{n_attempts} attempts, {budget} were allowed: {times:.1} times as many")
    };
    if STORM < n_attempts {
        return vec![Code::RetryStorm.fail(detail())];
    }
    if budget < n_made { vec![Code::BudgetExceeded.fail(detail())] } else { vec![] }
}

/// What another attempt may cure deserves one, unless the server named a wait: then surfacing it is as good.
pub(super) fn retryable_is_retried(call: &Call<'_>) -> Vec<Finding> {
    let Some((last, outcome)) = call.last().zip(call.handling.outcome.as_ref()) else {
        return vec![];
    };
    let satisfied = matches!(
        outcome.class,
        OutcomeClass::Aborted | OutcomeClass::LocalError | OutcomeClass::Success
    );
    if satisfied || call.scenario.retries < call.n_attempts() || last.demand() != Demand::None {
        return vec![];
    }
    let (n_attempts, budget) = (call.n_attempts(), call.scenario.retries.saturating_add(1));
    let gave_up = |on: &str| format!("gave up on {on} after {n_attempts} of {budget} attempts");
    let Some(status) = last.status() else { return lost_is_retried(call, &gave_up) };
    let rotates = call.scenario.ask.credential == Some(Credential::Rotating);
    match (last.header("x-should-retry"), status) {
        (Some("false"), _) | (_, 501 | 505) => vec![],
        (_, 401) if rotates && n_attempts == 1 => {
            vec![Code::GaveUpEarly.warn(gave_up("401 with another credential at hand"))]
        }
        (Some("true"), 400..=407 | 410..=428 | 430..=499) => {
            let on = format!("{status} with x-should-retry: true");
            vec![Code::GaveUpEarly.info(gave_up(&on))]
        }
        (_, 408 | 409 | 429 | 500..) if last.class != Class::SpendLimited => {
            vec![Code::GaveUpEarly.warn(gave_up(&status.to_string()))]
        }
        _ => vec![],
    }
}

/// A connection that is lost before the first byte has delivered nothing: trying again is safe, if there is time.
fn lost_is_retried(call: &Call<'_>, gave_up: &dyn Fn(&str) -> String) -> Vec<Finding> {
    let untouched = call.handling.attempts.last().is_some_and(|last| last.served.is_empty());
    let limit_ms = call.scenario.timeout_ms;
    let in_time = call.elapsed_ms().saturating_add(limit_ms) <= call.scenario.deadline_ms;
    if !untouched || !in_time {
        return vec![];
    }
    vec![Code::GaveUpEarly.warn(gave_up("a connection without an answer"))]
}
