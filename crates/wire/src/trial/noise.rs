//! How late the harness's own timers go off: what its times are worth.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::script::elapsed_ms;

/// How often the harness checks its own timers while a trial runs.
const STEP_MS: u64 = 10;

/// Timers that were late, as remembered: no trial lasts for a quarter of an hour. Past it the last one stands for all.
const LATE_MAX: usize = 100_000;

/// A timer that was late.
#[derive(Clone, Copy)]
struct Late {
    /// When it was to go off.
    due_ms: u64,
    ms: u64,
}

pub(super) struct Noise {
    late: Arc<Mutex<Vec<Late>>>,
    _task: JoinSet<()>,
}

impl Noise {
    /// Times count from `started`.
    pub(super) fn watch(started: Instant) -> Self {
        let late = Arc::new(Mutex::new(vec![]));
        let noted = Arc::clone(&late);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let due_ms = elapsed_ms(started) + STEP_MS;
                sleep(Duration::from_millis(STEP_MS)).await;
                let ms = elapsed_ms(started).saturating_sub(due_ms);
                note(
                    &mut noted.lock().unwrap_or_else(PoisonError::into_inner),
                    Late { due_ms, ms },
                );
            }
        });
        Self { late, _task: task }
    }

    /// The latest of the timers that were due or late in this time.
    pub(super) fn latest_ms(&self, from_ms: u64, until_ms: u64) -> u64 {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        latest_ms(&late, from_ms, until_ms)
    }
}

fn note(late: &mut Vec<Late>, now: Late) {
    let is_full = LATE_MAX <= late.len();
    match late.last_mut() {
        Some(last) if is_full => last.ms = last.ms.max(now.ms),
        _ if 0 < now.ms => late.push(now),
        _ => {}
    }
}

fn latest_ms(late: &[Late], from_ms: u64, until_ms: u64) -> u64 {
    let within =
        late.iter().filter(|late| late.due_ms <= until_ms && from_ms <= late.due_ms + late.ms);
    within.map(|late| late.ms).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_counts_where_it_was() {
        let late =
            [Late { due_ms: 10, ms: 3 }, Late { due_ms: 100, ms: 50 }, Late { due_ms: 200, ms: 7 }];
        for (from_ms, until_ms, expected) in
            [(0, 1_000, 50), (0, 99, 3), (120, 130, 50), (151, 199, 0), (151, 200, 7), (14, 99, 0)]
        {
            assert_eq!(latest_ms(&late, from_ms, until_ms), expected, "{from_ms} to {until_ms}");
        }
    }
}
