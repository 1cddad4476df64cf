//! The whole road beside the bare one: generate, send, classify, judge, against a loop that only sends.
//!
//! Both send the same bodies over loopback and get answers of the same sizes. Runs are interleaved, so that what
//! else the machine does falls on all alike; medians are reported, never asserted.
//!
//! With `ROAD_CASES=N` it makes one run of N cases instead and prints the peak memory: the parent does that for
//! two sizes, each in a process of its own.

#![expect(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use classify::{Body, Headers, Reply, Request};
use contract::case::Case;
use contract::corpus::{self, Plan};
use contract::judge::{Verdict, judge};
use contract::spec::{Contract, Text, Texts};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};
use wire::replay::{Pace, ahead, replay};
use wire::send::Connections;
use wire::server::{Brain, Embedded, abiding};
use wire::target::{Key, Target};

/// Enough for a rate that repeats to a few percent, few enough for five runs of each kind in a minute.
const CASES: usize = 12_000;
const RUNS: usize = 5;
/// Heavier bodies time the loopback and not the road.
const BODY_BYTES_MAX: u64 = 64 * 1024;
const PACE: Pace =
    Pace { in_flight_max: 16, deadline_ms: 30_000, connections: Connections::Kept, gate: None };

fn main() {
    let contract = Arc::new(contract());
    if let Some(cases) = std::env::var("ROAD_CASES").ok().and_then(|cases| cases.parse().ok()) {
        road(&flavours()[0].1, &contract, cases);
        return println!("{}", peak_memory_kib());
    }
    compare(&contract);
    memory();
}

fn compare(contract: &Arc<Contract>) {
    let requests: Vec<(Request, usize)> = sizes(contract);
    let mut rates = vec![Vec::new(); 4];
    for _ in 0..RUNS {
        for (flavour, (_, runtime)) in flavours().into_iter().enumerate() {
            rates[flavour].push(road(&runtime, contract, CASES));
            rates[2 + flavour].push(bare(&runtime, &requests));
        }
    }
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    for (name, rate) in
        ["road, one thread", "road, two threads", "bare, one thread", "bare, two threads"]
            .iter()
            .zip(&medians)
    {
        println!("{name:18} {rate:7.0} cases/s (median of {RUNS})");
    }
    let (road, bare) = (medians[0].max(medians[1]), medians[2].max(medians[3]));
    println!("{:18} {:6.0}% of the bare road", "the whole road", 100.0 * road / bare);
}

fn flavours() -> [(&'static str, Runtime); 2] {
    let build = |mut builder: Builder| builder.enable_all().build().expect("a runtime starts");
    let mut two = Builder::new_multi_thread();
    two.worker_threads(2);
    [("one thread", build(Builder::new_current_thread())), ("two threads", build(two))]
}

/// Cases per second of the whole road.
fn road(runtime: &Runtime, contract: &Arc<Contract>, count: usize) -> f64 {
    let now = mock::Now::at_date(&contract.as_of).expect("the contract has a date");
    let config = mock::Config {
        key: Some(KEY.to_owned()),
        rules: mock::Rules::All,
        seed: 1,
        pace: mock::Pace::Instant,
        limits: None,
    };
    let brain = abiding(contract.clone(), config, now);
    std::thread::scope(|scope| {
        runtime.block_on(async {
            let server = Embedded::start(brain).await;
            let start = Instant::now();
            let mut records = Vec::new();
            let mut answers = replay(&target(&server), ahead(scope, cases(contract, count)), PACE);
            while let Some((case, observation)) = answers.next().await {
                records.push(judge(contract, &case, &observation));
            }
            let drift = records.iter().filter(|record| record.verdict != Verdict::Agree).count();
            assert_eq!((records.len(), drift), (count, 0), "a road with drift is not worth timing");
            count as f64 / start.elapsed().as_secs_f64()
        })
    })
}

/// Requests per second of a loop that only sends, with the same bodies and answers of the same sizes.
fn bare(runtime: &Runtime, requests: &[(Request, usize)]) -> f64 {
    const FILLER: &[u8] = &[b'x'; 1 << 20];
    let brain: Brain = Arc::new(|request| {
        let size =
            request.headers.get("x-size").and_then(|size| size.parse::<usize>().ok()).unwrap_or(0);
        let mut headers = Headers::default();
        headers.push("content-type", "application/json");
        Reply { status: 200, headers, body: FILLER[..size.min(FILLER.len())].into() }
    });
    runtime.block_on(async {
        let server = Embedded::start(brain).await;
        let client = wire::send::builder().no_proxy().build().expect("a client without TLS builds");
        let url = format!("http://{}/v1/messages", server.address());
        let start = Instant::now();
        let seen = futures::stream::iter(requests)
            .map(|(request, size)| {
                let sent =
                    client.post(&url).header("x-size", *size).body(request.body.to_bytes()).send();
                async move {
                    sent.await.expect("the server answers").bytes().await.expect("whole").len()
                }
            })
            .buffered(PACE.in_flight_max)
            .count()
            .await;
        seen as f64 / start.elapsed().as_secs_f64()
    })
}

/// The requests of the road, each with the size of its answer.
fn sizes(contract: &Arc<Contract>) -> Vec<(Request, usize)> {
    let now = mock::Now::at_date(&contract.as_of).expect("the contract has a date");
    let config = mock::Config {
        key: None,
        rules: mock::Rules::All,
        seed: 1,
        pace: mock::Pace::Instant,
        limits: None,
    };
    let mut state = mock::State::new();
    let answer = |case: Case| {
        let reply = mock::answer(&mut state, contract, &config, &case.request, now).into_reply();
        (case.request, reply.body.len())
    };
    cases(contract, CASES).map(answer).collect()
}

fn cases(contract: &Contract, count: usize) -> impl Iterator<Item = Case> {
    let plan = Plan { seed: 1, cases_max: Some(usize::MAX), heavy: false };
    let light = |case: &Case| {
        !matches!(case.request.body, Body::Repeat { .. })
            && case.request.body.len() < BODY_BYTES_MAX
    };
    corpus::cases(contract, &[], plan).filter(light).take(count)
}

/// Peak memory at two sizes, each in a process of its own.
fn memory() {
    let peak = |cases: usize| -> f64 {
        let this = std::env::current_exe().expect("a running program has a path");
        let output = Command::new(this)
            .env("ROAD_CASES", cases.to_string())
            .output()
            .expect("it runs again");
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
    };
    let (small, large) = (peak(5_000), peak(50_000));
    println!(
        "peak memory        {:.0} MiB at 5,000 cases, {:.0} MiB at 50,000: {:.2} times",
        small / 1024.0,
        large / 1024.0,
        large / small
    );
}

fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

const KEY: &str = "sk-ant-api03-probity-test-key";

fn target(server: &Embedded) -> Target {
    Target::local(server.address(), Key::new(KEY.to_owned())).expect("the mock is local")
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

fn text(name: &str) -> Text {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(name);
    Text {
        name: name.to_owned(),
        text: std::fs::read_to_string(path).expect("the specs stand beside the crates"),
    }
}
