//! What the server remembers: the batches that callers created, what is left of their limits, and the rules in the
//! order it needs them.

use std::collections::VecDeque;

use classify::Request;
use contract::version::Version;
use serde_json::Value;

use crate::Now;
use crate::batches::Counts;
use crate::judge::Rulebook;
use crate::limits::Buckets;

/// The memory of one server. Only requests about batches change it, and those that limits are held against.
#[derive(Debug)]
pub struct State {
    pub(crate) rulebook: Rulebook,
    pub(crate) batches: Batches,
    pub(crate) buckets: Buckets,
}

impl State {
    pub fn new() -> Self {
        Self { rulebook: Rulebook::new(), batches: Batches::default(), buckets: Buckets::default() }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

/// The batches that were created, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Batches(VecDeque<Created>);

/// A batch that a caller created.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) id: String,
    pub(crate) version: Version,
    /// The request without credential and body, for rules that look at headers.
    pub(crate) head: Request,
    pub(crate) created_at: Now,
    pub(crate) cancel_initiated_at: Option<Now>,
    pub(crate) bytes: u64,
    pub(crate) phase: Phase,
}

#[derive(Debug)]
pub(crate) enum Phase {
    /// The items as they came, how many of them are done, and how often the batch was looked at.
    Open {
        items: Vec<Value>,
        done: usize,
        looks: u32,
    },
    Ended {
        at: Now,
        counts: Counts,
        results: bytes::Bytes,
    },
}

/// Enough for every test that pages through its own batches.
const BATCHES_MAX: usize = 200;
/// Of request bodies, which are kept parsed and take some times as much: the size of a quarter of the largest batch.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Batches {
    /// Adds a batch; the oldest ones are forgotten when there are too many. The one added always stays.
    pub(crate) fn add(&mut self, batch: Created) -> &Created {
        self.0.push_back(batch);
        let mut bytes: u64 = self.0.iter().map(|batch| batch.bytes).sum();
        while self.0.len() > 1 && (self.0.len() > BATCHES_MAX || bytes > BYTES_MAX) {
            bytes -= self.0.pop_front().map_or(0, |oldest| oldest.bytes);
        }
        self.0.back().expect("it was just added")
    }

    pub(crate) fn find(&mut self, id: &str) -> Option<&mut Created> {
        self.0.iter_mut().find(|batch| batch.id == id)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Created> {
        self.0.iter_mut()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.iter().any(|batch| batch.id == id)
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.0.retain(|batch| batch.id != id);
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Created> {
        self.0.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    /// Adds batches of these sizes and tells which are still there.
    fn check(megabytes: &[u64], kept: std::ops::Range<usize>) {
        let mut batches = Batches::default();
        for (idx, megabytes) in megabytes.iter().enumerate() {
            batches.add(Created {
                id: idx.to_string(),
                version: Version::ALL[0],
                head: fixture::get("/"),
                created_at: Now { unix_seconds: 0 },
                cancel_initiated_at: None,
                bytes: megabytes * 1024 * 1024,
                phase: Phase::Open { items: Vec::new(), done: 0, looks: 0 },
            });
        }
        let expected: Vec<_> = kept.rev().map(|idx| idx.to_string()).collect();
        assert_eq!(
            batches.newest_first().map(|batch| batch.id.clone()).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn the_oldest_are_forgotten() {
        check(&[0; 200], 0..200);
        check(&[0; 203], 3..203);
        check(&[30, 30, 4], 0..3);
        check(&[30, 30, 5], 1..3);
        check(&[30, 200], 1..2);
    }
}
