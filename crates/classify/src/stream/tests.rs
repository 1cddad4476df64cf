//! Streams in shorthand, read for their grammar.

use super::*;

/// A stream in shorthand: each line is `name json`, the type being that of the name; `- json` has no name.
fn stream(lines: &str) -> String {
    let event =
        |line: &str| match line.trim().split_once(' ').unwrap_or_else(|| (line.trim(), "{}")) {
            ("-", data) => format!("data: {data}\n\n"),
            (name, "{}") => format!("event: {name}\ndata: {{\"type\":\"{name}\"}}\n\n"),
            (name, data) if data.starts_with('{') && !data.contains("\"type\":\"message") => {
                format!("event: {name}\ndata: {{\"type\":\"{name}\",{}\n\n", &data[1..])
            }
            (name, data) => format!("event: {name}\ndata: {data}\n\n"),
        };
    lines.lines().filter(|line| !line.trim().is_empty()).map(event).collect()
}

/// `expected` is the outcome's name and the defects as `index:name`.
fn check(lines: &str, expected: &str) {
    let reading = read(stream(lines).as_bytes());
    let outcome = match &reading.outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Failed(envelope) => format!("failed {}", envelope.message),
        Outcome::Malformed => "malformed".to_owned(),
        Outcome::Truncated => "truncated".to_owned(),
    };
    let defects = reading
        .defects
        .iter()
        .map(|d| format!(" {}:{}", d.event_idx, d.rule.id().trim_start_matches("stream/")));
    assert_eq!(outcome + &defects.collect::<String>(), expected, "{lines}");
}

const START: &str = r#"message_start {"message":{}}"#;
const TEXT: &str = r#"content_block_start {"index":0,"content_block":{"type":"text","text":""}}"#;
const TOOL: &str =
    r#"content_block_start {"index":0,"content_block":{"type":"tool_use","input":{}}}"#;
const THINKING: &str =
    r#"content_block_start {"index":0,"content_block":{"type":"thinking","signature":""}}"#;
const HELLO: &str =
    r#"content_block_delta {"index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;
const SIGNATURE: &str =
    r#"content_block_delta {"index":0,"delta":{"type":"signature_delta","signature":"x"}}"#;
const BLOCK_STOP: &str = r#"content_block_stop {"index":0}"#;
const END_TURN: &str = r#"message_delta {"delta":{"stop_reason":"end_turn"}}"#;
const CUT_SHORT: &str = r#"message_delta {"delta":{"stop_reason":"max_tokens"}}"#;
const STOP: &str = "message_stop";

fn check_lines(lines: &[&str], expected: &str) {
    check(&lines.join("\n"), expected);
}

#[test]
fn whole_streams() {
    check_lines(&[START, TEXT, HELLO, BLOCK_STOP, END_TURN, STOP], "done");
    check_lines(&[START, END_TURN, STOP], "done");
    check_lines(
        &[
            "ping",
            START,
            "ping",
            "novel_event {\"index\":9}",
            END_TURN,
            END_TURN,
            "ping",
            STOP,
            "ping",
        ],
        "done",
    );
    check_lines(
        &[START, END_TURN, STOP, "- [DONE]", "- {\"type\":\"novel\"}", "- {\"type\":\"ping\"}"],
        "done",
    );
    check_lines(&[START, THINKING, SIGNATURE, BLOCK_STOP, END_TURN, STOP], "done");
}

#[test]
fn unknown_deltas_and_blocks_are_ignored() {
    let novel = r#"content_block_delta {"index":0,"delta":{"type":"novel_delta"}}"#;
    check_lines(&[START, TEXT, novel, BLOCK_STOP, END_TURN, STOP], "done");
    let novel = r#"content_block_start {"index":0,"content_block":{"type":"novel"}}"#;
    check_lines(&[START, novel, HELLO, SIGNATURE, BLOCK_STOP, END_TURN, STOP], "done");
}

#[test]
fn every_prefix_of_a_whole_stream_is_truncated() {
    let lines = [
        START,
        TOOL,
        r#"content_block_delta {"index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
    ];
    for len in 0..=lines.len() {
        check_lines(&lines[..len], "truncated");
    }
    check_lines(&[START, TEXT, HELLO, BLOCK_STOP, END_TURN], "truncated");
    let unflushed = stream(&[START, END_TURN, STOP].join("\n"));
    assert_eq!(read(unflushed.trim_end().as_bytes()).outcome, Outcome::Truncated);
}

#[test]
fn an_error_ends_the_stream() {
    let error = r#"error {"error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    check_lines(&[error], "failed Overloaded");
    check_lines(&[START, TEXT, HELLO, error, STOP, STOP], "failed Overloaded");
    check_lines(&[START, START, error], "failed Overloaded 1:duplicate-start");
    check_lines(&[START, "error upstream exploded"], "failed upstream exploded");
    check_lines(&[START, "- {\"type\":\"error\",\"error\":\"no\"}"], "failed no 1:event-unnamed");
    check_lines(&[START, END_TURN, STOP, error], "malformed 3:error-after-stop");
}

#[test]
fn message_events_out_of_order() {
    check_lines(&[TEXT, START, BLOCK_STOP, END_TURN, STOP], "malformed 0:event-before-start");
    check_lines(&[START, START, END_TURN, STOP], "malformed 1:duplicate-start");
    check_lines(&[START, END_TURN, STOP, START, TEXT], "malformed 3:after-message-stop");
    check_lines(&[START, STOP], "malformed 1:no-message-delta");
    check_lines(&[START, "message_delta", STOP], "malformed 2:stop-reason-missing");
    check_lines(&[START, TEXT, END_TURN, STOP], "malformed 2:block-left-open");
    check_lines(&[START, TEXT, STOP], "malformed 2:block-left-open 2:no-message-delta");
    check_lines(&[START, END_TURN, TEXT, STOP], "malformed 2:block-after-message-delta");
}

#[test]
fn block_events_out_of_order() {
    let second = TEXT.replace(":0", ":1");
    let third = TEXT.replace(":0", ":2");
    check_lines(&[START, HELLO, END_TURN, STOP], "malformed 1:delta-unopened");
    check_lines(&[START, BLOCK_STOP, END_TURN, STOP], "malformed 1:stop-unopened");
    check_lines(&[START, TEXT, BLOCK_STOP, &third], "malformed 3:index-gap");
    check_lines(&[START, TEXT, BLOCK_STOP, TEXT], "malformed 3:index-reused");
    check_lines(&[START, TEXT, &second, HELLO], "malformed 2:block-overlap");
    check_lines(&[START, TEXT, SIGNATURE], "malformed 2:delta-type-mismatch");
    check_lines(&[START, TOOL, HELLO], "malformed 2:delta-type-mismatch");
    check_lines(&[START, THINKING, SIGNATURE, SIGNATURE], "malformed 3:duplicate-signature");
}

#[test]
fn data_that_is_not_what_the_grammar_needs() {
    check_lines(&["message_start {\"message\":7}"], "malformed 0:message-missing");
    check_lines(&[START, "content_block_start"], "malformed 1:index-missing");
    check_lines(&[START, "content_block_start {\"index\":-1}"], "malformed 1:index-missing");
    check_lines(&[START, TEXT, "content_block_delta {\"index\":0}"], "malformed 2:delta-missing");
    check_lines(&[START, "content_block_delta []"], "malformed 1:data-not-object");
    check_lines(&[START, "content_block_delta <html>"], "malformed 1:data-not-json");
    check_lines(
        &["message_stop {\"type\":\"message_start\",\"message\":{}}"],
        "malformed 0:name-type-mismatch",
    );
    check_lines(&["- {\"type\":\"message_start\",\"message\":{}}"], "malformed 0:event-unnamed");
    let bytes = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"\xC3\"}}\n\n";
    assert_eq!(read(bytes).defects, [Defect { event_idx: 0, rule: Rule::DataNotUtf8 }]);
}

#[test]
fn what_was_cut_short_may_be_unfinished() {
    let piece = r#"content_block_delta {"index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\": 1,"}}"#;
    let second = TEXT.replace(":0", ":1");
    check_lines(&[START, TOOL, piece, BLOCK_STOP, CUT_SHORT, STOP], "done");
    check_lines(
        &[START, TOOL, piece, BLOCK_STOP, END_TURN, STOP],
        "malformed 3:tool-json-incomplete",
    );
    check_lines(&[START, TOOL, piece, BLOCK_STOP, &second], "malformed 3:tool-json-incomplete");
    check_lines(&[START, TOOL, BLOCK_STOP, END_TURN, STOP], "done");
    check_lines(&[START, THINKING, BLOCK_STOP, CUT_SHORT, STOP], "done");
    check_lines(&[START, THINKING, BLOCK_STOP, END_TURN, STOP], "malformed 2:signature-missing");
}

#[test]
fn defects_are_counted_up_to_a_limit() {
    let reading = read(stream(&format!("{HELLO}\n").repeat(100)).as_bytes());
    assert_eq!((reading.events, reading.defects.len()), (100, VIOLATIONS_MAX));
}
