//! Rules about connections: who leaves them behind, and what crosses to another origin.

use memchr::memmem;

use super::retries::STORM;
use super::{Call, Code, Finding, Trial};
use crate::handling::{Attempt, CANARY_KEY, End};
use crate::scenario::Tls;
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
/// connection may rest in a pool. Whoever was asked to walk away and to close nothing cannot.
pub(super) fn given_up_is_let_go(call: &Call<'_>) -> Vec<Finding> {
    let attempts = &call.handling.attempts;
    let returned_ms = call.handling.outcome.as_ref().map(|_| call.handling.elapsed_ms);
    let walks_away = call.scenario.ask.abandon_after_events.is_some();
    let judge = |(idx, attempt): (usize, &Attempt)| {
        let waits = matches!(attempt.end, End::Left | End::Unended)
            && call.served[idx].truth == Truth::NoAnswer;
        let given_up_ms = attempts.get(idx + 1).map(|next| next.head_ms).or(returned_ms)?;
        let bound_ms = given_up_ms.saturating_add(ABANDONED_MS_MAX);
        if !waits || attempt.end_ms <= bound_ms {
            return None;
        }
        let detail = format!(
            "connection {} stayed open for {} ms after attempt {} was given up, {ABANDONED_MS_MAX} ms are enough",
            attempt.connection,
            attempt.end_ms.saturating_sub(given_up_ms),
            attempt.number
        );
        let code = Code::AbandonedConnection;
        let found = if walks_away { code.info(detail) } else { code.fail(detail) };
        Some(found.by(attempt.end_ms - bound_ms))
    };
    attempts.iter().enumerate().filter_map(judge).collect()
}

/// The scenario says how many connections are enough. Where none of them carried a request, each was an attempt.
pub(super) fn connections_are_few(trial: &Trial<'_>) -> Vec<Finding> {
    let Some(span) = trial.scenario.expect.connections else { return vec![] };
    let attempts = &trial.handling.attempts;
    let most = attempts.iter().map(|attempt| attempt.connection).max();
    let n_connections = most.unwrap_or_default().max(trial.handling.connections);
    if span.last.is_none_or(|last| n_connections <= last) {
        return vec![];
    }
    let detail = format!("{n_connections} connections instead of {span}");
    vec![if attempts.is_empty() && STORM < n_connections {
        Code::RetryStorm.fail(detail)
    } else {
        Code::TooManyConnections.warn(detail)
    }]
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

/// Whoever speaks to a server that cannot prove its name gives the credential to a stranger. Another port is
/// another origin, too. The credential is searched for by its value, in everything that crossed.
pub(super) fn credentials_stay_at_home(trial: &Trial<'_>) -> Vec<Finding> {
    let secrets = secrets(&trial.handling.attempts);
    let mut findings = vec![];
    let is_stranger = matches!(trial.scenario.connect.tls, Some(Tls::Untrusted | Tls::WrongName));
    if let Some(first) = trial.handling.attempts.first().filter(|_| is_stranger) {
        let detail =
            format!("request {} went to a server that could not prove its name", first.number);
        findings.push(Code::CredentialLeak.fail(detail));
    }
    for Attempt { number, request, .. } in &trial.handling.abroad {
        let body = request.body.to_bytes();
        let carries = |secret: &str| {
            let header = request.headers.iter().find(|(_, value)| value.contains(secret));
            let in_body = || memmem::find(&body, secret.as_bytes()).is_some();
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

/// The credentials that these requests carry, and the one that every subject is given.
pub(crate) fn secrets<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> Vec<String> {
    let sent = attempts.into_iter().flat_map(|attempt| attempt.request.headers.iter());
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
