//! The ledgers of a run, and their comparison with those on file.
//!
//! The files are insta snapshots, so that `cargo insta review` is the place to look at them; but insta's macros
//! belong in tests, so the tool reads and writes the files itself. Beside them, in `target`, lies the list of cases
//! behind each ledger of the last run that agreed: it turns "this line has changed" into "these cases have moved".

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use contract::board::LEDGER_LINES_MAX;
use contract::spec::Contract;
use contract::version::{OperationId, Version};

use crate::exit::{Exit, Stop};
use crate::run::Run;
use crate::scripted;

/// Where the lists of cases go, relative to the current directory.
pub const CASES: &str = "target/probity/cases";
/// Cases named under a change; the list has all.
const MOVED_MAX: usize = 10;
/// Changed lines shown of one ledger; the file has all.
const CHANGES_MAX: usize = 40;

/// One ledger: what is asserted, and what is behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ledger {
    /// The file's name without its extension: `messages.create@2026-10-21`.
    pub name: String,
    pub text: String,
    /// Case id and answer, sorted.
    members: Vec<(String, String)>,
}

impl Ledger {
    /// Whether there is anything behind it.
    pub fn has_cases(&self) -> bool {
        !self.members.is_empty()
    }
}

/// All ledgers of a run. The one place where their text is made.
pub fn ledgers(contract: &Contract, run: &Run) -> Vec<Ledger> {
    let mut ledgers = Vec::new();
    for version in Version::ALL {
        for operation in OperationId::ALL {
            ledgers.push(Ledger {
                name: format!("{operation}@{version}"),
                text: run.board.ledger(version, operation),
                members: run.board.membership(version, operation),
            });
        }
    }
    let members =
        run.scripted.iter().map(|record| (record.id.0.clone(), record.class.name().to_owned()));
    ledgers.push(Ledger {
        name: "scripted".to_owned(),
        text: scripted::ledger(&run.scripted),
        members: members.collect(),
    });
    ledgers.push(Ledger {
        name: "reach".to_owned(),
        text: run.reach.ledger(contract),
        members: Vec::new(),
    });
    ledgers
}

/// What to do about a ledger that differs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    Accept,
    /// Write nothing: CI.
    Check,
    /// Put the new text beside the old for review.
    Propose,
}

/// What the comparison says.
#[derive(Debug, Default)]
pub struct Comparison {
    pub matching: usize,
    pub accepted: Vec<String>,
    pub pending: Vec<Pending>,
    /// Ledgers that nobody would read to the end, with their number of lines.
    pub too_long: Vec<(String, usize)>,
}

/// A ledger that differs from the one on file.
#[derive(Debug)]
pub struct Pending {
    pub name: String,
    pub is_new: bool,
    /// Lines with `-` or `+`, and how many more there are.
    pub changes: Vec<String>,
    pub changes_left_out: usize,
    /// Cases that moved (or that the changed lines now hold), and how many more there are.
    pub moved: Vec<String>,
    pub moved_left_out: usize,
    /// Where all of them are listed.
    pub list: Option<PathBuf>,
}

/// Where ledgers and what is behind them are kept.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    pub snapshots: &'a Path,
    /// The lists of cases: [`CASES`], but for tests.
    pub cases: &'a Path,
}

/// Compares with the snapshots on file.
pub fn compare(folders: Folders<'_>, ledgers: &[Ledger], mode: Mode) -> Result<Comparison, Stop> {
    let failed = |error: io::Error| {
        Stop::new(
            Exit::Internal,
            format!("failed to keep the ledgers in {}: {error}", folders.snapshots.display()),
        )
    };
    let mut comparison = Comparison::default();
    for ledger in ledgers {
        let lines = ledger.text.lines().count();
        if lines > LEDGER_LINES_MAX {
            comparison.too_long.push((ledger.name.clone(), lines));
        }
        compare_one(folders, ledger, mode, &mut comparison).map_err(failed)?;
    }
    Ok(comparison)
}

fn compare_one(
    folders: Folders<'_>,
    ledger: &Ledger,
    mode: Mode,
    comparison: &mut Comparison,
) -> io::Result<()> {
    let path = folders.snapshots.join(format!("{}.snap", ledger.name));
    let new_path = folders.snapshots.join(format!("{}.snap.new", ledger.name));
    let list = folders.cases.join(format!("{}.tsv", ledger.name));
    let known = read(&path)?.map(|file| body(&file).to_owned());
    let agrees = known.as_deref().is_some_and(|known| known.trim_end() == ledger.text.trim_end());
    if agrees || mode == Mode::Accept {
        if agrees {
            comparison.matching += 1;
        } else {
            comparison.accepted.push(ledger.name.clone());
            write(&path, &file_text(ledger))?;
        }
        if mode != Mode::Check {
            remove(&new_path)?;
            write(&list, &tsv(&ledger.members))?;
        }
        return Ok(());
    }
    if mode == Mode::Propose {
        write(&new_path, &file_text(ledger))?;
    }
    let before = read(&list)?.map(|text| untsv(&text));
    let mut pending = difference(ledger, known.as_deref(), before.as_ref());
    if mode == Mode::Propose && pending.moved_left_out > 0 {
        let now = list.with_extension("new.tsv");
        write(&now, &tsv(&ledger.members))?;
        pending.list = Some(now);
    }
    comparison.pending.push(pending);
    Ok(())
}

fn difference(
    ledger: &Ledger,
    known: Option<&str>,
    before: Option<&BTreeMap<String, String>>,
) -> Pending {
    // Columns are aligned, so that one longer name shifts every line: only words count.
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines =
        |text: &str| text.lines().map(words).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let (old, new) = (lines(known.unwrap_or_default()), lines(&ledger.text));
    let gone = old.iter().filter(|line| !new.contains(line));
    let come: Vec<_> = new.iter().filter(|line| !old.contains(line)).collect();
    let mut changes: Vec<_> = gone
        .map(|line| format!("- {line}"))
        .chain(come.iter().map(|line| format!("+ {line}")))
        .collect();
    let mut moved = before.map(|before| moved(before, &ledger.members)).unwrap_or_default();
    if moved.is_empty() && known.is_some() {
        moved = holding(&come, &ledger.members);
    }
    let changes_left_out = changes.len().saturating_sub(CHANGES_MAX);
    changes.truncate(CHANGES_MAX);
    let moved_left_out = moved.len().saturating_sub(MOVED_MAX);
    moved.truncate(MOVED_MAX);
    let (name, is_new) = (ledger.name.clone(), known.is_none());
    Pending { name, is_new, changes, changes_left_out, moved, moved_left_out, list: None }
}

/// What has another answer than before, has come or has gone.
fn moved(before: &BTreeMap<String, String>, members: &[(String, String)]) -> Vec<String> {
    let now: BTreeMap<&str, &str> = members.iter().map(|(id, answer)| (&**id, &**answer)).collect();
    let mut moved = Vec::new();
    let (mut draws_gone, mut draws_new) = (0, 0);
    for (id, answer) in before {
        match now.get(&**id) {
            Some(now) if now == answer => {}
            Some(now) => moved.push(format!("{id}: {answer} → {now}")),
            None if is_draw(id) => draws_gone += 1,
            None => moved.push(format!("{id}: {answer} → gone")),
        }
    }
    for (id, answer) in now.iter().filter(|(id, _)| !before.contains_key(**id)) {
        match is_draw(id) {
            true => draws_new += 1,
            false => moved.push(format!("{id}: new → {answer}")),
        }
    }
    if draws_gone + draws_new > 0 {
        moved.push(format!(
            "valid draws: {draws_gone} gone, {draws_new} new; they are named after their content"
        ));
    }
    moved
}

/// Whether the case is a valid draw: hundreds of them change their names when the generator draws one byte more.
fn is_draw(id: &str) -> bool {
    id.split('/').nth(2) == Some("valid")
}

/// The cases that changed lines now hold, where no earlier run can tell which of them moved.
fn holding(lines: &[&String], members: &[(String, String)]) -> Vec<String> {
    let is_held = |id: &str, answer: &str| {
        let mut parts = id.splitn(4, '/').skip(2);
        let origin = parts.next().unwrap_or_default();
        let rule = parts.next().and_then(|rest| rest.split('/').next()).unwrap_or_default();
        lines.iter().any(|line| {
            let kind = line.split(' ').next().unwrap_or_default();
            let of_kind = if origin == "valid" {
                kind == origin
            } else {
                kind.starts_with(origin) && kind.ends_with(rule)
            };
            of_kind && line.contains(answer)
        })
    };
    members
        .iter()
        .filter(|(id, answer)| is_held(id, answer))
        .map(|(id, answer)| format!("{id}: {answer}"))
        .collect()
}

/// The file as insta would write it.
fn file_text(ledger: &Ledger) -> String {
    format!(
        "---\nsource: snapshots/tests/ledgers.rs\nexpression: text\n---\n{}\n",
        ledger.text.trim_end()
    )
}

/// The file without insta's header.
fn body(file: &str) -> &str {
    let rest = file.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    rest.map_or(file, |(_, body)| body)
}

fn tsv(members: &[(String, String)]) -> String {
    members.iter().map(|(id, answer)| format!("{id}\t{answer}\n")).collect()
}

fn untsv(text: &str) -> BTreeMap<String, String> {
    let columns = text.lines().filter_map(|line| line.split_once('\t'));
    columns.map(|(id, answer)| (id.to_owned(), answer.to_owned())).collect()
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(text: &str, members: &[(&str, &str)]) -> Ledger {
        let members = members.iter().map(|(id, answer)| ((*id).to_owned(), (*answer).to_owned()));
        Ledger {
            name: "messages.create@2026-10-21".to_owned(),
            text: text.to_owned(),
            members: members.collect(),
        }
    }

    const ID: &str = "v/messages.create/mut/required/model";

    #[test]
    fn a_moved_case_is_named() {
        let before = BTreeMap::from([
            (ID.to_owned(), "invalid-request 400".to_owned()),
            ("v/o/valid/1".to_owned(), "accepted 200".to_owned()),
        ]);
        let now = ledger("t\n\nmut/required/required  accepted 200", &[(ID, "accepted 200")]);
        let pending = difference(
            &now,
            Some("t\n\nmut/required/required   invalid-request 400"),
            Some(&before),
        );
        assert_eq!(
            pending.changes,
            ["- mut/required/required invalid-request 400", "+ mut/required/required accepted 200"]
        );
        assert_eq!(
            pending.moved,
            [
                format!("{ID}: invalid-request 400 → accepted 200"),
                "valid draws: 1 gone, 0 new; they are named after their content".to_owned()
            ]
        );
    }

    #[test]
    fn without_an_earlier_run_the_line_s_cases_are_named() {
        let now = ledger(
            "mut/required/required  accepted 200",
            &[(ID, "accepted 200"), ("v/o/valid/1", "accepted 200")],
        );
        let pending = difference(&now, Some("mut/required/required  invalid-request 400"), None);
        assert_eq!(pending.moved, [format!("{ID}: accepted 200")]);
    }

    #[test]
    fn a_file_has_a_header_that_does_not_count() {
        let text = "summary\n\nline\n";
        assert_eq!(body(&file_text(&ledger(text, &[]))).trim_end(), text.trim_end());
        assert_eq!(body("no header"), "no header");
    }

    #[test]
    fn a_difference_is_proposed_accepted_and_forgotten() {
        let folder = std::env::temp_dir().join(format!("probity-ledger-{}", std::process::id()));
        let (snapshots, cases) = (folder.join("snapshots"), folder.join("cases"));
        let folders = Folders { snapshots: &snapshots, cases: &cases };
        let names = || {
            let entries = std::fs::read_dir(&snapshots).into_iter().flatten();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let check = |answer: &str, mode: Mode, pending: usize, expected: &[&str]| {
            let ledger = ledger(&format!("mut/required/required  {answer}"), &[(ID, answer)]);
            let comparison = compare(folders, &[ledger], mode).unwrap();
            assert_eq!(
                (comparison.pending.len(), names()),
                (pending, expected.iter().map(|name| (*name).to_owned()).collect())
            );
            comparison
        };
        let (old, new) = ("messages.create@2026-10-21.snap", "messages.create@2026-10-21.snap.new");
        check("accepted 200", Mode::Check, 1, &[]);
        assert!(check("accepted 200", Mode::Propose, 1, &[new]).pending[0].is_new);
        check("accepted 200", Mode::Accept, 0, &[old]);
        check("accepted 200", Mode::Check, 0, &[old]);
        let moved = check("conflict 409", Mode::Propose, 1, &[old, new]);
        assert_eq!(moved.pending[0].moved, [format!("{ID}: accepted 200 → conflict 409")]);
        check("accepted 200", Mode::Propose, 0, &[old]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
