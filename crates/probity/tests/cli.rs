//! The real binary in empty directories: exit codes, reports, and what must never be printed.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

const KEY: &str = "sk-ant-api03-probity-canary-key";

/// Runs in a directory of its own, without the environment of whoever runs the tests.
struct Bench {
    folder: PathBuf,
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Bench {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    fn file(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.folder.join(name), text).unwrap();
        self
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.args(args).current_dir(&self.folder).env("COLUMNS", "80");
        for name in [
            "ANTHROPIC_API_KEY",
            "CI",
            "GITHUB_ACTIONS",
            "GITHUB_STEP_SUMMARY",
            "NO_COLOR",
            "CLICOLOR_FORCE",
        ] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        ran(&self.command(args).output().unwrap())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}

fn ran(output: &Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs, and looks for the exit code and for a word in the last line of what was said.
fn check(bench: &Bench, args: &[&str], code: i32, last_line: &str) -> Ran {
    let ran = bench.run(args);
    let said = format!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, Some(code), "{args:?}\n{said}");
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains(last_line), "{args:?}: last line: {last}\n{said}");
    ran
}

#[test]
fn a_clean_run_needs_nothing_but_the_binary() {
    let bench = Bench::new();
    let ran = check(&bench, &["contract", "--max-cases", "100"], 0, "clean: ");
    for part in
        ["embedded mock", "messages.create", "answers read as their files say", "reference client"]
    {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert!(!ran.out.contains('\x1b'), "no colour without a terminal");
    let too_wide = ran.out.lines().find(|line| line.chars().count() > 80);
    assert_eq!(too_wide, None);
    assert_eq!(bench.names(), Vec::<String>::new(), "it leaves nothing behind");
}

#[test]
fn two_runs_without_timings_are_the_same_bytes() {
    let bench = Bench::new();
    let args = ["contract", "--max-cases", "200", "--no-chaos", "--no-timings", "--format", "json"];
    let first = bench.run(&args).out;
    assert_eq!(first, bench.run(&args).out);
    assert!(first.len() > 10_000 && !first.contains("elapsed_ms"));
}

#[test]
fn what_the_user_got_wrong_is_named_with_its_place() {
    let bench = Bench::new();
    bench
        .file("bad.yaml", "openapi: 3.1.0\ninfo: [\n")
        .file("bad.toml", "seed = 1\nmax_csaes = 3\n");
    bench.file("exceptions.toml", "[[exception]]\ncase = \"x\"\n");
    check(&bench, &["contract", "--spec", "bad.yaml"], 2, "bad.yaml");
    check(&bench, &["contract", "--spec", "missing.yaml"], 2, "failed to read missing.yaml");
    check(&bench, &["contract", "--witnesses", "missing"], 2, "failed to read missing");
    check(&bench, &["contract", "--exceptions", "exceptions.toml"], 2, "exceptions.toml");
    check(&bench, &["contract", "--filter", "models.lits"], 2, "did you mean models.list");
    check(&bench, &["replay", "no-such-rule-at-all"], 2, "names no case");
    check(&bench, &["contract", "--target", "localhost"], 2, "base URL");
    check(&bench, &["contract", "--target", "http://192.0.2.1"], 2, "--live permits it");
    check(&bench, &["contract", "--live", "--target", "http://192.0.2.1"], 2, "ANTHROPIC_API_KEY");
    check(&bench, &["contract", "--report", "json=no/such/folder"], 2, "no/such/folder");
    for args in [
        &["contract", "--no-such-flag"][..],
        &["contract", "--shard", "3/2"],
        &["no-such-verb"],
        &["contract", "--max-time", "soon"],
    ] {
        assert_eq!(bench.run(args).code, Some(2), "{args:?}");
    }
    let ran = check(&bench, &["contract", "--config", "bad.toml"], 2, "bad.toml");
    assert!(
        ran.err.contains("line 2") && ran.err.contains("max_csaes") && ran.err.contains('^'),
        "{}",
        ran.err
    );
    bench.file("probity.toml", "seed = \"one\"\n");
    let ran = check(&bench, &["contract"], 2, "probity.toml");
    assert!(ran.err.contains("line 1") && !ran.err.contains("stack backtrace"), "{}", ran.err);
}

#[test]
fn flags_override_the_configuration() {
    let bench = Bench::new();
    bench.file(
        "probity.toml",
        "seed = 7\nmax_cases = 2\nfilter = [\"witness\"]\nno_timings = true\n",
    );
    let ran = check(&bench, &["contract", "--seed", "9"], 0, "clean: 2 cases agree");
    assert!(ran.out.contains("witness, at most 2 cases  seed 9"), "{}", ran.out);
    assert!(!ran.out.contains(" s)"), "{}", ran.out);
}

#[test]
fn nothing_is_sent_in_a_dry_run() {
    let bench = Bench::new();
    let args = ["contract", "--dry-run", "--target", "http://127.0.0.1:1", "--max-cases", "50"];
    let ran = check(&bench, &args, 0, "50 cases would be tried, nothing was sent");
    assert!(ran.out.contains("messages.create"));
}

#[test]
fn could_not_look_is_never_green() {
    let bench = Bench::new();
    check(
        &bench,
        &["contract", "--target", "http://127.0.0.1:1"],
        3,
        "could not reach http://127.0.0.1:1",
    );
    let ran =
        check(&bench, &["contract", "--no-chaos", "--max-time", "0s"], 3, "no case was judged");
    assert!(ran.out.contains("exit 3"));
    check(&bench, &["contract", "--no-chaos", "--max-time", "1s"], 5, "before the plan was done");
    // One case cannot be in both halves: one of them is empty, which is no fault.
    let one = "2023-06-01/messages.create/witness/field-missing/violation";
    let args = |shard| ["contract", "--filter", one, "--max-cases", "1", "--shard", shard];
    let halves = ["1/2", "2/2"].map(|shard| bench.run(&args(shard)));
    assert!(halves.iter().all(|ran| ran.code == Some(0)));
    assert!(halves.iter().any(|ran| ran.out.contains("the shard is empty")), "{}", halves[0].out);
}

#[test]
fn reports_keep_their_promises() {
    let bench = Bench::new();
    let mut args = vec!["contract", "--max-cases", "300", "--no-chaos", "--format", "json"];
    args.extend(["--report", "junit=junit.xml,ndjson=rows.ndjson", "--journal", "journal.jsonl"]);
    let ran = bench.run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let result: Value = schema("result.json");
    let mut whole = schema("contract.json");
    // The one reference between the two is resolved here, as a published schema would be by its address.
    whole["properties"]["results"]["items"] = serde_json::json!({});
    validate(&whole, &report);
    let rows = bench.read("rows.ndjson");
    assert_eq!(rows.lines().count(), report["results"].as_array().unwrap().len());
    for (line, of_report) in rows.lines().zip(report["results"].as_array().unwrap()) {
        let row: Value = serde_json::from_str(line).unwrap();
        validate(&result, &row);
        assert_eq!(row, *of_report);
    }
    let total = report["cases"]["total"].as_u64().unwrap();
    assert_eq!(report["verdicts"]["agree"].as_u64(), Some(total));
    // The header line, every case, and the line that says it is complete; scripted answers are not of a target.
    let scripted = report["cases"]["scripted"].as_u64().unwrap();
    assert_eq!(bench.read("journal.jsonl").lines().count() as u64, total - scripted + 2);
    let junit = quick_junit::Report::deserialize_from_str(&bench.read("junit.xml")).unwrap();
    assert!(
        junit.test_suites.iter().any(|suite| suite.name.as_str() == "messages.create@2023-06-01")
    );
}

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn validate(schema: &Value, value: &Value) {
    let validator = jsonschema::validator_for(schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

/// A server that puts the key it was sent everywhere it can: into status reason, headers, error type and message.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = vec![0; 64 * 1024];
            let _request = stream.read(&mut request);
            let body = format!(
                r#"{{"type":"error","error":{{"type":"{KEY}","message":"bad key {KEY}"}},"request_id":"req_1"}}"#
            );
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 418 {KEY}\r\ncontent-type: application/json\r\nrequest-id: {KEY}\r\nx-api-key: {KEY}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _answer = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn no_credential_in_any_output() {
    let bench = Bench::new();
    let url = echo();
    for format in ["human", "json", "ndjson"] {
        let mut command = bench.command(&[
            "contract",
            "--target",
            &url,
            "--filter",
            "mut",
            "--max-cases",
            "30",
            "--format",
            format,
            "-v",
        ]);
        command.args([
            "--report",
            "junit=junit.xml,json=all.json,ndjson=rows.ndjson",
            "--journal",
            "journal.jsonl",
        ]);
        command
            .env("ANTHROPIC_API_KEY", KEY)
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_STEP_SUMMARY", bench.folder.join("page.md"));
        let ran = ran(&command.output().unwrap());
        assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("$ANTHROPIC_API_KEY"), "{}", ran.out);
        assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY));
        let replay = format!("probity replay --target {url} 2023-06-01/messages.create/mut/");
        assert!(format!("{}{}", ran.out, ran.err).contains(&replay), "it names the server");
        assert!(
            format!("{}{}", ran.out, ran.err).contains("::error title="),
            "annotations go where the format permits"
        );
    }
    let mut command =
        bench.command(&["replay", "--target", &url, "2023-06-01/messages.create/mut/wrong-key"]);
    let ran = ran(&command.env("ANTHROPIC_API_KEY", KEY).output().unwrap());
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY));
    for name in ["junit.xml", "all.json", "rows.ndjson", "journal.jsonl", "page.md"] {
        let text = bench.read(name);
        assert!(!text.is_empty() && !text.contains(KEY), "{name}");
    }
}

#[test]
fn colour_obeys_the_environment_and_the_flag_above_it() {
    let bench = Bench::new();
    let is_coloured = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = bench.command(&["contract", "--filter", "witness", "--max-cases", "2"]);
        ran(&command.args(args).envs(environment.iter().copied()).output().unwrap())
            .out
            .contains('\x1b')
    };
    assert!(is_coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!is_coloured(&[], &[("CLICOLOR_FORCE", "0")]));
    assert!(!is_coloured(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(is_coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!is_coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
}

#[test]
fn replay_tells_the_whole_story() {
    let bench = Bench::new();
    let id = "2023-06-01/messages.create/mut/required/max_tokens";
    let ran = check(&bench, &["replay", id, "--body", "body.json"], 0, "verdict agree");
    for part in [
        id,
        "POST /v1/messages",
        "$ANTHROPIC_API_KEY",
        "curl -sS",
        "max_tokens: Field required",
        "verdict agree",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let body: Value = serde_json::from_str(&bench.read("body.json")).unwrap();
    assert!(body.get("messages").is_some() && body.get("max_tokens").is_none());
}

#[test]
fn what_is_wrong_beside_the_cases_is_a_finding() {
    let bench = Bench::new();
    bench.file(
        "exceptions.toml",
        "[[exception]]\ncase = \"nothing\"\nquote = \"q\"\nreason = \"r\"\n",
    );
    std::fs::create_dir(bench.folder.join("snapshots")).unwrap();
    let mut command = bench.command(&["contract", "--exceptions", "exceptions.toml", "--no-chaos"]);
    let ran = ran(&command.env("CI", "true").output().unwrap());
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    for part in [
        "harness[exception-stale]",
        "the exception for `nothing` excused nothing",
        "ledger reach is new",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert_eq!(
        std::fs::read_dir(bench.folder.join("snapshots")).unwrap().count(),
        0,
        "CI writes nothing"
    );

    let witness =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs/witnesses/path-unknown.toml");
    std::fs::create_dir(bench.folder.join("witnesses")).unwrap();
    std::fs::copy(witness, bench.folder.join("witnesses/path-unknown.toml")).unwrap();
    let args = ["contract", "--witnesses", "witnesses", "--max-cases", "5", "--no-chaos"];
    let ran = check(&bench, &args, 1, "about the harness");
    assert!(ran.out.contains("rule `tool-result-unpaired` has no witness"), "{}", ran.out);
    assert!(!ran.out.contains("`path-unknown` has no witness"), "{}", ran.out);
}
