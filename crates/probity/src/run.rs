//! One run: canary, corpus, scripted answers, chaos smoke test. It sends and judges; it prints nothing, writes no file.

mod checks;
mod order;
mod past;
mod watch;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use contract::board::Board;
use contract::case::Case;
use contract::conformance::model::renamed;
use contract::conformance::standing;
use contract::exceptions::Exceptions;
use contract::judge::{Record, Verdict, judge};
use contract::reach::Reach;
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::{StreamExt, future};
use tokio::runtime::Runtime;
use wire::replay::{Gate, Pace, ahead, replay_the_rest};
use wire::send::{Connections, Sender};
use wire::target::Target;

use crate::console::count;
use crate::exit::Stop;
use crate::live::compare::Comparison;
use crate::live::gate::{Account, Warden};
use crate::smoke::{Smoke, smoke};
use crate::target::pulse::{Gone, HANGS, Pulse};
use crate::target::{Conformance, Examination, conduct, kept};
use crate::{embedded, scripted};

pub use self::order::Order;
pub use self::past::{Past, Recalled};
pub use self::watch::{Unwatched, Watch};

use self::checks::{check_alarm, check_reachable};

/// Enough to keep two cores busy; more only adds to what waits in memory.
const IN_FLIGHT_MAX: usize = 16;
/// Another server may count what it is asked; more at once would measure its rate limit.
const TARGET_IN_FLIGHT_MAX: usize = 4;
/// Past this an answer is a hang: the largest bodies take a few seconds on a busy machine.
pub(crate) const DEADLINE_MS: u64 = 30_000;
/// Scripts played at once.
const SCRIPTS_MAX: usize = 8;

/// What came of it.
pub struct Run {
    pub board: Board,
    pub scripted: Vec<Record>,
    pub reach: Reach,
    /// Cases that this target cannot honour, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
    pub smoke: Option<Smoke>,
    pub end: End,
    /// How the server went, if it did not stay.
    pub gone: Option<Gone>,
    /// What was used, where that is limited.
    pub account: Option<Account>,
    /// What the answers of a target come to.
    pub conformance: Option<Conformance>,
    /// Why that is not known, if it was to be.
    pub untold: Option<&'static str>,
    /// The target's answers beside the mock's, where that is asked for.
    pub compared: Option<Comparison>,
}

/// Why the sending ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    Complete,
    /// The budget is used up, or the server wants no more.
    Exhausted,
    /// The server is gone.
    Gone,
    Interrupted,
    TimeUp,
}

impl Run {
    /// Scripted answers, then the corpus.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.board.records.iter().chain(&self.scripted)
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.records().filter(|record| record.verdict == verdict).count()
    }
}

pub(crate) type Interrupt = Shared<BoxFuture<'static, ()>>;

/// Does it all. An interrupt ends what is going on and skips the rest; what was judged stays.
pub fn run(
    runtime: &Runtime,
    order: &Order<'_>,
    exceptions: &mut Exceptions,
    watch: &mut dyn Watch,
) -> Result<Run, Stop> {
    // The scope is that of the thread on which cases are made.
    thread::scope(|scope| runtime.block_on(run_in(scope, order, exceptions, watch)))
}

async fn run_in<'scope>(
    scope: &'scope Scope<'scope, '_>,
    order: &'scope Order<'_>,
    exceptions: &mut Exceptions,
    watch: &mut dyn Watch,
) -> Result<Run, Stop> {
    let interrupt = tokio::signal::ctrl_c().map(drop).boxed().shared();
    let mock = embedded::start(&order.specs.contract).await?;
    check_alarm(order, &mock.target, watch).await?;
    let plan = order.trial.filter(|_| order.is_sending());
    let (target, upstream) = match &order.target {
        Some(target) => {
            let upstream = match plan {
                Some(plan) => conduct::prepare(order, plan, target, watch).await?,
                None => None,
            };
            if order.is_sending() {
                check_reachable(target, order.limits.is_some()).await?;
            }
            (target, upstream)
        }
        None => (&mock.target, None),
    };
    let warden = order
        .limits
        .filter(|_| order.is_sending())
        .map(|limits| Arc::new(Warden::new(sender(target, Connections::Fresh), limits.clone())));
    let mut run = Run {
        board: Board::default(),
        scripted: Vec::new(),
        reach: Reach::new(order.specs.external.len()),
        skipped: BTreeMap::new(),
        smoke: None,
        end: End::Complete,
        gone: None,
        account: None,
        compared: None,
        conformance: None,
        untold: None,
    };
    match order.past {
        Past::None | Past::Answers(_) => {
            let plan = plan.filter(|_| order.target.is_some());
            let mut trial = match plan {
                Some(plan) => Some(
                    conduct::begin(order, plan, target, upstream, warden.clone(), watch).await?,
                ),
                None => None,
            };
            let tried = Tried { target, warden, trial: trial.as_mut() };
            replay_corpus(scope, order, tried, &interrupt, exceptions, &mut run, watch).await;
            if let Some(trial) = trial {
                conduct::end(order, trial, &interrupt, exceptions, &mut run, watch).await?;
            }
        }
        Past::Shards(_) | Past::Old(_) => {
            let plan = order.trial.filter(|_| order.target.is_some());
            let mut trial = match plan {
                Some(plan) => conduct::recall(order, plan, watch)?,
                None => None,
            };
            look_back(scope, order, trial.as_mut(), exceptions, &mut run, watch)?;
            if let Some(trial) = trial {
                conduct::end(order, trial, &interrupt, exceptions, &mut run, watch).await?;
            }
        }
    }
    if run.end != End::Interrupted && order.plays_scripts() {
        play_scripts(order, &interrupt, &mut run, watch).await;
    }
    if run.end != End::Interrupted && order.chaos {
        let started = Instant::now();
        let open = embedded::start_for_anyone(&order.specs.contract).await?;
        let trials = pin!(smoke(&order.specs.scenarios, &order.specs.scripts, open.address()));
        match future::select(trials, interrupt).await {
            future::Either::Left((smoke, _)) => {
                watch.passed("chaos", &smoke_text(&smoke), started.elapsed());
                run.smoke = Some(smoke);
            }
            future::Either::Right(_) => run.end = End::Interrupted,
        }
    }
    Ok(run)
}

fn sender(target: &Target, connections: Connections) -> Sender {
    Sender::new(target.clone(), connections, DEADLINE_MS)
}

/// Who is tried, and what is known of it beforehand.
struct Tried<'a, 'b> {
    target: &'a Target,
    warden: Option<Arc<Warden>>,
    trial: Option<&'a mut Examination<'b>>,
}

async fn replay_corpus<'scope>(
    scope: &'scope Scope<'scope, '_>,
    order: &'scope Order<'_>,
    Tried { target, warden, mut trial }: Tried<'_, '_>,
    interrupt: &Interrupt,
    exceptions: &mut Exceptions,
    run: &mut Run,
    watch: &mut dyn Watch,
) {
    let started = Instant::now();
    let contract = &order.specs.contract;
    let skipped = Arc::new(Mutex::new(BTreeMap::new()));
    let skip = {
        let skipped = skipped.clone();
        move |reason| *lock(&skipped).entry(reason).or_default() += 1
    };
    let end = Cell::new(End::Complete);
    let fit = trial.as_deref().map(|trial| Arc::clone(&trial.fit));
    let cases = order.fitted(fit, skip);
    let planned = cases.count_left();
    let cases = ahead(scope, cases);
    let counting = warden.clone().map(|warden| warden as Arc<dyn Gate>);
    let pulse = order.target.as_ref().map(|_| Arc::new(Pulse::new(counting)));
    let gate = pulse.clone().map(|pulse| pulse as Arc<dyn Gate>);
    let (in_flight_max, connections) = match &order.target {
        Some(_) if trial.as_ref().is_some_and(|trial| trial.is_one_at_a_time()) => {
            (1, Connections::Fresh)
        }
        Some(_) => (TARGET_IN_FLIGHT_MAX, Connections::Fresh),
        None => (IN_FLIGHT_MAX, Connections::Kept),
    };
    let deadline_ms = trial.as_deref().map_or(DEADLINE_MS, Examination::deadline_ms);
    let pace = Pace { in_flight_max, deadline_ms, connections, gate };
    let sent = replay_the_rest(target, cases, pace, |case: &Case| order.known(case));
    let mut stream = pin!(sent.take_until(stop(order.time_max, interrupt.clone(), &end)));
    while let Some((case, observation)) = stream.next().await {
        run.reach.note(contract, &case);
        let mut record = judge(contract, &case, &observation);
        if let Some(trial) = &mut trial {
            trial.settle(&case, &observation, &mut record, !order.knows(&case), exceptions);
        } else {
            exceptions.excuse(&mut record);
        }
        if !order.knows(&case) {
            watch.sent(&case, &observation, &record);
        }
        watch.judged(Some(&case), &record);
        run.board.records.push(record);
    }
    run.end = end.get();
    run.gone = pulse.as_ref().and_then(|pulse| pulse.gone());
    if run.gone.is_some() && run.end == End::Complete {
        run.end = End::Gone;
    }
    run.skipped = std::mem::take(&mut *lock(&skipped));
    if let Some(hanging @ 1..) = pulse.as_ref().map(|pulse| pulse.skipped()) {
        run.skipped.insert(HANGS, hanging);
    }
    if let Some(warden) = warden {
        let account = warden.account(planned, run.board.records.len());
        for (reason, cases) in &account.skipped {
            *run.skipped.entry(*reason).or_default() += cases;
        }
        if run.end == End::Complete && account.unfinished().is_some() {
            run.end = End::Exhausted;
        }
        watch.passed("live", &account.text(), Duration::from_millis(account.waited_ms));
        run.account = Some(account);
    }
    tell_corpus(run, started, watch);
}

/// The corpus once more, and what earlier runs know of each case; cases of which they know nothing are left out.
fn look_back<'scope>(
    scope: &'scope Scope<'scope, '_>,
    order: &'scope Order<'_>,
    mut trial: Option<&mut Examination<'_>>,
    exceptions: &mut Exceptions,
    run: &mut Run,
    watch: &mut dyn Watch,
) -> Result<(), Stop> {
    let started = Instant::now();
    let contract = &order.specs.contract;
    let unfit = Arc::new(Mutex::new(BTreeMap::new()));
    let skip = {
        let unfit = unfit.clone();
        move |reason| *lock(&unfit).entry(reason).or_default() += 1
    };
    // Shards let more through than the whole would have. Old answers are all judged: what has one was let through.
    let is_merging = matches!(order.past, Past::Shards(_));
    let fit = trial.as_deref().filter(|_| is_merging).map(|trial| Arc::clone(&trial.fit));
    let named = trial.as_deref().and_then(|trial| trial.facts().model.clone());
    let named = named.or_else(|| order.trial.and_then(|trial| trial.model.clone()));
    for mut case in ahead(scope, order.fitted(fit, skip)) {
        if let Some(model) = &named {
            case.request = renamed(&contract.models, &case.request, model);
        }
        let Some(mut known) = order.past.recall(contract, &case, exceptions)? else { continue };
        if let Some(trial) = &mut trial {
            trial.take(&case, &mut known, exceptions)?;
        } else if !known.is_settled {
            if order.target.is_some() {
                standing::set_form_apart(&mut known.record);
            }
            exceptions.excuse(&mut known.record);
        }
        order.past.compare(&known);
        run.reach.note(contract, &case);
        watch.judged(Some(&case), &known.record);
        run.board.records.push(known.record);
    }
    run.gone = order.past.gone().map(kept::went);
    if run.gone.is_some() {
        run.end = End::Gone;
    }
    if let Past::Shards(shards) = order.past {
        run.skipped = shards.skipped(&lock(&unfit))?;
        run.untold = shards.untold();
    }
    tell_corpus(run, started, watch);
    Ok(())
}

fn tell_corpus(run: &Run, started: Instant, watch: &mut dyn Watch) {
    let records = &run.board.records;
    let operations: BTreeSet<_> = records.iter().map(|record| record.operation).collect();
    let versions: BTreeSet<_> = records.iter().map(|record| record.version).collect();
    let what = [
        count(records.len(), "case"),
        count(operations.len(), "operation"),
        count(versions.len(), "API version"),
    ];
    watch.passed("corpus", &what.join(", "), started.elapsed());
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn stop(time_max: Option<Duration>, interrupt: Interrupt, end: &Cell<End>) {
    let time_is_up = async {
        match time_max {
            Some(time) => tokio::time::sleep(time).await,
            None => future::pending().await,
        }
    };
    let reason = match future::select(pin!(time_is_up), interrupt).await {
        future::Either::Left(_) => End::TimeUp,
        future::Either::Right(_) => End::Interrupted,
    };
    end.set(reason);
}

async fn play_scripts(
    order: &Order<'_>,
    interrupt: &Interrupt,
    run: &mut Run,
    watch: &mut dyn Watch,
) {
    let started = Instant::now();
    let plays = order.specs.scripts.values().map(scripted::play);
    let end = Cell::new(run.end);
    let played = futures::stream::iter(plays).buffered(SCRIPTS_MAX);
    let mut played = pin!(played.take_until(stop(None, interrupt.clone(), &end)));
    while let Some(record) = played.next().await {
        watch.judged(None, &record);
        run.scripted.push(record);
    }
    run.end = end.get();
    let agree = run.scripted.iter().filter(|record| record.verdict == Verdict::Agree).count();
    let what = format!("{agree} of {} answers read as their files say", run.scripted.len());
    watch.passed("scripted", &what, started.elapsed());
}

fn smoke_text(smoke: &Smoke) -> String {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for report in &smoke.reports {
        *counts.entry(report.verdict.name()).or_default() += 1;
    }
    let counts: Vec<_> =
        counts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    format!("reference client: {}", counts.join(", "))
}
