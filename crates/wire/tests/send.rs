//! What leaves equals what the request says, and whatever comes back has a name.
//!
//! Real sockets on both sides: the peer is a listener that records bytes and then does what the test says.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use classify::{Body, Cut, CutKind, Headers, Observation, Reply, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::raw::needs_raw;
use wire::send::{Connections, Sender, send};
use wire::target::{Key, Target};

const FAKE_KEY: &str = "sk-ant-api03-probity-test-key";

/// Long beside anything that happens on loopback, short beside a person's patience.
const DEADLINE_MS: u64 = 5_000;

const MESSAGE: &str = r#"{"model":"claude-opus-4-1","max_tokens":1,"messages":[]}"#;

fn sender(address: SocketAddr, connections: Connections, deadline_ms: u64) -> Sender {
    let target = Target::local(address, Key::new(FAKE_KEY.to_owned())).unwrap();
    Sender::new(target, connections, deadline_ms)
}

fn post(headers: &[(&'static str, &'static str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Request {
        method: "POST".into(),
        target: "/v1/messages".into(),
        headers: Headers(headers.collect()),
        body: Body::Bytes(MESSAGE.into()),
    }
}

fn repeat(count: u64) -> Body {
    let [prefix, unit, suffix] = ["[", "0123456789abcdef", "]"].map(Bytes::from);
    Body::Repeat { prefix, unit, count, suffix }
}

/// A listener for one connection.
async fn listen<F, T>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, tokio::task::JoinHandle<T>)
where
    F: Future<Output = T> + Send,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    (address, served)
}

/// Reads one request, whose body must have its length declared.
async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let head = seen.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&seen[..head]).to_lowercase();
            let length = text
                .split_once("content-length:")
                .map_or(0, |(_, rest)| rest.lines().next().unwrap().trim().parse().unwrap());
            if seen.len() >= head + length {
                return seen;
            }
        }
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "the sender hung up in the middle of a request");
        seen.extend_from_slice(&buffer[..count]);
    }
}

/// What a tap between the sender and its target sees of one request.
async fn tapped(request: &Request) -> (Vec<u8>, SocketAddr) {
    let (address, served) = listen(async |mut stream: TcpStream| {
        let mut seen = read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut seen).await.unwrap();
        seen
    })
    .await;
    let observation = send(&sender(address, Connections::Fresh, DEADLINE_MS), request).await;
    assert_eq!(observation.status(), Some(204), "{observation:?}");
    (served.await.unwrap(), address)
}

/// The head that leaves is `lines`, with HOST for the address; the body is the request's.
async fn check_exact(request: Request, lines: &[&str]) {
    assert!(needs_raw(&request));
    let (seen, address) = tapped(&request).await;
    let head = lines.join("\r\n").replace("HOST", &address.to_string());
    let expected = [head.as_bytes(), b"\r\n\r\n", &request.body.to_bytes()].concat();
    assert!(seen == expected, "left: {}", String::from_utf8_lossy(&seen[..seen.len().min(2_000)]));
}

#[tokio::test]
async fn a_raw_request_leaves_byte_for_byte() {
    let end = [&*format!("content-length: {}", MESSAGE.len()), "connection: close"];
    let check = async |request: Request, lines: &[&str]| {
        check_exact(request, &[lines, &end].concat()).await;
    };
    let line = "POST /v1/messages HTTP/1.1";
    let bearer = format!("authorization: Bearer  {FAKE_KEY}");
    check(post(&[("authorization", "Bearer  $ANTHROPIC_API_KEY")]), &[line, "host: HOST", &bearer])
        .await;
    let padded = format!("x-api-key:   {FAKE_KEY} \t");
    check(post(&[("x-api-key", "  $ANTHROPIC_API_KEY \t")]), &[line, "host: HOST", &padded]).await;
    check(post(&[("x-api-key", "")]), &[line, "host: HOST", "x-api-key: "]).await;
    let twice = [("X-Api-Key", "a"), ("anthropic-version", "2026-10-21"), ("x-api-key", "b")];
    let fields = ["X-Api-Key: a", "anthropic-version: 2026-10-21", "x-api-key: b"];
    check(post(&twice), &[&[line, "host: HOST"], &fields[..]].concat()).await;
    check(post(&[("x-name", "caf\u{e9}")]), &[line, "host: HOST", "x-name: caf\u{e9}"]).await;
    check(post(&[("host", "api.example.com")]), &[line, "host: api.example.com"]).await;
    for (method, target) in [
        ("PUT", "/v1/messages"),
        ("post", "/v1/messages"),
        ("POST", "//v1/messages"),
        ("POST", "/v1/../v1/./messages"),
        ("POST", "/v1/mes sages?a=b#c"),
        ("POST", "v1/messages"),
    ] {
        let request = Request { method: method.into(), target: target.into(), ..post(&[]) };
        check(request, &[&format!("{method} {target} HTTP/1.1"), "host: HOST"]).await;
    }
}

#[tokio::test]
async fn a_raw_request_is_not_given_what_it_brings() {
    let brings = [("content-length", "5"), ("connection", "keep-alive")];
    let request = Request { body: Body::Bytes("12345".into()), ..post(&brings) };
    let lines = ["host: HOST", "content-length: 5", "connection: keep-alive"];
    check_exact(request, &[&["POST /v1/messages HTTP/1.1"], &lines[..]].concat()).await;
    let bare =
        Request { method: "GET".into(), body: Body::Empty, target: "//".into(), ..post(&[]) };
    check_exact(bare, &["GET // HTTP/1.1", "host: HOST", "connection: close"]).await;
}

#[tokio::test]
async fn a_heavy_body_leaves_whole() {
    let request =
        Request { body: repeat(500_000), ..post(&[("content-type", "application/json")]) };
    let length = "content-length: 8000002";
    let lines = ["host: HOST", "content-type: application/json", length, "connection: close"];
    check_exact(request, &[&["POST /v1/messages HTTP/1.1"], &lines[..]].concat()).await;
}

/// The ordinary way says the same as the request, plus what the client needs and nothing else.
async fn check_plain(request: Request) {
    assert!(!needs_raw(&request));
    let (seen, address) = tapped(&request).await;
    let at = seen.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(seen[..at].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next().unwrap(), format!("{} {} HTTP/1.1", request.method, request.target));
    let mut expected = vec![format!("host: {address}")];
    let has_length = head.contains("content-length");
    if has_length {
        expected.push(format!("content-length: {}", request.body.len()));
    }
    assert!(has_length || request.body.is_empty());
    if request.headers.get("accept").is_none() {
        expected.push("accept: */*".to_owned());
    }
    for (name, value) in request.headers.iter() {
        expected.push(format!("{name}: {}", value.replace("$ANTHROPIC_API_KEY", FAKE_KEY)));
    }
    let mut fields: Vec<_> = lines.map(str::to_owned).collect();
    fields.sort();
    expected.sort();
    assert_eq!(fields, expected);
    assert_eq!(&seen[at + 4..], &request.body.to_bytes()[..]);
}

#[tokio::test]
async fn a_plain_request_leaves_unchanged() {
    let version = ("anthropic-version", "2026-10-21");
    check_plain(post(&[])).await;
    check_plain(post(&[("x-api-key", "$ANTHROPIC_API_KEY"), version])).await;
    let both =
        [("x-api-key", "$ANTHROPIC_API_KEY"), ("authorization", "Bearer $ANTHROPIC_API_KEY")];
    check_plain(post(&both)).await;
    check_plain(post(&[("content-type", "text/plain; charset=utf-8"), ("accept", "text/html")]))
        .await;
    let gzip = Bytes::from_static(b"\x1f\x8b\x08\x00\xff\xfe");
    check_plain(Request { body: Body::Bytes(gzip), ..post(&[("content-encoding", "gzip")]) }).await;
    check_plain(Request { body: Body::Empty, ..post(&[version]) }).await;
    check_plain(Request { body: repeat(1_000), ..post(&[version]) }).await;
    for (method, target) in [
        ("GET", "/v1/models?limit=2&after_id=a%2Fb"),
        ("DELETE", "/v1/messages/batches/msgbatch_1"),
    ] {
        let (method, target) = (method.into(), target.into());
        check_plain(Request { method, target, body: Body::Empty, ..post(&[version]) }).await;
    }
}

#[tokio::test]
async fn what_cannot_be_written_says_why() {
    let sender = sender("127.0.0.1:9".parse().unwrap(), Connections::Fresh, DEADLINE_MS);
    for request in [
        post(&[("x-api-key", "a\r\nb: c")]),
        post(&[("x-a\n", "b")]),
        Request { target: "/v1\n".into(), ..post(&[]) },
        Request { method: "PO\rST".into(), ..post(&[]) },
    ] {
        let observation = send(&sender, &request).await;
        assert!(
            matches!(&observation, Observation::Unsendable(why) if why.contains("line break")),
            "{observation:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_comes_during_the_upload_is_seen() {
    let (address, _served) = listen(async |mut stream: TcpStream| {
        let mut some = vec![0; 256 * 1024];
        stream.read_exact(&mut some).await.unwrap();
        let answer = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 7\r\n\r\ntoo big";
        stream.write_all(answer).await.unwrap();
        // Neither reads on nor closes.
        std::future::pending::<()>().await;
    })
    .await;
    let request = Request { body: repeat(2_500_000), ..post(&[]) };
    assert_eq!(request.body.len(), 40_000_002);
    let observation = send(&sender(address, Connections::Fresh, DEADLINE_MS), &request).await;
    let Observation::Reply(reply) = observation else { panic!("{observation:?}") };
    assert_eq!((reply.status, &*reply.body), (413, &b"too big"[..]));
}

/// What the peer does once it has read the request and said its piece.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Reset,
    Wait,
}

/// Sends over the ordinary and the raw road; both must see the same.
async fn check_cut(says: &'static str, then: Then, kind: CutKind, partial: Option<(u16, &str)>) {
    let (plain, raw) = (post(&[("x-a", "b")]), post(&[("X-A", "b")]));
    assert!(!needs_raw(&plain) && needs_raw(&raw));
    for request in [plain, raw] {
        let (address, _served) = listen(async move |mut stream: TcpStream| {
            read_request(&mut stream).await;
            stream.write_all(says.as_bytes()).await.unwrap();
            // A reset overtakes what was written just before it; this lets the words arrive first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            match then {
                Then::Close => {}
                Then::Reset => stream.set_zero_linger().unwrap(),
                Then::Wait => std::future::pending().await,
            }
        })
        .await;
        let deadline_ms = if kind == CutKind::TimedOut { 200 } else { DEADLINE_MS };
        let observation = send(&sender(address, Connections::Kept, deadline_ms), &request).await;
        let Observation::Cut(Cut { kind: seen, partial: got }) = observation else {
            panic!("{says:?}: {observation:?}")
        };
        let got =
            got.map(|Reply { status, body, .. }| (status, String::from_utf8(body.into()).unwrap()));
        let got = got.as_ref().map(|(status, body)| (*status, &**body));
        assert_eq!((seen, got), (kind, partial), "{says:?}, raw: {}", needs_raw(&request));
    }
}

#[tokio::test]
async fn a_lost_answer_has_a_name_and_keeps_what_arrived() {
    let ten = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n";
    let bad_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\nzz\r\n";
    let half_head = "HTTP/1.1 200 OK\r\ncontent-le";
    let arrived = Some((200, "four"));
    check_cut("", Then::Close, CutKind::Closed, None).await;
    check_cut(half_head, Then::Close, CutKind::Closed, None).await;
    check_cut(ten, Then::Close, CutKind::Closed, arrived).await;
    check_cut(chunked, Then::Close, CutKind::Closed, arrived).await;
    check_cut("", Then::Reset, CutKind::Reset, None).await;
    check_cut(ten, Then::Reset, CutKind::Reset, arrived).await;
    check_cut("", Then::Wait, CutKind::TimedOut, None).await;
    check_cut(half_head, Then::Wait, CutKind::TimedOut, None).await;
    check_cut(ten, Then::Wait, CutKind::TimedOut, arrived).await;
    check_cut("SSH-2.0-OpenSSH_9.6\r\n\r\n", Then::Close, CutKind::BadFraming, None).await;
    check_cut(bad_chunk, Then::Wait, CutKind::BadFraming, arrived).await;
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sender = sender(address, Connections::Fresh, DEADLINE_MS);
    for request in [post(&[]), post(&[("X-A", "b")])] {
        let expected = Observation::Cut(Cut { kind: CutKind::Refused, partial: None });
        assert_eq!(send(&sender, &request).await, expected);
    }
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        // Says that the connection stays open, and closes it.
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    let sender = sender(address, Connections::Kept, DEADLINE_MS);
    for _ in 0..3 {
        assert_eq!(send(&sender, &post(&[])).await.status(), Some(200));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
