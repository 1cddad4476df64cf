//! Output: how long it may get, and where and how fast it is made.

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Fast, Model, Settled};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];
/// Operations that make output, as against counting what goes in.
const CREATE: &[OperationId] = &[OperationId::MessagesCreate];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "max-tokens-over-model-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: check_max_tokens,
        breaches: break_max_tokens,
        answer: Answer::invalid(
            "max_tokens: N > M, which is the maximum allowed number of output tokens for MODEL",
        ),
        explanation: "Every model has a longest answer, and `max_tokens` may not ask for more. \
            A setting that was right for one model fails on another. The beta `output-300k-2026-03-24` lifts the \
            limit of some models, in batches only: a single message cannot have more with it.",
        remedy: "Lower `max_tokens` to the number in the message; for a longer answer send a batch with the beta.",
        source: "models and batch processing pages; public reports of live answers",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "max-tokens-zero-conflict",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: check_zero,
        breaches: break_zero,
        answer: Answer::invalid("max_tokens: 0 cannot be combined with PARAMETER"),
        explanation: "`max_tokens: 0` writes the prompt to the cache and makes no answer, so whatever shapes an \
            answer contradicts it: streaming, a thinking budget, an output format, a forced tool call.",
        remedy: "Warm the cache with a request that has none of these.",
        source: "prompt caching page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "inference-geo-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: Some(|model| !model.inference_geo),
        implies: &[],
        check: |ask, out| {
            if view::given(ask.body, "inference_geo") {
                out.push(Finding::new("inference_geo", "not supported for this model"));
            }
        },
        breaches: |base, out| {
            let Some(model) = edit::model(base, |model| !model.inference_geo) else { return };
            out.push(edit::small_on(base, model, "inference_geo", json!({"inference_geo": "us"})));
        },
        answer: Answer::invalid("inference_geo: not supported for this model"),
        explanation: "Where an answer is made can be chosen for models from 4.6 on only.",
        remedy: "Drop the parameter, or use a newer model.",
        source: "data residency page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "fast-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(|model| model.fast == Fast::Refused),
        implies: &[],
        check: |ask, out| {
            if ask.body.get("speed").is_some_and(|speed| speed == "fast") {
                out.push(Finding::new("speed", "fast mode is not supported for this model"));
            }
        },
        breaches: |base, out| {
            let Some(model) = edit::model(base, |model| model.fast == Fast::Refused) else {
                return;
            };
            out.push(edit::small_on(base, model, "speed", json!({"speed": "fast"})));
        },
        answer: Answer::invalid("speed: fast mode is not supported for this model"),
        explanation: "Fast mode exists on some models; of the others some ignore the wish and some refuse it.",
        remedy: "Drop `speed` for this model.",
        source: "fast mode page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

fn check_max_tokens(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let (Some(asked), Some(model)) = (view::integer(ask.body, "max_tokens"), ask.model) else {
        return;
    };
    let max = output_tokens_max(ask, model);
    if asked > max {
        let message = format!(
            "{asked} > {max}, which is the maximum allowed number of output tokens for {}",
            model.id
        );
        out.push(Finding::new("max_tokens", message));
    }
}

const LONG_OUTPUT_BETA: &str = "output-300k-2026-03-24";

/// The beta counts in batches only, whose items are judged as messages of the batch's request.
fn output_tokens_max(ask: &Ask<'_>, model: &Model) -> u64 {
    let is_item = ask.request.path().ends_with("/batches");
    let lifted = model.output_tokens_max_batch;
    let lifted = lifted.filter(|_| is_item && view::has_beta(ask.request, LONG_OUTPUT_BETA));
    lifted.unwrap_or(model.output_tokens_max)
}

fn break_max_tokens(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, |_| true) else { return };
    let max_tokens = model.output_tokens_max + 1;
    out.push(edit::small_on(base, model, "max_tokens", json!({"max_tokens": max_tokens})));
    let lifted = edit::model(base, |model| model.output_tokens_max_batch.is_some());
    let Some((model, max)) = lifted.and_then(|model| Some((model, model.output_tokens_max_batch?)))
    else {
        return;
    };
    let mut breach =
        edit::small_on(base, model, "max_tokens/beta-of-batches", json!({"max_tokens": max}));
    breach.request.headers.replace("anthropic-beta", LONG_OUTPUT_BETA);
    out.push(breach);
}

fn check_zero(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if view::integer(ask.body, "max_tokens") != Some(0) {
        return;
    }
    let conflicts = [
        (ask.body.get("stream") == Some(&Value::Bool(true)), "stream"),
        (view::thinking(ask.body) == "enabled", "thinking"),
        (view::output_format(ask.body).is_some(), "output_config.format"),
        (view::forces_tool(ask.body), "tool_choice"),
    ];
    for (_, what) in conflicts.into_iter().filter(|(is_there, _)| *is_there) {
        out.push(Finding::new("max_tokens", format!("0 cannot be combined with {what}")));
    }
}

fn break_zero(base: &Base<'_>, out: &mut Vec<Breach>) {
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let format = json!({"type": "json_schema", "schema": schema});
    out.push(edit::small(base, "stream", json!({"max_tokens": 0, "stream": true})));
    out.push(edit::small(
        base,
        "output_config/format",
        json!({"max_tokens": 0, "output_config": {"format": format}}),
    ));
    if let Some(model) = edit::model(base, |model| model.thinks("enabled")) {
        let thinking = json!({"type": "enabled", "budget_tokens": 1024});
        out.push(edit::small_on(
            base,
            model,
            "thinking",
            json!({"max_tokens": 0, "thinking": thinking}),
        ));
    }
    if let Some(model) = edit::model(base, |model| model.forced_tool_choice == Settled::Yes) {
        let choice = json!({"max_tokens": 0, "tools": [edit::tool("get_weather")], "tool_choice": {"type": "any"}});
        out.push(edit::small_on(base, model, "tool_choice", choice));
    }
}
