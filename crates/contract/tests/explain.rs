//! How the first violation of a schema is worded: by the path and in the words of the API.

use contract::validate::explain;
use contract::version::{OperationId, Version};
use serde_json::{Value, json};

mod specs;

/// Lays these members over a valid message.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
fn check(members: Value, path: &str, message: &str) {
    let mut body = json!({"model": "claude-opus-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi."}]});
    for (name, value) in members.as_object().expect("members are an object") {
        body[name] = value.clone();
    }
    let contract = specs::contract();
    let edition = contract.edition(Version::V2026_10_21);
    let operation = OperationId::MessagesCreate;
    assert!(!edition.validators.request_holds(operation, &body), "{body:#}");
    let operation = edition.operation(operation);
    let finding = explain(&edition.document, &edition.validators, operation, &body);
    assert_eq!((&*finding.path, &*finding.message), (path, message));
}

const PATTERN: &str = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'";

#[test]
fn a_tool_without_a_type_is_a_custom_one() {
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    check(json!({"tools": [tool("get weather")]}), "tools.0.custom.name", PATTERN);
    let mut typed = tool("get weather");
    for kind in [json!("custom"), Value::Null] {
        typed["type"] = kind;
        check(json!({"tools": [typed]}), "tools.0.custom.name", PATTERN);
    }
    check(json!({"tools": [{"name": "look"}]}), "tools.0.custom.input_schema", "Field required");
    let mut odd = tool("look");
    odd["input_schema"]["type"] = "array".into();
    check(
        json!({"tools": [tool("find"), odd]}),
        "tools.1.custom.input_schema.type",
        "Input should be 'object'",
    );
    check(
        json!({"tools": [{"type": "bash_20250124"}]}),
        "tools.0.bash_20250124.name",
        "Field required",
    );
}

#[test]
fn a_pattern_that_holds_the_length_speaks_for_it() {
    let tool =
        |name: String| json!({"tools": [{"name": name, "input_schema": {"type": "object"}}]});
    check(tool("a".repeat(129)), "tools.0.custom.name", PATTERN);
    check(
        json!({"metadata": {"user_id": "a".repeat(513)}}),
        "metadata.user_id",
        "String should have at most 512 characters",
    );
}

#[test]
fn a_union_without_an_untagged_branch_wants_its_tag() {
    let block = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    check(
        block(json!({"text": "Hi."})),
        "messages.0.content.0",
        "Unable to extract tag using discriminator 'type'",
    );
    check(block(json!({"type": "text"})), "messages.0.content.0.text.text", "Field required");
    check(
        json!({"messages": [{"role": "tool", "content": "Hi."}]}),
        "messages.0.role",
        "Input should be 'user', 'assistant' or 'system'",
    );
}
