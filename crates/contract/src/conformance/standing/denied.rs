//! Whether a refusal says that the server has no such thing, and which it means.
//!
//! Read kindly, for a server that says so is honest. What it says of a message without text is believed of such a
//! message only: of an agent whose message holds nothing but results the same words would excuse that it cannot work.

use classify::{Body, Reply, Request};
use serde_json::Value;

use super::{Feature, Features, probe};

/// The feature that the refusal denies. `absent` are those that the probe found missing.
pub(super) fn denied(
    features: Features,
    request: &Request,
    reply: &Reply,
    absent: Features,
) -> Option<Feature> {
    if !matches!(reply.status, 400..=499 | 501) {
        return None;
    }
    let words = probe::words(reply);
    if probe::misses_text(&words) {
        // What else such words name is an example.
        return content(&last_blocks(request), &["text", "tool_result"]);
    }
    let named = features
        .iter()
        .filter(|feature| *feature != Feature::Messages)
        .find(|feature| probe::denies(*feature, &words));
    let gone = || {
        features
            .iter()
            .find(|feature| absent.has(*feature) && matches!(reply.status, 404 | 405 | 501))
    };
    let only_text =
        || probe::denies_content(&words).then(|| content(&last_blocks(request), &[])).flatten();
    named.or_else(gone).or_else(only_text)
}

/// The first content that is no text, unless one of these blocks stands beside it.
fn content(blocks: &[String], but: &[&str]) -> Option<Feature> {
    const CONTENT: [(&str, Feature); 4] = [
        ("image", Feature::Images),
        ("document", Feature::Documents),
        ("search_result", Feature::SearchResults),
        ("container_upload", Feature::Files),
    ];
    let has = |kind: &str| blocks.iter().any(|block| block == kind);
    let found = CONTENT.into_iter().find(|(kind, _)| has(kind));
    found.filter(|_| !but.iter().any(|kind| has(kind))).map(|(_, feature)| feature)
}

/// The types of the blocks of the user's last message: what stands further back has been served before.
fn last_blocks(request: &Request) -> Vec<String> {
    let Body::Bytes(body) = &request.body else { return Vec::new() };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut messages = body["messages"].as_array().into_iter().flatten();
    let last = messages.rfind(|message| message["role"] == "user");
    let blocks = last.and_then(|message| message["content"].as_array()).into_iter().flatten();
    blocks.filter_map(|block| block["type"].as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(message: &str, contents: &[&[&str]], expected: Option<Feature>) {
        let blocks =
            |kinds: &[&str]| kinds.iter().map(|kind| json!({"type": kind})).collect::<Vec<_>>();
        let messages: Vec<_> = contents
            .iter()
            .map(|kinds| json!({"role": "user", "content": blocks(kinds)}))
            .collect();
        let body = json!({"messages": messages}).to_string();
        let request = Request { body: Body::Bytes(body.into()), ..Request::default() };
        let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
        let reply = Reply { status: 400, body: error.to_string().into(), ..Reply::default() };
        let features =
            [Feature::Images, Feature::Documents, Feature::ToolResults, Feature::SearchResults];
        let found = denied(features.into_iter().collect(), &request, &reply, Features::default());
        assert_eq!(found, expected, "{message}: {contents:?}");
    }

    #[test]
    fn a_message_without_text_is_one_that_has_something_else() {
        let words = "User message has no text content (image-only or unsupported)";
        check(words, &[&["document"]], Some(Feature::Documents));
        check(words, &[&["image"], &["tool_result"]], None);
        check(words, &[&["image"], &["tool_result", "document"]], None);
        check(words, &[&["image", "text"]], None);
    }

    #[test]
    fn what_takes_only_text_refuses_what_stands_last() {
        let words = "unsupported content type: only text is taken";
        check(words, &[&["text", "document"]], Some(Feature::Documents));
        check(words, &[&["document"], &["tool_result"]], None);
        check("images are not supported", &[&["image"], &["text"]], Some(Feature::Images));
        let words = "count_tokens can't convert these content blocks for this model: search_result";
        check(words, &[&["search_result"], &["text"]], Some(Feature::SearchResults));
    }
}
