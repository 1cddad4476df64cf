//! The fault proxy does what its plan says, seen from a plain socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use chaos::{End, Plan, Scenario};
use classify::Script;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use wire::proxy::{self, Proxy};
use wire::script::{self, ScriptServer};

const REQUEST: &str = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";

/// How an exchange looks from the client's side.
#[derive(Debug, Eq, PartialEq)]
enum Seen {
    Closed(String),
    Reset(String),
    Silent(String),
}

fn script(more: &str) -> Script {
    let keys = "# class: accepted\n# operation: messages.create\n# why: w\n# source: s\n";
    Script::parse("scripted", &format!("{keys}{more}")).unwrap()
}

fn plain() -> Script {
    script("HTTP/1.1 200 OK\n\nabcdef\n")
}

fn plan(faults: &str) -> Plan {
    let head = "id = \"told\"\nwhy = \"w\"\nseverity = \"S3\"\nevidence = [\"e\"]\nsurfaces = [\"create\"]\n";
    let text = format!("{head}{faults}[expect]\nattempts = \"every\"\noutcome = []\n");
    let replies = BTreeMap::from([("scripted".to_owned(), script("HTTP/1.1 400 No\n\nno\n"))]);
    Plan::new(&Scenario::parse(&text).unwrap(), &replies).unwrap()
}

fn fault(at: &str, fault: &str) -> String {
    format!("[[fault]]\nattempts = \"1\"\nat = {at}\nfault = {fault}\n")
}

async fn started(faults: &str, scripts: Vec<Script>) -> (Proxy, ScriptServer) {
    let server = script::serve(scripts).await.unwrap();
    let proxy = proxy::start(plan(faults), Some(server.address), Instant::now()).await.unwrap();
    (proxy, server)
}

/// Silence is believed after this long, and an end that must come is waited for.
const SILENCE_MS: u64 = 150;
const END_MS_MAX: u64 = 10_000;

async fn ask(address: SocketAddr, patience_ms: u64) -> Seen {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    read(&mut stream, patience_ms).await
}

/// Reads until the other side ends it, or patience does.
async fn read(stream: &mut TcpStream, patience_ms: u64) -> Seen {
    let mut bytes = vec![];
    let end = timeout(Duration::from_millis(patience_ms), async {
        loop {
            match stream.read_buf(&mut bytes).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(error.kind()),
            }
        }
    });
    let end = end.await;
    let text = String::from_utf8(bytes).unwrap();
    match end {
        Ok(None) => Seen::Closed(text),
        Ok(Some(ErrorKind::ConnectionReset)) => Seen::Reset(text),
        Ok(Some(other)) => panic!("{other}"),
        Err(_) => Seen::Silent(text),
    }
}

/// One exchange through the proxy: what the client sees, and what the proxy says about it.
async fn check(faults: &str, reply: Script, expected: Seen, end: End) {
    let (proxy, _server) = started(faults, vec![reply]).await;
    let patience_ms = if matches!(expected, Seen::Silent(_)) { SILENCE_MS } else { END_MS_MAX };
    let seen = ask(proxy.address, patience_ms).await;
    assert_eq!(seen, expected, "{faults}");
    let record = proxy.finish().await;
    let (Seen::Closed(text) | Seen::Reset(text) | Seen::Silent(text)) = seen;
    assert_eq!(String::from_utf8_lossy(&record.attempts[0].served), text, "{faults}");
    assert_eq!((record.attempts[0].end, &*record.unfired), (end, &[][..]), "{faults}");
    assert_eq!(record.trouble, None);
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n";

#[tokio::test]
async fn a_reply_without_faults_passes_to_the_byte() {
    check("", plain(), Seen::Silent(format!("{HEAD}abcdef")), End::Kept).await;
    let odd = script("# framing: close\nHTTP/1.1 200 OK\nX-Odd:  \u{e9} \n\nabc\n\n\n");
    let bytes = String::from_utf8(odd.wire_bytes()).unwrap();
    check("", odd, Seen::Closed(bytes), End::Closed).await;
}

#[tokio::test]
async fn cuts_and_resets_reach_the_client_as_such() {
    let cut = || fault("{ body-byte = 3 }", "\"close\"");
    check(&cut(), plain(), Seen::Closed(format!("{HEAD}abc")), End::Closed).await;
    let reset = || fault("{ body-byte = 3 }", "\"reset\"");
    check(&reset(), plain(), Seen::Reset(format!("{HEAD}abc")), End::Reset).await;
    let early = fault("{ head-byte = 0 }", "\"reset\"");
    check(&early, plain(), Seen::Reset(String::new()), End::Reset).await;
    let in_head = fault("{ head-byte = 10 }", "\"close\"");
    check(&in_head, plain(), Seen::Closed("HTTP/1.1 2".to_owned()), End::Closed).await;
}

#[tokio::test]
async fn a_scripts_own_end_reaches_the_client() {
    let cut = script("# end: closed 2\nHTTP/1.1 200 OK\n\nabcdef\n");
    check("", cut, Seen::Closed(format!("{HEAD}ab")), End::Closed).await;
    let reset = script("# end: reset 2\nHTTP/1.1 200 OK\n\nabcdef\n");
    check("", reset, Seen::Reset(format!("{HEAD}ab")), End::Reset).await;
}

#[tokio::test]
async fn replies_are_replaced_and_amended() {
    let replaced = "HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\nno".to_owned();
    let inject = fault("{ head-byte = 0 }", "{ replace = { reply = \"scripted\" } }");
    check(&inject, plain(), Seen::Silent(replaced), End::Kept).await;
    let insert = fault("\"headers-start\"", r#"{ insert = { text = "a: b\r\n" } }"#);
    let amended = "HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 6\r\n\r\nabcdef".to_owned();
    check(&insert, plain(), Seen::Silent(amended), End::Kept).await;
}

#[tokio::test]
async fn a_stall_lasts_until_the_client_leaves() {
    let stall = fault("{ body-byte = 1 }", "\"stall\"");
    check(&stall, plain(), Seen::Silent(format!("{HEAD}a")), End::Left).await;
}

#[tokio::test]
async fn a_delay_delays() {
    let (proxy, _server) =
        started(&fault("{ body-byte = 2 }", "{ delay = { ms = 60 } }"), vec![plain()]).await;
    let before = Instant::now();
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let whole = format!("{HEAD}abcdef");
    let mut bytes = vec![0; whole.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), whole);
    assert!(Duration::from_millis(60) <= before.elapsed());
}

#[tokio::test]
async fn attempts_count_over_connections_and_on_kept_ones() {
    let replies = vec![plain(), script("HTTP/1.1 200 OK\n\nsecond\n")];
    let (proxy, server) = started("", replies).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    for expected in ["abcdef", "second"] {
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(format!("{HEAD}{expected}")));
    }
    assert_eq!(ask(proxy.address, SILENCE_MS).await, Seen::Silent(format!("{HEAD}second")));
    let record = proxy.finish().await;
    let places: Vec<_> = record.attempts.iter().map(|a| (a.number, a.connection)).collect();
    assert_eq!(places, [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(server.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    for attempt in &record.attempts {
        assert_eq!(&*attempt.request.body.to_bytes(), b"{}");
    }
}

#[tokio::test]
async fn a_chunked_request_is_read_and_passed_with_a_length() {
    let (proxy, server) = started("", vec![plain()]).await;
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, SILENCE_MS).await, Seen::Silent(format!("{HEAD}abcdef")));
    let seen = server.seen();
    assert_eq!(&*seen[0].request.body.to_bytes(), b"{}");
    assert_eq!(seen[0].request.headers.get("content-length"), Some("2"));
}

#[tokio::test]
async fn what_is_not_the_clients_doing_is_trouble() {
    let proxy = proxy::start(plan(""), None, Instant::now()).await.unwrap();
    assert_eq!(ask(proxy.address, END_MS_MAX).await, Seen::Closed(String::new()));
    let record = proxy.finish().await;
    assert_eq!(record.trouble.as_deref(), Some("cannot ask the upstream: there is none"));
}
