//! The `contract` verb: runs, tells, compares, and decides how it ends.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use contract::exceptions::Exceptions;
use tokio::runtime::Runtime;
use wire::journal::Journal;
use wire::target::Key;

use crate::cli::{ContractArgs, Format, Report, ReportKind};
use crate::config::Config;
use crate::console::{self, Paint, complain, count, say};
use crate::curl;
use crate::exit::{Exit, Stop, decide};
use crate::explain;
use crate::ledger::{self, Comparison, Folders, Ledger, Mode};
use crate::live;
use crate::live::estimate;
use crate::outcome::{asides, empty_shard, reasons};
use crate::report::conformance::{Told, badge, markdown, page};
use crate::report::human::Page;
use crate::report::{Head, Summary, github, human, json, junit};
use crate::reporter::{Reporter, create, failed};
use crate::resume;
use crate::run::{End, Order, Past, Run, Unwatched, Watch, run};
use crate::selection::Selection;
use crate::settings::{self, Settings};
use crate::specs::{Overrides, Specs};
use crate::target::ledger as target_ledger;

/// The folder of the ledgers, if there is one of that name.
pub(crate) const SNAPSHOTS: &str = "snapshots";

/// Bodies that go to files beside a finding; the rest is one command away.
const BODY_FILES_MAX: usize = 25;

/// The ledgers of a usual run, by name: nothing is printed, no file is written.
pub fn run_for_ledgers() -> Result<Vec<(String, String)>, Stop> {
    let mut specs = Specs::load(&Overrides::default())?;
    let mut exceptions = std::mem::take(&mut specs.exceptions);
    let selection = Selection::default();
    let order = Order {
        specs: &specs,
        seed: settings::SEED,
        heavy: false,
        cases_max: None,
        time_max: None,
        selection: &selection,
        target: None,
        chaos: false,
        past: Past::None,
        limits: None,
        trial: None,
    };
    let run = run(&settings::runtime()?, &order, &mut exceptions, &mut Unwatched)?;
    let ledgers = ledger::ledgers(&specs.contract, &run);
    Ok(ledgers.into_iter().map(|Ledger { name, text, .. }| (name, text)).collect())
}

/// The verb.
pub fn contract(args: &ContractArgs) -> Result<Exit, Stop> {
    let started = Instant::now();
    let config = Config::load(args.common.config.as_deref())?;
    let settings = Settings::contract(args, &config)?;
    if settings.accept && console::is_ci() {
        return Err(Stop::usage("--accept in a CI job would accept what nobody has looked at"));
    }
    if settings.target_url.is_none() && settings.reports.iter().any(is_of_target) {
        return Err(Stop::usage("html, markdown and badge are reports of a target: --target URL"));
    }
    let mut specs = Specs::load(&settings.overrides)?;
    let runtime = settings::runtime()?;
    let target = runtime.block_on(settings.target())?;
    let mut exceptions = std::mem::take(&mut specs.exceptions);
    let book = resume::book(&settings)?;
    let past = book.as_ref().map_or(Past::None, Past::Answers);
    let order = Order::new(&specs, &settings, target, past);
    if let Some(book) = &book {
        resume::check(book, &settings, &order)?;
    }
    if settings.is_comparing && order.target.is_none() {
        return live::compare_with_day(&runtime, &settings, order);
    }
    conduct(started, &settings, &order, &runtime, &mut exceptions)
}

/// Runs as ordered, tells, compares, and decides how it ends.
pub(crate) fn conduct(
    started: Instant,
    settings: &Settings,
    order: &Order<'_>,
    runtime: &Runtime,
    exceptions: &mut Exceptions,
) -> Result<Exit, Stop> {
    let specs = order.specs;
    order.check_globs()?;
    let head = head(settings, order);
    let page = Page { width: console::width(), paint: Paint::decide(settings.color) };
    if settings.dry_run {
        return Ok(dry_run(page, settings, &head, order));
    }
    let mut reporter = Reporter::begin(page, settings, order)?;
    if reporter.is_talking {
        say(&human::head(page, &head));
    }
    let what = format!(
        "{} rules, {} witnesses, {} scripted answers, {} scenarios",
        head.rules,
        specs.witnesses.len(),
        specs.scripts.len(),
        specs.scenarios.len()
    );
    reporter.passed("load", &what, started.elapsed());
    let run = run(runtime, order, exceptions, &mut reporter);
    reporter.bar.finish_and_clear();
    let mut run = run?;
    live::finish(runtime, settings, order, &mut run, &mut reporter)?;
    if let (Some(path), Some(conformance)) = (&settings.trial.ledger, &mut run.conformance) {
        let compared = target_ledger::compare(path, &head.target, conformance, settings.accept)?;
        conformance.ledger = Some(compared);
    }
    let (comparison, not_compared) = compare(settings, order, &run, &mut reporter)?;
    let asides = asides(specs, &run, &comparison, order.stale_exceptions(&run, exceptions));
    let mut reasons = reasons(settings, &run, &reporter.groups, &comparison, &asides);
    let Reporter { groups, key, writers, journal, trouble, .. } = reporter;
    reasons.extend(trouble);
    let mut plan = resume::head(settings, order).scope;
    if let Past::Old(old) = order.past {
        // It is of no more than was sent then.
        plan.max_cases = old.book().head.scope.max_cases;
    }
    let summary = Summary {
        head: &head,
        run: &run,
        groups: &groups,
        comparison: &comparison,
        not_compared,
        empty_shard: empty_shard(settings, &run),
        asides: &asides,
        reasons: &reasons,
        plan: &plan,
        old: match order.past {
            Past::Old(old) => Some(old),
            Past::None | Past::Answers(_) | Past::Shards(_) => None,
        },
        elapsed: settings.timings.then(|| started.elapsed()),
        verbose: settings.verbose,
    };
    write_bodies(&summary);
    write_reports(settings, &key, &summary, specs)?;
    finish(writers, journal, &summary)?;
    let has_github = std::env::var_os("GITHUB_ACTIONS").is_some();
    if has_github {
        tell_github(settings, &key, &summary);
    }
    let mut text = human::end(page, &summary, settings.quiet);
    if let Some(compared) = &run.compared {
        text = live::compare::text(compared, live::LIVE) + &text;
    }
    match settings.format {
        Format::Human => say(&key.scrub(&text)),
        Format::Json | Format::Ndjson => {
            if let Some(stop) = decide(&reasons) {
                complain(&key.scrub(&format!("exit {}: {stop}\n", stop.exit.code())));
            }
        }
    }
    Ok(decide(&reasons).map_or(Exit::Clean, |stop| stop.exit))
}

fn head(settings: &Settings, order: &Order<'_>) -> Head {
    let target = resume::target(order);
    let mut plan = if settings.selection.has_globs() {
        settings.globs.join(", ")
    } else {
        "the whole corpus".to_owned()
    };
    if let Some(shard) = settings.selection.shard() {
        plan += &format!(", shard {}/{}", shard.index, shard.count);
    }
    if let Some(cases) = settings.cases_max {
        plan += &format!(", at most {}", count(cases, "case"));
    }
    if let Some(time) = settings.time_max {
        plan += &format!(", at most {} s", time.as_secs_f64());
    }
    if settings.heavy {
        plan += ", heavy bodies too";
    }
    Head::new(order.specs, settings.seed, target, plan, replay_command(settings, order))
}

/// The replay verb with what makes it send the same to the same server.
fn replay_command(settings: &Settings, order: &Order<'_>) -> String {
    let mut command = "probity replay".to_owned();
    if let Some(target) = &order.target {
        command += &format!(" --target {}", curl::quote(target.base_url()));
        if let Some(model) = &settings.trial.model {
            command += &format!(" --model {}", curl::quote(model));
        }
    }
    command += &settings.way.flags();
    if settings.seed != settings::SEED {
        command += &format!(" --seed {}", settings.seed);
    }
    command
}

/// Counts what a run would send.
fn dry_run(page: Page, settings: &Settings, head: &Head, order: &Order<'_>) -> Exit {
    let mut counts = BTreeMap::new();
    let mut total = 0;
    let mut estimate = order.limits.map(|limits| (estimate::Rows::default(), limits.prices));
    for case in order.cases(|_| {}) {
        *counts.entry((case.operation, case.version, case.origin.name())).or_insert(0) += 1;
        if let Some((rows, _)) = &mut estimate {
            estimate::note(rows, &case);
        }
        total += 1;
    }
    match settings.format {
        Format::Human => {
            let mut text = human::head(page, head);
            for ((operation, version, kind), cases) in &counts {
                text += &format!(
                    "{operation:24}{version:12}{kind:10}{:>8}\n",
                    console::thousands(*cases)
                );
            }
            if let Some((rows, prices)) = &estimate {
                text += &estimate::text(rows, *prices);
            }
            say(&format!(
                "{text}\ndry run: {} would be tried, nothing was sent\n",
                count(total, "case")
            ));
        }
        Format::Json | Format::Ndjson => {
            let rows: Vec<_> = counts
                .iter()
                .map(|((operation, version, kind), cases)| {
                    serde_json::json!({"operation": operation.name(), "api_version": version.name(), "origin": kind, "cases": cases})
                })
                .collect();
            say(&format!(
                "{}\n",
                serde_json::json!({
                    "dry_run": true, "seed": head.seed, "cases": total, "plan": rows,
                    "estimate": estimate.map(|(rows, prices)| estimate::to_json(&rows, prices)),
                })
            ));
        }
    }
    Exit::Clean
}

fn compare(
    settings: &Settings,
    order: &Order<'_>,
    run: &Run,
    reporter: &mut Reporter,
) -> Result<(Comparison, Option<&'static str>), Stop> {
    let started = Instant::now();
    let folder = settings
        .snapshots
        .clone()
        .or_else(|| Path::new(SNAPSHOTS).is_dir().then(|| PathBuf::from(SNAPSHOTS)));
    let why_not = match &folder {
        None => Some("there is no folder `snapshots` here, and --snapshots names none"),
        Some(_) if run.end != End::Complete => Some("the run did not reach its end"),
        Some(_) => order.not_comparable(settings::SEED),
    };
    let (Some(folder), None) = (folder, why_not) else {
        return Ok((Comparison::default(), why_not));
    };
    let mode = match settings.accept {
        true => Mode::Accept,
        false if console::is_ci() => Mode::Check,
        false => Mode::Propose,
    };
    let folders = Folders { snapshots: &folder, cases: Path::new(ledger::CASES) };
    let comparison = ledger::compare(folders, &ledger::ledgers(&order.specs.contract, run), mode)?;
    let mut what = format!("{} match", comparison.matching);
    if !comparison.accepted.is_empty() {
        what += &format!(", {} accepted", comparison.accepted.len());
    }
    if !comparison.pending.is_empty() {
        what += &format!(", {} pending", comparison.pending.len());
    }
    reporter.passed("ledgers", &what, started.elapsed());
    Ok((comparison, None))
}

fn write_reports(
    settings: &Settings,
    key: &Key,
    summary: &Summary<'_>,
    specs: &Specs,
) -> Result<(), Stop> {
    let is_told = settings.reports.iter().any(is_of_target);
    let entries = if is_told { explain::index(specs) } else { Vec::new() };
    let told = summary.run.conformance.as_ref().map(|conformance| Told {
        head: summary.head,
        conformance,
        entries: &entries,
        key,
        scope: summary.plan,
        cases: summary.run.board.records.len(),
        is_complete: summary.run.end == End::Complete
            && summary.old.is_none_or(|old| old.book().skipped.is_some()),
    });
    for Report { kind, path } in &settings.reports {
        let text = match (kind, &told) {
            (ReportKind::Junit, _) => {
                let mut text = Vec::new();
                junit::write(summary, &mut text)
                    .map_err(|error| Stop::new(Exit::Internal, format!("JUnit: {error}")))?;
                text
            }
            (ReportKind::Badge, Some(told))
                if path.extension().is_some_and(|ext| ext == "json") =>
            {
                badge::json(told).into_bytes()
            }
            (ReportKind::Badge, Some(told)) => badge::svg(told).into_bytes(),
            (ReportKind::Html, Some(told)) => page::text(told).into_bytes(),
            (ReportKind::Markdown, Some(told)) => markdown::text(told).into_bytes(),
            // Nothing was asked of a target, and nothing is to be told of it.
            (ReportKind::Badge | ReportKind::Html | ReportKind::Markdown, None) => continue,
            // They are written as the run goes.
            (ReportKind::Json | ReportKind::Ndjson, _) => continue,
        };
        create(path)?.write_all(&key.scrub_bytes(&text)).map_err(|error| failed(path, &error))?;
    }
    Ok(())
}

/// Whether the report tells what a target's answers come to.
pub(crate) fn is_of_target(report: &Report) -> bool {
    matches!(report.kind, ReportKind::Badge | ReportKind::Html | ReportKind::Markdown)
}

fn finish(
    writers: Vec<json::Writer>,
    journal: Option<Journal<File>>,
    summary: &Summary<'_>,
) -> Result<(), Stop> {
    let closed = writers.into_iter().try_for_each(|writer| match writer.finish(summary) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    });
    let run = summary.run;
    let journal = journal.map_or(Ok(()), |mut journal| {
        if run.end == End::Complete {
            journal.complete(&run.skipped)?;
        }
        journal.finish().map(drop)
    });
    closed
        .and(journal)
        .map_err(|error| Stop::new(Exit::Internal, format!("failed to write a report: {error}")))
}

/// The bodies that curl lines of the summary read. Best effort: the replay command makes them as well.
fn write_bodies(summary: &Summary<'_>) {
    for group in summary.groups.ranked().into_iter().take(BODY_FILES_MAX) {
        let file = group.example.curl.as_ref().and_then(|curl| curl.body_file.as_ref());
        if let (Some(file), Some(body)) = (file, &group.example.body) {
            let made = std::fs::create_dir_all(curl::BODIES);
            let _best_effort = made.and_then(|()| std::fs::write(file, body));
        }
    }
}

fn tell_github(settings: &Settings, key: &Key, summary: &Summary<'_>) {
    let annotations = github::annotations(summary);
    let annotations = key.scrub(&annotations);
    match settings.format {
        Format::Human => say(&annotations),
        Format::Json | Format::Ndjson => complain(&annotations),
    }
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") {
        let page = github::page(summary);
        let file = File::options().append(true).create(true).open(path);
        let _best_effort = file.and_then(|mut file| file.write_all(key.scrub(&page).as_bytes()));
    }
}
