//! The wrong clients do what they are said to do; the right one is what the other tests are about.

use client::{MUTANTS, Policy};

use crate::server::{
    BLOCK, Call, DELTA, KEY, MESSAGE, OVERLOADED, START, STOP, STREAM_HEAD, Step, answer, call,
    key, policy, stream,
};

pub(crate) fn mutant(name: &str, mut policy: Policy) -> Policy {
    let mutant = MUTANTS.iter().find(|mutant| mutant.name == name).unwrap();
    (mutant.change)(&mut policy);
    policy
}

/// Long enough for a busy machine, and short enough to wait for.
const LIMIT_MS: u64 = 300;

async fn run(name: &str, streams: bool, answers: &[Vec<Step>]) -> Call {
    let limited = Policy { attempt_ms_max: LIMIT_MS, ..policy() };
    call(streams, mutant(name, limited), key(), answers).await
}

/// The text that a mutant takes for the answer, or the class of its error.
async fn check(name: &str, streams: bool, answers: &[Vec<Step>], expected: Result<&str, &str>) {
    let call = run(name, streams, answers).await;
    assert_eq!(call.requests.len(), answers.len(), "{name}");
    match (&call.result, expected) {
        (Ok(message), Ok(text)) => assert_eq!(message.text, text, "{name}"),
        (Err(error), Err(class)) => assert_eq!(error.class(), class, "{name}: {error}"),
        (found, _) => panic!("{name}: {found:?}"),
    }
}

fn json() -> Vec<Step> {
    answer(200, "", MESSAGE)
}

fn overloaded(headers: &str) -> Vec<Step> {
    answer(529, headers, OVERLOADED)
}

#[tokio::test]
async fn budgets_and_statuses() {
    check("never-retries", false, &[overloaded("")], Err("api-error")).await;
    check("budget-plus-one", false, &vec![overloaded(""); 4], Err("api-error")).await;
    check("storm", false, &vec![overloaded(""); 21], Err("api-error")).await;
    let refused = || answer(400, "", "{}");
    check("retries-everything", false, &[refused(), json()], Ok("Hi")).await;
    let final_one = || overloaded("x-should-retry: false\r\n");
    check("deaf-to-should-retry", false, &[final_one(), json()], Ok("Hi")).await;
    check("repeats-the-hopeless", false, &[answer(200, "", "[]"), json()], Ok("Hi")).await;
    check("asks-twice", false, &[json(), json()], Ok("Hi")).await;
}

#[tokio::test]
async fn waits() {
    let waits = async |name, headers| {
        let answers = [overloaded(headers), overloaded(headers), json()];
        let call = run(name, false, &answers).await;
        assert!(call.result.is_ok(), "{name}: {:?}", call.result);
        call.waits_ms
    };
    assert_eq!(waits("no-backoff", "").await, [0, 0]);
    assert_eq!(waits("no-growth", "").await, [500, 500]);
    assert_eq!(waits("dozes", "").await, [200_000, 200_000]);
    assert_eq!(waits("deaf-to-retry-after", "retry-after: 9\r\n").await, [500, 1000]);
    assert_eq!(waits("confuses-units", "retry-after: 9\r\n").await, [540_000, 540_000]);
    assert_eq!(waits("oversleeps", "retry-after: 9999\r\n").await, [9_999_000, 9_999_000]);
    let seeded = Policy { jitter_share: 0.25, ..mutant("seeded-jitter", policy()) };
    let answers = [overloaded(""), overloaded(""), json()];
    let one = call(false, seeded.clone(), key(), &answers).await.waits_ms;
    assert_eq!(one, call(false, seeded, key(), &answers).await.waits_ms);
    assert!((375..500).contains(&one[0]), "{one:?}");
}

#[tokio::test]
async fn requests() {
    let requests = async |name| run(name, false, &[overloaded(""), json()]).await.requests;
    for (name, first, second) in [
        ("changes-body", "}", "} "),
        ("changes-credential", "-key\r\n", "-key-altered\r\n"),
        ("changes-idempotency-key", "idempotency-key: 0", "idempotency-key: 1"),
        ("changes-path", "messages HTTP", "messages?attempt=1 HTTP"),
        ("counts-retries-down", "retry-count: 4294967295", "retry-count: 4294967294"),
        ("key-in-url", KEY, "?api_key=sk-ant"),
        ("padded-key", "Bearer  sk-ant", "Bearer  sk-ant"),
        ("offers-unreadable-coding", "accept-encoding: gzip", "accept-encoding: gzip"),
    ] {
        let requests = requests(name).await;
        assert!(requests[0].contains(first) && requests[1].contains(second), "{requests:?}");
        assert!(first == second || !requests[0].contains(second) || name == "key-in-url");
    }
    for (name, header) in [
        ("no-content-type", "content-type"),
        ("no-credential", KEY),
        ("no-version", "anthropic-version"),
    ] {
        assert!(!requests(name).await[0].contains(header), "{name}");
    }
}

#[tokio::test]
async fn streams() {
    let cut = || stream(&[START, BLOCK, DELTA]);
    let whole = || stream(&[START, BLOCK, DELTA, STOP]);
    let replayed = run("replays-after-delta", true, &[cut(), whole()]).await;
    assert_eq!((&*replayed.result.unwrap().text, &*replayed.streamed), ("Hi", "HiHi"));
    check("accepts-half-stream", true, &[cut()], Ok("Hi")).await;
    let error = format!("event: error\ndata: {OVERLOADED}\n\n");
    let failed = stream(&[START, BLOCK, DELTA, &error, STOP]);
    check("swallows-stream-error", true, &[failed], Ok("Hi")).await;
    let new = stream(&[START, "event: new\ndata: {}\n\n", STOP]);
    check("fatal-on-unknown-event", true, &[new], Err("protocol-error")).await;
    let unreadable = stream(&[START, BLOCK, &DELTA.replace("}\n", "\n"), DELTA, STOP]);
    check("loses-text", true, &[unreadable], Ok("Hi")).await;
    let twice = stream(&[START, BLOCK, DELTA, STOP, START, BLOCK, DELTA, STOP]);
    check("joins-messages", true, &[twice], Ok("HiHi")).await;
    let second = |text: &str| text.replace(":0", ":1");
    let two = stream(&[START, BLOCK, DELTA, &second(BLOCK), &second(DELTA), STOP]);
    check("first-block-only", true, &[two], Ok("Hi")).await;
    let headless =
        "HTTP/1.1 200 X\r\ncontent-length: 9999\r\ncontent-type: text/event-stream\r\n\r\n";
    let broken = vec![Step::Send(format!("{headless}{START}{BLOCK}{DELTA}{STOP}").into_bytes())];
    check("needs-clean-end", true, &[broken], Err("transport-error")).await;
}

#[tokio::test]
async fn time() {
    let quiet = |text: String| vec![Step::Send(text.into_bytes()), Step::Hold];
    let complete = quiet(format!("{STREAM_HEAD}{START}{BLOCK}{DELTA}{STOP}"));
    let began = std::time::Instant::now();
    check("lingers-after-stop", true, std::slice::from_ref(&complete), Ok("Hi")).await;
    assert!(LIMIT_MS <= began.elapsed().as_millis() as u64);
    let pause = Step::Pause { ms: LIMIT_MS * 2 };
    let late = [vec![pause], json()].concat();
    check("late-timeout", false, std::slice::from_ref(&late), Ok("Hi")).await;
    check("no-timeout", false, &[late], Ok("Hi")).await;
    let soon = [vec![Step::Pause { ms: LIMIT_MS / 2 }], json()].concat();
    let hasty = Policy { max_retries: 0, attempt_ms_max: LIMIT_MS, ..policy() };
    let call = call(false, mutant("impatient", hasty), key(), &[soon]).await;
    assert_eq!(call.result.unwrap_err().class(), "timeout");
}

#[tokio::test]
async fn what_the_caller_is_told() {
    check(
        "accepts-anything",
        false,
        &[answer(200, "content-type: text/html\r\n", "<p>")],
        Ok("<p>"),
    )
    .await;
    check("accepts-anything", true, &[answer(200, "", OVERLOADED)], Ok(OVERLOADED)).await;
    let refused = || answer(400, "request-id: req_1\r\n", OVERLOADED);
    let shown = run("prints-key", false, &[refused()]).await.result.unwrap_err();
    assert!(shown.to_string().contains(KEY), "{shown}");
    let untyped = run("untyped-errors", false, &[refused()]).await.result.unwrap_err();
    let said = untyped.said().unwrap();
    assert_eq!((said.status, &said.kind, &said.request_id), (0, &None, &None));
    let stopped =
        MESSAGE.replace("{\"type\":\"message\"", "{\"stop_reason\":\"x\",\"type\":\"message\"");
    let lost = run("loses-stop-reason", false, &[answer(200, "", &stopped)]).await;
    assert_eq!(lost.result.unwrap().stop_reason, None);
    let tool = BLOCK.replace("\"text\":\"\"", "\"id\":\"t\",\"name\":\"n\",\"input\":{}");
    let tool = tool.replace("\"type\":\"text\"", "\"type\":\"tool_use\"");
    let input = DELTA.replace("text_delta", "input_json_delta");
    let input = input.replace("\"text\":\"Hi\"", r#""partial_json":"{\"amount\": 1""#);
    let cut = stream(&[START, &tool, &input, STOP]);
    let acted = run("executes-cut-tool-call", true, std::slice::from_ref(&cut)).await;
    assert_eq!(acted.result.unwrap().tool_calls[0].input["amount"], 1);
    let whole = stream(&[START, &tool, &input.replace("1\"", "1}\""), STOP]);
    let emptied = run("empties-tool-input", true, &[whole]).await;
    assert_eq!(emptied.result.unwrap().tool_calls[0].input, serde_json::json!({}));
    let right = call(true, policy(), key(), &[cut]).await;
    assert_eq!(right.result.unwrap_err().class(), "incomplete");
}
