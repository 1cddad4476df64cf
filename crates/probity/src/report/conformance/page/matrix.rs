//! Every rule, and how the target stands to it at each level.

use contract::conformance::standing::{Row, Standing};
use contract::level::Level;

use super::super::GROUPS;
use super::super::told::Told;
use super::{LINE_CHARS_MAX, Look, anchor};
use crate::html::Html;

/// Columns beside those of the levels: the rule, the cases, what was seen.
const OTHER_COLUMNS: usize = 3;
/// Of what was seen, on a line of the table; what is broken has its own place for it.
const SEEN_CHARS_MAX: usize = LINE_CHARS_MAX / 3;

pub(super) fn matrix(html: &mut Html, told: &Told<'_>) {
    html.raw("<section aria-labelledby=\"matrix\">\n<h2 id=\"matrix\">Rules and levels</h2>\n");
    html.raw(concat!(
        "<div class=\"filters\" role=\"group\" aria-label=\"Filters\">\n",
        "<label id=\"search\" hidden>Find <input id=\"find\" type=\"search\" autocomplete=\"off\" ",
        "placeholder=\"rule, words\"></label>\n",
        "<label><input id=\"loud\" type=\"checkbox\"> only what is not conformant</label>\n",
        "<output id=\"found\" class=\"dim\"></output>\n</div>\n",
    ));
    html.raw("<div class=\"scroll grid\" tabindex=\"0\" role=\"region\" aria-labelledby=\"matrix\">\n<table class=\"matrix\">\n<caption>What is broken leads to the evidence.</caption>\n<thead>\n<tr><th scope=\"col\">rule</th>");
    for level in Level::ALL {
        html.raw("<th scope=\"col\">").raw(level.name()).raw("</th>");
    }
    html.raw("<th scope=\"col\">wrong</th><th scope=\"col\">seen</th></tr>\n</thead>\n");
    for (prefix, name) in GROUPS {
        let rows: Vec<_> =
            told.conformance.rows.iter().filter(|row| row.id.starts_with(prefix)).collect();
        if !rows.is_empty() {
            group(html, told, name, &rows);
        }
    }
    html.raw("</table>\n</div>\n");
    key(html);
    html.raw("</section>\n");
}

fn group(html: &mut Html, told: &Told<'_>, name: &'static str, rows: &[&Row]) {
    html.raw("<tbody>\n<tr class=\"sev\"><th scope=\"rowgroup\" colspan=\"");
    html.count(OTHER_COLUMNS + Level::ALL.len()).raw("\"><span><b>").raw(name).raw("</b>");
    for standing in Standing::ALL {
        let number = rows.iter().filter(|row| row.standing == standing).count();
        if number > 0 {
            html.raw(" <span class=\"dim\">").count(number).raw(" ").raw(standing.name());
            html.raw("</span>");
        }
    }
    html.raw("</span></th></tr>\n");
    for row in rows {
        put_row(html, told, row);
    }
    html.raw("</tbody>\n");
}

fn put_row(html: &mut Html, told: &Told<'_>, row: &Row) {
    let is_quiet = matches!(row.standing, Standing::Conformant | Standing::Untested);
    let is_wrong = row.standing == Standing::SilentlyWrong;
    html.raw(if is_quiet { "<tr class=\"q\">" } else { "<tr>" }).raw("<th scope=\"row\">");
    if is_wrong {
        html.raw("<a href=\"#").text(&anchor(&row.id)).raw("\">").text(&row.id).raw("</a>");
    } else {
        html.text(&row.id);
    }
    html.raw("</th>");
    for level in Level::ALL {
        put_cell(html, row, level);
    }
    if row.cases == 0 {
        html.raw("<td class=\"n\">·</td>");
    } else {
        html.raw("<td class=\"n\">").count(row.wrong).raw(" of ").count(row.cases).raw("</td>");
    }
    let why = row.why.as_deref().unwrap_or_default();
    html.raw("<td class=\"n\">").brief(&told.key.scrub(why), SEEN_CHARS_MAX).raw("</td></tr>\n");
}

/// A breach counts at its level and at every stricter one; what is kept is kept at all.
fn put_cell(html: &mut Html, row: &Row, level: Level) {
    let is_below =
        row.standing == Standing::SilentlyWrong && row.level.is_some_and(|weakest| level < weakest);
    if is_below {
        html.raw("<td class=\"n\">· not asked</td>");
        return;
    }
    let look = Look::of(row.standing);
    html.raw("<td class=\"").raw(look.class()).raw("\"><span>").raw(look.sign()).raw(" ");
    html.raw(word(row.standing)).raw("</span></td>");
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Conformant => "kept",
        Standing::Declared => "declared",
        Standing::SilentlyWrong => "wrong",
        Standing::Untested => "untested",
    }
}

fn key(html: &mut Html) {
    html.raw("<ul class=\"key\" aria-label=\"What the words mean\">\n");
    for standing in Standing::ALL {
        let look = Look::of(standing);
        html.raw("<li>");
        super::put_look(html, look, word(standing));
        html.raw(" ").raw(match standing {
            Standing::Conformant => "every case that was about it went as it must",
            Standing::Declared => "the target or its profile says that it has no such thing",
            Standing::SilentlyWrong => "at least one answer was wrong, and nobody had said so",
            Standing::Untested => "no case said anything about it",
        });
        html.raw("</li>\n");
    }
    html.raw(
        "<li><span class=\"v n\">·</span> wrong, and nobody at this level minds</li>\n</ul>\n",
    );
}
