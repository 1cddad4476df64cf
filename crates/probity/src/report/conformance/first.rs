//! What to mend first: a report of a hundred broken rules is read by nobody who has not been shown where to begin.

use std::cmp::Reverse;

use contract::conformance::standing::{Row, Standing};
use contract::level::Level;

use crate::target::Conformance;

/// As many as a person keeps in mind.
const FIRST_MAX: usize = 5;

/// A rule that is broken, and the shortest way to see it.
pub(super) struct First<'a> {
    pub(super) row: &'a Row,
    pub(super) level: Level,
    /// What was seen, of the smallest request that shows it.
    pub(super) trace: &'a str,
    pub(super) case: Option<String>,
}

/// What breaks the weakest level first, since nothing above it holds until it is mended; of that what breaks most.
pub(super) fn first(conformance: &Conformance) -> Vec<First<'_>> {
    let level = |row: &Row| row.level.unwrap_or(Level::Strict);
    let is_meant =
        |row: &&Row| row.standing == Standing::SilentlyWrong && level(row) <= conformance.level;
    let mut rows: Vec<_> = conformance.rows.iter().filter(is_meant).collect();
    rows.sort_by_key(|row| (level(row), Reverse(row.wrong)));
    let shown = rows.into_iter().take(FIRST_MAX).map(|row| {
        let specimen = conformance.specimens.of(row);
        let trace = specimen.map(|specimen| &*specimen.finding.trace);
        let case = specimen.map(|specimen| &specimen.case).or_else(|| row.examples.first());
        First {
            row,
            level: level(row),
            trace: trace.or(row.why.as_deref()).unwrap_or_default(),
            case: case.map(|case| sendable(case)),
        }
    });
    shown.collect()
}

/// A pair of answers is compared under the name of its stream with another origin, which cannot be sent.
pub(super) fn sendable(case: &str) -> String {
    case.replacen("/twin/", "/valid/", 1)
}
