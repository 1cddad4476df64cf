//! Judges a body against the schema as written, through the `jsonschema` crate.
//!
//! [`Validators::request_holds`] is the verdict and is fast. [`explain`] is asked only after a refusal: it walks
//! the document itself, picks union branches by their tag, and words the first violation as the API does, because
//! the validator would only say that no branch of the union matched. The price is a second walk that knows the
//! same keywords; it decides nothing, and where it finds nothing the validator's own words are used.

use std::collections::BTreeMap;

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use crate::rules::Finding;
use crate::spec::Operation;
use crate::version::OperationId;

mod explain;

pub use explain::explain;

/// The name under which the schemas of a document refer to it.
const DOCUMENT: &str = "probity:document";

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
        // One registry for all of them: the document is walked once, where a root schema of its own for each
        // would be walked again each time.
        let registry =
            jsonschema::Registry::new().draft(Draft::Draft202012).add(DOCUMENT, document);
        let registry = registry.and_then(|registry| registry.prepare());
        let registry = registry.map_err(|error| format!("not a JSON Schema: {error}"))?;
        let compile = |at: String| {
            // Templates in paths have braces, which a URI may not have.
            let fragment = at.replace('{', "%7B").replace('}', "%7D");
            let root = json!({ "$ref": format!("{DOCUMENT}#{fragment}") });
            let options = jsonschema::options().with_draft(Draft::Draft202012);
            let built = options.with_registry(&registry).build(&root);
            built.map_err(|error| format!("{at}: not a JSON Schema: {error}"))
        };
        let (mut requests, mut successes) = (BTreeMap::new(), BTreeMap::new());
        let mut error = None;
        for operation in operations {
            let method = operation.method.to_lowercase();
            let raw = &document["paths"][&operation.path][&method];
            let at = format!("/paths/{}/{method}", escaped(&operation.path));
            if raw.pointer("/requestBody/content/application~1json/schema").is_some() {
                let at = format!("{at}/requestBody/content/application~1json/schema");
                requests.insert(operation.id, compile(at)?);
            }
            for media in &operation.success {
                let at = content(document, format!("{at}/responses/200"), media);
                successes.insert((operation.id, media.clone()), compile(at)?);
            }
            if error.is_none() {
                error = Some(compile(content(
                    document,
                    format!("{at}/responses/4XX"),
                    "application/json",
                ))?);
            }
        }
        let mut patterns = BTreeMap::new();
        collect_patterns(document.get("components").unwrap_or(&Value::Null), &mut patterns)?;
        let error = error.ok_or("no operation declares a 4XX response")?;
        Ok(Self { requests, successes, error, patterns })
    }

    /// Whether the body keeps the operation's request schema; true if the operation takes no body.
    pub fn request_holds(&self, operation: OperationId, body: &Value) -> bool {
        self.requests.get(&operation).is_none_or(|validator| validator.is_valid(body))
    }

    /// Whether a success body (or one line or event of it) keeps its schema; `None` if the spec has no such media type.
    pub fn success_holds(&self, operation: OperationId, media: &str, body: &Value) -> Option<bool> {
        self.success(operation, media).map(|validator| validator.is_valid(body))
    }

    /// Whether the operation has an answer of that media type.
    pub fn has_success(&self, operation: OperationId, media: &str) -> bool {
        self.success(operation, media).is_some()
    }

    pub(crate) fn success(&self, operation: OperationId, media: &str) -> Option<&Validator> {
        self.successes.iter().find(|((id, m), _)| *id == operation && m == media).map(|(_, v)| v)
    }

    pub(crate) fn error(&self) -> &Validator {
        &self.error
    }

    /// What is wrong with a success body, as `pointer: problem`, at most [`PROBLEMS_MAX`].
    pub fn success_problems(
        &self,
        operation: OperationId,
        media: &str,
        body: &Value,
    ) -> Vec<Finding> {
        let validator = self.success(operation, media);
        validator.map_or_else(Vec::new, |validator| problems(validator, body))
    }

    /// Whether an error body keeps the envelope.
    pub fn error_holds(&self, body: &Value) -> bool {
        self.error.is_valid(body)
    }
}

/// The pointer to the schema of that media type in the response at that pointer, which may be a reference.
fn content(document: &Value, response: String, media: &str) -> String {
    let reference = document.pointer(&response).and_then(|response| response.get("$ref")?.as_str());
    let response = reference.and_then(|to| to.strip_prefix('#')).map_or(response, str::to_owned);
    format!("{response}/content/{}/schema", escaped(media))
}

/// A name as a segment of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
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
