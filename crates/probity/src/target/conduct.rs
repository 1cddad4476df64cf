//! The phases of a run that only another server has: the probe before the cases, chains and twins after them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::case::Case;
use contract::conformance::chain::Step;
use contract::conformance::feature::Feature;
use contract::conformance::probe::Support;
use contract::exceptions::Exceptions;
use contract::judge::Verdict;
use futures::future;
use wire::journal::beside::Probe;
use wire::replay::Gate;
use wire::send::{Connections, Sender};
use wire::target::Target;

use super::ask::Asker;
use super::probe::{self, probe, wait_ready};
use super::upstream::Upstream;
use super::{Examination, Facts, Plan, TwinsTold, chains, kept};
use crate::console::{complain, count};
use crate::exit::Stop;
use crate::live::gate::Warden;
use crate::run::{DEADLINE_MS, End, Interrupt, Order, Recalled, Run, Watch};
use crate::twins;

/// Where nobody says another.
const USUAL_PATIENCE: Duration = Duration::from_millis(DEADLINE_MS);

/// Starts the upstream, if there is to be one, says where, and waits for the target.
pub async fn prepare(
    order: &Order<'_>,
    plan: &Plan,
    target: &Target,
    watch: &mut dyn Watch,
) -> Result<Option<Upstream>, Stop> {
    let started = Instant::now();
    let upstream = match plan.upstream {
        Some(listen) => {
            let upstream = Upstream::start(&order.specs.contract, listen).await?;
            // Whoever starts the gateway waits for this line, whatever else goes to standard output.
            complain(&format!("upstream: http://{}\n", upstream.address()));
            Some(upstream)
        }
        None => None,
    };
    if !plan.wait_ready.is_zero() {
        wait_ready(&sender(target, USUAL_PATIENCE), plan.wait_ready).await;
        watch.passed("waited", "for the target to answer", started.elapsed());
    }
    Ok(upstream)
}

/// Asks the target what it has, or takes it from the run that is gone on with.
pub async fn begin<'o>(
    order: &'o Order<'_>,
    plan: &'o Plan,
    target: &Target,
    upstream: Option<Upstream>,
    warden: Option<Arc<Warden>>,
    watch: &mut dyn Watch,
) -> Result<Examination<'o>, Stop> {
    let started = Instant::now();
    let contract = &order.specs.contract;
    let gate = warden.map(|warden| warden as Arc<dyn Gate>);
    let (kept, behind) = (order.past.probe(), upstream.as_ref().map(Upstream::address));
    let kept_patience = kept.and_then(|kept| kept.patience_ms).map(Duration::from_millis);
    let patience = plan.patience.or(kept_patience);
    let patience_max = patience.unwrap_or(USUAL_PATIENCE);
    let sender = sender(target, patience_max);
    let mut asker = Asker::new(sender, gate, patience, patience_max);
    let known = match kept {
        Some(kept) => found(kept)?,
        None => {
            let probe::Found { facts, probed, .. } = probe(contract, plan, &mut asker).await?;
            let line = kept::probe(plan, &facts, &probed, behind, asker.patience());
            watch.learned(&line);
            (facts, probed)
        }
    };
    watch.passed("probe", &what_works(&known.1), started.elapsed());
    if let Some(upstream) = &upstream {
        // What the probe sent on is of no case.
        drop(upstream.take());
    }
    let key = target.key.clone();
    Ok(Examination::new(contract, plan, known, behind, key, Some(asker)).with_upstream(upstream))
}

/// The target as earlier runs found it; none if they did not look.
pub fn recall<'o>(
    order: &'o Order<'_>,
    plan: &'o Plan,
    watch: &mut dyn Watch,
) -> Result<Option<Examination<'o>>, Stop> {
    let (Some(kept), Some(target)) = (order.past.probe(), &order.target) else { return Ok(None) };
    let known = found(kept)?;
    watch.passed("probe", &what_works(&known.1), Duration::ZERO);
    let behind = kept::upstream(kept);
    let key = target.key.clone();
    Ok(Some(Examination::new(&order.specs.contract, plan, known, behind, key, None)))
}

fn found(kept: &Probe) -> Result<(Facts, Vec<(Feature, Support)>), Stop> {
    kept::found(kept).map_err(|why| Stop::usage(format!("failed to read the probe back: {why}")))
}

fn what_works(probed: &[(Feature, Support)]) -> String {
    let of =
        |wanted: fn(&Support) -> bool| probed.iter().filter(|(_, support)| wanted(support)).count();
    let mut what = format!("{} features work", of(|support| *support == Support::Works));
    for (number, name) in [
        (of(Support::is_absent), "missing or declared unsupported"),
        (of(|support| matches!(support, Support::Broken(_))), "broken"),
        (of(|support| matches!(support, Support::Unknown(_))), "unknown"),
    ] {
        if number > 0 {
            what += &format!(", {number} {name}");
        }
    }
    what
}

/// Chains and twins, where no part of the corpus was chosen by name; then the sum.
pub async fn end(
    order: &Order<'_>,
    mut trial: Examination<'_>,
    interrupt: &Interrupt,
    exceptions: &mut Exceptions,
    run: &mut Run,
    watch: &mut dyn Watch,
) -> Result<(), Stop> {
    if run.end == End::Complete && !order.selection.has_globs() {
        let rest = Box::pin(play_rest(order, &mut trial, exceptions, run, watch));
        let played = match future::select(rest, interrupt.clone()).await {
            future::Either::Left((played, _)) => Some(played),
            future::Either::Right(_) => None,
        };
        match played {
            Some(played) => played?,
            None => run.end = End::Interrupted,
        }
    }
    if let Some(gone) = run.gone.as_ref().filter(|_| order.is_sending()) {
        watch.learned(&kept::gone(gone));
    }
    let is_whole = order.selection.is_everything() && order.cases_max.is_none();
    let is_complete = is_whole && run.end == End::Complete && order.past.is_complete();
    trial.gone = run.gone.clone();
    run.conformance = Some(trial.conclude(&run.board.records, is_complete));
    Ok(())
}

async fn play_rest(
    order: &Order<'_>,
    trial: &mut Examination<'_>,
    exceptions: &mut Exceptions,
    run: &mut Run,
    watch: &mut dyn Watch,
) -> Result<(), Stop> {
    let mut asker = trial.asker.take();
    // One shard is enough for what is asked once.
    let is_first = order.selection.shard().is_none_or(|shard| shard.index == 1);
    if is_first && order.cases_max.is_none() && trial.has(Feature::Batches) {
        play_chains(order, asker.as_mut(), trial, exceptions, run, watch).await?;
    }
    if order.limits.is_some() {
        let why = "each answer would be paid for twice".to_owned();
        trial.twins = Some(TwinsTold { not_comparable: Some(why), ..TwinsTold::default() });
    } else {
        compare_twins(order, asker.as_ref().and_then(Asker::uncounted), trial, run, watch).await;
    }
    Ok(())
}

async fn play_chains(
    order: &Order<'_>,
    mut asker: Option<&mut Asker>,
    trial: &mut Examination<'_>,
    exceptions: &mut Exceptions,
    run: &mut Run,
    watch: &mut dyn Watch,
) -> Result<(), Stop> {
    let started = Instant::now();
    let (version, model) = (trial.version(), trial.model());
    let contract = &order.specs.contract;
    let (mut steps, mut good) = (0, 0);
    let answer = async |case: &Case, step: &Step| {
        let kept = order.past.recall_step(contract, case)?;
        match &mut asker {
            Some(asker) if kept.is_none() => {
                let observation = chains::ask(asker, case, step).await;
                let recalled = Recalled::new(contract, case, observation);
                Ok(Some(Recalled { is_new: true, ..recalled }))
            }
            _ => Ok(kept),
        }
    };
    let note = |case: Case, mut step: Recalled| {
        trial.take(&case, &mut step, exceptions)?;
        steps += 1;
        good += usize::from(step.record.verdict == Verdict::Agree);
        if let Some(observation) = step.observation.as_ref().filter(|_| step.is_new) {
            watch.stepped(&case, observation, &step.record);
        }
        order.past.compare(&step);
        watch.judged(Some(&case), &step.record);
        run.board.records.push(step.record);
        Ok(())
    };
    chains::play(contract, version, &model, answer, note).await?;
    if steps > 0 {
        let what = format!("{good} of {} as they must be", count(steps, "step"));
        watch.passed("chains", &what, started.elapsed());
    }
    Ok(())
}

/// Streams and plain answers of some cases that the target served. What differs is a record of its own, since it is
/// about two answers.
async fn compare_twins(
    order: &Order<'_>,
    sender: Option<&Sender>,
    trial: &mut Examination<'_>,
    run: &mut Run,
    watch: &mut dyn Watch,
) {
    let started = Instant::now();
    let cases = std::mem::take(&mut trial.streaming);
    let compared = async |case: &Case| {
        if let Some(said) = order.past.twin(case) {
            return Some(kept::compared(said));
        }
        let compared = twins::compare(sender?, case).await;
        watch.learned(&kept::twin(&case.id.0, &compared));
        Some(compared)
    };
    let compared = twins::check(cases.iter().map(|(case, _)| case), compared).await;
    let mut differ = 0;
    for (id, finding) in compared.findings {
        let Some((case, record)) = cases.iter().find(|(case, _)| case.id == id) else { continue };
        differ += 1;
        let record = trial.settle_twin(case, record, finding);
        watch.judged(Some(case), &record);
        run.board.records.push(record);
    }
    let alike = compared.compared.saturating_sub(differ);
    let mut what =
        format!("{alike} of {} say the same with and without `stream`", compared.compared);
    if let Some(why) = &compared.not_comparable {
        what = format!("{what}; not comparable: {why}");
    }
    watch.passed("twins", &what, started.elapsed());
    trial.twins = Some(TwinsTold {
        compared: compared.compared,
        differ,
        not_comparable: compared.not_comparable,
    });
}

fn sender(target: &Target, patience: Duration) -> Sender {
    Sender::new(
        target.clone(),
        Connections::Fresh,
        u64::try_from(patience.as_millis()).unwrap_or(DEADLINE_MS),
    )
}
