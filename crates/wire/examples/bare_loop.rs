//! How fast the bare road is: the sender and the embedded mock with nothing to judge, and with the mock
//! judging.
//!
//! `cargo run --release -p wire --example bare_loop`

#![expect(clippy::print_stdout, reason = "an example reports on standard output")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use classify::{Body, Headers, Reply, Request};
use contract::case::{Case, CaseId, Origin, Traits};
use contract::spec::{Contract, Text, Texts};
use contract::version::{OperationId, Version};
use futures::StreamExt;
use tokio::runtime::Builder;
use wire::replay::{Pace, replay};
use wire::send::Connections;
use wire::server::{Brain, Embedded, abiding};
use wire::target::{Key, Target};

/// Long enough for a rate that repeats to a few percent.
const CASES: usize = 30_000;

fn main() {
    let reply = reply();
    let bare: Brain = Arc::new(move |_| reply.clone());
    let contract = contract();
    let now = mock::Now::at_date(&contract.as_of).expect("the contract has a date");
    let config = mock::Config { key: None, rules: mock::Rules::All, seed: 1 };
    let judging = abiding(contract, config, now);
    for (name, mut builder) in [
        ("current_thread", Builder::new_current_thread()),
        ("multi_thread", Builder::new_multi_thread()),
    ] {
        let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime starts");
        for (judging, brain) in [("bare", &bare), ("judging", &judging)] {
            for connections in [Connections::Kept, Connections::Fresh] {
                for in_flight_max in [8, 16, 32, 64] {
                    let pace = Pace { in_flight_max, deadline_ms: 10_000, connections };
                    let result = runtime.block_on(measure(brain.clone(), pace));
                    println!("{name:14} {judging:7} {result}");
                }
            }
        }
    }
}

async fn measure(brain: Brain, pace: Pace) -> String {
    let server = Embedded::start(brain).await;
    let key = Key::new("sk-ant-api03-probity-test-key".to_owned());
    let target = Target::local(server.address(), key).expect("the mock is local");
    let start = Instant::now();
    let lost = replay(&target, (0..CASES).map(case), pace)
        .filter(|(_, seen)| std::future::ready(seen.status() != Some(200)))
        .count()
        .await;
    let rate = CASES as f64 / start.elapsed().as_secs_f64();
    let Pace { in_flight_max, connections, .. } = pace;
    format!("{connections:?} in flight {in_flight_max:2}: {rate:6.0} cases/s, {lost} lost")
}

fn contract() -> Arc<Contract> {
    let text = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(name);
        let text = std::fs::read_to_string(path).expect("the specs stand beside the crates");
        Text { name: name.to_owned(), text }
    };
    let texts = Texts {
        openapi: text("openapi.yaml"),
        overlays: vec![text("overlay-2023-06-01.yaml")],
        models: text("models.toml"),
        source: text("SOURCE.md"),
    };
    Arc::new(Contract::parse(&texts).expect("the contract is readable"))
}

fn reply() -> Reply {
    let mut headers = Headers::default();
    headers.push("content-type", "application/json");
    headers.push("request-id", "req_011CSHoEeqs5C35K2UUqR7Fy");
    Reply { status: 200, headers, body: "x".repeat(1_000).into() }
}

fn case(number: usize) -> Case {
    let mut headers = Headers::default();
    headers.push("x-api-key", "$ANTHROPIC_API_KEY");
    headers.push("anthropic-version", "2026-10-21");
    headers.push("content-type", "application/json");
    let text = format!("{number:01400}");
    let message = format!(r#"{{"role":"user","content":"{text}"}}"#);
    let body = format!(r#"{{"model":"claude-sonnet-4-6","max_tokens":16,"messages":[{message}]}}"#);
    let body = Body::Bytes(body.into());
    Case {
        id: CaseId(format!("2026-10-21/messages.create/valid//{number}")),
        version: Version::V2026_10_21,
        operation: OperationId::MessagesCreate,
        origin: Origin::Valid,
        traits: Traits::default(),
        request: Request { method: "POST".into(), target: "/v1/messages".into(), headers, body },
    }
}
