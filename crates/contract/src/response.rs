//! Checks a reply against the spec: the body of its class, and the headers every answer carries.

use classify::{Class, Reply, envelope, sse};
use serde_json::Value;

use crate::judge::{Blame, Finding};
use crate::spec::Edition;
use crate::version::OperationId;

/// What in the reply breaks the spec. Empty for replies that no schema describes (edge pages, cut streams).
pub fn check(
    edition: &Edition,
    operation: OperationId,
    class: Class,
    reply: &Reply,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    match class {
        Class::Accepted => check_success(edition, operation, reply, &mut findings),
        Class::Streamed => check_stream(edition, operation, reply, &mut findings),
        Class::EdgeForbidden
        | Class::Intermediary
        | Class::Impostor
        | Class::Malformed
        | Class::StreamCut => return findings,
        // The edge answers before the API does, in a shape of its own.
        Class::TooLarge
            if envelope::parse(&reply.body).is_none_or(|envelope| !envelope.outer_type) =>
        {
            return findings;
        }
        _ => check_error(edition, reply, &mut findings),
    }
    check_request_id(reply, &mut findings);
    findings
}

fn check_success(
    edition: &Edition,
    operation: OperationId,
    reply: &Reply,
    findings: &mut Vec<Finding>,
) {
    let media = media_type(reply);
    if media == "application/x-jsonl" {
        for line in reply.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            check_value(edition, operation, &media, line, findings);
        }
    } else {
        check_value(edition, operation, &media, &reply.body, findings);
    }
}

fn check_stream(
    edition: &Edition,
    operation: OperationId,
    reply: &Reply,
    findings: &mut Vec<Finding>,
) {
    let media = media_type(reply);
    let mut decoder = sse::Decoder::default();
    for event in decoder.push(&reply.body) {
        check_value(edition, operation, &media, event.data.as_bytes(), findings);
    }
}

fn check_value(
    edition: &Edition,
    operation: OperationId,
    media: &str,
    bytes: &[u8],
    findings: &mut Vec<Finding>,
) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return findings.push(Finding::new(
            "response-not-json",
            "",
            Blame::Target,
            "the body is not JSON",
        ));
    };
    match edition.validators.success_holds(operation, media, &value) {
        Some(true) => {}
        Some(false) => {
            for problem in edition.validators.success_problems(operation, media, &value) {
                findings.push(Finding::new(
                    "response-schema",
                    problem.path,
                    Blame::Target,
                    problem.message,
                ));
            }
        }
        None => {
            let trace = format!("the spec has no `{media}` answer for {operation}");
            findings.push(Finding::new("response-media-type", "", Blame::Target, trace));
        }
    }
}

fn check_error(edition: &Edition, reply: &Reply, findings: &mut Vec<Finding>) {
    match serde_json::from_slice::<Value>(&reply.body) {
        Ok(value) if edition.validators.error_holds(&value) => check_details(&value, findings),
        Ok(_) => findings.push(Finding::new(
            "error-envelope",
            "",
            Blame::Target,
            "the error body breaks the envelope's schema",
        )),
        Err(error) => {
            findings.push(Finding::new("response-not-json", "", Blame::Target, error.to_string()))
        }
    }
}

/// The one code that brings more along: an unknown image cannot be mended. The schema of the envelope cannot say so,
/// since it knows no condition on a value.
fn check_details(body: &Value, findings: &mut Vec<Finding>) {
    let details = &body["error"]["details"];
    if details["error_code"] != "image_dimensions_too_large" {
        return;
    }
    for name in ["max_side_length_pixels", "paths"] {
        if details.get(name).is_none() {
            let trace = format!("`{name}` is missing beside the code");
            findings.push(Finding::new("error-details", "/error/details", Blame::Target, trace));
        }
    }
}

fn check_request_id(reply: &Reply, findings: &mut Vec<Finding>) {
    let Some(header) = reply.headers.get("request-id") else {
        return findings.push(Finding::new(
            "request-id-missing",
            "",
            Blame::Target,
            "no request-id header",
        ));
    };
    let body = envelope::parse(&reply.body)
        .and_then(|envelope| envelope.request_id.map(|id| id.into_owned()));
    if let Some(body) = body.filter(|body| body != header) {
        let trace = format!("the body says {body}, the header {header}");
        findings.push(Finding::new("request-id-differs", "/request_id", Blame::Target, trace));
    }
}

/// Without its parameters. It means the same in any case.
fn media_type(reply: &Reply) -> String {
    let value = reply.headers.get("content-type").unwrap_or_default();
    value.split_once(';').map_or(value, |(media, _)| media).trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(details: &Value, missing: &[&str]) {
        let mut findings = Vec::new();
        check_details(&json!({"error": {"details": details}}), &mut findings);
        let traces = missing.iter().map(|name| format!("`{name}` is missing beside the code"));
        assert_eq!(
            findings.iter().map(|finding| finding.trace.as_ref()).collect::<Vec<_>>(),
            traces.collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_code_that_names_images_names_them() {
        let code = "image_dimensions_too_large";
        check(&json!({"error_code": code, "max_side_length_pixels": 8000, "paths": []}), &[]);
        check(&json!({"error_code": code, "max_side_length_pixels": 8000}), &["paths"]);
        check(&json!({"error_code": code}), &["max_side_length_pixels", "paths"]);
        check(&json!({"error_code": "ramp_limit_exceeded"}), &[]);
        check(&Value::Null, &[]);
    }
}
