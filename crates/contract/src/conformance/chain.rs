//! What can be asked only with ids that the server gave: a batch from its creation to its results.
//!
//! A chain is data: steps in order, each a request made with the id of the first, the answer that the contract demands,
//! and what must be true across steps. Whoever plays it sends the requests and may wait; nothing here does.

use classify::http::KEY_PLACEHOLDER;
use classify::{Body, Headers, Observation, Reply, Request};
use serde_json::{Value, json};

use crate::case::{Case, CaseId, Origin, StatedAnswer, Traits};
use crate::judge::{Blame, Finding};
use crate::level::Level;
use crate::spec::Contract;
use crate::version::{OperationId, Version};

/// One step of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub name: &'static str,
    pub operation: OperationId,
    pub expects: Expects,
    /// Asked again, with pauses, until the batch is in this state or the patience is at its end.
    pub until: Option<&'static str>,
}

/// What the contract demands of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expects {
    Success,
    /// 404 `not_found_error`.
    Gone,
}

const fn step(name: &'static str, operation: OperationId) -> Step {
    Step { name, operation, expects: Expects::Success, until: None }
}

/// A batch that is left alone until it has ended, read, and deleted.
pub const BATCH: [Step; 7] = [
    step("create", OperationId::BatchesCreate),
    step("get", OperationId::BatchesGet),
    step("list", OperationId::BatchesList),
    Step { until: Some("ended"), ..step("end", OperationId::BatchesGet) },
    step("results", OperationId::BatchesResults),
    step("delete", OperationId::BatchesDelete),
    Step { expects: Expects::Gone, ..step("get-deleted", OperationId::BatchesGet) },
];

/// A batch that is cancelled at once.
pub const CANCELLED: [Step; 4] = [
    step("create", OperationId::BatchesCreate),
    step("cancel", OperationId::BatchesCancel),
    Step { until: Some("ended"), ..step("end", OperationId::BatchesGet) },
    step("results", OperationId::BatchesResults),
];

/// The chains by name.
pub const CHAINS: [(&str, &[Step]); 2] = [("batch", &BATCH), ("batch-cancelled", &CANCELLED)];

/// What must be true from one step to the next.
#[derive(Debug)]
pub struct Rule {
    pub id: &'static str,
    pub sentence: &'static str,
    pub remedy: &'static str,
    pub level: Level,
}

/// All of them.
pub const RULES: [Rule; 6] = [
    Rule {
        id: "chain/counts-differ",
        sentence: "The counts of a batch add up to the requests it was created with.",
        remedy: "Count every request once, whatever became of it: `processing` is a state, too.",
        level: Level::Strict,
    },
    Rule {
        id: "chain/id-differs",
        sentence: "Whoever asks for a batch by its id gets that batch.",
        remedy: "Answer with the id that the caller knows, and not with that of a server behind.",
        level: Level::Compatible,
    },
    Rule {
        id: "chain/list-lacks-created",
        sentence: "A batch that was created is listed.",
        remedy: "List what this key has created, newest first.",
        level: Level::Compatible,
    },
    Rule {
        id: "chain/never-ends",
        sentence: "A batch that was created comes to an end, cancelled or not.",
        remedy: "Work batches off, and say `ended` when the last request is done; a minute is enough for two.",
        level: Level::Compatible,
    },
    Rule {
        id: "chain/results-incomplete",
        sentence: "The results of a batch have one line for each of its requests, by `custom_id`.",
        remedy: "Write a line for every request, also for those that failed or were canceled.",
        // No agent loop waits for a batch.
        level: Level::Compatible,
    },
    Rule {
        id: "chain/results-url-missing",
        sentence: "A batch that has ended says where its results are.",
        remedy: "Set `results_url` when the batch ends.",
        level: Level::Strict,
    },
];

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// The names of the items, which come back with the results in any order.
const ITEMS: [&str; 2] = ["first", "second"];
const MAX_TOKENS: u64 = 32;
/// As many as a page may hold: what was created last is on it.
const LIST_LIMIT: u64 = 1000;

/// The case of a step; `id` is what the server called the batch.
pub fn case(
    contract: &Contract,
    version: Version,
    model: &str,
    (chain, step): (&str, &Step),
    id: &str,
) -> Case {
    let operation = contract.edition(version).operation(step.operation);
    let mut headers = Headers::default();
    headers.push("x-api-key", KEY_PLACEHOLDER);
    headers.push("anthropic-version", version.name());
    let mut target = operation.target(id);
    let mut body = Body::Empty;
    match step.operation {
        OperationId::BatchesCreate => {
            headers.push("content-type", "application/json");
            body = Body::Bytes(batch(model).to_string().into());
        }
        OperationId::BatchesList => target = format!("{}?limit={LIST_LIMIT}", operation.path),
        _ => {}
    }
    let origin = match step.expects {
        Expects::Success => Origin::Valid,
        Expects::Gone => Origin::Witness {
            rule: "batch-unknown".to_owned(),
            variant: Some("deleted".to_owned()),
            mended: false,
            answers: vec![StatedAnswer {
                status: 404,
                error_type: Some("not_found_error".to_owned()),
                error_code: None,
            }],
        },
    };
    Case {
        id: CaseId(format!("{version}/{}/chain/{chain}/{}", step.operation, step.name)),
        version,
        operation: step.operation,
        origin,
        traits: Traits::default(),
        request: Request { method: operation.method.into(), target: target.into(), headers, body },
    }
}

/// The id that the server gave to a batch it created.
pub fn id_of(observation: &Observation) -> Option<String> {
    let id = body(observation)?["id"].as_str()?.to_owned();
    // It goes into paths: one with a slash in it would ask for something else.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    (!id.is_empty() && id.chars().all(is_plain)).then_some(id)
}

/// The state that an answer says the batch is in.
pub fn state(observation: &Observation) -> Option<String> {
    Some(body(observation)?["processing_status"].as_str()?.to_owned())
}

/// What a server must remember, and this answer shows that it did not.
pub fn check(step: &Step, id: &str, reply: &Reply) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut push = |rule, pointer: &str, trace: String| {
        findings.push(Finding::new(rule, pointer, Blame::Target, trace));
    };
    if step.operation == OperationId::BatchesResults {
        let mut names: Vec<_> =
            reply.body.split(|byte| *byte == b'\n').filter_map(custom_id).collect();
        names.sort_unstable();
        if names != ITEMS {
            push(
                "chain/results-incomplete",
                "",
                format!(
                    "results are of [{}], and the batch was of [{}]",
                    names.join(", "),
                    ITEMS.join(", ")
                ),
            );
        }
        return findings;
    }
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if step.operation == OperationId::BatchesList {
        let is_listed =
            body["data"].as_array().is_some_and(|all| all.iter().any(|batch| batch["id"] == id));
        if !is_listed {
            push(
                "chain/list-lacks-created",
                "/data",
                format!("`{id}` was created and is not listed"),
            );
        }
        return findings;
    }
    if step.expects == Expects::Success && body["id"] != id {
        push("chain/id-differs", "/id", format!("asked for `{id}`, got {}", body["id"]));
    }
    let ended = body["processing_status"] == "ended";
    let counts = body["request_counts"].as_object();
    let sum: Option<u64> = counts.map(|counts| counts.values().filter_map(Value::as_u64).sum());
    if let Some(sum) = sum.filter(|sum| *sum != ITEMS.len() as u64) {
        push(
            "chain/counts-differ",
            "/request_counts",
            format!("{sum} requests are counted, and the batch has {}", ITEMS.len()),
        );
    }
    if step.until == Some("ended") && !ended {
        push(
            "chain/never-ends",
            "/processing_status",
            format!("the batch is still {}", body["processing_status"]),
        );
    }
    if ended && body["results_url"].is_null() {
        push(
            "chain/results-url-missing",
            "/results_url",
            "the batch has ended and does not say where its results are".to_owned(),
        );
    }
    findings
}

fn custom_id(line: &[u8]) -> Option<String> {
    let line: Value = serde_json::from_slice(line).ok()?;
    Some(line["custom_id"].as_str()?.to_owned())
}

fn batch(model: &str) -> Value {
    let item = |name| {
        json!({"custom_id": name, "params": {"model": model, "max_tokens": MAX_TOKENS,
            "messages": [{"role": "user", "content": "Hello."}]}})
    };
    json!({"requests": ITEMS.map(item)})
}

fn body(observation: &Observation) -> Option<Value> {
    match observation {
        Observation::Reply(reply) => serde_json::from_slice(&reply.body).ok(),
        Observation::Cut(_) | Observation::Unsendable(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_step(step: &Step, body: &str, rules: &[&str]) {
        let reply = Reply { status: 200, body: body.to_owned().into(), ..Reply::default() };
        let found: Vec<_> = check(step, "b1", &reply).iter().map(|finding| finding.rule).collect();
        assert_eq!(found, rules, "{body}");
    }

    #[test]
    fn what_was_forgotten_shows() {
        let [_, get, list, end, results, ..] = &BATCH;
        let counted = |first: u64| json!({"processing": first, "succeeded": 1}).to_string();
        check_step(get, &format!(r#"{{"id":"b1","request_counts":{}}}"#, counted(1)), &[]);
        check_step(get, r#"{"id":"b2"}"#, &["chain/id-differs"]);
        check_step(
            get,
            &format!(r#"{{"id":"b1","request_counts":{}}}"#, counted(4)),
            &["chain/counts-differ"],
        );
        check_step(end, r#"{"id":"b1","processing_status":"in_progress"}"#, &["chain/never-ends"]);
        check_step(
            end,
            r#"{"id":"b1","processing_status":"ended","results_url":null}"#,
            &["chain/results-url-missing"],
        );
        check_step(list, r#"{"data":[{"id":"b0"},{"id":"b1"}]}"#, &[]);
        check_step(list, r#"{"data":[]}"#, &["chain/list-lacks-created"]);
        check_step(results, "{\"custom_id\":\"second\"}\n{\"custom_id\":\"first\"}\n", &[]);
        check_step(results, "{\"custom_id\":\"first\"}\n", &["chain/results-incomplete"]);
    }

    #[test]
    fn every_rule_can_be_broken_and_is_explained() {
        let source = include_str!("chain.rs");
        for rule in &RULES {
            assert!(source.matches(&format!("\"{}\"", rule.id)).count() > 1, "{}", rule.id);
            assert_eq!(find(rule.id).map(|found| found.level), Some(Level::of(rule.id)));
        }
        assert!(RULES.is_sorted_by_key(|rule| rule.id));
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        let of = |id: &str| {
            let body = json!({"id": id}).to_string().into();
            id_of(&Observation::Reply(Reply { status: 200, body, ..Reply::default() }))
        };
        assert_eq!(of("msgbatch_01").as_deref(), Some("msgbatch_01"));
        assert_eq!(of("../../admin"), None);
        assert_eq!(of(""), None);
    }
}
