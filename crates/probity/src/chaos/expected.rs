//! Failures that are known and expected of a released client: data with a reason and a link.
//!
//! An entry that matched a trial which did not fail is stale and fails the run, so that the list can only shrink
//! when a client is mended, and never hides a failure that it does not name.

use chaos::oracle::Verdict;
use chaos::{Surface, TrialReport};
use serde::{Deserialize, Deserializer};

use super::card::Scorecard;

/// What is expected of one release of a client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub client: String,
    pub version: String,
    #[serde(default, rename = "failure")]
    pub failures: Vec<Failure>,
}

/// One expected failure.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// One, or all that fail for the same reason.
    #[serde(deserialize_with = "one_or_several")]
    pub scenario: Vec<String>,
    /// Without it, every surface that the scenario is played on.
    pub surface: Option<Surface>,
    /// The finding code that it fails with; another one is another failure.
    pub finding: String,
    /// What the client does, and why.
    pub reason: String,
    /// Where that can be seen: an issue, or a place in the client's source.
    pub link: String,
}

impl Expected {
    /// Reads one file. What is wrong with it is shown with its line and a caret.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Excuses what is expected, and notes what no longer is, if the scorecard is of this client.
    pub fn apply(&self, card: &mut Scorecard) {
        if (&*self.client, &*self.version) != (&*card.client.name, &*card.client.version) {
            return;
        }
        for failure in &self.failures {
            for scenario in &failure.scenario {
                failure.apply(scenario, card);
            }
        }
    }
}

impl Failure {
    fn apply(&self, scenario: &str, card: &mut Scorecard) {
        let is_about = |report: &&mut TrialReport| {
            scenario == report.scenario
                && self.surface.is_none_or(|surface| surface == report.surface)
        };
        let (mut failed, mut healthy) = (false, false);
        for report in card.results.iter_mut().filter(is_about) {
            let is_it = report.verdict == Verdict::Fail
                && report.findings.iter().any(|finding| finding.code.name() == self.finding);
            if is_it && report.finding.is_some_and(|code| code.name() == self.finding) {
                report.excuse = Some(format!("{} ({})", self.reason, self.link));
                failed = true;
            } else if is_conclusive(report.verdict) {
                healthy = true;
            }
        }
        // On some of its surfaces it may be well: an entry without a surface is stale where it is well on all.
        if healthy && !failed {
            let surface = self.surface.map(|surface| format!(" {}", surface.name()));
            let surface = surface.unwrap_or_default();
            card.stale.push(format!("{scenario}{surface} {}", self.finding));
        }
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "the name of a scenario, or a list of names")]
    enum Names {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Names::deserialize(from)? {
        Names::One(name) => vec![name],
        Names::Several(names) => names,
    })
}

/// Whether a trial says that the failure is gone.
fn is_conclusive(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Fail | Verdict::Info | Verdict::Pass | Verdict::Warn => true,
        Verdict::HarnessError | Verdict::Inconclusive | Verdict::Skip => false,
    }
}
