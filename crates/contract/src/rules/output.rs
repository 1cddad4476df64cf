//! Output: how long it may get, which schema it is held to, and where and how fast it is made.

use classify::Request;
use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Fast, Model, Settled};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];
/// Operations that make output, as against counting what goes in.
const CREATE: &[OperationId] = &[OperationId::MessagesCreate];

const OPTIONAL_PARAMETERS_MAX: usize = 24;
const UNION_PARAMETERS_MAX: usize = 16;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "max-tokens-over-model-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: check_max_tokens,
        breaches: break_max_tokens,
        answer: Answer::invalid(
            "max_tokens: N > M, which is the maximum allowed number of output tokens for MODEL",
        ),
        explanation: "Every model has a longest answer, and `max_tokens` may not ask for more. \
            A setting that was right for one model fails on another.",
        remedy: "Lower `max_tokens` to the number in the message.",
        source: "models page; public reports of live answers",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "max-tokens-zero-conflict",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: check_zero,
        breaches: break_zero,
        answer: Answer::invalid("max_tokens: 0 cannot be combined with PARAMETER"),
        explanation: "`max_tokens: 0` writes the prompt to the cache and makes no answer, so whatever shapes an \
            answer contradicts it: streaming, a thinking budget, an output format, a forced tool call.",
        remedy: "Warm the cache with a request that has none of these.",
        source: "prompt caching page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
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
        id: "inference-geo-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: |ask, out| {
            let refuses = ask.model.is_some_and(|model| !model.inference_geo);
            if refuses && view::given(ask.body, "inference_geo") {
                out.push(Finding::new("inference_geo", "not supported for this model"));
            }
        },
        breaches: |base, out| {
            let Some(model) = edit::model(base, |model| !model.inference_geo) else { return };
            out.push(edit::small_on(base, model, "inference_geo", json!({"inference_geo": "us"})));
        },
        answer: Answer::invalid("inference_geo: not supported for this model"),
        explanation: "Where an answer is made can be chosen for models from 4.6 on only.",
        remedy: "Drop the parameter, or use a newer model.",
        source: "data residency page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "fast-unsupported",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            let refuses = ask.model.is_some_and(|model| model.fast == Fast::Refused);
            if refuses && ask.body.get("speed").is_some_and(|speed| speed == "fast") {
                out.push(Finding::new("speed", "fast mode is not supported for this model"));
            }
        },
        breaches: |base, out| {
            let Some(model) = edit::model(base, |model| model.fast == Fast::Refused) else {
                return;
            };
            out.push(edit::small_on(base, model, "speed", json!({"speed": "fast"})));
        },
        answer: Answer::invalid("speed: fast mode is not supported for this model"),
        explanation: "Fast mode exists on some models; of the others some ignore the wish and some refuse it.",
        remedy: "Drop `speed` for this model.",
        source: "fast mode page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

fn check_max_tokens(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let (Some(asked), Some(model)) = (view::integer(ask.body, "max_tokens"), ask.model) else {
        return;
    };
    let max = output_tokens_max(ask.request, model);
    if asked > max {
        let message = format!(
            "{asked} > {max}, which is the maximum allowed number of output tokens for {}",
            model.id
        );
        out.push(Finding::new("max_tokens", message));
    }
}

/// The beta is for batches only. Their items are checked as if they had come alone, so it counts everywhere: the
/// price is that a single message with it is not called wrong.
fn output_tokens_max(request: &Request, model: &Model) -> u64 {
    const BETA: &str = "output-300k-2026-03-24";
    const WITH_BETA: u64 = 300_000;
    if view::has_beta(request, BETA) {
        model.output_tokens_max.max(WITH_BETA)
    } else {
        model.output_tokens_max
    }
}

fn break_max_tokens(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, |_| true) else { return };
    let max_tokens = output_tokens_max(base.request, model) + 1;
    out.push(edit::small_on(base, model, "max_tokens", json!({"max_tokens": max_tokens})));
}

fn check_zero(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if view::integer(ask.body, "max_tokens") != Some(0) {
        return;
    }
    let conflicts = [
        (ask.body.get("stream") == Some(&Value::Bool(true)), "stream"),
        (view::thinking(ask.body) == "enabled", "thinking"),
        (view::output_format(ask.body).is_some(), "output_config.format"),
        (view::forces_tool(ask.body), "tool_choice"),
    ];
    for (_, what) in conflicts.into_iter().filter(|(is_there, _)| *is_there) {
        out.push(Finding::new("max_tokens", format!("0 cannot be combined with {what}")));
    }
}

fn break_zero(base: &Base<'_>, out: &mut Vec<Breach>) {
    let format = json!({"type": "json_schema", "schema": object(&json!({}), true)});
    out.push(edit::small(base, "stream", json!({"max_tokens": 0, "stream": true})));
    out.push(edit::small(
        base,
        "output_config/format",
        json!({"max_tokens": 0, "output_config": {"format": format}}),
    ));
    if let Some(model) = edit::model(base, |model| model.thinks("enabled")) {
        let thinking = json!({"type": "enabled", "budget_tokens": 1024});
        out.push(edit::small_on(
            base,
            model,
            "thinking",
            json!({"max_tokens": 0, "thinking": thinking}),
        ));
    }
    if let Some(model) = edit::model(base, |model| model.forced_tool_choice == Settled::Yes) {
        let choice = json!({"max_tokens": 0, "tools": [edit::tool("get_weather")], "tool_choice": {"type": "any"}});
        out.push(edit::small_on(base, model, "tool_choice", choice));
    }
}

/// The schemas that become a grammar: that of the output and those of strict tools, with their paths.
fn grammars(params: &Value) -> impl Iterator<Item = (Option<usize>, &Value)> {
    let tools = view::tools(params).iter().enumerate().filter(|(_, tool)| view::is_strict(tool));
    let of_tools = tools.filter_map(|(n, tool)| Some((Some(n), tool.get("input_schema")?)));
    let of_output = view::output_format(params).and_then(|format| format.get("schema"));
    of_output.map(|schema| (None, schema)).into_iter().chain(of_tools)
}

/// Visits a schema and all schemas within. Recursion ends with the JSON, whose depth the parser has limited.
fn each_schema<'a>(schema: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
    let Some(members) = schema.as_object() else { return };
    visit(schema);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("$defs" | "definitions" | "properties", Value::Object(schemas)) => {
                schemas.values().for_each(|schema| each_schema(schema, visit));
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter().for_each(|schema| each_schema(schema, visit));
            }
            ("items", schema) => each_schema(schema, visit),
            _ => {}
        }
    }
}

fn is_object(schema: &Value) -> bool {
    let kind = schema.get("type");
    kind.is_some_and(|kind| {
        kind == "object" || view::list(kind).iter().any(|kind| kind == "object")
    })
}

fn check_open(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for (tool, schema) in grammars(ask.body) {
        let mut is_open = false;
        each_schema(schema, &mut |schema| {
            is_open |= is_object(schema)
                && schema.get("additionalProperties") != Some(&Value::Bool(false));
        });
        if is_open {
            let path = tool.map_or_else(
                || "output_config.format.schema".to_owned(),
                |n| format!("tools.{n}.custom"),
            );
            out.push(Finding::new(
                path,
                "For 'object' type, 'additionalProperties' must be explicitly set to false",
            ));
        }
    }
}

fn break_open(base: &Base<'_>, out: &mut Vec<Breach>) {
    let open = || json!({"type": "object", "properties": {}});
    let nested = object(&json!({"place": open()}), true);
    out.extend(with_schemas(base, &open()));
    let format = json!({"type": "json_schema", "schema": nested});
    out.push(edit::small(
        base,
        "output_config/format/nested",
        json!({"output_config": {"format": format}}),
    ));
}

/// Counts, over all grammars, the members that `test` picks; it is given the object, the name and the member.
fn count_members(params: &Value, test: impl Fn(&Value, &str, &Value) -> bool) -> usize {
    let mut count = 0;
    for (_, schema) in grammars(params) {
        each_schema(schema, &mut |schema| {
            let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            count += members.filter(|(name, member)| test(schema, name, member)).count();
        });
    }
    count
}

fn check_optional(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let count = count_members(ask.body, |schema, name, _| {
        !view::member_list(schema, "required").iter().any(|required| required == name)
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

/// The same schema as that of the output and as that of a strict tool.
fn with_schemas(base: &Base<'_>, schema: &Value) -> [Breach; 2] {
    let format = json!({"type": "json_schema", "schema": schema});
    let tool = json!({"name": "get_weather", "strict": true, "input_schema": schema});
    [
        edit::small(base, "output_config/format", json!({"output_config": {"format": format}})),
        edit::small(base, "tools/input_schema", json!({"tools": [tool]})),
    ]
}
