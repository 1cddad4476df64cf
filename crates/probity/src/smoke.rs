//! The chaos smoke test: the reference client on a few trials, one for each thing that can go wrong on a wire.
//!
//! It does not judge the reference client at length (the chaos verb does); it shows that the trial machinery works
//! and that its alarm goes off: the canary among the scenarios must fail.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use chaos::oracle::Verdict;
use chaos::{Scenario, Surface, TrialReport};
use classify::Script;
use futures::StreamExt;
use wire::trial::{Stage, trial};

use crate::subject::Reference;

/// One for each primitive (close, reset, delay, stall, insert, error status, stream error, wrong shape), chosen for
/// short waits: all of them together stay below three seconds.
pub const PROFILE: [(&str, Surface, Upstream); 11] = [
    ("cut-mid-body-cl", Surface::Create, Upstream::Mock),
    ("err-400", Surface::Create, Upstream::Mock),
    ("fail-k-then-ok", Surface::Create, Upstream::Scripts),
    ("html-200", Surface::Create, Upstream::Scripts),
    ("ra-on-529", Surface::Create, Upstream::Scripts),
    ("rst-mid-body", Surface::Create, Upstream::Mock),
    ("sse-clean-eof-no-stop", Surface::Stream, Upstream::Scripts),
    ("sse-error-mid", Surface::Stream, Upstream::Scripts),
    ("sse-rst-mid", Surface::Stream, Upstream::Scripts),
    ("stall-before-headers", Surface::Create, Upstream::Mock),
    ("ttfb-slow-ok", Surface::Create, Upstream::Mock),
];

/// What stands behind the fault proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upstream {
    /// The embedded mock, in place of the scenario's good reply: the same road as in production, with the fault on it.
    Mock,
    /// The replies of the scenario, byte for byte.
    Scripts,
}

/// The scenario whose expectation is wrong on purpose.
pub const CANARY: &str = "canary";

/// Trials at once: each waits more than it works, and a busy machine spoils the times of all.
const TRIALS_MAX: usize = 6;

/// What the trials say.
#[derive(Debug, Default)]
pub struct Smoke {
    pub reports: Vec<TrialReport>,
    /// Whether the canary was reported as a failure.
    pub canary_fails: bool,
    /// Scenarios of the profile that are not there.
    pub missing: Vec<&'static str>,
}

impl Smoke {
    pub fn count(&self, verdict: Verdict) -> usize {
        self.reports.iter().filter(|report| report.verdict == verdict).count()
    }
}

/// Puts the reference client through the profile.
pub async fn smoke(
    scenarios: &[Scenario],
    scripts: &BTreeMap<String, Script>,
    mock: SocketAddr,
) -> Smoke {
    let find = |id: &str| scenarios.iter().find(|scenario| scenario.id == id);
    let stage = Stage { mock: Some(mock), ..Stage::of(scripts) };
    let run = |(scenario, surface, upstream): (&'_ Scenario, Surface, Upstream)| {
        let scenario = behind(scenario, upstream);
        async move {
            let client = Reference::new(&scenario, stage);
            trial(&scenario, surface, stage, &client).await
        }
    };
    let missing =
        PROFILE.iter().filter(|(id, ..)| find(id).is_none()).map(|(id, ..)| *id).collect();
    let plan: Vec<_> = PROFILE
        .iter()
        .filter_map(|(id, surface, upstream)| Some((find(id)?, *surface, *upstream)))
        .collect();
    let canary = find(CANARY).map(|scenario| (scenario, Surface::Create, Upstream::Scripts));
    let reports: Vec<_> = futures::stream::iter(plan.into_iter().chain(canary))
        .map(run)
        .buffered(TRIALS_MAX)
        .collect()
        .await;
    let (canary, reports): (Vec<_>, Vec<_>) =
        reports.into_iter().partition(|report| report.scenario == CANARY);
    Smoke {
        reports,
        canary_fails: canary.iter().any(|report| report.verdict == Verdict::Fail),
        missing,
    }
}

/// The scenario with that upstream. What the mock says is its own, so no text is asked for.
fn behind(scenario: &Scenario, upstream: Upstream) -> Scenario {
    let mut scenario = scenario.clone();
    if upstream == Upstream::Mock {
        scenario.replies.clear();
        scenario.stream_replies.clear();
        scenario.expect.text = None;
    }
    scenario
}
