//! Failures that are known and expected of a released client: data with a reason and a link.
//!
//! An entry that matched a trial which did not fail is stale and fails the run, so that the list can only shrink
//! when a client is mended, and never hides a failure that it does not name.

use chaos::oracle::Verdict;
use chaos::{Surface, TrialReport};
use serde::Deserialize;

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
    pub scenario: String,
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
            let (mut failed, mut healthy) = (false, false);
            for report in card.results.iter_mut().filter(|report| failure.is_about(report)) {
                let is_it = report.verdict == Verdict::Fail
                    && report.findings.iter().any(|finding| finding.code.name() == failure.finding);
                if is_it && report.finding.is_some_and(|code| code.name() == failure.finding) {
                    report.excuse = Some(format!("{} ({})", failure.reason, failure.link));
                    failed = true;
                } else if is_conclusive(report.verdict) {
                    healthy = true;
                }
            }
            // On some of its surfaces it may be well: an entry without a surface is stale where it is well on all.
            if healthy && !failed {
                card.stale.push(failure.name());
            }
        }
    }
}

impl Failure {
    fn is_about(&self, report: &TrialReport) -> bool {
        self.scenario == report.scenario
            && self.surface.is_none_or(|surface| surface == report.surface)
    }

    fn name(&self) -> String {
        let surface =
            self.surface.map_or_else(String::new, |surface| format!(" {}", surface.name()));
        format!("{}{surface} {}", self.scenario, self.finding)
    }
}

/// Whether a trial says that the failure is gone.
fn is_conclusive(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Fail | Verdict::Info | Verdict::Pass | Verdict::Warn => true,
        Verdict::HarnessError | Verdict::Inconclusive | Verdict::Skip => false,
    }
}
