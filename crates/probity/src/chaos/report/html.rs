//! Scorecards as one page that needs nothing but itself: a matrix of clients and scenarios, and behind each cell what
//! was expected, what happened, and a picture of it.
//!
//! The page is written whole, without a template engine: there is one page, and [`Html`] makes the compiler
//! hold the line between markup and text. It asks nothing of the network and little of a script; without one only the
//! text filter and the buttons that copy are missing.

mod cell;
mod matrix;
mod summary;
mod timeline;

use std::collections::BTreeMap;

use chaos::scenario::Severity;
use chaos::{Scenario, Surface, TrialReport};

use self::matrix::{Look, look};
use super::super::card::Scorecard;
use crate::html::{self, Html, PAGE_BYTES_MAX, slug};

/// Surfaces in the order of their columns.
const SURFACES: [Surface; 3] = [Surface::Create, Surface::Stream, Surface::Raw];

/// The page. Without `timings` nothing in it was read from a clock, and the pictures show an order only.
pub fn text(cards: &[Scorecard], scenarios: &[Scenario], timings: bool) -> String {
    let mut page = Page {
        cards,
        rows: rows(cards, scenarios),
        stories: BTreeMap::new(),
        left_out: 0,
        timings,
    };
    let room = PAGE_BYTES_MAX.saturating_sub(whole(&page).len());
    (page.stories, page.left_out) = stories(&page, room);
    whole(&page).into_string()
}

/// Everything that the page tells.
struct Page<'a> {
    cards: &'a [Scorecard],
    rows: Vec<Row<'a>>,
    /// Picture and words of what happened, by anchor, as far as there is room.
    stories: BTreeMap<String, Html>,
    /// Pictures for which there was none.
    left_out: usize,
    timings: bool,
}

/// One scenario with every trial of it.
struct Row<'a> {
    id: &'a str,
    severity: Severity,
    scenario: Option<&'a Scenario>,
    cells: Vec<Cell<'a>>,
}

/// One trial, and whose it is.
struct Cell<'a> {
    card: usize,
    report: &'a TrialReport,
}

impl Row<'_> {
    /// Whether nobody needs to read more about it.
    fn is_quiet(&self) -> bool {
        self.cells.iter().all(|cell| look(cell.report).is_quiet())
    }

    fn anchor(&self) -> String {
        format!("s.{}", slug(self.id))
    }
}

impl Cell<'_> {
    fn anchor(&self) -> String {
        format!("{}.{}.{}", slug(&self.report.scenario), self.report.surface.name(), self.card + 1)
    }
}

/// The gravest first, then by name.
fn rows<'a>(cards: &'a [Scorecard], scenarios: &'a [Scenario]) -> Vec<Row<'a>> {
    let mut cells: BTreeMap<(Severity, &str), Vec<Cell<'_>>> = BTreeMap::new();
    for (card, scorecard) in cards.iter().enumerate() {
        for (severity, ids) in scorecard.by_severity() {
            for (id, mut reports) in ids {
                let row = cells.entry((severity, id)).or_default();
                let reports = SURFACES.iter().filter_map(|surface| reports.remove(surface));
                row.extend(reports.map(|report| Cell { card, report }));
            }
        }
    }
    let row = |((severity, id), cells)| {
        let scenario = scenarios.iter().find(|scenario| scenario.id == id);
        Row { id, severity, scenario, cells }
    };
    cells.into_iter().map(row).collect()
}

/// What happened in each trial, while there is room: the worst verdicts first, and of one verdict the short stories.
/// The number says how many are left out.
fn stories(page: &Page<'_>, mut room: usize) -> (BTreeMap<String, Html>, usize) {
    let cells = page.rows.iter().flat_map(|row| &row.cells);
    let told = cells.filter_map(|cell| Some((cell, cell::story(cell.report, page.timings)?)));
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|(cell, story)| (look(cell.report), story.len()));
    let n_told = told.len();
    let mut stories = BTreeMap::new();
    for (cell, story) in told {
        if story.len() <= room {
            room -= story.len();
            stories.insert(cell.anchor(), story);
        }
    }
    let left_out = n_told - stories.len();
    (stories, left_out)
}

fn whole(page: &Page<'_>) -> Html {
    let mut html = html::open(&summary::title(page), include_str!("html/style.css"));
    summary::head(&mut html, page);
    html.raw("<main>\n");
    matrix::matrix(&mut html, page);
    summary::codes(&mut html, page);
    cell::sections(&mut html, page);
    html.raw("</main>\n");
    html::close(&mut html);
    html
}

/// How a verdict is named in a word, with a sign beside it, so that nothing rests on colour alone.
fn put_look(html: &mut Html, look: Look) {
    html.raw(look.sign()).raw(" ").raw(look.word());
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::S0 => "S0",
        Severity::S1 => "S1",
        Severity::S2 => "S2",
        Severity::S3 => "S3",
    }
}
