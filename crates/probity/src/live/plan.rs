//! Which cases a run with a budget tries, and in what order.
//!
//! A limit on the number takes cases from all over the corpus, since its first five hundred are of one operation.
//! Those that must be refused go first, because a refusal costs nothing and tells most; then what is free; then what
//! is paid for. What is paid for by the megabyte is no part of such a choice: one of these may cost more than all the
//! others, or than the budget. The price is that the plan stands in memory.

use contract::case::Case;

use super::bill::{self, Charge};
use super::thrift;

/// Of a body that is paid for, where others could be chosen: some 60,000 tokens.
const PAID_BYTES_MAX: u64 = 256 << 10;

/// Cases as they are drawn, or arranged before.
pub enum Planned<I> {
    Drawn(I),
    Arranged(std::vec::IntoIter<Case>),
}

impl<I> Planned<I> {
    /// How many there are, where that is known.
    pub fn count_left(&self) -> usize {
        match self {
            Self::Drawn(_) => 0,
            Self::Arranged(cases) => cases.len(),
        }
    }
}

impl<I: Iterator<Item = Case>> Iterator for Planned<I> {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        match self {
            Self::Drawn(cases) => cases.next(),
            Self::Arranged(cases) => cases.next(),
        }
    }
}

/// The cases to try, cheap ones first; each made frugal.
pub fn arrange(cases: Vec<Case>, cases_max: Option<usize>) -> Vec<Case> {
    let chosen = choose(cases, cases_max.unwrap_or(usize::MAX));
    let mut chosen: Vec<_> = chosen.into_iter().map(thrift::frugal).collect();
    chosen.sort_by_cached_key(rank);
    chosen
}

fn choose(mut cases: Vec<Case>, count: usize) -> Vec<Case> {
    if cases.len() > count {
        cases.retain(|case| {
            case.request.body.len() <= PAID_BYTES_MAX || matches!(bill::charge(case), Charge::Free)
        });
    }
    sample(cases, count)
}

fn rank(case: &Case) -> u8 {
    match (bill::is_served(case), bill::charge(case)) {
        (false, _) => 0,
        (true, Charge::Free) => 1,
        (true, _) => 2,
    }
}

/// So many of them at equal distances, in their order.
fn sample<T>(all: Vec<T>, count: usize) -> Vec<T> {
    let total = all.len();
    if total <= count {
        return all;
    }
    let is_taken = |at: usize| (at + 1) * count / total != at * count / total;
    let taken = all.into_iter().enumerate().filter(|(at, _)| is_taken(*at));
    taken.map(|(_, case)| case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_and_of_its_size() {
        for (total, count) in [(10, 3), (11_752, 500), (7, 7), (3, 9), (5, 0), (1_000, 999)] {
            let taken = sample((0..total).collect(), count);
            assert_eq!(taken.len(), count.min(total));
            assert!(taken.is_sorted());
            let gaps = taken.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps.into_iter().all(|gap| gap <= total.div_ceil(count.max(1))));
        }
    }
}
