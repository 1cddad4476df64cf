//! The picture of a trial: a lane for the client and one for each exchange, time from left to right.
//!
//! It is drawn once, as SVG with classes, and coloured by the page's style. A reader without eyes for it has the same
//! in words beside it, so that its parts need no names of their own.

mod axis;
mod draw;
mod story;

use chaos::TrialReport;

use self::axis::{Step, axis};
use self::draw::Scene;
use self::story::{Mark, Nature, Story, What, story};
use crate::html::Html;

const WIDTH: f64 = 1000.0;
/// Room for the names of lanes, and for what stands behind the last mark.
const LEFT: f64 = 112.0;
const RIGHT: f64 = 860.0;
const AXIS_HEIGHT: f64 = 32.0;
const CLIENT_HEIGHT: f64 = 40.0;
const LANE_HEIGHT: f64 = 38.0;
const LINE_HEIGHT: f64 = 15.0;
/// From a lane's top to its line.
const LINE: f64 = 15.0;
/// Faults of one exchange with their words; the rest is a number.
const FAULTS_MAX: usize = 4;

/// The picture, or nothing if nothing happened. Without `timings` it shows an order and no time.
pub(super) fn picture(report: &TrialReport, timings: bool) -> Option<Html> {
    let story = story(&report.timeline, timings);
    if story.lanes.is_empty() {
        return None;
    }
    let axis = axis(story.marks[0].at_ms, &steps(&story.marks), LEFT + 6.0, RIGHT);
    let scene = Scene { rows: Rows::of(&story), story, axis };
    let mut svg = Html::default();
    svg.raw("<figure class=\"tl\"><div class=\"scroll\" tabindex=\"0\" role=\"region\"");
    svg.raw(" aria-label=\"timeline\"><svg role=\"img\" viewBox=\"0 0 1000 ").at(scene.rows.height);
    svg.raw("\"><title>").text(&title(report, &scene.story)).raw("</title>");
    draw::axis(&mut svg, &scene, timings);
    draw::names(&mut svg, &scene);
    draw::lanes(&mut svg, &scene);
    draw::marks(&mut svg, &scene);
    draw::faults(&mut svg, &scene);
    svg.raw("</svg></div>");
    caption(&mut svg, &scene, timings);
    svg.raw("</figure>\n");
    Some(svg)
}

/// `12 ms`, `2.004 s`.
pub(super) fn time(ms: u64) -> String {
    if ms < 1000 {
        return format!("{ms} ms");
    }
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `312 B`, `1.2 kB`.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// What has to fit between each mark and the next.
fn steps(marks: &[Mark]) -> Vec<Step> {
    let least = |one: &Mark, other: &Mark| match (one.what, other.what) {
        (What::Wait { .. }, _) => 76.0,
        (What::Sent { .. }, What::Sent { .. }) => 4.0,
        (_, What::Outcome) => 16.0,
        _ if one.lane == other.lane => 12.0,
        _ => 5.0,
    };
    let step = |pair: &[Mark]| Step {
        gap_ms: pair[1].at_ms.saturating_sub(pair[0].at_ms),
        least_px: least(&pair[0], &pair[1]),
    };
    marks.windows(2).map(step).collect()
}

/// Where each lane stands.
struct Rows {
    tops: Vec<f64>,
    left_out: Option<f64>,
    height: f64,
}

impl Rows {
    fn of(story: &Story) -> Self {
        let mut top = AXIS_HEIGHT + CLIENT_HEIGHT;
        let (mut tops, mut left_out) = (vec![], None);
        for lane in 0..story.lanes.len() {
            if story.left_out.is_some_and(|(_, before)| before == lane) {
                left_out = Some(top + 13.0);
                top += 24.0;
            }
            tops.push(top);
            let n_lines = n_faults(story, lane).min(FAULTS_MAX + 1);
            top += LANE_HEIGHT + LINE_HEIGHT * n_lines.saturating_sub(1) as f64;
        }
        Self { tops, left_out, height: top }
    }

    /// The line that a mark stands on.
    fn line(&self, lane: Option<usize>) -> f64 {
        lane.map_or(AXIS_HEIGHT + 24.0, |lane| self.tops[lane] + LINE)
    }
}

fn n_faults(story: &Story, lane: usize) -> usize {
    let is_its = |mark: &&Mark| mark.what == What::Fault && mark.lane == Some(lane);
    story.marks.iter().filter(is_its).count()
}

fn title(report: &TrialReport, story: &Story) -> String {
    let hidden = story.left_out.map_or(0, |(count, _)| count);
    let n_lanes = story.lanes.len() + hidden;
    let said = report.observed.outcome.unwrap_or("nothing");
    let plural = if n_lanes == 1 { "" } else { "s" };
    format!(
        "{}, {}: {n_lanes} exchange{plural}, the client says {said}",
        report.scenario,
        report.surface.name()
    )
}

/// What the picture does not show as it was.
fn caption(svg: &mut Html, Scene { story, axis, .. }: &Scene, timings: bool) {
    let has = |wanted: Nature| {
        story
            .marks
            .iter()
            .any(|mark| matches!(mark.what, What::Wait { nature, .. } if nature == wanted))
    };
    let notes = [
        (timings && !axis.breaks.is_empty(), "Shaded spans are idle time, not to scale."),
        (has(Nature::Injected), "* The client's clock is injected: the wait took no time."),
        (has(Nature::Censored), "The trial was cut short in a wait that the server demanded."),
        (story.is_coarse, "Pieces of long replies are drawn together."),
        (story.left_out.is_some(), "Of many exchanges the first and the last are drawn."),
    ];
    if !notes.iter().any(|(is_true, _)| *is_true) {
        return;
    }
    svg.raw("<figcaption>");
    for (_, note) in notes.into_iter().filter(|(is_true, _)| *is_true) {
        svg.raw(note).raw(" ");
    }
    svg.raw("</figcaption>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        assert_eq!(
            [0, 999, 1000, 2004, 61_200].map(time),
            ["0 ms", "999 ms", "1 s", "2.004 s", "61.2 s"]
        );
        assert_eq!([0, 999, 1234, 16_777_216].map(size), ["0 B", "999 B", "1.2 kB", "16.7 MB"]);
    }
}
