//! The conformance of a target as one page that needs nothing but itself: the levels, what the target has, every rule
//! with its standing, and behind each that is broken what was sent and what came back.
//!
//! It looks as the page of scorecards does and is made of the same parts. Nothing in it was read from a clock.

mod breach;
mod matrix;

use contract::conformance::feature::Feature;
use contract::conformance::probe::Support;
use contract::conformance::standing::{LevelStanding, Row, Standing};
use contract::level::Level;

use super::first::{First, first};
use super::notes;
use super::told::{Told, meaning};
use crate::console::{count, thousands};
use crate::html::{self, Html, slug};

/// Rules named on a card; the matrix has all.
const NAMED_MAX: usize = 8;
/// One line of anybody's words.
const LINE_CHARS_MAX: usize = 240;

/// The page.
pub fn text(told: &Told<'_>) -> String {
    let title = format!("{}: conformance", told.key.scrub(&told.name()));
    let mut html = html::open(&title, include_str!("page/style.css"));
    head(&mut html, told);
    html.raw("<main>\n");
    features(&mut html, told);
    matrix::matrix(&mut html, told);
    breach::sections(&mut html, told);
    unusual(&mut html, told);
    html.raw("</main>\n");
    html::close(&mut html);
    html.into_string()
}

/// How something is shown: a word with a sign beside it, so that nothing rests on colour alone.
#[derive(Clone, Copy)]
enum Look {
    Good,
    Declared,
    Missing,
    Wrong,
    Unknown,
}

impl Look {
    fn of(standing: Standing) -> Self {
        match standing {
            Standing::Conformant => Self::Good,
            Standing::Declared => Self::Declared,
            Standing::SilentlyWrong => Self::Wrong,
            Standing::Untested => Self::Unknown,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Good => "p",
            Self::Declared => "k",
            Self::Missing => "w",
            Self::Wrong => "f",
            Self::Unknown => "s",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Declared => "◐",
            Self::Missing => "▲",
            Self::Wrong => "✗",
            Self::Unknown => "?",
        }
    }
}

fn put_look(html: &mut Html, look: Look, word: &'static str) {
    html.raw("<span class=\"v ").raw(look.class()).raw("\">").raw(look.sign()).raw(" ").raw(word);
    html.raw("</span>");
}

fn head(html: &mut Html, told: &Told<'_>) {
    html.raw("<header>\n<h1>").brief(&told.key.scrub(&told.name()), LINE_CHARS_MAX);
    html.raw("</h1>\n<p class=\"lead\">It <b>");
    match told.kept() {
        Some(level) => html.raw("keeps level ").raw(level.name()),
        None => html.raw("keeps no level"),
    };
    html.raw("</b> of the contract. ").text(&count(told.cases, "case"));
    html.raw(concat!(" judged <span class=\"dim\">· probity ", env!("CARGO_PKG_VERSION")));
    html.raw(", contract of ").text(&told.head.as_of).raw("</span></p>\n<p class=\"dim\">");
    html.brief(&told.key.scrub(&told.head.target), LINE_CHARS_MAX);
    html.raw(", seed ").number(told.head.seed).raw("</p>\n");
    if !told.is_whole() {
        html.raw("<p class=\"note\"><b>Only a part of the cases was tried</b> (");
        html.brief(&told.key.scrub(&told.head.plan), LINE_CHARS_MAX);
        html.raw("): a level that holds here may not hold.</p>\n");
    }
    html.raw("<div class=\"cards\">\n");
    for standing in &told.conformance.levels {
        card(html, told, standing);
    }
    html.raw("</div>\n");
    fix_first(html, told);
    html.raw("<dl class=\"facts\">\n");
    for (name, what) in notes(told.conformance) {
        html.raw("<dt>").raw(name).raw("</dt><dd>");
        html.brief(&told.key.scrub(&what), 2 * LINE_CHARS_MAX).raw("</dd>\n");
    }
    html.raw("</dl>\n<p class=\"cmd\"><code>").text(&told.key.scrub(&told.command()));
    html.raw("</code></p>\n</header>\n");
}

/// Where to begin.
fn fix_first(html: &mut Html, told: &Told<'_>) {
    let first = first(told.conformance);
    if first.is_empty() {
        return;
    }
    html.raw("<h2 class=\"first\" id=\"first\">Fix first</h2>\n<ol class=\"first\" aria-labelledby=\"first\">\n");
    for First { row, level, trace, case } in first {
        html.raw("<li><a href=\"#").text(&anchor(&row.id)).raw("\">").text(&row.id);
        html.raw("</a> <span class=\"dim\">").raw(level.name()).raw(", wrong in ");
        html.text(&thousands(row.wrong)).raw(" of ").text(&count(row.cases, "case"));
        html.raw("</span><br/>").brief(&told.key.scrub(trace), LINE_CHARS_MAX);
        if let Some(case) = case {
            html.raw(" <code>").brief(&told.key.scrub(&case), LINE_CHARS_MAX).raw("</code>");
        }
        html.raw("</li>\n");
    }
    html.raw("</ol>\n");
}

fn card(html: &mut Html, told: &Told<'_>, standing: &LevelStanding) {
    html.raw("<article class=\"card\">\n<h2>").raw(standing.level.name()).raw(" ");
    match standing.word() {
        "holds" => put_look(html, Look::Good, "holds"),
        "untested" => put_look(html, Look::Unknown, "untested"),
        word => put_look(html, Look::Wrong, word),
    }
    if standing.level == told.conformance.level {
        html.raw(" <span class=\"tag\">asked for</span>");
    }
    html.raw("</h2>\n<p class=\"dim\">").raw(meaning(standing.level)).raw("</p>\n");
    if !standing.lacks.is_empty() {
        let lacks: Vec<_> = standing.lacks.iter().map(|feature| feature.title()).collect();
        html.raw("<p>It cannot do without ").text(&lacks.join(", ")).raw(".</p>\n");
    }
    if !standing.untried.is_empty() && !standing.is_broken() {
        let untried: Vec<_> = standing.untried.iter().map(|feature| feature.title()).collect();
        html.raw("<p>No case said anything about ").text(&untried.join(", ")).raw(".</p>\n");
    }
    if standing.untested > 0 {
        html.raw("<p class=\"dim\">")
            .text(&count(standing.untested, "rule"))
            .raw(" untested.</p>\n");
    }
    let rows = told.conformance.rows.iter();
    let own: Vec<_> = rows.filter(|row| is_new_at(row, standing.level)).collect();
    if !standing.broken_by.is_empty() {
        html.raw("<p><b>").text(&count(standing.broken_by.len(), "rule")).raw("</b>");
        if own.len() < standing.broken_by.len() {
            html.raw(", ").count(own.len()).raw(" of them at this level only");
        }
        html.raw(if own.is_empty() { "</p>\n" } else { ":</p>\n<ul class=\"names\">" });
        for row in own.iter().take(NAMED_MAX) {
            html.raw("<li><a href=\"#").text(&anchor(&row.id)).raw("\">").text(&row.id);
            html.raw("</a></li>");
        }
        if own.len() > NAMED_MAX {
            html.raw("<li><a href=\"#level-").raw(standing.level.name()).raw("\">and ");
            html.count(own.len() - NAMED_MAX).raw(" more</a></li>");
        }
        html.raw(if own.is_empty() { "" } else { "</ul>\n" });
    }
    html.raw("</article>\n");
}

/// Whether the row breaks this level and no weaker one.
fn is_new_at(row: &Row, level: Level) -> bool {
    row.standing == Standing::SilentlyWrong && row.level.unwrap_or(Level::Strict) == level
}

fn anchor(id: &str) -> String {
    format!("b.{}", slug(id))
}

fn features(html: &mut Html, told: &Told<'_>) {
    html.raw("<section aria-labelledby=\"features\">\n<h2 id=\"features\">Features</h2>\n");
    html.raw("<p class=\"dim\">One plain request for each, before any case was sent.</p>\n");
    let (works, others): (Vec<_>, Vec<_>) =
        told.conformance.features.iter().partition(|(_, support)| *support == Support::Works);
    if !works.is_empty() {
        html.raw("<ul class=\"works\">\n");
        for (feature, _) in works {
            html.raw("<li><span class=\"v p\">✓ ").raw(feature.title()).raw("</span></li>\n");
        }
        html.raw("</ul>\n");
    }
    if others.is_empty() {
        html.raw("</section>\n");
        return;
    }
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"features\"><table class=\"codes\">\n<thead><tr><th scope=\"col\">feature</th><th scope=\"col\">probe</th><th scope=\"col\">seen</th></tr></thead>\n<tbody>\n");
    for (feature, support) in others {
        html.raw("<tr><th scope=\"row\">").raw(feature.title()).raw("</th><td>");
        let (look, word) = match support {
            Support::Works => (Look::Good, "works"),
            Support::Declared(_) => (Look::Declared, "declared unsupported"),
            Support::Missing(_) => (Look::Missing, "missing"),
            Support::Broken(_) => (Look::Wrong, "broken"),
            Support::Unknown(_) => (Look::Unknown, "unknown"),
        };
        put_look(html, look, word);
        html.raw("</td><td>").brief(&told.key.scrub(&support.text()), LINE_CHARS_MAX);
        if let Some(reason) = declared(told, *feature) {
            html.raw(" <span class=\"dim\">The profile says: ");
            html.brief(&told.key.scrub(&reason), LINE_CHARS_MAX).raw("</span>");
        }
        html.raw("</td></tr>\n");
    }
    html.raw("</tbody>\n</table></div>\n</section>\n");
}

fn declared(told: &Told<'_>, feature: Feature) -> Option<String> {
    let features = [feature].into_iter().collect();
    told.conformance.profile.leaves_out(features).map(|(_, reason)| reason.to_owned())
}

/// What the target's author may want to know, though nothing is wrong with it.
fn unusual(html: &mut Html, told: &Told<'_>) {
    let oddities = &told.conformance.oddities;
    if oddities.is_empty() {
        return;
    }
    html.raw("<section aria-labelledby=\"unusual\">\n<h2 id=\"unusual\">New or unusual, not a failure</h2>\n");
    html.raw("<ul class=\"unusual\">\n");
    for odd in oddities {
        html.raw("<li>").prose(odd.kind.what());
        for name in &odd.names {
            html.raw(" <code>").brief(&told.key.scrub(name), LINE_CHARS_MAX).raw("</code>");
        }
        html.raw(" <span class=\"dim\">in ").text(&count(odd.cases, "stream")).raw(", as <code>");
        html.brief(&odd.example, LINE_CHARS_MAX).raw("</code></span>\n<pre>");
        html.brief(&told.key.scrub(&odd.trace), 2 * LINE_CHARS_MAX).raw("</pre></li>\n");
    }
    html.raw("</ul>\n</section>\n");
}
