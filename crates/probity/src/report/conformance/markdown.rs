//! Markdown for a pull request: the levels, the features, and what is broken, as short as a reviewer wants it.

use std::fmt::Write as _;

use contract::conformance::probe::Support;
use contract::conformance::standing::LevelStanding;

use super::NO_EVIDENCE;
use super::told::{Breach, Told};
use crate::console::{count, thousands};
use crate::report::markdown::{cell, code};

/// Rows of one table; a comment with more is not read, and the JSON has all.
const ROWS_MAX: usize = 40;
/// Of what was seen, in a cell.
const WORDS_MAX: usize = 140;

/// The page.
pub fn text(told: &Told<'_>) -> String {
    let standing = match told.kept() {
        Some(level) => format!("keeps level {level}"),
        None => "keeps no level".to_owned(),
    };
    let mut text = format!("## {}: {standing}\n\n", cell(&told.key.scrub(&told.name())));
    let _ = writeln!(
        text,
        "{} judged by probity {}, contract of {}.",
        count(told.cases, "case"),
        env!("CARGO_PKG_VERSION"),
        told.head.as_of
    );
    if !told.is_whole() {
        text += "Only a part of the cases was tried, so a level that holds may not.\n";
    }
    if told.conformance.is_recalled && told.conformance.upstream.is_some() {
        let _ = writeln!(text, "Of our mock behind it, {NO_EVIDENCE}.");
    }
    text.push('\n');
    text += &levels(told);
    text += &features(told);
    text += &breaches(told);
    text += &unusual(told);
    let _ = write!(text, "\n```sh\n{}\n```\n", told.key.scrub(&told.command()));
    text
}

fn levels(told: &Told<'_>) -> String {
    let mut text = "| level | | broken by | cannot do without |\n|---|---|--:|---|\n".to_owned();
    for standing in &told.conformance.levels {
        let lacks: Vec<_> = standing.lacks.iter().map(|feature| feature.title()).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            standing.level,
            match standing.word() {
                "holds" => "✓ holds",
                "untested" => "? untested",
                _ => "✗ broken",
            },
            count(standing.broken_by.len(), "rule"),
            if standing.is_broken() { lacks.join(", ") } else { untried(standing) }
        );
    }
    text
}

/// What stands in the way of a level that is not broken.
fn untried(standing: &LevelStanding) -> String {
    let names: Vec<_> = standing.untried.iter().map(|feature| feature.title()).collect();
    if names.is_empty() { String::new() } else { format!("untried: {}", names.join(", ")) }
}

fn features(told: &Told<'_>) -> String {
    let (works, others): (Vec<_>, Vec<_>) =
        told.conformance.features.iter().partition(|(_, support)| *support == Support::Works);
    let works: Vec<_> = works.iter().map(|(feature, _)| feature.title()).collect();
    let mut text = "\n### Features\n\n".to_owned();
    if !works.is_empty() {
        let _ = writeln!(text, "{} work: {}.", works.len(), works.join(", "));
    }
    if others.is_empty() {
        return text;
    }
    text += "\n| feature | | seen |\n|---|---|---|\n";
    for (feature, support) in others {
        let seen = short(told, &support.text());
        let _ = writeln!(text, "| {} | {} | {seen} |", feature.title(), support.name());
    }
    text
}

fn breaches(told: &Told<'_>) -> String {
    let breaches = told.breaches();
    if breaches.is_empty() {
        return "\nNo rule is broken.\n".to_owned();
    }
    let mut text = format!(
        "\n### {} broken\n\n| level | rule | cases | blame | seen | one of them |\n|---|---|--:|---|---|---|\n",
        count(breaches.len(), "rule")
    );
    for breach in breaches.iter().take(ROWS_MAX) {
        let _ = writeln!(text, "{}", row(told, breach));
    }
    if let Some(more @ 1..) = breaches.len().checked_sub(ROWS_MAX) {
        let _ = writeln!(text, "\nand {} more", thousands(more));
    }
    text
}

fn unusual(told: &Told<'_>) -> String {
    let oddities = &told.conformance.oddities;
    if oddities.is_empty() {
        return String::new();
    }
    let mut text = "\n### New or unusual, not a failure\n\n| what | names | streams | as it came | one of them |\n|---|---|--:|---|---|\n".to_owned();
    for odd in oddities {
        let names: Vec<_> = odd.names.iter().map(|name| code(name)).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            cell(odd.kind.what()),
            names.join(", "),
            thousands(odd.cases),
            short(told, &odd.trace),
            code(&odd.example)
        );
    }
    text
}

fn row(told: &Told<'_>, breach: &Breach<'_>) -> String {
    let row = breach.row;
    let example = breach.specimen.map(|specimen| &specimen.case).or_else(|| row.examples.first());
    let example = example.map(|id| code(&told.key.scrub(id))).unwrap_or_default();
    let trace = breach.specimen.map(|specimen| specimen.finding.trace.to_string());
    let seen = trace.or_else(|| row.why.clone()).unwrap_or_default();
    format!(
        "| {} | {} | {} of {} | {} | {} | {example} |",
        breach.level,
        code(&row.id),
        row.wrong,
        row.cases,
        breach.blames(),
        short(told, &seen)
    )
}

/// Anybody's words: without a key first, since half of one would no longer be known as such.
fn short(told: &Told<'_>, words: &str) -> String {
    let words = told.key.scrub(words);
    let kept: String = words.chars().take(WORDS_MAX).collect();
    cell(&kept) + if kept.len() < words.len() { "…" } else { "" }
}
