//! The client against bytes on a socket, with waits that are noted instead of waited.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::sync::Mutex;

use client::{Client, Error, Key, Message, Policy, Wait};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const KEY: &str = "sk-ant-api03-probity-test-key";
const MESSAGE: &str = r#"{"type":"message","id":"msg_1","content":[{"type":"text","text":"Hi"}]}"#;
const DELTA: &str = "event: content_block_delta\n\
    data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;

#[derive(Default)]
struct Noted(Mutex<Vec<u64>>);

impl Wait for Noted {
    async fn wait(&self, ms: u64) {
        self.0.lock().unwrap().push(ms);
    }

    fn draw(&self) -> f64 {
        0.0
    }
}

struct Call {
    result: Result<Message, Error>,
    streamed: String,
    waits_ms: Vec<u64>,
    requests: Vec<String>,
}

/// Makes one call to a server that gives these answers, one per connection.
async fn call(streams: bool, answers: &[String]) -> Call {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/prefix/", listener.local_addr().unwrap());
    let client = Client::new(&base_url, Key::new(KEY).unwrap(), Policy::official()).unwrap();
    let request = json!({ "model": "claude-sonnet-5-5", "max_tokens": 8, "messages": [] });
    let (waits, mut streamed, mut requests) = (Noted::default(), String::new(), vec![]);
    let result = {
        let serving = async {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let n_bytes = stream.read(&mut request).await.unwrap();
                requests.push(String::from_utf8(request[..n_bytes].to_vec()).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
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
        }
    };
    Call { result, streamed, waits_ms: waits.0.into_inner().unwrap(), requests }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

fn stream(body: &str) -> String {
    answer(200, "content-type: text/event-stream\r\n", body)
}

/// What the call comes to: the text, or the class of the error, and the waits before it.
async fn check(streams: bool, answers: &[String], expected: Result<&str, &str>, waits_ms: &[u64]) {
    let call = call(streams, answers).await;
    match (&call.result, expected) {
        (Ok(message), Ok(text)) => assert_eq!(message.text, text),
        (Err(error), Err(class)) => assert_eq!(error.class(), class, "{error}"),
        (found, _) => panic!("{answers:?}: {found:?}"),
    }
    assert_eq!(call.waits_ms, waits_ms, "{answers:?}");
    assert_eq!(call.requests.len(), answers.len(), "{answers:?}");
    assert!(call.requests.iter().all(|request| *request == call.requests[0]));
    assert!(!format!("{:?}", call.result).contains(KEY));
}

#[tokio::test]
async fn answers_are_taken_and_overload_is_waited_for() {
    let overloaded = |headers| answer(529, headers, OVERLOADED);
    check(false, &[answer(200, "", MESSAGE)], Ok("Hi"), &[]).await;
    check(
        false,
        &[overloaded(""), overloaded(""), answer(200, "", MESSAGE)],
        Ok("Hi"),
        &[500, 1000],
    )
    .await;
    check(false, &[overloaded("retry-after: 7\r\n"), answer(200, "", MESSAGE)], Ok("Hi"), &[7000])
        .await;
    check(false, &[overloaded("retry-after: 61\r\n")], Err("api-error"), &[]).await;
    check(false, &[overloaded("x-should-retry: false\r\n")], Err("api-error"), &[]).await;
    check(false, &[overloaded(""), overloaded(""), overloaded("")], Err("api-error"), &[500, 1000])
        .await;
    check(false, &[String::new(), answer(200, "", MESSAGE)], Ok("Hi"), &[500]).await;
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_not_repeated() {
    let html = answer(200, "content-type: text/html\r\n", "<html>");
    check(false, std::slice::from_ref(&html), Err("protocol-error"), &[]).await;
    check(true, &[html], Err("protocol-error"), &[]).await;
    check(
        true,
        &[answer(200, "content-type: application/json\r\n", MESSAGE)],
        Err("protocol-error"),
        &[],
    )
    .await;
    check(
        true,
        &[answer(200, "content-type: application/json\r\n", OVERLOADED)],
        Err("api-error"),
        &[],
    )
    .await;
    check(false, &[answer(307, "location: http://127.0.0.1:1/\r\n", "")], Err("api-error"), &[])
        .await;
    check(false, &[answer(400, "", KEY)], Err("api-error"), &[]).await;
}

#[tokio::test]
async fn a_stream_is_repeated_only_before_its_first_delta() {
    let error = format!("event: error\ndata: {OVERLOADED}\n\n");
    check(true, &[stream(&format!("{DELTA}{STOP}"))], Ok("Hi"), &[]).await;
    check(true, &[stream(&error), stream(&format!("{DELTA}{STOP}"))], Ok("Hi"), &[500]).await;
    check(true, &[stream(""), stream(&format!("{DELTA}{STOP}"))], Ok("Hi"), &[500]).await;
    check(true, &[stream(DELTA)], Err("incomplete"), &[]).await;
    check(true, &[stream(&format!("{DELTA}{error}{STOP}"))], Err("api-error"), &[]).await;
    let cut = call(true, &[stream(DELTA)]).await;
    assert_eq!((&*cut.streamed, cut.result.unwrap_err().partial()), ("Hi", "Hi"));
}

#[tokio::test]
async fn the_request_says_what_it_must() {
    let call = call(true, &[stream(&format!("{DELTA}{STOP}"))]).await;
    let (head, body) = call.requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /prefix/v1/messages HTTP/1.1\r\n"), "{head}");
    for header in
        ["anthropic-version: 2026-10-21", "content-type: application/json", "x-api-key: sk-ant-"]
    {
        assert!(head.contains(header), "{head}");
    }
    assert!(body.contains("\"stream\":true"), "{body}");
}
