//! HTTP Archives, entry by entry.
//!
//! Browsers, proxies and test tools write them, each in its own way: numbers are strings, texts are null, members are
//! missing. So everything is optional here, and what has another type counts as missing. The text of an answer has
//! been unpacked by whoever wrote the archive, as a rule; where it still looks packed it is unpacked later.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use classify::{Body, Cut, CutKind, Headers, Observation, Reply, Request};
use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::super::item::{Answered, Asked, Head, Item, Place};
use super::super::route;
use super::{Found, Out};

/// Only one entry at a time is in memory, but reading takes time: some ten seconds for this much.
const ARCHIVE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

pub(super) fn read(name: &Arc<str>, from: impl BufRead, out: &mut Out<'_>) {
    let counted = Limited { from, left: ARCHIVE_BYTES_MAX };
    let mut numbers = 0;
    let mut text = serde_json::Deserializer::from_reader(io::BufReader::new(counted));
    let read = text.deserialize_map(Archive {
        entry: &mut |entry: Value| {
            numbers += 1;
            out(item(Place::at_entry(name, numbers), &entry));
        },
    });
    if let Err(error) = read.and_then(|()| text.end()) {
        let place = Place::of(name);
        out(Found::Unreadable(place, format!("is no archive behind entry {numbers}: {error}")));
    }
}

/// Fails at the limit, where a plain `take` would only end.
struct Limited<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let megabytes = ARCHIVE_BYTES_MAX / 1024 / 1024;
            return Err(io::Error::other(format!("it is longer than {megabytes} MB")));
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.from.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Goes down to the entries and hands them over one by one.
struct Archive<'e> {
    entry: &'e mut dyn FnMut(Value),
}

impl<'de> Visitor<'de> for Archive<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `log`, and in it `entries`")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match &*name {
                "log" => map.next_value_seed(Inner(Archive { entry: self.entry }))?,
                "entries" => map.next_value_seed(Entries(&mut self))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Inner<'e>(Archive<'e>);

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self.0)
    }
}

struct Entries<'a, 'e>(&'a mut Archive<'e>);

impl<'de> DeserializeSeed<'de> for Entries<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        while let Some(entry) = list.next_element::<Value>()? {
            (self.0.entry)(entry);
        }
        Ok(())
    }
}

fn item(place: Place, entry: &Value) -> Found {
    let (asked, answered) = (&entry["request"], &entry["response"]);
    let url = text(&asked["url"]);
    let mut request = Request {
        method: text(&asked["method"]).to_owned().into(),
        target: route::target(url).into_owned().into(),
        headers: headers(&asked["headers"]),
        body: Body::Empty,
    };
    route::add_user(url, &mut request.headers);
    if route::operation(&request).is_none() {
        return Found::Other;
    }
    let mut item = Item { place, ..Item::default() };
    let sent = match posted(&asked["postData"]) {
        Ok(sent) => sent,
        Err(reason) => return Found::Unreadable(item.place, reason),
    };
    let has_body = sent.is_some() || request.method == "GET" || request.method == "DELETE";
    if !has_body {
        item.notes.push("the archive does not hold the body of the request");
    }
    request.body = sent.map_or(Body::Empty, Body::Bytes);
    item.asked = Some(Asked { has_body, ..Asked::with_head(request, Head::Censored) });
    match observed(entry, answered) {
        Err(reason) => return Found::Unreadable(item.place, reason),
        Ok(Ok(answered)) => item.answered = Some(answered),
        Ok(Err(note)) => item.notes.push(note),
    }
    Found::Item(Box::new(item))
}

/// The body of a request.
fn posted(post: &Value) -> Result<Option<Bytes>, String> {
    if post["_truncated"] == true {
        return Ok(None);
    }
    if let Some(sent) = post["text"].as_str().filter(|sent| !sent.is_empty()) {
        let encoding =
            if post["encoding"].is_null() { &post["_encoding"] } else { &post["encoding"] };
        return decoded(sent, encoding).map(Some);
    }
    // A form, or JSON that was sent as one: its text is the name of the only member then.
    let members = post["params"].as_array().filter(|members| !members.is_empty());
    Ok(members.map(|members| {
        let member = |member: &Value| match text(&member["value"]) {
            "" => text(&member["name"]).to_owned(),
            value => format!("{}={value}", text(&member["name"])),
        };
        members.iter().map(member).collect::<Vec<_>>().join("&").into()
    }))
}

/// What came back, or why nothing can be said about it.
fn observed(entry: &Value, answer: &Value) -> Result<Result<Answered, &'static str>, String> {
    if entry["_end"] == "client-left" || entry["_end"] == "interrupted" {
        return Ok(Err("the answer was not waited for"));
    }
    let lost = serde_json::from_value::<CutKind>(entry["_end"]["lost"].clone()).ok();
    let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let Some(status) = status.filter(|status| *status > 0) else {
        let cut = lost.map(|kind| Observation::Cut(Cut { kind, partial: None }));
        return Ok(cut.map(Answered::whole).ok_or("the archive holds no answer"));
    };
    let content = &answer["content"];
    let body = match content["text"].as_str() {
        Some(text) => decoded(text, &content["encoding"])?,
        None if content["size"].as_i64().unwrap_or(0) > 0 => {
            return Ok(Err("the archive does not hold the body of the answer"));
        }
        None => Bytes::new(),
    };
    let mut headers = headers(&answer["headers"]);
    let media = text(&content["mimeType"]);
    if headers.get("content-type").is_none() && !media.is_empty() {
        headers.push("content-type", media.to_owned());
    }
    let reply = Reply { status, headers, body };
    let observation = match lost {
        Some(kind) => Observation::Cut(Cut { kind, partial: Some(reply) }),
        None => Observation::Reply(reply),
    };
    Ok(Ok(Answered { observation, has_body: content["_truncated"] != true }))
}

fn decoded(text: &str, encoding: &Value) -> Result<Bytes, String> {
    if encoding != "base64" {
        return Ok(Bytes::copy_from_slice(text.as_bytes()));
    }
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64.decode(packed).map(Bytes::from).map_err(|error| format!("holds bad base64: {error}"))
}

/// Without the pseudo headers of HTTP/2.
fn headers(list: &Value) -> Headers {
    let fields = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = fields.iter().map(|field| (text(&field["name"]), text(&field["value"])));
    let fields = fields.filter(|(name, _)| !name.is_empty() && !name.starts_with(':'));
    Headers(fields.map(|(name, value)| (name.to_owned().into(), value.to_owned().into())).collect())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
