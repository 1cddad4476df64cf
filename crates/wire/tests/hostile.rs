//! Servers that mean harm, or behave as if they did: each exchange ends within its limits, in memory that is bounded,
//! and what came of it has a class. Both senders are tried.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use classify::{Body, Class, CutKind, Headers, Observation, Request, classify};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::raw::needs_raw;
use wire::send::{Connections, Sender, send};
use wire::target::{Key, Target};

/// Of one exchange. Loopback moves more than the limit of an answer in it, even on a busy machine.
const DEADLINE_MS: u64 = 1_500;
/// How far beyond its deadline an exchange may go, for the machine's own sake.
const LATE_MS_MAX: u64 = 2_000;
/// The largest answer in both copies that joining its pieces takes, for each of a few tests at once.
const GROWTH_KB_MAX: u64 = 256 * 1024;
/// What an endless server offers, which is more than anybody should take.
const ENDLESS_BYTES: usize = 1 << 30;

/// What a server does with a connection after its request.
#[derive(Clone, Copy, Debug)]
enum Evil {
    /// These bytes, then a close.
    Say(&'static str),
    /// These bytes, and the connection stays open.
    SayAndStay(&'static str),
    /// The head, and then this until it has been a gigabyte.
    Flood(&'static str, &'static str),
    /// The head, and then one byte in a while.
    Drip(&'static str),
    /// Nothing, for ever.
    Silence,
    /// Announces ten thousand times, and then answers.
    Interim(usize),
}

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

async fn listen(evil: Evil) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, evil));
        }
    });
    Server { address, connections }
}

async fn serve(mut stream: TcpStream, evil: Evil) {
    let mut request = [0; 4_096];
    let _a_small_request = stream.read(&mut request).await;
    // A sender that had enough hangs up, which is what these tests are about.
    let _ends_with_the_sender = act(&mut stream, evil).await;
}

async fn act(stream: &mut TcpStream, evil: Evil) -> std::io::Result<()> {
    match evil {
        Evil::Say(text) => stream.write_all(text.as_bytes()).await?,
        Evil::SayAndStay(text) => {
            stream.write_all(text.as_bytes()).await?;
            wait_for_the_sender(stream).await?;
        }
        Evil::Flood(head, unit) => {
            stream.write_all(head.as_bytes()).await?;
            let piece = unit.repeat(64 * 1024 / unit.len());
            for _ in 0..ENDLESS_BYTES / piece.len() {
                stream.write_all(piece.as_bytes()).await?;
            }
        }
        Evil::Drip(head) => {
            stream.write_all(head.as_bytes()).await?;
            for _ in 0..10_000 {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Evil::Silence => wait_for_the_sender(stream).await?,
        Evil::Interim(times) => {
            let announced = "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n".repeat(times);
            stream.write_all(announced.as_bytes()).await?;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        }
    }
    stream.shutdown().await
}

async fn wait_for_the_sender(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.read(&mut [0]).await.map(drop)
}

fn request(is_raw: bool) -> Request {
    let mut headers = Headers::default();
    headers.push("x-api-key", "$ANTHROPIC_API_KEY");
    // A header twice is what an ordinary client would not send as it is.
    if is_raw {
        headers.push("x-api-key", "$ANTHROPIC_API_KEY");
    }
    let body = Body::Bytes("{}".into());
    Request { method: "POST".into(), target: "/v1/messages".into(), headers, body }
}

/// Kilobytes that this process holds, at most so far.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Both senders, one after the other; the classes are in the order ordinary, raw.
async fn check(evil: Evil, expected: [Class; 2]) {
    let before = peak_kb();
    for (is_raw, expected) in [false, true].into_iter().zip(expected) {
        let server = listen(evil).await;
        let target =
            Target::local(server.address, Key::new("sk-ant-api03-fake".to_owned())).unwrap();
        let sender = Sender::new(target, Connections::Fresh, DEADLINE_MS);
        let request = request(is_raw);
        assert_eq!(needs_raw(&request), is_raw);
        let started = Instant::now();
        let observation = send(&sender, &request).await;
        let took = started.elapsed();
        assert!(took < Duration::from_millis(DEADLINE_MS + LATE_MS_MAX), "{evil:?}: {took:?}");
        assert_eq!(classify(&observation), expected, "{evil:?}, raw: {is_raw}");
        assert_eq!(server.connections.load(Ordering::SeqCst), 1, "{evil:?} was asked once");
        let body = match &observation {
            Observation::Reply(reply) => reply.body.len(),
            Observation::Cut(cut) => cut.partial.as_ref().map_or(0, |reply| reply.body.len()),
            Observation::Unsendable(_) => 0,
        };
        assert!(body < 20 << 20, "{evil:?}: {body} bytes were kept");
    }
    let growth = peak_kb().saturating_sub(before);
    assert!(growth < GROWTH_KB_MAX, "{evil:?}: {growth} kB more");
}

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
const SSE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

const TIMED_OUT: Class = Class::Unreachable(CutKind::TimedOut);
const CLOSED: Class = Class::Unreachable(CutKind::Closed);
const BAD_FRAMING: Class = Class::Unreachable(CutKind::BadFraming);

#[tokio::test]
async fn floods_are_left_at_a_limit() {
    check(Evil::Flood(JSON, "x"), [TIMED_OUT; 2]).await;
    // A line without an end is more than a decoder takes; then events without an end.
    check(Evil::Flood(SSE, "data: x"), [Class::StreamMalformed; 2]).await;
    check(Evil::Flood(SSE, "event: ping\ndata: {}\n\n"), [Class::StreamCut; 2]).await;
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    check(Evil::Flood(chunked, "8\r\n12345678\r\n"), [TIMED_OUT; 2]).await;
    let huge = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffff\r\n";
    check(Evil::Flood(huge, "x"), [TIMED_OUT; 2]).await;
    let long = "HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n";
    check(Evil::Flood(long, "x"), [TIMED_OUT; 2]).await;
}

#[tokio::test]
async fn heads_without_an_end_are_no_http() {
    check(Evil::Flood("HTTP/1.1 200 OK\r\n", "a: b\r\n"), [BAD_FRAMING; 2]).await;
    check(Evil::Flood("HTTP/1.1 200 OK\r\na: ", "b"), [BAD_FRAMING; 2]).await;
    check(Evil::Flood("HTTP/1.1 200 ", "b"), [BAD_FRAMING; 2]).await;
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;";
    check(Evil::Flood(chunked, "x"), [BAD_FRAMING; 2]).await;
}

#[tokio::test]
async fn what_never_ends_is_left_in_time() {
    check(Evil::Drip(JSON), [TIMED_OUT; 2]).await;
    check(Evil::Drip("HTTP/1.1 200 OK\r\na: "), [TIMED_OUT; 2]).await;
    check(Evil::Silence, [TIMED_OUT; 2]).await;
    check(Evil::SayAndStay(JSON), [TIMED_OUT; 2]).await;
    // Whole, whatever the connection does.
    let whole = "HTTP/1.1 204 No Content\r\n\r\n";
    check(Evil::SayAndStay(whole), [Class::Impostor; 2]).await;
}

#[tokio::test]
async fn lengths_that_are_wrong_have_a_name() {
    let long = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"type\":\"message\"}";
    check(Evil::Say(long), [CLOSED; 2]).await;
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{\"type\":\"message\"}";
    check(Evil::Say(short), [Class::Malformed; 2]).await;
    check(Evil::Say("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"), [BAD_FRAMING; 2]).await;
    check(
        Evil::Say("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"),
        [BAD_FRAMING; 2],
    )
    .await;
}

#[tokio::test]
async fn garbage_has_a_name() {
    check(
        Evil::Say("HTTP/1.1 999 Whatever\r\ncontent-length: 2\r\n\r\nhi"),
        [Class::Intermediary; 2],
    )
    .await;
    check(Evil::Say("HTTP/1.1 abc\r\n\r\n"), [BAD_FRAMING; 2]).await;
    check(Evil::Say("\u{0}\u{1}\u{2}\r\n\r\n"), [BAD_FRAMING; 2]).await;
    check(Evil::Say(""), [CLOSED; 2]).await;
}

#[tokio::test]
async fn announcements_are_no_answer() {
    check(Evil::Interim(10), [Class::Impostor; 2]).await;
    // Hyper passes over any number, ours over a hundred.
    check(Evil::Interim(10_000), [Class::Impostor, BAD_FRAMING]).await;
    let switched = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    check(Evil::SayAndStay(switched), [Class::Intermediary; 2]).await;
}

/// A bomb is kept as it came, since nobody asked for a coding: a few kilobytes stay a few kilobytes.
#[tokio::test]
async fn nothing_is_unpacked() {
    let bomb = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
                content-length: 10\r\n\r\n\u{1f}123456789";
    check(Evil::Say(bomb), [Class::Impostor; 2]).await;
}

/// The other origin is up, and nobody comes.
#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = listen(Evil::Say("HTTP/1.1 204 No Content\r\n\r\n")).await;
    for status in [301, 302, 303, 307, 308] {
        for location in
            [format!("http://{}/v1/messages", elsewhere.address), "/v1/messages".to_owned()]
        {
            let text = format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
            );
            check(Evil::Say(text.leak()), [Class::Intermediary; 2]).await;
        }
    }
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
}
