//! Credentials: present, whole and right.
//!
//! If both headers are there, `x-api-key` decides and the bearer token is not looked at. White space around a
//! header's value is HTTP's and never counts.

use classify::{Class, Request};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, Uncertain, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "credential-missing",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: |ask, out| {
            let missing = credential(ask.request).is_none();
            out.extend(missing.then(|| Finding::new("", "x-api-key header is required")));
        },
        breaches: break_missing,
        answer: unauthorized("x-api-key header is required"),
        explanation: "Every call needs a credential, in `x-api-key` or as `Authorization: Bearer`. \
            The API names only the first in its answer, whichever the caller meant to send.",
        remedy: "Set the key; check that the variable it comes from reaches the process that calls.",
        source: "API overview page; wording from public reports",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "credential-blank",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: |ask, out| {
            let blank = credential(ask.request)
                .is_some_and(|credential| credential.secret.trim().is_empty());
            out.extend(blank.then(|| Finding::new("", "x-api-key header is required")));
        },
        breaches: |base, out| {
            out.push(with_key(base, "headers/x-api-key", String::new()));
            out.push(with_bearer(base, "headers/authorization", ""));
        },
        answer: unauthorized("x-api-key header is required"),
        explanation: "The header is there but holds nothing, which counts as no credential. \
            An environment variable that is set but empty is the usual reason.",
        remedy: "Look where the value comes from; an empty variable is not an unset one.",
        source: "concluded from the answer to a missing key",
        confidence: Confidence::Inferred,
        uncertain: None,
    },
    Rule {
        id: "credential-invalid",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: |ask, out| {
            let wrong = is_wrong(ask, Header::Key);
            out.extend(wrong.then(|| Finding::new("", "invalid x-api-key")));
        },
        breaches: |base, out| {
            out.push(with_key(base, "headers/x-api-key", WRONG.to_owned()));
            let bearer = format!("Bearer {}", secret(base));
            let mut both =
                with_key(base, "headers/x-api-key/beside-valid-bearer", WRONG.to_owned());
            both.request.headers.push("authorization", bearer);
            out.push(both);
        },
        answer: unauthorized("invalid x-api-key"),
        explanation: "The key in `x-api-key` is not a key of any organisation: misspelt, revoked, or of another \
            service. With both headers present this one decides, even if the bearer token would be valid.",
        remedy: "Compare the key with the Console, and remove a stale `x-api-key` that a proxy or setting adds.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "bearer-invalid",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: |ask, out| {
            let wrong = is_wrong(ask, Header::Bearer);
            out.extend(wrong.then(|| Finding::new("", "Invalid bearer token")));
        },
        breaches: |base, out| out.push(with_bearer(base, "headers/authorization", WRONG)),
        answer: unauthorized("Invalid bearer token"),
        explanation: "The token after `Bearer` is not one the API has issued, or it has expired. \
            Newer SDKs send API keys this way, so a wrong key shows as a wrong token.",
        remedy: "Compare the key with the Console, or fetch a new token.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "bearer-double-space",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: |ask, out| {
            let spaced = credential(ask.request).is_some_and(|credential| credential.has_space());
            out.extend(spaced.then(|| Finding::new("", "Invalid bearer token")));
        },
        breaches: |base, out| {
            out.push(with_bearer(base, "headers/authorization", &format!(" {}", secret(base))));
            out.push(with_key(base, "headers/x-api-key", format!("{0} {0}", secret(base))));
        },
        answer: unauthorized("Invalid bearer token"),
        explanation: "White space inside a credential is part of it, and no credential has any. \
            HTTP removes it around the whole header value only, so `Bearer` and two spaces leave one in the token.",
        remedy: "Trim the key before it is put behind `Bearer `.",
        source: "concluded from HTTP's rules and the answer to a wrong token",
        confidence: Confidence::Inferred,
        uncertain: None,
    },
    Rule {
        id: "oauth-without-beta",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: |ask, out| {
            out.extend(is_oauth_unasked(ask.request).then(|| Finding::new("", OAUTH_UNSUPPORTED)));
        },
        breaches: |base, out| {
            if !view::has_beta(base.request, OAUTH_BETA) {
                out.push(with_bearer(base, "headers/anthropic-beta", OAUTH_TOKEN));
            }
        },
        answer: unauthorized(OAUTH_UNSUPPORTED),
        explanation: "A token of somebody's login (`sk-ant-oat…`) is no API key: the API takes it only from callers \
            that name the beta for it, and says that it knows nothing of such tokens otherwise.",
        remedy: "Send an API key, or add `anthropic-beta: oauth-2025-04-20`.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: Some(Uncertain {
            classes: &[Class::Unauthorized, Class::PermissionDenied],
            question: "Is a login's token without its beta header answered with 401, or with 403? Both were reported.",
        }),
    },
];

const OAUTH_BETA: &str = "oauth-2025-04-20";
const OAUTH_PREFIX: &str = "sk-ant-oat";
/// Of the right form, and nobody's.
const OAUTH_TOKEN: &str = "sk-ant-oat01-probity-test-token";
const OAUTH_UNSUPPORTED: &str = "OAuth authentication is currently not supported.";

/// Well formed, and nobody's.
const WRONG: &str = "sk-ant-api03-probity-wrong-key";

const fn unauthorized(wording: &'static str) -> Answer {
    Answer { status: 401, error_type: "authentication_error", error_code: None, wording }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Header {
    Bearer,
    Key,
}

/// The credential that decides.
struct Credential<'a> {
    header: Header,
    secret: &'a str,
}

impl Credential<'_> {
    fn has_space(&self) -> bool {
        !self.secret.trim().is_empty() && self.secret.contains(char::is_whitespace)
    }
}

fn credential(request: &Request) -> Option<Credential<'_>> {
    if let Some(key) = request.headers.get("x-api-key") {
        return Some(Credential { header: Header::Key, secret: key.trim() });
    }
    let value = request.headers.get("authorization")?.trim();
    let (scheme, secret) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then_some(Credential { header: Header::Bearer, secret })
}

/// Whether a login's token decides, and the caller has not asked for that.
fn is_oauth_unasked(request: &Request) -> bool {
    credential(request).is_some_and(|credential| {
        credential.header == Header::Bearer
            && credential.secret.starts_with(OAUTH_PREFIX)
            && !credential.has_space()
    }) && !view::has_beta(request, OAUTH_BETA)
}

fn is_wrong(ask: &Ask<'_>, header: Header) -> bool {
    let (Some(key), Some(credential)) = (ask.key, credential(ask.request)) else { return false };
    // A blank or spaced credential has a rule of its own, and so has a login's token.
    let whole = !credential.secret.is_empty() && !credential.secret.contains(char::is_whitespace);
    credential.header == header
        && whole
        && credential.secret != key
        && !is_oauth_unasked(ask.request)
}

fn break_missing(base: &Base<'_>, out: &mut Vec<Breach>) {
    out.push(base.with_request("headers", |r| {
        r.headers.remove("x-api-key");
        r.headers.remove("authorization");
    }));
}

/// The base's own credential, which is the placeholder in every case that will be sent.
fn secret<'a>(base: &Base<'a>) -> &'a str {
    credential(base.request).map_or(classify::http::KEY_PLACEHOLDER, |credential| credential.secret)
}

fn with_key(base: &Base<'_>, at: &'static str, key: String) -> Breach {
    base.with_request(at, |r| {
        r.headers.remove("authorization");
        r.headers.replace("x-api-key", key);
    })
}

fn with_bearer(base: &Base<'_>, at: &'static str, token: &str) -> Breach {
    base.with_request(at, |r| {
        r.headers.remove("x-api-key");
        r.headers.replace("authorization", format!("Bearer {token}"));
    })
}
