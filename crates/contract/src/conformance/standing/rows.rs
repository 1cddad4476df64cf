//! The rows, counted.
//!
//! A valid request is about many features, and a refusal need not say which of them it means. The one is taken whose
//! requests fail, and without which they do not; where there is none, it is held against the operation. That is a
//! guess, though a good one where a feature is missing as a whole.

use std::collections::BTreeMap;

use classify::{Class, stream};

use super::cut::cuts;
use super::hang::hangs;
use super::{
    ESSENTIAL, EXAMPLES_MAX, Feature, Features, Note, Profile, Row, Standing, Support,
    expects_success, is_about_answer, is_about_form, tolerated,
};
use crate::conformance::altered;
use crate::conformance::blame::WENT_ON_BROKEN;
use crate::judge::{Blame, Finding, Record, Verdict};
use crate::level::Level;
use crate::response;
use crate::rules::{self, Stage};
use crate::version::OperationId;

/// Of a thousand requests about a feature so many must fail before it is the feature that is wrong.
const CULPRIT_PER_MILLE: usize = 250;
/// And so many times more often than requests without it.
const CULPRIT_LIFT: usize = 2;

/// All rows, by id.
pub fn rows(
    sightings: &[(&Record, Note)],
    probed: &[(Feature, Support)],
    profile: &Profile,
) -> Vec<Row> {
    let off = Off::of(probed);
    let mut tally = Tally { rows: BTreeMap::new(), profile };
    let mut unanswered = hangs(sightings, profile);
    unanswered.extend(cuts(sightings, profile));
    let is_told = |(record, _): &&(&Record, Note)| record.verdict != Verdict::Inconclusive;
    let mut said: Vec<_> = sightings.iter().filter(is_told).copied().collect();
    said.extend(unanswered.iter().map(|(record, note)| (record, *note)));
    let shares = Shares::of(said.iter(), off);
    let off = off.without_encoding(&said);
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    for (record, note) in &said {
        let is_aside = off.sets_aside(*note) || profile.leaves_out(note.features).is_some();
        if expects_success(record) {
            tally.acceptance(record, *note, &shares, off);
        } else if !is_aside {
            // Whoever refuses all requests about something has not looked what is wrong with them.
            tally.refusal(record);
        }
        // What is wrong with the answers of an operation that is not there has been said; a stream is one anywhere.
        let is_said = |rule: &&str| !is_aside || rule.starts_with("stream/");
        for rule in note.tried.ids().filter(is_said) {
            *tried.entry(rule).or_default() += 1;
        }
        for finding in record.findings.iter().filter(|finding| !is_about_answer(finding)) {
            if !(is_aside && is_about_form(finding)) {
                tally.breach(finding.rule.to_owned(), record, *note, finding);
            }
        }
    }
    let streamed = stream::Rule::ALL.into_iter().map(stream::Rule::id);
    for rule in response::all().map(|rule| rule.id).chain(streamed) {
        tally.row(rule.to_owned()).cases = tried.get(rule).copied().unwrap_or_default();
    }
    // What is wrong with an item shows in its result, and the batch is served.
    for rule in rules::all().filter(|rule| rule.stage != Stage::Item) {
        tally.row(format!("refuses/{}", rule.id));
    }
    for feature in Feature::all() {
        if feature == Feature::Keys {
            // No request is served for having a wrong one.
            continue;
        }
        let row = tally.row(format!("accepts/{feature}"));
        let support =
            probed.iter().find(|(probed, _)| *probed == feature).map(|(_, support)| support);
        if let Some(support) = support.filter(|support| support.is_absent() && row.wrong == 0) {
            row.declared += 1;
            if profile.leaves_out([feature].into_iter().collect()).is_none() {
                // The words of the server are the declaration.
                row.why = Some(support.text());
            }
        }
    }
    tally.rows.into_values().map(settled).collect()
}

/// Whether an item of a batch is broken on purpose. The batch is taken, and the item's result says what is wrong: it is
/// no request about what stands in it.
pub(super) fn has_broken_item(record: &Record) -> bool {
    /// Mutations of these families leave a request as right as it was, where it is to be served.
    const HARMLESS: [&str; 7] =
        ["duplicate", "envelope", "model", "rule", "size", "syntax", "text"];
    let breaks_rule = || rules::find(&record.rule).is_some_and(|rule| rule.stage == Stage::Item);
    record.operation == OperationId::BatchesCreate
        && expects_success(record)
        && match record.origin {
            "mut" => breaks_rule() || !HARMLESS.contains(&record.family),
            // The place of a mended twin is the rule that it keeps.
            _ => breaks_rule() && record.at != record.rule,
        }
}

/// What keeps a valid request from being served. A stream that was asked for and came is an answer; what is wrong with it
/// has rules of its own.
fn failure(record: &Record) -> Option<&Finding> {
    let is_stream = record.expected.classes.contains(&Class::Streamed)
        && record.class == Class::StreamMalformed
        && record.findings.iter().any(|finding| stream::Rule::parse(finding.rule).is_some());
    weightiest(record).filter(|_| !is_stream)
}

/// Whether a gateway broke the request before it went on. What it changed is wrong then, and not what was asked for,
/// unless no request about that gets through.
fn is_broken_on_way(finding: &Finding) -> bool {
    finding.blame == Blame::Gateway && finding.trace.contains(WENT_ON_BROKEN)
}

/// What the probe found absent or broken.
#[derive(Clone, Copy)]
struct Off {
    all: Features,
    /// Whole operations and versions, whose answers say nothing about the form of answers.
    whole: Features,
}

impl Off {
    fn of(probed: &[(Feature, Support)]) -> Self {
        const WHOLE: [Feature; 5] = [
            Feature::CountTokens,
            Feature::Models,
            Feature::Batches,
            Feature::Version2023,
            Feature::Version2026,
        ];
        let is_off =
            |support: &Support| support.is_absent() || matches!(support, Support::Broken(_));
        let off = probed.iter().filter(|(_, support)| is_off(support));
        let all: Features = off.map(|(feature, _)| *feature).collect();
        // Where not even the plainest message is served, no version is to blame for it.
        let whole = match all.has(Feature::Messages) {
            true => Features::default(),
            false => all.both(WHOLE.into_iter().collect()),
        };
        Self { all, whole }
    }

    /// Where nothing compressed is taken, nobody has looked what is wrong with it.
    fn without_encoding(mut self, said: &[(&Record, Note)]) -> Self {
        let mut served = said.iter().filter(|(record, note)| {
            note.features.has(Feature::RequestEncoding) && expects_success(record)
        });
        let is_failed = |(record, _): &(&Record, Note)| failure(record).is_some();
        if served.clone().next().is_some() && served.all(is_failed) {
            self.whole.add(Feature::RequestEncoding);
        }
        self
    }

    fn sets_aside(self, note: Note) -> bool {
        note.denied.is_some() || !note.features.both(self.whole).is_empty()
    }
}

/// How often valid requests fail for no stated reason, with a feature and in all.
struct Shares {
    of: BTreeMap<Feature, (usize, usize)>,
    all: (usize, usize),
}

impl Shares {
    /// Requests about what is off are left out: that is why they fail.
    fn of<'a>(sightings: impl Iterator<Item = &'a (&'a Record, Note)>, off: Off) -> Self {
        let mut shares = Self { of: BTreeMap::new(), all: (0, 0) };
        let is_meant = |(record, note): &&(&Record, Note)| {
            expects_success(record)
                && !has_broken_item(record)
                && note.features.both(off.all).is_empty()
        };
        for (record, note) in sightings.filter(is_meant) {
            let is_failed = note.denied.is_none() && failure(record).is_some();
            shares.all.0 += usize::from(is_failed);
            shares.all.1 += 1;
            for feature in note.features.iter() {
                let (failed, total) = shares.of.entry(feature).or_default();
                *failed += usize::from(is_failed);
                *total += 1;
            }
        }
        shares
    }

    /// The feature that explains a failure best: of the largest share; of those the one that explains most.
    fn culprit(&self, features: Features, operation: Feature) -> Feature {
        let weight = |feature| {
            let (failed, total) = self.of.get(&feature).copied().unwrap_or((0, 1));
            (failed * 1000 / total, failed)
        };
        let candidates = features.iter().filter(|feature| self.explains(*feature));
        candidates
            .fold(None, |best: Option<Feature>, feature| match best {
                Some(best) if weight(best) >= weight(feature) => Some(best),
                _ => Some(feature),
            })
            .unwrap_or(operation)
    }

    /// Whether every request about it fails.
    fn is_lost(&self, feature: Feature) -> bool {
        self.of.get(&feature).is_some_and(|(failed, total)| failed == total)
    }

    /// Whether requests fail with it, and not without it.
    fn explains(&self, feature: Feature) -> bool {
        let Some((failed, total)) = self.of.get(&feature).copied() else { return false };
        let (other_failed, other_total) = (self.all.0 - failed, self.all.1 - total);
        let is_frequent = failed * 1000 >= total * CULPRIT_PER_MILLE && failed > 0;
        is_frequent
            && other_total > 0
            && failed * other_total >= CULPRIT_LIFT * other_failed * total
    }
}

struct Tally<'a> {
    rows: BTreeMap<String, Row>,
    profile: &'a Profile,
}

impl Tally<'_> {
    fn row(&mut self, id: String) -> &mut Row {
        self.rows.entry(id.clone()).or_insert_with(|| Row {
            id,
            standing: Standing::Untested,
            level: None,
            cases: 0,
            wrong: 0,
            declared: 0,
            unclear: 0,
            why: None,
            examples: Vec::new(),
            blames: BTreeMap::new(),
        })
    }

    /// A valid request counts for each of its features if it is served, and against one if it is not.
    fn acceptance(&mut self, record: &Record, note: Note, shares: &Shares, off: Off) {
        if has_broken_item(record) {
            return self.broken_item(record, note);
        }
        let Some(finding) = failure(record) else {
            for feature in note.features.iter() {
                self.row(format!("accepts/{feature}")).cases += 1;
            }
            return;
        };
        let declared = self.profile.leaves_out(note.features).map(|(feature, _)| feature);
        let operation = Feature::of_operation(record.operation);
        let culprit = note
            .denied
            .or(declared)
            .or_else(|| note.features.both(off.all).iter().next())
            .unwrap_or_else(|| shares.culprit(note.features, operation));
        if is_broken_on_way(finding) && !off.all.has(culprit) && !shares.is_lost(culprit) {
            return self.breach(altered::RULE.to_owned(), record, note, finding);
        }
        let mut finding = finding.clone();
        if !ESSENTIAL.contains(&culprit) {
            // An agent can do without.
            finding.level = finding.level.max(Level::Compatible);
        }
        self.breach(format!("accepts/{culprit}"), record, note, &finding);
        self.row(format!("accepts/{culprit}")).cases += 1;
    }

    fn broken_item(&mut self, record: &Record, note: Note) {
        const ID: &str = "accepts/batch-with-broken-item";
        if let Some(finding) = weightiest(record) {
            let finding = Finding { level: Level::of(ID), ..finding.clone() };
            self.breach(ID.to_owned(), record, note, &finding);
        }
        self.row(ID.to_owned()).cases += 1;
    }

    fn refusal(&mut self, record: &Record) {
        let id = format!("refuses/{}", record.rule);
        if let Some(finding) = weightiest(record) {
            self.breach(id.clone(), record, Note::default(), finding);
        }
        self.row(id).cases += 1;
    }

    fn breach(&mut self, id: String, record: &Record, note: Note, finding: &Finding) {
        let left_out = self.profile.leaves_out(note.features).map(|(_, reason)| reason);
        let tolerated = tolerated(self.profile, record, finding);
        // The form of an answer is excused with what the case is about, and not with another breach that is tolerated.
        let is_of_case = note.denied.is_some() || left_out.is_some() || !is_about_form(finding);
        let is_declared = tolerated.is_some() || (record.verdict == Verdict::Excused && is_of_case);
        let reason = left_out.or(tolerated).map(str::to_owned);
        let row = self.row(id);
        if is_declared {
            row.declared += 1;
            row.why.get_or_insert_with(|| reason.unwrap_or_else(|| finding.trace.to_string()));
        } else if matches!(finding.blame, Blame::Spec | Blame::Harness) {
            row.unclear += 1;
        } else {
            if row.wrong == 0 {
                // What nobody declared outweighs what somebody did.
                row.why = Some(finding.trace.to_string());
                row.examples.clear();
            }
            row.wrong += 1;
            row.level = Some(row.level.map_or(finding.level, |level| level.min(finding.level)));
            *row.blames.entry(finding.blame.name()).or_default() += 1;
        }
        if row.examples.len() < EXAMPLES_MAX && !row.examples.contains(&record.id.0) {
            row.examples.push(record.id.0.clone());
        }
    }
}

/// The finding about the answer as a whole that counts at the weakest level.
fn weightiest(record: &Record) -> Option<&Finding> {
    record
        .findings
        .iter()
        .filter(|finding| is_about_answer(finding))
        .min_by_key(|finding| finding.level)
}

/// Whether most requests about a feature are served: what a refusal denies then is something narrower.
fn is_mostly_served(row: &Row) -> bool {
    let served = row.cases.saturating_sub(row.declared + row.unclear);
    row.id.starts_with("accepts/") && served > row.declared
}

fn settled(mut row: Row) -> Row {
    // What is found beside an answer is found where somebody looks.
    row.cases = row.cases.max(row.wrong);
    row.standing = match &row {
        row if row.wrong > 0 => Standing::SilentlyWrong,
        row if row.declared > 0 && !is_mostly_served(row) => Standing::Declared,
        row if row.cases > row.unclear => Standing::Conformant,
        _ => Standing::Untested,
    };
    row
}
