//! Asks the target what it has, before any case is sent: a handful of plain requests, one after the other.
//!
//! Where not even the plainest message is served and the answer says why (a key, a path, a model), the run ends there:
//! ten thousand cases would say the same.

use std::time::Duration;

use classify::{Class, CutKind, Observation, Request, classify};
use contract::case::{Case, CaseId, Origin, Traits};
use contract::conformance::feature::Feature;
use contract::conformance::probe::{self, Question, Support};
use contract::spec::Contract;
use contract::version::{OperationId, Version};
use serde_json::Value;
use wire::send::{Sender, send};

use super::ask::Asker;
use super::{Facts, Plan};
use crate::exit::{Exit, Stop};

/// Names that a target lists and that are kept: enough to choose from.
pub const LISTED_MAX: usize = 20;
/// Listed names that are tried before the target is taken to serve none.
const LISTED_TRIED_MAX: usize = 3;
/// Hangs after which questions are no more asked twice: at five seconds each, half a minute each way.
const HANGS_MAX: usize = 6;
/// Between two looks whether the target is up.
const READY_PAUSE: Duration = Duration::from_millis(200);

/// What the probe found.
pub struct Found {
    pub facts: Facts,
    pub probed: Vec<(Feature, Support)>,
    /// Requests that were sent.
    pub asked: usize,
}

/// The model that is asked for where nobody says which: the first that is not announced to go.
pub fn usual_model(contract: &Contract) -> String {
    let sonnet = contract.models.current.iter().find(|model| {
        model.line == "sonnet"
            && model.is_there(&contract.as_of)
            && model.lifecycle == contract::models::Lifecycle::Active
    });
    let any = || contract.models.current.first();
    sonnet.or_else(any).map(|model| model.id.clone()).unwrap_or_default()
}

/// Waits until the target answers anything, or the time is up; it is for the caller to look once more.
pub async fn wait_ready(sender: &Sender, time: Duration) {
    let waiting = async {
        // Ends when the target answers or the time is up.
        loop {
            let observation = send(sender, &probe::hello(Version::ALL[0], "any")).await;
            if matches!(observation, Observation::Reply(_)) {
                return;
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
    };
    let _up_or_not = tokio::time::timeout(time, waiting).await;
}

/// Asks it all.
pub async fn probe(contract: &Contract, plan: &Plan, asker: &mut Asker) -> Result<Found, Stop> {
    let mut facts = Facts::default();
    let newest = Version::ALL[Version::ALL.len() - 1];
    let mut version = newest;
    let mut first = Support::Unknown("not asked".to_owned());
    for attempt in Version::ALL.into_iter().rev() {
        version = attempt;
        first = meet(contract, plan, asker, version, &mut facts).await?;
        if first == Support::Works {
            break;
        }
    }
    if asker.hung > 0 && asker.hung == asker.asked {
        let time = asker.patience().as_secs_f64();
        let why = format!("the target hangs: POST /v1/messages has no answer in {time} s");
        return Err(Stop::new(Exit::NotChecked, why));
    }
    if first != Support::Works {
        version = newest;
    }
    let model = facts.model.clone().or_else(|| facts.models_served.first().cloned());
    let model = model.unwrap_or_else(|| usual_model(contract));
    let known = facts.stands_for.as_deref().unwrap_or(&model);
    let thinks = contract.models.find(known).is_none_or(|known| known.thinks("adaptive"));
    let thinking = if thinks { "adaptive" } else { "enabled" };
    let mut probed = vec![(Feature::Messages, first)];
    for Question { feature, request } in probe::questions(version, &model, thinking) {
        let case = case_of(feature.name(), &request);
        let mut observation = asker.ask(&case).await;
        if is_hang(&observation) && asker.hung <= HANGS_MAX {
            // Once may be chance.
            observation = asker.ask(&case).await;
        }
        probed.push((feature, probe::read(feature, &observation)));
    }
    probed.sort_by_key(|(feature, _)| *feature);
    facts.is_deterministic = is_deterministic(asker, version, &model).await;
    facts.checks_versions = checks_versions(asker, version, &model).await;
    Ok(Found { facts, probed, asked: asker.asked })
}

/// The plainest message, and which models may be named in it.
async fn meet(
    contract: &Contract,
    plan: &Plan,
    asker: &mut Asker,
    version: Version,
    facts: &mut Facts,
) -> Result<Support, Stop> {
    if let Some(model) = &plan.model {
        facts.model = Some(model.clone());
        let known = contract.models.find(model).map(|model| model.id.clone());
        facts.stands_for = plan.stands_for.clone().or(known);
        if let Some(name) =
            facts.stands_for.as_deref().filter(|name| contract.models.find(name).is_none())
        {
            return Err(Stop::usage(format!(
                "`{name}` is no model of the contract for another to stand for"
            )));
        }
        let observation = asker.ask(&case_of("messages", &probe::hello(version, model))).await;
        return understood(&observation, &[]);
    }
    facts.models_served.clear();
    facts.models_refused.clear();
    let usual = usual_model(contract);
    let observation = asker.ask(&case_of("messages", &probe::hello(version, &usual))).await;
    let first = probe::read(Feature::Messages, &observation);
    if first == Support::Works {
        facts.models_served.push(usual.clone());
    } else if !may_be_the_model(&observation) {
        return understood(&observation, &[]);
    } else {
        facts.models_refused.push(usual.clone());
    }
    let there = contract.models.current.iter().filter(|model| model.is_there(&contract.as_of));
    for model in there.filter(|model| model.id != usual) {
        let observation = asker.ask(&case_of("messages", &probe::hello(version, &model.id))).await;
        let served = probe::read(Feature::Messages, &observation) == Support::Works;
        let list = if served { &mut facts.models_served } else { &mut facts.models_refused };
        list.push(model.id.clone());
    }
    if facts.models_refused.is_empty() {
        return Ok(first);
    }
    if let Some(model) = facts.models_served.first() {
        facts.model = Some(model.clone());
        facts.stands_for = Some(model.clone());
        return Ok(Support::Works);
    }
    facts.models_listed = listed(asker, version).await;
    for name in facts.models_listed.iter().take(LISTED_TRIED_MAX) {
        let observation = asker.ask(&case_of("messages", &probe::hello(version, name))).await;
        if probe::read(Feature::Messages, &observation) == Support::Works {
            facts.model = Some(name.clone());
            facts.stands_for = None;
            return Ok(Support::Works);
        }
    }
    understood(&observation, &facts.models_listed)
}

fn is_hang(observation: &Observation) -> bool {
    matches!(observation, Observation::Cut(cut) if cut.kind == CutKind::TimedOut)
}

/// Whether another model in its place might be served.
fn may_be_the_model(observation: &Observation) -> bool {
    let Observation::Reply(reply) = observation else { return false };
    matches!(reply.status, 400..=499) && names_model(&probe::first_words(reply))
}

/// A router may know no provider of that name.
fn names_model(words: &str) -> bool {
    let words = words.to_lowercase();
    ["model", "provider"].iter().any(|name| words.contains(name))
}

/// What the answer to the plainest message says; an error if it says why nothing else is worth asking.
fn understood(observation: &Observation, listed: &[String]) -> Result<Support, Stop> {
    let support = probe::read(Feature::Messages, observation);
    let words = match observation {
        Observation::Reply(reply) => probe::first_words(reply),
        Observation::Cut(_) | Observation::Unsendable(_) => String::new(),
    };
    let names = match listed {
        [] => "--model NAME names one that it does".to_owned(),
        names => format!("it lists {}: --model NAME takes one", names.join(", ")),
    };
    let said = |what: String| Stop::new(Exit::NotChecked, what);
    match (classify(observation), &support) {
        (Class::Unauthorized, _) => Err(said(format!(
            "the target refuses the key ({words}): it is taken from ANTHROPIC_API_KEY"
        ))),
        (Class::NotFound, _) if may_be_the_model(observation) => {
            Err(said(format!("the target does not know the model ({words}); {names}")))
        }
        (_, Support::Missing(status)) => {
            let answer = format!("POST /v1/messages is answered {status}");
            Err(said(match &*words {
                "" => format!("there is no Messages API at the target: {answer}, and nothing else"),
                words if names_model(words) => format!(
                    "there is no Messages API at the target, or not for that model: {answer} ({words}); {names}"
                ),
                words => format!("there is no Messages API at the target: {answer} ({words})"),
            }))
        }
        _ => Ok(support),
    }
}

async fn listed(asker: &mut Asker, version: Version) -> Vec<String> {
    let questions = probe::questions(version, "any", "adaptive");
    let Some(models) = questions.iter().find(|question| question.feature == Feature::Models) else {
        return Vec::new();
    };
    let Observation::Reply(reply) = asker.ask(&case_of("models", &models.request)).await else {
        return Vec::new();
    };
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let ids =
        body["data"].as_array().into_iter().flatten().filter_map(|model| model["id"].as_str());
    ids.take(LISTED_MAX).map(str::to_owned).collect()
}

/// Whether two requests alike get the same content.
async fn is_deterministic(asker: &mut Asker, version: Version, model: &str) -> Option<bool> {
    let mut contents = Vec::new();
    for _ in 0..2 {
        let Observation::Reply(reply) =
            asker.ask(&case_of("twice", &probe::hello(version, model))).await
        else {
            return None;
        };
        let body: Value = serde_json::from_slice(&reply.body).ok()?;
        contents.push(body.get("content")?.clone());
    }
    Some(contents[0] == contents[1])
}

async fn checks_versions(asker: &mut Asker, version: Version, model: &str) -> Option<bool> {
    /// A Saturday on which no version of any API was published.
    const NO_VERSION: &str = "1999-01-02";
    let mut request = probe::hello(version, model);
    request.headers.replace("anthropic-version", NO_VERSION);
    let class = classify(&asker.ask(&case_of("version", &request)).await);
    match class {
        Class::InvalidRequest => Some(true),
        class if class.is_success() => Some(false),
        _ => None,
    }
}

/// The question as a case, for whoever counts the cost of cases.
fn case_of(name: &str, request: &Request) -> Case {
    let version = request.headers.get("anthropic-version").and_then(Version::parse);
    let version = version.unwrap_or(Version::ALL[0]);
    let operation = match request.path() {
        "/v1/messages/count_tokens" => OperationId::MessagesCountTokens,
        "/v1/messages/batches" => OperationId::BatchesList,
        "/v1/models" => OperationId::ModelsList,
        _ => OperationId::MessagesCreate,
    };
    Case {
        id: CaseId(format!("{version}/{operation}/probe/{name}")),
        version,
        operation,
        origin: Origin::Valid,
        traits: Traits::default(),
        request: request.clone(),
    }
}
