//! A trial of several calls, taken apart: which attempt, which wait and which outcome belong to which call.
//!
//! Every call's words hold a nonce, and its attempts are known by it. A follow-up turn repeats the words of the
//! turn before and is known by its own. What carries no known words follows the attempt before it that had not
//! been answered: a retry that lost its body, or a hop that a redirect made a GET. The price is that among
//! calls which run side by side such an attempt can be laid at the wrong door.

use std::borrow::Cow;

use memchr::memmem;

use crate::handling::{Attempt, Handling, Outcome, OutcomeClass};
use crate::scenario::{Scenario, Surface};
use crate::served::{Served, Truth, served};

/// One call of the client, with what each of its attempts was given.
pub(crate) struct Call<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) surface: Surface,
    /// What concerns this call alone; its end is the latest that it can have had.
    pub(crate) handling: Cow<'a, Handling>,
    pub(crate) served: Vec<Served>,
    /// Which attempts met a connection that had served before, by whatever call, and died without a byte: the
    /// request most likely never arrived.
    pub(crate) stale: Vec<bool>,
    /// What came of the last redirect to the second origin, if the last attempt ended in one.
    pub(crate) abroad: Option<Served>,
    pub(crate) nonce: Option<&'a str>,
    /// Whether the scenario's own demands are about this call.
    pub(crate) is_last: bool,
    /// When it began, at the latest.
    pub(crate) began_ms: u64,
    /// Whether its end is known: of calls that run side by side only the last one's is.
    pub(crate) is_timed: bool,
    /// The waits before each retry, by the place of the attempt before it; nothing where nobody can tell.
    pub(crate) gaps: Vec<(usize, u64)>,
    /// Whether it can be told how long it waited.
    pub(crate) waits_are_told: bool,
    /// Whether it was spared its waits: then they are what it says, to the millisecond.
    pub(crate) is_spared: bool,
    /// The waits that it was spared, all together.
    pub(crate) spared_ms: u64,
    /// The part of them that came after the last attempt.
    pub(crate) trailing_ms: u64,
}

/// How a client waited between its attempts.
enum Waits {
    /// On the wire.
    Real,
    /// In no time: these are the waits that it was spared, in the order of its retries.
    Spared(Vec<u64>),
    /// In no time, and nobody can tell for how long.
    Untold,
}

/// Takes the trial apart. There is at least one call.
pub(crate) fn calls<'a>(
    scenario: &'a Scenario,
    surface: Surface,
    handling: &'a Handling,
) -> Vec<Call<'a>> {
    let given = |attempt: &Attempt| served(attempt).asked_for(surface.streams());
    let served: Vec<Served> = handling.attempts.iter().map(given).collect();
    let marks = marks(scenario, handling);
    let blank = |handling, served, stale, waits| {
        let mut call = Call {
            scenario,
            surface,
            handling,
            served,
            stale,
            abroad: None,
            nonce: None,
            is_last: true,
            began_ms: 0,
            is_timed: true,
            gaps: vec![],
            waits_are_told: true,
            is_spared: false,
            spared_ms: 0,
            trailing_ms: 0,
        };
        call.follow_abroad();
        call.time(waits);
        call
    };
    let nonce =
        |idx| handling.nonces.get(idx).or_else(|| handling.nonces.last()).map(String::as_str);
    let stale = stale(&handling.attempts);
    if marks.len() < 2 {
        let waits = handling.waits_ms.clone().map_or(Waits::Real, Waits::Spared);
        let call = blank(Cow::Borrowed(handling), served, stale, waits);
        return vec![Call { nonce: nonce(0), ..call }];
    }
    let owners = owners(&marks, handling, &served);
    let parts = split(scenario, handling, &marks, &owners);
    let served_parts = dealt(served, &owners, marks.len());
    let mut stale_parts = dealt(stale, &owners, marks.len()).into_iter();
    let side_by_side = scenario.ask.parallel.is_some();
    let waits = deal_waits(handling, &served_parts, side_by_side);
    let parts = parts.into_iter().zip(served_parts).zip(waits).enumerate();
    let call = |(idx, ((part, served), waits)): (usize, ((Handling, Vec<Served>), Waits))| {
        let first_ms = part.attempts.first().map_or(0, |attempt| attempt.head_ms);
        Call {
            nonce: nonce(idx),
            is_last: idx + 1 == marks.len(),
            is_timed: !side_by_side,
            began_ms: if idx == 0 || side_by_side { 0 } else { first_ms },
            ..blank(Cow::Owned(part), served, stale_parts.next().unwrap_or_default(), waits)
        }
    };
    parts.map(call).collect()
}

impl Call<'_> {
    pub(crate) fn n_attempts(&self) -> u32 {
        u32::try_from(self.handling.attempts.len()).unwrap_or(u32::MAX)
    }

    /// What the server's side of the last attempt amounts to, wherever it led.
    pub(crate) fn last(&self) -> Option<&Served> {
        self.abroad.as_ref().or_else(|| self.served.last())
    }

    /// How long it took with the waits that it was spared.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        let real_ms = self.handling.elapsed_ms.saturating_sub(self.began_ms);
        real_ms.saturating_add(self.spared_ms)
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.handling.outcome.iter().any(|outcome| outcome.class == OutcomeClass::Success)
    }

    fn follow_abroad(&mut self) {
        if self.served.last().is_some_and(Served::redirects) {
            let streams = self.surface.streams();
            let last = self.handling.abroad.last();
            self.abroad = last.map(|attempt| served(attempt).asked_for(streams));
        }
    }

    /// Finds the waits. Attempts that overlap have none between them, and whoever follows a redirect need not
    /// wait. Where fewer waits were spared than there are retries, a stale connection was replaced without one.
    fn time(&mut self, waits: Waits) {
        let on_wire: Vec<(usize, u64)> = {
            let pairs = self.handling.attempts.windows(2).enumerate();
            pairs
                .filter(|(idx, _)| !self.served[*idx].redirects())
                .filter_map(|(idx, pair)| Some((idx, pair[1].head_ms.checked_sub(pair[0].end_ms)?)))
                .collect()
        };
        let spared = match waits {
            Waits::Real => return self.gaps = on_wire,
            Waits::Untold => return self.waits_are_told = false,
            Waits::Spared(spared) => spared,
        };
        self.is_spared = true;
        self.spared_ms = spared.iter().fold(0, |sum, wait_ms| sum.saturating_add(*wait_ms));
        let retries = self.handling.attempts.len().saturating_sub(1);
        let mut retries: Vec<usize> =
            (0..retries).filter(|&idx| !self.served[idx].redirects()).collect();
        if spared.len() < retries.len() {
            retries.retain(|&idx| !self.stale[idx]);
        }
        let real = |idx: usize| on_wire.iter().find(|(place, _)| *place == idx).map(|gap| gap.1);
        let gap = |(place, &idx): (usize, &usize)| {
            Some((idx, spared.get(place).copied().or_else(|| real(idx))?))
        };
        self.gaps = retries.iter().enumerate().filter_map(gap).collect();
        let trailing = spared.iter().skip(retries.len());
        self.trailing_ms = trailing.fold(0, |sum, wait_ms| sum.saturating_add(*wait_ms));
    }
}

fn stale(attempts: &[Attempt]) -> Vec<bool> {
    let is_stale = |(idx, attempt): (usize, &Attempt)| {
        let mut earlier = attempts[..idx].iter();
        attempt.served.is_empty() && earlier.any(|one| one.connection == attempt.connection)
    };
    attempts.iter().enumerate().map(is_stale).collect()
}

/// What belongs to each attempt, given to the call that the attempt belongs to.
fn dealt<T>(all: Vec<T>, owners: &[usize], n_calls: usize) -> Vec<Vec<T>> {
    let mut dealt: Vec<Vec<T>> = (0..n_calls).map(|_| vec![]).collect();
    for (one, &owner) in all.into_iter().zip(owners) {
        dealt[owner].push(one);
    }
    dealt
}

/// The words by which each call's requests are known, in the order of the calls.
fn marks(scenario: &Scenario, handling: &Handling) -> Vec<String> {
    let mut marks: Vec<String> = vec![];
    let follow_up = scenario.ask.follow_up.as_deref().map(as_in_json);
    for mark in handling.nonces.iter().cloned().chain(follow_up) {
        if !marks.contains(&mark) {
            marks.push(mark);
        }
    }
    marks
}

fn as_in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The call of each attempt. The last mark decides, since a later turn repeats the words of the earlier ones.
fn owners(marks: &[String], handling: &Handling, served: &[Served]) -> Vec<usize> {
    let mut owners: Vec<usize> = vec![];
    for attempt in &handling.attempts {
        let known = marked(marks, attempt);
        let unanswered =
            || (0..owners.len()).rev().find(|&idx| served[idx].truth != Truth::Complete);
        let before =
            || unanswered().or_else(|| owners.len().checked_sub(1)).map_or(0, |idx| owners[idx]);
        let owner = known.unwrap_or_else(before);
        owners.push(owner);
    }
    owners
}

/// The place of the last mark that stands in the request.
fn marked(marks: &[String], attempt: &Attempt) -> Option<usize> {
    let body = attempt.request.body.to_bytes();
    marks.iter().rposition(|mark| memmem::find(&body, mark.as_bytes()).is_some())
}

/// The handling of each call: its attempts, its outcome, and the latest that it can have ended.
fn split(
    scenario: &Scenario,
    handling: &Handling,
    marks: &[String],
    owners: &[usize],
) -> Vec<Handling> {
    let n_calls = marks.len();
    let abroad_of = |call: usize| {
        let is_own = move |attempt: &&Attempt| marked(marks, attempt).is_none_or(|own| own == call);
        handling.abroad.iter().filter(is_own)
    };
    let attempts_of = |call: usize| {
        let all = handling.attempts.iter().zip(owners);
        all.filter(move |(_, owner)| **owner == call).map(|(attempt, _)| attempt)
    };
    let part = |call: usize| {
        let attempts: Vec<Attempt> = attempts_of(call).cloned().collect();
        let later = (call + 1..n_calls).find_map(|call| attempts_of(call).next());
        let next = later.filter(|_| scenario.ask.parallel.is_none());
        let pause_ms = scenario.ask.pause_ms.unwrap_or_default();
        let last_ms = attempts.last().map_or(0, |last| last.end_ms);
        let elapsed_ms = next.map_or(handling.elapsed_ms, |next| {
            next.head_ms.saturating_sub(pause_ms).max(last_ms.min(next.head_ms))
        });
        Handling {
            attempts,
            outcome: outcome_of(handling, call, n_calls).cloned(),
            elapsed_ms,
            noise_ms: handling.noise_ms,
            abroad: abroad_of(call).cloned().collect(),
            address: handling.address.clone(),
            censored_ms: handling.censored_ms.filter(|_| call + 1 == n_calls),
            ..Handling::default()
        }
    };
    (0..n_calls).map(part).collect()
}

fn outcome_of(handling: &Handling, call: usize, n_calls: usize) -> Option<&Outcome> {
    if call + 1 == n_calls { handling.outcome.as_ref() } else { handling.earlier.get(call) }
}

/// The waits of each call. Nothing says in which order calls waited that ran side by side, or which of them
/// waited in vain.
fn deal_waits(handling: &Handling, served: &[Vec<Served>], side_by_side: bool) -> Vec<Waits> {
    let Some(waits_ms) = &handling.waits_ms else {
        return served.iter().map(|_| Waits::Real).collect();
    };
    let n_retries = |served: &Vec<Served>| {
        served.iter().rev().skip(1).filter(|served| !served.redirects()).count()
    };
    let needed: Vec<usize> = served.iter().map(n_retries).collect();
    let n_waiting = needed.iter().filter(|n_retries| 0 < **n_retries).count();
    if needed.iter().sum::<usize>() != waits_ms.len() || side_by_side && 1 < n_waiting {
        return needed.iter().map(|_| Waits::Untold).collect();
    }
    let mut rest = &waits_ms[..];
    let mut deal = |n_retries: usize| {
        let (own, others) = rest.split_at(n_retries);
        rest = others;
        Waits::Spared(own.to_vec())
    };
    needed.into_iter().map(&mut deal).collect()
}
