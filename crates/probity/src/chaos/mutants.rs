//! The kill matrix: every wrong client plays every scenario, and so does the right one.
//!
//! It answers for both sides of the judge. A scenario that no wrong client fails may be one that none can fail; a
//! wrong client that nothing catches is a rule that nobody checks; and what fails beside its own mistake was judged
//! by mistake. Which of them fails where is written down by hand in `specs/mutants.toml` ([`declared`]), and cell by
//! cell in a ledger ([`ledger`]). Waits between attempts are spared; what a socket waits for is real. The price is
//! that a busy machine can spoil a trial: those are held again, alone ([`play`]).

mod declared;
mod ledger;
mod play;

use std::collections::{BTreeMap, BTreeSet};

use chaos::oracle::{Code, Level, Verdict};
use chaos::{Scenario, Surface, TrialReport};
use client::MUTANTS;
use client::mutants::Mutant;

use self::declared::Declared;
use crate::exit::Stop;
use crate::smoke::CANARY;
use crate::specs::{Overrides, Specs};

/// Where it is written down who fails what.
const FILE: &str = "mutants.toml";

/// The client without a mistake: what it fails is the judge's mistake.
const RIGHT: Mutant = Mutant { name: "right", breaks: "Nothing.", change: |_| {} };

/// Who played what, and what came of it.
pub struct Matrix {
    declared: Declared,
    /// Every scenario, those included that nobody here can play.
    scenarios: Vec<String>,
    /// The right client, then every wrong one.
    rows: Vec<Row>,
}

/// One client, in all trials.
struct Row {
    client: &'static Mutant,
    /// In the order of scenarios and surfaces.
    cells: Vec<Cell>,
}

/// One client in one trial.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Cell {
    scenario: String,
    surface: Surface,
    verdict: Verdict,
    found: BTreeSet<(Level, Code)>,
    /// What was found, in words.
    details: Vec<String>,
}

/// Plays the whole matrix. It takes a minute or two.
pub fn matrix() -> Result<Matrix, Stop> {
    let specs = Specs::load(&Overrides::default())?;
    let declared = Declared::parse(&crate::specs::built_in_text(FILE)?)?;
    let mut scenarios: Vec<&Scenario> =
        specs.scenarios.iter().filter(|scenario| scenario.id != CANARY).collect();
    scenarios.sort_by(|one, other| one.id.cmp(&other.id));
    let clients: Vec<&'static Mutant> = std::iter::once(&RIGHT).chain(MUTANTS).collect();
    let is_expected = |client: &Mutant, report: &TrialReport| declared.expects(client, report);
    let reports = play::play(&clients, &scenarios, &specs.scripts, &is_expected)?;
    let row = |(client, reports): (&'static Mutant, Vec<TrialReport>)| Row {
        client,
        cells: reports.into_iter().filter_map(Cell::of).collect(),
    };
    let rows = clients.into_iter().zip(reports).map(row).collect();
    let scenarios = scenarios.into_iter().map(|scenario| scenario.id.clone()).collect();
    Ok(Matrix { declared, scenarios, rows })
}

impl Matrix {
    /// What does not fit what is written down, line by line; of a sound matrix none.
    pub fn gaps(&self) -> Vec<String> {
        self.declared.gaps(self)
    }

    /// All cells that are worth a look, as text that people review.
    pub fn ledger(&self) -> String {
        ledger::text(self)
    }

    /// The wrong clients.
    fn mutants(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.client.name != RIGHT.name)
    }

    /// By how many clients each scenario is failed, on whatever surface. One that is wrong in every request fails
    /// whatever it is given, and says nothing about a scenario.
    fn kills(&self) -> BTreeMap<&str, usize> {
        let none = self.scenarios.iter().map(|scenario| (&**scenario, 0));
        let mut kills: BTreeMap<&str, usize> = none.collect();
        for row in self.mutants().filter(|row| !row.fails_everywhere()) {
            let failed = row.cells.iter().filter(|cell| cell.verdict == Verdict::Fail);
            for scenario in failed.map(|cell| &*cell.scenario).collect::<BTreeSet<_>>() {
                *kills.entry(scenario).or_default() += 1;
            }
        }
        kills
    }
}

impl Row {
    fn fails_everywhere(&self) -> bool {
        let failed = self.cells.iter().filter(|cell| cell.verdict == Verdict::Fail);
        self.cells.len() < failed.count() * 2
    }
}

impl Cell {
    /// What came of a trial; nothing if it was not held.
    fn of(report: TrialReport) -> Option<Self> {
        let TrialReport { scenario, surface, verdict, findings, reason, .. } = report;
        let found = findings.iter().map(|finding| (finding.level, finding.code)).collect();
        let details = findings.iter().map(|found| format!("{}: {}", found.code, found.detail));
        let details = details.chain(reason).collect();
        let held = verdict != Verdict::Skip;
        held.then_some(Self { scenario, surface, verdict, found, details })
    }

    /// The codes that decided.
    fn codes(&self) -> impl Iterator<Item = Code> {
        let deciding =
            |(level, _): &&(Level, Code)| *level != Level::Note && level.verdict() == self.verdict;
        self.found.iter().filter(deciding).map(|(_, code)| *code)
    }
}
