//! Rules about how long an attempt and the whole call may take.

use std::mem::replace;

use super::demand::{DEMAND_MS_MAX, Demand};
use super::{Call, Code, Finding, Trial};
use crate::handling::{Attempt, End};
use crate::served::{Served, Truth};

/// Attempts may overrun their limit by a fifth and by this much, for scheduling.
const TIMEOUT_SLACK_MS: u64 = 1_000;

/// So much a call may take besides its attempts and waits.
const CALL_SLACK_MS: u64 = 2_000;

/// The proxy may write down the end of an attempt this much before or after the client was told to stop.
const KILL_MS: u64 = 250;

/// A demanded wait may be a quarter longer than demanded, and by this much besides.
const SLEEP_SLACK_MS: u64 = 1_000;

/// A client that keeps the deadline by its own clock may return so much later.
const HANG_MS: u64 = 1_000;

/// The calls end by the deadline, one way or the other. A sleep that the server asked for is named as one, and
/// a trial that was cut short in the middle of it says that the client keeps it.
pub(super) fn calls_end(trial: &Trial<'_>) -> Vec<Finding> {
    if trial.handling.outcome.is_some() {
        return vec![];
    }
    let elapsed_ms = trial.handling.elapsed_ms;
    let deadline_ms = trial.scenario.deadline_ms;
    // Whoever has not come to an end is where the last request came from.
    let latest = |call: &&Call<'_>| call.handling.attempts.last().map(|last| last.head_ms);
    let Some(call) = trial.calls.iter().max_by_key(latest) else { return vec![] };
    let place = place(call, elapsed_ms);
    let demanded_ms = match call.last().map(Served::demand) {
        Some(Demand::Wait { least_ms, .. }) => Some(least_ms),
        Some(Demand::TooLong) => Some(DEMAND_MS_MAX as u64),
        Some(Demand::None) | None => None,
    };
    let began_ms = call.handling.attempts.last().map_or(0, |last| last.end_ms);
    // Whoever sleeps on long after the time that was demanded sleeps for a reason of his own.
    let is_asleep = |demanded_ms: u64| {
        place == Place::Backoff
            && elapsed_ms <= began_ms.saturating_add(demanded_ms + demanded_ms / 4 + SLEEP_SLACK_MS)
    };
    let Some(demanded_ms) = demanded_ms.filter(|&ms| is_asleep(ms)) else {
        let detail = format!("no outcome after {elapsed_ms} ms, {}", place.name());
        return vec![if place == Place::Read && is_pinged(call, elapsed_ms) {
            Code::Hang.warn(format!("{detail}, where pings kept coming"))
        } else {
            Code::Hang.fail(detail)
        }];
    };
    let until_ms = began_ms.saturating_sub(call.began_ms).saturating_add(demanded_ms);
    if trial.handling.censored_ms.is_some() && until_ms <= deadline_ms {
        return vec![];
    }
    let detail = format!(
        "no outcome after {elapsed_ms} ms: the client sleeps for {demanded_ms} ms, and its caller waits {deadline_ms} ms"
    );
    vec![Code::Oversleep.fail(detail).by(until_ms.saturating_sub(deadline_ms))]
}

/// Whether bytes came until then as often as a limit on silence asks for: only one on the whole attempt, which a client
/// should have and need not, would have run out.
fn kept_coming(attempt: &Attempt, until_ms: u64, limit_ms: u64) -> bool {
    let mut before_ms = attempt.head_ms;
    let moments = attempt.sent.iter().map(|sent| sent.at_ms).chain([until_ms]);
    let mut silences = moments.map(|at_ms| at_ms.saturating_sub(replace(&mut before_ms, at_ms)));
    !attempt.sent.is_empty() && silences.all(|silence_ms| silence_ms < limit_ms)
}

/// Whether pings arrive to this moment: they say that the server is alive, and who listens to it may wait.
fn is_pinged(call: &Call<'_>, now_ms: u64) -> bool {
    let last = call.handling.attempts.last().zip(call.last());
    last.is_some_and(|(last, served)| {
        served.ends_in_ping() && kept_coming(last, now_ms, call.scenario.timeout_ms)
    })
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

fn place(call: &Call<'_>, elapsed_ms: u64) -> Place {
    let Some((last, served)) = call.handling.attempts.last().zip(call.last()) else {
        return Place::BeforeRequest;
    };
    let until_the_end = elapsed_ms <= last.end_ms.saturating_add(KILL_MS);
    if last.end == End::Unended || last.end == End::Left && until_the_end {
        return Place::Read;
    }
    if served.truth == Truth::Complete { Place::AfterAnswer } else { Place::Backoff }
}

/// The parts of a call that are neither an attempt nor a wait between two are short. After a demanded wait the
/// error may be surfaced at once, and must not be slept on; what was spared counts as if it had been slept.
pub(super) fn call_returns_in_time(call: &Call<'_>) -> Vec<Finding> {
    let attempts = &call.handling.attempts;
    let (Some(first), Some(last)) = (attempts.first(), attempts.last()) else { return vec![] };
    if call.handling.outcome.is_none() || !call.is_timed {
        return vec![];
    }
    if let Some(found) = sleeps_past_the_deadline(call) {
        return vec![found];
    }
    let after_ms = call.handling.elapsed_ms.saturating_sub(last.end_ms);
    let after_ms = after_ms.saturating_add(call.trailing_ms);
    if let (Some(by_ms), Some(Demand::Wait { .. })) =
        (after_ms.checked_sub(CALL_SLACK_MS + 1), call.last().map(Served::demand))
    {
        let detail = format!("surfaced {after_ms} ms after a demand that it did not wait for");
        return vec![Code::Oversleep.warn(detail).by(by_ms)];
    }
    if call.surface.streams() {
        return vec![];
    }
    let attempts_ms = u64::from(call.n_attempts().max(call.scenario.retries.saturating_add(1)))
        .saturating_mul(call.scenario.timeout_ms);
    let waited_ms = call.gaps().fold(0, |sum: u64, (_, gap_ms)| sum.saturating_add(gap_ms));
    let busy_ms = call.elapsed_ms().saturating_sub(waited_ms);
    let bound_ms = attempts_ms.saturating_add(CALL_SLACK_MS + 1);
    let Some(by_ms) = busy_ms.checked_sub(bound_ms) else { return vec![] };
    // An attempt that may take so long is told of by itself.
    if attempts.iter().any(|one| outlasts_its_limit(one, call.scenario.timeout_ms)) {
        return vec![];
    }
    let detail = format!(
        "{busy_ms} ms besides its waits, {} ms of them before the first request, {after_ms} ms after the last",
        first.head_ms.saturating_sub(call.began_ms)
    );
    vec![Code::LateOutcome.fail(detail).by(by_ms)]
}

/// Where waits are spared, the deadline passes unseen: a client that really slept would have been cut off.
fn sleeps_past_the_deadline(call: &Call<'_>) -> Option<Finding> {
    let deadline_ms = call.scenario.deadline_ms;
    let elapsed_ms = call.elapsed_ms();
    if call.spared_ms == 0 || elapsed_ms <= deadline_ms.saturating_add(HANG_MS) {
        return None;
    }
    let spared_ms = call.spared_ms;
    let detail = format!(
        "{elapsed_ms} ms with {spared_ms} ms of waits that it was spared, and its caller waits {deadline_ms} ms"
    );
    let longest = call.gaps().max_by_key(|(_, gap_ms)| *gap_ms);
    let demanded = longest.is_some_and(|(idx, _)| call.served[idx].demand() != Demand::None);
    let code = if demanded { Code::Oversleep } else { Code::Hang };
    Some(code.fail(detail).by(elapsed_ms - deadline_ms))
}

/// Whether the limit would have ended it, were it not one on silence.
fn outlasts_its_limit(attempt: &Attempt, limit_ms: u64) -> bool {
    limit_ms < attempt.end_ms.saturating_sub(attempt.head_ms)
        && kept_coming(attempt, attempt.end_ms, limit_ms)
}

/// An attempt that is given nothing to wait for ends at the limit that the client was told. A stream has begun in that
/// time, and from then on the limit is one on silence, which is the client's to set.
pub(super) fn attempt_ends_in_time(call: &Call<'_>) -> Vec<Finding> {
    let limit_ms = call.scenario.timeout_ms;
    let bound_ms = limit_ms.saturating_add(limit_ms / 5 + TIMEOUT_SLACK_MS);
    let attempts = &call.handling.attempts;
    let judge = |(idx, attempt): (usize, &Attempt)| {
        if call.surface.streams() && !attempt.served.is_empty() {
            return None;
        }
        // Whoever has gone on to the next attempt has given this one up, connection or not.
        let gone_on_ms = attempts.get(idx + 1).map_or(u64::MAX, |next| next.head_ms);
        let took_ms = attempt.end_ms.min(gone_on_ms).saturating_sub(attempt.head_ms);
        let by_ms = took_ms.checked_sub(bound_ms).filter(|by_ms| 0 < *by_ms)?;
        let detail = format!("attempt {} took {took_ms} ms of {limit_ms} ms", attempt.number);
        Some(if outlasts_its_limit(attempt, limit_ms) {
            Code::LateTimeout.info(format!("{detail}, while bytes kept coming")).by(by_ms)
        } else {
            Code::LateTimeout.fail(detail).by(by_ms)
        })
    };
    attempts.iter().enumerate().filter_map(judge).collect()
}
