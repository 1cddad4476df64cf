//! Words the first violation of a schema as the API words it.
//!
//! Walks the document itself and picks union branches by their tag; decides nothing.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Validators, problems};
use crate::rules::Finding;
use crate::spec::Operation;

/// The first violation of the operation's request schema, worded as the API words it.
///
/// Call only when [`Validators::request_holds`] said no.
pub fn explain(
    document: &Value,
    validators: &Validators,
    operation: &Operation,
    body: &Value,
) -> Finding {
    let method = operation.method.to_lowercase();
    let schema = &document["paths"][&operation.path][&method]["requestBody"]["content"]["application/json"]
        ["schema"];
    let mut walk = Walk { document, validators, path: String::new() };
    walk.schema(schema, body).unwrap_or_else(|| {
        let validator = validators.requests.get(&operation.id);
        let first = validator.and_then(|validator| problems(validator, body).into_iter().next());
        first.unwrap_or_else(|| Finding::new("", "Input should be valid"))
    })
}

/// The schema behind a `$ref` of the document; the schema itself if it is none.
fn resolve<'a>(document: &'a Value, mut schema: &'a Value) -> &'a Value {
    // A document that compiled has no reference to itself alone, so this ends.
    while let Some(Value::String(reference)) = schema.get("$ref") {
        match target(document, reference) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}

/// What a reference points at. Components are looked up by name: a walk follows a reference at every step.
fn target<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    match reference.strip_prefix("#/components/schemas/") {
        Some(name) => document.get("components")?.get("schemas")?.get(name),
        None => document.pointer(reference.strip_prefix('#')?),
    }
}

/// The member that tells the branches of nearly all unions apart.
const KIND: &str = "type";

struct Walk<'a> {
    document: &'a Value,
    validators: &'a Validators,
    /// Dotted path of the value in hand; union branches add their tag, as the API's paths do.
    path: String,
}

impl Walk<'_> {
    fn schema(&mut self, schema: &Value, value: &Value) -> Option<Finding> {
        let Value::Object(keywords) = resolve(self.document, schema) else { return None };
        if value.is_null() && self.allows_null(keywords) {
            return None;
        }
        if let Some(Value::Array(branches)) = keywords.get("oneOf") {
            return self.tagged(keywords, branches, value);
        }
        if let Some(Value::Array(branches)) = keywords.get("anyOf") {
            return self.untagged(branches, value);
        }
        let kind = keywords.get("type").map_or("", type_name);
        if !kind.is_empty() && !has_type(kind, value) {
            return self.finding(format!("Input should be {}", type_words(kind)));
        }
        match value {
            Value::Object(members) => self.object(keywords, members),
            Value::Array(elements) => self.list(keywords, elements),
            scalar => self.scalar(keywords, scalar).and_then(|message| self.finding(message)),
        }
    }

    fn tagged(
        &mut self,
        keywords: &Map<String, Value>,
        branches: &[Value],
        value: &Value,
    ) -> Option<Finding> {
        let Some(discriminator) = keywords.get("discriminator") else {
            return self.untagged(branches, value);
        };
        let tag = discriminator["propertyName"].as_str().unwrap_or("type");
        let Value::Object(members) = value else {
            return self.finding("Input should be an object");
        };
        let mapping = discriminator.get("mapping").and_then(Value::as_object);
        if tag != KIND {
            return self.by_role(tag, branches, mapping, value);
        }
        let name = match members.get(tag) {
            Some(Value::String(name)) => Some(name.as_str()),
            // The one branch whose tag may be absent takes the untagged value, and its name stands in the path.
            None | Some(Value::Null) => self.name_without_tag(branches, tag, mapping),
            Some(_) => None,
        };
        let Some(name) = name else {
            return self.finding(format!("Unable to extract tag using discriminator '{tag}'"));
        };
        match mapping.and_then(|mapping| mapping.get(name)).and_then(Value::as_str) {
            Some(target) => self.inside(name, |walk| {
                self::target(walk.document, target).and_then(|schema| walk.schema(schema, value))
            }),
            None => {
                let tags: Vec<_> =
                    mapping.into_iter().flatten().map(|(tag, _)| format!("'{tag}'")).collect();
                let tags = tags.join(", ");
                self.finding(format!(
                    "Input tag '{name}' found using '{tag}' does not match any of the expected tags: {tags}"
                ))
            }
        }
    }

    /// A union told apart by a member other than `type`: the API sees that as a choice like any other, and its
    /// paths do not show the branch.
    fn by_role(
        &mut self,
        tag: &str,
        branches: &[Value],
        mapping: Option<&Map<String, Value>>,
        value: &Value,
    ) -> Option<Finding> {
        let named = value.get(tag).map(|name| name.as_str().and_then(|name| mapping?.get(name)));
        match named {
            None => self.inside(tag, |walk| walk.finding("Field required")),
            Some(None) => {
                let names = branches.iter().filter_map(|branch| name_of(branch, mapping));
                let choices: Vec<_> = names.map(Value::from).collect();
                let message = format!("Input should be {}", either(&choices));
                self.inside(tag, |walk| walk.finding(message))
            }
            Some(Some(target)) => {
                self.schema(self::target(self.document, target.as_str()?)?, value)
            }
        }
    }

    /// The tag that the branch which does not require one would have.
    fn name_without_tag<'m>(
        &self,
        branches: &[Value],
        tag: &str,
        mapping: Option<&'m Map<String, Value>>,
    ) -> Option<&'m str> {
        let branch = branches.iter().find(|branch| {
            let required = resolve(self.document, branch).get("required").and_then(Value::as_array);
            required.is_none_or(|required| required.iter().all(|name| name != tag))
        });
        name_of(branch?, mapping)
    }

    fn untagged(&mut self, branches: &[Value], value: &Value) -> Option<Finding> {
        let fits = branches.iter().find(|branch| {
            let keywords = resolve(self.document, branch);
            let kind = keywords.get("type").map_or("", type_name);
            has_type(kind, value) || (kind.is_empty() && value.is_object())
        });
        match fits {
            Some(branch) => self.schema(branch, value),
            None => {
                let wanted =
                    branches.iter().find_map(|branch| resolve(self.document, branch).get("type"));
                self.finding(format!(
                    "Input should be {}",
                    type_words(wanted.map_or("object", type_name))
                ))
            }
        }
    }

    fn object(
        &mut self,
        keywords: &Map<String, Value>,
        members: &Map<String, Value>,
    ) -> Option<Finding> {
        let properties = keywords.get("properties").and_then(Value::as_object);
        for name in keywords
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !members.contains_key(name) {
                return self.inside(name, |walk| walk.finding("Field required"));
            }
        }
        for (name, value) in members {
            let finding = match properties.and_then(|properties| properties.get(name)) {
                Some(schema) => self.inside(name, |walk| walk.schema(schema, value)),
                None => match keywords.get("additionalProperties") {
                    Some(Value::Bool(false)) => {
                        self.inside(name, |walk| walk.finding("Extra inputs are not permitted"))
                    }
                    Some(schema @ Value::Object(_)) => {
                        self.inside(name, |walk| walk.schema(schema, value))
                    }
                    _ => None,
                },
            };
            if finding.is_some() {
                return finding;
            }
        }
        None
    }

    fn list(&mut self, keywords: &Map<String, Value>, elements: &[Value]) -> Option<Finding> {
        let count = elements.len() as u64;
        let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_u64);
        if let Some(min) = bound("minItems").filter(|min| count < *min) {
            return self.finding(format!(
                "List should have at least {min} item{} after validation, not {count}",
                s(min)
            ));
        }
        if let Some(max) = bound("maxItems").filter(|max| count > *max) {
            return self.finding(format!(
                "List should have at most {max} item{} after validation, not {count}",
                s(max)
            ));
        }
        let items = keywords.get("items")?;
        elements.iter().enumerate().find_map(|(index, value)| {
            self.inside(&index.to_string(), |walk| walk.schema(items, value))
        })
    }

    fn scalar(&self, keywords: &Map<String, Value>, value: &Value) -> Option<String> {
        if let Some(constant) = keywords.get("const").filter(|constant| *constant != value) {
            return Some(format!("Input should be {}", quoted(constant)));
        }
        if let Some(Value::Array(choices)) =
            keywords.get("enum").filter(|choices| !contains(choices, value))
        {
            return Some(format!("Input should be {}", either(choices)));
        }
        match value {
            Value::Number(_) => number(keywords, value.as_f64()?),
            Value::String(text) => self.text(keywords, text, value),
            _ => None,
        }
    }

    fn text(&self, keywords: &Map<String, Value>, text: &str, value: &Value) -> Option<String> {
        let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_u64);
        let length = text.chars().count() as u64;
        if let Some(min) = bound("minLength").filter(|min| length < *min) {
            return Some(format!("String should have at least {min} character{}", s(min)));
        }
        // Before the longest length, which the patterns of names hold as well: the API then names the pattern.
        if let Some(pattern) = keywords.get("pattern").and_then(Value::as_str)
            && self.validators.patterns.get(pattern).is_some_and(|known| !known.is_valid(value))
        {
            return Some(format!("String should match pattern '{pattern}'"));
        }
        let max = bound("maxLength").filter(|max| length > *max)?;
        Some(format!("String should have at most {max} character{}", s(max)))
    }

    fn allows_null(&self, keywords: &Map<String, Value>) -> bool {
        let branches = ["oneOf", "anyOf"]
            .into_iter()
            .filter_map(|keyword| keywords.get(keyword)?.as_array())
            .flatten();
        let mut branches = branches.filter_map(|branch| resolve(self.document, branch).get("type"));
        keywords.get("type").is_some_and(|kind| contains(kind, &"null".into()))
            || branches.any(|kind| kind == "null" || contains(kind, &"null".into()))
    }

    /// Runs `step` with `segment` added to the path.
    fn inside(
        &mut self,
        segment: &str,
        step: impl FnOnce(&mut Self) -> Option<Finding>,
    ) -> Option<Finding> {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(segment);
        let finding = step(self);
        self.path.truncate(length);
        finding
    }

    #[expect(clippy::unnecessary_wraps, reason = "every caller returns it as its own answer")]
    fn finding(&self, message: impl Into<Cow<'static, str>>) -> Option<Finding> {
        Some(Finding::new(self.path.clone(), message))
    }
}

/// The tag that chooses the branch.
fn name_of<'m>(branch: &Value, mapping: Option<&'m Map<String, Value>>) -> Option<&'m str> {
    let reference = branch.get("$ref")?;
    mapping?.iter().find(|(_, target)| *target == reference).map(|(name, _)| name.as_str())
}

fn number(keywords: &Map<String, Value>, value: f64) -> Option<String> {
    let bounds = [
        (
            "minimum",
            "greater than or equal to",
            value < bound(keywords, "minimum", f64::NEG_INFINITY),
        ),
        (
            "exclusiveMinimum",
            "greater than",
            value <= bound(keywords, "exclusiveMinimum", f64::NEG_INFINITY),
        ),
        ("maximum", "less than or equal to", value > bound(keywords, "maximum", f64::INFINITY)),
        (
            "exclusiveMaximum",
            "less than",
            value >= bound(keywords, "exclusiveMaximum", f64::INFINITY),
        ),
    ];
    let (keyword, words, _) = bounds.into_iter().find(|(_, _, broken)| *broken)?;
    Some(format!("Input should be {words} {}", keywords[keyword]))
}

fn bound(keywords: &Map<String, Value>, keyword: &str, absent: f64) -> f64 {
    keywords.get(keyword).and_then(Value::as_f64).unwrap_or(absent)
}

fn contains(list: &Value, value: &Value) -> bool {
    list.as_array().is_some_and(|list| list.contains(value))
}

/// The type a schema asks for, `null` aside.
fn type_name(kind: &Value) -> &str {
    let of_list = |kinds: &'_ Value| {
        kinds.as_array().and_then(|kinds| kinds.iter().position(|kind| kind != "null"))
    };
    kind.as_str().or_else(|| kind.get(of_list(kind)?)?.as_str()).unwrap_or_default()
}

fn has_type(kind: &str, value: &Value) -> bool {
    match kind {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        // 2020-12 counts 1.0 among the integers.
        "integer" => {
            value.is_i64()
                || value.is_u64()
                || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "null" => value.is_null(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        _ => false,
    }
}

fn type_words(kind: &str) -> &'static str {
    match kind {
        "array" => "a valid list",
        "boolean" => "a valid boolean",
        "integer" => "a valid integer",
        "null" => "null",
        "number" => "a valid number",
        "string" => "a valid string",
        _ => "an object",
    }
}

fn either(choices: &[Value]) -> String {
    let words: Vec<_> = choices.iter().map(quoted).collect();
    match words.as_slice() {
        [many @ .., last] if !many.is_empty() => format!("{} or {last}", many.join(", ")),
        _ => words.concat(),
    }
}

fn quoted(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'"))
}

fn s(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}
