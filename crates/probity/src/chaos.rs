//! The `chaos` verb: puts clients on trial and tells how they handle a bad day.
//!
//! | question | module |
//! |---|---|
//! | who is tried, and on what? | [`candidate`], `inputs` |
//! | which trials are held, and when? | [`schedule`], [`run`] |
//! | what came of them? | [`card`] |
//! | which failures are known? | [`expected`] |
//! | what changed since last time? | [`ledger`] |
//! | how do Rust users try a client in their own tests? | [`in_process`] |
//! | which scenario catches which wrong client? | [`mutants`] |
//! | what comes of faults that nobody thought of? | [`soak`] |
//! | how is it told? | [`report`] |
//!
//! A finding about a client is data: only one that nobody expects ends the run with 1.

pub mod candidate;
pub mod card;
pub mod expected;
pub mod in_process;
mod inputs;
pub mod ledger;
pub mod mutants;
pub mod report;
pub mod run;
pub mod schedule;
pub mod soak;

pub use self::in_process::{Answer, Call, Failure, trial, trial_of};
pub use ::chaos::ToolCall;

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use chaos::oracle::Verdict;
use classify::Request;
use contract::spec::Contract;
use futures::future::{Either, select};
use tokio::runtime::Runtime;
use wire::tls::Authority;
use wire::trial::{Pace, Stage};

use self::candidate::Candidate;
use self::card::{Profile, Scorecard};
use self::ledger::Comparison;
use self::report::{human, json, junit, markdown};
use self::run::Jobs;
use self::schedule::{Choice, Planned};
use crate::cli::{ChaosArgs, ChaosFormat, ChaosReportKind};
use crate::config::Config;
use crate::console::{self, Paint, complain, say};
use crate::embedded;
use crate::exit::{Exit, Stop, decide};
use crate::report::human::Page;
use crate::settings;
use crate::smoke::CANARY;
use crate::specs::{Overrides, Specs};

/// The folder of the ledgers, if there is one of that name, and theirs in it.
const SNAPSHOTS: &str = "snapshots";
const CLIENTS: &str = "clients";

/// The reference client waits in no time or does nothing meanwhile, so more of its trials go on at once.
const REFERENCE_JOBS: Jobs = Jobs { usual: 32, timed: 16 };

/// The verb.
pub fn chaos(args: &ChaosArgs) -> Result<Exit, Stop> {
    if args.accept && console::is_ci() {
        return Err(Stop::usage("--accept in a CI job would accept what nobody has looked at"));
    }
    let config = Config::load(args.config.as_deref())?;
    let mut specs = Specs::load(&Overrides::default())?;
    if !args.scenarios.is_empty() {
        // The alarm is tried whatever is played.
        specs.scenarios.retain(|scenario| scenario.id == CANARY);
        specs.scenarios.extend(inputs::scenarios(&args.scenarios)?);
    }
    let choice = Choice {
        profile: args.profile,
        scenarios: args.scenario.clone(),
        surfaces: args.surface.clone(),
        retries: args.retries,
        timeout_ms: args.timeout.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
    };
    let plan = choice.plan(&specs.scenarios)?;
    if args.dry_run {
        say(&dry_run(&plan));
        return Ok(Exit::Clean);
    }
    let expected = inputs::expected(args, &specs)?;
    let home = tempfile::tempdir().map_err(|error| {
        Stop::new(Exit::Internal, format!("no folder for temporary files: {error}"))
    })?;
    // Without TLS in this build its scenarios are skipped, with that reason.
    let authority = Authority::generate().ok().map(Arc::new);
    let env = inputs::trust(authority.as_deref(), home.path())?;
    let candidates = inputs::candidates(args, &config, home.path(), &env)?;
    if let Some(limit) = args.soak {
        return soak::soak(args, &specs, &candidates, limit);
    }
    let runtime = settings::runtime()?;
    let bench = Bench {
        args,
        specs: &specs,
        choice: &choice,
        plan: &plan,
        runtime: &runtime,
        authority: authority.as_ref(),
    };
    let mut cards = vec![];
    let mut reasons = vec![];
    for candidate in &candidates {
        let (mut card, end) = bench.try_client(candidate)?;
        for list in &expected {
            list.apply(&mut card);
        }
        reasons.extend(end);
        cards.push(card);
    }
    bench.finish(&cards, reasons)
}

/// What all clients have in common.
struct Bench<'a> {
    args: &'a ChaosArgs,
    specs: &'a Specs,
    choice: &'a Choice,
    plan: &'a [Planned],
    runtime: &'a Runtime,
    /// Vouches for servers that speak TLS, in a build that can.
    authority: Option<&'a Arc<Authority>>,
}

impl Bench<'_> {
    /// One client's scorecard, and why it is not whole, if it is not.
    fn try_client(&self, candidate: &Candidate) -> Result<(Scorecard, Option<Stop>), Stop> {
        let started = Instant::now();
        let page = self.page();
        let client = self.runtime.block_on(candidate.about())?;
        if self.is_talking() && !self.args.quiet {
            say(&human::head(page, &client, self.choice.profile, self.plan.len()));
        }
        let mut results = vec![];
        let end = self.runtime.block_on(async {
            let mock = embedded::start_for_anyone(&self.specs.contract).await?;
            let check = contract_check(&self.specs.contract);
            let stage = Stage {
                scripts: &self.specs.scripts,
                mock: Some(mock.address()),
                check: Some(&check),
                authority: self.authority,
                pace: if self.choice.profile == Profile::Full { Pace::Full } else { Pace::Default },
            };
            check_alarm(self.specs, candidate, stage).await?;
            let hold = |planned: Planned| async move {
                candidate.trial(&planned.scenario, planned.surface, stage).await
            };
            let bar = bar(self.plan.len());
            let held = run::play(self.plan, jobs(self.args, candidate), hold, |report| {
                results.push(report.clone());
                bar.inc(1);
            });
            let interrupt = tokio::signal::ctrl_c();
            let end = match select(pin!(held), pin!(interrupt)).await {
                Either::Left((reports, _)) => (Some(reports), None),
                Either::Right(_) => {
                    let reason = "interrupted before the plan was done";
                    (None, Some(Stop::new(Exit::Interrupted, reason)))
                }
            };
            bar.finish_and_clear();
            candidate.stop().await;
            Ok::<_, Stop>(end)
        })?;
        let (reports, stop) = end;
        let is_whole =
            reports.is_some() && self.choice.is_everything() && self.args.scenarios.is_empty();
        let card = Scorecard {
            client,
            profile: self.choice.profile,
            results: reports.unwrap_or(results),
            stale: vec![],
            is_whole,
            elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        Ok((card, stop))
    }

    fn finish(&self, cards: &[Scorecard], mut reasons: Vec<Stop>) -> Result<Exit, Stop> {
        let page = self.page();
        for card in cards {
            reasons.extend(why_not_clean(card));
            if self.is_talking() {
                say(&human::card(page, card, self.args.verbose));
            }
            reasons.extend(self.compare(card)?);
        }
        self.write_reports(cards)?;
        let timings = !self.args.no_timings;
        match self.args.format {
            ChaosFormat::Human => say(&human::end(page, cards, &reasons, timings)),
            ChaosFormat::Json => say(&json::text(cards, timings)),
            ChaosFormat::Markdown => say(&markdown::text(cards)),
        }
        let stop = decide(&reasons);
        if let Some(stop) = stop.filter(|_| !self.is_talking()) {
            complain(&format!("exit {}: {stop}\n", stop.exit.code()));
        }
        Ok(stop.map_or(Exit::Clean, |stop| stop.exit))
    }

    /// Holds the scorecard against the ledger of its client; why the run is not clean, if they differ.
    fn compare(&self, card: &Scorecard) -> Result<Option<Stop>, Stop> {
        let named = self.args.snapshots.clone();
        let found =
            named.or_else(|| Path::new(SNAPSHOTS).is_dir().then(|| PathBuf::from(SNAPSHOTS)));
        let is_usual = card.is_whole && card.profile == Profile::Default;
        let Some(folder) = found.filter(|_| is_usual) else { return Ok(None) };
        let comparison = ledger::compare(&folder.join(CLIENTS), card, self.args.accept)?;
        if self.is_talking() {
            say(&human::comparison(self.page(), &comparison));
        }
        Ok(match comparison {
            Comparison::Accepted(_) | Comparison::Matches | Comparison::Missing(_) => None,
            Comparison::Differs(path, changes) => {
                let n_lines = console::count(changes.len(), "line");
                Some(Stop::new(
                    Exit::Pending,
                    format!("{} differs in {n_lines}: --accept takes them", path.display()),
                ))
            }
        })
    }

    fn write_reports(&self, cards: &[Scorecard]) -> Result<(), Stop> {
        let timings = !self.args.no_timings;
        for report in &self.args.report {
            let bytes = match report.kind {
                ChaosReportKind::Html => {
                    report::html::text(cards, &self.specs.scenarios, timings).into_bytes()
                }
                ChaosReportKind::Json => json::text(cards, timings).into_bytes(),
                ChaosReportKind::Junit => {
                    let mut bytes = vec![];
                    junit::write(cards, timings, &mut bytes)
                        .map_err(|error| Stop::new(Exit::Internal, format!("JUnit: {error}")))?;
                    bytes
                }
                ChaosReportKind::Markdown => markdown::text(cards).into_bytes(),
            };
            let failed =
                |error| Stop::usage(format!("failed to write {}: {error}", report.path.display()));
            fs::write(&report.path, bytes).map_err(failed)?;
        }
        Ok(())
    }

    fn page(&self) -> Page {
        Page { width: console::width(), paint: Paint::decide(self.args.color) }
    }

    fn is_talking(&self) -> bool {
        self.args.format == ChaosFormat::Human
    }
}

/// Trials at once.
fn jobs(args: &ChaosArgs, candidate: &Candidate) -> Jobs {
    match candidate {
        Candidate::Driver { .. } => Jobs { usual: usize::from(args.jobs), timed: 1 },
        Candidate::Reference => REFERENCE_JOBS,
    }
}

/// Why a client's scorecard is not clean.
fn why_not_clean(card: &Scorecard) -> Vec<Stop> {
    let counts = card.counts();
    let name = format!("{} {}", card.client.name, card.client.version);
    let mut reasons = vec![];
    if counts.judged() == 0 {
        reasons.push(Stop::new(Exit::NotChecked, format!("no trial says anything about {name}")));
    }
    let mut findings = |count: usize, what: &str| {
        if count > 0 {
            reasons.push(Stop::new(
                Exit::Findings,
                format!("{name}: {}", console::count(count, what)),
            ));
        }
    };
    findings(counts.fail, "unexpected failure");
    findings(counts.harness_error, "trial that could not be held");
    findings(card.stale.len(), "stale expectation");
    reasons
}

/// A run whose alarm does not go off says nothing: the canary's expectation is wrong on purpose.
async fn check_alarm(specs: &Specs, candidate: &Candidate, stage: Stage<'_>) -> Result<(), Stop> {
    let Some(canary) = specs.scenarios.iter().find(|scenario| scenario.id == CANARY) else {
        return Ok(());
    };
    let surface =
        candidate.surfaces().await.into_iter().find(|surface| canary.surfaces.contains(surface));
    let Some(surface) = surface else { return Ok(()) };
    let report = candidate.trial(canary, surface, stage).await;
    match report.verdict {
        Verdict::Fail => Ok(()),
        Verdict::HarnessError => Err(Stop::new(Exit::NotChecked, card::cause(&report))),
        verdict => {
            let reason = format!(
                "the canary must fail and was judged {verdict} ({}): no verdict of this run can be trusted",
                card::cause(&report)
            );
            Err(Stop::new(Exit::Internal, reason))
        }
    }
}

/// What the contract has against a request, judged as the mock would judge it.
fn contract_check(contract: &Contract) -> impl Fn(&Request) -> Vec<String> + Sync + '_ {
    let config = mock::Config {
        key: None,
        rules: mock::Rules::All,
        seed: settings::SEED,
        pace: mock::Pace::Instant,
        limits: None,
    };
    let state = mock::State::new();
    let now = mock::Now::at_date(&contract.as_of);
    move |request| {
        let Some(now) = now else { return vec![] };
        let violations = mock::violations(&state, contract, &config, request, now);
        let place = |path: &str| if path.is_empty() { String::new() } else { format!(" {path}") };
        let told = violations.iter().map(|one| (one.rule, place(&one.path), &one.message));
        told.map(|(rule, place, message)| format!("{rule}{place}: {message}")).collect()
    }
}

fn dry_run(plan: &[Planned]) -> String {
    let lines = plan.iter().map(|Planned { scenario, surface }| {
        format!(
            "{:?} {:34} {:7} {}\n",
            scenario.severity,
            scenario.id,
            surface.name(),
            scenario.why
        )
    });
    let lines: String = lines.collect();
    format!("{lines}\ndry run: {} would be held\n", console::count(plan.len(), "trial"))
}

fn bar(n_trials: usize) -> indicatif::ProgressBar {
    if console::is_watched() {
        indicatif::ProgressBar::new(n_trials as u64)
    } else {
        indicatif::ProgressBar::hidden()
    }
}
