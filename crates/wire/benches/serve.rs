//! The server beside a bare hyper answer of the same size, under a load of 16 kept connections.
//!
//! Server and load have a thread each. Runs are interleaved, so that what else the machine does falls on both
//! alike; medians are reported, never asserted. Peak memory is read after the first run and after the last: a
//! server that keeps something of each request would show.

#![expect(clippy::print_stdout, reason = "a bench reports on standard output")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use contract::spec::{Contract, Text, Texts};
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mock::{Config, Now, Pace, Rules};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use wire::serve::{BODY_TIME_MAX, Brain, Manner};

/// Enough for a rate that repeats to a few percent, few enough for five runs of each kind in a minute.
const REQUESTS: usize = 40_000;
const RUNS: usize = 5;
/// What an SDK's pool opens for a busy caller.
const CONNECTIONS: usize = 16;

const HELLO: &str = r#"{"model":"claude-sonnet-4-6","max_tokens":64,"messages":[{"role":"user","content":"Say hello."}]}"#;

fn main() {
    let started = Instant::now();
    let contract = Arc::new(contract());
    println!("contract parsed    {:7.1} ms", started.elapsed().as_secs_f64() * 1000.0);
    let started = Instant::now();
    let serve = on_a_thread({
        let contract = Arc::clone(&contract);
        async move || {
            let manner =
                Manner { latency: Duration::ZERO, body_time_max: BODY_TIME_MAX, version: None };
            let listen = SocketAddr::from(([127, 0, 0, 1], 0));
            let server = wire::serve::start(listen, abiding(contract), manner).await;
            let server = server.expect("a free port is found");
            (server.address, server)
        }
    });
    println!("listening          {:7.1} ms", started.elapsed().as_secs_f64() * 1000.0);
    let size = answer_size(serve);
    let bare = on_a_thread(async move || bare(size).await);
    let mut rates = [Vec::new(), Vec::new()];
    let mut peaks = Vec::new();
    for _ in 0..RUNS {
        for (rates, address) in rates.iter_mut().zip([serve, bare]) {
            rates.push(load(address, REQUESTS));
            peaks.push(peak_memory_kib() / 1024);
        }
    }
    let [serve, bare] = rates.map(|mut rates| median(&mut rates));
    println!(
        "probity serve      {serve:7.0} requests/s (median of {RUNS}, answers of {size} bytes)"
    );
    println!("bare hyper         {bare:7.0} requests/s");
    println!("of the bare rate   {:7.0}%", 100.0 * serve / bare);
    println!(
        "peak memory        {:7} MiB after {REQUESTS} requests, {} MiB after {}",
        peaks[0],
        peaks[peaks.len() - 1],
        REQUESTS * RUNS * 2
    );
}

/// Runs a server on a thread of its own, until the process ends.
fn on_a_thread<T, F>(start: impl FnOnce() -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = (SocketAddr, T)>,
{
    let (ready_tx, ready) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let (address, _server) = start().await;
            ready_tx.send(address).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    });
    ready.recv().expect("a server starts")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

fn abiding(contract: Arc<Contract>) -> Brain {
    let now = Now::at_date(&contract.as_of).expect("the contract has a date");
    let config = Config { key: None, rules: Rules::All, seed: 1, pace: Pace::Human, limits: None };
    let state = Mutex::new(mock::State::new());
    Arc::new(move |request, trouble| match trouble {
        Some(trouble) => mock::trouble(config.seed, request, trouble),
        None => {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            mock::answer(&mut state, &contract, &config, request, now)
        }
    })
}

/// hyper with an answer that is always the same, once it has read the body.
async fn bare(size: usize) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port is found");
    let address = listener.local_addr().expect("it is bound");
    let filler = Bytes::from(vec![b'x'; size]);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let filler = filler.clone();
            let respond = service_fn(move |request: hyper::Request<Incoming>| {
                let filler = filler.clone();
                async move {
                    let _body = request.into_body().collect().await;
                    let mut response = Response::new(Full::new(filler));
                    let json = hyper::header::HeaderValue::from_static("application/json");
                    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
                    Ok::<_, Infallible>(response)
                }
            });
            let _no_delay = stream.set_nodelay(true);
            let line = TokioIo::new(stream);
            tokio::spawn(http1::Builder::new().serve_connection(line, respond));
        }
    });
    (address, tasks)
}

/// Requests per second over kept connections, one request at a time on each.
fn load(address: SocketAddr, requests: usize) -> f64 {
    let started = Instant::now();
    runtime().block_on(async {
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            connections.spawn(async move {
                let mut stream = TcpStream::connect(address).await.expect("it listens");
                let _no_delay = stream.set_nodelay(true);
                let request = request();
                let mut buffer = Vec::with_capacity(16 * 1024);
                for _ in 0..requests / CONNECTIONS {
                    exchange(&mut stream, &request, &mut buffer).await;
                }
            });
        }
        while let Some(ended) = connections.join_next().await {
            ended.expect("a connection lasts");
        }
    });
    (requests / CONNECTIONS * CONNECTIONS) as f64 / started.elapsed().as_secs_f64()
}

/// Sends the request and reads the answer; its body's length.
async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> usize {
    stream.write_all(request).await.expect("it reads");
    buffer.clear();
    loop {
        let count = stream.read_buf(buffer).await.expect("it answers");
        assert!(count > 0, "it closed");
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let length = content_length(&buffer[..head]);
        if buffer.len() >= head + 4 + length {
            assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(buffer));
            return length;
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = str::from_utf8(head).expect("a head is text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse().ok()).expect("a whole answer has a length")
}

fn answer_size(address: SocketAddr) -> usize {
    runtime().block_on(async {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        exchange(&mut stream, &request(), &mut Vec::new()).await
    })
}

fn request() -> Vec<u8> {
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: sk-ant-api03-probity-test-key\r\n\
         anthropic-version: 2026-10-21\r\ncontent-type: application/json\r\naccept: application/json\r\n\
         user-agent: bench\r\ncontent-length: {}\r\n\r\n{HELLO}",
        HELLO.len()
    )
    .into_bytes()
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
