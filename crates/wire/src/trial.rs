//! One trial: a scenario is played to a subject, and what it does is judged.
//!
//! Every trial has a proxy on a port of its own, since clients keep connections per address and would carry
//! one trial into the next. The [`Subject`] is any function from a [`Call`](chaos::Call) to what came of it: this
//! module knows no client and reaches no verdict itself.
//!
//! A scenario about many clients is played twice, with the subject started anew in between: chance that comes from
//! a fixed seed is the same twice. The price is twice the time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use chaos::{Handling, Scenario, Surface, TrialReport};
use classify::{Request, Script};

mod by_hand;
mod call;
mod censor;
mod noise;
mod rehearsal;
mod subject;

pub use by_hand::{ByHand, by_hand};
pub use subject::{Answer, Subject, Unseen, utf8_only};

use self::rehearsal::rehearse;
use crate::tls::Authority;

/// Objects to a request, in words.
pub type Check<'a> = dyn Fn(&Request) -> Vec<String> + Sync + 'a;

/// What the subject meets.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// Every script that scenarios may name.
    pub scripts: &'a BTreeMap<String, Script>,
    /// The server that answers where a scenario names no script.
    pub mock: Option<SocketAddr>,
    /// What the contract objects to in a request, if it is asked.
    pub check: Option<&'a Check<'a>>,
    /// Vouches for the server where a scenario speaks TLS.
    pub authority: Option<&'a Arc<Authority>>,
    pub pace: Pace,
}

impl<'a> Stage<'a> {
    /// The plain stage: scripts alone, and nobody checks the requests.
    pub fn of(scripts: &'a BTreeMap<String, Script>) -> Self {
        Self { scripts, mock: None, check: None, authority: None, pace: Pace::Default }
    }
}

/// How much time a trial may take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pace {
    /// A client that is seen to keep a long wait has shown what it does, and is not waited for.
    #[default]
    Default,
    /// Every wait is waited for.
    Full,
}

/// Plays one scenario to the subject on one surface, and judges.
pub async fn trial(
    scenario: &Scenario,
    surface: Surface,
    stage: Stage<'_>,
    subject: &impl Subject,
) -> TrialReport {
    if !scenario.surfaces.contains(&surface) {
        let reason = format!("the scenario is not about `{}`", surface.name());
        return TrialReport::skipped(scenario, surface, &reason);
    }
    match judged(scenario, surface, stage, subject).await {
        Ok(report) => report,
        Err(Unseen::Skipped(reason)) => TrialReport::skipped(scenario, surface, &reason),
        Err(Unseen::Trouble(trouble)) => {
            TrialReport::new(scenario, surface, &Handling::failed(trouble))
        }
    }
}

async fn judged(
    scenario: &Scenario,
    surface: Surface,
    stage: Stage<'_>,
    subject: &impl Subject,
) -> Result<TrialReport, Unseen> {
    let first = rehearse(scenario, surface, stage, subject, 0).await?;
    if scenario.ask.clients.is_some() {
        subject.restart().await;
        let second = rehearse(scenario, surface, stage, subject, 1).await?;
        return Ok(TrialReport::herd(scenario, surface, &first, &second));
    }
    let only = first.first().expect("without a herd there is one client");
    Ok(TrialReport::new(scenario, surface, only))
}
