//! Where a moment stands on paper: to scale while something happens, and broken where nothing does.
//!
//! Two seconds of waiting must not flatten three milliseconds of traffic. The price is that lengths on the two sides
//! of a break, and those of moments that would touch, cannot be compared by eye; the numbers at the axis can.

/// The width of a break.
const BREAK_PX: f64 = 40.0;
/// Where there is no time to share, moments stand no farther apart than this.
const SPARE_PX: f64 = 72.0;
/// Moments closer than this cannot be told apart.
const LEGIBLE_PX: f64 = 3.0;
/// Breaks may take so much of the width; what happens needs the rest.
const BREAKS_SHARE_MAX: f64 = 0.66;
/// The least distance of two ticks, so that their labels do not touch.
const TICK_PX: f64 = 64.0;

/// The step from one moment to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) gap_ms: u64,
    /// What has to find room in it.
    pub(super) least_px: f64,
}

#[derive(Debug)]
pub(super) struct Axis {
    /// The place of each moment: one more than there are steps.
    pub(super) places: Vec<f64>,
    /// The steps that are not to scale.
    pub(super) breaks: Vec<Break>,
    pub(super) ticks: Vec<Tick>,
}

#[derive(Debug)]
pub(super) struct Break {
    pub(super) step: usize,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ms: u64,
}

#[derive(Debug)]
pub(super) struct Tick {
    pub(super) place: f64,
    pub(super) ms: u64,
}

/// Lays the moments out between two places.
pub(super) fn axis(start_ms: u64, steps: &[Step], from: f64, to: f64) -> Axis {
    let limit_ms = limit(steps, to - from);
    let widths = widths(steps, limit_ms, to - from);
    let mut places = vec![from];
    for width in &widths {
        places.push(places[places.len() - 1] + width);
    }
    let is_broken = |step: &Step| step.gap_ms > limit_ms;
    let breaks = steps.iter().enumerate().filter(|(_, step)| is_broken(step));
    let breaks = breaks
        .map(|(number, step)| Break {
            step: number,
            from: places[number],
            to: places[number + 1],
            ms: step.gap_ms,
        })
        .collect();
    let ticks = ticks(start_ms, steps, limit_ms, &places);
    Axis { places, breaks, ticks }
}

/// The longest gap that is drawn to scale: that with which most gaps can be seen, with as few breaks as that takes.
fn limit(steps: &[Step], width: f64) -> u64 {
    let mut gaps: Vec<_> = steps.iter().map(|step| step.gap_ms).filter(|gap| *gap > 0).collect();
    gaps.sort_unstable();
    let mut limits = gaps.clone();
    limits.dedup();
    let seen = |limit: u64| {
        let n_breaks = gaps.iter().filter(|gap| **gap > limit).count();
        let broken = n_breaks as f64 * BREAK_PX;
        if broken > width * BREAKS_SHARE_MAX {
            return None;
        }
        let active: u64 = gaps.iter().filter(|gap| **gap <= limit).sum();
        let scale = (width * BREAKS_SHARE_MAX - broken) / active.max(1) as f64;
        let n_seen = gaps.iter().filter(|gap| **gap <= limit && **gap as f64 * scale >= LEGIBLE_PX);
        Some((n_seen.count() + n_breaks, limit))
    };
    limits.into_iter().filter_map(seen).max().map_or(u64::MAX, |(_, limit)| limit)
}

/// What each step needs; what is left over is shared by time.
fn widths(steps: &[Step], limit_ms: u64, width: f64) -> Vec<f64> {
    let least = |step: &Step| {
        if step.gap_ms > limit_ms { step.least_px.max(BREAK_PX) } else { step.least_px }
    };
    let needed: f64 = steps.iter().map(least).sum();
    if needed >= width {
        return steps.iter().map(|step| least(step) * width / needed).collect();
    }
    let active = |step: &Step| if step.gap_ms > limit_ms { 0.0 } else { step.gap_ms as f64 };
    let total: f64 = steps.iter().map(active).sum();
    // A gap that its least width covers already takes nothing of the rest.
    let scale = scale(steps, limit_ms, width, &least, &active);
    if total == 0.0 {
        let spare = ((width - needed) / steps.len().max(1) as f64).min(SPARE_PX);
        return steps.iter().map(|step| least(step) + spare).collect();
    }
    steps.iter().map(|step| least(step).max(active(step) * scale)).collect()
}

/// Pixels per millisecond, so that the widths add up: those that do not reach their least width leave less.
fn scale(
    steps: &[Step],
    limit_ms: u64,
    width: f64,
    least: &impl Fn(&Step) -> f64,
    active: &impl Fn(&Step) -> f64,
) -> f64 {
    let mut scale = 0.0;
    // Each round fixes at least one more step at its least width, or none and is the last.
    for _ in 0..=steps.len() {
        let is_fixed = |step: &&Step| {
            step.gap_ms > limit_ms || scale > 0.0 && active(step) * scale < least(step)
        };
        let fixed: f64 = steps.iter().filter(is_fixed).map(least).sum();
        let total: f64 = steps.iter().filter(|step| !is_fixed(step)).map(active).sum();
        if total == 0.0 {
            break;
        }
        let next = (width - fixed) / total;
        if (next - scale).abs() < 1e-9 {
            break;
        }
        scale = next;
    }
    scale.max(0.0)
}

/// The time at the start of every unbroken stretch, and round numbers within it.
fn ticks(start_ms: u64, steps: &[Step], limit_ms: u64, places: &[f64]) -> Vec<Tick> {
    let mut times = vec![start_ms];
    for step in steps {
        times.push(times[times.len() - 1] + step.gap_ms);
    }
    let mut ticks: Vec<Tick> = vec![];
    let mut first = 0;
    for last in 0..times.len() {
        let is_over = steps.get(last).is_none_or(|step| step.gap_ms > limit_ms);
        if !is_over {
            continue;
        }
        for (ms, place) in round(&times[first..=last], &places[first..=last]) {
            if ticks.last().is_none_or(|tick| place - tick.place >= TICK_PX * 0.8) {
                ticks.push(Tick { place, ms });
            }
        }
        first = last + 1;
    }
    ticks
}

fn round(times: &[u64], places: &[f64]) -> Vec<(u64, f64)> {
    let (start, end) = (times[0], times[times.len() - 1]);
    let width = places[places.len() - 1] - places[0];
    let mut ticks = vec![(start, places[0])];
    if end == start || width < TICK_PX {
        return ticks;
    }
    let least = (end - start) as f64 * TICK_PX / width;
    let decades = (0..=9).map(|power| 10_u64.pow(power));
    let mut nice = decades.flat_map(|ten| [ten, 2 * ten, 5 * ten]);
    let Some(step) = nice.find(|step| *step as f64 >= least) else { return ticks };
    let mut ms = (start / step + 1) * step;
    while ms <= end {
        ticks.push((ms, place_of(ms, times, places)));
        ms += step;
    }
    ticks
}

/// Between two moments time runs evenly.
fn place_of(ms: u64, times: &[u64], places: &[f64]) -> f64 {
    let next = times.partition_point(|time| *time < ms).clamp(1, times.len() - 1);
    let (from, to) = (times[next - 1], times[next]);
    let share = (ms.saturating_sub(from)) as f64 / (to - from).max(1) as f64;
    places[next - 1] + (places[next] - places[next - 1]) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(gaps_ms: &[u64], n_breaks: usize) {
        let steps: Vec<_> = gaps_ms.iter().map(|&gap_ms| Step { gap_ms, least_px: 4.0 }).collect();
        let axis = axis(0, &steps, 100.0, 800.0);
        assert_eq!(axis.breaks.len(), n_breaks, "{gaps_ms:?}");
        assert!(axis.places.is_sorted(), "{:?}", axis.places);
        let last = axis.places[axis.places.len() - 1];
        assert!(last <= 800.1, "{gaps_ms:?} reaches {last}");
        for (number, gap) in gaps_ms.iter().enumerate().filter(|(_, gap)| **gap > 0) {
            let width = axis.places[number + 1] - axis.places[number];
            assert!(width >= LEGIBLE_PX, "{gap} of {gaps_ms:?} has {width}");
        }
        let apart = |pair: &[Tick]| pair[1].place - pair[0].place >= TICK_PX * 0.8;
        assert!(axis.ticks.windows(2).all(apart), "{:?}", axis.ticks);
    }

    #[test]
    fn long_waits_are_broken_and_nothing_else() {
        check(&[1, 2, 2000, 1, 3], 1);
        check(&[1, 500, 2, 1000, 1, 2000, 3], 3);
        check(&[3, 3, 40, 3], 0);
        check(&[40; 40], 0);
        check(&[], 0);
        check(&[0, 0, 0], 0);
        check(&[5000], 0);
    }

    #[test]
    fn crowds_are_squeezed_and_stay_in_order() {
        let steps: Vec<_> = (0..400).map(|_| Step { gap_ms: 7, least_px: 10.0 }).collect();
        let axis = axis(0, &steps, 0.0, 700.0);
        assert!(axis.places.is_sorted());
        assert!(axis.places[400] <= 700.1);
    }
}
