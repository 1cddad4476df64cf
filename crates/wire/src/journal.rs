//! What was sent, what came back and how it was judged, one JSON line each, so that nothing that was answered
//! has to be asked again: a run goes on where it was killed, shards come together, and new rules judge old
//! answers.
//!
//! | line | its first member | how often |
//! |---|---|---|
//! | of what run it is ([`Head`]) | `journal` | once, at the top |
//! | what the target was found to have ([`beside::Probe`]) | `probe` | once, before the cases of another server |
//! | a case: request, answer, judgement | `id` | once for each; the last counts |
//! | a step of a chain, with what a case has | `step` | once for each that was asked |
//! | a stream beside its plain answer ([`beside::Twin`]) | `twin` | once for each that was compared |
//! | how the target went ([`beside::Gone`]) | `gone` | last, if it did not stay |
//! | what was not sent, by reason | `skipped` | last, if the run came to its end |
//!
//! Any other line is an error. What a gateway sent on to its upstream is in none of them: it is evidence for people,
//! as long as all answers again, and only a report shows it.
//!
//! A line is handed to the system whole before the next case is taken up, so that a killed run leaves at most
//! one torn line, at the end. Written for strangers' eyes: headers pass an allow-list, and the key is taken out
//! of bodies that echo it. The price is that a class which hangs on any other header cannot be told from a
//! journal. Long bodies are cut and say so: their cases are sent again by a run that goes on, and keep the
//! verdict that stands beside them wherever nothing is sent.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use classify::{Observation, Request};
use contract::case::CaseId;
use contract::judge::{Finding, Record};
use serde::{Deserialize, Serialize};

pub mod beside;
mod book;
mod line;

use self::beside::Beside;
pub use self::book::{Book, Entry, JournalError};
pub use self::line::is_allowed;
use self::line::{First, Last, Line, Step};
use crate::record::secrets::Secrets;
use crate::target::Key;

/// The version of the lines; a reader refuses any other.
const VERSION: u32 = 3;

/// Holds every answer that a server of this API has a reason to give to a corpus. A hostile one can make a
/// journal of so much for each case, and no more.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Lines between two orders to the disk. The system keeps what a killed process wrote; only what a machine
/// that fails may lose is bounded here, to what takes a second to send again.
const UNSYNCED_LINES_MAX: usize = 1_000;

/// The same for a slow target, where each line was dear.
const UNSYNCED_TIME_MAX: Duration = Duration::from_secs(1);

/// What a journal is of. Runs that differ in any of these do not share one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Head {
    /// The version of the tool: another one may have other rules.
    pub probity: String,
    pub seed: u64,
    /// The hash of the specification.
    pub spec: String,
    /// A base URL, or `embedded mock`.
    pub target: String,
    #[serde(flatten)]
    pub scope: Scope,
}

/// Which cases of the corpus, and how they are asked.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Scope {
    /// The model that stands in every request, where the target knows only its own.
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub live: bool,
    /// Whether something limits the run: the cases then come in another order, and are made cheap.
    #[serde(default)]
    pub limited: bool,
    #[serde(default)]
    pub heavy: bool,
    #[serde(default)]
    pub filter: Vec<String>,
    #[serde(default)]
    pub max_cases: Option<usize>,
    /// As on the command line: `2/4`.
    #[serde(default)]
    pub shard: Option<String>,
}

impl Head {
    /// What differs, in words: `seed 1, not 2`.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let texts = |head: &Self| {
            let scope = &head.scope;
            let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
            let cases = scope.max_cases.map_or_else(|| "all".to_owned(), |cases| cases.to_string());
            let filter =
                if scope.filter.is_empty() { "none".to_owned() } else { scope.filter.join(",") };
            [
                ("probity", head.probity.clone()),
                ("seed", head.seed.to_string()),
                ("spec", head.spec.clone()),
                ("target", head.target.clone()),
                ("model", or_none(&scope.model)),
                ("live", scope.live.to_string()),
                ("limited", scope.limited.to_string()),
                ("heavy", scope.heavy.to_string()),
                ("filter", filter),
                ("max-cases", cases),
                ("shard", or_none(&scope.shard)),
            ]
        };
        let pairs = texts(self).into_iter().zip(texts(wanted));
        pairs
            .filter(|(ours, theirs)| ours != theirs)
            .map(|((name, ours), (_, theirs))| format!("{name} {ours}, not {theirs}"))
            .collect()
    }
}

/// How a case was judged, in the words of reports: a row of a JSON report reads as one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Judged {
    pub class: String,
    pub status: Option<u16>,
    pub error_type: Option<String>,
    pub error_code: Option<String>,
    pub verdict: String,
    pub findings: Vec<Fault>,
}

/// A finding in a report's words.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fault {
    pub rule: String,
    pub pointer: String,
    pub blame: String,
    /// The weakest level at which it counts.
    pub level: String,
    pub trace: String,
}

impl Judged {
    /// What `record` says, without the key.
    fn of(record: &Record, key: &Key) -> Self {
        let clean = |text: &str| key.scrub(text).into_owned();
        let fault = |finding: &Finding| Fault {
            rule: finding.rule.to_owned(),
            pointer: clean(&finding.pointer),
            blame: finding.blame.name().to_owned(),
            level: finding.level.name().to_owned(),
            trace: clean(&finding.trace),
        };
        Self {
            class: record.class.name().to_owned(),
            status: record.status,
            error_type: record.error_type.as_deref().map(clean),
            error_code: record.error_code.as_deref().map(clean),
            verdict: record.verdict.name().to_owned(),
            findings: record.findings.iter().map(fault).collect(),
        }
    }
}

/// Where lines go: something that can be told to keep what it was given.
pub trait Store: Write {
    /// Returns when what was written would survive the machine.
    fn sync(&mut self) -> io::Result<()>;
}

impl Store for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Store for Vec<u8> {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a journal.
pub struct Journal<S> {
    out: S,
    key: Key,
    unsynced_lines: usize,
    synced_at: Instant,
}

impl<S: Store> Journal<S> {
    /// Begins a journal with its header line. `key` is taken out of everything that follows.
    pub fn begin(out: S, key: Key, head: &Head) -> io::Result<Self> {
        let mut journal = Self::resume(out, key);
        journal.line(&First {
            journal: "probity".to_owned(),
            version: VERSION,
            head: head.clone(),
        })?;
        journal.sync()?;
        Ok(journal)
    }

    /// Goes on at the end of one that has its header line.
    pub fn resume(out: S, key: Key) -> Self {
        Self { out, key, unsynced_lines: 0, synced_at: Instant::now() }
    }

    pub fn write(
        &mut self,
        id: &CaseId,
        request: &Request,
        observation: &Observation,
        record: &Record,
    ) -> io::Result<()> {
        let judged = Judged::of(record, &self.key);
        let line = Line::of(id, request, observation, judged, &self.key);
        self.line(&line)?;
        self.sync_in_time()
    }

    /// The same for a step of a chain, which is no case of the corpus.
    pub fn write_step(
        &mut self,
        id: &CaseId,
        request: &Request,
        observation: &Observation,
        record: &Record,
    ) -> io::Result<()> {
        let judged = Judged::of(record, &self.key);
        let step = Line::of(id, request, observation, judged, &self.key);
        self.line(&Step { step })?;
        self.sync_in_time()
    }

    /// What stands beside the cases. It holds words of the target's own, and is searched as a whole.
    pub fn write_beside(&mut self, beside: &Beside) -> io::Result<()> {
        let text = serde_json::to_string(beside)?;
        let text = Secrets::default().scrub(&self.key.scrub(&text));
        self.text(text.into_bytes())?;
        self.sync_in_time()
    }

    fn sync_in_time(&mut self) -> io::Result<()> {
        if self.unsynced_lines >= UNSYNCED_LINES_MAX
            || self.synced_at.elapsed() >= UNSYNCED_TIME_MAX
        {
            self.sync()?;
        }
        Ok(())
    }

    /// Says that the run came to its end, and how many cases it did not send, by reason.
    pub fn complete(&mut self, skipped: &BTreeMap<&'static str, usize>) -> io::Result<()> {
        let skipped = skipped.iter().map(|(reason, cases)| ((*reason).to_owned(), *cases));
        self.line(&Last { skipped: skipped.collect() })
    }

    /// Makes it last, and hands back what was written to.
    pub fn finish(mut self) -> io::Result<S> {
        self.sync()?;
        Ok(self.out)
    }

    /// In one call, so that no buffer of ours can hold back half a line.
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.text(serde_json::to_vec(line)?)
    }

    fn text(&mut self, mut text: Vec<u8>) -> io::Result<()> {
        text.push(b'\n');
        self.unsynced_lines += 1;
        self.out.write_all(&text)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.sync()?;
        (self.unsynced_lines, self.synced_at) = (0, Instant::now());
        Ok(())
    }
}

/// Opens a journal's file to write behind its first `whole_bytes`; what follows them goes.
///
/// Two runs that wrote into one would tear each other's lines, so the file is locked for as long as it is open.
pub fn open_to_write(path: &Path, whole_bytes: u64) -> io::Result<File> {
    let mut file = File::options().write(true).create(true).truncate(false).open(path)?;
    file.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => io::Error::other("another run is writing it"),
        std::fs::TryLockError::Error(error) => error,
    })?;
    file.set_len(whole_bytes)?;
    file.seek(SeekFrom::Start(whole_bytes))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use bytes::Bytes;
    use classify::{Body, Class, Cut, CutKind, Headers, Reply};
    use contract::expect::Expectation;
    use contract::judge::{Blame, Verdict};
    use contract::version::{OperationId, Version};

    use super::*;

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

    fn id() -> CaseId {
        CaseId("v/op/mut/x/".into())
    }

    fn record() -> Record {
        Record {
            id: id(),
            version: Version::ALL[0],
            operation: OperationId::MessagesCreate,
            origin: "mut",
            family: "required",
            rule: Cow::Borrowed("required"),
            at: Cow::Borrowed("model"),
            expected: Expectation {
                classes: Cow::Borrowed(&[Class::Accepted]),
                status: None,
                error_type: None,
                error_code: None,
                question: None,
            },
            class: Class::Accepted,
            status: Some(200),
            error_type: Some("api_error".into()),
            error_code: None,
            verdict: Verdict::Drift,
            findings: vec![Finding::new(
                "answer-class",
                "/id",
                Blame::Target,
                format!("it said {FAKE_KEY}"),
            )],
        }
    }

    fn judged() -> Judged {
        Judged {
            class: "accepted".into(),
            status: Some(200),
            error_type: Some("api_error".into()),
            error_code: None,
            verdict: "drift".into(),
            findings: vec![Fault {
                rule: "answer-class".into(),
                pointer: "/id".into(),
                blame: "target".into(),
                level: "compatible".into(),
                trace: "it said $ANTHROPIC_API_KEY".into(),
            }],
        }
    }

    fn journal_head() -> Head {
        Head {
            probity: "0.1.0".into(),
            seed: 1,
            spec: "62b190b3833b".into(),
            target: "embedded mock".into(),
            scope: Scope {
                filter: vec!["required".into()],
                shard: Some("2/4".into()),
                ..Scope::default()
            },
        }
    }

    fn written(observation: &Observation) -> String {
        let key = Key::new(FAKE_KEY.to_owned());
        let mut journal = Journal::begin(Vec::new(), key, &journal_head()).unwrap();
        journal.write(&id(), &request(), observation, &record()).unwrap();
        assert!(journal.complete(&BTreeMap::from([("no batches", 2)])).is_ok());
        String::from_utf8(journal.finish().unwrap()).unwrap()
    }

    /// A file of that content, for as long as the test looks at it.
    struct OnDisk(PathBuf);

    impl OnDisk {
        fn new(text: &str) -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("probity-journal-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            Self(path)
        }
    }

    impl Drop for OnDisk {
        fn drop(&mut self) {
            let _best_effort = std::fs::remove_file(&self.0);
        }
    }

    /// Writes and reads the observation back, and looks for the key.
    fn check(observation: &Observation, expected: &Observation, truncated: bool) {
        let text = written(observation);
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains(FAKE_KEY), "{text}");
        for encoded in
            [BASE64.encode(FAKE_KEY), BASE64.encode(&FAKE_KEY[1..]), BASE64.encode(&FAKE_KEY[2..])]
        {
            // The last block of four depends on what follows.
            assert!(!text.contains(&encoded[..encoded.len() - 4]), "{text}");
        }
        let book = Book::open(&OnDisk::new(&text).0).unwrap().unwrap();
        assert_eq!((&book.head, book.len(), book.is_torn), (&journal_head(), 1, false));
        assert_eq!(book.skipped, Some(BTreeMap::from([("no batches".to_owned(), 2)])));
        let entry = book.entry(&id()).unwrap().unwrap();
        let observation = expected.clone();
        assert_eq!(entry, Entry { id: id(), observation, truncated, judged: judged() });
        assert_eq!(book.answers(&id(), &request()), !truncated);
        let other = Request { body: Body::Empty, ..request() };
        assert!(!book.answers(&id(), &other) && book.asked_otherwise(&id(), &other));
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
        // A byte that is written as six, so that the longest line is tried as well.
        let long = vec![b'\x01'; BODY_BYTES_MAX + 1];
        let kept = Observation::Reply(reply(200, &[], &long[1..]));
        check(&Observation::Reply(reply(200, &[], &long)), &kept, true);
        check(&kept, &kept, false);
    }

    #[test]
    fn what_is_not_a_journal_is_refused() {
        let whole = written(&Observation::Unsendable(String::new()));
        let (first, rest) = whole.split_once('\n').unwrap();
        let line = rest.lines().next().unwrap();
        let fails = |text: &str| match Book::open(&OnDisk::new(text).0) {
            Err(error) => error.to_string(),
            Ok(book) => {
                book.map_or_else(|| "nothing".into(), |book| format!("{} whole", book.len()))
            }
        };
        assert!(fails("{\"id\":1}\n").contains("header line"));
        assert!(fails("notes of mine").contains("header line"));
        assert!(fails("{\"journal\":\"probity\",\"version\":9}\n").contains("version 9"));
        assert!(fails(&format!("{first}\n{{}}\n{line}\n")).contains("line 2"));
        assert_eq!(fails(""), "nothing");
        assert_eq!(fails(first), "nothing");
        assert_eq!(fails(&whole), "1 whole");
    }

    #[test]
    fn a_journal_cut_anywhere_is_read_to_its_last_whole_line() {
        let two = Observation::Reply(reply(200, &[], b"two"));
        let whole = written(&two);
        let lines_end: Vec<_> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
        for at in 0..=whole.len() {
            let book = Book::open(&OnDisk::new(&whole[..at]).0).unwrap();
            let end = lines_end.iter().copied().filter(|end| *end <= at).max();
            let Some(book) = book else {
                assert_eq!(end, None, "{at}");
                continue;
            };
            assert_eq!(
                (Some(book.whole_bytes), book.is_torn),
                (end.map(|end| end as u64), end != Some(at))
            );
            let lines = lines_end.iter().filter(|end| **end <= at).count();
            assert_eq!((book.len(), book.skipped.is_some()), (usize::from(lines > 1), lines > 2));
        }
    }

    #[test]
    fn a_torn_line_is_written_over_and_nobody_else_writes() {
        let whole = written(&Observation::Unsendable(String::new()));
        let on_disk = OnDisk::new(&format!("{whole}{{\"id\":"));
        let book = Book::open(&on_disk.0).unwrap().unwrap();
        let file = open_to_write(&on_disk.0, book.whole_bytes).unwrap();
        assert!(open_to_write(&on_disk.0, 0).unwrap_err().to_string().contains("another run"));
        let mut journal = Journal::resume(file, Key::new(FAKE_KEY.to_owned()));
        let reply = Observation::Reply(reply(200, &[], b"later"));
        journal.write(&id(), &request(), &reply, &record()).unwrap();
        drop(journal.finish().unwrap());
        let book = Book::open(&on_disk.0).unwrap().unwrap();
        assert_eq!((book.len(), book.is_torn, &book.skipped), (1, false, &None));
        assert_eq!(book.entry(&id()).unwrap().unwrap().observation, reply);
    }

    #[test]
    fn what_differs_between_two_runs_is_named() {
        let other = Head { seed: 2, scope: Scope::default(), ..journal_head() };
        let differences = ["seed 1, not 2", "filter required, not none", "shard 2/4, not none"];
        assert_eq!(journal_head().differences(&other), differences);
        assert_eq!(journal_head().differences(&journal_head()), Vec::<String>::new());
    }
}
