//! Which of the cases are meant: by glob, by shard.
//!
//! A glob may name a case by its id, by the end of the id from any of its first parts, or by the kind that ledgers
//! show, and stands for everything under what it names: `required` is all cases of that rule. The price of such
//! leniency is that a glob can match more than its author thought; the plan's count tells.

use std::collections::BTreeSet;
use std::fmt;

use contract::case::{Case, Origin};
use wildmatch::WildMatch;

/// How alike a name must be to be suggested.
const LIKENESS_MIN: f64 = 0.7;
/// More suggestions than these are no help.
const SUGGESTIONS_MAX: usize = 5;

/// A choice of cases.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    globs: Vec<(String, [WildMatch; 2])>,
    shard: Option<Shard>,
}

impl Selection {
    pub fn new(globs: &[String], shard: Option<Shard>) -> Self {
        let compile = |glob: &String| {
            (glob.clone(), [WildMatch::new(glob), WildMatch::new(&format!("{glob}/*"))])
        };
        Self { globs: globs.iter().map(compile).collect(), shard }
    }

    /// Whether every case is meant.
    pub fn is_everything(&self) -> bool {
        self.globs.is_empty() && self.shard.is_none()
    }

    pub fn has_globs(&self) -> bool {
        !self.globs.is_empty()
    }

    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    pub fn contains(&self, case: &Case) -> bool {
        self.shard.is_none_or(|shard| shard.contains(&case.id.0))
            && (self.globs.is_empty()
                || self.globs.iter().any(|(_, patterns)| is_named(case, patterns)))
    }

    /// The globs that name none of the cases, each with the nearest names there are.
    pub fn unmatched(&self, cases: impl Iterator<Item = Case>) -> Vec<(String, Vec<String>)> {
        let mut open: Vec<_> = self.globs.iter().collect();
        let mut names = BTreeSet::new();
        for case in cases {
            if open.is_empty() {
                return Vec::new();
            }
            open.retain(|(_, patterns)| !is_named(&case, patterns));
            names.extend(names_of(&case));
        }
        open.iter().map(|(glob, _)| (glob.clone(), nearest(glob, &names))).collect()
    }
}

fn is_named(case: &Case, patterns: &[WildMatch; 2]) -> bool {
    let id = &*case.id.0;
    let ends = id.match_indices('/').take(3).map(|(at, _)| &id[at + 1..]);
    let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    if [id].into_iter().chain(ends).any(matches) {
        return true;
    }
    let Origin::Mutated(mutation) = &case.origin else { return false };
    let kind = format!("mut/{}/{}/{}", mutation.family, mutation.rule, mutation.at);
    matches(&kind) || matches(&kind["mut/".len()..])
}

/// The names that a glob would use for a case.
fn names_of(case: &Case) -> Vec<String> {
    let mut names = vec![case.operation.name().to_owned(), case.origin.name().to_owned()];
    if let Origin::Mutated(mutation) = &case.origin {
        names.push(mutation.family.to_owned());
    }
    if !case.origin.rule().is_empty() {
        names.push(case.origin.rule().to_owned());
    }
    names
}

fn nearest(glob: &str, names: &BTreeSet<String>) -> Vec<String> {
    let words: Vec<_> = glob.split('/').map(|word| word.replace(['*', '?'], "")).collect();
    let likeness = |name: &String| {
        words.iter().map(|word| strsim::jaro_winkler(word, name)).fold(0.0_f64, f64::max)
    };
    let mut ranked: Vec<_> = names.iter().map(|name| (likeness(name), name)).collect();
    ranked.retain(|(likeness, _)| *likeness >= LIKENESS_MIN);
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    ranked.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name.clone()).collect()
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// One of several equal parts of a corpus.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    /// From 1.
    pub index: u64,
    pub count: u64,
}

impl Shard {
    /// Reads `2/4`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a shard such as 2/4");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let index: u64 = index.parse().map_err(|_| wrong())?;
        let count: u64 = count.parse().map_err(|_| wrong())?;
        if index < 1 || count < index {
            return Err(format!("shards of {count} count from 1 to {count}"));
        }
        Ok(Self { index, count })
    }

    /// By a hash of the id, so that a case stays in its shard when others come and go. By its upper half: the lowest bits
    /// are made of the lowest bits of the characters alone, and ids that differ in a digit of the version share them.
    pub fn contains(self, id: &str) -> bool {
        (fnv(id) >> 32) % self.count == self.index - 1
    }
}

/// FNV-1a: short, the same everywhere and for ever, and nobody attacks it here.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use classify::{Body, Headers, Request};
    use contract::case::{CaseId, Mutation, Permitted, Traits};
    use contract::version::{OperationId, Version};

    use super::*;

    fn case(rule: &'static str, at: &'static str) -> Case {
        let origin = Origin::Mutated(Mutation {
            family: "bounds",
            rule,
            at: Cow::Borrowed(at),
            answers: Permitted::Served,
        });
        Case {
            id: CaseId(format!("2026-10-21/messages.create/mut/{rule}/{at}")),
            version: Version::V2026_10_21,
            operation: OperationId::MessagesCreate,
            origin,
            traits: Traits::default(),
            request: Request {
                method: "GET".into(),
                target: "/".into(),
                headers: Headers::default(),
                body: Body::Empty,
            },
        }
    }

    fn check(glob: &str, expected: bool) {
        let selection = Selection::new(&[glob.to_owned()], None);
        assert_eq!(
            selection.contains(&case("below-minimum", "tools/each/type")),
            expected,
            "{glob}"
        );
    }

    #[test]
    fn a_glob_names_what_a_person_would_write() {
        for glob in [
            "2026-10-21/messages.create/mut/below-minimum/tools/each/type",
            "2026-10-21/*",
            "messages.create",
            "messages.*/mut/below-*",
            "mut/below-minimum",
            "below-minimum",
            "below-minimum/tools/*",
            "mut/bounds/below-minimum",
            "bounds",
            "*type",
        ] {
            check(glob, true);
        }
        for glob in ["minimum", "tools", "messages", "valid", "2026-10-21/models.*", "required"] {
            check(glob, false);
        }
    }

    #[test]
    fn a_mistyped_glob_is_answered_with_the_nearest_names() {
        let selection = Selection::new(&["below-minimun".to_owned(), "bounds".to_owned()], None);
        let unmatched = selection.unmatched([case("below-minimum", "a")].into_iter());
        assert_eq!(unmatched, [("below-minimun".to_owned(), vec!["below-minimum".to_owned()])]);
    }

    #[test]
    fn shards_share_out_every_case_once() {
        for text in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert!(Shard::parse(text).is_err(), "{text}");
        }
        let shards = [1, 2, 3].map(|index| Selection::new(&[], Some(Shard { index, count: 3 })));
        for rule in ["a", "b", "c", "d", "e", "f", "g"] {
            assert_eq!(shards.iter().filter(|shard| shard.contains(&case(rule, "x"))).count(), 1);
        }
        let ids = (0..600)
            .map(|number| format!("2026-10-21/messages.create/mut/required/a{number}/type"));
        let mut counts = [0; 4];
        for id in ids {
            let holds = |index: &usize| Shard { index: *index as u64 + 1, count: 4 }.contains(&id);
            counts[(0..4).find(holds).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (110..190).contains(count)), "{counts:?}");
    }
}
