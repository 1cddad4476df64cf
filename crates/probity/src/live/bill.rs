//! What a request may cost at worst, and what an answer says that it did cost. Pure.
//!
//! Answers are believed about what they used, and nothing else is: a request that may have been served and does not
//! say what it used, such as one whose connection was lost, counts in full.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use classify::sse::Decoder;
use classify::{Body, Class, CutKind, Headers, Observation, Reply, classify};
use contract::case::Case;
use contract::expect::expect;
use contract::version::OperationId;
use serde_json::Value;

use super::governor::Seen;
use super::money::Tokens;
use super::thrift::output_asked;

/// Where a request does not say what may be written: it will be refused, or a gateway puts in a number of its own.
const OUTPUT_TOKENS_UNSAID: u64 = 4_096;
/// What stands in front of a request unseen, such as the text that explains tools.
const INPUT_TOKENS_UNSEEN: u64 = 1_000;
/// Of one image or page, at the highest resolution; its bytes may be fewer than that.
const MEDIA_TOKENS: u64 = 5_000;
/// A count is an estimate, by the word of those who give it.
const COUNT_SLACK_SHARE: u64 = 20;
const COUNT_SLACK: u64 = 50;
/// After an answer about load that names no time.
const BUSY_PAUSE_MS: u64 = 1_000;

/// What a case may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Charge {
    /// The operation costs nothing.
    Free,
    /// At most this. A count of its input, where that can be had, is a closer bound.
    AtMost { worst: Tokens, is_countable: bool },
    /// Nobody can say before.
    Unbounded,
}

/// What the case may cost.
pub fn charge(case: &Case) -> Charge {
    if !matches!(case.operation, OperationId::MessagesCreate | OperationId::BatchesCreate) {
        return Charge::Free;
    }
    let is_served = is_served(case);
    let text = text(&case.request.body);
    if is_served && has_server_work(&text) {
        return Charge::Unbounded;
    }
    let media = ["\"image\"", "\"document\""].iter().map(|kind| text.matches(kind).count() as u64);
    // A token is a byte at least. Of a base64 picture that is true by a wide margin; of a small one with many
    // pixels it is not.
    let input = case.request.body.len()
        + INPUT_TOKENS_UNSEEN
        + media.sum::<u64>().saturating_mul(MEDIA_TOKENS);
    let output = output_asked(&text).unwrap_or(OUTPUT_TOKENS_UNSAID);
    let is_countable = is_served && case.operation == OperationId::MessagesCreate;
    Charge::AtMost { worst: Tokens { input, output }, is_countable }
}

/// Whether the contract wants the request served.
pub fn is_served(case: &Case) -> bool {
    expect(case).classes.iter().any(|class| class.is_success())
}

/// The worst case of a request whose input was counted.
pub fn with_count(worst: Tokens, counted: u64) -> Tokens {
    let input = counted.saturating_add(counted / COUNT_SLACK_SHARE).saturating_add(COUNT_SLACK);
    Tokens { input, ..worst }
}

/// Members that a count takes; the rest of a message's parameters it refuses.
const COUNTED: [&str; 9] = [
    "cache_control",
    "messages",
    "model",
    "output_config",
    "speed",
    "system",
    "thinking",
    "tool_choice",
    "tools",
];

/// The body that asks how many tokens this one is.
pub fn count_body(body: &Body) -> Option<Body> {
    let Body::Bytes(bytes) = body else { return None };
    let Value::Object(mut members) = serde_json::from_slice(bytes).ok()? else { return None };
    members.retain(|name, _| COUNTED.contains(&&**name));
    Some(Body::Bytes(serde_json::to_vec(&members).ok()?.into()))
}

/// The count in an answer.
pub fn counted(observation: &Observation) -> Option<u64> {
    let Observation::Reply(reply) = observation else { return None };
    let body: Value = serde_json::from_slice(&reply.body).ok()?;
    body["input_tokens"].as_u64().filter(|_| reply.status == 200)
}

/// What an answer says to the governor, at this time.
pub fn seen(observation: &Observation, worst: Tokens, now_ms: u64) -> Seen {
    let class = classify(observation);
    // Something in between may be busy, too, and says so in words of its own.
    let is_busy = class != Class::SpendLimited && matches!(observation.status(), Some(429 | 529))
        || class == Class::RateLimitDisguised;
    let headers = match observation {
        Observation::Reply(reply) => Some(&reply.headers),
        Observation::Cut(_) | Observation::Unsendable(_) => None,
    };
    let wish = headers.and_then(|headers| not_before_ms(headers, is_busy, now_ms));
    Seen {
        used: if worst == Tokens::default() { worst } else { used(observation, worst) },
        is_busy,
        is_spend_limited: class == Class::SpendLimited,
        not_before_ms: wish.or_else(|| is_busy.then(|| now_ms.saturating_add(BUSY_PAUSE_MS))),
    }
}

fn used(observation: &Observation, worst: Tokens) -> Tokens {
    let none = Tokens::default();
    match observation {
        Observation::Unsendable(_) => none,
        Observation::Cut(cut) => match &cut.partial {
            Some(reply) => used_by(reply, worst, false),
            None if cut.kind == CutKind::Refused => none,
            None => worst,
        },
        Observation::Reply(reply) => match reply.status {
            200..=299 => used_by(reply, worst, true),
            // What was refused was not served. Of other failures a gateway cannot say whether it was.
            300..=499 | 529 => none,
            _ => worst,
        },
    }
}

/// By the usage in the body. Without the last word on it, the output counts in full.
fn used_by(reply: &Reply, worst: Tokens, is_whole: bool) -> Tokens {
    if let Ok(body) = serde_json::from_slice::<Value>(&reply.body) {
        return tokens(&body["usage"]).filter(|_| is_whole).unwrap_or(worst);
    }
    let mut used = worst;
    for event in Decoder::default().push(&reply.body) {
        let Ok(data) = serde_json::from_str::<Value>(&event.data) else { continue };
        match data["type"].as_str() {
            Some("message_start") => {
                if let Some(started) = tokens(&data["message"]["usage"]) {
                    used.input = started.input;
                }
            }
            Some("message_delta") => {
                used.output = data["usage"]["output_tokens"].as_u64().unwrap_or(worst.output);
            }
            _ => {}
        }
    }
    used
}

fn tokens(usage: &Value) -> Option<Tokens> {
    let count = |name: &str| usage[name].as_u64();
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    let cached = cached.iter().filter_map(|name| count(name)).fold(0_u64, u64::saturating_add);
    let input = count("input_tokens")?.saturating_add(cached);
    Some(Tokens { input, output: count("output_tokens")? })
}

/// When the server wants the next request: at once, unless it is busy or a limit of it is used up.
fn not_before_ms(headers: &Headers, is_busy: bool, now_ms: u64) -> Option<u64> {
    const LIMITS: [&str; 4] = ["requests", "tokens", "input-tokens", "output-tokens"];
    let resets = LIMITS.iter().filter_map(|limit| {
        let field = |end: &str| headers.get(&format!("anthropic-ratelimit-{limit}-{end}"));
        field("remaining").filter(|left| left.trim() == "0")?;
        field("reset").and_then(rfc3339_ms)
    });
    let after = retry_after_ms(headers, now_ms).filter(|_| is_busy);
    resets.chain(after.map(|ms| now_ms.saturating_add(ms))).max()
}

/// In numbers, or as the date that it may be instead: that is by the server's clock, which its `date` tells.
fn retry_after_ms(headers: &Headers, now_ms: u64) -> Option<u64> {
    /// Nobody waits for longer, so that longer times need not be told apart.
    const MS_MAX: f64 = 1e12;
    let number = |name: &str, ms: f64| {
        let value: f64 = headers.get(name)?.trim().parse().ok()?;
        let value = (value * ms).clamp(0.0, MS_MAX);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        (!value.is_nan()).then_some(value.ceil() as u64)
    };
    let until = || {
        let date = |name: &str| headers.get(name).and_then(http_date_ms);
        Some(date("retry-after")?.saturating_sub(date("date").unwrap_or(now_ms)))
    };
    number("retry-after-ms", 1.0).or_else(|| number("retry-after", 1_000.0)).or_else(until)
}

/// The time of `Sun, 22 Nov 2026 12:30:00 GMT`, in milliseconds since 1970.
fn http_date_ms(text: &str) -> Option<u64> {
    let since = httpdate::parse_http_date(text.trim()).ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// The time of `2026-11-22T12:30:00Z`, in milliseconds since 1970.
fn rfc3339_ms(text: &str) -> Option<u64> {
    let (date, time) = text.trim().split_once(['T', 't'])?;
    let time = time.strip_suffix(['Z', 'z']).or_else(|| time.strip_suffix("+00:00"))?;
    let mut parts = time.split('.').next()?.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let is_time = hour < 24 && minute < 60 && second <= 60;
    let day = mock::Now::at_date(date).filter(|_| is_time)?;
    // A fraction of a second is rounded up.
    Some((day.unix_seconds + hour * 3_600 + minute * 60 + second + 1) * 1_000)
}

/// Tools that the server runs, and whose results it reads, at a cost that only the answer tells.
fn has_server_work(text: &str) -> bool {
    ["\"web_search_", "\"web_fetch_", "\"code_execution_", "\"mcp_servers\""]
        .iter()
        .any(|name| text.contains(name))
}

/// What can be read of a body without writing it out.
fn text(body: &Body) -> String {
    let lossy = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    match body {
        Body::Empty => String::new(),
        Body::Bytes(bytes) => lossy(bytes),
        Body::Repeat { prefix, unit, suffix, .. } => lossy(prefix) + &lossy(unit) + &lossy(suffix),
    }
}

#[cfg(test)]
mod tests {
    use classify::Cut;

    use super::*;

    const WORST: Tokens = Tokens { input: 1_000, output: 16 };

    fn reply(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let body = Bytes::from(body.to_owned());
        Reply { status, headers: Headers(headers.collect()), body }
    }

    fn check_used(observation: &Observation, input: u64, output: u64) {
        assert_eq!(used(observation, WORST), Tokens { input, output }, "{observation:?}");
    }

    const USAGE: &str = r#"{"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":2,"output_tokens":3}}"#;
    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}\n\n";
    const DELTA: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":7}}\n\n";

    #[test]
    fn an_answer_that_says_what_it_used_is_believed() {
        let answer = |status, body: &str| Observation::Reply(reply(status, &[], body));
        check_used(&answer(200, USAGE), 17, 3);
        check_used(&answer(200, &[START, DELTA].concat()), 10, 7);
        check_used(&answer(200, START), 10, 16);
        check_used(&answer(200, "{}"), 1_000, 16);
        check_used(&answer(200, "hello"), 1_000, 16);
        check_used(&answer(400, "{}"), 0, 0);
        check_used(&answer(529, ""), 0, 0);
        check_used(&answer(504, ""), 1_000, 16);
    }

    #[test]
    fn a_lost_answer_counts_in_full() {
        let cut = |kind, partial| Observation::Cut(Cut { kind, partial });
        check_used(&cut(CutKind::Refused, None), 0, 0);
        check_used(&cut(CutKind::TimedOut, None), 1_000, 16);
        check_used(&cut(CutKind::Closed, Some(reply(200, &[], START))), 10, 16);
        check_used(&cut(CutKind::Closed, Some(reply(200, &[], &USAGE[..40]))), 1_000, 16);
    }

    fn check_wish(status: u16, headers: &[(&'static str, &'static str)], expected: Option<u64>) {
        let seen = seen(&Observation::Reply(reply(status, headers, "")), WORST, 5_000);
        assert_eq!(seen.not_before_ms, expected, "{headers:?}");
    }

    #[test]
    fn the_server_s_wishes_are_read() {
        check_wish(529, &[], Some(6_000));
        check_wish(529, &[("retry-after", "30")], Some(35_000));
        check_wish(529, &[("retry-after", "1.5")], Some(6_500));
        check_wish(529, &[("retry-after-ms", "20"), ("retry-after", "30")], Some(5_020));
        check_wish(529, &[("retry-after", "soon")], Some(6_000));
        // A date is one of the server's clock, where that is told.
        let until = ("retry-after", "Sun, 22 Nov 2026 12:30:00 GMT");
        check_wish(529, &[until, ("date", "Sun, 22 Nov 2026 12:29:30 GMT")], Some(35_000));
        check_wish(529, &[until, ("date", "Sun, 22 Nov 2026 12:31:00 GMT")], Some(5_000));
        check_wish(529, &[until], Some(1_795_350_600_000));
        check_wish(529, &[("retry-after", "Thu, 01 Jan 1970 00:00:01 GMT")], Some(5_000));
        check_wish(
            529,
            &[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")],
            Some(253_402_300_799_000),
        );
        check_wish(529, &[("retry-after", "NaN")], Some(6_000));
        check_wish(400, &[("retry-after", "30")], None);
        let reset = ("anthropic-ratelimit-requests-reset", "1970-01-01T00:01:00Z");
        check_wish(400, &[("anthropic-ratelimit-requests-remaining", "0"), reset], Some(61_000));
        check_wish(400, &[("anthropic-ratelimit-requests-remaining", "1"), reset], None);
        check_wish(400, &[reset], None);
    }

    #[test]
    fn a_count_takes_only_what_it_knows() {
        let body =
            Body::Bytes(r#"{"model":"m","max_tokens":5,"stream":true,"messages":[]}"#.into());
        let Some(Body::Bytes(made)) = count_body(&body) else { panic!("it is an object") };
        assert_eq!(made, r#"{"messages":[],"model":"m"}"#);
        assert_eq!(count_body(&Body::Bytes("[]".into())), None);
        assert_eq!(with_count(WORST, 200), Tokens { input: 260, output: 16 });
    }
}
