//! The schema of an answer, read as a client must read it: open to what a later version adds.
//!
//! The judge of bodies is the `jsonschema` crate here, too, over a copy of the document in which choices are any value
//! of their type and a union is decided by its tag. A tag that is not known decides nothing; a known one leads to the
//! place inside its branch, where the closed union would only say that no branch fits. The price is a second set of
//! validators, made when an answer first breaks the closed ones.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use classify::sse;
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};

use super::{Answer, Body, Check, Found, Rule};
use crate::judge::Blame;
use crate::level::Level;
use crate::spec::Edition;
use crate::validate::{PROBLEMS_MAX, Validators};
use crate::version::OperationId;

pub(super) const ID: &str = "response/schema";

pub(super) const RULES: &[Rule] = &[Rule {
    id: ID,
    level: Level::Strict,
    sentence: "An answer holds the schema of its operation: members that must be there are, and have the right type. Members, blocks and values that are not known are no breach.",
    remedy: "Send the member that the place names, null where there is nothing to say and null is taken.",
    seen: &["BerriAI/litellm#24176"],
    check: Check::Answer(|answer| !matches!(answer.body, Body::Other(_)), schema),
}];

/// The validators of answers, open to what is not known.
#[derive(Default)]
pub(crate) struct Answers(OnceLock<Option<Validators>>);

impl Answers {
    fn of(edition: &Edition) -> Option<&Validators> {
        let compile = || {
            let document = opened(&edition.document);
            Validators::compile(&document, &edition.operations).ok()
        };
        edition.answers.0.get_or_init(compile).as_ref()
    }
}

fn schema(answer: &Answer<'_>, found: &mut Found) {
    let mut left = PROBLEMS_MAX;
    match &answer.body {
        Body::Json(body) if !answer.is_success() => {
            let holds = answer.edition.validators.error_holds(body);
            if body.is_object() && !holds {
                let validator = Answers::of(answer.edition).map(Validators::error);
                problems(answer, validator, body, &mut left, found);
            }
        }
        Body::Json(body) => {
            if answer.success().is_some() {
                one(answer, body, &mut left, found);
            }
        }
        Body::Lines(lines) => {
            for (idx, line) in lines.iter().enumerate() {
                if let Ok(line) = line {
                    found.at = format!("/{idx}");
                    one(answer, line, &mut left, found);
                }
            }
        }
        Body::Stream { .. } => {
            let mut decoder = sse::Decoder::default();
            for event in decoder.push(&answer.reply.body) {
                if let Ok(event) = serde_json::from_str(&event.data) {
                    one(answer, &event, &mut left, found);
                }
            }
        }
        Body::Other(_) => {}
    }
}

/// Judges a body, or one line or event of it. Under a media type that no answer has, nothing is known.
fn one(answer: &Answer<'_>, body: &Value, left: &mut usize, found: &mut Found) {
    let Answer { edition, operation, media, .. } = answer;
    if *left > 0 && edition.validators.success_holds(*operation, media, body) == Some(false) {
        let validator = Answers::of(edition).and_then(|open| open.success(*operation, media));
        problems(answer, validator, body, left, found);
    }
}

/// Members that came to answers later than a version, and to those of that version, too. A server that was right
/// before is not wrong since; whether the older version demands them, nobody says.
const LATER: &[(OperationId, &str, &str)] = &[
    (OperationId::ModelsGet, "lifecycle", "2026-10-07"),
    (OperationId::ModelsList, "lifecycle", "2026-10-07"),
];

fn problems(
    answer: &Answer<'_>,
    validator: Option<&Validator>,
    body: &Value,
    left: &mut usize,
    found: &mut Found,
) {
    let errors = validator.into_iter().flat_map(|validator| validator.iter_errors(body));
    for error in errors.take(*left) {
        *left -= 1;
        let pointer = error.instance_path().to_string();
        let ValidationErrorKind::Required { property: Value::String(member) } = error.kind() else {
            found.push(pointer, error.masked().to_string());
            continue;
        };
        let since = since(answer, member);
        let blame = if since.is_some() { Blame::Spec } else { Blame::Target };
        let since = since.map(|date| format!(", since {date} only")).unwrap_or_default();
        found.push_of(blame, format!("{pointer}/{member}"), format!("{}{since}", error.masked()));
    }
}

/// The day since which answers have the member, if that is after the version.
fn since(answer: &Answer<'_>, member: &str) -> Option<&'static str> {
    LATER
        .iter()
        .find(|(operation, later, _)| *operation == answer.operation && *later == member)
        .map(|(.., date)| *date)
        .filter(|date| *date > answer.edition.version.name())
}

/// The document, with every choice and every union in it open.
fn opened(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(opened).collect(),
        Value::Object(members) => object(members),
        _ => value.clone(),
    }
}

fn object(members: &Map<String, Value>) -> Value {
    let mut open: Map<String, Value> =
        members.iter().map(|(name, value)| (name.clone(), opened(value))).collect();
    // A member of an object may be called `enum`, and is no list then.
    if open.get("enum").is_some_and(Value::is_array) {
        open.remove("enum");
    }
    if let Some(mapping) = members.get("discriminator").and_then(mapping) {
        open.remove("oneOf");
        open.remove("anyOf");
        let tag = &members["discriminator"]["propertyName"];
        let branches: Vec<_> = mapping
            .iter()
            .map(|(name, branch)| {
                let properties = json!({ (tag.as_str().unwrap_or_default()): { "const": name } });
                // Without the tag there is no branch, and without an object no tag.
                let is_it =
                    json!({ "type": "object", "properties": properties, "required": [tag] });
                json!({ "if": is_it, "then": { "$ref": branch } })
            })
            .collect();
        open.insert("type".into(), "object".into());
        open.insert("required".into(), json!([tag]));
        open.insert("allOf".into(), branches.into());
    }
    if let Some(other) = of_nullable(&open) {
        open.remove("anyOf");
        open.insert("if".into(), json!({ "not": { "type": "null" } }));
        open.insert("then".into(), other);
    }
    open.into()
}

fn mapping(discriminator: &Value) -> Option<BTreeMap<&str, &Value>> {
    let mapping = discriminator.get("mapping")?.as_object()?;
    Some(mapping.iter().map(|(name, branch)| (&**name, branch)).collect())
}

/// The other branch of a union of two, one of which is null.
fn of_nullable(members: &Map<String, Value>) -> Option<Value> {
    match members.get("anyOf")?.as_array()?.as_slice() {
        [one, null] | [null, one] if null["type"] == "null" => Some(one.clone()),
        _ => None,
    }
}
