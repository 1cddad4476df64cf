//! Where a request goes: path and method.

use std::borrow::Cow;

use classify::Body;

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "path-unknown",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: |ask, out| {
            out.extend(
                methods(ask.request.path()).is_empty().then(|| Finding::new("", "Not Found")),
            )
        },
        breaches: break_path,
        answer: Answer {
            status: 404,
            error_type: "not_found_error",
            error_code: None,
            wording: "Not Found",
        },
        explanation: "The path names no endpoint of the Messages API. \
            A base URL that already ends in `/v1`, or lacks it, is the usual reason.",
        remedy: "Compare the path with the reference; SDKs want a base URL without `/v1`.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "method-not-allowed",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: check_method,
        breaches: break_method,
        answer: Answer {
            status: 405,
            error_type: "invalid_request_error",
            error_code: None,
            wording: "Method Not Allowed",
        },
        explanation: "The endpoint exists, but not with this method. \
            A redirect that turned a POST into a GET looks like this, too.",
        remedy: "Use the method of the reference, and call the final URL instead of one that redirects.",
        source: "public reports of live answers, September 2026",
        confidence: Confidence::Observed,
        uncertain: None,
    },
];

/// The endpoints: what stands between slashes, `*` for any one segment, and the methods there.
const ENDPOINTS: &[(&[&str], &[&str])] = &[
    (&["v1", "messages"], &["POST"]),
    (&["v1", "messages", "count_tokens"], &["POST"]),
    (&["v1", "messages", "batches"], &["GET", "POST"]),
    (&["v1", "messages", "batches", "*"], &["DELETE", "GET"]),
    (&["v1", "messages", "batches", "*", "cancel"], &["POST"]),
    (&["v1", "messages", "batches", "*", "results"], &["GET"]),
    (&["v1", "models"], &["GET"]),
    (&["v1", "models", "*"], &["GET"]),
];

/// The methods of a path; none if it is unknown.
fn methods(path: &str) -> &'static [&'static str] {
    let fits = |endpoint: &[&str]| {
        let mut segments = path.strip_prefix('/').unwrap_or_default().split('/');
        endpoint.iter().all(|name| {
            segments.next().is_some_and(|s| s == *name || (*name == "*" && !s.is_empty()))
        }) && segments.next().is_none()
    };
    ENDPOINTS.iter().find(|(endpoint, _)| fits(endpoint)).map_or(&[], |(_, methods)| methods)
}

fn break_path(base: &Base<'_>, out: &mut Vec<Breach>) {
    let path = base.request.path().to_owned();
    let query = base.request.target[path.len()..].to_owned();
    // Three segments, because one or two could lead to another endpoint (`/v1/messages/batches/ID`).
    for (at, target) in [
        ("path/other-root", path.replacen("/v1/", "/v0/", 1)),
        ("path/too-long", format!("{path}/nothing/at/all")),
    ] {
        out.push(base.with_request(at, |r| r.target = Cow::Owned(target + &query)));
    }
}

fn check_method(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let methods = methods(ask.request.path());
    if !methods.is_empty() && !methods.contains(&&*ask.request.method) {
        out.push(Finding::new("", "Method Not Allowed"));
    }
}

fn break_method(base: &Base<'_>, out: &mut Vec<Breach>) {
    let methods = methods(base.request.path());
    out.push(base.with_request("method/put", |r| r.method = Cow::Borrowed("PUT")));
    if !methods.contains(&"GET") {
        out.push(base.with_request("method/get", |r| {
            r.method = Cow::Borrowed("GET");
            r.body = Body::Empty;
        }));
    }
}
