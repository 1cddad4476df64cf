//! What no wrong client here can do: another HTTP library would be needed.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use chaos::oracle::{Code, Verdict};
use chaos::{Call, Outcome, OutcomeClass, Surface};
use probity::specs::{Overrides, Specs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::trial::{Stage, trial};

/// Sends its request twice in one breath, and gives what the server says until it falls silent.
async fn twice_in_one_breath(call: Call) -> Outcome {
    let address = call.base_url.trim_start_matches("http://").to_owned();
    let body = format!(
        r#"{{"model":"claude-sonnet-5-5","max_tokens":64,"messages":[{{"role":"user","content":"{}"}}]}}"#,
        call.prompt()
    );
    let (key, length) = (&call.key, body.len());
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\nanthropic-version: 2026-10-21\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.repeat(2).as_bytes()).await.unwrap();
    let mut answers = String::new();
    while answers.matches("\"stop_reason\"").count() < 2 {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            n_bytes => answers.push_str(&String::from_utf8_lossy(&piece[..n_bytes])),
        }
    }
    Outcome { text: None, ..Outcome::of(OutcomeClass::Success) }
}

#[tokio::test]
async fn who_does_not_await_the_reply_is_caught() {
    let specs = Specs::load(&Overrides::default()).unwrap();
    let scenario = specs.scenarios.iter().find(|scenario| scenario.id == "ct-missing").unwrap();
    let stage = Stage::of(&specs.scripts);
    let report = trial(scenario, Surface::Create, stage, &twice_in_one_breath).await;
    assert_eq!(report.verdict, Verdict::Fail, "{report:#?}");
    assert!(report.findings.iter().any(|found| found.code == Code::Pipelined), "{report:#?}");
}
