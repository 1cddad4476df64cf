//! The real binary makes requests smaller: on its own mock, and on servers that are wrong in one way.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

const KEY: &str = "sk-ant-api03-probity-canary-key";
const ERROR: &str =
    r#"{"type":"error","error":{"type":"api_error","message":"out of luck"},"request_id":"req_1"}"#;
const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-6","content":[{"type":"text","text":"Hi."}],"stop_reason":"end_turn","stop_sequence":null,"stop_details":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;

/// A directory of its own, and no environment of whoever runs the tests.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, value: &Value) {
        std::fs::write(self.path(name), value.to_string()).unwrap();
    }

    /// Runs it, and looks at the exit code; what it said, on both ways out.
    fn run(&self, code: i32, args: &[&str]) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.args(args).current_dir(self.0.path()).env("COLUMNS", "80");
        for name in ["CI", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let output = command.env("ANTHROPIC_API_KEY", KEY).output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}{err}");
        assert!(!out.contains(KEY) && !err.contains(KEY), "a key is shown");
        (out, err)
    }

    fn shrink(&self, code: i32, args: &[&str]) -> Value {
        let (out, _) = self.run(code, &[&["shrink", "--format", "json"], args].concat());
        let value: Value = serde_json::from_str(&out).unwrap();
        assert_schema(include_str!("../schemas/shrink.json"), &value);
        let file = std::fs::read_to_string(self.path(value["file"].as_str().unwrap())).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&file).unwrap(), value["request"]);
        assert!(value["after"]["bytes"].as_u64() <= value["before"]["bytes"].as_u64());
        value
    }
}

fn assert_schema(schema: &str, value: &Value) {
    let mut registry = jsonschema::Registry::new();
    for (name, text) in [
        ("request.json", include_str!("../schemas/request.json")),
        ("result.json", include_str!("../schemas/result.json")),
    ] {
        let schema: Value = serde_json::from_str(text).unwrap();
        registry = registry.add(format!("probity:///{name}"), schema).unwrap();
    }
    let mut schema: Value = serde_json::from_str(schema).unwrap();
    schema["$id"] = "probity:///root.json".into();
    let registry = registry.prepare().unwrap();
    let validator = jsonschema::options().with_registry(&registry).build(&schema).unwrap();
    let wrong: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// A server of which only the status depends on the body, and on how many came before.
fn serve(status: impl Fn(&str, usize) -> u16 + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let number = AtomicUsize::new(0);
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some(body) = receive(&stream) else { continue };
            let status = status(&body, number.fetch_add(1, Ordering::Relaxed));
            let answer = if status < 300 { MESSAGE } else { ERROR };
            let _it_may_have_left = write!(
                &stream,
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nrequest-id: req_1\r\n\
                 anthropic-organization-id: o\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            );
        }
    });
    address
}

/// The body of a request with a length.
fn receive(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// Shrinks a case on the mock; the body that is left.
fn check(id: &str, reason: &str, body: &Value) {
    let bench = Bench::new();
    let shrunk = bench.shrink(0, &[id]);
    assert_eq!(shrunk["request"]["body"], *body, "{shrunk:#}");
    assert_eq!(shrunk["contract"].as_str().unwrap_or(""), reason);
    assert_eq!(shrunk["minimal"], true);
    // What was written draws the same, and is as small as it gets.
    let file = shrunk["file"].as_str().unwrap();
    bench.run(0, &["replay", "--times", "1", file]);
    let again = bench.shrink(0, &[file]);
    assert_eq!(again["request"], shrunk["request"]);
}

#[test]
fn cases_of_many_groups_come_down_to_what_they_are_about() {
    const MODEL: &str = "claude-haiku-4-5-20251001";
    let v = "2026-10-21/messages.create/mut";
    let hello = json!([{"role": "user", "content": "H"}]);
    let result = json!([{"type": "tool_result", "tool_use_id": "t"}]);
    check(
        &format!("{v}/tool-result-unpaired/messages/content/tool_result/too-late"),
        "tool-result-unpaired",
        &json!({"model": MODEL, "max_tokens": 0, "messages": [{"role": "user", "content": result}]}),
    );
    check(
        &format!("{v}/thinking-budget-over-max-tokens/thinking/budget_tokens/equal"),
        "thinking-budget-over-max-tokens",
        &json!({
            "model": MODEL, "max_tokens": 1, "messages": hello,
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        }),
    );
    let tool = json!({"name": "g", "input_schema": {"type": "object"}});
    check(
        &format!("{v}/tool-name-duplicate/tools/name"),
        "tool-name-duplicate",
        &json!({"model": MODEL, "max_tokens": 0, "messages": hello, "tools": [tool, tool]}),
    );
    let item = json!({"custom_id": "o", "params": {}});
    check(
        "2026-10-21/batches.create/mut/batch-custom-id-duplicate/requests/custom_id",
        "batch-custom-id-duplicate",
        &json!({"requests": [item, item]}),
    );
    check(&format!("{v}/version-in-other-header"), "version-missing", &Value::Null);
}

#[test]
fn a_threshold_is_found_to_the_byte() {
    let bench = Bench::new();
    let text = "a word and another, ".repeat(2_000);
    bench.file(
        "long.json",
        &json!({
            "model": "claude-sonnet-4-6",
            "max_tokens": 1024,
            "system": "Answer shortly.",
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": text}]},
                {"role": "assistant", "content": "Yes."},
                {"role": "user", "content": "And now?"},
            ],
        }),
    );
    let url = serve(|body, _| if body.len() > 5_000 { 500 } else { 200 });
    let shrunk = bench.shrink(0, &["--target", &url, "long.json"]);
    assert_eq!(shrunk["after"]["bytes"], 5_001, "{shrunk:#}");
    assert_eq!(shrunk["after"]["messages"], 1);
    assert_eq!(shrunk["class"], "server-error");
    assert_eq!(shrunk["findings"], json!(["answer-class"]));
    assert!(shrunk["requests"].as_u64() < Some(300), "{}", shrunk["requests"]);
    assert_eq!(shrunk, bench.shrink(0, &["--target", &url, "long.json"]), "the same again");
    // With fewer requests it ends before, and says so.
    let (out, err) =
        bench.run(5, &["shrink", "--target", &url, "--max-requests", "20", "long.json"]);
    assert!(out.contains("something smaller may be left"), "{out}");
    assert!(err.trim_end().ends_with("after 20 requests; something smaller may be left"), "{err}");
}

#[test]
fn what_lets_a_mistake_pass_keeps_the_mistake() {
    let bench = Bench::new();
    let url = serve(|_, _| 200);
    let id = "2026-10-21/messages.create/mut/required/max_tokens";
    let shrunk = bench.shrink(0, &["--target", &url, id]);
    assert_eq!(shrunk["contract"], "schema: max_tokens: Field required");
    assert_eq!(shrunk["request"]["body"]["max_tokens"], Value::Null);
    assert_eq!(shrunk["after"]["messages"], 0);
    let shrunk = bench.shrink(0, &["--target", &url, "--class-only", id]);
    assert_eq!(shrunk["after"], json!({"bytes": 0, "messages": 0, "tools": 0, "headers": 0}));
}

#[test]
fn what_is_not_always_so_is_flaky() {
    let bench = Bench::new();
    bench.file(
        "hello.json",
        &json!({"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": "A"}]}),
    );
    let url = serve(|_, number| if number % 3 == 2 { 500 } else { 200 });
    let (_, err) = bench.run(3, &["shrink", "--target", &url, "hello.json"]);
    assert!(err.contains("FLAKY: ") && err.contains("2 × accepted 200"), "{err}");
    let url = serve(|_, number| if number == 2 { 500 } else { 200 });
    let (out, err) = bench.run(1, &["replay", "--target", &url, "--times", "9", "hello.json"]);
    assert!(out.contains("FLAKY: 2 × accepted 200, 1 × server-error 500 api_error"), "{out}");
    assert!(err.trim_end().lines().last().unwrap().contains("FLAKY: 1 case of 1"), "{err}");
}

#[test]
fn a_busy_server_is_not_a_flaky_one() {
    let bench = Bench::new();
    bench.file(
        "hello.json",
        &json!({"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": "A"}]}),
    );
    let url = serve(|_, number| if number == 1 { 529 } else { 200 });
    bench.run(0, &["replay", "--target", &url, "hello.json"]);
    let url = serve(|_, _| 529);
    let (_, err) = bench.run(3, &["replay", "--target", &url, "hello.json"]);
    assert!(err.contains("no answer says anything"), "{err}");
    let (_, err) = bench.run(3, &["shrink", "--target", &url, "hello.json"]);
    assert!(err.contains("busy"), "{err}");
}

#[test]
fn replays_are_told_to_machines() {
    let bench = Bench::new();
    let (out, _) = bench.run(0, &["replay", "--format", "json", "required/max_tokens"]);
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_schema(include_str!("../schemas/replay.json"), &value);
    let results = value["results"].as_array().unwrap();
    assert!(results.len() > 1 && results.iter().all(|one| one["attempts"] == 3));
    let (out, _) =
        bench.run(0, &["replay", "--format", "ndjson", "--times", "2", "required/max_tokens"]);
    assert_eq!(out.lines().count(), results.len());
    for line in out.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&value["attempts"], &value["flaky"]), (&json!(2), &json!(false)));
    }
}

#[test]
fn what_is_no_case_and_no_file_is_said_so() {
    let bench = Bench::new();
    bench.file("bad.json", &json!({"operation": "messages.creat", "body": {}}));
    let check = |args: &[&str], part: &str| {
        let (_, err) = bench.run(2, args);
        assert!(err.contains(part), "{args:?}: {err}");
    };
    check(&["shrink", "missing.json"], "failed to read missing.json");
    check(&["shrink", "bad.json"], "no operation `messages.creat`");
    check(&["shrink", "no-such-rule"], "names no case");
    check(&["shrink", "tool-result-unpaired"], "several cases");
    check(&["replay", "bad.json"], "no operation");
    check(&["shrink", "--target", "http://192.0.2.1", "bad.json"], "only loopback");
}
