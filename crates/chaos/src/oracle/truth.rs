//! Rules about what the client reports, held against what it was given.

use super::{Code, Finding, Trial};
use crate::handling::{CANARY_KEY, OutcomeClass};
use crate::served::Truth;

/// The key is in the credential header and nowhere else.
pub(super) fn key_stays_hidden(trial: &Trial<'_>) -> Vec<Finding> {
    let in_target =
        trial.handling.attempts.iter().any(|attempt| attempt.request.target.contains(CANARY_KEY));
    let in_words =
        trial.handling.outcome.iter().any(|outcome| {
            outcome.message.contains(CANARY_KEY) || outcome.text.contains(CANARY_KEY)
        });
    [
        (in_target, "the key stands in the URL"),
        (in_words, "the key stands in what the client reports"),
    ]
    .into_iter()
    .filter(|(found, _)| *found)
    .map(|(_, detail)| Code::KeyLeak.fail(detail))
    .collect()
}

/// Success is reported where the last attempt was given a complete answer, and nowhere else.
pub(super) fn answer_is_reported_as_it_was(trial: &Trial<'_>) -> Vec<Finding> {
    let Some((outcome, last)) = trial.handling.outcome.as_ref().zip(trial.last()) else {
        return vec![];
    };
    let succeeded = outcome.class == OutcomeClass::Success;
    match &last.truth {
        Truth::Complete if succeeded => text_is_whole(trial, &outcome.text),
        Truth::Complete => {
            let detail =
                format!("{} although the answer was complete: {}", outcome.class, outcome.message);
            vec![Code::ErrorDespiteAnswer.warn(detail)]
        }
        Truth::Error { .. } | Truth::NoAnswer if succeeded => {
            vec![
                Code::FalseOk
                    .fail(format!("success, but the last attempt was given `{}`", last.class)),
            ]
        }
        Truth::Error { .. } | Truth::NoAnswer => vec![],
    }
}

fn text_is_whole(trial: &Trial<'_>, text: &str) -> Vec<Finding> {
    let Some(expected) = trial.scenario.expect.text.as_deref().filter(|expected| *expected != text)
    else {
        return vec![];
    };
    let code = if expected.starts_with(text) {
        Code::LostText
    } else if text.contains(expected) {
        Code::DuplicatedText
    } else {
        Code::CorruptText
    };
    vec![code.fail(format!("{text:?} instead of {expected:?}"))]
}

/// An error that the API sent arrives as one, with its status, type and request id.
pub(super) fn error_keeps_what_the_api_said(trial: &Trial<'_>) -> Vec<Finding> {
    let Some((outcome, last)) = trial.handling.outcome.as_ref().zip(trial.last()) else {
        return vec![];
    };
    let Truth::Error { status, error_type, request_id } = &last.truth else { return vec![] };
    if outcome.class == OutcomeClass::Success {
        return vec![];
    }
    if outcome.class != OutcomeClass::ApiError {
        return vec![
            Code::UntypedError.fail(format!("{} instead of the API's own {status}", outcome.class)),
        ];
    }
    let mut findings = vec![];
    // Inside a stream the status line had said 200: what a client makes of that is its own affair.
    if 400 <= *status && outcome.status != Some(*status) {
        findings.push(
            Code::UntypedError.fail(format!("status {:?} instead of {status}", outcome.status)),
        );
    }
    if error_type.is_some() && outcome.error_type != *error_type {
        let detail = format!("type {:?} instead of {error_type:?}", outcome.error_type);
        findings.push(Code::UntypedError.fail(detail));
    }
    if request_id.is_some() && outcome.request_id != *request_id {
        let detail = format!("request id {:?} instead of {request_id:?}", outcome.request_id);
        findings.push(Code::UntypedError.warn(detail));
    }
    findings
}

/// The call ends by the deadline, one way or the other.
pub(super) fn call_ends(trial: &Trial<'_>) -> Vec<Finding> {
    if trial.handling.outcome.is_some() {
        return vec![];
    }
    let place = match trial.handling.attempts.last() {
        None => "before any request",
        Some(attempt) if attempt.end_ms < trial.handling.elapsed_ms && trial.last_is_over() => {
            "between attempts"
        }
        Some(_) => "within an attempt",
    };
    vec![Code::Hang.fail(format!("no outcome after {} ms, {place}", trial.handling.elapsed_ms))]
}

impl Trial<'_> {
    fn last_is_over(&self) -> bool {
        self.handling
            .attempts
            .last()
            .is_none_or(|attempt| attempt.end != crate::handling::End::Unended)
    }
}
