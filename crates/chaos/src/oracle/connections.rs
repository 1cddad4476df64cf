//! Rules about connections: who leaves them behind, and what crosses to another origin.

use super::{Code, Finding, Trial};
use crate::handling::{Attempt, CANARY_KEY, End};
use crate::served::Truth;

/// An attempt that was given up may keep its connection this long.
const ABANDONED_MS_MAX: u64 = 2_000;

/// Headers that carry a credential here or at a gateway.
const CREDENTIAL_HEADERS: [&str; 7] = [
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-gateway-key",
    "x-goog-api-key",
];

/// What is shorter turns up in any text by chance.
const CREDENTIAL_BYTES_MIN: usize = 8;

/// Whoever stops waiting for a reply lets its connection go. A reply that came to its end owes nothing: the
/// connection may rest in a pool.
pub(super) fn given_up_is_let_go(trial: &Trial<'_>) -> Vec<Finding> {
    let attempts = &trial.handling.attempts;
    let returned_ms = trial.handling.outcome.as_ref().map(|_| trial.handling.elapsed_ms);
    let judge = |(idx, attempt): (usize, &Attempt)| {
        let waits = matches!(attempt.end, End::Left | End::Unended)
            && trial.served[idx].truth == Truth::NoAnswer;
        let given_up_ms = attempts.get(idx + 1).map(|next| next.head_ms).or(returned_ms)?;
        let bound_ms = given_up_ms.saturating_add(ABANDONED_MS_MAX);
        let detail = format!(
            "connection {} stayed open for {} ms after attempt {} was given up",
            attempt.connection,
            attempt.end_ms.saturating_sub(given_up_ms),
            attempt.number
        );
        let late = waits && bound_ms < attempt.end_ms;
        late.then(|| Code::AbandonedConnection.fail(detail).by(attempt.end_ms - bound_ms))
    };
    attempts.iter().enumerate().filter_map(judge).collect()
}

pub(super) fn replies_are_awaited(trial: &Trial<'_>) -> Vec<Finding> {
    let number = trial.handling.pipelined.iter();
    number
        .map(|number| {
            Code::Pipelined
                .fail(format!("attempt {number} began before the reply to the last was over"))
        })
        .collect()
}

/// Another port is another origin. The credential is searched for by its value, in everything that crossed.
pub(super) fn credentials_stay_at_home(trial: &Trial<'_>) -> Vec<Finding> {
    let secrets = secrets(&trial.handling.attempts);
    let mut findings = vec![];
    for Attempt { number, request, .. } in &trial.handling.abroad {
        let body = request.body.to_bytes();
        let carries = |secret: &str| {
            let header = request.headers.iter().find(|(_, value)| value.contains(secret));
            let in_body = || body.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
            match header {
                Some((name, _)) => Some(format!("in `{name}`")),
                None if request.target.contains(secret) => Some("in the URL".to_owned()),
                None => in_body().then(|| "in the body".to_owned()),
            }
        };
        if let Some(place) = secrets.iter().find_map(|secret| carries(secret)) {
            findings.push(
                Code::CredentialLeak
                    .fail(format!("request {number} at the second origin: {place}")),
            );
        }
        if !body.is_empty() {
            findings.push(
                Code::BodyAbroad.warn(format!("{} bytes reached the second origin", body.len())),
            );
        }
    }
    findings
}

fn secrets(attempts: &[Attempt]) -> Vec<String> {
    let sent = attempts.iter().flat_map(|attempt| attempt.request.headers.iter());
    let mut secrets = vec![CANARY_KEY.to_owned()];
    for (name, value) in sent {
        let value = value.rsplit(' ').next().unwrap_or_default();
        let is_credential = CREDENTIAL_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
        if is_credential
            && CREDENTIAL_BYTES_MIN <= value.len()
            && !secrets.iter().any(|known| known == value)
        {
            secrets.push(value.to_owned());
        }
    }
    secrets
}
