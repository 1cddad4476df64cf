//! What was sent and what came back, one JSON line each, so that it can be judged again without sending
//! anything.
//!
//! Written for strangers' eyes: headers pass an allow-list, and the key is taken out of bodies that echo it.
//! The price is that a class which hangs on any other header cannot be told from a journal. Long bodies are
//! cut and say so; their cases are read back as such and cannot be judged again.

use std::io::{self, BufRead, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use classify::{Cut, CutKind, Headers, Observation, Reply, Request};
use contract::case::CaseId;
use serde::{Deserialize, Serialize};

use crate::target::Key;

/// The version of the lines below; a reader refuses any other.
const VERSION: u32 = 1;

/// Holds the answer to all but a few cases of a corpus; a journal of thousands of longer ones helps nobody.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// A body in base64 and its case; a longer line is not one of ours.
const LINE_BYTES_MAX: u64 = 4 * BODY_BYTES_MAX as u64;

/// The header fields that classes and rules hang on. None of them carries a credential.
const HEADERS: [&str; 22] = [
    "accept",
    "allow",
    "anthropic-beta",
    "anthropic-organization-id",
    "anthropic-version",
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
const HEADER_PREFIX: &str = "anthropic-ratelimit-";

/// Writes a journal.
pub struct Journal<W> {
    out: W,
    key: Key,
}

impl<W: Write> Journal<W> {
    /// Begins a journal with its header line. `key` is taken out of everything that follows.
    pub fn begin(mut out: W, key: Key) -> io::Result<Self> {
        write_line(&mut out, &Header { journal: "probity".to_owned(), version: VERSION })?;
        Ok(Self { out, key })
    }

    pub fn write(
        &mut self,
        id: &CaseId,
        request: &Request,
        observation: &Observation,
    ) -> io::Result<()> {
        let line = Line {
            id: self.key.scrub(&id.0).into_owned(),
            request: summary(request, &self.key),
            observation: Seen::of(observation, &self.key),
        };
        write_line(&mut self.out, &line)
    }

    /// Flushes and hands back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// One line read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    pub id: CaseId,
    pub observation: Observation,
    /// Whether the body is only the beginning of what came; judging it again would judge our own cut.
    pub truncated: bool,
}

/// Why a journal cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("read the journal: {0}")]
    Io(#[from] io::Error),
    #[error("read the journal: it does not begin with a journal's header line")]
    NotAJournal,
    #[error("read the journal: it is of version {0}, and this reads version {VERSION}")]
    Version(u32),
    #[error("read line {number} of the journal: {reason}")]
    BadLine { number: u64, reason: String },
}

/// Reads a journal back, line by line.
pub fn read<R: BufRead>(
    mut from: R,
) -> Result<impl Iterator<Item = Result<Entry, JournalError>>, JournalError> {
    let header = next_line(&mut from)?.ok_or(JournalError::NotAJournal)?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| JournalError::NotAJournal)?;
    if header.version != VERSION {
        return Err(JournalError::Version(header.version));
    }
    let mut number = 1;
    Ok(std::iter::from_fn(move || {
        number += 1;
        match next_line(&mut from) {
            Ok(None) => None,
            Ok(Some(line)) => {
                Some(entry(&line).map_err(|reason| JournalError::BadLine { number, reason }))
            }
            Err(error) => Some(Err(error.into())),
        }
    }))
}

#[derive(Deserialize, Serialize)]
struct Header {
    journal: String,
    version: u32,
}

#[derive(Deserialize, Serialize)]
struct Line {
    id: String,
    request: Summary,
    observation: Seen,
}

/// Enough of a request to recognise it; the case id is what brings it back.
#[derive(Deserialize, Serialize)]
struct Summary {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    /// Names of the fields whose values are not repeated.
    withheld: Vec<String>,
    body_bytes: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Seen {
    Reply(Answer),
    Cut { kind: CutKind, partial: Option<Answer> },
    Unsendable(String),
}

#[derive(Deserialize, Serialize)]
struct Answer {
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

fn summary(request: &Request, key: &Key) -> Summary {
    let withheld = request.headers.iter().filter(|(name, _)| !is_allowed(name));
    Summary {
        method: key.scrub(&request.method).into_owned(),
        target: key.scrub(&request.target).into_owned(),
        headers: allowed(&request.headers, key),
        withheld: withheld.map(|(name, _)| key.scrub(name).into_owned()).collect(),
        body_bytes: request.body.len(),
    }
}

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
    fn back(self) -> Result<(Observation, bool), String> {
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
    kept.map(|(name, value)| (name.to_owned(), key.scrub(value).into_owned())).collect()
}

fn is_allowed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    HEADERS.contains(&&*name) || name.starts_with(HEADER_PREFIX)
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    out.write_all(&text)
}

/// The next line without its end; none at the end of the input.
fn next_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let count = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if count as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
    }
    Ok((count > 0).then_some(line))
}

fn entry(line: &[u8]) -> Result<Entry, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let (observation, truncated) = line.observation.back()?;
    Ok(Entry { id: CaseId(line.id), observation, truncated })
}

#[cfg(test)]
mod tests {
    use super::*;
    use classify::Body;

    const FAKE_KEY: &str = "sk-ant-api03-probity-test-key";

    fn reply(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Reply { status, headers: Headers(headers.collect()), body: Bytes::copy_from_slice(body) }
    }

    /// A request with the key in every place a key can be by mistake.
    fn request() -> Request {
        let mut headers = Headers::default();
        headers.push("x-api-key", FAKE_KEY);
        headers.push("Authorization", format!("Bearer {FAKE_KEY}"));
        headers.push("anthropic-beta", format!("{FAKE_KEY}-2026-10-21"));
        let target = format!("/v1/messages?key={FAKE_KEY}").into();
        Request { method: "POST".into(), target, headers, body: Body::Bytes(FAKE_KEY.into()) }
    }

    fn written(observation: &Observation) -> String {
        let key = Key::new(FAKE_KEY.to_owned());
        let mut journal = Journal::begin(Vec::new(), key).unwrap();
        journal.write(&CaseId("v/op/mut/x/".into()), &request(), observation).unwrap();
        String::from_utf8(journal.finish().unwrap()).unwrap()
    }

    /// Writes and reads the observation back, and looks for the key.
    fn check(observation: &Observation, expected: &Observation, truncated: bool) {
        let text = written(observation);
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains(FAKE_KEY), "{text}");
        for encoded in
            [BASE64.encode(FAKE_KEY), BASE64.encode(&FAKE_KEY[1..]), BASE64.encode(&FAKE_KEY[2..])]
        {
            // The last block of four depends on what follows.
            assert!(!text.contains(&encoded[..encoded.len() - 4]), "{text}");
        }
        let entries: Vec<_> = read(text.as_bytes()).unwrap().map(Result::unwrap).collect();
        let id = CaseId("v/op/mut/x/".into());
        assert_eq!(entries, [Entry { id, observation: expected.clone(), truncated }]);
    }

    #[test]
    fn observations_come_back() {
        let headers = [("content-type", "application/json"), ("Request-Id", "req_1")];
        let answer = reply(200, &headers, b"{\"a\":\"\xc3\xa9\"}");
        let cut = |partial| Observation::Cut(Cut { kind: CutKind::Reset, partial });
        for same in [
            Observation::Reply(answer.clone()),
            Observation::Reply(reply(502, &[], b"\xff\xfe\x00")),
            cut(Some(answer)),
            cut(None),
            Observation::Unsendable("a line break".into()),
        ] {
            check(&same, &same, false);
        }
    }

    #[test]
    fn the_key_does_not_appear_however_it_was_echoed() {
        let echo = |prefix: &[u8]| [prefix, b"bad key ", FAKE_KEY.as_bytes(), b"!"].concat();
        let clean = |prefix: &[u8]| [prefix, b"bad key $ANTHROPIC_API_KEY!"].concat();
        for prefix in [&b""[..], b"\xff", b"\xff\xff", b"\xff\xff\xff"] {
            let said = Observation::Reply(reply(401, &[("x-api-key", FAKE_KEY)], &echo(prefix)));
            check(&said, &Observation::Reply(reply(401, &[], &clean(prefix))), false);
        }
        let said = Observation::Reply(reply(401, &[("via", FAKE_KEY)], b""));
        let kept = Observation::Reply(reply(401, &[("via", "$ANTHROPIC_API_KEY")], b""));
        check(&said, &kept, false);
        check(
            &Observation::Unsendable(format!("header {FAKE_KEY}")),
            &Observation::Unsendable("header $ANTHROPIC_API_KEY".into()),
            false,
        );
    }

    #[test]
    fn a_long_body_is_cut_and_says_so() {
        let long = vec![b'x'; BODY_BYTES_MAX + 1];
        let kept = Observation::Reply(reply(200, &[], &long[1..]));
        check(&Observation::Reply(reply(200, &[], &long)), &kept, true);
        check(&kept, &kept, false);
    }

    #[test]
    fn what_is_not_a_journal_is_refused() {
        let fails = |text: &str| match read(text.as_bytes()) {
            Err(error) => error.to_string(),
            Ok(entries) => {
                entries.map(|e| e.map_or_else(|e| e.to_string(), |_| "ok".into())).collect()
            }
        };
        assert!(fails("").contains("header line"));
        assert!(fails("{\"id\":1}\n").contains("header line"));
        assert!(fails("{\"journal\":\"probity\",\"version\":9}\n").contains("version 9"));
        assert!(fails("{\"journal\":\"probity\",\"version\":1}\n{}\n").contains("line 2"));
    }
}
