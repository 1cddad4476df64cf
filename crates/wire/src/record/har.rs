//! Exchanges as an HTTP Archive 1.2, for the tools that read those.
//!
//! The archive is one JSON document and is whole after every entry: the closing brackets are written anew behind each.
//! What the format has no name for stands in members that begin with an underscore, as it asks for. The crates
//! that know the format hold the whole archive in memory; six objects are written here instead.

use std::io::{self, Seek, SeekFrom, Write};

use serde_json::{Value, json};

use super::exchange::{Answered, Exchange, Kept};

/// Closes the list of entries, the log and the archive.
const TAIL: &str = "\n]}}\n";

/// Writes an archive.
pub struct Har<W> {
    out: W,
    target: String,
    /// Where the closing brackets begin.
    tail_at: u64,
    entries: usize,
}

impl<W: Seek + Write> Har<W> {
    /// Begins an archive of what went to the server of that base URL.
    pub fn begin(mut out: W, target: &str) -> io::Result<Self> {
        let creator = json!({"name": "probity", "version": env!("CARGO_PKG_VERSION")});
        let head = format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"entries\":[");
        out.write_all(format!("{head}{TAIL}").as_bytes())?;
        let target = target.trim_end_matches('/').to_owned();
        Ok(Self { out, target, tail_at: head.len() as u64, entries: 0 })
    }

    pub fn write(&mut self, exchange: &Exchange) -> io::Result<()> {
        let comma = if self.entries == 0 { "" } else { "," };
        let entry = format!("{comma}\n{}", entry(exchange, &self.target));
        self.out.seek(SeekFrom::Start(self.tail_at))?;
        self.out.write_all(format!("{entry}{TAIL}").as_bytes())?;
        self.out.flush()?;
        self.tail_at += entry.len() as u64;
        self.entries += 1;
        Ok(())
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn entry(exchange: &Exchange, target: &str) -> Value {
    let Exchange { started, elapsed_ms, request, answer, end } = exchange;
    let first_ms =
        answer.as_ref().and_then(|answer| answer.chunks.first()).map(|chunk| chunk.at_ms);
    let wait_ms = first_ms.unwrap_or(*elapsed_ms);
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<_> = query
        .split('&')
        .filter(|member| !member.is_empty())
        .map(|member| member.split_once('=').unwrap_or((member, "")))
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let mut asked = json!({
        "method": request.method,
        "url": format!("{target}{}", request.target),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": fields(&request.headers),
        "queryString": query,
        "headersSize": -1,
        "bodySize": request.body.bytes,
        "_withheld": request.withheld,
    });
    if request.body.bytes > 0 {
        asked["postData"] = content(&request.body, &request.headers, "_encoding");
    }
    json!({
        "startedDateTime": started,
        "time": elapsed_ms,
        "request": asked,
        "response": response(answer.as_ref()),
        "cache": {},
        "timings": {"send": 0, "wait": wait_ms, "receive": elapsed_ms - wait_ms.min(*elapsed_ms)},
        "_chunks": answer.as_ref().map(|answer| &answer.chunks),
        "_end": end,
    })
}

/// An answer that never came has the status 0, as browsers write it.
fn response(answer: Option<&Answered>) -> Value {
    let nothing =
        Answered { status: 0, headers: Vec::new(), body: Kept::default(), chunks: Vec::new() };
    let answer = answer.unwrap_or(&nothing);
    let mut content = content(&answer.body, &answer.headers, "encoding");
    content["size"] = answer.body.bytes.into();
    json!({
        "status": answer.status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": fields(&answer.headers),
        "content": content,
        "redirectURL": field(&answer.headers, "location"),
        "headersSize": -1,
        "bodySize": answer.body.bytes,
    })
}

fn content(body: &Kept, headers: &[(String, String)], encoding: &str) -> Value {
    let mut content = json!({"mimeType": field(headers, "content-type")});
    if let Some(text) = &body.text {
        content["text"] = text.as_str().into();
    }
    if let Some(text) = &body.base64 {
        content["text"] = text.as_str().into();
        content[encoding] = "base64".into();
    }
    if body.truncated {
        content["_truncated"] = true.into();
    }
    if let Some(coding) = &body.unpacked {
        content["comment"] = format!("it came as {coding}").into();
    }
    if let Some(why) = &body.unseen {
        content["comment"] = why.as_str().into();
    }
    content
}

fn fields(headers: &[(String, String)]) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn field<'a>(headers: &'a [(String, String)], wanted: &str) -> &'a str {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map_or("", |(_, value)| value)
}
