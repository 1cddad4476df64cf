//! The fault proxy does what its plan says, seen from a plain socket.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod connections;
mod doors;
mod replies;
#[cfg(feature = "tls")]
mod tls;
mod uploads;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use chaos::{Plan, Scenario};
use classify::Script;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use wire::proxy::{self, Proxy, Stand};
use wire::script::{self, ScriptServer};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n";

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

/// A scenario with this in it, faults last.
fn scenario(more: &str) -> Scenario {
    let head = "id = \"told\"\nwhy = \"w\"\nseverity = \"S3\"\nevidence = [\"e\"]\nsurfaces = [\"create\"]\n";
    let text = format!("{head}{more}[expect]\nattempts = \"every\"\noutcome = []\n");
    Scenario::parse(&text).unwrap()
}

async fn start(more: &str, upstream: Option<SocketAddr>) -> io::Result<Proxy> {
    let scenario = scenario(more);
    let replies = BTreeMap::from([("scripted".to_owned(), script("HTTP/1.1 400 No\n\nno\n"))]);
    let plan = Plan::new(&scenario, &replies).unwrap();
    let (started, authority) = (Instant::now(), None);
    proxy::start(Stand { scenario: &scenario, plan, upstream, started, authority, port: 0 }).await
}

fn fault(at: &str, fault: &str) -> String {
    format!("[[fault]]\nattempts = \"1\"\nat = {at}\nfault = {fault}\n")
}

async fn started(more: &str, scripts: Vec<Script>) -> (Proxy, ScriptServer) {
    let server = script::serve(scripts).await.unwrap();
    (start(more, Some(server.address)).await.unwrap(), server)
}

/// Silence is believed after this long, and an end that must come is waited for.
const SILENCE_MS: u64 = 150;
const END_MS_MAX: u64 = 10_000;

async fn ask(address: SocketAddr, patience_ms: u64) -> Seen {
    let mut stream = asked(address).await;
    read(&mut stream, patience_ms).await
}

async fn asked(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    stream
}

async fn pause(ms: u64) {
    sleep(Duration::from_millis(ms)).await;
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
