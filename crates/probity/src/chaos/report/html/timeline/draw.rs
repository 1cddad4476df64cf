//! Lines and words of the picture; what they look like is said in the page's style.

use super::axis::Axis;
use super::story::{Ending, Lane, Mark, Nature, Story, What};
use super::{FAULTS_MAX, LEFT, LINE_HEIGHT, RIGHT, Rows, WIDTH, size, time};
use crate::html::{Html, cut, redact};

/// What one character takes, on average and rather too much.
const CHAR_WIDTH: f64 = 6.1;
const OUTCOME_CHARS_MAX: usize = 18;
/// What `still open` takes, with its bytes.
const OPEN_WORDS_WIDTH: f64 = 118.0;
/// The words of a break need so much.
const BREAK_WORDS_WIDTH: f64 = 36.0;
/// From a mark to its words.
const BESIDE: f64 = 11.0;

/// What is drawn, and where it stands.
pub(super) struct Scene {
    pub(super) story: Story,
    pub(super) axis: Axis,
    pub(super) rows: Rows,
}

impl Scene {
    /// Each mark with its place.
    fn marks(&self) -> impl Iterator<Item = (&Mark, f64)> {
        self.story.marks.iter().zip(self.axis.places.iter().copied())
    }

    fn of_lane(&self, lane: usize) -> impl Iterator<Item = (&Mark, f64)> {
        self.marks().filter(move |(mark, _)| mark.lane == Some(lane))
    }
}

/// The times, the stretches that are left out, and the line below.
pub(super) fn axis(svg: &mut Html, Scene { story, axis, rows }: &Scene, timings: bool) {
    if !timings {
        words(svg, "d", (LEFT, 12.0), "in order; times are left out");
        return;
    }
    for gap in &axis.breaks {
        let (middle, width) = (f64::midpoint(gap.from, gap.to), gap.to - gap.from);
        svg.raw("<rect class=\"b\" x=\"").at(gap.from).raw("\" y=\"18\" width=\"").at(width);
        svg.raw("\" height=\"").at(rows.height - 18.0).raw("\"/>");
        begin(svg, "bz", (middle - 5.0, 25.0)).raw("l4-8m2 8l4-8\"/>");
        // A wait says its length itself.
        let is_told = matches!(story.marks[gap.step].what, What::Wait { .. });
        if !is_told && width >= BREAK_WORDS_WIDTH {
            words(svg, "bt", (middle, 35.0), &time(gap.ms));
        }
    }
    begin(svg, "ax", (LEFT, 21.0)).raw("H").at(RIGHT + 20.0);
    for tick in &axis.ticks {
        svg.raw("M").at(tick.place).raw(" 17v4");
    }
    svg.raw("\"/>");
    for tick in &axis.ticks {
        words(svg, "t", (tick.place, 12.0), &time(tick.ms));
    }
}

/// What each lane is, at its left.
pub(super) fn names(svg: &mut Html, Scene { story, rows, .. }: &Scene) {
    words(svg, "n", (0.0, rows.line(None) + 4.0), "client");
    for (number, Lane { name, connection, is_abroad, .. }) in story.lanes.iter().enumerate() {
        let y = rows.line(Some(number));
        words(svg, "n", (0.0, y + 4.0), name);
        match connection {
            _ if *is_abroad => words(svg, "d", (0.0, y + 18.0), "second origin"),
            Some(number) => words(svg, "d", (0.0, y + 18.0), &format!("connection {number}")),
            None => {}
        }
    }
    if let (Some((count, _)), Some(y)) = (story.left_out, rows.left_out) {
        words(svg, "d", (0.0, y + 3.0), &format!("⋮ {count} exchanges are left out"));
    }
}

/// Each exchange from its request to its end, with the way that the request came and the pieces of the reply.
pub(super) fn lanes(svg: &mut Html, scene: &Scene) {
    for (number, lane) in scene.story.lanes.iter().enumerate() {
        let mut marks = scene.of_lane(number);
        let Some((first, from)) = marks.next() else { continue };
        let (last, to) = marks.last().unwrap_or((first, from));
        let (client, y) = (scene.rows.line(None), scene.rows.line(Some(number)));
        svg.raw(if lane.is_abroad { "<g class=\"away\">" } else { "<g>" });
        if first.what == What::Request {
            begin(svg, "g", (from, client + 4.0)).raw("V").at(y - 6.0).raw("\"/>");
        }
        line(svg, "l", (from, y), to);
        // It goes on behind its words.
        let open = to + OPEN_WORDS_WIDTH;
        if matches!(last.what, What::End(Ending::Open, _)) && open + BESIDE < RIGHT {
            line(svg, "l open", (open, y), RIGHT);
        }
        pieces(svg, scene, number);
        svg.raw("</g>");
    }
}

/// The lane is thick where bytes flow. The more bytes a piece has, the taller: tenfold is one step.
fn pieces(svg: &mut Html, scene: &Scene, lane: usize) {
    let sent = |(mark, place): (&Mark, f64)| match mark.what {
        What::Sent { bytes } => Some((place, bytes)),
        _ => None,
    };
    let pieces: Vec<_> = scene.of_lane(lane).filter_map(sent).collect();
    let y = scene.rows.line(Some(lane));
    if let [(from, _), .., (to, _)] = pieces[..] {
        line(svg, "fl", (from, y), to);
    }
    if pieces.is_empty() {
        return;
    }
    svg.raw("<path class=\"s\" d=\"");
    for (x, bytes) in pieces {
        let half = 3.0 + f64::from(bytes.max(1).ilog10()) * 1.5;
        svg.raw("M").at(x).raw(" ").at(y - half).raw("v").at(half * 2.0);
    }
    svg.raw("\"/>");
}

/// Everything that stands on a lane.
pub(super) fn marks(svg: &mut Html, scene: &Scene) {
    let is_outcome = |mark: &Mark| mark.what == What::Outcome;
    let n_outcomes = scene.story.marks.iter().filter(|mark| is_outcome(mark)).count();
    let last_outcome = scene.story.marks.iter().rposition(is_outcome);
    for (number, (mark, x)) in scene.marks().enumerate() {
        let at = (x, scene.rows.line(mark.lane));
        match mark.what {
            What::Request => _ = begin(svg, "r", (x - 5.0, at.1 - 8.0)).raw("h10l-5 9z\"/>"),
            // They stand with their lane.
            What::Sent { .. } => {}
            What::Fault => {
                begin(svg, "f", (x + 2.0, at.1 - 13.0)).raw("l-7 14h5l-3 11 9-15h-5z\"/>");
            }
            What::End(ending, bytes) => end(svg, at, ending, bytes),
            What::Wait { ms, nature } => wait(svg, at, until(scene, number), ms, nature),
            // Of many only the last is known to have been said here.
            What::Outcome if Some(number) != last_outcome => {}
            What::Outcome => outcome(svg, at, &mark.words, n_outcomes),
        }
    }
}

/// Where a wait ends: at the request that comes after so long, or with the trial.
fn until(scene: &Scene, number: usize) -> f64 {
    let from_ms = scene.story.marks[number].at_ms;
    let until_ms = match scene.story.marks[number].what {
        What::Wait { ms: Some(ms), nature: Nature::Real } => from_ms.saturating_add(ms),
        _ => from_ms,
    };
    let is_next = |(mark, _): &(&Mark, f64)| mark.what == What::Request && mark.at_ms >= until_ms;
    let next = scene.marks().skip(number + 1).find(is_next);
    next.or_else(|| scene.marks().last()).map_or(RIGHT, |(_, place)| place)
}

fn end(svg: &mut Html, (x, y): (f64, f64), ending: Ending, bytes: Option<u64>) {
    let (class, shape, word) = match ending {
        Ending::Closed => ("e", "v16", "FIN"),
        Ending::Kept => ("e k", "m0 4a4 4 0 1 0 .1 0z", "kept"),
        Ending::Left => ("e", "m6 2l-7 6 7 6", "client left"),
        Ending::Open => ("e", "m0 4l5 4-5 4", "still open"),
        Ending::Reset => ("e rst", "m-5 3l10 10m0-10l-10 10", "RST"),
        Ending::Unknown => ("e", "v16", "end"),
    };
    begin(svg, class, (x, y - 8.0)).raw(shape).raw("\"/>");
    svg.raw("<text x=\"").at(x + BESIDE).raw("\" y=\"").at(y + 4.0).raw("\">").raw(word);
    if let Some(bytes) = bytes {
        svg.raw(" <tspan>").text(&size(bytes)).raw("</tspan>");
    }
    svg.raw("</text>");
}

fn wait(svg: &mut Html, (from, y): (f64, f64), to: f64, ms: Option<u64>, nature: Nature) {
    let class = if nature == Nature::Real { "w" } else { "w dash" };
    begin(svg, class, (from + 1.0, y + 4.0)).raw("v-7H").at(to - 1.0).raw("v7\"/>");
    let length = match (ms, nature) {
        (Some(ms), Nature::Censored) => format!("≥ {}", time(ms)),
        (Some(ms), Nature::Injected) => format!("{}*", time(ms)),
        (Some(ms), Nature::Real) => time(ms),
        (None, _) => "waits".to_owned(),
    };
    words(svg, "wt", (f64::midpoint(from, to), y + 13.0), &length);
}

/// The class and the status. All the words stand beside the picture.
fn outcome(svg: &mut Html, (x, y): (f64, f64), said: &str, n_outcomes: usize) {
    let said = redact(said);
    // Of several calls the words begin with the call; "no outcome yet" has no class to show.
    let said = match said.split_once("outcome ") {
        Some((before, after)) if !before.ends_with("no ") => after,
        _ => &*said,
    };
    let mut parts = said.split([':', ',']).next().unwrap_or_default().split_whitespace();
    let class = parts.next().unwrap_or_default();
    let is_told = |part: &&str| class == "no" || part.chars().all(|c| c.is_ascii_digit());
    let status = parts.next().filter(is_told).map_or_else(String::new, |part| format!(" {part}"));
    begin(svg, "o", (x, y - 8.0)).raw("l7 8-7 8-7-8z\"/>");
    words(svg, "ot", (x + BESIDE, y + 4.0), &cut(&format!("{class}{status}"), OUTCOME_CHARS_MAX));
    if n_outcomes > 1 {
        words(svg, "d", (x + BESIDE, y + 18.0), &format!("last of {n_outcomes} calls"));
    }
}

/// The words of the faults of each exchange, below its line.
pub(super) fn faults(svg: &mut Html, scene: &Scene) {
    for lane in 0..scene.story.lanes.len() {
        let mut y = scene.rows.line(Some(lane)) + 18.0;
        let faults = scene.of_lane(lane).filter(|(mark, _)| mark.what == What::Fault);
        let faults: Vec<_> = faults.collect();
        for (mark, x) in faults.iter().take(FAULTS_MAX) {
            fault_words(svg, (*x, y), &redact(&mark.words));
            y += LINE_HEIGHT;
        }
        if faults.len() > FAULTS_MAX {
            let more = format!("and {} more faults", faults.len() - FAULTS_MAX);
            words(svg, "ft", (LEFT, y), &more);
        }
    }
}

/// To the right of its mark if they fit there, else on the side with more room, and as many as fit.
fn fault_words(svg: &mut Html, (x, y): (f64, f64), what: &str) {
    let (before, behind) = (x - LEFT, WIDTH - x);
    let fits = what.chars().count() as f64 * CHAR_WIDTH <= behind;
    let (class, x, room) = match () {
        () if fits || behind >= before => ("ft", x - 5.0, behind),
        () => ("ft end", x + 5.0, before),
    };
    words(svg, class, (x, y), &cut(what, (room / CHAR_WIDTH) as usize));
}

fn words(svg: &mut Html, class: &'static str, (x, y): (f64, f64), words: &str) {
    svg.raw("<text class=\"").raw(class).raw("\" x=\"").at(x).raw("\" y=\"").at(y).raw("\">");
    svg.text(words).raw("</text>");
}

fn line(svg: &mut Html, class: &'static str, from: (f64, f64), to: f64) {
    begin(svg, class, from).raw("H").at(to).raw("\"/>");
}

/// A path up to its first point; whoever draws on must close it.
fn begin<'a>(svg: &'a mut Html, class: &'static str, (x, y): (f64, f64)) -> &'a mut Html {
    svg.raw("<path class=\"").raw(class).raw("\" d=\"M").at(x).raw(" ").at(y)
}
