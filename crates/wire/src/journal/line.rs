//! The lines as they are written.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use classify::{Body, Cut, CutKind, Headers, Observation, Reply, Request};
use contract::case::CaseId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BODY_BYTES_MAX, Head, Judged};
use crate::record::secrets::Secrets;
use crate::target::Key;

/// The header fields that classes and rules hang on. None of them carries a credential.
const HEADERS: [&str; 23] = [
    "accept",
    "allow",
    "anthropic-beta",
    "anthropic-organization-id",
    "anthropic-version",
    "anthropic-workspace-id",
    "cache-control",
    "cf-ray",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "location",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "server",
    "transfer-encoding",
    "user-agent",
    "via",
    "www-authenticate",
    "x-should-retry",
];

/// Rate-limit fields come in many names.
const HEADER_PREFIXES: [&str; 3] =
    ["anthropic-fast-", "anthropic-priority-", "anthropic-ratelimit-"];

/// And so does the id of a request, which a gateway may call otherwise.
const REQUEST_IDS: [&str; 2] = ["request-id", "requestid"];

/// The first line.
#[derive(Deserialize, Serialize)]
pub(super) struct First {
    pub(super) journal: String,
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) head: Head,
}

/// The line of a case.
#[derive(Deserialize, Serialize)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) request: Summary,
    pub(super) judged: Judged,
    pub(super) observation: Seen,
}

/// The line of a step: that of a case, one deeper.
#[derive(Deserialize, Serialize)]
pub(super) struct Step {
    pub(super) step: Line,
}

/// The last line of a run that came to its end.
#[derive(Deserialize, Serialize)]
pub(super) struct Last {
    pub(super) skipped: BTreeMap<String, usize>,
}

/// Enough of a request to recognise it; the case id is what brings it back.
#[derive(Deserialize, Serialize)]
pub(super) struct Summary {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    /// Names of the fields whose values are not repeated.
    withheld: Vec<String>,
    body_bytes: u64,
    /// Tells whether a case of the same id still asks the same.
    pub(super) digest: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Seen {
    Reply(Answer),
    Cut { kind: CutKind, partial: Option<Answer> },
    Unsendable(String),
}

#[derive(Deserialize, Serialize)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Text,
    truncated: bool,
}

/// A body: as text where it is text, so that people can read it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Text {
    Text(String),
    Base64(String),
}

impl Line {
    pub(super) fn of(
        id: &CaseId,
        request: &Request,
        observation: &Observation,
        judged: Judged,
        key: &Key,
    ) -> Self {
        Self {
            id: key.scrub(&id.0).into_owned(),
            request: Summary::of(request, key),
            judged,
            observation: Seen::of(observation, key),
        }
    }
}

impl Summary {
    fn of(request: &Request, key: &Key) -> Self {
        let withheld = request.headers.iter().filter(|(name, _)| !is_allowed(name));
        Self {
            method: key.scrub(&request.method).into_owned(),
            target: key.scrub(&request.target).into_owned(),
            headers: allowed(&request.headers, key),
            withheld: withheld.map(|(name, _)| key.scrub(name).into_owned()).collect(),
            body_bytes: request.body.len(),
            digest: digest(request),
        }
    }
}

/// Of everything that is sent but for the key, in whose place cases hold a word. A large body is hashed as it is
/// described and not as it is written out: hundreds of megabytes would take longer than sending them.
pub(super) fn digest(request: &Request) -> String {
    let mut hasher = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(request.method.as_bytes());
    part(request.target.as_bytes());
    for (name, value) in request.headers.iter() {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    match &request.body {
        Body::Empty => part(b""),
        Body::Bytes(bytes) => part(bytes),
        Body::Repeat { prefix, unit, count, suffix } => {
            part(prefix);
            part(unit);
            part(&count.to_le_bytes());
            part(suffix);
        }
    }
    hasher.finalize().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Enough that two requests of one id never meet by chance; nobody attacks it here.
const DIGEST_BYTES: usize = 8;

impl Seen {
    fn of(observation: &Observation, key: &Key) -> Self {
        match observation {
            Observation::Reply(reply) => Self::Reply(Answer::of(reply, key)),
            Observation::Cut(Cut { kind, partial }) => Self::Cut {
                kind: *kind,
                partial: partial.as_ref().map(|reply| Answer::of(reply, key)),
            },
            Observation::Unsendable(reason) => Self::Unsendable(key.scrub(reason).into_owned()),
        }
    }

    /// The observation, and whether it was cut by us.
    pub(super) fn back(self) -> Result<(Observation, bool), String> {
        Ok(match self {
            Self::Reply(answer) => {
                let truncated = answer.truncated;
                (Observation::Reply(answer.back()?), truncated)
            }
            Self::Cut { kind, partial } => {
                let truncated = partial.as_ref().is_some_and(|answer| answer.truncated);
                let partial = partial.map(Answer::back).transpose()?;
                (Observation::Cut(Cut { kind, partial }), truncated)
            }
            Self::Unsendable(reason) => (Observation::Unsendable(reason), false),
        })
    }
}

impl Answer {
    fn of(reply: &Reply, key: &Key) -> Self {
        // The key goes before the cut: a key across the limit would leave its first half.
        let body = key.scrub_bytes(&reply.body);
        // A gateway may tell a key of its own, which is known only by its shape.
        let body = Secrets::default().and(&reply.headers, "").mask(&body).into_owned();
        let kept = &body[..body.len().min(BODY_BYTES_MAX)];
        let text = match std::str::from_utf8(kept) {
            Ok(text) => Text::Text(text.to_owned()),
            Err(_) => Text::Base64(BASE64.encode(kept)),
        };
        let truncated = kept.len() < body.len();
        Self { status: reply.status, headers: allowed(&reply.headers, key), body: text, truncated }
    }

    fn back(self) -> Result<Reply, String> {
        let body = match self.body {
            Text::Text(text) => text.into_bytes(),
            Text::Base64(text) => BASE64.decode(text).map_err(|error| error.to_string())?,
        };
        let headers = self.headers.into_iter().map(|(name, value)| (name.into(), value.into()));
        let headers = Headers(headers.collect());
        Ok(Reply { status: self.status, headers, body: Bytes::from(body) })
    }
}

fn allowed(headers: &Headers, key: &Key) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| is_allowed(name));
    let clean = |value: &str| Secrets::default().scrub_target(&key.scrub(value));
    kept.map(|(name, value)| (name.to_owned(), clean(value))).collect()
}

/// Whether the values of that header field may be repeated.
pub fn is_allowed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HEADERS.contains(&&*name)
        || HEADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || REQUEST_IDS.iter().any(|id| name.ends_with(id))
}
