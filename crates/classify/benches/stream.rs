//! How fast streams are decoded, read for their grammar and held to every rule.

use std::fmt::Write;
use std::hint::black_box;

use classify::sse::Decoder;
use classify::stream;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

criterion_group!(benches, many_events, one_event);
criterion_main!(benches);

/// A long answer, word by word.
const EVENTS: usize = 50_000;

/// The largest delta worth expecting.
const LARGE_BYTES: usize = 8 * 1024 * 1024;

fn many_events(criterion: &mut Criterion) {
    let text = |out: &mut String, number: usize| {
        write!(out, r#"{{"type":"text_delta","text":" word {number:05} of it"}}"#)
    };
    run(criterion, "many-events", &body("{\"type\":\"text\",\"text\":\"\"}", EVENTS, text));
    let json = |out: &mut String, number: usize| {
        write!(out, r#"{{"type":"input_json_delta","partial_json":"{{\"at\": {number}"}}"#)
    };
    let call = "{\"type\":\"tool_use\",\"id\":\"toolu_01\",\"name\":\"a\",\"input\":{}}";
    run(criterion, "many-pieces", &body(call, EVENTS, json));
}

fn one_event(criterion: &mut Criterion) {
    let plain = "0123456789abcdef".repeat(LARGE_BYTES / 16);
    let text = |out: &mut String, _| write!(out, r#"{{"type":"text_delta","text":"{plain}"}}"#);
    run(criterion, "one-event", &body("{\"type\":\"text\",\"text\":\"\"}", 1, text));
    let escaped = r#"A line of some text in it.\n"#.repeat(LARGE_BYTES / 28);
    let text = |out: &mut String, _| write!(out, r#"{{"type":"text_delta","text":"{escaped}"}}"#);
    run(criterion, "one-event-escaped", &body("{\"type\":\"text\",\"text\":\"\"}", 1, text));
}

fn run(criterion: &mut Criterion, name: &str, body: &[u8]) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(body.len() as u64)).sample_size(20);
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let (mut decoder, mut bytes) = (Decoder::default(), 0);
            decoder.push_with(black_box(body), |event| bytes += event.data.len());
            bytes
        });
    });
    group.bench_function("read", |bencher| bencher.iter(|| stream::read(black_box(body))));
    group.bench_function("lint", |bencher| bencher.iter(|| stream::lint(black_box(body))));
    group.finish();
}

/// A whole message of one block.
fn body(
    block: &str,
    deltas: usize,
    delta: impl Fn(&mut String, usize) -> std::fmt::Result,
) -> Vec<u8> {
    let mut out = String::from(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01\",\
         \"type\":\"message\",\"role\":\"assistant\",\"model\":\"a\",\"content\":[],\
         \"stop_reason\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
    );
    out += "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,";
    out += &format!("\"content_block\":{block}}}\n\n");
    for number in 0..deltas {
        out += "event: content_block_delta\n";
        out += "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":";
        delta(&mut out, number).expect("a string takes everything");
        out += "}\n\n";
    }
    out += "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
    out += "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":\
            {\"stop_reason\":\"max_tokens\"},\"usage\":{\"output_tokens\":1}}\n\n";
    out += "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    out.into_bytes()
}
