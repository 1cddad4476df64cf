//! The generator against independent judges: the schema as written, the rules, and a census of what it reaches.

use std::collections::BTreeSet;

use arbitrary::Unstructured;
use contract::generate::{Draw, generate};
use contract::rules::{self, Ask, Stage};
use contract::schema::Kind;
use contract::site;
use contract::spec::{Contract, Edition};
use contract::version::OperationId;
use serde_json::Value;

mod specs;

/// The judges of one draw: the `jsonschema` crate on the document as written, then every rule of the version.
fn check(contract: &Contract, edition: &Edition, operation: OperationId, draw: &Draw) -> Value {
    let bytes = draw.request.body.to_bytes();
    let body: Value = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes))),
    };
    if !edition.validators.request_holds(operation, &body) {
        let finding = contract::validate::explain(
            &edition.document,
            &edition.validators,
            edition.operation(operation),
            &body,
        );
        panic!("{}: {}: {}\n{body:#}", operation, finding.path, finding.message);
    }
    judge_params(contract, edition, (operation, operation), draw, &body);
    for item in rules::view::member_list(&body, "requests") {
        let judged_as = (operation, OperationId::MessagesCreate);
        judge_params(contract, edition, judged_as, draw, &item["params"]);
    }
    body
}

/// The operation that was drawn, and the one whose rules the parameters keep.
fn judge_params(
    contract: &Contract,
    edition: &Edition,
    (drawn, operation): (OperationId, OperationId),
    draw: &Draw,
    body: &Value,
) {
    let name = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let ask = Ask {
        version: edition.version,
        operation,
        request: &draw.request,
        body,
        model: contract.models.find(name),
        models: &contract.models,
        today: &contract.as_of,
        key: None,
        batch: None,
    };
    let version = edition.version;
    let is_item = drawn == OperationId::BatchesCreate && operation != drawn;
    let wanted = rules::all().filter(|rule| match rule.stage {
        Stage::Body => rule.holds_for(version, operation),
        Stage::Item => is_item && rule.holds_for(version, OperationId::BatchesCreate),
        Stage::Head | Stage::Bytes => false,
    });
    for rule in wanted {
        let mut findings = Vec::new();
        rule.run(&ask, &mut findings);
        assert!(findings.is_empty(), "{}: {findings:?}\n{body:#}", rule.id);
    }
}

fn draws(seed: u64, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = seed;
    (0..count).map(move |_| {
        (0..256)
            .flat_map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                state.rotate_right(23).to_le_bytes()
            })
            .collect()
    })
}

#[test]
fn every_draw_is_valid_for_schema_and_rules() {
    let contract = specs::contract();
    for edition in &contract.editions {
        for operation in &edition.operations {
            for bytes in draws(1, 2000) {
                let draw = generate(&contract, edition, operation, &mut Unstructured::new(&bytes));
                check(&contract, edition, operation.id, &draw);
            }
        }
    }
}

#[test]
fn no_bytes_draw_the_smallest_request() {
    let contract = specs::contract();
    for edition in &contract.editions {
        for operation in &edition.operations {
            let draw = generate(&contract, edition, operation, &mut Unstructured::new(&[]));
            check(&contract, edition, operation.id, &draw);
            assert!(draw.request.body.len() < 200, "{:?}", draw.request.body);
        }
    }
}

/// Branches and choices that no valid request can hold, with the reason.
const UNREACHABLE: &[&str] = &[];

#[test]
fn ten_thousand_draws_reach_every_branch_and_choice() {
    let contract = specs::contract();
    for edition in &contract.editions {
        let (mut wanted, mut reached) = (BTreeSet::new(), BTreeSet::new());
        let create = edition.operation(OperationId::MessagesCreate);
        let root = create.request.expect("messages.create takes a body");
        for bytes in draws(2, 10_000) {
            let draw = generate(&contract, edition, create, &mut Unstructured::new(&bytes));
            let body: Value = serde_json::from_slice(&draw.request.body.to_bytes()).expect("JSON");
            site::walk(&edition.schemas, root, &body, &mut |site| {
                let node = edition.schemas.resolved(site.schema);
                let name = node
                    .component
                    .clone()
                    .unwrap_or_else(|| site.place.rsplit('/').next().unwrap_or("").to_owned());
                match &node.kind {
                    Kind::Union(union) => {
                        for branch in union.branches.iter().flat_map(|branch| &branch.tags) {
                            wanted.insert(format!("{name}:{branch}"));
                        }
                        let tag = union
                            .tag
                            .as_ref()
                            .and_then(|tag| site.value.get(tag))
                            .and_then(Value::as_str);
                        if let Some(tag) = tag.or_else(|| {
                            site.union.and_then(|(_, b)| b.tags.first().map(String::as_str))
                        }) {
                            reached.insert(format!("{name}:{tag}"));
                        }
                    }
                    Kind::Text(text) if text.choices.len() > 1 => {
                        wanted.extend(text.choices.iter().map(|choice| format!("{name}={choice}")));
                        reached
                            .insert(format!("{name}={}", site.value.as_str().unwrap_or_default()));
                    }
                    _ => {}
                }
            });
        }
        let missing: Vec<_> = wanted
            .difference(&reached)
            .filter(|one| !UNREACHABLE.contains(&one.as_str()))
            .collect();
        assert!(missing.is_empty(), "{}: {missing:?}", edition.version);
        assert!(wanted.len() > 120, "the census itself reaches little: {}", wanted.len());
    }
}
