//! Rules about the time between attempts: what the server demands, and what decency does.

use super::demand::Demand;
use super::{Code, Finding, Trial};

/// A wait may be this much shorter than demanded, or by [`EARLY_PERCENT`] if that is more: clocks differ.
pub(super) const EARLY_MS_MIN: u64 = 50;
const EARLY_PERCENT: u64 = 5;

/// A wait may be a quarter longer than demanded, and by this much besides, before it is called late.
const LATE_MS: u64 = 10_000;

/// The least first wait that counts as one, and the least of any later one.
const FIRST_GAP_MS_MIN: u64 = 100;
const GAP_MS_MIN: u64 = 50;

/// Nobody's caller sits through a longer wait that no server asked for.
const GAP_MS_MAX: u64 = 120_000;

/// Waits of this length need not grow any more: the official curve ends at twice as much.
pub(super) const PLATEAU_MS: u64 = 4_000;

/// Waits that differ by less than this are one constant, told twice.
const FLAT_PERCENT: u64 = 10;

/// A demanded wait is kept, or the error is surfaced at once; a retry in between is early.
pub(super) fn demanded_wait_is_kept(trial: &Trial<'_>) -> Vec<Finding> {
    let judge = |(idx, gap_ms): (usize, u64)| {
        let Demand::Wait { least_ms, most_ms } = trial.served[idx].demand() else { return None };
        let detail =
            format!("retry {} after {gap_ms} ms, the server demanded {least_ms} ms", idx + 1);
        if let Some(by_ms) = early_by(gap_ms, least_ms) {
            return Some(Code::EarlyRetry.fail(detail).by(by_ms));
        }
        let bound_ms = most_ms.saturating_add(most_ms / 4 + LATE_MS);
        (bound_ms < gap_ms).then(|| Code::LateRetry.warn(detail).by(gap_ms - bound_ms))
    };
    trial.gaps().filter_map(judge).collect()
}

/// By how much a wait is shorter than demanded, beyond what clocks may differ.
pub(super) fn early_by(gap_ms: u64, demand_ms: u64) -> Option<u64> {
    let tolerance_ms = EARLY_MS_MIN.max(demand_ms.saturating_mul(EARLY_PERCENT) / 100);
    let bound_ms = demand_ms.saturating_sub(tolerance_ms);
    (gap_ms < bound_ms).then(|| bound_ms - gap_ms)
}

/// Without a demand the client waits of its own accord, at first and every time.
pub(super) fn backoff_is_kept(trial: &Trial<'_>) -> Vec<Finding> {
    let judge = |(idx, gap_ms): (usize, u64)| {
        let least_ms = if idx == 0 { FIRST_GAP_MS_MIN } else { GAP_MS_MIN };
        let detail = format!("retry {} after {gap_ms} ms", idx + 1);
        if gap_ms < least_ms {
            let detail = format!("{detail}, at least {least_ms} ms were due");
            return Some(Code::NoBackoff.fail(detail).by(least_ms - gap_ms));
        }
        let by_ms = gap_ms.checked_sub(GAP_MS_MAX).filter(|by_ms| 0 < *by_ms)?;
        Some(Code::LateRetry.fail(format!("{detail} that nobody demanded")).by(by_ms))
    };
    trial.free_gaps().filter_map(judge).collect()
}

/// Waits grow until they are long. One trial shows a constant wait and no more; whether waits that vary grow on
/// the whole, only many clients can show (see [`super::herd`]).
pub(super) fn backoff_grows(trial: &Trial<'_>) -> Vec<Finding> {
    let gaps_ms: Vec<u64> = trial.free_gaps().map(|(_, gap_ms)| gap_ms).collect();
    let (Some(&least_ms), Some(&most_ms)) = (gaps_ms.iter().min(), gaps_ms.iter().max()) else {
        return vec![];
    };
    let bound_ms = least_ms.saturating_add(least_ms / 100 * FLAT_PERCENT);
    // What does not count as a wait is found already.
    if gaps_ms.len() < 2
        || !(FIRST_GAP_MS_MIN..PLATEAU_MS).contains(&least_ms)
        || bound_ms < most_ms
    {
        return vec![];
    }
    let waits: Vec<_> = gaps_ms.iter().map(|gap_ms| gap_ms.to_string()).collect();
    vec![
        Code::NoGrowth.warn(format!("waits of {} ms", waits.join(", "))).by(bound_ms - most_ms + 1),
    ]
}

impl Trial<'_> {
    /// The waits before each retry, by the place of the attempt before it. Attempts that overlap have no wait
    /// between them, and whoever follows a redirect need not wait.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (usize, u64)> {
        let pairs = self.handling.attempts.windows(2).enumerate();
        pairs
            .filter(|(idx, _)| !self.served[*idx].redirects())
            .filter_map(|(idx, pair)| Some((idx, pair[1].head_ms.checked_sub(pair[0].end_ms)?)))
    }

    /// The waits that are the client's own choice. A reused connection that dies without a byte may be replaced
    /// at once, since the request most likely never arrived.
    fn free_gaps(&self) -> impl Iterator<Item = (usize, u64)> {
        self.gaps().filter(|(idx, _)| {
            !matches!(self.served[*idx].demand(), Demand::Wait { .. }) && !self.is_stale(*idx)
        })
    }

    fn is_stale(&self, idx: usize) -> bool {
        let attempts = &self.handling.attempts;
        let reused =
            attempts[..idx].iter().any(|earlier| earlier.connection == attempts[idx].connection);
        reused && attempts[idx].served.is_empty()
    }
}
