//! How fast the pure parts are: drawing, judging, naming what came back.

#![expect(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::hint::black_box;
use std::path::Path;

use arbitrary::Unstructured;
use classify::{Headers, Observation, Reply, classify};
use contract::generate::generate;
use contract::spec::{Contract, Text, Texts};
use contract::version::{OperationId, Version};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

criterion_group!(benches, draw, hold, name);
criterion_main!(benches);

/// Draws per iteration, so that the distribution of the corpus is timed and not one body.
const DRAWS: u64 = 1000;

fn draw(criterion: &mut Criterion) {
    let contract = contract();
    let edition = contract.edition(Version::V2026_10_21);
    let create = edition.operation(OperationId::MessagesCreate);
    let (mut sizes, mut turns, mut tools) = (Vec::new(), Vec::new(), 0);
    for index in 0..DRAWS {
        let draw = generate(&contract, edition, create, &mut Unstructured::new(&bytes(index)));
        sizes.push(draw.request.body.len());
        turns.push(draw.traits.turns);
        tools += u64::from(draw.traits.tools);
    }
    sizes.sort_unstable();
    turns.sort_unstable();
    let middle = DRAWS as usize / 2;
    println!(
        "draws: median {} bytes, {} turns, {}% with tools",
        sizes[middle],
        turns[middle],
        tools * 100 / DRAWS
    );

    let mut group = criterion.benchmark_group("generate");
    group.throughput(Throughput::Elements(DRAWS));
    group.bench_function("messages.create", |bencher| {
        bencher.iter(|| {
            for index in 0..DRAWS {
                black_box(generate(
                    &contract,
                    edition,
                    create,
                    &mut Unstructured::new(&bytes(index)),
                ));
            }
        });
    });
}

fn hold(criterion: &mut Criterion) {
    let contract = contract();
    let edition = contract.edition(Version::V2026_10_21);
    let create = edition.operation(OperationId::MessagesCreate);
    let bodies: Vec<serde_json::Value> = (0..DRAWS)
        .map(|index| {
            let draw = generate(&contract, edition, create, &mut Unstructured::new(&bytes(index)));
            serde_json::from_slice(&draw.request.body.to_bytes()).expect("a draw is JSON")
        })
        .collect();
    let mut group = criterion.benchmark_group("validate");
    group.throughput(Throughput::Elements(DRAWS));
    group.bench_function("messages.create", |bencher| {
        bencher.iter(|| {
            bodies.iter().filter(|body| edition.validators.request_holds(create.id, body)).count()
        });
    });
}

fn name(criterion: &mut Criterion) {
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.3.content.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_01."},"request_id":"req_011CProbity"}"#;
    let mut headers = Headers::default();
    headers.push("content-type", "application/json");
    headers.push("request-id", "req_011CProbity");
    let reply = Observation::Reply(Reply { status: 400, headers, body: body.into() });
    criterion.bench_function("classify/error reply", |bencher| {
        bencher.iter(|| classify(black_box(&reply)))
    });
}

fn bytes(index: u64) -> Vec<u8> {
    let mut state = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..256).flat_map(|_| next()).collect()
}

fn contract() -> Contract {
    Contract::parse(&Texts {
        openapi: text("openapi.yaml"),
        overlays: vec![text("overlay-2023-06-01.yaml")],
        models: text("models.toml"),
        source: text("SOURCE.md"),
    })
    .expect("the contract is readable")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bench reads the files that the pure crate takes as arguments"
)]
fn text(name: &str) -> Text {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(name);
    Text {
        name: name.to_owned(),
        text: std::fs::read_to_string(path).expect("the specs stand beside the crates"),
    }
}
