//! Thinking and effort: what a model takes of each, and what goes together.

use classify::Class;
use serde_json::json;

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, Uncertain, edit, view};
use crate::models::{Confidence, Model};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];
/// Operations that take `max_tokens`.
const CREATE: &[OperationId] = &[OperationId::MessagesCreate];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "thinking-budget-over-max-tokens",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: check_budget,
        breaches: break_budget,
        answer: Answer::invalid("`max_tokens` must be greater than `thinking.budget_tokens`."),
        explanation: "Thinking is output: its budget is spent out of `max_tokens`, and something must be left for \
            the answer. Only interleaved thinking, which spreads over several calls, may have a larger budget.",
        remedy: "Raise `max_tokens` or lower `budget_tokens`.",
        source: "extended thinking page; public reports, September 2026",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "thinking-form-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(|model| FORMS.iter().any(|form| refuses(model, form))),
        implies: &[],
        check: check_form,
        breaches: |base, out| break_form(base, out, refuses),
        answer: Answer::invalid(
            "\"thinking.type.FORM\" is not supported for this model. Use \"thinking.type.adaptive\" and \
             \"output_config.effort\" to control thinking behavior.",
        ),
        explanation: "Which forms of thinking a model takes depends on its age. Models from 4.7 on decide themselves \
            how much to think and take no budget, so `enabled` is refused. Models up to 4.5 think by a budget that \
            the caller sets; `adaptive` came with 4.6. Some models always think and refuse `disabled`: their \
            thinking can only be kept short by a low effort.",
        remedy: "Instead of `enabled` send `adaptive` and `output_config.effort`; instead of `adaptive` send \
            `enabled` with `budget_tokens`, or use a newer model; instead of `disabled` drop the parameter and \
            lower the effort.",
        source: "errors page; adaptive thinking page; what's-new pages of the models",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "thinking-form-unsettled",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(|model| !model.thinking_uncertain.is_empty()),
        implies: &[],
        check: check_open_form,
        breaches: |base, out| break_form(base, out, is_open),
        answer: Answer::invalid("\"thinking.type.FORM\" is not supported for this model."),
        explanation: "For some forms of thinking the pages of a model say neither that it takes them nor that it \
            refuses them: `between_tools` came with one model, and `disabled` gave way to it there.",
        remedy: "Use a form that the page of the model names.",
        source: "what's-new pages of the models",
        confidence: Confidence::Inferred,
        uncertain: Some(Uncertain {
            classes: SETTLED_EITHER_WAY,
            question: "Are forms refused that the pages of a model do not name: `disabled` on Sonnet 5.5, `enabled` \
                on Mythos Preview, `between_tools` elsewhere?",
        }),
    },
    Rule {
        id: "thinking-disabled-with-high-effort",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(|model| !model.effort_needs_thinking.is_empty()),
        implies: &[],
        check: check_disabled_effort,
        breaches: break_disabled_effort,
        answer: Answer::invalid(
            "\"thinking.type.disabled\" is not supported with effort LEVEL on this model.",
        ),
        explanation: "The highest levels of effort mean long thinking, which contradicts switching it off; some models \
            refuse the two together.",
        remedy: "Lower the effort to `high`, or leave thinking on.",
        source: "release notes of 24 July 2026; public migration guides",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "thinking-block-not-first",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_first_block,
        breaches: break_first_block,
        answer: Answer::invalid(
            "messages.N.content.0.type: Expected `thinking` or `redacted_thinking`, but found `X`. When `thinking` \
             is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set \
             of `tool_use` and `tool_result` blocks).",
        ),
        explanation: "With a thinking budget the model's turn starts with its thinking, also when it comes back \
            with the results of its tool calls: the model goes on from there. Clients that store only text and \
            calls lose it.",
        remedy: "Send the assistant's message back with its thinking blocks, or switch thinking off.",
        source: "many public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "effort-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(has_no_effort),
        implies: &[],
        check: |ask, out| {
            let message = "This model does not support the effort parameter";
            out.extend((!view::effort(ask.body).is_empty()).then(|| Finding::new("", message)));
        },
        breaches: |base, out| {
            let Some(model) = edit::model(base, has_no_effort) else { return };
            out.push(edit::small_on(
                base,
                model,
                "output_config/effort",
                json!({"output_config": {"effort": "low"}}),
            ));
        },
        answer: Answer::invalid("This model does not support the effort parameter"),
        explanation: "Effort is a setting of newer models; older ones know nothing of it and refuse it at any level.",
        remedy: "Drop `output_config.effort` for this model.",
        source: "effort page; public reports, August 2026",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "effort-level-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(|model| LEVELS.iter().any(|level| lacks_level(model, level))),
        implies: &[],
        check: |ask, out| {
            let level = view::effort(ask.body);
            if !level.is_empty() && ask.model.is_some_and(|model| lacks_level(model, level)) {
                out.push(level_unsupported(level));
            }
        },
        breaches: |base, out| break_level(base, out, lacks_level),
        answer: Answer::invalid(
            "output_config.effort: effort level 'LEVEL' is not supported on this model",
        ),
        explanation: "All models with effort take `low` to `high`; `xhigh` and `max` only those listed for it.",
        remedy: "Use a level the effort page lists for the model.",
        source: "effort page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "effort-level-unsettled",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(|model| !model.effort_uncertain.is_empty()),
        implies: &[],
        check: |ask, out| {
            let level = view::effort(ask.body);
            let open = |model: &Model| is_level_open(model, level);
            out.extend(ask.model.is_some_and(open).then(|| level_unsupported(level)));
        },
        breaches: |base, out| break_level(base, out, is_level_open),
        answer: Answer::invalid(
            "output_config.effort: effort level 'LEVEL' is not supported on this model",
        ),
        explanation: "The models of the Fable and Mythos lines take effort, but which of its highest levels is \
            not stated for each of them.",
        remedy: "Use a level the effort page lists for the model.",
        source: "effort page",
        confidence: Confidence::Inferred,
        uncertain: Some(Uncertain {
            classes: SETTLED_EITHER_WAY,
            question: "Do the models for which the effort page is silent take `xhigh` and `max`, and Mythos Preview \
                any level?",
        }),
    },
];

/// Where a model may take what its pages do not name.
const SETTLED_EITHER_WAY: &[Class] = &[Class::InvalidRequest, Class::Accepted, Class::Streamed];

const FORMS: [&str; 4] = ["adaptive", "between_tools", "disabled", "enabled"];

const LEVELS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

const ADAPTIVE_UNSUPPORTED: &str = "adaptive thinking is not supported on this model";
const DISABLED_UNSUPPORTED: &str = "\"thinking.type.disabled\" is not supported for this model. Thinking defaults to \
    adaptive mode when not specified; use \"thinking.type.adaptive\" and \"output_config.effort\" to control \
    thinking behavior.";

const INTERLEAVED: &str = "interleaved-thinking-2025-05-14";

fn check_budget(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(thinking) =
        ask.body.get("thinking").filter(|thinking| view::kind(thinking) == "enabled")
    else {
        return;
    };
    let budget = view::integer(thinking, "budget_tokens");
    // Nothing fits below zero, and `max_tokens: 0` with thinking has a rule of its own.
    let max_tokens = view::integer(ask.body, "max_tokens").filter(|max| *max > 0);
    let (Some(budget), Some(max_tokens)) = (budget, max_tokens) else { return };
    if budget >= max_tokens && !view::has_beta(ask.request, INTERLEAVED) {
        out.push(Finding::new("", "`max_tokens` must be greater than `thinking.budget_tokens`."));
    }
}

fn break_budget(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, |model| model.thinks("enabled")) else { return };
    if view::has_beta(base.request, INTERLEAVED) {
        return;
    }
    for (at, budget) in
        [("thinking/budget_tokens/equal", 2000), ("thinking/budget_tokens/over", 4000)]
    {
        let thinking = json!({"type": "enabled", "budget_tokens": budget});
        out.push(edit::small_on(
            base,
            model,
            at,
            json!({"max_tokens": 2000, "thinking": thinking}),
        ));
    }
}

fn refuses(model: &Model, form: &str) -> bool {
    !form.is_empty() && !model.thinks(form) && !is_open(model, form)
}

fn is_open(model: &Model, form: &str) -> bool {
    model.thinking_uncertain.iter().any(|open| open == form)
}

fn check_form(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let form = view::thinking(ask.body);
    if !ask.model.is_some_and(|model| refuses(model, form)) {
        return;
    }
    out.push(match form {
        "adaptive" => Finding::new("", ADAPTIVE_UNSUPPORTED),
        "disabled" => Finding::new("", DISABLED_UNSUPPORTED),
        _ => Finding::new(
            "",
            format!(
                "\"thinking.type.{form}\" is not supported for this model. Use \"thinking.type.adaptive\" and \
                 \"output_config.effort\" to control thinking behavior."
            ),
        ),
    });
}

fn check_open_form(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let form = view::thinking(ask.body);
    if ask.model.is_some_and(|model| is_open(model, form)) {
        let message = format!("\"thinking.type.{form}\" is not supported for this model.");
        out.push(Finding::new("", message));
    }
}

/// Each form on a model of which `test` is true.
fn break_form(base: &Base<'_>, out: &mut Vec<Breach>, test: fn(&Model, &str) -> bool) {
    for (at, thinking) in [
        ("thinking/enabled", json!({"type": "enabled", "budget_tokens": 1024})),
        ("thinking/adaptive", json!({"type": "adaptive"})),
        ("thinking/disabled", json!({"type": "disabled"})),
        ("thinking/between_tools", json!({"type": "between_tools"})),
    ] {
        let model = edit::model(base, |model| test(model, view::kind(&thinking)));
        out.extend(
            model.map(|model| edit::small_on(base, model, at, json!({"thinking": thinking}))),
        );
    }
}

fn check_disabled_effort(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let level = view::effort(ask.body);
    let contradicts = |model: &Model| model.effort_needs_thinking.iter().any(|l| l == level);
    if view::thinking(ask.body) == "disabled" && ask.model.is_some_and(contradicts) {
        let message = format!(
            "\"thinking.type.disabled\" is not supported with effort {level} on this model."
        );
        out.push(Finding::new("", message));
    }
}

fn break_disabled_effort(base: &Base<'_>, out: &mut Vec<Breach>) {
    for (at, level) in
        [("output_config/effort/max", "max"), ("output_config/effort/xhigh", "xhigh")]
    {
        let contradicts = |model: &Model| model.effort_needs_thinking.iter().any(|l| l == level);
        let Some(model) = edit::model(base, contradicts) else { continue };
        let members = json!({"thinking": {"type": "disabled"}, "output_config": {"effort": level}});
        out.push(edit::small_on(base, model, at, members));
    }
}

/// A tool loop starts at the assistant's first message after the user has spoken, and results do not end it:
/// that message must start with thinking.
fn check_first_block(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if view::thinking(ask.body) != "enabled" {
        return;
    }
    let mut first: Option<view::Block<'_>> = None;
    let mut calls = false;
    for message in view::messages(ask.body) {
        match message.role {
            "user" if !message.blocks().any(|block| block.kind == "tool_result") => {
                (first, calls) = (None, false)
            }
            "assistant" => {
                first = first.or_else(|| message.parts().next());
                calls |= message.blocks().any(|block| block.kind == "tool_use");
            }
            _ => {}
        }
    }
    let Some(first) = first.filter(|_| calls) else { return };
    if !matches!(first.kind, "thinking" | "redacted_thinking") {
        let message = format!(
            "Expected `thinking` or `redacted_thinking`, but found `{}`. When `thinking` is enabled, a final \
             `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and \
             `tool_result` blocks).",
            first.kind
        );
        out.push(Finding::new(format!("{}.type", first.path()), message));
    }
}

fn break_first_block(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, |model| model.thinks("enabled")) else { return };
    let call = edit::tool_use("toolu_01");
    for (at, turn) in [
        (
            "messages/content/string",
            vec![edit::assistant(json!("One moment.")), edit::assistant(json!([call]))],
        ),
        ("messages/content/text", vec![edit::assistant(json!([edit::text("One moment."), call]))]),
        ("messages/content/tool_use", vec![edit::assistant(json!([call]))]),
    ] {
        let result = edit::user(json!([edit::tool_result("toolu_01")]));
        let messages = [vec![edit::user(json!("Hello."))], turn, vec![result]].concat();
        let mut members = edit::tool_talk(json!(messages));
        members["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
        out.push(edit::small_on(base, model, at, members));
    }
}

fn has_no_effort(model: &Model) -> bool {
    model.effort.is_empty() && model.effort_uncertain.is_empty()
}

fn lacks_level(model: &Model, level: &str) -> bool {
    !model.effort.is_empty()
        && !is_level_open(model, level)
        && !model.effort.iter().any(|known| known == level)
}

fn is_level_open(model: &Model, level: &str) -> bool {
    model.effort_uncertain.iter().any(|open| open == level)
}

fn level_unsupported(level: &str) -> Finding {
    let message = format!("effort level '{level}' is not supported on this model");
    Finding::new("output_config.effort", message)
}

/// The highest levels, each on a model of which `test` is true.
fn break_level(base: &Base<'_>, out: &mut Vec<Breach>, test: fn(&Model, &str) -> bool) {
    for (at, level) in
        [("output_config/effort/max", "max"), ("output_config/effort/xhigh", "xhigh")]
    {
        let Some(model) = edit::model(base, |model| test(model, level)) else { continue };
        out.push(edit::small_on(base, model, at, json!({"output_config": {"effort": level}})));
    }
}
