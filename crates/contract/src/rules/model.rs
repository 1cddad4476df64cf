//! The model that is named, in the body or in the path.

use serde_json::Value;

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage};
use crate::models::{Confidence, Lifecycle};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "model-unknown",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_unknown,
        breaches: break_unknown,
        answer: NOT_FOUND,
        explanation: "The name is none of a model, or of one this account may use: the API does not tell the two \
            apart. Names of other platforms (`anthropic.claude-…`, `…@20251001`) are unknown here as well.",
        remedy: "Take the name from `GET /v1/models`.",
        source: "public reports of live answers; errors page",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "model-retired",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_retired,
        breaches: break_retired,
        answer: NOT_FOUND,
        explanation: "The model was retired: since that day the API answers as if it had never been. \
            Retirements are announced at least 60 days ahead, and `GET /v1/models` shows the date.",
        remedy: "Move to the replacement that the deprecations page names.",
        source: "model deprecations page",
        confidence: Confidence::Inferred,
        uncertain: None,
    },
    Rule {
        id: "model-id-unknown",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &[OperationId::ModelsGet],
        models: None,
        implies: &[],
        check: check_id,
        breaches: break_id,
        answer: NOT_FOUND,
        explanation: "The path names a model that is not there, or no longer. An alias is resolved, a name of \
            another platform is not.",
        remedy: "Take the name from `GET /v1/models`; retired models are listed with `lifecycle[]=retired`.",
        source: "models endpoint reference; errors page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

const NOT_FOUND: Answer =
    Answer { status: 404, error_type: "not_found_error", error_code: None, wording: "model: NAME" };

fn check_unknown(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(name) = ask.body.get("model").and_then(Value::as_str) else { return };
    let was_known = ask.models.retired.iter().any(|model| model.id == name);
    if ask.models.find(name).is_none() && !was_known {
        out.push(Finding::new("model", name.to_owned()));
    }
}

fn break_unknown(base: &Base<'_>, out: &mut Vec<Breach>) {
    for (at, name) in
        [("model", "claude-nonesuch-9"), ("model/other-platform", "anthropic.claude-opus-5")]
    {
        out.push(base.with_body(at, |body| body["model"] = name.into()));
    }
}

fn check_retired(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(name) = ask.body.get("model").and_then(Value::as_str) else { return };
    let is_retired = match ask.models.find(name) {
        Some(model) => model.is_gone(ask.today),
        None => ask
            .models
            .retired
            .iter()
            .any(|model| model.id == name && &*model.retired_at <= ask.today),
    };
    if is_retired {
        out.push(Finding::new("model", name.to_owned()));
    }
}

fn check_id(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(id) = ask.request.path().strip_prefix(MODELS).filter(|id| !id.contains('/')) else {
        return;
    };
    if ask.models.find(id).is_none_or(|model| model.is_gone(ask.today)) {
        out.push(Finding::new("model", id.to_owned()));
    }
}

fn break_id(base: &Base<'_>, out: &mut Vec<Breach>) {
    let retired = base.models.retired.first().map(|model| ("path/retired", &*model.id));
    let names = [("path", "claude-nonesuch-9"), ("path/other-platform", "anthropic.claude-opus-5")];
    for (at, name) in names.into_iter().chain(retired) {
        out.push(
            base.with_request(at, |request| request.target = format!("{MODELS}{name}").into()),
        );
    }
}

const MODELS: &str = "/v1/models/";

fn break_retired(base: &Base<'_>, out: &mut Vec<Breach>) {
    let still_listed =
        base.models.current.iter().filter(|model| model.lifecycle == Lifecycle::Retired);
    if let Some(model) = still_listed.map(|model| &model.id).next() {
        out.push(base.with_body("model/listed", |body| body["model"] = model.as_str().into()));
    }
    if let Some(retired) = base.models.retired.first() {
        out.push(base.with_body("model", |body| body["model"] = retired.id.as_str().into()));
    }
}
