//! What is wrong with a message is wrong with an item of a batch: every witness about a message's parameters, put
//! into a batch, becomes an errored result of the type its source states, and its mended twin a succeeded one.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::path::{Path, PathBuf};

use classify::{Body, Headers, Request};
use contract::rules::{self, Stage};
use contract::spec::{Contract, Text, Texts};
use contract::version::{OperationId, Version};
use contract::witness::Witness;
use mock::{Config, Now, Pace, Rules, State};
use serde_json::{Value, json};

#[test]
fn every_witness_holds_in_a_batch() {
    let contract = contract();
    let mut tried = 0;
    for witness in witnesses().iter().filter(|witness| is_about_items(witness)) {
        for version in witness.versions.iter().filter_map(|name| Version::parse(name)) {
            for (attempt, mended) in [(&witness.violation, false), (&witness.mended, true)] {
                let body = attempt.body.as_deref().unwrap();
                let expected = if mended { "succeeded" } else { "errored" };
                let result = result(&contract, version, "", body);
                assert_eq!(result["type"], expected, "{} {version}: {result:#}", witness.name());
                if let Some(error_type) = attempt.error_type.as_deref().filter(|_| !mended) {
                    assert_eq!(result["error"]["error"]["type"], error_type, "{}", witness.name());
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn a_beta_lifts_the_longest_answer_in_batches() {
    let contract = contract();
    let check = |beta: &str, model: &str, max_tokens: u64, expected: &str| {
        let params = json!({"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": "Hi."}]});
        let result = result(&contract, Version::V2026_10_21, beta, &params.to_string());
        assert_eq!(result["type"], expected, "{beta} {model} {max_tokens}: {result:#}");
    };
    const BETA: &str = "output-300k-2026-03-24";
    check(BETA, "claude-opus-4-8", 300_000, "succeeded");
    check(BETA, "claude-opus-4-8", 300_001, "errored");
    check("", "claude-opus-4-8", 128_001, "errored");
    check(BETA, "claude-haiku-4-5", 64_001, "errored");
}

/// Whether the witness breaks a settled rule about parameters, with bodies that were typed in full and may stand in
/// a batch at all. A header of its own would be one of the request and not of the item.
fn is_about_items(witness: &Witness) -> bool {
    let may_stand = |body: &str| {
        serde_json::from_str::<Value>(body).is_ok_and(|body| {
            let foreign = ["stream", "speed"].iter().any(|member| body.get(member).is_some());
            !foreign && body["max_tokens"] != 0 && !body.to_string().contains("@@")
        })
    };
    witness.operation == OperationId::MessagesCreate.to_string()
        && rules::find(&witness.rule).is_some_and(|rule| rule.stage == Stage::Body)
        && witness.uncertain.is_none()
        && [&witness.violation, &witness.mended].iter().all(|attempt| {
            attempt.headers.is_empty() && attempt.body.as_deref().is_some_and(may_stand)
        })
}

/// What becomes of the only item of a batch with these parameters, created with that beta.
fn result(contract: &Contract, version: Version, beta: &str, params: &str) -> Value {
    let config =
        Config { key: None, rules: Rules::All, seed: 1, pace: Pace::Instant, limits: None };
    let now = Now::at_date(&contract.as_of).unwrap();
    let mut state = State::new();
    let mut ask = |method: &'static str, target: String, body: Body| {
        let mut headers = Headers::default();
        headers.push("x-api-key", "sk-ant-api03-probity-test-key");
        headers.push("anthropic-version", version.name());
        if !beta.is_empty() {
            headers.push("anthropic-beta", beta.to_owned());
        }
        if !body.is_empty() {
            headers.push("content-type", "application/json");
        }
        let request = Request { method: method.into(), target: target.into(), headers, body };
        let reply = mock::answer(&mut state, contract, &config, &request, now).into_reply();
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        serde_json::from_slice::<Value>(&reply.body).unwrap()
    };
    let params: Value = serde_json::from_str(params).unwrap();
    let requests = json!({"requests": [{"custom_id": "item", "params": params}]});
    let requests = Body::Bytes(requests.to_string().into());
    let batch = ask("POST", "/v1/messages/batches".to_owned(), requests);
    let batch = format!("/v1/messages/batches/{}", batch["id"].as_str().unwrap());
    for _ in 0..2 {
        ask("GET", batch.clone(), Body::Empty);
    }
    ask("GET", format!("{batch}/results"), Body::Empty)["result"].take()
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

fn witnesses() -> Vec<Witness> {
    let names = std::fs::read_dir(specs().join("witnesses")).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| Witness::parse(&text(&format!("witnesses/{name}"))).unwrap())
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "the test reads the contract where it stands")]
fn text(name: &str) -> Text {
    Text { name: name.to_owned(), text: std::fs::read_to_string(specs().join(name)).unwrap() }
}

fn specs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs")
}
