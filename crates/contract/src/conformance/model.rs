//! Cases for a server that knows only a model of its own.
//!
//! The name is put in where a case names a model of the contract, in the bytes and nowhere else, so that a body that is
//! no JSON stays as wrong as it was. A case that is about the names of models keeps its own, and has nothing to say to
//! such a server.

use classify::{Body, Request};

use crate::case::{Case, Origin};
use crate::models::Models;

/// Whether the case is about the name of a model, so that another name in its place would make it another case.
pub fn is_about_models(case: &Case) -> bool {
    match &case.origin {
        Origin::Mutated(mutation) => {
            mutation.family == "model" || mutation.rule.starts_with("model-")
        }
        Origin::Witness { rule, .. } => rule.starts_with("model-"),
        Origin::Valid | Origin::Canary => false,
    }
}

/// The request with `name` wherever it names a model of the contract.
pub fn renamed(models: &Models, request: &Request, name: &str) -> Request {
    let mut request = request.clone();
    request.target = in_target(models, &request.target, name).into();
    request.body = match request.body {
        Body::Empty => Body::Empty,
        Body::Bytes(bytes) => Body::Bytes(in_bytes(models, &bytes, name).into()),
        Body::Repeat { prefix, unit, count, suffix } => Body::Repeat {
            prefix: in_bytes(models, &prefix, name).into(),
            unit: in_bytes(models, &unit, name).into(),
            count,
            suffix: in_bytes(models, &suffix, name).into(),
        },
    };
    request
}

/// `/v1/models/NAME`, and the ids between which a list begins and ends.
fn in_target(models: &Models, target: &str, name: &str) -> String {
    let is_known = |piece: &str| models.find(piece).is_some();
    let mut out = String::new();
    let mut rest = target;
    while let Some(at) = rest.find(['/', '=', '&', '?']) {
        let (piece, after) = rest.split_at(at);
        out.push_str(if is_known(piece) { name } else { piece });
        out.push_str(&after[..1]);
        rest = &after[1..];
    }
    out + if is_known(rest) { name } else { rest }
}

/// Each `"model": "KNOWN"`, however it is spaced.
fn in_bytes(models: &Models, bytes: &[u8], name: &str) -> Vec<u8> {
    const FIELD: &[u8] = b"\"model\"";
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(FIELD.len()).position(|window| window == FIELD) {
        let (before, after) = rest.split_at(at + FIELD.len());
        out.extend_from_slice(before);
        rest = after;
        let Some((gap, value)) = text_value(after) else { continue };
        let is_known = std::str::from_utf8(value).is_ok_and(|value| models.find(value).is_some());
        if is_known {
            out.extend_from_slice(&after[..gap]);
            // Names come from people: what JSON escapes is escaped.
            let quoted = serde_json::Value::from(name).to_string();
            out.extend_from_slice(quoted.as_bytes());
            rest = &after[gap + value.len() + 2..];
        }
    }
    out.extend_from_slice(rest);
    out
}

/// What stands after a colon, if it is a text without escapes: bytes before its opening quote, and the text.
fn text_value(after: &[u8]) -> Option<(usize, &[u8])> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let colon = after.iter().position(|byte| !is_space(byte))?;
    let open = colon + 1 + after.get(colon + 1..)?.iter().position(|byte| !is_space(byte))?;
    if after[colon] != b':' || after[open] != b'"' {
        return None;
    }
    let length = after[open + 1..].iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    (after[open + 1 + length] == b'"').then(|| (open, &after[open + 1..open + 1 + length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> Models {
        toml::from_str(include_str!("../../../../specs/models.toml")).unwrap()
    }

    fn check(body: &str, expected: &str) {
        let request = Request { body: Body::Bytes(body.to_owned().into()), ..Request::default() };
        let renamed = renamed(&models(), &request, "acme \"x\"");
        assert_eq!(renamed.body.to_bytes(), expected.as_bytes());
    }

    #[test]
    fn names_of_the_contract_are_replaced_in_the_bytes() {
        check(r#"{"model":"claude-sonnet-5"}"#, r#"{"model":"acme \"x\""}"#);
        check(r#"{"model" : "claude-sonnet-5","#, r#"{"model" : "acme \"x\"","#);
        check(
            r#"[{"model":"claude-opus-5"},{"model":"claude-opus-5"}]"#,
            r#"[{"model":"acme \"x\""},{"model":"acme \"x\""}]"#,
        );
        for same in [
            r#"{"model":"no-such"}"#,
            r#"{"model":5}"#,
            r#"{"model""#,
            r#"{"model":"#,
            r#"{"model":""#,
            r#"{"model":"a\"b"}"#,
            r#"{"text":"model"}"#,
        ] {
            check(same, same);
        }
    }

    #[test]
    fn and_in_the_target() {
        let check =
            |target: &str, expected: &str| assert_eq!(in_target(&models(), target, "x"), expected);
        check("/v1/models/claude-sonnet-5", "/v1/models/x");
        check("/v1/models?after_id=claude-sonnet-5&limit=2", "/v1/models?after_id=x&limit=2");
        check("/v1/messages", "/v1/messages");
    }
}
