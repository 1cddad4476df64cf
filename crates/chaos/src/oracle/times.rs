//! Rules about how long an attempt and the whole call may take.

use super::demand::Demand;
use super::{Code, Finding, Trial};
use crate::handling::{Attempt, End};
use crate::served::Truth;

/// Attempts may overrun their limit by a fifth and by this much, for scheduling.
const TIMEOUT_SLACK_MS: u64 = 1_000;

/// So much a call may take besides its attempts and waits.
const CALL_SLACK_MS: u64 = 2_000;

/// The proxy may write down the end of an attempt this much before or after the client was told to stop.
const KILL_MS: u64 = 250;

/// The call ends by the deadline, one way or the other. A sleep that the server asked for is named as one.
pub(super) fn call_ends(trial: &Trial<'_>) -> Vec<Finding> {
    let elapsed_ms = trial.handling.elapsed_ms;
    if trial.handling.outcome.is_some() {
        return returned_late(trial).into_iter().collect();
    }
    let place = place(trial);
    if let (Place::Backoff, Some(Demand::Wait { most_ms, .. })) =
        (place, trial.last().map(|last| last.demand()))
    {
        let detail = format!(
            "no outcome after {elapsed_ms} ms: the client sleeps for {most_ms} ms, and its caller waits {} ms",
            trial.scenario.deadline_ms
        );
        return vec![Code::Oversleep.fail(detail)];
    }
    vec![Code::Hang.fail(format!("no outcome after {elapsed_ms} ms, {}", place.name()))]
}

/// Where a client stands that has not returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    AfterAnswer,
    Backoff,
    BeforeRequest,
    Read,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::AfterAnswer => "after the answer",
            Self::Backoff => "in-backoff",
            Self::BeforeRequest => "before-request",
            Self::Read => "in-read",
        }
    }
}

fn place(trial: &Trial<'_>) -> Place {
    let Some((last, served)) = trial.handling.attempts.last().zip(trial.last()) else {
        return Place::BeforeRequest;
    };
    let until_the_end = trial.handling.elapsed_ms <= last.end_ms.saturating_add(KILL_MS);
    if last.end == End::Unended || last.end == End::Left && until_the_end {
        return Place::Read;
    }
    if served.truth == Truth::Complete { Place::AfterAnswer } else { Place::Backoff }
}

/// The parts of a call that are neither an attempt nor a wait between two. After a demanded wait the error may
/// be surfaced at once, and must not be slept on.
fn returned_late(trial: &Trial<'_>) -> Option<Finding> {
    let (first, last) = (trial.handling.attempts.first()?, trial.handling.attempts.last()?);
    let after_ms = trial.handling.elapsed_ms.saturating_sub(last.end_ms);
    if let (Some(by_ms), Some(Demand::Wait { .. })) =
        (after_ms.checked_sub(CALL_SLACK_MS + 1), trial.last().map(|last| last.demand()))
    {
        let detail = format!("surfaced {after_ms} ms after a demand that it did not wait for");
        return Some(Code::Oversleep.warn(detail).by(by_ms));
    }
    if trial.surface.streams() {
        return None;
    }
    let attempts_ms = u64::from(trial.n_attempts().max(trial.scenario.retries.saturating_add(1)))
        .saturating_mul(trial.scenario.timeout_ms);
    let waited_ms = trial.gaps().fold(0, |sum: u64, (_, gap_ms)| sum.saturating_add(gap_ms));
    let busy_ms = trial.handling.elapsed_ms.saturating_sub(waited_ms);
    let by_ms = busy_ms.checked_sub(attempts_ms.saturating_add(CALL_SLACK_MS + 1))?;
    let detail = format!(
        "{busy_ms} ms besides its waits, {} ms of them before the first request, {after_ms} ms after the last",
        first.head_ms
    );
    Some(Code::LateOutcome.fail(detail).by(by_ms))
}

/// An attempt that is given nothing to wait for ends at the limit that the client was told. In a stream the
/// limit is one on silence, which this rule cannot see.
pub(super) fn attempt_ends_in_time(trial: &Trial<'_>) -> Vec<Finding> {
    let limit_ms = trial.scenario.timeout_ms;
    let bound_ms = limit_ms.saturating_add(limit_ms / 5 + TIMEOUT_SLACK_MS);
    if trial.surface.streams() {
        return vec![];
    }
    let attempts = &trial.handling.attempts;
    let judge = |(idx, attempt): (usize, &Attempt)| {
        // Whoever has gone on to the next attempt has given this one up, connection or not.
        let gone_on_ms = attempts.get(idx + 1).map_or(u64::MAX, |next| next.head_ms);
        let took_ms = attempt.end_ms.min(gone_on_ms).saturating_sub(attempt.head_ms);
        let by_ms = took_ms.checked_sub(bound_ms).filter(|by_ms| 0 < *by_ms)?;
        let detail = format!("attempt {} took {took_ms} ms of {limit_ms} ms", attempt.number);
        Some(Code::LateTimeout.fail(detail).by(by_ms))
    };
    attempts.iter().enumerate().filter_map(judge).collect()
}
