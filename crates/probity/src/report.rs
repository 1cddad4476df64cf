//! One run, told to people and to machines.

use std::collections::BTreeSet;
use std::time::Duration;

use contract::conformance::standing::Standing;
use contract::rules;
use contract::version::Version;
use wire::journal::Scope;

use crate::curl::quote;
use crate::exit::Stop;
use crate::findings::{Group, Groups, What};
use crate::ledger::Comparison;
use crate::rejudge::Old;
use crate::run::Run;
use crate::selection::Shard;
use crate::specs::Specs;

pub mod conformance;
pub mod github;
pub mod human;
pub mod json;
pub mod junit;
pub mod markdown;

/// What is told in place of a base URL.
pub const EMBEDDED: &str = "embedded mock";

/// Everything there is to tell at the end.
pub struct Summary<'a> {
    pub head: &'a Head,
    pub run: &'a Run,
    pub groups: &'a Groups,
    pub comparison: &'a Comparison,
    /// Why ledgers were not compared, if they were not.
    pub not_compared: Option<&'a str>,
    /// The shard that no case fell into, if that is so.
    pub empty_shard: Option<Shard>,
    /// What is wrong beside the cases.
    pub asides: &'a [Aside],
    /// Why the run does not end clean; the first in precedence is the exit.
    pub reasons: &'a [Stop],
    /// What the run is of, as its journal says.
    pub plan: &'a Scope,
    /// The answers of an earlier run, if nothing was sent and they were judged again.
    pub old: Option<&'a Old>,
    /// None if timings are not wanted.
    pub elapsed: Option<Duration>,
    pub verbose: bool,
}

/// What is known before anything is sent.
#[derive(Clone, Debug)]
pub struct Head {
    pub spec_path: String,
    pub spec_sha256: String,
    pub as_of: String,
    pub api_versions: Vec<&'static str>,
    pub operations: usize,
    pub schemas: usize,
    pub rules: usize,
    pub seed: u64,
    /// The base URL, or `embedded mock`.
    pub target: String,
    pub plan: String,
    /// What replays a case of this run, but for the case: `probity replay --target URL`.
    pub replay: String,
}

impl Summary<'_> {
    /// The findings to be told, worst first: all but those that the target's author has declared.
    pub fn told(&self) -> Vec<&Group> {
        let rows = self.run.conformance.iter().flat_map(|conformance| &conformance.rows);
        let declared = rows.filter(|row| row.standing == Standing::Declared);
        let declared: BTreeSet<_> = declared.map(|row| &*row.id).collect();
        let mut groups = self.groups.ranked();
        groups.retain(|group| group.what != What::Form || !declared.contains(group.code));
        groups
    }
}

impl Head {
    pub fn new(specs: &Specs, seed: u64, target: String, plan: String, replay: String) -> Self {
        let contract = &specs.contract;
        let newest = contract.edition(Version::ALL[Version::ALL.len() - 1]);
        let schemas =
            newest.document.pointer("/components/schemas").and_then(|schemas| schemas.as_object());
        Self {
            spec_path: specs.path.clone(),
            spec_sha256: contract.sha256.clone(),
            as_of: contract.as_of.clone(),
            api_versions: Version::ALL.map(Version::name).to_vec(),
            operations: newest.operations.len(),
            schemas: schemas.map_or(0, serde_json::Map::len),
            rules: rules::all().count(),
            seed,
            target,
            plan,
            replay,
        }
    }

    /// The command that sends a case of this run again.
    pub fn replay_command(&self, id: &str) -> String {
        format!("{} {}", self.replay, quote(id))
    }
}

/// A finding that is not about a case: a rule without a witness, a stale exception, a client that failed its trial.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Aside {
    /// Stable kebab-case code.
    pub code: &'static str,
    pub what: String,
}
