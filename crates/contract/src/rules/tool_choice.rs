//! The choice among tools: what there is to choose from, and who may force it.

use serde_json::json;

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Settled};
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
        models: None,
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
];

fn check_forced(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let refuses = ask.model.is_some_and(|model| model.forced_tool_choice == Settled::No);
    if refuses && view::forces_tool(ask.body) {
        out.push(Finding::new(
            "tool_choice",
            "type \"tool\" and \"any\" are not supported for this model.",
        ));
    }
}

fn break_forced(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, |model| model.forced_tool_choice == Settled::No) else {
        return;
    };
    for (at, choice) in [
        ("tool_choice/any", json!({"type": "any"})),
        ("tool_choice/tool", json!({"type": "tool", "name": "get_weather"})),
    ] {
        let members = json!({"tools": [edit::tool("get_weather")], "tool_choice": choice});
        out.push(edit::small_on(base, model, at, members));
    }
}

fn break_forced_thinking(base: &Base<'_>, out: &mut Vec<Breach>) {
    let takes_both = |model: &crate::models::Model| {
        model.thinks("enabled") && model.forced_tool_choice == Settled::Yes
    };
    let Some(model) = edit::model(base, takes_both) else { return };
    let members = json!({
        "tools": [edit::tool("get_weather")],
        "tool_choice": {"type": "any"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    });
    out.push(edit::small_on(base, model, "tool_choice", members));
}
