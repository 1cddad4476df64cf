//! The scorecard that people read at a terminal: what fails first, grouped by the harm it does.

use std::fmt::Write as _;

use chaos::oracle::{Code, Verdict};
use chaos::scenario::Severity;
use chaos::{Surface, TrialReport};

use super::super::card::{Client, Counts, Profile, Scorecard, cause, harm};
use super::super::ledger::Comparison;
use crate::console::{Paint, count, fold};
use crate::exit::{Stop, decide};
use crate::report::human::Page;

const SURFACES: [Surface; 3] = [Surface::Create, Surface::Stream, Surface::Raw];

/// A surface's column: the longest verdict that is shown in it, and a space.
const CELL: usize = 8;

/// Scenario ids are rarely longer, and a column of the longest would starve the causes.
const ID: usize = 34;

/// What is known before a client is tried.
pub fn head(page: Page, client: &Client, profile: Profile, n_trials: usize) -> String {
    let Page { paint, .. } = page;
    let runtime =
        client.runtime.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    format!(
        "{}  {} {} ({}{runtime})  {}\n",
        paint.bold(concat!("probity ", env!("CARGO_PKG_VERSION"), " chaos")),
        client.name,
        client.version,
        client.language,
        paint.dim(format_args!("profile {}, {}", profile.name(), count(n_trials, "trial"))),
    )
}

/// One client's scorecard. Without `verbose` only what is not a pass has a line.
pub fn card(page: Page, card: &Scorecard, verbose: bool) -> String {
    let paint = page.paint;
    let mut text = String::new();
    for (severity, rows) in card.by_severity() {
        let counts = Counts::of(rows.values().flat_map(|row| row.values().copied()));
        text += &heading(page, severity, counts);
        let mut has_head = false;
        for (id, row) in &rows {
            let reports: Vec<_> = row.values().copied().collect();
            if !verbose && reports.iter().all(|report| is_quiet(report)) {
                continue;
            }
            if !has_head {
                text += &columns(paint);
                has_head = true;
            }
            let cells: String =
                SURFACES.map(|surface| cell(paint, row.get(&surface).copied())).concat();
            let _ = writeln!(text, "  {id:ID$} {}", cells.trim_end());
            text += &causes(page, &reports);
        }
    }
    for entry in &card.stale {
        let what = format!("`{entry}` is expected to fail and does not: remove the entry");
        let _ = writeln!(text, "\n{} {what}", paint.red("stale"));
    }
    text
}

/// What the severity means, and how many trials came to what: behind it where there is room, else below.
fn heading(page: Page, severity: Severity, counts: Counts) -> String {
    let (name, harm, totals) = (format!("{severity:?}"), harm(severity), totals(counts));
    let is_long = page.width < name.len() + 1 + harm.len() + 2 + totals.len();
    let gap = if is_long { "\n   " } else { "  " };
    format!("\n{} {harm}{gap}{}\n", page.paint.bold(name), page.paint.dim(totals))
}

fn columns(paint: Paint) -> String {
    let names: String = SURFACES.map(|surface| format!("{:CELL$}", surface.name())).concat();
    format!("{}\n", paint.dim(format_args!("  {:ID$} {}", "", names.trim_end())))
}

/// Whether nobody needs to read more about it.
fn is_quiet(report: &TrialReport) -> bool {
    match report.verdict {
        Verdict::Pass | Verdict::Skip => true,
        Verdict::Fail
        | Verdict::HarnessError
        | Verdict::Inconclusive
        | Verdict::Info
        | Verdict::Warn => false,
    }
}

fn cell(paint: Paint, report: Option<&TrialReport>) -> String {
    let Some(report) = report else { return format!("{:CELL$}", "·") };
    let word = match report.verdict {
        Verdict::Fail if report.excuse.is_some() => "known",
        Verdict::Fail => "FAIL",
        Verdict::HarnessError => "error",
        Verdict::Inconclusive => "unclear",
        Verdict::Info => "info",
        Verdict::Pass => "pass",
        Verdict::Skip => "skip",
        Verdict::Warn => "warn",
    };
    // Padded before it is painted: escapes have no width.
    let word = format!("{word:CELL$}");
    match report.verdict {
        Verdict::Fail if report.excuse.is_none() => paint.red(word),
        Verdict::HarnessError => paint.red(word),
        Verdict::Fail | Verdict::Inconclusive | Verdict::Warn => paint.yellow(word),
        Verdict::Pass => paint.green(word),
        Verdict::Info | Verdict::Skip => paint.dim(word),
    }
}

/// Why, once for all surfaces that say the same.
fn causes(page: Page, reports: &[&TrialReport]) -> String {
    let mut told: Vec<(String, Vec<&str>)> = vec![];
    for report in reports.iter().filter(|report| !is_quiet(report)) {
        let cause = cause(report);
        match told.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, surfaces)) => surfaces.push(report.surface.name()),
            None => told.push((cause, vec![report.surface.name()])),
        }
    }
    let several = told.len() > 1;
    let mut text = String::new();
    for (cause, surfaces) in told {
        let place = if several { format!("{}: ", surfaces.join(", ")) } else { String::new() };
        let line = fold(&format!("{place}{cause}"), page.width, "      ");
        let _ = writeln!(text, "{}", page.paint.dim(line));
    }
    text
}

fn totals(counts: Counts) -> String {
    let named: Vec<_> =
        counts.named().into_iter().map(|(name, count)| format!("{count} {name}")).collect();
    named.join(", ")
}

/// What the ledger says.
pub fn comparison(page: Page, comparison: &Comparison) -> String {
    let paint = page.paint;
    match comparison {
        Comparison::Matches => String::new(),
        Comparison::Accepted(path) => format!("\nledger {} accepted\n", path.display()),
        Comparison::Missing(path) => {
            format!("\nledger {} is not there: --accept writes it\n", path.display())
        }
        Comparison::Differs(path, changes) => {
            let mut text = format!("\n{} {} differs\n", paint.yellow("ledger"), path.display());
            for line in changes {
                let line = if line.starts_with('-') { paint.red(line) } else { paint.green(line) };
                let _ = writeln!(text, "  {line}");
            }
            text
        }
    }
}

/// What the first failure was found to be.
fn gravest(cards: &[Scorecard]) -> Option<Code> {
    let mut failures = cards.iter().flat_map(Scorecard::failures);
    failures.find_map(|report| report.finding)
}

/// All clients in a few lines, and how it ends.
pub fn end(page: Page, cards: &[Scorecard], reasons: &[Stop], timings: bool) -> String {
    let paint = page.paint;
    let mut text = String::from("\n");
    for card in cards {
        let time = if timings {
            format!(" ({:.1} s)", card.elapsed_ms as f64 / 1000.0)
        } else {
            String::new()
        };
        let client = &card.client;
        let _ =
            writeln!(text, "{} {}: {}{time}", client.name, client.version, totals(card.counts()));
    }
    if let Some(code) = gravest(cards) {
        let advice = format!("`probity explain {code}` says what to change");
        let _ = writeln!(text, "{}", paint.dim(advice));
    }
    match decide(reasons) {
        Some(stop) => {
            let _ =
                writeln!(text, "{} {stop}", paint.red(format_args!("exit {}:", stop.exit.code())));
        }
        None => {
            let _ = writeln!(text, "{}", paint.green("clean"));
        }
    }
    text
}
