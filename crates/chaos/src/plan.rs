//! The plan of a scenario: which bytes of each reply reach the client, and what happens between them.
//!
//! A [`Fate`] is one attempt's reply. It is fed what the upstream sends, in whatever pieces the network makes
//! of it, and answers with actions that depend on the bytes alone: the same reply in other pieces is passed,
//! cut and delayed at the same bytes. The price is that it looks at every byte while a fault is pending. It
//! knows chunks, events and characters, and nothing of what a reply means.

mod place;
mod rewrite;

use std::collections::BTreeMap;

use bytes::Bytes;
use classify::script::{self, Script};
use classify::{Headers, Request};

use crate::scenario::{At, Destination, Fault, Scenario, Strike, When};
use place::Tracker;

/// A reply that is changed as a whole is held until it ends; one past this is passed as it is, which leaves
/// the fault unfired and the trial without a verdict. The catalogue's largest is half of it.
const REWRITE_BYTES_MAX: usize = 16 << 20;

/// A throttled reply moves once in this time, as often as a picture on a screen need not flicker.
const THROTTLE_STEP_MS: u64 = 50;

/// A scenario while it runs: hands out one [`Fate`] per attempt and remembers which faults struck.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The faults in the order of the file, with what they do.
    strikes: Vec<(Strike, Effect)>,
    fired: Vec<bool>,
}

/// What to do next with the connection to the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Close in order.
    Close,
    /// Close without a farewell.
    Cut,
    /// Wait; a client that leaves meanwhile is not waited for. Even no time at all parts two writes.
    Delay { ms: u64 },
    /// Close the sending half, and keep the connection until the client leaves.
    HalfClose,
    /// Send these bytes.
    Pass(Bytes),
    /// Send a redirect of this status to that place, see [`redirect`].
    Redirect { status: u16, to: Destination },
    /// Reset the connection.
    Reset,
    /// Send nothing more, and keep the connection until the client leaves.
    Stall,
}

impl Action {
    /// Whether nothing of the reply follows.
    fn is_final(&self) -> bool {
        match self {
            Self::Close
            | Self::Cut
            | Self::HalfClose
            | Self::Redirect { .. }
            | Self::Reset
            | Self::Stall => true,
            Self::Delay { .. } | Self::Pass(_) => false,
        }
    }
}

/// What a fault does to the reply.
#[derive(Clone, Debug)]
enum Effect {
    Act(Action),
    Corrupt,
    Pace(Pace),
    /// These actions take the place of the rest.
    Replace(Vec<Action>),
    /// The reply is held and changed as a whole.
    Rewrite,
}

/// So many bytes move at a time, with so long between.
#[derive(Clone, Copy, Debug)]
struct Pace {
    bytes: u32,
    ms: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("`{scenario}` injects the reply `{reply}`, which does not exist")]
pub struct PlanError {
    pub scenario: String,
    pub reply: String,
}

impl Plan {
    /// `replies` holds every script that a fault may inject.
    pub fn new(scenario: &Scenario, replies: &BTreeMap<String, Script>) -> Result<Self, PlanError> {
        let missing =
            |reply: &String| PlanError { scenario: scenario.id.clone(), reply: reply.clone() };
        let strikes = scenario
            .faults
            .iter()
            .map(|strike| Ok((strike.clone(), effect(&strike.fault, replies).map_err(missing)?)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { fired: vec![false; strikes.len()], strikes })
    }

    /// The fate of this request's reply, and what happens before the upstream is even asked.
    pub fn on_connect(&self, asked: Asked<'_>) -> (Fate, Vec<Action>) {
        let struck = self.strikes.iter().enumerate();
        let (rewrites, pending) = struck
            .filter(|(_, (strike, _))| asked.meets(strike))
            .map(|(idx, (strike, effect))| Pending {
                idx,
                strike: strike.clone(),
                effect: effect.clone(),
            })
            .partition::<Vec<_>, _>(|pending| matches!(pending.effect, Effect::Rewrite));
        let mut fate = Fate {
            held: (!rewrites.is_empty()).then(Vec::new),
            rewrites,
            offers_gzip: offers(&asked.request.headers, "gzip"),
            pending,
            fired: vec![],
            tracker: Tracker::new(),
            corrupts: false,
            pace: None,
            moved: 0,
            over: false,
        };
        let mut actions = vec![];
        fate.strike(&mut actions, Tracker::is_at);
        (fate, actions)
    }

    /// How much of this request's body is read before its fate is asked for, if not all of it.
    pub fn reads_only(&self, asked: Asked<'_>) -> Option<u64> {
        let strikes = self.strikes.iter().filter(|(strike, _)| asked.meets(strike));
        let bytes = strikes.filter_map(|(strike, _)| match strike.at {
            At::RequestByte(bytes) => Some(bytes),
            _ => None,
        });
        bytes.min()
    }

    /// Takes note of what struck during one attempt.
    pub fn settle(&mut self, fate: &Fate) {
        for &idx in &fate.fired {
            self.fired[idx] = true;
        }
    }

    /// The places, in the order of the file, of the faults that never struck on any settled attempt, though
    /// every request might have met them.
    pub fn unfired(&self) -> Vec<usize> {
        let missed = |&idx: &usize| !self.fired[idx] && self.strikes[idx].0.when.is_none();
        (0..self.fired.len()).filter(missed).collect()
    }
}

/// A request whose reply is about to meet its fate.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Counts from 1 over the whole trial; no fault strikes attempt 0.
    pub attempt: u32,
    /// Counts from 1 over its connection.
    pub on_connection: u32,
    pub request: &'a Request,
}

impl Asked<'_> {
    fn meets(self, strike: &Strike) -> bool {
        strike.attempts.contains(self.attempt)
            && strike.when.as_ref().is_none_or(|when| self.is(when))
    }

    fn is(self, when: &When) -> bool {
        let headers = &self.request.headers;
        match when {
            When::ConnectionRequest(span) => span.contains(self.on_connection),
            When::CredentialMalformed => is_malformed(headers),
            When::Offers(coding) => offers(headers, coding),
            When::OffersNot(coding) => !offers(headers, coding),
            When::RequestBytes(least) => *least <= self.n_body_bytes(),
        }
    }

    /// What the head announces counts, since the body may still be on its way.
    fn n_body_bytes(self) -> u64 {
        let announced = self.request.headers.get("content-length");
        announced.and_then(|length| length.parse().ok()).unwrap_or(self.request.body.len() as u64)
    }
}

/// Whether what should be a key is none: empty, or with white space in it.
fn is_malformed(headers: &Headers) -> bool {
    let bearer =
        |value: &str| value.strip_prefix("Bearer ").map_or_else(|| value.to_owned(), str::to_owned);
    let keys =
        [headers.get("x-api-key").map(str::to_owned), headers.get("authorization").map(bearer)];
    let mut keys = keys.into_iter().flatten();
    keys.any(|key| key.is_empty() || key.contains(char::is_whitespace))
}

/// What a fault does; the name of the reply where it has none.
fn effect<'a>(fault: &'a Fault, replies: &BTreeMap<String, Script>) -> Result<Effect, &'a String> {
    Ok(match fault {
        Fault::Close => Effect::Act(Action::Close),
        Fault::Corrupt => Effect::Corrupt,
        Fault::Cut => Effect::Act(Action::Cut),
        Fault::Delay { ms } => Effect::Act(Action::Delay { ms: *ms }),
        Fault::Drip { bytes, ms } => Effect::Pace(Pace { bytes: bytes.get(), ms: *ms }),
        Fault::DropEvent | Fault::DuplicateEvent | Fault::Gzip(_) | Fault::SwapEvents => {
            Effect::Rewrite
        }
        Fault::Flood { text, times } => {
            Effect::Act(Action::Pass(text.repeat(times.get() as usize).into()))
        }
        Fault::HalfClose => Effect::Act(Action::HalfClose),
        Fault::Insert { text } => Effect::Act(Action::Pass(text.clone().into())),
        Fault::Redirect { status, to } => {
            Effect::Act(Action::Redirect { status: *status, to: *to })
        }
        Fault::Replace { reply } => Effect::Replace(injection(replies.get(reply).ok_or(reply)?)),
        Fault::Reset => Effect::Act(Action::Reset),
        Fault::Slice { bytes } => Effect::Pace(Pace { bytes: bytes.get(), ms: 0 }),
        Fault::Stall => Effect::Act(Action::Stall),
        Fault::Throttle { bytes_per_s } => Effect::Pace(throttle(bytes_per_s.get())),
    })
}

/// One attempt's reply on its way to the client.
#[derive(Clone, Debug)]
pub struct Fate {
    /// The reply so far, if it is changed as a whole.
    held: Option<Vec<u8>>,
    rewrites: Vec<Pending>,
    offers_gzip: bool,
    /// Faults that have not struck yet.
    pending: Vec<Pending>,
    fired: Vec<usize>,
    tracker: Tracker,
    /// Whether the next byte is turned over.
    corrupts: bool,
    pace: Option<Pace>,
    /// Bytes that moved since the last pause.
    moved: u32,
    over: bool,
}

/// A fault with its place in the plan.
#[derive(Clone, Debug)]
struct Pending {
    idx: usize,
    strike: Strike,
    effect: Effect,
}

impl Fate {
    /// The next bytes of the upstream's reply.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<Action> {
        let Some(held) = &mut self.held else { return self.play(bytes) };
        held.extend_from_slice(bytes);
        if held.len() <= REWRITE_BYTES_MAX {
            return vec![];
        }
        self.rewrites.clear();
        self.release()
    }

    /// The upstream's reply has ended.
    pub fn on_end(&mut self) -> Vec<Action> {
        let mut actions = self.release();
        self.strike(&mut actions, |_, at| at == At::End);
        actions
    }

    /// The faults that have struck, as places in the scenario's list.
    pub fn struck(&self) -> &[usize] {
        &self.fired
    }

    /// Whether nothing that the upstream still sends can reach the client.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Lets go of what was held, rewritten by every fault that finds its place in it.
    fn release(&mut self) -> Vec<Action> {
        let Some(mut reply) = self.held.take() else { return vec![] };
        for Pending { idx, strike, .. } in std::mem::take(&mut self.rewrites) {
            if let Some(rewritten) =
                rewrite::rewrite(&reply, strike.at, &strike.fault, self.offers_gzip)
            {
                reply = rewritten;
                self.fired.push(idx);
            }
        }
        self.play(&reply)
    }

    fn play(&mut self, bytes: &[u8]) -> Vec<Action> {
        let mut actions = vec![];
        let mut passing = vec![];
        for &byte in bytes {
            self.strike_between(&mut actions, &mut passing, |tracker, at| {
                tracker.is_before(at, byte)
            });
            if self.over {
                return actions;
            }
            if let Some(pace) = self.pace {
                if self.moved == pace.bytes {
                    pass(&mut actions, &mut passing);
                    actions.push(Action::Delay { ms: pace.ms });
                    self.moved = 0;
                }
                self.moved += 1;
            }
            passing.push(if self.corrupts { !byte } else { byte });
            self.corrupts = false;
            self.tracker.advance(byte);
            self.strike_between(&mut actions, &mut passing, Tracker::is_at);
            if self.over {
                return actions;
            }
        }
        pass(&mut actions, &mut passing);
        actions
    }

    /// Lets the faults of this place strike after what is still to be passed.
    fn strike_between(
        &mut self,
        actions: &mut Vec<Action>,
        passing: &mut Vec<u8>,
        here: impl Fn(&Tracker, At) -> bool,
    ) {
        if self.pending.iter().any(|pending| here(&self.tracker, pending.strike.at)) {
            pass(actions, passing);
            self.strike(actions, here);
        }
    }

    /// Lets every fault of this place strike, in the order of the file, until one of them ends the reply.
    fn strike(&mut self, actions: &mut Vec<Action>, here: impl Fn(&Tracker, At) -> bool) {
        while let Some(place) =
            self.pending.iter().position(|pending| here(&self.tracker, pending.strike.at))
        {
            if self.over {
                return;
            }
            let Pending { idx, effect, .. } = self.pending.remove(place);
            self.fired.push(idx);
            match effect {
                Effect::Act(action) => {
                    self.over = action.is_final();
                    actions.push(action);
                }
                Effect::Corrupt => self.corrupts = true,
                Effect::Pace(pace) => (self.pace, self.moved) = (Some(pace), 0),
                Effect::Replace(instead) => {
                    self.over = true;
                    actions.extend(instead);
                }
                Effect::Rewrite => {}
            }
        }
    }
}

fn pass(actions: &mut Vec<Action>, passing: &mut Vec<u8>) {
    if !passing.is_empty() {
        actions.push(Action::Pass(std::mem::take(passing).into()));
    }
}

/// A whole scripted reply leaves it to the connection whether there is a next one.
fn injection(script: &Script) -> Vec<Action> {
    let mut actions = vec![Action::Pass(script.wire_bytes().into())];
    match script.end {
        script::End::Closed { .. } => actions.push(Action::Close),
        script::End::Complete => {}
        script::End::Reset { .. } => actions.push(Action::Reset),
    }
    actions
}

fn throttle(bytes_per_s: u32) -> Pace {
    let bytes = (u64::from(bytes_per_s) * THROTTLE_STEP_MS / 1000).max(1);
    let ms = bytes * 1000 / u64::from(bytes_per_s);
    Pace { bytes: u32::try_from(bytes).unwrap_or(u32::MAX), ms }
}

/// Whether a body may come back in this coding. A weight of nothing is a refusal.
fn offers(headers: &Headers, coding: &str) -> bool {
    headers.all("accept-encoding").flat_map(|value| value.split(',')).any(|offer| {
        let (name, weight) = offer.split_once(';').unwrap_or((offer, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(coding) && weight != Some(0.0)
    })
}

/// The reply that leads a client on to this address.
pub fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
        .into_bytes()
}

#[cfg(test)]
mod tests;
