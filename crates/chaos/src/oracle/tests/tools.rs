//! Tool calls: what the server made against what the client hands on.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::handling::ToolCall;

/// A stream with one tool call whose input is this text.
pub(super) fn stream(input: &str, stop_reason: &str, stops: bool) -> String {
    let event = |payload: Value| {
        format!("event: {}\ndata: {payload}\n\n", payload["type"].as_str().unwrap_or_default())
    };
    let mut body = event(json!({ "type": "message_start", "message": {
        "id": "m", "type": "message", "role": "assistant", "content": [], "model": "x",
        "stop_reason": null, "usage": { "input_tokens": 1, "output_tokens": 1 } } }));
    body += &event(json!({ "type": "content_block_start", "index": 0, "content_block": {
        "type": "tool_use", "id": "t", "name": "pay", "input": {} } }));
    for piece in input.as_bytes().chunks(5) {
        let piece = String::from_utf8_lossy(piece);
        body += &event(json!({ "type": "content_block_delta", "index": 0, "delta": {
            "type": "input_json_delta", "partial_json": piece } }));
    }
    if stops {
        body += &event(json!({ "type": "content_block_stop", "index": 0 }));
        body += &event(json!({ "type": "message_delta", "delta": {
            "stop_reason": stop_reason }, "usage": { "output_tokens": 2 } }));
        body += &event(json!({ "type": "message_stop" }));
    }
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{body}")
}

pub(super) fn told(served: &str, class: OutcomeClass, calls: &[(&str, Value, bool)]) -> Handling {
    let mut told = handling(&[served], class);
    let call = |(name, input, valid): &(&str, Value, bool)| ToolCall {
        name: (*name).to_owned(),
        input: input.clone(),
        valid: *valid,
    };
    told.outcome.as_mut().unwrap().tool_calls = Some(calls.iter().map(call).collect());
    told
}

fn check_told(handling: &Handling, verdict: Verdict, codes: &[&str]) {
    check_on(&scenario(""), Surface::Stream, handling, verdict, codes);
}

#[test]
fn a_tool_call_is_the_one_that_was_made() {
    use OutcomeClass::{Incomplete, Success};
    let whole = stream("{\"amount\": 100}", "tool_use", true);
    let pay = |amount: f64, valid| [("pay", json!({ "amount": amount }), valid)];
    check_told(&told(&whole, Success, &pay(100.0, true)), Verdict::Pass, &[]);
    check_told(&told(&whole, Success, &pay(1.0, true)), Verdict::Fail, &["corrupt-tool-call"]);
    check_told(&told(&whole, Success, &[]), Verdict::Fail, &["lost-tool-call"]);
    check_told(&told(&whole, Success, &pay(100.0, false)), Verdict::Fail, &["lost-tool-call"]);
    let twice = [pay(100.0, true), pay(100.0, true)].concat();
    check_told(&told(&whole, Success, &twice), Verdict::Fail, &["corrupt-tool-call"]);
    let other = [("buy", json!({ "amount": 100 }), true)];
    check_told(&told(&whole, Success, &other), Verdict::Fail, &["corrupt-tool-call"]);
    // Two amounts, the first of which looks like a whole one.
    let cut = stream("{\"amount\": 1", "tool_use", false);
    check_told(&told(&cut, Incomplete, &[]), Verdict::Pass, &[]);
    check_told(&told(&cut, Incomplete, &pay(1.0, false)), Verdict::Pass, &[]);
    check_told(&told(&cut, Incomplete, &pay(1.0, true)), Verdict::Fail, &["cut-tool-call"]);
    // The end of the stream does not make the input whole, and neither does the reason for it.
    for reason in ["tool_use", "max_tokens"] {
        for input in ["{\"amount\": 1", "{\"amount\": 1,, }", "1"] {
            let cut = stream(input, reason, true);
            for class in [Success, Incomplete] {
                let harmless = told(&cut, class, &pay(1.0, false));
                let found = judge(&scenario(""), Surface::Stream, &harmless);
                assert_eq!(found.verdict, Verdict::Pass, "{found:?}");
                let found =
                    judge(&scenario(""), Surface::Stream, &told(&cut, class, &pay(1.0, true)));
                assert_eq!(found.findings[0].code, Code::CutToolCall, "{found:?}");
            }
        }
    }
    let mut untold = told(&whole, Success, &[]);
    untold.outcome.as_mut().unwrap().tool_calls = None;
    check_told(&untold, Verdict::Pass, &[]);
}

/// Values as tools take them.
fn inputs() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let any = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    });
    proptest::collection::btree_map("[a-z]{1,4}", any, 0..4)
        .prop_map(|members| members.into_iter().collect())
}

proptest! {
    /// Cut anywhere, an input is not to be run, and whole it is the one that was made.
    #[test]
    fn an_input_is_handed_on_whole_or_not_at_all(
        input in inputs(),
        at in any::<prop::sample::Index>(),
        stops in any::<bool>(),
    ) {
        let text = input.to_string();
        let class = if stops { OutcomeClass::Success } else { OutcomeClass::Incomplete };
        let whole = told(&stream(&text, "tool_use", stops), class, &[("pay", input.clone(), true)]);
        let found = judge(&scenario(""), Surface::Stream, &whole);
        prop_assert!(found.findings.iter().all(|found| found.code != Code::CutToolCall), "{:?}", found);
        let at = 1 + at.index(text.len() - 1);
        prop_assume!(text.is_char_boundary(at) && at < text.len());
        let cut = told(&stream(&text[..at], "tool_use", stops), class, &[("pay", input, true)]);
        let found = judge(&scenario(""), Surface::Stream, &cut);
        let cut = found.findings.iter().any(|found| found.code == Code::CutToolCall);
        prop_assert!(cut, "{:?}", found);
    }
}
