//! A stream and the message it tells: our own server tells what it answers without `stream`, and the official SDKs
//! put streams together as we do.
//!
//! `cargo xtask clients install` installs the SDKs: the tests read only what is there, and say aloud what is not.
//! Where an SDK is known to do something else, `fold/quirks.toml` says what and why.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use classify::fold::{FoldError, differences, fold};
use classify::{Body, Headers, Observation, Reply, Request, Script};
use contract::case::Origin;
use contract::corpus::{self, Plan};
use contract::version::{OperationId, Version};
use mock::{Config, DIRECTIVES, Now, Pace, Rules, State};
use probity::settings;
use probity::specs::{Overrides, Specs};
use serde_json::{Value, json};

/// Obviously nobody's.
const KEY: &str = "sk-ant-api03-probity-test-key";

/// Far fewer would mean that the corpus no longer streams.
const PAIRS_MIN: usize = 200;

static SPECS: LazyLock<Specs> =
    LazyLock::new(|| Specs::load(&Overrides::default()).unwrap_or_else(|stop| panic!("{stop:?}")));

/// To the last member that is not null: our server is of one mind, so that not even an id may differ.
#[test]
fn our_server_streams_what_it_answers() {
    let plan = Plan { seed: settings::SEED, cases_max: None, heavy: false };
    let mut pairs = 0;
    let mut cut_short = 0;
    for case in corpus::cases(&SPECS.contract, &SPECS.witnesses, plan) {
        let is_valid = matches!(case.origin, Origin::Valid | Origin::Witness { mended: true, .. });
        if case.operation != OperationId::MessagesCreate || !case.traits.stream || !is_valid {
            continue;
        }
        let mut params: Value = serde_json::from_slice(&case.request.body.to_bytes()).unwrap();
        let streamed = answer(&case.request, &params);
        params.as_object_mut().unwrap().remove("stream");
        let plain = answer(&case.request, &params);
        assert_eq!((streamed.status, plain.status), (200, 200), "{}", case.id);
        match fold(&streamed.body) {
            Ok(message) => {
                let plain = serde_json::from_slice(&plain.body).unwrap();
                assert_eq!(without_nulls(message), without_nulls(plain), "{}", case.id);
            }
            // What stands in the way of a message is the contract's own.
            Err(FoldError::InputUnfinished { .. }) => cut_short += 1,
            Err(error) => panic!("{}: {error}", case.id),
        }
        pairs += 1;
    }
    assert!(PAIRS_MIN <= pairs && cut_short == 0, "{pairs} pairs, {cut_short} cut short");
}

/// Null is how a stream leaves room for what comes later.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn answer(like: &Request, params: &Value) -> Reply {
    let config =
        Config { key: None, rules: Rules::All, seed: 1, pace: Pace::Instant, limits: None };
    let now = Now::at_date(&SPECS.contract.as_of).unwrap();
    let request = Request { body: Body::Bytes(params.to_string().into()), ..like.clone() };
    mock::answer(&mut State::new(), &SPECS.contract, &config, &request, now).into_reply()
}

/// An SDK by its folder in `crates/wire/clients`.
#[derive(Clone, Copy)]
struct Client {
    name: &'static str,
    lock: &'static str,
}

#[test]
fn python() {
    check(Client { name: "python", lock: "requirements.txt" });
}

#[test]
fn typescript() {
    check(Client { name: "typescript", lock: "package-lock.json" });
}

/// What is known of one stream.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirk {
    client: String,
    streams: Vec<String>,
    /// How the two disagree, as [`disagreement`] says it.
    says: String,
    why: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Quirks {
    #[serde(default)]
    quirk: Vec<Quirk>,
}

/// Every stream is put together by both, and every disagreement is a known one.
fn check(client: Client) {
    if !client.is_installed() {
        say(&format!(
            "SKIPPED: client {} is not installed; cargo xtask clients install",
            client.name
        ));
        return;
    }
    let start = Instant::now();
    let streams = streams();
    let theirs = client.fold(&streams);
    let quirks: Quirks = toml::from_str(include_str!("fold/quirks.toml")).unwrap();
    let mut known = BTreeSet::new();
    for quirk in quirks.quirk.iter().filter(|quirk| quirk.client == client.name) {
        assert!(quirk.why.ends_with('.'), "{}", quirk.why);
        known.extend(quirk.streams.iter().map(|name| (name.clone(), quirk.says.clone())));
    }
    let mut complaints = Vec::new();
    for ((name, body), theirs) in streams.iter().zip(&theirs) {
        assert_eq!(theirs["name"], json!(name));
        for says in disagreement(&fold(body), theirs) {
            let disagreement = (name.clone(), says);
            if !known.remove(&disagreement) {
                complaints.push(disagreement);
            }
        }
    }
    let mut complaints: Vec<_> =
        complaints.iter().map(|(name, says)| format!("{name}: {says}")).collect();
    complaints.extend(known.iter().map(|(name, says)| format!("{name}: a quirk no more: {says}")));
    let elapsed = start.elapsed();
    say(&format!("{}: {} streams in {elapsed:.1?}", client.name, streams.len()));
    assert!(complaints.is_empty(), "{}:\n{}", client.name, complaints.join("\n"));
}

/// In words that do not hang on the wording of an error.
fn disagreement(ours: &Result<Value, FoldError>, theirs: &Value) -> Vec<String> {
    let says = match (ours, theirs.get("message")) {
        (Ok(ours), Some(theirs)) => {
            let found = differences(theirs, ours);
            return found.iter().map(|one| format!("{} {one}", one.pointer)).collect();
        }
        (Err(_), None) => return Vec::new(),
        (Ok(_), None) => "an error",
        (Err(FoldError::Failed(_)), Some(_)) => "a message in spite of an error event",
        (Err(FoldError::Incomplete { .. }), Some(_)) => "a message without an end",
        (Err(FoldError::InputUnfinished { .. }), Some(_)) => "a message with an unfinished input",
        (Err(FoldError::Malformed(_)), Some(_)) => "a message in spite of the grammar",
        (Err(FoldError::TooLong | FoldError::Unreadable { .. }), Some(_)) => {
            "a message of what we do not read"
        }
    };
    vec![says.to_owned()]
}

/// The streams among the replies, and one of our server for each directive.
fn streams() -> Vec<(String, Vec<u8>)> {
    let typed = SPECS.scripts.values().filter(|script| script.name.starts_with("sse-"));
    let arrived = |script: &Script| match script.observation() {
        Observation::Reply(reply) => Some((script.name.clone(), reply.body.to_vec())),
        Observation::Cut(cut) => Some((script.name.clone(), cut.partial?.body.to_vec())),
        Observation::Unsendable(_) => None,
    };
    let mut all: Vec<_> = typed.filter_map(arrived).collect();
    all.extend(DIRECTIVES.iter().map(|directive| (format!("our {directive}"), told(directive))));
    all
}

fn told(directive: &str) -> Vec<u8> {
    let text = format!("{directive} https://example.com/tides");
    let document = json!({
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "High tide is at noon."},
        "citations": {"enabled": true},
    });
    let schema = json!({"type": "object", "properties": {"place": {"type": "string"}}});
    let params = json!({
        "model": "claude-haiku-5-5",
        "max_tokens": 4096,
        "stream": true,
        "thinking": {"type": "adaptive", "display": "summarized"},
        "messages": [{"role": "user", "content": [document, {"type": "text", "text": text}]}],
        "tools": [
            {"name": "weather", "input_schema": schema},
            {"name": "tides", "input_schema": schema, "defer_loading": true},
            {"type": "web_search_20250305", "name": "web_search"},
            {"type": "web_fetch_20250910", "name": "web_fetch"},
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
        ],
    });
    let mut headers = Headers::default();
    headers.push("x-api-key", KEY);
    headers.push("anthropic-version", Version::V2026_10_21.name());
    headers.push("content-type", "application/json");
    let like = Request {
        method: "POST".into(),
        target: "/v1/messages".into(),
        headers,
        body: Body::Empty,
    };
    let reply = answer(&like, &params);
    assert_eq!(reply.status, 200, "{directive}: {}", String::from_utf8_lossy(&reply.body));
    reply.body.to_vec()
}

impl Client {
    /// Whether it is there as its lock pins it; the installation leaves a copy of that behind.
    fn is_installed(self) -> bool {
        let pinned = root().join("crates/wire/clients").join(self.name).join(self.lock);
        let pinned = fs::read_to_string(pinned).unwrap();
        fs::read_to_string(self.folder().join("installed")).is_ok_and(|found| found == pinned)
    }

    /// What the SDK makes of the streams, one line of JSON each.
    fn fold(self, streams: &[(String, Vec<u8>)]) -> Vec<Value> {
        /// Loading the SDK takes a second or two; the machine may have other things to do.
        const TIME_MAX: Duration = Duration::from_secs(120);
        let mut command = self.command();
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOME", env!("CARGO_TARGET_TMPDIR"));
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let name =
            |what: &str| scratch.join(format!("fold-{}-{}.{what}", self.name, std::process::id()));
        let (input, output, errors) = (name("in"), name("out"), name("err"));
        let line = |(name, body): &(String, Vec<u8>)| {
            let body: String = body.iter().map(|&byte| char::from(byte)).collect();
            format!("{}\n", json!({"name": name, "body": body}))
        };
        fs::write(&input, streams.iter().map(line).collect::<String>()).unwrap();
        command.stdin(fs::File::open(&input).unwrap()).stdout(fs::File::create(&output).unwrap());
        let mut child = command.stderr(fs::File::create(&errors).unwrap()).spawn().unwrap();
        let deadline = Instant::now() + TIME_MAX;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
                None => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("{} hangs", self.name);
                }
            }
        };
        let said = fs::read_to_string(&output).unwrap();
        let lines: Vec<Value> =
            said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(
            status.success() && lines.len() == streams.len(),
            "{}: {status}\n{said}\n{}",
            self.name,
            fs::read_to_string(&errors).unwrap()
        );
        lines
    }

    fn command(self) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fold");
        if self.name == "python" {
            let mut command = Command::new(self.folder().join("bin/python"));
            command.arg("-I").arg(scripts.join("fold.py"));
            return command;
        }
        let mut command = Command::new("node");
        command.arg(scripts.join("fold.mjs")).current_dir(self.folder());
        command
    }

    fn folder(self) -> PathBuf {
        root().join("target/clients").join(self.name)
    }
}

/// Past the test harness, which swallows what a passing test prints.
fn say(line: &str) {
    io::stderr().write_all(format!("fold: {line}\n").as_bytes()).unwrap();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}
