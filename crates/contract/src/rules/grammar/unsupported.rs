//! Keywords that no grammar can express: one predicate per rule.
//!
//! Each is given a schema, one of its keywords and the value, and says what is wrong with that, in the API's wording
//! where it is known.

use serde_json::{Map, Value};

use super::super::view;

/// What of a schema leads out of it.
pub(super) fn external_ref(_: &Map<String, Value>, keyword: &str, value: &Value) -> Option<String> {
    let target = value.as_str().filter(|target| keyword == "$ref" && !target.starts_with('#'))?;
    Some(format!("External $ref is not supported: {target}"))
}

/// How large a number or how long a text is.
pub(super) fn size(schema: &Map<String, Value>, keyword: &str, value: &Value) -> Option<String> {
    const SIZES: [&str; 7] = [
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxLength",
        "maximum",
        "minLength",
        "minimum",
        "multipleOf",
    ];
    (SIZES.contains(&keyword) && !value.is_null()).then(|| unsupported(schema, keyword))
}

/// How many and which elements a list has, but for whether it may be empty.
pub(super) fn elements(
    schema: &Map<String, Value>,
    keyword: &str,
    value: &Value,
) -> Option<String> {
    const FEW: &str = "For 'array' type, 'minItems' values other than 0 or 1 are not supported";
    match keyword {
        "minItems" => value.as_f64().is_some_and(|n| n > 1.0).then(|| FEW.to_owned()),
        "maxItems" | "contains" => (!value.is_null()).then(|| unsupported(schema, keyword)),
        "uniqueItems" => (*value == true).then(|| unsupported(schema, keyword)),
        _ => None,
    }
}

/// A reference in an `allOf`, or beside one.
pub(super) fn all_of_with_ref(
    schema: &Map<String, Value>,
    keyword: &str,
    value: &Value,
) -> Option<String> {
    let has_ref = |schema: &Value| schema.get("$ref").is_some();
    let is_with = schema.contains_key("$ref") || view::list(value).iter().any(has_ref);
    (keyword == "allOf" && is_with).then(|| "allOf with $ref is not supported".to_owned())
}

/// A pattern that is more than a regular language.
pub(super) fn pattern(_: &Map<String, Value>, keyword: &str, value: &Value) -> Option<String> {
    const MESSAGE: &str = "regex lookaround, backreferences and word boundaries are not supported";
    let is_more = keyword == "pattern" && value.as_str().is_some_and(looks_back_or_around);
    is_more.then(|| MESSAGE.to_owned())
}

fn unsupported(schema: &Map<String, Value>, keyword: &str) -> String {
    let kind = schema.get("type").and_then(Value::as_str);
    let about = kind.map(|kind| format!("For '{kind}' type, ")).unwrap_or_default();
    format!("{about}property '{keyword}' is not supported")
}

/// Whether a regular expression has what no grammar can: lookaround, backreferences, word boundaries.
fn looks_back_or_around(pattern: &str) -> bool {
    let (mut rest, mut in_class) = (pattern, false);
    while let Some(first) = rest.chars().next() {
        let tail = &rest[first.len_utf8()..];
        // What is escaped is passed over together with its backslash; inside a class `\b` is a backspace.
        let escaped = tail.chars().next().filter(|_| first == '\\');
        match (first, escaped) {
            (_, Some('b' | 'B' | 'k' | '1'..='9')) if !in_class => return true,
            ('(', _)
                if !in_class
                    && ["?=", "?!", "?<=", "?<!"].iter().any(|mark| tail.starts_with(mark)) =>
            {
                return true;
            }
            ('[', _) => in_class = true,
            (']', _) => in_class = false,
            _ => {}
        }
        rest = &tail[escaped.map_or(0, char::len_utf8)..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_pattern(pattern: &str, expected: bool) {
        assert_eq!(looks_back_or_around(pattern), expected, "{pattern}");
    }

    #[test]
    fn patterns() {
        for plain in
            ["", r"^[a-z]+$", r"\\b", r"[\b]", r"[(?=]", r"(?:a|b)", r"(?<year>\d{4})", "\\"]
        {
            check_pattern(plain, false);
        }
        for complex in [r"\bcat", r"(a)\1", r"a(?=b)", r"a(?!b)", r"(?<=a)b", r"(?<!a)b", r"[x]\B"]
        {
            check_pattern(complex, true);
        }
    }
}
