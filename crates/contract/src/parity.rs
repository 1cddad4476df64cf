//! Whether the contract and the types of an official SDK say the same.
//!
//! Both sides are walked together, from the operations down: objects by field, strings by literal, unions by the
//! value of the tag, or by JSON type where there is no tag. What only one side has is a [`Difference`]; it is mended,
//! or [excepted](exceptions) with a reason. Nothing is left out in silence: components that the walk does not reach
//! are differences too, and so are types that no operation of the SDK leads to.
//!
//! Places are named after our components, since that is where a difference is mended. The price is that a component
//! that serves two of their types is one place, and the two are told apart by hand.
//!
//! Not compared are limits, patterns, formats and descriptions, since the types do not have them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::errors::Errors;
use crate::rules::BETAS;
use crate::spec::Contract;

pub mod exceptions;
mod side;
mod walk;

pub use exceptions::{Exceptions, Settled};
use walk::Walk;

/// What we say.
#[derive(Clone, Debug, Default)]
pub struct Ours<'a> {
    /// One per API version; the SDK has to know what is in any of them.
    pub documents: Vec<&'a Value>,
    /// Every id and alias that a request may name.
    pub models: BTreeSet<String>,
    /// Values of the header `anthropic-beta`.
    pub betas: BTreeSet<String>,
    pub error_types: BTreeSet<String>,
    /// Statuses of errors.
    pub statuses: BTreeSet<u16>,
    /// Error codes, each with its status.
    pub codes: BTreeSet<(u16, String)>,
}

/// What was compared, and what came out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Comparison {
    /// The package that the types are out of, with its version.
    pub package: String,
    pub compared: BTreeSet<Fact>,
    pub differences: BTreeSet<Difference>,
}

/// Something that one side alone says.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Difference {
    pub side: Side,
    pub fact: Fact,
}

/// Who says it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Ours,
    Theirs,
}

/// One thing that can be said of a place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Fact {
    /// A component, with the way from there: `RequestTextBlock`, `CreateMessageParams.system[]`. Or an operation.
    pub place: String,
    pub kind: Kind,
    pub name: String,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A media type that an operation answers.
    Answer,
    /// A status with an error code.
    Code,
    /// A type by name, reached or not.
    Definition,
    Field,
    Literal,
    /// A branch of a union, by the value of its tag.
    Member,
    /// A field that has to be there.
    Required,
    Status,
    /// A JSON type, null included.
    Type,
}

/// Compares with the types as the extraction script wrote them.
pub fn compare(ours: &Ours<'_>, types: &Value) -> Result<Comparison, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let package = types.get("package").and_then(text).ok_or("the types lack `package`")?;
    let mut comparison = Comparison { package, ..Comparison::default() };
    for document in &ours.documents {
        let known = BTreeMap::from([("Model", &ours.models)]);
        Walk::new(document, types, &known, &mut comparison).whole()?;
    }
    let strings = |name: &str| -> Result<BTreeSet<String>, String> {
        let list = types.get(name).and_then(Value::as_array);
        Ok(list
            .ok_or_else(|| format!("the types lack `{name}`"))?
            .iter()
            .filter_map(text)
            .collect())
    };
    comparison.lists("betas", Kind::Literal, &ours.betas, &strings("betas")?);
    comparison.lists("error types", Kind::Literal, &ours.error_types, &strings("error_types")?);
    comparison.lists("exports", Kind::Definition, &BTreeSet::new(), &strings("unreached")?);
    error_codes(ours, types, &mut comparison)?;
    Ok(comparison)
}

fn error_codes(ours: &Ours<'_>, types: &Value, comparison: &mut Comparison) -> Result<(), String> {
    let (mut statuses, mut codes) = (BTreeSet::new(), BTreeSet::new());
    let listed = types.get("error_codes").and_then(Value::as_array);
    for entry in listed.ok_or("the types lack `error_codes`")? {
        let status = entry.get("status").and_then(Value::as_u64).ok_or("a code lacks `status`")?;
        match entry.get("code").and_then(Value::as_str) {
            Some(code) => codes.insert(format!("{status} {code}")),
            None => statuses.insert(status.to_string()),
        };
    }
    let our_statuses = ours.statuses.iter().map(u16::to_string).collect();
    let our_codes = ours.codes.iter().map(|(status, code)| format!("{status} {code}")).collect();
    comparison.lists("errors", Kind::Status, &our_statuses, &statuses);
    comparison.lists("errors", Kind::Code, &our_codes, &codes);
    Ok(())
}

impl<'a> Ours<'a> {
    pub fn new(contract: &'a Contract, errors: &Errors) -> Self {
        let models = contract.models.current.iter();
        let types = &errors.types;
        Self {
            documents: contract.editions.iter().map(|edition| &edition.document).collect(),
            models: models.flat_map(|m| m.aliases.iter().chain([&m.id])).cloned().collect(),
            betas: BETAS.iter().map(|beta| (*beta).to_owned()).collect(),
            error_types: types.iter().map(|kind| kind.id.clone()).collect(),
            statuses: types.iter().flat_map(|kind| &kind.statuses).copied().collect(),
            codes: errors.codes.iter().map(|code| (code.status, code.id.clone())).collect(),
        }
    }
}

impl Comparison {
    /// Notes what both say, and what one of them does not.
    fn lists(
        &mut self,
        place: &str,
        kind: Kind,
        ours: &BTreeSet<String>,
        theirs: &BTreeSet<String>,
    ) {
        for name in ours | theirs {
            let side = match (ours.contains(&name), theirs.contains(&name)) {
                (true, true) => None,
                (true, false) => Some(Side::Ours),
                _ => Some(Side::Theirs),
            };
            let fact = Fact { place: place.to_owned(), kind, name };
            self.differences.extend(side.map(|side| Difference { side, fact: fact.clone() }));
            self.compared.insert(fact);
        }
    }

    /// How much was compared, in one line.
    pub fn summary(&self) -> String {
        let count = |kind| self.compared.iter().filter(|fact| fact.kind == kind).count();
        let counts = Kind::ALL.map(|kind| format!("{} {}", count(kind), kind.plural()));
        format!("{}: compared {}", self.package, counts.join(", "))
    }
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Answer,
        Self::Code,
        Self::Definition,
        Self::Field,
        Self::Literal,
        Self::Member,
        Self::Required,
        Self::Status,
        Self::Type,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Code => "code",
            Self::Definition => "definition",
            Self::Field => "field",
            Self::Literal => "literal",
            Self::Member => "member",
            Self::Required => "required",
            Self::Status => "status",
            Self::Type => "type",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Answer => "answers",
            Self::Code => "error codes",
            Self::Definition => "definitions",
            Self::Field => "fields",
            Self::Literal => "literals",
            Self::Member => "union members",
            Self::Required => "demands",
            Self::Status => "error statuses",
            Self::Type => "types",
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.place, self.kind.name(), self.name)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Ours => "ours alone",
            Side::Theirs => "theirs alone",
        };
        write!(f, "{side}: {}", self.fact)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Plants a value at a pointer on one side; none removes what is there.
    #[track_caller]
    fn check(side: Side, pointer: &str, value: Option<Value>, expected: &[&str]) {
        let (mut document, mut types) = (document(), types());
        let target = match side {
            Side::Ours => &mut document,
            Side::Theirs => &mut types,
        };
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        let parent = target.pointer_mut(parent).unwrap();
        match (parent, value) {
            (Value::Object(members), Some(value)) => drop(members.insert(name, value)),
            (Value::Object(members), None) => drop(members.remove(&name)),
            (Value::Array(elements), Some(value)) => elements.push(value),
            (Value::Array(elements), None) => drop(elements.remove(name.parse().unwrap())),
            (other, _) => panic!("nothing can be planted in {other}"),
        }
        assert_eq!(differences(&document, &types), expected);
    }

    fn differences(document: &Value, types: &Value) -> Vec<String> {
        let comparison = compare(&ours(document), types).unwrap();
        comparison.differences.iter().map(Difference::to_string).collect()
    }

    fn ours(document: &Value) -> Ours<'_> {
        Ours {
            documents: vec![document],
            models: ["claude-a".to_owned()].into(),
            betas: ["long-2026-01-01".to_owned()].into(),
            error_types: ["api_error".to_owned()].into(),
            statuses: [500].into(),
            codes: [(400, "too_old".to_owned())].into(),
        }
    }

    fn document() -> Value {
        let tagged = |tag: &str| {
            json!({"type": "object", "required": ["type"], "properties": {
                "type": {"const": tag, "type": "string"}, "level": {"type": "string", "enum": ["low", "high"]},
            }})
        };
        json!({
            "paths": {"/v1/things": {"post": {
                "operationId": "things.create",
                "parameters": [
                    {"$ref": "#/components/parameters/Workspace"},
                    {"name": "lifecycle[]", "schema": {"type": "array", "items": {"const": "active", "type": "string"}}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}},
            }}},
            "components": {
                "parameters": {"Workspace": {"name": "anthropic-workspace-id", "schema": {"type": "string"}}},
                "schemas": {
                    "Thing": {"type": "object", "required": ["parts"], "properties": {
                        "model": {"$ref": "#/components/schemas/Model"},
                        "parts": {"type": "array", "items": {"oneOf": [
                            {"$ref": "#/components/schemas/Text"}, {"$ref": "#/components/schemas/Image"},
                        ]}},
                        "within": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
                    }},
                    "Model": {"type": "string"},
                    "Text": tagged("text"),
                    "Image": tagged("image"),
                    "ErrorResponse": {"type": "object"},
                    "ErrorDetails": {"type": "object"},
                },
            },
        })
    }

    /// The same as the SDK would put it: other names, one type per direction, literals beside an open string.
    fn types() -> Value {
        let tagged = |tag: &str| {
            json!({"type": "object", "required": ["type"], "properties": {
                "type": {"const": tag, "type": "string"}, "level": {"enum": ["high", "low"], "type": "string"},
            }})
        };
        let thing = json!({"type": "object", "required": ["parts"], "properties": {
            "model": {"anyOf": [{"const": "claude-a", "type": "string"}, {"type": "string"}]},
            "parts": {"type": "array", "items": {"anyOf": [
                {"$ref": "#/$defs/TextParam"}, {"$ref": "#/$defs/TextBlock"}, {"$ref": "#/$defs/ImageParam"},
            ]}},
            "within": {"anyOf": [{"$ref": "#/$defs/ThingParams"}, {"type": "null"}]},
        }});
        let mut call = thing.clone();
        call["properties"]["workspace_id"] = json!({"type": "string"});
        call["properties"]["lifecycle"] =
            json!({"type": "array", "items": {"const": "active", "type": "string"}});
        json!({
            "package": "sdk 1.0.0",
            "operations": {"things.create": {
                "call": call, "answers": {"application/json": {"$ref": "#/$defs/ThingParams"}},
            }},
            "error": {"type": "object"},
            "error_details": {"type": "object"},
            "betas": ["long-2026-01-01"],
            "error_types": ["api_error"],
            "error_codes": [{"status": 500, "code": null}, {"status": 400, "code": "too_old"}],
            "unreached": [],
            "$defs": {
                "ThingParams": thing,
                "TextParam": tagged("text"), "TextBlock": tagged("text"), "ImageParam": tagged("image"),
            },
        })
    }

    #[test]
    fn two_ways_to_say_the_same_are_no_difference() {
        assert_eq!(differences(&document(), &types()), [""; 0]);
    }

    #[test]
    fn a_field_of_one_side() {
        let (ours, theirs) =
            ("/components/schemas/Text/properties/new", "/$defs/TextBlock/properties/new");
        let text = || Some(json!({"type": "string"}));
        check(Side::Ours, ours, text(), &["ours alone: Text: field new"]);
        check(Side::Theirs, theirs, text(), &["theirs alone: Text: field new"]);
        let parameter = Some(json!({"name": "limit", "schema": {"type": "integer"}}));
        let parameters = "/paths/~1v1~1things/post/parameters";
        let expected = ["ours alone: things.create: field limit"];
        check(Side::Ours, &format!("{parameters}/-"), parameter, &expected);
        let expected = ["theirs alone: Thing: field lifecycle"];
        check(Side::Ours, &format!("{parameters}/1"), None, &expected);
    }

    #[test]
    fn a_literal_of_one_side() {
        let (ours, theirs) = (
            "/components/schemas/Image/properties/level/enum/-",
            "/$defs/ImageParam/properties/level/enum/-",
        );
        check(Side::Ours, ours, Some(json!("max")), &["ours alone: Image.level: literal max"]);
        check(
            Side::Theirs,
            theirs,
            Some(json!("max")),
            &["theirs alone: Image.level: literal max"],
        );
        let expected =
            ["ours alone: Model: literal claude-a", "theirs alone: Model: literal claude-b"];
        let model = "/$defs/ThingParams/properties/model/anyOf";
        let other = Some(json!([{"const": "claude-b", "type": "string"}]));
        // The call still has the other one, so ours is alone in the answer only.
        check(Side::Theirs, model, other, &expected);
    }

    #[test]
    fn a_member_of_a_union_of_one_side() {
        let ours = "/components/schemas/Thing/properties/parts/items/oneOf/1";
        let theirs = "/operations/things.create/call/properties/parts/items/anyOf/2";
        let expected = [
            "ours alone: components: definition Image",
            "theirs alone: Thing.parts[]: member image",
        ];
        check(Side::Ours, ours, None, &expected);
        check(Side::Theirs, theirs, None, &["ours alone: Thing.parts[]: member image"]);
    }

    #[test]
    fn a_type_of_one_side() {
        let within = "/components/schemas/Thing/properties/within";
        let reference = Some(json!({"$ref": "#/components/schemas/Thing"}));
        check(Side::Ours, within, reference, &["theirs alone: Thing: type null"]);
        let expected = ["ours alone: Model: type integer"];
        check(
            Side::Ours,
            "/components/schemas/Model/type",
            Some(json!(["string", "integer"])),
            &expected,
        );
        let level = "/$defs/ImageParam/properties/level/type";
        let expected =
            ["ours alone: Image.level: type string", "theirs alone: Image.level: type integer"];
        check(Side::Theirs, level, Some(json!("integer")), &expected);
    }

    #[test]
    fn a_demand_of_one_side() {
        let (ours, theirs) = ("/components/schemas/Text/required/-", "/$defs/TextParam/required/-");
        check(Side::Ours, ours, Some(json!("level")), &["ours alone: Text: required level"]);
        // Their other text does not demand it, and either may be sent.
        check(Side::Theirs, theirs, Some(json!("level")), &[]);
        check(
            Side::Theirs,
            "/$defs/ImageParam/required/-",
            Some(json!("level")),
            &["theirs alone: Image: required level"],
        );
    }

    #[test]
    fn an_answer_a_definition_an_error_of_one_side() {
        let stray = Some(json!({"type": "object"}));
        let expected = ["theirs alone: things.create: answer text/event-stream"];
        check(
            Side::Theirs,
            "/operations/things.create/answers/text~1event-stream",
            stray.clone(),
            &expected,
        );
        check(
            Side::Ours,
            "/components/schemas/Stray",
            stray.clone(),
            &["ours alone: components: definition Stray"],
        );
        check(Side::Theirs, "/$defs/Stray", stray, &["theirs alone: types: definition Stray"]);
        check(
            Side::Theirs,
            "/unreached/-",
            Some(json!("Helper")),
            &["theirs alone: exports: definition Helper"],
        );
        check(
            Side::Theirs,
            "/betas/-",
            Some(json!("longer-2026-02-01")),
            &["theirs alone: betas: literal longer-2026-02-01"],
        );
        check(Side::Theirs, "/betas/0", None, &["ours alone: betas: literal long-2026-01-01"]);
        check(
            Side::Theirs,
            "/error_types/-",
            Some(json!("new_error")),
            &["theirs alone: error types: literal new_error"],
        );
        check(
            Side::Theirs,
            "/error_codes/-",
            Some(json!({"status": 400, "code": "new"})),
            &["theirs alone: errors: code 400 new"],
        );
        check(Side::Theirs, "/error_codes/0", None, &["ours alone: errors: status 500"]);
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let error = |edit: fn(&mut Value)| {
            let (document, mut types) = (document(), types());
            edit(&mut types);
            compare(&ours(&document), &types).unwrap_err()
        };
        assert!(error(|types| types["operations"] = json!({})).contains("operations"));
        assert!(error(|types| types["package"] = json!(null)).contains("`package`"));
        let circle =
            |types: &mut Value| types["$defs"]["TextBlock"] = json!({"$ref": "#/$defs/TextBlock"});
        assert!(error(circle).contains("in a circle"));
    }

    #[test]
    fn an_exception_covers_a_difference_or_is_stale() {
        let text = r#"
            [[exception]]
            side = "ours"
            where = "T*"
            what = ["field new", "field ol?"]
            reason = "Why not."
        "#;
        let mut document = document();
        document["components"]["schemas"]["Text"]["properties"]["new"] = json!({"type": "string"});
        document["components"]["schemas"]["Image"]["properties"]["new"] = json!({"type": "string"});
        let comparison = compare(&ours(&document), &types()).unwrap();
        let settled = Exceptions::parse(text).unwrap().settle(&comparison);
        assert_eq!(settled.excepted.len(), 1);
        let open: Vec<_> = settled.open.iter().map(Difference::to_string).collect();
        assert_eq!(open, ["ours alone: Image: field new"]);
        assert_eq!(settled.stale, ["T*: field ol?"]);
        let theirs = Exceptions::parse(&text.replace("ours", "theirs")).unwrap();
        assert_eq!(theirs.settle(&comparison).open.len(), 2);
        assert!(Exceptions::parse(&text.replace("Why not.", " ")).is_err());
        assert!(Exceptions::parse(&text.replace("reason", "why")).is_err());
    }
}
