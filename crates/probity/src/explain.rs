//! The `explain` verb: any word that a report shows, explained.
//!
//! All kinds of words share one form, an [`Entry`], so that the terminal, the JSON and the page in `specs/` show the
//! same. The price is that an entry is text: nothing here can be judged by, only read.

mod answers;
mod entry;
mod example;
mod exits;
mod families;
mod handling;
mod index;
mod layout;
mod page;
mod scenario;
mod screen;

pub use entry::{Entry, Example, Fact, Kind, Line};
pub use index::index;

use entry::plain;
use screen::Screen;

use crate::cli::{ExplainArgs, ExplainFormat, When};
use crate::console::{Paint, say, width};
use crate::exit::{Exit, Stop};
use crate::specs::{Overrides, Specs};

/// How alike a name must be to be suggested, from 0 to 1.
const LIKENESS_MIN: f64 = 0.6;
/// A shorter word is part of too many names.
const PART_CHARS_MIN: usize = 4;
/// More suggestions than these are no help.
const SUGGESTIONS_MAX: usize = 5;

/// The verb.
pub fn explain(args: &ExplainArgs) -> Result<Exit, Stop> {
    let entries = index(&Specs::load(&Overrides::default())?);
    if args.page {
        say(&page::page(&entries));
        return Ok(Exit::Clean);
    }
    let found = find(&entries, &args.words)?;
    match args.format {
        ExplainFormat::Human => {
            let color = args.color.unwrap_or(When::Auto);
            say(&human(Screen { width: width(), paint: Paint::decide(color) }, &entries, &found));
        }
        ExplainFormat::Json => {
            let shown: Vec<_> = match &found[..] {
                [] => entries.iter().collect(),
                found => found.iter().map(|(_, entry)| *entry).collect(),
            };
            let text = serde_json::to_string_pretty(&shown)
                .map_err(|error| Stop::new(Exit::Internal, error.to_string()))?;
            say(&format!("{text}\n"));
        }
    }
    Ok(Exit::Clean)
}

fn human(screen: Screen, entries: &[Entry], found: &[(String, &Entry)]) -> String {
    if found.is_empty() {
        return screen.list(entries);
    }
    let told: Vec<_> = found.iter().map(|(word, entry)| screen.entry(entry, word)).collect();
    told.join("\n")
}

/// The entries that the words lead to, each once, with the word.
fn find<'e>(entries: &'e [Entry], words: &[String]) -> Result<Vec<(String, &'e Entry)>, Stop> {
    let mut found: Vec<(String, &Entry)> = Vec::new();
    for word in words {
        // The whole word, or of a case id or a line of a ledger the part that says what was broken.
        let mut parts = [&**word].into_iter().chain(word.split('/'));
        let part = parts.find(|part| entries.iter().any(|entry| entry.answers_to(part)));
        let Some(part) = part else { return Err(unknown(entries, word)) };
        for entry in entries.iter().filter(|entry| entry.answers_to(part)) {
            if found.iter().all(|(_, other)| other.id != entry.id) {
                found.push((part.to_owned(), entry));
            }
        }
    }
    Ok(found)
}

fn unknown(entries: &[Entry], word: &str) -> Stop {
    let near = nearest(entries, word);
    let mut reason = format!("nothing is called `{word}`");
    if !near.is_empty() {
        reason += &format!("; near it: {}", near.join(", "));
    }
    Stop::usage(format!("{reason} (`probity explain` lists all)"))
}

fn nearest(entries: &[Entry], word: &str) -> Vec<String> {
    let word = plain(word);
    let names = entries.iter().flat_map(|entry| entry.also.iter().chain([&entry.id]));
    let likeness = |name: &String| {
        let name = plain(name);
        let is_part = PART_CHARS_MIN <= word.len() && name.contains(&word);
        if is_part { 1.0 } else { strsim::normalized_damerau_levenshtein(&word, &name) }
    };
    let mut ranked: Vec<_> = names.map(|name| (likeness(name), name)).collect();
    ranked.retain(|(likeness, _)| LIKENESS_MIN <= *likeness);
    // Of names that hold the word, the one that adds the least is the likeliest.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.len().cmp(&b.1.len())).then(a.1.cmp(b.1)));
    ranked.dedup();
    ranked.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name.clone()).collect()
}
