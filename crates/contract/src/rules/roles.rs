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
        models: None,
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
        id: "system-role-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_system_role,
        breaches: break_system_role,
        answer: Answer::invalid("role 'system' is not supported on this model"),
        explanation: "Only some models read system messages amid the conversation. \
            All others take instructions from the top-level `system` parameter only.",
        remedy: "Move the text to `system`, or use a model that reads such messages.",
        source: "mid-conversation system messages page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "system-message-misplaced",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_system_place,
        breaches: break_system_place,
        answer: Answer::invalid(
            "messages.N: a system message must immediately follow a user turn…",
        ),
        explanation: "A system message speaks between the user's turn and the model's: it follows a user turn (or \
            an assistant turn that ends in a server tool's result), and what comes after it is an assistant turn \
            or nothing. So it never stands first, nor between a tool call and its result.",
        remedy: "Put the message directly behind the user's turn.",
        source: "mid-conversation system messages page",
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

fn check_prefill(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let (Some(model), Some(last)) = (ask.model, view::messages(ask.body).next_back()) else {
        return;
    };
    let resumes = last.blocks().next_back().is_some_and(|block| view::is_server_tool(block.kind));
    if !model.prefill && last.role == "assistant" && !resumes {
        let message = "This model does not support assistant message prefill. The conversation must end \
            with a user message.";
        out.push(Finding::new("", message));
    }
}

fn break_prefill(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, |model| !model.prefill) else { return };
    let messages =
        json!([edit::user(json!("Is water wet?")), edit::assistant(json!("The answer is"))]);
    out.push(edit::small_on(base, model, "messages", json!({"messages": messages})));
}

fn refuses_system(model: &Model) -> bool {
    !model.system_messages && !model.system_messages_uncertain
}

fn check_system_role(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if ask.model.is_some_and(refuses_system)
        && view::messages(ask.body).any(|message| message.role == "system")
    {
        out.push(Finding::new("", "role 'system' is not supported on this model"));
    }
}

fn break_system_role(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, refuses_system) else { return };
    let messages = json!([edit::user(json!("Hello.")), edit::system("Be brief.")]);
    out.push(edit::small_on(base, model, "messages/role", json!({"messages": messages})));
}

fn takes_system(model: &Model) -> bool {
    model.system_messages && !model.system_messages_uncertain
}

fn check_system_place(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if !ask.model.is_some_and(takes_system) {
        return;
    }
    // Several system messages in a row count as one, so a neighbour is the next message of another role.
    let mut before: Option<view::Message<'_>> = None;
    let mut run_start = None;
    for message in view::messages(ask.body) {
        if message.role == "system" {
            run_start.get_or_insert(message.index);
            continue;
        }
        if let Some(start) = run_start.take()
            && (!may_precede_system(before) || message.role != "assistant")
        {
            out.push(misplaced(start));
        }
        before = Some(message);
    }
    out.extend(run_start.filter(|_| !may_precede_system(before)).map(misplaced));
}

fn may_precede_system(before: Option<view::Message<'_>>) -> bool {
    before.is_some_and(|message| {
        let ends_in_result = || {
            let last = message.blocks().next_back();
            last.is_some_and(|block| {
                view::is_server_tool(block.kind) && block.kind != "server_tool_use"
            })
        };
        message.role == "user" || ends_in_result()
    })
}

fn misplaced(index: usize) -> Finding {
    let message = "a system message must immediately follow a user turn or an assistant turn that ends in a server \
        tool result, and be followed by an assistant turn or by nothing";
    Finding::new(format!("messages.{index}"), message)
}

fn break_system_place(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, takes_system) else { return };
    let (user, assistant) = (|| edit::user(json!("Hello.")), || edit::assistant(json!("Hello.")));
    let system = || edit::system("Be brief.");
    for (at, messages) in [
        ("messages/after-assistant", json!([user(), assistant(), system()])),
        ("messages/before-user", json!([user(), system(), user()])),
        ("messages/first", json!([system(), assistant(), user()])),
    ] {
        out.push(edit::small_on(base, model, at, json!({"messages": messages})));
    }
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
