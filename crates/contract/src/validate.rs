//! Judges a body against the schema as written, through the `jsonschema` crate.
//!
//! [`Validators::request_holds`] is the verdict and is fast. [`explain`] is asked only after a refusal: it walks
//! the document itself, picks union branches by their tag, and words the first violation as the API does, because
//! the validator would only say that no branch of the union matched. The price is a second walk that knows the
//! same keywords; it decides nothing, and where it finds nothing the validator's own words are used.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::rules::Finding;
use crate::spec::Operation;
use crate::version::OperationId;

mod explain;

pub use explain::explain;
use explain::resolve;

/// Compiled schemas of one edition.
pub struct Validators {
    requests: BTreeMap<OperationId, Validator>,
    /// By operation and media type.
    successes: BTreeMap<(OperationId, String), Validator>,
    error: Validator,
    patterns: BTreeMap<String, Validator>,
}

impl Validators {
    pub(crate) fn compile(document: &Value, operations: &[Operation]) -> Result<Self, String> {
        let components = document.get("components").cloned().unwrap_or_default();
        let compile = |schema: &Value, at: String| {
            let root = json!({ "allOf": [schema], "components": components });
            jsonschema::draft202012::new(&root)
                .map_err(|error| format!("{at}: not a JSON Schema: {error}"))
        };
        let (mut requests, mut successes) = (BTreeMap::new(), BTreeMap::new());
        let mut error = None;
        for operation in operations {
            let method = operation.method.to_lowercase();
            let raw = &document["paths"][&operation.path][&method];
            let at = format!("/paths/{}/{method}", operation.path);
            if let Some(schema) = raw.pointer("/requestBody/content/application~1json/schema") {
                requests.insert(operation.id, compile(schema, format!("{at}/requestBody"))?);
            }
            for media in &operation.success {
                let schema =
                    &resolve(document, &raw["responses"]["200"])["content"][media]["schema"];
                successes.insert(
                    (operation.id, media.clone()),
                    compile(schema, format!("{at}/responses/200/{media}"))?,
                );
            }
            if error.is_none() {
                let schema = &resolve(document, &raw["responses"]["4XX"])["content"]["application/json"]
                    ["schema"];
                error = Some(compile(schema, format!("{at}/responses/4XX"))?);
            }
        }
        let mut patterns = BTreeMap::new();
        collect_patterns(&components, &mut patterns)?;
        let error = error.ok_or("no operation declares a 4XX response")?;
        Ok(Self { requests, successes, error, patterns })
    }

    /// Whether the body keeps the operation's request schema; true if the operation takes no body.
    pub fn request_holds(&self, operation: OperationId, body: &Value) -> bool {
        self.requests.get(&operation).is_none_or(|validator| validator.is_valid(body))
    }

    /// Whether a success body (or one line or event of it) keeps its schema; `None` if the spec has no such media type.
    pub fn success_holds(&self, operation: OperationId, media: &str, body: &Value) -> Option<bool> {
        self.successes
            .iter()
            .find(|((id, m), _)| *id == operation && m == media)
            .map(|(_, v)| v.is_valid(body))
    }

    /// What is wrong with a success body, as `pointer: problem`, at most [`PROBLEMS_MAX`].
    pub fn success_problems(
        &self,
        operation: OperationId,
        media: &str,
        body: &Value,
    ) -> Vec<Finding> {
        let validator = self.successes.get(&(operation, media.to_owned()));
        validator.map_or_else(Vec::new, |validator| problems(validator, body))
    }

    /// Whether an error body keeps the envelope.
    pub fn error_holds(&self, body: &Value) -> bool {
        self.error.is_valid(body)
    }
}

/// More than this many problems of one body tell a reader nothing new.
pub const PROBLEMS_MAX: usize = 5;

fn problems(validator: &Validator, body: &Value) -> Vec<Finding> {
    let finding = |error: jsonschema::ValidationError<'_>| {
        Finding::new(error.instance_path().to_string(), error.masked().to_string())
    };
    validator.iter_errors(body).take(PROBLEMS_MAX).map(finding).collect()
}

fn collect_patterns(
    value: &Value,
    patterns: &mut BTreeMap<String, Validator>,
) -> Result<(), String> {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(pattern)) = members.get("pattern") {
                let schema = json!({ "pattern": pattern });
                let compiled = jsonschema::draft202012::new(&schema).map_err(|error| {
                    format!("pattern `{pattern}` is not a regular expression: {error}")
                })?;
                patterns.insert(pattern.clone(), compiled);
            }
            members.values().try_for_each(|value| collect_patterns(value, patterns))
        }
        Value::Array(elements) => {
            elements.iter().try_for_each(|value| collect_patterns(value, patterns))
        }
        _ => Ok(()),
    }
}
