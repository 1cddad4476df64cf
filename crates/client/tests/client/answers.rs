//! What the client makes of answers, and how long it waits before the next.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::server::{
    BLOCK, Call, DELTA, KEY, MESSAGE, OVERLOADED, START, STOP, Step, answer, call as call_with,
    key, policy, stream,
};
use client::{Credential, Key, Policy};

async fn call(streams: bool, answers: &[Vec<Step>]) -> Call {
    call_with(streams, policy(), key(), answers).await
}

/// What the call comes to: the text, or the class of the error, and the waits before it.
async fn check(
    streams: bool,
    answers: &[Vec<Step>],
    expected: Result<&str, &str>,
    waits_ms: &[u64],
) {
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

fn json(body: &str) -> Vec<Step> {
    answer(200, "content-type: application/json\r\n", body)
}

#[tokio::test]
async fn answers_are_taken_and_overload_is_waited_for() {
    let overloaded = |headers| answer(529, headers, OVERLOADED);
    check(false, &[json(MESSAGE)], Ok("Hi"), &[]).await;
    check(false, &[answer(200, "content-type: text/plain\r\n", MESSAGE)], Ok("Hi"), &[]).await;
    let twice = [overloaded(""), overloaded(""), json(MESSAGE)];
    check(false, &twice, Ok("Hi"), &[500, 1000]).await;
    let always = [overloaded(""), overloaded(""), overloaded("")];
    check(false, &always, Err("api-error"), &[500, 1000]).await;
    check(false, &[overloaded("x-should-retry: false\r\n")], Err("api-error"), &[]).await;
    check(false, &[vec![], json(MESSAGE)], Ok("Hi"), &[500]).await;
    let spent = r#"{"error":{"details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    check(false, &[answer(429, "", spent)], Err("api-error"), &[]).await;
    let worded = r#"{"error":{"message":"You have reached your API usage limits: wait."}}"#;
    check(false, &[answer(429, "", worded)], Err("api-error"), &[]).await;
    let throttled = answer(429, "retry-after: 1\r\n", worded);
    check(false, &[throttled, json(MESSAGE)], Ok("Hi"), &[1000]).await;
    check(false, &[answer(501, "", OVERLOADED)], Err("api-error"), &[]).await;
    // Under a status of success, too, it is what it says.
    check(false, &[json(OVERLOADED), json(MESSAGE)], Ok("Hi"), &[500]).await;
}

#[tokio::test]
async fn a_demand_is_kept_or_surfaced_and_never_misread() {
    let overloaded = |demand: &str| answer(529, &format!("{demand}\r\n"), OVERLOADED);
    for (demand, waited_ms) in [
        ("retry-after: 7", 7000),
        ("retry-after: 0.25", 250),
        ("retry-after-ms: 1500", 1500),
        ("date: Sat, 31 Dec 2028 23:59:59 GMT\r\nretry-after: Mon, 01 Jan 2029 00:00:02 GMT", 3000),
        ("retry-after: inf", 500),
        ("retry-after: nan", 500),
        ("retry-after: -1", 500),
        ("retry-after: 0", 500),
        ("retry-after: soon", 500),
    ] {
        check(false, &[overloaded(demand), json(MESSAGE)], Ok("Hi"), &[waited_ms]).await;
    }
    for demand in ["retry-after: 61", "retry-after: 3000000", "retry-after: 1e300"] {
        check(false, &[overloaded(demand)], Err("api-error"), &[]).await;
    }
    let surfaced = call(false, &[overloaded("retry-after: 61")]).await.result.unwrap_err();
    assert_eq!(surfaced.said().unwrap().retry_after_ms, Some(61_000));
    assert!(surfaced.to_string().contains("61000 ms"), "{surfaced}");
}

#[tokio::test]
async fn the_deadline_sees_waits_that_did_not_pass() {
    let policy = Policy { max_retries: 9, call_ms_max: 10_000, ..policy() };
    let answers = vec![answer(529, "", OVERLOADED); 9];
    let call = call_with(false, policy.clone(), key(), &answers).await;
    assert_eq!(call.result.unwrap_err().class(), "api-error");
    assert_eq!(call.waits_ms, [500, 1000, 2000, 4000]);
    let demand = [answer(529, "retry-after: 11\r\n", OVERLOADED)];
    let call = call_with(false, policy, key(), &demand).await;
    assert_eq!(call.waits_ms, [0; 0]);
    assert_eq!(call.result.unwrap_err().said().unwrap().retry_after_ms, Some(11_000));
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_not_repeated() {
    let refused = async |streams, answer, class| {
        check(streams, &[answer], Err(class), &[]).await;
    };
    for body in ["", "null", "[]", "<html>", r#"{"object":"chat.completion"}"#, "{\"type\":\"mess"]
    {
        refused(false, json(body), "protocol-error").await;
        refused(true, json(body), "protocol-error").await;
    }
    let html = answer(200, "content-type: Text/HTML\r\n", "<html>");
    refused(false, html.clone(), "protocol-error").await;
    refused(true, html, "protocol-error").await;
    refused(false, answer(204, "", ""), "protocol-error").await;
    refused(false, stream(&[START, BLOCK, DELTA, STOP]), "protocol-error").await;
    refused(true, json(MESSAGE), "protocol-error").await;
    refused(false, answer(307, "location: http://127.0.0.1:1/\r\n", ""), "api-error").await;
    refused(false, answer(400, "", KEY), "api-error").await;
    refused(true, stream(&[START, BLOCK, DELTA, "event: error\ndata: ", KEY, "\n\n"]), "api-error")
        .await;
}

#[tokio::test]
async fn a_coding_that_was_not_offered_is_named() {
    let headers = "content-encoding: br\r\ncontent-type: application/json\r\n";
    let said = call(false, &[answer(200, headers, MESSAGE)]).await.result.unwrap_err();
    assert_eq!(said.class(), "protocol-error");
    assert!(said.to_string().contains("br"), "{said}");
    let said = call(false, &[answer(400, headers, "garbage")]).await.result.unwrap_err();
    assert_eq!(said.said().unwrap().status, 400);
    assert!(!said.to_string().contains("garbage"), "{said}");
}

#[tokio::test]
async fn a_stream_is_repeated_only_before_its_first_delta() {
    let error = format!("event: error\ndata: {OVERLOADED}\n\n");
    let whole = || stream(&[START, BLOCK, DELTA, STOP]);
    check(true, &[whole()], Ok("Hi"), &[]).await;
    check(true, &[stream(&[&error]), whole()], Ok("Hi"), &[500]).await;
    check(true, &[stream(&[]), whole()], Ok("Hi"), &[500]).await;
    check(true, &[stream(&[START, BLOCK]), whole()], Ok("Hi"), &[500]).await;
    check(true, &[stream(&[START, BLOCK, DELTA])], Err("incomplete"), &[]).await;
    check(true, &[stream(&[START, BLOCK, DELTA, &error, STOP])], Err("api-error"), &[]).await;
    let tool = BLOCK.replace("\"text\":\"\"", "\"id\":\"t\",\"name\":\"n\",\"input\":{}");
    let tool = tool.replace("\"type\":\"text\"", "\"type\":\"tool_use\"");
    let input =
        DELTA.replace("text_delta", "input_json_delta").replace("\"text\"", "\"partial_json\"");
    check(true, &[stream(&[START, &tool, &input])], Err("incomplete"), &[]).await;
    let cut = call(true, &[stream(&[START, BLOCK, DELTA])]).await;
    assert_eq!((&*cut.streamed, cut.result.unwrap_err().partial()), ("Hi", "Hi"));
}

#[tokio::test]
async fn what_follows_the_last_event_is_not_read() {
    let twice = stream(&[START, BLOCK, DELTA, STOP, START, BLOCK, DELTA, STOP]);
    check(true, &[twice], Ok("Hi"), &[]).await;
    check(true, &[stream(&[START, BLOCK, DELTA, STOP, "data: \u{0}\n\ngarbage"])], Ok("Hi"), &[])
        .await;
    // Without its blank line it is no event.
    let last = STOP.trim_end_matches('\n');
    check(true, &[stream(&[START, BLOCK, DELTA, last, "\n"])], Err("incomplete"), &[]).await;
}

#[tokio::test]
async fn the_request_says_what_it_must() {
    let call = call(true, &[stream(&[START, STOP])]).await;
    let (head, body) = call.requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /prefix/v1/messages HTTP/1.1\r\n"), "{head}");
    for header in [
        "accept-encoding: identity",
        "anthropic-version: 2026-10-21",
        "content-type: application/json",
        "x-api-key: sk-ant-",
    ] {
        assert!(head.contains(header), "{head}");
    }
    assert!(body.contains("\"stream\":true"), "{body}");
}

/// The keys that were sent, in order.
fn keys(call: &Call) -> Vec<&str> {
    let key = |request: &'_ String| -> &str {
        let start = request.find("x-api-key: ").unwrap();
        let rest: &'static str = String::leak(request[start + 11..].to_owned());
        rest.split("\r\n").next().unwrap()
    };
    call.requests.iter().map(key).collect()
}

#[tokio::test]
async fn a_refused_key_is_replaced_once() {
    let refused = || answer(401, "", r#"{"type":"error","error":{"type":"authentication_error"}}"#);
    let rotating = || {
        let asked = AtomicU32::new(0);
        let provider =
            move || Key::new(&format!("sk-probity-{}", asked.fetch_add(1, Ordering::Relaxed)));
        Credential::rotating(provider).unwrap()
    };
    let call = call_with(false, policy(), rotating(), &[refused(), json(MESSAGE)]).await;
    assert_eq!(call.result.as_ref().unwrap().text, "Hi");
    assert_eq!(keys(&call), ["sk-probity-0", "sk-probity-1"]);
    let call = call_with(false, policy(), rotating(), &[refused(), refused()]).await;
    assert_eq!(call.result.as_ref().unwrap_err().said().unwrap().status, 401);
    check(false, &[refused()], Err("api-error"), &[]).await;
    let same = Credential::rotating(|| Key::new(KEY)).unwrap();
    let call = call_with(false, policy(), same, &[refused()]).await;
    assert_eq!(call.result.as_ref().unwrap_err().said().unwrap().status, 401);
}
