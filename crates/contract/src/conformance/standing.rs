//! What all the answers come to, rule by rule: conformant, declared unsupported, silently wrong, or untested.
//!
//! | row | is about |
//! |---|---|
//! | `accepts/FEATURE` | valid requests: they must be served |
//! | `refuses/RULE` | requests that break the rule: they must be refused, in the right way |
//! | `response/…`, `stream/…` | answers: what must be true of them |
//! | `chain/…` | what a server must remember from one request to the next |
//!
//! A valid request is about many features, and a refusal need not say which of them it means. The one is taken whose
//! requests fail most often, which is a guess, though a good one where a feature is missing as a whole.

use std::collections::BTreeMap;

use classify::{Class, Observation, Reply};

use super::feature::{self, Feature, Features};
use super::probe::{self, Support};
use super::profile::{Profile, What};
use crate::case::Case;
use crate::judge::{Blame, Finding, Record, Verdict};
use crate::level::Level;
use crate::response;
use crate::rules::{self, Stage};

/// The word for a rule.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// Every case that was about it went as it must.
    Conformant,
    /// The server or its profile says that it has no such thing.
    Declared,
    /// At least one answer was wrong, and nobody had said so.
    SilentlyWrong,
    /// No case said anything about it.
    Untested,
}

impl Standing {
    pub const ALL: [Self; 4] =
        [Self::Conformant, Self::Declared, Self::SilentlyWrong, Self::Untested];

    /// As it stands in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::Declared => "declared-unsupported",
            Self::SilentlyWrong => "silently-wrong",
            Self::Untested => "untested",
        }
    }
}

/// One rule, and how the server stands to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    pub id: String,
    pub standing: Standing,
    /// The weakest level that the breach breaks; `None` if there is no breach.
    pub level: Option<Level>,
    /// Cases that said something about it.
    pub cases: usize,
    pub wrong: usize,
    pub declared: usize,
    /// Cases that went otherwise than we think, where nobody knows what is right.
    pub unclear: usize,
    /// The reason of a declaration, or what was seen first.
    pub why: Option<String>,
    /// Ids of cases that show it.
    pub examples: Vec<String>,
    /// Breaches by whose fault they are.
    pub blames: BTreeMap<&'static str, usize>,
}

/// Whether a level is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LevelStanding {
    pub level: Level,
    /// The rows whose breach breaks it.
    pub broken_by: Vec<String>,
    /// Features that it cannot do without and that are declared unsupported: no breach, and yet not that level.
    pub lacks: Vec<Feature>,
}

impl LevelStanding {
    pub fn holds(&self) -> bool {
        self.broken_by.is_empty() && self.lacks.is_empty()
    }
}

/// What no agent can do without, whatever is said about it.
const ESSENTIAL: [Feature; 5] =
    [Feature::Messages, Feature::Streaming, Feature::System, Feature::Tools, Feature::ToolResults];

/// Ids kept for each row; the report of results has all.
const EXAMPLES_MAX: usize = 3;

/// What the standing needs to know of a case besides its record: small, because there is one for each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Note {
    pub features: Features,
    /// The feature that a refusal names and denies.
    pub denied: Option<Feature>,
}

/// What is to be noted of a case. `absent` are the features that the probe found missing.
pub fn note(case: &Case, observation: &Observation, record: &Record, absent: Features) -> Note {
    let mut features = feature::of(case.version, case.operation, &case.request);
    let is_about_keys = |class| matches!(class, Class::Unauthorized | Class::PermissionDenied);
    if record.expected.classes.iter().any(|class| is_about_keys(*class)) {
        features.add(Feature::Keys);
    }
    let denied = match observation {
        Observation::Reply(reply) if expects_success(record) => denied(features, reply, absent),
        _ => None,
    };
    Note { features, denied }
}

fn denied(features: Features, reply: &Reply, absent: Features) -> Option<Feature> {
    if !(matches!(reply.status, 400..=499 | 501)) {
        return None;
    }
    let words = probe::words(reply);
    let named = features
        .iter()
        .filter(|feature| *feature != Feature::Messages)
        .find(|feature| probe::denies(*feature, &words));
    let gone = || {
        features
            .iter()
            .find(|feature| absent.has(*feature) && matches!(reply.status, 404 | 405 | 501))
    };
    named.or_else(gone)
}

/// Turns a drift into an excused one where the server or its profile has said that it would be so.
pub fn excuse(record: &mut Record, note: Note, profile: &Profile) {
    if record.verdict != Verdict::Drift {
        return;
    }
    let is_declared = |finding: &Finding| tolerated(profile, record, finding).is_some();
    if note.denied.is_some()
        || profile.leaves_out(note.features).is_some()
        || record.findings.iter().all(is_declared)
    {
        record.verdict = Verdict::Excused;
    }
}

/// Declarations that are not true: nothing that they excuse has happened.
pub fn stale(
    profile: &Profile,
    sightings: &[(&Record, Note)],
    probed: &[(Feature, Support)],
) -> Vec<String> {
    let excused = || sightings.iter().filter(|(record, _)| record.verdict == Verdict::Excused);
    let works = |feature| {
        let probed = probed.iter().find(|(probed, _)| *probed == feature);
        let tested = sightings.iter().any(|(record, note)| {
            note.features.has(feature)
                && expects_success(record)
                && record.verdict == Verdict::Agree
        });
        match probed {
            Some((_, support)) => *support == Support::Works,
            None => tested,
        }
    };
    let is_stale = |what: &What| match what {
        What::Feature(feature) => {
            works(*feature) && !excused().any(|(_, note)| note.features.has(*feature))
        }
        What::Rule(rule) => !excused().any(|(record, _)| {
            record.rule == *rule || record.findings.iter().any(|finding| finding.rule == rule)
        }),
    };
    let said = profile.declarations().filter(|declaration| is_stale(&declaration.what));
    said.map(|declaration| match declaration.what {
        What::Feature(feature) => {
            format!("`{feature}` is declared unsupported, and works: remove the declaration")
        }
        What::Rule(rule) => {
            format!("`{rule}` is declared, and nothing broke it: remove the declaration")
        }
    })
    .collect()
}

/// All rows, by id.
pub fn rows(
    sightings: &[(&Record, Note)],
    probed: &[(Feature, Support)],
    profile: &Profile,
) -> Vec<Row> {
    let mut tally = Tally { rows: BTreeMap::new(), profile };
    let said = || sightings.iter().filter(|(record, _)| record.verdict != Verdict::Inconclusive);
    let shares = Shares::of(said());
    for (record, note) in said() {
        if expects_success(record) {
            tally.acceptance(record, *note, &shares, probed);
        } else {
            tally.refusal(record);
        }
        for finding in record.findings.iter().filter(|finding| !is_about_answer(finding)) {
            tally.breach(finding.rule.to_owned(), record, *note, finding);
        }
    }
    let answers = said().count();
    let streams = said().filter(|(_, note)| note.features.has(Feature::Streaming)).count();
    for rule in response::all() {
        tally.row(rule.id.to_owned()).cases = answers;
    }
    for rule in classify::stream::Rule::ALL {
        tally.row(rule.id().to_owned()).cases = streams;
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
            row.why.get_or_insert_with(|| support.text());
        }
    }
    tally.rows.into_values().map(settled).collect()
}

/// The three levels, weakest first.
pub fn levels(rows: &[Row]) -> Vec<LevelStanding> {
    let breaks = |row: &&Row, level| {
        row.standing == Standing::SilentlyWrong && row.level.is_some_and(|breach| breach <= level)
    };
    let lacks: Vec<_> = ESSENTIAL
        .into_iter()
        .filter(|feature| {
            let id = format!("accepts/{feature}");
            rows.iter().any(|row| row.id == id && row.standing == Standing::Declared)
        })
        .collect();
    let standing = |level| LevelStanding {
        level,
        broken_by: rows.iter().filter(|row| breaks(row, level)).map(|row| row.id.clone()).collect(),
        lacks: lacks.clone(),
    };
    Level::ALL.map(standing).to_vec()
}

/// The text that a person reviews when a gateway is upgraded: one line per rule.
pub fn ledger(target: &str, rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    let counts: Vec<_> = Standing::ALL
        .iter()
        .map(|standing| {
            let count = rows.iter().filter(|row| row.standing == *standing).count();
            format!("{} {count}", standing.name())
        })
        .collect();
    let mut text = format!("{target}\n{}\n\n", counts.join(" · "));
    for row in rows {
        let level = row.level.map(|level| format!("  {level}")).unwrap_or_default();
        let blames: Vec<_> = row.blames.keys().copied().collect();
        let blames =
            if blames.is_empty() { String::new() } else { format!("  {}", blames.join("+")) };
        text += &format!("{:width$}  {}{level}{blames}\n", row.id, row.standing.name());
    }
    text
}

/// Whether the contract says that the request is served.
pub fn expects_success(record: &Record) -> bool {
    record.expected.classes.iter().all(|class| class.is_success())
}

fn is_about_answer(finding: &Finding) -> bool {
    finding.rule.starts_with("answer-")
}

fn tolerated<'p>(profile: &'p Profile, record: &Record, finding: &Finding) -> Option<&'p str> {
    let of_case = || profile.tolerates(&record.rule).filter(|_| is_about_answer(finding));
    profile.tolerates(finding.rule).or_else(of_case)
}

/// How often valid requests about a feature fail for no stated reason.
struct Shares(BTreeMap<Feature, (usize, usize)>);

impl Shares {
    fn of<'a>(sightings: impl Iterator<Item = &'a (&'a Record, Note)>) -> Self {
        let mut shares: BTreeMap<Feature, (usize, usize)> = BTreeMap::new();
        for (record, note) in sightings.filter(|(record, _)| expects_success(record)) {
            let is_failed = note.denied.is_none() && record.findings.iter().any(is_about_answer);
            for feature in note.features.iter() {
                let (failed, total) = shares.entry(feature).or_default();
                *failed += usize::from(is_failed);
                *total += 1;
            }
        }
        Self(shares)
    }

    /// The feature that explains a failure best: of the largest share; of those the one that explains most.
    fn culprit(&self, features: Features) -> Feature {
        let per_mille = |feature| {
            self.0.get(&feature).map_or((0, 0), |(failed, total)| (failed * 1000 / total, *failed))
        };
        features.iter().fold(Feature::Messages, |best, feature| {
            if per_mille(feature) > per_mille(best) { feature } else { best }
        })
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
    fn acceptance(
        &mut self,
        record: &Record,
        note: Note,
        shares: &Shares,
        probed: &[(Feature, Support)],
    ) {
        let Some(finding) = weightiest(record) else {
            for feature in note.features.iter() {
                self.row(format!("accepts/{feature}")).cases += 1;
            }
            return;
        };
        let declared = self.profile.leaves_out(note.features).map(|(feature, _)| feature);
        let is_off = |feature: &Feature| {
            probed
                .iter()
                .any(|(probed, support)| probed == feature && matches!(support, Support::Broken(_)))
        };
        let culprit = note
            .denied
            .or(declared)
            .or_else(|| note.features.iter().find(is_off))
            .unwrap_or_else(|| shares.culprit(note.features));
        self.breach(format!("accepts/{culprit}"), record, note, finding);
        self.row(format!("accepts/{culprit}")).cases += 1;
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
        let reason = left_out.or_else(|| tolerated(self.profile, record, finding));
        let reason = reason.map(str::to_owned);
        let row = self.row(id);
        if record.verdict == Verdict::Excused {
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

fn settled(mut row: Row) -> Row {
    row.standing = match &row {
        row if row.wrong > 0 => Standing::SilentlyWrong,
        row if row.declared > 0 => Standing::Declared,
        row if row.cases > row.unclear => Standing::Conformant,
        _ => Standing::Untested,
    };
    row
}
