//! Calls of server tools: finished with their results, or resumed with the tool at hand.
//!
//! Call and result share the assistant's turn, so results are looked for in the whole conversation and not by turns.
//! The price is that a result in the wrong place goes unnoticed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Answer, Ask, Finding, Rule, Stage, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};
use view::{Block, Message, id};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "server-tool-use-unanswered",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_server_use,
        breaches: |base, out| {
            let messages = json!([edit::hello(), searching(), edit::user(json!("Go on."))]);
            let members = json!({"messages": messages, "tools": [web_search()]});
            out.push(edit::small(base, "messages/content/server_tool_use", members));
        },
        answer: Answer::invalid(
            "`NAME` tool use with id `ID` was found without a corresponding `NAME_tool_result` block",
        ),
        explanation: "What a server tool was asked and what it found belong together in the assistant's message. \
            Only the last message may end in an open call: then the API resumes it.",
        remedy: "Send the assistant's blocks back complete, or resume the paused turn without a message after it.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "server-tool-missing",
        stage: Stage::Body,
        versions: &Version::ALL,
        // Only a request that makes the model go on resumes anything.
        operations: &[OperationId::MessagesCreate],
        models: None,
        implies: &[],
        check: check_server_tool,
        breaches: |base, out| {
            out.push(edit::small(
                base,
                "tools/absent",
                json!({"messages": [edit::hello(), searching()]}),
            ));
            let members = json!({"messages": [edit::hello(), searching()], "tools": [edit::tool("get_weather")]});
            out.push(edit::small(base, "tools/other", members));
        },
        answer: Answer::invalid(
            "`NAME` tool use with id `ID` was found, but no `NAME` tool was provided",
        ),
        explanation: "A turn that paused inside a server tool is resumed by sending it back with the same tools. \
            Without the tool the API cannot finish the call.",
        remedy: "Send the same `tools` as in the request that paused.",
        source: "handling stop reasons page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "server-tool-result-unpaired",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_results,
        breaches: |base, out| {
            let call = || searching()["content"][0].clone();
            for (at, blocks) in [
                ("messages/content/web_search_tool_result/alone", json!([nothing_found()])),
                ("messages/content/web_search_tool_result/early", json!([nothing_found(), call()])),
            ] {
                let messages =
                    json!([edit::hello(), edit::assistant(blocks), edit::user(json!("Go on."))]);
                let members = json!({"messages": messages, "tools": [web_search()]});
                out.push(edit::small(base, at, members));
            }
        },
        answer: Answer::invalid(
            "messages.N.content.M: unexpected `tool_use_id` found in `KIND` blocks: ID. Each `KIND` block must have \
             a corresponding `server_tool_use` block before it.",
        ),
        explanation: "What a server tool has found follows the call that asked for it. \
            Clients that keep the blocks they know, and drop the call as something they need not run, send this.",
        remedy: "Send the assistant's blocks back complete and in their order.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
];

fn check_server_use(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let last = view::messages(ask.body).len().saturating_sub(1);
    // An open call in the last message is resumed.
    let calls = view::blocks(ask.body)
        .filter(|block| block.kind == "server_tool_use" && block.message != last);
    for (name, id) in open_calls(ask.body, calls) {
        let message = format!(
            "`{name}` tool use with id `{id}` was found without a corresponding `{}` block",
            result_kind(name)
        );
        out.push(Finding::new("", message));
    }
}

/// Names and ids of those calls of server tools that have neither a result nor are still running because they
/// have called a tool of the client's.
fn open_calls<'a>(
    params: &'a Value,
    calls: impl Iterator<Item = Block<'a>>,
) -> Vec<(&'a str, &'a str)> {
    let mut open: Vec<_> = calls.map(|call| (id(call, "name"), id(call, "id"))).collect();
    if open.is_empty() {
        return open;
    }
    let settled: BTreeSet<_> = view::blocks(params)
        .filter_map(|block| match block.kind {
            "tool_use" => block.value.get("caller")?.get("tool_id")?.as_str(),
            _ => block.value.get("tool_use_id")?.as_str(),
        })
        .collect();
    open.retain(|(_, id)| !settled.contains(id));
    open
}

fn result_kind(name: &str) -> String {
    let family = if name.starts_with("tool_search_tool") { "tool_search" } else { name };
    format!("{family}_tool_result")
}

fn check_server_tool(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let last = view::messages(ask.body).next_back().filter(|message| message.role == "assistant");
    let calls =
        last.into_iter().flat_map(Message::blocks).filter(|block| block.kind == "server_tool_use");
    for (name, id) in open_calls(ask.body, calls) {
        let tool = if name.ends_with("_code_execution") { "code_execution" } else { name };
        if !view::tools(ask.body).iter().any(|t| view::tool_name(t) == Some(tool)) {
            let message = format!(
                "`{name}` tool use with id `{id}` was found, but no `{tool}` tool was provided"
            );
            out.push(Finding::new("", message));
        }
    }
}

fn check_results(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let mut calls = BTreeSet::new();
    for block in view::blocks(ask.body) {
        let kind = block.kind;
        if kind == "server_tool_use" {
            calls.insert(id(block, "id"));
        } else if view::is_server_tool_result(kind) && !calls.contains(id(block, "tool_use_id")) {
            let message = format!(
                "unexpected `tool_use_id` found in `{kind}` blocks: {}. Each `{kind}` block must have a corresponding \
                 `server_tool_use` block before it.",
                id(block, "tool_use_id")
            );
            out.push(Finding::new(block.path(), message));
        }
    }
}

fn searching() -> Value {
    edit::assistant(json!([
        {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "weather"}},
    ]))
}

fn web_search() -> Value {
    json!({"type": "web_search_20250305", "name": "web_search"})
}

fn nothing_found() -> Value {
    let error = json!({"type": "web_search_tool_result_error", "error_code": "unavailable"});
    json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01", "content": error})
}
