//! Twenty-two odd requests that other mocks of this API mostly accept, and what the API says to each.
//!
//! They were collected by sending them to five public mocks; the best of those refuses thirteen. The answers are
//! typed from public sources, one by one, and hold for both versions unless a row says otherwise.

use std::path::Path;
use std::sync::LazyLock;

use classify::{Body, Headers, Request};
use contract::spec::{Contract, Text, Texts};
use contract::version::Version;
use mock::{Config, Now, Pace, Rules, State};
use serde_json::{Value, json};

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let texts = Texts {
        openapi: text("openapi.yaml"),
        overlays: vec![text("overlay-2023-06-01.yaml")],
        models: text("models.toml"),
        source: text("SOURCE.md"),
    };
    Contract::parse(&texts).unwrap_or_else(|error| panic!("{error}"))
});

#[expect(clippy::disallowed_methods, reason = "the test reads the contract where it stands")]
fn text(name: &str) -> Text {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(name);
    Text {
        name: name.to_owned(),
        text: std::fs::read_to_string(path).expect("the contract is there"),
    }
}

fn valid() -> Value {
    json!({"model": "claude-sonnet-4-6", "max_tokens": 2048, "messages": [{"role": "user", "content": "Hello."}]})
}

fn request(version: Version, body: impl Into<Vec<u8>>) -> Request {
    let mut headers = Headers::default();
    headers.push("x-api-key", "sk-ant-api03-probity-test-key");
    headers.push("anthropic-version", version.name());
    headers.push("content-type", "application/json");
    let body = Body::Bytes(body.into().into());
    Request { method: "POST".into(), target: "/v1/messages".into(), headers, body }
}

/// Sends the request that `make` gives under both versions; `expected` is a status with the error's type and the
/// start of its message, both empty for a success.
#[track_caller]
fn check(make: impl Fn(Version) -> Request, expected: (u16, &str, &str)) {
    for version in Version::ALL {
        let config =
            Config { key: None, rules: Rules::All, seed: 1, pace: Pace::Instant, limits: None };
        let now = Now::at_date(&CONTRACT.as_of).expect("SOURCE.md has a date");
        let reply =
            mock::answer(&mut State::new(), &CONTRACT, &config, &make(version), now).into_reply();
        let body: Value = serde_json::from_slice(&reply.body).expect("every answer is JSON");
        let error = &body["error"];
        let said = |member: &str| error[member].as_str().unwrap_or_default();
        let got = (reply.status, said("type"), said("message"));
        let (status, error_type, message) = expected;
        assert!(
            got.0 == status && got.1 == error_type && got.2.starts_with(message),
            "{version}: expected {expected:?}, got {got:?}"
        );
        assert!(reply.headers.get("request-id").is_some_and(|id| id.starts_with("req_")));
        assert_eq!(body["type"], if status == 200 { "message" } else { "error" });
    }
}

/// A valid body with these members laid over it; `null` takes one away.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
fn check_body(members: Value, expected: (u16, &str, &str)) {
    let mut body = valid();
    for (name, value) in members.as_object().expect("members are an object") {
        match value {
            Value::Null => drop(body.as_object_mut().expect("a body is an object").remove(name)),
            value => body[name] = value.clone(),
        }
    }
    check(|version| request(version, body.to_string()), expected);
}

#[track_caller]
fn check_head(edit: impl Fn(&mut Request), expected: (u16, &str, &str)) {
    let make = |version| {
        let mut request = request(version, valid().to_string());
        edit(&mut request);
        request
    };
    check(make, expected);
}

#[track_caller]
fn check_bytes(body: &str, expected: (u16, &str, &str)) {
    check(|version| request(version, body), expected);
}

const OK: (u16, &str, &str) = (200, "", "");

/// 400 with this start of a message.
const fn refused(message: &str) -> (u16, &str, &str) {
    (400, "invalid_request_error", message)
}

#[test]
fn the_control_is_accepted() {
    check_body(json!({}), OK);
}

#[test]
fn heads() {
    check_head(
        |request| request.headers.remove("x-api-key"),
        (401, "authentication_error", "x-api-key header is required"),
    );
    check_head(
        |request| request.headers.remove("anthropic-version"),
        refused("anthropic-version: header is required"),
    );
    check_head(
        |request| {
            request.method = "GET".into();
            request.headers.remove("content-type");
            request.body = Body::Empty;
        },
        (405, "invalid_request_error", "Method Not Allowed"),
    );
}

#[test]
fn members() {
    check_body(json!({"max_tokens": null}), refused("max_tokens: Field required"));
    // Legal: it writes the prompt to the cache and answers nothing.
    check_body(json!({"max_tokens": 0}), OK);
    check_body(json!({"max_tokens": "16"}), refused("max_tokens: Input should be a valid integer"));
    check_body(json!({"messages": null}), refused("messages: Field required"));
    check_body(json!({"messages": []}), refused("messages: at least one message is required"));
    check_body(json!({"model": null}), refused("model: Field required"));
    check_body(json!({"colour": "red"}), refused("colour: Extra inputs are not permitted"));
}

#[test]
fn messages() {
    check_body(
        json!({"messages": [{"role": "robot", "content": "Hello."}]}),
        refused("messages.0.role: Input should be 'user', 'assistant' or 'system'"),
    );
    check_body(
        json!({"messages": [{"role": "user", "content": [{"type": "hologram", "text": "Hello."}]}]}),
        refused("messages.0.content.0: Input tag 'hologram' found using 'type' does not match"),
    );
    check_body(
        json!({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": "18"}]}]}),
        refused(
            "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_01.",
        ),
    );
}

#[test]
fn a_temperature_of_two() {
    let make = |version| {
        request(version, {
            let mut body = valid();
            body["temperature"] = json!(2);
            body.to_string()
        })
    };
    let versions = [
        (Version::V2023_06_01, "temperature: Input should be less than or equal to 1"),
        (Version::V2026_10_21, "temperature: Extra inputs are not permitted"),
    ];
    for (version, message) in versions {
        check(|_| make(version), refused(message));
    }
}

#[test]
fn tools() {
    check_body(
        json!({"tool_choice": {"type": "tool", "name": "get_weather"}}),
        refused("tool_choice may only be specified while providing tools."),
    );
    let tool = json!({"name": "get_weather", "input_schema": {"type": "object"}});
    check_body(json!({"tools": [tool, tool]}), refused("tools: Tool names must be unique."));
}

#[test]
fn thinking_and_caching() {
    check_body(
        json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        refused("`max_tokens` must be greater than `thinking.budget_tokens`."),
    );
    let block = json!({"type": "text", "text": "Hello.", "cache_control": {"type": "ephemeral"}});
    let messages = json!([{"role": "user", "content": [block, block, block, block, block]}]);
    check_body(
        json!({"messages": messages}),
        refused("A maximum of 4 blocks with cache_control may be provided. Found 5."),
    );
}

#[test]
fn bodies_that_are_no_object() {
    check_bytes("null", refused("Input should be"));
    check_bytes("[]", refused("Input should be"));
    check_bytes(
        "{\"model\": \"claude-sonnet-4-6\", \"max_tok",
        refused("The request body is not valid JSON: unexpected end of data"),
    );
}

/// Documented as required, and not what happens otherwise: that it is refused with 400 is concluded.
#[test]
fn text_plain_is_refused_though_the_status_is_an_open_question() {
    check_head(
        |request| request.headers.replace("content-type".to_owned(), "text/plain".to_owned()),
        refused(""),
    );
}
