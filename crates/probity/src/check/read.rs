//! From inputs to items: what each file is, and what is in it.
//!
//! A file is told by how it begins, not by its name: recordings get odd names. Lines and the entries of archives are
//! read one at a time, so that only the largest of them costs memory; a body or a stream is read whole. What cannot be
//! read is handed on with its reason, and the rest is still read.

mod curl;
mod har;
mod lines;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use contract::rules::body_bytes_max;
use serde_json::Value;

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
        Form::Archive => return har::read(&name, text.all(), out),
        Form::Lines => return lines::read(&name, path.as_deref(), text.all(), out),
        Form::Commands => text.whole().map(|bytes| {
            curl::read(&name, &String::from_utf8_lossy(&bytes), path.as_deref(), out);
        }),
        Form::Body => text.whole().and_then(|bytes| body(&name, &bytes, kind, is_named, out)),
        Form::Stream => text.whole().map(|bytes| {
            let answered = Some(Answered::stream(bytes.clone()));
            let source = Some(Source { text: bytes, within: "", line: 1 });
            let place = Place::of(&name);
            out(Found::Item(Box::new(Item { place, answered, source, ..Item::default() })));
        }),
        Form::Unknown(_) if !is_named => {
            return out(Found::Unread(path.unwrap_or_default()));
        }
        Form::Unknown(why) => Err(why.to_owned()),
    };
    if let Err(reason) = done {
        out(unreadable(reason));
    }
}

/// What a file is.
enum Form {
    Archive,
    Body,
    Commands,
    Lines,
    Stream,
    Unknown(&'static str),
}

/// By how the file begins.
fn form(text: &Text<'_>, kind: Option<CheckKind>) -> Form {
    let begins = text.begins_with();
    let has_ending = |endings: &[&str]| {
        let ending = text.path.and_then(Path::extension).and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    };
    match begins.first() {
        None => return Form::Unknown("is empty"),
        Some(b'{') if is_archive(begins) => return Form::Archive,
        Some(b'{') if has_ending(&["jsonl", "ndjson"]) || is_lines(begins) => return Form::Lines,
        Some(b'{' | b'[') => return Form::Body,
        Some(_) if begins.contains(&0) => return Form::Unknown("is not text"),
        Some(_) => {}
    }
    let is_stream = [&b"event:"[..], b"data:", b"id:", b"retry:", b":"];
    if is_stream.iter().any(|word| begins.starts_with(word)) {
        return Form::Stream;
    }
    if has_command(begins) {
        return Form::Commands;
    }
    // A body that lacks its first bytes is still a body to those who say so.
    match kind {
        Some(_) => Form::Body,
        None if has_ending(&["json"]) => Form::Unknown("is not JSON"),
        None => Form::Unknown(
            "is none of these: a JSON body, JSONL, HAR, a curl command line, an event stream",
        ),
    }
}

/// An archive begins with its only member.
fn is_archive(begins: &[u8]) -> bool {
    let inner = begins[1..].trim_ascii_start();
    inner.strip_prefix(b"\"log\"").is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
}

/// Whether the first line is an object of its own, and something follows it; or a line that only we write.
fn is_lines(begins: &[u8]) -> bool {
    let end = begins.iter().position(|byte| *byte == b'\n').unwrap_or(begins.len());
    let (first, rest) = begins.split_at(end);
    if [&b"{\"recording\":"[..], b"{\"journal\":"].iter().any(|word| first.starts_with(word)) {
        return true;
    }
    rest.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<serde::de::IgnoredAny>(first).is_ok()
}

fn has_command(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.lines().any(|line| {
        let words = line.split(|c: char| c.is_whitespace() || "|;&($`\"'".contains(c));
        !line.trim_start().starts_with('#') && words.into_iter().any(|word| word == "curl")
    })
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
