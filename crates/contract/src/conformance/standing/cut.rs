//! Requests whose answer broke off, or was no HTTP. A lost connection alone says nothing: whatever is on the way may have
//! closed it. Where every request that breaks a rule loses its own, and the server answered before and after them, it is
//! the server; and bytes that are no HTTP nobody else writes. The price is that of a rule with one request nothing is
//! said.

use std::collections::BTreeMap;

use classify::{Class, CutKind};

use super::hang::as_finding;
use super::{Note, Profile, expects_success};
use crate::judge::Record;
use crate::level::Level;

/// Lost connections under a rule that are no coincidence any more.
const LOST_MIN: usize = 2;

/// What became of the requests that break a rule.
#[derive(Default)]
struct Count {
    lost: usize,
    others: usize,
    last: usize,
}

/// The records of such requests, as findings.
pub(super) fn cuts(sightings: &[(&Record, Note)], profile: &Profile) -> Vec<(Record, Note)> {
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let broken =
        || sightings.iter().enumerate().filter(|(_, (record, _))| !expects_success(record));
    for (place, (record, _)) in broken() {
        let count = counts.entry(&record.rule).or_default();
        count.lost += usize::from(is_lost(record));
        count.others += usize::from(!is_lost(record));
        count.last = place;
    }
    let is_answer = |(record, _): &(&Record, Note)| !matches!(record.class, Class::Unreachable(_));
    let first_answer = sightings.iter().position(is_answer).unwrap_or(usize::MAX);
    let last_answer = sightings.iter().rposition(is_answer).unwrap_or_default();
    let is_meant = |place: usize, record: &Record| {
        let count = counts.get(&*record.rule).filter(|_| is_lost(record));
        first_answer < place
            && count.is_some_and(|count| {
                count.lost >= LOST_MIN && count.others == 0 && count.last < last_answer
            })
    };
    let of_rules = broken()
        .filter(|(place, (record, _))| is_meant(*place, record))
        .map(|(_, (record, note))| {
            let why = "the connection is lost: no such request had an answer, and others before and after did";
            (as_finding(record, *note, profile, ("answer-lost", Level::Compatible, why)), *note)
        });
    let unreadable = sightings.iter().filter(|(record, _)| is_unreadable(record));
    let unreadable = unreadable.map(|(record, note)| {
        let level = if expects_success(record) { Level::AgentReady } else { Level::Strict };
        let told = ("answer-unreadable", level, "what it answers is no HTTP that can be read");
        (as_finding(record, *note, profile, told), *note)
    });
    of_rules.chain(unreadable).collect()
}

fn is_lost(record: &Record) -> bool {
    matches!(record.class, Class::Unreachable(CutKind::Closed | CutKind::Reset))
}

fn is_unreadable(record: &Record) -> bool {
    record.class == Class::Unreachable(CutKind::BadFraming)
}

#[cfg(test)]
mod tests {
    use super::super::hang::tests::record;
    use super::*;

    /// Broken requests by the rule and what became of each.
    fn check(cases: &[(&'static str, Class)], expected: &[&str]) {
        let records = cases.iter().map(|(rule, class)| record(rule, *class));
        let records: Vec<_> = records.collect();
        let sightings: Vec<_> = records.iter().map(|record| (record, Note::default())).collect();
        let found = cuts(&sightings, &Profile::default());
        let told = found.iter().map(|(record, _)| {
            let finding = &record.findings[0];
            format!("{} {} {}", record.rule, finding.rule, finding.level)
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_rule_whose_requests_are_all_cut_off_by_a_living_server_is_broken() {
        let answered = ("other", Class::InvalidRequest);
        let lost = ("body-over-limit", Class::Unreachable(CutKind::Reset));
        let closed = ("body-over-limit", Class::Unreachable(CutKind::Closed));
        let told = "body-over-limit answer-lost compatible";
        check(&[answered, lost, closed, answered], &[told, told]);
        check(&[answered, lost, answered], &[]);
        check(&[answered, lost, closed], &[]);
        check(&[lost, closed, answered], &[]);
        check(&[answered, lost, ("body-over-limit", Class::TooLarge), closed, answered], &[]);
    }

    #[test]
    fn what_is_no_http_is_an_answer_of_the_server() {
        let garbled = ("content-encoding-br", Class::Unreachable(CutKind::BadFraming));
        check(&[garbled], &["content-encoding-br answer-unreadable strict"]);
    }
}
