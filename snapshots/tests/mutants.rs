//! Asserts the kill matrix, in a program of its own: what measures time needs the machine for itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeSet;
use std::path::Path;

use probity::chaos::mutants::{Matrix, matrix};

/// Holds every trial once, and all of them again where something differs from what was reviewed: a machine that was
/// busy for a moment spoils another cell the next time, and what has changed has changed in both. A ledger that is
/// shown says more than a gap, so the gaps come last.
#[test]
fn the_kill_matrix_is_the_one_that_was_reviewed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants.snap");
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    let first = play();
    if differences(&reviewed, &[&first.ledger()]).is_empty() && first.gaps().is_empty() {
        return;
    }
    let second = play();
    if !differences(&reviewed, &[&first.ledger(), &second.ledger()]).is_empty() {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(env!("CARGO_MANIFEST_DIR"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("mutants", second.ledger()));
    }
    let before: BTreeSet<String> = first.gaps().into_iter().collect();
    let gaps: Vec<_> = second.gaps().into_iter().filter(|gap| before.contains(gap)).collect();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

fn play() -> Matrix {
    matrix().unwrap()
}

/// The lines that were reviewed and are in no run, and those that are in every run and were not reviewed.
fn differences(reviewed: &str, runs: &[&str]) -> Vec<String> {
    let ledger = reviewed.splitn(3, "---\n").nth(2).unwrap_or_default();
    let lines = |text: &str| sections(text);
    let expected = lines(ledger);
    let runs: Vec<_> = runs.iter().map(|text| lines(text)).collect();
    let gone = expected.iter().filter(|line| !runs.iter().any(|run| run.contains(*line)));
    let new = runs[0]
        .iter()
        .filter(|line| !expected.contains(*line) && runs.iter().all(|run| run.contains(*line)));
    gone.chain(new).cloned().collect()
}

/// Each line with the heading that it stands under.
fn sections(text: &str) -> BTreeSet<String> {
    let mut heading = "";
    let mut lines = BTreeSet::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if !line.starts_with(' ') {
            heading = line;
        }
        lines.insert(format!("{heading} | {line}"));
    }
    lines
}

#[test]
fn only_what_differs_every_time_is_a_difference() {
    let reviewed = "---\nsource: x\n---\na\n  one\n  two\nb\n  one\n";
    let check = |runs: &[&str], expected: &[&str]| {
        assert_eq!(differences(reviewed, runs), expected, "{runs:?}");
    };
    let same = "a\n  one\n  two\n\nb\n  one\n";
    check(&[same], &[]);
    check(&["a\n  one\nb\n  one\n"], &["a |   two"]);
    check(&["a\n  one\nb\n  one\n", same], &[]);
    check(&["a\n  one\n  two\nb\n  one\n  two\n"], &["b |   two"]);
    check(&["a\n  one\n  two\nb\n  one\n  two\n", same], &[]);
}
