//! Bodies that are not one JSON object, and some that look unusual and are.

use serde_json::Value;

use super::{Base, Enumerate, Family, INVALID, Mutant};
use crate::case::Permitted;

pub(super) const FAMILY: Family =
    Family { name: "syntax", enumerate: Enumerate::Requests(enumerate) };

fn enumerate(base: &Base<'_>, out: &mut Vec<Mutant>) {
    let Value::Object(members) = base.body else { return };
    let Some(key) = members.keys().next() else { return };
    let text = base.body.to_string();
    let mut push = |rule, at: &'static str, body: String, answers| {
        out.push(Mutant { rule, at: at.into(), request: base.with_body(body), answers });
    };
    for (at, length) in truncations(&text, key) {
        push("truncated", at, text[..length].to_owned(), INVALID);
    }
    for (rule, body) in refused(&text, key) {
        push(rule, "", body, INVALID);
    }
    for (rule, body) in unusual(base.body, &text, key) {
        push(rule, "", body, Permitted::Served);
    }
}

/// Where to cut a body whose first member is `key`, as lengths.
fn truncations(text: &str, key: &str) -> [(&'static str, usize); 5] {
    let after_key = "{\"\"".len() + key.len();
    [
        ("after-brace", 1),
        ("in-string", after_key - 1),
        ("after-key", after_key),
        ("after-colon", after_key + 1),
        ("before-last-brace", text.len() - 1),
    ]
}

fn refused(text: &str, key: &str) -> [(&'static str, String); 14] {
    let open = &text[..text.len() - 1];
    let inside = &text[1..];
    [
        ("trailing-comma", format!("{open}, }}")),
        ("missing-comma", text.replacen(",\"", " \"", 1)),
        ("single-quotes", text.replacen(&format!("\"{key}\""), &format!("'{key}'"), 1)),
        ("unquoted-key", text.replacen(&format!("\"{key}\""), key, 1)),
        ("nan", format!("{open},\"probity_unknown\":NaN}}")),
        ("comment", format!("{{/* A remark. */{inside}")),
        ("two-documents", format!("{text}\n{text}")),
        ("whitespace-body", " \n".to_owned()),
        ("body-null", "null".to_owned()),
        ("body-list", format!("[{text}]")),
        ("body-string", Value::from(text).to_string()),
        ("body-number", "7".to_owned()),
        ("html-body", "<!doctype html><title>Sign in</title>".to_owned()),
        ("form-body", "model=claude&max_tokens=16".to_owned()),
    ]
}

/// Valid, if not what a library writes by default.
fn unusual(body: &Value, text: &str, key: &str) -> [(&'static str, String); 3] {
    let escaped: String = key.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    [
        ("escaped-key", text.replacen(&format!("\"{key}\""), &format!("\"{escaped}\""), 1)),
        ("indented", format!("{body:#}")),
        ("surrounding-whitespace", format!("\r\n\t {text} \n")),
    ]
}
