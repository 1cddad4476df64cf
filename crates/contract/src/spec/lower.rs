//! Lowers an OpenAPI 3.1 document to the 3.0 that the `openapiv3` crate reads.
//!
//! That crate drops what it does not know without a word (`const`, siblings of `$ref`), so every schema
//! keyword is either rewritten by a rule below or refused by name and place:
//!
//! | 3.1 | 3.0 |
//! |---|---|
//! | `const: x` | `enum: [x]` |
//! | `type: [T, "null"]` | `type: T`, `nullable: true` |
//! | `anyOf`/`oneOf` with a `{type: "null"}` branch | the other branches, `nullable: true` |
//! | `$ref` beside other keywords | `allOf: [{$ref}]` |
//! | `exclusiveMinimum: n` | `minimum: n`, `exclusiveMinimum: true` |
//! | `x-…`, `examples`, `description`, `deprecated`, `default`, `title` | dropped: they constrain nothing |

use std::fmt;

use serde_json::{Map, Value, json};

/// A keyword that lowering would lose.
#[derive(Debug, Eq, PartialEq)]
pub struct LowerError {
    /// JSON pointer of the schema.
    pub at: String,
    pub problem: String,
}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// The whole document, parsed as OpenAPI 3.0.
pub fn document(document: &Value) -> Result<openapiv3::OpenAPI, LowerError> {
    let mut lowered = lower_outside(document, "")?;
    lowered["openapi"] = "3.0.3".into();
    serde_json::from_value(lowered).map_err(|error| LowerError {
        at: "/".to_owned(),
        problem: format!("not an OpenAPI document: {error}"),
    })
}

/// Outside schemas everything is kept, until a member leads into one.
fn lower_outside(value: &Value, at: &str) -> Result<Value, LowerError> {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| {
                let at = format!("{at}/{}", escape(key));
                let lowered = match (key.as_str(), value) {
                    ("schema", schema) => lower_schema(schema, &at)?,
                    ("schemas", Value::Object(schemas)) => lower_members(schemas, &at)?,
                    _ => lower_outside(value, &at)?,
                };
                Ok((key.clone(), lowered))
            })
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .enumerate()
            .map(|(index, value)| lower_outside(value, &format!("{at}/{index}")))
            .collect(),
        other => Ok(other.clone()),
    }
}

fn lower_members(schemas: &Map<String, Value>, at: &str) -> Result<Value, LowerError> {
    schemas
        .iter()
        .map(|(name, schema)| {
            Ok((name.clone(), lower_schema(schema, &format!("{at}/{}", escape(name)))?))
        })
        .collect()
}

fn lower_schema(schema: &Value, at: &str) -> Result<Value, LowerError> {
    let Value::Object(members) = schema else {
        return match schema {
            Value::Bool(true) => Ok(json!({})),
            _ => Err(refuse(at, format!("a schema is an object, not `{schema}`"))),
        };
    };
    let mut out = Map::new();
    for (keyword, value) in members {
        lower_keyword(keyword, value, at, &mut out)?;
    }
    if let Some(reference) = out.remove("$ref") {
        if out.is_empty() {
            return Ok(json!({ "$ref": reference }));
        }
        out.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
    }
    Ok(Value::Object(out))
}

fn lower_keyword(
    keyword: &str,
    value: &Value,
    at: &str,
    out: &mut Map<String, Value>,
) -> Result<(), LowerError> {
    let here = format!("{at}/{}", escape(keyword));
    match keyword {
        "$ref" | "type" | "required" | "enum" | "minimum" | "maximum" | "minLength"
        | "maxLength" | "minItems" | "maxItems" | "pattern" | "format" | "discriminator"
        | "uniqueItems"
            if !value.is_array() || keyword != "type" =>
        {
            put(out, keyword, value.clone());
        }
        "type" => lower_type_list(value, &here, out)?,
        "const" => put(out, "enum", json!([value])),
        "properties" => {
            let members =
                value.as_object().ok_or_else(|| refuse(&here, "expected an object".to_owned()))?;
            put(out, keyword, lower_members(members, &here)?);
        }
        "items" => put(out, keyword, lower_schema(value, &here)?),
        "additionalProperties" if value.is_boolean() => put(out, keyword, value.clone()),
        "additionalProperties" => put(out, keyword, lower_schema(value, &here)?),
        "anyOf" | "oneOf" | "allOf" => lower_branches(keyword, value, &here, out)?,
        "exclusiveMinimum" if value.is_number() => {
            put(out, "minimum", value.clone());
            put(out, keyword, true.into());
        }
        "exclusiveMaximum" if value.is_number() => {
            put(out, "maximum", value.clone());
            put(out, keyword, true.into());
        }
        "default" | "deprecated" | "description" | "examples" | "title" => {}
        extension if extension.starts_with("x-") => {}
        _ => {
            return Err(refuse(
                at,
                format!(
                    "keyword `{keyword}` would be lost in lowering; the loader has no rule for it"
                ),
            ));
        }
    }
    Ok(())
}

fn lower_type_list(
    value: &Value,
    at: &str,
    out: &mut Map<String, Value>,
) -> Result<(), LowerError> {
    match value.as_array().map(Vec::as_slice) {
        Some([one, null]) if null == "null" => {
            put(out, "type", one.clone());
            put(out, "nullable", true.into());
            Ok(())
        }
        _ => Err(refuse(at, format!("`{value}` is not a type or a type with \"null\""))),
    }
}

fn lower_branches(
    keyword: &str,
    value: &Value,
    at: &str,
    out: &mut Map<String, Value>,
) -> Result<(), LowerError> {
    let branches = value.as_array().ok_or_else(|| refuse(at, "expected a list".to_owned()))?;
    let mut lowered = Vec::new();
    for (index, branch) in branches.iter().enumerate() {
        if branch.get("type").is_some_and(|kind| kind == "null") {
            put(out, "nullable", true.into());
        } else {
            lowered.push(lower_schema(branch, &format!("{at}/{index}"))?);
        }
    }
    let keyword = if lowered.len() == 1 { "allOf" } else { keyword };
    put(out, keyword, lowered.into());
    Ok(())
}

fn put(out: &mut Map<String, Value>, keyword: &str, value: Value) {
    out.insert(keyword.to_owned(), value);
}

fn refuse(at: &str, problem: String) -> LowerError {
    LowerError { at: at.to_owned(), problem }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a table of cases reads better without references"
    )]
    fn check(schema: Value, expected: Result<Value, &str>) {
        match (lower_schema(&schema, ""), expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{got}"),
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn every_rule_of_the_table() {
        check(json!({"const": "text"}), Ok(json!({"enum": ["text"]})));
        check(json!({"type": ["string", "null"]}), Ok(json!({"type": "string", "nullable": true})));
        check(
            json!({"anyOf": [{"$ref": "#/components/schemas/A"}, {"type": "null"}]}),
            Ok(json!({"allOf": [{"$ref": "#/components/schemas/A"}], "nullable": true})),
        );
        check(json!({"$ref": "#/a", "description": "A."}), Ok(json!({"$ref": "#/a"})));
        check(json!({"exclusiveMinimum": 0}), Ok(json!({"minimum": 0, "exclusiveMinimum": true})));
        check(
            json!({"type": "string", "x-open": true, "default": "a"}),
            Ok(json!({"type": "string"})),
        );
    }

    #[test]
    fn what_would_be_lost_is_refused_by_name_and_place() {
        check(json!({"propertyNames": {}}), Err("keyword `propertyNames`"));
        check(json!({"properties": {"a": {"if": {}}}}), Err("/properties/a: keyword `if`"));
        check(json!({"type": ["string", "integer"]}), Err("/type: "));
    }
}
