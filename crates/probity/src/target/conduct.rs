//! The phases of a run that only another server has: the probe before the cases, chains and twins after them.

use std::sync::Arc;
use std::time::Instant;

use classify::Observation;
use contract::case::Case;
use contract::conformance::feature::Feature;
use contract::conformance::probe::Support;
use contract::judge::{Record, Verdict};
use futures::future;
use wire::replay::Gate;
use wire::send::{Connections, Sender};
use wire::target::Target;

use super::ask::Asker;
use super::chains;
use super::probe::{probe, wait_ready};
use super::upstream::Upstream;
use super::{Examination, Plan, TwinsTold};
use crate::console::{complain, count};
use crate::exit::Stop;
use crate::live::gate::Warden;
use crate::run::{DEADLINE_MS, End, Interrupt, Order, Run, Watch};
use crate::twins;

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
        wait_ready(&sender(target), plan.wait_ready).await;
        watch.passed("waited", "for the target to answer", started.elapsed());
    }
    Ok(upstream)
}

/// Asks the target what it has.
pub async fn begin<'o>(
    order: &'o Order<'_>,
    plan: &'o Plan,
    target: &Target,
    upstream: Option<Upstream>,
    warden: Option<Arc<Warden>>,
    watch: &mut dyn Watch,
) -> Result<Examination<'o>, Stop> {
    let started = Instant::now();
    let gate = warden.map(|warden| warden as Arc<dyn Gate>);
    let mut asker = Asker::new(sender(target), gate);
    let found = probe(&order.specs.contract, plan, &mut asker).await?;
    let of = |wanted: fn(&Support) -> bool| {
        found.probed.iter().filter(|(_, support)| wanted(support)).count()
    };
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
    watch.passed("probe", &what, started.elapsed());
    if let Some(upstream) = &upstream {
        // What the probe sent on is of no case.
        drop(upstream.take());
    }
    Ok(Examination::new(&order.specs.contract, plan, found, upstream, asker))
}

/// Chains and twins, where the whole was asked for; then the sum.
pub async fn end(
    order: &Order<'_>,
    mut trial: Examination<'_>,
    interrupt: &Interrupt,
    run: &mut Run,
    watch: &mut dyn Watch,
) {
    let is_whole = order.selection.is_everything() && order.cases_max.is_none();
    if run.end == End::Complete && order.selection.is_everything() {
        let rest = Box::pin(play_rest(order, is_whole, &mut trial, run, watch));
        let ended = future::select(rest, interrupt.clone()).await;
        let is_interrupted = matches!(ended, future::Either::Right(_));
        drop(ended);
        if is_interrupted {
            run.end = End::Interrupted;
        }
    }
    let is_complete = is_whole && run.end == End::Complete;
    trial.gone = run.gone.clone();
    run.conformance = Some(trial.conclude(&run.board.records, is_complete));
}

async fn play_rest(
    order: &Order<'_>,
    is_whole: bool,
    trial: &mut Examination<'_>,
    run: &mut Run,
    watch: &mut dyn Watch,
) {
    let Some(mut asker) = trial.asker.take() else { return };
    if is_whole && trial.has(Feature::Batches) {
        play_chains(order, &mut asker, trial, run, watch).await;
    }
    match asker.uncounted() {
        Some(sender) => compare_twins(sender, trial, run, watch).await,
        None => {
            let why = "each answer would be paid for twice".to_owned();
            trial.twins = Some(TwinsTold { not_comparable: Some(why), ..TwinsTold::default() });
        }
    }
}

async fn play_chains(
    order: &Order<'_>,
    asker: &mut Asker,
    trial: &mut Examination<'_>,
    run: &mut Run,
    watch: &mut dyn Watch,
) {
    let started = Instant::now();
    let (version, model) = (trial.version(), trial.model());
    let (mut steps, mut good) = (0, 0);
    let note = |case: Case, observation: Observation, mut record: Record| {
        trial.settle(&case, &observation, &mut record, true);
        steps += 1;
        good += usize::from(record.verdict == Verdict::Agree);
        watch.sent(&case, &observation, &record);
        watch.judged(Some(&case), &record);
        run.board.records.push(record);
    };
    chains::play(&order.specs.contract, asker, version, &model, note).await;
    let what = format!("{good} of {} as they must be", count(steps, "step"));
    watch.passed("chains", &what, started.elapsed());
}

/// Streams and plain answers of some cases that the target served. What differs is a record of its own, since it is
/// about two answers.
async fn compare_twins(
    sender: &Sender,
    trial: &mut Examination<'_>,
    run: &mut Run,
    watch: &mut dyn Watch,
) {
    let started = Instant::now();
    let cases = std::mem::take(&mut trial.streaming);
    let compared = twins::check(sender, cases.iter().map(|(case, _)| case)).await;
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

fn sender(target: &Target) -> Sender {
    Sender::new(target.clone(), Connections::Fresh, DEADLINE_MS)
}
