//! Rules about many clients that fail together: whether they come back together, and whether their waits grow.
//!
//! One client's wait says nothing about chance, so these rules judge samples: the same wait of independent
//! clients, in the order in which the clients started. Late timers scatter samples and never gather them: a
//! herd that stands close stands close whatever the noise, while a scatter that noise could have made is
//! inconclusive. The price is that a herd on a busy machine can fail, and cannot pass.

use super::waits::PLATEAU_MS;
use super::{Code, Finding, Judgement, Level, Verdict};

/// Fewer samples say nothing about a distribution.
pub const SAMPLES_MIN: usize = 30;

/// The densest window is this part of the median wide, and holds at most this part of the samples.
const WINDOW_PERCENT: u64 = 5;
const DENSEST_PERCENT_MAX: usize = 60;

/// The standard deviation is at least this part of the mean: the official clients have 0.08 and more.
const CV_MIN: f64 = 0.04;

/// The median wait grows by this much from one retry to the next.
const GROWTH_MIN: f64 = 1.3;

/// Two herds are one when so many of their samples agree to within this part of their size.
const SEEDED_PERCENT_MIN: usize = 90;
const SAME_PERCENT: u64 = 1;

/// What decides how close clients may stand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The clients chose when to come back: without chance they fail.
    Bare,
    /// The server named a time to all of them: chance on top of it is only advisable.
    RetryAfter,
}

/// Whether clients that failed together come back together.
pub fn jitter(gaps_ms: &[u64], fault: Fault, noise_ms: u64) -> Judgement {
    if gaps_ms.len() < SAMPLES_MIN {
        return inconclusive(vec![], few(gaps_ms.len()));
    }
    let median_ms = median(gaps_ms);
    let window_ms = median_ms * WINDOW_PERCENT / 100;
    let densest = densest(gaps_ms, window_ms) * 100 / gaps_ms.len();
    let cv = cv(gaps_ms);
    let detail =
        format!("{densest} % of {} waits within {window_ms} ms, CV {cv:.3}", gaps_ms.len());
    if DENSEST_PERCENT_MAX < densest {
        return judged(match fault {
            Fault::Bare => Code::NoJitter.fail(detail),
            Fault::RetryAfter => Code::NoJitter.warn(detail),
        });
    }
    if window_ms < noise_ms.saturating_mul(2) {
        let reason = format!("{detail}, with timers of our own that were late by {noise_ms} ms");
        return inconclusive(vec![], reason);
    }
    if cv < CV_MIN { judged(Code::NoJitter.warn(detail)) } else { passed() }
}

/// Whether two runs of the same clients draw the same waits, one by one: chance from a fixed seed is none.
pub fn seeds(first_ms: &[u64], second_ms: &[u64], noise_ms: u64) -> Judgement {
    let n_pairs = first_ms.len().min(second_ms.len());
    if n_pairs < SAMPLES_MIN {
        return inconclusive(vec![], few(n_pairs));
    }
    let near = |one: u64, other: u64| {
        one.abs_diff(other) <= (one.max(other) * SAME_PERCENT / 100).max(noise_ms)
    };
    let pairs = first_ms.iter().zip(second_ms);
    let percent = pairs.filter(|(one, other)| near(**one, **other)).count() * 100 / n_pairs;
    if percent < SEEDED_PERCENT_MIN {
        return passed();
    }
    // Waits that are all alike agree in any two runs, and that is another finding.
    let scattered = |gaps_ms: &[u64]| {
        let window_ms = (median(gaps_ms) * WINDOW_PERCENT / 100).max(noise_ms.saturating_mul(2));
        densest(gaps_ms, window_ms) * 100 / gaps_ms.len() <= DENSEST_PERCENT_MAX
    };
    if !scattered(first_ms) || !scattered(second_ms) {
        return inconclusive(vec![], "the waits stand too close to tell two runs apart".to_owned());
    }
    judged(Code::SeededJitter.fail(format!("{percent} % of {n_pairs} waits are the same twice")))
}

/// Whether the waits grow on the whole until they are long: each element holds one client's waits, in order.
pub fn growth(clients_ms: &[Vec<u64>], noise_ms: u64) -> Judgement {
    if clients_ms.len() < SAMPLES_MIN {
        return inconclusive(vec![], few(clients_ms.len()));
    }
    let mut before_ms = None;
    for retry in 0.. {
        let waits_ms: Vec<u64> =
            clients_ms.iter().filter_map(|gaps_ms| gaps_ms.get(retry).copied()).collect();
        if waits_ms.len() < SAMPLES_MIN {
            break;
        }
        let wait_ms = median(&waits_ms);
        let Some(least_ms) = before_ms.replace(wait_ms) else { continue };
        if wait_ms < PLATEAU_MS && (wait_ms as f64) < least_ms as f64 * GROWTH_MIN {
            let detail = format!("retry {} after {wait_ms} ms, after {least_ms} ms", retry + 1);
            let short_ms = (least_ms as f64 * GROWTH_MIN) as u64 - wait_ms;
            let finding = Code::NoGrowth.fail(detail).by(short_ms);
            if finding.is_within(noise_ms) {
                return inconclusive(vec![finding], late(noise_ms));
            }
            return judged(finding);
        }
    }
    passed()
}

fn few(count: usize) -> String {
    format!("{count} clients, and a distribution takes {SAMPLES_MIN}")
}

fn late(noise_ms: u64) -> String {
    format!("timers of our own were late by up to {noise_ms} ms")
}

fn passed() -> Judgement {
    Judgement { verdict: Verdict::Pass, findings: vec![], reason: None }
}

fn judged(finding: Finding) -> Judgement {
    let verdict = Level::verdict(finding.level);
    Judgement { verdict, findings: vec![finding], reason: None }
}

fn inconclusive(findings: Vec<Finding>, reason: String) -> Judgement {
    Judgement { verdict: Verdict::Inconclusive, findings, reason: Some(reason) }
}

/// The middle of the samples and their spread, for people.
pub(crate) fn distribution(samples_ms: &[u64]) -> (u64, f64) {
    (median(samples_ms), cv(samples_ms))
}

/// The lower of the two in the middle, where there are two.
fn median(samples_ms: &[u64]) -> u64 {
    let mut sorted = samples_ms.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

/// The most samples that any window of this width holds, its ends included.
fn densest(samples_ms: &[u64], window_ms: u64) -> usize {
    let mut sorted = samples_ms.to_vec();
    sorted.sort_unstable();
    let within = |(idx, &first_ms): (usize, &u64)| {
        sorted.partition_point(|&sample_ms| sample_ms <= first_ms.saturating_add(window_ms)) - idx
    };
    sorted.iter().enumerate().map(within).max().unwrap_or_default()
}

/// The standard deviation as a part of the mean; 0 where every wait is.
fn cv(samples_ms: &[u64]) -> f64 {
    let count = samples_ms.len() as f64;
    let mean = samples_ms.iter().map(|&sample_ms| sample_ms as f64).sum::<f64>() / count;
    let squares = samples_ms.iter().map(|&sample_ms| (sample_ms as f64 - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    if mean == 0.0 { 0.0 } else { deviation / mean }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(judgement: &Judgement, verdict: Verdict, code: Option<Code>) {
        let found = judgement.findings.first().map(|finding| finding.code);
        assert_eq!((judgement.verdict, found), (verdict, code), "{judgement:?}");
    }

    /// Evenly over the range, as drawn by a fair client with luck.
    fn even(least_ms: u64, most_ms: u64, count: u64) -> Vec<u64> {
        (0..count).map(|idx| least_ms + (most_ms - least_ms) * idx / (count - 1)).collect()
    }

    #[test]
    fn clients_that_come_back_together_are_found() {
        let bare = |gaps_ms: &[u64]| jitter(gaps_ms, Fault::Bare, 0);
        check(&bare(&[500; 40]), Verdict::Fail, Some(Code::NoJitter));
        check(&bare(&[0; 40]), Verdict::Fail, Some(Code::NoJitter));
        check(&bare(&even(375, 500, 40)), Verdict::Pass, None);
        check(&bare(&even(375, 500, 29)), Verdict::Inconclusive, None);
        check(
            &bare(&[even(500, 510, 25), even(400, 490, 15)].concat()),
            Verdict::Fail,
            Some(Code::NoJitter),
        );
        check(&bare(&even(1000, 1100, 40)), Verdict::Warn, Some(Code::NoJitter));
        check(&jitter(&[2000; 40], Fault::RetryAfter, 0), Verdict::Warn, Some(Code::NoJitter));
        // Noise can scatter a herd and cannot gather one.
        check(&jitter(&even(375, 500, 40), Fault::Bare, 30), Verdict::Inconclusive, None);
        check(&jitter(&[500; 40], Fault::Bare, 30), Verdict::Fail, Some(Code::NoJitter));
    }

    #[test]
    fn a_fixed_seed_is_no_chance() {
        let (one, other) =
            (even(375, 500, 40), even(375, 500, 40).into_iter().rev().collect::<Vec<_>>());
        check(&seeds(&one, &one, 0), Verdict::Fail, Some(Code::SeededJitter));
        check(&seeds(&one, &other, 0), Verdict::Pass, None);
        check(&seeds(&[500; 40], &[500; 40], 0), Verdict::Inconclusive, None);
        check(&seeds(&one[..9], &one, 0), Verdict::Inconclusive, None);
    }

    #[test]
    fn waits_grow_until_they_are_long() {
        let herd = |gaps_ms: &[u64]| vec![gaps_ms.to_vec(); 30];
        check(&growth(&herd(&[500, 1000, 2000, 4000, 8000, 8000]), 0), Verdict::Pass, None);
        check(&growth(&herd(&[500, 500]), 0), Verdict::Fail, Some(Code::NoGrowth));
        check(&growth(&herd(&[500, 1000, 1100]), 0), Verdict::Fail, Some(Code::NoGrowth));
        check(&growth(&herd(&[500, 630]), 20), Verdict::Inconclusive, Some(Code::NoGrowth));
        check(&growth(&herd(&[500]), 0), Verdict::Pass, None);
        check(&growth(&herd(&[500, 500])[..9], 0), Verdict::Inconclusive, None);
    }

    /// Every pair of samples, window by window.
    fn slow_densest(samples_ms: &[u64], window_ms: u64) -> usize {
        let within = |first_ms: u64| {
            samples_ms
                .iter()
                .filter(|&&sample_ms| first_ms <= sample_ms && sample_ms - first_ms <= window_ms)
                .count()
        };
        samples_ms.iter().map(|&first_ms| within(first_ms)).max().unwrap_or(0)
    }

    /// A wait drawn evenly over its upper part, as large as the jitter says.
    fn drawn(base_ms: u64, jitter_percent: u64) -> impl Strategy<Value = Vec<u64>> {
        let least_ms = base_ms - base_ms * jitter_percent / 100;
        proptest::collection::vec(least_ms..=base_ms, 200)
    }

    proptest! {
        #[test]
        fn the_densest_window_is_that_of_a_slow_count(
            samples in proptest::collection::vec(0u64..300, 0..60),
            window in 0u64..50,
        ) {
            prop_assert_eq!(densest(&samples, window), slow_densest(&samples, window));
        }

        #[test]
        fn wide_draws_pass(gaps in (200u64..20_000, 25u64..=100).prop_flat_map(|(base, jitter)| drawn(base, jitter))) {
            check(&jitter(&gaps, Fault::Bare, 0), Verdict::Pass, None);
        }

        #[test]
        fn narrow_draws_fail(gaps in (200u64..20_000, 0u64..=3).prop_flat_map(|(base, jitter)| drawn(base, jitter))) {
            check(&jitter(&gaps, Fault::Bare, 0), Verdict::Fail, Some(Code::NoJitter));
        }

        #[test]
        fn any_samples_are_judged(
            one in proptest::collection::vec(any::<u64>().prop_map(|ms| ms >> 20), 0..40),
            other in proptest::collection::vec(any::<u64>().prop_map(|ms| ms >> 20), 0..40),
            noise in 0u64..1000,
        ) {
            jitter(&one, Fault::Bare, noise);
            seeds(&one, &other, noise);
            growth(&one.iter().map(|&ms| vec![ms; 3]).collect::<Vec<_>>(), noise);
        }
    }
}
