//! Batches as a whole.
//!
//! The parameters of the single requests are checked later, when the batch is worked off: a wrong one becomes an
//! errored result, not an answer to this call.

use serde_json::{Value, json};

use super::{Answer, Ask, Finding, Rule, Stage, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

const REQUESTS_MAX: usize = 100_000;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "batch-requests-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: &[OperationId::BatchesCreate],
        models: None,
        implies: &[],
        check: check_count,
        breaches: |base, out| {
            let mut body = edit::whole(base, json!({}));
            let item = body["requests"][0].clone();
            body["requests"] = json!([edit::MARK, item]);
            out.push(edit::repeat_items(base, "requests", &body, &item, REQUESTS_MAX as u64));
        },
        answer: Answer::invalid(
            "requests: List should have at most 100000 items after validation, not N",
        ),
        explanation: "A batch holds at most 100,000 requests, or 256 MB, whichever is reached first.",
        remedy: "Split the batch.",
        source: "batch processing page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "batch-custom-id-duplicate",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: &[OperationId::BatchesCreate],
        models: None,
        implies: &[],
        check: check_ids,
        breaches: |base, out| {
            let mut body = edit::whole(base, json!({}));
            let item = body["requests"][0].clone();
            body["requests"] = json!([item, item]);
            out.push(base.with_body("requests/custom_id", |whole| *whole = body));
        },
        answer: Answer::invalid("requests: custom_id must be unique, found duplicate ID"),
        explanation: "Results come back in any order, and `custom_id` is all that ties each to its request. \
            So no two requests of a batch may share one.",
        remedy: "Number the requests, or use the key of the record each was made from.",
        source: "batch processing page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

fn requests(body: &Value) -> &[Value] {
    view::member_list(body, "requests")
}

fn check_count(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let count = requests(ask.body).len();
    if count > REQUESTS_MAX {
        let message =
            format!("List should have at most {REQUESTS_MAX} items after validation, not {count}");
        out.push(Finding::new("requests", message));
    }
}

fn check_ids(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let requests = requests(ask.body);
    // A batch that is too long is answered for that, and not searched.
    if requests.len() > REQUESTS_MAX {
        return;
    }
    let ids = requests
        .iter()
        .enumerate()
        .filter_map(|(n, item)| Some((n, item.get("custom_id")?.as_str()?)));
    if let Some((n, id)) = view::first_duplicate(ids) {
        let message = format!("custom_id must be unique, found duplicate {id}");
        out.push(Finding::new(format!("requests.{n}.custom_id"), message));
    }
}
