//! Deferred tools: how many, what stays in sight, and what a search may point to.
//!
//! A toolset is deferred member by member, so one with all members deferred is out of sight like any other tool:
//! our conclusion, as the sources name tools alone. Nothing is concluded for its `cache_control`, which stands on
//! the entry and not on what is deferred.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, toolsets, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

const DEFERRED_MAX: usize = 10_000;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "tools-all-deferred",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_all,
        breaches: |base, out| {
            for (at, tools) in [
                ("tools/defer_loading", json!([deferred("get_weather")])),
                ("tools/configs/defer_loading", json!([toolsets::deferred()])),
            ] {
                out.push(edit::small(base, at, json!({"tools": tools})));
            }
        },
        answer: Answer::invalid(ALL_DEFERRED),
        explanation: "Deferred tools are found through a search tool. \
            If every tool is deferred, each member of a toolset included, the model sees none to begin with.",
        remedy: "Leave at least the search tool without `defer_loading`.",
        source: "tool search page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "defer-loading-with-cache-control",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_cached,
        breaches: |base, out| {
            let mut tool = deferred("get_weather");
            tool["cache_control"] = json!({"type": "ephemeral"});
            out.push(edit::small(base, "tools/cache_control", json!({"tools": [search(), tool]})));
        },
        answer: Answer::invalid(
            "tools.N: cache_control cannot be set on a tool with defer_loading=true",
        ),
        explanation: "A deferred tool is not part of the prompt until the model has found it, \
            so there is nothing at its place that could be cached.",
        remedy: "Put the breakpoint on the last tool that is not deferred.",
        source: "tool search page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "deferred-tools-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            let count = count(ask.body);
            if count > DEFERRED_MAX {
                let message =
                    format!("at most {DEFERRED_MAX} deferred tools are supported, found {count}");
                out.push(Finding::new("tools", message));
            }
        },
        breaches: |base, out| {
            let tool = deferred("t");
            let body = edit::whole(base, json!({"tools": [search(), edit::MARK, tool]}));
            let count = DEFERRED_MAX as u64;
            out.push(edit::repeat_items(base, "tools/defer_loading", &body, &tool, count));
        },
        answer: Answer::invalid("tools: at most 10000 deferred tools are supported, found N"),
        explanation: "The search looks through up to 10,000 deferred tools. \
            Catalogues of many servers joined into one request can be longer.",
        remedy: "Split the catalogue, and send the part that the conversation is about.",
        source: "tool search page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "tool-reference-unknown",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_references,
        breaches: break_references,
        answer: Answer::invalid("Tool reference 'NAME' has no corresponding tool definition"),
        explanation: "A search answers with the names of tools, and the API puts their definitions into the prompt: \
            each must stand in `tools`. A tool that was removed after it had been found leaves its reference behind.",
        remedy: "Send the definitions of all tools that the conversation refers to, deferred ones too.",
        source: "tool search page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

const ALL_DEFERRED: &str =
    "All tools have defer_loading set. At least one tool must be non-deferred.";

/// Whether there are so many deferred tools that the request is answered for that.
pub(super) fn is_over_limit(params: &Value) -> bool {
    count(params) > DEFERRED_MAX
}

fn count(params: &Value) -> usize {
    view::tools(params).iter().filter(|tool| is_deferred(tool)).count()
}

fn is_deferred(tool: &Value) -> bool {
    tool.get("defer_loading") == Some(&Value::Bool(true))
}

fn check_all(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let tools = view::tools(ask.body);
    if !tools.is_empty()
        && tools.iter().all(|tool| is_deferred(tool) || toolsets::is_deferred(tool))
    {
        out.push(Finding::new("", ALL_DEFERRED));
    }
}

fn check_cached(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (n, tool) in view::tools(ask.body).iter().enumerate() {
        if is_deferred(tool) && view::given(tool, "cache_control") {
            let message = "cache_control cannot be set on a tool with defer_loading=true";
            out.push(Finding::new(format!("tools.{n}"), message));
        }
    }
}

fn check_references(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let mut names = None;
    for reference in references(ask.body) {
        let names = names.get_or_insert_with(|| referable(ask.body));
        if !names.contains(reference) {
            let message =
                format!("Tool reference '{reference}' has no corresponding tool definition");
            out.push(Finding::new("", message));
        }
    }
}

/// What client and server searches have found, by name.
fn references(params: &Value) -> impl Iterator<Item = &str> {
    let found = view::blocks(params).flat_map(|block| {
        let content = block.value.get("content");
        match block.kind {
            "tool_result" => content.map_or(&[][..], view::list),
            "tool_search_tool_result" => {
                content.map_or(&[][..], |found| view::member_list(found, "tool_references"))
            }
            _ => &[],
        }
    });
    found
        .filter(|part| view::kind(part) == "tool_reference")
        .filter_map(|r| r.get("tool_name")?.as_str())
}

/// The names of all tools, those of toolsets and of the members they name included: how a reference means a
/// member is not known, so none is refused for it.
fn referable(params: &Value) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for tool in view::tools(params) {
        names.extend(view::tool_name(tool).or_else(|| view::toolset_name(tool)));
        let configs = tool.get("configs").and_then(Value::as_object).into_iter().flatten();
        names.extend(configs.map(|(name, _)| name.as_str()));
    }
    names
}

fn break_references(base: &Base<'_>, out: &mut Vec<Breach>) {
    let reference = json!([{"type": "tool_reference", "tool_name": "get_tides"}]);
    let tools = json!([search(), edit::tool("get_weather"), deferred("get_time")]);
    let result = json!([{"type": "tool_result", "tool_use_id": "toolu_01", "content": reference}]);
    let by_client = json!([
        edit::hello(),
        edit::assistant(json!([edit::tool_use("toolu_01")])),
        edit::user(result),
    ]);
    let searched = edit::assistant(json!([
        {
            "type": "server_tool_use", "id": "srvtoolu_01", "name": "tool_search_tool_bm25",
            "input": {"query": "tides"},
        },
        {
            "type": "tool_search_tool_result", "tool_use_id": "srvtoolu_01",
            "content": {"type": "tool_search_tool_search_result", "tool_references": reference},
        },
    ]));
    let by_server = json!([edit::hello(), searched, edit::user(json!("Go on."))]);
    for (at, messages) in [
        ("messages/content/tool_result/content/tool_reference", by_client),
        ("messages/content/tool_search_tool_result/content/tool_references", by_server),
    ] {
        out.push(edit::small(base, at, json!({"messages": messages, "tools": tools})));
    }
}

fn deferred(name: &str) -> Value {
    json!({"name": name, "input_schema": {"type": "object"}, "defer_loading": true})
}

fn search() -> Value {
    json!({"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"})
}
