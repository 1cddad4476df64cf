//! The report that people read: what was run, what is wrong, how to see it again, and how it ends.

mod finding;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use chaos::oracle;
use contract::judge::Verdict;
use contract::version::{OperationId, Version};

use super::{EMBEDDED, Head, Summary, conformance};
use crate::console::{Paint, count, fold, thousands};
use crate::exit::{Exit, decide};
use crate::ledger::Pending;
use crate::rejudge::Change;

/// Blocks shown; past these a person reads the JSON report.
const GROUPS_MAX: usize = 25;
/// Characters of the spec's hash that are enough to tell two apart.
const HASH_CHARS: usize = 12;
/// Of a ledger's line, shown.
const LINE_CHARS_MAX: usize = 180;
/// Cases named that are judged otherwise than before; a new rule can touch thousands.
const CHANGES_MAX: usize = 20;

/// Width and colour.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub width: usize,
    pub paint: Paint,
}

/// What is known before anything is sent.
pub fn head(page: Page, head: &Head) -> String {
    let Page { paint, .. } = page;
    let version = concat!("probity ", env!("CARGO_PKG_VERSION"));
    let hash = &head.spec_sha256[..HASH_CHARS.min(head.spec_sha256.len())];
    let sizes =
        format!("{} operations, {} schemas, {} rules", head.operations, head.schemas, head.rules);
    format!(
        "{}  contract of {}  {}\n{}  {hash}  {}\n{}  {}\n{}  {}  seed {}\n\n",
        paint.bold(version),
        head.as_of,
        paint.dim(head.api_versions.join(" and ")),
        paint.dim("spec   "),
        paint.dim(sizes),
        paint.dim("target "),
        head.target,
        paint.dim("plan   "),
        head.plan,
        head.seed,
    )
}

/// One phase that is over.
pub fn phase(page: Page, name: &str, what: &str, elapsed: Option<Duration>) -> String {
    let Page { width, paint } = page;
    let time = elapsed.map_or_else(String::new, seconds);
    let room = width.saturating_sub(2 + 10 + time.len() + 1);
    format!("  {}{what:room$} {}\n", paint.bold(format_args!("{name:10}")), paint.dim(time))
}

/// Everything that is told at the end; nothing of it is needed to understand a clean run.
pub fn end(page: Page, summary: &Summary<'_>, quiet: bool) -> String {
    let mut text = String::new();
    let groups = summary.told();
    // What a rule demands is said once, however many groups break it.
    let mut explained = BTreeSet::new();
    for group in groups.iter().take(GROUPS_MAX) {
        let explanation = group.explanation().filter(|text| explained.insert(*text));
        text += &finding::block(page, summary, group, explanation);
    }
    if groups.len() > GROUPS_MAX {
        let _ = writeln!(
            text,
            "\nand {} more kinds of finding: --report json=FILE has all",
            groups.len() - GROUPS_MAX
        );
    }
    text += &asides(page, summary);
    text += &changes(page, summary);
    if summary.comparison.pending.iter().any(|pending| pending.is_new) {
        text.push('\n');
    }
    for pending in &summary.comparison.pending {
        text += &ledger(page, pending);
    }
    if !quiet {
        text += &table(page, summary);
        if let Some(conformance) = &summary.run.conformance {
            text += &conformance::human(page, conformance, summary.head);
        }
        if let Some(why) = summary.run.untold {
            text += &format!("\n{}\n", fold(why, page.width, ""));
        }
        text += &notes(page, summary);
    }
    text.push('\n');
    text += &last_line(page, summary);
    if quiet { text.trim_start().to_owned() } else { text }
}

fn asides(page: Page, summary: &Summary<'_>) -> String {
    let Page { width, paint } = page;
    let mut by_code: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for aside in summary.asides {
        by_code.entry(aside.code).or_default().push(&aside.what);
    }
    let mut text = String::new();
    for (code, whats) in by_code {
        let _ = writeln!(
            text,
            "\n{} {}",
            paint.red(format_args!("harness[{code}]")),
            count(whats.len(), "finding")
        );
        for what in whats {
            let _ = writeln!(text, "{}", fold(what, width, "  "));
        }
    }
    text
}

/// What is judged otherwise than it was, where old answers were judged again.
fn changes(page: Page, summary: &Summary<'_>) -> String {
    let Some(old) = summary.old else { return String::new() };
    let Page { paint, .. } = page;
    let changes = old.changes();
    if changes.is_empty() {
        return "\nevery verdict is the one in the journal\n".to_owned();
    }
    let title = format!("{} judged otherwise than in the journal", count(changes.len(), "case"));
    let mut text = format!("\n{}\n", paint.yellow(title));
    let shown = if summary.verbose { changes.len() } else { CHANGES_MAX };
    for Change { id, before, now } in changes.iter().take(shown) {
        let _ = writeln!(text, "  {id}\n    {before} → {now}");
    }
    if changes.len() > shown {
        let _ = writeln!(text, "  and {} more: --verbose has all", changes.len() - shown);
    }
    text
}

fn ledger(page: Page, pending: &Pending) -> String {
    let Page { paint, .. } = page;
    let title = format!("{} {}", paint.yellow("ledger"), paint.bold(&pending.name));
    if pending.is_new {
        return format!(
            "{title} is new: {}\n",
            count(pending.changes.len() + pending.changes_left_out, "line")
        );
    }
    let mut text = format!("\n{title} differs\n");
    for line in &pending.changes {
        let line = &cut(line);
        let line = if line.starts_with('-') { paint.red(line) } else { paint.green(line) };
        let _ = writeln!(text, "  {line}");
    }
    if pending.changes_left_out > 0 {
        let _ = writeln!(text, "  and {} more lines", pending.changes_left_out);
    }
    if pending.changes.is_empty() {
        let _ = writeln!(text, "  only the alignment of its columns");
    }
    for case in &pending.moved {
        let _ = writeln!(text, "    {case}");
    }
    if pending.moved_left_out > 0 {
        let list = pending
            .list
            .as_ref()
            .map(|list| format!(", all now in {}", list.display()))
            .unwrap_or_default();
        let _ = writeln!(text, "    and {} more cases{list}", pending.moved_left_out);
    }
    text
}

/// A long line lists many places; its beginning tells which it is.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}

fn table(page: Page, summary: &Summary<'_>) -> String {
    let Page { width, paint } = page;
    let mut rows: BTreeMap<(OperationId, Version), [usize; 4]> = BTreeMap::new();
    for record in &summary.run.board.records {
        rows.entry((record.operation, record.version)).or_default()[record.verdict as usize] += 1;
    }
    if rows.is_empty() {
        return String::new();
    }
    let name = if width < 100 { 22 } else { 32 };
    let columns = ["cases", "agree", "drift", "excused", "unclear"];
    let heads: String = columns.iter().map(|column| format!("{column:>9}")).collect();
    let mut text =
        format!("\n{}\n", paint.dim(format_args!("{:name$}{:11}{heads}", "operation", "version")));
    let mut sums = [0; 4];
    let line = |operation: &str, version: &str, counts: [usize; 4]| {
        let [agree, drift, excused, unclear] = counts;
        let cell = |count: usize| {
            format!("{:>9}", if count == 0 { "·".to_owned() } else { thousands(count) })
        };
        let total = cell(counts.iter().sum());
        let drift = if drift > 0 { paint.red(cell(drift)) } else { cell(drift) };
        let unclear = if unclear > 0 { paint.yellow(cell(unclear)) } else { cell(unclear) };
        format!(
            "{operation:name$}{version:11}{total}{}{drift}{}{unclear}\n",
            cell(agree),
            cell(excused)
        )
    };
    for ((operation, version), counts) in &rows {
        text += &line(operation.name(), version.name(), *counts);
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    text + &line("all", "", sums)
}

fn notes(page: Page, summary: &Summary<'_>) -> String {
    let Page { width, paint } = page;
    let mut notes = Vec::new();
    for (reason, cases) in &summary.run.skipped {
        notes.push(format!("skipped {}: {reason}", count(*cases, "case")));
    }
    if let Some(shard) = summary.empty_shard {
        notes.push(format!(
            "the shard is empty: no case falls into {}/{}",
            shard.index, shard.count
        ));
    }
    if let Some(old) = summary.old {
        notes.extend(old.left_out());
    }
    if let Some(reason) = summary.not_compared {
        notes.push(format!("ledgers not compared: {reason}"));
    }
    if let Some(smoke) = &summary.run.smoke {
        for report in &smoke.reports {
            let reason = report.reason.as_deref().unwrap_or_default();
            if report.verdict != oracle::Verdict::Pass {
                notes.push(format!(
                    "chaos {} {}: {} {reason}",
                    report.scenario,
                    report.surface.name(),
                    report.verdict.name()
                ));
            }
        }
    }
    if summary.verbose {
        let mut questions: BTreeMap<&str, usize> = BTreeMap::new();
        for question in
            summary.run.board.records.iter().filter_map(|record| record.expected.question)
        {
            *questions.entry(question).or_default() += 1;
        }
        notes.extend(
            questions
                .iter()
                .map(|(question, cases)| format!("open, {}: {question}", count(*cases, "case"))),
        );
    }
    if summary.told().iter().any(|group| group.example.curl.is_some())
        && summary.head.target == EMBEDDED
    {
        notes.push(
            "curl lines take the server from ANTHROPIC_BASE_URL and the key from ANTHROPIC_API_KEY; replay needs neither".to_owned(),
        );
    }
    let mut text = String::new();
    for note in notes {
        let _ = write!(text, "\n{}", paint.dim(fold(&note, width, "")));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Why the run ends as it does.
fn last_line(page: Page, summary: &Summary<'_>) -> String {
    let Page { paint, .. } = page;
    let time =
        summary.elapsed.map(|elapsed| format!(" ({})", seconds(elapsed))).unwrap_or_default();
    match decide(summary.reasons) {
        Some(stop) => {
            let exit = stop.exit.code();
            let title = format!("exit {exit}:");
            let title =
                if stop.exit == Exit::Pending { paint.yellow(title) } else { paint.red(title) };
            format!("{title} {stop}{time}\n")
        }
        None => {
            let run = summary.run;
            let [agree, _, excused, inconclusive] = Verdict::ALL.map(|verdict| run.count(verdict));
            let mut text = format!("{} {} agree", paint.green("clean:"), count(agree, "case"));
            for (number, name) in [(excused, "excused"), (inconclusive, "inconclusive")] {
                if number > 0 {
                    let _ = write!(text, ", {} {name}", thousands(number));
                }
            }
            format!("{text}{time}\n")
        }
    }
}

fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}
