//! Error bodies: the envelope, and whether the type belongs to the status.

use serde_json::Value;

use super::{Answer, Body, Check, Found, Rule, text};
use crate::level::Level;

/// The body is JSON, and somebody else's.
pub(super) const FOREIGN: &str = "response/error-foreign";

/// The right answer under a status of another framework.
pub(crate) const UNPROCESSABLE: &str = "response/status-unprocessable";

/// The one code that brings more along.
const IMAGE_CODE: &str = "image_dimensions_too_large";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "response/error-not-json",
        level: Level::AgentReady,
        sentence: "The body of a 4xx is the JSON envelope of an error. A page or a line of text leaves a client with the status alone.",
        remedy: "Answer every refusal with the envelope, those of the router and the framework included.",
        seen: &[],
        check: Check::Answer(|answer| !answer.is_success(), not_json),
    },
    Rule {
        id: FOREIGN,
        level: Level::AgentReady,
        sentence: "A JSON body of an error has the object `error`. Another framework's `{\"detail\": …}` leaves a client with the status alone; what else the envelope needs is not asked then.",
        remedy: "Answer every refusal with the envelope, those of the router and the framework included.",
        seen: &[],
        check: Check::Answer(|answer| body(answer).is_some(), foreign),
    },
    Rule {
        id: "response/error-outer-type",
        level: Level::Compatible,
        sentence: "An error body has the outer `\"type\": \"error\"`. It tells an error from everything else, and what the API wrote from what the edge wrote.",
        remedy: "Write `{\"type\": \"error\", \"error\": {…}}`.",
        seen: &["vllm-project/vllm#34053"],
        check: Check::Answer(|answer| envelope(answer).is_some(), outer_type),
    },
    Rule {
        id: "response/error-type-missing",
        level: Level::AgentReady,
        sentence: "An error has a type, in `error.type`. It decides what a client does next.",
        remedy: "Send the type that belongs to the status, as in `invalid_request_error` under 400.",
        seen: &["intel/llm-scaler#341"],
        check: Check::Answer(|answer| envelope(answer).is_some(), type_missing),
    },
    Rule {
        id: "response/error-message-missing",
        level: Level::Compatible,
        sentence: "An error has a message, in `error.message`. It is the one part of it that people read.",
        remedy: "Say in a sentence what is wrong, and where.",
        seen: &[],
        check: Check::Answer(|answer| envelope(answer).is_some(), message_missing),
    },
    Rule {
        id: "response/error-nested",
        level: Level::Strict,
        sentence: "The message of an error is a sentence, and not the envelope of the server behind. Type, code and request id are lost to a client that does not search texts for them.",
        remedy: "Hand on the envelope of the server behind as it is, or take its type, message and details into your own.",
        seen: &[],
        check: Check::Answer(|answer| envelope(answer).is_some(), nested),
    },
    Rule {
        id: "response/error-trace",
        level: Level::Strict,
        sentence: "The message of an error is for whoever made the request, and holds no stack trace. It shows paths and names of the server to everybody, and hides the one sentence that helps.",
        remedy: "Keep the trace in a log beside the request id, and send the sentence.",
        seen: &[],
        check: Check::Answer(|answer| envelope(answer).is_some(), trace),
    },
    Rule {
        id: "response/status-type",
        level: Level::AgentReady,
        sentence: "Status and type of an error say the same. Clients go by one or the other, and act differently where the two disagree.",
        remedy: "Send the type under its status: `invalid_request_error` 400, `authentication_error` 401, `permission_error` 403, `not_found_error` 404, `request_too_large` 413, `rate_limit_error` 429, `api_error` 500, `overloaded_error` 529.",
        seen: &[],
        check: Check::Answer(|answer| envelope(answer).is_some(), status_type),
    },
    Rule {
        id: UNPROCESSABLE,
        level: Level::Strict,
        sentence: "A request that is wrong is answered with 400, and not with 422. SDKs have an error of its own for that status, which handlers written for this API do not catch.",
        remedy: "Send `invalid_request_error` with 400, also from the validation of a framework.",
        seen: &[],
        check: Check::Answer(|answer| error_type(answer) == "invalid_request_error", unprocessable),
    },
    Rule {
        id: "response/error-code-status",
        level: Level::Strict,
        sentence: "A code in `error.details.error_code` is sent under the one status it belongs to.",
        remedy: "Send the status of the code, or leave the code out.",
        seen: &[],
        check: Check::Answer(|answer| code(answer).is_some(), code_status),
    },
    Rule {
        id: "response/error-details",
        level: Level::Strict,
        sentence: "The code `image_dimensions_too_large` brings the largest side and the paths of the images. An image that is not named cannot be mended.",
        remedy: "Send `max_side_length_pixels` and `paths` beside the code.",
        seen: &[],
        check: Check::Answer(|answer| code(answer) == Some(IMAGE_CODE), details),
    },
];

fn not_json(answer: &Answer<'_>, found: &mut Found) {
    if answer.is_success() {
        return;
    }
    match &answer.body {
        Body::Other(_) if answer.reply.body.trim_ascii_start().starts_with(b"<") => {
            found.push("", "the body is a page");
        }
        Body::Other(_) if answer.reply.body.is_empty() => found.push("", "the body is empty"),
        Body::Other(why) => found.push("", format!("the body is not JSON: {why}")),
        Body::Json(value) if !value.is_object() => {
            found.push("", "the body is JSON, and no object");
        }
        Body::Json(_) | Body::Lines(_) | Body::Stream { .. } => {}
    }
}

/// The body of an error where it is an object.
fn body<'a>(answer: &'a Answer<'_>) -> Option<&'a Value> {
    answer.error().filter(|body| body.is_object())
}

fn foreign(answer: &Answer<'_>, found: &mut Found) {
    if let Some(body) = body(answer).filter(|body| !body["error"].is_object()) {
        let trace = match &body["error"] {
            Value::Null => "no object `error`".to_owned(),
            _ => "`error` is no object".to_owned(),
        };
        found.push("/error", trace);
    }
}

/// The body of an error that has the object all else stands in.
fn envelope<'a>(answer: &'a Answer<'_>) -> Option<&'a Value> {
    body(answer).filter(|body| body["error"].is_object())
}

fn outer_type(answer: &Answer<'_>, found: &mut Found) {
    if let Some(body) = envelope(answer).filter(|body| body["type"] != "error") {
        let trace = match &body["type"] {
            Value::Null => "no outer type".to_owned(),
            other => format!("the outer type is {other}"),
        };
        found.push("/type", trace);
    }
}

fn type_missing(answer: &Answer<'_>, found: &mut Found) {
    if envelope(answer).is_some_and(|body| text(&body["error"], "type").is_empty()) {
        found.push("/error/type", "no type");
    }
}

fn message_missing(answer: &Answer<'_>, found: &mut Found) {
    if envelope(answer).is_some_and(|body| text(&body["error"], "message").trim().is_empty()) {
        found.push("/error/message", "no message");
    }
}

fn nested(answer: &Answer<'_>, found: &mut Found) {
    // As JSON, as JSON in a string, and as some languages print what they have parsed.
    const OUTER: [&str; 2] = ["\"type\":\"error\"", "'type':'error'"];
    let Some(body) = envelope(answer) else { return };
    let message = text(&body["error"], "message");
    let bare: String = message.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
    if OUTER.iter().any(|outer| bare.contains(outer)) {
        found.push("/error/message", "the message holds an envelope of its own");
    }
}

fn trace(answer: &Answer<'_>, found: &mut Found) {
    const HEADS: [&str; 3] =
        ["Traceback (most recent call last)", "stack backtrace:", "goroutine 1 [running]"];
    let Some(body) = envelope(answer) else { return };
    let message = text(&body["error"], "message");
    if HEADS.iter().any(|head| message.contains(head)) || message.split(" at ").any(is_frame) {
        found.push("/error/message", "the message holds a stack trace");
    }
}

/// Whether it begins as a line of a trace does after `at`: `serve (/srv/main.js:67:20)`, `acme.Main.run(Main.java:67)`.
fn is_frame(text: &str) -> bool {
    let Some((_, place)) = text.split_once('(') else { return false };
    let Some((place, _)) = place.split_once(')') else { return false };
    let is_number = |part: &str| part.parse::<u32>().is_ok();
    let mut parts = place.rsplit(':');
    match (parts.next(), parts.next()) {
        (Some(line), Some(file)) if file.ends_with(".java") => is_number(line),
        (Some(column), Some(line)) => {
            is_number(column) && is_number(line) && parts.next().is_some()
        }
        _ => false,
    }
}

fn status_type(answer: &Answer<'_>, found: &mut Found) {
    let Some(body) = body(answer) else { return };
    let error_type = text(&body["error"], "type");
    let schema = "/components/schemas/ErrorObject/x-statuses";
    let statuses = answer.edition.document.pointer(schema).and_then(Value::as_object);
    let Some(statuses) = statuses else { return };
    // A type that came with a later version says nothing about the status.
    let Some(own) = statuses.get(error_type) else { return };
    let status = answer.reply.status;
    let has = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|s| *s == status));
    let is_free = !statuses.values().any(has);
    // Both stand in for every error of their kind that has no type of its own.
    let stands_in = match error_type {
        "invalid_request_error" => is_free && (400..500).contains(&status),
        "api_error" => is_free && (500..600).contains(&status),
        _ => false,
    };
    // The one type with a second status, which the document does not list.
    let is_timeout = error_type == "timeout_error" && status == 408;
    if !has(own) && !stands_in && !is_timeout {
        found.push("/error/type", format!("{error_type} under status {status}"));
    }
}

/// The type in the body of an error; empty if there is none.
fn error_type<'a>(answer: &'a Answer<'_>) -> &'a str {
    body(answer).map(|body| text(&body["error"], "type")).unwrap_or_default()
}

fn unprocessable(answer: &Answer<'_>, found: &mut Found) {
    if answer.reply.status == 422 {
        found.push("", "422, and the API answers such requests with 400");
    }
}

fn code<'a>(answer: &'a Answer<'_>) -> Option<&'a str> {
    body(answer)?["error"]["details"]["error_code"].as_str()
}

fn code_status(answer: &Answer<'_>, found: &mut Found) {
    let Some(code) = code(answer) else { return };
    let known = answer.edition.document.pointer("/components/schemas/ErrorDetails/x-known-codes");
    let known = known.and_then(Value::as_array).into_iter().flatten();
    let own =
        known.filter(|known| known["code"] == code).find_map(|known| known["status"].as_u64());
    if let Some(own) = own.filter(|own| *own != u64::from(answer.reply.status)) {
        let trace = format!("{code} belongs to status {own}");
        found.push("/error/details/error_code", trace);
    }
}

/// The schema of the envelope cannot say so, since it knows no condition on a
/// value.
fn details(answer: &Answer<'_>, found: &mut Found) {
    let Some(body) = body(answer) else { return };
    let details = &body["error"]["details"];
    for name in ["max_side_length_pixels", "paths"] {
        if details.get(name).is_none() {
            found.push("/error/details", format!("`{name}` is missing beside the code"));
        }
    }
}
