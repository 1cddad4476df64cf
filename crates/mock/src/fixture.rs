//! What the tests share: the contract as it stands in the repository, and requests.

use std::path::Path;
use std::sync::LazyLock;

use classify::{Body, Headers, Reply, Request};
use contract::spec::{Contract, Text, Texts};
use serde_json::{Value, json};

use crate::{Config, Now, Pace, Rules, State};

pub(crate) const KEY: &str = "sk-ant-api03-probity-test-key";

pub(crate) fn contract() -> &'static Contract {
    static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
        let texts = Texts {
            openapi: text("openapi.yaml"),
            overlays: vec![text("overlay-2023-06-01.yaml")],
            models: text("models.toml"),
            source: text("SOURCE.md"),
        };
        Contract::parse(&texts).unwrap_or_else(|error| panic!("{error}"))
    });
    &CONTRACT
}

#[expect(clippy::disallowed_methods, reason = "the tests read the contract where it stands")]
fn text(name: &str) -> Text {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(name);
    Text { name: name.to_owned(), text: std::fs::read_to_string(path).unwrap() }
}

pub(crate) fn config() -> Config {
    Config { key: None, rules: Rules::All, seed: 1, pace: Pace::Instant, limits: None }
}

pub(crate) fn now() -> Now {
    Now::at_date(&contract().as_of).unwrap().plus_hours(9)
}

pub(crate) fn get(target: &str) -> Request {
    let mut headers = Headers::default();
    headers.push("x-api-key", KEY);
    headers.push("anthropic-version", "2026-10-21");
    Request { method: "GET".into(), target: target.to_owned().into(), headers, body: Body::Empty }
}

pub(crate) fn post(target: &str, body: &Value) -> Request {
    let mut request = Request {
        method: "POST".into(),
        body: Body::Bytes(body.to_string().into()),
        ..get(target)
    };
    request.headers.push("content-type", "application/json");
    request
}

pub(crate) fn ask(state: &mut State, request: &Request) -> Reply {
    crate::answer(state, contract(), &config(), request, now()).into_reply()
}

pub(crate) fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

pub(crate) fn hello() -> Value {
    json!({"model": "claude-haiku-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello"}]})
}

pub(crate) fn weather_tool() -> Value {
    json!({
        "name": "weather",
        "description": "The weather at a place.",
        "input_schema": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "minLength": 3},
                "days": {"type": "integer", "minimum": 1, "maximum": 10},
                "units": {"enum": ["celsius", "fahrenheit"]},
                "note": {"type": "string"},
            },
            "required": ["place", "days", "units"],
        },
    })
}
