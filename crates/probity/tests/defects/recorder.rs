//! What the recorder keeps of a request.

use std::sync::Arc;
use std::sync::mpsc;

use classify::{Body, Headers, Request};
use wire::record::exchange::write_line;
use wire::send::{Connections, Sender, send};
use wire::target::{Key, Target};

use crate::gateway;

/// The line that is written about a request which has a key in that header.
pub(crate) async fn line_of_a_request_with(header: &str) -> String {
    let target = |address| Target::local(address, Key::new("canary-of-the-target".to_owned()));
    let (tell, told) = mpsc::channel();
    let keep = move |exchange: &wire::record::exchange::Exchange| {
        let mut line = Vec::new();
        write_line(&mut line, exchange).unwrap();
        tell.send(String::from_utf8(line).unwrap()).unwrap();
    };
    let server = target(gateway::mock_behind("faithful")).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let recorder = wire::record::start(any, server, Arc::new(keep)).await.unwrap();
    let mut headers = Headers::default();
    headers.push("anthropic-version", "2026-10-21");
    headers.push("content-type", "application/json");
    headers.push(header.to_owned(), "AIza-probity-canary-key");
    let body = r#"{"messages":[{"role":"user","content":"AIza-probity-canary-key"}]}"#;
    let request = Request {
        method: "POST".into(),
        target: "/v1/messages".into(),
        headers,
        body: Body::Bytes(body.into()),
    };
    let sender = Sender::new(target(recorder.address).unwrap(), Connections::Fresh, 10_000);
    send(&sender, &request).await;
    let wait = std::time::Duration::from_secs(10);
    tokio::task::spawn_blocking(move || told.recv_timeout(wait)).await.unwrap().unwrap()
}
