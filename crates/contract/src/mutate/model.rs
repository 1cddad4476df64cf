//! Names of models: those that are taken although they look odd, and those that look right and are not.

use std::borrow::Cow;

use classify::Body;
use serde_json::{Value, json};

use super::{Base, Enumerate, Family, Mutant};
use crate::case::Permitted;
use crate::models::{Lifecycle, Model};
use crate::version::OperationId;

pub(super) const FAMILY: Family =
    Family { name: "model", enumerate: Enumerate::Requests(enumerate) };

const NOT_FOUND: Permitted =
    Permitted::Exactly { status: 404, error_type: "not_found_error", error_code: None };

fn enumerate(base: &Base<'_>, out: &mut Vec<Mutant>) {
    if !base.operation.id.takes_params() {
        return;
    }
    let mut push = |rule, at: Cow<'static, str>, name: &str, answers| {
        let request = base
            .with_head(|request| request.body = Body::Bytes(small(base, name).to_string().into()));
        out.push(Mutant { rule, at, request, answers });
    };
    let models = &base.models.current;
    let own = base.body.get("model").and_then(Value::as_str).unwrap_or_default();
    for model in models.iter().filter(|model| is_deprecated(model)) {
        push("model-deprecated", model.id.clone().into(), &model.id, Permitted::Served);
    }
    for alias in models.iter().filter(|model| is_there(model)).flat_map(|model| &model.aliases) {
        push("model-alias", alias.clone().into(), alias, Permitted::Served);
    }
    push("model-case", "model".into(), &own.to_uppercase(), NOT_FOUND);
    push("model-padded", "model".into(), &format!(" {own}"), NOT_FOUND);
    push("model-vendor-prefixed", "model".into(), &format!("anthropic/{own}"), NOT_FOUND);
}

/// Announced to go on a day, still there. Without a day of announcement it is not known whether it still is.
fn is_deprecated(model: &Model) -> bool {
    model.lifecycle == Lifecycle::Deprecated && model.deprecated_at.is_some()
}

fn is_there(model: &Model) -> bool {
    model.lifecycle == Lifecycle::Active || is_deprecated(model)
}

/// A request that every model takes, whatever the base asks of its own.
fn small(base: &Base<'_>, model: &str) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "Hello." }] });
    if base.operation.id == OperationId::MessagesCreate {
        body["max_tokens"] = 16.into();
    }
    if base.traits.stream {
        body["stream"] = true.into();
    }
    body
}
