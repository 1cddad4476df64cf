//! Files of lines: bodies, requests and results of batches, recordings, journals.

use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use contract::version::{OperationId, Version};
use serde_json::Value;
use wire::journal::Book;
use wire::record::exchange::{Exchange, Head as RecordingHead, Kept};

use super::super::item::{Answered, Asked, Head, Item, Place, Source};
use super::super::shape;
use super::{Found, Out, item, reason};

/// The largest request that the API takes, with every second byte escaped.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) fn read(
    name: &Arc<str>,
    path: Option<&Path>,
    mut from: impl BufRead,
    out: &mut Out<'_>,
) {
    let mut is_recording = false;
    let mut number = 0;
    // Ends with the input.
    loop {
        number += 1;
        let place = Place::at_line(name, number);
        let line = match next(&mut from) {
            Ok(Next::End) => return,
            Ok(Next::Line(line)) => line,
            Ok(Next::TooLong) => {
                let reason = format!("is longer than {} MB", LINE_BYTES_MAX / 1024 / 1024);
                out(Found::Unreadable(place, reason));
                continue;
            }
            Err(error) => return out(Found::Unreadable(place, reason(&error))),
        };
        let line = Bytes::from(line);
        let text = super::without_bom(&line).trim_ascii();
        if text.is_empty() {
            continue;
        }
        if number == 1 && matches!(text, b"{" | b"[") {
            let why =
                "holds JSON over several lines, and in JSONL each has one (`jq -c .` writes it so)";
            return out(Found::Unreadable(Place::of(name), why.to_owned()));
        }
        if number == 1 && text.starts_with(b"{\"journal\":") {
            return journal(name, path, out);
        }
        if number == 1 && text.starts_with(b"{\"recording\":") {
            match serde_json::from_slice::<RecordingHead>(text) {
                Ok(head) if head.is_readable() => is_recording = true,
                Ok(head) => {
                    let reason = format!(
                        "is a recording of version {}, too new for this program",
                        head.version
                    );
                    return out(Found::Unreadable(Place::of(name), reason));
                }
                Err(error) => {
                    return out(Found::Unreadable(place, format!("begins badly: {error}")));
                }
            }
            continue;
        }
        let found = if is_recording { recorded(&place, text) } else { body(&place, &line) };
        match found {
            Ok(Some(item)) => out(Found::Item(Box::new(item))),
            Ok(None) => out(Found::Other),
            Err(reason) => out(Found::Unreadable(place, reason)),
        }
    }
}

enum Next {
    End,
    Line(Vec<u8>),
    TooLong,
}

/// The next line. One that is too long is passed over in small pieces.
fn next(from: &mut impl BufRead) -> std::io::Result<Next> {
    let mut line = Vec::new();
    let count = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? as u64;
    if count == 0 {
        return Ok(Next::End);
    }
    if count < LINE_BYTES_MAX || line.last() == Some(&b'\n') {
        return Ok(Next::Line(line));
    }
    drop(line);
    // Ends with the line or the input.
    loop {
        let held = from.fill_buf()?;
        let end = held.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(held.len(), |at| at + 1);
        let is_over = end.is_some() || held.is_empty();
        from.consume(used);
        if is_over {
            return Ok(Next::TooLong);
        }
    }
}

fn body(place: &Place, line: &Bytes) -> Result<Option<Item>, String> {
    let text = line.slice_ref(super::without_bom(line));
    let value: Value =
        serde_json::from_slice(&text).map_err(|error| format!("is not JSON: {error}"))?;
    let Some(thing) = shape::of(&value) else { return Ok(None) };
    let source = Source { text, within: "", line: place.line.unwrap_or(1) };
    Ok(Some(item(place, thing, Some(&value), &source)))
}

fn recorded(place: &Place, text: &[u8]) -> Result<Option<Item>, String> {
    let exchange: Exchange =
        serde_json::from_slice(text).map_err(|error| format!("is no exchange: {error}"))?;
    let request = exchange.request()?;
    if super::super::route::operation(&request).is_none() {
        return Ok(None);
    }
    let asked = Asked {
        has_body: !exchange.request.body.truncated,
        ..Asked::with_head(request, Head::Censored)
    };
    let observation = exchange.observation()?;
    let mut notes = Vec::new();
    let unseen = |body: &Kept| body.unseen.is_some();
    if unseen(&exchange.request.body) {
        notes.push(
            "the request is not in the recording: it was packed, and could not be looked into",
        );
    } else if exchange.request.body.truncated {
        notes.push("the request is longer than what was kept of it");
    }
    if exchange.answer.as_ref().is_some_and(|answer| unseen(&answer.body)) {
        notes.push(
            "the answer is not in the recording: it was packed, and could not be looked into",
        );
        let (place, asked) = (place.clone(), Some(asked));
        return Ok(Some(Item { place, asked, notes, ..Item::default() }));
    }
    if observation.is_none() {
        notes.push("the answer was not waited for");
    }
    let is_cut = exchange.answer.as_ref().is_some_and(|answer| answer.body.truncated);
    let answered = observation.map(|observation| Answered { observation, has_body: !is_cut });
    let (place, asked) = (place.clone(), Some(asked));
    Ok(Some(Item { place, asked, answered, notes, ..Item::default() }))
}

/// The answers of a journal. What was asked is not in it, but the case says of which version and operation it was.
fn journal(name: &Arc<str>, path: Option<&Path>, out: &mut Out<'_>) {
    let unreadable = |reason: String| Found::Unreadable(Place::of(name), reason);
    let Some(path) = path else {
        return out(unreadable("is a journal, which is read from a file only".to_owned()));
    };
    let book = match Book::open(path) {
        Ok(Some(book)) => book,
        Ok(None) => return out(unreadable("is a journal without a line".to_owned())),
        Err(error) => return out(unreadable(format!("is a journal: failed to {error}"))),
    };
    for (number, id) in (1..).zip(book.ids()) {
        let place = Place::at_entry(name, number);
        let entry = match book.entry(id) {
            Ok(Some(entry)) => entry,
            Ok(None) => continue,
            Err(error) => return out(Found::Unreadable(place, reason(&error))),
        };
        let mut parts = entry.id.0.split('/');
        let version = parts.next().and_then(Version::parse);
        let operation = parts.next().and_then(OperationId::parse);
        let (Some(version), Some(operation)) = (version, operation) else {
            out(Found::Other);
            continue;
        };
        let answered = Answered { observation: entry.observation, has_body: !entry.truncated };
        let (answered, about) = (Some(answered), Some((version, operation)));
        out(Found::Item(Box::new(Item { place, answered, about, ..Item::default() })));
    }
}
