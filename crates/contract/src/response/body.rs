//! Whether the body is of the kind that its status and its request promise.

use serde_json::Value;

use super::{Answer, Body, Check, EVENT_STREAM, Found, Rule};
use crate::level::Level;
use crate::version::OperationId;

pub(super) const NOT_JSON: &str = "response/not-json";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: NOT_JSON,
        level: Level::AgentReady,
        sentence: "The body of a success is JSON. A page under status 200 is handed to the caller as a text by some clients, and none of them reports it.",
        remedy: "Answer with JSON, and with an error status where there is no answer. Behind a proxy, look who wrote the page.",
        seen: &["Alishahryar1/free-claude-code#1858"],
        check: Check::Answer(|answer| answer.is_success() && !answer.is_stream(), not_json),
    },
    Rule {
        id: "response/error-under-success",
        level: Level::AgentReady,
        sentence: "An error is never sent under a 2xx. A client that looks at the status takes the error for an answer.",
        remedy: "Send the status that belongs to the type of the error.",
        seen: &[],
        check: Check::Answer(
            |answer| answer.is_success() && !answer.is_stream(),
            error_under_success,
        ),
    },
    Rule {
        id: "response/stream-downgraded",
        level: Level::AgentReady,
        sentence: "A request with `stream: true` is answered with events. Clients that wait for events get none from one body of JSON, and some end without a word.",
        remedy: "Answer with `text/event-stream`. A server that cannot stream refuses the request with a 400 that says so.",
        seen: &["anthropics/claude-code#87930"],
        check: Check::Answer(
            |answer| answer.is_success() && answer.params["stream"] == true,
            stream_downgraded,
        ),
    },
    Rule {
        id: "response/stream-unasked",
        level: Level::AgentReady,
        sentence: "A request without `stream: true` is answered with one body. A client that reads the whole as JSON cannot read events.",
        remedy: "Stream only where `stream` is true; take the events of the server behind together.",
        seen: &[],
        check: Check::Answer(
            |answer| answer.is_success() && !is_stream_asked(answer),
            stream_unasked,
        ),
    },
];

/// What follows from the request, and says nothing where that is broken.
pub(super) const FOLLOWS: [&str; 2] = ["response/stream-downgraded", "response/stream-unasked"];

fn not_json(answer: &Answer<'_>, found: &mut Found) {
    match &answer.body {
        Body::Other(_) if answer.is_success() && answer.reply.body.is_empty() => {
            found.push("", "the body is empty");
        }
        Body::Other(why) if answer.is_success() => {
            found.push("", format!("the body is not JSON: {why}"));
        }
        Body::Json(value) if answer.is_success() && !value.is_object() => {
            found.push("", "the body is JSON, and no object");
        }
        Body::Lines(lines) => {
            for (idx, line) in lines.iter().enumerate() {
                if let Err(why) = line {
                    found.push(format!("/{idx}"), format!("the line is not JSON: {why}"));
                }
            }
        }
        Body::Json(_) | Body::Other(_) | Body::Stream { .. } => {}
    }
}

fn error_under_success(answer: &Answer<'_>, found: &mut Found) {
    let is_error = |body: &Value| body["type"] == "error" || body["error"].is_object();
    if answer.is_success() && answer.json().is_some_and(is_error) {
        found.push("", format!("an error under status {}", answer.reply.status));
    }
}

fn stream_downgraded(answer: &Answer<'_>, found: &mut Found) {
    if answer.params["stream"] == true && answer.success().is_some() && !answer.is_stream() {
        found.push("", format!("`stream` is true, and the answer is `{}`", answer.media));
    }
}

fn stream_unasked(answer: &Answer<'_>, found: &mut Found) {
    if answer.is_stream() && !is_stream_asked(answer) {
        found.push("", format!("`stream` is not true, and the answer is `{EVENT_STREAM}`"));
    }
}

/// Also where nobody knows.
fn is_stream_asked(answer: &Answer<'_>) -> bool {
    answer.operation == OperationId::MessagesCreate
        && (!answer.params.is_object() || answer.params["stream"] == true)
}
