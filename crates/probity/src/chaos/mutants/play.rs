//! Some fifteen thousand trials on all cores: first those that only work, then those that also wait for real.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use chaos::oracle::{LATE_TIMERS, Verdict};
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

/// How often a trial is held again that is unclear, and in whose company. What stays unclear when it is alone is not
/// the machine's any more.
const AGAIN: [Company; 4] = [
    Company { n_cores: 2, each: 8 },
    Company { n_cores: 2, each: 3 },
    Company { n_cores: 1, each: 1 },
    Company { n_cores: 1, each: 1 },
];

/// How many trials are held at once.
#[derive(Clone, Copy, Debug)]
struct Company {
    n_cores: usize,
    /// On each core.
    each: usize,
}

/// One client and one trial.
struct Bout<'a> {
    client: &'static Mutant,
    scenario: &'a Scenario,
    surface: Surface,
}

/// Holds every trial with every client and gives the reports client by client. What is unclear, and what `is_expected`
/// does not know, is held again in ever smaller company: neighbours can spoil a trial, and cannot mend one.
pub(super) fn play(
    clients: &[&'static Mutant],
    scenarios: &[&Scenario],
    scripts: &BTreeMap<String, Script>,
    is_expected: &dyn Fn(&Mutant, &TrialReport) -> bool,
) -> Result<Vec<Vec<TrialReport>>, Stop> {
    let mut bouts = vec![];
    for &client in clients {
        for &scenario in scenarios.iter().filter(|scenario| !scenario.slow) {
            let surfaces = scenario.surfaces.iter().filter(|surface| **surface != Surface::Raw);
            bouts.extend(surfaces.map(|&surface| Bout { client, scenario, surface }));
        }
    }
    let n_cores = thread::available_parallelism().map_or(1, usize::from);
    let all = Company { n_cores, each: TRIALS_MAX };
    let (timed, others): (Vec<_>, Vec<_>) =
        (0..bouts.len()).partition(|idx| bouts[*idx].scenario.timing);
    let mut reports = BTreeMap::new();
    reports.extend(in_company(&bouts, &others, all, scripts)?);
    reports.extend(in_company(&bouts, &timed, Company { each: TIMED_TRIALS_MAX, ..all }, scripts)?);
    for company in AGAIN {
        let is_clear = |idx: usize, report: &TrialReport| {
            let reason = report.reason.as_deref().unwrap_or_default();
            !matches!(report.verdict, Verdict::HarnessError | Verdict::Inconclusive)
                && !reason.contains(LATE_TIMERS)
                && is_expected(bouts[idx].client, report)
        };
        let unclear = reports.iter().filter(|(idx, report)| !is_clear(**idx, report));
        let unclear: Vec<usize> = unclear.map(|(idx, _)| *idx).collect();
        reports.extend(in_company(&bouts, &unclear, company, scripts)?);
    }
    let mut reports = reports.into_values();
    let n_each = bouts.len() / clients.len().max(1);
    Ok(clients.iter().map(|_| reports.by_ref().take(n_each).collect()).collect())
}

/// The reports of these bouts, in the order in which they were settled.
fn in_company(
    bouts: &[Bout<'_>],
    chosen: &[usize],
    company: Company,
    scripts: &BTreeMap<String, Script>,
) -> Result<Vec<(usize, TrialReport)>, Stop> {
    let runtimes = (0..company.n_cores).map(|_| settings::runtime());
    let runtimes: Vec<Runtime> = runtimes.collect::<Result<_, _>>()?;
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(vec![]));
    thread::scope(|scope| {
        for runtime in &runtimes {
            scope.spawn(|| {
                let queue = std::iter::from_fn(|| chosen.get(next.fetch_add(1, Ordering::Relaxed)));
                let held = futures::stream::iter(queue)
                    .map(|&idx| async move { (idx, hold(&bouts[idx], scripts).await) })
                    .buffer_unordered(company.each)
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
