//! Small valid requests for breaches to start from.
//!
//! A breach builds what it needs instead of waiting for a base that has it: the smallest request that is
//! valid for the base's operation and model, with a few members laid over it. The base still decides the
//! head, the version and, where the rule allows, the model. The price is that breaches resemble each other;
//! variety is the generator's business.

use classify::Body;
use serde_json::{Value, json};

use super::{Base, Breach};
use crate::models::{Lifecycle, Model};
use crate::version::OperationId;

/// Enough for the smallest thinking budget (1024) to fit below it.
const MAX_TOKENS: u64 = 2048;

/// A breach on the base's own model.
pub(super) fn small(base: &Base<'_>, at: &'static str, members: Value) -> Breach {
    breach(base, at, params(base, own_model(base), members))
}

/// A breach on a model that the rule has chosen.
pub(super) fn small_on(base: &Base<'_>, model: &Model, at: &'static str, members: Value) -> Breach {
    breach(base, at, params(base, &model.id, members))
}

/// A breach whose one message holds these blocks.
pub(super) fn with_blocks(base: &Base<'_>, at: &'static str, blocks: Value) -> Breach {
    small(base, at, json!({"messages": [user(blocks)]}))
}

/// A breach with `unit` put `count` times where the mark stands inside a string of `body`: a body of any size
/// that is never held.
pub(super) fn repeat_text(
    base: &Base<'_>,
    at: &'static str,
    body: &Value,
    unit: String,
    count: u64,
) -> Breach {
    repeat(base, at, body, MARK, unit, count)
}

/// The same for a list: the mark is an element that others follow, `item` takes its place `count` times.
pub(super) fn repeat_items(
    base: &Base<'_>,
    at: &'static str,
    body: &Value,
    item: &Value,
    count: u64,
) -> Breach {
    repeat(base, at, body, &format!("\"{MARK}\","), format!("{item},"), count)
}

fn repeat(
    base: &Base<'_>,
    at: &'static str,
    body: &Value,
    mark: &str,
    unit: String,
    count: u64,
) -> Breach {
    let text = body.to_string();
    let (prefix, suffix) = text.split_once(mark).expect("the caller put the mark into the body");
    let (prefix, suffix) = (prefix.to_owned().into(), suffix.to_owned().into());
    base.with_request(at, |request| {
        request.body = Body::Repeat { prefix, unit: unit.into(), count, suffix }
    })
}

/// Stands in a body for what is put there as raw text. JSON leaves it as it is.
pub(super) const MARK: &str = "@@mark@@";

/// A whole body for the base's operation: the smallest parameters with `members` laid over them.
pub(super) fn whole(base: &Base<'_>, members: Value) -> Value {
    wrap(base, params(base, own_model(base), members))
}

/// The same on a model that the rule has chosen.
pub(super) fn whole_on(base: &Base<'_>, model: &Model, members: Value) -> Value {
    wrap(base, params(base, &model.id, members))
}

/// The base's model if it satisfies `test`, otherwise the first one that does and is there to stay.
pub(super) fn model<'a>(base: &Base<'a>, test: impl Fn(&Model) -> bool) -> Option<&'a Model> {
    let own = base.model.filter(|model| test(model));
    own.or_else(|| {
        base.models.current.iter().find(|model| model.lifecycle == Lifecycle::Active && test(model))
    })
}

pub(super) fn user(content: Value) -> Value {
    message("user", content)
}

pub(super) fn assistant(content: Value) -> Value {
    message("assistant", content)
}

pub(super) fn system(text: &str) -> Value {
    message("system", text.into())
}

pub(super) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A custom tool without parameters, valid under every option.
pub(super) fn tool(name: &str) -> Value {
    json!({"name": name, "input_schema": {"type": "object", "properties": {}, "additionalProperties": false}})
}

/// The question that [`tool_use`] looks into.
pub(super) fn hello() -> Value {
    user(json!("What is the weather like?"))
}

pub(super) fn tool_use(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "get_weather", "input": {}})
}

pub(super) fn tool_result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "18 degrees."})
}

/// A conversation with the tool that [`tool_use`] names.
pub(super) fn tool_talk(messages: Value) -> Value {
    Value::from_iter([("messages", messages), ("tools", json!([tool("get_weather")]))])
}

/// A document that is always readable.
pub(super) fn document() -> Value {
    json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Water is wet."}})
}

/// A document that claims to be a PDF.
pub(super) fn pdf(data: &str) -> Value {
    json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}})
}

fn message(role: &str, content: Value) -> Value {
    Value::from_iter([("role", Value::from(role)), ("content", content)])
}

fn own_model<'a>(base: &Base<'a>) -> &'a str {
    let named = base.body.get("model").and_then(Value::as_str);
    named.or_else(|| base.models.current.first().map(|model| &*model.id)).unwrap_or_default()
}

fn breach(base: &Base<'_>, at: &'static str, params: Value) -> Breach {
    let whole = wrap(base, params);
    base.with_body(at, |body| *body = whole)
}

fn params(base: &Base<'_>, model: &str, members: Value) -> Value {
    let mut params = json!({"model": model, "messages": [user(json!("Hello."))]});
    if base.operation != OperationId::MessagesCountTokens {
        params["max_tokens"] = json!(MAX_TOKENS);
    }
    if let (Value::Object(params), Value::Object(members)) = (&mut params, members) {
        params.extend(members);
    }
    params
}

fn wrap(base: &Base<'_>, params: Value) -> Value {
    match base.operation {
        OperationId::BatchesCreate => json!({"requests": [{"custom_id": "one", "params": params}]}),
        _ => params,
    }
}
