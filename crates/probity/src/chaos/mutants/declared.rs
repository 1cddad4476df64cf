//! Who is to fail what, by hand: `specs/mutants.toml`, and whether the matrix is as it says.

use std::collections::{BTreeMap, BTreeSet};

use chaos::TrialReport;
use chaos::oracle::{Code, Level, Verdict};
use client::MUTANTS;
use client::mutants::Mutant;
use contract::spec::Text;
use serde::Deserialize;
use wildmatch::WildMatch;

use super::{Cell, Matrix, RIGHT, Row};
use crate::exit::Stop;

/// The file.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Declared {
    #[serde(rename = "mutant")]
    mutants: Vec<Entry>,
    /// Scenarios that no wrong client here fails: which released client does, or why none can.
    unkilled: BTreeMap<String, String>,
    /// Finding codes that no wrong client here draws: who does.
    undrawn: BTreeMap<String, String>,
}

/// What is known of one wrong client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    /// Globs on the scenarios that it may fail.
    fails: Vec<String>,
    /// The codes that it may fail them with.
    codes: Vec<String>,
    /// The same at the level of a warning, where its mistake is one that a client may make.
    #[serde(default)]
    warns: Vec<String>,
}

impl Declared {
    pub(super) fn parse(file: &Text) -> Result<Self, Stop> {
        toml::from_str(&file.text).map_err(|error| Stop::usage(format!("{}: {error}", file.name)))
    }

    /// Whether this trial may end like this.
    pub(super) fn expects(&self, client: &Mutant, report: &TrialReport) -> bool {
        let entry = self.mutants.iter().find(|entry| entry.name == client.name);
        let found: Vec<_> = report.findings.iter().map(|found| (found.level, found.code)).collect();
        match entry {
            Some(entry) => entry.permits(&report.scenario, report.verdict, &found),
            None => matches!(report.verdict, Verdict::Pass | Verdict::Skip),
        }
    }

    /// What does not fit.
    pub(super) fn gaps(&self, matrix: &Matrix) -> Vec<String> {
        let mut gaps = self.names();
        for row in &matrix.rows {
            match self.mutants.iter().find(|entry| entry.name == row.client.name) {
                Some(entry) => gaps.extend(entry.gaps(row)),
                None => {
                    gaps.extend(row.cells.iter().filter(|cell| cell.verdict != Verdict::Pass).map(
                        |cell| format!("the {} client does not pass {}", RIGHT.name, told(cell)),
                    ))
                }
            }
        }
        gaps.extend(self.unkilled(matrix));
        gaps.extend(self.undrawn(matrix));
        gaps
    }

    /// The entries are those of the mutants, one to one and in their order.
    fn names(&self) -> Vec<String> {
        let entries: Vec<_> = self.mutants.iter().map(|entry| &*entry.name).collect();
        let mutants: Vec<_> = MUTANTS.iter().map(|mutant| mutant.name).collect();
        let differs = || {
            let first = entries.iter().zip(&mutants).find(|(entry, mutant)| entry != mutant);
            match first {
                Some((entry, mutant)) => {
                    format!("the entry `{entry}` stands where `{mutant}` should")
                }
                None => format!("{} entries for {} mutants", entries.len(), mutants.len()),
            }
        };
        if entries == mutants { vec![] } else { vec![differs()] }
    }

    fn unkilled(&self, matrix: &Matrix) -> Vec<String> {
        let failed = matrix.wrong_cells().filter(|(_, cell)| cell.fails());
        let killing: BTreeSet<_> = failed.map(|(_, cell)| &*cell.scenario).collect();
        let all: BTreeSet<_> = matrix.scenarios.iter().map(String::as_str).collect();
        let listed: BTreeSet<_> = self.unkilled.keys().map(String::as_str).collect();
        differences(&all, &killing, &listed, "no mutant fails the scenario", "unkilled")
    }

    fn undrawn(&self, matrix: &Matrix) -> Vec<String> {
        let found = matrix.wrong_cells().flat_map(|(_, cell)| &cell.found);
        let drawn: BTreeSet<_> = found.map(|(_, code)| code.name()).collect();
        let all: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        let listed: BTreeSet<_> = self.undrawn.keys().map(String::as_str).collect();
        differences(&all, &drawn, &listed, "no mutant draws the code", "undrawn")
    }
}

/// What of `all` is neither `seen` nor `listed`, and what is listed and should not be.
fn differences(
    all: &BTreeSet<&str>,
    seen: &BTreeSet<&str>,
    listed: &BTreeSet<&str>,
    lacking: &str,
    table: &str,
) -> Vec<String> {
    let missing = all.iter().filter(|name| !seen.contains(*name) && !listed.contains(*name));
    let missing = missing.map(|name| format!("{lacking} `{name}`, and [{table}] does not list it"));
    let stale = listed.iter().filter(|name| seen.contains(*name) || !all.contains(*name));
    let stale = stale.map(|name| format!("[{table}] lists `{name}`, and should not any more"));
    missing.chain(stale).collect()
}

impl Entry {
    /// Whether a trial may end like this.
    fn permits(&self, scenario: &str, verdict: Verdict, found: &[(Level, Code)]) -> bool {
        let deciding = found.iter().filter(|(level, _)| level.verdict() == verdict);
        let mut codes = deciding.map(|(_, code)| code.name());
        match verdict {
            Verdict::Info | Verdict::Pass | Verdict::Skip => true,
            Verdict::Warn => {
                codes.all(|code| self.warns.iter().chain(&self.codes).any(|known| known == code))
            }
            Verdict::Fail => {
                self.fails.iter().any(|glob| WildMatch::new(glob).matches(scenario))
                    && codes.all(|code| self.codes.iter().any(|known| known == code))
            }
            Verdict::HarnessError | Verdict::Inconclusive => false,
        }
    }

    fn gaps(&self, row: &Row) -> Vec<String> {
        let name = &self.name;
        let mut gaps = vec![];
        for cell in &row.cells {
            let found: Vec<_> = cell.found.iter().copied().collect();
            if !self.permits(&cell.scenario, cell.verdict, &found) {
                gaps.push(format!("`{name}` is not known to do this: {}", told(cell)));
            }
        }
        let decisive = |verdict| row.cells.iter().filter(move |cell| cell.verdict == verdict);
        let is_caught = decisive(if self.fails.is_empty() { Verdict::Warn } else { Verdict::Fail });
        if is_caught.count() == 0 {
            gaps.push(format!("nothing catches `{name}`"));
        }
        let failed: BTreeSet<_> = decisive(Verdict::Fail).map(|cell| &*cell.scenario).collect();
        let is_stale = |glob: &&String| !failed.iter().any(|id| WildMatch::new(glob).matches(id));
        let stale = self.fails.iter().filter(is_stale);
        gaps.extend(stale.map(|glob| format!("`{name}` fails nothing like `{glob}` any more")));
        for (codes, verdict) in [(&self.codes, Verdict::Fail), (&self.warns, Verdict::Warn)] {
            let drawn: BTreeSet<_> =
                decisive(verdict).flat_map(Cell::codes).map(Code::name).collect();
            let stale = codes.iter().filter(|code| !drawn.contains(&***code));
            gaps.extend(
                stale.map(|code| format!("`{name}` draws no `{code}` ({verdict}) any more")),
            );
        }
        gaps
    }
}

/// A cell on one line.
fn told(cell: &Cell) -> String {
    let Cell { scenario, surface, verdict, details, .. } = cell;
    format!("{scenario} {}: {verdict} ({})", surface.name(), details.join("; "))
}
