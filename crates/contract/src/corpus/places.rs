//! The mutants of the places that the draws come to.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};

use super::bytes::{Bytes, short_hash};
use super::{BASE_STREAM, Maker, body_of};
use crate::case::Case;
use crate::mutate::{Enumerate, FAMILIES};
use crate::site;
use crate::version::OperationId;

/// Draws that are looked into for their places before [`Bytes::Rich`] ones: mutants of common places are small.
const PLAIN_BASES: u64 = 300;
/// After so many draws without a place not seen before, all places are taken to be seen.
const DRAWS_WITHOUT_NEWS_MAX: usize = 1200;

/// Draws until no new place turns up, and breaks each new place in every way.
pub(super) struct Places<'c> {
    maker: Maker<'c>,
    /// Places the generator has said it wrote: a draw without a new one is not looked into. Never iterated over,
    /// so its order decides nothing.
    drawn: HashSet<u64, BuildHasherDefault<DefaultHasher>>,
    /// Hashes of the places seen: path and schema, and the branch if it is a union.
    seen: BTreeSet<u64>,
    next: u64,
    without_news: usize,
    ready: VecDeque<Case>,
}

impl<'c> Places<'c> {
    pub(super) fn of(maker: Maker<'c>) -> Self {
        Places {
            maker,
            drawn: HashSet::default(),
            seen: BTreeSet::new(),
            next: 0,
            without_news: 0,
            ready: VecDeque::new(),
        }
    }
}

impl Iterator for Places<'_> {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        while self.ready.is_empty() && self.without_news < DRAWS_WITHOUT_NEWS_MAX {
            self.break_next_draw();
        }
        self.ready.pop_front()
    }
}

impl Places<'_> {
    fn break_next_draw(&mut self) {
        let maker = self.maker;
        let bytes = if self.next < PLAIN_BASES { Bytes::Plain } else { Bytes::Rich };
        let draw = maker.draw(BASE_STREAM, self.next, bytes);
        self.next += 1;
        let Some(schema) = maker.operation.request else { return self.without_news += 1 };
        let news = draw.places.iter().filter(|place| self.drawn.insert(**place)).count();
        if news == 0 {
            return self.without_news += 1;
        }
        let body = body_of(&draw.request);
        let base = maker.base(&draw, &body);
        let (seen, ready) = (&mut self.seen, &mut self.ready);
        site::walk(&maker.edition.schemas, schema, &body, &mut |site| {
            // A place that holds null shows little of what it can hold: it counts as another one.
            let branch = match site.union {
                Some((_, branch)) => 2 + branch.schema.index(),
                None => u64::from(site.value.is_null()),
            };
            let place = short_hash(site.place.as_bytes());
            let key =
                place ^ (site.schema.index() << 32 | branch).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            if !seen.insert(key) || !is_wanted(maker.operation.id, site.place, place) {
                return;
            }
            for family in FAMILIES {
                let Enumerate::Sites(enumerate) = family.enumerate else { continue };
                let mut mutants = Vec::new();
                enumerate(&base, site, &mut mutants);
                ready.extend(
                    mutants
                        .into_iter()
                        .map(|mutant| maker.mutated(family.name, mutant, &draw.traits)),
                );
            }
        });
        self.without_news = 0;
    }
}

/// The components of `messages.create` recur in the operations that share its schema: there, a sample is enough.
fn is_wanted(operation: OperationId, place: &str, hash: u64) -> bool {
    const OF_BATCHES: [&str; 2] = ["CreateMessageParams/", "MessageBatchIndividualRequestParams/"];
    let sample = match operation {
        OperationId::MessagesCountTokens => 4,
        OperationId::BatchesCreate => 12,
        _ => return true,
    };
    let own = !place.starts_with(|first: char| first.is_ascii_uppercase());
    own || OF_BATCHES.iter().any(|component| place.starts_with(component))
        || hash.is_multiple_of(sample)
}
