//! What happened in a trial, moment by moment.

use super::words::{censored, said};
use super::{Moment, MomentKind};
use crate::handling::{Attempt, End, Handling, Sent, Struck};
use crate::oracle::Call;
use crate::scenario::{Scenario, describe};
use crate::served::served;

/// The pieces of one reply are told in so many moments: as many as a screen has lines.
const PIECES_MAX: usize = 40;

/// Everything that happened, in order; of what happened at once the cause comes first.
pub(super) fn timeline(
    scenario: &Scenario,
    handling: &Handling,
    calls: &[Call<'_>],
) -> Vec<Moment> {
    let mut moments = vec![];
    for attempt in &handling.attempts {
        moments.extend(exchange(scenario, attempt, "", &class(attempt, calls)));
        moments.extend(wait(attempt, handling, calls));
    }
    for attempt in &handling.abroad {
        let class = served(attempt).class.to_string();
        moments.extend(exchange(scenario, attempt, " abroad", &class));
    }
    moments.extend(outcomes(handling));
    moments.sort_by_key(|moment| moment.at_ms);
    moments
}

/// The class of what this attempt was given, which has been read already.
fn class(attempt: &Attempt, calls: &[Call<'_>]) -> String {
    let attempts = calls.iter().flat_map(|call| call.handling.attempts.iter().zip(&call.served));
    let mut own = attempts.filter(|(one, _)| one.number == attempt.number);
    own.next().map(|(_, served)| served.class.to_string()).unwrap_or_default()
}

/// One attempt from its request to its end.
fn exchange(scenario: &Scenario, attempt: &Attempt, place: &str, class: &str) -> Vec<Moment> {
    let Attempt { number, connection, request, sent, struck, .. } = attempt;
    let moment =
        |at_ms, kind, bytes, what| Moment { at_ms, kind, attempt: Some(*number), bytes, what };
    let asked = format!(
        "attempt {number}{place} on connection {connection}: {} {}, {} bytes",
        request.method,
        request.target,
        request.body.len()
    );
    let kind = if place.is_empty() { MomentKind::Request } else { MomentKind::Abroad };
    let asked = moment(attempt.head_ms, kind, Some(request.body.len()), asked);
    let mut between: Vec<Moment> = pieces(sent)
        .map(|(at_ms, bytes, what)| moment(at_ms, MomentKind::Sent, Some(bytes), what))
        .collect();
    between.extend(struck.iter().filter_map(|Struck { at_ms, fault }| {
        let strike = scenario.faults.get(*fault)?;
        Some(moment(*at_ms, MomentKind::Fault, None, describe(strike)))
    }));
    between.sort_by_key(|moment| moment.at_ms);
    let n_sent = n_bytes(sent).max(attempt.served.len() as u64);
    let end =
        format!("attempt {number}{place}: {n_sent} bytes sent, {class}, {}", ended(attempt.end));
    let end = moment(attempt.end_ms, MomentKind::End, Some(n_sent), end);
    [asked].into_iter().chain(between).chain([end]).collect()
}

/// The writes of one reply, neighbours taken together where there are too many.
fn pieces(sent: &[Sent]) -> impl Iterator<Item = (u64, u64, String)> {
    let n_together = sent.len().div_ceil(PIECES_MAX).max(1);
    sent.chunks(n_together).map(|writes| {
        let (at_ms, bytes) = (writes[0].at_ms, n_bytes(writes));
        let until_ms = writes[writes.len() - 1].at_ms;
        let what = match writes.len() {
            1 => format!("{bytes} bytes"),
            n_writes if at_ms == until_ms => format!("{bytes} bytes in {n_writes} writes"),
            n_writes => format!("{bytes} bytes in {n_writes} writes, the last at {until_ms} ms"),
        };
        (at_ms, bytes, what)
    })
}

fn n_bytes(sent: &[Sent]) -> u64 {
    sent.iter().fold(0, |sum: u64, sent| sum.saturating_add(sent.bytes as u64))
}

/// The wait that follows this attempt, if one does.
fn wait(attempt: &Attempt, handling: &Handling, calls: &[Call<'_>]) -> Option<Moment> {
    let place_in = |call: &Call<'_>| {
        call.handling.attempts.iter().position(|one| one.number == attempt.number)
    };
    let (call, place) = calls.iter().find_map(|call| Some((call, place_in(call)?)))?;
    let is_last = place + 1 == call.handling.attempts.len();
    let gap = call.gaps().find(|(idx, _)| *idx == place).map(|(_, gap_ms)| gap_ms);
    let waited_ms = gap.or_else(|| Some(call.trailing_ms).filter(|_| is_last));
    let injected = if handling.waits_ms.is_some() { " (injected)" } else { "" };
    let what = match (call.handling.censored_ms.filter(|_| is_last), waited_ms) {
        (Some(censored_ms), _) => censored(censored_ms),
        (None, Some(waited_ms)) if 0 < waited_ms => format!("waits {waited_ms} ms{injected}"),
        (None, _) => return None,
    };
    let (at_ms, kind) = (attempt.end_ms, MomentKind::Wait);
    Some(Moment { at_ms, kind, attempt: Some(attempt.number), bytes: None, what })
}

/// What the client said of each call. Only of the last one it is known when.
fn outcomes(handling: &Handling) -> Vec<Moment> {
    let n_earlier = handling.earlier.len();
    let all = handling.earlier.iter().map(Some).chain([handling.outcome.as_ref()]);
    let outcome = |(idx, outcome): (usize, Option<_>)| {
        let what = match outcome {
            Some(outcome) => format!("outcome {}", said(outcome)),
            None if handling.censored_ms.is_some() => "no outcome yet".to_owned(),
            None => "no outcome".to_owned(),
        };
        let of = if n_earlier == 0 { String::new() } else { format!("call {}, ", idx + 1) };
        Moment {
            at_ms: handling.elapsed_ms,
            kind: MomentKind::Outcome,
            attempt: None,
            bytes: None,
            what: format!("{of}{what}"),
        }
    };
    all.enumerate().map(outcome).collect()
}

fn ended(end: End) -> &'static str {
    match end {
        End::Closed => "closed",
        End::Kept => "connection kept",
        End::Left => "the client left",
        End::Reset => "reset",
        End::Unended => "still open",
    }
}
