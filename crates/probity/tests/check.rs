//! `check` over traffic as it is found: typed by hand, written by browsers, cut, and worse.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

const TRAFFIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traffic");
const STREAM: &str = include_str!("traffic/text.sse");
const QUESTION: &str = include_str!("traffic/question.json");

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("check-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.0.join(name), content).unwrap();
        self
    }

    /// Standard output, standard error and the exit code.
    fn run(&self, args: &[&str]) -> (String, String, Option<i32>) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.arg("check").args(args).current_dir(&self.0).env("COLUMNS", "80");
        command.env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code())
    }

    /// The report as JSON, which keeps its schema.
    fn report(&self, args: &[&str]) -> Value {
        let (out, err, code) = self.run(&[args, &["--format", "json"]].concat());
        let report: Value =
            serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        let schema: Value = serde_json::from_str(include_str!("../schemas/check.json")).unwrap();
        let schema = jsonschema::draft202012::new(&schema).unwrap();
        let problems: Vec<_> = schema.iter_errors(&report).map(|e| e.to_string()).collect();
        assert_eq!(problems, Vec::<String>::new(), "{out}");
        assert_eq!(report["summary"]["exit"].as_i64(), code.map(i64::from), "{err}");
        report
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

fn traffic(name: &str) -> String {
    format!("{TRAFFIC}/{name}")
}

/// The rules that one input breaks, as `RULE POINTER`, and the exit code.
fn check(folder: &Folder, args: &[&str], expected: &[&str], exit: i64) {
    let report = folder.report(args);
    let results = report["results"].as_array().unwrap();
    let findings = results.iter().flat_map(|result| result["findings"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told: Vec<_> = findings
        .map(|finding| format!("{} {}", text(&finding["rule"]), text(&finding["pointer"])))
        .collect();
    let told: Vec<_> = told.iter().map(|line| line.trim_end()).collect();
    assert_eq!((&told[..], report["summary"]["exit"].as_i64()), (expected, Some(exit)), "{args:?}");
}

#[test]
fn a_body_is_told_by_its_shape_and_shown_with_a_caret() {
    let folder = Folder::new();
    let path = traffic("unpaired.json");
    check(&folder, &[&path], &["tool-result-unpaired /messages/2/content/0"], 1);
    let (out, err, code) = folder.run(&[&path]);
    assert!(out.contains("unpaired.json:8:7  /messages/2/content/0\n"), "{out}");
    assert!(out.contains("    8 |       {\"type\": \"tool_result\""), "{out}");
    assert!(out.contains("\n      |       ^\n"), "{out}");
    assert!(out.contains("Remedy: Drop results whose call is gone"), "{out}");
    assert!(out.lines().all(|line| line.contains(TRAFFIC) || line.chars().count() <= 80), "{out}");
    assert_eq!((&*err, code), ("exit 1: 1 finding of 1 rule\n", Some(1)));

    check(&folder, &[&traffic("question.json")], &[], 0);
    check(&folder, &[&traffic("batch.jsonl")], &[], 0);
    check(&folder, &[&traffic("text.sse")], &[], 0);
}

#[test]
fn what_a_body_is_can_be_said() {
    let count = r#"{"model":"claude-sonnet-4-6","messages":[{"role":"user","content":"A"}]}"#;
    let folder = Folder::new().with("a.json", count).with("cut.json", &QUESTION[..60]);
    check(&folder, &["a.json"], &["schema /max_tokens"], 1);
    check(&folder, &["a.json", "--as", "count-tokens"], &[], 0);
    let report = folder.report(&["a.json", "--as", "response"]);
    assert!(report["summary"]["by_rule"]["response/usage-missing"] == 1, "{report:#}");
    check(&folder, &["cut.json", "--as", "request"], &["body-not-json"], 1);
    check(&folder, &["a.json", "--ignore", "sch*"], &[], 0);
}

#[test]
fn places_are_of_the_item_that_stands_in_the_line() {
    let line = |id: &str, content: &str, more: &str| {
        format!(
            "{{\"custom_id\":\"{id}\",\"params\":{{\"model\":\"claude-sonnet-4-6\",\"max_tokens\":9{more},\
             \"messages\":[{{\"role\":\"user\",\"content\":\"{content}\"}}]}}}}\n"
        )
    };
    let lines =
        [line("a", "A", ""), line("b", "B", ",\"stream\":true"), line("c", " ", "")].concat();
    let folder = Folder::new().with("batch.jsonl", lines);
    let report = folder.report(&["batch.jsonl"]);
    let place = |number: usize| {
        let result = &report["results"][number];
        (result["line"].as_u64(), result["findings"][0]["pointer"].as_str().map(str::to_owned))
    };
    assert_eq!(place(1), (Some(2), Some("/params/stream".to_owned())));
    assert_eq!(place(2), (Some(3), Some("/params/messages".to_owned())));
}

#[test]
fn a_pair_is_judged_as_one() {
    let pair = |request: &str, response: Value| {
        let request: Value = serde_json::from_str(request).unwrap();
        format!("{}\n", json!({"request": request, "response": response}))
    };
    let refusal = json!({
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "no such thing"},
        "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy",
    });
    let unpaired = include_str!("traffic/unpaired.json");
    let folder = Folder::new()
        .with("refused.jsonl", pair(QUESTION, refusal.clone()))
        .with("deserved.jsonl", pair(unpaired, refusal));
    check(&folder, &["refused.jsonl"], &["answer-class"], 1);
    check(&folder, &["deserved.jsonl"], &["tool-result-unpaired /messages/2/content/0"], 1);
}

#[test]
fn an_archive_of_a_browser_is_read_as_it_is() {
    let folder = Folder::new();
    let report = folder.report(&[&traffic("devtools.har")]);
    let results = report["results"].as_array().unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            let class = result["class"].as_str().unwrap_or("-");
            (result["entry"].as_u64().unwrap(), class, result["notes"].as_array().unwrap().len())
        })
        .collect();
    let expected = [
        (1, "accepted", 0),
        (2, "streamed", 0),
        (3, "accepted", 0),
        (6, "-", 1),
        (7, "-", 1),
        (8, "accepted", 1),
    ];
    assert_eq!(told, expected);
    assert_eq!(report["summary"]["findings"], 0, "{report:#}");
    assert_eq!(report["summary"]["other"], 2);
}

#[test]
fn packed_answers_are_unpacked() {
    let message = r#"{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-4-6",
        "content":[{"type":"text","text":"A"}],"stop_reason":"end_turn","stop_sequence":null,
        "usage":{"input_tokens":1,"output_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}"#;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(message.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    let exchange = |coding: &str, packed: &[u8]| {
        let headers = json!([
            ["content-type", "application/json"],
            ["content-encoding", coding],
            ["request-id", "req_011CSHoEeqs5C35K2UUqR7Fy"]
        ]);
        let body = json!({"base64": BASE64.encode(packed), "bytes": packed.len()});
        let request = json!({
            "method": "POST", "target": "/v1/messages", "withheld": ["x-api-key"],
            "headers": [["anthropic-version", "2023-06-01"], ["content-type", "application/json"]],
            "body": {"text": QUESTION, "bytes": QUESTION.len()},
        });
        let answer = json!({"status": 200, "headers": headers, "body": body, "chunks": []});
        let line = json!({"started": "", "elapsed_ms": 1, "request": request, "answer": answer, "end": "complete"});
        let head =
            r#"{"recording":"probity","version":1,"target":"http://127.0.0.1:1","started":""}"#;
        format!("{head}\n{line}\n")
    };
    // One segment whose size is four bytes, and one last block that is not packed.
    let length = u32::try_from(message.len()).unwrap();
    let block = (length << 3 | 1).to_le_bytes();
    let head = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], &length.to_le_bytes()[..], &block[..3]].concat();
    let zstd = [&head, message.as_bytes()].concat();
    let folder = Folder::new()
        .with("gzip.ndjson", exchange("gzip", &packed))
        .with("zstd.ndjson", exchange("zstd", &zstd))
        .with("damaged.ndjson", exchange("zstd", &packed))
        .with("strange.ndjson", exchange("compress", &packed));
    let class = |name| folder.report(&[name])["results"][0]["class"].as_str().map(str::to_owned);
    assert_eq!(class("gzip.ndjson").as_deref(), Some("accepted"));
    assert_eq!(class("zstd.ndjson").as_deref(), Some("accepted"));
    assert_eq!(class("damaged.ndjson"), None);
    assert_eq!(class("strange.ndjson"), None);
}

#[test]
fn a_beta_that_may_be_newer_than_the_list_is_no_finding() {
    let line = |betas: &str, body: &str| {
        format!(
            "curl http://h/v1/messages -H 'x-api-key: k' -H 'anthropic-version: 2023-06-01' \
             -H 'anthropic-beta: {betas}' --json '{body}'"
        )
    };
    let folder = Folder::new();
    check(&folder, &[&line("brand-new-2027-01-01", QUESTION)], &[], 0);
    check(&folder, &[&line("no-date", QUESTION)], &["beta-unknown"], 1);
    check(&folder, &[&line("brand-new-2027-01-01,no-date", QUESTION)], &["beta-unknown"], 1);
    // The rest is judged all the same.
    check(&folder, &[&line("brand-new-2027-01-01", "{}")], &["schema /model"], 1);
    let (out, ..) = folder.run(&[&line("brand-new-2027-01-01", QUESTION)]);
    assert!(out.contains("unjudged  1 × the beta `brand-new-2027-01-01` is not known"), "{out}");
}

#[test]
fn a_key_in_a_command_line_is_shown_nowhere() {
    let folder = Folder::new();
    let script = traffic("send.sh");
    check(&folder, &[&script], &["version-unknown", "schema /max_tokens"], 1);
    let reports = "junit=r.xml,json=r.json,ndjson=r.ndjson";
    let (out, err, _) = folder.run(&[&script, "--verbose", "--report", reports, "--accept"]);
    let line = "curl http://127.0.0.1/v1/messages -H 'x-api-key: sk-ant-api03-probity-canary-key' \
                -H 'anthropic-version: sk-ant-api03-probity-canary-key' --json '{\"model\":\"sk-ant-api03-probity-canary-key\"}'";
    let (line_out, line_err, code) = folder.run(&[line]);
    assert_eq!(code, Some(1), "{line_out}{line_err}");
    let mut all = [out, err, line_out, line_err].concat();
    for name in ["r.xml", "r.json", "r.ndjson", "probity-check.txt"] {
        all += &std::fs::read_to_string(folder.0.join(name)).unwrap();
    }
    assert!(all.contains("version-unknown") && !all.contains("canary"), "{all}");
}

#[test]
fn streams_are_linted_with_the_events_around() {
    let defects: [(&str, String, &[&str]); 5] = [
        (
            "no end",
            STREAM.replace("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", ""),
            &["stream/no-message-stop"],
        ),
        (
            "unopened",
            STREAM.replacen("\"index\":0,\"delta\"", "\"index\":3,\"delta\"", 1),
            &["stream/delta-unopened"],
        ),
        (
            "two starts",
            format!("{}{STREAM}", &STREAM[..STREAM.find("event: ping").unwrap()]),
            &["stream/duplicate-start"],
        ),
        (
            "not json",
            STREAM.replacen(
                "{\"type\":\"content_block_stop\",\"index\":0}",
                "{\"type\":\"content_",
                1,
            ),
            &[],
        ),
        (
            "kind",
            STREAM.replacen(
                "text_delta\",\"text\":\" home",
                "input_json_delta\",\"partial_json\":\" home",
                1,
            ),
            &["stream/delta-type-mismatch"],
        ),
    ];
    for (name, stream, rules) in defects {
        let folder = Folder::new().with("a.sse", stream);
        let report = folder.report(&["a.sse"]);
        let findings = report["results"][0]["findings"].as_array().unwrap();
        assert!(!findings.is_empty(), "{name}");
        for rule in rules {
            let found = findings.iter().find(|finding| finding["rule"] == *rule);
            let found = found.unwrap_or_else(|| panic!("{name}: {rule} in {findings:#?}"));
            assert!(!found["trace"].as_array().unwrap().is_empty(), "{name}");
            assert!(found["line"].as_u64() > Some(0), "{name}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_judged() {
    let deep =
        format!("{{\"messages\":{}{},\"model\":\"m\"}}", "[".repeat(100_000), "]".repeat(100_000));
    let folder = Folder::new()
        .with("deep.json", deep)
        .with("empty.json", "")
        .with("image.json", b"\x89PNG\r\n\x1a\n\0\0")
        .with(
            "latin.json",
            b"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xe9\"}]}",
        )
        .with("package.json", "{\"name\":\"a\",\"version\":\"1\"}")
        .with("text.txt", "nothing\n")
        .with("bad.har", "{\"log\":{\"entries\":[{},")
        .with("mixed.jsonl", format!("{{not json\n\n{{}}\n{QUESTION}"));
    let one = |name: &str, expected: &[&str], exit| check(&folder, &[name], expected, exit);
    one("deep.json", &["body-too-deep"], 1);
    one("latin.json", &["body-not-utf8"], 1);
    for name in ["empty.json", "image.json", "package.json", "text.txt", "bad.har", "nonesuch.json"]
    {
        one(name, &[], 2);
        let (out, err, _) = folder.run(&[name]);
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.starts_with(&format!("exit 2: {name} ")), "{err}{out}");
    }
    let report = folder.report(&["mixed.jsonl"]);
    assert_eq!(report["summary"]["unreadable"][0]["line"], 1, "{report:#}");
    assert_eq!((&report["summary"]["items"], &report["summary"]["other"]), (&json!(1), &json!(1)));

    let report = folder.report(&["."]);
    assert_eq!(report["summary"]["unread"], 4, "{report:#}");
    assert_eq!(report["summary"]["items"], 3);
}

#[test]
fn a_file_that_is_nearly_right_gets_one_answer_that_helps() {
    let utf16: Vec<u8> = QUESTION.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(QUESTION.as_bytes()).unwrap();
    let folder = Folder::new()
        .with("utf16.json", &utf16)
        .with("marked.json", [&[0xff, 0xfe], &utf16[..]].concat())
        .with("a.har.gz", gzip.finish().unwrap())
        .with("pretty.jsonl", "{\n \"model\": \"m\"\n}\n".repeat(3))
        .with("python.txt", "{'model': 'm'}")
        .with("call.js", "await fetch(\"https://h/v1/messages\", {})")
        .with("verbose.txt", "* Connected\n> POST /v1/messages HTTP/2\n>\n< HTTP/2 400\n")
        .with("app.log", format!("INFO sending {}", QUESTION.replace('\n', "").replace("{ ", "{")))
        .with("broken.txt", "HTTP/2 200\nno head");
    for (name, part) in [
        ("utf16.json", "is UTF-16"),
        ("marked.json", "is UTF-16"),
        ("a.har.gz", "unpack it first"),
        ("pretty.jsonl", "over several lines"),
        ("python.txt", "json.dumps"),
        ("call.js", "copy the request as cURL"),
        ("verbose.txt", "`curl -i`"),
        ("app.log", "before its JSON"),
        ("broken.txt", "no blank line"),
    ] {
        let (_, err, code) = folder.run(&[name]);
        assert_eq!((code, err.lines().count()), (Some(2), 1), "{err}");
        assert!(err.starts_with(&format!("exit 2: {name} ")) && err.contains(part), "{err}");
    }
}

#[test]
fn what_was_copied_by_hand_is_read_as_it_was() {
    let har = std::fs::read(traffic("devtools.har")).unwrap();
    let refusal = r#"{"type":"error","error":{"type":"invalid_request_error","message":"x"},"request_id":"req_011CSHoEeqs5C35K2UUqR7Fy"}"#;
    let head = "HTTP/2 400 \r\ncontent-type: application/json\r\nrequest-id: req_011CSHoEeqs5C35K2UUqR7Fy\r\n\r\n";
    let line =
        "curl http://h/v1/messages -H 'x-api-key: k' -H 'anthropic-version: 2023-06-01' --json";
    let image = "{\"model\":\"claude-sonnet-4-6\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\
                 \"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"'$DATA'\"}}]}]}";
    let folder = Folder::new()
        .with("marked.har", [&b"\xef\xbb\xbf"[..], &har].concat())
        .with("copied.sse", STREAM.trim_end())
        .with("line.sse", format!("{}\n", STREAM.trim_end()))
        .with("refused.txt", format!("{head}{refusal}"))
        .with("served.txt", format!("{head}{refusal}").replace(" 400", " 200"))
        .with("below.sh", format!("{line} @- <<EOF | jq .\n{QUESTION}\nEOF\n"))
        .with("wrong.sh", format!("{line} @- <<EOF\n{{}}\nEOF\n"))
        .with("image.sh", format!("{line} '{image}'\n"));
    check(&folder, &["marked.har"], &[], 0);
    check(&folder, &["copied.sse"], &[], 0);
    let report = folder.report(&["line.sse"]);
    assert_eq!(report["results"][0]["findings"][0]["rule"], "stream/final-blank-line-missing");
    check(&folder, &["refused.txt"], &[], 0);
    assert_eq!(folder.report(&["served.txt"])["summary"]["exit"], 1);
    check(&folder, &["below.sh"], &[], 0);
    check(&folder, &["wrong.sh"], &["schema /model"], 1);
    check(&folder, &["image.sh"], &[], 0);
}

#[test]
fn a_line_of_a_hundred_megabytes_is_passed_over() {
    const MEGABYTES: usize = 100;
    let long = "x".repeat(MEGABYTES * 1024 * 1024);
    let folder =
        Folder::new().with("long.jsonl", format!("{QUESTION}{{\"a\":\"{long}\"}}\n{QUESTION}"));
    let report = folder.report(&["long.jsonl"]);
    assert_eq!(report["summary"]["items"], 2);
    assert_eq!(report["summary"]["unreadable"][0]["line"], 2);
}

#[test]
fn nothing_to_check_is_not_clean() {
    let folder = Folder::new().with("a.jsonl", "{}\n{}\n");
    check(&folder, &["a.jsonl"], &[], 3);
    std::fs::create_dir(folder.0.join("nothing")).unwrap();
    check(&folder, &["nothing"], &[], 3);
}

#[test]
fn standard_input_is_an_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_probity"))
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(STREAM.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("1 streamed") && out.ends_with("clean: 1 item\n"), "{out}");
}

#[test]
fn a_team_s_traffic_becomes_its_contract() {
    let folder = Folder::new()
        .with("a.json", QUESTION)
        .with("b.json", include_str!("traffic/unpaired.json"));
    let exit = |args: &[&str]| folder.run(args).2;
    assert_eq!(exit(&["a.json", "b.json"]), Some(1));
    assert_eq!(exit(&["a.json", "b.json", "--ledger", "team.txt"]), Some(2));
    assert_eq!(exit(&["a.json", "b.json", "--accept"]), Some(1));
    let ledger = std::fs::read_to_string(folder.0.join("probity-check.txt")).unwrap();
    assert_eq!(ledger.lines().count(), 4, "{ledger}");
    assert!(
        ledger.contains("  messages.create  unanswered  tool-result-unpaired  ×1\n"),
        "{ledger}"
    );

    // What was accepted is known, and what is not of these inputs is none of its business.
    assert_eq!(exit(&["a.json", "b.json"]), Some(0));
    assert_eq!(exit(&["b.json"]), Some(1));
    let spaced = QUESTION.replace(',', " ,  ");
    std::fs::write(folder.0.join("a.json"), spaced).unwrap();
    assert_eq!(exit(&["a.json", "b.json"]), Some(0));

    std::fs::write(folder.0.join("a.json"), QUESTION.replace("Why", "How")).unwrap();
    let (out, err, code) = folder.run(&["a.json", "b.json"]);
    assert_eq!(code, Some(4), "{out}");
    assert!(err.contains("2 lines differ from probity-check.txt; --accept takes them"), "{err}");
    assert!(out.contains("differs from the ledger\n"), "{out}");
    std::fs::write(folder.0.join("probity-check.txt"), "something else").unwrap();
    assert_eq!(exit(&["a.json", "b.json"]), Some(2));
}

#[test]
fn models_are_judged_on_a_day() {
    let dated = QUESTION.replace("claude-sonnet-4-6", "claude-sonnet-4-5-20250929");
    let folder = Folder::new().with("a.json", dated);
    check(&folder, &["a.json"], &[], 0);
    check(&folder, &["a.json", "--as-of", "2027-06-01"], &["model-retired /model"], 1);
    let (_, err, code) = folder.run(&["a.json", "--as-of", "soon"]);
    assert!(err.contains("is not a date"), "{err}");
    assert_eq!(code, Some(2));
}
