//! Rules about what the client reports, held against what it was given.

use super::{Code, Finding, Trial};
use crate::handling::{CANARY_KEY, Outcome, OutcomeClass};
use crate::scenario::Surface;
use crate::served::{Served, Truth};

/// The key is in the credential header and nowhere else.
pub(super) fn key_stays_hidden(trial: &Trial<'_>) -> Vec<Finding> {
    let in_target =
        trial.handling.attempts.iter().any(|attempt| attempt.request.target.contains(CANARY_KEY));
    let in_words = trial.handling.outcome.iter().any(|outcome| {
        outcome.message.contains(CANARY_KEY)
            || outcome.text.iter().any(|text| text.contains(CANARY_KEY))
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
    match (&last.truth, outcome.class) {
        (Truth::Complete, OutcomeClass::Success) => text_is_whole(trial, last, outcome),
        (Truth::Complete, class) => {
            let detail = format!("{class} although the answer was complete: {}", outcome.message);
            vec![Code::ErrorDespiteAnswer.warn(detail)]
        }
        (Truth::Doubtful, OutcomeClass::Success) => {
            let known = outcome.text.as_deref().zip(trial.scenario.expect.text.as_deref());
            known.and_then(|(text, expected)| text_differs(text, expected)).into_iter().collect()
        }
        (Truth::Error { .. } | Truth::NoAnswer, OutcomeClass::Success) => {
            let detail = format!("success, but the last attempt was given `{}`", last.class);
            let exposed = trial.surface == Surface::Raw
                && last.truth == Truth::NoAnswer
                && last.delta_delivered
                && outcome.stop_reason.is_none();
            // Whoever iterates over bare events can see that the last one is missing.
            let found =
                if exposed { Code::FalseOk.warn(detail) } else { Code::FalseOk.fail(detail) };
            vec![found]
        }
        (Truth::Doubtful | Truth::Error { .. } | Truth::NoAnswer, _) => vec![],
    }
}

fn text_is_whole(trial: &Trial<'_>, last: &Served, outcome: &Outcome) -> Vec<Finding> {
    let Some(text) = outcome.text.as_deref() else { return vec![] };
    let given = Some(last.text.as_str()).filter(|given| !given.is_empty());
    let expected = trial.scenario.expect.text.as_deref().or(given);
    expected.and_then(|expected| text_differs(text, expected)).into_iter().collect()
}

/// What was handed on before an error is the beginning of what one attempt was given.
pub(super) fn partial_text_was_sent(trial: &Trial<'_>) -> Vec<Finding> {
    let failed = |outcome: &&Outcome| outcome.class != OutcomeClass::Success;
    let Some(outcome) = trial.handling.outcome.as_ref().filter(failed) else { return vec![] };
    let text = outcome.text.as_deref().unwrap_or_default();
    if text.is_empty() || trial.served.iter().any(|served| served.text.starts_with(text)) {
        return vec![];
    }
    let given = trial.last().map(|last| last.text.as_str()).unwrap_or_default();
    // A reader that is told of bad bytes by a character in their place has lost nothing else.
    let readable = !text.contains(char::REPLACEMENT_CHARACTER);
    let difference = text_differs(text, given).filter(|found| found.code != Code::LostText);
    difference.filter(|_| readable).into_iter().collect()
}

/// What is wrong with the text, if it is not the one that was sent.
fn text_differs(text: &str, expected: &str) -> Option<Finding> {
    if text == expected {
        return None;
    }
    let code = if is_left_of(text, expected) {
        Code::LostText
    } else if is_repeated(text, expected) {
        Code::DuplicatedText
    } else {
        Code::CorruptText
    };
    Some(code.fail(format!("{:?} instead of {:?}", excerpt(text), excerpt(expected))))
}

/// Whether one is what is left of the other when pieces are taken out.
fn is_left_of(text: &str, whole: &str) -> bool {
    let mut whole = whole.chars();
    text.chars().all(|wanted| whole.any(|found| found == wanted))
}

/// Whether the text is all of the expected one with a piece of it told again.
fn is_repeated(text: &str, expected: &str) -> bool {
    if text.contains(expected) {
        return expected.contains(&text.replace(expected, ""));
    }
    let same = |(one, other): &(u8, u8)| one == other;
    let (bytes, whole) = (text.as_bytes(), expected.as_bytes());
    let prefix = bytes.iter().copied().zip(whole.iter().copied()).take_while(same).count();
    let most = whole.len().saturating_sub(prefix);
    let suffix = bytes.iter().rev().copied().zip(whole.iter().rev().copied());
    let suffix = suffix.take_while(same).take(most).count();
    // A suffix may overlap the prefix, where the piece ends as what stands before it does.
    let piece = bytes.get(prefix..bytes.len().saturating_sub(suffix)).unwrap_or_default();
    whole.len() <= prefix + suffix
        && whole.len() < bytes.len()
        && expected.contains(&*String::from_utf8_lossy(piece))
}

/// As much of a text as a line of a report takes.
const EXCERPT_CHARS_MAX: usize = 200;

fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

/// An error that the API sent arrives as one, with its status, type and request id.
pub(super) fn error_keeps_what_the_api_said(trial: &Trial<'_>) -> Vec<Finding> {
    let Some((outcome, last)) = trial.handling.outcome.as_ref().zip(trial.last()) else {
        return vec![];
    };
    let Truth::Error { status, error_type, request_id } = &last.truth else { return vec![] };
    // A success is another rule's business, and a black box has no words for its error.
    if matches!(outcome.class, OutcomeClass::Failed | OutcomeClass::Success) {
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
