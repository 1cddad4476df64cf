//! What is written of a target: the page stands on its own, nothing hostile and no key gets in, and the badge and the
//! Markdown say the same as the page.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod common;
mod page;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use classify::{Body, Headers, Request};
use mock::{Answer, Chunk};
use serde_json::{Value, json};

use self::page::{HOSTILE, check_page};

/// No shape by which it could be known as one: only the run knows that it is secret.
const KEY: &str = "plainsecret&<0123456789>";

/// Cases that say enough, and take a second.
const SOME: [&str; 6] = [
    "--filter",
    "2023-06-01/messages.create/witness/field-*",
    "--filter",
    "2023-06-01/messages.create/valid/*",
    "--max-cases",
    "120",
];

/// Our mock, with each answer bent.
fn bent(bend: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) -> SocketAddr {
    let mock = common::mock(None);
    common::serve(move |request| {
        // The mock takes keys that look like its own.
        let mut asked = request.clone();
        asked.headers.replace("x-api-key", "sk-ant-api03-probity-test-key");
        bend(request, mock(&asked))
    })
}

struct Written {
    said: String,
    html: String,
    markdown: String,
    svg: String,
    badge: Value,
}

fn run(target: SocketAddr, name: &str, args: &[&str]) -> Written {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("key"), KEY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.args(["contract", "--target", &format!("http://{target}"), "--key-file", "key"]);
    command.args(["--report", "html=a.html,markdown=a.md,badge=a.svg,badge=a.json"]);
    command.args(args).current_dir(&folder);
    for name in ["ANTHROPIC_API_KEY", "CI", "GITHUB_ACTIONS"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(&said);
    let written = Written {
        html: read("a.html"),
        markdown: read("a.md"),
        svg: read("a.svg"),
        badge: serde_json::from_str(&read("a.json")).unwrap(),
        said,
    };
    check_page(&written.html);
    for text in [&written.html, &written.markdown, &written.svg] {
        for secret in ["plainsecret", "0123456789"] {
            assert!(!text.contains(secret), "{secret} is written");
        }
    }
    // To look at: `PROBITY_KEEP_PAGES=1` leaves them in `target/tmp`.
    if std::env::var_os("PROBITY_KEEP_PAGES").is_none() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    written
}

fn body(request: &Request) -> String {
    String::from_utf8_lossy(&request.body.to_bytes()).into_owned()
}

#[test]
fn a_server_that_keeps_the_contract_has_a_page_that_says_so() {
    let written = run(bent(|_, answer| answer), "good", &SOME);
    assert!(written.html.contains("Nothing."), "{}", written.said);
    assert!(written.html.contains("Only a part of the cases was tried"));
    assert!(written.markdown.contains("keeps level strict"), "{}", written.markdown);
    assert!(written.markdown.contains("No rule is broken."), "{}", written.markdown);
    assert!(written.markdown.contains("--max-cases 120"), "{}", written.markdown);
    assert_eq!(written.badge["message"], "strict (in part)");
    assert_eq!(written.badge["schemaVersion"], 1);
    assert!(written.svg.contains("probity: strict (in part)"), "{}", written.svg);
}

#[test]
fn what_is_broken_is_shown_with_its_evidence() {
    let target = bent(|request, mut answer| {
        let is_stream =
            answer.headers.get("content-type").is_some_and(|it| it.contains("event-stream"));
        if is_stream {
            answer
                .chunks
                .retain(|chunk| !String::from_utf8_lossy(&chunk.bytes).contains("message_stop"));
            let ping = "event: ping\ndata: {\"type\":\"ping\",\"by\":\"<b>\"}\n\n";
            answer.chunks.insert(0, Chunk { bytes: ping.into(), delay_ms: 0 });
        }
        if !body(request).contains("max_tokens") && request.method == "POST" {
            answer.status = 200;
        }
        answer
    });
    let written = run(target, "broken", &SOME);
    let html = &written.html;
    assert!(check_page(html).contains("b.stream_2fno-message-stop"), "{}", written.said);
    assert!(html.contains("<tr class=\"culprit\">") || html.contains("class=\"trace\""));
    assert!(html.contains("curl -sS -i") && html.contains("probity replay --target"));
    assert!(html.contains("$ANTHROPIC_API_KEY"));
    assert!(written.markdown.contains("| agent-ready | ✗ broken |"), "{}", written.markdown);
    assert!(written.markdown.contains("| agent-ready | `stream/no-message-stop` |"));
    assert_eq!(written.badge["message"], "no level (in part)");
    let first = html.split("id=\"first\"").nth(1).unwrap().split("<li>").nth(1).unwrap();
    assert!(first.contains("agent-ready, wrong in"), "{first}");
    for said in [html, &written.markdown, &written.said] {
        for words in ["new or unusual, not a failure", "event 0: event: ping"] {
            assert!(said.to_lowercase().contains(words), "{words}: {said}");
        }
    }
    assert!(written.said.contains("fix first\n  "), "{}", written.said);
}

#[test]
fn words_of_servers_stay_words_and_keys_stay_out() {
    let target = bent(|request, _| {
        let key = request.headers.get("x-api-key").unwrap_or_default();
        let words = format!("{HOSTILE} {key} |`@everyone` [l](javascript:x)");
        let mut headers = Headers::default();
        headers.push("content-type", "application/json");
        headers.push("server", "<script>alert(2)</script>");
        headers.push("x-secret", "must not be shown");
        let says = |status, body: Value| {
            let chunks = vec![Chunk { bytes: body.to_string().into(), delay_ms: 0 }];
            Answer { status, headers: headers.clone(), chunks, refused: None }
        };
        if body(request).contains("stream") || request.method == "GET" {
            return says(
                400,
                json!({"type": "error", "error": {"type": HOSTILE, "message": words}}),
            );
        }
        says(
            200,
            json!({"id": words, "type": "message", "role": "assistant", "model": HOSTILE,
            "content": [{"type": "text", "text": words}, {"type": HOSTILE, "key": key}],
            "stop_reason": words, "usage": {"input_tokens": "<b>", "output_tokens": 1}}),
        )
    });
    let profile = format!("[target]\nname = {HOSTILE:?}\n[[unsupported]]\nfeature = \"images\"\nreason = \"</td><script>\"\n")
        .replace("\\u{202e}", "\\u202e").replace("\\u{1b}", "\\u001b").replace("\\0", "\\u0000").replace("\\'", "'");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile.toml");
    std::fs::write(&path, profile).unwrap();
    let written =
        run(target, "hostile", &[&SOME[..], &["--profile", path.to_str().unwrap()]].concat());
    let html = &written.html;
    assert_eq!(html.matches("<script>").count(), 1, "only our own");
    assert!(
        html.contains("&lt;script&gt;alert(2)&lt;/script&gt;"),
        "headers of the allow-list are shown"
    );
    assert!(!html.contains("must not be shown"), "and no other");
    for c in ['\u{202e}', '\0', '\u{1b}', '\r'] {
        assert!(!html.contains(c), "{c:?} is on the page");
    }
    assert!(!written.markdown.contains("<script>") && !written.markdown.contains("\u{1b}"));
    let is_row = |line: &&str| line.starts_with("| ");
    let pipes = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(
        written.markdown.lines().filter(is_row).all(|line| [4, 5, 6, 7].contains(&pipes(line)))
    );
    assert!(!written.svg.contains("script"));
}

#[test]
fn a_gateway_is_shown_from_both_sides() {
    // A port that is free now; nobody else asks for it in the moment until it is taken again.
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = bent(move |request, answer| {
        let mut request = request.clone();
        if let Ok(mut body) = serde_json::from_slice::<Value>(&request.body.to_bytes())
            && let Some(stop) = body.as_object_mut().and_then(|body| body.remove("stop_sequences"))
        {
            body["stop"] = stop;
            request.body = Body::Bytes(body.to_string().into());
        }
        let status = post(upstream, &request);
        Answer { status: if status == 0 { answer.status } else { status }, ..answer }
    });
    let address = upstream.to_string();
    let args = [&SOME[..], &["--upstream-mock", &address]].concat();
    let written = run(target, "gateway", &args);
    assert!(written.html.contains("What the upstream got"), "{}", written.said);
    assert!(written.html.contains("<span class=\"tag\">gateway"), "{}", written.said);
    assert!(written.markdown.contains("| gateway "), "{}", written.markdown);
    assert!(written.markdown.contains(&format!("--upstream-mock {upstream}")));
}

/// Passes a request on, and gives the status of its answer; 0 if nobody answers.
fn post(to: SocketAddr, request: &Request) -> u16 {
    use std::io::{Read, Write};
    let body = request.body.to_bytes();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n",
        request.method, request.target
    );
    for name in ["anthropic-version", "anthropic-beta", "content-type"] {
        if let Some(value) = request.headers.get(name) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += &format!(
        "x-api-key: sk-ant-api03-probity-test-key\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let Ok(mut stream) = std::net::TcpStream::connect(to) else { return 0 };
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).unwrap();
    std::str::from_utf8(&raw[9..12]).unwrap().parse().unwrap()
}

#[test]
fn the_embedded_mock_has_no_such_page() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    let output =
        command.args(["contract", "--report", "html=a.html", "--dry-run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--target URL"));
}

#[test]
fn a_server_that_is_wrong_about_everything_has_a_page_that_opens() {
    let plain = bent(|request, answer| {
        if body(request).contains("\"Hello.\"") {
            return answer;
        }
        let chunks = vec![Chunk { bytes: "\"<&".repeat(10_000).into(), delay_ms: 0 }];
        let mut headers = answer.headers.clone();
        headers.push("server", "'".repeat(10_000));
        Answer { status: 404, headers, chunks, refused: None }
    });
    let args = ["--filter", "2023-06-01/messages.create/witness/*"];
    let written = run(plain, "large", &args);
    assert!(written.html.len() < 2_900_000, "{} bytes", written.html.len());
    assert!(written.markdown.len() < 20_000, "{} bytes", written.markdown.len());
}
