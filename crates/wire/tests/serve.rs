//! The server beside the embedded mock, and what it answers to requests that no ordinary client sends.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use classify::{Body, Class, Headers, Observation, Request, classify};
use contract::case::Case;
use contract::corpus::{self, Plan};
use contract::spec::{Contract, Text, Texts};
use futures::StreamExt;
use mock::{Answer, Chunk, Config, Now, Rules, State, Trouble};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::replay::{Pace, replay};
use wire::send::Connections;
use wire::serve::{Brain, Manner, Server, start};
use wire::server::Embedded;
use wire::target::{Key, Target};

const KEY: &str = "sk-ant-api03-probity-test-key";
const HELLO: &str =
    r#"{"model":"claude-sonnet-4-6","max_tokens":64,"messages":[{"role":"user","content":"A"}]}"#;

/// The same, packed.
const HELLO_GZIP: &str = "H4sIAAAAAAACAw2LsQrAIAwF/yVz3cTBrd9RSpH66FBNwCgUxH9vxjvuJlXJKBTpLmlkOBVmdOddoI1q+q4uL1gpBm8M1fTA6JjUpMC+oWiW3sId3E3stM71A9exQvtYAAAA";

fn contract() -> &'static Arc<Contract> {
    static CONTRACT: OnceLock<Arc<Contract>> = OnceLock::new();
    CONTRACT.get_or_init(|| {
        let text = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(name);
            Text { name: name.to_owned(), text: std::fs::read_to_string(path).unwrap() }
        };
        let texts = Texts {
            openapi: text("openapi.yaml"),
            overlays: vec![text("overlay-2023-06-01.yaml")],
            models: text("models.toml"),
            source: text("SOURCE.md"),
        };
        Arc::new(Contract::parse(&texts).unwrap())
    })
}

fn config() -> Config {
    let key = Some(KEY.to_owned());
    Config { key, rules: Rules::All, seed: 1, pace: mock::Pace::Instant, limits: None }
}

fn abiding() -> Brain {
    let now = Now::at_date(&contract().as_of).unwrap();
    let (config, state) = (config(), Mutex::new(State::new()));
    Arc::new(move |request, trouble| match trouble {
        Some(trouble) => mock::trouble(config.seed, request, trouble),
        None => {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            mock::answer(&mut state, contract(), &config, request, now)
        }
    })
}

fn manner() -> Manner {
    Manner {
        latency: Duration::ZERO,
        body_time_max: Duration::from_millis(BODY_MS_MAX),
        version: None,
    }
}

/// Long enough for the bodies of the tests on a busy machine, short enough to wait for.
const BODY_MS_MAX: u64 = 2_000;

async fn server(brain: Brain) -> Server {
    start(SocketAddr::from(([127, 0, 0, 1], 0)), brain, manner()).await.unwrap()
}

/// What came back for these bytes, up to the end of the connection.
async fn exchange(address: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for piece in pieces {
        // A server that has answered may have stopped reading.
        let _answer_decides = stream.write_all(piece).await;
    }
    let mut came = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut came));
    read.await.expect("the connection ends").unwrap();
    String::from_utf8(came).unwrap()
}

/// The answer to these bytes has this status, and the envelope with this text in it.
async fn check(pieces: &[&[u8]], status: u16, text: &str) {
    let server = server(abiding()).await;
    let came = exchange(server.address, pieces).await;
    let (head, body) = came.split_once("\r\n\r\n").unwrap_or((&came, ""));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{came}");
    assert!(head.contains("request-id: req_"), "{came}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    assert!(body["error"]["type"].is_string() && body.to_string().contains(text), "{came}");
}

fn head(method: &str, target: &str, fields: &str) -> Vec<u8> {
    format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\nanthropic-version: 2026-10-21\r\n\
         content-type: application/json\r\nconnection: close\r\n{fields}\r\n"
    )
    .into_bytes()
}

fn post(fields: &str) -> Vec<u8> {
    head("POST", "/v1/messages", fields)
}

#[tokio::test]
async fn bodies_that_cannot_be_read_get_an_envelope() {
    let chunked = post("transfer-encoding: chunked\r\n");
    check(&[&chunked, b"zz\r\n{\r\n"], 400, "could not be read").await;
    check(&[&chunked, b"fffffffffffffffff\r\n"], 400, "could not be read").await;
    check(&[&chunked, b"1\r\n{\r\nx"], 400, "could not be read").await;
    check(&[&post("content-length: 100\r\n"), b"{"], 400, "request_body_timeout").await;
    check(&[&chunked, b"1\r\n{\r\n"], 400, "request_body_timeout").await;
}

#[tokio::test]
async fn a_body_that_ends_early_gets_an_envelope() {
    let server = server(abiding()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&post("content-length: 100\r\n")).await.unwrap();
    stream.write_all(b"{").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut came = String::new();
    stream.read_to_string(&mut came).await.unwrap();
    assert!(came.starts_with("HTTP/1.1 400 ") && came.contains("could not be read"), "{came}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_it_comes() {
    const OVER: usize = 33 << 20;
    let body = vec![b' '; OVER];
    let announced = post(&format!("content-length: {OVER}\r\n"));
    check(&[&announced, &body], 413, "request_too_large").await;
    let chunk = format!("{OVER:x}\r\n");
    let chunked = post("transfer-encoding: chunked\r\n");
    check(&[&chunked, chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"], 413, "request_too_large").await;
    // Asked whether it may be sent, and answered that it need not.
    let asked = post(&format!("content-length: {OVER}\r\nexpect: 100-continue\r\n"));
    check(&[&asked], 413, "request_too_large").await;
}

#[tokio::test]
async fn odd_heads_get_an_envelope() {
    check(&[&head("GET", "/v1/messages", "")], 405, "Method Not Allowed").await;
    check(&[&head("OPTIONS", "/v1/messages", "")], 405, "Method Not Allowed").await;
    check(&[&head("OPTIONS", "*", "")], 404, "Not Found").await;
    check(&[&head("BREW", "/pot", "")], 404, "Not Found").await;
    check(&[&head("CONNECT", "example.invalid:443", "")], 404, "Not Found").await;
    check(&[&head("GET", "http://example.invalid/v1/models/none", "")], 404, "none").await;
    // From here on it is hyper that refuses.
    check(&[b"nothing like it\r\n\r\n"], 400, "not valid HTTP").await;
    check(&[b"GET / HTTP/3.7\r\n\r\n"], 400, "not valid HTTP").await;
    check(&[&head("GET", "/a\"<b", "no colon\r\n")], 400, "not valid HTTP").await;
    check(&[&post("content-length: twelve\r\n")], 400, "not valid HTTP").await;
    check(&[&head("GET", "/", &"a: b\r\n".repeat(200))], 431, "too large").await;
    check(&[&head("GET", "/", &format!("a: {}\r\n", "b".repeat(1 << 20)))], 431, "too large").await;
    check(&[&head("GET", &format!("/{}", "a".repeat(70_000)), "")], 414, "too long").await;
}

#[tokio::test]
async fn a_head_request_gets_a_head() {
    let server = server(abiding()).await;
    let came = exchange(server.address, &[&head("HEAD", "/v1/messages", "")]).await;
    assert!(came.starts_with("HTTP/1.1 405 ") && came.ends_with("\r\n\r\n"), "{came}");
    assert!(came.contains("\r\ncontent-length: 88\r\n"), "{came}");
}

#[tokio::test]
async fn ordinary_requests_are_served_on_one_connection() {
    let server = server(abiding()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = |body: &[u8], field: &str| {
        let head = post(&format!("content-length: {}\r\n{field}", body.len()));
        let head = String::from_utf8(head).unwrap().replace("connection: close\r\n", "");
        [head.as_bytes(), body].concat()
    };
    let gzip = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, HELLO_GZIP).unwrap();
    for request in [
        request(HELLO.as_bytes(), ""),
        request(&gzip, "content-encoding: gzip\r\n"),
        request(b"{", ""),
        request(HELLO.as_bytes(), "expect: 100-continue\r\n"),
    ] {
        stream.write_all(&request).await.unwrap();
    }
    let mut came = String::new();
    stream.shutdown().await.unwrap();
    stream.read_to_string(&mut came).await.unwrap();
    let statuses: Vec<_> =
        came.match_indices("HTTP/1.1 ").map(|(at, _)| &came[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "200", "400", "100", "200"], "{came}");
}

#[tokio::test]
async fn a_missing_version_is_filled_in() {
    let filled = Manner { version: Some("2023-06-01".to_owned()), ..manner() };
    let echo: Brain = Arc::new(|request, _| whole(request.headers.get("anthropic-version")));
    let server = start(SocketAddr::from(([127, 0, 0, 1], 0)), echo, filled).await.unwrap();
    for (field, expected) in
        [("", "2023-06-01"), ("anthropic-version: 2026-10-21\r\n", "2026-10-21")]
    {
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{field}\r\n");
        let came = exchange(server.address, &[request.as_bytes()]).await;
        assert!(came.ends_with(expected), "{came}");
    }
}

fn whole(text: Option<&str>) -> Answer {
    let bytes = Bytes::from(text.unwrap_or_default().to_owned());
    let chunks = vec![Chunk { bytes, delay_ms: 0 }];
    Answer { status: 200, headers: Headers::default(), chunks, refused: None }
}

#[tokio::test]
async fn a_brain_that_panics_is_answered_for() {
    let panics: Brain = Arc::new(|request, trouble| {
        assert!(wire::serve::is_answering());
        match trouble {
            Some(trouble) => mock::trouble(1, request, trouble),
            None => panic!("on purpose"),
        }
    });
    for brain in [panics, Arc::new(|_: &Request, _| panic!("on purpose, again and again"))] {
        let server = server(brain).await;
        let came = exchange(server.address, &[&head("GET", "/v1/models", "")]).await;
        assert!(came.starts_with("HTTP/1.1 500 ") && came.contains("api_error"), "{came}");
    }
    assert!(!wire::serve::is_answering());
}

/// A stream of these pieces; the last piece is given.
fn stream(delays_ms: &[u32], last: Bytes) -> Brain {
    let mut chunks: Vec<_> = delays_ms
        .iter()
        .map(|&delay_ms| Chunk { bytes: format!("after {delay_ms}\n\n").into(), delay_ms })
        .collect();
    chunks.push(Chunk { bytes: last, delay_ms: *delays_ms.last().unwrap() });
    Arc::new(move |_, _| {
        let mut headers = Headers::default();
        headers.push("content-type", "text/event-stream; charset=utf-8");
        headers.push("request-id", "req_1");
        Answer { status: 200, headers, chunks: chunks.clone(), refused: None }
    })
}

#[tokio::test]
async fn a_stream_comes_piece_by_piece() {
    let server = server(stream(&[0, 0, 150, 150], Bytes::from_static(b"end"))).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(&head("GET", "/", "")).await.unwrap();
    let (mut came, mut reads) = (String::new(), Vec::new());
    loop {
        let mut buffer = [0; 4096];
        let count = connection.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        came.push_str(str::from_utf8(&buffer[..count]).unwrap());
        reads.push(Instant::now());
    }
    assert!(came.contains("\r\ntransfer-encoding: chunked\r\n"), "{came}");
    assert!(!came.contains("content-length"), "{came}");
    assert!(came.ends_with("\r\n3\r\nend\r\n0\r\n\r\n"), "{came}");
    let waits = reads.windows(2).filter(|two| two[1] - two[0] > Duration::from_millis(100));
    assert_eq!(waits.count(), 3, "{came}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_work() {
    struct Told(std::sync::mpsc::Sender<()>);
    impl AsRef<[u8]> for Told {
        fn as_ref(&self) -> &[u8] {
            b"never sent"
        }
    }
    impl Drop for Told {
        fn drop(&mut self) {
            let _first_is_enough = self.0.send(());
        }
    }
    let (tx, dropped) = std::sync::mpsc::channel();
    let last = Mutex::new(Some(Bytes::from_owner(Told(tx))));
    let brain: Brain = Arc::new(move |request, trouble| {
        let last = last.lock().unwrap().take().unwrap_or_default();
        stream(&[0, 600_000], last)(request, trouble)
    });
    let server = server(brain).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(&head("GET", "/", "")).await.unwrap();
    connection.read_exact(&mut [0; 64]).await.unwrap();
    assert!(dropped.try_recv().is_err());
    drop(connection);
    let told = tokio::task::spawn_blocking(move || dropped.recv_timeout(Duration::from_secs(5)));
    assert_eq!(told.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn any_bytes_for_a_body_get_an_envelope() {
    let server = server(abiding()).await;
    let mut seed = 1_u64;
    let mut soup = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for number in 0..200 {
        let mut body: Vec<u8> = match number % 4 {
            0 => (0..soup(300)).map(|_| soup(256) as u8).collect(),
            1 => (0..soup(60))
                .flat_map(|_| SCRAPS[soup(SCRAPS.len() as u64) as usize].bytes())
                .collect(),
            2 => HELLO.bytes().take(soup(HELLO.len() as u64) as usize).collect(),
            _ => HELLO.into(),
        };
        if number % 4 == 3 {
            let at = soup(body.len() as u64) as usize;
            body[at] = soup(256) as u8;
        }
        let head = post(&format!("content-length: {}\r\n", body.len()));
        let came = exchange(server.address, &[&head, &body]).await;
        let (head, sent) = came.split_once("\r\n\r\n").unwrap();
        let json: serde_json::Value = serde_json::from_str(sent).unwrap();
        let is_answer = head.starts_with("HTTP/1.1 200 ") && json["type"] == "message";
        assert!(is_answer || json["error"]["type"].is_string(), "{body:?}: {came}");
    }
}

/// What JSON is made of, more or less.
const SCRAPS: [&str; 16] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\ud83d",
    "1e999",
    "-",
    "null",
    "NaN",
    "\u{0}",
    "\u{feff}",
    "\"messages\"",
];

/// Debug builds judge slowly; the heavier bodies are all of one kind, and the limits have tests of their own.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// Of the corpus every so-manieth case; the whole of it takes debug builds a minute on a busy machine.
const EVERY: usize = if cfg!(debug_assertions) { 3 } else { 1 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_servers_answer_the_corpus_alike() {
    let (serve, embedded) = (server(abiding()).await, Embedded::start(reply(abiding())).await);
    let (left, right) = tokio::join!(answers(serve.address), answers(embedded.address()));
    assert_eq!(left.len(), right.len());
    assert!(left.len() > 1_000, "{}", left.len());
    let host = b"http://HOST/";
    assert!(left.iter().any(|(_, (.., body))| body.windows(host.len()).any(|at| at == host)));
    let mut differences = Vec::new();
    for ((case, left), (_, right)) in left.iter().zip(&right) {
        if left != right {
            differences.push(format!("{}\n  serve    {left:?}\n  embedded {right:?}", case.id.0));
        }
    }
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("\n"));
}

fn reply(brain: Brain) -> wire::server::Brain {
    Arc::new(move |request| brain(request, None::<Trouble>).into_reply())
}

fn cases() -> impl Iterator<Item = Case> {
    let plan = Plan { seed: 1, cases_max: None, heavy: false };
    let light = |case: &Case| {
        !matches!(case.request.body, Body::Repeat { .. })
            && case.request.body.len() < BODY_BYTES_MAX
    };
    corpus::cases(contract(), &[], plan).filter(light).step_by(EVERY)
}

/// Status, class and body of every answer. One request at a time: a list of batches tells what came before.
///
/// Both servers say where the results of a batch are, each by its own address: that alone is made alike, so that a
/// server which names the address of another differs.
async fn answers(address: SocketAddr) -> Vec<(Case, (Option<u16>, Class, Bytes))> {
    let target = Target::local(address, Key::new(KEY.to_owned())).unwrap();
    let pace =
        Pace { in_flight_max: 1, deadline_ms: 10_000, connections: Connections::Kept, gate: None };
    let answer = |(case, seen): (Case, Observation)| {
        let body = match &seen {
            Observation::Reply(reply) => without(&reply.body, address),
            _ => Bytes::new(),
        };
        (case, (seen.status(), classify(&seen), body))
    };
    replay(&target, cases(), pace).map(answer).collect().await
}

/// The body with `HOST` for that address. What is no text stays as it is.
fn without(body: &Bytes, address: SocketAddr) -> Bytes {
    match str::from_utf8(body) {
        Ok(text) => text.replace(&format!("http://{address}/"), "http://HOST/").into(),
        Err(_) => body.clone(),
    }
}

/// Both servers are asked for this target, and answer with these statuses.
async fn check_apart(target: &str, serve: &str, embedded: &str) {
    let both = (server(abiding()).await, Embedded::start(reply(abiding())).await);
    for (address, status) in [(both.0.address, serve), (both.1.address(), embedded)] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&head("GET", target, "")).await.unwrap();
        let mut came = Vec::new();
        let _cut_is_an_answer = stream.read_to_end(&mut came).await;
        let came = String::from_utf8_lossy(&came);
        let seen = came.strip_prefix("HTTP/1.1 ").map_or("cut", |rest| &rest[..3]);
        assert_eq!(seen, status, "{target}: {came}");
    }
}

/// `wiremock` reads the target through a URL parser, which resolves and repairs it, and gives up on some; the
/// server passes on what was sent.
#[tokio::test]
async fn the_embedded_mock_reads_some_targets_otherwise() {
    check_apart("/v1/models", "200", "200").await;
    check_apart("/v1/x/../models", "404", "200").await;
    check_apart("/v1/./models", "404", "200").await;
    check_apart("/v1/%2e%2e/v1/models", "404", "200").await;
    check_apart("/v1\\models", "404", "200").await;
    check_apart("http://x:99999/v1/models", "200", "cut").await;
}

/// What a report tells first is what the answer said.
#[test]
fn the_first_violation_is_the_answer() {
    let now = Now::at_date(&contract().as_of).unwrap();
    let (config, mut state) = (config(), State::new());
    let mut refused = 0;
    for case in cases() {
        let mut request = case.request;
        for (_, value) in &mut request.headers.0 {
            *value = Key::new(KEY.to_owned()).fill(value).into_owned().into();
        }
        let answer = mock::answer(&mut state, contract(), &config, &request, now);
        let Some(rule) = answer.refused.and_then(|refused| refused.rule) else { continue };
        let violations = mock::violations(&state, contract(), &config, &request, now);
        assert_eq!(violations.first().map(|first| first.rule), Some(rule), "{}", case.id.0);
        refused += 1;
    }
    assert!(refused > 1_000, "{refused}");
}
