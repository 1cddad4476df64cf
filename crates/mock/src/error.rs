//! What a refusal looks like on the wire.
//!
//! Three authors write errors. The API wraps them in its envelope with a request id; its router answers a wrong
//! method without one; the edge refuses what is too large before the API has seen it, and leaves the outer
//! `type` out. Clients meet all three, so the mock keeps them apart.

use std::borrow::Cow;

use bytes::Bytes;
use contract::rules::{Finding, Implied, Rule};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Trouble;

/// Why a request is not served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    /// The rule that was broken, or `schema`; `None` for what is not the caller's doing, or not a rule yet.
    pub(crate) rule: Option<&'static str>,
    pub(crate) status: u16,
    pub(crate) error_type: &'static str,
    pub(crate) error_code: Option<&'static str>,
    /// What stands beside the code.
    pub(crate) details: Option<Map<String, Value>>,
    pub(crate) message: Cow<'static, str>,
}

impl Refusal {
    /// The answer that the rule demands, worded by the finding.
    pub(crate) fn of_rule(rule: &'static Rule, mut finding: Finding) -> Self {
        let answer = &rule.answer;
        Self {
            rule: Some(rule.id),
            status: answer.status,
            error_type: answer.error_type,
            error_code: answer.error_code,
            details: finding.details.take(),
            message: worded(finding),
        }
    }

    /// 400 for a finding outside the rules.
    pub(crate) fn invalid(finding: Finding) -> Self {
        Self {
            rule: None,
            status: 400,
            error_type: "invalid_request_error",
            error_code: None,
            details: None,
            message: worded(finding),
        }
    }

    /// 400 for what the schema of the operation does not permit.
    pub(crate) fn of_schema(finding: Finding) -> Self {
        Self { rule: Some(Implied::SCHEMA), ..Self::invalid(finding) }
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rule: None,
            status: 404,
            error_type: "not_found_error",
            error_code: None,
            details: None,
            message: message.into(),
        }
    }

    pub(crate) fn rate_limited(message: String) -> Self {
        Self {
            rule: None,
            status: 429,
            error_type: "rate_limit_error",
            error_code: None,
            details: None,
            message: message.into(),
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self {
            rule: Some("method-not-allowed"),
            status: 405,
            error_type: "invalid_request_error",
            error_code: None,
            details: None,
            message: "Method Not Allowed".into(),
        }
    }

    pub(crate) fn path_unknown() -> Self {
        Self { rule: Some("path-unknown"), ..Self::not_found("Not Found") }
    }

    /// For a request that did not come as far as the judge.
    pub(crate) fn of_trouble(trouble: Trouble) -> Self {
        let (status, error_type, error_code, message) = match trouble {
            Trouble::BodyBroken => {
                (400, "invalid_request_error", None, "The request body could not be read")
            }
            Trouble::BodyTimedOut => (
                400,
                "invalid_request_error",
                Some("request_body_timeout"),
                "The request body did not arrive in time",
            ),
            Trouble::HeadMalformed => {
                (400, "invalid_request_error", None, "The request is not valid HTTP")
            }
            Trouble::HeadTooLarge => {
                (431, "invalid_request_error", None, "Request header fields are too large")
            }
            Trouble::Internal => (500, "api_error", None, "Internal server error"),
            Trouble::TargetTooLong => {
                (414, "invalid_request_error", None, "The request URI is too long")
            }
        };
        Self { rule: None, status, error_type, error_code, details: None, message: message.into() }
    }

    /// The body, in the manner of its author.
    pub(crate) fn body(&self, request_id: &str) -> Bytes {
        let is_edge = self.status == 413 && self.error_code.is_none();
        let is_router = self.status == 405;
        crate::json(&Envelope {
            outer_type: (!is_edge).then_some("error"),
            error: self.error(),
            request_id: (!is_edge && !is_router).then(|| request_id.to_owned()),
        })
    }

    /// The body as it stands in the results of a batch.
    pub(crate) fn envelope(&self, request_id: String) -> Envelope {
        Envelope { outer_type: Some("error"), error: self.error(), request_id: Some(request_id) }
    }

    fn error(&self) -> Error {
        let others = || self.details.clone().unwrap_or_default();
        let details = self.error_code.map(|error_code| Details { error_code, others: others() });
        Error { kind: self.error_type, message: self.message.clone(), details }
    }
}

#[derive(Serialize)]
pub(crate) struct Envelope {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    outer_type: Option<&'static str>,
    error: Error,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

#[derive(Serialize)]
struct Error {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

#[derive(Serialize)]
struct Details {
    error_code: &'static str,
    #[serde(flatten)]
    others: Map<String, Value>,
}

fn worded(finding: Finding) -> Cow<'static, str> {
    if finding.path.is_empty() {
        finding.message
    } else {
        format!("{}: {}", finding.path, finding.message).into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::State;
    use crate::fixture::{ask, body, hello, post, weather_tool};

    fn check(refusal: &Refusal, expected: &str) {
        assert_eq!(refusal.body("req_01"), expected);
    }

    #[test]
    fn each_author_has_a_manner() {
        check(
            &Refusal::invalid(Finding::new("messages.0", "Field required")),
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.0: Field required"},"request_id":"req_01"}"#,
        );
        check(
            &Refusal::method_not_allowed(),
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Method Not Allowed"}}"#,
        );
        let too_large = Refusal {
            rule: None,
            status: 413,
            error_type: "request_too_large",
            error_code: None,
            details: None,
            message: "Request exceeds the maximum size".into(),
        };
        check(
            &too_large,
            r#"{"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#,
        );
        check(
            &Refusal { error_code: Some("c"), message: "m".into(), ..too_large.clone() },
            r#"{"type":"error","error":{"type":"request_too_large","message":"m","details":{"error_code":"c"}},"request_id":"req_01"}"#,
        );
        let details = Some(Map::from_iter([("paths".to_owned(), Value::from(vec!["a.0"]))]));
        check(
            &Refusal { error_code: Some("c"), message: "m".into(), details, ..too_large },
            r#"{"type":"error","error":{"type":"request_too_large","message":"m","details":{"error_code":"c","paths":["a.0"]}},"request_id":"req_01"}"#,
        );
    }

    /// White rows of 8000 and 8001 pixels.
    const ROW_8000: &str = "iVBORw0KGgoAAAANSUhEUgAAH0AAAAAKAQAAAAAR31V0AAAAMElEQVR42u3TAQ0AAAzCMPxLQSU+/lbCkqXAeZEAjA4YHTA6YHTA6IDRAaMDRodPBkgn8hjjdEYfAAAAAElFTkSuQmCC";
    const ROW_8001: &str = "iVBORw0KGgoAAAANSUhEUgAAH0EAAAABAQAAAACU2s6JAAAAEUlEQVR42mNgGAWjYBQMfwAAA+oAAf4i1lEAAAAASUVORK5CYII=";

    /// Sends the result of a call and these blocks behind it; the details of the answer.
    fn details(result: &Value, others: &[Value]) -> Value {
        let mut content =
            vec![json!({"type": "tool_result", "tool_use_id": "toolu_1", "content": [result]})];
        content.extend(others.iter().cloned());
        let mut params = hello();
        params["tools"] = json!([weather_tool()]);
        params["messages"] = json!([
            {"role": "user", "content": "Hi."},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}]},
            {"role": "user", "content": content},
        ]);
        let reply = ask(&mut State::new(), &post("/v1/messages", &params));
        body(&reply)["error"]["details"].clone()
    }

    #[test]
    fn every_image_that_is_too_large_is_named() {
        let image = |data: &str| json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
        let (fits, large) = (image(ROW_8000), image(ROW_8001));
        let named = |max: u64, paths: &[&str]| json!({"error_code": "image_dimensions_too_large", "max_side_length_pixels": max, "paths": paths});
        assert_eq!(details(&fits, std::slice::from_ref(&fits)), Value::Null);
        assert_eq!(
            details(&large, &[fits.clone(), large.clone()]),
            named(8000, &["messages.2.content.0.content.0", "messages.2.content.2"])
        );
        let mut many = vec![image(SMALL); 20];
        many.push(fits);
        assert_eq!(details(&image(SMALL), &many), named(2000, &["messages.2.content.21"]));
    }

    /// One pixel.
    const SMALL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==";
}
