//! The head of the page: what was tried, what it came to, and which rules were broken.

use std::collections::BTreeMap;

use chaos::TrialReport;
use chaos::oracle::Code;
use chaos::scenario::Severity;

use super::super::super::card::{Scorecard, harm};
use super::matrix::{Look, look};
use super::timeline::time;
use super::{Page, put_look, severity};
use crate::html::Html;

const SEVERITIES: [Severity; 4] = [Severity::S0, Severity::S1, Severity::S2, Severity::S3];
/// Entries of a list that nobody should have to scroll past.
const STALE_MAX: usize = 20;

pub(super) fn title(page: &Page<'_>) -> String {
    match page.cards {
        [card] => format!("{} {}: chaos scorecard", card.client.name, card.client.version),
        cards => format!("{} clients: chaos scorecards", cards.len()),
    }
}

/// What was tried, client by client.
pub(super) fn head(html: &mut Html, page: &Page<'_>) {
    let n_trials: usize = page.cards.iter().map(|card| card.results.len()).sum();
    html.raw("<header>\n<h1>Chaos scorecard</h1>\n<p class=\"lead\">");
    html.count(page.cards.len()).raw(if page.cards.len() == 1 {
        " client, "
    } else {
        " clients, "
    });
    html.count(page.rows.len()).raw(if page.rows.len() == 1 {
        " scenario, "
    } else {
        " scenarios, "
    });
    html.count(n_trials).raw(if n_trials == 1 { " trial" } else { " trials" });
    html.raw(concat!(
        " <span class=\"dim\">· probity ",
        env!("CARGO_PKG_VERSION"),
        "</span></p>\n"
    ));
    html.raw("<div class=\"cards\">\n");
    for card in page.cards {
        put_card(html, card, page.timings);
    }
    html.raw("</div>\n</header>\n");
}

fn put_card(html: &mut Html, card: &Scorecard, timings: bool) {
    let client = &card.client;
    html.raw("<article class=\"card\">\n<h2>").brief(&client.name, 60).raw(" <span class=\"dim\">");
    html.brief(&client.version, 40)
        .raw("</span></h2>\n<p class=\"dim\">")
        .brief(&client.language, 40);
    if let Some(runtime) = &client.runtime {
        html.raw(" ").brief(runtime, 60);
    }
    html.raw(" · profile ").raw(card.profile.name());
    if !card.is_whole {
        html.raw(", in part");
    }
    if timings {
        html.raw(" · ").text(&time(card.elapsed_ms));
    }
    html.raw("</p>\n");
    let counts = Counts::of(&card.results);
    bar(html, &counts);
    totals(html, &counts, card);
    if !card.stale.is_empty() {
        html.raw("<p class=\"stale\"><b>Expected to fail, and does not</b> (remove the entries):</p>\n<ul class=\"stale\">");
        for entry in card.stale.iter().take(STALE_MAX) {
            html.raw("<li><code>").brief(entry, 160).raw("</code></li>");
        }
        if card.stale.len() > STALE_MAX {
            html.raw("<li>and ").count(card.stale.len() - STALE_MAX).raw(" more</li>");
        }
        html.raw("</ul>\n");
    }
    html.raw("</article>\n");
}

/// How many trials look how.
struct Counts(BTreeMap<Look, usize>);

impl Counts {
    fn of<'a>(reports: impl IntoIterator<Item = &'a TrialReport>) -> Self {
        let mut counts = BTreeMap::new();
        for report in reports {
            *counts.entry(look(report)).or_default() += 1;
        }
        Self(counts)
    }

    fn of_look(&self, look: Look) -> usize {
        self.0.get(&look).copied().unwrap_or(0)
    }
}

/// Decoration: the numbers stand in the table below.
fn bar(html: &mut Html, counts: &Counts) {
    html.raw("<div class=\"bar\" aria-hidden=\"true\">");
    for (look, count) in &counts.0 {
        html.raw("<span class=\"v ")
            .raw(look.class())
            .raw("\" style=\"flex:")
            .count(*count)
            .raw("\"></span>");
    }
    html.raw("</div>\n");
}

fn totals(html: &mut Html, counts: &Counts, card: &Scorecard) {
    // A column that is empty for everybody says nothing.
    let looks: Vec<_> = Look::ALL.into_iter().filter(|look| counts.of_look(*look) > 0).collect();
    if looks.is_empty() {
        html.raw("<p>Nothing was tried.</p>\n");
        return;
    }
    html.raw("<table class=\"totals\">\n<thead><tr><td></td>");
    for look in &looks {
        html.raw("<th scope=\"col\"><span class=\"v ").raw(look.class()).raw("\">");
        put_look(html, *look);
        html.raw("</span></th>");
    }
    html.raw("</tr></thead>\n<tbody>\n");
    for one in SEVERITIES {
        let counts = Counts::of(card.results.iter().filter(|report| report.severity == one));
        if counts.0.is_empty() {
            continue;
        }
        html.raw("<tr><th scope=\"row\"><abbr title=\"")
            .raw(harm(one))
            .raw("\">")
            .raw(severity(one));
        html.raw("</abbr></th>");
        numbers(html, &looks, &counts);
    }
    html.raw("<tr class=\"sum\"><th scope=\"row\">all</th>");
    numbers(html, &looks, counts);
    html.raw("</tbody>\n</table>\n");
}

fn numbers(html: &mut Html, looks: &[Look], counts: &Counts) {
    for look in looks {
        match counts.of_look(*look) {
            0 => html.raw("<td class=\"zero\">0</td>"),
            count => html.raw("<td>").count(count).raw("</td>"),
        };
    }
    html.raw("</tr>\n");
}

/// Which rules are broken, by whom, how often.
pub(super) fn codes(html: &mut Html, page: &Page<'_>) {
    let mut table: BTreeMap<(Severity, Code), Vec<usize>> = BTreeMap::new();
    for (number, card) in page.cards.iter().enumerate() {
        let told = card.results.iter().filter(|report| look(report) <= Look::Warn);
        for code in told.filter_map(|report| report.finding) {
            let counts =
                table.entry((code.severity(), code)).or_insert_with(|| vec![0; page.cards.len()]);
            counts[number] += 1;
        }
    }
    if table.is_empty() {
        return;
    }
    html.raw("<section aria-labelledby=\"codes\">\n<h2 id=\"codes\">What decided</h2>\n");
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"codes\"><table class=\"codes\">\n");
    html.raw("<caption>Trials that fail or warn, known failures included, by the finding that decided.</caption>\n");
    html.raw("<thead><tr><th scope=\"col\">finding</th><th scope=\"col\">what is wrong</th>");
    for card in page.cards {
        html.raw("<th scope=\"col\">").brief(&card.client.name, 40).raw(" <span class=\"dim\">");
        html.brief(&card.client.version, 24).raw("</span></th>");
    }
    html.raw("</tr></thead>\n<tbody>\n");
    for ((grave, code), counts) in table {
        html.raw("<tr><th scope=\"row\"><span class=\"tag\">")
            .raw(severity(grave))
            .raw("</span> <code>");
        html.raw(code.name()).raw("</code></th><td>").raw(code.sentence()).raw("</td>");
        for count in counts {
            match count {
                0 => html.raw("<td class=\"zero\">0</td>"),
                count => html.raw("<td class=\"num\">").count(count).raw("</td>"),
            };
        }
        html.raw("</tr>\n");
    }
    html.raw("</tbody>\n</table></div>\n</section>\n");
}
