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
    /// Globs on scenarios that several entries have in common.
    sets: BTreeMap<String, Vec<String>>,
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
    /// The scenarios that it may fail: globs, `@` and the name of a set, or `!` and a glob on what it does not fail
    /// all the same.
    fails: Vec<String>,
    /// The codes that it may fail them with.
    codes: Vec<String>,
    /// The same at the level of a warning, where its mistake is one that a client may make.
    #[serde(default)]
    warns: Vec<String>,
    /// Scenarios that say nothing about it, since it goes another way.
    #[serde(default)]
    evades: Vec<String>,
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
            Some(entry) => self.permits(entry, &report.scenario, report.verdict, &found),
            None => matches!(report.verdict, Verdict::Pass | Verdict::Skip),
        }
    }

    /// What does not fit.
    pub(super) fn gaps(&self, matrix: &Matrix) -> Vec<String> {
        let mut gaps = self.names();
        for row in &matrix.rows {
            match self.mutants.iter().find(|entry| entry.name == row.client.name) {
                Some(entry) => gaps.extend(self.gaps_of(entry, row)),
                None => {
                    gaps.extend(row.cells.iter().filter(|cell| cell.verdict != Verdict::Pass).map(
                        |cell| format!("the {} client does not pass {}", RIGHT.name, told(cell)),
                    ))
                }
            }
        }
        gaps.extend(self.stale_sets());
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
        let kills = matrix.kills().into_iter().filter(|(_, count)| 0 < *count);
        let killing: BTreeSet<_> = kills.map(|(scenario, _)| scenario).collect();
        let all: BTreeSet<_> = matrix.scenarios.iter().map(String::as_str).collect();
        let listed: BTreeSet<_> = self.unkilled.keys().map(String::as_str).collect();
        differences(&all, &killing, &listed, "no mutant fails the scenario", "unkilled")
    }

    fn undrawn(&self, matrix: &Matrix) -> Vec<String> {
        let cells = matrix.mutants().flat_map(|row| &row.cells);
        let found = cells.flat_map(|cell| &cell.found);
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

/// What one entry says, with the sets that it names.
impl Declared {
    /// Whether a trial may end like this.
    fn permits(
        &self,
        entry: &Entry,
        scenario: &str,
        verdict: Verdict,
        found: &[(Level, Code)],
    ) -> bool {
        let deciding = found.iter().filter(|(level, _)| level.verdict() == verdict);
        let mut codes = deciding.map(|(_, code)| code.name());
        match verdict {
            Verdict::Info | Verdict::Pass | Verdict::Skip => true,
            Verdict::Warn => {
                codes.all(|code| entry.warns.iter().chain(&entry.codes).any(|known| known == code))
            }
            Verdict::Fail => {
                self.may_fail(entry, scenario)
                    && codes.all(|code| entry.codes.iter().any(|known| known == code))
            }
            Verdict::Inconclusive => entry.evades.iter().any(|known| known == scenario),
            Verdict::HarnessError => false,
        }
    }

    fn may_fail(&self, entry: &Entry, scenario: &str) -> bool {
        let excepted = entry.fails.iter().filter_map(|glob| glob.strip_prefix('!'));
        !excepted.into_iter().any(|glob| is_like(glob, scenario))
            && entry.fails.iter().any(|glob| self.is_in(glob, scenario))
    }

    /// Whether a glob means this scenario, or a set does.
    fn is_in(&self, glob: &str, scenario: &str) -> bool {
        match glob.strip_prefix('@') {
            Some(set) => {
                self.sets.get(set).into_iter().flatten().any(|glob| is_like(glob, scenario))
            }
            None => is_like(glob, scenario),
        }
    }

    fn gaps_of(&self, entry: &Entry, row: &Row) -> Vec<String> {
        let name = &entry.name;
        let mut gaps = vec![];
        for cell in &row.cells {
            let found: Vec<_> = cell.found.iter().copied().collect();
            if !self.permits(entry, &cell.scenario, cell.verdict, &found) {
                gaps.push(format!("`{name}` is not known to do this: {}", told(cell)));
            }
        }
        let ended = |verdict| row.cells.iter().filter(move |cell| cell.verdict == verdict);
        let caught = ended(if entry.fails.is_empty() { Verdict::Warn } else { Verdict::Fail });
        if caught.count() == 0 {
            gaps.push(format!("nothing catches `{name}`"));
        }
        let failed: BTreeSet<_> = ended(Verdict::Fail).map(|cell| &*cell.scenario).collect();
        for glob in &entry.fails {
            let excepted = glob.strip_prefix('!');
            let is_alive = match excepted {
                Some(glob) => row.cells.iter().any(|cell| is_like(glob, &cell.scenario)),
                None => failed.iter().any(|scenario| self.is_in(glob, scenario)),
            };
            if !is_alive {
                gaps.push(format!("`{name}` fails nothing like `{glob}` any more"));
            }
        }
        let unclear: BTreeSet<_> =
            ended(Verdict::Inconclusive).map(|cell| &*cell.scenario).collect();
        let stale = entry.evades.iter().filter(|scenario| !unclear.contains(&***scenario));
        gaps.extend(stale.map(|scenario| format!("`{name}` evades `{scenario}` no more")));
        for (codes, verdict) in [(&entry.codes, Verdict::Fail), (&entry.warns, Verdict::Warn)] {
            let drawn: BTreeSet<_> = ended(verdict).flat_map(Cell::codes).map(Code::name).collect();
            let stale = codes.iter().filter(|code| !drawn.contains(&***code));
            gaps.extend(
                stale.map(|code| format!("`{name}` draws no `{code}` ({verdict}) any more")),
            );
        }
        gaps
    }

    /// Sets that no entry names, and names of sets that are none.
    fn stale_sets(&self) -> Vec<String> {
        let named = self.mutants.iter().flat_map(|entry| &entry.fails);
        let named: BTreeSet<_> = named.filter_map(|glob| glob.strip_prefix('@')).collect();
        let all: BTreeSet<_> = self.sets.keys().map(String::as_str).collect();
        named
            .symmetric_difference(&all)
            .map(|set| format!("the set `{set}` is not there, or for nothing"))
            .collect()
    }
}

fn is_like(glob: &str, scenario: &str) -> bool {
    WildMatch::new(glob).matches(scenario)
}

/// A cell on one line.
fn told(cell: &Cell) -> String {
    let Cell { scenario, surface, verdict, details, .. } = cell;
    format!("{scenario} {}: {verdict} ({})", surface.name(), details.join("; "))
}

#[cfg(test)]
mod tests {
    use chaos::Surface;

    use super::*;

    const NAMES: [&str; 2] = [MUTANTS[0].name, MUTANTS[1].name];

    fn cell(scenario: &str, verdict: Verdict, found: &[(Level, Code)]) -> Cell {
        Cell {
            scenario: scenario.to_owned(),
            surface: Surface::Create,
            verdict,
            found: found.iter().copied().collect(),
            details: vec![],
        }
    }

    fn hangs(scenario: &str) -> Cell {
        cell(scenario, Verdict::Fail, &[(Level::Fail, Code::Hang), (Level::Warn, Code::NoGrowth)])
    }

    /// What is said of a matrix of two mutants, but for the names and codes that are missing altogether.
    fn gaps(text: &str, first: Vec<Cell>, second: Vec<Cell>) -> Vec<String> {
        let declared: Declared = toml::from_str(text).unwrap();
        let cells = first.iter().chain(&second);
        let scenarios: BTreeSet<_> = cells.map(|cell| cell.scenario.clone()).collect();
        let rows = vec![
            Row { client: &RIGHT, cells: vec![cell("one", Verdict::Pass, &[])] },
            Row { client: &MUTANTS[0], cells: first },
            Row { client: &MUTANTS[1], cells: second },
        ];
        let matrix =
            Matrix { declared: declared.clone(), scenarios: scenarios.into_iter().collect(), rows };
        let of_others =
            |gap: &String| gap.contains("entries for") || gap.contains("draws the code");
        declared.gaps(&matrix).into_iter().filter(|gap| !of_others(gap)).collect()
    }

    fn declared(first: &str, second: &str, unkilled: &str) -> String {
        let [one, other] = NAMES;
        format!(
            "[sets]\nall = [\"*\"]\n[[mutant]]\nname = \"{one}\"\n{first}\n[[mutant]]\nname = \"{other}\"\n\
             {second}\n[unkilled]\n{unkilled}\n[undrawn]\n"
        )
    }

    #[test]
    fn a_matrix_that_is_as_it_says_has_no_gaps() {
        let passes = |scenario| cell(scenario, Verdict::Pass, &[]);
        let warned = cell("three", Verdict::Warn, &[(Level::Warn, Code::NoJitter)]);
        let text = declared(
            "fails = [\"@all\", \"!two\"]\ncodes = [\"hang\"]",
            "fails = []\ncodes = []\nwarns = [\"no-jitter\"]\nevades = [\"one\"]",
            "two = \"nobody\"\nthree = \"nobody\"",
        );
        let evaded = cell("one", Verdict::Inconclusive, &[]);
        let first = vec![hangs("one"), passes("two"), passes("three")];
        assert_eq!(gaps(&text, first, vec![evaded, warned, passes("two")]), [""; 0]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let passes = |scenario| cell(scenario, Verdict::Pass, &[]);
        let text = declared(
            "fails = [\"@all\", \"!two\"]\ncodes = [\"false-ok\"]",
            "fails = [\"one\"]\ncodes = [\"hang\"]",
            "two = \"it is failed\"",
        );
        let first = vec![hangs("one"), hangs("two"), passes("three")];
        let [one, other] = NAMES;
        let expected = [
            format!("`{one}` is not known to do this: one create: fail ()"),
            format!("`{one}` is not known to do this: two create: fail ()"),
            format!("`{one}` draws no `false-ok` (fail) any more"),
            format!("nothing catches `{other}`"),
            format!("`{other}` fails nothing like `one` any more"),
            format!("`{other}` draws no `hang` (fail) any more"),
            "no mutant fails the scenario `three`, and [unkilled] does not list it".to_owned(),
            "no mutant fails the scenario `one`, and [unkilled] does not list it".to_owned(),
        ];
        let found = gaps(&text, first, vec![passes("one")]);
        // The first one fails most of what it plays, and so kills nothing in particular.
        let expected: BTreeSet<_> = expected.into_iter().collect();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}
