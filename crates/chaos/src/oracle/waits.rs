//! Rules about the time between attempts: what the server demands, and what decency does.

use super::demand::Demand;
use super::{Call, Code, Finding};
use crate::served::Truth;

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
pub(super) fn demanded_wait_is_kept(call: &Call<'_>) -> Vec<Finding> {
    let judge = |(idx, gap_ms): (usize, u64)| {
        let Demand::Wait { least_ms, most_ms } = call.served[idx].demand() else { return None };
        let detail =
            format!("retry {} after {gap_ms} ms, the server demanded {least_ms} ms", idx + 1);
        if let Some(by_ms) = early_by(gap_ms, least_ms) {
            return Some(call.timed(Code::EarlyRetry.fail(detail), by_ms));
        }
        let bound_ms = most_ms.saturating_add(most_ms / 4 + LATE_MS);
        (bound_ms < gap_ms).then(|| call.timed(Code::LateRetry.warn(detail), gap_ms - bound_ms))
    };
    call.gaps().filter_map(judge).collect()
}

/// By how much a wait is shorter than demanded, beyond what clocks may differ.
pub(super) fn early_by(gap_ms: u64, demand_ms: u64) -> Option<u64> {
    let tolerance_ms = EARLY_MS_MIN.max(demand_ms.saturating_mul(EARLY_PERCENT) / 100);
    let bound_ms = demand_ms.saturating_sub(tolerance_ms);
    (gap_ms < bound_ms).then(|| bound_ms - gap_ms)
}

/// Without a demand the client waits of its own accord, at first and every time.
pub(super) fn backoff_is_kept(call: &Call<'_>) -> Vec<Finding> {
    let judge = |(idx, gap_ms): (usize, u64)| {
        let least_ms = if idx == 0 { FIRST_GAP_MS_MIN } else { GAP_MS_MIN };
        let detail = format!("retry {} after {gap_ms} ms", idx + 1);
        if gap_ms < least_ms {
            let detail = format!("{detail}, at least {least_ms} ms were due");
            return Some(call.timed(Code::NoBackoff.fail(detail), least_ms - gap_ms));
        }
        let by_ms = gap_ms.checked_sub(GAP_MS_MAX).filter(|by_ms| 0 < *by_ms)?;
        Some(call.timed(Code::LateRetry.fail(format!("{detail} that nobody demanded")), by_ms))
    };
    call.free_gaps().filter_map(judge).collect()
}

/// Waits grow until they are long. One trial shows a constant wait and no more; whether waits that vary grow on
/// the whole, only many clients can show (see [`super::herd`]).
pub(super) fn backoff_grows(call: &Call<'_>) -> Vec<Finding> {
    let gaps_ms: Vec<u64> = call.free_gaps().map(|(_, gap_ms)| gap_ms).collect();
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
    let found = Code::NoGrowth.warn(format!("waits of {} ms", waits.join(", ")));
    vec![call.timed(found, bound_ms - most_ms + 1)]
}

impl Call<'_> {
    /// The waits before each retry, by the place of the attempt before it.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = (usize, u64)> {
        self.gaps.iter().copied()
    }

    /// A finding about a wait that is past its bound by so much. No clock can err about one that was spared.
    pub(super) fn timed(&self, finding: Finding, by_ms: u64) -> Finding {
        finding.by(if self.is_spared { u64::MAX } else { by_ms })
    }

    /// Whether the server demanded the wait before this retry, counted from 0.
    pub(crate) fn waits_on_demand(&self, place: usize) -> bool {
        let gap = self.gaps.get(place);
        gap.is_some_and(|(idx, _)| matches!(self.served[*idx].demand(), Demand::Wait { .. }))
    }

    /// The waits that are the client's own choice. A stale connection may be replaced at once, and after an answer
    /// there is nothing to wait for.
    fn free_gaps(&self) -> impl Iterator<Item = (usize, u64)> {
        self.gaps().filter(|(idx, _)| {
            let served = &self.served[*idx];
            !matches!(served.demand(), Demand::Wait { .. })
                && !self.stale[*idx]
                && served.truth != Truth::Complete
        })
    }
}
