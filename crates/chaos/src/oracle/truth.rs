//! Rules about what the client reports, held against what it was given.

use std::fmt::Debug;

use memchr::memmem;

use super::connections::secrets;
use super::demand::Demand;
use super::{Call, Code, Finding, Trial};
use crate::handling::{Outcome, OutcomeClass};
use crate::scenario::Surface;
use crate::served::{Served, Truth};

/// The key is in the credential header and nowhere else. A client that repeats the server's own words cannot
/// know that there is a key in them.
pub(super) fn key_stays_hidden(trial: &Trial<'_>) -> Vec<Finding> {
    let handling = trial.handling;
    let secrets = secrets(&handling.attempts);
    let is_in = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    let mut findings = vec![];
    if handling.attempts.iter().any(|attempt| is_in(&attempt.request.target)) {
        findings.push(Code::KeyLeak.fail("the key stands in the URL"));
    }
    let said =
        |outcome: &Outcome| is_in(&outcome.message) || outcome.text.iter().any(|text| is_in(text));
    let places = handling.leaks.iter().cloned();
    let words = handling.earlier.iter().chain(&handling.outcome).any(said);
    let words = words.then(|| "what the client reports".to_owned());
    let echoed = handling.attempts.iter().any(|attempt| {
        secrets.iter().any(|secret| memmem::find(&attempt.served, secret.as_bytes()).is_some())
    });
    for place in words.into_iter().chain(places) {
        findings.push(if echoed {
            Code::KeyLeak.info(format!("the key that the server repeated stands in {place}"))
        } else {
            Code::KeyLeak.fail(format!("the key stands in {place}"))
        });
    }
    findings
}

/// A success is the answer to its own call: another call's nonce in it was somebody else's.
pub(super) fn answer_is_its_own(trial: &Trial<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    for (idx, call) in trial.calls.iter().enumerate() {
        if let Some(nonce) = foreign_nonce(trial, call) {
            let detail = format!("call {} was given the answer with {nonce:?}", idx + 1);
            findings.push(Code::ForeignAnswer.fail(detail));
        }
    }
    findings
}

fn foreign_nonce<'a>(trial: &'a Trial<'_>, call: &Call<'_>) -> Option<&'a str> {
    let outcome = call.handling.outcome.as_ref().filter(|_| call.succeeded())?;
    let text = outcome.text.as_deref()?;
    let all =
        trial.handling.nonces.iter().map(String::as_str).chain(trial.strangers.iter().copied());
    all.filter(|nonce| Some(*nonce) != call.nonce).find(|nonce| text.contains(nonce))
}

/// Success is reported where the last attempt was given a complete answer, and nowhere else.
pub(super) fn answer_is_reported_as_it_was(call: &Call<'_>) -> Vec<Finding> {
    let Some((outcome, last)) = call.handling.outcome.as_ref().zip(call.last()) else {
        return vec![];
    };
    match (&last.truth, outcome.class) {
        (Truth::Complete, OutcomeClass::Success) => text_is_whole(call, last, outcome),
        (Truth::Complete, OutcomeClass::Aborted) if asks_to_stop(call) => vec![],
        (Truth::Complete, class) => {
            let detail = format!("{class} although the answer was complete{}", words(outcome));
            vec![Code::ErrorDespiteAnswer.warn(detail)]
        }
        (Truth::Doubtful, OutcomeClass::Success) => {
            let known = outcome.text.as_deref().zip(expected_text(call));
            known.and_then(|(text, expected)| text_differs(text, &expected)).into_iter().collect()
        }
        (Truth::Error { .. } | Truth::NoAnswer, OutcomeClass::Success) => {
            let detail = format!("success, but the last attempt was given `{}`", last.class);
            let exposed = call.surface == Surface::Raw
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

/// Whether the caller was to stop before the end.
fn asks_to_stop(call: &Call<'_>) -> bool {
    let ask = &call.scenario.ask;
    let abandons = ask.abandon_after_events.is_some();
    abandons || ask.abort_after_events.is_some() || ask.abort_after_ms.is_some()
}

fn text_is_whole(call: &Call<'_>, last: &Served, outcome: &Outcome) -> Vec<Finding> {
    let Some(text) = outcome.text.as_deref() else { return vec![] };
    let given = || Some(last.text.clone()).filter(|given| !given.is_empty());
    let expected = expected_text(call).or_else(given);
    expected.and_then(|expected| text_differs(text, &expected)).into_iter().collect()
}

/// Stands in scripts, and in the text that a scenario expects, for the nonce of the call.
const NONCE: &str = "nonce-00000000";

/// The text that the scenario says the last call ends with.
fn expected_text(call: &Call<'_>) -> Option<String> {
    let text = call.scenario.expect.text.as_deref().filter(|_| call.is_last)?;
    Some(call.nonce.map_or_else(|| text.to_owned(), |nonce| text.replace(NONCE, nonce)))
}

/// What was handed on before an error is the beginning of what one attempt was given.
pub(super) fn partial_text_was_sent(call: &Call<'_>) -> Vec<Finding> {
    let failed = |outcome: &&Outcome| outcome.class != OutcomeClass::Success;
    let Some(outcome) = call.handling.outcome.as_ref().filter(failed) else { return vec![] };
    let text = outcome.text.as_deref().unwrap_or_default();
    let may_be_sent = |served: &Served| served.is_excerpt || served.text.starts_with(text);
    if text.is_empty() || call.served.iter().any(may_be_sent) {
        return vec![];
    }
    let given = call.last().map(|last| last.text.as_str()).unwrap_or_default();
    // A reader that is told of bad bytes by a character in their place has lost nothing else.
    let readable = !text.contains(char::REPLACEMENT_CHARACTER);
    let difference = text_differs(text, given).filter(|found| found.code != Code::LostText);
    difference.filter(|_| readable).into_iter().collect()
}

/// What could not be judged, because the client does not tell of it.
pub(super) fn unjudged(trial: &Trial<'_>) -> Option<String> {
    let untold = |is_untold: fn(&Outcome, &Served) -> bool| {
        trial.calls.iter().filter(|call| call.succeeded()).any(|call| {
            let both = call.handling.outcome.as_ref().zip(call.last());
            both.is_some_and(|(outcome, last)| is_untold(outcome, last))
        })
    };
    let text = untold(|outcome, last| outcome.text.is_none() && !last.text.is_empty());
    let tools = untold(|outcome, last| outcome.tool_calls.is_none() && !last.tools.is_empty());
    let waits = trial.calls.iter().any(|call| !call.waits_are_told);
    let all = [(text, "the text"), (tools, "the tool calls"), (waits, "the waits of each call")];
    let what: Vec<_> = all.into_iter().filter(|(is_untold, _)| *is_untold).collect();
    let what: Vec<_> = what.into_iter().map(|(_, what)| what).collect();
    (!what.is_empty())
        .then(|| format!("not judged, since the client does not tell: {}", what.join(", ")))
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

/// What the client said of an error, in one line, if it said anything.
pub(super) fn words(outcome: &Outcome) -> String {
    let words: Vec<_> = outcome.message.split_whitespace().collect();
    if words.is_empty() { String::new() } else { format!(": {}", excerpt(&words.join(" "))) }
}

/// A value that may be missing, as people read it.
pub(super) fn shown<T: Debug>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

pub(super) fn excerpt(text: &str) -> String {
    let mut excerpt: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

/// An error that the API sent arrives as one, with its status, type and request id.
pub(super) fn error_keeps_what_the_api_said(call: &Call<'_>) -> Vec<Finding> {
    let Some((outcome, last)) = call.handling.outcome.as_ref().zip(call.last()) else {
        return vec![];
    };
    let Truth::Error { status, error_type, request_id } = &last.truth else { return vec![] };
    // A success is another rule's business, a black box has no words for its error, and whoever called it off does
    // not ask for any.
    if matches!(outcome.class, OutcomeClass::Aborted | OutcomeClass::Failed | OutcomeClass::Success)
    {
        return vec![];
    }
    // Nobody knows what another success with an error in it means, nor an error that has no type.
    let is_unreadable = (201..300).contains(status) || *status == 200 && error_type.is_none();
    if is_unreadable && outcome.class != OutcomeClass::ApiError {
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
            Code::UntypedError
                .fail(format!("status {} instead of {status}", shown(&outcome.status))),
        );
    }
    if error_type.is_some() && outcome.error_type != *error_type {
        let detail =
            format!("type {} instead of {}", shown(&outcome.error_type), shown(error_type));
        findings.push(Code::UntypedError.fail(detail));
    }
    if request_id.is_some() && outcome.request_id != *request_id {
        let detail =
            format!("request id {} instead of {}", shown(&outcome.request_id), shown(request_id));
        findings.push(Code::UntypedError.warn(detail));
    }
    findings
}

/// Whoever catches the errors that a client documents catches this one, too.
pub(super) fn error_is_the_clients_own(call: &Call<'_>) -> Vec<Finding> {
    let stranger = |outcome: &&Outcome| outcome.own_error == Some(false);
    let Some(outcome) = call.handling.outcome.as_ref().filter(stranger) else { return vec![] };
    let detail = format!("an error that is none of the client's own{}", words(outcome));
    let demanded = call.scenario.expect.own_error;
    vec![if demanded { Code::UntypedError.fail(detail) } else { Code::UntypedError.warn(detail) }]
}

/// A wait that a client does not keep itself is the caller's to keep.
pub(super) fn demand_is_passed_on(call: &Call<'_>) -> Vec<Finding> {
    let Some((outcome, last)) = call.handling.outcome.as_ref().zip(call.last()) else {
        return vec![];
    };
    let kept_back = outcome.class == OutcomeClass::ApiError && outcome.retry_after.is_none();
    if last.demand() == Demand::None || !kept_back {
        return vec![];
    }
    let header =
        last.header("retry-after-ms").or_else(|| last.header("retry-after")).unwrap_or_default();
    vec![Code::LostRetryAfter.info(format!("the error says nothing of the demand of {header:?}"))]
}
