//! Schemas that become grammars: those of structured output and of strict tools.
//!
//! A grammar can express less than JSON Schema, and what it cannot is refused with the request. The API names the
//! schema in which something is wrong; findings go on to the keyword, because a schema may be long. Definitions are
//! checked whether anything refers to them or not: the price is a finding about one that the API may never reach.

use serde_json::{Map, Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};
use unsupported::{all_of_with_ref, elements, external_ref, pattern, size};
use walk::{circle, each_schema, grammars, steps};

mod unsupported;
mod walk;

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];
/// Operations that make output, as against counting what goes in.
const CREATE: &[OperationId] = &[OperationId::MessagesCreate];

const OPTIONAL_PARAMETERS_MAX: usize = 24;
const UNION_PARAMETERS_MAX: usize = 16;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "schema-additional-properties-open",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_open,
        breaches: break_open,
        answer: Answer::invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
        ),
        explanation: "Structured outputs and strict tools turn the schema into a grammar, which can only produce \
            members it knows. So every object in it, at every depth, must be closed.",
        remedy: "Set `additionalProperties: false` on every object of the schema.",
        source: "structured outputs page; public reports of live answers",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "optional-parameters-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: check_optional,
        breaches: |base, out| {
            let members = properties(OPTIONAL_PARAMETERS_MAX + 1, || json!({"type": "string"}));
            out.extend(with_schemas(base, &object(&members, false)));
        },
        answer: Answer::invalid(
            "Schemas contains too many optional parameters (N), which would make grammar compilation inefficient. \
             Reduce the number of optional parameters in your tool schemas (limit: 24).",
        ),
        explanation: "Each optional member doubles what the grammar has to allow for, so there may be 24 of them in \
            all strict schemas of a request together.",
        remedy: "Make members required (and let them be null), or leave some tools without `strict`.",
        source: "structured outputs page; public reports of live answers",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "union-parameters-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: check_unions,
        breaches: |base, out| {
            let members =
                properties(UNION_PARAMETERS_MAX + 1, || json!({"type": ["string", "null"]}));
            out.extend(with_schemas(base, &object(&members, true)));
        },
        answer: Answer::invalid(
            "Schemas contains too many parameters with union types (N parameters with type arrays or anyOf) which \
             exceeds the limit: 16.",
        ),
        explanation: "A member of several types multiplies the branches of the grammar; 16 of them are allowed in \
            all strict schemas of a request together.",
        remedy: "Give members one type, or leave some tools without `strict`.",
        source: "structured outputs page; public reports of live answers",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "schema-recursive",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_recursive,
        breaches: break_recursive,
        answer: Answer::invalid(
            "output_config.format.schema: Circular reference detected in schema definitions: A -> A. \
             Self-referencing or mutually-referencing definitions are not supported.",
        ),
        explanation: "A definition may not contain itself, neither at once nor by way of others: \
            trees and linked lists are out, although local references as such are taken.",
        remedy: "Unroll the recursion to the depth that is needed, or hold the nested part in a string.",
        source: "structured outputs page; public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "schema-ref-external",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| report(ask, external_ref, out),
        breaches: |base, out| {
            out.extend(with_schemas(
                base,
                &with_member(json!({"$ref": "https://example.com/place.json"})),
            ));
            out.push(of_output(
                base,
                "output_config/format/file",
                &with_member(json!({"$ref": "common.json#/place"})),
            ));
        },
        answer: Answer::invalid(
            "output_config.format.schema: External $ref is not supported: TARGET",
        ),
        explanation: "References are resolved within the schema alone; nothing is fetched.",
        remedy: "Copy the definition into `$defs` and refer to it there.",
        source: "structured outputs page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "schema-constraint-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| report(ask, size, out),
        breaches: |base, out| {
            let number = json!({"type": "integer", "minimum": 1, "maximum": 5});
            let text = json!({"type": "string", "minLength": 1});
            out.extend(with_schemas(base, &with_member(number)));
            out.push(of_output(base, "output_config/format/string", &with_member(text)));
        },
        answer: Answer::invalid(
            "output_config.format.schema: For 'TYPE' type, property 'KEYWORD' is not supported",
        ),
        explanation: "A grammar knows the form of numbers and strings, not how large or how long they are. \
            The official SDKs take such keywords out and check the answer themselves.",
        remedy: "State the bounds in the description, and check the answer.",
        source: "structured outputs page; public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "schema-array-constraint-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| report(ask, elements, out),
        breaches: |base, out| {
            let list = |keyword: &str, value: Value| {
                let mut list = json!({"type": "array", "items": {"type": "string"}});
                list[keyword] = value;
                with_member(list)
            };
            out.extend(with_schemas(base, &list("minItems", json!(2))));
            out.push(of_output(base, "output_config/format/max", &list("maxItems", json!(3))));
            out.push(of_output(
                base,
                "output_config/format/unique",
                &list("uniqueItems", json!(true)),
            ));
        },
        answer: Answer::invalid(
            "output_config.format.schema: For 'array' type, 'minItems' values other than 0 or 1 are not supported",
        ),
        explanation: "Whether a list may be empty is all that a grammar can say about its length, \
            so of the constraints on arrays only `minItems` is taken, and only as 0 or 1.",
        remedy: "State the length in the description, or make each element a member of its own.",
        source: "structured outputs page; public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "schema-all-of-with-ref",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| report(ask, all_of_with_ref, out),
        breaches: |base, out| {
            let definitions = || json!({"street": {"type": "string"}});
            let target = json!({"$ref": "#/$defs/street"});
            let beside =
                json!({"$ref": "#/$defs/street", "allOf": [{"description": "With its number."}]});
            let within = with_definitions(with_member(json!({"allOf": [target]})), definitions());
            let beside = with_definitions(with_member(beside), definitions());
            out.extend(with_schemas(base, &within));
            out.push(of_output(base, "output_config/format/beside", &beside));
        },
        answer: Answer::invalid("output_config.format.schema: allOf with $ref is not supported"),
        explanation: "`allOf` is taken, and so are local references, but not one with the other. \
            Schema generators wrap a reference in `allOf` to give it a description.",
        remedy: "Put the reference in place of the `allOf`, or copy the definition into it.",
        source: "structured outputs page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "schema-pattern-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| report(ask, pattern, out),
        breaches: |base, out| {
            let text = |pattern: &str| with_member(json!({"type": "string", "pattern": pattern}));
            out.extend(with_schemas(base, &text("^(?!test)[a-z]+$")));
            out.push(of_output(base, "output_config/format/boundary", &text(r"\bcat\b")));
            out.push(of_output(base, "output_config/format/backreference", &text(r"(a)\1")));
        },
        answer: Answer::invalid(
            "output_config.format.schema: regex lookaround, backreferences and word boundaries are not supported",
        ),
        explanation: "A grammar reads from left to right and remembers nothing, so a pattern can neither look around, \
            nor refer to what it matched, nor ask for the boundary of a word.",
        remedy: "Write the pattern with classes, alternatives and repetitions only.",
        source: "structured outputs page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

fn is_object(schema: &Map<String, Value>) -> bool {
    let kind = schema.get("type");
    kind.is_some_and(|kind| {
        kind == "object" || view::list(kind).iter().any(|kind| kind == "object")
    })
}

fn check_open(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for grammar in grammars(ask.body) {
        each_schema(grammar.schema, &mut |place, schema| {
            let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
            if is_object(schema) && !is_closed {
                let message =
                    "For 'object' type, 'additionalProperties' must be explicitly set to false";
                out.push(Finding::new(grammar.path(steps(place), "additionalProperties"), message));
            }
        });
    }
}

fn break_open(base: &Base<'_>, out: &mut Vec<Breach>) {
    let open = || json!({"type": "object", "properties": {}});
    out.extend(with_schemas(base, &open()));
    out.push(of_output(base, "output_config/format/nested", &with_member(open())));
}

/// Counts, over all grammars, the members that `test` picks; it is given the object, the name and the member.
fn count_members(
    params: &Value,
    test: impl Fn(&Map<String, Value>, &str, &Value) -> bool,
) -> usize {
    let mut count = 0;
    for grammar in grammars(params) {
        each_schema(grammar.schema, &mut |_, schema| {
            let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            count += members.filter(|(name, member)| test(schema, name, member)).count();
        });
    }
    count
}

fn check_optional(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let count = count_members(ask.body, |schema, name, _| {
        !schema.get("required").map_or(&[][..], view::list).iter().any(|required| required == name)
    });
    if count > OPTIONAL_PARAMETERS_MAX {
        let message = format!(
            "Schemas contains too many optional parameters ({count}), which would make grammar compilation \
             inefficient. Reduce the number of optional parameters in your tool schemas (limit: \
             {OPTIONAL_PARAMETERS_MAX})."
        );
        out.push(Finding::new("", message));
    }
}

fn check_unions(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let count = count_members(ask.body, |_, _, member| {
        member.get("anyOf").is_some() || member.get("type").is_some_and(Value::is_array)
    });
    if count > UNION_PARAMETERS_MAX {
        let message = format!(
            "Schemas contains too many parameters with union types ({count} parameters with type arrays or anyOf) \
             which exceeds the limit: {UNION_PARAMETERS_MAX}."
        );
        out.push(Finding::new("", message));
    }
}

/// What a rule says about a keyword of a schema, if it has anything to say.
type Complaint = fn(&Map<String, Value>, &str, &Value) -> Option<String>;

/// What `complaint` says, at the keywords.
fn report(ask: &Ask<'_>, complaint: Complaint, out: &mut Vec<Finding>) {
    for grammar in grammars(ask.body) {
        each_schema(grammar.schema, &mut |place, schema| {
            for (keyword, value) in schema {
                if let Some(message) = complaint(schema, keyword, value) {
                    out.push(Finding::new(grammar.path(steps(place), keyword), message));
                }
            }
        });
    }
}

fn check_recursive(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for grammar in grammars(ask.body) {
        if let Some(circle) = circle(grammar.schema) {
            let (names, first) = (circle.names.join(" -> "), &circle.names[0]);
            let message = format!(
                "Circular reference detected in schema definitions: {names} -> {first}. Self-referencing or \
                 mutually-referencing definitions are not supported."
            );
            out.push(Finding::new(grammar.path(circle.from, "$ref"), message));
        }
    }
}

fn break_recursive(base: &Base<'_>, out: &mut Vec<Breach>) {
    let list = |target: &str| json!({"type": "array", "items": {"$ref": target}});
    let itself = object(&json!({"parts": list("#/$defs/part")}), true);
    let (one, other) =
        (json!({"others": list("#/$defs/other")}), json!({"parts": list("#/$defs/part")}));
    let mutual = json!({"part": object(&one, true), "other": object(&other, true)});
    let start = || with_member(json!({"$ref": "#/$defs/part"}));
    out.extend(with_schemas(base, &with_definitions(start(), json!({"part": itself}))));
    let mutual = with_definitions(start(), mutual);
    out.push(of_output(base, "output_config/format/mutual", &mutual));
    out.push(of_output(base, "output_config/format/root", &with_member(list("#"))));
}

/// A closed object of these members, all of them required or none.
fn object(members: &Value, required: bool) -> Value {
    let names: Vec<_> = members
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|_| required)
        .collect();
    json!({"type": "object", "required": names, "properties": members, "additionalProperties": false})
}

fn properties(count: usize, member: impl Fn() -> Value) -> Value {
    (0..count).map(|n| (format!("member_{n}"), member())).collect()
}

/// A closed object with one member.
fn with_member(member: Value) -> Value {
    object(&Value::from_iter([("place", member)]), true)
}

fn with_definitions(mut schema: Value, definitions: Value) -> Value {
    schema["$defs"] = definitions;
    schema
}

fn of_output(base: &Base<'_>, at: &'static str, schema: &Value) -> Breach {
    let format = json!({"type": "json_schema", "schema": schema});
    edit::small(base, at, json!({"output_config": {"format": format}}))
}

/// The same schema as that of the output and as that of a strict tool.
fn with_schemas(base: &Base<'_>, schema: &Value) -> [Breach; 2] {
    let tool = json!({"name": "get_weather", "strict": true, "input_schema": schema});
    [
        of_output(base, "output_config/format", schema),
        edit::small(base, "tools/input_schema", json!({"tools": [tool]})),
    ]
}
