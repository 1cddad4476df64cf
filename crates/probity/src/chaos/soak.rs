//! The soak: faults drawn by chance, for as long as the user likes, and what must never happen.
//!
//! Draws are played in rounds. After each round nothing else runs: what failed is tried again alone and made smaller,
//! and a plain call must succeed. The price is that a round waits for its slowest draw. Nothing is kept but counts and
//! a few failures, so a soak of a week takes no more memory than one of a minute.

pub mod examine;
pub mod tell;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use chaos::oracle::{Code, Level, Verdict};
use chaos::swarm::{breach, draw, not_healed, plain_call};
use chaos::{Surface, TrialReport};
use futures::StreamExt;
use futures::future::{Either, select};
use tokio::time::timeout;
use wire::trial::Stage;

use self::examine::{Suspect, examine};
use super::candidate::Candidate;
use super::card::{Client, Counts};
use super::schedule::Planned;
use super::{check_alarm, jobs};
use crate::cli::{ChaosArgs, ChaosFormat};
use crate::console::{self, Paint, complain, say};
use crate::exit::{Exit, Stop, decide};
use crate::report::human::Page;
use crate::settings;
use crate::specs::Specs;

/// Draws between two plain calls: with a handful of trials at once these are seconds, and their share of the time is
/// small.
const ROUND: u64 = 64;

/// Failures that are told and written. Whoever has more has one problem, and not as many.
const FAILURES_MAX: usize = 20;

/// Failures of one code: the same mistake from a few sides.
const ALIKE_MAX: usize = 4;

/// A plain call that fails so often in a row has found no busy machine, but a broken client.
const PLAIN_TRIES_MAX: usize = 3;

/// The last plain call comes after the time is up, and a client that hangs must not keep us for ever: tries, deadlines
/// and the start of a slow interpreter.
const FAREWELL_MAX: Duration = Duration::from_secs(60);

/// How often it is told that the soak goes on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What is played, and how.
#[derive(Clone, Debug)]
pub struct Order {
    pub seed: u64,
    /// Draws at most; time is the usual limit.
    pub draws_max: u64,
    /// Trials at once.
    pub jobs: usize,
    /// Those that the client has, of those that are asked for.
    pub surfaces: Vec<Surface>,
    /// Where scenario files go.
    pub folder: PathBuf,
}

/// What came of a soak so far.
#[derive(Debug, Default)]
pub struct Soak {
    /// Draws that were played.
    pub draws: u64,
    pub attempts: u64,
    pub counts: Counts,
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Draws with a failing finding of this code, failures of the soak or not.
    pub codes: BTreeMap<Code, u64>,
    pub plain_calls: u64,
    /// Draws that failed in company and not alone, by what may have been the machine.
    pub unsteady: u64,
    pub failures: Vec<Failure>,
    suspects: VecDeque<Suspect>,
}

/// A draw that failed, or a plain call after it.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub report: TrialReport,
    /// The scenario that fails the same way, if it could be written.
    pub file: Option<PathBuf>,
    /// Whether it failed again alone.
    pub again: bool,
}

/// The verb's `--soak`.
pub(super) fn soak(
    args: &ChaosArgs,
    specs: &Specs,
    candidates: &[Candidate],
    limit: Duration,
) -> Result<Exit, Stop> {
    if args.format == ChaosFormat::Markdown {
        return Err(Stop::usage("a soak is told as human or json"));
    }
    let page = Page { width: console::width(), paint: Paint::decide(args.color) };
    let runtime = settings::runtime()?;
    let seed = args.seed.unwrap_or(settings::SEED);
    let (mut objects, mut reasons) = (vec![], vec![]);
    for candidate in candidates {
        let started = Instant::now();
        let (client, soak, end) =
            runtime.block_on(soak_one(args, specs, candidate, limit, seed))?;
        let is_interrupted = end.is_some();
        reasons.extend(end.into_iter().chain(soak.why_not_clean(&client)));
        let told = tell::Told { args, client, soak: &soak, seed, elapsed: started.elapsed() };
        match args.format {
            ChaosFormat::Human => say(&tell::human(page, &told)),
            ChaosFormat::Json | ChaosFormat::Markdown => objects.push(tell::json(&told)),
        }
        if is_interrupted {
            break;
        }
    }
    let stop = decide(&reasons);
    if args.format == ChaosFormat::Human {
        say(&tell::end(page, stop));
    } else {
        say(&tell::text(objects));
        stop.inspect(|stop| complain(&format!("exit {}: {stop}\n", stop.exit.code())));
    }
    Ok(stop.map_or(Exit::Clean, |stop| stop.exit))
}

/// One client's soak, and why it ended before its time, if it did.
async fn soak_one(
    args: &ChaosArgs,
    specs: &Specs,
    candidate: &Candidate,
    limit: Duration,
    seed: u64,
) -> Result<(Client, Soak, Option<Stop>), Stop> {
    let client = candidate.about().await?;
    let stage = Stage::of(&specs.scripts);
    check_alarm(specs, candidate, stage).await?;
    let mut surfaces = candidate.surfaces().await;
    surfaces.retain(|surface| args.surface.is_empty() || args.surface.contains(surface));
    let order = Order {
        seed,
        draws_max: u64::MAX,
        jobs: jobs(args, candidate).usual,
        surfaces,
        folder: PathBuf::new(),
    };
    let hold = |planned: Planned| async move {
        candidate.trial(&planned.scenario, planned.surface, stage).await
    };
    let mut soak = Soak::default();
    let mut sign = SignOfLife::new(limit);
    let played = timeout(limit, rounds(&mut soak, &order, &hold, |soak| sign.see(soak)));
    let is_interrupted =
        matches!(select(pin!(played), pin!(tokio::signal::ctrl_c())).await, Either::Right(_));
    if !is_interrupted {
        farewell(&mut soak, &order, &hold).await;
    }
    soak.settle_all(&order.folder);
    sign.bar.finish_and_clear();
    candidate.stop().await;
    let interrupted = || Stop::new(Exit::Interrupted, "interrupted before the time was up");
    Ok((client, soak, is_interrupted.then(interrupted)))
}

/// Round after round, as long as it is awaited. It may be dropped at any time: what is known by then stands in `soak`.
pub async fn rounds<F, Fut>(soak: &mut Soak, order: &Order, hold: &F, mut told: impl FnMut(&Soak))
where
    F: Fn(Planned) -> Fut,
    Fut: Future<Output = TrialReport>,
{
    let mut number = 0;
    while number < order.draws_max && !order.surfaces.is_empty() {
        let round = number..number.saturating_add(ROUND).min(order.draws_max);
        number = round.end;
        let planned = round.filter_map(|number| planned(order, number));
        let held = planned.map(|planned| {
            let held = hold(planned.clone());
            async move { (planned, held.await) }
        });
        let mut held = futures::stream::iter(held).buffer_unordered(order.jobs.max(1));
        while let Some((planned, report)) = held.next().await {
            soak.note(planned, report);
            told(soak);
        }
        drop(held);
        while let Some(suspect) = soak.suspects.front_mut() {
            examine(suspect, hold).await;
            soak.settle(&order.folder);
        }
        check_plain_call(soak, order, hold).await;
        told(soak);
    }
}

/// The last plain call, when the time is up.
async fn farewell<F, Fut>(soak: &mut Soak, order: &Order, hold: &F)
where
    F: Fn(Planned) -> Fut,
    Fut: Future<Output = TrialReport>,
{
    if soak.draws == 0 {
        return;
    }
    if timeout(FAREWELL_MAX, check_plain_call(soak, order, hold)).await.is_err() {
        let reason = format!("it did not come to an end within {} s", FAREWELL_MAX.as_secs());
        soak.fail_plain_call(TrialReport::skipped(&plain_call(), order.surfaces[0], &reason));
    }
}

/// The draw of this number, on one of the surfaces that the client has.
fn planned(order: &Order, number: u64) -> Option<Planned> {
    let mut scenario = draw(order.seed, number);
    scenario.surfaces.retain(|surface| order.surfaces.contains(surface));
    let turn = number.checked_rem(scenario.surfaces.len() as u64)?;
    let surface = scenario.surfaces[turn as usize];
    Some(Planned { scenario, surface })
}

/// After whatever happened, a plain call must succeed.
async fn check_plain_call<F, Fut>(soak: &mut Soak, order: &Order, hold: &F)
where
    F: Fn(Planned) -> Fut,
    Fut: Future<Output = TrialReport>,
{
    let turn = soak.plain_calls % order.surfaces.len() as u64;
    let planned = Planned { scenario: plain_call(), surface: order.surfaces[turn as usize] };
    let mut last = None;
    for _ in 0..PLAIN_TRIES_MAX {
        let report = hold(planned.clone()).await;
        let is_well = report.observed.outcome == Some("success") && breach(&report).is_none();
        if is_well || report.verdict == Verdict::Skip {
            soak.plain_calls += 1;
            return;
        }
        last = Some(report);
    }
    last.into_iter().for_each(|report| soak.fail_plain_call(report));
}

impl Soak {
    /// Counts one draw, and keeps it if it failed as nothing before.
    fn note(&mut self, planned: Planned, report: TrialReport) {
        self.draws += 1;
        self.attempts += report.observed.attempts as u64;
        self.counts.add(&report);
        if report.verdict != Verdict::Skip {
            *self.outcomes.entry(report.observed.outcome.unwrap_or("none")).or_default() += 1;
        }
        let failed = report.findings.iter().filter(|finding| finding.level == Level::Fail);
        let mut codes: Vec<Code> = failed.map(|finding| finding.code).collect();
        codes.sort();
        codes.dedup();
        for code in codes {
            *self.codes.entry(code).or_default() += 1;
        }
        if let Some(code) = breach(&report).filter(|code| self.has_room_for(*code)) {
            self.suspects.push_back(Suspect { planned, report, code, again: false });
        }
    }

    fn has_room_for(&self, code: Code) -> bool {
        let failures = self.failures.iter().map(|failure| failure.code);
        let known: Vec<_> =
            failures.chain(self.suspects.iter().map(|suspect| suspect.code)).collect();
        known.len() < FAILURES_MAX
            && known.iter().filter(|known| **known == code).count() < ALIKE_MAX
    }

    /// Makes the first suspect a failure, unless the machine may have been to blame.
    fn settle(&mut self, folder: &Path) {
        let Some(suspect) = self.suspects.pop_front() else { return };
        if !suspect.again && suspect.may_be_the_machine() {
            self.unsteady += 1;
            return;
        }
        let file = suspect.write(folder);
        let Suspect { code, report, again, .. } = suspect;
        self.failures.push(Failure { code, report, file, again });
    }

    /// The same with all, when there is no more time to look at them.
    fn settle_all(&mut self, folder: &Path) {
        while !self.suspects.is_empty() {
            self.settle(folder);
        }
    }

    fn fail_plain_call(&mut self, report: TrialReport) {
        self.plain_calls += 1;
        let report = not_healed(report);
        *self.codes.entry(Code::NotHealed).or_default() += 1;
        if self.has_room_for(Code::NotHealed) {
            let (code, file, again) = (Code::NotHealed, None, true);
            self.failures.push(Failure { code, report, file, again });
        }
    }

    fn why_not_clean(&self, client: &Client) -> Option<Stop> {
        let name = format!("{} {}", client.name, client.version);
        if self.counts.judged() == 0 {
            return Some(Stop::new(
                Exit::NotChecked,
                format!("no draw says anything about {name}"),
            ));
        }
        let n_failures = console::count(self.failures.len(), "failure");
        let is_clean = self.failures.is_empty();
        (!is_clean).then(|| Stop::new(Exit::Findings, format!("{name}: {n_failures}")))
    }
}

/// A line now and then for whoever watches.
struct SignOfLife {
    bar: indicatif::ProgressBar,
    started: Instant,
    last: Instant,
}

impl SignOfLife {
    fn new(limit: Duration) -> Self {
        let now = Instant::now();
        Self { bar: super::bar(limit.as_secs() as usize), started: now, last: now }
    }

    fn see(&mut self, soak: &Soak) {
        self.bar.set_position(self.started.elapsed().as_secs());
        if SIGN_OF_LIFE <= self.last.elapsed() {
            self.last = Instant::now();
            let line = tell::so_far(soak, self.started.elapsed());
            self.bar.println(line);
        }
    }
}

#[cfg(test)]
mod tests;
