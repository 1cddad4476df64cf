//! The client and its connections: silence, floods, cuts within a character, and who closes when.

use std::time::{Duration, Instant};

use crate::mutants::mutant;
use crate::server::{
    BLOCK, Call, DELTA, KEY, MESSAGE, OVERLOADED, START, STOP, STREAM_HEAD, Step, answer, call,
    key, play, policy, read_request, request, stream,
};
use client::{Client, Injected, Policy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Long enough for a busy machine, and short enough to wait for.
const LIMIT_MS: u64 = 400;

fn send(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

fn limited() -> Policy {
    Policy { attempt_ms_max: LIMIT_MS, ..policy() }
}

/// What a stream comes to that is sent on one connection.
async fn check(policy: Policy, steps: Vec<Step>, expected: Result<&str, &str>) -> Call {
    let call = call(true, policy, key(), &[steps]).await;
    match (&call.result, expected) {
        (Ok(message), Ok(text)) => assert_eq!((&*message.text, &*call.streamed), (text, text)),
        (Err(error), Err(class)) => assert_eq!(error.class(), class, "{error}"),
        (found, _) => panic!("{found:?}"),
    }
    call
}

/// So many signs of life with half a limit between them, then this.
fn slow(sign: &str, n_signs: usize, rest: &str) -> Vec<Step> {
    let mut steps = vec![send(&format!("{STREAM_HEAD}{START}{BLOCK}"))];
    for _ in 0..n_signs {
        steps.extend([Step::Pause { ms: LIMIT_MS / 2 }, send(sign)]);
    }
    steps.push(send(rest));
    steps
}

#[tokio::test]
async fn any_byte_breaks_the_silence() {
    let rest = format!("\n\n{DELTA}{STOP}");
    for sign in [": alive\n\n", "event: ping\ndata: {}\n\n", "x"] {
        check(limited(), slow(sign, 4, &rest), Ok("Hi")).await;
    }
    check(mutant("deaf-to-pings", limited()), slow(": alive\n\n", 4, &rest), Err("timeout")).await;
}

#[tokio::test]
async fn silence_and_the_deadline_end_a_stream() {
    let held = |text: String| vec![send(&text), Step::Hold];
    let delivered = format!("{STREAM_HEAD}{START}{BLOCK}{DELTA}");
    let call = check(limited(), held(delivered), Err("timeout")).await;
    assert_eq!((call.waits_ms.len(), &*call.streamed), (0, "Hi"));
    let once = Policy { max_retries: 0, ..limited() };
    check(once.clone(), held(STREAM_HEAD.to_owned()), Err("timeout")).await;
    let json = "HTTP/1.1 200 X\r\ncontent-type: application/json\r\n\r\n{";
    check(once.clone(), held(json.to_owned()), Err("timeout")).await;
    let deadline = Policy { call_ms_max: 2 * LIMIT_MS, ..limited() };
    let began = Instant::now();
    check(deadline, slow(": alive\n", 50, ""), Err("timeout")).await;
    assert!(began.elapsed() < Duration::from_millis(4 * LIMIT_MS), "{:?}", began.elapsed());
    let complete = format!("{STREAM_HEAD}{START}{BLOCK}{DELTA}{STOP}");
    let began = Instant::now();
    check(limited(), held(complete), Ok("Hi")).await;
    assert!(began.elapsed() < Duration::from_millis(LIMIT_MS), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_error_s_status_does_not_wait_for_its_body() {
    let head = "HTTP/1.1 529 X\r\ncontent-length: 99\r\n\r\n{\"type\":";
    let policy = Policy { max_retries: 0, ..limited() };
    let call = check(policy, vec![send(head), Step::Hold], Err("api-error")).await;
    assert_eq!(call.result.unwrap_err().said().unwrap().status, 529);
    let page = answer(400, "", &"x".repeat(1 << 20));
    let call = check(limited(), page, Err("api-error")).await;
    assert!(call.result.unwrap_err().to_string().len() < 3_000);
}

#[tokio::test]
async fn a_flood_is_stopped_and_a_giant_is_not() {
    let flood = |piece: &str| {
        let mut steps = vec![send(STREAM_HEAD)];
        steps.extend(vec![send(&piece.repeat((1 << 20) / piece.len())); 65]);
        steps
    };
    check(policy(), flood("x"), Err("protocol-error")).await;
    check(policy(), flood(":\n"), Err("protocol-error")).await;
    let text = "x".repeat(8 << 20);
    let giant = DELTA.replace("Hi", &text);
    let began = Instant::now();
    check(policy(), stream(&[START, BLOCK, &giant, STOP]), Ok(&text)).await;
    let many = DELTA.repeat(50_000);
    let call = call(true, policy(), key(), &[stream(&[START, BLOCK, &many, STOP])]).await;
    assert_eq!(call.result.unwrap().text.len(), 100_000);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn characters_survive_the_cuts() {
    let delta = DELTA.replace("Hi", "Zürich 🦀");
    let bytes = format!("{STREAM_HEAD}\u{FEFF}{START}{BLOCK}{delta}{STOP}").replace('\n', "\r");
    let bytes = bytes.replacen("\r\r", "\r\n", 4).into_bytes();
    let bytes = [STREAM_HEAD.as_bytes(), &bytes[STREAM_HEAD.len()..]].concat();
    let cut = bytes.iter().position(|byte| *byte == 0xBC).unwrap();
    let steps = || {
        let (one, other) = bytes.split_at(cut);
        let pause = Step::Pause { ms: 50 };
        vec![Step::Send(one.to_vec()), pause, Step::Send(other.to_vec())]
    };
    check(policy(), steps(), Ok("Zürich 🦀")).await;
    check(mutant("corrupts-utf8", policy()), steps(), Ok("Z\u{FFFD}\u{FFFD}rich 🦀")).await;
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_costs_no_retry() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let policy = Policy { max_retries: 0, ..policy() };
    let client = Client::new(&base_url, key(), policy).unwrap();
    let length = MESSAGE.len();
    let reply = format!("HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n{MESSAGE}");
    let serving = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            play(&mut stream, &[send(&reply), Step::Pause { ms: 50 }]).await;
        }
    };
    let calling = async {
        for _ in 0..3 {
            assert_eq!(client.create(&request(), &Injected::new(0)).await.unwrap().text, "Hi");
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    };
    tokio::select! { () = calling => {}, () = serving => {} }
}

/// Whether the server sees the connection end within a second, of a call with this policy that is given up
/// from outside after so long.
async fn is_let_go(policy: Policy, patience_ms: u64) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&base_url, key(), policy).unwrap();
    let (request, waits) = (request(), Injected::new(0));
    let calling = client.create(&request, &waits);
    let calling = timeout(Duration::from_millis(patience_ms), calling);
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        let mut end = [0; 8];
        let end = stream.read(&mut end);
        timeout(Duration::from_millis(patience_ms + 1_000), end).await
    };
    let (_, read) = tokio::join!(calling, serving);
    read.is_ok()
}

#[tokio::test]
async fn who_gives_up_lets_go() {
    assert!(is_let_go(policy(), 100).await);
    let once = Policy { max_retries: 0, attempt_ms_max: 100, ..policy() };
    assert!(is_let_go(once.clone(), 500).await);
    assert!(!is_let_go(mutant("keeps-abandoned-connections", once), 500).await);
}

/// How many requests reach the place that a redirect leads to, and what the caller is told.
async fn redirected(policy: Policy) -> (usize, String) {
    let abroad = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("location: http://{}/\r\n", abroad.local_addr().unwrap());
    let mut n_requests = 0;
    let serving = async {
        loop {
            let (mut stream, _) = abroad.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            assert!(request.contains(KEY), "{request}");
            n_requests += 1;
            play(&mut stream, &answer(200, "", MESSAGE)).await;
        }
    };
    let answers = [answer(307, &location, OVERLOADED)];
    let told = tokio::select! {
        call = call(false, policy, key(), &answers) => match call.result {
            Ok(message) => message.text,
            Err(error) => error.to_string(),
        },
        () = serving => unreachable!("it never ends"),
    };
    (n_requests, told)
}

#[tokio::test]
async fn the_key_stays_where_it_was_given() {
    let (n_requests, told) = redirected(policy()).await;
    assert_eq!(n_requests, 0);
    assert!(told.starts_with("request refused: 307"), "{told}");
    let (n_requests, told) = redirected(mutant("follows-redirects-with-key", policy())).await;
    assert_eq!((n_requests, &*told), (1, "Hi"));
}

/// A server that refuses a large body after its head may close before it has read it all.
#[tokio::test]
async fn a_refusal_is_heard_before_the_body_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::new(&base_url, key(), policy()).unwrap();
    let mut request = request();
    request["system"] = "x".repeat(40 << 20).into();
    let waits = Injected::new(0);
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).await.unwrap() != 0);
        play(&mut stream, &answer(413, "", "{\"type\":\"error\"}")).await;
        // Closing at once resets the connection, and the answer with it.
        stream.shutdown().await.unwrap();
        play(&mut stream, &[Step::Pause { ms: 300 }]).await;
    };
    let (result, ()) = tokio::join!(client.create(&request, &waits), serving);
    assert_eq!(result.unwrap_err().said().map(|said| said.status), Some(413));
    assert!(waits.waits_ms().is_empty());
}
