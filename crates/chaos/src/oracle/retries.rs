//! Rules about the attempts as the proxy saw them: which, how many, when, and how alike.

use classify::Class;

use super::{Code, Finding, Trial};
use crate::handling::{Attempt, End};
use crate::scenario::Surface;
use crate::served::{Served, Truth};

/// A wait may be this much shorter than demanded, or by [`EARLY_PERCENT`] if that is more: clocks differ.
pub(super) const EARLY_MS_MIN: u64 = 50;
const EARLY_PERCENT: u64 = 5;

/// A wait may be a quarter longer than demanded, and by this much besides, before it is called late.
const LATE_MS: u64 = 10_000;

/// The least first wait that counts as one, and the least of any later one.
const FIRST_GAP_MS_MIN: u64 = 100;
const GAP_MS_MIN: u64 = 50;

/// Past this many attempts no declared budget is an excuse.
const STORM: u32 = 10;

/// Attempts may overrun their limit by a fifth and by this much, for scheduling.
const TIMEOUT_SLACK_MS: u64 = 1_000;

/// A longer demand than a 32-bit timer can hold is no demand.
const DEMAND_MS_MAX: f64 = 2_147_483_648.0;

/// Statuses that the same request will get again.
const NON_RETRYABLE: [u16; 8] = [400, 401, 402, 403, 404, 413, 422, 431];

pub(super) fn only_the_retryable_is_retried(trial: &Trial<'_>) -> Vec<Finding> {
    let pairs = trial.handling.attempts.windows(2).zip(&trial.served);
    pairs
        .filter_map(|(pair, served)| needless_retry(trial.surface, &pair[0], &pair[1], served))
        .collect()
}

fn needless_retry(
    surface: Surface,
    before: &Attempt,
    after: &Attempt,
    served: &Served,
) -> Option<Finding> {
    let number = before.number;
    if served.truth == Truth::Complete && before.end != End::Left {
        return Some(
            Code::RepeatedAfterSuccess
                .fail(format!("attempt {number} was given a complete answer")),
        );
    }
    if surface.streams() && served.delta_delivered && served.truth != Truth::Complete {
        let detail =
            format!("attempt {number} broke off after a piece of the answer, and another followed");
        return Some(Code::ReplayAfterDelta.fail(detail));
    }
    let status = served.status()?;
    let told = served.header("x-should-retry");
    let rotated = status == 401 && credential(before) != credential(after);
    if told == Some("false") {
        let detail = format!("attempt {number} was given {status} with x-should-retry: false");
        return Some(Code::RetriedAgainstHeader.fail(detail));
    }
    if told == Some("true") || rotated {
        return None;
    }
    let detail = format!("attempt {number} was given {status} ({}) and was repeated", served.class);
    if NON_RETRYABLE.contains(&status) {
        return Some(Code::RetriedNonRetryable.fail(detail));
    }
    (served.class == Class::SpendLimited).then(|| Code::RetriedNonRetryable.warn(detail))
}

pub(super) fn budget_is_kept(trial: &Trial<'_>) -> Vec<Finding> {
    let (n_attempts, budget) = (trial.n_attempts(), trial.scenario.retries.saturating_add(1));
    let detail = || format!("{n_attempts} attempts, {budget} were allowed");
    if STORM < n_attempts {
        return vec![Code::RetryStorm.fail(detail())];
    }
    if budget < n_attempts { vec![Code::BudgetExceeded.fail(detail())] } else { vec![] }
}

/// A demanded wait is kept, or the error is surfaced at once; a retry in between is early.
pub(super) fn demanded_wait_is_kept(trial: &Trial<'_>) -> Vec<Finding> {
    let gaps = trial.gaps_ms.iter().zip(&trial.served).enumerate();
    gaps.filter_map(|(idx, (&gap_ms, served))| {
        let demand_ms = demanded_ms(served)?;
        let detail =
            format!("retry {} after {gap_ms} ms, the server demanded {demand_ms} ms", idx + 1);
        if is_early(gap_ms, demand_ms) {
            return Some(Code::EarlyRetry.fail(detail));
        }
        (demand_ms.saturating_add(demand_ms / 4 + LATE_MS) < gap_ms)
            .then(|| Code::LateRetry.warn(detail))
    })
    .collect()
}

/// Whether a wait is shorter than demanded, beyond what clocks may differ.
pub(super) fn is_early(gap_ms: u64, demand_ms: u64) -> bool {
    gap_ms + EARLY_MS_MIN.max(demand_ms * EARLY_PERCENT / 100) < demand_ms
}

/// Without a demand the client waits of its own accord. A reused connection that dies without a byte may be
/// replaced at once: the request most likely never arrived.
pub(super) fn backoff_is_kept(trial: &Trial<'_>) -> Vec<Finding> {
    let least = |idx: usize| if idx == 0 { FIRST_GAP_MS_MIN } else { GAP_MS_MIN };
    let gaps = trial.gaps_ms.iter().zip(&trial.served).enumerate();
    gaps.filter(|(idx, (_, served))| demanded_ms(served).is_none() && !is_stale(trial, *idx))
        .filter(|(idx, (gap_ms, _))| **gap_ms < least(*idx))
        .map(|(idx, (gap_ms, _))| {
            Code::NoBackoff.fail(format!(
                "retry {} after {gap_ms} ms, at least {} ms were due",
                idx + 1,
                least(idx)
            ))
        })
        .collect()
}

fn is_stale(trial: &Trial<'_>, idx: usize) -> bool {
    let attempt = &trial.handling.attempts[idx];
    let reused = trial.handling.attempts[..idx]
        .iter()
        .any(|earlier| earlier.connection == attempt.connection);
    reused && attempt.served.is_empty()
}

/// Every attempt asks for the same thing in the same words.
pub(super) fn attempts_are_equal(trial: &Trial<'_>) -> Vec<Finding> {
    let Some((first, retries)) = trial.handling.attempts.split_first() else { return vec![] };
    let mut findings = vec![];
    for (retry, before) in retries.iter().zip(&trial.served) {
        let number = retry.number;
        let (one, other) = (&first.request, &retry.request);
        if (&one.method, &one.target) != (&other.method, &other.target) {
            findings.push(
                Code::RequestChanged
                    .fail(format!("attempt {number}: {} {}", other.method, other.target)),
            );
        }
        if one.body != other.body {
            let detail = format!(
                "attempt {number} sent {} bytes, the first {}",
                other.body.len(),
                one.body.len()
            );
            findings.push(Code::BodyChanged.fail(detail));
        }
        if credential(first) != credential(retry) && before.status() != Some(401) {
            findings.push(
                Code::CredentialChanged
                    .fail(format!("attempt {number} carries another credential")),
            );
        }
    }
    findings
}

/// An attempt that is given nothing to wait for ends at the limit that the client was told. In a stream the
/// limit is one on silence, which this rule cannot see.
pub(super) fn attempt_ends_in_time(trial: &Trial<'_>) -> Vec<Finding> {
    let limit_ms = trial.scenario.timeout_ms;
    let attempts = trial.handling.attempts.iter().filter(|_| !trial.surface.streams());
    attempts
        .filter(|attempt| {
            limit_ms + limit_ms / 5 + TIMEOUT_SLACK_MS < attempt.end_ms - attempt.head_ms
        })
        .map(|attempt| {
            let took_ms = attempt.end_ms - attempt.head_ms;
            Code::LateTimeout
                .fail(format!("attempt {} took {took_ms} ms of {limit_ms} ms", attempt.number))
        })
        .collect()
}

/// What another attempt may cure deserves one, unless the server named a wait: then surfacing it is as good.
pub(super) fn retryable_is_retried(trial: &Trial<'_>) -> Vec<Finding> {
    let Some(last) = trial.last() else { return vec![] };
    let Some(status) = last.status() else { return vec![] };
    let cures = matches!(status, 408 | 409 | 429 | 500..) && last.class != Class::SpendLimited;
    let told_off = last.header("x-should-retry") == Some("false") || demanded_ms(last).is_some();
    if !cures
        || told_off
        || trial.scenario.retries < trial.n_attempts()
        || trial.handling.outcome.is_none()
    {
        return vec![];
    }
    let (n_attempts, budget) = (trial.n_attempts(), trial.scenario.retries + 1);
    vec![
        Code::GaveUpEarly
            .warn(format!("gave up on {status} after {n_attempts} of {budget} attempts")),
    ]
}

/// The wait that a reply demands. Dates are not read yet, and what is not a positive, finite time demands
/// nothing.
fn demanded_ms(served: &Served) -> Option<u64> {
    let number = |name: &str, unit_ms: f64| {
        served.header(name)?.trim().parse::<f64>().ok().map(|value| value * unit_ms)
    };
    let ms = number("retry-after-ms", 1.0).or_else(|| number("retry-after", 1000.0))?;
    (0.0 < ms && ms < DEMAND_MS_MAX).then_some(ms as u64)
}

fn credential(attempt: &Attempt) -> [Option<&str>; 2] {
    ["authorization", "x-api-key"].map(|name| attempt.request.headers.get(name))
}
