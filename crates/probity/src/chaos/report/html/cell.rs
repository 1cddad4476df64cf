//! Behind the matrix: a section for each scenario, and in it what happened in each trial.

use chaos::report::{Moment, MomentKind, Observed};
use chaos::scenario::{Span, describe};
use chaos::{Finding, Scenario, TrialReport};

use super::super::super::card::{Scorecard, cause};
use super::matrix::{Look, look};
use super::timeline::{picture, size, time};
use super::{Cell, Page, Row, put_look, severity};
use crate::html::{Html, put_evidence};

/// One line beside a closed cell, and of what went well.
const LINE_CHARS_MAX: usize = 180;
/// Words of clients and details of findings; longer ones bury what follows.
const WORDS_CHARS_MAX: usize = 600;
/// Lines of a timeline in words: how it began, and how it ended.
const FIRST_LINES: usize = 24;
const LAST_LINES: usize = 12;
/// Faults of a scenario that are told.
const FAULTS_MAX: usize = 8;

/// Every scenario with its trials.
pub(super) fn sections(html: &mut Html, page: &Page<'_>) {
    html.raw("<section aria-labelledby=\"trials\">\n<h2 id=\"trials\">Trial by trial</h2>\n");
    html.raw(include_str!("legend.html"));
    if page.left_out > 0 {
        html.raw("<p class=\"dim\">To keep the page small, ").count(page.left_out);
        html.raw(" of ").count(page.left_out + page.stories.len());
        html.raw(" pictures are left out, first those of what passed.</p>\n");
    }
    for row in &page.rows {
        section(html, page, row);
    }
    html.raw("</section>\n");
}

/// What happened, as a picture and in words; nothing where no request came.
pub(super) fn story(report: &TrialReport, timings: bool) -> Option<Html> {
    let mut html = picture(report, timings)?;
    html.raw("<details class=\"words\"><summary>The same in words</summary>\n<ol>\n");
    let lines = lines(&report.timeline, timings);
    let hidden = FIRST_LINES..lines.len().saturating_sub(LAST_LINES).max(FIRST_LINES);
    for (number, (at_ms, words)) in lines.iter().enumerate() {
        if number == hidden.start && !hidden.is_empty() {
            html.raw("<li class=\"dim\">").count(hidden.len()).raw(" lines are left out</li>\n");
        }
        if hidden.contains(&number) {
            continue;
        }
        html.raw("<li>");
        if let Some(at_ms) = at_ms {
            html.raw("<b>").text(&time(*at_ms)).raw("</b> ");
        }
        html.brief(words, WORDS_CHARS_MAX).raw("</li>\n");
    }
    html.raw("</ol></details>\n");
    Some(html)
}

/// A line for each moment, and one for all pieces that follow each other.
fn lines(moments: &[Moment], timings: bool) -> Vec<(Option<u64>, String)> {
    let mut moments: Vec<_> = moments.iter().collect();
    if !timings {
        // Which of two exchanges came first is a matter of time; a wait is nothing else.
        moments.retain(|moment| moment.kind != MomentKind::Wait);
        moments.sort_by_key(|moment| moment.attempt.unwrap_or(u32::MAX));
    }
    let is_piece = |moment: &Moment| moment.kind == MomentKind::Sent;
    let runs = moments
        .chunk_by(|one, other| is_piece(one) && is_piece(other) && one.attempt == other.attempt);
    let line = |run: &[&Moment]| {
        let first = run[0];
        let bytes: u64 = run.iter().filter_map(|moment| moment.bytes).sum();
        let whose = first.attempt.map_or_else(String::new, |number| format!("attempt {number}: "));
        let words = match run {
            [one] if !is_piece(one) => first.what.clone(),
            [one] if timings => format!("{whose}{} sent", one.what),
            _ if timings => format!("{whose}{} sent in {} pieces", size(bytes), run.len()),
            _ => format!("{whose}{} sent", size(bytes)),
        };
        (timings.then_some(first.at_ms), words)
    };
    runs.map(line).collect()
}

fn section(html: &mut Html, page: &Page<'_>, row: &Row<'_>) {
    let quiet = if row.is_quiet() { " q" } else { "" };
    html.raw("<section class=\"sc ").raw(severity(row.severity)).raw(quiet).raw("\" id=\"");
    html.text(&row.anchor()).raw("\">\n<h3><span class=\"tag\">").raw(severity(row.severity));
    html.raw("</span> ").text(row.id).raw(" <a class=\"up\" href=\"#matrix\">↑ matrix</a></h3>\n");
    if let Some(scenario) = row.scenario {
        put_scenario(html, scenario);
    }
    for cell in &row.cells {
        put_cell(html, page, cell);
    }
    html.raw("</section>\n");
}

/// Why it is played, how, and who met it.
fn put_scenario(html: &mut Html, scenario: &Scenario) {
    html.raw("<p>").text(&scenario.why).raw("</p>\n<p class=\"dim\">Seen in ");
    for (number, evidence) in scenario.evidence.iter().enumerate() {
        html.raw(if number > 0 { ", " } else { "" });
        put_evidence(html, evidence);
    }
    html.raw(". ");
    let scripts = [("Answers", &scenario.replies), ("Streams", &scenario.stream_replies)];
    for (word, names) in scripts.into_iter().filter(|(_, names)| !names.is_empty()) {
        html.raw(word).raw(": ").brief(&names.join(", then "), WORDS_CHARS_MAX).raw(". ");
    }
    for strike in scenario.faults.iter().take(FAULTS_MAX) {
        let Span { first, last } = strike.attempts;
        html.raw("Attempt ").number(first);
        match last {
            None => _ = html.raw(" and every one after it"),
            Some(last) if last > first => _ = html.raw(" to ").number(last),
            Some(_) => {}
        }
        html.raw(": ").brief(&describe(strike), WORDS_CHARS_MAX).raw(". ");
    }
    if scenario.faults.len() > FAULTS_MAX {
        html.raw("And ").count(scenario.faults.len() - FAULTS_MAX).raw(" more faults. ");
    }
    html.raw("The client is allowed ").number(scenario.retries);
    html.raw(if scenario.retries == 1 { " retry" } else { " retries" });
    html.raw(", ").text(&time(scenario.timeout_ms)).raw(" for an attempt and ");
    html.text(&time(scenario.deadline_ms)).raw(" in all.</p>\n");
}

/// One trial. The anchor stands inside, so that a link opens what it leads to without a script.
fn put_cell(html: &mut Html, page: &Page<'_>, cell: &Cell<'_>) {
    let Cell { card, report } = cell;
    let (card, look) = (&page.cards[*card], look(report));
    html.raw("<details class=\"cell ").raw(look.class()).raw("\"><summary><span class=\"v ");
    html.raw(look.class()).raw("\">");
    put_look(html, look);
    html.raw("</span> <b>").brief(&card.client.name, 40).raw("</b> ");
    html.brief(&card.client.version, 24).raw(" · ").raw(report.surface.name());
    if !matches!(look, Look::Pass) {
        html.raw(" <span class=\"dim\">").brief(&cause(report), LINE_CHARS_MAX).raw("</span>");
    }
    html.raw("</summary>\n<div class=\"in\" id=\"").text(&cell.anchor()).raw("\">\n");
    match look {
        Look::Skip => {}
        Look::Pass => {
            html.raw("<p>");
            happened(html, report, page.timings);
            html.raw(" <span class=\"dim\">Expected: ").brief(&report.expected, LINE_CHARS_MAX);
            html.raw("</span></p>\n");
        }
        _ => compare(html, report, page.timings),
    }
    judgement(html, report);
    if let Some(story) = page.stories.get(&cell.anchor()) {
        html.html(story);
    }
    command(html, card, report);
    html.raw("</div></details>\n");
}

/// What was expected beside what happened.
fn compare(html: &mut Html, report: &TrialReport, timings: bool) {
    html.raw("<div class=\"two\"><div><h4>Expected</h4><p>")
        .brief(&report.expected, WORDS_CHARS_MAX);
    html.raw("</p></div><div><h4>What happened</h4><p>");
    happened(html, report, timings);
    html.raw("</p>");
    let mut said = report.timeline.iter().filter(|moment| moment.kind == MomentKind::Outcome);
    let words = said.next_back().and_then(|moment| moment.what.split_once(": "));
    // The summary has them already.
    if let Some((_, words)) = words.filter(|_| !timings) {
        html.raw("<blockquote>").brief(words, WORDS_CHARS_MAX).raw("</blockquote>");
    }
    html.raw("</div></div>\n");
}

/// In one line; the record's own holds times.
fn happened(html: &mut Html, report: &TrialReport, timings: bool) {
    if timings && !report.summary.is_empty() {
        html.brief(&report.summary, WORDS_CHARS_MAX).raw(".");
        return;
    }
    let Observed { outcome, attempts, .. } = report.observed;
    html.raw("<b>").raw(outcome.unwrap_or("no outcome")).raw("</b> in ").count(attempts);
    html.raw(if attempts == 1 { " attempt." } else { " attempts." });
}

/// What was found, and what is to be said about it.
fn judgement(html: &mut Html, report: &TrialReport) {
    if !report.findings.is_empty() {
        html.raw("<ul class=\"findings\">\n");
        for Finding { code, level, detail, .. } in &report.findings {
            html.raw("<li><code>").raw(code.name()).raw("</code> <span class=\"level\">");
            html.raw(level.verdict().name()).raw("</span> ").raw(code.sentence());
            html.raw("<br><span class=\"detail\">")
                .brief(detail, WORDS_CHARS_MAX)
                .raw("</span></li>\n");
        }
        html.raw("</ul>\n");
    }
    if let Some(excuse) = &report.excuse {
        html.raw("<p class=\"note\"><b>Known and expected.</b> ")
            .brief(excuse, WORDS_CHARS_MAX)
            .raw("</p>\n");
    }
    if let Some(reason) = &report.reason {
        html.raw("<p class=\"note\"><b>Note.</b> ").brief(reason, WORDS_CHARS_MAX).raw("</p>\n");
    }
}

fn command(html: &mut Html, card: &Scorecard, report: &TrialReport) {
    html.raw("<p class=\"cmd\"><code>").text(&card.command(report)).raw("</code></p>\n");
}
