//! Every rule of answers is tripped by an answer that breaks it and nothing else, and by none that nearly does.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use classify::{Body, Headers, Observation, Reply, Request, classify};
use contract::judge::Finding;
use contract::level::Level;
use contract::response;
use contract::spec::Contract;
use contract::version::{OperationId, Version};
use serde_json::{Value, json};

mod specs;

static CONTRACT: LazyLock<Contract> = LazyLock::new(specs::contract);

/// A request and its answer, good until a test breaks them.
#[derive(Clone)]
struct Exchange {
    operation: OperationId,
    target: &'static str,
    params: Value,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    answer: Value,
    /// In place of the answer, where that is no JSON.
    text: Option<&'static str>,
}

/// Judges the exchange as `edit` leaves it; `expected` are ids without their prefix, each with its place.
#[track_caller]
fn check(mut exchange: Exchange, edit: impl FnOnce(&mut Exchange), expected: &[(&str, &str)]) {
    edit(&mut exchange);
    let findings = judge(&exchange);
    let found: Vec<(String, &str)> = findings
        .iter()
        .map(|(rule, pointer)| (rule.replacen(response::PREFIX, "", 1), &**pointer))
        .collect();
    let found: Vec<(&str, &str)> = found.iter().map(|(rule, at)| (&**rule, *at)).collect();
    assert_eq!(found, expected, "{}", exchange.answer);
}

fn judge(exchange: &Exchange) -> Vec<(&'static str, String)> {
    findings(exchange).into_iter().map(|finding| (finding.rule, finding.pointer)).collect()
}

fn findings(exchange: &Exchange) -> Vec<Finding> {
    let method = if exchange.params.is_null() { "GET" } else { "POST" };
    let mut request =
        Request { method: method.into(), target: exchange.target.into(), ..Request::default() };
    if !exchange.params.is_null() {
        request.body = Body::Bytes(exchange.params.to_string().into());
        request.headers.push("content-type", "application/json");
    }
    let headers =
        exchange.headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let body = match exchange.text {
        Some(text) => text.to_owned(),
        None => exchange.answer.to_string(),
    };
    let reply = Reply { status: exchange.status, headers: Headers(headers), body: body.into() };
    let class = classify(&Observation::Reply(reply.clone()));
    let edition = CONTRACT.edition(Version::V2026_10_21);
    response::check(edition, exchange.operation, &request, class, &reply)
}

fn exchange(operation: OperationId, target: &'static str, answer: Value) -> Exchange {
    Exchange {
        operation,
        target,
        params: Value::Null,
        status: 200,
        headers: vec![("content-type", "application/json"), ("request-id", "req_01a")],
        answer,
        text: None,
    }
}

fn message() -> Exchange {
    let usage = json!({
        "input_tokens": 12, "cache_creation_input_tokens": 8, "cache_read_input_tokens": 0, "output_tokens": 6,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 3},
        "output_tokens_details": {"thinking_tokens": 6},
    });
    let answer = json!({
        "id": "msg_01a", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5",
        "content": [{"type": "text", "text": "Hello.", "citations": null}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": usage,
    });
    let params = json!({
        "model": "claude-sonnet-5-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello"}],
    });
    Exchange { params, ..exchange(OperationId::MessagesCreate, "/v1/messages", answer) }
}

/// An answer that calls the tool `weather`.
fn call() -> Exchange {
    let mut call = message();
    let schema = json!({
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false,
    });
    call.params["tools"] = json!([{"name": "weather", "input_schema": schema, "strict": true}, {"name": "clock", "input_schema": {"type": "object"}}]);
    call.answer["content"] = json!([
        {"type": "text", "text": "Let me look.", "citations": null},
        {"type": "tool_use", "id": "toolu_01a", "name": "weather", "input": {"city": "Oslo"}},
    ]);
    call.answer["stop_reason"] = json!("tool_use");
    call
}

fn error() -> Exchange {
    let mut error = message();
    error.status = 400;
    error.answer = json!({
        "type": "error", "error": {"type": "invalid_request_error", "message": "messages: Field required"},
        "request_id": "req_01a",
    });
    error
}

fn batch() -> Exchange {
    let counts =
        json!({"processing": 2, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0});
    let answer = json!({
        "id": "msgbatch_01a", "type": "message_batch", "processing_status": "in_progress", "request_counts": counts,
        "created_at": "2026-11-22T12:00:00Z", "expires_at": "2026-11-23T12:00:00Z", "ended_at": null,
        "cancel_initiated_at": null, "archived_at": null, "results_url": null,
    });
    exchange(OperationId::BatchesGet, "/v1/messages/batches/msgbatch_01a", answer)
}

fn ended(batch: &mut Exchange) {
    batch.answer["processing_status"] = json!("ended");
    batch.answer["ended_at"] = json!("2026-11-22T13:00:00Z");
    batch.answer["results_url"] =
        json!("https://api.example/v1/messages/batches/msgbatch_01a/results");
    batch.answer["request_counts"]["processing"] = json!(0);
    batch.answer["request_counts"]["succeeded"] = json!(2);
}

fn page() -> Exchange {
    let mut page = batch();
    page.operation = OperationId::BatchesList;
    page.target = "/v1/messages/batches?limit=2";
    let mut other = page.answer.clone();
    other["id"] = json!("msgbatch_01b");
    page.answer = json!({
        "data": [page.answer, other], "has_more": true, "first_id": "msgbatch_01a", "last_id": "msgbatch_01b",
    });
    page
}

fn results() -> Exchange {
    let mut results = message();
    results.operation = OperationId::BatchesResults;
    results.target = "/v1/messages/batches/msgbatch_01a/results";
    results.headers[0].1 = "application/x-jsonl";
    results
}

const LINES: &str = concat!(
    r#"{"custom_id":"a","result":{"type":"canceled"}}"#,
    "\n",
    r#"{"custom_id":"b","result":{"type":"expired"}}"#,
    "\n",
);
const LINES_ALIKE: &str = concat!(
    r#"{"custom_id":"a","result":{"type":"canceled"}}"#,
    "\n",
    r#"{"custom_id":"a","result":{"type":"expired"}}"#,
    "\n",
);

const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_01a","type":"message","role":"assistant","model":"claude-sonnet-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello."}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":6}}

event: message_stop
data: {"type":"message_stop"}

"#;

fn stream() -> Exchange {
    let mut stream = message();
    stream.params["stream"] = json!(true);
    stream.headers[0].1 = "text/event-stream; charset=utf-8";
    stream.text = Some(STREAM);
    stream
}

#[test]
fn good_answers_break_nothing() {
    for good in [message(), call(), error(), batch(), page(), stream()] {
        check(good, |_| {}, &[]);
    }
    check(batch(), ended, &[]);
    check(results(), |it| it.text = Some(LINES), &[]);
}

#[test]
fn what_is_not_known_is_no_finding() {
    check(message(), |it| it.answer["novel"] = json!({"a": [1]}), &[]);
    check(message(), |it| it.answer["stop_reason"] = json!("novel_reason"), &[]);
    check(message(), |it| it.answer["content"][0] = json!({"type": "novel", "text": 7}), &[]);
    check(message(), |it| it.answer["usage"]["service_tier"] = json!("novel"), &[]);
    check(message(), |it| it.headers.push(("anthropic-novel", "1")), &[]);
    check(error(), |it| it.answer["error"]["type"] = json!("novel_error"), &[]);
    check(error(), |it| it.answer["error"]["details"] = json!({"error_code": "novel"}), &[]);
    check(batch(), |it| it.answer["processing_status"] = json!("novel"), &[]);
    check(results(), |it| it.text = Some(r#"{"custom_id":"a","result":{"type":"novel"}}"#), &[]);
}

#[test]
fn the_kind_of_the_body() {
    check(message(), |it| it.text = Some("<html>Log in</html>"), &[("not-json", "")]);
    check(message(), |it| it.text = Some(""), &[("not-json", "")]);
    check(message(), |it| it.text = Some("[]"), &[("not-json", "")]);
    check(
        results(),
        |it| it.text = Some("{}\n{\"custom_id\""),
        &[("not-json", "/1"), ("schema", "/0/custom_id"), ("schema", "/0/result")],
    );
    check(message(), |it| it.answer = error().answer, &[("error-under-success", "")]);
    check(message(), |it| it.params["stream"] = json!(true), &[("stream-downgraded", "")]);
    check(message(), |it| it.params["stream"] = json!(false), &[]);
    check(stream(), |it| it.params["stream"] = json!(false), &[("stream-unasked", "")]);
    check(stream(), |it| it.params = Value::Null, &[]);
}

#[test]
fn headers() {
    check(message(), |it| it.headers.truncate(1), &[("request-id-missing", "")]);
    check(message(), |it| it.headers[1].1 = "01a", &[("request-id-form", "")]);
    check(error(), |it| it.headers[1].1 = "req_01b", &[("request-id-differs", "/request_id")]);
    check(error(), |it| it.answer["request_id"] = Value::Null, &[]);
    check(message(), |it| it.headers[0].1 = "text/plain", &[("media-type", "")]);
    check(message(), |it| it.headers[0].1 = "Application/JSON; charset=utf-8", &[]);
    check(error(), |it| it.headers[0].1 = "text/event-stream", &[("error-media-type", "")]);
    let limited = |it: &mut Exchange| {
        it.status = 429;
        it.answer["error"] = json!({"type": "rate_limit_error", "message": "Too fast."});
    };
    check(error(), limited, &[("retry-after-missing", "")]);
    for (value, expected) in [
        ("12", None),
        ("0.5", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("12s", Some("retry-after-form")),
        ("-1", Some("retry-after-form")),
        ("soon", Some("retry-after-form")),
    ] {
        let edit = |it: &mut Exchange| {
            limited(it);
            it.headers.push(("retry-after", value));
        };
        let expected: Vec<_> = expected.map(|rule| (rule, "")).into_iter().collect();
        check(error(), edit, &expected);
    }
    for (name, value, is_right) in [
        ("anthropic-ratelimit-requests-limit", "50", true),
        ("anthropic-ratelimit-requests-limit", "50/m", false),
        ("anthropic-priority-input-tokens-remaining", "1e3", false),
        ("anthropic-ratelimit-tokens-reset", "2026-11-22T12:00:00Z", true),
        ("anthropic-ratelimit-tokens-reset", "2026-11-22T12:00:00.5+01:00", true),
        ("anthropic-ratelimit-tokens-reset", "60", false),
        ("anthropic-ratelimit-unified-status", "allowed", true),
        ("anthropic-ratelimit-unified-5h-reset", "1795348800", true),
        ("x-ratelimit-requests-reset", "1s", true),
    ] {
        let expected = if is_right { vec![] } else { vec![("ratelimit-form", "")] };
        check(message(), |it| it.headers.push((name, value)), &expected);
    }
    check(message(), |it| it.headers.push(("x-should-retry", "false")), &[]);
    let edit = |it: &mut Exchange| it.headers.push(("x-should-retry", "False"));
    check(message(), edit, &[("should-retry-form", "")]);
    check(message(), |it| it.headers.push(("content-length", "400")), &[]);
    let edit = |it: &mut Exchange| it.headers.push(("content-length", "400"));
    check(stream(), edit, &[("stream-not-incremental", "")]);
}

#[test]
fn limits() {
    for (name, left, limit, is_right) in [
        ("ratelimit-requests", "50", "50", true),
        ("ratelimit-requests", "51", "50", false),
        ("ratelimit-tokens", "2000", "1500", true),
        ("ratelimit-tokens", "3000", "1500", false),
        ("fast-input-tokens", "3000", "1500", false),
        ("ratelimit-requests", "51", "many", true),
    ] {
        let (left_name, limit_name) =
            (format!("anthropic-{name}-remaining"), format!("anthropic-{name}-limit"));
        let edit = |it: &mut Exchange| {
            it.headers.push((left_name.leak(), left));
            if limit != "many" {
                it.headers.push((limit_name.leak(), limit));
            }
        };
        let expected = if is_right { vec![] } else { vec![("ratelimit-remaining", "")] };
        check(message(), edit, &expected);
    }
    let spent = |code: &'static str, expected: &[(&str, &str)]| {
        let edit = |it: &mut Exchange| {
            it.status = 429;
            it.headers.push(("retry-after", "2"));
            let details = json!({"error_code": code});
            it.answer["error"] =
                json!({"type": "rate_limit_error", "message": "No.", "details": details});
        };
        check(error(), edit, expected);
    };
    spent("enforced_spend_limit_reached", &[("retry-after-futile", "")]);
    spent("ramp_limit_exceeded", &[]);
    for (id, is_right) in [("wrkspc_01a", true), ("wrkspc_", false), ("default", false)] {
        let expected = if is_right { vec![] } else { vec![("workspace-id-form", "")] };
        check(message(), |it| it.headers.push(("anthropic-workspace-id", id)), &expected);
    }
}

#[test]
fn errors() {
    check(error(), |it| it.text = Some("<html>400</html>"), &[("error-not-json", "")]);
    check(error(), |it| it.text = Some(""), &[("error-not-json", "")]);
    // A page under a 5xx is a proxy's.
    let edit = |it: &mut Exchange| {
        it.status = 502;
        it.text = Some("<html>502</html>");
    };
    check(error(), edit, &[]);
    let edit = |it: &mut Exchange| drop(it.answer.as_object_mut().unwrap().remove("type"));
    check(error(), edit, &[("error-outer-type", "/type")]);
    check(
        error(),
        |it| it.answer["error"]["type"] = json!(""),
        &[("error-type-missing", "/error/type")],
    );
    let at = "/error/message";
    check(
        error(),
        |it| it.answer["error"]["message"] = json!(" "),
        &[("error-message-missing", at)],
    );
    let at = "/error";
    for foreign in [
        json!({"detail": [{"msg": "Field required"}]}),
        json!({"error": "Validation failed"}),
        json!({"type": "error", "error": []}),
    ] {
        check(error(), |it| it.answer = foreign, &[("error-foreign", at)]);
    }
    let at = "/error/message";
    for (message, is_nested) in [
        (r#"BadRequestError: {"type":"error","error":{"message":"no"}} (see above)"#, true),
        (r#"b'{\"type\": \"error\", \"error\": {}}'"#, true),
        ("400: {'type': 'error', 'error': {}}", true),
        (r#"tools.0.type: Input should be "custom", not "error""#, false),
    ] {
        let expected = if is_nested { vec![("error-nested", at)] } else { vec![] };
        check(error(), |it| it.answer["error"]["message"] = json!(message), &expected);
    }
    for (message, has_trace) in [
        ("no model: Error: no model at nt (/srv/server.cjs:67:20940)", true),
        ("boom\n    at acme.Main.run(Main.java:67)", true),
        ("Traceback (most recent call last):\n  File \"a.py\", line 1", true),
        ("messages.0: no text at index 3 (see content:1)", false),
    ] {
        let expected = if has_trace { vec![("error-trace", at)] } else { vec![] };
        check(error(), |it| it.answer["error"]["message"] = json!(message), &expected);
    }
    for (status, error_type, is_right) in [
        (400, "invalid_request_error", true),
        (415, "invalid_request_error", true),
        (405, "invalid_request_error", true),
        (404, "invalid_request_error", false),
        (500, "invalid_request_error", false),
        (400, "rate_limit_error", false),
        (404, "not_found_error", true),
        (502, "api_error", true),
        (529, "api_error", false),
        (408, "timeout_error", true),
        (418, "novel_error", true),
    ] {
        let edit = |it: &mut Exchange| {
            it.status = status;
            it.answer["error"]["type"] = json!(error_type);
        };
        let expected = if is_right { vec![] } else { vec![("status-type", "/error/type")] };
        check(error(), edit, &expected);
    }
    check(error(), |it| it.status = 422, &[("status-unprocessable", "")]);
    let edit =
        |it: &mut Exchange| it.answer["error"]["details"] = json!({"error_code": "file_expired"});
    check(error(), edit, &[("error-code-status", "/error/details/error_code")]);
}

#[test]
fn an_image_that_is_too_large_is_named() {
    for (details, missing) in [
        (json!({"max_side_length_pixels": 8000, "paths": []}), 0),
        (json!({"max_side_length_pixels": 8000}), 1),
        (json!({}), 2),
    ] {
        let edit = |it: &mut Exchange| {
            it.answer["error"]["details"] = details;
            it.answer["error"]["details"]["error_code"] = json!("image_dimensions_too_large");
        };
        check(error(), edit, &vec![("error-details", "/error/details"); missing]);
    }
}

#[test]
fn the_message() {
    check(message(), |it| it.answer["role"] = json!("user"), &[("message-role", "/role")]);
    check(message(), |it| it.answer["id"] = json!("chatcmpl-01a"), &[("message-id", "/id")]);
    check(message(), |it| it.answer["id"] = json!("msg_"), &[("message-id", "/id")]);
    check(message(), |it| it.answer["model"] = json!(""), &[("model-missing", "/model")]);
    check(
        message(),
        |it| it.answer["stop_reason"] = Value::Null,
        &[("stop-reason-missing", "/stop_reason")],
    );
    let at = "/stop_reason";
    check(
        message(),
        |it| it.answer["stop_reason"] = json!("tool_use"),
        &[("stop-reason-tool", at)],
    );
    check(call(), |it| it.answer["stop_reason"] = json!("end_turn"), &[("stop-reason-tool", at)]);
    let novel = |it: &mut Exchange| {
        it.answer["stop_reason"] = json!("tool_use");
        it.answer["content"] = json!([{"type": "novel_tool_use", "id": "a"}]);
    };
    check(message(), novel, &[]);
    check(call(), |it| it.answer["stop_reason"] = json!("max_tokens"), &[]);
    let at = "/stop_sequence";
    check(message(), |it| it.answer["stop_sequence"] = json!("END"), &[("stop-sequence", at)]);
    check(
        message(),
        |it| it.answer["stop_reason"] = json!("stop_sequence"),
        &[("stop-sequence", at)],
    );
    let refusal = json!({"type": "refusal", "category": null, "explanation": null});
    for (reason, expected) in [
        ("end_turn", vec![("stop-details-unexpected", "/stop_details")]),
        ("refusal", vec![]),
        ("novel_reason", vec![]),
    ] {
        let edit = |it: &mut Exchange| {
            it.answer["stop_reason"] = json!(reason);
            it.answer["stop_details"] = refusal.clone();
        };
        check(message(), edit, &expected);
    }
    // What another vendor answers, in one piece.
    let edit = |it: &mut Exchange| {
        it.answer = json!({"id": "chatcmpl-1", "object": "chat.completion", "choices": [], "model": "claude-sonnet-5-5"});
    };
    check(
        message(),
        edit,
        &[
            ("message-type", "/type"),
            ("message-role", "/role"),
            ("message-id", "/id"),
            ("stop-reason-missing", "/stop_reason"),
            ("usage-missing", "/usage"),
            ("content-not-list", "/content"),
            ("schema", "/stop_sequence"),
        ],
    );
    // Items of a batch are messages, too.
    let line = r#"{"custom_id":"a","result":{"type":"succeeded","message":{"id":"1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}}"#;
    check(results(), |it| it.text = Some(line), &[("message-id", "/0/result/message/id")]);
}

#[test]
fn usage() {
    check(message(), |it| it.answer["usage"] = Value::Null, &[("usage-missing", "/usage")]);
    for (name, value, rule) in [
        ("input_tokens", json!(0), None),
        ("input_tokens", json!(-1), Some("usage-missing")),
        ("input_tokens", json!("12"), Some("usage-missing")),
        ("output_tokens", json!(6.0), None),
        ("output_tokens", json!(6.5), Some("usage-missing")),
        ("cache_read_input_tokens", json!(-1), Some("usage-missing")),
        ("cache_read_input_tokens", Value::Null, None),
        ("cache_creation", Value::Null, None),
    ] {
        let at = format!("/usage/{name}");
        let expected: Vec<_> = rule.map(|rule| (rule, &*at)).into_iter().collect();
        check(message(), |it| it.answer["usage"][name] = value, &expected);
    }
    let edit =
        |it: &mut Exchange| it.answer["usage"] = json!({"input_tokens": 0, "output_tokens": 1});
    check(message(), edit, &[("usage-input-zero", "/usage/input_tokens")]);
    let free = |it: &mut Exchange| {
        it.answer["content"] = json!([]);
        it.answer["stop_reason"] = json!("refusal");
        it.answer["usage"] = json!({"input_tokens": 0, "output_tokens": 0});
    };
    check(message(), free, &[]);
    // A stream counts as well as one body does.
    let zero = STREAM.replace(r#""output_tokens":6"#, r#""output_tokens":0"#);
    let zero: &str = zero.replace(r#""output_tokens":1"#, r#""output_tokens":0"#).leak();
    let edit = |it: &mut Exchange| it.text = Some(zero);
    check(stream(), edit, &[("usage-output-zero", "/usage/output_tokens")]);
    let edit =
        |it: &mut Exchange| it.answer["usage"] = json!({"input_tokens": 1, "output_tokens": 0});
    check(message(), edit, &[("usage-output-zero", "/usage/output_tokens")]);
    let at = "/usage/cache_creation";
    let edit = |it: &mut Exchange| it.answer["usage"]["cache_creation_input_tokens"] = json!(9);
    check(message(), edit, &[("usage-cache-sum", at)]);
    let at = "/usage/output_tokens_details/thinking_tokens";
    let edit = |it: &mut Exchange| {
        it.answer["usage"]["output_tokens_details"]["thinking_tokens"] = json!(7)
    };
    check(message(), edit, &[("usage-thinking", at)]);
}

#[test]
fn blocks() {
    check(
        message(),
        |it| it.answer["content"] = json!("Hello."),
        &[("content-not-list", "/content")],
    );
    check(message(), |it| it.answer["content"] = Value::Null, &[("content-not-list", "/content")]);
    let at = "/content/0";
    check(message(), |it| it.answer["content"] = json!(["Hello."]), &[("content-not-list", at)]);
    check(message(), |it| it.answer["content"] = json!([]), &[]);
    let edit = |it: &mut Exchange| {
        it.answer["content"] = json!([]);
        it.answer["usage"]["output_tokens"] = json!(40);
        it.params["max_tokens"] = json!(64);
    };
    check(message(), edit, &[("content-lost", "/content")]);
    let at = "/content/0/text";
    check(message(), |it| it.answer["content"][0]["text"] = Value::Null, &[("text-missing", at)]);
    check(message(), |it| it.answer["content"][0]["text"] = json!(""), &[]);
    check(call(), |it| it.answer["content"][0]["text"] = json!(""), &[("text-empty", at)]);
    let thinking = |block: Value| move |it: &mut Exchange| it.answer["content"][0] = block;
    check(call(), thinking(json!({"type": "thinking", "thinking": "", "signature": "c2ln"})), &[]);
    let at = "/content/0/signature";
    let unsigned = json!({"type": "thinking", "thinking": "So.", "signature": ""});
    check(call(), thinking(unsigned), &[("thinking-unsigned", at)]);
    let cut = |it: &mut Exchange| {
        it.answer["stop_reason"] = json!("max_tokens");
        it.answer["content"] = json!([{"type": "thinking", "thinking": "So.", "signature": ""}]);
    };
    check(message(), cut, &[]);
    let twice = |it: &mut Exchange| {
        let empty = json!({"type": "text", "text": "", "citations": null});
        it.answer["content"] = json!([it.answer["content"][0].take(), empty]);
    };
    check(message(), twice, &[]);
    let unsigned = json!({"type": "redacted_thinking", "data": ""});
    check(call(), thinking(unsigned), &[("thinking-unsigned", "/content/0/data")]);
}

#[test]
fn calls() {
    for (member, value, rule) in [
        ("id", json!("call_01a"), "tool-id"),
        ("id", json!("toolu_01:a"), "tool-id"),
        ("name", json!(""), "tool-name-missing"),
        ("input", json!("{\"city\":\"Oslo\"}"), "tool-input-not-object"),
        ("input", Value::Null, "tool-input-not-object"),
    ] {
        let at = format!("/content/1/{member}");
        check(call(), |it| it.answer["content"][1][member] = value, &[(rule, &at)]);
    }
    let edit = |it: &mut Exchange| it.answer["content"][0] = it.answer["content"][1].clone();
    check(call(), edit, &[("tool-id-duplicate", "/content/1/id")]);
    let served = |id: &str, answered: bool| {
        let mut it = message();
        it.params["tools"] = json!([{"type": "web_search_20250305", "name": "web_search"}]);
        let call = json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "a"}, "caller": {"type": "direct"}});
        let result = json!({"type": "web_search_tool_result", "tool_use_id": id, "content": []});
        it.answer["content"] = if answered { json!([call, result]) } else { json!([call]) };
        it
    };
    check(served("srvtoolu_01a", true), |_| {}, &[]);
    let expected =
        [("server-tool-id", "/content/0/id"), ("server-tool-id", "/content/1/tool_use_id")];
    check(served("toolu_01a", true), |_| {}, &expected);
    let forced = |it: &mut Exchange| {
        it.params["tools"] = json!([{"type": "code_execution_20250825", "name": "code_execution"}]);
        it.params["tool_choice"] = json!({"type": "tool", "name": "code_execution"});
        it.answer["content"][0]["name"] = json!("bash_code_execution");
    };
    check(served("srvtoolu_01a", true), forced, &[]);
    let expected = [("server-call-unanswered", "/content/0")];
    check(served("srvtoolu_01a", false), |_| {}, &expected);
    check(served("srvtoolu_01a", false), |it| it.answer["stop_reason"] = json!("pause_turn"), &[]);
    let expected = [("server-tool-unoffered", "/content/0")];
    check(served("srvtoolu_01a", true), |it| it.params["tools"] = json!([]), &expected);
}

#[test]
fn what_was_asked_for() {
    let at = "/model";
    check(message(), |it| it.answer["model"] = json!("gpt-oss-20b"), &[("model-other", at)]);
    let alias = |it: &mut Exchange| {
        it.params["model"] = json!("claude-haiku-4-5");
        it.answer["model"] = json!("claude-haiku-4-5-20251001");
    };
    check(message(), alias, &[]);
    let at = "/usage/output_tokens";
    check(message(), |it| it.params["max_tokens"] = json!(5), &[("max-tokens-exceeded", at)]);
    check(message(), |it| it.params["max_tokens"] = json!(6), &[]);
    let stopped = |asked: &'static str| {
        move |it: &mut Exchange| {
            it.params["stop_sequences"] = json!([asked]);
            it.answer["stop_reason"] = json!("stop_sequence");
            it.answer["stop_sequence"] = json!("END");
        }
    };
    check(message(), stopped("END"), &[]);
    check(message(), stopped("STOP"), &[("stop-sequence-unasked", "/stop_sequence")]);
    let disabled = |it: &mut Exchange| {
        it.params["thinking"] = json!({"type": "disabled"});
        it.answer["content"][0] =
            json!({"type": "thinking", "thinking": "So.", "signature": "c2ln"});
    };
    check(call(), disabled, &[("thinking-unasked", "/content/0")]);
    // Nothing is known of what was asked.
    check(
        message(),
        |it| {
            it.params = Value::Null;
            it.answer["model"] = json!("other");
        },
        &[],
    );
}

#[test]
fn tools_as_asked_for() {
    let choose = |choice: Value| move |it: &mut Exchange| it.params["tool_choice"] = choice;
    check(call(), choose(json!({"type": "tool", "name": "weather"})), &[]);
    check(call(), choose(json!({"type": "any"})), &[]);
    let expected = [("tool-choice-ignored", "/content")];
    check(call(), choose(json!({"type": "tool", "name": "clock"})), &expected);
    let edit = |it: &mut Exchange| {
        choose(json!({"type": "any"}))(it);
        it.answer = message().answer;
    };
    check(call(), edit, &expected);
    let edit = |it: &mut Exchange| {
        edit(it);
        it.answer["stop_reason"] = json!("refusal");
    };
    check(call(), edit, &[]);
    let edit = |it: &mut Exchange| {
        choose(json!({"type": "any"}))(it);
        it.answer = message().answer;
        it.params["tools"] = json!([
            {"type": "web_search_20250305", "name": "web_search"},
            {"name": "clock", "input_schema": {"type": "object"}, "defer_loading": true},
        ]);
    };
    check(call(), edit, &[]);
    check(call(), choose(json!({"type": "none"})), &[("tool-choice-none", "/content/1")]);
    let twice = |it: &mut Exchange| {
        choose(json!({"type": "auto", "disable_parallel_tool_use": true}))(it);
        it.answer["content"][0] =
            json!({"type": "tool_use", "id": "toolu_01b", "name": "clock", "input": {}});
    };
    check(call(), twice, &[("tool-choice-parallel", "/content")]);
    let at = "/content/1/name";
    check(
        call(),
        |it| it.answer["content"][1]["name"] = json!("mcp__weather"),
        &[("tool-unoffered", at)],
    );
    let at = "/content/1/input/city";
    let wrong = |it: &mut Exchange| it.answer["content"][1]["input"] = json!({"city": 7});
    check(call(), wrong, &[("tool-input-invalid", at)]);
    let edit = |it: &mut Exchange| {
        wrong(it);
        it.params["tools"][0]["strict"] = json!(false);
    };
    check(call(), edit, &[]);
    let member = |it: &mut Exchange, toolset: &str| {
        it.params["tools"] = json!([{"type": "browser_toolset_20260801"}]);
        it.answer["content"][1]["name"] = json!("navigate");
        it.answer["content"][1]["toolset_name"] = json!(toolset);
    };
    check(call(), |it| member(it, "browser"), &[]);
    check(call(), |it| member(it, "computer"), &[("tool-unoffered", "/content/1/name")]);
}

#[test]
fn json_as_asked_for() {
    let formatted = |text: &'static str| {
        move |it: &mut Exchange| {
            let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
            it.params["output_config"] =
                json!({"format": {"type": "json_schema", "schema": schema}});
            it.answer["content"][0]["text"] = json!(text);
        }
    };
    check(message(), formatted("{\"n\": 1}"), &[]);
    let expected = [("output-format", "/content/0")];
    check(message(), formatted("{\"n\": \"1\"}"), &expected);
    check(message(), formatted("```json\n{\"n\": 1}\n```"), &expected);
    let edit = |it: &mut Exchange| {
        formatted("{\"n\":")(it);
        it.answer["stop_reason"] = json!("max_tokens");
    };
    check(message(), edit, &[]);
    let empty = |it: &mut Exchange| {
        formatted("")(it);
        it.answer["content"] = json!([]);
    };
    check(message(), empty, &[]);
}

#[test]
fn a_stream_is_judged_by_what_it_comes_to() {
    check(stream(), |it| it.params["model"] = json!("claude-opus-5"), &[("model-other", "/model")]);
    let edit = |it: &mut Exchange| {
        it.params["tools"] = call().params["tools"].take();
        it.params["tool_choice"] = json!({"type": "any"});
    };
    check(stream(), edit, &[("tool-choice-ignored", "/content")]);
}

#[test]
fn counts_and_pages() {
    let count = |n: Value| {
        exchange(
            OperationId::MessagesCountTokens,
            "/v1/messages/count_tokens",
            json!({"input_tokens": n}),
        )
    };
    check(count(json!(7)), |_| {}, &[]);
    check(count(json!(0)), |_| {}, &[("count-tokens", "/input_tokens")]);
    check(count(json!("7")), |_| {}, &[("count-tokens", "/input_tokens")]);
    check(page(), |it| it.answer["first_id"] = Value::Null, &[("list-ends", "/first_id")]);
    check(page(), |it| it.answer["last_id"] = json!("msgbatch_01a"), &[("list-ends", "/last_id")]);
    check(page(), |it| it.target = "/v1/messages/batches?limit=1", &[("list-too-long", "/data")]);
    check(page(), |it| it.target = "/v1/messages/batches", &[]);
    let edit = |it: &mut Exchange| {
        it.answer["data"][1]["id"] = json!("msgbatch_01a");
        it.answer["last_id"] = json!("msgbatch_01a");
    };
    check(page(), edit, &[("list-duplicate", "/data/1/id")]);
    let empty = json!({"data": [], "has_more": false, "first_id": null, "last_id": null});
    let models = exchange(OperationId::ModelsList, "/v1/models", empty);
    check(models.clone(), |_| {}, &[]);
    check(models, |it| it.answer["has_more"] = json!(true), &[("list-has-more", "/has_more")]);
}

#[test]
fn batches() {
    check(batch(), |it| it.answer["id"] = json!("batch_1"), &[("batch-id", "/id")]);
    check(batch(), |it| it.answer["id"] = json!("msgbatch_01b"), &[("batch-id", "/id")]);
    let at = "/request_counts";
    check(
        batch(),
        |it| it.answer["request_counts"]["succeeded"] = json!(1),
        &[("batch-counts", at)],
    );
    let edit = |it: &mut Exchange| {
        ended(it);
        it.answer["request_counts"]["processing"] = json!(1);
    };
    check(batch(), edit, &[("batch-counts", "/request_counts/processing")]);
    let made = |sent: usize| {
        move |it: &mut Exchange| {
            it.operation = OperationId::BatchesCreate;
            it.target = "/v1/messages/batches";
            it.params = json!({"requests": vec![json!({}); sent]});
        }
    };
    check(batch(), made(2), &[]);
    check(batch(), made(3), &[("batch-counts", at)]);
    let at = "/ended_at";
    check(
        batch(),
        |it| it.answer["ended_at"] = json!("2026-11-22T13:00:00Z"),
        &[("batch-end", at)],
    );
    let edit = |it: &mut Exchange| {
        ended(it);
        it.answer["results_url"] = Value::Null;
    };
    check(batch(), edit, &[("batch-end", "/results_url")]);
    let cancelled = |it: &mut Exchange| it.operation = OperationId::BatchesCancel;
    let expected =
        [("batch-cancel", "/cancel_initiated_at"), ("batch-cancel", "/processing_status")];
    check(batch(), cancelled, &expected);
    let edit = |it: &mut Exchange| {
        cancelled(it);
        it.answer["processing_status"] = json!("canceling");
        it.answer["cancel_initiated_at"] = json!("2026-11-22T12:30:00Z");
    };
    check(batch(), edit, &[]);
    check(results(), |it| it.text = Some(LINES_ALIKE), &[("results-duplicate", "/1/custom_id")]);
}

#[test]
fn what_was_agreed_to() {
    let billed = |member: &'static str, asked: Value, used: &str, rule: Option<&str>| {
        let edit = |it: &mut Exchange| {
            it.params[member] = asked;
            it.answer["usage"][member] = json!(used);
        };
        let at = format!("/usage/{member}");
        check(message(), edit, &rule.map(|rule| (rule, &*at)).into_iter().collect::<Vec<_>>());
    };
    billed("speed", json!("fast"), "fast", None);
    // Not every model has it.
    billed("speed", json!("fast"), "standard", None);
    billed("speed", Value::Null, "fast", Some("tier-unasked"));
    billed("service_tier", json!("auto"), "priority", None);
    billed("service_tier", Value::Null, "priority", None);
    billed("service_tier", json!("standard_only"), "standard", None);
    billed("service_tier", json!("standard_only"), "priority", Some("tier-unasked"));
    billed("service_tier", Value::Null, "batch", Some("tier-unasked"));
    billed("inference_geo", json!("us"), "us", None);
    billed("inference_geo", json!("us"), "global", Some("inference-geo-other"));
    billed("inference_geo", json!("global"), "us", None);
    billed("inference_geo", Value::Null, "us", None);
    let filled = |it: &mut Exchange| {
        it.params["max_tokens"] = json!(0);
        it.answer["usage"]["output_tokens"] = json!(0);
        it.answer["usage"]["output_tokens_details"] = Value::Null;
        it.answer["stop_reason"] = json!("max_tokens");
        it.answer["content"] = json!([]);
    };
    check(message(), filled, &[]);
    let edit = |it: &mut Exchange| {
        filled(it);
        it.answer["content"] = message().answer["content"].clone();
    };
    check(
        message(),
        edit,
        &[("usage-output-zero", "/usage/output_tokens"), ("max-tokens-zero", "/content")],
    );
    let thought = |display: &'static str| {
        move |it: &mut Exchange| {
            it.params["thinking"] = json!({"type": "adaptive", "display": display});
            it.answer["content"][0] =
                json!({"type": "thinking", "thinking": "So.", "signature": "c2ln"});
        }
    };
    check(call(), thought("summarized"), &[]);
    check(call(), thought("omitted"), &[("thinking-shown", "/content/0/thinking")]);
}

/// An answer for which that was found by as many searches.
fn searched(tool: &str, contents: &[Value]) -> Exchange {
    let mut it = message();
    it.params["tools"] = json!([{"type": tool, "name": "web_search"}]);
    let block = |(idx, content): (usize, &Value)| {
        let id = format!("srvtoolu_{idx}");
        let call = json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "a"}, "caller": {"type": "direct"}});
        let result =
            json!({"type": "web_search_tool_result", "tool_use_id": id, "content": content});
        [call, result]
    };
    it.answer["content"] = contents.iter().enumerate().flat_map(block).collect();
    it
}

#[test]
fn searches_are_counted() {
    let failed = json!({"type": "web_search_tool_result_error", "error_code": "unavailable"});
    let at = "/usage/server_tool_use/web_search_requests";
    for (tool, contents, count, is_right) in [
        ("web_search_20250305", vec![json!([]), json!([])], 2, true),
        ("web_search_20250305", vec![json!([]), json!([])], 1, false),
        ("web_search_20250305", vec![json!([]), json!([])], 3, false),
        ("web_search_20250305", vec![failed.clone(), json!([])], 1, true),
        ("web_search_20250305", vec![failed, json!([])], 2, true),
        // Code may have searched, too.
        ("web_search_20260209", vec![json!([])], 3, true),
    ] {
        let expected = if is_right { vec![] } else { vec![("server-tool-counts", at)] };
        let edit = |it: &mut Exchange| {
            it.answer["usage"]["server_tool_use"] =
                json!({"web_search_requests": count, "web_fetch_requests": 0});
        };
        check(searched(tool, &contents), edit, &expected);
    }
    // The call is that of a turn that was paused.
    let resumed = |it: &mut Exchange| {
        let call = it.answer["content"].as_array_mut().unwrap().remove(0);
        let paused = json!({"role": "assistant", "content": [call]});
        it.params["messages"].as_array_mut().unwrap().push(paused);
    };
    for count in [0, 1] {
        let edit = |it: &mut Exchange| {
            resumed(it);
            it.answer["usage"]["server_tool_use"] =
                json!({"web_search_requests": count, "web_fetch_requests": 0});
        };
        check(searched("web_search_20250305", &[json!([])]), edit, &[]);
    }
}

#[test]
fn the_details_of_a_stream_come_last() {
    let with = |from: &str, details: &str| -> &'static str {
        let text = STREAM.replace(from, &format!("{from},\"output_tokens_details\":{details}"));
        assert_ne!(text, STREAM);
        text.leak()
    };
    let details = r#"{"thinking_tokens":0}"#;
    let last = with(r#""usage":{"output_tokens":6"#, details);
    let early = with(r#""output_tokens":1"#, details);
    check(stream(), |it| it.text = Some(last), &[]);
    check(stream(), |it| it.text = Some(with(r#""output_tokens":1"#, "null")), &[]);
    check(stream(), |it| it.text = Some(early), &[("usage-details-early", "")]);
}

#[test]
fn models() {
    let models = |target: &'static str, states: &[&str]| {
        let model = |(idx, state): (usize, &&str)| {
            let capabilities = Value::Null;
            json!({
                "id": format!("claude-{idx}"), "type": "model", "display_name": "A", "created_at": "2026-10-07T00:00:00Z",
                "capabilities": capabilities, "max_input_tokens": 9, "max_tokens": 9, "lifecycle": state,
                "deprecated_at": null, "retires_at": null, "line": "haiku",
            })
        };
        let data: Vec<Value> = states.iter().enumerate().map(model).collect();
        let last = format!("claude-{}", states.len() - 1);
        let page =
            json!({"data": data, "has_more": false, "first_id": "claude-0", "last_id": last});
        exchange(OperationId::ModelsList, target, page)
    };
    let at = "/data/1/lifecycle";
    check(models("/v1/models", &["active", "deprecated", "novel"]), |_| {}, &[]);
    let expected = [("models-lifecycle", at)];
    check(models("/v1/models", &["active", "retired"]), |_| {}, &expected);
    let query = "/v1/models?lifecycle[]=retired&lifecycle[]=active";
    check(models(query, &["active", "retired"]), |_| {}, &[]);
    check(
        models("/v1/models?lifecycle%5B%5D=active", &["active", "deprecated"]),
        |_| {},
        &expected,
    );
    let expected = [("list-cursor", "/data/1/id")];
    check(models("/v1/models?after_id=claude-1", &["active", "active"]), |_| {}, &expected);
    check(models("/v1/models?after_id=claude-2", &["active", "active"]), |_| {}, &[]);
    for (target, is_right) in [
        ("/v1/models/claude-0", true),
        ("/v1/models/claude-0-latest", true),
        ("/v1/models/claude-1", false),
        ("/v1/models/claude%2D1", true),
    ] {
        let mut one = models(target, &["active"]);
        one.operation = OperationId::ModelsGet;
        one.answer = one.answer["data"][0].take();
        let expected = if is_right { vec![] } else { vec![("model-info-other", "/id")] };
        check(one, |_| {}, &expected);
    }
}

#[test]
fn the_times_of_a_batch() {
    for (member, time, is_right) in [
        ("ended_at", "2026-11-22T12:00:00.5Z", true),
        ("ended_at", "2026-11-22T11:59:59Z", false),
        ("ended_at", "2026-11-22T10:59:59+02:00", true),
        ("expires_at", "2026-11-21T12:00:00Z", false),
        ("cancel_initiated_at", "2026-11-21T12:00:00Z", false),
    ] {
        let at = format!("/{member}");
        let expected = if is_right { vec![] } else { vec![("batch-times", &*at)] };
        let edit = |it: &mut Exchange| {
            ended(it);
            it.answer[member] = json!(time);
        };
        check(batch(), edit, &expected);
    }
}

#[test]
fn the_schema_says_where() {
    let edit = |it: &mut Exchange| drop(it.answer["usage"].take());
    check(message(), edit, &[("usage-missing", "/usage")]);
    check(
        message(),
        |it| it.answer["usage"]["inference_geo"] = json!(7),
        &[("schema", "/usage/inference_geo")],
    );
    let edit = |it: &mut Exchange| {
        it.answer["content"][0]["citations"] = json!([{"type": "char_location"}])
    };
    let found = |it: &mut Exchange| {
        edit(it);
        let found = judge(it);
        assert!(
            found.iter().all(|(rule, at)| *rule == "response/schema"
                && at.starts_with("/content/0/citations/0/")),
            "{found:?}"
        );
        it.answer = message().answer;
    };
    check(message(), found, &[]);
}

#[test]
fn the_rules_of_streams_are_findings() {
    let cut = STREAM.find("event: message_delta").unwrap();
    let expected = [("stream/no-message-stop", "")];
    check(stream(), |it| it.text = Some(&STREAM[..cut]), &expected);
}

/// What is wrong with an answer to a request that had to be refused, or that no agent sends, hurts no agent.
#[test]
fn levels_follow_the_request() {
    let error_under = |params: Value| {
        let mut it = error();
        it.params = params;
        it.text = Some("bad request");
        it
    };
    for (params, level) in [(message().params, Level::AgentReady), (json!([1]), Level::Compatible)]
    {
        let found = findings(&error_under(params));
        assert_eq!((found.len(), found[0].level), (1, level), "{found:?}");
    }
    let mut torn = message();
    torn.text = Some("{");
    torn.headers.truncate(1);
    let form = response::of_form(findings(&torn));
    let told: Vec<_> = form.iter().map(|it| (it.rule, it.level)).collect();
    assert_eq!(told, [("response/not-json", Level::Strict)]);
    let mut unasked = stream();
    unasked.params["stream"] = json!("yes");
    assert_eq!(findings(&unasked).len(), 1);
    assert_eq!(response::of_form(findings(&unasked)), []);
}

/// The cases of this file name each rule that they trip.
#[test]
fn every_rule_is_tripped() {
    const CASES: &str = include_str!("response.rs");
    let ids: BTreeSet<&str> = response::all().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), response::all().count(), "an id stands twice");
    for id in ids {
        let name = id.strip_prefix(response::PREFIX).unwrap();
        assert!(CASES.contains(&format!("\"{name}\"")), "{id} is tripped by nothing");
        assert_eq!(response::find(id).map(|rule| rule.id), Some(id));
    }
}

#[test]
fn rules_are_told_in_sentences() {
    for rule in response::all() {
        let response::Rule { id, sentence, remedy, seen, .. } = rule;
        let is_word = |c: char| c.is_ascii_lowercase() || c == '-' || c == '/';
        assert!(id.chars().all(is_word), "{id}");
        assert!(sentence.ends_with('.') && remedy.ends_with('.'), "{id}");
        assert!(seen.iter().all(|seen| seen.contains('#')), "{id}: {seen:?}");
    }
}
