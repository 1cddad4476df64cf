//! The input of a tool, which comes as pieces of JSON text.

use serde_json::{Map, Value};

use crate::error::Error;

/// The object that the pieces make, joined. None of them make an empty one. A text that ends early is an
/// incomplete answer, any other mistake is one of the protocol: neither is an input to act on.
pub(crate) fn input(text: &str, partial: &str) -> Result<Value, Error> {
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(input)) => Ok(Value::Object(input)),
        Err(error) if error.is_eof() => Err(Error::Incomplete {
            partial: partial.to_owned(),
            detail: "the input of a tool ends early".to_owned(),
        }),
        _ => Err(Error::Protocol { detail: "the input of a tool is not a JSON object".to_owned() }),
    }
}

/// The text with everything closed that it leaves open: a guess, as clients make it that would rather act on
/// half an input than on none.
pub(crate) fn repaired(text: &str) -> String {
    let (mut open, mut in_string, mut escaped) = (vec![], false, false);
    for letter in text.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => drop(open.pop()),
            _ => {}
        }
    }
    let quote = in_string.then_some('"');
    text.chars().chain(quote).chain(open.into_iter().rev()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, expected: Result<Value, &str>) {
        match (input(text, ""), expected) {
            (Ok(found), Ok(input)) => assert_eq!(found, input),
            (Err(error), Err(class)) => assert_eq!(error.class(), class, "{error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn an_input_is_a_whole_object_or_none_at_all() {
        check("", Ok(json!({})));
        check(r#"{"city":"Zürich"}"#, Ok(json!({ "city": "Zürich" })));
        check(r#"{"amount": 1"#, Err("incomplete"));
        check(r#"{"city": "Zü"#, Err("incomplete"));
        check(r#"{"amount": 1,, }"#, Err("protocol-error"));
        check("[]", Err("protocol-error"));
        check("null", Err("protocol-error"));
    }

    #[test]
    fn a_repaired_input_looks_whole() {
        for (cut, whole) in [
            (r#"{"amount": 1"#, json!({ "amount": 1 })),
            (r#"{"a": [{"b": "c\"{"#, json!({ "a": [{ "b": "c\"{" }] })),
            (r#"{"a": "b"}"#, json!({ "a": "b" })),
        ] {
            assert_eq!(input(&repaired(cut), "").unwrap(), whole);
        }
    }
}
