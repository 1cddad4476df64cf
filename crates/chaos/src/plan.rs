//! The plan of a scenario: which bytes of each reply reach the client, and what happens between them.
//!
//! A [`Fate`] is one attempt's reply. It is fed what the upstream sends, in whatever pieces the network makes
//! of it, and answers with actions that depend on the bytes alone: the same reply in other pieces is passed,
//! cut and delayed at the same bytes. The price is that it looks at every byte on the way to the end of the
//! head; it looks at nothing else, so it cannot know what a reply means.

use std::collections::BTreeMap;

use bytes::Bytes;
use classify::script::{self, Script};

use crate::scenario::{At, Fault, Scenario, Strike};

/// A scenario while it runs: hands out one [`Fate`] per attempt and remembers which faults struck.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The faults in the order of the file, with what they do to the connection.
    strikes: Vec<(Strike, Vec<Action>)>,
    fired: Vec<bool>,
}

/// What to do next with the connection to the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Close in order.
    Close,
    /// Wait; a client that leaves meanwhile is not waited for.
    Delay { ms: u64 },
    /// Send these bytes.
    Pass(Bytes),
    /// Reset the connection.
    Reset,
    /// Send nothing more, and keep the connection until the client leaves.
    Stall,
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
        let actions = |fault: &Fault| match fault {
            Fault::Close => Ok(vec![Action::Close]),
            Fault::Delay { ms } => Ok(vec![Action::Delay { ms: *ms }]),
            Fault::Insert { text } => Ok(vec![Action::Pass(text.clone().into())]),
            Fault::Replace { reply } => replies
                .get(reply)
                .map(injection)
                .ok_or_else(|| PlanError { scenario: scenario.id.clone(), reply: reply.clone() }),
            Fault::Reset => Ok(vec![Action::Reset]),
            Fault::Stall => Ok(vec![Action::Stall]),
        };
        let strikes = scenario
            .faults
            .iter()
            .map(|strike| Ok((strike.clone(), actions(&strike.fault)?)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { fired: vec![false; strikes.len()], strikes })
    }

    /// The fate of this attempt's reply, and what happens before the upstream is even asked.
    pub fn on_connect(&self, attempt: u32) -> (Fate, Vec<Action>) {
        let pending = self
            .strikes
            .iter()
            .enumerate()
            .filter(|(_, (strike, _))| strike.attempts.contains(attempt))
            .map(|(idx, (strike, actions))| (idx, strike.clone(), actions.clone()))
            .collect();
        let mut fate = Fate {
            pending,
            fired: vec![],
            sent: 0,
            headers_start: None,
            body_start: None,
            line_ends: 0,
            over: false,
        };
        let mut actions = vec![];
        fate.strike(&mut actions);
        (fate, actions)
    }

    /// Takes note of what struck during one attempt.
    pub fn settle(&mut self, fate: &Fate) {
        for &idx in &fate.fired {
            self.fired[idx] = true;
        }
    }

    /// The places, in the order of the file, of the faults that never struck on any settled attempt.
    pub fn unfired(&self) -> Vec<usize> {
        (0..self.fired.len()).filter(|&idx| !self.fired[idx]).collect()
    }
}

/// One attempt's reply on its way to the client.
#[derive(Clone, Debug)]
pub struct Fate {
    /// Faults that have not struck yet, with their place in the plan.
    pending: Vec<(usize, Strike, Vec<Action>)>,
    fired: Vec<usize>,
    /// Bytes of the upstream's reply that were passed.
    sent: u64,
    /// Where the headers start, once the status line was passed.
    headers_start: Option<u64>,
    /// Where the body starts, once the end of the head was passed.
    body_start: Option<u64>,
    /// How much of the blank line that ends the head was just seen, 0 to 4.
    line_ends: u8,
    over: bool,
}

impl Fate {
    /// The next bytes of the upstream's reply.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Vec<Action> {
        let mut actions = vec![];
        let mut start = 0;
        for (idx, &byte) in bytes.iter().enumerate() {
            if self.over {
                return actions;
            }
            self.advance(byte);
            if self.is_struck() {
                actions.push(Action::Pass(Bytes::copy_from_slice(&bytes[start..=idx])));
                start = idx + 1;
                self.strike(&mut actions);
            }
        }
        if !self.over && start < bytes.len() {
            actions.push(Action::Pass(Bytes::copy_from_slice(&bytes[start..])));
        }
        actions
    }

    /// Whether nothing that the upstream still sends can reach the client.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn advance(&mut self, byte: u8) {
        self.sent += 1;
        if self.body_start.is_some() {
            return;
        }
        self.line_ends = match (byte, self.line_ends) {
            (b'\r', 2) => 3,
            (b'\r', _) => 1,
            (b'\n', 1) => 2,
            (b'\n', 3) => 4,
            _ => 0,
        };
        if byte == b'\n' && self.headers_start.is_none() {
            self.headers_start = Some(self.sent);
        }
        if self.line_ends == 4 {
            self.body_start = Some(self.sent);
        }
    }

    fn is_struck(&self) -> bool {
        self.pending.iter().any(|(_, strike, _)| self.is_at(strike.at))
    }

    fn is_at(&self, at: At) -> bool {
        match at {
            At::HeadByte(offset) => self.sent == offset,
            At::HeadersStart => self.headers_start == Some(self.sent),
            At::BodyByte(offset) => {
                self.body_start.is_some_and(|start| self.sent == start + offset)
            }
        }
    }

    /// Lets every fault of this place strike, in the order of the file, until one of them ends the reply.
    fn strike(&mut self, actions: &mut Vec<Action>) {
        while let Some(place) = self.pending.iter().position(|(_, strike, _)| self.is_at(strike.at))
        {
            if self.over {
                return;
            }
            let (idx, strike, struck) = self.pending.remove(place);
            self.fired.push(idx);
            self.over = strike.fault.is_final();
            actions.extend(struck);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Span;

    const REPLY: &[u8] = b"H\r\r\n\r\nbody!";
    const HEADERS_START: usize = 4;
    const BODY_START: usize = 6;

    fn strike(at: At, fault: Fault) -> Strike {
        Strike { attempts: Span { first: 1, last: Some(1) }, at, fault }
    }

    fn plan(strikes: &[Strike]) -> Plan {
        let text = "# class: accepted\n# operation: o\n# why: w\n# source: s\n# framing: close\n# end: closed 1\n\
            HTTP/1.1 200 OK\n\nabc\n";
        let replies = [("cut".to_owned(), Script::parse("cut", text).unwrap())].into();
        let scenario = r#"
            id = "planned"
            why = "The plan is tried on it."
            severity = "S3"
            evidence = ["the plan's own tests"]
            surfaces = ["create"]
            expect = { attempts = "1", outcome = [] }
        "#;
        let mut scenario = Scenario::parse(scenario).unwrap();
        scenario.faults = strikes.to_vec();
        Plan::new(&scenario, &replies).unwrap()
    }

    const REPLACED: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\na";

    /// Runs one attempt with the reply in these pieces; neighbouring bytes are joined.
    fn run(plan: &mut Plan, attempt: u32, pieces: &[&[u8]]) -> Vec<Action> {
        let (mut fate, mut actions) = plan.on_connect(attempt);
        for piece in pieces {
            actions.extend(fate.on_bytes(piece));
        }
        plan.settle(&fate);
        let mut joined: Vec<Action> = vec![];
        for action in actions {
            match (joined.last_mut(), action) {
                (Some(Action::Pass(before)), Action::Pass(bytes)) => {
                    *before = [&before[..], &bytes[..]].concat().into()
                }
                (_, action) => joined.push(action),
            }
        }
        joined
    }

    fn pieces(cuts: u32) -> Vec<&'static [u8]> {
        let mut pieces = vec![];
        let mut start = 0;
        for end in 1..REPLY.len() {
            if cuts & (1 << (end - 1)) != 0 {
                pieces.push(&REPLY[start..end]);
                start = end;
            }
        }
        pieces.push(&REPLY[start..]);
        pieces
    }

    /// Whatever pieces the reply arrives in, the actions are these.
    fn check(strikes: &[Strike], expected: &[Action], unfired: &[usize]) {
        let planned = plan(strikes);
        for cuts in 0..1 << (REPLY.len() - 1) {
            let mut plan = planned.clone();
            assert_eq!(run(&mut plan, 1, &pieces(cuts)), expected, "pieces {cuts:b}");
            assert_eq!(plan.unfired(), unfired, "pieces {cuts:b}");
        }
    }

    fn pass(bytes: &[u8]) -> Vec<Action> {
        if bytes.is_empty() { vec![] } else { vec![Action::Pass(Bytes::copy_from_slice(bytes))] }
    }

    #[test]
    fn a_reply_without_faults_is_passed_whole() {
        check(&[], &pass(REPLY), &[]);
    }

    #[test]
    fn every_fault_strikes_at_its_byte_whatever_the_pieces() {
        for offset in 0..=REPLY.len() {
            let mut places = vec![At::HeadByte(offset as u64)];
            if HEADERS_START == offset {
                places.push(At::HeadersStart);
            }
            if BODY_START <= offset {
                places.push(At::BodyByte((offset - BODY_START) as u64));
            }
            for at in places {
                let (before, after) = REPLY.split_at(offset);
                let ends = |action| [pass(before), vec![action]].concat();
                check(&[strike(at, Fault::Close)], &ends(Action::Close), &[]);
                check(&[strike(at, Fault::Reset)], &ends(Action::Reset), &[]);
                check(&[strike(at, Fault::Stall)], &ends(Action::Stall), &[]);
                let delayed = [pass(before), vec![Action::Delay { ms: 7 }], pass(after)].concat();
                check(&[strike(at, Fault::Delay { ms: 7 })], &delayed, &[]);
                let replaced = [pass(&[before, REPLACED].concat()), vec![Action::Close]].concat();
                check(&[strike(at, Fault::Replace { reply: "cut".to_owned() })], &replaced, &[]);
            }
        }
    }

    #[test]
    fn faults_of_one_place_strike_in_the_order_of_the_file() {
        let at = At::BodyByte(2);
        let strikes = [
            strike(at, Fault::Delay { ms: 1 }),
            strike(at, Fault::Reset),
            strike(at, Fault::Close),
        ];
        let (before, _) = REPLY.split_at(BODY_START + 2);
        check(
            &strikes,
            &[pass(before), vec![Action::Delay { ms: 1 }, Action::Reset]].concat(),
            &[2],
        );
    }

    #[test]
    fn a_fault_beyond_the_reply_or_the_attempts_stays_unfired() {
        check(&[strike(At::BodyByte(100), Fault::Close)], &pass(REPLY), &[0]);
        let mut plan = plan(&[strike(At::HeadByte(0), Fault::Close)]);
        assert_eq!(run(&mut plan, 2, &[REPLY]), pass(REPLY));
        assert_eq!(plan.unfired(), [0]);
        assert_eq!(run(&mut plan, 1, &[REPLY]), [Action::Close]);
        assert_eq!(plan.unfired(), [0_usize; 0]);
    }
}
