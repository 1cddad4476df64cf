//! Sampling: which of `temperature`, `top_k` and `top_p` a model takes, alone, together and beside thinking.

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Model, Sampling};
use crate::version::{OperationId, Version};

/// Operations that take the sampling parameters.
const CREATE: &[OperationId] = &[OperationId::MessagesCreate];
/// The version that still has sampling parameters; later their presence is against the schema.
const SAMPLING: &[Version] = &[Version::V2023_06_01];

const TOP_P_MIN: f64 = 0.95;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "sampling-deprecated",
        stage: Stage::Body,
        versions: SAMPLING,
        operations: CREATE,
        models: Some(|model| model.sampling == Sampling::Deprecated),
        implies: &[],
        check: check_deprecated,
        breaches: |base, out| {
            let Some(model) = edit::model(base, |model| model.sampling == Sampling::Deprecated)
            else {
                return;
            };
            for (name, value) in
                [("temperature", json!(0.5)), ("top_k", json!(5)), ("top_p", json!(0.5))]
            {
                out.push(edit::small_on(base, model, name, json!({name: value})));
            }
        },
        answer: Answer::invalid("`PARAMETER` is deprecated for this model."),
        explanation: "Models from 4.7 on are not tuned by sampling; values other than the default are refused, and \
            the next version of the API has no such parameters at all. Whether the default itself passes is \
            reported both ways, so it is not called wrong here.",
        remedy: "Drop `temperature`, `top_p` and `top_k`; ask for variety in the prompt.",
        source: "model deprecations page; public reports of live answers",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "temperature-with-thinking",
        stage: Stage::Body,
        versions: SAMPLING,
        operations: CREATE,
        models: Some(takes_sampling),
        implies: &[],
        check: |ask, out| {
            let wrong =
                thinks(ask) && number(ask.body, "temperature").is_some_and(|value| value != 1.0);
            let message = "`temperature` may only be set to 1 when thinking is enabled.";
            out.extend(wrong.then(|| Finding::new("", message)));
        },
        breaches: |base, out| break_sampling(base, out, "temperature", &json!(0.5)),
        answer: Answer::invalid("`temperature` may only be set to 1 when thinking is enabled."),
        explanation: "Thinking was trained at temperature 1, and other temperatures spoil it.",
        remedy: "Drop `temperature`, or switch thinking off.",
        source: "extended thinking page; public reports of live answers",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "temperature-with-top-p",
        stage: Stage::Body,
        versions: SAMPLING,
        operations: CREATE,
        models: Some(|model| model.sampling == Sampling::OneOf),
        implies: &[],
        check: check_both,
        breaches: |base, out| {
            let Some(model) = edit::model(base, |model| model.sampling == Sampling::OneOf) else {
                return;
            };
            out.push(edit::small_on(
                base,
                model,
                "temperature",
                json!({"temperature": 0.5, "top_p": 0.5}),
            ));
        },
        answer: Answer::invalid(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        ),
        explanation: "The models 4.5 and 4.6 take one of the two, since each narrows the same choice in its own way.",
        remedy: "Keep one; `temperature` if in doubt.",
        source: "public reports, September 2026",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "top-k-with-thinking",
        stage: Stage::Body,
        versions: SAMPLING,
        operations: CREATE,
        models: Some(takes_sampling),
        implies: &[],
        check: |ask, out| {
            let wrong = thinks(ask) && number(ask.body, "top_k").is_some();
            out.extend(
                wrong.then(|| Finding::new("", "`top_k` must be unset when thinking is enabled.")),
            );
        },
        breaches: |base, out| break_sampling(base, out, "top_k", &json!(5)),
        answer: Answer::invalid("`top_k` must be unset when thinking is enabled."),
        explanation: "Thinking needs the whole choice of tokens; cutting it to the likeliest few spoils it.",
        remedy: "Drop `top_k`, or switch thinking off.",
        source: "extended thinking page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "top-p-low-with-thinking",
        stage: Stage::Body,
        versions: SAMPLING,
        operations: CREATE,
        models: Some(takes_sampling),
        implies: &[],
        check: |ask, out| {
            let wrong =
                thinks(ask) && number(ask.body, "top_p").is_some_and(|value| value < TOP_P_MIN);
            let message =
                "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.";
            out.extend(wrong.then(|| Finding::new("", message)));
        },
        breaches: |base, out| break_sampling(base, out, "top_p", &json!(0.5)),
        answer: Answer::invalid(
            "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.",
        ),
        explanation: "Thinking needs nearly the whole choice of tokens: `top_p` may be 0.95 at the least.",
        remedy: "Drop `top_p` or raise it, or switch thinking off.",
        source: "extended thinking page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

fn number(params: &Value, member: &str) -> Option<f64> {
    params.get(member).and_then(Value::as_f64)
}

fn check_deprecated(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let is_set = |name| match name {
        "top_k" => number(ask.body, name).is_some(),
        _ => number(ask.body, name).is_some_and(|value| value != 1.0),
    };
    for name in ["temperature", "top_p", "top_k"].into_iter().filter(|name| is_set(*name)) {
        out.push(Finding::new("", format!("`{name}` is deprecated for this model.")));
    }
}

/// Others refuse the parameters anyway.
fn takes_sampling(model: &Model) -> bool {
    model.sampling != Sampling::Deprecated
}

fn thinks(ask: &Ask<'_>) -> bool {
    matches!(view::thinking(ask.body), "adaptive" | "enabled")
}

fn break_sampling(base: &Base<'_>, out: &mut Vec<Breach>, name: &'static str, value: &Value) {
    let takes_both = |model: &Model| model.thinks("enabled") && takes_sampling(model);
    let Some(model) = edit::model(base, takes_both) else { return };
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    out.push(edit::small_on(base, model, name, json!({"thinking": thinking, name: value})));
}

fn check_both(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let given = |name| number(ask.body, name).is_some();
    if given("temperature") && given("top_p") {
        let message = "`temperature` and `top_p` cannot both be specified for this model. Please use only one.";
        out.push(Finding::new("", message));
    }
}
