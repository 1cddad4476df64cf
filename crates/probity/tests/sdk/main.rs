//! The official SDKs as witnesses: what they make of our server's answers, and what they raise at its refusals.
//!
//! The scripts beside the clients' manifests call the SDK and report facts; the [table](exercises) here says what
//! those have to be, once for all clients. `cargo xtask clients install` installs the clients: these tests read only
//! what is there, and say aloud what is not.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod exercises;
mod judge;
mod session;

use std::io::{self, Write};
use std::time::Instant;

use serde_json::{Value, json};

use crate::exercises::{exercises, limited};
use crate::session::{Credential, Serve, drive};

/// Obviously nobody's.
const KEY: &str = "sk-ant-api03-probity-test-key";

/// A client by its folder in `crates/wire/clients`.
#[derive(Clone, Copy)]
struct Client {
    name: &'static str,
    language: Language,
    /// What it sends, which no caller can change.
    api_version: &'static str,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Language {
    Python,
    TypeScript,
}

impl Client {
    /// Whether it is of the majors that came with the newest version of the API.
    fn is_new(self) -> bool {
        self.api_version == "2026-10-21"
    }
}

#[test]
fn python() {
    check(Client { name: "python", language: Language::Python, api_version: "2026-10-21" });
}

#[test]
fn python_old() {
    check(Client { name: "python-old", language: Language::Python, api_version: "2023-06-01" });
}

#[test]
fn typescript() {
    check(Client { name: "typescript", language: Language::TypeScript, api_version: "2026-10-21" });
}

#[test]
fn typescript_old() {
    let name = "typescript-old";
    check(Client { name, language: Language::TypeScript, api_version: "2023-06-01" });
}

/// All exercises against a server that knows one key, and the few against one that limits the rate of requests.
fn check(client: Client) {
    if !client.is_installed() {
        say(&format!(
            "SKIPPED: client {} is not installed; cargo xtask clients install",
            client.name
        ));
        return;
    }
    let start = Instant::now();
    let complaints = [free(client), rated(client)].concat();
    let count = exercises(client).iter().chain(&limited()).filter(|each| !each.is_canary).count();
    say(&format!("{}: {count} exercises in {:.1?}", client.name, start.elapsed()));
    assert!(complaints.is_empty(), "{}: {}", client.name, complaints.join("\n\n"));
}

fn free(client: Client) -> Vec<String> {
    let table = exercises(client);
    let serve = Serve::start(client.name, &["--api-key", KEY]);
    let facts = drive(client, &serve.url, Credential::ApiKey, &table);
    let mut complaints = judge::judge(client, &table, &facts);
    let about = &facts[0]["got"];
    if !client.pins(about["version"].as_str().unwrap()) {
        complaints.push(format!("another release than the pinned one: {about}"));
    }
    complaints.extend(unlike(client, &serve.stop()));
    complaints
}

/// With the other form of credential in the environment.
fn rated(client: Client) -> Vec<String> {
    let serve = Serve::start(client.name, &["--api-key", KEY, "--rpm", "2"]);
    let facts = drive(client, &serve.url, Credential::AuthToken, &limited());
    let complaints = judge::judge(client, &limited(), &facts);
    complaints.into_iter().chain(unlike(client, &serve.stop())).collect()
}

/// What the server saw that is not what this client sends.
fn unlike(client: Client, report: &Value) -> Vec<String> {
    let requests = report["requests"].as_array().unwrap();
    let expected = json!(client.api_version);
    let others = requests.iter().filter(|request| request["api_version"] != expected);
    let mut complaints: Vec<_> = others
        .map(|request| format!("sent without anthropic-version {expected}: {request}"))
        .collect();
    if requests.is_empty() {
        complaints.push("the server saw no request".to_owned());
    }
    complaints
}

/// Past the test harness, which swallows what a passing test prints.
fn say(line: &str) {
    io::stderr().write_all(format!("sdk: {line}\n").as_bytes()).unwrap();
}
