//! A server on trial that is not our own mock: what it has, which cases make sense to it, whose fault a finding is, and
//! what it all comes to.
//!
//! | question | module |
//! |---|---|
//! | what was asked for? | [`plan`] |
//! | what has it? | [`probe`] |
//! | which cases, and naming which model? | [`fit`] |
//! | what reached the server behind it? | [`upstream`] |
//! | does it remember what it was told? | [`chains`] |
//! | which answer shows that a rule is broken? | [`specimen`]; [`evidence`] shows both sides of a gateway |
//! | what is new or unusual in its streams? | [`odd`] |
//! | what of it stands in journals? | [`kept`] |
//! | what is known so far? | [`examination`] |
//! | in what order? | [`conduct`], by way of [`ask`]; [`spread`] where not all are sent; [`deadly`] cases last |
//! | is it still there? | [`pulse`] |
//! | does it still stand as it did? | [`ledger`] |
//!
//! The answers themselves are judged as those of the mock are; [`contract::conformance`] sums them up.

pub mod ask;
pub mod chains;
pub mod conduct;
pub mod deadly;
pub mod evidence;
pub mod examination;
pub mod fit;
pub mod kept;
pub mod ledger;
pub mod odd;
pub mod plan;
pub mod probe;
pub mod pulse;
pub mod specimen;
pub mod spread;
pub mod upstream;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use contract::conformance::feature::Feature;
use contract::conformance::probe::Support;
use contract::conformance::profile::Profile;
use contract::conformance::standing::{LevelStanding, Row, Standing};
use contract::level::Level;

pub use self::evidence::Evidence;
pub use self::examination::Examination;
use self::odd::Odd;
pub use self::plan::Plan;
use self::pulse::Gone;
use self::specimen::Specimens;

/// What is known of the target itself, beside its features.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// Of the contract's models, those that it serves.
    pub models_served: Vec<String>,
    pub models_refused: Vec<String>,
    /// What it lists itself, at most [`probe::LISTED_MAX`].
    pub models_listed: Vec<String>,
    /// The name that cases have in place of their own.
    pub model: Option<String>,
    pub stands_for: Option<String>,
    /// Whether two requests alike get answers alike; `None` if that could not be seen.
    pub is_deterministic: Option<bool>,
    /// Whether a version that never was is refused.
    pub checks_versions: Option<bool>,
}

/// Streams compared with plain answers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TwinsTold {
    pub compared: usize,
    pub differ: usize,
    pub not_comparable: Option<String>,
}

/// Everything that is to tell about a target: what renderers get.
#[derive(Clone, Debug)]
pub struct Conformance {
    pub profile: Profile,
    pub profile_path: Option<PathBuf>,
    /// The level that was asked for.
    pub level: Level,
    pub facts: Facts,
    /// What the probe found, in the order of the features.
    pub features: Vec<(Feature, Support)>,
    pub rows: Vec<Row>,
    /// Weakest first.
    pub levels: Vec<LevelStanding>,
    pub twins: Option<TwinsTold>,
    /// Declarations that are not true.
    pub stale: Vec<String>,
    pub evidence: Vec<Evidence>,
    pub specimens: Specimens,
    /// What is new or unusual, and no failure.
    pub oddities: Vec<Odd>,
    pub upstream: Option<SocketAddr>,
    /// Whether all of it comes from journals, which do not keep what reached the upstream.
    pub is_recalled: bool,
    /// How it went, if it did not stay.
    pub gone: Option<Gone>,
    /// How it compares with the ledger, if there is to be one.
    pub ledger: Option<ledger::Compared>,
}

impl Conformance {
    /// The standing to the level that was asked for.
    pub fn asked(&self) -> Option<&LevelStanding> {
        self.levels.iter().find(|standing| standing.level == self.level)
    }
}

/// The rules that some row is about, for words in front of counts.
pub fn count_of(rows: &[Row], standing: Standing) -> usize {
    rows.iter()
        .filter(|row| row.standing == standing)
        .map(|row| &row.id)
        .collect::<BTreeSet<_>>()
        .len()
}
