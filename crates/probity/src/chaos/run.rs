//! The trials of one client: in company where only facts count, alone where times do.
//!
//! A client in this process takes next to nothing of the machine, so several of its timed trials may wait at once.
//! What a busy machine or a neighbour may have spoilt is tried again, alone: a process that breaks down takes every
//! run in flight with it, and a timer that went off late says nothing about the client. The price is that such a trial
//! is held up to three times.

use std::future::Future;

use chaos::TrialReport;
use chaos::oracle::{Code, Verdict};
use futures::StreamExt;

use super::schedule::{Company, Planned};

/// A trial that stays unclear so often is the machine's, and is told as such.
const TRIES_MAX: usize = 3;

/// Trials at once.
#[derive(Clone, Copy, Debug)]
pub struct Jobs {
    pub usual: usize,
    /// Of those that are about times.
    pub timed: usize,
}

/// Holds every planned trial and gives the reports in the order of the plan. `hold` holds one; `told` hears of each
/// that is settled.
pub async fn play<F, Fut>(
    plan: &[Planned],
    jobs: Jobs,
    hold: F,
    mut told: impl FnMut(&TrialReport),
) -> Vec<TrialReport>
where
    F: Fn(Planned) -> Fut,
    Fut: Future<Output = TrialReport>,
{
    let mut reports: Vec<Option<TrialReport>> = vec![None; plan.len()];
    let phases = [(Company::Any, jobs.usual), (Company::Timed, jobs.timed)];
    for (company, jobs) in
        phases.into_iter().filter(|(company, jobs)| *company == Company::Any || 1 < *jobs)
    {
        let in_company =
            plan.iter().enumerate().filter(|(_, planned)| planned.company() == company);
        let mut held = futures::stream::iter(in_company)
            .map(|(idx, planned)| {
                let held = hold(planned.clone());
                async move { (idx, held.await) }
            })
            .buffer_unordered(jobs.max(1));
        while let Some((idx, report)) = held.next().await {
            if is_settled(&report) {
                told(&report);
                reports[idx] = Some(report);
            }
        }
    }
    for (idx, planned) in plan.iter().enumerate() {
        let mut tries = 0;
        while reports[idx].as_ref().is_none_or(|report| !is_clear(report)) && tries < TRIES_MAX {
            reports[idx] = Some(hold(planned.clone()).await);
            tries += 1;
        }
        if let Some(report) = reports[idx].as_ref().filter(|_| tries > 0) {
            told(report);
        }
    }
    reports.into_iter().flatten().collect()
}

/// Whether a trial in company says what it would have said alone.
fn is_settled(report: &TrialReport) -> bool {
    let is_anybodys = report.observed.outcome == Some("crashed")
        || report.findings.iter().any(|finding| finding.code == Code::KeyLeak);
    is_clear(report) && !is_anybodys
}

fn is_clear(report: &TrialReport) -> bool {
    !matches!(report.verdict, Verdict::HarnessError | Verdict::Inconclusive)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use chaos::{Handling, Scenario, Surface};

    use super::*;

    fn planned(id: &str, timing: bool) -> Planned {
        let text = format!(
            "id = \"{id}\"\nwhy = \"x\"\nseverity = \"S1\"\nevidence = [\"x\"]\nsurfaces = [\"create\"]\n\
             timing = {timing}\n[expect]\nattempts = \"1\"\noutcome = [\"success\"]\n"
        );
        Planned { scenario: Scenario::parse(&text).unwrap(), surface: Surface::Create }
    }

    /// Trials that fail in company and are skipped alone.
    #[tokio::test]
    async fn what_a_neighbour_may_have_spoilt_is_tried_alone() {
        let held = RefCell::new(vec![]);
        let hold = |planned: Planned| {
            let n_before = held.borrow().iter().filter(|id| **id == planned.scenario.id).count();
            held.borrow_mut().push(planned.scenario.id.clone());
            let trouble = Handling::failed("a neighbour".to_owned());
            let report = match (&*planned.scenario.id, n_before) {
                ("spoilt", 0) | ("broken", _) => {
                    TrialReport::new(&planned.scenario, planned.surface, &trouble)
                }
                _ => TrialReport::skipped(&planned.scenario, planned.surface, "held"),
            };
            async { report }
        };
        let plan = [
            planned("timed", true),
            planned("spoilt", false),
            planned("broken", false),
            planned("well", false),
        ];
        let mut n_told = 0;
        let reports = play(&plan, Jobs { usual: 2, timed: 1 }, hold, |_| n_told += 1).await;
        let verdicts: Vec<_> = reports.iter().map(|report| report.verdict).collect();
        use Verdict::{HarnessError, Skip};
        assert_eq!(verdicts, [Skip, Skip, HarnessError, Skip]);
        assert_eq!(n_told, 4);
        let count = |id: &str| held.borrow().iter().filter(|held| *held == id).count();
        assert_eq!(["timed", "spoilt", "broken", "well"].map(count), [1, 2, 1 + TRIES_MAX, 1]);
    }
}
