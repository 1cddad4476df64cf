//! Requests that have no answer. One alone says nothing: a machine may be busy. Where every request of a kind hangs, and
//! there are some, it is the server. The price is that of a kind with one or two requests nothing is said.

use std::borrow::Cow;
use std::collections::BTreeMap;

use classify::{Class, CutKind};

use super::{Feature, Note, Profile, excuse, expects_success};
use crate::judge::{Finding, Record, Verdict};
use crate::level::Level;

/// Hangs of a kind that are no coincidence any more.
const HANGS_MIN: usize = 3;

/// What requests have in common that hang for one reason.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Kind<'a> {
    /// Origin and rule.
    Broken(&'static str, &'a str),
    Valid(Feature),
}

/// What became of the requests of a kind.
#[derive(Default)]
struct Count {
    hung: usize,
    answered: usize,
}

/// The records of requests that hang as all of their kind do, as findings.
pub(super) fn hangs(sightings: &[(&Record, Note)], profile: &Profile) -> Vec<(Record, Note)> {
    let mut counts: BTreeMap<Kind<'_>, Count> = BTreeMap::new();
    for (record, note) in sightings {
        for kind in kinds(record, *note) {
            let count = counts.entry(kind).or_default();
            count.hung += usize::from(is_hang(record));
            count.answered += usize::from(!is_hang(record));
        }
    }
    counts.retain(|_, count| count.hung >= HANGS_MIN && count.answered == 0);
    let is_meant = |(record, note): &&(&Record, Note)| {
        is_hang(record) && kinds(record, *note).iter().any(|kind| counts.contains_key(kind))
    };
    let meant = sightings.iter().filter(is_meant);
    let as_hang = |record: &Record, note| {
        // Whoever calls such a server waits for minutes, and asks again.
        let level = if expects_success(record) { Level::AgentReady } else { Level::Compatible };
        let why = "it hangs: no request of the kind had an answer in time";
        as_finding(record, note, profile, ("answer-hang", level, why))
    };
    meant.map(|(record, note)| (as_hang(record, *note), *note)).collect()
}

fn is_hang(record: &Record) -> bool {
    record.class == Class::Unreachable(CutKind::TimedOut)
}

fn kinds(record: &Record, note: Note) -> Vec<Kind<'_>> {
    match expects_success(record) {
        true => note.features.iter().map(Kind::Valid).collect(),
        false => vec![Kind::Broken(record.origin, &record.rule)],
    }
}

/// The record of a request that has no answer, told as the finding of that name, level and trace.
pub(super) fn as_finding(
    record: &Record,
    note: Note,
    profile: &Profile,
    (rule, level, why): (&'static str, Level, &'static str),
) -> Record {
    let mut record = record.clone();
    for finding in &mut record.findings {
        // Whose fault it is has been said.
        *finding = Finding { rule, level, trace: Cow::Borrowed(why), ..finding.clone() };
    }
    record.verdict = Verdict::Drift;
    excuse(&mut record, note, profile);
    record
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::case::CaseId;
    use crate::expect::Expectation;
    use crate::judge::Blame;
    use crate::version::{OperationId, Version};

    /// A broken request about the rule, and what became of it.
    pub(in super::super) fn record(rule: &'static str, class: Class) -> Record {
        let is_answered = !matches!(class, Class::Unreachable(_));
        let unreachable = Finding::new("unreachable", "", Blame::Gateway, "no complete answer");
        Record {
            id: CaseId(rule.to_owned()),
            version: Version::ALL[0],
            operation: OperationId::MessagesCreate,
            origin: "mut",
            family: "truncated",
            rule: rule.into(),
            at: "".into(),
            expected: Expectation {
                classes: vec![Class::InvalidRequest].into(),
                status: None,
                error_type: None,
                error_code: None,
                question: None,
            },
            class,
            status: None,
            error_type: None,
            error_code: None,
            verdict: if is_answered { Verdict::Agree } else { Verdict::Inconclusive },
            findings: if is_answered { Vec::new() } else { vec![unreachable] },
        }
    }

    fn check(records: &[Record], expected: &[&str]) {
        let sightings: Vec<_> = records.iter().map(|record| (record, Note::default())).collect();
        let found = hangs(&sightings, &Profile::default());
        let told = found.iter().map(|(record, _)| {
            let finding = &record.findings[0];
            assert_eq!((record.verdict, finding.blame), (Verdict::Drift, Blame::Gateway));
            format!("{} {}", record.rule, finding.level)
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_kind_that_never_answers_hangs() {
        let hang = Class::Unreachable(CutKind::TimedOut);
        let (cut, junk) = (record("cut", hang), record("junk", hang));
        let good = record("junk", Class::InvalidRequest);
        let thrice = [cut.clone(), cut.clone(), cut];
        check(&thrice[..2], &[]);
        check(&thrice, &["cut compatible"; 3]);
        check(
            &[&thrice[..], &[junk.clone(), junk.clone(), junk, good]].concat(),
            &["cut compatible"; 3],
        );
    }
}
