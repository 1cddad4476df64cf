//! What a gateway changed about a request that was right as it was.
//!
//! A request that is valid on both sides can still be another one: a member is left out, a header is replaced. Nobody
//! who looks at the answer alone sees it. Only what stands at the top is compared, since deeper differences are often
//! two ways to write one thing; the price is that a block which is dropped is told as `messages` that differ.

pub mod answer;

use classify::{Headers, Request};
use serde_json::Value;

use crate::judge::{Blame, Finding};
use crate::level::Level;

/// What is found here.
pub const RULE: &str = "gateway/request-altered";

/// Headers that say what a request means.
const HEADERS: [&str; 2] = ["anthropic-beta", "anthropic-version"];

/// Members whose value a gateway is there to change: the model is routed, and a stream may be folded behind it.
const ROUTED: [&str; 2] = ["model", "stream"];

/// One finding for each member or header that got lost or changed on its way; none if the two requests are not for the
/// same operation, since then the gateway translates.
pub fn altered(sent: &Request, got: &Request) -> Vec<Finding> {
    if sent.method != got.method || sent.path() != got.path() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for name in HEADERS {
        let (before, after) = (words(&sent.headers, name), words(&got.headers, name));
        let lost: Vec<_> = before.iter().filter(|word| !after.contains(word)).cloned().collect();
        if !lost.is_empty() {
            let trace = match after.is_empty() {
                true => format!("header {name} is lost"),
                false => format!("header {name} is changed"),
            };
            findings.push(finding(&format!("header:{name}"), trace, Level::Compatible));
        }
    }
    let body = |request: &Request| serde_json::from_slice::<Value>(&request.body.to_bytes()).ok();
    let (Some(Value::Object(before)), Some(Value::Object(after))) = (body(sent), body(got)) else {
        return findings;
    };
    for (name, value) in before.iter().filter(|(name, _)| !ROUTED.contains(&&***name)) {
        // Null is what a member is that is not there.
        let trace = match after.get(name) {
            None if value.is_null() => continue,
            None => format!("member `{name}` is lost"),
            Some(other) if other != value => format!("member `{name}` is changed"),
            Some(_) => continue,
        };
        findings.push(finding(&format!("/{name}"), trace, Level::Strict));
    }
    findings
}

fn finding(pointer: &str, trace: String, level: Level) -> Finding {
    Finding { level, ..Finding::new(RULE, pointer, Blame::Gateway, trace) }
}

/// The values of a header that is a list, whoever joined or split it.
fn words(headers: &Headers, name: &str) -> Vec<String> {
    let of_name = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let words = of_name.flat_map(|(_, value)| value.split(','));
    words.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use classify::Body;
    use serde_json::json;

    use super::*;

    fn request(beta: &str, body: &Value) -> Request {
        let mut headers = Headers::default();
        headers.push("anthropic-beta", beta.to_owned());
        let body = Body::Bytes(body.to_string().into());
        Request { method: "POST".into(), target: "/v1/messages".into(), headers, body }
    }

    fn check(sent: (&str, &Value), got: (&str, &Value), expected: &[&str]) {
        let found = altered(&request(sent.0, sent.1), &request(got.0, got.1));
        let traces: Vec<_> = found.iter().map(|finding| &*finding.trace).collect();
        assert_eq!(traces, expected);
    }

    #[test]
    fn what_is_lost_or_changed_is_named() {
        let whole = &json!({"model": "a", "speed": "fast", "top_k": null, "system": "Hi."});
        check(("a-2026-01-01", whole), ("a-2026-01-01", whole), &[]);
        check(
            ("a,b", whole),
            ("b, a, c", &json!({"model": "x", "speed": "fast", "system": "Hi."})),
            &[],
        );
        check(
            ("a", whole),
            ("", &json!({"model": "a", "system": "Ho."})),
            &[
                "header anthropic-beta is lost",
                "member `speed` is lost",
                "member `system` is changed",
            ],
        );
        check(("a", whole), ("b", whole), &["header anthropic-beta is changed"]);
    }
}
