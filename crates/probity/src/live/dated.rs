//! Ledgers of live runs, a folder for each day: `snapshots/live/2026-11-22/`.
//!
//! They are kept beside those of the mock and never compared line by line with them: a live run tries a part of the
//! corpus. `cases.tsv` says what each case was answered with, and is what [`super::compare`] reads.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use contract::judge::{Record, Verdict};

use super::compare::Answer;
use crate::exit::{Exit, Stop};
use crate::ledger::Ledger;

/// The folder of all days, in that of the ledgers.
const FOLDER: &str = "live";
const CASES: &str = "cases.tsv";

/// What the answers of a day were.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Day {
    pub date: String,
    pub seed: u64,
    pub answers: Vec<Answer>,
}

/// What a run learned about its cases. Answers that say nothing, such as those about load, are left out.
pub fn answers<'r>(records: impl Iterator<Item = &'r Record>) -> Vec<Answer> {
    let telling = records.filter(|record| record.verdict != Verdict::Inconclusive);
    let answer = |record: &Record| Answer {
        id: record.id.0.clone(),
        rule: match &*record.rule {
            "" => record.origin.to_owned(),
            rule => format!("{}/{rule}", record.family),
        },
        class: record.class.name().to_owned(),
    };
    telling.map(answer).collect()
}

/// Writes the ledgers of a day in place of those it had, and returns their folder.
pub fn write(snapshots: &Path, day: &Day, ledgers: &[Ledger]) -> Result<PathBuf, Stop> {
    let folder = snapshots.join(FOLDER).join(&day.date);
    let mut text = format!("# seed {}\n", day.seed);
    let mut answers: Vec<_> = day.answers.iter().collect();
    answers.sort_by(|a, b| a.id.cmp(&b.id));
    for answer in answers {
        text += &format!("{}\t{}\t{}\n", answer.id, answer.rule, answer.class);
    }
    let write = || {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(CASES), &text)?;
        for ledger in ledgers.iter().filter(|ledger| ledger.has_cases()) {
            std::fs::write(
                folder.join(format!("{}.txt", ledger.name)),
                ledger.text.trim_end().to_owned() + "\n",
            )?;
        }
        Ok(())
    };
    write().map_err(|error: io::Error| {
        Stop::new(Exit::Internal, format!("failed to keep {}: {error}", folder.display()))
    })?;
    Ok(folder)
}

/// Reads a day, by default the latest there is.
pub fn read(snapshots: &Path, date: Option<&str>) -> Result<Day, Stop> {
    let folder = snapshots.join(FOLDER);
    let date = match date {
        Some(date) => date.to_owned(),
        None => latest(&folder).ok_or_else(|| {
            let folder = folder.display();
            Stop::usage(format!(
                "there are no ledgers of a live run in {folder}: --live --accept writes some"
            ))
        })?,
    };
    let path = folder.join(&date).join(CASES);
    let text = crate::specs::read(&path)?.text;
    parse(&date, &text)
        .ok_or_else(|| Stop::usage(format!("{}: not a list of cases", path.display())))
}

fn latest(folder: &Path) -> Option<String> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| mock::Now::at_date(name).is_some()).max()
}

fn parse(date: &str, text: &str) -> Option<Day> {
    let (head, rest) = text.split_once('\n')?;
    let seed = head.strip_prefix("# seed ")?.trim().parse().ok()?;
    let answer = |line: &str| {
        let mut parts = line.trim_end().splitn(3, '\t').map(str::to_owned);
        Some(Answer { id: parts.next()?, rule: parts.next()?, class: parts.next()? })
    };
    let answers = rest.lines().map(answer).collect::<Option<_>>()?;
    Some(Day { date: date.to_owned(), seed, answers })
}

/// Today, in UTC.
pub fn today() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    mock::Now { unix_seconds: since.as_secs() }.date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_as_it_was_written_and_the_latest_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let answer = |id: &str| Answer {
            id: id.to_owned(),
            rule: "required/required".to_owned(),
            class: "invalid-request".to_owned(),
        };
        let day = |date: &str| Day {
            date: date.to_owned(),
            seed: 7,
            answers: vec![answer("v/o/mut/a"), answer("v/o/mut/b")],
        };
        assert!(read(folder.path(), None).unwrap_err().reason.contains("no ledgers"));
        for date in ["2026-11-22", "2026-11-03"] {
            write(folder.path(), &day(date), &[]).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("live/zz")).unwrap();
        assert_eq!(read(folder.path(), None).unwrap(), day("2026-11-22"));
        assert_eq!(read(folder.path(), Some("2026-11-03")).unwrap(), day("2026-11-03"));
        assert!(read(folder.path(), Some("2026-11-04")).is_err());
        assert!(parse("2026-11-22", "hello").is_none());
    }
}
