//! From a driver's facts to an outcome: the class is derived here, so that every client is measured alike.
//!
//! A status or a type of the API's is certain. All else rests on names that errors bear in many languages, looked
//! up in [`WORDS`]: a new client may need a new word there, and what no word fits counts as an answer that the
//! client could not read.

use chaos::{Call, Outcome, OutcomeClass, Surface, Told};

use super::protocol::{Ending, ErrorFacts, Report};
use crate::trial::Unseen;

/// Words in the names of errors, lower case, in the order in which they decide. A limit that ran out often comes
/// wrapped in a broken connection, and a header that cannot be sent in a broken protocol.
const WORDS: [(OutcomeClass, &[&str]); 6] = [
    (OutcomeClass::Aborted, &["useraborterror", "cancellederror"]),
    (OutcomeClass::Timeout, &["timeout", "timedout", "timed out", "deadline"]),
    (
        OutcomeClass::LocalError,
        &[
            "invalid header",
            "illegal header",
            "invalidheader",
            "invalidurl",
            "localprotocolerror",
            "unicodeencodeerror",
            "could not resolve authentication",
        ],
    ),
    (
        OutcomeClass::Incomplete,
        &[
            "before message_stop",
            "ended before",
            "ended early",
            "ended prematurely",
            "ended without",
            "incompletestream",
        ],
    ),
    (
        OutcomeClass::ProtocolError,
        &["decod", "json", "parse", "syntaxerror", "unicode", "validation"],
    ),
    (
        OutcomeClass::TransportError,
        &[
            "broken pipe",
            "certificate",
            "connect",
            "eai_again",
            "econn",
            "enotfound",
            "epipe",
            "fetch failed",
            "incompleteread",
            "networkerror",
            "other side closed",
            "premature close",
            "protocolerror",
            "readerror",
            "socket",
            "terminated",
            "transport",
            "und_err",
            "writeerror",
        ],
    ),
];

/// A refused request comes with one of these; what lies below says nothing about an error.
const STATUS_OF_REFUSAL_MIN: u16 = 300;

/// What the driver tells of all that it was asked for, or why it tells nothing.
pub(super) fn told(mut report: Report, call: &Call) -> Result<Told, Unseen> {
    let n_calls = call.asks.n_calls() as usize;
    let n_turns = n_calls + usize::from(call.asks.follow_up.is_some());
    let reports = match report.calls.take() {
        Some(reports) => reports,
        None => vec![report],
    };
    let outcomes = reports.into_iter().map(|report| outcome(report, call.surface));
    let outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
    // There is no second turn on top of a failure.
    if !(n_calls..=n_turns).contains(&outcomes.len()) {
        let n_told = outcomes.len();
        return Err(Unseen::Trouble(format!(
            "the driver tells of {n_told} calls out of {n_turns}"
        )));
    }
    Ok(Told { outcomes, waits_ms: None })
}

/// The outcome of one call on that surface, or why there is none.
fn outcome(report: Report, surface: Surface) -> Result<Outcome, Unseen> {
    let error = report.error.unwrap_or_default();
    let class = match report.outcome {
        Ending::Skipped | Ending::Unsupported => {
            let reason = report.message.unwrap_or_else(|| "the driver gives no reason".to_owned());
            let url = report.issue_url.map(|url| format!(" ({url})")).unwrap_or_default();
            return Err(Unseen::Skipped(format!("{reason}{url}")));
        }
        Ending::Aborted => OutcomeClass::Aborted,
        Ending::Error => class(&error),
        // Bare iteration just ends; that it ended too soon is for its caller to see, who can.
        Ending::Success
            if surface == Surface::Raw
                && report.last_event.is_some_and(|event| event != "message_stop") =>
        {
            OutcomeClass::Incomplete
        }
        Ending::Success => OutcomeClass::Success,
    };
    Ok(Outcome {
        class,
        status: error.status,
        error_type: error.kind,
        error_code: error.code,
        request_id: error.request_id.or(report.request_id),
        message: described(&error.message, &error.chain),
        text: report.text,
        retry_after: error.retry_after,
        // A call that was called off may end as the caller's own signal does.
        own_error: error.sdk_error.filter(|_| class != OutcomeClass::Aborted),
        stop_reason: report.stop_reason,
        tool_calls: report.tool_calls,
    })
}

fn class(error: &ErrorFacts) -> OutcomeClass {
    let refused = error.status.is_some_and(|status| STATUS_OF_REFUSAL_MIN <= status);
    if refused || error.kind.is_some() {
        return OutcomeClass::ApiError;
    }
    let names = error.chain.iter().map(|link| link.split(':').next().unwrap_or_default());
    let names: Vec<_> = [error.class.as_str()].into_iter().chain(names).collect();
    // A name is chosen by its author, a message may quote anything: names first.
    by_words(&names.join("\n"))
        .or_else(|| by_words(&format!("{}\n{}", error.message, error.chain.join("\n"))))
        .unwrap_or(OutcomeClass::ProtocolError)
}

fn by_words(text: &str) -> Option<OutcomeClass> {
    let text = text.to_lowercase();
    let fits = |words: &[&str]| words.iter().any(|word| text.contains(word));
    WORDS.into_iter().find(|(_, words)| fits(words)).map(|(class, _)| class)
}

/// The message, and the causes that it does not mention.
fn described(message: &str, chain: &[String]) -> String {
    let unsaid = chain.iter().filter(|link| !link.contains(message) || message.is_empty());
    let parts = [message].into_iter().chain(unsaid.map(String::as_str));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(error: &Value, expected: OutcomeClass) {
        let report = json!({ "outcome": "error", "error": error, "whatever": 1 });
        let report = serde_json::from_value(report).unwrap();
        let outcome = outcome(report, Surface::Create).unwrap();
        assert_eq!(outcome.class, expected, "{}", outcome.message);
    }

    #[test]
    fn what_the_api_said_is_certain() {
        check(&json!({ "status": 529, "message": "timeout" }), OutcomeClass::ApiError);
        let in_stream = json!({ "status": 200, "type": "overloaded_error", "sdk_error": true });
        check(&in_stream, OutcomeClass::ApiError);
        let unreadable = json!({ "status": 200, "class": "APIResponseValidationError" });
        check(&unreadable, OutcomeClass::ProtocolError);
    }

    #[test]
    fn errors_are_known_by_their_names() {
        let named = |chain: &[&str]| json!({ "class": "Error", "chain": chain });
        for (chain, expected) in [
            (&["APIConnectionTimeoutError"][..], OutcomeClass::Timeout),
            (&["APIConnectionError: Connection error.", "ReadTimeout"], OutcomeClass::Timeout),
            (&["APIConnectionError: x", "ReadError"], OutcomeClass::TransportError),
            (&["RemoteProtocolError: incomplete chunked read"], OutcomeClass::TransportError),
            (&["APIConnectionError", "LocalProtocolError: Illegal"], OutcomeClass::LocalError),
            (
                &["TypeError: terminated", "SocketError UND_ERR_SOCKET"],
                OutcomeClass::TransportError,
            ),
            (&["AnthropicError: stream ended without producing"], OutcomeClass::Incomplete),
            (&["JSONDecodeError: connect"], OutcomeClass::ProtocolError),
            (&["APIUserAbortError"], OutcomeClass::Aborted),
            (&["AssertionError"], OutcomeClass::ProtocolError),
        ] {
            check(&named(chain), expected);
        }
    }

    #[test]
    fn a_bare_stream_without_its_end_is_incomplete() {
        let class = |last: Value, surface| {
            let report = json!({ "outcome": "success", "last_event": last });
            outcome(serde_json::from_value(report).unwrap(), surface).unwrap().class
        };
        assert_eq!(class(json!("content_block_delta"), Surface::Raw), OutcomeClass::Incomplete);
        assert_eq!(class(json!("message_stop"), Surface::Raw), OutcomeClass::Success);
        assert_eq!(class(json!(null), Surface::Raw), OutcomeClass::Success);
        assert_eq!(class(json!("content_block_delta"), Surface::Stream), OutcomeClass::Success);
    }

    #[test]
    fn a_skipped_run_says_why() {
        let report = json!({ "outcome": "skipped", "message": "no", "issue_url": "a/b#1" });
        let unseen = outcome(serde_json::from_value(report).unwrap(), Surface::Raw).unwrap_err();
        assert_eq!(unseen, Unseen::Skipped("no (a/b#1)".to_owned()));
    }
}
