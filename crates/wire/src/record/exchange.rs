//! One exchange as it is written down: a line of JSON, without credentials.
//!
//! The answer's body is kept as it came, and beside it when each of its chunks came and how long it was: cutting the
//! body at those lengths gives the chunks back. Headers pass the list of the [journal](crate::journal); those that
//! did not are named, so that a reader can tell a header that was withheld from one that was never there.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use classify::{Body, Cut, CutKind, Headers, Observation, Reply, Request};
use serde::{Deserialize, Serialize};

use super::secrets::Secrets;
use crate::journal::is_allowed;

/// The version of the lines below; a reader refuses any other.
const VERSION: u32 = 1;

/// The first line of a recording.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Head {
    /// `probity`: what tells a recording from other files of lines.
    pub recording: String,
    pub version: u32,
    pub target: String,
    /// When it began, RFC 3339.
    pub started: String,
}

impl Head {
    pub fn new(target: &str, started: String) -> Self {
        Self {
            recording: "probity".to_owned(),
            version: VERSION,
            target: target.to_owned(),
            started,
        }
    }

    /// Whether this program can read what follows.
    pub fn is_readable(&self) -> bool {
        self.version == VERSION
    }
}

/// What went through, from the first byte of the request to the last of the answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Exchange {
    /// When the request came, RFC 3339.
    pub started: String,
    pub elapsed_ms: u64,
    pub request: Asked,
    /// None if no head of an answer came.
    pub answer: Option<Answered>,
    pub end: End,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// Names of the headers whose values are not repeated.
    pub withheld: Vec<String>,
    pub body: Kept,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Kept,
    pub chunks: Vec<Chunk>,
}

/// When a piece of the body came, after the beginning of the exchange.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Chunk {
    pub at_ms: u64,
    pub bytes: usize,
}

/// A body: as text where it is text, so that people can read it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// How much of it came, kept or not.
    pub bytes: u64,
    /// Whether what is kept is only the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// How the exchange ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The answer came and went to its end.
    Complete,
    /// Whoever asked did not wait for the end.
    ClientLeft,
    /// The recording ended before the exchange did.
    Interrupted,
    /// The server's end of it.
    Lost(CutKind),
}

impl Exchange {
    /// The request as a value, without what was withheld.
    pub fn request(&self) -> Result<Request, String> {
        Ok(Request {
            method: self.request.method.clone().into(),
            target: self.request.target.clone().into(),
            headers: headers(&self.request.headers),
            body: match self.request.body.back()? {
                bytes if bytes.is_empty() => Body::Empty,
                bytes => Body::Bytes(bytes),
            },
        })
    }

    /// What came back; none if it was not waited for, for then nobody knows what would have come.
    pub fn observation(&self) -> Result<Option<Observation>, String> {
        let reply = self.answer.as_ref().map(Answered::back).transpose()?;
        Ok(match (self.end, reply) {
            (End::Complete, Some(reply)) => Some(Observation::Reply(reply)),
            (End::Complete, None) | (End::ClientLeft | End::Interrupted, _) => None,
            (End::Lost(kind), partial) => Some(Observation::Cut(Cut { kind, partial })),
        })
    }
}

impl Asked {
    pub(super) fn of(
        request: &Request,
        body: &[u8],
        is_whole: bool,
        bytes: u64,
        secrets: &Secrets,
    ) -> Self {
        let withheld = request.headers.iter().filter(|(name, _)| !is_allowed(name));
        Self {
            method: secrets.scrub(&request.method),
            target: secrets.scrub_target(&request.target),
            headers: allowed(&request.headers, secrets),
            withheld: withheld.map(|(name, _)| secrets.scrub(name)).collect(),
            body: Kept { truncated: !is_whole, ..Kept::of(body, bytes, secrets) },
        }
    }
}

impl Answered {
    pub(super) fn of(reply: &Reply, bytes: u64, chunks: Vec<Chunk>, secrets: &Secrets) -> Self {
        Self {
            status: reply.status,
            headers: allowed(&reply.headers, secrets),
            body: Kept::of(&reply.body, bytes, secrets),
            chunks,
        }
    }

    fn back(&self) -> Result<Reply, String> {
        Ok(Reply { status: self.status, headers: headers(&self.headers), body: self.body.back()? })
    }
}

impl Kept {
    fn of(body: &[u8], bytes: u64, secrets: &Secrets) -> Self {
        let clean = secrets.mask(body);
        let truncated = (body.len() as u64) < bytes;
        match String::from_utf8(clean.into_owned()) {
            Ok(text) => Self { text: Some(text), base64: None, bytes, truncated },
            Err(error) => {
                let base64 = Some(BASE64.encode(error.as_bytes()));
                Self { text: None, base64, bytes, truncated }
            }
        }
    }

    fn back(&self) -> Result<Bytes, String> {
        match (&self.text, &self.base64) {
            (Some(text), _) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            (None, Some(text)) => {
                BASE64.decode(text).map(Bytes::from).map_err(|error| error.to_string())
            }
            (None, None) => Ok(Bytes::new()),
        }
    }
}

/// Writes one line, in one write, so that a reader never finds half of it behind a whole one.
pub fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    out.write_all(&text)?;
    out.flush()
}

fn allowed(headers: &Headers, secrets: &Secrets) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| is_allowed(name));
    let clean = |value: &str| secrets.scrub_target(value);
    kept.map(|(name, value)| (name.to_owned(), clean(value))).collect()
}

fn headers(fields: &[(String, String)]) -> Headers {
    let fields = fields.iter().map(|(name, value)| (name.clone().into(), value.clone().into()));
    Headers(fields.collect())
}
