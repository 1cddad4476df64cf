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
use futures::{Stream, StreamExt};
use tokio::sync::Semaphore;

use crate::raw::HEAVY_BODY_BYTES;
use crate::send::{Connections, Sender, send};
use crate::target::Target;

/// Two keep an upload going while the other waits for its answer; more would only press on the target's
/// memory.
const HEAVY_IN_FLIGHT_MAX: usize = 2;

/// How hard to press.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Cases that are sent, or answered and not yet handed back, at any time.
    pub in_flight_max: usize,
    /// For each case, from connecting to the last byte of the answer.
    pub deadline_ms: u64,
    pub connections: Connections,
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
    let sender = Arc::new(Sender::new(target.clone(), pace.connections, pace.deadline_ms));
    let heavy = Arc::new(Semaphore::new(HEAVY_IN_FLIGHT_MAX));
    futures::stream::iter(cases)
        .map(move |case| {
            let (sender, heavy) = (sender.clone(), heavy.clone());
            async move {
                let _permit = if case.request.body.len() > HEAVY_BODY_BYTES {
                    heavy.acquire_owned().await.ok()
                } else {
                    None
                };
                let observation = send(&sender, &case.request).await;
                (case, observation)
            }
        })
        .buffered(pace.in_flight_max.max(1))
}
