//! What is wrong with a request, under a head that it had or may have had.

use classify::{Body, Request};
use contract::models::Model;
use contract::rules::{self, Ask, Finding, Implied, Rule, Stage};
use contract::spec::{Contract, Edition};
use contract::validate;
use contract::version::{OperationId, Version};
use mock::{Config, Pace, Rules};
use serde_json::Value;

use super::super::item::{Asked, Head};
use super::super::route;
use super::super::shape::Shape;
use super::{Bench, FAULTS_MAX};
use crate::embedded;

/// One violation, by its dotted path.
pub(super) struct Told {
    pub(super) rule: &'static str,
    pub(super) path: String,
    pub(super) message: String,
}

/// The heads that a request may have had: one, if it has one.
pub(super) fn heads(
    bench: &Bench<'_>,
    asked: &Asked,
    operation: Option<OperationId>,
) -> Vec<Request> {
    let body = wrapped(asked);
    if asked.head != Head::None {
        let mut request = Request { body, ..asked.request.clone() };
        let is_silent = |name: &str| request.headers.get(name).is_none();
        let wants_key =
            asked.head == Head::Censored && is_silent("x-api-key") && is_silent("authorization");
        let version = bench.version.filter(|_| is_silent("anthropic-version"));
        if wants_key {
            request.headers.push("x-api-key", embedded::KEY);
        }
        if let Some(version) = version {
            request.headers.push("anthropic-version", version.name());
        }
        return vec![request];
    }
    let operation = operation.unwrap_or(OperationId::MessagesCreate);
    let versions = Version::ALL.into_iter().rev();
    let versions = versions.filter(|version| bench.version.is_none_or(|only| only == *version));
    let with_betas = versions.flat_map(|version| [(version, false), (version, true)]);
    with_betas
        .map(|(version, has_betas)| {
            let mut request = Request { body: body.clone(), ..route::request(version, operation) };
            request.headers.push("x-api-key", embedded::KEY);
            if has_betas {
                request.headers.push("anthropic-beta", rules::BETAS.join(","));
            }
            request
        })
        .collect()
}

/// Takes the betas out that may be newer than the list of them, and returns them: no file can show whether they are
/// real, and the rest of the request is judged all the same.
pub(super) fn without_unlisted(request: &mut Request) -> Vec<String> {
    const HEADER: &str = "anthropic-beta";
    let unlisted: Vec<_> = rules::unlisted_betas(request).map(str::to_owned).collect();
    if unlisted.is_empty() {
        return unlisted;
    }
    let fields = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(HEADER));
    let named = fields.flat_map(|(_, value)| value.split(',')).map(str::trim);
    let listed: Vec<_> = named.filter(|beta| !unlisted.iter().any(|other| other == beta)).collect();
    let listed = listed.join(",");
    request.headers.remove(HEADER);
    if !listed.is_empty() {
        request.headers.push(HEADER, listed);
    }
    unlisted
}

/// One request of a batch is judged as a batch of one.
fn wrapped(asked: &Asked) -> Body {
    match asked.shape {
        Shape::BatchItem => {
            let item = asked.request.body.to_bytes();
            Body::Bytes([&b"{\"requests\":["[..], item.as_ref(), b"]}"].concat().into())
        }
        _ => asked.request.body.clone(),
    }
}

pub(super) fn version_of(request: &Request) -> Version {
    let named = request.headers.get("anthropic-version").map(str::trim);
    named.and_then(Version::parse).unwrap_or(Version::ALL[0])
}

pub(super) fn violations(bench: &Bench<'_>, asked: &Asked, request: &Request) -> Vec<Told> {
    let config =
        Config { key: None, rules: Rules::All, seed: 0, pace: Pace::Instant, limits: None };
    let found = mock::violations(&bench.state, bench.contract, &config, request, bench.now);
    let told = found.into_iter().map(|violation| Told {
        rule: violation.rule,
        path: violation.path,
        message: violation.message.into_owned(),
    });
    // What is wrong with a body that was not recorded is that it was not recorded.
    let mut told: Vec<_> = told.filter(|told| asked.has_body || is_of_head(told.rule)).collect();
    let is_broken = told.iter().any(|told| !is_of_head(told.rule));
    if asked.has_body && !is_broken && request.path().ends_with("/batches") {
        let body = rules::parse_body(request).unwrap_or_default();
        let items = body.get("requests").and_then(Value::as_array);
        for (number, item) in items.into_iter().flatten().enumerate() {
            let Some(params) = item.get("params") else { continue };
            of_params(bench, request, params, &format!("requests.{number}.params"), &mut told);
            if told.len() >= FAULTS_MAX {
                break;
            }
        }
    }
    told
}

pub(super) fn is_of_head(rule: &str) -> bool {
    rules::find(rule).is_some_and(|rule| rule.stage == Stage::Head)
}

/// What is wrong with the parameters of one request of a batch: what the API would say when it works on it.
fn of_params(bench: &Bench<'_>, request: &Request, params: &Value, at: &str, told: &mut Vec<Told>) {
    let version = version_of(request);
    let edition: &Edition = bench.contract.edition(version);
    let operation = OperationId::MessagesCreate;
    let mut note = |rule: &'static str, finding: Finding| {
        let dot = if finding.path.is_empty() { "" } else { "." };
        told.push(Told {
            rule,
            path: format!("{at}{dot}{}", finding.path),
            message: finding.message.into_owned(),
        });
    };
    if !edition.validators.request_holds(operation, params) {
        let operation = edition.operation(operation);
        let finding = validate::explain(&edition.document, &edition.validators, operation, params);
        return note(Implied::SCHEMA, finding);
    }
    let today = bench.now.date();
    let ask = Ask {
        version,
        operation,
        request,
        body: params,
        model: model(bench.contract, params),
        models: &bench.contract.models,
        today: &today,
        key: None,
        batch: None,
    };
    for rule in rules::all().filter(|rule| is_about(rule, version)) {
        let mut findings = Vec::new();
        rule.run(&ask, &mut findings);
        findings.into_iter().for_each(|finding| note(rule.id, finding));
    }
}

/// Whether a rule is about an item of a batch, and its answer for certain a refusal.
fn is_about(rule: &Rule, version: Version) -> bool {
    let is_settled =
        rule.uncertain.is_none_or(|open| !open.classes.iter().any(|class| class.is_success()));
    let operation = match rule.stage {
        Stage::Item => OperationId::BatchesCreate,
        Stage::Body => OperationId::MessagesCreate,
        Stage::Bytes | Stage::Head => return false,
    };
    is_settled && rule.holds_for(version, operation)
}

fn model<'c>(contract: &'c Contract, body: &Value) -> Option<&'c Model> {
    contract.models.find(body.get("model")?.as_str()?)
}
