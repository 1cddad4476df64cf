//! Rules about the request itself: what any server may demand, and what the contract objects to.
//!
//! Only the first attempt of a call is looked at, since a retry must equal it. What HTTP lets stand, such as a
//! second space after a colon, is let stand, except around a credential, where somebody forgot to trim.

use serde::de::IgnoredAny;

use super::turn::is_given_back;
use super::{Code, Finding, Trial};
use crate::handling::Attempt;
use crate::scenario::PromptShape;

/// The path that every base address is extended by.
const PATH: &str = "/v1/messages";

/// The content codings that are registered, and the wildcard.
const CODINGS: [&str; 13] = [
    "*",
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "identity",
    "x-compress",
    "x-gzip",
    "zstd",
];

/// The first request of every call is one that this API takes.
pub(super) fn request_is_well_formed(trial: &Trial<'_>) -> Vec<Finding> {
    let first = |attempt: &Attempt| {
        let all = &trial.handling.attempts;
        let place = all.iter().position(|one| one.number == attempt.number);
        let objections = place.and_then(|place| trial.handling.objections.get(place));
        let mut wrong = objections.cloned().unwrap_or_default();
        wrong.retain(|objection| {
            !is_asked_for(objection, trial) && !is_given_back(objection, trial)
        });
        wrong.extend(line(attempt, &trial.scenario.connect.path));
        wrong.extend(credential(attempt));
        wrong.extend(raw_head(&attempt.raw_head));
        wrong.extend(headers(attempt));
        wrong.extend(framing(attempt));
        wrong.extend(body(attempt));
        let detail = |what: String| format!("attempt {}: {what}", attempt.number);
        let odd = oddities(attempt).map(|what| Code::MalformedRequest.note(detail(what)));
        let wrong = wrong.into_iter().map(|what| Code::MalformedRequest.fail(detail(what)));
        wrong.chain(odd).collect::<Vec<_>>()
    };
    let attempts = trial.calls.iter().filter_map(|call| call.handling.attempts.first());
    attempts.flat_map(first).collect()
}

/// The rule of the contract that half a character breaks, however well it is escaped.
const LONE_SURROGATE: &str = "body-lone-surrogate";

/// Whether it objects to what the scenario itself put into the prompt: an escape of it is all that a client can do,
/// short of a refusal.
fn is_asked_for(objection: &str, trial: &Trial<'_>) -> bool {
    trial.scenario.ask.prompt == PromptShape::LoneSurrogate && objection.starts_with(LONE_SURROGATE)
}

/// Method and path.
fn line(attempt: &Attempt, base: &str) -> Vec<String> {
    let mut wrong = vec![];
    let request = &attempt.request;
    if request.method != "POST" {
        wrong.push(format!("method {} instead of POST", request.method));
    }
    let base = base.trim_matches('/');
    let expected = if base.is_empty() { PATH.to_owned() } else { format!("/{base}{PATH}") };
    if request.path() != expected {
        wrong.push(format!("path {} instead of {expected}", request.path()));
    }
    wrong
}

/// There is one credential, and it is a key and nothing else.
fn credential(attempt: &Attempt) -> Vec<String> {
    let headers = &attempt.request.headers;
    let bearers: Vec<&str> = headers.all("authorization").collect();
    let keys: Vec<&str> = headers.all("x-api-key").collect();
    let mut wrong = vec![];
    if bearers.len() + keys.len() != 1 {
        wrong.push(format!("{} credentials instead of one", bearers.len() + keys.len()));
    }
    for bearer in bearers {
        let (scheme, key) = bearer.split_once(' ').unwrap_or((bearer, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            wrong.push("`authorization` is no bearer".to_owned());
        } else if !is_key(key) {
            wrong.push("no key stands one space after `Bearer`".to_owned());
        }
    }
    if !keys.into_iter().all(is_key) {
        wrong.push("`x-api-key` is no key".to_owned());
    }
    wrong
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The head as it stood on the wire, if somebody kept it.
fn raw_head(head: &[u8]) -> Vec<String> {
    let mut wrong = vec![];
    for line in head.split(|&byte| byte == b'\n').skip(1) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        if text.starts_with([' ', '\t']) {
            wrong.push("a header goes on in the next line".to_owned());
            continue;
        }
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            wrong.push(format!("a control byte in `{}`", name.escape_debug()));
        }
        if name.ends_with([' ', '\t']) {
            wrong.push(format!("white space before the colon of `{}`", name.trim_end()));
        }
        let is_credential = ["authorization", "x-api-key"].contains(&&*name.to_ascii_lowercase());
        let value = value.strip_prefix(' ').unwrap_or(value);
        if is_credential && value != value.trim() {
            wrong.push(format!("white space around the value of `{name}`"));
        }
    }
    wrong
}

/// The headers that this API demands, and the codings that exist.
fn headers(attempt: &Attempt) -> Vec<String> {
    let headers = &attempt.request.headers;
    let mut wrong = vec![];
    if headers.get("anthropic-version").is_none_or(|version| version.trim().is_empty()) {
        wrong.push("no `anthropic-version`".to_owned());
    }
    match headers.get("content-type") {
        Some(found) if is_json(found) => {}
        Some(found) => wrong.push(format!("content-type {found:?} instead of application/json")),
        None => wrong.push("no `content-type`".to_owned()),
    }
    for offer in headers.all("accept-encoding").flat_map(|value| value.split(',')) {
        let coding = offer.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !coding.is_empty() && !CODINGS.contains(&&*coding) {
            wrong.push(format!("accept-encoding offers {coding:?}, which is no coding"));
        }
    }
    wrong
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// The body says how long it is, in one way.
fn framing(attempt: &Attempt) -> Option<String> {
    let headers = &attempt.request.headers;
    let lengths: Vec<&str> = headers.all("content-length").collect();
    let chunked = headers.get("transfer-encoding").is_some();
    match (lengths.as_slice(), chunked) {
        ([], true) => None,
        ([length], false) if length.parse::<u64>().is_ok() => None,
        ([], false) => Some("neither `content-length` nor chunks".to_owned()),
        ([length], false) => Some(format!("content-length {length:?}")),
        (_, true) => Some("both `content-length` and chunks".to_owned()),
        (_, false) => Some(format!("`content-length` stands there {} times", lengths.len())),
    }
}

/// The body is JSON in UTF-8. The beginning of one says nothing.
fn body(attempt: &Attempt) -> Option<String> {
    if attempt.body_cut {
        return None;
    }
    let bytes = attempt.request.body.to_bytes();
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            return Some(format!("byte {} of the body is not UTF-8", error.valid_up_to()));
        }
    };
    let error = serde_json::from_str::<IgnoredAny>(text).err()?;
    Some(format!("the body is no JSON: {error}"))
}

/// What harms nobody, and nobody meant.
fn oddities(attempt: &Attempt) -> impl Iterator<Item = String> {
    let headers = &attempt.request.headers;
    let expects = headers.get("expect").map(|value| format!("expect: {value}"));
    let timeout = headers.get("x-stainless-timeout");
    let timeout = timeout.filter(|value| value.eq_ignore_ascii_case("NOT_GIVEN"));
    expects.into_iter().chain(timeout.map(|value| format!("x-stainless-timeout: {value}")))
}
