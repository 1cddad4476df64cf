//! Which cases make sense to a target, and naming which model.
//!
//! A target that knows only a model of its own is sent cases that name it. Whether a case still means the same is found
//! by judging it twice: as it was drawn, and as if it named the model that stands for the target's own. Where nobody
//! says which that is, only cases are sent that mean the same under every model. The price is some work per case, and
//! cases about the limits of a model that go unsent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use classify::{Body, Request};
use contract::case::{Case, Origin, Permitted};
use contract::conformance::feature::{self, Feature, Features};
use contract::conformance::model::{is_about_models, renamed};
use contract::spec::Contract;
use contract::version::OperationId;
use mock::{Config, Now, Pace, Rules, State};

use super::Facts;
use crate::embedded;

/// A longer body is about its length, which is the same for all models, and is costly to judge.
const JUDGED_BYTES_MAX: u64 = 256 * 1024;

/// Cases that are sent about a feature that is off: enough to see whether a declaration is still true, and in how many
/// ways it fails.
const OFF_MAX: usize = 6;

/// Decides about each case.
pub struct Fit {
    contract: Arc<Contract>,
    absent: Features,
    /// What is broken or declared unsupported: a few cases show it, and more would say the same.
    off: Features,
    /// Cases let through of what is off, valid ones apart from the others.
    let_through: Mutex<BTreeMap<(Feature, bool), usize>>,
    /// Whether our own mock stands behind the target, and honours what only it can.
    has_mock: bool,
    swap: Option<Swap>,
}

struct Swap {
    name: String,
    /// The models under which a case must mean the same.
    stand_ins: Vec<String>,
    state: State,
    now: Now,
}

impl Fit {
    pub fn new(
        contract: &Arc<Contract>,
        facts: &Facts,
        (absent, off): (Features, Features),
        has_mock: bool,
    ) -> Self {
        let now = Now::at_date(&contract.as_of).unwrap_or(Now { unix_seconds: 0 });
        let there = contract.models.current.iter().filter(|model| model.is_there(&contract.as_of));
        let all = || there.map(|model| model.id.clone()).collect();
        let swap = facts.model.clone().map(|name| Swap {
            stand_ins: facts.stands_for.clone().map_or_else(all, |model| vec![model]),
            name,
            state: State::new(),
            now,
        });
        let let_through = Mutex::default();
        Self { contract: Arc::clone(contract), absent, off, let_through, has_mock, swap }
    }

    /// The case as the target is to get it, or why it makes no sense to it.
    pub fn fit(&self, case: Case) -> Result<Case, &'static str> {
        if let Some(reason) =
            case.traits.mock_only.filter(|_| !self.has_mock && !is_refused_unseen(&case))
        {
            return Err(reason);
        }
        for feature in [Feature::of_operation(case.operation), Feature::of_version(case.version)] {
            if let Some(reason) = absence(feature).filter(|_| self.absent.has(feature)) {
                return Err(reason);
            }
        }
        let case = match &self.swap {
            Some(swap) => swap.fit(&self.contract, case)?,
            None => case,
        };
        match self.is_one_too_many(&case) {
            true => {
                Err("the target has not what it is about, or has it broken: a few such were sent")
            }
            false => Ok(case),
        }
    }

    /// Whether enough cases about something that is off were let through.
    fn is_one_too_many(&self, case: &Case) -> bool {
        if self.off.is_empty() {
            return false;
        }
        let features = feature::of(case.version, case.operation, &case.request);
        let Some(feature) = features.both(self.off).iter().next() else { return false };
        let mut let_through = self.let_through.lock().unwrap_or_else(PoisonError::into_inner);
        let count = let_through.entry((feature, matches!(case.origin, Origin::Valid))).or_default();
        *count += 1;
        *count > OFF_MAX
    }
}

impl Swap {
    fn fit(&self, contract: &Contract, mut case: Case) -> Result<Case, &'static str> {
        if is_about_models(&case) {
            return Err("is about the names of models, and the target knows its own");
        }
        if self.is_of_model(contract, &case) {
            return Err("the model that the target has would make it another case");
        }
        case.request = renamed(&contract.models, &case.request, &self.name);
        Ok(case)
    }

    /// Whether the case means something else under one of the stand-ins.
    fn is_of_model(&self, contract: &Contract, case: &Case) -> bool {
        let takes_models =
            case.operation.takes_params() || case.operation == OperationId::BatchesCreate;
        if !takes_models || case.request.body.len() > JUDGED_BYTES_MAX {
            return false;
        }
        let own = self.breaks(contract, &case.request);
        self.stand_ins.iter().any(|model| {
            let renamed = renamed(&contract.models, &case.request, model);
            // Most cases name a model whose limits the stand-in shares.
            renamed.body != case.request.body && self.breaks(contract, &renamed) != own
        })
    }

    fn breaks(&self, contract: &Contract, request: &Request) -> BTreeSet<&'static str> {
        let config = Config {
            key: None,
            rules: Rules::All,
            seed: embedded::MOCK_SEED,
            pace: Pace::Instant,
            limits: None,
        };
        let violations = mock::violations(&self.state, contract, &config, request, self.now);
        violations.into_iter().map(|violation| violation.rule).collect()
    }
}

/// Whether the case must be refused for its form, before anybody looks for what it names. Nobody can know which came
/// first where the two answers are alike; that is the price of some thousand cases more.
fn is_refused_unseen(case: &Case) -> bool {
    let Origin::Mutated(mutation) = &case.origin else { return false };
    mutation.family != "rule"
        && matches!(mutation.answers, Permitted::Exactly { .. })
        // A gateway may fetch before it looks, and nothing beyond this machine is to be contacted.
        && !has_address(&case.request.body)
}

fn has_address(body: &Body) -> bool {
    const ADDRESS: &[u8] = b"\"url\"";
    match body {
        Body::Empty => false,
        Body::Bytes(bytes) => bytes.windows(ADDRESS.len()).any(|window| window == ADDRESS),
        Body::Repeat { .. } => true,
    }
}

/// What a target lacks that lacks a whole operation or version.
fn absence(feature: Feature) -> Option<&'static str> {
    match feature {
        Feature::Batches => Some("the target has no batches"),
        Feature::CountTokens => Some("the target does not count tokens"),
        Feature::Models => Some("the target does not list models"),
        Feature::Version2023 => Some("the target does not take the version 2023-06-01"),
        Feature::Version2026 => Some("the target does not take the version 2026-10-21"),
        _ => None,
    }
}
