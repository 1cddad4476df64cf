//! A server of a few lines: it says what it is told, to one connection after another.

use std::time::Duration;

use client::{Client, Credential, Error, Injected, Key, Message, Policy};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const KEY: &str = "sk-ant-api03-probity-test-key";

/// What the server does on one connection after it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Pause {
        ms: u64,
    },
    /// Says nothing more, and keeps the connection.
    Hold,
}

pub(crate) struct Call {
    pub(crate) result: Result<Message, Error>,
    pub(crate) streamed: String,
    pub(crate) waits_ms: Vec<u64>,
    pub(crate) requests: Vec<String>,
}

/// A call that lasts longer asks for a connection more than it was given.
const PATIENCE: Duration = Duration::from_secs(20);

/// The official policy without its gamble.
pub(crate) fn policy() -> Policy {
    Policy { jitter_share: 0.0, ..Policy::official() }
}

pub(crate) fn key() -> Credential {
    Key::new(KEY).unwrap().into()
}

pub(crate) fn request() -> serde_json::Value {
    json!({ "model": "claude-sonnet-5-5", "max_tokens": 8, "messages": [] })
}

/// Makes one call to a server that does these things, one list per connection.
pub(crate) async fn call(
    streams: bool,
    policy: Policy,
    credential: Credential,
    connections: &[Vec<Step>],
) -> Call {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/prefix/", listener.local_addr().unwrap());
    let client = Client::new(&base_url, credential, policy).unwrap();
    let (waits, mut streamed, mut requests) = (Injected::new(0), String::new(), vec![]);
    let request = request();
    let result = {
        let serving = async {
            for steps in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                requests.push(read_request(&mut stream).await);
                play(&mut stream, steps).await;
            }
            std::future::pending().await
        };
        let calling = async {
            match streams {
                false => client.create(&request, &waits).await,
                true => client.stream(&request, &waits, |text| streamed.push_str(text)).await,
            }
        };
        tokio::select! {
            biased;
            result = calling => result,
            () = serving => unreachable!("it never ends"),
            () = tokio::time::sleep(PATIENCE) => panic!("no end of {connections:.300?}"),
        }
    };
    Call { result, streamed, waits_ms: waits.waits_ms(), requests }
}

pub(crate) async fn play(stream: &mut TcpStream, steps: &[Step]) {
    for step in steps {
        match step {
            // The client may have left.
            Step::Send(bytes) => drop(stream.write_all(bytes).await),
            Step::Pause { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::Hold => std::future::pending().await,
        }
    }
}

/// One request, head and body.
pub(crate) async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = vec![];
    loop {
        let n_bytes = stream.read_buf(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request).into_owned();
        let length = text.split("content-length: ").nth(1).and_then(|rest| {
            let digits = rest.split("\r\n").next()?;
            digits.parse::<usize>().ok()
        });
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if n_bytes == 0 || body.is_some() && length <= body {
            return text;
        }
    }
}

pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    vec![Step::Send(text.into_bytes())]
}

/// The head of a stream that ends with the connection.
pub(crate) const STREAM_HEAD: &str =
    "HTTP/1.1 200 X\r\nconnection: close\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n";

/// A stream of these events.
pub(crate) fn stream(events: &[&str]) -> Vec<Step> {
    vec![Step::Send(format!("{STREAM_HEAD}{}", events.concat()).into_bytes())]
}

pub(crate) const MESSAGE: &str =
    r#"{"type":"message","id":"msg_1","content":[{"type":"text","text":"Hi"}]}"#;
pub(crate) const START: &str =
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\"}}\n\n";
pub(crate) const BLOCK: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\
    \"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
pub(crate) const DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\
    \"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
pub(crate) const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
pub(crate) const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
