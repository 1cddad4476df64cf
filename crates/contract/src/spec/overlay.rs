//! Applies an OpenAPI Overlay 1.0 document: a list of actions, each updating or removing what a JSONPath
//! selects.
//!
//! Stricter than the standard in one way: a target that selects nothing is an error, because an action that
//! does nothing is a misspelt one. The price is that an overlay cannot be shared by documents that differ.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Overlay {
    overlay: String,
    #[serde(rename = "info")]
    _info: Value,
    #[serde(rename = "extends", default)]
    _extends: Option<String>,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    target: String,
    #[serde(rename = "description", default)]
    _description: Option<String>,
    #[serde(default)]
    update: Option<Value>,
    #[serde(default)]
    remove: bool,
}

/// What is wrong with an overlay, by action where it can be said.
#[derive(Debug, Eq, PartialEq)]
pub enum OverlayError {
    Shape(String),
    Target { action: usize, target: String, problem: String },
}

impl fmt::Display for OverlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(problem) => write!(f, "not an overlay: {problem}"),
            Self::Target { action, target, problem } => {
                write!(f, "actions[{action}].target `{target}`: {problem}")
            }
        }
    }
}

/// The document with the overlay's actions applied in order.
pub fn apply(document: &Value, overlay: &Value) -> Result<Value, OverlayError> {
    let overlay: Overlay = serde_json::from_value(overlay.clone())
        .map_err(|error| OverlayError::Shape(error.to_string()))?;
    if !overlay.overlay.starts_with("1.") {
        return Err(OverlayError::Shape(format!(
            "overlay version `{}`, expected 1.x",
            overlay.overlay
        )));
    }
    let mut document = document.clone();
    for (index, action) in overlay.actions.iter().enumerate() {
        perform(&mut document, action).map_err(|problem| OverlayError::Target {
            action: index,
            target: action.target.clone(),
            problem,
        })?;
    }
    Ok(document)
}

fn perform(document: &mut Value, action: &Action) -> Result<(), String> {
    let path = JsonPath::parse(&action.target).map_err(|error| error.to_string())?;
    let mut places: Vec<String> = path
        .query_located(document)
        .locations()
        .map(|location| location.to_json_pointer())
        .collect();
    if places.is_empty() {
        return Err("selects nothing in the document".to_owned());
    }
    // Later places first, so that removing one element of a list does not move the next.
    places.reverse();
    for place in places {
        if action.remove {
            remove(document, &place)?;
        } else if let (Some(update), Some(target)) = (&action.update, document.pointer_mut(&place))
        {
            merge(target, update);
        }
    }
    Ok(())
}

fn remove(document: &mut Value, place: &str) -> Result<(), String> {
    let (parent, key) = place.rsplit_once('/').ok_or("cannot remove the whole document")?;
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(&key)),
        Some(Value::Array(elements)) => {
            drop(key.parse().map(|index: usize| elements.remove(index)))
        }
        _ => {}
    }
    Ok(())
}

/// Members are merged, lists are appended to, anything else is replaced, as the standard has it.
fn merge(target: &mut Value, update: &Value) {
    match (target, update) {
        (Value::Object(target), Value::Object(update)) => {
            for (key, value) in update {
                merge(target.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(target), Value::Array(update)) => target.extend(update.iter().cloned()),
        (Value::Array(target), update) => target.push(update.clone()),
        (target, update) => *target = update.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a table of cases reads better without references"
    )]
    fn check(action: Value, expected: Result<Value, &str>) {
        let document = json!({"a": {"b": 1, "list": [1, 2, 3]}});
        let overlay = json!({"overlay": "1.0.0", "info": {}, "actions": [action]});
        match (apply(&document, &overlay), expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{got}"),
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn members_are_merged_and_lists_extended() {
        let merged = json!({"a": {"b": 2, "c": {"d": 3}, "list": [1, 2, 3]}});
        check(json!({"target": "$.a", "update": {"b": 2, "c": {"d": 3}}}), Ok(merged));
        check(
            json!({"target": "$.a.list", "update": [4]}),
            Ok(json!({"a": {"b": 1, "list": [1, 2, 3, 4]}})),
        );
    }

    #[test]
    fn removal_takes_members_and_elements() {
        check(json!({"target": "$.a.b", "remove": true}), Ok(json!({"a": {"list": [1, 2, 3]}})));
        check(
            json!({"target": "$.a.list[?@ < 3]", "remove": true}),
            Ok(json!({"a": {"b": 1, "list": [3]}})),
        );
    }

    #[test]
    fn a_target_that_selects_nothing_is_named() {
        check(
            json!({"target": "$.nowhere", "remove": true}),
            Err("actions[0].target `$.nowhere`: selects nothing"),
        );
        check(json!({"target": "$[", "remove": true}), Err("actions[0].target `$[`"));
        check(json!({"target": "$.a", "updaet": {}}), Err("unknown field `updaet`"));
    }
}
