//! The files of shards: journals, or JSON reports as far as they are needed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use wire::journal::{Book, Head, Judged, Scope};

use super::{Part, Rows};
use crate::exit::Stop;
use crate::selection::Shard;

/// The report of a million cases. A larger file is none of ours, and would not fit into memory.
const REPORT_BYTES_MAX: u64 = 1 << 30;

#[derive(Deserialize)]
struct Report {
    results: Vec<Row>,
    probity: String,
    spec: Spec,
    seed: u64,
    target: String,
    plan: Scope,
    complete: bool,
    skipped: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Spec {
    sha256: String,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    origin: String,
    #[serde(flatten)]
    judged: Judged,
}

impl Row {
    /// Whether it is of the corpus, and not asked for beside it.
    fn is_case(&self) -> bool {
        let is_beside = ["/chain/", "/twin/"].iter().any(|part| self.id.contains(part));
        self.origin != "scripted" && !is_beside
    }
}

/// Reads a journal or a JSON report, whichever it is.
pub(super) fn read(path: &Path) -> Result<(Head, Part), Stop> {
    let failed = |why: String| Stop::usage(format!("failed to read {}: {why}", path.display()));
    let mut first = Vec::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let taken = file.take(JOURNAL_BEGINS.len() as u64).read_to_end(&mut first);
    taken.map_err(|error| failed(error.to_string()))?;
    let (mut head, rows, skipped) = if first == JOURNAL_BEGINS {
        let book = Book::open(path).map_err(|error| Stop::usage(format!("failed to {error}")))?;
        let book =
            book.ok_or_else(|| failed("not even its header line was finished".to_owned()))?;
        let skipped = book.skipped.clone();
        (book.head.clone(), Rows::Journal(Box::new(book)), skipped)
    } else {
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        let from = BufReader::new(file.take(REPORT_BYTES_MAX));
        let report: Report = serde_json::from_reader(from).map_err(|error| {
            failed(format!("it is neither a journal nor a JSON report: {error}"))
        })?;
        let Report { results, probity, spec, seed, target, plan, complete, skipped } = report;
        let cases = results.into_iter().filter(Row::is_case);
        let rows = cases.map(|row| (row.id, row.judged)).collect();
        let head = Head { probity, seed, spec: spec.sha256, target, scope: plan };
        (head, Rows::Report(rows), complete.then_some(skipped))
    };
    let shard = match head.scope.shard.take() {
        Some(shard) => Shard::parse(&shard).map_err(failed)?,
        // An undivided run is its own only shard.
        None => Shard { index: 1, count: 1 },
    };
    Ok((head, Part { path: path.to_owned(), shard, rows, skipped }))
}

/// How a journal begins, and no JSON report does.
const JOURNAL_BEGINS: &[u8] = b"{\"journal\":";
