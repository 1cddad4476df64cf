//! One exchange as it is written down: a line of JSON, without credentials.
//!
//! The answer's body is kept as it came, and beside it when each of its chunks came and how long it was: cutting the
//! body at those lengths gives the chunks back. Headers pass the list of the [journal](crate::journal); those that
//! did not are named, so that a reader can tell a header that was withheld from one that was never there.
//!
//! A packed body stays as it came if it unpacks and holds no secret. If it holds one it is written unpacked and masked,
//! without the headers that spoke of the packed form; the lengths of the chunks are still those of what came. What
//! cannot be looked into, because it is damaged, unpacks to too much or is packed in an unknown way, is left out with
//! its length and the reason. The price is that a server that damages packed bodies is seen by that note alone.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use classify::{Body, Cut, CutKind, Headers, Observation, Reply, Request};
use serde::{Deserialize, Serialize};

use super::packed::{self, Trouble};
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
    /// The coding under which it came, if it is written without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpacked: Option<String>,
    /// Why none of it is kept: `1204 bytes of br, not looked into: …`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<String>,
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
        let kept = Kept::of(&request.headers, body, is_whole, secrets);
        let body = Kept { bytes, truncated: kept.truncated || !is_whole, ..kept };
        Self {
            method: secrets.scrub(&request.method),
            target: secrets.scrub_target(&request.target),
            headers: allowed(&request.headers, &body, secrets),
            withheld: withheld.map(|(name, _)| secrets.scrub(name)).collect(),
            body,
        }
    }
}

impl Answered {
    pub(super) fn of(
        reply: &Reply,
        is_over: bool,
        bytes: u64,
        chunks: Vec<Chunk>,
        secrets: &Secrets,
    ) -> Self {
        let is_cut = (reply.body.len() as u64) < bytes;
        let kept = Kept::of(&reply.headers, &reply.body, is_over && !is_cut, secrets);
        let body = Kept { bytes, truncated: kept.truncated || is_cut, ..kept };
        Self {
            status: reply.status,
            headers: allowed(&reply.headers, &body, secrets),
            body,
            chunks,
        }
    }

    fn back(&self) -> Result<Reply, String> {
        Ok(Reply { status: self.status, headers: headers(&self.headers), body: self.body.back()? })
    }
}

impl Kept {
    fn of(headers: &Headers, body: &[u8], is_whole: bool, secrets: &Secrets) -> Self {
        let named = packed::coding(headers, body);
        let coding = named.or_else(|| packed::coding_by_magic(body).map(str::to_owned));
        let Some(coding) = coding else { return Self::masked(body, secrets) };
        let unpacked = match packed::unpack(&coding, body) {
            Ok(inner) if packed::coding_by_magic(&inner).is_some() => Err("it is packed twice"),
            Ok(inner) => Ok(inner),
            Err(Trouble::Broken(before)) if !is_whole => Ok(before),
            Err(Trouble::Broken(_)) => Err("it does not unpack"),
            Err(Trouble::TooMuch) => Err("it unpacks to too much"),
            Err(Trouble::Unknown) => Err("a coding that is not read here"),
        };
        let is_clean = |bytes: &[u8]| matches!(secrets.mask(bytes), Cow::Borrowed(_));
        match unpacked {
            // Behind the packed part there may be another.
            Ok(inner) if is_whole && is_clean(&inner) && is_clean(body) => Self::text_or_not(body),
            Ok(inner) => Self { unpacked: Some(coding), ..Self::masked(&inner, secrets) },
            Err(why) => {
                let what = format!("{} bytes of {coding}, not looked into: {why}", body.len());
                Self { truncated: true, unseen: Some(secrets.scrub(&what)), ..Self::default() }
            }
        }
    }

    fn masked(body: &[u8], secrets: &Secrets) -> Self {
        Self::text_or_not(&secrets.mask(body))
    }

    fn text_or_not(body: &[u8]) -> Self {
        match std::str::from_utf8(body) {
            Ok(text) => Self { text: Some(text.to_owned()), ..Self::default() },
            Err(_) => Self { base64: Some(BASE64.encode(body)), ..Self::default() },
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

/// What may be repeated of a head, and is true of the body as it is kept.
fn allowed(headers: &Headers, body: &Kept, secrets: &Secrets) -> Vec<(String, String)> {
    let is_of_packed = |name: &str| {
        ["content-encoding", "content-length"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let is_true = |name: &str| body.unpacked.is_none() || !is_of_packed(name);
    let kept = headers.iter().filter(|(name, _)| is_allowed(name) && is_true(name));
    let clean = |value: &str| secrets.scrub_target(value);
    kept.map(|(name, value)| (name.to_owned(), clean(value))).collect()
}

fn headers(fields: &[(String, String)]) -> Headers {
    let fields = fields.iter().map(|(name, value)| (name.clone().into(), value.clone().into()));
    Headers(fields.collect())
}
