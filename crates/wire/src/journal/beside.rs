//! What stands beside the cases of a run against a server that is not our own mock: what it was found to have, whether
//! its streams say what its plain answers do, and how it went.
//!
//! All of it is in the words of reports, as [`super::Judged`] is, so that whoever reads it needs none of the types
//! that it was made of. The price is that a word which is no longer known is found out late, by its reader.

use serde::{Deserialize, Serialize};

/// A line that is about no case of the corpus; its one member says which.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beside {
    Probe(Box<Probe>),
    Twin(Twin),
    Gone(Gone),
}

/// What the server was found to have, and what its author says of it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Probe {
    pub model: Option<String>,
    pub stands_for: Option<String>,
    pub models_served: Vec<String>,
    pub models_refused: Vec<String>,
    pub models_listed: Vec<String>,
    pub is_deterministic: Option<bool>,
    pub checks_versions: Option<bool>,
    pub features: Vec<Found>,
    pub profile: Option<ProfileFile>,
    /// Where our mock stood behind the server, if it did.
    pub upstream: Option<String>,
    /// How long an answer might take before it was a hang.
    pub patience_ms: Option<u64>,
}

/// What came of the question for a feature.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Found {
    pub feature: String,
    pub support: String,
    /// What the answer said.
    pub words: String,
}

/// The author's declarations, whole: verdicts rest on them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ProfileFile {
    pub path: String,
    pub text: String,
}

/// A case that was asked for with and without `stream`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Twin {
    pub case: String,
    pub said: Said,
}

/// What came of the comparison.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    Alike,
    Differs {
        pointer: String,
        trace: String,
    },
    /// Two requests alike were answered in two ways.
    Fickle,
    /// One of the answers is no message, and why.
    Silent(String),
}

/// How the server went before the cases were out.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Gone {
    /// Connections, in a row.
    pub refused: usize,
    /// Requests without an answer.
    pub hung: usize,
    /// Cases that were under way.
    pub suspects: Vec<String>,
}
