//! What the other operations answer: counts, pages, models, batches and their results.

use std::collections::BTreeSet;

use serde_json::Value;

use super::asked::undated;
use super::{Answer, Body, Check, Found, Rule, text};
use crate::level::Level;
use crate::rules::view;
use crate::version::OperationId;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "response/count-tokens",
        level: Level::Compatible,
        sentence: "A count of tokens is a whole number above zero, in `input_tokens`. Callers cut their prompts by it.",
        remedy: "Count what the request holds; answer with a 404 where nothing can be counted.",
        seen: &[],
        check: Check::Answer(
            |answer| of_operation(answer, &[OperationId::MessagesCountTokens]).is_some(),
            count_tokens,
        ),
    },
    Rule {
        id: "response/list-ends",
        level: Level::Compatible,
        sentence: "`first_id` and `last_id` of a page are the ids of its first and last element, and null for an empty page. The next page is asked for by them.",
        remedy: "Take both from the data of the page.",
        seen: &[],
        check: Check::Answer(|answer| page(answer).is_some(), list_ends),
    },
    Rule {
        id: "response/list-too-long",
        level: Level::Strict,
        sentence: "A page holds no more than the `limit` of the request, 20 without one.",
        remedy: "Cut the page at the limit, and say `has_more`.",
        seen: &[],
        check: Check::Answer(|answer| page(answer).is_some(), list_too_long),
    },
    Rule {
        id: "response/list-duplicate",
        level: Level::Compatible,
        sentence: "No element stands twice on a page.",
        remedy: "List each thing once, under one id.",
        seen: &[],
        check: Check::Answer(
            |answer| page(answer).is_some_and(|(_, data)| data.len() > 1),
            list_duplicate,
        ),
    },
    Rule {
        id: "response/list-has-more",
        level: Level::Compatible,
        sentence: "`has_more` says whether another page follows, and an empty page has none after it. A client that turns pages would turn them for ever.",
        remedy: "Send `false` with the last page.",
        seen: &[],
        check: Check::Answer(
            |answer| page(answer).is_some_and(|(_, data)| data.is_empty()),
            list_has_more,
        ),
    },
    Rule {
        id: "response/list-cursor",
        level: Level::Compatible,
        sentence: "A page begins after the element of `after_id`, or ends before that of `before_id`, and does not hold it. A client that turns pages would read it twice, and never end where it is the last.",
        remedy: "Leave the element of the cursor out.",
        seen: &[],
        check: Check::Answer(
            |answer| {
                page(answer).is_some()
                    && view::query(answer.request).any(|(name, _)| is_cursor(&name))
            },
            list_cursor,
        ),
    },
    Rule {
        id: "response/models-lifecycle",
        level: Level::Strict,
        sentence: "The models of a page are in the states that `lifecycle[]` names, and without it none is retired.",
        remedy: "List retired models only where they are asked for.",
        seen: &[],
        check: Check::Answer(
            |answer| of_operation(answer, &[OperationId::ModelsList]).is_some(),
            models_lifecycle,
        ),
    },
    Rule {
        id: "response/model-info-other",
        level: Level::Strict,
        sentence: "The model that is told about is the one of the path, or the dated name that stands behind it.",
        remedy: "Answer with the model of the path, and with a 404 where there is none.",
        seen: &[],
        check: Check::Answer(
            |answer| of_operation(answer, &[OperationId::ModelsGet]).is_some(),
            model_info_other,
        ),
    },
    Rule {
        id: "response/batch-id",
        level: Level::Compatible,
        sentence: "The id of a batch begins with `msgbatch_`, and is the one that was asked for.",
        remedy: "Make an id with the prefix when the batch is made, and keep to it.",
        seen: &[],
        check: Check::Answer(|answer| !identified(answer).is_empty(), batch_id),
    },
    Rule {
        id: "response/batch-counts",
        level: Level::Compatible,
        sentence: "All items count as processing until the batch has ended, and none after that. A new batch counts as many as were sent.",
        remedy: "Count the items by state when the batch ends, not before.",
        seen: &[],
        check: Check::Answer(|answer| !batches(answer).is_empty(), batch_counts),
    },
    Rule {
        id: "response/batch-end",
        level: Level::Compatible,
        sentence: "`ended_at` and `results_url` are null until the batch has ended, and there from then on. Callers wait for one of them.",
        remedy: "Set `processing_status`, `ended_at` and `results_url` together.",
        seen: &[],
        check: Check::Answer(|answer| !batches(answer).is_empty(), batch_end),
    },
    Rule {
        id: "response/batch-cancel",
        level: Level::Compatible,
        sentence: "A batch that is cancelled says since when, and is `canceling` or `ended`.",
        remedy: "Set `cancel_initiated_at` and the status when cancellation is asked for.",
        seen: &[],
        check: Check::Answer(
            |answer| of_operation(answer, &[OperationId::BatchesCancel]).is_some(),
            batch_cancel,
        ),
    },
    Rule {
        id: "response/batch-times",
        level: Level::Strict,
        sentence: "A batch is created before it expires, ends or is cancelled.",
        remedy: "Take all times of a batch from one clock.",
        seen: &[],
        check: Check::Answer(|answer| !batches(answer).is_empty(), batch_times),
    },
    Rule {
        id: "response/results-duplicate",
        level: Level::AgentReady,
        sentence: "Each item of a batch has one result. Results come in any order, so the `custom_id` is all there is to go by.",
        remedy: "Write one line for each item, with the id it was sent under.",
        seen: &[],
        check: Check::Answer(
            |answer| matches!(&answer.body, Body::Lines(lines) if lines.len() > 1),
            results_duplicate,
        ),
    },
];

fn of_operation<'a>(answer: &'a Answer<'_>, operations: &[OperationId]) -> Option<&'a Value> {
    answer.success().filter(|_| operations.contains(&answer.operation))
}

fn count_tokens(answer: &Answer<'_>, found: &mut Found) {
    let count = of_operation(answer, &[OperationId::MessagesCountTokens]);
    if let Some(body) =
        count.filter(|body| view::integer(body, "input_tokens").is_none_or(|n| n == 0))
    {
        found.push("/input_tokens", format!("input_tokens is {}", body["input_tokens"]));
    }
}

/// The elements of a page, with the page.
fn page<'a>(answer: &'a Answer<'_>) -> Option<(&'a Value, &'a [Value])> {
    let page = of_operation(answer, &[OperationId::BatchesList, OperationId::ModelsList])?;
    Some((page, page["data"].as_array()?))
}

fn list_ends(answer: &Answer<'_>, found: &mut Found) {
    let Some((page, data)) = page(answer) else { return };
    for (name, end) in [("first_id", data.first()), ("last_id", data.last())] {
        let id = end.map_or(&Value::Null, |end| &end["id"]);
        if page[name] != *id {
            found.push(format!("/{name}"), format!("{name} is {}, not {id}", page[name]));
        }
    }
}

fn list_too_long(answer: &Answer<'_>, found: &mut Found) {
    const LIMIT: usize = 20;
    let Some((_, data)) = page(answer) else { return };
    let asked = view::query(answer.request).find(|(name, _)| name == "limit");
    let limit = asked.and_then(|(_, value)| value.parse().ok()).unwrap_or(LIMIT);
    if data.len() > limit {
        found.push("/data", format!("{} elements, and {limit} are the limit", data.len()));
    }
}

fn list_duplicate(answer: &Answer<'_>, found: &mut Found) {
    let Some((_, data)) = page(answer) else { return };
    let mut seen = BTreeSet::new();
    for (idx, element) in data.iter().enumerate() {
        if element["id"].is_string() && !seen.insert(text(element, "id")) {
            found.push(format!("/data/{idx}/id"), format!("{} stands twice", element["id"]));
        }
    }
}

fn list_has_more(answer: &Answer<'_>, found: &mut Found) {
    let Some((page, data)) = page(answer) else { return };
    if data.is_empty() && page["has_more"] == true {
        found.push("/has_more", "an empty page, and more after it");
    }
}

fn is_cursor(name: &str) -> bool {
    matches!(name, "after_id" | "before_id")
}

fn list_cursor(answer: &Answer<'_>, found: &mut Found) {
    let Some((_, data)) = page(answer) else { return };
    for (name, cursor) in view::query(answer.request).filter(|(name, _)| is_cursor(name)) {
        if let Some(idx) = data.iter().position(|element| element["id"] == *cursor) {
            found.push(format!("/data/{idx}/id"), format!("`{cursor}` is the `{name}`"));
        }
    }
}

fn models_lifecycle(answer: &Answer<'_>, found: &mut Found) {
    const STATES: [&str; 3] = ["active", "deprecated", "retired"];
    let Some(page) = of_operation(answer, &[OperationId::ModelsList]) else { return };
    let asked = view::query(answer.request).filter(|(name, _)| view::is_lifecycle(name));
    let mut asked: Vec<_> = asked.map(|(_, value)| value).collect();
    if asked.is_empty() {
        asked = vec!["active".into(), "deprecated".into()];
    }
    for (idx, model) in view::member_list(page, "data").iter().enumerate() {
        let state = text(model, "lifecycle");
        // A state that came with a later version may belong to any of them.
        if STATES.contains(&state) && !asked.iter().any(|asked| asked == state) {
            let trace = format!("`{state}` was not asked for");
            found.push(format!("/data/{idx}/lifecycle"), trace);
        }
    }
}

fn model_info_other(answer: &Answer<'_>, found: &mut Found) {
    let Some(model) = of_operation(answer, &[OperationId::ModelsGet]) else { return };
    let asked = answer.request.path().strip_prefix("/v1/models/").unwrap_or_default();
    // A name that needs escapes is none of the API's.
    let is_plain = !asked.is_empty() && !asked.contains('%');
    let id = text(model, "id");
    if is_plain && !id.is_empty() && undated(asked) != undated(id) {
        found.push("/id", format!("`{asked}` was asked for, and `{id}` answers"));
    }
}

/// A batch, alone or on a page, with where it stands.
fn batches<'a>(answer: &'a Answer<'_>) -> Vec<(String, &'a Value)> {
    let is_batch = matches!(
        answer.operation,
        OperationId::BatchesCreate | OperationId::BatchesGet | OperationId::BatchesCancel
    );
    match (answer.success(), answer.operation) {
        (Some(batch), _) if is_batch => vec![(String::new(), batch)],
        (Some(page), OperationId::BatchesList) => {
            let data = view::member_list(page, "data").iter().enumerate();
            data.map(|(idx, batch)| (format!("/data/{idx}"), batch)).collect()
        }
        _ => Vec::new(),
    }
}

/// The same, and what is told of one that was deleted.
fn identified<'a>(answer: &'a Answer<'_>) -> Vec<(String, &'a Value)> {
    let mut all = batches(answer);
    let deleted = of_operation(answer, &[OperationId::BatchesDelete]);
    all.extend(deleted.map(|deleted| (String::new(), deleted)));
    all
}

fn batch_id(answer: &Answer<'_>, found: &mut Found) {
    let asked = view::batch_id(answer.request.path());
    for (at, batch) in identified(answer) {
        let id = text(batch, "id");
        if !id.starts_with("msgbatch_") {
            found.push(format!("{at}/id"), format!("the id is {}", batch["id"]));
        } else if let Some(asked) = asked.filter(|asked| *asked != id) {
            found.push(format!("{at}/id"), format!("`{asked}` was asked for, and `{id}` answers"));
        }
    }
}

fn batch_counts(answer: &Answer<'_>, found: &mut Found) {
    const ENDS: [&str; 4] = ["succeeded", "errored", "canceled", "expired"];
    for (at, batch) in batches(answer) {
        let counts = &batch["request_counts"];
        let count = |name| view::integer(counts, name).unwrap_or(0);
        let ended: u64 = ENDS.into_iter().map(count).fold(0, u64::saturating_add);
        let is_over = text(batch, "processing_status") == "ended";
        if is_over && count("processing") > 0 {
            let trace = format!("the batch has ended, and {} are processing", count("processing"));
            found.push(format!("{at}/request_counts/processing"), trace);
        }
        if !is_over && ended > 0 {
            let trace = format!("the batch has not ended, and {ended} are no longer processing");
            found.push(format!("{at}/request_counts"), trace);
        }
        if let Some(sent) =
            sent(answer).filter(|sent| *sent != ended.saturating_add(count("processing")))
        {
            let total = ended.saturating_add(count("processing"));
            found.push(format!("{at}/request_counts"), format!("{sent} sent, and {total} counted"));
        }
    }
}

/// How many items the request makes a batch of.
fn sent(answer: &Answer<'_>) -> Option<u64> {
    let classify::Body::Bytes(body) = &answer.request.body else { return None };
    if answer.operation != OperationId::BatchesCreate {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    u64::try_from(body["requests"].as_array()?.len()).ok()
}

fn batch_end(answer: &Answer<'_>, found: &mut Found) {
    for (at, batch) in batches(answer) {
        let is_over = match text(batch, "processing_status") {
            "ended" => true,
            "canceling" | "in_progress" => false,
            _ => continue,
        };
        if view::given(batch, "ended_at") != is_over {
            let trace = format!("ended_at is {}", batch["ended_at"]);
            found.push(format!("{at}/ended_at"), trace);
        }
        // Results are taken away again, a month after they came.
        let is_archived = view::given(batch, "archived_at");
        if view::given(batch, "results_url") != is_over && !is_archived {
            let trace = format!("results_url is {}", batch["results_url"]);
            found.push(format!("{at}/results_url"), trace);
        }
    }
}

fn batch_cancel(answer: &Answer<'_>, found: &mut Found) {
    let Some(batch) = of_operation(answer, &[OperationId::BatchesCancel]) else { return };
    if !view::given(batch, "cancel_initiated_at") {
        found.push("/cancel_initiated_at", "cancellation was asked for, and no time is given");
    }
    if text(batch, "processing_status") == "in_progress" {
        found.push("/processing_status", "cancellation was asked for, and the batch goes on");
    }
}

fn batch_times(answer: &Answer<'_>, found: &mut Found) {
    for (at, batch) in batches(answer) {
        let created = text(batch, "created_at");
        for name in ["cancel_initiated_at", "ended_at", "expires_at"] {
            if is_before(text(batch, name), created) {
                let trace = format!("{name} is before created_at");
                found.push(format!("{at}/{name}"), trace);
            }
        }
    }
}

/// Whether the one time is a second or more before the other. Those of other zones than UTC are not read.
fn is_before(one: &str, other: &str) -> bool {
    const SECONDS: usize = "0000-00-00T00:00:00".len();
    let seconds = |time| str::strip_suffix(time, 'Z').and_then(|time| time.get(..SECONDS));
    match (seconds(one), seconds(other)) {
        (Some(one), Some(other)) => one < other,
        _ => false,
    }
}

fn results_duplicate(answer: &Answer<'_>, found: &mut Found) {
    let Body::Lines(lines) = &answer.body else { return };
    let mut seen = BTreeSet::new();
    for (idx, line) in lines.iter().enumerate() {
        let Ok(line) = line else { continue };
        if line["custom_id"].is_string() && !seen.insert(text(line, "custom_id")) {
            let trace = format!("{} stands twice", line["custom_id"]);
            found.push(format!("/{idx}/custom_id"), trace);
        }
    }
}
