//! Headers: who answered, in what form, and when to come back.

use classify::{Class, envelope};

use super::{Answer, Body, Check, EVENT_STREAM, Found, Rule};
use crate::level::Level;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "response/request-id-missing",
        level: Level::Compatible,
        sentence: "Every answer has a `request-id` header. It is what support asks for, and what SDKs put into their errors.",
        remedy: "Send `request-id: req_…`, a new one for each request; a gateway may hand on that of the server behind.",
        seen: &[],
        check: Check::Answer(request_id_missing),
    },
    Rule {
        id: "response/request-id-differs",
        level: Level::Compatible,
        sentence: "The `request_id` of an error body is that of the header. Two ids for one request lead a search astray.",
        remedy: "Write the same id in both places.",
        seen: &[],
        check: Check::Answer(request_id_differs),
    },
    Rule {
        id: "response/request-id-form",
        level: Level::Strict,
        sentence: "A request id begins with `req_`, and letters and digits follow.",
        remedy: "Put the prefix before an id of your own.",
        seen: &[],
        check: Check::Answer(request_id_form),
    },
    Rule {
        id: "response/media-type",
        level: Level::Compatible,
        sentence: "The `content-type` is one that the operation answers with. Clients choose their parser by it.",
        remedy: "Send `application/json`, `text/event-stream` for streams, `application/x-jsonl` for results.",
        seen: &[],
        check: Check::Answer(media_type),
    },
    Rule {
        id: "response/error-media-type",
        level: Level::Compatible,
        sentence: "The `content-type` of an error is `application/json`, also where a stream was asked for.",
        remedy: "Send `application/json` with every error body.",
        seen: &[],
        check: Check::Answer(error_media_type),
    },
    Rule {
        id: "response/retry-after-missing",
        level: Level::AgentReady,
        sentence: "A 429 that waiting cures says how long in `retry-after`. Without it clients guess, and all guess alike.",
        remedy: "Send the seconds until there is room again; leave the header out only where waiting does not help.",
        seen: &[],
        check: Check::Answer(retry_after_missing),
    },
    Rule {
        id: "response/retry-after-form",
        level: Level::AgentReady,
        sentence: "`retry-after` is a number of seconds, or an HTTP date. Anything else is ignored, and the pause with it.",
        remedy: "Send whole seconds, without a unit.",
        seen: &[],
        check: Check::Answer(retry_after_form),
    },
    Rule {
        id: "response/ratelimit-form",
        level: Level::Compatible,
        sentence: "In `anthropic-ratelimit-…`, limits and what remains of them are whole numbers, and the reset is an RFC 3339 time.",
        remedy: "Send counts without separators, and times such as `2026-11-22T12:00:00Z`; seconds belong into `retry-after`.",
        seen: &[],
        check: Check::Answer(ratelimit_form),
    },
    Rule {
        id: "response/should-retry-form",
        level: Level::Compatible,
        sentence: "`x-should-retry` is `true` or `false`, to the letter. SDKs let it decide alone, and ignore any other word.",
        remedy: "Send `true` or `false`, or leave it out.",
        seen: &[],
        check: Check::Answer(should_retry_form),
    },
    Rule {
        id: "response/stream-not-incremental",
        level: Level::Compatible,
        sentence: "A stream is sent while it is written, and nobody knows its length when it begins: it has no `content-length`. What is held back until it is whole shows nothing for minutes, and connections that are silent for so long are closed on the way.",
        remedy: "Write each event as it comes, chunked; switch off what buffers in front of the server.",
        seen: &["capsem#146"],
        check: Check::Answer(stream_not_incremental),
    },
];

/// Whether it is an answer at all, and not a page of somebody on the way.
fn is_answer(answer: &Answer<'_>) -> bool {
    !matches!(answer.class, Class::Impostor | Class::Intermediary | Class::Malformed)
}

fn request_id_missing(answer: &Answer<'_>, found: &mut Found) {
    if is_answer(answer) && answer.reply.headers.get("request-id").is_none() {
        found.push("", "no request-id header");
    }
}

fn request_id_differs(answer: &Answer<'_>, found: &mut Found) {
    let Some(header) = answer.reply.headers.get("request-id") else { return };
    let body = envelope::parse(&answer.reply.body).and_then(|envelope| envelope.request_id);
    if let Some(body) = body.filter(|body| body != header) {
        found.push("/request_id", format!("the body says {body}, the header {header}"));
    }
}

fn request_id_form(answer: &Answer<'_>, found: &mut Found) {
    let Some(id) = answer.reply.headers.get("request-id") else { return };
    let is_id = |rest: &str| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if !id.strip_prefix("req_").is_some_and(is_id) {
        found.push("", format!("request-id is `{id}`"));
    }
}

fn media_type(answer: &Answer<'_>, found: &mut Found) {
    let body = match &answer.body {
        Body::Json(_) if answer.success().is_none() => return,
        Body::Other(_) => return,
        Body::Json(_) | Body::Lines(_) | Body::Stream { .. } => &answer.media,
    };
    if !answer.edition.validators.has_success(answer.operation, body) {
        let trace = format!("the spec has no `{body}` answer for {}", answer.operation);
        found.push("", trace);
    }
}

fn error_media_type(answer: &Answer<'_>, found: &mut Found) {
    if answer.error().is_some() && answer.media != "application/json" {
        let is_stream = if answer.media == EVENT_STREAM { ", and the body no event" } else { "" };
        found.push("", format!("content-type is `{}`{is_stream}", answer.media));
    }
}

fn retry_after_missing(answer: &Answer<'_>, found: &mut Found) {
    let is_given = ["retry-after", "retry-after-ms"]
        .into_iter()
        .any(|name| answer.reply.headers.get(name).is_some());
    if answer.class == Class::RateLimited && !is_given {
        found.push("", "no retry-after header");
    }
}

fn retry_after_form(answer: &Answer<'_>, found: &mut Found) {
    let Some(value) = answer.reply.headers.get("retry-after") else { return };
    if !is_seconds(value) && !is_http_date(value) {
        found.push("", format!("retry-after is `{value}`"));
    }
}

fn is_seconds(value: &str) -> bool {
    value.trim().parse::<f64>().is_ok_and(|seconds| seconds.is_finite() && seconds >= 0.0)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, by its outline: whether the day exists is no question of form.
fn is_http_date(value: &str) -> bool {
    const OUTLINE: &str = "aaa, 00 aaa 0000 00:00:00 GMT";
    has_outline(value, OUTLINE)
}

/// `2026-11-22T12:00:00Z`, also with a fraction and another offset.
fn is_time(value: &str) -> bool {
    const OUTLINE: &str = "0000-00-00T00:00:00";
    let Some((time, rest)) = value.split_at_checked(OUTLINE.len()) else { return false };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let is_offset = |rest: &str| {
        rest.strip_prefix(['+', '-']).is_some_and(|offset| has_outline(offset, "00:00"))
    };
    has_outline(time, OUTLINE) && (rest == "Z" || rest == "z" || is_offset(rest))
}

/// Whether each character is what the outline says: `0` any digit, `a` any letter, else itself.
fn has_outline(value: &str, outline: &str) -> bool {
    value.len() == outline.len()
        && value.bytes().zip(outline.bytes()).all(|(byte, outline)| match outline {
            b'0' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphabetic(),
            _ => byte == outline,
        })
}

fn ratelimit_form(answer: &Answer<'_>, found: &mut Found) {
    // Of other families, such as those of subscriptions, nothing is promised.
    const FAMILIES: [&str; 4] = ["input-tokens", "output-tokens", "requests", "tokens"];
    for (name, value) in answer.reply.headers.iter() {
        let name = name.to_ascii_lowercase();
        let rest = ["anthropic-ratelimit-", "anthropic-priority-", "anthropic-fast-"]
            .into_iter()
            .find_map(|prefix| name.strip_prefix(prefix));
        let is_right = match rest.and_then(|rest| rest.rsplit_once('-')) {
            Some((family, _)) if !FAMILIES.contains(&family) => true,
            Some((_, "limit" | "remaining")) => value.parse::<u64>().is_ok(),
            Some((_, "reset")) => is_time(value),
            _ => true,
        };
        if !is_right {
            found.push("", format!("{name} is `{value}`"));
        }
    }
}

fn should_retry_form(answer: &Answer<'_>, found: &mut Found) {
    let value = answer.reply.headers.get("x-should-retry");
    if let Some(value) = value.filter(|value| !matches!(*value, "true" | "false")) {
        found.push("", format!("x-should-retry is `{value}`"));
    }
}

fn stream_not_incremental(answer: &Answer<'_>, found: &mut Found) {
    let length = answer.reply.headers.get("content-length");
    if let (Body::Stream { .. }, Some(length)) = (&answer.body, length) {
        found.push("", format!("content-length is `{length}`"));
    }
}
