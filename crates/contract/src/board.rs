//! All records of a run, and the ledgers made of them: the text that people review when the API changes.
//!
//! A ledger has one line per kind of answer and not per case, so that a hundred cases that move together are one
//! changed line; a short hash over the ids makes a case that moves alone change it too. The price is that the line
//! does not name its cases: [`Board::membership`] lists them, and the tool compares that list with the last run's.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::judge::{Record, Verdict};
use crate::version::{OperationId, Version};

/// The records of a run, in case order.
#[derive(Debug, Default)]
pub struct Board {
    pub records: Vec<Record>,
}

/// More lines than a person reads in a review.
pub const LEDGER_LINES_MAX: usize = 400;
/// Places named on a line before the rest is only counted.
const PLACES_MAX: usize = 8;

/// What the cases of one ledger line have in common.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Line {
    /// `valid`, `mended`, `witness/RULE`, `mut/FAMILY/RULE`.
    kind: String,
    class: &'static str,
    status: Option<u16>,
    error_type: Option<Box<str>>,
    error_code: Option<Box<str>>,
    verdict: Verdict,
}

impl Board {
    /// How many records have each verdict, in the order of [`Verdict::ALL`].
    pub fn verdicts(&self) -> [usize; 4] {
        Verdict::ALL
            .map(|verdict| self.records.iter().filter(|record| record.verdict == verdict).count())
    }

    /// The ledger of one operation and version: counts on top, then one sorted line per kind of answer.
    pub fn ledger(&self, version: Version, operation: OperationId) -> String {
        let of_ledger =
            |record: &&Record| record.version == version && record.operation == operation;
        ledger_text(&format!("{operation} under {version}"), self.records.iter().filter(of_ledger))
    }

    /// The ids behind each line of that ledger, sorted: `KIND CLASS ID`.
    pub fn membership(&self, version: Version, operation: OperationId) -> Vec<(String, String)> {
        let of_ledger =
            |record: &&Record| record.version == version && record.operation == operation;
        let mut ids: Vec<_> = self
            .records
            .iter()
            .filter(of_ledger)
            .map(|record| (record.id.0.clone(), answer(&line(record))))
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// The ledger of any records.
pub fn ledger_text<'r>(title: &str, records: impl Iterator<Item = &'r Record>) -> String {
    let mut lines: BTreeMap<Line, Vec<&Record>> = BTreeMap::new();
    let mut counts = [0_usize; 4];
    for record in records {
        counts[record.verdict as usize] += 1;
        lines.entry(line(record)).or_default().push(record);
    }
    let total: usize = counts.iter().sum();
    let [agree, drift, excused, inconclusive] = counts;
    let mut text = format!(
        "{title}\ncases {total} · agree {agree} · drift {drift} · excused {excused} · inconclusive {inconclusive}\n\n"
    );
    let width = lines.keys().map(|line| line.kind.len()).max().unwrap_or(0);
    for (line, records) in &lines {
        let count = records.len();
        let (kind, answer, verdict) = (&line.kind, answer(line), line.verdict.name());
        let _ = write!(text, "{kind:width$}  {answer}  {verdict}  {count}  #{}", hash(records));
        let places = places(records);
        if !places.is_empty() {
            let _ = write!(text, "  {places}");
        }
        text.push('\n');
    }
    text
}

fn line(record: &Record) -> Line {
    let kind = match record.origin {
        "mut" => format!("mut/{}/{}", record.family, record.rule),
        // Twins are all alike: accepted. One line holds them, and the rules are its places.
        "witness" if record.at == record.rule => "mended".to_owned(),
        "witness" => format!("witness/{}", record.rule),
        origin => origin.to_owned(),
    };
    Line {
        kind,
        class: record.class.name(),
        status: record.status,
        error_type: record.error_type.clone(),
        error_code: record.error_code.clone(),
        verdict: record.verdict,
    }
}

fn answer(line: &Line) -> String {
    let status = line.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let error_type = line.error_type.as_deref().unwrap_or("-");
    match line.error_code.as_deref() {
        Some(code) => format!("{} {status} {error_type} {code}", line.class),
        None => format!("{} {status} {error_type}", line.class),
    }
}

/// Of the sorted ids, so that it depends on which cases there are and not on their order.
fn hash(records: &[&Record]) -> String {
    let mut ids: Vec<_> = records.iter().map(|record| record.id.0.as_str()).collect();
    ids.sort_unstable();
    let mut hasher = Sha256::new();
    for id in ids {
        hasher.update(id.as_bytes());
        hasher.update([b'\n']);
    }
    hasher.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn places(records: &[&Record]) -> String {
    let mut places: Vec<_> =
        records.iter().map(|record| &*record.at).filter(|at| !at.is_empty()).collect();
    places.sort_unstable();
    places.dedup();
    let more = places.len().saturating_sub(PLACES_MAX);
    places.truncate(PLACES_MAX);
    let mut text = places.join(" ");
    if more > 0 {
        let _ = write!(text, " +{more}");
    }
    text
}
