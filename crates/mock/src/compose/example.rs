//! A value that keeps a simple schema.
//!
//! Tool inputs and structured output need one value, not a generator: the first choice everywhere, required
//! members only. Patterns and conditions are not understood; whoever checks those against the mock's answers
//! finds a model that got them wrong, which happens.

use serde_json::{Map, Value, json};

/// The smallest value of the schema, or something near it.
pub(super) fn of_schema(schema: &Value) -> Value {
    let mut walk = Walk { root: schema, nodes: 0 };
    walk.value(schema, 0)
}

/// Deep enough for every tool a person would write; recursive schemas end here.
const DEPTH_MAX: u8 = 12;
/// A schema that requires more is answered in part.
const NODES_MAX: u32 = 256;
/// Longer minima than this are not met.
const LENGTH_MAX: u64 = 64;

struct Walk<'a> {
    root: &'a Value,
    nodes: u32,
}

impl<'a> Walk<'a> {
    fn value(&mut self, schema: &'a Value, depth: u8) -> Value {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Value::Null;
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(first) = schema.pointer("/enum/0") {
            return first.clone();
        }
        let target = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|r| self.root.pointer(r.strip_prefix('#')?));
        if let Some(target) = target {
            return self.value(target, depth + 1);
        }
        if let Some(branch) =
            ["/anyOf/0", "/oneOf/0", "/allOf/0"].iter().find_map(|at| schema.pointer(at))
        {
            return self.value(branch, depth + 1);
        }
        match kind(schema) {
            "array" => self.array(schema, depth),
            "boolean" => Value::Bool(true),
            "integer" => json!(number(schema).ceil() as i64),
            "null" => Value::Null,
            "number" => json!(number(schema)),
            "string" => text(schema).into(),
            _ => self.object(schema, depth),
        }
    }

    fn object(&mut self, schema: &'a Value, depth: u8) -> Value {
        let required =
            schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut members = Map::new();
        for name in required.iter().filter_map(Value::as_str) {
            let schema = schema.get("properties").and_then(|properties| properties.get(name));
            let value =
                schema.map_or_else(|| "value".into(), |schema| self.value(schema, depth + 1));
            members.insert(name.to_owned(), value);
        }
        Value::Object(members)
    }

    fn array(&mut self, schema: &'a Value, depth: u8) -> Value {
        let count = bound(schema, "minItems").unwrap_or(1).clamp(0, LENGTH_MAX);
        let Some(items) = schema.get("items") else { return Value::Array(Vec::new()) };
        (0..count).map(|_| self.value(items, depth + 1)).collect()
    }
}

/// The type of a schema; the first that is not null if it names several. Without one, an object if it looks like
/// one and a string otherwise.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    }
}

fn number(schema: &Value) -> f64 {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let step = bound("multipleOf").unwrap_or(1.0);
    match (bound("minimum"), bound("exclusiveMinimum"), bound("maximum"), bound("exclusiveMaximum"))
    {
        (Some(min), _, _, _) => (min / step).ceil() * step,
        (None, Some(min), _, _) => ((min / step).floor() + 1.0) * step,
        (None, None, Some(max), _) if max < step => (max / step).floor() * step,
        (None, None, None, Some(max)) if max <= step => ((max / step).ceil() - 1.0) * step,
        _ => step,
    }
}

fn text(schema: &Value) -> String {
    let word = match schema.get("format").and_then(Value::as_str) {
        Some("date") => "2026-11-22",
        Some("date-time") => "2026-11-22T09:00:00Z",
        Some("email") => "someone@example.com",
        Some("hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("time") => "09:00:00Z",
        Some("uri") => "https://example.com/",
        Some("uuid") => "00000000-0000-4000-8000-000000000000",
        _ => {
            let min = bound(schema, "minLength").unwrap_or(0).min(LENGTH_MAX) as usize;
            let max = bound(schema, "maxLength").unwrap_or(LENGTH_MAX) as usize;
            return format!("{:x<min$}", "value").chars().take(max.max(min)).collect();
        }
    };
    word.to_owned()
}

fn bound(schema: &Value, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn check(schema: Value, expected: Value) {
        assert_eq!(of_schema(&schema), expected, "{schema}");
    }

    #[test]
    fn first_choices() {
        check(json!({"type": "object"}), json!({}));
        check(json!({"type": ["null", "integer"], "minimum": 5}), json!(5));
        check(json!({"type": "number", "exclusiveMaximum": 0}), json!(-1.0));
        check(json!({"type": "string", "minLength": 8}), json!("valuexxx"));
        check(json!({"type": "string", "maxLength": 2}), json!("va"));
        check(json!({"enum": ["b", "a"]}), json!("b"));
        check(
            json!({"type": "array", "items": {"type": "boolean"}, "minItems": 2}),
            json!([true, true]),
        );
        check(
            json!({"$defs": {"n": {"const": 3}}, "type": "object", "properties": {"a": {"$ref": "#/$defs/n"}, "b": {}}, "required": ["a"]}),
            json!({"a": 3}),
        );
    }

    #[test]
    fn a_recursive_schema_ends() {
        let schema =
            json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]});
        assert!(of_schema(&schema).to_string().len() < 200);
    }
}
