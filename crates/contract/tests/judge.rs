//! What the judge lets rules for answers say of a case, beside the class of the answer.

use std::sync::LazyLock;

use classify::{Body, Headers, Observation, Reply, Request};
use contract::case::{Case, CaseId, Mutation, Origin, Permitted, Traits};
use contract::judge::{Blame, Record, judge};
use contract::level::Level;
use contract::spec::Contract;
use contract::version::{OperationId, Version};
use serde_json::json;

mod specs;

static CONTRACT: LazyLock<Contract> = LazyLock::new(specs::contract);

/// The judge's word on an answer; `expected` are rules with their levels.
#[track_caller]
fn check(case: &Case, status: u16, answer: &str, expected: &[(&str, Level)]) -> Record {
    let headers = [("content-type", "application/json"), ("request-id", "req_01a")];
    let headers = Headers(headers.map(|(name, value)| (name.into(), value.into())).into());
    let reply = Reply { status, headers, body: answer.to_owned().into() };
    let record = judge(&CONTRACT, case, &Observation::Reply(reply));
    let found: Vec<_> =
        record.findings.iter().map(|finding| (finding.rule, finding.level)).collect();
    assert_eq!(found, expected, "{answer}");
    record
}

fn case(origin: Origin) -> Case {
    let body = json!({
        "model": "claude-sonnet-5", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello."}],
    });
    let request = Request {
        method: "POST".into(),
        target: "/v1/messages".into(),
        body: Body::Bytes(body.to_string().into()),
        ..Request::default()
    };
    Case {
        id: CaseId("a".to_owned()),
        version: Version::V2026_10_21,
        operation: OperationId::MessagesCreate,
        origin,
        traits: Traits::default(),
        request,
    }
}

fn refused(rule: &'static str, status: u16, error_type: &'static str) -> Case {
    case(Origin::Mutated(Mutation {
        family: "rule",
        rule,
        at: "".into(),
        answers: Permitted::Exactly { status, error_type, error_code: None },
    }))
}

fn invalid() -> Case {
    refused("required", 400, "invalid_request_error")
}

const MESSAGE: &str = r#"{"id":"1","type":"message","role":"assistant","model":"claude-sonnet-5","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":8,"output_tokens":9}}"#;

#[test]
fn what_is_served_in_spite_of_the_request_is_judged_by_its_form() {
    let expected = [
        ("response/message-id", Level::Compatible),
        ("response/max-tokens-exceeded", Level::Strict),
    ];
    check(&case(Origin::Valid), 200, MESSAGE, &expected);
    check(&invalid(), 200, MESSAGE, &[("answer-class", Level::Strict)]);
    let expected =
        [("answer-class", Level::Strict), ("response/error-under-success", Level::AgentReady)];
    check(
        &invalid(),
        200,
        r#"{"type":"error","error":{"type":"api_error","message":"No"}}"#,
        &expected,
    );
}

#[test]
fn a_right_status_over_a_foreign_body_is_wrong_once() {
    let gone = refused("path-unknown", 404, "not_found_error");
    let foreign = r#"{"detail":"Not Found"}"#;
    check(&gone, 404, foreign, &[("response/error-foreign", Level::AgentReady)]);
    check(&gone, 404, "", &[("response/error-not-json", Level::AgentReady)]);
    let expected = [("answer-class", Level::Strict), ("response/error-foreign", Level::AgentReady)];
    check(&gone, 400, foreign, &expected);
    // What should have been served is not.
    let expected =
        [("answer-class", Level::AgentReady), ("response/error-foreign", Level::AgentReady)];
    check(&case(Origin::Valid), 404, foreign, &expected);
    // Agents try no paths, and list no models.
    let mut elsewhere = gone;
    elsewhere.request.target = "/v1/messages/".into();
    check(&elsewhere, 404, foreign, &[("response/error-foreign", Level::Compatible)]);
}

#[test]
fn no_agent_needs_a_refusal() {
    let error = r#"{"type":"error","error":{"type":"api_error","message":"No"}}"#;
    check(&invalid(), 500, error, &[("answer-class", Level::Compatible)]);
    let other = r#"{"type":"error","error":{"type":"novel_error","message":"No"}}"#;
    check(&invalid(), 400, other, &[("answer-type", Level::Strict)]);
    let wrong_key = refused("wrong-key", 401, "authentication_error");
    check(&wrong_key, 401, other, &[("answer-type", Level::Compatible)]);
    check(&wrong_key, 200, MESSAGE, &[("answer-class", Level::Compatible)]);
}

#[test]
fn members_of_later_date_are_our_own_doubt() {
    let mut models = case(Origin::Valid);
    models.operation = OperationId::ModelsList;
    models.request =
        Request { method: "GET".into(), target: "/v1/models".into(), ..Request::default() };
    let page = json!({
        "data": [{
            "id": "claude-sonnet-5", "type": "model", "display_name": "Sonnet", "created_at": "2026-01-01T00:00:00Z",
            "max_input_tokens": 200_000, "max_tokens": 64_000, "capabilities": null,
        }],
        "has_more": false, "first_id": "claude-sonnet-5", "last_id": "claude-sonnet-5",
    });
    for (version, blame) in
        [(Version::V2026_10_21, Blame::Target), (Version::V2023_06_01, Blame::Spec)]
    {
        models.version = version;
        let expected = [("response/schema", Level::Strict)];
        let record = check(&models, 200, &page.to_string(), &expected);
        assert_eq!(record.findings[0].blame, blame, "{version:?}");
    }
}

#[test]
fn a_right_refusal_in_another_form_is_wrong_once() {
    let envelope = r#"{"type":"error","error":{"type":"invalid_request_error","message":"No"},"request_id":"req_01a"}"#;
    let other_status = [("response/status-unprocessable", Level::Strict)];
    check(&invalid(), 422, envelope, &other_status);
    let too_large = refused("body-over-limit", 413, "request_too_large");
    let foreign = r#"{"detail":"Too large"}"#;
    check(&invalid(), 400, foreign, &[("response/error-foreign", Level::AgentReady)]);
    // What the edge writes under this status is of its own form, and not judged.
    check(&too_large, 413, "length limit exceeded", &[("answer-type", Level::Strict)]);
    let typeless = r#"{"type":"error","error":{"message":"No"},"request_id":"req_01a"}"#;
    check(&invalid(), 400, typeless, &[("response/error-type-missing", Level::AgentReady)]);
}
