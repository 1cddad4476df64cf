//! What a client is found to do wrong, and what its author changes: a remedy for every finding code.
//!
//! What is wrong stands beside the oracle, which owns the codes; what to do about it is advice for people and stands
//! here. A code without advice does not compile.

use std::collections::{BTreeMap, BTreeSet};

use chaos::oracle::Code;

use super::entry::{Entry, Kind};
use crate::chaos::card::harm;
use crate::console::count;
use crate::specs::Specs;

/// The entry of a finding code.
pub(super) fn finding(specs: &Specs, found: Code) -> Entry {
    let mut entry = Entry::new(Kind::Finding, found.name(), found.sentence());
    let severity = found.severity();
    entry.fact("severity", format!("{severity:?}: {}", harm(severity)));
    if found.is_about_time() {
        entry.fact("measured", "a trial on a machine that is too busy to tell is inconclusive");
    }
    if let Some(known) = known(specs, found) {
        entry.fact("known of", known);
    }
    entry.remedy = remedy(found).to_owned();
    entry
}

/// Released clients with this failure, and in how many scenarios.
fn known(specs: &Specs, found: Code) -> Option<String> {
    let mut clients: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for expected in &specs.expected {
        let failures = expected.failures.iter().filter(|failure| failure.finding == found.name());
        for failure in failures {
            let client = format!("{} {}", expected.client, expected.version);
            let scenarios = failure.scenario.iter().map(String::as_str);
            clients.entry(client).or_default().extend(scenarios);
        }
    }
    let told = clients
        .iter()
        .map(|(client, scenarios)| format!("{client} ({})", count(scenarios.len(), "scenario")));
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// What the author of a client changes.
fn remedy(found: Code) -> &'static str {
    match found {
        Code::AbandonedConnection => {
            "Cancel or drop the request when an attempt times out or its caller leaves, so that the socket closes \
             within two seconds. An open one holds a place in the pool, and the server goes on working for nobody."
        }
        Code::BloatedError => {
            "Quote the first few hundred bytes of a body that is not JSON, and keep the rest in a field of the error. \
             Status and request id come first."
        }
        Code::BodyAbroad => {
            "Follow no redirect of a POST to another scheme, host or port: surface it as an error. A prompt is as \
             private as a key."
        }
        Code::BodyChanged => {
            "Serialise the body once, keep the bytes, and send the same bytes on every attempt. A body that comes from \
             an iterator is spent after the first: buffer it, or do not retry."
        }
        Code::BudgetExceeded => {
            "Count every attempt of a call in one place, those after timeouts and lost connections included. Switch off \
             the retries of all layers but one: three times three is nine."
        }
        Code::CorruptText => {
            "Join the deltas of each content block by `index`, in the order in which they came, and decode UTF-8 over \
             the bounds of chunks. What does not fit the grammar of the stream is an error, never text."
        }
        Code::CorruptToolCall => {
            "Join the `input_json_delta` pieces of each block by `index`, and parse them once, at \
             `content_block_stop`. If that fails, surface an error; do not repair the JSON."
        }
        Code::CredentialChanged => {
            "Ask for the credential once per call and keep it for the retries. Only a 401 is a reason to ask for \
             another, once."
        }
        Code::CredentialLeak => {
            "Remove every credential header when scheme, host or port of the target change, gateway headers such as \
             `api-key` included, or follow no redirects at all. Verify certificates before the first byte."
        }
        Code::CutToolCall => {
            "Hand a tool call on only after its `content_block_stop` and the message's `message_stop`. What was open \
             when the stream broke off, or when `max_tokens` cut it, is marked as invalid or dropped, even if its JSON \
             happens to parse."
        }
        Code::DuplicatedText => {
            "Start the text of a message afresh with every attempt. If pieces of an earlier one have gone to the \
             caller, do not retry: see `replay-after-delta`."
        }
        Code::EarlyRetry => {
            "Read `retry-after-ms`, then `retry-after` in seconds or as a date, and wait at least that long; or do not \
             retry, and tell the caller. A cap of one's own on the wait must lead to the error, not to an earlier \
             retry."
        }
        Code::ErrorDespiteAnswer => {
            "Take a message that is whole for what it is: unknown fields, event types and content blocks are no errors, \
             and neither is a reset after the last byte."
        }
        Code::FalseOk => {
            "Report success only for a whole answer: a 200 with a JSON body that is a message, or a stream with its \
             `message_stop`. The end of a connection, an empty stream and an error under status 200 are failures."
        }
        Code::ForeignAnswer => {
            "Never return a connection to the pool before its reply is read to the end, and keep no state of one call \
             where another can reach it. If a reply is given up, close its connection."
        }
        Code::GaveUpEarly => {
            "Retry 408, 409, 429, 500 and above, and connections that are lost before the first byte, as long as the \
             budget and the deadline allow it."
        }
        Code::Hang => {
            "Put a limit on every wait: connecting, the first byte, and the silence between two bytes. The detail says \
             where the client stood: before the request, in the read, in the backoff or after the answer."
        }
        Code::IdempotencyKeyChanged => {
            "Draw the idempotency key once per call, outside of the loop that retries."
        }
        Code::IdempotencyKeyReused => {
            "Draw a new random idempotency key for every call; one made of the time or of the prompt meets itself."
        }
        Code::KeyLeak => {
            "Send the key in its header and nowhere else: not in the URL, not in logs at any level, not in an error or \
             its causes. Redact the headers before anything prints a request."
        }
        Code::LateOutcome => {
            "Return as soon as the end is known. Look for a wait after the last attempt, for a limit that is longer \
             than the one that was asked for, and for parsing that grows faster than the stream."
        }
        Code::LateRetry => {
            "Wait for what the server demanded and little more, and cap a wait of one's own at some seconds: the \
             official clients stop at eight. Look for milliseconds that are read as seconds."
        }
        Code::LateTimeout => {
            "Apply the limit to the whole attempt, from the connection to the last byte. A limit on the silence between \
             two bytes alone is no limit where bytes trickle."
        }
        Code::LostRetryAfter => {
            "Keep the reply's headers, or at least `retry-after`, on the error, so that the caller can wait in your \
             place."
        }
        Code::LostStopReason => {
            "Hand on `stop_reason` of the message, or of the last `message_delta`, as the API said it, values unknown \
             to you included. Without it nobody can tell a refusal or a cut answer from a whole one."
        }
        Code::LostText => {
            "Join the text of all content blocks, and take in the last event even if the stream ends without a blank \
             line after it. Do not drop a delta because of an event that you do not know beside it."
        }
        Code::LostToolCall => {
            "Hand on every `tool_use` block of the message, several at once and those with an empty input included. If \
             one cannot be read, that is an error."
        }
        Code::MalformedRequest => {
            "Send one POST to the base address plus `/v1/messages`, without a double slash, with exactly one trimmed \
             credential, `anthropic-version`, `content-type: application/json` and a body of valid UTF-8. If the detail \
             names a rule of the contract, `probity explain` knows it."
        }
        Code::NoBackoff => {
            "Wait before every retry, at least a tenth of a second before the first. The official curve is half a \
             second, doubled each time up to eight, less up to a quarter by chance."
        }
        Code::NoGrowth => {
            "Double the wait from one retry to the next until it is some seconds long. A constant wait keeps a server \
             down that a growing one would let recover."
        }
        Code::NoJitter => {
            "Take away up to a quarter of each wait by chance, drawn anew every time. After a `retry-after` add the \
             chance on top."
        }
        Code::NotHealed => {
            "After a failure leave nothing behind: close the broken connection, give its place in the pool back, and \
             reset what was half decoded. The next call must not know of it."
        }
        Code::Oversleep => {
            "Compare the demanded wait with what is left of the caller's deadline before sleeping. If it does not fit, \
             surface the error at once, with the `retry-after` on it."
        }
        Code::Pipelined => {
            "Send the next request on a connection only after the reply to the last was read to its end. Close the \
             connection instead if the rest is not wanted."
        }
        Code::RedirectLoop => {
            "Bound the redirects that are followed, at 20 or fewer, and surface an error past the bound."
        }
        Code::RepeatedAfterSuccess => {
            "Take a complete answer as the end of the call: every further attempt is billed. Look for a check after the \
             answer that fails, or a limit that runs out while it is parsed."
        }
        Code::ReplayAfterDelta => {
            "Do not retry silently once a piece of the answer has gone to the caller. Surface the error with the text \
             so far, or tell the caller that the stream starts again."
        }
        Code::RequestChanged => {
            "Build the request once and repeat it as it is. A redirect with 307 or 308 keeps method and body; if 301, \
             302 or 303 turn the call into a GET, what comes back is no answer to it."
        }
        Code::RetriedAgainstHeader => {
            "Look at `x-should-retry` before the status: `false` ends the call, `true` permits a retry."
        }
        Code::RetriedNonRetryable => {
            "Surface 400, 401, 402, 403, 404, 413, 422 and 431 at once: the same request gets the same answer. Only \
             `x-should-retry: true`, or another credential after a 401, is a reason to try again."
        }
        Code::RetryCountWrong => {
            "Set `x-stainless-retry-count` from the counter of the loop that retries: 0, then one more each time."
        }
        Code::RetryStorm => {
            "Bound the retries of a call, and let one layer alone do them. If a framework retries around a client that \
             retries, tell one of them not to."
        }
        Code::SeededJitter => {
            "Seed the generator of the waits from the system, not with a constant and not with the time in seconds: \
             clients that start together share both."
        }
        Code::TooFewAttempts => {
            "Retry as often as the caller allows, if the scenario's failure is one that passes. `probity explain` with \
             the scenario's name says how many attempts it is about."
        }
        Code::TooManyAttempts => {
            "Do not retry what the scenario shows to be pointless or unsafe. `probity explain` with the scenario's name \
             says how many attempts a right client makes, and why."
        }
        Code::TooManyConnections => {
            "Read replies to the end, so that their connections can be used again, and share one pool among the calls \
             of one client."
        }
        Code::UnexpectedOutcome => {
            "Map the failure to the kind of error that it is: the API's refusal, a timeout, a lost connection, an answer \
             that broke off, one that cannot be read. The scenario lists the kinds that are right."
        }
        Code::UnhelpfulError => {
            "Name in the error what a person would look for: the address that was called, the coding or the certificate \
             that failed. \"Connection error.\" alone helps nobody; keep the cause."
        }
        Code::UntypedError => {
            "Parse the error body of every status, and of `error` events in a stream, and keep status, `error.type`, \
             code and `request-id` as fields of the error. A body that is no JSON still has a status and an id."
        }
    }
}
