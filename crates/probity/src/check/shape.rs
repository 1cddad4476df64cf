//! What a JSON value is, by the members that only it has.

use contract::version::OperationId;
use serde_json::Value;

/// What a body is the body of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// The head says it.
    Whole,
    Message,
    Count,
    Batch,
    /// One request of a batch: `custom_id` and `params`.
    BatchItem,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Thing {
    Request(Shape),
    Answer,
    /// `request` and `response` beside each other, as many programs log them.
    Pair,
}

/// What that value is; none if nothing of this API.
pub(super) fn of(value: &Value) -> Option<Thing> {
    let object = value.as_object()?;
    let kind = object.get("type").and_then(Value::as_str);
    let has = |name: &str| object.contains_key(name);
    if kind == Some("error") || object.get("error").is_some_and(Value::is_object) {
        return Some(Thing::Answer);
    }
    if matches!(kind, Some("message" | "message_batch" | "message_batch_deleted" | "model")) {
        return Some(Thing::Answer);
    }
    if has("custom_id") && has("result") || has("data") && has("has_more") {
        return Some(Thing::Answer);
    }
    if has("custom_id") && has("params") {
        return Some(Thing::Request(Shape::BatchItem));
    }
    if has("messages") && (has("model") || has("max_tokens")) {
        return Some(Thing::Request(Shape::Message));
    }
    if object.get("requests").is_some_and(Value::is_array) {
        return Some(Thing::Request(Shape::Batch));
    }
    if has("input_tokens") && object.len() <= COUNT_MEMBERS_MAX {
        return Some(Thing::Answer);
    }
    let is_thing = |name| object.get(name).is_some_and(|value: &Value| of(value).is_some());
    (is_thing("request") || is_thing("response")).then_some(Thing::Pair)
}

/// A count of tokens has one member, and may grow; an object with many is something else.
const COUNT_MEMBERS_MAX: usize = 3;

/// The same for a text that is no JSON, by words that hardly anything else has.
pub(super) fn guess(text: &[u8]) -> Option<Thing> {
    let has = |word: &str| text.windows(word.len()).any(|window| window == word.as_bytes());
    if has("\"messages\"") && (has("\"role\"") || has("\"model\"")) {
        return Some(Thing::Request(Shape::Message));
    }
    (has("\"stop_reason\"") || has("\"type\":\"error\"") || has("\"type\": \"error\""))
        .then_some(Thing::Answer)
}

/// The operation that answers so; errors are the same for all.
pub(super) fn operation_of(answer: &Value) -> OperationId {
    let kind = answer.get("type").and_then(Value::as_str);
    let first = answer.pointer("/data/0/type").and_then(Value::as_str);
    match (kind, first) {
        (Some("message_batch"), _) => OperationId::BatchesGet,
        (Some("message_batch_deleted"), _) => OperationId::BatchesDelete,
        (Some("model"), _) => OperationId::ModelsGet,
        (None, Some("message_batch")) => OperationId::BatchesList,
        (None, _) if answer.get("has_more").is_some() => OperationId::ModelsList,
        (None, _) if answer.get("custom_id").is_some() => OperationId::BatchesResults,
        (None, _) if answer.get("input_tokens").is_some() => OperationId::MessagesCountTokens,
        _ => OperationId::MessagesCreate,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "values are written down where they are used"
    )]
    fn check(value: Value, expected: Option<Thing>) {
        assert_eq!(of(&value), expected, "{value}");
    }

    #[test]
    fn shapes_are_told_by_their_members() {
        let request = json!({"model": "m", "max_tokens": 1, "messages": []});
        check(request.clone(), Some(Thing::Request(Shape::Message)));
        check(json!({"custom_id": "a", "params": request}), Some(Thing::Request(Shape::BatchItem)));
        check(json!({"requests": []}), Some(Thing::Request(Shape::Batch)));
        check(json!({"type": "message", "messages": [], "model": "m"}), Some(Thing::Answer));
        check(json!({"error": {"message": "m"}}), Some(Thing::Answer));
        check(json!({"data": [], "has_more": false}), Some(Thing::Answer));
        check(json!({"input_tokens": 1}), Some(Thing::Answer));
        check(json!({"request": request, "response": null}), Some(Thing::Pair));
        for other in [json!({}), json!([]), json!(1), json!({"name": "x", "version": "1"})] {
            check(other, None);
        }
    }

    #[test]
    fn broken_texts_are_guessed() {
        let cut = br#"{"model":"m","messages":[{"role":"user""#;
        assert_eq!(guess(cut), Some(Thing::Request(Shape::Message)));
        assert_eq!(guess(br#"{"type": "error", "error"#), Some(Thing::Answer));
        assert_eq!(guess(b"{"), None);
    }
}
