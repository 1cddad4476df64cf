//! Plays the chains: each step with the id that the target itself gave, judged as any case is.

use std::time::Duration;

use classify::{Observation, classify};
use contract::case::Case;
use contract::conformance::chain::{self, CHAINS, Expects, Step};
use contract::judge::Verdict;
use contract::spec::Contract;
use contract::version::Version;

use super::ask::Asker;
use crate::exit::Stop;
use crate::run::Recalled;

/// Looks at a batch that should end. At the pause between them that is a minute, and a batch of two short messages
/// on a machine of one's own ends in seconds; the real API may take an hour, which no test run waits for.
const LOOKS_MAX: u32 = 120;
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// The first looks are quicker, for servers that do nothing but pretend.
const QUICK_LOOKS: u32 = 4;
const QUICK_PAUSE: Duration = Duration::from_millis(20);

/// Plays every chain with the answers that `answer` has, by [`ask`] or as they were; `note` gets each step. A chain ends
/// with the first step that goes wrong, or to which there is no answer.
pub async fn play(
    contract: &Contract,
    version: Version,
    model: &str,
    mut answer: impl AsyncFnMut(&Case, &Step) -> Result<Option<Recalled>, Stop>,
    mut note: impl FnMut(Case, Recalled) -> Result<(), Stop>,
) -> Result<(), Stop> {
    for (name, steps) in CHAINS {
        let mut id = String::new();
        for step in steps {
            let case = chain::case(contract, version, model, (name, step), &id);
            let Some(mut taken) = answer(&case, step).await? else { break };
            let Some(observation) = &taken.observation else { break };
            if id.is_empty() {
                id = chain::id_of(observation).unwrap_or_default();
            }
            let served = classify(observation).is_success();
            let is_to_succeed = step.expects == Expects::Success;
            if let Observation::Reply(reply) = observation
                && (served && is_to_succeed && !taken.is_settled)
            {
                let record = &mut taken.record;
                record.findings.extend(chain::check(step, &id, reply));
                if !record.findings.is_empty() && record.verdict == Verdict::Agree {
                    record.verdict = Verdict::Drift;
                }
            }
            note(case, taken)?;
            if id.is_empty() || (!served && is_to_succeed) {
                break;
            }
        }
    }
    Ok(())
}

/// The answer to a step, asked for again while the batch is in another state than the step is to see.
pub async fn ask(asker: &mut Asker, case: &Case, step: &Step) -> Observation {
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use classify::Reply;
    use mock::{Config, Now, Pace, Rules, State};

    use super::*;
    use crate::specs::{Overrides, load_contract};

    /// Plays with what is kept and, if somebody is there, with our mock: the ids of all steps, in their order, and of
    /// those that were asked for.
    fn check(kept: &BTreeMap<String, Observation>, is_there: bool) -> (Played, Vec<String>) {
        let (_, contract) = load_contract(&Overrides::default()).unwrap();
        let now = Now::at_date(&contract.as_of).unwrap();
        let config =
            Config { key: None, rules: Rules::All, seed: 1, pace: Pace::Instant, limits: None };
        let state = RefCell::new(State::new());
        let asked = RefCell::new(Vec::new());
        let answer = async |case: &Case, _: &Step| {
            let known = kept.get(&case.id.0).cloned();
            let observation = known.or_else(|| {
                is_there.then(|| {
                    asked.borrow_mut().push(case.id.0.clone());
                    let state = &mut state.borrow_mut();
                    let answer = mock::answer(state, &contract, &config, &case.request, now);
                    let body: Vec<u8> =
                        answer.chunks.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
                    let (status, headers, body) = (answer.status, answer.headers, body.into());
                    Observation::Reply(Reply { status, headers, body })
                })
            });
            Ok(observation.map(|observation| Recalled::new(&contract, case, observation)))
        };
        let mut played = Vec::new();
        let note = |case: Case, step: Recalled| {
            played.push((case.id.0, step.observation.unwrap()));
            Ok(())
        };
        let version = Version::ALL[Version::ALL.len() - 1];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let model = crate::target::probe::usual_model(&contract);
        runtime.block_on(play(&contract, version, &model, answer, note)).unwrap();
        (played, asked.into_inner())
    }

    type Played = Vec<(String, Observation)>;

    #[test]
    fn what_was_played_is_not_asked_for_again_and_not_lost() {
        let (whole, asked) = check(&BTreeMap::new(), true);
        assert!(asked.len() > CHAINS.len(), "{asked:?}");
        let ids: Vec<_> = whole.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(ids, asked);
        let all: BTreeMap<_, _> = whole.iter().cloned().collect();
        assert_eq!(check(&all, false), (whole.clone(), Vec::new()));
        // One that was cut short goes on where it was.
        let first = BTreeMap::from([whole[0].clone()]);
        let (_, asked) = check(&first, true);
        assert_eq!(asked.first(), Some(&ids[1]));
        // Of what nobody kept nothing is told.
        assert_eq!(check(&first, false).0, whole[..1]);
    }
}
