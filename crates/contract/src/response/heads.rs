//! Headers: who answered, in what form, and when to come back.

use std::borrow::Cow;

use classify::{Class, Headers, envelope};

use super::{Answer, Body, Check, EVENT_STREAM, Found, Rule};
use crate::level::Level;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "response/request-id-missing",
        level: Level::Compatible,
        sentence: "Every answer has a `request-id` header. It is what support asks for, and what SDKs put into their errors.",
        remedy: "Send `request-id: req_…`, a new one for each request; a gateway may hand on that of the server behind.",
        seen: &[],
        check: Check::Answer(is_answer, request_id_missing),
    },
    Rule {
        id: "response/request-id-differs",
        level: Level::Compatible,
        sentence: "The `request_id` of an error body is that of the header. Two ids for one request lead a search astray.",
        remedy: "Write the same id in both places.",
        seen: &[],
        check: Check::Answer(
            |answer| answer.has("request-id") && body_id(answer).is_some(),
            request_id_differs,
        ),
    },
    Rule {
        id: "response/request-id-form",
        level: Level::Strict,
        sentence: "A request id begins with `req_`, and letters and digits follow.",
        remedy: "Put the prefix before an id of your own.",
        seen: &[],
        check: Check::Answer(|answer| answer.has("request-id"), request_id_form),
    },
    Rule {
        id: "response/media-type",
        level: Level::Compatible,
        sentence: "The `content-type` is one that the operation answers with. Clients choose their parser by it.",
        remedy: "Send `application/json`, `text/event-stream` for streams, `application/x-jsonl` for results.",
        seen: &[],
        check: Check::Answer(|answer| answer.is_success(), media_type),
    },
    Rule {
        id: "response/error-media-type",
        level: Level::Compatible,
        sentence: "The `content-type` of an error is `application/json`, also where a stream was asked for.",
        remedy: "Send `application/json` with every error body.",
        seen: &[],
        check: Check::Answer(|answer| answer.error().is_some(), error_media_type),
    },
    Rule {
        id: "response/retry-after-missing",
        level: Level::AgentReady,
        sentence: "A 429 that waiting cures says how long in `retry-after`. Without it clients guess, and all guess alike.",
        remedy: "Send the seconds until there is room again; leave the header out only where waiting does not help.",
        seen: &[],
        check: Check::Answer(|answer| answer.class == Class::RateLimited, retry_after_missing),
    },
    Rule {
        id: "response/retry-after-form",
        level: Level::AgentReady,
        sentence: "`retry-after` is a number of seconds, or an HTTP date. Anything else is ignored, and the pause with it.",
        remedy: "Send whole seconds, without a unit.",
        seen: &[],
        check: Check::Answer(|answer| answer.has("retry-after"), retry_after_form),
    },
    Rule {
        id: "response/ratelimit-form",
        level: Level::Compatible,
        sentence: "In `anthropic-ratelimit-…`, limits and what remains of them are whole numbers, and the reset is an RFC 3339 time.",
        remedy: "Send counts without separators, and times such as `2026-11-22T12:00:00Z`; seconds belong into `retry-after`.",
        seen: &[],
        check: Check::Answer(|answer| limits(answer).next().is_some(), ratelimit_form),
    },
    Rule {
        id: "response/ratelimit-remaining",
        level: Level::Strict,
        sentence: "No more remains of a limit than the limit is. Of tokens, what remains is told to the nearest thousand.",
        remedy: "Send both numbers from the same limit; a gateway with limits of its own replaces all three headers.",
        seen: &[],
        check: Check::Answer(
            |answer| limits(answer).any(|(name, _)| name.ends_with("-remaining")),
            ratelimit_remaining,
        ),
    },
    Rule {
        id: "response/retry-after-futile",
        level: Level::Strict,
        sentence: "A 429 that waiting does not cure has no `retry-after`: of a spend limit, the message says until when. A client that is told seconds asks again after them, in vain.",
        remedy: "Leave the header out beside the codes of spend limits.",
        seen: &[],
        check: Check::Answer(
            |answer| answer.class == Class::SpendLimited && answer.reply.status == 429,
            retry_after_futile,
        ),
    },
    Rule {
        id: "response/workspace-id-form",
        level: Level::Strict,
        sentence: "A workspace in `anthropic-workspace-id` begins with `wrkspc_`. The header is left out where the credential has none.",
        remedy: "Hand on the header of the server behind, or leave it out.",
        seen: &[],
        check: Check::Answer(|answer| answer.has("anthropic-workspace-id"), workspace_id_form),
    },
    Rule {
        id: "response/should-retry-form",
        level: Level::Compatible,
        sentence: "`x-should-retry` is `true` or `false`, to the letter. SDKs let it decide alone, and ignore any other word.",
        remedy: "Send `true` or `false`, or leave it out.",
        seen: &[],
        check: Check::Answer(|answer| answer.has("x-should-retry"), should_retry_form),
    },
    Rule {
        id: "response/stream-not-incremental",
        level: Level::Compatible,
        sentence: "A stream is sent while it is written, and nobody knows its length when it begins: it has no `content-length`. What is held back until it is whole shows nothing for minutes, and connections that are silent for so long are closed on the way.",
        remedy: "Write each event as it comes, chunked; switch off what buffers in front of the server.",
        seen: &["capsem#146"],
        check: Check::Answer(|answer| answer.is_stream(), stream_not_incremental),
    },
];

/// Whether it is an answer at all, and not a page of somebody on the way.
fn is_answer(answer: &Answer<'_>) -> bool {
    !matches!(answer.class, Class::Impostor | Class::Intermediary | Class::Malformed)
}

fn request_id_missing(answer: &Answer<'_>, found: &mut Found) {
    if is_answer(answer) && answer.reply.headers.get("request-id").is_none() {
        let is_id = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.contains("request-id") || name.contains("requestid")
        };
        let Headers(headers) = &answer.reply.headers;
        let other = headers.iter().map(|(name, _)| &**name).find(|name| is_id(name));
        let but = other.map(|name| format!(", but {}", name.to_ascii_lowercase()));
        found.push("", format!("no request-id header{}", but.unwrap_or_default()));
    }
}

fn request_id_differs(answer: &Answer<'_>, found: &mut Found) {
    let Some(header) = answer.reply.headers.get("request-id") else { return };
    if let Some(body) = body_id(answer).filter(|body| body != header) {
        found.push("/request_id", format!("the body says {body}, the header {header}"));
    }
}

fn body_id<'a>(answer: &'a Answer<'_>) -> Option<Cow<'a, str>> {
    envelope::parse(&answer.reply.body)?.request_id
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

fn retry_after_futile(answer: &Answer<'_>, found: &mut Found) {
    let value = answer.reply.headers.get("retry-after");
    let is_spent = answer.class == Class::SpendLimited && answer.reply.status == 429;
    if let Some(value) = value.filter(|_| is_spent) {
        found.push("", format!("retry-after is `{value}`, and a spend limit is reached"));
    }
}

fn workspace_id_form(answer: &Answer<'_>, found: &mut Found) {
    let Some(id) = answer.reply.headers.get("anthropic-workspace-id") else { return };
    if id.strip_prefix("wrkspc_").is_none_or(str::is_empty) {
        found.push("", format!("anthropic-workspace-id is `{id}`"));
    }
}

/// What the names of limits begin with.
const LIMITS: [&str; 3] = ["anthropic-ratelimit-", "anthropic-priority-", "anthropic-fast-"];

/// What is said of limits, under names in small letters.
fn limits<'a>(answer: &'a Answer<'_>) -> impl Iterator<Item = (String, &'a str)> {
    let headers = answer.reply.headers.iter();
    let small = headers.map(|(name, value)| (name.to_ascii_lowercase(), value));
    small.filter(|(name, _)| LIMITS.iter().any(|prefix| name.starts_with(prefix)))
}

fn ratelimit_form(answer: &Answer<'_>, found: &mut Found) {
    // Of other families, such as those of subscriptions, nothing is promised.
    const FAMILIES: [&str; 4] = ["input-tokens", "output-tokens", "requests", "tokens"];
    for (name, value) in limits(answer) {
        let rest = LIMITS.into_iter().find_map(|prefix| name.strip_prefix(prefix));
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

fn ratelimit_remaining(answer: &Answer<'_>, found: &mut Found) {
    /// What rounding to the nearest thousand adds at most.
    const ROUNDED: u64 = 500;
    for (name, value) in limits(answer) {
        let Some(kind) = name.strip_suffix("-remaining") else { continue };
        let limit = answer.reply.headers.get(&format!("{kind}-limit"));
        let count = |value: &str| value.parse::<u64>().ok();
        let (Some(left), Some(limit)) = (count(value), limit.and_then(count)) else { continue };
        let rounded = if kind.ends_with("tokens") { ROUNDED } else { 0 };
        if left > limit.saturating_add(rounded) {
            found.push("", format!("{name} is {left}, and the limit {limit}"));
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
