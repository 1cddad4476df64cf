//! The embedded mock hands its brain what was sent, and the sender what the brain said.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::path::Path;
use std::sync::Arc;

use classify::{Body, Headers, Observation, Reply, Request};
use contract::case::{Case, CaseId, Origin, Traits};
use contract::spec::{Contract, Text, Texts};
use contract::version::{OperationId, Version};
use futures::StreamExt;
use wire::replay::{Pace, replay};
use wire::send::{Connections, Sender, send};
use wire::server::{Embedded, abiding};
use wire::target::{Key, Target};

fn request(
    method: &'static str,
    target: &'static str,
    headers: &[(&'static str, &'static str)],
    body: Body,
) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Request {
        method: method.into(),
        target: target.into(),
        headers: Headers(headers.collect()),
        body,
    }
}

/// Answers with what it saw, one line for each thing.
fn echo(request: &Request) -> Reply {
    let mut seen = format!("{} {}\n", request.method, request.target);
    for name in ["x-api-key", "authorization", "x-twice"] {
        for value in request.headers.all(name) {
            seen += &format!("{name}: {value}\n");
        }
    }
    seen += &String::from_utf8_lossy(&request.body.to_bytes());
    let mut headers = Headers::default();
    headers.push("content-type", "text/plain");
    headers.push("x-two", "1");
    headers.push("x-two", "2");
    Reply { status: 418, headers, body: seen.into() }
}

async fn check(request: Request, expected: &str) {
    let server = Embedded::start(Arc::new(echo)).await;
    let target = Target::local(server.address(), Key::new("sk-ant-fake".to_owned())).unwrap();
    let observation = send(&Sender::new(target, Connections::Kept, 5_000), &request).await;
    let Observation::Reply(reply) = observation else { panic!("{observation:?}") };
    assert_eq!((reply.status, reply.headers.get("content-type")), (418, Some("text/plain")));
    assert_eq!(reply.headers.all("x-two").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(String::from_utf8(reply.body.into()).unwrap(), expected);
}

#[tokio::test]
async fn the_brain_sees_what_was_sent() {
    let text = |text: &'static str| Body::Bytes(text.into());
    let key = [("x-api-key", "$ANTHROPIC_API_KEY")];
    check(
        request("POST", "/v1/messages", &key, text("{}")),
        "POST /v1/messages\nx-api-key: sk-ant-fake\n{}",
    )
    .await;
    check(request("GET", "/v1/models?a=b&c", &[], Body::Empty), "GET /v1/models?a=b&c\n").await;
    check(request("PUT", "//v1/messages", &[], text("x")), "PUT //v1/messages\nx").await;
    // White space around a value is not part of it; white space inside is.
    let spaced = [("authorization", "  Bearer  k ")];
    check(request("POST", "/", &spaced, text("")), "POST /\nauthorization: Bearer  k\n").await;
    let twice = [("x-twice", "1"), ("x-twice", "2")];
    check(request("POST", "/", &twice, text("")), "POST /\nx-twice: 1\nx-twice: 2\n").await;
}

#[tokio::test]
async fn forgetting_old_requests_loses_no_answer() {
    // Three times what the mock may remember, many requests at a time.
    const CASES: usize = 1_500;
    let body = Body::Bytes("x".repeat(32 * 1024).into());
    let server =
        Embedded::start(Arc::new(|_: &Request| Reply { status: 200, ..Reply::default() })).await;
    let target = Target::local(server.address(), Key::new(String::new())).unwrap();
    let case = |number| Case {
        id: CaseId(format!("2026-10-21/messages.create/valid//{number}")),
        version: Version::V2026_10_21,
        operation: OperationId::MessagesCreate,
        origin: Origin::Valid,
        traits: Traits::default(),
        request: request("POST", "/v1/messages", &[], body.clone()),
    };
    let pace =
        Pace { in_flight_max: 16, deadline_ms: 10_000, connections: Connections::Kept, gate: None };
    let statuses: Vec<_> =
        replay(&target, (0..CASES).map(case), pace).map(|(_, seen)| seen.status()).collect().await;
    assert_eq!(statuses, vec![Some(200); CASES]);
}

fn contract() -> Arc<Contract> {
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
}

#[tokio::test]
async fn the_abiding_brain_judges_and_answers() {
    let contract = contract();
    let key = "sk-ant-api03-probity-test-key".to_owned();
    let config = mock::Config {
        key: Some(key.clone()),
        rules: mock::Rules::All,
        seed: 1,
        pace: mock::Pace::Instant,
        limits: None,
    };
    let now = mock::Now::at_date(&contract.as_of).unwrap();
    let server = Embedded::start(abiding(contract, config, now)).await;
    let sender = |key| {
        let target = Target::local(server.address(), Key::new(key)).unwrap();
        Sender::new(target, Connections::Kept, 5_000)
    };
    let headers = [
        ("x-api-key", "$ANTHROPIC_API_KEY"),
        ("anthropic-version", "2026-10-21"),
        ("content-type", "application/json"),
    ];
    let post =
        |body: &'static str| request("POST", "/v1/messages", &headers, Body::Bytes(body.into()));
    let hello = r#"{"model":"claude-sonnet-4-6","max_tokens":1,"messages":[{"role":"user","content":"A"}]}"#;
    let sender_ok = sender(key);
    for (sender, body, status) in [
        (&sender_ok, hello, 200),
        (&sender_ok, "{}", 400),
        (&sender("sk-ant-api03-wrong".to_owned()), hello, 401),
    ] {
        assert_eq!(send(sender, &post(body)).await.status(), Some(status));
    }
}
