//! The matrix: a row for each scenario, a column for each client and surface, a word in each cell.

use chaos::oracle::Verdict;
use chaos::{Surface, TrialReport};

use super::super::super::card::{Scorecard, harm};
use super::{Page, Row, SURFACES, put_look, severity};
use crate::html::Html;

/// A verdict as it is shown, the one that needs a reader most first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Look {
    Fail,
    Error,
    Known,
    Warn,
    Unclear,
    Info,
    Pass,
    Skip,
}

impl Look {
    pub(super) const ALL: [Self; 8] = [
        Self::Fail,
        Self::Error,
        Self::Known,
        Self::Warn,
        Self::Unclear,
        Self::Info,
        Self::Pass,
        Self::Skip,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Known => "known",
            Self::Warn => "warn",
            Self::Unclear => "unclear",
            Self::Info => "info",
            Self::Pass => "pass",
            Self::Skip => "skip",
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Fail => "✗",
            Self::Error => "⊘",
            Self::Known => "◐",
            Self::Warn => "▲",
            Self::Unclear => "?",
            Self::Info => "i",
            Self::Pass => "✓",
            Self::Skip => "–",
        }
    }

    /// What it says about the client.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Fail => "the client breaks a rule",
            Self::Error => "the trial did not happen as planned: nothing is said about the client",
            Self::Known => "it fails, and that is known and expected of this release",
            Self::Warn => "the client does not do what it should, and need not",
            Self::Unclear => "the machine was too busy for a judgement about times",
            Self::Info => "worth knowing, and no fault",
            Self::Pass => "handled as it must be",
            Self::Skip => "not tried, with a reason",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Fail => "f",
            Self::Error => "h",
            Self::Known => "k",
            Self::Warn => "w",
            Self::Unclear => "u",
            Self::Info => "i",
            Self::Pass => "p",
            Self::Skip => "s",
        }
    }

    pub(super) fn is_quiet(self) -> bool {
        matches!(self, Self::Pass | Self::Skip)
    }
}

pub(super) fn look(report: &TrialReport) -> Look {
    match report.verdict {
        Verdict::Fail if report.excuse.is_some() => Look::Known,
        Verdict::Fail => Look::Fail,
        Verdict::HarnessError => Look::Error,
        Verdict::Inconclusive => Look::Unclear,
        Verdict::Info => Look::Info,
        Verdict::Pass => Look::Pass,
        Verdict::Skip => Look::Skip,
        Verdict::Warn => Look::Warn,
    }
}

/// The filters, and the table that they work on.
pub(super) fn matrix(html: &mut Html, page: &Page<'_>) {
    html.raw(
        "<section aria-labelledby=\"matrix\">\n<h2 id=\"matrix\">Scenarios and clients</h2>\n",
    );
    filters(html, page);
    let columns: Vec<_> = page.cards.iter().map(surfaces).collect();
    html.raw("<div class=\"scroll grid\" tabindex=\"0\" role=\"region\" aria-labelledby=\"matrix\">\n<table class=\"matrix\">\n");
    html.raw("<caption>Every cell leads to what happened.</caption>\n<colgroup></colgroup>");
    for columns in &columns {
        html.raw("<colgroup span=\"").count(columns.len()).raw("\"></colgroup>");
    }
    heads(html, page, &columns);
    let width = 1 + columns.iter().map(Vec::len).sum::<usize>();
    for rows in page.rows.chunk_by(|one, other| one.severity == other.severity) {
        let name = severity(rows[0].severity);
        html.raw("<tbody class=\"")
            .raw(name)
            .raw("\">\n<tr class=\"sev\"><th scope=\"rowgroup\" colspan=\"");
        html.count(width).raw("\"><span><b>").raw(name).raw("</b> ").raw(harm(rows[0].severity));
        html.raw("</span></th></tr>\n");
        for row in rows {
            put_row(html, row, &columns);
        }
        html.raw("</tbody>\n");
    }
    html.raw("</table>\n</div>\n");
    key(html);
    html.raw("</section>\n");
}

/// The surfaces that a client was tried on; a client without any still has a column.
fn surfaces(card: &Scorecard) -> Vec<Surface> {
    let is_tried =
        |surface: &&Surface| card.results.iter().any(|report| report.surface == **surface);
    let tried: Vec<_> = SURFACES.iter().filter(is_tried).copied().collect();
    if tried.is_empty() { vec![Surface::Create] } else { tried }
}

/// Boxes work without a script; the text filter is shown by the script that it needs.
fn filters(html: &mut Html, page: &Page<'_>) {
    html.raw(concat!(
        "<div class=\"filters\" role=\"group\" aria-label=\"Filters\">\n",
        "<label id=\"search\" hidden>Find <input id=\"find\" type=\"search\" autocomplete=\"off\" ",
        "placeholder=\"scenario, client, code, words\"></label>\n",
        "<label><input id=\"loud\" type=\"checkbox\"> only what is not a pass</label>\n",
    ));
    for rows in page.rows.chunk_by(|one, other| one.severity == other.severity) {
        let name = severity(rows[0].severity);
        html.raw("<label><input id=\"").raw(name).raw("\" type=\"checkbox\" checked> ").raw(name);
        html.raw(" <span class=\"dim\">").count(rows.len()).raw("</span></label>\n");
    }
    html.raw("<output id=\"found\" class=\"dim\"></output>\n</div>\n");
}

fn heads(html: &mut Html, page: &Page<'_>, columns: &[Vec<Surface>]) {
    html.raw("\n<thead>\n<tr><th scope=\"col\" rowspan=\"2\">scenario</th>");
    for (card, columns) in page.cards.iter().zip(columns) {
        html.raw("<th class=\"cl\" scope=\"colgroup\" colspan=\"").count(columns.len()).raw("\">");
        html.brief(&card.client.name, 40)
            .raw(" <span class=\"dim\">")
            .brief(&card.client.version, 24);
        html.raw("</span></th>");
    }
    html.raw("</tr>\n<tr>");
    for columns in columns {
        for (number, surface) in columns.iter().enumerate() {
            html.raw(if number == 0 {
                "<th class=\"cl\" scope=\"col\">"
            } else {
                "<th scope=\"col\">"
            });
            html.raw(surface.name()).raw("</th>");
        }
    }
    html.raw("</tr>\n</thead>\n");
}

fn put_row(html: &mut Html, row: &Row<'_>, columns: &[Vec<Surface>]) {
    html.raw(if row.is_quiet() { "<tr class=\"q\">" } else { "<tr>" });
    html.raw("<th scope=\"row\"><a href=\"#")
        .text(&row.anchor())
        .raw("\">")
        .text(row.id)
        .raw("</a></th>");
    for (card, columns) in columns.iter().enumerate() {
        for (number, surface) in columns.iter().enumerate() {
            let mut cells = row.cells.iter().filter(|cell| cell.card == card);
            let is_first = number == 0;
            let Some(cell) = cells.find(|cell| cell.report.surface == *surface) else {
                html.raw(if is_first {
                    "<td class=\"n cl\">·</td>"
                } else {
                    "<td class=\"n\">·</td>"
                });
                continue;
            };
            let look = look(cell.report);
            html.raw("<td class=\"").raw(look.class()).raw(if is_first { " cl\">" } else { "\">" });
            html.raw("<a href=\"#").text(&cell.anchor()).raw("\">");
            put_look(html, look);
            html.raw("</a></td>");
        }
    }
    html.raw("</tr>\n");
}

fn key(html: &mut Html) {
    html.raw("<ul class=\"key\" aria-label=\"What the words mean\">\n");
    for look in Look::ALL {
        html.raw("<li><span class=\"v ").raw(look.class()).raw("\">");
        put_look(html, look);
        html.raw("</span> ").raw(look.meaning()).raw("</li>\n");
    }
    html.raw(
        "<li><span class=\"v n\">·</span> not about this surface, or not played</li>\n</ul>\n",
    );
}
