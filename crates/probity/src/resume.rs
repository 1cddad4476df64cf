//! A run and its journal: begun anew, or gone on with where an earlier one was killed.

use std::fs::File;
use std::path::Path;

use wire::journal::{Book, Head, Journal, Scope, open_to_write};
use wire::target::Key;

use crate::console::{complain, count};
use crate::exit::Stop;
use crate::report::EMBEDDED;
use crate::reporter::failed;
use crate::run::{Order, Past};
use crate::settings::Settings;

/// The journal to go on with. One that is not there yet is begun, so that the first try and every later one are the same
/// command.
pub(crate) fn book(settings: &Settings) -> Result<Option<Book>, Stop> {
    if !settings.resume {
        return Ok(None);
    }
    let Some(path) = &settings.journal else {
        return Err(Stop::usage(
            "--resume needs --journal FILE: it is the journal that is gone on with",
        ));
    };
    Book::open(path).map_err(|error| Stop::usage(format!("failed to {error}")))
}

/// Fails unless the journal is of this very run, and says what is in it.
pub(crate) fn check(book: &Book, settings: &Settings, order: &Order<'_>) -> Result<(), Stop> {
    let path = settings.journal.as_deref().unwrap_or_else(|| Path::new("the journal")).display();
    let differences = book.head.differences(&head(settings, order));
    if !differences.is_empty() {
        let differences = differences.join("; ");
        return Err(Stop::usage(format!("{path} is the journal of another run: {differences}")));
    }
    let mut text = format!("{path}: {} in it", count(book.len(), "answer"));
    if book.cut() > 0 {
        text += &format!(", {} too long to keep whole and asked for again", book.cut());
    }
    if book.is_torn {
        text += "; its last line was never finished and is left out";
    }
    if !settings.quiet {
        complain(&format!("{text}\n"));
    }
    Ok(())
}

/// What the journal of this run is of.
pub(crate) fn head(settings: &Settings, order: &Order<'_>) -> Head {
    Head {
        probity: env!("CARGO_PKG_VERSION").to_owned(),
        seed: order.seed,
        spec: order.specs.contract.sha256.clone(),
        target: target(order),
        scope: Scope {
            model: order.trial.and_then(|trial| trial.model.clone()),
            live: settings.way.live,
            limited: order.limits.is_some(),
            heavy: order.heavy,
            filter: settings.globs.clone(),
            max_cases: order.cases_max,
            shard: order.selection.shard().map(|shard| shard.to_string()),
        },
    }
}

/// The base URL, or what stands for our own mock.
pub(crate) fn target(order: &Order<'_>) -> String {
    order.target.as_ref().map_or_else(|| EMBEDDED.to_owned(), |target| target.base_url().to_owned())
}

/// The journal to write.
pub(crate) fn journal(
    path: &Path,
    settings: &Settings,
    order: &Order<'_>,
    key: &Key,
) -> Result<Journal<File>, Stop> {
    let whole_bytes = match order.past {
        Past::Answers(book) => Some(book.whole_bytes),
        Past::None | Past::Shards(_) | Past::Old(_) => None,
    };
    let opened = open_to_write(path, whole_bytes.unwrap_or(0));
    let journal = opened.and_then(|file| match whole_bytes {
        Some(_) => Ok(Journal::resume(file, key.clone())),
        None => Journal::begin(file, key.clone(), &head(settings, order)),
    });
    journal.map_err(|error| failed(path, &error))
}
