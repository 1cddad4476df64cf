//! Rules about how alike the attempts of one call are.

use super::truth::shown;
use super::{Call, Code, Finding, Trial};
use crate::handling::Attempt;

/// Every attempt asks for the same thing in the same words.
pub(super) fn attempts_are_equal(call: &Call<'_>) -> Vec<Finding> {
    let attempts = &call.handling.attempts;
    let mut findings = vec![];
    for (idx, pair) in attempts.windows(2).enumerate() {
        let (first, before, retry) = (&attempts[0], &pair[0], &pair[1]);
        if call.served[idx].redirects() {
            findings.extend(redirect_keeps_the_request(call, idx, before, retry));
        } else {
            findings.extend(same_request(&attempts[..=idx], retry));
        }
        if credential(first) != credential(retry) && call.served[idx].status() != Some(401) {
            findings.push(
                Code::CredentialChanged
                    .fail(format!("attempt {} carries another credential", retry.number)),
            );
        }
        findings.extend(same_call(first, before, retry));
    }
    findings
}

/// Two calls under one idempotency key are one call to the server, which answers the second with the first.
pub(super) fn idempotency_keys_differ(trial: &Trial<'_>) -> Vec<Finding> {
    let mut known: Vec<&str> = vec![];
    let mut findings = vec![];
    for (idx, call) in trial.calls.iter().enumerate() {
        let first = call.handling.attempts.first();
        let Some(key) = first.and_then(|first| first.request.headers.get("idempotency-key")) else {
            continue;
        };
        if let Some(earlier) = known.iter().position(|one| *one == key) {
            let (call, other) = (idx + 1, earlier + 1);
            let detail = format!("call {call} carries the idempotency key {key:?} of call {other}");
            findings.push(Code::IdempotencyKeyReused.fail(detail));
        }
        known.push(key);
    }
    findings
}

/// The place may be one that an earlier redirect led to.
fn same_request(earlier: &[Attempt], retry: &Attempt) -> Vec<Finding> {
    let (number, request) = (retry.number, &retry.request);
    let mut findings = vec![];
    let mut known = earlier.iter().map(|attempt| &attempt.request);
    if !known.any(|one| (&one.method, &one.target) == (&request.method, &request.target)) {
        let detail = format!("attempt {number}: {} {}", request.method, request.target);
        findings.push(Code::RequestChanged.fail(detail));
    }
    if !earlier.iter().any(|one| is_same_body(one, retry)) {
        let first_len = earlier[0].request.body.len();
        let detail =
            format!("attempt {number} sent {} bytes, the first {first_len}", request.body.len());
        findings.push(Code::BodyChanged.fail(detail));
    }
    findings
}

/// Of a body that was cut only the beginning can be compared.
fn is_same_body(one: &Attempt, other: &Attempt) -> bool {
    if !one.body_cut && !other.body_cut {
        return one.request.body == other.request.body;
    }
    let (one, other) = (one.request.body.to_bytes(), other.request.body.to_bytes());
    let n_common = one.len().min(other.len());
    one[..n_common] == other[..n_common]
}

/// 307 and 308 keep method and body. The older ones may turn into a GET, but its answer is not this call's.
fn redirect_keeps_the_request(
    call: &Call<'_>,
    idx: usize,
    before: &Attempt,
    after: &Attempt,
) -> Option<Finding> {
    let (one, other) = (&before.request, &after.request);
    if one.method == other.method && is_same_body(before, after) {
        return None;
    }
    let status = call.served[idx].status()?;
    let detail = format!("{status} turned {} into {}", one.method, other.method);
    if matches!(status, 307 | 308) {
        return Some(Code::RequestChanged.fail(detail));
    }
    call.succeeded()
        .then(|| Code::RequestChanged.fail(format!("{detail}, and its answer was taken")))
}

/// What a client says about its call besides the request, if it says it at all.
fn same_call(first: &Attempt, before: &Attempt, retry: &Attempt) -> Vec<Finding> {
    let header = |attempt: &Attempt, name| attempt.request.headers.get(name).map(str::to_owned);
    let count = |attempt| header(attempt, "x-stainless-retry-count")?.parse::<u64>().ok();
    let key = |attempt| header(attempt, "idempotency-key");
    let number = retry.number;
    let mut findings = vec![];
    if key(first) != key(retry) {
        let detail =
            format!("attempt {number}: {} instead of {}", shown(&key(retry)), shown(&key(first)));
        findings.push(Code::IdempotencyKeyChanged.fail(detail));
    }
    if let Some((earlier, later)) = count(before).zip(count(retry)).filter(|(one, two)| two < one) {
        let detail = format!("attempt {number} counts {later}, the one before {earlier}");
        findings.push(Code::RetryCountWrong.warn(detail));
    }
    findings
}

pub(super) fn credential(attempt: &Attempt) -> [Option<&str>; 2] {
    ["authorization", "x-api-key"].map(|name| attempt.request.headers.get(name))
}
