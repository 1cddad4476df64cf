//! How much may be asked for per minute.
//!
//! Token buckets, one for the requests and one for the input tokens of each class of models, and one for the
//! requests to count tokens. They fill evenly and hold one minute's worth. The clock is the caller's, in whole
//! seconds, which is exact enough: who waits for the seconds that `retry-after` says finds what was missing. A
//! request is charged once it may pass; one that is refused costs nothing. Output tokens are not limited, since
//! the answers here are short whatever was asked.

use std::borrow::Cow;

use classify::Headers;
use contract::models::Model;
use contract::version::OperationId;

use crate::compose::tokens;
use crate::error::Refusal;
use crate::judge::{Bench, Judged};
use crate::{Now, ORGANIZATION};

/// What one minute holds, for each class of models. `None` limits nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Input tokens per minute, those that go into the cache included.
    pub itpm: Option<u64>,
}

/// What is left of the limits. There are only as many as there are classes of models.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Vec<(Key, Bucket)>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Key {
    kind: Kind,
    class: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Requests that only count tokens.
    Counts,
    InputTokens,
    Requests,
}

/// Charges the request to its buckets, and tells in the headers what is left in them.
pub(crate) fn charge(
    buckets: &mut Buckets,
    bench: &Bench<'_>,
    judged: &Judged<'_>,
    headers: &mut Headers,
) -> Result<(), Refusal> {
    let Some(limits) = bench.config.limits else { return Ok(()) };
    let requests = match judged.operation {
        OperationId::MessagesCreate => Kind::Requests,
        OperationId::MessagesCountTokens => Kind::Counts,
        _ => return Ok(()),
    };
    let mut charges = Vec::new();
    charges.extend(limits.rpm.map(|rpm| (requests, rpm, 1)));
    if requests == Kind::Requests {
        let itpm = limits.itpm.map(|itpm| (Kind::InputTokens, itpm, tokens::input(&judged.body)));
        charges.extend(itpm);
    }
    let class = class(judged.model);
    let mut refused = None;
    for &(kind, limit, cost) in &charges {
        let bucket = buckets.at(kind, &class, limit, bench.now);
        if let Some(seconds) = bucket.missing_seconds(limit, cost) {
            refused.get_or_insert((kind, limit, seconds));
        }
    }
    for &(kind, limit, cost) in &charges {
        let bucket = buckets.at(kind, &class, limit, bench.now);
        if refused.is_none() {
            bucket.parts -= cost * PARTS;
        }
        // The answer to a count says nothing of limits unless it is refused.
        if requests == Kind::Requests || refused.is_some() {
            tell(headers, kind, limit, bucket);
        }
    }
    let Some((kind, limit, seconds)) = refused else { return Ok(()) };
    headers.push("retry-after", seconds.to_string());
    Err(refusal(kind, limit, judged.model))
}

/// One level stands for a sixtieth, so that a minute's worth flows in by the second without a fraction.
const PARTS: u64 = 60;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    parts: u64,
    at: Now,
}

impl Buckets {
    fn at(&mut self, kind: Kind, class: &str, limit: u64, now: Now) -> &mut Bucket {
        let place = self.0.iter().position(|(key, _)| key.kind == kind && key.class == class);
        let place = place.unwrap_or_else(|| {
            let key = Key { kind, class: class.to_owned() };
            self.0.push((key, Bucket { parts: full(limit), at: now }));
            self.0.len() - 1
        });
        let bucket = &mut self.0[place].1;
        let elapsed = now.unix_seconds.saturating_sub(bucket.at.unix_seconds);
        bucket.parts = bucket.parts.saturating_add(limit.saturating_mul(elapsed)).min(full(limit));
        bucket.at = bucket.at.max(now);
        bucket
    }
}

impl Bucket {
    /// How long to wait until that much is in the bucket; `None` if it is. What the bucket can never hold is
    /// refused for as long as it takes to fill.
    fn missing_seconds(&self, limit: u64, cost: u64) -> Option<u64> {
        let wanted = cost.saturating_mul(PARTS);
        let missing = wanted.min(full(limit)).saturating_sub(self.parts);
        (wanted > self.parts).then(|| missing.div_ceil(limit.max(1)).max(1))
    }

    fn full_at(&self, limit: u64) -> Now {
        let seconds = full(limit).saturating_sub(self.parts).div_ceil(limit.max(1));
        Now { unix_seconds: self.at.unix_seconds + seconds }
    }
}

fn full(limit: u64) -> u64 {
    limit.saturating_mul(PARTS)
}

/// All models of a line share a bucket up to version 4; later ones have their own.
fn class(model: Option<&Model>) -> Cow<'_, str> {
    match model {
        // Only where rules are not enforced; they share, so that made-up names take no memory.
        None => "other".into(),
        Some(model) if model.id.starts_with(&format!("claude-{}-4-", model.line)) => {
            format!("claude-{}-4", model.line).into()
        }
        Some(model) => model.id.as_str().into(),
    }
}

fn tell(headers: &mut Headers, kind: Kind, limit: u64, bucket: &Bucket) {
    /// Tokens that remain are told to the nearest thousand.
    const ROUND: u64 = 1_000;
    let left = bucket.parts / PARTS;
    let (names, left): (&[&str], _) = match kind {
        Kind::Counts | Kind::Requests => (&["requests"], left),
        // The narrowest limit on tokens stands for tokens as such.
        Kind::InputTokens => (&["tokens", "input-tokens"], (left + ROUND / 2) / ROUND * ROUND),
    };
    for name in names {
        let mut push = |part: &str, value: String| {
            headers.push(format!("anthropic-ratelimit-{name}-{part}"), value);
        };
        push("limit", limit.to_string());
        push("remaining", left.to_string());
        push("reset", bucket.full_at(limit).rfc3339());
    }
}

fn refusal(kind: Kind, limit: u64, model: Option<&Model>) -> Refusal {
    let what = match kind {
        Kind::Counts | Kind::Requests => "requests",
        Kind::InputTokens => "input tokens",
    };
    let model = model.map_or("", |model| &model.id);
    let message = format!(
        "This request would exceed your organization's rate limit of {limit} {what} per minute (org: {ORGANIZATION}, \
         model: {model}). For details, refer to: https://platform.claude.com/docs/en/api/rate-limits"
    );
    Refusal::rate_limited(message)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::fixture::{body, config, contract, hello, now, post};
    use crate::{Config, State};

    /// Asks at those seconds, and tells the statuses with `retry-after`.
    fn check(
        limits: Limits,
        target: &str,
        params: &Value,
        at: &[u64],
        expected: &[(u16, Option<&str>)],
    ) {
        let config = Config { limits: Some(limits), ..config() };
        let state = &mut State::new();
        let mut seen = Vec::new();
        for second in at {
            let now = Now { unix_seconds: now().unix_seconds + second };
            let reply =
                crate::answer(state, contract(), &config, &post(target, params), now).into_reply();
            seen.push((reply.status, reply.headers.get("retry-after").map(str::to_owned)));
            if reply.status == 429 {
                let error = body(&reply);
                assert!(contract().editions[1].validators.error_holds(&error));
                let message = error["error"]["message"].as_str().unwrap();
                assert!(
                    message.starts_with(
                        "This request would exceed your organization's rate limit of "
                    ),
                    "{message}"
                );
            }
        }
        let seen: Vec<_> = seen.iter().map(|(status, wait)| (*status, wait.as_deref())).collect();
        assert_eq!(seen, expected);
    }

    const OK: (u16, Option<&str>) = (200, None);

    const fn wait(seconds: &str) -> (u16, Option<&str>) {
        (429, Some(seconds))
    }

    #[test]
    fn buckets_run_dry_and_fill_again() {
        let rpm = |rpm| Limits { rpm: Some(rpm), itpm: None };
        let messages = "/v1/messages";
        check(
            rpm(2),
            messages,
            &hello(),
            &[0, 0, 0, 29, 30, 30],
            &[OK, OK, wait("30"), wait("1"), OK, wait("30")],
        );
        check(rpm(120), messages, &hello(), &[0; 3], &[OK; 3]);
        check(rpm(0), messages, &hello(), &[0, 60], &[wait("1"), wait("1")]);
        // A clock that goes back fills nothing.
        check(rpm(1), messages, &hello(), &[10, 0, 70], &[OK, wait("60"), OK]);
        let cost = tokens::input(&hello());
        let itpm = |itpm| Limits { rpm: None, itpm: Some(itpm) };
        check(itpm(cost * 2), messages, &hello(), &[0, 0, 0, 30], &[OK, OK, wait("30"), OK]);
        // What never fits is refused even when the bucket is full, and leaves it so.
        check(itpm(cost - 1), messages, &hello(), &[0, 600], &[wait("1"), wait("1")]);
        let count = serde_json::json!({"model": "claude-opus-5", "messages": hello()["messages"]});
        check(rpm(1), "/v1/messages/count_tokens", &count, &[0, 0, 60], &[OK, wait("60"), OK]);
    }

    #[test]
    fn classes_and_operations_do_not_share() {
        let config =
            Config { limits: Some(Limits { rpm: Some(1), itpm: Some(2_000_000) }), ..config() };
        let state = &mut State::new();
        let mut ask = |target: &str, model: &str| {
            let mut params = hello();
            params["model"] = model.into();
            if target != "/v1/messages" {
                params.as_object_mut().unwrap().remove("max_tokens");
            }
            crate::answer(state, contract(), &config, &post(target, &params), now()).into_reply()
        };
        let first = ask("/v1/messages", "claude-opus-4-6");
        let told = |name: &str| first.headers.get(&format!("anthropic-ratelimit-{name}"));
        assert_eq!((told("requests-limit"), told("requests-remaining")), (Some("1"), Some("0")));
        assert_eq!(
            told("requests-reset"),
            Some(&*Now { unix_seconds: now().unix_seconds + 60 }.rfc3339())
        );
        assert_eq!(
            (told("input-tokens-remaining"), told("tokens-limit")),
            (Some("2000000"), Some("2000000"))
        );
        assert_eq!(ask("/v1/messages", "claude-opus-4-8").status, 429);
        assert_eq!(ask("/v1/messages", "claude-opus-5").status, 200);
        assert_eq!(ask("/v1/messages", "claude-opus-5-5").status, 200);
        assert_eq!(ask("/v1/messages/count_tokens", "claude-opus-5").status, 200);
        assert_eq!(ask("/v1/messages/count_tokens", "claude-opus-5").status, 429);
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let config = Config { limits: Some(Limits { rpm: Some(1), itpm: None }), ..config() };
        let state = &mut State::new();
        let mut broken = hello();
        broken["max_tokens"] = "many".into();
        for (params, status) in
            [(&broken, 400), (&broken, 400), (&hello(), 200), (&broken, 400), (&hello(), 429)]
        {
            let reply =
                crate::answer(state, contract(), &config, &post("/v1/messages", params), now());
            assert_eq!(reply.status, status);
        }
    }
}
