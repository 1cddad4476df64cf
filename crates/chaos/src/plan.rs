//! The plan of a scenario: which bytes of each reply reach the client, and what happens between them.
//!
//! A [`Fate`] is one attempt's reply. It is fed what the upstream sends, in whatever pieces the network makes
//! of it, and answers with actions that depend on the bytes alone: the same reply in other pieces is passed,
//! cut and delayed at the same bytes. The price is that it looks at every byte while a fault is pending. It
//! knows chunks, events and characters, and nothing of what a reply means.

mod asked;
mod effect;
mod place;
mod rewrite;

use std::collections::BTreeMap;

use bytes::Bytes;
use classify::Script;

use crate::scenario::{At, Destination, Scenario, Strike};
use asked::offers;
use effect::{Effect, Pace, effect};
use place::Tracker;

pub use asked::Asked;

/// A reply that is changed as a whole is held until it ends; one past this is passed as it is, which leaves
/// the fault unfired and the trial without a verdict. The catalogue's largest is half of it.
const REWRITE_BYTES_MAX: usize = 16 << 20;

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
    /// Nothing to do: this fault of the scenario's list strikes now, with what follows.
    Strike { fault: usize },
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
            Self::Delay { .. } | Self::Pass(_) | Self::Strike { .. } => false,
        }
    }
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
            .filter(|(_, (strike, _))| asked.meets(strike) && asked.has_reached(strike.at))
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
        let mut actions = vec![];
        for Pending { idx, strike, .. } in std::mem::take(&mut self.rewrites) {
            if let Some(rewritten) =
                rewrite::rewrite(&reply, strike.at, &strike.fault, self.offers_gzip)
            {
                reply = rewritten;
                self.fired.push(idx);
                actions.push(Action::Strike { fault: idx });
            }
        }
        actions.extend(self.play(&reply));
        actions
    }

    /// Whether nothing can happen any more: a large reply need not be looked at byte by byte.
    fn is_settled(&self) -> bool {
        !self.over && self.pending.is_empty() && self.pace.is_none() && !self.corrupts
    }

    fn play(&mut self, bytes: &[u8]) -> Vec<Action> {
        let mut actions = vec![];
        let mut passing = vec![];
        if self.is_settled() {
            passing.extend_from_slice(bytes);
            pass(&mut actions, &mut passing);
            return actions;
        }
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
            actions.push(Action::Strike { fault: idx });
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

/// The reply that leads a client on to this address.
pub fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
        .into_bytes()
}

#[cfg(test)]
mod tests;
