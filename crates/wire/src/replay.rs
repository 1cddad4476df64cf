//! Sends a corpus and hands back what came of each case, in the order of the cases whatever the timing.
//!
//! Cases are drawn from the iterator as there is room for them and handed back as they are asked for, so that
//! memory does not grow with the corpus. The price of order is that one slow case holds back the cases behind
//! it, once `in_flight_max` of them are waiting.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::Scope;

use classify::Observation;
use contract::case::Case;
use futures::future::{self, BoxFuture};
use futures::{Stream, StreamExt};
use tokio::sync::Semaphore;

use crate::raw::HEAVY_BODY_BYTES;
use crate::send::{Connections, Sender, send};
use crate::target::Target;

/// Two keep an upload going while the other waits for its answer; more would only press on the target's
/// memory.
const HEAVY_IN_FLIGHT_MAX: usize = 2;

/// How hard to press.
#[derive(Clone)]
pub struct Pace {
    /// Cases that are sent, or answered and not yet handed back, at any time.
    pub in_flight_max: usize,
    /// For each case, from connecting to the last byte of the answer.
    pub deadline_ms: u64,
    pub connections: Connections,
    /// Who is asked before a case is sent; without one all are.
    pub gate: Option<Arc<dyn Gate>>,
}

/// Decides about each case right before it would be sent, and learns what came of it.
///
/// Several cases may be asked about at once. What is admitted is sent, and then seen exactly once, unless the
/// replay is dropped before.
pub trait Gate: Send + Sync {
    /// May wait, for a rate limit that is over only in a while; waits are the gate's to bound.
    fn admit<'a>(&'a self, case: &'a Case) -> BoxFuture<'a, Admit>;
    fn saw(&self, case: &Case, observation: &Observation);
}

/// What a gate says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admit {
    Send,
    /// Not this one: it is not handed back, and the gate counts it under this reason.
    Skip(&'static str),
    /// Neither this one nor any after it; those before it are still waited for.
    Stop,
}

/// Cases handed over at a time: waking the other thread costs as much as making a case.
const CASES_PER_BATCH: usize = 64;
/// Batches made and not yet sent. Mutants come in bursts of some hundred; this many bridge one.
const BATCHES_AHEAD_MAX: usize = 8;

/// Makes the cases on a thread of their own, a little ahead of their use, so that making and sending overlap.
pub fn ahead<'scope, I>(
    scope: &'scope Scope<'scope, '_>,
    mut cases: I,
) -> impl Iterator<Item = Case> + use<I>
where
    I: Iterator<Item = Case> + Send + 'scope,
{
    let (sender, receiver) = sync_channel(BATCHES_AHEAD_MAX);
    scope.spawn(move || {
        loop {
            let batch: Vec<Case> = cases.by_ref().take(CASES_PER_BATCH).collect();
            // The cases are out, or nobody wants the rest because the run was stopped.
            if batch.is_empty() || sender.send(batch).is_err() {
                break;
            }
        }
    });
    receiver.into_iter().flatten()
}

/// Sends the cases; does nothing until the stream is polled.
pub fn replay<I>(
    target: &Target,
    cases: I,
    pace: Pace,
) -> impl Stream<Item = (Case, Observation)> + use<I>
where
    I: IntoIterator<Item = Case>,
{
    replay_the_rest(target, cases, pace, |_| None)
}

/// [`replay`], but what `known` has the answer to is handed back in its place and not sent; no gate is asked.
pub fn replay_the_rest<I, K>(
    target: &Target,
    cases: I,
    pace: Pace,
    known: K,
) -> impl Stream<Item = (Case, Observation)> + use<I, K>
where
    I: IntoIterator<Item = Case>,
    K: Fn(&Case) -> Option<Observation> + Clone,
{
    let sender = Arc::new(Sender::new(target.clone(), pace.connections, pace.deadline_ms));
    let heavy = Arc::new(Semaphore::new(HEAVY_IN_FLIGHT_MAX));
    futures::stream::iter(cases)
        .map(move |case| {
            let (sender, heavy, gate) = (sender.clone(), heavy.clone(), pace.gate.clone());
            let known = known.clone();
            async move {
                if let Some(observation) = known(&case) {
                    return Passed::Through(Box::new((case, observation)));
                }
                if let Some(gate) = &gate {
                    match gate.admit(&case).await {
                        Admit::Send => {}
                        Admit::Skip(_) => return Passed::By,
                        Admit::Stop => return Passed::Last,
                    }
                }
                let _permit = if case.request.body.len() > HEAVY_BODY_BYTES {
                    heavy.acquire_owned().await.ok()
                } else {
                    None
                };
                let observation = send(&sender, &case.request).await;
                if let Some(gate) = &gate {
                    gate.saw(&case, &observation);
                }
                Passed::Through(Box::new((case, observation)))
            }
        })
        .buffered(pace.in_flight_max.max(1))
        .take_while(|passed| future::ready(!matches!(passed, Passed::Last)))
        .filter_map(|passed| {
            future::ready(match passed {
                Passed::Through(sent) => Some(*sent),
                Passed::By | Passed::Last => None,
            })
        })
}

/// How a case came through the gate.
enum Passed {
    By,
    Last,
    Through(Box<(Case, Observation)>),
}
