//! Some fifteen thousand trials on all cores: first those that only work, then those that also wait for real.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use chaos::oracle::Verdict;
use chaos::{Scenario, Surface, TrialReport};
use classify::Script;
use client::mutants::Mutant;
use futures::StreamExt;
use tokio::runtime::Runtime;
use wire::trial::{Stage, trial};

use crate::exit::Stop;
use crate::settings;
use crate::subject::Reference;

/// Trials at once on one core: enough that a core has work while some of them wait, and no more.
const TRIALS_MAX: usize = 16;

/// The same where limits run in real time: most of them wait, and each must be served at once when it wakes.
const TIMED_TRIALS_MAX: usize = 24;

/// A trial that stays unclear when it is held alone so often is not the machine's any more.
const TRIES_MAX: usize = 4;

/// One client and one trial.
struct Bout<'a> {
    client: &'static Mutant,
    scenario: &'a Scenario,
    surface: Surface,
}

/// Holds every trial with every client and gives the reports client by client. What is unclear, and what `is_expected`
/// does not know, is held again alone: neighbours can spoil a trial, and cannot mend one.
pub(super) fn play(
    clients: &[&'static Mutant],
    scenarios: &[&Scenario],
    scripts: &BTreeMap<String, Script>,
    is_expected: &(dyn Fn(&Mutant, &TrialReport) -> bool + Sync),
) -> Result<Vec<Vec<TrialReport>>, Stop> {
    let mut bouts = vec![];
    for &client in clients {
        for &scenario in scenarios.iter().filter(|scenario| !scenario.slow) {
            let surfaces = scenario.surfaces.iter().filter(|surface| **surface != Surface::Raw);
            bouts.extend(surfaces.map(|&surface| Bout { client, scenario, surface }));
        }
    }
    let mut reports: Vec<Option<TrialReport>> = vec![None; bouts.len()];
    for (timed, at_once) in [(false, TRIALS_MAX), (true, TIMED_TRIALS_MAX)] {
        let chosen: Vec<_> =
            (0..bouts.len()).filter(|idx| bouts[*idx].scenario.timing == timed).collect();
        for (idx, report) in on_all_cores(&bouts, &chosen, at_once, scripts)? {
            reports[idx] = Some(report);
        }
    }
    let runtime = settings::runtime()?;
    for (idx, bout) in bouts.iter().enumerate() {
        let is_clear = |report: &TrialReport| {
            !matches!(report.verdict, Verdict::HarnessError | Verdict::Inconclusive)
                && is_expected(bout.client, report)
        };
        for _ in 0..TRIES_MAX {
            if reports[idx].as_ref().is_some_and(is_clear) {
                break;
            }
            reports[idx] = Some(runtime.block_on(hold(bout, scripts)));
        }
    }
    let mut reports = reports.into_iter().flatten();
    let n_each = bouts.len() / clients.len().max(1);
    Ok(clients.iter().map(|_| reports.by_ref().take(n_each).collect()).collect())
}

/// The reports of these bouts, in the order in which they were settled.
fn on_all_cores(
    bouts: &[Bout<'_>],
    chosen: &[usize],
    at_once: usize,
    scripts: &BTreeMap<String, Script>,
) -> Result<Vec<(usize, TrialReport)>, Stop> {
    let n_cores = thread::available_parallelism().map_or(1, usize::from);
    let runtimes = (0..n_cores).map(|_| settings::runtime());
    let runtimes: Vec<Runtime> = runtimes.collect::<Result<_, _>>()?;
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(vec![]));
    thread::scope(|scope| {
        for runtime in &runtimes {
            scope.spawn(|| {
                let queue = std::iter::from_fn(|| chosen.get(next.fetch_add(1, Ordering::Relaxed)));
                let held = futures::stream::iter(queue)
                    .map(|&idx| async move { (idx, hold(&bouts[idx], scripts).await) })
                    .buffer_unordered(at_once)
                    .collect::<Vec<_>>();
                let mut held = runtime.block_on(held);
                reports.lock().unwrap_or_else(PoisonError::into_inner).append(&mut held);
            });
        }
    });
    Ok(reports.into_inner().unwrap_or_else(PoisonError::into_inner))
}

async fn hold(bout: &Bout<'_>, scripts: &BTreeMap<String, Script>) -> TrialReport {
    let Bout { client, scenario, surface } = *bout;
    let stage = Stage::of(scripts);
    // Who calls off after so long means real time.
    let real_time = scenario.ask.abort_after_ms.is_some();
    let subject = Reference::new(scenario, stage).with(client.change).in_real_time(real_time);
    trial(scenario, surface, stage, &subject).await
}
