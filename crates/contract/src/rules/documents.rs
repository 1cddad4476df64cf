//! Documents: what citing from them goes together with.

use serde_json::{Value, json};

use super::{Answer, Ask, Finding, Rule, Stage, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "document-citations-mixed",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_mixed,
        breaches: |base, out| {
            let blocks = json!([cited_document(), edit::document()]);
            out.push(edit::with_blocks(base, "messages/content/document/citations", blocks));
        },
        answer: Answer::invalid("citations must be enabled on all or none of the documents"),
        explanation: "Citations are switched on for all documents of a request or for none, \
            since the model either cites its sources or does not.",
        remedy: "Set `citations.enabled` alike on every document.",
        source: "citations page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "citations-with-structured-output",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_cited_format,
        breaches: |base, out| {
            let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
            let format = json!({"type": "json_schema", "schema": schema});
            let messages = json!([edit::user(json!([cited_document(), edit::text("Sum it up.")]))]);
            let members = json!({"messages": messages, "output_config": {"format": format}});
            out.push(edit::small(base, "output_config/format", members));
        },
        answer: Answer::invalid("citations cannot be combined with output_config.format"),
        explanation: "Citations stand between pieces of text, \
            and an answer held to a schema has no place for them.",
        remedy: "Drop one of the two; ask for sources as a field of the schema.",
        source: "citations and structured outputs pages",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

/// Whether the block asks for citations.
fn cites(block: &Value) -> bool {
    block.get("citations").and_then(|citations| citations.get("enabled"))
        == Some(&Value::Bool(true))
}

fn check_mixed(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let (mut with, mut without) = (false, false);
    view::each_block(ask.body, &mut |_, block| {
        if view::kind(block) == "document" {
            *(if cites(block) { &mut with } else { &mut without }) = true;
        }
    });
    if with && without {
        out.push(Finding::new("", "citations must be enabled on all or none of the documents"));
    }
}

fn check_cited_format(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if view::output_format(ask.body).is_none() {
        return;
    }
    let mut is_cited = false;
    view::each_block(ask.body, &mut |_, block| {
        is_cited |= matches!(view::kind(block), "document" | "search_result") && cites(block);
    });
    if is_cited {
        out.push(Finding::new("", "citations cannot be combined with output_config.format"));
    }
}

fn cited_document() -> Value {
    let mut document = edit::document();
    document["citations"] = json!({"enabled": true});
    document
}
