//! What things cost, estimated.
//!
//! A token is taken to be four bytes of text. Members of objects count with their names, each message and tool a
//! little more; images and files count the same whatever they hold, because their data is not looked at. The
//! estimate is monotone (more text never costs less) and the same for counting and for answering, which is all
//! that a client can rely on without the tokenizer.

use contract::rules::view;
use serde_json::Value;

const TOKEN_BYTES: u64 = 4;
/// What a request costs before it says anything.
const BASE_TOKENS: u64 = 7;
/// A middling picture or page.
const MEDIA_TOKENS: u64 = 1_500;

/// The input tokens of a request.
pub(crate) fn input(params: &Value) -> u64 {
    ["system", "messages", "tools"]
        .into_iter()
        .filter_map(|member| params.get(member))
        .map(weight)
        .sum::<u64>()
        + BASE_TOKENS
}

/// The output tokens of a text; at least one.
pub(super) fn output(text: &str) -> u64 {
    of_bytes(text.len()).max(1)
}

/// How much text so many tokens hold.
pub(super) fn bytes(tokens: u64) -> u64 {
    tokens.saturating_mul(TOKEN_BYTES)
}

/// The tokens of a value. Recursion ends with the JSON, whose depth the parser has limited.
pub(super) fn weight(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => of_bytes(text.len()),
        Value::Array(elements) => elements.iter().map(weight).sum(),
        Value::Object(members) => match view::kind(value) {
            "base64" | "file" | "url" => MEDIA_TOKENS,
            _ => members.iter().map(|(name, value)| of_bytes(name.len()) + weight(value)).sum(),
        },
    }
}

/// The longest life that a cache breakpoint of the request asks for.
pub(super) fn cache_ttl(params: &Value) -> Option<&'static str> {
    let mut found = None;
    let mut note = |holder: &Value| {
        let Some(control) = holder.get("cache_control").filter(|control| control.is_object())
        else {
            return;
        };
        let hourly = control.get("ttl").and_then(Value::as_str) == Some("1h");
        found = Some(if hourly || found == Some("1h") { "1h" } else { "5m" });
    };
    note(params);
    view::tools(params).iter().chain(view::member_list(params, "system")).for_each(&mut note);
    view::blocks(params).for_each(|block| note(block.value));
    found
}

fn of_bytes(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(TOKEN_BYTES)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn check(messages: Value, expected: u64) {
        assert_eq!(input(&json!({"model": "m", "messages": messages})) - BASE_TOKENS, expected);
    }

    #[test]
    fn text_is_counted_and_data_is_not() {
        check(json!([]), 0);
        check(json!([{"role": "user", "content": "12345678"}]), 1 + 1 + 2 + 2);
        let image = |data: &str| json!([{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": data}}]}]);
        let cost = 1 + 1 + 2 + (1 + 2) + 2 + MEDIA_TOKENS;
        check(image(""), cost);
        check(image(&"A".repeat(9_999)), cost);
    }
}
