//! Every rule finds what its own breaches break, no valid request breaks any, and no breach breaks two: neither
//! two rules, nor a rule and the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use classify::{Body, Headers, Request};
use contract::models::Model;
use contract::rules::{self, Ask, Base, Finding, Implied, Rule, Stage};
use contract::schema::Kind;
use contract::seeds;
use contract::signature::{Prefix, bind, redact, sign};
use contract::spec::Contract;
use contract::version::{OperationId, Version};
use serde_json::{Value, json};

mod specs;

const KEY: &str = "sk-ant-api03-probity-test-key";
/// Read once, because it takes seconds when nothing is optimised.
static CONTRACT: LazyLock<Contract> = LazyLock::new(specs::contract);
/// Bodies that an unoptimised parser and validator take seconds for.
const HEAVY_BYTES: u64 = 1024 * 1024;
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==";
/// A row of 1500 pixels, which every model sees as it is, and one of 4000, which none does.
const PNG_1500: &str =
    "iVBORw0KGgoAAAANSUhEUgAABdwAAAABAQAAAADs1lGfAAAADElEQVR42mNgGMIAAAC9AAGt5GYEAAAAAElFTkSuQmCC";
const PNG_4000: &str = "iVBORw0KGgoAAAANSUhEUgAAD6AAAAABAQAAAADiDGwNAAAADklEQVR42mNgGAUjDgAAAfUAAe8ljkEAAAAASUVORK5CYII=";
/// One empty page.
const PDF: &str = "JVBERi0xLjQKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+ZW5kb2JqCjIgMCBvYmo8PC9UeXBlL1BhZ2VzL0tpZHNbMyAwIFJdL0NvdW50IDE+PmVuZG9iagozIDAgb2JqPDwvVHlwZS9QYWdlL1BhcmVudCAyIDAgUi9NZWRpYUJveFswIDAgNzIgNzJdPj5lbmRvYmoKeHJlZgowIDQKMDAwMDAwMDAwMCA2NTUzNSBmIAowMDAwMDAwMDA5IDAwMDAwIG4gCjAwMDAwMDAwNTIgMDAwMDAgbiAKMDAwMDAwMDEwMSAwMDAwMCBuIAp0cmFpbGVyPDwvU2l6ZSA0L1Jvb3QgMSAwIFI+PgpzdGFydHhyZWYKMTY2CiUlRU9GCg==";

/// Runs every rule's breaches over the bases of one version and operation.
fn check(version: Version, operation: OperationId) {
    let contract = &*CONTRACT;
    let models = &contract.models;
    let bases = bases(version, operation);
    for (request, body) in &bases {
        let broken = broken(contract, version, operation, request, Some(body));
        assert!(broken.is_empty(), "{version} {operation}: base {body} breaks {broken:?}");
    }
    let mut wrong = Vec::new();
    for rule in rules::all().filter(|rule| rule.holds_for(version, operation)) {
        let mut places = BTreeSet::new();
        for (request, body) in &bases {
            let named = body.get("model").and_then(Value::as_str);
            let model = named.and_then(|name| models.find(name));
            let mut breaches = Vec::new();
            (rule.breaches)(
                &Base { version, operation, request, body, model, models },
                &mut breaches,
            );
            let once: BTreeSet<_> = breaches.iter().map(|breach| breach.at).collect();
            assert_eq!(once.len(), breaches.len(), "{}: two breaches at one place", rule.id);
            for breach in breaches {
                // No rule asks for the version, so what takes seconds is tried under one of them.
                let is_heavy =
                    breach.request.body.len() > HEAVY_BYTES && version != Version::ALL[0];
                if places.insert(breach.at) && !is_heavy {
                    let broken = broken(contract, version, operation, &breach.request, None);
                    let implied = rule.implies.iter().map(|implied| implied.rule);
                    let expected: BTreeSet<_> = implied.chain([rule.id]).collect();
                    if !broken.keys().copied().eq(expected) {
                        wrong.push(format!("{} at {} breaks {broken:?}", rule.id, breach.at));
                    }
                }
            }
        }
        if places.is_empty() {
            wrong.push(format!("{} has no breach", rule.id));
        }
    }
    assert!(wrong.is_empty(), "{version} {operation}:\n{}", wrong.join("\n"));
}

/// The rules that a request breaks, as far as the stages get.
fn broken(
    contract: &Contract,
    version: Version,
    operation: OperationId,
    request: &Request,
    body: Option<&Value>,
) -> BTreeMap<&'static str, Vec<Finding>> {
    let mut ask = Ask {
        version,
        operation,
        request,
        body: &Value::Null,
        model: None,
        models: &contract.models,
        today: &contract.as_of,
        key: Some(KEY),
        batch: rules::view::batch_id(request.path()).and_then(seeds::batch),
    };
    let mut broken = run(&ask, Stage::Head);
    let has_body = operation.takes_params() || operation == OperationId::BatchesCreate;
    if !has_body || !broken.is_empty() {
        return broken;
    }
    let parsed = match rules::parse_body(request) {
        Ok(parsed) => parsed,
        Err((rule, finding)) => {
            let mut findings = Vec::new();
            (rule.check)(&ask, &mut findings);
            assert_eq!(findings, [finding], "parse_body and the check agree");
            return BTreeMap::from([(rule.id, findings)]);
        }
    };
    assert!(body.is_none_or(|body| *body == parsed));
    ask.body = &parsed;
    ask.model = named_model(contract, &parsed);
    broken = run(&ask, Stage::Body);
    for item in body_items(operation, &parsed) {
        let item = Ask { body: item, model: named_model(contract, item), ..ask };
        broken.extend(run(&item, Stage::Item));
    }
    let is_heavy = request.body.len() > HEAVY_BYTES;
    if !is_heavy && !contract.edition(version).validators.request_holds(operation, &parsed) {
        broken.insert(Implied::SCHEMA, Vec::new());
    }
    broken
}

/// The parameters of a batch's items.
fn body_items(operation: OperationId, body: &Value) -> impl Iterator<Item = &Value> {
    let items = match operation {
        OperationId::BatchesCreate => body["requests"].as_array(),
        _ => None,
    };
    items.into_iter().flatten().map(|item| &item["params"])
}

fn named_model<'c>(contract: &'c Contract, params: &Value) -> Option<&'c Model> {
    contract.models.find(params.get("model")?.as_str()?)
}

fn run(ask: &Ask<'_>, stage: Stage) -> BTreeMap<&'static str, Vec<Finding>> {
    let applies = |rule: &&Rule| rule.stage == stage && rule.holds_for(ask.version, ask.operation);
    let findings = rules::all().filter(applies).map(|rule| {
        let mut findings = Vec::new();
        rule.run(ask, &mut findings);
        (rule.id, findings)
    });
    findings.filter(|(_, findings)| !findings.is_empty()).collect()
}

fn bases(version: Version, operation: OperationId) -> Vec<(Request, Value)> {
    let bodies = match operation {
        OperationId::MessagesCreate => params(version),
        OperationId::MessagesCountTokens => params(version).into_iter().map(countable).collect(),
        OperationId::BatchesCreate => {
            params(version).into_iter().map(batchable).map(batch).collect()
        }
        _ => vec![Value::Null],
    };
    bodies.into_iter().map(|body| (request(version, operation, &body), body)).collect()
}

fn countable(mut params: Value) -> Value {
    params
        .as_object_mut()
        .expect("parameters are an object")
        .retain(|name, _| !matches!(&**name, "max_tokens" | "stop_sequences" | "temperature"));
    params
}

/// A batch asks for at least one token.
fn batchable(mut params: Value) -> Value {
    if params["max_tokens"] == 0 {
        params["max_tokens"] = json!(1);
    }
    params
}

#[expect(clippy::needless_pass_by_value, reason = "mapped over owned parameters")]
fn batch(params: Value) -> Value {
    json!({"requests": [{"custom_id": "a", "params": params}, {"custom_id": "b", "params": params}]})
}

fn request(version: Version, operation: OperationId, body: &Value) -> Request {
    let (method, target) = match operation {
        OperationId::MessagesCreate => ("POST", "/v1/messages"),
        OperationId::MessagesCountTokens => ("POST", "/v1/messages/count_tokens"),
        OperationId::BatchesCreate => ("POST", "/v1/messages/batches"),
        OperationId::BatchesList => ("GET", "/v1/messages/batches?limit=2"),
        OperationId::BatchesGet => ("GET", "/v1/messages/batches/msgbatch_probity_in_progress"),
        OperationId::BatchesCancel => {
            ("POST", "/v1/messages/batches/msgbatch_probity_in_progress/cancel")
        }
        OperationId::BatchesDelete => ("DELETE", "/v1/messages/batches/msgbatch_probity_ended"),
        OperationId::BatchesResults => {
            ("GET", "/v1/messages/batches/msgbatch_probity_ended/results")
        }
        OperationId::ModelsList => ("GET", "/v1/models"),
        OperationId::ModelsGet => ("GET", "/v1/models/claude-opus-5"),
    };
    let mut headers = Headers::default();
    headers.push("Authorization", format!("Bearer {KEY}"));
    headers.push("anthropic-version", version.name());
    let text = body.to_string();
    if text.contains("computer_20251124") {
        headers.push("anthropic-beta", "computer-use-2025-11-24");
    }
    let body = if body.is_null() { Body::Empty } else { Body::Bytes(text.into()) };
    if !body.is_empty() {
        headers.push("Content-Type", "application/json; charset=\"UTF-8\"");
    }
    Request { method: method.into(), target: target.into(), headers, body }
}

/// A thinking block signed behind that request.
fn bound(params: &Value) -> Value {
    let signature = bind("Let me see.", &Prefix::of(params));
    json!({"type": "thinking", "thinking": "Let me see.", "signature": signature})
}

/// Valid parameters of many kinds, with what comes near to breaking a rule and does not.
fn params(version: Version) -> Vec<Value> {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}});
    let document = json!({
        "type": "document", "citations": {"enabled": true},
        "source": {"type": "text", "media_type": "text/plain", "data": "Water is wet."},
    });
    let tool = json!({
        "name": "get_weather", "strict": true, "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "input_schema": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
            "additionalProperties": false,
        },
        "input_examples": [{"city": "Zurich"}],
    });
    let lenient = json!({"name": "look", "input_schema": {"type": "object", "properties": null, "required": null}});
    let search = json!({"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["example.com"]});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "get_weather", "input": {"city": "Zurich"}});
    let result =
        |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": [image.clone()]});
    let thought =
        json!({"type": "thinking", "thinking": "Let me see.", "signature": sign("Let me see.")});
    let sought = json!({"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {"query": "water"}});
    let found = json!({
        "type": "web_search_tool_result", "tool_use_id": "srvtoolu_01",
        "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
    });
    let reference = json!({"type": "tool_reference", "tool_name": "look"});
    let mut deferred = lenient.clone();
    deferred["defer_loading"] = json!(true);
    let finder = json!({"type": "tool_search_tool_regex", "name": "tool_search_tool_regex"});
    // Only members that are off disagree, and only one is left on.
    let browser = json!({"type": "browser_toolset_20260801", "configs": {
        "file_upload": {"defer_loading": true}, "zoom": {"enabled": false, "defer_loading": true},
    }});
    let marked = |ttl: &str| json!({"type": "text", "text": "Hello.", "cache_control": {"type": "ephemeral", "ttl": ttl}});
    let screen = json!({
        "type": "computer_20251124", "name": "computer", "display_width_px": 1280, "display_height_px": 720,
    });
    let mut all = vec![
        json!({"model": "claude-opus-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hello."}]}),
        json!({"model": "claude-opus-4-5", "max_tokens": 64, "stop_sequences": ["\nEND "], "messages": [
            {"role": "user", "content": "Is water wet?"},
            {"role": "assistant", "content": "The answer is"},
        ]}),
        json!({"model": "claude-sonnet-5", "max_tokens": 64, "tools": [tool, lenient], "tool_choice": {"type": "auto"},
        "cache_control": {"type": "ephemeral"}, "messages": [
            {"role": "user", "content": "What is the weather like?"},
            {"role": "assistant", "content": [call("toolu_01"), call("toolu_02")]},
            // Two messages, one turn.
            {"role": "user", "content": [result("toolu_02")]},
            {"role": "user", "content": [result("toolu_01"), {"type": "text", "text": "Well?"}]},
        ]}),
        json!({"model": "claude-haiku-4-5", "max_tokens": 4096, "tools": [tool],
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "messages": [
            {"role": "user", "content": "What is the weather like?"},
            {"role": "assistant", "content": [thought, call("toolu_01")]},
            {"role": "user", "content": [result("toolu_01")]},
            // The loop goes on: only its first message starts with thinking.
            {"role": "assistant", "content": [call("toolu_02")]},
            {"role": "user", "content": [result("toolu_02")]},
        ]}),
        // The loop starts behind the question, and its thinking and its call are two messages and one turn.
        json!({"model": "claude-haiku-4-5", "max_tokens": 4096, "tools": [tool],
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "messages": [
            {"role": "user", "content": "What is the weather like?"},
            {"role": "assistant", "content": "One moment."},
            {"role": "user", "content": "Well?"},
            {"role": "assistant", "content": [thought]},
            {"role": "assistant", "content": [call("toolu_01")]},
            {"role": "user", "content": [result("toolu_01")]},
            {"role": "user", "content": "Well?"},
        ]}),
        // Three marks and the automatic one; a mark that stands for both; a toolset of which some is in sight.
        json!({"model": "claude-opus-5", "max_tokens": 64, "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "tools": [{"type": "computer_toolset_20260801", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, deferred],
        "messages": [
            {"role": "user", "content": [marked("1h"), marked("1h"), {"type": "text", "text": "Hello."}]},
        ]}),
        json!({"model": "claude-opus-5", "max_tokens": 64, "cache_control": {"type": "ephemeral"}, "messages": [
            {"role": "user", "content": [marked("1h"), marked("5m"), marked("5m")]},
        ]}),
        json!({"model": "claude-opus-5-5", "max_tokens": 64, "output_config": {"effort": "low"}, "messages": [
            {"role": "user", "content": [image, document, document, {"type": "text", "text": "Sum it up."}]},
            {"role": "system", "content": "Be brief."},
            {"role": "system", "content": "Be kind."},
            {"role": "assistant", "content": "Fine."},
            {"role": "user", "content": "Go on."},
        ]}),
        // System messages where they may stand: behind the results of the client's tools and of the server's.
        json!({"model": "claude-opus-5", "max_tokens": 64, "tools": [tool, search, deferred],
        "tool_choice": {"type": "tool", "name": "get_weather"}, "messages": [
            {"role": "user", "content": "What is the weather like?"},
            {"role": "assistant", "content": [call("toolu_01")]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_01", "content": [reference]},
            ]},
            {"role": "system", "content": "Be brief."},
            // Two messages, one turn.
            {"role": "assistant", "content": [sought]},
            {"role": "assistant", "content": [found]},
            {"role": "system", "content": "Be kind."},
            {"role": "assistant", "content": "Fine."},
            {"role": "user", "content": "Go on."},
        ]}),
        json!({"model": "claude-opus-5", "max_tokens": 64, "tools": [finder, deferred, browser, screen],
            "messages": [{"role": "user", "content": "Hello."}]}),
        // A paused turn, to be resumed.
        json!({"model": "claude-opus-5", "max_tokens": 64, "tools": [search], "messages": [
            {"role": "user", "content": "Is water wet?"},
            {"role": "assistant", "content": [sought]},
        ]}),
        json!({"model": "claude-fable-5-2", "max_tokens": 0, "system": [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
        ], "messages": [{"role": "user", "content": "Hello."}, {"role": "user", "content": "Hello?"}]}),
        // Bound to what stands before it, which is written in another way now.
        json!({"model": "claude-fable-5-2", "max_tokens": 64, "tools": [tool],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Is water wet?", "cache_control": null}]},
            {"role": "assistant", "content": [
                bound(&json!({"system": "Be brief.", "tools": [tool], "messages": [
                    {"role": "user", "content": "Is water wet?"},
                ]})),
                {"type": "redacted_thinking", "data": redact("Let me see.")},
                {"type": "text", "text": "Yes."},
            ]},
            {"role": "user", "content": "Why?"},
        ]}),
        // Bound to something else, on a model that refuses some accounts only.
        json!({"model": "claude-sonnet-5-5", "max_tokens": 64, "messages": [
            {"role": "user", "content": "Is water wet?"},
            {"role": "assistant", "content": [bound(&json!({})), {"type": "text", "text": "Yes."}]},
            {"role": "user", "content": "Why?"},
        ]}),
    ];
    all.push(media_and_schemas());
    if version == Version::V2023_06_01 {
        all.push(json!({"model": "claude-sonnet-4-6", "max_tokens": 64, "temperature": 0.5,
            "messages": [{"role": "user", "content": "Hello."}]}));
    }
    all
}

/// What the rules for media and for schemas that become grammars let pass.
fn media_and_schemas() -> Value {
    let image = |data: &str, wish: &str| {
        let source = json!({"type": "base64", "media_type": "image/png", "data": data});
        json!({"type": "image", "source": source, "transformations": {"oversized_image": wish}})
    };
    let source = json!({"type": "base64", "media_type": "application/pdf", "data": PDF});
    let content = json!([
        image(PNG_1500, "error"), image(PNG_4000, "downsize"), {"type": "document", "source": source},
    ]);
    let closed = |members: Value| {
        let names: Vec<_> =
            members.as_object().into_iter().flatten().map(|(name, _)| name).collect();
        json!({"type": "object", "properties": members, "required": names, "additionalProperties": false})
    };
    let mut schema = closed(json!({
        // Members called like keywords, and a definition that two refer to.
        "maximum": {"$ref": "#/$defs/place"},
        "pattern": {"type": "string", "pattern": r"^(?:[a-z\b]+|\\b)\d{2}$"},
        "allOf": {"allOf": [{"type": "string"}, {"description": "A name."}]},
        "items": {"type": "array", "minItems": 1, "uniqueItems": false, "items": {"$ref": "#/$defs/place"}},
    }));
    schema["$defs"] = json!({
        "place": closed(json!({"minLength": {"$ref": "#/$defs/places"}})),
        "places": {"type": "array", "minItems": 0, "items": {"type": "string"}},
    });
    // Without `strict` there is no grammar.
    let lenient = json!({"name": "look", "input_schema": {
        "type": "object", "properties": {"n": {"type": "integer", "minimum": 1}, "next": {"$ref": "#"}},
    }});
    json!({
        "model": "claude-opus-5", "max_tokens": 64, "tools": [lenient],
        "output_config": {"format": {"type": "json_schema", "schema": schema}},
        "messages": [{"role": "user", "content": content}],
    })
}

#[test]
fn messages_create() {
    Version::ALL.into_iter().for_each(|version| check(version, OperationId::MessagesCreate));
}

#[test]
fn messages_count_tokens() {
    Version::ALL.into_iter().for_each(|version| check(version, OperationId::MessagesCountTokens));
}

#[test]
fn batches_create() {
    Version::ALL.into_iter().for_each(|version| check(version, OperationId::BatchesCreate));
}

#[test]
fn operations_without_a_body() {
    let has_body = |op: &OperationId| op.takes_params() || *op == OperationId::BatchesCreate;
    for operation in OperationId::ALL.into_iter().filter(|operation| !has_body(operation)) {
        Version::ALL.into_iter().for_each(|version| check(version, operation));
    }
}

#[test]
fn every_row_is_filled_in() {
    let mut ids = BTreeSet::new();
    for rule in rules::all() {
        assert!(ids.insert(rule.id), "{} twice", rule.id);
        assert!(rule.id.split('-').all(|word| !word.is_empty()
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())));
        for text in [rule.explanation, rule.remedy] {
            assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", rule.id);
        }
        assert!(!rule.source.is_empty() && !rule.answer.wording.is_empty(), "{}", rule.id);
        assert!(!rule.versions.is_empty() && !rule.operations.is_empty(), "{}", rule.id);
        assert!((400..500).contains(&rule.answer.status), "{}", rule.id);
        for implied in rule.implies {
            let is_known = implied.rule == Implied::SCHEMA || rules::find(implied.rule).is_some();
            assert!(is_known && implied.because.ends_with('.'), "{}: {implied:?}", rule.id);
        }
    }
}

#[track_caller]
fn said(body: &[u8], expected: &str) {
    let mut request = request(Version::V2026_10_21, OperationId::MessagesCreate, &json!({}));
    request.body = Body::Bytes(body.to_vec().into());
    let (_, finding) = rules::parse_body(&request).expect_err("the body is broken");
    assert_eq!(
        finding.message.strip_prefix("The request body is not valid JSON: "),
        Some(expected)
    );
}

#[test]
fn places_in_broken_json_are_counted_as_the_api_does() {
    said(b"", "unexpected end of data: line 1 column 1 (char 0)");
    said(b"{\"a\":1", "unexpected end of data: line 1 column 7 (char 6)");
    said(b"{\n \"a\":1,}", "unexpected character: line 2 column 8 (char 9)");
    said("{\"ä\":NaN}".as_bytes(), "unexpected character: line 1 column 6 (char 5)");
    said(b"{\"a\":\"\xff\"}", "invalid UTF-8: line 1 column 7 (char 6)");
}

/// What a rule says of these parameters, laid over a small request on Opus 5.
#[track_caller]
fn finds(rule: &str, members: &Value, expected: &[(&str, &str)]) {
    let contract = &*CONTRACT;
    let mut body = json!({"model": "claude-opus-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi."}]});
    for (name, value) in members.as_object().expect("members are an object") {
        body[name] = value.clone();
    }
    let (version, operation) = (Version::V2026_10_21, OperationId::MessagesCreate);
    let request = request(version, operation, &body);
    let mut broken = broken(contract, version, operation, &request, Some(&body));
    let findings = broken.remove(rule).unwrap_or_default();
    let findings: Vec<_> =
        findings.iter().map(|finding| (&*finding.path, &*finding.message)).collect();
    assert_eq!(findings, expected);
}

#[test]
fn findings_name_the_place_and_fill_the_wording() {
    let text = |control: Value| json!({"type": "text", "text": "Hi.", "cache_control": control});
    let (short, long) = (json!({"type": "ephemeral"}), json!({"type": "ephemeral", "ttl": "1h"}));
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "look", "input": {}});
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": PNG}});
    let user = |content: Value| json!({"role": "user", "content": content});
    finds(
        "cache-ttl-order",
        &json!({"system": [text(short)], "messages": [user(json!([
            {"type": "search_result", "source": "s", "title": "t", "content": [text(long)]},
        ]))]}),
        &[(
            "messages.0.content.0.content.0.cache_control.ttl",
            "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are \
             processed in the following order: `tools`, `system`, `messages`.",
        )],
    );
    finds(
        "tool-use-unanswered",
        &json!({"messages": [user(json!("Hi.")), {"role": "assistant", "content": [call("a"), call("b")]}]}),
        &[(
            "messages.1",
            "`tool_use` ids were found without `tool_result` blocks immediately after: a, b. Each `tool_use` block \
             must have a corresponding `tool_result` block in the next message.",
        )],
    );
    finds(
        "server-tool-result-unpaired",
        &json!({"messages": [user(json!("Hi.")), {"role": "assistant", "content": [
            {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_a", "content":
                {"type": "web_fetch_tool_result_error", "error_code": "unavailable"}},
        ]}]}),
        &[(
            "messages.1.content.0",
            "unexpected `tool_use_id` found in `web_fetch_tool_result` blocks: srvtoolu_a. Each \
             `web_fetch_tool_result` block must have a corresponding `server_tool_use` block before it.",
        )],
    );
    finds(
        "computer-tool-unsupported",
        &json!({"model": "claude-opus-5-5", "tools": [
            {"type": "computer_20251124", "name": "computer", "display_width_px": 1, "display_height_px": 1},
        ]}),
        &[("", "'claude-opus-5-5' does not support tool types: computer_20251124.")],
    );
    finds(
        "image-media-type-mismatch",
        &json!({"messages": [user(json!([{"type": "text", "text": "Look."}, image]))]}),
        &[(
            "messages.0.content.1.image.source.base64.data",
            "The image was specified using the image/webp media type, but the image appears to be a image/png image",
        )],
    );
    finds(
        "max-tokens-over-model-limit",
        &json!({"max_tokens": 128_001}),
        &[(
            "max_tokens",
            "128001 > 128000, which is the maximum allowed number of output tokens for claude-opus-5",
        )],
    );
    finds(
        "model-retired",
        &json!({"model": "claude-3-opus-20240229"}),
        &[("model", "claude-3-opus-20240229")],
    );
    let said = |text: &str| json!({"type": "text", "text": text});
    finds(
        "thinking-prefix-changed",
        &json!({"model": "claude-fable-5-2", "messages": [
            user(json!("Hi.")),
            {"role": "assistant", "content": [said("Hm."), bound(&json!({"messages": [user(json!("Hi."))]}))]},
            user(json!("Hi.")),
        ]}),
        &[(
            "messages.1.content.1",
            "Invalid `signature` in `thinking` block. The block is bound to a different conversation. Remove the \
             block, or set `thinking.block_binding.prefix_mismatch_behavior` to \"drop_block\".",
        )],
    );
    finds(
        "prompt-too-long",
        &json!({"model": "claude-haiku-4-5", "system": "so ".repeat(150_000), "messages": [
            user(json!([said(&"so ".repeat(50_001))])),
        ]}),
        &[("", "prompt is too long: 200001 tokens > 200000 maximum")],
    );
    finds(
        "prompt-too-long",
        &json!({"model": "claude-haiku-4-5", "system": "so ".repeat(150_000), "messages": [
            user(json!([said(&"so ".repeat(50_000))])),
        ]}),
        &[],
    );
    finds(
        "first-message-not-user",
        &json!({"messages": [{"role": "assistant", "content": "Hi."}, user(json!("Hi."))]}),
        &[("messages", "first message must use the \"user\" role")],
    );
}

#[test]
fn a_string_is_a_block_and_turns_of_one_role_are_one() {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "look", "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "a"});
    let said = |role: &str, content: Value| json!({"role": role, "content": content});
    let talk = |turn: &[Value]| json!([&[said("user", json!("Hi."))], turn].concat());
    let calls = said("assistant", json!([call("a")]));
    finds(
        "tool-result-not-first",
        &json!({"messages": talk(&[
            calls.clone(), said("user", json!("Wait.")), said("user", json!([result])),
        ])}),
        &[(
            "messages.1",
            "`tool_use` ids were found without `tool_result` blocks immediately after: a. Each `tool_use` block must \
             have a corresponding `tool_result` block in the next message.",
        )],
    );
    let empty = [calls.clone(), said("user", json!("")), said("user", json!([result]))];
    finds("tool-result-not-first", &json!({"messages": talk(&empty)}), &[]);
    let twice = [calls.clone(), said("assistant", json!([call("b"), call("a")]))];
    let not_unique = "`tool_use` ids must be unique";
    finds(
        "tool-use-id-repeated",
        &json!({"messages": talk(&twice)}),
        &[("messages.2.content.1", not_unique)],
    );
    finds("tool-use-id-duplicate", &json!({"messages": talk(&twice)}), &[]);
    finds(
        "thinking-block-not-first",
        &json!({
            "model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 1024},
            "messages": talk(&[said("assistant", json!("Hm.")), calls]),
        }),
        &[(
            "messages.1.content.0.type",
            "Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is enabled, a final \
             `assistant` message must start with a thinking block (preceeding the lastmost set of `tool_use` and \
             `tool_result` blocks).",
        )],
    );
}

#[test]
fn breakpoints_count_wherever_they_are_set() {
    const ORDER: &str = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that \
        blocks are processed in the following order: `tools`, `system`, `messages`.";
    let (short, long) = (json!({"type": "ephemeral"}), json!({"type": "ephemeral", "ttl": "1h"}));
    let system = json!([{"type": "text", "text": "Be brief.", "cache_control": short}]);
    finds(
        "cache-ttl-order",
        &json!({"system": system, "cache_control": long}),
        &[("cache_control.ttl", ORDER)],
    );
    let page = json!({"type": "document", "cache_control": long, "source": {
        "type": "text", "media_type": "text/plain", "data": "Water is wet.",
    }});
    let fetched = json!({"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_a", "content": {
        "type": "web_fetch_result", "url": "https://example.com/", "content": page,
    }});
    let found = json!({"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_b", "content": {
        "type": "tool_search_tool_search_result",
        "tool_references": [{"type": "tool_reference", "tool_name": "look", "cache_control": long}],
    }});
    finds(
        "cache-ttl-order",
        &json!({"system": system, "messages": [{"role": "assistant", "content": [fetched, found]}]}),
        &[
            ("messages.0.content.0.content.content.cache_control.ttl", ORDER),
            ("messages.0.content.1.content.tool_references.0.cache_control.ttl", ORDER),
        ],
    );
}

#[test]
fn a_wrong_place_is_wrong_also_where_it_is_open_whether_the_role_is_read() {
    let model = &CONTRACT.models.current.iter().find(|model| model.system_messages_uncertain);
    let model = &model.expect("one model is open").id;
    let message =
        "the first message cannot have the role system; use the top-level `system` parameter";
    let messages = json!([{"role": "system", "content": "Be brief."}]);
    finds(
        "system-message-first",
        &json!({"model": model, "messages": messages}),
        &[("messages.0", message)],
    );
}

#[test]
fn members_of_toolsets_are_those_of_the_schema() {
    let edition = CONTRACT.edition(Version::V2026_10_21);
    for (kind, configs) in [
        ("browser_toolset_20260801", "BrowserToolsetConfigs"),
        ("computer_toolset_20260801", "ComputerToolsetConfigs"),
    ] {
        let component = edition.component(configs).expect("the schema has the component");
        let Kind::Object(object) = &edition.schemas.resolved(component).kind else {
            panic!("{configs} is no object")
        };
        let names: Vec<_> = object.properties.iter().map(|property| &*property.name).collect();
        let enabled_is = |name: &str| {
            let configs = names.iter().map(|n| (*n, json!({"enabled": *n == name})));
            json!({"tools": [{"type": kind, "configs": configs.collect::<BTreeMap<_, _>>()}]})
        };
        for name in &names {
            finds("toolset-all-disabled", &enabled_is(name), &[]);
        }
        let message = format!("at least one member of {kind} must be enabled");
        finds("toolset-all-disabled", &enabled_is(""), &[("tools.0.configs", &message)]);
    }
}

#[test]
fn findings_in_schemas_go_on_to_the_keyword() {
    let format = |schema: Value| json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}});
    let closed = |members: Value| json!({"type": "object", "properties": members, "additionalProperties": false});
    finds(
        "schema-constraint-unsupported",
        &format(closed(
            json!({"n": {"anyOf": [{"type": "null"}, {"type": "integer", "maximum": 9}]}}),
        )),
        &[(
            "output_config.format.schema.properties.n.anyOf.1.maximum",
            "For 'integer' type, property 'maximum' is not supported",
        )],
    );
    finds(
        "schema-array-constraint-unsupported",
        &json!({"tools": [{"name": "look", "strict": true, "input_schema": closed(json!({
            "list": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        }))}]}),
        &[(
            "tools.0.custom.input_schema.properties.list.minItems",
            "For 'array' type, 'minItems' values other than 0 or 1 are not supported",
        )],
    );
    let mut tree = closed(json!({"root": {"$ref": "#/$defs/a"}}));
    tree["$defs"] = json!({"a": closed(json!({"b": {"$ref": "#/$defs/b"}})), "b": {"anyOf": [{"$ref": "#/$defs/a"}]}});
    finds(
        "schema-recursive",
        &format(tree),
        &[(
            "output_config.format.schema.$defs.b.anyOf.0.$ref",
            "Circular reference detected in schema definitions: a -> b -> a. Self-referencing or mutually-referencing \
             definitions are not supported.",
        )],
    );
}

#[test]
fn pages_of_all_documents_count_together() {
    let pdf = json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}});
    let user = |content: Value| json!({"role": "user", "content": content});
    let many =
        json!({"model": "claude-haiku-4-5", "messages": [user(json!(vec![pdf.clone(); 102]))]});
    finds(
        "pdf-pages-over-limit",
        &many,
        &[(
            "messages.0.content.100.pdf.source.base64.data",
            "A maximum of 100 PDF pages may be provided.",
        )],
    );
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}});
    let mut mixed = vec![image; 99];
    mixed.extend([pdf.clone(), pdf]);
    finds(
        "media-over-limit",
        &json!({"model": "claude-haiku-4-5", "messages": [user(json!(mixed))]}),
        &[("", "Too much media: 2 document pages + 99 images > 100")],
    );
}
