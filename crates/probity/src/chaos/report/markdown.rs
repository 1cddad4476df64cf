//! Markdown for a pull request: what fails, and why, in a table that a reviewer reads in a minute.

use std::fmt::Write as _;

use chaos::TrialReport;
use chaos::oracle::Verdict;

use super::super::card::{Scorecard, cause};
use crate::report::markdown::cell;

/// Rows of one table; a page with more is not read.
const ROWS_MAX: usize = 60;

/// The page.
pub fn text(cards: &[Scorecard]) -> String {
    let mut text = String::from("## probity chaos\n\n| client | profile |");
    let columns = ["fail", "known", "warn", "info", "inconclusive", "skip", "pass"];
    for column in columns {
        let _ = write!(text, " {column} |");
    }
    text += "\n|---|---|";
    text += &"--:|".repeat(columns.len());
    text.push('\n');
    for card in cards {
        let counts = card.counts();
        let cells = [
            counts.fail + counts.harness_error,
            counts.excused,
            counts.warn,
            counts.info,
            counts.inconclusive,
            counts.skip,
            counts.pass,
        ];
        let cells: Vec<_> = cells.iter().map(usize::to_string).collect();
        let client = &card.client;
        let _ = writeln!(
            text,
            "| {} {} ({}) | {} | {} |",
            client.name,
            client.version,
            client.language,
            card.profile.name(),
            cells.join(" | ")
        );
    }
    for card in cards {
        text += &findings(card);
    }
    text
}

fn findings(card: &Scorecard) -> String {
    let title = format!("\n### {} {}\n\n", card.client.name, card.client.version);
    let is_told = |report: &&TrialReport| {
        matches!(report.verdict, Verdict::Fail | Verdict::HarnessError | Verdict::Warn)
    };
    let mut told: Vec<_> = card.results.iter().filter(is_told).collect();
    // The worst first; within that as they are.
    told.sort_by_key(|report| (rank(report), report.severity));
    if told.is_empty() && card.stale.is_empty() {
        return format!("{title}Nothing was found.\n");
    }
    let mut text = title;
    for entry in &card.stale {
        let _ = writeln!(
            text,
            "- `{}` is expected to fail and does not: remove the entry.",
            cell(entry)
        );
    }
    if told.is_empty() {
        return text;
    }
    text += "| verdict | severity | scenario | surface | why |\n|---|---|---|---|---|\n";
    for report in told.iter().take(ROWS_MAX) {
        let verdict = if report.excuse.is_some() { "known" } else { report.verdict.name() };
        let _ = writeln!(
            text,
            "| {verdict} | {:?} | `{}` | {} | {} |",
            report.severity,
            report.scenario,
            report.surface.name(),
            cell(&cause(report))
        );
    }
    if told.len() > ROWS_MAX {
        let _ = writeln!(text, "\nand {} more", told.len() - ROWS_MAX);
    }
    text
}

fn rank(report: &TrialReport) -> u8 {
    match report.verdict {
        Verdict::Fail if report.excuse.is_none() => 0,
        Verdict::HarnessError => 1,
        Verdict::Fail => 2,
        _ => 3,
    }
}
