//! Rules about how alike the attempts of one call are.

use super::{Code, Finding, Trial};
use crate::handling::{Attempt, OutcomeClass};

/// Every attempt asks for the same thing in the same words.
pub(super) fn attempts_are_equal(trial: &Trial<'_>) -> Vec<Finding> {
    let attempts = &trial.handling.attempts;
    let mut findings = vec![];
    for (idx, pair) in attempts.windows(2).enumerate() {
        let (first, before, retry) = (&attempts[0], &pair[0], &pair[1]);
        if trial.served[idx].redirects() {
            findings.extend(redirect_keeps_the_request(trial, idx, before, retry));
        } else {
            findings.extend(same_request(&attempts[..=idx], retry));
        }
        if credential(first) != credential(retry) && trial.served[idx].status() != Some(401) {
            findings.push(
                Code::CredentialChanged
                    .fail(format!("attempt {} carries another credential", retry.number)),
            );
        }
        findings.extend(same_call(first, before, retry));
    }
    findings
}

/// The place may be one that an earlier redirect led to.
fn same_request(earlier: &[Attempt], retry: &Attempt) -> Vec<Finding> {
    let (number, request) = (retry.number, &retry.request);
    let mut findings = vec![];
    let known = earlier.iter().map(|attempt| &attempt.request);
    if !known.clone().any(|one| (&one.method, &one.target) == (&request.method, &request.target)) {
        let detail = format!("attempt {number}: {} {}", request.method, request.target);
        findings.push(Code::RequestChanged.fail(detail));
    }
    if !known.clone().any(|one| one.body == request.body) {
        let first_len = earlier[0].request.body.len();
        let detail =
            format!("attempt {number} sent {} bytes, the first {first_len}", request.body.len());
        findings.push(Code::BodyChanged.fail(detail));
    }
    findings
}

/// 307 and 308 keep method and body. The older ones may turn into a GET, but its answer is not this call's.
fn redirect_keeps_the_request(
    trial: &Trial<'_>,
    idx: usize,
    before: &Attempt,
    after: &Attempt,
) -> Option<Finding> {
    let (one, other) = (&before.request, &after.request);
    if one.method == other.method && one.body == other.body {
        return None;
    }
    let status = trial.served[idx].status()?;
    let detail = format!("{status} turned {} into {}", one.method, other.method);
    if matches!(status, 307 | 308) {
        return Some(Code::RequestChanged.fail(detail));
    }
    let succeeded =
        trial.handling.outcome.iter().any(|outcome| outcome.class == OutcomeClass::Success);
    succeeded.then(|| Code::RequestChanged.fail(format!("{detail}, and its answer was taken")))
}

/// What a client says about its call besides the request, if it says it at all.
fn same_call(first: &Attempt, before: &Attempt, retry: &Attempt) -> Vec<Finding> {
    let header = |attempt: &Attempt, name| attempt.request.headers.get(name).map(str::to_owned);
    let count = |attempt| header(attempt, "x-stainless-retry-count")?.parse::<u64>().ok();
    let key = |attempt| header(attempt, "idempotency-key");
    let number = retry.number;
    let mut findings = vec![];
    if key(first) != key(retry) {
        let detail = format!("attempt {number}: {:?} instead of {:?}", key(retry), key(first));
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
