//! Batches as a whole: what creates one, and what may be done with one that is there.
//!
//! The parameters of the single requests are checked later, when the batch is worked off: a wrong one becomes an
//! errored result, not an answer to this call. Breaches that need a batch use those of our mock.

use classify::Class;
use serde_json::{Value, json};

use super::{Answer, Ask, Base, BatchPhase, Breach, Finding, Rule, Stage, Uncertain, edit, view};
use crate::models::Confidence;
use crate::seeds;
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
    Rule {
        id: "batch-unknown",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &[
            OperationId::BatchesGet,
            OperationId::BatchesCancel,
            OperationId::BatchesDelete,
            OperationId::BatchesResults,
        ],
        models: None,
        implies: &[],
        check: check_known,
        breaches: |base, out| out.push(of_batch(base, "path/message_batch_id", NOBODYS)),
        answer: Answer {
            status: 404,
            error_type: "not_found_error",
            error_code: None,
            wording: "Message batch ID not found.",
        },
        explanation: "No batch of that id is there for this credential: it was deleted, belongs to another \
            workspace, or the id was cut or misspelt. The API does not tell these apart.",
        remedy: "Compare the id with the one that creating the batch returned, and use a credential of the same \
            workspace.",
        source: "errors page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "batch-not-ended",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &[OperationId::BatchesDelete, OperationId::BatchesResults],
        models: None,
        implies: &[],
        check: check_ended,
        breaches: break_ended,
        answer: Answer::invalid("Batch ID has not ended; HINT."),
        explanation: "Results are there when the whole batch has ended, not one by one; until then `results_url` is \
            `null`. A batch is deleted with its results, so that waits for them as well. \
            A cancelled batch counts as in progress until its last request has ended.",
        remedy: "Poll the batch until its status is `ended`, then follow `results_url`; to delete it sooner, \
            cancel it first.",
        source: "batch processing page; the vendor's OpenAPI document",
        confidence: Confidence::Documented,
        uncertain: Some(Uncertain {
            classes: &[Class::InvalidRequest, Class::Conflict, Class::NotFound],
            question: "With which status is a batch that has not ended refused, to who deletes it and to who asks \
                for its results: 400, 404, or 409?",
        }),
    },
];

/// An id that no batch has.
const NOBODYS: &str = "msgbatch_probity_nobodys";

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

fn check_known(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if let (Some(id), None) = (view::batch_id(ask.request.path()), ask.batch) {
        out.push(Finding::new("", format!("Message batch {id} not found.")));
    }
}

fn check_ended(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let is_open = ask.batch.is_some_and(|phase| phase != BatchPhase::Ended);
    let hint = match ask.operation {
        OperationId::BatchesDelete => "cancel it before deleting it",
        _ => "it has no results yet",
    };
    if let Some(id) = view::batch_id(ask.request.path()).filter(|_| is_open) {
        out.push(Finding::new("", format!("Batch {id} has not ended; {hint}.")));
    }
}

fn break_ended(base: &Base<'_>, out: &mut Vec<Breach>) {
    for (at, id) in [
        ("path/message_batch_id/canceling", seeds::BATCH_CANCELING),
        ("path/message_batch_id/in-progress", seeds::BATCH_IN_PROGRESS),
    ] {
        out.push(of_batch(base, at, id));
    }
}

/// The base with another batch in its path.
fn of_batch(base: &Base<'_>, at: &'static str, id: &str) -> Breach {
    base.with_request(at, |r| {
        if let Some(own) = view::batch_id(base.request.path()) {
            r.target = r.target.replacen(own, id, 1).into();
        }
    })
}
