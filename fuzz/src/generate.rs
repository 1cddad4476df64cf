//! Whatever bytes the generator is given, it draws a valid request and notes what it drew.
//!
//! The first byte picks the API version, the second the operation, the rest is the generator's. The judges are the
//! schema as written and the semantic rules; neither is what the generator reads.

use std::sync::OnceLock;

use arbitrary::Unstructured;
use contract::generate::{Draw, generate};
use contract::rules::{self, Ask, Stage};
use contract::spec::{Contract, Edition, Text, Texts};
use contract::version::OperationId;
use serde_json::Value;

/// Inputs are some kilobytes long, and a byte can open a block of some hundred bytes of fixed text: a draw larger
/// than this is a loop that does not look at what is left.
const BODY_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Panics where the draw of these bytes is not what it should be.
pub fn run(bytes: &[u8]) {
    let contract = contract();
    let (version, rest) = pick(bytes);
    let (operation, rest) = pick(rest);
    let edition = &contract.editions[version % contract.editions.len()];
    let operation = &edition.operations[operation % edition.operations.len()];
    let draw = || generate(contract, edition, operation, &mut Unstructured::new(rest));
    let first = draw();
    let again = draw();
    assert_eq!((&first.request, &first.traits), (&again.request, &again.traits), "the same bytes");
    check(contract, edition, operation.id, &first);
}

/// A number out of the first byte, and the bytes after it. Digits stand for themselves, so that seeds can be typed.
fn pick(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes.split_first() {
        Some((first, rest)) => (usize::from(first.wrapping_sub(b'0')), rest),
        None => (0, bytes),
    }
}

/// Read once: it takes longer than a thousand draws.
fn contract() -> &'static Contract {
    static CONTRACT: OnceLock<Contract> = OnceLock::new();
    let text = |name: &str, text: &str| Text { name: name.to_owned(), text: text.to_owned() };
    CONTRACT.get_or_init(|| {
        Contract::parse(&Texts {
            openapi: text("specs/openapi.yaml", include_str!("../../specs/openapi.yaml")),
            overlays: vec![text(
                "specs/overlay-2023-06-01.yaml",
                include_str!("../../specs/overlay-2023-06-01.yaml"),
            )],
            models: text("specs/models.toml", include_str!("../../specs/models.toml")),
            source: text("specs/SOURCE.md", include_str!("../../specs/SOURCE.md")),
        })
        .expect("the committed specs are read by every test")
    })
}

/// The draw is JSON, keeps the schema and every rule, and its traits are what it holds.
fn check(contract: &Contract, edition: &Edition, operation: OperationId, draw: &Draw) {
    assert!(
        draw.request.body.len() <= BODY_BYTES_MAX,
        "{operation}: {} bytes",
        draw.request.body.len()
    );
    let bytes = draw.request.body.to_bytes();
    let body = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes).expect("a draw is JSON"),
    };
    assert!(
        edition.validators.request_holds(operation, &body),
        "{operation} breaks its schema: {body}"
    );
    check_rules(contract, edition, operation, draw, &body);
    for item in rules::view::member_list(&body, "requests") {
        check_rules(contract, edition, OperationId::MessagesCreate, draw, &item["params"]);
    }
    check_traits(operation, draw, &body);
}

fn check_rules(
    contract: &Contract,
    edition: &Edition,
    operation: OperationId,
    draw: &Draw,
    body: &Value,
) {
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    let ask = Ask {
        version: edition.version,
        operation,
        request: &draw.request,
        body,
        model: contract.models.find(model),
        models: &contract.models,
        today: &contract.as_of,
        key: None,
        batch: None,
    };
    let due = rules::all().filter(|rule| {
        rule.stage == Stage::Body
            && rule.versions.contains(&edition.version)
            && rule.operations.contains(&operation)
    });
    for rule in due {
        let mut findings = Vec::new();
        rule.run(&ask, &mut findings);
        assert!(findings.is_empty(), "{operation} breaks {}: {findings:?}\n{body}", rule.id);
    }
}

/// Expectations are made of the traits alone, so a trait that is not so is a wrong expectation.
fn check_traits(operation: OperationId, draw: &Draw, body: &Value) {
    if operation.takes_params() {
        let stream = body.get("stream") == Some(&Value::Bool(true));
        assert_eq!(draw.traits.stream, stream, "{operation}: stream: {body}");
        // A system message and a prefilled answer are messages, but nobody's turn.
        let messages = rules::view::member_list(body, "messages").len();
        let turns = usize::from(draw.traits.turns);
        assert!((1..=messages).contains(&turns), "{operation}: {turns} turns: {body}");
        let tools = !rules::view::member_list(body, "tools").is_empty();
        assert_eq!(draw.traits.tools, tools, "{operation}: tools: {body}");
    }
}
