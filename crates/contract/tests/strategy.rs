//! The generator behind proptest: what it draws is valid, and what fails shrinks to something a person can read.

use std::sync::Arc;

use contract::generate::{Draw, strategy};
use contract::version::{OperationId, Version};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

mod specs;

fn body(draw: &Draw) -> Value {
    serde_json::from_slice(&draw.request.body.to_bytes()).expect("a draw is JSON")
}

#[test]
fn every_draw_holds_the_schema() {
    let contract = Arc::new(specs::contract());
    for version in Version::ALL {
        let requests = strategy(contract.clone(), version, OperationId::MessagesCreate);
        let validators = &contract.edition(version).validators;
        let config = Config { cases: 512, failure_persistence: None, ..Config::default() };
        TestRunner::new_with_rng(config, rng())
            .run(&requests, |draw| {
                assert!(validators.request_holds(OperationId::MessagesCreate, &body(&draw)));
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Shrinks by hand, as a caller would who has to send each attempt.
#[test]
fn a_failing_request_shrinks_to_a_readable_one() {
    let contract = Arc::new(specs::contract());
    let requests = strategy(contract, Version::V2026_10_21, OperationId::MessagesCreate);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng());
    let fails = |draw: &Draw| body(draw).get("tools").is_some();
    let mut tree = loop {
        let tree = requests.new_tree(&mut runner).expect("the strategy rejects nothing");
        if fails(&tree.current()) {
            break tree;
        }
    };
    let first = tree.current().request.body.len();
    let mut smallest = tree.current();
    while tree.simplify() {
        while !fails(&tree.current()) {
            if !tree.complicate() {
                break;
            }
        }
        if fails(&tree.current()) {
            smallest = tree.current();
        }
    }
    let (body, last) = (body(&smallest), smallest.request.body.len());
    assert_eq!(body["tools"].as_array().map(Vec::len), Some(1), "{body:#}");
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(1), "{body:#}");
    assert!(last < first && last < 600, "{first} bytes shrank to {last}: {body:#}");
}

fn rng() -> proptest::test_runner::TestRng {
    proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha)
}
