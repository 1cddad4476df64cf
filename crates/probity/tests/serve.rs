//! The real server, asked over real sockets and ended by real signals.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

const KEY: &str = "sk-ant-api03-probity-canary-key";
const HELLO: &str =
    r#"{"model":"claude-sonnet-4-6","max_tokens":64,"messages":[{"role":"user","content":"A"}]}"#;

/// A server in a folder of its own.
struct Served {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    address: String,
    folder: PathBuf,
}

impl Served {
    fn start(args: &[&str]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("serve-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut child = probity(&[&["serve", "--listen", "127.0.0.1:0"], args].concat())
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.split_once("http://").unwrap().1.split(' ').next().unwrap().to_owned();
        assert!(line.contains(&format!("ANTHROPIC_BASE_URL=http://{address}")), "{line}");
        Self { child, out, address, folder }
    }

    /// Sends a request and reads its answer to the end.
    fn ask(&self, method: &str, target: &str, fields: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\ncontent-type: application/json\r\n\
             connection: close\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut came = String::new();
        stream.read_to_string(&mut came).unwrap();
        came
    }

    fn post(&self, body: &str) -> String {
        self.ask("POST", "/v1/messages", "anthropic-version: 2026-10-21\r\n", body)
    }

    /// Ends it with that signal; what it said since the first line, and its exit code.
    fn end(mut self, signal: &str) -> (String, Option<i32>) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        (said, self.child.wait().unwrap().code())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}

fn probity(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.args(args).env_remove("CLICOLOR_FORCE").env_remove("ANTHROPIC_API_KEY");
    command
}

#[test]
fn the_summary_and_the_report_tell_everything_but_secrets() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let report = folder.join(format!("serve-report-{}.json", std::process::id()));
    let served = Served::start(&["--report", &format!("json={}", report.display())]);
    assert!(served.post(HELLO).starts_with("HTTP/1.1 200 "));
    let two_faults = r#"{"model":"claude-opus-5-5","max_tokens":64,"stop_sequences":[" "],"messages":[
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1"}]}]}"#;
    assert!(served.post(two_faults).starts_with("HTTP/1.1 400 "));
    assert!(served.post("{").starts_with("HTTP/1.1 400 "));
    assert!(served.ask("GET", &format!("/v1/{KEY}?k={KEY}"), "", "").starts_with("HTTP/1.1 404 "));
    let echoed = format!("anthropic-version: {KEY}\r\n");
    assert!(served.ask("POST", "/v1/messages", &echoed, HELLO).starts_with("HTTP/1.1 400 "));
    let deprecated = HELLO.replace("claude-sonnet-4-6", "claude-haiku-4-5");
    assert!(served.post(&deprecated).starts_with("HTTP/1.1 200 "));
    // On disk before the end.
    let so_far = std::fs::read_to_string(&report).unwrap();
    assert_eq!(so_far.lines().count(), 7, "{so_far}");
    serde_json::from_str::<Value>(&format!("{so_far}]}}")).unwrap();

    let (said, code) = served.end("-INT");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("200 POST /v1/messages\n400 POST /v1/messages "), "{said}");
    assert!(said.contains("\n6 requests: 2 × 200, 3 × 400, 1 × 404\n"), "{said}");
    assert!(said.contains("probity explain tool-result-unpaired\n"), "{said}");
    let text = std::fs::read_to_string(&report).unwrap();
    std::fs::remove_file(&report).unwrap();
    assert!(!text.contains("canary") && !said.contains("canary"), "{said}{text}");

    let report: Value = serde_json::from_str(&text).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../schemas/serve.json")).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let problems: Vec<_> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());
    let rules = |number: usize| -> Vec<&str> {
        let violations = report["requests"][number]["violations"].as_array().unwrap();
        violations.iter().map(|violation| violation["rule"].as_str().unwrap()).collect()
    };
    assert_eq!(rules(0), Vec::<&str>::new());
    assert!(rules(1).contains(&"tool-result-unpaired") && rules(1).len() > 1, "{:?}", rules(1));
    assert_eq!(rules(2), ["body-not-json"]);
    assert_eq!(rules(3), ["path-unknown"]);
    assert_eq!(report["requests"][1]["model"], "claude-opus-5-5");
    assert_eq!(report["requests"][5]["lints"][0]["lint"], "model-alias");
    assert_eq!(report["summary"]["by_rule"]["path-unknown"], 1);
}

#[test]
fn flags_decide_what_is_answered() {
    let served = Served::start(&[
        "-q",
        "--rules",
        "schema",
        "--api-version",
        "2023-06-01",
        "--api-key",
        KEY,
        "--latency",
        "300ms",
        "--rpm",
        "2",
    ]);
    let unknown = HELLO.replace("claude-sonnet-4-6", "claude-nonesuch-9");
    let started = std::time::Instant::now();
    let answer = served.ask("POST", "/v1/messages", "", &unknown);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(Duration::from_millis(300) <= started.elapsed());
    let warm = HELLO.replace("\"max_tokens\"", "\"temperature\":0.5,\"max_tokens\"");
    assert!(served.ask("POST", "/v1/messages", "", &warm).starts_with("HTTP/1.1 200 "));
    assert!(served.post(&warm).starts_with("HTTP/1.1 400 "), "the request's own version counts");
    let other_key = "authorization: Bearer sk-ant-api03-other\r\n";
    assert!(served.ask("GET", "/v1/models", other_key, "").starts_with("HTTP/1.1 200 "));
    let hello = || served.ask("POST", "/v1/messages", "", HELLO);
    assert!(hello().starts_with("HTTP/1.1 200 "), "the second that was served");
    let limited = hello();
    assert!(
        limited.starts_with("HTTP/1.1 429 ") && limited.contains("\r\nretry-after: "),
        "{limited}"
    );
    let (said, code) = served.end("-TERM");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("6 requests: "), "{said}");
}

#[test]
fn a_wrong_key_is_refused() {
    let served = Served::start(&["--api-key", "sk-ant-api03-another"]);
    let answer = served.post(HELLO);
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[test]
fn streams_take_their_time() {
    let served = Served::start(&["-q"]);
    let answer = served.post(&HELLO.replacen('{', "{\"stream\":true,", 1));
    assert!(answer.contains("\r\ntransfer-encoding: chunked\r\n"), "{answer}");
    assert!(answer.contains("event: message_stop"), "{answer}");
}

#[test]
fn a_scenario_is_played_to_whoever_calls() {
    let served = Served::start(&["--scenario", "fail-k-then-ok"]);
    let answers = [served.post(HELLO), served.post(HELLO)];
    assert!(answers[0].starts_with("HTTP/1.1 529 "), "{answers:?}");
    assert!(answers[1].starts_with("HTTP/1.1 200 "), "{answers:?}");
    let (said, code) = served.end("-INT");
    assert_eq!(code, Some(0));
    for words in
        ["Overload passes", "expected: 2 attempts", "attempt 2 on connection 2: POST", "2 attempts"]
    {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    check_usage(&["--scenario", "sse-stal-mid"], "did you mean `sse-stall-mid`?");
    check_usage(&["--scenario", "sse-stall-mid", "--surface", "create"], "but about stream");
    check_usage(&["--scenario", "sse-stall-mid", "--rpm", "3"], "cannot be used with");
}

/// Ends with exit code 2 and this in its last words.
fn check_usage(args: &[&str], words: &str) {
    let output = probity(&[&["serve"], args].concat()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    assert!(said.contains(words), "{args:?}: {said}");
}

#[test]
fn what_cannot_be_served_is_said() {
    check_usage(&["--listen", "0.0.0.0:4010"], "only loopback");
    check_usage(&["--listen", "somewhere"], "--listen");
    check_usage(&["--api-version", "2024-01-01"], "2026-10-21");
    check_usage(&["--rpm", "0"], "--rpm");
    check_usage(&["--report", "junit=x.xml"], "json=FILE");
    check_usage(&["--report", "json=no/such/folder"], "no/such/folder");
    let taken = Served::start(&["-q"]);
    check_usage(&["--listen", &taken.address], "failed to listen");
}

/// A test harness that reads the first line and nothing more must not stop the server.
#[test]
fn nobody_needs_to_read_the_lines() {
    let served = Served::start(&[]);
    let mut stream = TcpStream::connect(&served.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // Far more lines than a pipe holds, were there no pace.
    let request = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(150));
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    for _ in 0..2_000 {
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(answers.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let length = head.split_once("content-length: ").unwrap().1.lines().next().unwrap();
        answers.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
    }
    let (said, code) = served.end("-INT");
    assert_eq!(code, Some(0));
    assert!(said.lines().count() < 200 && said.contains("2,000 requests: 2,000 × 404"), "{said}");
}
