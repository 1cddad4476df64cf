//! Servers that are wrong in one way each, judged by the real binary: each gets the standing it deserves, and the blame
//! falls on who is to blame.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use classify::{Body, Headers, Request};
use mock::{Answer, Chunk, Config, Now, Pace, Rules, State};
use probity::specs::{Overrides, load_contract};
use serde_json::{Value, json};

use self::common::serve;

/// The key that the tool shows to local servers when it has none.
const KEY: &str = "sk-ant-api03-probity-test-key";

/// Cases that say enough about a defect, and take a second: they are the first of the corpus.
const SOME: [&str; 6] = [
    "--filter",
    "2023-06-01/messages.create/witness/field-*",
    "--filter",
    "2023-06-01/messages.create/valid/*",
    "--max-cases",
    "120",
];

/// Those, and all that was typed by hand.
const WITNESSED: [&str; 6] = [
    "--filter",
    "2023-06-01/messages.create/witness/*",
    "--filter",
    "2023-06-01/messages.create/valid/*",
    "--max-cases",
    "400",
];

/// Our mock, with each answer bent.
fn bent(bend: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) -> SocketAddr {
    let mock = common::mock(Some(KEY));
    serve(move |request| bend(request, mock(request)))
}

fn says(status: u16, media: &'static str, body: String) -> Answer {
    let mut headers = Headers::default();
    headers.push("content-type", media);
    headers.push("request-id", "req_011CTest");
    let chunks = vec![Chunk { bytes: body.into(), delay_ms: 0 }];
    Answer { status, headers, chunks, refused: None }
}

fn refuses(status: u16, error_type: &str, message: &str) -> Answer {
    let error = json!({"type": "error", "error": {"type": error_type, "message": message}, "request_id": "req_011CTest"});
    says(status, "application/json", error.to_string())
}

fn text(request: &Request) -> String {
    String::from_utf8_lossy(&request.body.to_bytes()).into_owned()
}

fn has_image(request: &Request) -> bool {
    text(request).contains(r#""type":"image""#)
}

struct Ran {
    code: Option<i32>,
    said: String,
    report: Value,
}

impl Ran {
    fn conformance(&self) -> &Value {
        &self.report["conformance"]
    }

    fn row(&self, rule: &str) -> &Value {
        let rows =
            self.conformance()["rules"].as_array().unwrap_or_else(|| panic!("{}", self.said));
        rows.iter().find(|row| row["rule"] == rule).unwrap_or(&Value::Null)
    }

    fn standing(&self, rule: &str) -> &str {
        self.row(rule)["standing"].as_str().unwrap_or("no such row")
    }

    fn support(&self, feature: &str) -> &str {
        let features = self.conformance()["features"].as_array().unwrap();
        let found = features.iter().find(|row| row["feature"] == feature).unwrap();
        found["support"].as_str().unwrap()
    }

    fn holds(&self, level: &str) -> bool {
        let levels = self.conformance()["levels"].as_array().unwrap();
        levels.iter().find(|standing| standing["level"] == level).unwrap()["holds"] == true
    }
}

/// A folder of its own.
fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("target-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn run_in(folder: &Path, target: SocketAddr, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.args([
        "contract",
        "--target",
        &format!("http://{target}"),
        "--report",
        "json=all.json",
    ]);
    command.args(args).current_dir(folder).env("COLUMNS", "100");
    for name in ["ANTHROPIC_API_KEY", "CI", "GITHUB_ACTIONS", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let report = std::fs::read_to_string(folder.join("all.json")).unwrap_or_default();
    let report = serde_json::from_str(&report).unwrap_or_default();
    Ran { code: output.status.code(), said, report }
}

fn run(target: SocketAddr, args: &[&str]) -> Ran {
    let folder = folder();
    let ran = run_in(&folder, target, args);
    std::fs::remove_dir_all(folder).unwrap();
    ran
}

fn check(ran: &Ran, code: i32, standings: &[(&str, &str)]) {
    assert_eq!(ran.code, Some(code), "{}", ran.said);
    for (rule, standing) in standings {
        assert_eq!(ran.standing(rule), *standing, "{rule}: {}\n{}", ran.row(rule), ran.said);
    }
}

#[test]
fn a_server_that_keeps_the_contract_holds_every_level() {
    let ran = run(bent(|_, answer| answer), &WITNESSED);
    let standings = [("accepts/messages", "conformant"), ("accepts/streaming", "conformant")];
    check(&ran, 0, &standings);
    assert!(ran.holds("strict") && ran.holds("agent-ready"), "{}", ran.said);
    let wrong = ran.conformance()["counts"]["silently-wrong"].as_u64();
    assert_eq!(wrong, Some(0), "{}", ran.said);
    assert_eq!(ran.support("keys"), "works");
    validate(ran.conformance());
    let is_too_wide = |line: &&str| line.chars().count() > 100 && !line.starts_with("plan");
    assert_eq!(ran.said.lines().find(is_too_wide), None);
}

/// The report keeps the schema that is published.
fn validate(conformance: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/conformance.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(conformance)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn a_clear_refusal_declares_and_a_silent_one_is_wrong() {
    let clear = bent(|request, answer| {
        if has_image(request) {
            return refuses(
                400,
                "invalid_request_error",
                "Image input is not supported by this server.",
            );
        }
        if request.path().starts_with("/v1/messages/batches") {
            return refuses(404, "not_found_error", "Not found");
        }
        answer
    });
    let ran = run(clear, &SOME);
    check(
        &ran,
        0,
        &[("accepts/images", "declared-unsupported"), ("accepts/batches", "declared-unsupported")],
    );
    assert_eq!(
        (ran.support("images"), ran.support("batches")),
        ("declared-unsupported", "missing")
    );
    let silent = bent(|request, answer| {
        if has_image(request) {
            refuses(400, "invalid_request_error", "Bad request")
        } else {
            answer
        }
    });
    let ran = run(silent, &SOME);
    check(&ran, 1, &[("accepts/images", "silently-wrong"), ("accepts/messages", "conformant")]);
    assert_eq!(ran.support("images"), "broken");
    assert!(ran.said.contains("level strict is broken by"), "{}", ran.said);
}

#[test]
fn a_profile_declares_and_a_ledger_shows_what_moved() {
    let target = bent(|request, answer| {
        if has_image(request) {
            refuses(400, "invalid_request_error", "Bad request")
        } else {
            answer
        }
    });
    let folder = folder();
    let profile = "[target]\nname = \"Acme\"\n[[unsupported]]\nfeature = \"images\"\nreason = \"It reads.\"\n";
    std::fs::write(folder.join("acme.toml"), profile).unwrap();
    let args = |more: &[&'static str]| -> Vec<&'static str> {
        [&SOME[..], &["--profile", "acme.toml", "--ledger", "acme.txt"], more].concat()
    };
    let ran = run_in(&folder, target, &args(&[]));
    check(&ran, 4, &[("accepts/images", "declared-unsupported")]);
    check(&run_in(&folder, target, &args(&["--accept"])), 0, &[]);
    check(&run_in(&folder, target, &args(&[])), 0, &[]);
    let text = std::fs::read_to_string(folder.join("acme.txt")).unwrap();
    assert!(text.starts_with("Acme\n") && text.contains("accepts/images"), "{text}");
    std::fs::write(folder.join("acme.txt"), text.replace("declared-unsupported\n", "conformant\n"))
        .unwrap();
    let ran = run_in(&folder, target, &args(&[]));
    check(&ran, 4, &[]);
    assert!(ran.said.contains("- accepts/images conformant"), "{}", ran.said);
    std::fs::write(folder.join("acme.toml"), "[target]\nnmae = \"Acme\"\n").unwrap();
    let ran = run_in(&folder, target, &args(&[]));
    assert_eq!(ran.code, Some(2), "{}", ran.said);
    assert!(ran.said.contains("acme.toml") && ran.said.contains('^'), "{}", ran.said);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn errors_that_are_swallowed_are_silently_wrong() {
    let swallows = bent(|_, answer| {
        if answer.status < 400 {
            return answer;
        }
        let message = json!({"id": "msg_01Test", "type": "message", "role": "assistant", "model": "claude-sonnet-5",
            "content": [{"type": "text", "text": "Sorry.", "citations": null}], "stop_reason": "end_turn",
            "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
        says(200, "application/json", message.to_string())
    });
    let ran = run(swallows, &SOME);
    check(
        &ran,
        1,
        &[("refuses/field-missing", "silently-wrong"), ("accepts/messages", "conformant")],
    );
    assert_eq!(ran.row("refuses/field-missing")["level"], "strict");
    assert_eq!(ran.support("keys"), "broken");
    assert!(!ran.holds("strict"));
}

#[test]
fn errors_as_pages_break_what_every_agent_needs() {
    let pages = bent(|_, answer| {
        if answer.status < 400 {
            return answer;
        }
        says(answer.status, "text/html", "<html><body>Bad Request</body></html>".to_owned())
    });
    let ran = run(pages, &SOME);
    check(
        &ran,
        1,
        &[("response/error-not-json", "silently-wrong"), ("refuses/field-missing", "conformant")],
    );
    assert!(!ran.holds("agent-ready"), "{}", ran.said);
}

#[test]
fn a_yes_to_everything_is_no_api() {
    let ran = run(serve(|_| says(200, "application/json", r#"{"ok":true}"#.to_owned())), &SOME);
    check(
        &ran,
        1,
        &[("accepts/messages", "silently-wrong"), ("refuses/field-missing", "silently-wrong")],
    );
    assert_eq!(ran.support("messages"), "broken");
    assert!(!ran.holds("agent-ready"));
}

#[test]
fn fields_that_are_dropped_break_the_rules_of_answers() {
    let drops = bent(|_, mut answer| {
        if answer.status == 200 && answer.chunks.len() == 1 {
            let mut body: Value = serde_json::from_slice(&answer.chunks[0].bytes).unwrap();
            if let Some(message) = body.as_object_mut() {
                message.remove("usage");
            }
            answer.chunks[0].bytes = body.to_string().into();
        }
        answer
    });
    let ran = run(drops, &SOME);
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    let rules = ran.conformance()["rules"].as_array().unwrap();
    let is_wrong = |row: &&Value| row["standing"] == "silently-wrong";
    assert!(
        rules
            .iter()
            .filter(is_wrong)
            .all(|row| row["rule"].as_str().unwrap().starts_with("response/"))
    );
    assert!(rules.iter().any(|row| row["rule"] == "response/usage-missing" || is_wrong(&row)));
    check(&ran, 1, &[("accepts/messages", "conformant")]);
}

#[test]
fn a_stream_that_is_none_breaks_streaming() {
    let plain = serve_plain();
    let ran = run(plain, &SOME);
    check(&ran, 1, &[("accepts/streaming", "silently-wrong"), ("accepts/system", "conformant")]);
    assert_eq!(ran.support("streaming"), "broken");
    assert!(!ran.holds("agent-ready"));
}

/// Takes `stream: true` for `stream: false`.
fn serve_plain() -> SocketAddr {
    let (_, contract) = load_contract(&Overrides::default()).unwrap();
    let now = Now::at_date(&contract.as_of).unwrap();
    let config =
        Config { key: None, rules: Rules::All, seed: 1, pace: Pace::Instant, limits: None };
    serve(move |request| {
        let mut request = request.clone();
        let body = text(&request).replace(r#""stream":true"#, r#""stream":false"#);
        request.body = Body::Bytes(body.into());
        mock::answer(&mut State::new(), &contract, &config, &request, now)
    })
}

#[test]
fn a_model_of_its_own_is_found_and_named() {
    let own = bent(|request, answer| {
        if request.path() == "/v1/models" {
            let page = json!({"data": [{"id": "acme-large", "type": "model", "display_name": "Acme",
                "created_at": "2026-01-01T00:00:00Z"}], "has_more": false, "first_id": "acme-large", "last_id": "acme-large"});
            return says(200, "application/json", page.to_string());
        }
        answer
    });
    // The mock itself knows no such model: it is asked under the name of the one that stands behind.
    let gateway = serve(move |request| {
        let body = text(request);
        if request.path() == "/v1/messages" && !body.contains("acme-large") && !body.is_empty() {
            return refuses(404, "not_found_error", "model: no such model");
        }
        let mut request = request.clone();
        request.body = Body::Bytes(body.replace("acme-large", "claude-sonnet-5").into());
        let mut answer = forward(own, &request);
        for chunk in &mut answer.chunks {
            let text =
                String::from_utf8_lossy(&chunk.bytes).replace("claude-sonnet-5", "acme-large");
            chunk.bytes = text.into();
        }
        answer
    });
    let ran = run(gateway, &SOME);
    assert_eq!(ran.conformance()["model"]["name"], "acme-large", "{}", ran.said);
    assert!(
        ran.said.contains("the model that the target has would make it another case"),
        "{}",
        ran.said
    );
    assert!(ran.said.contains("--stands-for"), "{}", ran.said);
    let more = run(
        gateway,
        &[&SOME[..], &["--model", "acme-large", "--stands-for", "claude-sonnet-5"]].concat(),
    );
    check(&more, 0, &[("accepts/messages", "conformant")]);
    let unknown = run(gateway, &[&SOME[..], &["--model", "acme-small"]].concat());
    assert_eq!(unknown.code, Some(3), "{}", unknown.said);
    assert!(unknown.said.contains("does not know the model"), "{}", unknown.said);
}

#[test]
fn what_cannot_be_asked_is_said_once() {
    let refused = bent(|_, _| refuses(401, "authentication_error", "invalid x-api-key"));
    let ran = run(refused, &SOME);
    assert_eq!(ran.code, Some(3), "{}", ran.said);
    assert!(ran.said.contains("ANTHROPIC_API_KEY"), "{}", ran.said);
    let other = serve(|_| says(404, "text/html", "<h1>Not found</h1>".to_owned()));
    let ran = run(other, &SOME);
    assert_eq!(ran.code, Some(3), "{}", ran.said);
    assert!(ran.said.contains("POST /v1/messages is answered 404"), "{}", ran.said);
    let router = serve(|request| {
        let key = request.headers.get("x-api-key").unwrap_or_default();
        let long = "b".repeat(120);
        let words = json!({"message": format!("Provider '{long}' \u{1b}[31mnot found {key}")});
        says(404, "application/json", json!({"error": words}).to_string())
    });
    let ran = run(router, &SOME);
    assert_eq!(ran.code, Some(3), "{}", ran.said);
    for words in ["Provider 'bbb", "\\u{1b}[31mnot", "--model NAME"] {
        assert!(ran.said.contains(words), "{words}: {}", ran.said);
    }
    assert!(!ran.said.contains("sk-ant-"), "half of a key is told: {}", ran.said);
}

#[test]
fn a_server_that_hangs_on_some_is_not_waited_for() {
    let target = bent(|request, mut answer| {
        let is_json = serde_json::from_slice::<Value>(&request.body.to_bytes()).is_ok();
        if request.method == "POST" && !is_json {
            for chunk in &mut answer.chunks {
                chunk.delay_ms = 600_000;
            }
        }
        answer
    });
    let not_json = "*/messages.create/mut/truncated/*";
    let args = ["--filter", not_json, "--patience", "1s"];
    let ran = run(target, &[&SOME[..4], &args].concat());
    check(&ran, 1, &[("refuses/truncated", "silently-wrong"), ("accepts/messages", "conformant")]);
    let row = ran.row("refuses/truncated");
    assert_eq!((&row["wrong"], &row["level"]), (&json!(3), &json!("compatible")), "{}", ran.said);
    assert!(ran.said.contains("hangs on such requests"), "{}", ran.said);
    assert!(ran.holds("agent-ready") && ran.conformance()["gone"].is_null(), "{}", ran.said);
    validate(ran.conformance());
}

#[test]
fn a_server_that_hangs_on_everything_is_told_at_once() {
    let target = bent(|request, mut answer| {
        if request.path() == "/v1/messages" {
            for chunk in &mut answer.chunks {
                chunk.delay_ms = 600_000;
            }
        }
        answer
    });
    let ran = run(target, &["--patience", "300ms"]);
    assert_eq!(ran.code, Some(3), "{}", ran.said);
    assert!(ran.said.contains("the target hangs: POST /v1/messages has no answer"), "{}", ran.said);
}

/// Passes a request on as it is, and the answer back.
fn forward(to: SocketAddr, request: &Request) -> Answer {
    let body = request.body.to_bytes();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n",
        request.method, request.target
    );
    let hop = ["host", "connection", "content-length", "transfer-encoding"];
    for (name, value) in
        request.headers.iter().filter(|(name, _)| !hop.contains(&&*name.to_lowercase()))
    {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).unwrap();
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut headers = Headers::default();
    let mut is_chunked = false;
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        is_chunked |= name == "transfer-encoding";
        if !hop.contains(&name) && name != "date" {
            headers.push(name.to_owned(), value.to_owned());
        }
    }
    let body = if is_chunked { unchunked(&raw[end + 4..]) } else { raw[end + 4..].to_vec() };
    let status = head[9..12].parse().unwrap();
    Answer {
        status,
        headers,
        chunks: vec![Chunk { bytes: body.into(), delay_ms: 0 }],
        refused: None,
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let length =
            usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 2 + length + 2..];
    }
}

/// A gateway that bends requests on their way to our mock, and answers on their way back.
fn gateway(
    bend_request: impl Fn(&mut Value) + Send + Sync + 'static,
    bend_answer: impl Fn(&mut Answer) + Send + Sync + 'static,
) -> (SocketAddr, SocketAddr) {
    // A port that is free now; nobody else asks for it in the moment until it is taken again.
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = serve(move |request| {
        let mut request = request.clone();
        if let Ok(mut body) = serde_json::from_slice::<Value>(&request.body.to_bytes()) {
            bend_request(&mut body);
            request.body = Body::Bytes(body.to_string().into());
        }
        let mut answer = forward(upstream, &request);
        bend_answer(&mut answer);
        answer
    });
    (gateway, upstream)
}

/// Runs with our mock behind the gateway, and looks for one finding of that rule and the words in its trace.
fn check_blame(
    (gateway, upstream): (SocketAddr, SocketAddr),
    rule: &str,
    blame: &str,
    words: &str,
) -> Ran {
    let upstream = upstream.to_string();
    let ran = run(gateway, &[&SOME[..], &["--upstream-mock", &upstream]].concat());
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    let results = ran.report["results"].as_array().unwrap();
    let findings = results.iter().flat_map(|result| result["findings"].as_array().unwrap());
    let of_rule: Vec<_> = findings.filter(|finding| finding["rule"] == rule).collect();
    let is_meant = |finding: &&&Value| {
        finding["blame"] == blame && finding["trace"].as_str().unwrap().contains(words)
    };
    assert!(of_rule.iter().any(|finding| is_meant(&finding)), "{of_rule:?}\n{}", ran.said);
    assert!(of_rule.iter().all(|finding| finding["blame"] == blame), "{of_rule:?}");
    assert!(ran.conformance()["evidence"].as_array().is_some_and(|all| !all.is_empty()));
    validate(ran.conformance());
    ran
}

#[test]
fn a_faithful_gateway_is_clean() {
    let (gateway, upstream) = gateway(|_| (), |_| ());
    let upstream = upstream.to_string();
    let ran = run(gateway, &[&SOME[..], &["--upstream-mock", &upstream]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    assert!(ran.said.contains(&format!("upstream: http://{upstream}")), "{}", ran.said);
}

#[test]
fn a_gateway_that_translates_wrongly_is_to_blame() {
    let renames = |body: &mut Value| {
        if let Some(stop) = body.as_object_mut().and_then(|body| body.remove("stop_sequences")) {
            body["stop"] = stop;
        }
    };
    let ran = check_blame(
        gateway(renames, |_| ()),
        "answer-class",
        "gateway",
        "the request went on broken: schema",
    );
    assert_eq!(ran.standing("accepts/stop-sequences"), "silently-wrong", "{}", ran.said);
}

#[test]
fn a_gateway_that_repairs_what_is_wrong_is_to_blame() {
    let repairs = |body: &mut Value| {
        if body.get("max_tokens").is_none() {
            body["max_tokens"] = 64.into();
        }
    };
    check_blame(
        gateway(repairs, |_| ()),
        "answer-class",
        "gateway",
        "what was wrong did not reach the upstream",
    );
}

#[test]
fn a_gateway_that_changes_a_status_is_to_blame() {
    let raises = |answer: &mut Answer| {
        if answer.status == 400 {
            answer.status = 500;
        }
    };
    check_blame(
        gateway(|_| (), raises),
        "answer-class",
        "gateway",
        "the upstream said 400 invalid-request",
    );
}

#[test]
fn a_gateway_that_loses_a_header_is_to_blame() {
    let loses = |answer: &mut Answer| answer.headers.remove("request-id");
    check_blame(
        gateway(|_| (), loses),
        "response/request-id-missing",
        "gateway",
        "the upstream's answer keeps it",
    );
}

#[test]
fn a_gateway_that_loses_members_is_told_though_the_answer_is_right() {
    let loses = |body: &mut Value| {
        if let Some(body) = body.as_object_mut() {
            body.remove("service_tier");
            body.remove("metadata");
        }
    };
    let ran = check_blame(
        gateway(loses, |_| ()),
        "gateway/request-altered",
        "gateway",
        "member `metadata` is lost",
    );
    check(&ran, 1, &[("accepts/metadata", "conformant")]);
    assert_eq!(ran.row("gateway/request-altered")["level"], "strict");
    assert!(ran.holds("compatible"), "{}", ran.said);
}

#[test]
fn what_is_wrong_with_every_answer_is_one_rule_and_no_drift() {
    let silent = bent(|_, mut answer| {
        answer.headers.remove("request-id");
        answer
    });
    let ran = run(silent, &SOME);
    check(&ran, 1, &[("response/request-id-missing", "silently-wrong")]);
    let results = ran.report["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["verdict"] == "agree"), "{}", ran.said);
    assert!(ran.said.contains("rule[response/request-id-missing]"), "{}", ran.said);
    assert!(ran.holds("agent-ready") && !ran.holds("compatible"), "{}", ran.said);
}

#[test]
fn a_version_that_is_broken_gets_a_handful_and_the_rest_is_tested() {
    let target = bent(|request, mut answer| {
        if request.headers.get("anthropic-version") == Some("2023-06-01") {
            return refuses(400, "invalid_request_error", "Validation failed");
        }
        // Streams are compared whatever the headers are.
        answer.headers.remove("request-id");
        answer
    });
    let ran = run(target, &["--max-cases", "250"]);
    let compared = ran.conformance()["twins"]["compared"].as_u64();
    assert!(compared.is_some_and(|compared| compared > 0), "{}", ran.said);
    check(
        &ran,
        1,
        &[
            ("accepts/version-2023-06-01", "silently-wrong"),
            ("accepts/version-2026-10-21", "conformant"),
            ("accepts/messages", "conformant"),
            ("accepts/system", "conformant"),
        ],
    );
    let wrong = ran.row("accepts/version-2023-06-01")["cases"].as_u64().unwrap();
    // Valid ones, and mended ones among the others.
    assert!((1..=12).contains(&wrong), "{wrong}\n{}", ran.said);
    let results = ran.report["results"].as_array().unwrap();
    let operations: std::collections::BTreeSet<_> =
        results.iter().map(|result| result["operation"].as_str().unwrap()).collect();
    assert!(operations.len() > 5, "{operations:?}");
}

#[test]
fn where_nothing_is_tested_nothing_holds() {
    let ran = run(bent(|_, answer| answer), &["--filter", "*/models.list/valid/*"]);
    for level in ["agent-ready", "compatible", "strict"] {
        assert!(!ran.holds(level), "{}", ran.said);
    }
    assert!(ran.said.contains("untested"), "{}", ran.said);
}

#[test]
fn a_server_that_dies_is_asked_no_more() {
    let served = AtomicU32::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let own = bent(|_, answer| answer);
    // Passes on byte by byte until it has seen enough, and then is gone.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if served.fetch_add(1, Ordering::Relaxed) == DIES_AFTER {
                return;
            }
            std::thread::spawn(move || {
                let mut behind = TcpStream::connect(own).unwrap();
                let (mut from, mut to) = (stream.try_clone().unwrap(), behind.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _done = std::io::copy(&mut from, &mut to);
                });
                let _done = std::io::copy(&mut behind, &mut stream);
                let _closed = stream.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    let ran = run(address, &["--filter", "*/messages.create/*"]);
    check(&ran, 1, &[("target/ended", "silently-wrong")]);
    assert!(ran.said.contains("connections in a row were refused"), "{}", ran.said);
    assert!(ran.said.contains("the target ended while"), "{}", ran.said);
    let suspects = ran.conformance()["gone"]["suspects"].as_array().unwrap();
    assert!(!suspects.is_empty());
    let results = ran.report["results"].as_array().unwrap();
    assert!(results.len() < 400, "{}", results.len());
    validate(ran.conformance());
}

/// Connections: those of the probe, and some hundred cases.
const DIES_AFTER: u32 = 150;
