//! Order, bounds and laziness of a replay.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use classify::{Body, Headers, Request};
use contract::case::{Case, CaseId, Origin, Traits};
use contract::version::{OperationId, Version};
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::replay::{Pace, replay};
use wire::send::Connections;
use wire::target::{Key, Target};

fn case(number: usize, body: Body) -> Case {
    let mut headers = Headers::default();
    headers.push("x-number", number.to_string());
    Case {
        id: CaseId(format!("2026-10-21/messages.create/valid//{number}")),
        version: Version::V2026_10_21,
        operation: OperationId::MessagesCreate,
        origin: Origin::Valid,
        traits: Traits::default(),
        request: Request { method: "POST".into(), target: "/v1/messages".into(), headers, body },
    }
}

/// How many requests were being served at once, at most.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    max: AtomicUsize,
}

/// A server that answers each request with its number, after a while that follows no order.
async fn listen(gauge: Arc<Gauge>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, gauge.clone()));
        }
    });
    Target::local(address, Key::new(String::new())).unwrap()
}

async fn serve(mut stream: TcpStream, gauge: Arc<Gauge>) {
    let now = gauge.now.fetch_add(1, Ordering::SeqCst) + 1;
    gauge.max.fetch_max(now, Ordering::SeqCst);
    let mut head = vec![0; 64 * 1024];
    let mut length = 0;
    while !head[..length].windows(4).any(|four| four == b"\r\n\r\n") {
        length += stream.read(&mut head[length..]).await.unwrap();
    }
    let text = String::from_utf8_lossy(&head[..length]).into_owned();
    let number = text.split_once("x-number: ").unwrap().1.lines().next().unwrap().to_owned();
    let delay_ms = number.parse::<u64>().unwrap() * 7919 % 23;
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    gauge.now.fetch_sub(1, Ordering::SeqCst);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{number}",
        number.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    // Reads on, so that what the sender still writes does not turn into a reset.
    while matches!(stream.read(&mut head).await, Ok(count) if count > 0) {}
}

async fn check(in_flight_max: usize, cases: usize, body: Body, busy_max: usize) {
    let gauge = Arc::new(Gauge::default());
    let target = listen(gauge.clone()).await;
    let drawn = Arc::new(AtomicUsize::new(0));
    let source = {
        let drawn = drawn.clone();
        (0..cases).map(move |number| {
            drawn.fetch_add(1, Ordering::SeqCst);
            case(number, body.clone())
        })
    };
    let pace =
        Pace { in_flight_max, deadline_ms: 10_000, connections: Connections::Fresh, gate: None };
    let stream = replay(&target, source, pace);
    assert_eq!(drawn.load(Ordering::SeqCst), 0, "nothing is drawn before it is asked for");
    let mut stream = std::pin::pin!(stream);
    let mut handed_back = 0;
    while let Some((case, observation)) = stream.next().await {
        let number = handed_back.to_string();
        assert!(case.id.0.ends_with(&format!("//{number}")));
        let classify::Observation::Reply(reply) = observation else { panic!("{observation:?}") };
        assert_eq!(reply.body, number, "each case gets its own answer");
        handed_back += 1;
        let ahead = drawn.load(Ordering::SeqCst) - handed_back;
        assert!(ahead <= in_flight_max, "{ahead} cases drawn ahead");
    }
    assert_eq!(handed_back, cases);
    let busy = gauge.max.load(Ordering::SeqCst);
    assert!(busy <= busy_max, "{busy} at once");
    assert!(busy > 1 || busy_max == 1, "nothing ran at once");
}

#[tokio::test]
async fn results_come_in_order_and_within_bounds() {
    let body = Body::Bytes("{}".into());
    check(1, 20, body.clone(), 1).await;
    check(2, 60, body.clone(), 2).await;
    check(16, 300, body, 16).await;
}

#[tokio::test]
async fn heavy_bodies_go_two_at_a_time() {
    let [prefix, unit, suffix] = ["[", "0123456789abcdef", "]"].map(Bytes::from);
    check(16, 24, Body::Repeat { prefix, unit, count: 70_000, suffix }, 2).await;
}
