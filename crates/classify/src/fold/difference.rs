//! Where two messages disagree that should say the same.
//!
//! A member that is null is taken for one that is absent: the API writes either, and clients read both alike. So is a
//! `caller` that is the model itself, since nothing else is meant where there is none.

use std::fmt;

use serde_json::{Map, Value};

/// A report needs the first few; a message of a hundred thousand blocks must not make a list of as many.
pub const DIFFERENCES_MAX: usize = 32;

/// One place at which the message of a stream and the plain one disagree.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// JSON pointer into both messages.
    pub pointer: String,
    /// Null where there is nothing.
    pub streamed: Value,
    /// Null where there is nothing.
    pub plain: Value,
}

/// Values are cut: a line of a report is no place for a whole text.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "streamed {}, plain {}", Excerpt(&self.streamed), Excerpt(&self.plain))
    }
}

/// Members that differ between two answers to one and the same request.
#[derive(Clone, Copy, Debug)]
pub struct MayDiffer {
    /// A JSON pointer in which `*` stands for one step, and `**` for any number of them.
    pub pointer: &'static str,
    pub why: &'static str,
}

/// The closed list: whatever is not on it has to be the same.
pub const MAY_DIFFER: [MayDiffer; 20] = [
    may_differ("/id", "every answer is a message of its own"),
    may_differ("/content/*/id", "every call has an id of its own"),
    may_differ("/content/*/tool_use_id", "it repeats the id of a call"),
    may_differ("/content/*/signature", "it is encrypted, and new each time"),
    may_differ("/content/*/data", "it is encrypted, and new each time"),
    may_differ("/content/*/encrypted_content", "it is encrypted, and new each time"),
    may_differ("/content/*/content/**/encrypted_content", "it is encrypted, and new each time"),
    may_differ("/content/*/content/**/encrypted_stdout", "it is encrypted, and new each time"),
    may_differ("/content/*/content/**/file_id", "every run of code writes files of its own"),
    may_differ("/content/*/content/**/retrieved_at", "it is a time"),
    may_differ("/content/*/citations/*/encrypted_index", "it is encrypted, and new each time"),
    may_differ("/container/id", "a request that names no container gets a new one"),
    may_differ("/container/expires_at", "it is a time"),
    may_differ("/diagnostics", "it depends on what the cache held"),
    may_differ("/usage/input_tokens", "what the cache gave is counted elsewhere"),
    may_differ("/usage/cache_creation", "the first of two requests fills the cache"),
    may_differ("/usage/cache_creation_input_tokens", "the first of two requests fills the cache"),
    may_differ("/usage/cache_read_input_tokens", "the second of two requests reads the cache"),
    may_differ("/usage/inference_geo", "two requests may be served at two places"),
    may_differ("/usage/service_tier", "capacity is assigned anew for each request"),
];

const fn may_differ(pointer: &'static str, why: &'static str) -> MayDiffer {
    MayDiffer { pointer, why }
}

/// What differs beyond [`MAY_DIFFER`], in the order of the members' names; at most [`DIFFERENCES_MAX`].
pub fn differences(streamed: &Value, plain: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(streamed, plain, &mut Vec::new(), &mut found);
    found
}

/// Both values come out of a parser with a limit on depth, and so does this.
fn compare(streamed: &Value, plain: &Value, path: &mut Vec<String>, found: &mut Vec<Difference>) {
    let is_usual = is_absent(streamed, path) && is_absent(plain, path);
    if streamed == plain || is_usual || found.len() == DIFFERENCES_MAX || is_permitted(path) {
        return;
    }
    match (streamed, plain) {
        (Value::Object(one), Value::Object(other)) => {
            let both = names(one, other);
            for name in both {
                let (one, other) = (at(one.get(name)), at(other.get(name)));
                path.push(name.clone());
                compare(one, other, path, found);
                path.pop();
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for index in 0..one.len().max(other.len()) {
                path.push(index.to_string());
                compare(at(one.get(index)), at(other.get(index)), path, found);
                path.pop();
            }
        }
        _ => found.push(Difference {
            pointer: pointer(path),
            streamed: streamed.clone(),
            plain: plain.clone(),
        }),
    }
}

fn names<'a>(one: &'a Map<String, Value>, other: &'a Map<String, Value>) -> Vec<&'a String> {
    let only_there = other.keys().filter(|name| !one.contains_key(*name));
    one.keys().chain(only_there).collect()
}

fn at(value: Option<&Value>) -> &Value {
    value.unwrap_or(&Value::Null)
}

/// Whether it says no more than if it were not there.
fn is_absent(value: &Value, path: &[String]) -> bool {
    let is_direct = || value.get("type").is_some_and(|caller| caller == "direct");
    value.is_null() || is_like(path, &["content", "*", "caller"]) && is_direct()
}

fn is_permitted(path: &[String]) -> bool {
    MAY_DIFFER.iter().any(|one| {
        let pattern: Vec<&str> = one.pointer.split('/').skip(1).collect();
        is_like(path, &pattern)
    })
}

fn is_like(path: &[String], pattern: &[&str]) -> bool {
    match (path, pattern) {
        ([], []) => true,
        (_, ["**", pattern @ ..]) => {
            (0..=path.len()).any(|skipped| is_like(&path[skipped..], pattern))
        }
        ([step, path @ ..], [wanted, pattern @ ..]) => {
            (*wanted == "*" || step == wanted) && is_like(path, pattern)
        }
        _ => false,
    }
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

struct Excerpt<'a>(&'a Value);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Two of them fit into a line.
        const CHARS_MAX: usize = 60;
        let text = self.0.to_string();
        match text.char_indices().nth(CHARS_MAX) {
            Some((end, _)) => write!(f, "{}…", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn check(streamed: Value, plain: Value, expected: &[&str]) {
        let found = differences(&streamed, &plain);
        let lines: Vec<_> = found.iter().map(|one| format!("{} {one}", one.pointer)).collect();
        assert_eq!(lines, expected);
        assert_eq!(differences(&plain, &streamed).len(), expected.len());
    }

    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn message(members: Value) -> Value {
        let mut message = json!({"type": "message", "usage": {"output_tokens": 7}});
        message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        message
    }

    #[test]
    fn alike() {
        check(json!({}), json!({}), &[]);
        check(message(json!({"stop_details": null})), message(json!({})), &[]);
        check(message(json!({"id": "msg_01"})), message(json!({"id": "msg_02"})), &[]);
        let call = |id: &str| json!({"content": [{"type": "tool_use", "id": id, "input": {}}]});
        check(message(call("toolu_01")), message(call("toolu_02")), &[]);
        let called = |caller: Value| json!({"content": [{"type": "tool_use", "caller": caller}]});
        check(message(called(json!({"type": "direct"}))), message(called(Value::Null)), &[]);
        let result = |secret: &str| {
            let found = json!([{"url": "https://example.com", "encrypted_content": secret}]);
            json!({"content": [{"type": "web_search_tool_result", "content": found}]})
        };
        check(message(result("a")), message(result("b")), &[]);
    }

    #[test]
    fn what_differs_is_named() {
        let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
        check(text("Hello"), text("Hell"), &[r#"/content/0/text streamed "Hello", plain "Hell""#]);
        check(
            json!({"content": []}),
            text("Hi"),
            &[r#"/content/0 streamed null, plain {"text":"Hi","type":"text"}"#],
        );
        check(
            message(json!({"usage": {"output_tokens": 8}})),
            message(json!({})),
            &["/usage/output_tokens streamed 8, plain 7"],
        );
        let called = |caller: Value| json!({"content": [{"type": "tool_use", "caller": caller}]});
        check(
            called(json!({"type": "code_execution_20250825"})),
            called(Value::Null),
            &[r#"/content/0/caller streamed {"type":"code_execution_20250825"}, plain null"#],
        );
        check(json!({"a/b": 1}), json!({}), &["/a~1b streamed 1, plain null"]);
    }

    /// A tool's input is the caller's own: no name in it is excused.
    #[test]
    fn an_input_is_compared_whole() {
        for name in ["id", "file_id", "retrieved_at", "encrypted_content", "signature", "data"] {
            let call =
                |value: u64| json!({"content": [{"type": "tool_use", "input": {name: value}}]});
            let expected = format!("/content/0/input/{name} streamed 1, plain 2");
            check(call(1), call(2), &[&expected]);
        }
    }

    #[test]
    fn long_values_and_long_lists_are_cut() {
        let long = "é".repeat(200);
        let line = Difference { pointer: String::new(), streamed: long.into(), plain: Value::Null };
        assert_eq!(line.to_string().chars().filter(|c| *c == 'é').count(), 59);
        let list = |item: u64| Value::Array(vec![item.into(); 100]);
        assert_eq!(differences(&list(1), &list(2)).len(), DIFFERENCES_MAX);
    }
}
