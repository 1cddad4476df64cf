//! What the rules of streams say about a streamed answer, and the message it comes to.

use classify::fold;
use classify::stream::{self, Rule, Violation};
use serde_json::Value;

use super::{Answer, Body};
use crate::judge::{Blame, Finding};

/// One finding for each rule that is broken, at the first place: a gateway that breaks one breaks it in every event.
pub(super) fn findings(answer: &Answer<'_>) -> Vec<Finding> {
    if !matches!(answer.body, Body::Stream { .. }) {
        return Vec::new();
    }
    let violations = stream::lint(&answer.reply.body).violations;
    let mut seen: Vec<Rule> = Vec::new();
    let first = violations.iter().filter(|violation| {
        let is_first = !seen.contains(&violation.rule);
        seen.push(violation.rule);
        is_first
    });
    first
        .map(|violation| Finding::new(violation.rule.id(), "", Blame::Target, trace(violation)))
        .collect()
}

fn trace(violation: &Violation) -> String {
    let Violation { event_idx, offset, detail, trace, .. } = violation;
    let culprit = trace.iter().find(|line| line.is_culprit);
    let name = culprit.filter(|line| !line.name.is_empty());
    let name = name.map(|line| format!(", {}", line.name)).unwrap_or_default();
    format!("event {event_idx} at byte {offset}{name}: {detail}")
}

/// The message that the same request gets without `stream`.
pub(super) fn fold(body: &[u8]) -> Option<Value> {
    fold::fold(body).ok()
}
