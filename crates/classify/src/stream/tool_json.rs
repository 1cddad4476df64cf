//! Whether the pieces of a call's input make an object.

use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::rule::Rule;

/// The rule that `json`, the pieces put together, breaks; no piece at all means an empty object.
pub(super) fn broken(json: &str) -> Option<(Rule, String)> {
    let text = json.trim_ascii_start();
    if json.is_empty() {
        return None;
    }
    let mut values = Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match values.next() {
        None => Some((Rule::ToolJsonIncomplete, "nothing but white space".to_owned())),
        Some(Err(error)) if error.is_eof() => Some((Rule::ToolJsonIncomplete, error.to_string())),
        Some(Err(error)) => Some((Rule::ToolJsonInvalid, error.to_string())),
        Some(Ok(_)) if !text.starts_with('{') => {
            Some((Rule::ToolJsonNotObject, "another JSON value".to_owned()))
        }
        Some(Ok(_)) => {
            let rest = text[values.byte_offset()..].trim_ascii();
            (!rest.is_empty()).then(|| {
                (Rule::ToolJsonTrailing, format!("{} bytes follow the object", rest.len()))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Option<Rule>) {
        assert_eq!(broken(json).map(|(rule, _)| rule), expected, "{json}");
    }

    #[test]
    fn inputs() {
        for whole in ["", "{}", " {\"a\": [1, \"}\"]} ", "{\"a\":1e5}"] {
            check(whole, None);
        }
        for prefix in [" ", "{", "{\"a", "{\"a\":1", "{\"a\": \"\\u12", "{\"a\": tr", "{\"a\":[{}"]
        {
            check(prefix, Some(Rule::ToolJsonIncomplete));
        }
        for broken in ["{\"a\": 1,,}", "{a}", "<html>", "{\"a\": 1,}", "{'a': 1}"] {
            check(broken, Some(Rule::ToolJsonInvalid));
        }
        for other in ["[]", "\"{}\"", "7", "null", "\"a\" \"b\""] {
            check(other, Some(Rule::ToolJsonNotObject));
        }
        for more in ["{}{}", "{} x", "{\"a\":1}}", "{}]"] {
            check(more, Some(Rule::ToolJsonTrailing));
        }
    }

    #[test]
    fn depth_is_no_matter() {
        const DEEP: usize = 100_000;
        let json = format!("{{\"a\":{}{}}}", "[".repeat(DEEP), "]".repeat(DEEP));
        check(&json, None);
        check(&json[..DEEP], Some(Rule::ToolJsonIncomplete));
    }
}
