//! From inputs to items: what each file is, and what is in it.
//!
//! A file is told by how it begins, not by its name: recordings get odd names. Lines and the entries of archives are
//! read one at a time, so that only the largest of them costs memory; a body or a stream is read whole. What cannot be
//! read is handed on with its reason, and the rest is still read.

mod curl;
mod form;
mod har;
mod lines;
mod reply;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use contract::rules::body_bytes_max;
use serde_json::Value;

use self::form::{Form, form};
use super::item::{Answered, Asked, Item, Place, Source};
use super::shape::{self, Shape, Thing};
use crate::cli::CheckKind;
use crate::exit::without_keys;

/// What a file is told by: far more than the head of any of them, and the first line of most.
const PEEK_BYTES: usize = 1024 * 1024;

/// Folders in folders beyond this are a loop, or nobody's traffic.
const DEPTH_MAX: usize = 16;

/// More files than a folder of traffic has; beyond it somebody named the wrong folder.
const FILES_MAX: usize = 100_000;

/// What reading comes to.
pub(super) enum Found {
    Item(Box<Item>),
    /// A line or an entry that is not about this API.
    Other,
    /// A file in a folder that is nothing this reads.
    Unread(PathBuf),
    Unreadable(Place, String),
}

/// Takes what is found as it is found.
pub(super) type Out<'o> = dyn FnMut(Found) + 'o;

/// Reads all inputs in their order; files of a folder in that of their names.
pub(super) fn read(inputs: &[PathBuf], kind: Option<CheckKind>, out: &mut Out<'_>) {
    for input in inputs {
        if input.as_os_str() == "-" {
            file(Text::new("standard input", None, io::stdin().lock()), kind, true, out);
        } else if let Some(line) = command_line(input) {
            curl::read(&Arc::from("curl"), line, None, out);
        } else if input.is_dir() {
            folder(input, kind, out);
        } else {
            open(input, kind, true, out);
        }
    }
}

/// An argument that is no file but a command line.
fn command_line(input: &Path) -> Option<&str> {
    let text = input.to_str()?;
    (is_command_line(text) && !input.exists()).then_some(text)
}

/// `curl …`, also behind settings of variables, which may hold a key.
pub(super) fn is_command_line(text: &str) -> bool {
    let mut words = text.split_whitespace().skip_while(|word| word.contains('='));
    words.next() == Some("curl") && words.next().is_some()
}

fn folder(folder: &Path, kind: Option<CheckKind>, out: &mut Out<'_>) {
    let mut files = Vec::new();
    walk(folder, 0, &mut files, out);
    files.sort();
    for path in &files {
        open(path, kind, false, out);
    }
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, out: &mut Out<'_>) {
    let place = Place::of(&folder.display().to_string().into());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return out(Found::Unreadable(place, reason(&error))),
    };
    for entry in entries.filter_map(Result::ok) {
        if files.len() == FILES_MAX || depth == DEPTH_MAX {
            let reason = format!("holds more than {FILES_MAX} files or {DEPTH_MAX} levels");
            return out(Found::Unreadable(place, reason));
        }
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !is_hidden => walk(&entry.path(), depth + 1, files, out),
            Ok(kind) if kind.is_file() && !is_hidden => files.push(entry.path()),
            // Links may lead anywhere, and devices never end.
            _ => {}
        }
    }
}

fn open(path: &Path, kind: Option<CheckKind>, is_named: bool, out: &mut Out<'_>) {
    // What was meant to be a file may be a key.
    let name = without_keys(&path.display().to_string());
    match File::open(path) {
        Ok(found) => file(Text::new(&name, Some(path), BufReader::new(found)), kind, is_named, out),
        Err(error) => out(Found::Unreadable(Place::of(&name.into()), reason(&error))),
    }
}

/// A file that is being read.
struct Text<'t> {
    name: Arc<str>,
    path: Option<&'t Path>,
    /// How it begins.
    peek: Vec<u8>,
    rest: Box<dyn BufRead + 't>,
    trouble: Option<io::Error>,
}

impl<'t> Text<'t> {
    fn new(name: &str, path: Option<&'t Path>, mut from: impl BufRead + 't) -> Self {
        let mut peek = Vec::new();
        let trouble = from.by_ref().take(PEEK_BYTES as u64).read_to_end(&mut peek).err();
        Self { name: name.into(), path, peek, rest: Box::new(from), trouble }
    }

    fn begins_with(&self) -> &[u8] {
        without_bom(&self.peek).trim_ascii_start()
    }

    fn without_bom(mut self) -> Self {
        let mark = self.peek.len() - without_bom(&self.peek).len();
        self.peek.drain(..mark);
        self
    }

    fn all(self) -> impl BufRead + 't {
        Cursor::new(self.peek).chain(self.rest)
    }

    /// The whole, if it is no longer than a body may be.
    fn whole(self) -> Result<Bytes, String> {
        // The longest body there is, that of a batch.
        let max = body_bytes_max("/batches");
        let mut bytes = Vec::new();
        let read = self.all().take(max + 1).read_to_end(&mut bytes);
        read.map_err(|error| reason(&error))?;
        if bytes.len() as u64 > max {
            return Err(format!("is longer than {} MB, and no body may be", max / 1024 / 1024));
        }
        Ok(bytes.into())
    }
}

fn file(text: Text<'_>, kind: Option<CheckKind>, is_named: bool, out: &mut Out<'_>) {
    let name = Arc::clone(&text.name);
    let unreadable = |reason: String| Found::Unreadable(Place::of(&name), reason);
    if let Some(error) = &text.trouble {
        return out(unreadable(reason(error)));
    }
    let form = form(&text, kind);
    let path = text.path.map(Path::to_path_buf);
    let done = match form {
        Form::Answer => text.whole().and_then(|bytes| {
            let text = bytes.slice_ref(without_bom(&bytes));
            reply::read(&name, &text).map(|item| out(Found::Item(Box::new(item))))
        }),
        Form::Archive => return har::read(&name, text.without_bom().all(), out),
        Form::Lines => return lines::read(&name, path.as_deref(), text.all(), out),
        Form::Commands => text.whole().map(|bytes| {
            curl::read(&name, &String::from_utf8_lossy(&bytes), path.as_deref(), out);
        }),
        Form::Body => text.whole().and_then(|bytes| body(&name, &bytes, kind, is_named, out)),
        Form::Stream => text.whole().map(|bytes| out(Found::Item(Box::new(stream(&name, bytes))))),
        Form::Unknown(_) if !is_named => {
            return out(Found::Unread(path.unwrap_or_default()));
        }
        Form::Unknown(why) => Err(why.to_owned()),
    };
    if let Err(reason) = done {
        out(unreadable(reason));
    }
}

/// A stream that is the whole file. Whoever copies one by hand loses its last line ends, and would blame the server.
fn stream(name: &Arc<str>, bytes: Bytes) -> Item {
    let last = bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let data = last.strip_prefix(b"data:").unwrap_or_default();
    // Half an event was cut off elsewhere.
    let is_copied = serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok();
    let (text, notes) = match is_copied {
        true => {
            let note = "the last line has no end, which is taken for lost in copying";
            (Bytes::from([&bytes, &b"\n\n"[..]].concat()), vec![note])
        }
        false => (bytes, Vec::new()),
    };
    let answered = Some(Answered::stream(text.clone()));
    let source = Some(Source { text, within: "", line: 1 });
    Item { place: Place::of(name), answered, source, notes, ..Item::default() }
}

/// A JSON body that is the whole file.
fn body(
    name: &Arc<str>,
    bytes: &Bytes,
    kind: Option<CheckKind>,
    is_named: bool,
    out: &mut Out<'_>,
) -> Result<(), String> {
    let text = bytes.slice_ref(without_bom(bytes));
    let parsed = serde_json::from_slice::<Value>(&text);
    let thing = match (kind, &parsed) {
        (Some(CheckKind::Request), Ok(value)) => match shape::of(value) {
            Some(Thing::Request(shape)) => Some(Thing::Request(shape)),
            _ => Some(Thing::Request(Shape::Message)),
        },
        (Some(CheckKind::Request), Err(_)) => Some(Thing::Request(Shape::Message)),
        (Some(CheckKind::CountTokens), _) => Some(Thing::Request(Shape::Count)),
        (Some(CheckKind::Response), _) => Some(Thing::Answer),
        (None, Ok(Value::Array(elements))) => {
            return list(name, elements, is_named, out);
        }
        (None, Ok(value)) => shape::of(value),
        (None, Err(_)) => shape::guess(&text),
    };
    let place = Place::of(name);
    let source = Source { text: text.clone(), within: "", line: 1 };
    match (thing, parsed) {
        (Some(thing), parsed) => {
            out(Found::Item(Box::new(item(&place, thing, parsed.as_ref().ok(), &source))));
            Ok(())
        }
        (None, _) if !is_named => {
            out(Found::Unread(PathBuf::from(&**name)));
            Ok(())
        }
        (None, Err(_)) if text.starts_with(b"{'") => {
            Err("is not JSON but what Python shows of a dictionary: `json.dumps` writes JSON"
                .to_owned())
        }
        (None, Err(error)) => Err(format!("is not JSON: {error}")),
        (None, Ok(_)) => Err(NEITHER.to_owned()),
    }
}

const NEITHER: &str = "is JSON, but neither a request nor an answer of the Messages API \
    (--as request judges it as a request all the same)";

/// A list of bodies, which is how some programs keep them.
fn list(
    name: &Arc<str>,
    elements: &[Value],
    is_named: bool,
    out: &mut Out<'_>,
) -> Result<(), String> {
    let known = elements.iter().filter(|element| shape::of(element).is_some()).count();
    if known == 0 && is_named {
        return Err(NEITHER.to_owned());
    }
    if known == 0 {
        out(Found::Unread(PathBuf::from(&**name)));
        return Ok(());
    }
    for (number, element) in (1..).zip(elements) {
        let Some(thing) = shape::of(element) else {
            out(Found::Other);
            continue;
        };
        let text = Bytes::from(element.to_string());
        let source = Source { text, within: "", line: 1 };
        let judged = item(&Place::at_entry(name, number), thing, Some(element), &source);
        // The text was written anew: its lines are not those of the file.
        out(Found::Item(Box::new(Item { source: None, ..judged })));
    }
    Ok(())
}

/// What a value is, whose text is at hand.
fn item(place: &Place, thing: Thing, value: Option<&Value>, source: &Source) -> Item {
    let text = source.text.clone();
    let bare = Item { place: place.clone(), source: Some(source.clone()), ..Item::default() };
    let answer = |value: &Value, text| Some(Answered::bare(value, text));
    match thing {
        Thing::Request(shape) => Item { asked: Some(Asked::bare(shape, text)), ..bare },
        Thing::Answer => Item { answered: answer(value.unwrap_or(&Value::Null), text), ..bare },
        Thing::Pair => {
            let member = |name| value.and_then(|value| value.get(name));
            let asked = member("request").and_then(|value| match shape::of(value)? {
                Thing::Request(shape) => Some(Asked::bare(shape, value.to_string().into())),
                _ => None,
            });
            let answered =
                member("response").filter(|value| shape::of(value) == Some(Thing::Answer));
            let answered = answered.and_then(|value| answer(value, value.to_string().into()));
            let within = if asked.is_some() { "/request" } else { "/response" };
            Item { asked, answered, source: Some(Source { within, ..source.clone() }), ..bare }
        }
    }
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// An error of the system, without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}
