//! Every mutant is what its expectation says, judged by the schemas as written and by the JSON parser.

use std::collections::{BTreeMap, BTreeSet};

use classify::http::{Headers, KEY_PLACEHOLDER};
use classify::{Body, Request};
use contract::case::{Permitted, Traits};
use contract::mutate::{Base, Enumerate, FAMILIES, Family, HEAVY_BYTES_MIN, INVALID, Mutant};
use contract::rules;
use contract::spec::{Contract, Edition, Text, Texts};
use contract::version::{OperationId, Version};
use serde_json::{Value, json};

/// What a run sends by default in heavy bodies, all versions together.
const HEAVY_BYTES_MAX: u64 = 200_000_000;

#[test]
fn bases_hold_and_refused_places_are_refused_by_the_schema_as_written() {
    let contract = contract();
    for edition in &contract.editions {
        for (operation, body) in rich_bases() {
            let holds = |body: &Value| edition.validators.request_holds(operation, body);
            assert!(holds(&body), "{}: {operation}: base: {body}", edition.version);
            with_base(&contract, edition, operation, &body, |base| {
                for (family, mutant) in all(base).filter(|(family, _)| is_of_sites(family)) {
                    let name =
                        format!("{}/{operation}/{}/{}", edition.version, mutant.rule, mutant.at);
                    let Ok(broken) =
                        serde_json::from_slice::<Value>(&mutant.request.body.to_bytes())
                    else {
                        assert!(
                            family == "text" && !may_succeed(mutant.answers),
                            "{name}: not JSON"
                        );
                        continue;
                    };
                    let is_valid = match family {
                        "duplicate" | "text" => may_succeed(mutant.answers),
                        _ => false,
                    };
                    assert_eq!(holds(&broken), is_valid, "{name}: {broken}");
                    assert!(is_valid || broken != body, "{name} is the base");
                }
            });
        }
    }
}

#[test]
fn the_parameters_of_a_batch_item_are_judged_later() {
    let contract = contract();
    let edition = contract.edition(Version::V2026_10_21);
    let (operation, body) = rich_bases().pop().expect("the last base is a batch");
    with_base(&contract, edition, operation, &body, |base| {
        let answers: BTreeMap<_, _> =
            all(base).map(|(_, m)| (format!("{}/{}", m.rule, m.at), m.answers)).collect();
        let check = |name: &str, expected: Option<Permitted>| {
            assert_eq!(answers.get(name).copied(), expected, "{name}")
        };
        check("required/CreateMessageParams/model", Some(Permitted::Served));
        check("unknown-member/MessageBatchIndividualRequestParams/params", Some(Permitted::Served));
        check("unknown-member/requests/each", Some(INVALID));
        check("required/MessageBatchIndividualRequestParams/params", Some(INVALID));
        check("pattern/MessageBatchIndividualRequestParams/custom_id", Some(INVALID));
        check("null/MessageBatchIndividualRequestParams/params", None);
        check("lone-surrogate/CreateMessageParams/system", Some(INVALID));
    });
}

#[test]
fn names_are_unique_and_no_rule_has_two_families() {
    let contract = contract();
    let (mut families, mut names) = (BTreeMap::new(), BTreeSet::new());
    for_all(&contract, &small_bases(), |base, family, mutant| {
        assert_eq!(*families.entry(mutant.rule).or_insert(family), family, "{}", mutant.rule);
        assert!(rules::find(mutant.rule).is_none(), "{} is a semantic rule", mutant.rule);
        let name = (base.edition.version, base.operation.id, mutant.rule, mutant.at.clone());
        assert!(names.insert(name.clone()), "{name:?} twice");
        assert!(
            !mutant.at.split('/').any(|part| part.parse::<u8>().is_ok()),
            "{name:?} holds an index"
        );
    });
    for_all(&contract, &rich_bases(), |_, family, mutant| {
        assert_eq!(*families.entry(mutant.rule).or_insert(family), family, "{}", mutant.rule);
    });
    for family in FAMILIES {
        assert!(
            families.values().any(|name| *name == family.name),
            "{} yields nothing",
            family.name
        );
    }
}

#[test]
fn syntax_is_refused_where_it_is_no_object_and_served_where_it_is_the_base() {
    let contract = contract();
    for_all(&contract, &small_bases(), |base, family, mutant| {
        if family == "syntax" {
            let read = serde_json::from_slice::<Value>(&mutant.request.body.to_bytes()).ok();
            match mutant.answers {
                Permitted::Served => assert_eq!(read.as_ref(), Some(base.body), "{}", mutant.rule),
                _ => assert!(
                    !read.is_some_and(|read| read.is_object()),
                    "{}/{}",
                    mutant.rule,
                    mutant.at
                ),
            }
        }
    });
}

#[test]
fn heavy_bodies_are_lazy_and_few() {
    let contract = contract();
    let mut heavy = BTreeMap::new();
    for_all(&contract, &small_bases(), |base, _, mutant| {
        let length = mutant.request.body.len();
        if length > HEAVY_BYTES_MIN {
            assert!(
                matches!(mutant.request.body, Body::Repeat { .. }),
                "{} is held in memory",
                mutant.rule
            );
            let name = (base.edition.version, base.operation.id, mutant.rule);
            assert_eq!(heavy.insert(name, length), None, "{name:?} is heavy twice");
        }
    });
    let total: u64 = heavy.values().sum();
    assert!(total < HEAVY_BYTES_MAX, "{total} bytes: {heavy:#?}");
}

#[test]
fn sizes_stand_on_the_right_side_of_their_limits() {
    let contract = contract();
    let edition = contract.edition(Version::V2026_10_21);
    let length = |operation, rule: &str, heavy| {
        let (_, body) = small_bases()
            .into_iter()
            .find(|(id, _)| *id == operation)
            .expect("every operation has one");
        let mut length = None;
        with_base(&contract, edition, operation, &body, |base| {
            let base = Base { heavy, ..*base };
            length = all(&base)
                .find(|(_, mutant)| mutant.rule == rule)
                .map(|(_, mutant)| mutant.request.body.len());
        });
        length
    };
    assert_eq!(length(OperationId::MessagesCreate, "body-just-over", false), Some(33_554_433));
    assert_eq!(length(OperationId::MessagesCountTokens, "body-just-under", true), Some(31_999_999));
    assert_eq!(length(OperationId::BatchesCreate, "body-just-over", false), None);
    assert_eq!(length(OperationId::BatchesCreate, "body-just-over", true), Some(268_435_457));
}

fn may_succeed(answers: Permitted) -> bool {
    match answers {
        Permitted::Exactly { .. } => false,
        Permitted::Served => true,
        Permitted::Uncertain { classes, .. } => classes.iter().any(|class| class.is_success()),
    }
}

fn is_of_sites(family: &str) -> bool {
    let family = FAMILIES.iter().find(|f| f.name == family);
    family.is_some_and(|family| matches!(family.enumerate, Enumerate::Sites(_)))
}

fn all<'a>(base: &'a Base<'_>) -> impl Iterator<Item = (&'static str, Mutant)> + 'a {
    FAMILIES.iter().flat_map(|family: &Family| {
        family.mutants(base).into_iter().map(|mutant| (family.name, mutant))
    })
}

fn for_all(
    contract: &Contract,
    bases: &[(OperationId, Value)],
    mut check: impl FnMut(&Base<'_>, &'static str, Mutant),
) {
    for edition in &contract.editions {
        for (operation, body) in bases {
            with_base(contract, edition, *operation, body, |base| {
                all(base).for_each(|(family, mutant)| check(base, family, mutant));
            });
        }
    }
}

fn with_base(
    contract: &Contract,
    edition: &Edition,
    operation: OperationId,
    body: &Value,
    check: impl FnOnce(&Base<'_>),
) {
    let operation = edition.operation(operation);
    let mut headers = Headers::default();
    headers.push("x-api-key", KEY_PLACEHOLDER);
    headers.push("anthropic-version", edition.version.name());
    if !body.is_null() {
        headers.push("content-type", "application/json");
    }
    let body_bytes =
        if body.is_null() { Body::Empty } else { Body::Bytes(body.to_string().into()) };
    let target = operation.target("msgbatch_probity").into();
    let request = Request { method: operation.method.into(), target, headers, body: body_bytes };
    let (models, traits) = (&contract.models, &Traits::default());
    check(&Base { edition, operation, models, request: &request, body, traits, heavy: false });
}

/// One small body for each operation, `Null` where it has none.
fn small_bases() -> Vec<(OperationId, Value)> {
    let count =
        json!({"model": "claude-opus-5", "messages": [{"role": "user", "content": "Hello."}]});
    let mut create = count.clone();
    create["max_tokens"] = 16.into();
    let body = |id| match id {
        OperationId::MessagesCreate => create.clone(),
        OperationId::MessagesCountTokens => count.clone(),
        OperationId::BatchesCreate => json!({"requests": [{"custom_id": "one", "params": create}]}),
        _ => Value::Null,
    };
    OperationId::ALL.into_iter().map(|id| (id, body(id))).collect()
}

/// Bodies that the schema takes and that reach into every corner of it, whether or not they make sense.
fn rich_bases() -> Vec<(OperationId, Value)> {
    let params = json!({
        "model": "claude-sonnet-4-6",
        "max_tokens": 4096,
        "system": "Be brief.",
        "stream": true,
        "stop_sequences": ["END"],
        "service_tier": "auto",
        "metadata": {"user_id": "user-7"},
        "container": {"id": "container_1", "skills": [{"skill_id": "pdf", "type": "anthropic"}]},
        "cache_control": {"type": "ephemeral", "ttl": "5m"},
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        "tool_choice": {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": true},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "speed": "standard",
        "diagnostics": {"previous_message_id": "msg_1"},
        "inference_geo": "us",
        "tools": tools(),
        "messages": messages(),
    });
    let plain = json!({
        "model": "claude-sonnet-4-6",
        "max_tokens": 16,
        "system": [{"type": "text", "text": "Be brief."}],
        "container": "container_1",
        "tool_choice": {"type": "auto"},
        "messages": [{"role": "user", "content": "Hello."}, {"role": "system", "content": "Be kind."}],
    });
    let mut count = params.clone();
    let members = count.as_object_mut().expect("written above as an object");
    members.retain(|name, _| {
        ![
            "max_tokens",
            "stream",
            "stop_sequences",
            "service_tier",
            "metadata",
            "container",
            "diagnostics",
            "inference_geo",
        ]
        .contains(&name.as_str())
    });
    let batch = json!({"requests": [{"custom_id": "one", "params": params.clone()}]});
    vec![
        (OperationId::MessagesCreate, params),
        (OperationId::MessagesCreate, plain),
        (OperationId::MessagesCountTokens, count),
        (OperationId::BatchesCreate, batch),
    ]
}

fn tools() -> Value {
    json!([
        {
            "name": "get_weather",
            "description": "Tells the weather.",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            "strict": true,
            "allowed_callers": ["direct"],
            "input_examples": [{"city": "Oslo"}],
        },
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 100},
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 3,
            "allowed_domains": ["example.com"],
            "user_location": {"type": "approximate", "city": "Oslo", "country": "NO"},
        },
        {
            "type": "web_fetch_20250910",
            "name": "web_fetch",
            "citations": {"enabled": true},
            "url_sources": {"user_input": {"type": "all"}},
        },
        {"type": "computer_toolset_20260801", "configs": {}},
    ])
}

fn messages() -> Value {
    json!([
        {"role": "user", "content": [
            {"type": "text", "text": "Look.", "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {
                "type": "document",
                "title": "Water",
                "context": "From a book.",
                "citations": {"enabled": true},
                "source": {"type": "text", "media_type": "text/plain", "data": "Water is wet."},
            },
            {
                "type": "search_result",
                "source": "https://example.com",
                "title": "Water",
                "content": [{"type": "text", "text": "Wet."}],
            },
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
            {"type": "redacted_thinking", "data": "c2VjcmV0"},
            {"type": "text", "text": "It is wet.", "citations": [{
                "type": "char_location",
                "cited_text": "Water is wet.",
                "document_index": 0,
                "document_title": "Water",
                "start_char_index": 0,
                "end_char_index": 13,
            }]},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "water"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{
                "type": "web_search_result",
                "url": "https://example.com",
                "title": "Water",
                "encrypted_content": "c2VjcmV0",
            }]},
            {
                "type": "tool_use",
                "id": "toolu_1",
                "name": "get_weather",
                "input": {"city": "Oslo"},
                "caller": {"type": "direct"},
            },
        ]},
        {"role": "user", "content": [{
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "is_error": false,
            "content": [{"type": "text", "text": "Rain."}, {"type": "tool_reference", "tool_name": "get_weather"}],
        }]},
    ])
}

fn contract() -> Contract {
    let texts = Texts {
        openapi: text("openapi.yaml"),
        overlays: vec![text("overlay-2023-06-01.yaml")],
        models: text("models.toml"),
        source: text("SOURCE.md"),
    };
    Contract::parse(&texts).unwrap_or_else(|error| panic!("{error}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the crate takes texts as arguments; a test has to get them somewhere"
)]
fn text(name: &str) -> Text {
    let path = format!("{}/../../specs/{name}", env!("CARGO_MANIFEST_DIR"));
    Text {
        name: name.to_owned(),
        text: std::fs::read_to_string(path).expect("specs/ stands beside crates/"),
    }
}
