//! Tool definitions: names, schemas, and what a definition may combine.

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, deferral, edit, view};
use crate::models::{Confidence, Model, Settled};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

const STRICT_TOOLS_MAX: usize = 20;

const COMPUTER: &str = "computer_20251124";
const COMPUTER_BETA: &str = "computer-use-2025-11-24";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "tool-name-duplicate",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_names,
        breaches: |base, out| {
            let twice = json!([edit::tool("get_weather"), edit::tool("get_weather")]);
            out.push(edit::small(base, "tools/name", json!({"tools": twice})));
        },
        answer: Answer::invalid("tools: Tool names must be unique."),
        explanation: "The model names the tool it calls, so two tools cannot share a name. \
            Lists joined from several sources, such as MCP servers, collide easily.",
        remedy: "Prefix the names with their source, or remove the double.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "input-schema-invalid",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_schemas,
        breaches: |base, out| {
            for (at, member) in [
                ("tools/input_schema/minLength", json!({"type": "string", "minLength": -1})),
                ("tools/input_schema/required", json!({"type": "object", "required": "city"})),
                ("tools/input_schema/type", json!({"type": "text"})),
            ] {
                out.push(with_schema(
                    base,
                    at,
                    &json!({"type": "object", "properties": {"city": member}}),
                ));
            }
        },
        answer: Answer::invalid(
            "tools.N.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12",
        ),
        explanation: "A tool's parameters are described in JSON Schema, draft 2020-12, and the description itself \
            is checked. Older drafts (`required: true` inside a property, a boolean `exclusiveMinimum`) and type \
            names of programming languages fail.",
        remedy: "Validate the schema against the draft's meta-schema before it is sent.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "input-schema-top-level-union",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_unions,
        breaches: |base, out| {
            let branch = json!([{"type": "object", "properties": {"city": {"type": "string"}}}]);
            for (at, keyword) in [
                ("tools/input_schema/allOf", "allOf"),
                ("tools/input_schema/anyOf", "anyOf"),
                ("tools/input_schema/oneOf", "oneOf"),
            ] {
                out.push(with_schema(base, at, &json!({"type": "object", keyword: branch})));
            }
        },
        answer: Answer::invalid(
            "tools.N.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level",
        ),
        explanation: "A tool takes one object of parameters; alternatives between whole objects are not supported \
            at the top of its schema. Below, in a property, they are.",
        remedy: "Move the alternatives into a property, or define one tool for each.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "domains-allowed-and-blocked",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_domains,
        breaches: |base, out| {
            for (at, kind, name) in [
                ("tools/web_fetch", "web_fetch_20250910", "web_fetch"),
                ("tools/web_search", "web_search_20250305", "web_search"),
            ] {
                let tool = json!({
                    "type": kind, "name": name,
                    "allowed_domains": ["example.com"], "blocked_domains": ["example.org"],
                });
                out.push(edit::small(base, at, json!({"tools": [tool]})));
            }
        },
        answer: Answer::invalid(
            "tools.N: only one of allowed_domains and blocked_domains may be specified",
        ),
        explanation: "A web tool is limited to a list of domains or kept from one; both at once would need a rule \
            for what stands in neither.",
        remedy: "Keep one of the two lists.",
        source: "web search and web fetch pages",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "strict-tools-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_strict_count,
        breaches: |base, out| {
            let strict = |n| {
                let mut tool = edit::tool(&format!("tool_{n}"));
                tool["strict"] = json!(true);
                tool
            };
            let tools: Vec<_> = (0..=STRICT_TOOLS_MAX).map(strict).collect();
            out.push(edit::small(base, "tools/strict", json!({"tools": tools})));
        },
        answer: Answer::invalid("tools: at most 20 strict tools are supported, found N"),
        explanation: "The schemas of strict tools are compiled into a grammar together, which is only feasible for \
            20 of them.",
        remedy: "Mark only those tools as strict whose input must never deviate.",
        source: "structured outputs page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "input-examples-invalid",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_examples,
        breaches: |base, out| {
            for (at, examples) in [
                ("tools/input_examples/lacking", json!([{}])),
                ("tools/input_examples/one-of-two", json!([{"city": "Zurich"}, {"city": 8001}])),
            ] {
                let schema = json!({
                    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                });
                let tool = json!({"name": "get_weather", "input_schema": schema, "input_examples": examples});
                out.push(edit::small(base, at, json!({"tools": [tool]})));
            }
        },
        answer: Answer::invalid(
            "tools.N.custom.input_examples.M: example does not match input_schema",
        ),
        explanation: "Examples show the model what a good input looks like, so each must itself satisfy the \
            schema of its tool.",
        remedy: "Correct the example, or the schema if it is the one that lags behind.",
        source: "define tools page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "computer-tool-without-beta",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            let wrong = computer_tool(ask).filter(|_| !view::has_beta(ask.request, COMPUTER_BETA));
            out.extend(wrong.map(|n| {
                let message = format!(
                    "Input tag '{COMPUTER}' found using 'type' does not match any of the expected tags"
                );
                Finding::new(format!("tools.{n}"), message)
            }));
        },
        breaches: |base, out| {
            for (at, beta) in
                [("tools/computer", ""), ("tools/computer/older-beta", "computer-use-2025-01-24")]
            {
                out.extend(with_computer(base, at, |_| true, beta));
            }
        },
        answer: Answer::invalid(
            "tools.N: Input tag 'computer_20251124' found using 'type' does not match any of the expected tags: TAGS",
        ),
        explanation: "The tool is a beta feature: its type is known only to requests that carry the beta value of \
            the same date. The value of an earlier tool does not do.",
        remedy: "Send `anthropic-beta: computer-use-2025-11-24`, or use `computer_toolset_20260801`, which needs none.",
        source: "computer use page; official SDK, where the tool is among the beta types",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "computer-tool-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(refuses_computer),
        implies: &[],
        check: |ask, out| {
            let wrong = computer_tool(ask).filter(|_| view::has_beta(ask.request, COMPUTER_BETA));
            out.extend(wrong.map(|_| {
                let model = ask.model.map_or("", |model| &model.id);
                let message = format!("'{model}' does not support tool types: {COMPUTER}.");
                Finding::new("", message)
            }));
        },
        breaches: |base, out| {
            out.extend(with_computer(base, "tools/computer", refuses_computer, COMPUTER_BETA));
        },
        answer: Answer::invalid(
            "'MODEL' does not support tool types: computer_20251124. Did you mean one of TYPES?",
        ),
        explanation: "The newest models know the computer as a toolset only, also with the beta value that the tool \
            needs. On some platforms of other vendors they still take it.",
        remedy: "Declare `computer_toolset_20260801` instead, without name, size of the screen and beta value.",
        source: "what's-new pages of the models",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

fn check_names(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    // A list that is too long is answered for that, and not searched.
    if deferral::is_over_limit(ask.body) {
        return;
    }
    let names = view::tools(ask.body)
        .iter()
        .enumerate()
        .filter_map(|(n, tool)| Some((n, view::tool_name(tool)?)));
    if view::first_duplicate(names).is_some() {
        out.push(Finding::new("tools", "Tool names must be unique."));
    }
}

fn with_schema(base: &Base<'_>, at: &'static str, schema: &Value) -> Breach {
    edit::small(base, at, json!({"tools": [{"name": "get_weather", "input_schema": schema}]}))
}

/// The tools that bring a schema of their own, with their index.
fn schemas(params: &Value) -> impl Iterator<Item = (usize, &Value, &Value)> {
    view::tools(params)
        .iter()
        .enumerate()
        .filter_map(|(n, tool)| Some((n, tool, tool.get("input_schema")?)))
}

fn check_schemas(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (n, ..) in schemas(ask.body).filter(|(_, _, schema)| !is_json_schema(schema)) {
        let message = "JSON schema is invalid. It must match JSON Schema draft 2020-12";
        out.push(Finding::new(format!("tools.{n}.custom.input_schema"), message));
    }
}

/// The API lets `properties` and `required` be `null`, which the draft does not.
fn is_json_schema(schema: &Value) -> bool {
    let mut members = schema.as_object().into_iter().flatten();
    if !members
        .any(|(name, value)| value.is_null() && matches!(name.as_str(), "properties" | "required"))
    {
        return jsonschema::draft202012::meta::is_valid(schema);
    }
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.retain(|name, value| {
            !(value.is_null() && matches!(name.as_str(), "properties" | "required"))
        });
    }
    jsonschema::draft202012::meta::is_valid(&schema)
}

fn check_unions(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let is_union = |schema: &Value| {
        ["allOf", "anyOf", "oneOf"].iter().any(|keyword| schema.get(keyword).is_some())
    };
    for (n, ..) in schemas(ask.body).filter(|(_, _, schema)| is_union(schema)) {
        let message = "input_schema does not support oneOf, allOf, or anyOf at the top level";
        out.push(Finding::new(format!("tools.{n}.custom.input_schema"), message));
    }
}

fn check_domains(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (n, tool) in view::tools(ask.body).iter().enumerate() {
        if view::given(tool, "allowed_domains") && view::given(tool, "blocked_domains") {
            let message = "only one of allowed_domains and blocked_domains may be specified";
            out.push(Finding::new(format!("tools.{n}"), message));
        }
    }
}

fn check_strict_count(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let count = view::tools(ask.body).iter().filter(|tool| view::is_strict(tool)).count();
    if count > STRICT_TOOLS_MAX {
        let message =
            format!("at most {STRICT_TOOLS_MAX} strict tools are supported, found {count}");
        out.push(Finding::new("tools", message));
    }
}

fn check_examples(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (n, tool, schema) in schemas(ask.body) {
        let examples = view::member_list(tool, "input_examples");
        if examples.is_empty() {
            continue;
        }
        // A schema that does not compile has a rule of its own.
        let Ok(validator) = jsonschema::draft202012::new(schema) else { continue };
        let wrong = examples.iter().enumerate().filter(|(_, example)| !validator.is_valid(example));
        out.extend(wrong.map(|(m, _)| {
            Finding::new(
                format!("tools.{n}.custom.input_examples.{m}"),
                "example does not match input_schema",
            )
        }));
    }
}

fn refuses_computer(model: &Model) -> bool {
    model.computer_tool == Settled::No
}

fn computer_tool(ask: &Ask<'_>) -> Option<usize> {
    view::tools(ask.body).iter().position(|tool| view::kind(tool) == COMPUTER)
}

fn with_computer(
    base: &Base<'_>,
    at: &'static str,
    about: fn(&Model) -> bool,
    beta: &'static str,
) -> Option<Breach> {
    let tool = json!({
        "type": COMPUTER, "name": "computer", "display_width_px": 1280, "display_height_px": 720,
    });
    let mut breach = edit::small_on(base, edit::model(base, about)?, at, json!({"tools": [tool]}));
    // What the base needed is not needed any more.
    breach.request.headers.0.retain(|(name, _)| !name.eq_ignore_ascii_case("anthropic-beta"));
    if !beta.is_empty() {
        breach.request.headers.push("anthropic-beta", beta);
    }
    Some(breach)
}
