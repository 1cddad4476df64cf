//! Roles and turns.
//!
//! Consecutive messages of one role are merged by the API, so there is no rule about alternating roles.

use serde_json::json;

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Model};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

const MESSAGES_MAX: usize = 100_000;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "messages-empty",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            let is_empty =
                ask.body.get("messages").and_then(|m| m.as_array()).is_some_and(Vec::is_empty);
            out.extend(
                is_empty.then(|| Finding::new("messages", "at least one message is required")),
            );
        },
        breaches: |base, out| {
            out.push(base.with_body("messages", |body| body["messages"] = json!([])))
        },
        answer: Answer::invalid("messages: at least one message is required"),
        explanation: "A request without messages asks nothing. \
            A system prompt alone is no message: it sets the scene for the first one.",
        remedy: "Send at least one message of the user.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "messages-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_count,
        breaches: break_count,
        answer: Answer::invalid(
            "messages: List should have at most 100000 items after validation, not N",
        ),
        explanation: "A request holds at most 100,000 messages. \
            Long before, the context window is full.",
        remedy: "Drop or summarise the oldest messages.",
        source: "Messages API reference",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "first-message-not-user",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_first,
        breaches: |base, out| {
            let messages = json!([edit::assistant(json!("Hello.")), edit::user(json!("Hello."))]);
            out.push(edit::small(base, "messages", json!({"messages": messages})));
        },
        answer: Answer::invalid("messages: first message must use the \"user\" role"),
        explanation: "A conversation starts with the user. \
            Trimming old messages from the front easily leaves an answer of the model in first place.",
        remedy: "Trim whole turns, so that the first message left is the user's.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "prefill-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(refuses_prefill),
        implies: &[],
        check: check_prefill,
        breaches: break_prefill,
        answer: Answer::invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        ),
        explanation: "Models from 4.6 on do not continue a message that the caller has begun for them: the last \
            message must not be the assistant's. A paused turn that ends in a server tool's block is resumed, not \
            continued, and stays allowed.",
        remedy: "Ask for the form in the prompt, or use structured outputs (`output_config.format`).",
        source: "errors page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "message-content-empty",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_content,
        breaches: break_content,
        answer: Answer::invalid(
            "messages.N: all messages must have non-empty content except for the optional final assistant message",
        ),
        explanation: "A message says something. \
            An answer that was stored before any of it had arrived, or a result that was filtered away, leaves an \
            empty one behind; only the last message may be empty, and only if it is the assistant's.",
        remedy: "Leave empty messages out.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
];

fn check_count(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let count = view::messages(ask.body).len();
    if count > MESSAGES_MAX {
        let message =
            format!("List should have at most {MESSAGES_MAX} items after validation, not {count}");
        out.push(Finding::new("messages", message));
    }
}

fn break_count(base: &Base<'_>, out: &mut Vec<Breach>) {
    let body = edit::whole(base, json!({"messages": [edit::MARK, edit::user(json!("Hello."))]}));
    out.push(edit::repeat_items(
        base,
        "messages",
        &body,
        &edit::user(json!("a")),
        MESSAGES_MAX as u64,
    ));
}

fn check_first(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    // A system message in first place has a rule of its own.
    if view::messages(ask.body).next().is_some_and(|first| first.role == "assistant") {
        out.push(Finding::new("messages", "first message must use the \"user\" role"));
    }
}

fn refuses_prefill(model: &Model) -> bool {
    !model.prefill
}

fn check_prefill(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(last) = view::messages(ask.body).next_back() else { return };
    let resumes = last.blocks().next_back().is_some_and(|block| view::is_server_tool(block.kind));
    if last.role == "assistant" && !resumes {
        let message = "This model does not support assistant message prefill. The conversation must end \
            with a user message.";
        out.push(Finding::new("", message));
    }
}

fn break_prefill(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, refuses_prefill) else { return };
    let messages =
        json!([edit::user(json!("Is water wet?")), edit::assistant(json!("The answer is"))]);
    out.push(edit::small_on(base, model, "messages", json!({"messages": messages})));
}

fn check_content(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let messages = view::messages(ask.body);
    let last = messages.len().saturating_sub(1);
    for message in messages.filter(|message| message.is_empty()) {
        if message.index != last || message.role != "assistant" {
            let wording = "all messages must have non-empty content except for the optional final assistant message";
            out.push(Finding::new(format!("messages.{}", message.index), wording));
        }
    }
}

fn break_content(base: &Base<'_>, out: &mut Vec<Breach>) {
    let hello = || edit::user(json!("Hello."));
    for (at, messages) in [
        ("messages/content/assistant", json!([hello(), edit::assistant(json!("")), hello()])),
        ("messages/content/list", json!([edit::user(json!([]))])),
        ("messages/content/string", json!([edit::user(json!(""))])),
    ] {
        out.push(edit::small(base, at, json!({"messages": messages})));
    }
}
