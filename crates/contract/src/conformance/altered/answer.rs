//! What a gateway changed about an answer on its way back.
//!
//! The answer from behind is known, and so is the one that the client got: each member, block and header of the one has
//! to be in the other. What a gateway adds is no finding, since answers may grow; nor is what says the same in another
//! way (null and absent, a stream and its message, `1` and `1.0`). Only what one answer from behind became is compared:
//! the price is that of a gateway which makes one answer out of several nothing is said.

mod content;

use std::collections::BTreeSet;

use classify::{Headers, Observation, Reply, Request, fold};
use serde_json::Value;

use crate::case::Case;
use crate::conformance::blame::Exchange;
use crate::judge::{Blame, Finding};
use crate::level::Level;
use crate::rules::view;
use crate::version::OperationId;

/// What is found here.
pub const RULE: &str = "gateway/answer-altered";

/// What a member belongs to.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    Block,
    Body,
    Error,
    Header,
    Usage,
}

/// The weakest level at which a change counts, by member; the rest counts for the strictest only.
const LEVELS: [(Part, &str, Level); 29] = [
    // Whether a loop over tools goes on.
    (Part::Body, "stop_reason", Level::AgentReady),
    (Part::Body, "container", Level::Compatible),
    // That of a count.
    (Part::Body, "input_tokens", Level::Compatible),
    (Part::Body, "role", Level::Compatible),
    (Part::Body, "stop_sequence", Level::Compatible),
    (Part::Body, "type", Level::Compatible),
    // Those of a gateway lead to nothing behind it, as in `diagnostics.previous_message_id`.
    (Part::Body, "id", Level::Strict),
    // What was said, and what comes back with the next turn, which is refused if it is another.
    (Part::Block, "data", Level::AgentReady),
    (Part::Block, "id", Level::AgentReady),
    (Part::Block, "input", Level::AgentReady),
    (Part::Block, "name", Level::AgentReady),
    (Part::Block, "signature", Level::AgentReady),
    (Part::Block, "text", Level::AgentReady),
    (Part::Block, "thinking", Level::AgentReady),
    (Part::Block, "citations", Level::Compatible),
    // That of a server tool, which an agent can do without.
    (Part::Block, "content", Level::Compatible),
    (Part::Block, "tool_use_id", Level::Compatible),
    (Part::Block, "toolset_name", Level::Compatible),
    // Costs are counted by these.
    (Part::Usage, "cache_creation_input_tokens", Level::Compatible),
    (Part::Usage, "cache_read_input_tokens", Level::Compatible),
    (Part::Usage, "input_tokens", Level::Compatible),
    (Part::Usage, "output_tokens", Level::Compatible),
    // Whether to ask again, and when.
    (Part::Error, "status", Level::AgentReady),
    (Part::Error, "type", Level::AgentReady),
    (Part::Error, "details", Level::Strict),
    (Part::Error, "message", Level::Strict),
    (Part::Header, "retry-after", Level::AgentReady),
    (Part::Header, "x-should-retry", Level::Compatible),
    // A gateway may have limits of its own, and then sends those. A `request-id` that is lost has a rule of its own.
    (Part::Header, "anthropic-ratelimit-", Level::Strict),
];

/// What is refused under these statuses is the credential or the account of the gateway, and not that of its client.
const OF_GATEWAY: [u16; 3] = [401, 402, 403];

/// One finding for each member, block or header that got lost or changed on its way back. `expects_success` is what the
/// contract says of the request: where a broken one is served, or a valid one refused behind, the request was changed.
pub fn altered(
    case: &Case,
    expects_success: bool,
    answered: &Observation,
    behind: &[Exchange],
) -> Vec<Finding> {
    let (Observation::Reply(after), Some(exchange)) = (answered, source(&case.request, behind))
    else {
        return Vec::new();
    };
    let before = &exchange.reply;
    let mut changes = Changes::default();
    match (is_success(before), is_success(after)) {
        (true, true) if expects_success => {
            let is_renamed = has_other(&case.request, &exchange.request, "tools");
            success(case.operation, before, after, is_renamed, &mut changes);
        }
        (false, false) if !expects_success && !OF_GATEWAY.contains(&before.status) => {
            let is_routed = has_other(&case.request, &exchange.request, "model");
            error(before, after, is_routed, &mut changes);
            if is_passing(before) == is_passing(after) {
                // Whoever decides by it whether to ask again decides the same.
                for finding in &mut changes.findings {
                    finding.level = finding.level.max(Level::Compatible);
                }
            }
        }
        // Whose fault that is, the finding about the class says.
        _ => return Vec::new(),
    }
    headers(&before.headers, &after.headers, &mut changes);
    changes.findings
}

/// The exchange that the answer comes from: the one success, or the last refusal. None if several answers may have
/// gone into one, as where a gateway runs tools by itself.
fn source<'a>(sent: &Request, behind: &'a [Exchange]) -> Option<&'a Exchange> {
    let is_same = |exchange: &&Exchange| {
        exchange.request.method == sent.method && exchange.request.path() == sent.path()
    };
    let mut served = behind.iter().filter(is_same).filter(|exchange| is_success(&exchange.reply));
    match (served.next(), served.next()) {
        (None, _) => behind.iter().rfind(is_same),
        (one, None) => one,
        _ => None,
    }
}

/// Whether the same request may succeed later, by status and by type.
fn is_passing(reply: &Reply) -> [bool; 2] {
    /// Their meaning is that of 429 and of the statuses from 500 on.
    const TYPES: [&str; 4] = ["api_error", "overloaded_error", "rate_limit_error", "timeout_error"];
    let body = json(reply).unwrap_or_default();
    let error_type = body.pointer("/error/type").and_then(Value::as_str).unwrap_or_default();
    [matches!(reply.status, 408 | 409 | 429 | 500..), TYPES.contains(&error_type)]
}

fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

/// Whether that member went on as another one. What is changed on the way there may be changed back on the way here.
fn has_other(sent: &Request, got: &Request, member: &str) -> bool {
    let value = |request: &Request| {
        let params: Option<Value> = serde_json::from_slice(&request.body.to_bytes()).ok();
        params.and_then(|params| params.get(member).cloned())
    };
    value(sent) != value(got)
}

#[derive(Default)]
struct Changes {
    findings: Vec<Finding>,
    /// What was told: of many blocks that lost the same, one is enough.
    told: BTreeSet<String>,
}

impl Changes {
    fn push(&mut self, level: Level, pointer: impl Into<String>, trace: String) {
        if self.told.insert(trace.clone()) {
            let finding = Finding::new(RULE, pointer, Blame::Gateway, trace);
            self.findings.push(Finding { level, ..finding });
        }
    }

    fn member(&mut self, part: Part, name: &str, pointer: impl Into<String>, trace: String) {
        let of_member = LEVELS.iter().find(|(of, known, _)| *of == part && *known == name);
        self.push(of_member.map_or(Level::Strict, |(.., level)| *level), pointer, trace);
    }
}

fn success(
    operation: OperationId,
    before: &Reply,
    after: &Reply,
    is_renamed: bool,
    changes: &mut Changes,
) {
    /// These are compared apart, and a model is routed: what answers under its name is known by another behind.
    const APART: [&str; 3] = ["content", "model", "usage"];
    match operation {
        OperationId::MessagesCreate => {
            if let (Some(before), Some(after)) = (message(before), message(after)) {
                members(Part::Body, "", (&before, &after), &APART, changes);
                usage(&before["usage"], &after["usage"], changes);
                content::compare(&before, &after, is_renamed, changes);
            }
        }
        OperationId::MessagesCountTokens => {
            if let (Some(before), Some(after)) = (json(before), json(after)) {
                members(Part::Body, "", (&before, &after), &APART, changes);
            }
        }
        // A gateway may list what it has itself.
        _ => {}
    }
}

/// The message of an answer, streamed or not; none if it is none, which other rules say.
fn message(reply: &Reply) -> Option<Value> {
    let media = reply.headers.get("content-type").unwrap_or_default();
    let message = match media.to_ascii_lowercase().starts_with("text/event-stream") {
        true => fold::fold(&reply.body).ok(),
        false => json(reply),
    };
    message.filter(|message| message["content"].is_array())
}

fn json(reply: &Reply) -> Option<Value> {
    serde_json::from_slice(&reply.body).ok().filter(Value::is_object)
}

fn usage(before: &Value, after: &Value, changes: &mut Changes) {
    if before.is_object() && !after.is_object() {
        changes.push(Level::Compatible, "/usage", "`usage` is lost".to_owned());
    } else {
        members(Part::Usage, "/usage", (before, after), &[], changes);
    }
}

/// Of a refusal; what is no envelope any more, other rules name.
fn error(before: &Reply, after: &Reply, is_routed: bool, changes: &mut Changes) {
    if before.status != after.status {
        let trace = format!("status {} became {}", before.status, after.status);
        changes.member(Part::Error, "status", "", trace);
    }
    let of = |reply| json(reply).map(|body| body["error"].clone()).filter(Value::is_object);
    let (Some(before), Some(after)) = (of(before), of(after)) else { return };
    members(Part::Error, "/error", (&before, &after), &["message"], changes);
    let message = |error: &Value| error["message"].as_str().unwrap_or_default().to_owned();
    let (before, after) = (message(&before), message(&after));
    // The name of the model may stand in it.
    if before != after && !is_routed {
        // Also as a text within JSON, which is how other envelopes hold it.
        let escaped = Value::from(&*before).to_string();
        let is_inside = after.contains(&before) || after.contains(escaped.trim_matches('"'));
        let how = if is_inside { "has something around it" } else { "is another" };
        let trace = format!("`message` of the error {how}");
        changes.member(Part::Error, "message", "/error/message", trace);
    }
}

/// A header may say another thing, since a gateway has ids and limits of its own, and must not be lost.
fn headers(before: &Headers, after: &Headers, changes: &mut Changes) {
    for (_, name, _) in LEVELS.iter().filter(|(part, ..)| *part == Part::Header) {
        // `retry-after-ms` stands in for `retry-after`.
        let is_there = |headers: &Headers| {
            headers.iter().any(|(other, _)| other.to_ascii_lowercase().starts_with(name))
        };
        if is_there(before) && !is_there(after) {
            let more = if name.ends_with('-') { "…" } else { "" };
            let trace = format!("header {name}{more} is lost");
            changes.member(Part::Header, name, format!("header:{name}"), trace);
        }
    }
}

/// What stands in the one object and not in the other, but for what is told `apart`.
fn members(
    part: Part,
    at: &str,
    (before, after): (&Value, &Value),
    apart: &[&str],
    changes: &mut Changes,
) {
    let whose = match part {
        Part::Block => format!(" of a `{}` block", view::kind(before)),
        Part::Body | Part::Header => String::new(),
        Part::Error => " of the error".to_owned(),
        Part::Usage => " of `usage`".to_owned(),
    };
    let members = before.as_object().into_iter().flatten();
    for (name, value) in members.filter(|(name, _)| !apart.contains(&&***name)) {
        let other = &after[name];
        let is_count = part == Part::Usage && !matches!(&**name, "input_tokens" | "output_tokens");
        if value.is_null() || is_count && is_nothing(value) && is_nothing(other) {
            continue;
        }
        let what = if other.is_null() {
            "is lost".to_owned()
        } else if is_same(name, value, other) {
            continue;
        } else {
            format!("is changed{}", became(name, value, other))
        };
        let trace = format!("`{name}`{whose} {what}");
        changes.member(part, name, format!("{at}/{name}"), trace);
    }
}

/// The two values, of members that have a few, so that breaches can be counted by them.
fn became(name: &str, before: &Value, after: &Value) -> String {
    /// Longer ones are none of ours.
    const NAME_BYTES_MAX: usize = 40;
    match (name, before.as_str(), after.as_str()) {
        ("stop_reason" | "type", Some(before), Some(after)) if after.len() <= NAME_BYTES_MAX => {
            format!(": `{before}` became `{after}`")
        }
        _ => String::new(),
    }
}

/// Whether the member says the same in both to whoever reads it.
fn is_same(name: &str, before: &Value, after: &Value) -> bool {
    // A null in the input of a tool is one for the tool, and so is a member too many.
    is_like(before, after, name == "input")
}

/// Numbers are what they are worth; where it need not be exact, null is absent, and members may be added.
fn is_like(before: &Value, after: &Value, is_exact: bool) -> bool {
    match (before, after) {
        (Value::Number(before), Value::Number(after)) => {
            before == after || before.as_f64() == after.as_f64()
        }
        (Value::Array(before), Value::Array(after)) => {
            let mut pairs = before.iter().zip(after);
            before.len() == after.len()
                && pairs.all(|(before, after)| is_like(before, after, is_exact))
        }
        (Value::Object(before), Value::Object(after)) => {
            let is_kept = |(name, value): (&String, &Value)| match after.get(name) {
                Some(other) => is_like(value, other, is_exact),
                None => !is_exact && value.is_null(),
            };
            before.iter().all(is_kept) && (!is_exact || before.len() == after.len())
        }
        _ => before == after,
    }
}

/// A count of zero, and what has nothing else in it.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Object(members) => members.values().all(is_nothing),
        _ => false,
    }
}
