//! From what came back to its name: total, and quick enough to sit behind every attempt.
//!
//! Three decisions deserve a word. An error envelope under a 2xx is [`Class::Undocumented`]: the status and the
//! body contradict each other, and neither is believed. JSON that breaks off is [`Class::Malformed`] under any
//! status, since somebody who speaks JSON began it; what was never JSON has another author. A 4xx that the API
//! does not send is `Undocumented` although its pages reserve `invalid_request_error` for "other 4XX": a gateway
//! that says 422 where the API says 400 should show.
//!
//! Bodies under a content coding are read as they are: senders here ask for none.

use serde::de::IgnoredAny;

use crate::class::Class;
use crate::disguise::{Disguise, disguise};
use crate::envelope::{self, Envelope, Text};
use crate::http::Reply;
use crate::observation::{Cut, Observation};
use crate::stream::{self, Outcome, StreamReading};

/// What `observation` claims to be. Any bytes get a class.
pub fn classify(observation: &Observation) -> Class {
    match observation {
        Observation::Reply(reply) => match reply.status {
            200..=299 if is_event_stream(reply) => stream_class(&stream::read(&reply.body)),
            200..=299 => success_class(&reply.body),
            status => error_class(status, reply),
        },
        Observation::Cut(cut) => cut_class(cut),
        Observation::Unsendable(_) => Class::Unsendable,
    }
}

fn is_event_stream(reply: &Reply) -> bool {
    let media_type =
        reply.headers.get("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("text/event-stream")
}

fn stream_class(reading: &StreamReading) -> Class {
    match reading.outcome {
        Outcome::Done => Class::Streamed,
        Outcome::Failed(_) => Class::StreamError,
        Outcome::Malformed => Class::StreamMalformed,
        Outcome::Truncated => Class::StreamCut,
    }
}

/// A stream counts from its first event on: what was delivered cannot be asked for again without repeating it.
/// Before that, and for every other answer, a lost connection is just that.
fn cut_class(cut: &Cut) -> Class {
    let Some(reply) = cut.partial.as_ref().filter(|reply| (200..300).contains(&reply.status))
    else {
        return Class::Unreachable(cut.kind);
    };
    if !is_event_stream(reply) {
        return Class::Unreachable(cut.kind);
    }
    let reading = stream::read(&reply.body);
    if reading.events == 0 { Class::Unreachable(cut.kind) } else { stream_class(&reading) }
}

fn success_class(body: &[u8]) -> Class {
    let text = envelope::without_bom(body).trim_ascii();
    if text.first() != Some(&b'{') {
        return Class::Impostor;
    }
    match envelope::object::<Success<'_>>(text) {
        Some(success) if success.is_known() => Class::Accepted,
        Some(_) if envelope::parse(text).is_some() => Class::Undocumented,
        None if is_result_lines(text) => Class::Accepted,
        _ => Class::Malformed,
    }
}

/// One batch result per line, every one of them whole.
fn is_result_lines(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).all(
        |line| envelope::object::<Success<'_>>(line).is_some_and(|success| success.is_result()),
    )
}

/// The fields by which the successes are told apart.
#[derive(serde::Deserialize)]
struct Success<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    custom_id: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
    has_more: Option<IgnoredAny>,
    input_tokens: Option<IgnoredAny>,
    result: Option<IgnoredAny>,
}

impl Success<'_> {
    fn is_known(&self) -> bool {
        match self.kind.as_str() {
            "message" | "message_batch" | "message_batch_deleted" | "model" => true,
            "" => self.is_list() || self.input_tokens.is_some() || self.is_result(),
            _ => false,
        }
    }

    /// A bare `data` is not enough: other vendors' lists have it too.
    fn is_list(&self) -> bool {
        self.data.is_some() && self.has_more.is_some()
    }

    fn is_result(&self) -> bool {
        self.custom_id.is_some() && self.result.is_some()
    }
}

fn error_class(status: u16, reply: &Reply) -> Class {
    let Some(envelope) = envelope::parse(&reply.body) else {
        return foreign_class(status, &reply.body);
    };
    match status {
        400 => disguised_class(&envelope),
        401 => Class::Unauthorized,
        402 => Class::BillingRequired,
        // The edge writes `forbidden`, a type the API does not have, and leaves the outer type out.
        403 if !envelope.outer_type || envelope.error_type.as_deref() == Some("forbidden") => {
            Class::EdgeForbidden
        }
        403 => Class::PermissionDenied,
        404 => Class::NotFound,
        405 => Class::MethodNotAllowed,
        408 | 504 => Class::TimedOut,
        409 => Class::Conflict,
        413 => Class::TooLarge,
        429 if is_spend_limit(&envelope, reply) => Class::SpendLimited,
        429 => Class::RateLimited,
        503 => Class::Unavailable,
        529 => Class::Overloaded,
        500..=599 => Class::ServerError,
        _ => Class::Undocumented,
    }
}

/// An error status over a body that is not an envelope. For a 403 and a 413 the remedy does not depend on who
/// refused.
fn foreign_class(status: u16, body: &[u8]) -> Class {
    let begins_as_json =
        matches!(envelope::without_bom(body).trim_ascii_start(), [b'{' | b'[', ..]);
    match status {
        403 => Class::EdgeForbidden,
        413 => Class::TooLarge,
        _ if begins_as_json => Class::Malformed,
        _ => Class::Intermediary,
    }
}

/// A 400 by what it says; the type counts where a gateway kept it and changed the status.
fn disguised_class(envelope: &Envelope<'_>) -> Class {
    match (envelope.error_type.as_deref(), disguise(&envelope.message)) {
        (_, Some(Disguise::SpendLimit)) => Class::SpendLimited,
        (Some("billing_error"), _) | (_, Some(Disguise::Billing)) => Class::BillingRequired,
        (_, Some(Disguise::ContentFilter)) => Class::ContentFiltered,
        (Some("rate_limit_error"), _) | (_, Some(Disguise::RateLimit)) => Class::RateLimitDisguised,
        _ => Class::InvalidRequest,
    }
}

/// Whether a 429 cannot be waited out: by its code, or by its text where no `retry-after` says otherwise.
fn is_spend_limit(envelope: &Envelope<'_>, reply: &Reply) -> bool {
    match envelope.error_code.as_deref() {
        Some("contract_spend_limit_reached" | "enforced_spend_limit_reached") => true,
        _ => {
            reply.headers.get("retry-after").is_none()
                && disguise(&envelope.message) == Some(Disguise::SpendLimit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Headers;
    use crate::observation::CutKind;

    fn reply(status: u16, content_type: &'static str, body: &str) -> Reply {
        let headers = Headers(vec![("Content-Type".into(), content_type.into())]);
        Reply { status, headers, body: body.to_owned().into() }
    }

    fn check(status: u16, body: &str, expected: Class) {
        let observation = Observation::Reply(reply(status, "application/json", body));
        assert_eq!(classify(&observation), expected, "{status} {body}");
    }

    /// A cut `200` of an event stream.
    fn check_cut(body: &str, expected: Class) {
        let partial = Some(reply(200, "text/event-stream; charset=utf-8", body));
        assert_eq!(
            classify(&Observation::Cut(Cut { kind: CutKind::Reset, partial })),
            expected,
            "{body}"
        );
    }

    #[test]
    fn successes() {
        check(200, r#"{"type":"message"}"#, Class::Accepted);
        check(201, r#" {"data":[],"has_more":false}"#, Class::Accepted);
        check(200, r#"{"input_tokens":12}"#, Class::Accepted);
        check(200, r#"{"custom_id":"a","result":{}}"#, Class::Accepted);
        check(
            200,
            "{\"custom_id\":\"a\",\"result\":{}}\n{\"custom_id\":\"b\",\"result\":{}}\n",
            Class::Accepted,
        );
    }

    #[test]
    fn successes_that_are_none() {
        for body in ["", "null", "[]", "true", "ok", "<html>", r#"[{"type":"message"}]"#] {
            check(200, body, Class::Impostor);
        }
        check(204, "", Class::Impostor);
        check(200, r#"{"type":"message""#, Class::Malformed);
        check(200, r#"{"type":"completion"}"#, Class::Malformed);
        check(200, r#"{"object":"list","data":[]}"#, Class::Malformed);
        check(200, "{\"custom_id\":\"a\",\"result\":{}}\n{\"custom_id\":\"b\"", Class::Malformed);
        check(200, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, Class::Undocumented);
        check(299, r#"{"error":"overloaded"}"#, Class::Undocumented);
    }

    #[test]
    fn statuses_with_an_envelope() {
        use Class::*;
        #[rustfmt::skip]
        const CLASSES: [(u16, Class); 24] = [
            (304, Undocumented), (400, InvalidRequest), (401, Unauthorized), (402, BillingRequired),
            (403, PermissionDenied), (404, NotFound), (405, MethodNotAllowed), (408, TimedOut), (409, Conflict),
            (412, Undocumented), (413, TooLarge), (422, Undocumented), (429, RateLimited), (431, Undocumented),
            (499, Undocumented), (500, ServerError), (501, ServerError), (502, ServerError), (503, Unavailable),
            (504, TimedOut), (520, ServerError), (529, Overloaded), (599, ServerError), (999, Undocumented),
        ];
        for (status, class) in CLASSES {
            check(status, r#"{"type":"error","error":{"type":"t","message":"m"}}"#, class);
        }
    }

    #[test]
    fn statuses_without_an_envelope() {
        for status in [0, 100, 301, 400, 404, 429, 500, 502, 529] {
            check(status, "", Class::Intermediary);
            check(status, "<html>", Class::Intermediary);
            check(status, r#"{"detail":"no"}"#, Class::Malformed);
            check(status, r#"{"type":"error","er"#, Class::Malformed);
        }
        check(403, "<html>", Class::EdgeForbidden);
        check(413, "<html>", Class::TooLarge);
    }

    #[test]
    fn a_cut_stream_counts_from_its_first_event_on() {
        let error =
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}\n\n";
        check_cut("", Class::Unreachable(CutKind::Reset));
        check_cut("event: message_start\ndata: {", Class::Unreachable(CutKind::Reset));
        check_cut("event: ping\ndata: {\"type\":\"ping\"}\n\n", Class::StreamCut);
        check_cut(error, Class::StreamError);
        let partial = Some(reply(529, "application/json", "{"));
        let cut = Observation::Cut(Cut { kind: CutKind::Closed, partial });
        assert_eq!(classify(&cut), Class::Unreachable(CutKind::Closed));
        assert_eq!(classify(&Observation::Unsendable("a newline".to_owned())), Class::Unsendable);
    }
}
