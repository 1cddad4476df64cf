//! Targets behind https: who is trusted, that both senders speak it, and that nobody else is contacted.

#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use classify::{Body, Headers, Observation, Request};
use contract::case::{Case, CaseId, Origin, Traits};
use contract::version::{OperationId, Version};
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt, ready};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wire::raw::needs_raw;
use wire::replay::{Admit, Gate, Pace, replay};
use wire::send::{Connections, Sender, send};
use wire::target::{Key, Reach, Target};
use wire::tls::{Authority, Peer, acceptor};

const FAKE_KEY: &str = "sk-ant-api03-probity-test-key";
const DEADLINE_MS: u64 = 10_000;

/// The only name that the servers of the harness have besides those of this machine.
const GATEWAY: &str = "wrong.invalid";

/// A server behind a certificate, which answers with the head that it was sent.
async fn listen(authority: &Arc<Authority>, peer: Peer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = acceptor(authority, peer);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut head = vec![0; 64 * 1024];
            let length = stream.read(&mut head).await.unwrap_or(0);
            let seen = String::from_utf8_lossy(&head[..length]).into_owned();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{seen}", seen.len());
            let _the_sender_may_be_gone = stream.write_all(answer.as_bytes()).await;
            let _best_effort = stream.shutdown().await;
        }
    });
    address
}

fn request(is_raw: bool) -> Request {
    let mut headers = Headers::default();
    headers.push("x-api-key", "$ANTHROPIC_API_KEY");
    if is_raw {
        headers.push("x-api-key", "twice");
    }
    let request =
        Request { method: "GET".into(), target: "/v1/models".into(), headers, body: Body::Empty };
    assert_eq!(needs_raw(&request), is_raw);
    request
}

/// What both senders get from `https://HOST:PORT/prefix`.
async fn check(peer: Peer, host: &str, trusts: bool, expected: Result<(), &str>) {
    let authority = Arc::new(Authority::generate().unwrap());
    let port = listen(&authority, peer).await.port();
    let reach = Reach {
        hosts: vec![GATEWAY.to_owned()],
        known: vec![(GATEWAY.to_owned(), [127, 0, 0, 1].into())],
        is_dry: false,
        ca_pem: trusts.then(|| authority.ca_pem().to_owned()),
    };
    let url = format!("https://{host}:{port}/prefix");
    let target = Target::resolve(&url, Key::new(FAKE_KEY.to_owned()), &reach).await.unwrap();
    for connections in [Connections::Fresh, Connections::Kept] {
        let sender = Sender::new(target.clone(), connections, DEADLINE_MS);
        for is_raw in [false, true] {
            let observation = send(&sender, &request(is_raw)).await;
            match (observation, expected) {
                (Observation::Reply(reply), Ok(())) => {
                    let seen = String::from_utf8_lossy(&reply.body).to_lowercase();
                    assert!(seen.starts_with("get /prefix/v1/models http/1.1\r\n"), "{seen}");
                    assert!(seen.contains(&format!("host: {host}:{port}\r\n")), "{seen}");
                    assert!(seen.contains(&format!("x-api-key: {FAKE_KEY}\r\n")), "{seen}");
                }
                (Observation::Unsendable(why), Err(part)) => {
                    assert!(why.contains("TLS") && why.contains(part), "{why}");
                }
                (observation, expected) => panic!("{expected:?}, got {observation:?}"),
            }
        }
    }
}

#[tokio::test]
async fn both_senders_speak_https_to_whom_they_trust() {
    check(Peer::Trusted, "127.0.0.1", true, Ok(())).await;
    check(Peer::Trusted, "localhost", true, Ok(())).await;
    check(Peer::WrongName, GATEWAY, true, Ok(())).await;
}

#[tokio::test]
async fn nobody_else_is_asked_anything() {
    check(Peer::Trusted, "127.0.0.1", false, Err("UnknownIssuer")).await;
    check(Peer::Untrusted, "127.0.0.1", true, Err("certificate")).await;
    check(Peer::WrongName, "127.0.0.1", true, Err("not valid for")).await;
    check(Peer::Trusted, GATEWAY, true, Err("not valid for")).await;
}

/// Skips what ends in an odd digit and stops at a number.
#[derive(Default)]
struct Odd {
    admitted: AtomicUsize,
    seen: AtomicUsize,
}

const STOP_AT: usize = 30;

impl Gate for Odd {
    fn admit<'a>(&'a self, case: &'a Case) -> BoxFuture<'a, Admit> {
        let number: usize = case.id.0.rsplit('/').next().unwrap().parse().unwrap();
        let said = match number {
            STOP_AT.. => Admit::Stop,
            _ if number % 2 == 1 => Admit::Skip("odd"),
            _ => Admit::Send,
        };
        self.admitted.fetch_add(usize::from(said == Admit::Send), Ordering::SeqCst);
        ready(said).boxed()
    }

    fn saw(&self, _: &Case, observation: &Observation) {
        assert_eq!(observation.status(), Some(200));
        self.seen.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_gate_decides_what_is_sent() {
    let authority = Arc::new(Authority::generate().unwrap());
    let address = listen(&authority, Peer::Trusted).await;
    let reach = Reach { ca_pem: Some(authority.ca_pem().to_owned()), ..Reach::default() };
    let url = format!("https://{address}");
    let target = Target::resolve(&url, Key::new(String::new()), &reach).await.unwrap();
    let cases = (0..1_000).map(|number| Case {
        id: CaseId(format!("2026-10-21/models.list/valid/{number}")),
        version: Version::V2026_10_21,
        operation: OperationId::ModelsList,
        origin: Origin::Valid,
        traits: Traits::default(),
        request: request(false),
    });
    let gate = Arc::new(Odd::default());
    let pace = Pace {
        in_flight_max: 8,
        deadline_ms: DEADLINE_MS,
        connections: Connections::Fresh,
        gate: Some(gate.clone()),
    };
    let sent: Vec<_> = replay(&target, cases, pace).map(|(case, _)| case.id.0).collect().await;
    let expected: Vec<_> = (0..STOP_AT)
        .filter(|number| number % 2 == 0)
        .map(|number| format!("2026-10-21/models.list/valid/{number}"))
        .collect();
    assert_eq!(sent, expected);
    let counts = (gate.admitted.load(Ordering::SeqCst), gate.seen.load(Ordering::SeqCst));
    assert_eq!(counts, (expected.len(), expected.len()));
}
