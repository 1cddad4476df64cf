//! The cases of a run, one after the other: witnesses, mutants, breaches of the rules, valid draws.
//!
//! Lazy, so that fifty thousand cases need no more memory than five thousand. Mutants are named by their place in
//! the schema and made from the first draws that have that place, so a new field of the spec adds cases and
//! leaves the ids of the others alone; only the ids of valid draws, being hashes of what was drawn, may change.

use std::collections::BTreeSet;

use arbitrary::Unstructured;
use classify::{Headers, Request};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::case::{Case, CaseId, Mutation, Origin, Permitted, Traits};
use crate::generate::{Draw, generate};
use crate::mutate::{self, Enumerate, FAMILIES, Family, HEAVY_BYTES_MIN, Mutant};
use crate::rules::{self, Stage};
use crate::spec::{Contract, Edition, Operation};
use crate::version::{OperationId, Version};
use crate::witness::Witness;

mod bytes;
mod places;

use bytes::{Bytes, seeded_bytes, short_hash};
use places::Places;

/// What to make. Written out at the call: each of these changes the run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Stop after so many; beyond the usual number more valid draws are added.
    pub cases_max: Option<usize>,
    /// Also bodies that a usual run spares the machine (256 MB batches).
    pub heavy: bool,
}

/// One valid draw in so many is a rich one.
const RICH_EVERY: u64 = 4;
/// Draws that the rules may break. Most rules need no more than one; some wait for a tool call or an image.
const BASES_PER_RULE: usize = 48;
/// After so many that add no place, a rule has said what it has.
const BASES_WITHOUT_NEWS_MAX: usize = 4;
/// A body that is sent by heavy runs only: the limit of a batch.
const HEAVY_RUN_BYTES_MIN: u64 = 64 << 20;
/// A body that a usual run sends under the newest version only. The limits are the same in all versions, and each of
/// these takes as long as thousands of others: 100,000 messages are looked at by every rule.
const NEWEST_ONLY_BYTES_MIN: u64 = 2 << 20;

/// All cases, lazily, each id once.
pub fn cases<'c>(
    contract: &'c Contract,
    witnesses: &'c [Witness],
    plan: Plan,
) -> impl Iterator<Item = Case> + 'c {
    let operations = contract
        .editions
        .iter()
        .flat_map(|edition| edition.operations.iter().map(move |operation| (edition, operation)));
    let usual = operations.flat_map(move |(edition, operation)| {
        let maker = Maker { contract, edition, operation, plan };
        let of_operation =
            witnesses.iter().filter(move |witness| witness.operation == operation.id.name());
        of_operation
            .flat_map(move |witness| witness.cases(contract))
            .filter(move |case| case.version == edition.version)
            .chain(maker.mutants())
            .chain(maker.breaches())
            .chain(maker.valid(valid_count(operation.id), 0))
    });
    let newest = &contract.editions[contract.editions.len() - 1];
    let create = newest.operation(OperationId::MessagesCreate);
    let more = Maker { contract, edition: newest, operation: create, plan }
        .valid(usize::MAX, EXTRA_STREAM);
    let mut seen = BTreeSet::new();
    let mut heavy = BTreeSet::new();
    usual
        .chain(more.take(plan.cases_max.unwrap_or(0)))
        .filter(move |case| spared(case, plan, &mut heavy))
        .filter(move |case| seen.insert(short_hash(case.id.0.as_bytes())))
        .take(plan.cases_max.unwrap_or(usize::MAX))
}

/// A valid request expected to be refused: it must be reported, or nothing that is not reported means anything.
pub fn canary(contract: &Contract) -> Case {
    let edition = &contract.editions[contract.editions.len() - 1];
    let operation = edition.operation(OperationId::MessagesCreate);
    let draw = generate(contract, edition, operation, &mut Unstructured::new(&[]));
    Case {
        id: CaseId(format!("{}/{}/canary", edition.version, operation.id)),
        version: edition.version,
        operation: operation.id,
        origin: Origin::Canary,
        traits: draw.traits,
        request: draw.request,
    }
}

/// At most one heavy body for each rule (or variant of a witness) and version, and the heaviest only in a heavy run.
fn spared(case: &Case, plan: Plan, heavy: &mut BTreeSet<(Version, &'static str, String)>) -> bool {
    let bytes = case.request.body.len();
    if bytes < HEAVY_BYTES_MIN {
        return true;
    }
    let newest = Version::ALL[Version::ALL.len() - 1];
    let bytes_max =
        if case.version == newest { HEAVY_RUN_BYTES_MIN } else { NEWEST_ONLY_BYTES_MIN };
    (plan.heavy || bytes < bytes_max)
        && heavy.insert((
            case.version,
            case.origin.name(),
            format!("{}{}", case.origin.rule(), twin(&case.origin)),
        ))
}

/// Which of the witnesses of a rule a case is, and which of its two requests; empty for all else.
fn twin(origin: &Origin) -> String {
    match origin {
        Origin::Witness { variant, mended, .. } => {
            format!("/{}/{mended}", variant.as_deref().unwrap_or_default())
        }
        Origin::Valid | Origin::Mutated(_) | Origin::Canary => String::new(),
    }
}

/// Valid draws of a usual run: many where there is much to draw.
fn valid_count(operation: OperationId) -> usize {
    match operation {
        OperationId::MessagesCreate => 600,
        OperationId::MessagesCountTokens => 200,
        OperationId::BatchesCreate => 120,
        OperationId::BatchesList | OperationId::ModelsList => 40,
        OperationId::ModelsGet => 24,
        OperationId::BatchesGet
        | OperationId::BatchesCancel
        | OperationId::BatchesDelete
        | OperationId::BatchesResults => 8,
    }
}

/// Keeps the bytes of different purposes apart.
const BASE_STREAM: u64 = 0x6261_7365;
const EXTRA_STREAM: u64 = 0x6578_7472;

/// Makes the cases of one operation under one version.
#[derive(Clone, Copy)]
struct Maker<'c> {
    contract: &'c Contract,
    edition: &'c Edition,
    operation: &'c Operation,
    plan: Plan,
}

impl<'c> Maker<'c> {
    fn draw(self, stream: u64, index: u64, bytes: Bytes) -> Draw {
        let place = (self.edition.version as u64) << 8 | self.operation.id as u64;
        let bytes = seeded_bytes(
            self.plan.seed ^ stream.rotate_left(32) ^ place.rotate_left(48),
            index,
            bytes,
        );
        generate(self.contract, self.edition, self.operation, &mut Unstructured::new(&bytes))
    }

    fn valid(self, count: usize, stream: u64) -> impl Iterator<Item = Case> + 'c {
        (0..count as u64).map(move |index| {
            let bytes =
                if index % RICH_EVERY == RICH_EVERY - 1 { Bytes::Rich } else { Bytes::Plain };
            let Draw { request, traits, .. } = self.draw(stream, index, bytes);
            let id = format!(
                "{}/{}/valid/{}",
                self.edition.version,
                self.operation.id,
                request_hash(&request)
            );
            self.case(id, Origin::Valid, traits, request)
        })
    }

    /// Every family: once on the smallest request, or at each place that the draws come to.
    fn mutants(self) -> impl Iterator<Item = Case> + 'c {
        let smallest =
            generate(self.contract, self.edition, self.operation, &mut Unstructured::new(&[]));
        let whole = FAMILIES
            .iter()
            .filter(|family| matches!(family.enumerate, Enumerate::Requests(_)))
            .flat_map(move |family| self.of_family(family, &smallest));
        let places = Places::of(self);
        whole.chain(self.operation.request.is_some().then_some(places).into_iter().flatten())
    }

    fn of_family(self, family: &'static Family, draw: &Draw) -> Vec<Case> {
        let body = body_of(&draw.request);
        let mutants = family.mutants(&self.base(draw, &body));
        mutants.into_iter().map(|mutant| self.mutated(family.name, mutant, &draw.traits)).collect()
    }

    fn base<'a>(self, draw: &'a Draw, body: &'a Value) -> mutate::Base<'a>
    where
        'c: 'a,
    {
        mutate::Base {
            edition: self.edition,
            operation: self.operation,
            models: &self.contract.models,
            request: &draw.request,
            body,
            traits: &draw.traits,
            heavy: self.plan.heavy,
        }
    }

    fn mutated(self, family: &'static str, mutant: Mutant, traits: &Traits) -> Case {
        let Mutant { rule, at, request, answers } = mutant;
        let id = format!("{}/{}/mut/{rule}/{at}", self.edition.version, self.operation.id);
        let origin = Origin::Mutated(Mutation { family, rule, at, answers });
        self.case(id.trim_end_matches('/').to_owned(), origin, traits.clone(), request)
    }

    /// Each semantic rule of the operation, broken at each place it knows.
    fn breaches(self) -> impl Iterator<Item = Case> + 'c {
        let (version, operation) = (self.edition.version, self.operation.id);
        let rules = rules::all().filter(move |rule| rule.holds_for(version, operation));
        let bases: Vec<(Draw, Value)> = (0..BASES_PER_RULE as u64)
            .map(|index| {
                let draw = self.draw(BASE_STREAM, index, Bytes::Plain);
                let body = body_of(&draw.request);
                (draw, body)
            })
            .collect();
        rules.flat_map(move |rule| self.breaches_of(rule, &bases))
    }

    fn breaches_of(self, rule: &'static rules::Rule, bases: &[(Draw, Value)]) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        let mut places = BTreeSet::new();
        let mut without_news = 0;
        for (draw, body) in bases {
            if without_news == BASES_WITHOUT_NEWS_MAX {
                break;
            }
            let model = body
                .get("model")
                .and_then(Value::as_str)
                .and_then(|name| self.contract.models.find(name));
            let base = rules::Base {
                version: self.edition.version,
                operation: self.operation.id,
                request: &draw.request,
                body,
                model,
                models: &self.contract.models,
            };
            let mut breaches = Vec::new();
            (rule.breaches)(&base, &mut breaches);
            let before = cases.len();
            for breach in breaches {
                if places.insert(breach.at) {
                    let mutant = Mutant {
                        rule: rule.id,
                        at: breach.at.into(),
                        request: breach.request,
                        answers: permitted(rule),
                    };
                    cases.push(self.mutated("rule", mutant, &draw.traits));
                }
            }
            // Most rules say all they have on the first base; one that has said nothing yet waits for its base.
            without_news =
                if cases.len() > before || cases.is_empty() { 0 } else { without_news + 1 };
        }
        cases
    }

    fn case(self, id: String, origin: Origin, traits: Traits, request: Request) -> Case {
        Case {
            id: CaseId(id),
            version: self.edition.version,
            operation: self.operation.id,
            origin,
            traits,
            request,
        }
    }
}

fn permitted(rule: &rules::Rule) -> Permitted {
    match rule.uncertain {
        Some(uncertain) => {
            Permitted::Uncertain { classes: uncertain.classes, question: uncertain.question }
        }
        // The batch is created; its result says what was wrong.
        None if rule.stage == Stage::Item => Permitted::Served,
        None => Permitted::Exactly {
            status: rule.answer.status,
            error_type: rule.answer.error_type,
            error_code: rule.answer.error_code,
        },
    }
}

fn body_of(request: &Request) -> Value {
    serde_json::from_slice(&request.body.to_bytes()).unwrap_or(Value::Null)
}

fn request_hash(request: &Request) -> String {
    let Headers(headers) = &request.headers;
    let mut hasher = Sha256::new();
    hasher.update(request.target.as_bytes());
    for (name, value) in headers {
        hasher.update(name.as_bytes());
        hasher.update(value.as_bytes());
    }
    hasher.update(request.body.to_bytes());
    hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
