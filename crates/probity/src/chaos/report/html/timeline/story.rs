//! A trial's moments as what can be drawn: lanes, and marks on them in the order of time.
//!
//! A record says some things only in words: where a request went, how an exchange ended, whether a wait was real.
//! They are read here and nowhere else; words that nobody knows are shown as they stand.

use chaos::report::{Moment, MomentKind};

/// Lanes drawn of a long run: how it began, and how it ended. More do not fit on a screen.
const FIRST_LANES: usize = 8;
const LAST_LANES: usize = 4;
/// Pieces of replies drawn in one picture; past that they touch each other.
const PIECES_MAX: usize = 160;
/// Pieces drawn in one lane, however many lanes there are.
const LANE_PIECES_MIN: usize = 8;

/// What is drawn.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) lanes: Vec<Lane>,
    /// In the order of the axis.
    pub(super) marks: Vec<Mark>,
    /// Lanes left out, and before which of those drawn.
    pub(super) left_out: Option<(usize, usize)>,
    /// Whether pieces were drawn together that left at different times.
    pub(super) is_coarse: bool,
}

/// One exchange: a request, and what was given in return.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    attempt: Option<u32>,
    /// The connection that it came on, if the record says so.
    pub(super) connection: Option<u64>,
    pub(super) is_abroad: bool,
    is_over: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) at_ms: u64,
    /// Nothing is the client's own lane.
    pub(super) lane: Option<usize>,
    pub(super) what: What,
    pub(super) words: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum What {
    Request,
    Sent {
        bytes: u64,
    },
    Fault,
    End(Ending, Option<u64>),
    /// Until the next request, or until the end.
    Wait {
        ms: Option<u64>,
        nature: Nature,
    },
    Outcome,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    Closed,
    Kept,
    Left,
    Open,
    Reset,
    Unknown,
}

/// What kind of wait it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Nature {
    /// The trial was cut short in it.
    Censored,
    /// The client's clock is injected: it took no time.
    Injected,
    Real,
}

/// The moments as a story. Without `timings` nothing in it depends on a clock: one exchange after another.
pub(super) fn story(moments: &[Moment], timings: bool) -> Story {
    let (lanes, places) = lanes(moments);
    let mut story = thinned(lanes, moments, &places);
    if timings {
        story.marks.sort_by_key(|mark| mark.at_ms);
        fill_waits(&mut story);
    } else {
        story.marks.sort_by_key(|mark| mark.lane.map_or(usize::MAX, |lane| lane));
        for mark in &mut story.marks {
            mark.at_ms = 0;
        }
        // Waits are time and nothing else, and how a reply fell to pieces was a matter of it.
        story.marks.retain(|mark| !matches!(mark.what, What::Wait { .. }));
    }
    merge(&mut story);
    story
}

/// Every exchange in the order of its first moment, and the exchange of each moment.
fn lanes(moments: &[Moment]) -> (Vec<Lane>, Vec<Option<usize>>) {
    let mut lanes: Vec<Lane> = vec![];
    let mut places = vec![];
    for moment in moments {
        let Moment { kind, attempt, what: words, .. } = moment;
        let find = |lanes: &[Lane], is_abroad| {
            lanes.iter().position(|lane| (lane.is_abroad, lane.attempt) == (is_abroad, *attempt))
        };
        let lane = match kind {
            MomentKind::Outcome => None,
            // It belongs to the exchange before it.
            MomentKind::Wait => find(&lanes, false).or_else(|| lanes.len().checked_sub(1)),
            // Pieces and faults do not say where; what is over gets no more of them.
            MomentKind::Fault | MomentKind::Sent => [false, true]
                .into_iter()
                .filter_map(|is_abroad| find(&lanes, is_abroad))
                .find(|lane| !lanes[*lane].is_over)
                .or_else(|| find(&lanes, false)),
            MomentKind::Abroad => find(&lanes, true),
            MomentKind::End | MomentKind::Request => find(&lanes, is_about_abroad(words)),
        };
        let is_exchange = !matches!(kind, MomentKind::Outcome | MomentKind::Wait);
        let lane = lane.or_else(|| {
            is_exchange.then(|| {
                lanes.push(Lane::of(moment));
                lanes.len() - 1
            })
        });
        if let Some(lane) = lane.map(|lane| &mut lanes[lane]) {
            lane.is_over |= *kind == MomentKind::End;
        }
        places.push(lane);
    }
    (lanes, places)
}

impl Lane {
    fn of(first: &Moment) -> Self {
        let name = match first.attempt {
            Some(number) => format!("attempt {number}"),
            None => "no request".to_owned(),
        };
        Self {
            name,
            attempt: first.attempt,
            connection: number_after(&first.what, "connection "),
            is_abroad: first.kind == MomentKind::Abroad || is_about_abroad(&first.what),
            is_over: false,
        }
    }
}

/// The marks of the lanes that are drawn, with the waits after them.
fn thinned(lanes: Vec<Lane>, moments: &[Moment], places: &[Option<usize>]) -> Story {
    let most = FIRST_LANES + LAST_LANES;
    let n_left_out = if lanes.len() > most { lanes.len() - most } else { 0 };
    let gap = FIRST_LANES..FIRST_LANES + n_left_out;
    let drawn = |lane: usize| match lane {
        _ if gap.contains(&lane) => None,
        _ if lane >= gap.end => Some(lane - n_left_out),
        _ => Some(lane),
    };
    let mut story = Story::default();
    for (moment, place) in moments.iter().zip(places) {
        if place.is_some_and(|lane| drawn(lane).is_none()) {
            continue;
        }
        let is_clients = moment.kind == MomentKind::Wait;
        story.marks.push(Mark {
            at_ms: moment.at_ms,
            lane: place.filter(|_| !is_clients).and_then(drawn),
            what: what(moment),
            words: moment.what.clone(),
        });
    }
    let kept = lanes.into_iter().enumerate().filter(|(lane, _)| drawn(*lane).is_some());
    story.lanes = kept.map(|(_, lane)| lane).collect();
    story.left_out = (n_left_out > 0).then_some((n_left_out, FIRST_LANES));
    story
}

fn what(moment: &Moment) -> What {
    let Moment { kind, bytes, what: words, .. } = moment;
    match kind {
        MomentKind::Abroad | MomentKind::Request => What::Request,
        MomentKind::End => What::End(ending(words), *bytes),
        MomentKind::Fault => What::Fault,
        MomentKind::Outcome => What::Outcome,
        MomentKind::Sent => What::Sent { bytes: bytes.unwrap_or(0) },
        MomentKind::Wait => {
            let nature = match () {
                () if words.contains("censored") => Nature::Censored,
                () if words.contains("injected") => Nature::Injected,
                () => Nature::Real,
            };
            What::Wait { ms: duration_ms(words), nature }
        }
    }
}

/// The time between two exchanges that follow each other, where the record has no wait of its own.
fn fill_waits(story: &mut Story) {
    let mut filled: Vec<Mark> = vec![];
    let mut open = 0_usize;
    let mut since: Option<u64> = None;
    for mark in story.marks.drain(..) {
        let is_here = mark.lane.is_none_or(|lane| !story.lanes[lane].is_abroad);
        match mark.what {
            What::Request if is_here => {
                if let Some(at_ms) = since.take().filter(|_| open == 0) {
                    let ms = mark.at_ms.saturating_sub(at_ms);
                    let what = What::Wait { ms: Some(ms), nature: Nature::Real };
                    filled.push(Mark { at_ms, lane: None, what, words: String::new() });
                }
                open += 1;
            }
            What::End(..) if is_here => {
                open = open.saturating_sub(1);
                // What was left out is no wait.
                let is_edge = story.left_out.is_some_and(|(_, edge)| mark.lane == Some(edge - 1));
                since = (open == 0 && !is_edge).then_some(mark.at_ms);
            }
            What::Wait { .. } | What::Outcome => since = None,
            _ => {}
        }
        filled.push(mark);
    }
    story.marks = filled;
    // A wait that was filled in begins where the exchange before it ended.
    story.marks.sort_by_key(|mark| mark.at_ms);
}

/// Draws pieces together that left in the same millisecond, and neighbours where there are too many.
fn merge(story: &mut Story) {
    let lane_max = (PIECES_MAX / story.lanes.len().max(1)).max(LANE_PIECES_MIN);
    for lane in 0..story.lanes.len() {
        // Without times all stand at the same one.
        join(story, lane, |one, other| one.at_ms == other.at_ms);
        let is_piece =
            |mark: &&Mark| mark.lane == Some(lane) && matches!(mark.what, What::Sent { .. });
        let n_pieces = story.marks.iter().filter(is_piece).count();
        if n_pieces > lane_max {
            story.is_coarse = true;
            let most = n_pieces.div_ceil(lane_max);
            let mut joined = 1;
            join(story, lane, |_, _| {
                joined = if joined < most { joined + 1 } else { 1 };
                joined > 1
            });
        }
    }
}

/// Adds a piece of this lane to the one before it, where nothing lies between them and `is_one` agrees.
fn join(story: &mut Story, lane: usize, mut is_one: impl FnMut(&Mark, &Mark) -> bool) {
    let mut kept: Vec<Mark> = vec![];
    let mut last: Option<usize> = None;
    for mark in story.marks.drain(..) {
        if mark.lane != Some(lane) {
            kept.push(mark);
            continue;
        }
        let before = last.map(|place| &mut kept[place]);
        if let (What::Sent { bytes }, Some(before)) = (mark.what, before)
            && let What::Sent { bytes: earlier } = before.what
            && is_one(before, &mark)
        {
            before.what = What::Sent { bytes: earlier + bytes };
            continue;
        }
        last = Some(kept.len());
        kept.push(mark);
    }
    story.marks = kept;
}

/// Requests to the second origin have lanes of their own, since they are counted for themselves.
fn is_about_abroad(words: &str) -> bool {
    let head = words.split([',', ':']).next().unwrap_or_default();
    head.contains(" abroad")
}

/// How it ended stands at the end.
fn ending(words: &str) -> Ending {
    let last = words.rsplit(", ").next().unwrap_or_default();
    let known = [
        ("still open", Ending::Open),
        ("left", Ending::Left),
        ("reset", Ending::Reset),
        ("kept", Ending::Kept),
        ("closed", Ending::Closed),
    ];
    known.into_iter().find(|(word, _)| last.contains(word)).map_or(Ending::Unknown, |(_, end)| end)
}

fn number_after(words: &str, before: &str) -> Option<u64> {
    let (_, rest) = words.split_once(before)?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The first number with a unit of time: `2000 ms`, `5 s`.
fn duration_ms(words: &str) -> Option<u64> {
    let mut tokens =
        words.split([' ', '(', ')', ',', ':']).filter(|token| !token.is_empty()).peekable();
    while let Some(token) = tokens.next() {
        let number = token.trim_start_matches('≥').parse::<u64>();
        match (number, tokens.peek()) {
            (Ok(ms), Some(&"ms")) => return Some(ms),
            (Ok(s), Some(&"s")) => return Some(s.saturating_mul(1000)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at_ms: u64, kind: MomentKind, attempt: u32, what: &str) -> Moment {
        Moment { at_ms, kind, attempt: Some(attempt), bytes: Some(10), what: what.to_owned() }
    }

    fn check(moments: &[Moment], timings: bool, expected: &str) {
        let story = story(moments, timings);
        let marks: Vec<_> = story
            .marks
            .iter()
            .map(|mark| {
                let lane = mark.lane.map_or_else(|| "client".to_owned(), |lane| lane.to_string());
                format!("{lane}@{} {:?}", mark.at_ms, mark.what)
            })
            .collect();
        assert_eq!(marks.join("; "), expected);
    }

    #[test]
    fn pieces_of_one_millisecond_are_one_and_gaps_are_waits() {
        let moments = [
            moment(
                0,
                MomentKind::Request,
                1,
                "attempt 1 on connection 7: POST /v1/messages, 10 bytes",
            ),
            moment(1, MomentKind::Sent, 1, ""),
            moment(1, MomentKind::Sent, 1, ""),
            moment(3, MomentKind::End, 1, "attempt 1: 20 bytes sent, overloaded, closed"),
            moment(
                9,
                MomentKind::Request,
                2,
                "attempt 2 on connection 8: POST /v1/messages, 10 bytes",
            ),
        ];
        check(
            &moments,
            true,
            "0@0 Request; 0@1 Sent { bytes: 20 }; 0@3 End(Closed, Some(10)); \
             client@3 Wait { ms: Some(6), nature: Real }; 1@9 Request",
        );
        check(
            &moments,
            false,
            "0@0 Request; 0@0 Sent { bytes: 20 }; 0@0 End(Closed, Some(10)); 1@0 Request",
        );
        let lanes = story(&moments, true).lanes;
        assert_eq!(
            lanes.iter().map(|lane| lane.connection).collect::<Vec<_>>(),
            [Some(7), Some(8)]
        );
    }

    #[test]
    fn words_are_read() {
        assert_eq!(
            ending("attempt 1: 9 bytes sent, cut by a reset, the client left"),
            Ending::Left
        );
        assert_eq!(ending("attempt 1: 9 bytes sent, ok, connection kept"), Ending::Kept);
        assert_eq!(ending("nobody knows"), Ending::Unknown);
        assert_eq!(duration_ms("waits 2000 ms (injected)"), Some(2000));
        assert_eq!(duration_ms("waited ≥ 5 s (censored)"), Some(5000));
        assert_eq!(duration_ms("waited ≥5 s (censored)"), Some(5000));
        assert_eq!(duration_ms("waits"), None);
        assert!(is_about_abroad("attempt 1 abroad on connection 1: GET /"));
        assert!(!is_about_abroad("attempt 1 on connection 1: GET / abroad"));
    }

    #[test]
    fn long_runs_keep_their_beginning_and_their_end() {
        let moments: Vec<_> =
            (1..=50).map(|number| moment(0, MomentKind::Request, number, "")).collect();
        let story = story(&moments, true);
        assert_eq!(story.left_out, Some((38, 8)));
        assert_eq!(story.lanes.last().unwrap().name, "attempt 50");
    }
}
