//! The standing of a target as a file: one line per rule, so that an upgrade of a gateway is a change that somebody can
//! review.

use std::path::Path;

use contract::conformance::standing;

use super::Conformance;
use crate::exit::{Exit, Stop};

/// Lines shown of what differs; the file has the rest.
const CHANGES_MAX: usize = 40;

/// What a comparison with the file came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Compared {
    /// Lines that are gone (`-`) or new (`+`).
    pub changes: Vec<String>,
    pub changes_left_out: usize,
    pub is_new: bool,
    pub is_accepted: bool,
}

impl Compared {
    pub fn is_pending(&self) -> bool {
        !self.is_accepted && (self.is_new || !self.changes.is_empty())
    }
}

/// Compares with the file, or writes it.
pub fn compare(
    path: &Path,
    target: &str,
    conformance: &Conformance,
    accept: bool,
) -> Result<Compared, Stop> {
    let name = conformance.profile.target.as_ref().map_or_else(
        || target.to_owned(),
        |about| {
            [Some(&*about.name), about.version.as_deref()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ")
        },
    );
    let text = standing::ledger(&name, &conformance.rows);
    let old = match std::fs::read_to_string(path) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(Stop::usage(format!("failed to read {}: {error}", path.display())));
        }
    };
    if accept {
        std::fs::write(path, &text).map_err(|error| {
            Stop::new(Exit::Internal, format!("failed to write {}: {error}", path.display()))
        })?;
    }
    let mut compared = differences(old.as_deref(), &text);
    compared.is_accepted = accept;
    Ok(compared)
}

fn differences(old: Option<&str>, new: &str) -> Compared {
    let Some(old) = old else { return Compared { is_new: true, ..Compared::default() } };
    // Columns may move with the longest name; words are what counts.
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let (old, new) = (lines(old), lines(new));
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    let mut changes: Vec<_> = gone.chain(come).collect();
    // The line of a rule before and after stand together.
    changes.sort_by(|a, b| (first_word(a), &b[..1]).cmp(&(first_word(b), &a[..1])));
    let changes_left_out = changes.len().saturating_sub(CHANGES_MAX);
    changes.truncate(CHANGES_MAX);
    Compared { changes, changes_left_out, ..Compared::default() }
}

fn first_word(line: &str) -> &str {
    line[1..].split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: Option<&str>, new: &str, changes: &[&str], pending: bool) {
        let compared = differences(old, new);
        assert_eq!(compared.changes, changes);
        assert_eq!(compared.is_pending(), pending);
    }

    #[test]
    fn what_moved_is_shown_before_and_after() {
        check(None, "a x\n", &[], true);
        check(Some("a  x\nb  y\n"), "a x\nb y\n", &[], false);
        check(Some("a x\nb y\n"), "a z\nb y\n", &["- a x", "+ a z"], true);
        check(Some("a x\n"), "a x\nc new\n", &["+ c new"], true);
    }
}
