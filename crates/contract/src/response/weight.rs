//! What of the findings about an answer counts, and how much.

use classify::{Body, Request};
use serde_json::Value;

use super::{Rule, body, heads, schema};
use crate::judge::Finding;
use crate::level::Level;
use crate::version::OperationId;

/// Leaves what does not follow from the request. Where a broken request is served, the answer may have what is broken
/// from there, so only its form says something of the server, and of its body not much; the rest is said by what valid
/// requests get.
pub fn of_form(findings: Vec<Finding>) -> Vec<Finding> {
    let is_of =
        |rules: &[Rule], finding: &Finding| rules.iter().any(|rule| rule.id == finding.rule);
    let form = findings.into_iter().filter_map(|finding| match () {
        () if body::FOLLOWS.contains(&finding.rule) => None,
        // What was sent may be repeated there, and no agent sends it.
        () if finding.rule == body::NOT_JSON => Some(Finding { level: Level::Strict, ..finding }),
        () if is_of(heads::RULES, &finding) || is_of(body::RULES, &finding) => Some(finding),
        () => None,
    });
    form.collect()
}

/// Whether agents ask so. They send messages, as JSON, and neither list models nor try paths.
pub(super) fn is_of_agent(operation: OperationId, request: &Request) -> bool {
    operation == OperationId::MessagesCreate
        && request.path() == "/v1/messages"
        && request.method.eq_ignore_ascii_case("POST")
        && request.headers.get("content-encoding").is_none()
        && request.headers.get("content-type").is_none_or(is_json)
        && is_object(&request.body)
}

/// As clients write it.
fn is_json(media: &str) -> bool {
    let media: String = media.split_whitespace().collect();
    ["application/json", "application/json;charset=utf-8"]
        .iter()
        .any(|json| media.eq_ignore_ascii_case(json))
}

fn is_object(body: &Body) -> bool {
    match body {
        Body::Bytes(bytes) => {
            serde_json::from_slice::<Value>(bytes).is_ok_and(|body| body.is_object())
        }
        // What is too long to be read is JSON of ours.
        Body::Repeat { .. } => true,
        Body::Empty => false,
    }
}

/// Leaves out what the schema says about a place that a rule has named.
pub(super) fn without_echoes(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.iter().any(|finding| finding.rule == schema::ID) {
        let named: Vec<String> = findings
            .iter()
            .filter(|finding| finding.rule != schema::ID && !finding.pointer.is_empty())
            .map(|finding| finding.pointer.clone())
            .collect();
        findings.retain(|finding| {
            finding.rule != schema::ID || !named.iter().any(|at| is_below(&finding.pointer, at))
        });
    }
    findings
}

fn is_below(pointer: &str, at: &str) -> bool {
    pointer.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
