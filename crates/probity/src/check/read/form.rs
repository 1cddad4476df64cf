//! What a file is, by how it begins.

use std::path::Path;

use super::Text;
use crate::cli::CheckKind;

/// What a file is.
pub(super) enum Form {
    /// A head and a body, as `curl -i` shows them.
    Answer,
    Archive,
    Body,
    Commands,
    Lines,
    Stream,
    /// Why nothing here reads it.
    Unknown(&'static str),
}

/// By how the file begins.
pub(super) fn form(text: &Text<'_>, kind: Option<CheckKind>) -> Form {
    let begins = text.begins_with();
    let has_ending = |endings: &[&str]| {
        let ending = text.path.and_then(Path::extension).and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    };
    if let Some(why) = no_text(&text.peek) {
        return Form::Unknown(why);
    }
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
    if begins.starts_with(b"HTTP/") {
        return Form::Answer;
    }
    if has_command(begins) {
        return Form::Commands;
    }
    // A body that lacks its first bytes is still a body to those who say so.
    match kind {
        Some(_) => Form::Body,
        None if has_ending(&["json"]) => Form::Unknown("is not JSON"),
        None => Form::Unknown(hint(begins)),
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

/// Why bytes are no text, if they are none.
fn no_text(begins: &[u8]) -> Option<&'static str> {
    let packed = [&b"\x1f\x8b"[..], b"\x28\xb5\x2f\xfd", b"PK\x03\x04"];
    match begins {
        _ if packed.iter().any(|magic| begins.starts_with(magic)) => {
            Some("is packed: unpack it first (gunzip, unzstd, unzip)")
        }
        // With a mark, or by the halves of the first letter.
        [0xff, 0xfe, ..]
        | [0xfe, 0xff, ..]
        | [0, b'\t'..=b'~', 0, b'\t'..=b'~', ..]
        | [b'\t'..=b'~', 0, b'\t'..=b'~', 0, ..] => Some(
            "is UTF-16, as some shells and editors write it; JSON is UTF-8 (iconv -f UTF-16 -t UTF-8 turns it)",
        ),
        _ => None,
    }
}

/// What to do about a text that nothing here reads.
fn hint(begins: &[u8]) -> &'static str {
    let has = |word: &str| begins.windows(word.len()).any(|window| window == word.as_bytes());
    if has("fetch(") || has("Invoke-WebRequest") || has("Invoke-RestMethod") {
        return "is a call in another language: copy the request as cURL instead";
    }
    if has("\n> ") && has("\n< ") {
        return "is what `curl -v` writes: `curl -i` writes an answer that can be read";
    }
    if has("{\"") {
        return "has something before its JSON: cut that off, so that a line or the file begins with `{`";
    }
    "is none of these: a JSON body, JSONL, HAR, a curl command line, an event stream, what `curl -i` shows"
}
