//! Ledgers of clients: one line for each trial, so that an upgrade of a client is a diff that a person can read.
//!
//! They hold verdicts and codes and nothing that a clock decides. A trial that was inconclusive keeps the line that
//! is on file, since a busy machine says nothing about a client.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chaos::oracle::Verdict;

use super::card::Scorecard;
use crate::exit::Stop;

/// Lines shown of a difference; the file has all.
const CHANGES_MAX: usize = 40;

/// What came of comparing a scorecard with its ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Comparison {
    Matches,
    /// Nothing was on file, and nothing was to be written.
    Missing(PathBuf),
    /// The lines that differ, as `-` and `+`.
    Differs(PathBuf, Vec<String>),
    Accepted(PathBuf),
}

/// Compares with the ledger under this folder, or writes it.
pub fn compare(folder: &Path, card: &Scorecard, accept: bool) -> Result<Comparison, Stop> {
    let path = folder.join(file_name(card));
    let on_file = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(Stop::usage(format!("failed to read {}: {error}", path.display())));
        }
    };
    let text = text(card, on_file.as_deref());
    if on_file.as_deref() == Some(&*text) {
        return Ok(Comparison::Matches);
    }
    if accept {
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, &text));
        written
            .map_err(|error| Stop::usage(format!("failed to write {}: {error}", path.display())))?;
        return Ok(Comparison::Accepted(path));
    }
    Ok(match on_file {
        None => Comparison::Missing(path),
        Some(on_file) => Comparison::Differs(path, changes(&on_file, &text)),
    })
}

/// `@scope/name` would be a folder.
fn file_name(card: &Scorecard) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let name = format!("{}-{}", card.client.name.trim_start_matches('@'), card.client.version);
    let name: String = name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    format!("{name}.txt")
}

/// The ledger's text.
fn text(card: &Scorecard, on_file: Option<&str>) -> String {
    let known: BTreeMap<_, _> =
        on_file.into_iter().flat_map(str::lines).map(|line| (key(line), line)).collect();
    let mut lines = BTreeMap::new();
    for report in &card.results {
        let head = format!("{} {}", report.scenario, report.surface.name());
        let code = report.finding.map_or("-", |code| code.name());
        let excuse = if report.excuse.is_some() { " expected" } else { "" };
        let line = format!("{head} {:?} {} {code}{excuse}", report.severity, report.verdict.name());
        let is_unclear = report.verdict == Verdict::Inconclusive;
        let kept = known.get(&*head).filter(|_| is_unclear).map_or(line, |line| (*line).to_owned());
        lines.insert(head, kept);
    }
    let client = &card.client;
    let mut text = format!(
        "# {} {} ({}), profile {}\n",
        client.name,
        client.version,
        client.language,
        card.profile.name()
    );
    for line in lines.values() {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Scenario and surface.
fn key(line: &str) -> &str {
    let mut spaces = line.match_indices(' ').map(|(at, _)| at);
    spaces.nth(1).map_or(line, |at| &line[..at])
}

/// What stands only in the one, and only in the other, in the order of scenarios.
fn changes(before: &str, after: &str) -> Vec<String> {
    let missing = |line: &&str, text: &str| !text.lines().any(|known| known == *line);
    let gone =
        before.lines().filter(|line| missing(line, after)).map(|line| (key(line), '-', line));
    let new = after.lines().filter(|line| missing(line, before)).map(|line| (key(line), '+', line));
    let mut lines: Vec<_> = gone.chain(new).collect();
    lines.sort_by_key(|(key, sign, _)| (*key, *sign == '+'));
    let left_out = lines.len().saturating_sub(CHANGES_MAX);
    let mut shown: Vec<_> = lines
        .into_iter()
        .take(CHANGES_MAX)
        .map(|(_, sign, line)| format!("{sign} {line}"))
        .collect();
    if left_out > 0 {
        shown.push(format!("and {left_out} more lines"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_line_by_line() {
        let before = "# a\none create S0 pass -\ntwo create S1 fail hang\n";
        let after =
            "# a\none create S0 fail false-ok\ntwo create S1 fail hang\nthree raw S2 pass -\n";
        let expected =
            ["- one create S0 pass -", "+ one create S0 fail false-ok", "+ three raw S2 pass -"];
        assert_eq!(changes(before, after), expected);
        assert_eq!(key("one create S0 pass -"), "one create");
    }
}
