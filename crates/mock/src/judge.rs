//! Whether a request may pass.
//!
//! The order is that of the API, outermost first, and the first finding is the answer:
//!
//! 1. path, then method;
//! 2. the credential, then the version, then the other headers;
//! 3. the body as bytes: its size, its encoding, its JSON; a body over the limit is never written out;
//! 4. the schema of the operation;
//! 5. the rules of the contract for this version and operation, in the order of their table.
//!
//! A rule whose answer is an open question is enforced only if every answer in question is a refusal. An item of
//! a batch is judged when its batch ends: a bad one becomes an errored result and does not stop the others, so
//! the schema of a batch is applied without the items' parameters.

use classify::{Body, Request};
use contract::models::Model;
use contract::rules::{self, Ask, BatchPhase, Finding, Implied, Rule, Stage};
use contract::seeds;
use contract::spec::{Contract, Edition};
use contract::validate;
use contract::version::{OperationId, Version};
use serde_json::{Value, json};

use crate::error::Refusal;
use crate::state::{Batches, Phase};
use crate::{Config, Now, Rules, Violation};

/// What every judgement looks at.
pub(crate) struct Bench<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) config: &'a Config,
    pub(crate) rulebook: &'a Rulebook,
    pub(crate) now: Now,
}

/// A request that may pass.
pub(crate) struct Judged<'a> {
    pub(crate) version: Version,
    pub(crate) operation: OperationId,
    /// The id in the path; empty if it has none.
    pub(crate) id: &'a str,
    /// `Null` if the operation takes no body.
    pub(crate) body: Value,
    pub(crate) model: Option<&'a Model>,
}

pub(crate) fn judge<'a>(
    bench: &Bench<'a>,
    batches: &Batches,
    request: &'a Request,
) -> Result<Judged<'a>, Refusal> {
    let edition = edition(bench.contract, request);
    let (operation, id) = route(edition, request)?;
    let version = edition.version;
    let rules = bench.rulebook.of(version, operation);
    let today = bench.now.date();
    let mut ask = ask(bench, version, operation, request, &today);
    ask.batch = phase(batches, id);
    first(&rules.head, &ask)?;
    if !takes_body(operation) {
        return Ok(Judged { version, operation, id, body: Value::Null, model: None });
    }
    let body =
        rules::parse_body(request).map_err(|(rule, finding)| Refusal::of_rule(rule, finding))?;
    schema(edition, operation, &body).map_err(Refusal::of_schema)?;
    let model = model(bench.contract, &body);
    ask.model = model;
    ask.body = &body;
    if bench.config.rules == Rules::All {
        first(&rules.body, &ask)?;
    }
    Ok(Judged { version, operation, id, body, model })
}

/// Everything that is wrong with a request, stage by stage as far as they get: a body that is no JSON has no
/// schema to break, and one that breaks its schema is not asked about the rules. At most [`VIOLATIONS_MAX`].
///
/// Slower than [`judge`], which stops at the first; of a schema only the first violation is told.
pub(crate) fn violations(
    bench: &Bench<'_>,
    batches: &Batches,
    request: &Request,
) -> Vec<Violation> {
    let edition = edition(bench.contract, request);
    let (operation, id) = match route(edition, request) {
        Ok(known) => known,
        Err(refusal) => {
            let violation =
                |rule| Violation { rule, path: String::new(), message: refusal.message };
            return refusal.rule.map(violation).into_iter().collect();
        }
    };
    let rules = bench.rulebook.of(edition.version, operation);
    let today = bench.now.date();
    let mut ask = ask(bench, edition.version, operation, request, &today);
    ask.batch = phase(batches, id);
    let mut out = all(&rules.head, &ask);
    if takes_body(operation) {
        match rules::parse_body(request) {
            Err((rule, finding)) => out.push(Violation::new(rule.id, finding)),
            Ok(body) => match schema(edition, operation, &body) {
                Err(finding) => out.push(Violation::new(Implied::SCHEMA, finding)),
                Ok(()) if bench.config.rules == Rules::All => {
                    ask.model = model(bench.contract, &body);
                    ask.body = &body;
                    out.extend(all(&rules.body, &ask));
                }
                Ok(()) => {}
            },
        }
    }
    out.truncate(VIOLATIONS_MAX);
    out
}

/// Enough to mend a request by; a conversation of thousands of messages can break a rule in each of them.
const VIOLATIONS_MAX: usize = 50;

/// What the rules of a head may look at; those of a body get body and model on top.
fn ask<'a>(
    bench: &Bench<'a>,
    version: Version,
    operation: OperationId,
    request: &'a Request,
    today: &'a str,
) -> Ask<'a> {
    Ask {
        version,
        operation,
        request,
        body: &Value::Null,
        model: None,
        models: &bench.contract.models,
        today,
        key: bench.config.key.as_deref(),
        batch: None,
    }
}

/// What the batch of that id is doing.
fn phase(batches: &Batches, id: &str) -> Option<BatchPhase> {
    let created = batches.newest_first().find(|batch| batch.id == id);
    let phase = created.map(|batch| match (&batch.phase, batch.cancel_initiated_at) {
        (Phase::Ended { .. }, _) => BatchPhase::Ended,
        (Phase::Open { .. }, Some(_)) => BatchPhase::Canceling,
        (Phase::Open { .. }, None) => BatchPhase::InProgress,
    });
    phase.or_else(|| seeds::batch(id))
}

/// The parameters of one item of a batch, judged as those of a message. The request is that of the batch, from whose
/// path a rule can tell the two.
pub(crate) fn judge_item<'a>(
    bench: &Bench<'a>,
    version: Version,
    head: &Request,
    params: &Value,
) -> Result<Option<&'a Model>, Refusal> {
    let operation = OperationId::MessagesCreate;
    schema(bench.contract.edition(version), operation, params).map_err(Refusal::of_schema)?;
    let model = model(bench.contract, params);
    if bench.config.rules == Rules::All {
        let ask = Ask {
            version,
            operation,
            request: head,
            body: params,
            model,
            models: &bench.contract.models,
            today: &bench.now.date(),
            key: None,
            batch: None,
        };
        first(&bench.rulebook.of(version, OperationId::BatchesCreate).item, &ask)?;
        first(&bench.rulebook.of(version, operation).body, &ask)?;
    }
    Ok(model)
}

/// What is kept of a request for the judgement of its items: never a credential, never the body.
pub(crate) fn head_of(request: &Request) -> Request {
    let mut head = Request { body: Body::Empty, ..request.clone() };
    head.headers.0.retain(|(name, _)| name.to_ascii_lowercase().starts_with("anthropic-"));
    head
}

/// The rules by version and operation, so that a request meets only those that are about it.
#[derive(Debug)]
pub(crate) struct Rulebook(Vec<Chapter>);

#[derive(Debug)]
struct Chapter {
    head: Vec<&'static Rule>,
    body: Vec<&'static Rule>,
    item: Vec<&'static Rule>,
}

impl Rulebook {
    pub(crate) fn new() -> Self {
        let keys = Version::ALL
            .into_iter()
            .flat_map(|v| OperationId::ALL.into_iter().map(move |o| (v, o)));
        Self(keys.map(|(version, operation)| Chapter::of(version, operation)).collect())
    }

    fn of(&self, version: Version, operation: OperationId) -> &Chapter {
        &self.0[version as usize * OperationId::ALL.len() + operation as usize]
    }
}

impl Chapter {
    fn of(version: Version, operation: OperationId) -> Self {
        let settled = |stage| {
            rules::all().filter(move |rule| {
                rule.stage == stage && refuses(rule) && rule.holds_for(version, operation)
            })
        };
        let mut head: Vec<_> = settled(Stage::Head).collect();
        // Who asks comes before what is asked.
        head.sort_by_key(|rule| !matches!(rule.answer.status, 401 | 403));
        Self { head, body: settled(Stage::Body).collect(), item: settled(Stage::Item).collect() }
    }
}

/// Whether breaking the rule is refused for certain, however the refusal is worded.
fn refuses(rule: &Rule) -> bool {
    rule.uncertain.is_none_or(|uncertain| !uncertain.classes.iter().any(|class| class.is_success()))
}

/// The edition the version header names. A request without a good one is refused by the rules of any edition; the
/// oldest also serves the version before it, which the API still takes.
fn edition<'a>(contract: &'a Contract, request: &Request) -> &'a Edition {
    let named =
        request.headers.get("anthropic-version").and_then(|name| Version::parse(name.trim()));
    contract.edition(named.unwrap_or(Version::ALL[0]))
}

/// The operation of that path and method, and the id in the path.
fn route<'a>(edition: &Edition, request: &'a Request) -> Result<(OperationId, &'a str), Refusal> {
    let path = request.path();
    let mut known = false;
    for operation in &edition.operations {
        let Some(id) = operation.matches(path) else { continue };
        if operation.method == request.method {
            return Ok((operation.id, id));
        }
        known = true;
    }
    Err(if known { Refusal::method_not_allowed() } else { Refusal::path_unknown() })
}

fn takes_body(operation: OperationId) -> bool {
    operation.takes_params() || operation == OperationId::BatchesCreate
}

fn schema(edition: &Edition, operation: OperationId, body: &Value) -> Result<(), Finding> {
    if edition.validators.request_holds(operation, body) {
        return Ok(());
    }
    let explain = |body: &Value| {
        Err(validate::explain(
            &edition.document,
            &edition.validators,
            edition.operation(operation),
            body,
        ))
    };
    if operation != OperationId::BatchesCreate {
        return explain(body);
    }
    let mut body = body.clone();
    for item in body.get_mut("requests").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(params @ Value::Object(_)) = item.get_mut("params") {
            *params = json!({"model": "any", "max_tokens": 1, "messages": []});
        }
    }
    if edition.validators.request_holds(operation, &body) { Ok(()) } else { explain(&body) }
}

fn model<'a>(contract: &'a Contract, body: &Value) -> Option<&'a Model> {
    contract.models.find(body.get("model")?.as_str()?)
}

fn first(rules: &[&'static Rule], ask: &Ask<'_>) -> Result<(), Refusal> {
    let mut findings: Vec<Finding> = Vec::new();
    for rule in rules {
        rule.run(ask, &mut findings);
        if !findings.is_empty() {
            return Err(Refusal::of_rule(rule, findings.swap_remove(0)));
        }
    }
    Ok(())
}

fn all(rules: &[&'static Rule], ask: &Ask<'_>) -> Vec<Violation> {
    let mut out = Vec::new();
    for rule in rules {
        let mut findings = Vec::new();
        rule.run(ask, &mut findings);
        out.extend(findings.into_iter().map(|finding| Violation::new(rule.id, finding)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{config, contract, hello, now, post};
    use crate::{Answer, State, answer};

    /// The first of these rules is the answer, and these places are all that is wrong.
    fn check(request: &Request, expected: &[(&str, &str)]) {
        let mut state = State::new();
        let Answer { refused, .. } = answer(&mut state, contract(), &config(), request, now());
        assert_eq!(
            refused.and_then(|refused| refused.rule),
            expected.first().map(|(rule, _)| *rule)
        );
        let violations = crate::violations(&state, contract(), &config(), request, now());
        let told: Vec<_> = violations.iter().map(|v| (v.rule, &*v.path)).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn all_violations_are_told_as_far_as_can_be_judged() {
        check(&post("/v1/messages", &hello()), &[]);
        check(&post("/v1/nothing", &hello()), &[("path-unknown", "")]);

        let mut params = hello();
        params["stop_sequences"] = json!([" "]);
        params["messages"][0]["content"] = json!([
            {"type": "tool_result", "tool_use_id": "toolu_1"},
            {"type": "text", "text": " "},
        ]);
        let mut request = post("/v1/messages", &params);
        let in_body = [
            ("text-whitespace-only", "messages"),
            ("stop-sequence-blank", "stop_sequences"),
            ("tool-result-unpaired", "messages.0.content.0"),
        ];
        check(&request, &in_body);
        request.headers.remove("anthropic-version");
        let in_head = ("version-missing", "anthropic-version");
        check(&request, &[&[in_head], &in_body[..]].concat());

        params["max_tokens"] = json!("many");
        request = post("/v1/messages", &params);
        check(&request, &[("schema", "max_tokens")]);
        request.headers.remove("anthropic-version");
        request.body = Body::Bytes("{".into());
        check(&request, &[in_head, ("body-not-json", "")]);
    }

    #[test]
    fn what_is_wrong_a_thousand_times_is_told_fifty_times() {
        let mut params = hello();
        let orphan =
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]});
        params["messages"] = vec![orphan; 1_000].into();
        let request = post("/v1/messages", &params);
        let violations = crate::violations(&State::new(), contract(), &config(), &request, now());
        assert_eq!(violations.len(), VIOLATIONS_MAX);
    }
}
