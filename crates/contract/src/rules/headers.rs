//! The headers of a request, all but the credential.

use classify::{Class, Request};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, Uncertain, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

/// The operations whose request has a JSON body.
const WITH_BODY: &[OperationId] =
    &[OperationId::MessagesCreate, OperationId::MessagesCountTokens, OperationId::BatchesCreate];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "version-missing",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: |ask, out| {
            let missing = ask.request.headers.get("anthropic-version").is_none();
            out.extend(missing.then(|| Finding::new("anthropic-version", "header is required")));
        },
        breaches: |base, out| {
            let bare = base.with_request("headers/anthropic-version", |r| {
                r.headers.remove("anthropic-version")
            });
            out.push(bare);
        },
        answer: Answer::invalid("anthropic-version: header is required"),
        explanation: "Every request names the version of the API it was written for. \
            Without one the API cannot know which shapes the caller understands, so it refuses to guess.",
        remedy: "Send `anthropic-version: 2026-10-21` (or the older version your code was written for).",
        source: "API versioning page; wording from public reports",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "version-unknown",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: check_version,
        breaches: |base, out| {
            for (at, version) in [
                ("headers/anthropic-version/future", "2099-01-01"),
                ("headers/anthropic-version/not-a-date", "latest"),
            ] {
                out.push(
                    base.with_request(at, |r| r.headers.replace("anthropic-version", version)),
                );
            }
        },
        answer: Answer::invalid("anthropic-version: \"VALUE\" is not a valid version"),
        explanation: "The version header takes one of the published dates, not any date and no word such as `latest`.",
        remedy: "Send one of the published versions: 2026-10-21, 2023-06-01 or 2023-01-01.",
        source: "directus-labs/extensions#285; API versioning page",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "beta-unknown",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &OperationId::ALL,
        models: None,
        implies: &[],
        check: check_beta,
        breaches: break_beta,
        answer: Answer::invalid(
            "Unexpected value(s) `VALUE` for the `anthropic-beta` header. Please consult our documentation at \
             platform.claude.com or try again without the header.",
        ),
        explanation: "The beta header lists names of features; a name the API does not know is refused rather than \
            ignored, so that a misspelt feature does not go unnoticed. Names are retired some time after their \
            feature has become generally available.",
        remedy: "Correct the name, or drop it if the feature has left beta.",
        source: "public reports; names from the official Python SDK 2.12.0",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "content-encoding-unsupported",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: check_content_encoding,
        breaches: |base, out| {
            for (at, encoding) in [
                ("headers/content-encoding/br", "br"),
                ("headers/content-encoding/deflate", "deflate"),
                ("headers/content-encoding/zstd", "zstd"),
            ] {
                out.push(
                    base.with_request(at, |r| r.headers.replace("content-encoding", encoding)),
                );
            }
        },
        answer: Answer {
            status: 400,
            error_type: "invalid_request_error",
            error_code: Some("request_body_encoding_unsupported"),
            wording: "Unsupported content encoding: ENCODING",
        },
        explanation: "A request body may be sent as it is or compressed with gzip. \
            The API unpacks nothing else, although it may compress its answers in other ways.",
        remedy: "Compress with gzip, or send the body as it is.",
        source: "error codes of the official Python SDK; public reports, October 2026",
        confidence: Confidence::Confirmed,
        uncertain: None,
    },
    Rule {
        id: "charset-unsupported",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: check_charset,
        breaches: |base, out| {
            for (at, value) in [
                ("headers/content-type/charset-shift-jis", "application/json; charset=shift_jis"),
                ("headers/content-type/charset-utf-16", "application/json; charset=utf-16"),
                ("headers/content-type/charset-latin-2", "application/json; charset=iso-8859-2"),
            ] {
                out.push(base.with_request(at, |r| r.headers.replace("content-type", value)));
            }
        },
        answer: Answer {
            status: 400,
            error_type: "invalid_request_error",
            error_code: Some("unsupported_charset"),
            wording: "Unsupported charset: CHARSET",
        },
        explanation: "JSON travels as UTF-8, and a content type may say so. The API also reads the two older \
            charsets that HTTP began with, ISO-8859-1 and US-ASCII, and refuses every other instead of decoding \
            the body in a way the caller may not have meant.",
        remedy: "Encode the body as UTF-8 and send `content-type: application/json`.",
        source: "error codes of the official Python SDK, with their descriptions",
        confidence: Confidence::Confirmed,
        uncertain: None,
    },
    Rule {
        id: "content-type-other",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: WITH_BODY,
        models: None,
        implies: &[],
        check: check_content_type,
        breaches: break_content_type,
        answer: Answer::invalid("Invalid content type: TYPE"),
        explanation: "A POST must say that its body is JSON. \
            Without the header, or with that of a form or of plain text, the body is not looked at as parameters.",
        remedy: "Send `content-type: application/json`.",
        source: "API overview page",
        confidence: Confidence::Documented,
        uncertain: Some(Uncertain {
            classes: &[Class::InvalidRequest, Class::Undocumented],
            question: "The header is documented as required, but not what happens without it: 400, or a 415 that \
                the documentation does not list?",
        }),
    },
];

fn check_version(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    /// Still accepted by the API, although the contract does not describe it.
    const ANCIENT: &str = "2023-01-01";
    let Some(version) = ask.request.headers.get("anthropic-version").map(str::trim) else { return };
    if version != ANCIENT && Version::parse(version).is_none() {
        out.push(Finding::new(
            "anthropic-version",
            format!("\"{version}\" is not a valid version"),
        ));
    }
}

fn check_beta(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for value in view::betas(ask.request).filter(|value| !BETAS.contains(value)) {
        let message = format!(
            "Unexpected value(s) `{value}` for the `anthropic-beta` header. Please consult our documentation at \
             platform.claude.com or try again without the header."
        );
        out.push(Finding::new("", message));
    }
}

/// The values that are not known and have the form of one, `NAME-YYYY-MM-DD`. The list below is of one month and one
/// SDK, so each of them may be a beta that is missing in it.
pub fn unlisted_betas(request: &Request) -> impl Iterator<Item = &str> {
    view::betas(request).filter(|value| !BETAS.contains(value) && is_dated(value))
}

fn is_dated(value: &str) -> bool {
    const DATE: &[u8] = b"-0000-00-00";
    let Some((name, date)) = value.split_at_checked(value.len().saturating_sub(DATE.len())) else {
        return false;
    };
    let is_date = date.len() == DATE.len()
        && date.bytes().zip(DATE).all(|(byte, outline)| match outline {
            b'0' => byte.is_ascii_digit(),
            _ => byte == *outline,
        });
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    is_date && !name.is_empty() && name.bytes().all(is_name)
}

fn break_beta(base: &Base<'_>, out: &mut Vec<Breach>) {
    /// Known, and without effect on a request that does not use it.
    const KNOWN: &str = "context-management-2025-06-27";
    const UNKNOWN: &str = "no-such-feature-2026-01-01";
    out.push(
        base.with_request("headers/anthropic-beta", |r| {
            r.headers.replace("anthropic-beta", UNKNOWN)
        }),
    );
    let joined = format!("{KNOWN},{UNKNOWN}");
    out.push(base.with_request("headers/anthropic-beta/joined", |r| {
        r.headers.replace("anthropic-beta", joined)
    }));
    out.push(base.with_request("headers/anthropic-beta/repeated", |r| {
        r.headers.replace("anthropic-beta", KNOWN);
        r.headers.push("anthropic-beta", UNKNOWN);
    }));
}

fn check_content_encoding(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(encoding) = ask.request.headers.get("content-encoding").map(str::trim) else { return };
    if !["", "gzip", "identity", "x-gzip"].iter().any(|known| encoding.eq_ignore_ascii_case(known))
    {
        out.push(Finding::new("", format!("Unsupported content encoding: {encoding}")));
    }
}

/// Media type and parameters of the `content-type` header.
fn content_type(request: &Request) -> Option<(&str, &str)> {
    let value = request.headers.get("content-type")?;
    let (media_type, parameters) = value.split_once(';').unwrap_or((value, ""));
    Some((media_type.trim(), parameters))
}

/// The charset that the content type names, if it names one.
fn charset(request: &Request) -> Option<&str> {
    let (_, parameters) = content_type(request)?;
    parameters.split(';').filter_map(|p| p.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn is_latin_1(charset: &str) -> bool {
    ["iso-8859-1", "latin1"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

/// Whether each byte of the body is a character. (ASCII needs no such question: it is a part of UTF-8.)
pub(super) fn has_latin_1_body(request: &Request) -> bool {
    charset(request).is_some_and(is_latin_1)
}

fn check_charset(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(charset) = charset(ask.request) else { return };
    let is_utf_8 = ["utf-8", "utf8", "us-ascii", "ascii"]
        .iter()
        .any(|known| charset.eq_ignore_ascii_case(known));
    if !is_utf_8 && !is_latin_1(charset) {
        out.push(Finding::new("", format!("Unsupported charset: {charset}")));
    }
}

fn check_content_type(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let media_type = content_type(ask.request).map_or("", |(media_type, _)| media_type);
    if !media_type.eq_ignore_ascii_case("application/json") {
        out.push(Finding::new("", format!("Invalid content type: {media_type:?}")));
    }
}

fn break_content_type(base: &Base<'_>, out: &mut Vec<Breach>) {
    out.push(
        base.with_request("headers/content-type/absent", |r| r.headers.remove("content-type")),
    );
    for (at, value) in [
        ("headers/content-type/form", "application/x-www-form-urlencoded"),
        ("headers/content-type/text", "text/plain"),
    ] {
        out.push(base.with_request(at, |r| r.headers.replace("content-type", value)));
    }
}

/// All values of the `anthropic-beta` header known in November 2026, the deprecated ones included.
pub const BETAS: &[&str] = &[
    "admin-user-sign-out-2026-10-08",
    "advisor-tool-2026-03-01",
    "agent-memory-2026-07-22",
    "analytics-usage-cost-2026-08-24",
    "cache-diagnosis-2026-04-07",
    "ce-claude-code-managed-settings-2026-10-06",
    "ce-plugins-2026-09-01",
    "ce-user-management-2026-07-13",
    "code-execution-2025-05-22",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "dreaming-2026-04-21",
    "experimental-claude-tag-2026-10-21",
    "extended-cache-ttl-2025-04-11",
    "fallback-credit-2026-06-01",
    "fallback-credit-2026-07-01",
    "fast-mode-2026-02-01",
    "files-api-2025-04-14",
    "fine-grained-tool-streaming-2025-05-14",
    "inline-tools-2026-09-15",
    "interleaved-thinking-2025-05-14",
    "managed-agents-2026-04-01",
    "mcp-client-2025-04-04",
    "mcp-client-2025-11-20",
    "mcp-client-2026-09-15",
    "mcp-tunnels-2026-06-22",
    "message-batches-2024-09-24",
    "message-threads-2026-08-12",
    "mid-conversation-output-config-2026-07-01",
    "mid-conversation-system-clear-at-2026-08-21",
    "mid-conversation-tool-changes-2026-07-01",
    "model-context-window-exceeded-2025-08-26",
    "oauth-2025-04-20",
    "output-128k-2025-02-19",
    "output-300k-2026-03-24",
    "pdfs-2024-09-25",
    "prompt-caching-2024-07-31",
    "server-side-fallback-2026-06-01",
    "server-side-fallback-2026-07-01",
    "skills-2025-10-02",
    "spend-limit-reads-2026-09-26",
    "structured-outputs-2025-11-13",
    "task-budgets-2026-03-13",
    "telemetry-destinations-2026-08-11",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "thinking-token-count-2026-05-13",
    "token-counting-2024-11-01",
    "token-efficient-tools-2025-02-19",
    "user-profiles-2026-03-24",
    "user-profiles-2026-08-18",
    "user-profiles-2026-09-04",
    "user-profiles-billing-2026-10-01",
    "webhooks-2026-10-07",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(betas: &str, expected: &[&str]) {
        let mut request = Request::default();
        request.headers.push("anthropic-beta", betas.to_owned());
        let found: Vec<_> = unlisted_betas(&request).collect();
        assert_eq!(found, expected, "{betas}");
    }

    #[test]
    fn a_name_with_a_date_may_be_a_beta() {
        check("fast-mode-2026-02-01", &[]);
        check("fast-mode-2026-02-01,mind-reading-2026-01-01", &["mind-reading-2026-01-01"]);
        check("mind-reading", &[]);
        check("mind-reading-2026-1-1", &[]);
        check("-2026-01-01", &[]);
        check("Mind reading-2026-01-01", &[]);
    }
}
