//! Plays the chains: each step with the id that the target itself gave, judged as any case is.

use std::time::Duration;

use classify::{Observation, classify};
use contract::case::Case;
use contract::conformance::chain::{self, CHAINS, Expects, Step};
use contract::judge::{Record, Verdict, judge};
use contract::spec::Contract;
use contract::version::Version;

use super::ask::Asker;

/// Looks at a batch that should end. At the pause between them that is a minute, and a batch of two short messages
/// on a machine of one's own ends in seconds; the real API may take an hour, which no test run waits for.
const LOOKS_MAX: u32 = 120;
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// The first looks are quicker, for servers that do nothing but pretend.
const QUICK_LOOKS: u32 = 4;
const QUICK_PAUSE: Duration = Duration::from_millis(20);

/// Plays every chain; `note` gets each step, and a chain ends with the first step that goes wrong.
pub async fn play(
    contract: &Contract,
    asker: &mut Asker,
    version: Version,
    model: &str,
    mut note: impl FnMut(Case, Observation, Record),
) {
    for (name, steps) in CHAINS {
        let mut id = String::new();
        for step in steps {
            let case = chain::case(contract, version, model, (name, step), &id);
            let observation = take(asker, &case, step).await;
            let mut record = judge(contract, &case, &observation);
            if id.is_empty() {
                id = chain::id_of(&observation).unwrap_or_default();
            }
            let served = classify(&observation).is_success();
            if let Observation::Reply(reply) = &observation
                && served
                && step.expects == Expects::Success
            {
                record.findings.extend(chain::check(step, &id, reply));
                if !record.findings.is_empty() && record.verdict == Verdict::Agree {
                    record.verdict = Verdict::Drift;
                }
            }
            note(case, observation, record);
            if id.is_empty() || (!served && step.expects == Expects::Success) {
                break;
            }
        }
    }
}

/// The answer to a step, asked for again while the batch is in another state than the step is to see.
async fn take(asker: &mut Asker, case: &Case, step: &Step) -> Observation {
    let mut observation = asker.ask(case).await;
    let Some(wanted) = step.until else { return observation };
    for look in 0..LOOKS_MAX {
        let state = chain::state(&observation);
        if state.is_none() || state.as_deref() == Some(wanted) {
            break;
        }
        tokio::time::sleep(if look < QUICK_LOOKS { QUICK_PAUSE } else { LOOK_PAUSE }).await;
        observation = asker.ask(case).await;
    }
    observation
}
