//! `replay --judge-only`: a journal's answers judged by today's rules. Nothing is sent.
//!
//! The cases come from today's corpus. One that asks something else than it did when it was answered, or that is gone,
//! is left out and counted: its answer is an answer to another question.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use contract::case::{Case, CaseId};
use contract::exceptions::Exceptions;
use contract::judge::Record;
use contract::spec::Contract;
use wire::journal::{Book, Judged};

use crate::cli::ReplayArgs;
use crate::config::Config;
use crate::console::count;
use crate::contract::conduct;
use crate::exit::{Exit, Stop};
use crate::merge;
use crate::run::{Order, Past, Recalled};
use crate::selection::{Selection, Shard};
use crate::settings::{self, Settings};
use crate::specs::Specs;
use crate::target::kept;

/// The verb, where it is told not to send.
pub fn rejudge(path: &Path, args: &ReplayArgs) -> Result<Exit, Stop> {
    let started = Instant::now();
    let config = Config::load(args.common.config.as_deref())?;
    let told = Settings::replay(args, &config)?;
    let mut specs = Specs::load(&told.overrides)?;
    let mut exceptions = std::mem::take(&mut specs.exceptions);
    let book = Book::open(path).map_err(|error| Stop::usage(format!("failed to {error}")))?;
    let book = book.ok_or_else(|| {
        Stop::usage(format!("failed to read {}: there is no journal", path.display()))
    })?;
    let mut settings = merge::of_run(&book.head, told);
    let target = merge::named_target(&book.head.target)?;
    if !args.cases.is_empty() {
        settings.globs = args.cases.clone();
    }
    let shard = book.head.scope.shard.as_deref().map(Shard::parse).transpose();
    let shard = shard.map_err(Stop::usage)?;
    settings.selection = Selection::new(&settings.globs, shard);
    settings.trial = kept::plan(settings.trial, book.probe.as_ref())?;
    let old = Old { book, seen: Mutex::default() };
    let order = Order::new(&specs, &settings, target, Past::Old(&old));
    conduct(started, &settings, &order, &settings::runtime()?, &mut exceptions)
}

/// An old journal, and what today's rules make of it.
pub struct Old {
    book: Book,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    ids: BTreeSet<CaseId>,
    changes: Vec<Change>,
    asked_otherwise: usize,
    cut: usize,
}

/// A case that is judged otherwise than it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    pub id: String,
    /// Verdict and findings.
    pub before: String,
    pub now: String,
}

impl Old {
    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// What today's rules say of the old answer; none if there is none to this request.
    pub(crate) fn recall(
        &self,
        contract: &Contract,
        case: &Case,
        exceptions: &mut Exceptions,
    ) -> Result<Option<Recalled>, Stop> {
        let failed = |why: String| {
            Stop::usage(format!("failed to read the answer to {} back: {why}", case.id))
        };
        let entry = self.book.entry(&case.id).map_err(|error| failed(error.to_string()))?;
        let Some(entry) = entry else { return Ok(None) };
        let mut seen = self.seen();
        seen.ids.insert(case.id.clone());
        if self.book.asked_otherwise(&case.id, &case.request) {
            seen.asked_otherwise += 1;
            return Ok(None);
        }
        // Of an answer that was cut only the old verdict is known.
        seen.cut += usize::from(entry.truncated);
        let recalled = match entry.truncated {
            true => merge::settled(contract, case, entry, exceptions).map_err(failed)?,
            false => Recalled {
                judged: Some(entry.judged),
                ..Recalled::new(contract, case, entry.observation)
            },
        };
        Ok(Some(recalled))
    }

    /// Keeps what is judged otherwise than it was.
    pub(crate) fn compare(&self, recalled: &Recalled) {
        let Recalled { record, judged: Some(judged), .. } = recalled else { return };
        let (before, now) = (before(judged), now(record));
        if before != now {
            self.seen().changes.push(Change { id: record.id.0.clone(), before, now });
        }
    }

    /// Cases that are judged otherwise, in their order.
    pub fn changes(&self) -> Vec<Change> {
        self.seen().changes.clone()
    }

    /// What could not be judged as it should, in words.
    pub fn left_out(&self) -> Vec<String> {
        let seen = self.seen();
        let gone = self.book.ids().into_iter().filter(|id| !seen.ids.contains(*id)).count();
        let mut notes = Vec::new();
        let mut note = |cases: usize, why: &str| {
            if cases > 0 {
                notes.push(format!("{} {why}", count(cases, "case")));
            }
        };
        note(seen.asked_otherwise, "left out: the request is another today");
        note(gone, "left out: not asked for, or no longer in the corpus");
        note(seen.cut, "judged as before: the answer was too long to keep whole");
        if self.book.skipped.is_none() && self.book.gone.is_none() {
            notes.push("the run of the journal did not reach its end".to_owned());
        }
        if self.book.is_torn {
            notes
                .push("the last line of the journal was never finished and is left out".to_owned());
        }
        notes
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn before(judged: &Judged) -> String {
    words(&judged.verdict, judged.findings.iter().map(|fault| &*fault.rule))
}

fn now(record: &Record) -> String {
    words(record.verdict.name(), record.findings.iter().map(|finding| finding.rule))
}

/// `drift (answer-class, answer-type)`.
fn words<'a>(verdict: &str, rules: impl Iterator<Item = &'a str>) -> String {
    let rules: BTreeSet<_> = rules.collect();
    match rules.is_empty() {
        true => verdict.to_owned(),
        false => format!("{verdict} ({})", rules.into_iter().collect::<Vec<_>>().join(", ")),
    }
}
