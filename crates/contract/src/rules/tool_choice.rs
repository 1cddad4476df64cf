//! The choice among tools: what there is to choose from, and who may force it.

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Model, Settled};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "tool-choice-without-tools",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            let wrong = view::given(ask.body, "tool_choice") && view::tools(ask.body).is_empty();
            out.extend(wrong.then(|| {
                Finding::new("", "tool_choice may only be specified while providing tools.")
            }));
        },
        breaches: |base, out| {
            let choice = json!({"type": "auto"});
            out.push(edit::small(base, "tool_choice", json!({"tool_choice": choice})));
            out.push(edit::small(
                base,
                "tool_choice/no-tools",
                json!({"tool_choice": choice, "tools": []}),
            ));
        },
        answer: Answer::invalid("tool_choice may only be specified while providing tools."),
        explanation: "Without tools there is nothing to choose from. \
            A list of tools that was filtered down to none leaves the choice behind.",
        remedy: "Drop `tool_choice` together with the last tool.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "tool-choice-forced-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(refuses_force),
        implies: &[],
        check: check_forced,
        breaches: break_forced,
        answer: Answer::invalid(
            "tool_choice: type \"tool\" and \"any\" are not supported for this model.",
        ),
        explanation: "The newest models always think before they act, and a forced call would skip that: they take \
            `auto` and `none` only. Counting tokens refuses it, too.",
        remedy: "Use `auto` and ask for the tool in the prompt, or structured outputs if only the shape matters.",
        source: "release notes of 1 September 2026; what's-new pages of the models",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "tool-choice-forced-with-thinking",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            let wrong = view::forces_tool(ask.body) && view::thinking(ask.body) == "enabled";
            let message = "Thinking may not be enabled when tool_choice forces tool use.";
            out.extend(wrong.then(|| Finding::new("", message)));
        },
        breaches: break_forced_thinking,
        answer: Answer::invalid("Thinking may not be enabled when tool_choice forces tool use."),
        explanation: "A forced call begins the answer, so there would be no place left for thinking before it.",
        remedy: "Switch one of the two off for this request.",
        source: "extended thinking page; public reports of live answers",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "tool-choice-unknown-tool",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_unknown,
        breaches: |base, out| {
            let tools = json!([edit::tool("get_weather")]);
            out.extend(choose(base, "tool_choice/absent", "get_tides", &tools));
            out.extend(choose(base, "tool_choice/case", "Get_Weather", &tools));
        },
        answer: Answer::invalid("Tool 'NAME' not found in provided tools"),
        explanation: "The tool that must be called has to be among those offered, under that very name. \
            A list that was filtered, or a name that was prefixed on one side only, breaks the tie.",
        remedy: "Name a tool of this request's `tools`.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "tool-choice-names-toolset",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            if let Some(name) = chosen(ask.body).filter(|name| is_toolset(ask.body, name)) {
                let message = format!("'{name}' is a toolset and cannot be forced");
                out.push(Finding::new("tool_choice.name", message));
            }
        },
        breaches: |base, out| {
            for (at, name) in
                [("tool_choice/browser", "browser"), ("tool_choice/computer", "computer")]
            {
                let tools = json!([{"type": format!("{name}_toolset_20260801")}]);
                out.extend(choose(base, at, name, &tools));
            }
        },
        answer: Answer::invalid("tool_choice.name: 'NAME' is a toolset and cannot be forced"),
        explanation: "A toolset is many tools under one entry; to force it would not say which of them to call.",
        remedy: "Use `any`, or `auto` and ask for the action in the prompt.",
        source: "tool reference page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

fn refuses_force(model: &Model) -> bool {
    model.forced_tool_choice == Settled::No
}

fn takes_force(model: &Model) -> bool {
    model.forced_tool_choice == Settled::Yes
}

fn check_forced(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if view::forces_tool(ask.body) {
        out.push(Finding::new(
            "tool_choice",
            "type \"tool\" and \"any\" are not supported for this model.",
        ));
    }
}

fn break_forced(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, refuses_force) else { return };
    for (at, choice) in [
        ("tool_choice/any", json!({"type": "any"})),
        ("tool_choice/tool", json!({"type": "tool", "name": "get_weather"})),
    ] {
        let members = json!({"tools": [edit::tool("get_weather")], "tool_choice": choice});
        out.push(edit::small_on(base, model, at, members));
    }
}

fn break_forced_thinking(base: &Base<'_>, out: &mut Vec<Breach>) {
    let takes_both = |model: &Model| model.thinks("enabled") && takes_force(model);
    let Some(model) = edit::model(base, takes_both) else { return };
    let members = json!({
        "tools": [edit::tool("get_weather")],
        "tool_choice": {"type": "any"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    });
    out.push(edit::small_on(base, model, "tool_choice", members));
}

/// The tool that must be called.
fn chosen(params: &Value) -> Option<&str> {
    let choice = params.get("tool_choice").filter(|choice| view::kind(choice) == "tool")?;
    choice.get("name")?.as_str()
}

fn is_toolset(params: &Value, name: &str) -> bool {
    view::tools(params).iter().any(|tool| view::toolset_name(tool) == Some(name))
}

fn check_unknown(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let tools = view::tools(ask.body);
    // A choice without tools, or of a toolset, has a rule of its own.
    let Some(name) =
        chosen(ask.body).filter(|name| !tools.is_empty() && !is_toolset(ask.body, name))
    else {
        return;
    };
    if !tools.iter().any(|tool| view::tool_name(tool) == Some(name)) {
        out.push(Finding::new("", format!("Tool '{name}' not found in provided tools")));
    }
}

fn choose(base: &Base<'_>, at: &'static str, name: &str, tools: &Value) -> Option<Breach> {
    let model = edit::model(base, takes_force)?;
    let members = json!({"tools": tools, "tool_choice": {"type": "tool", "name": name}});
    Some(edit::small_on(base, model, at, members))
}
