//! What all the answers come to, rule by rule: conformant, declared unsupported, silently wrong, or untested.
//!
//! | row | is about |
//! |---|---|
//! | `accepts/FEATURE` | valid requests: they must be served |
//! | `refuses/RULE` | requests that break the rule: they must be refused, in the right way |
//! | `response/…`, `stream/…` | answers: what must be true of them |
//! | `chain/…` | what a server must remember from one request to the next |
//!
//! A level holds only if what it cannot do without was tried: where nothing was tested, nothing holds.

use std::collections::BTreeMap;

use classify::{Class, Observation, Reply};

use super::altered;
use super::feature::{self, Feature, Features};
use super::probe::{self, Support};
use super::profile::{Profile, What};
use crate::case::Case;
use crate::judge::{Finding, Record, Verdict};
use crate::level::Level;
use crate::response::{self, Tried};
use crate::spec::Contract;

mod cut;
mod denied;
mod hang;
mod rows;

pub use rows::rows;

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
    /// Features and whole families of rules that it cannot do without and that are declared unsupported: no breach, and
    /// yet not that level.
    pub lacks: Vec<What>,
    /// Features that it cannot do without and that no case tried.
    pub untried: Vec<Feature>,
    /// Of the rows whose breach would break it, and would not break the level before, those that were tested.
    pub tested: usize,
    /// Of all the rows whose breach would break it, those that were not.
    pub untested: usize,
}

impl LevelStanding {
    pub fn is_broken(&self) -> bool {
        !self.broken_by.is_empty() || !self.lacks.is_empty()
    }

    /// Not broken, and tried: silence is no consent.
    pub fn holds(&self) -> bool {
        !self.is_broken() && self.untried.is_empty() && self.tested > 0
    }

    /// As it stands in reports.
    pub fn word(&self) -> &'static str {
        match () {
            () if self.is_broken() => "broken",
            () if self.holds() => "holds",
            () => "untested",
        }
    }
}

/// What no agent can do without, whatever is said about it.
pub const ESSENTIAL: [Feature; 5] =
    [Feature::Messages, Feature::Streaming, Feature::System, Feature::Tools, Feature::ToolResults];

/// Ids kept for each row; the report of results has all.
const EXAMPLES_MAX: usize = 3;

/// What the standing needs to know of a case besides its record: small, because there is one for each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Note {
    pub features: Features,
    /// The feature that a refusal names and denies.
    pub denied: Option<Feature>,
    /// What the answer could have broken.
    pub tried: Tried,
}

/// What is to be noted of a case. `absent` are the features that the probe found missing.
///
/// It reads the answer once more, which only a run against another server pays for.
pub fn note(
    contract: &Contract,
    case: &Case,
    observation: &Observation,
    record: &Record,
    absent: Features,
) -> Note {
    let mut features = feature::of(case.version, case.operation, &case.request);
    let is_about_keys = |class| matches!(class, Class::Unauthorized | Class::PermissionDenied);
    if record.expected.classes.iter().any(|class| is_about_keys(*class)) {
        features.add(Feature::Keys);
    }
    let (mut denied_by, mut tried) = (None, Tried::default());
    if let Observation::Reply(reply) = observation {
        if expects_success(record) && !rows::has_broken_item(record) {
            denied_by = denied::denied(features, &case.request, reply, absent);
        }
        if record.verdict != Verdict::Inconclusive {
            tried = could_break(contract, case, record, reply);
        }
    }
    Note { features, denied: denied_by, tried }
}

/// Where a broken request is served, no more is judged than the form of the answer.
fn could_break(contract: &Contract, case: &Case, record: &Record, reply: &Reply) -> Tried {
    let edition = contract.edition(case.version);
    let tried = response::tried(edition, case.operation, &case.request, record.class, reply);
    let is_served = (200..300).contains(&reply.status);
    if is_served && !expects_success(record) { tried.of_form() } else { tried }
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
        || is_apart_from_form(record, is_declared)
    {
        record.verdict = Verdict::Excused;
    }
    set_form_apart(record);
}

/// Whether that is so of all that is wrong with the case itself.
fn is_apart_from_form(record: &Record, is_so: impl Fn(&Finding) -> bool) -> bool {
    let mut own = record.findings.iter().filter(|finding| !is_about_form(finding)).peekable();
    own.peek().is_some() && own.all(is_so)
}

/// No drift where the case itself went right: what is wrong with the form of an answer counts for the rule that names
/// it, and one header that is missing everywhere is not ten thousand drifts.
pub fn set_form_apart(record: &mut Record) {
    if record.verdict == Verdict::Drift && record.findings.iter().all(is_about_form) {
        record.verdict = Verdict::Agree;
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
        What::Rule(_) => {
            let is_meant = |record: &Record| {
                what.covers(&record.rule) || refusal(record).is_some_and(|row| what.covers(&row))
            };
            !excused().any(|(record, _)| is_meant(record))
                && !sightings.iter().any(|(record, _)| {
                    record.findings.iter().any(|finding| what.covers(finding.rule))
                })
        }
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

/// The row of a server that went away. `suspects` are the cases that were under way.
pub fn ended(suspects: Vec<String>, why: String) -> Row {
    Row {
        id: super::ENDED.to_owned(),
        standing: Standing::SilentlyWrong,
        level: Some(Level::AgentReady),
        cases: 1,
        wrong: 1,
        declared: 0,
        unclear: 0,
        why: Some(why),
        examples: suspects,
        blames: BTreeMap::from([(crate::judge::Blame::Target.name(), 1)]),
    }
}

/// The three levels, weakest first.
pub fn levels(rows: &[Row], profile: &Profile) -> Vec<LevelStanding> {
    let breaks = |row: &&Row, level| {
        row.standing == Standing::SilentlyWrong && row.level.is_some_and(|breach| breach <= level)
    };
    let declared = || rows.iter().filter(|row| row.standing == Standing::Declared);
    let lacks = |level| {
        let features = ESSENTIAL.into_iter().filter(|feature| {
            let id = format!("accepts/{feature}");
            declared().any(|row| row.id == id)
        });
        let is_demanded = |what: &What| {
            declared().any(|row| demanded_at(&row.id) <= level && what.covers(&row.id))
        };
        let families = profile.wholesale().filter(is_demanded);
        features.map(What::Feature).chain(families).collect()
    };
    let is_untested = |row: &&Row| row.standing == Standing::Untested;
    let untried: Vec<_> = ESSENTIAL
        .into_iter()
        .filter(|feature| {
            let id = format!("accepts/{feature}");
            rows.iter().filter(is_untested).any(|row| row.id == id)
        })
        .collect();
    let standing = |level| LevelStanding {
        level,
        broken_by: rows.iter().filter(|row| breaks(row, level)).map(|row| row.id.clone()).collect(),
        lacks: lacks(level),
        untried: untried.clone(),
        tested: rows
            .iter()
            .filter(|row| demanded_at(&row.id) == level && !is_untested(row))
            .count(),
        untested: rows
            .iter()
            .filter(|row| demanded_at(&row.id) <= level)
            .filter(is_untested)
            .count(),
    };
    Level::ALL.map(standing).to_vec()
}

/// The weakest level that demands what the row of that id is about.
fn demanded_at(id: &str) -> Level {
    match id.strip_prefix("accepts/").and_then(Feature::parse) {
        Some(feature) if ESSENTIAL.contains(&feature) => Level::AgentReady,
        Some(_) => Level::Compatible,
        None => Level::of(id),
    }
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

/// Whether it is about the form of an answer, or of what was passed on, and not about what the case asks.
pub fn is_about_form(finding: &Finding) -> bool {
    finding.rule.starts_with(response::PREFIX)
        || [altered::RULE, altered::answer::RULE].contains(&finding.rule)
}

fn tolerated<'p>(profile: &'p Profile, record: &Record, finding: &Finding) -> Option<&'p str> {
    let of_row = || refusal(record).and_then(|row| profile.tolerates(&row));
    let of_case = || profile.tolerates(&record.rule).or_else(of_row);
    let of_case = || if is_about_answer(finding) { of_case() } else { None };
    profile.tolerates(finding.rule).or_else(of_case)
}

/// The row that a broken request is about.
fn refusal(record: &Record) -> Option<String> {
    (!expects_success(record)).then(|| format!("refuses/{}", record.rule))
}
