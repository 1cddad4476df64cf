//! One request of our own to the target, if whoever counts the cost lets it.
//!
//! What comes back is without the key before anybody reads it, since those who read it keep the first words only: half
//! of a key would no longer be known as such.

use std::sync::Arc;
use std::time::{Duration, Instant};

use classify::{Cut, CutKind, Observation, Reply};
use contract::case::Case;
use wire::replay::{Admit, Gate};
use wire::send::{Sender, send};
use wire::target::Key;

/// So many times as long as the slowest answer so far: no case asks for so much more than a question of the probe. The
/// first does not count, since a server that was just started warms up with it.
const PATIENCE_FACTOR: u32 = 20;
/// And so long at least, because a busy machine stops for a moment.
const PATIENCE_MIN: Duration = Duration::from_secs(5);

/// The way to the target.
pub struct Asker {
    sender: Sender,
    gate: Option<Arc<dyn Gate>>,
    /// Past this an answer is a hang, whatever the others took.
    patience_max: Duration,
    /// Whether it may be less.
    adapts: bool,
    /// Of the answers so far.
    slowest: Option<Duration>,
    /// Requests that were sent, and those of them that had no answer in time.
    pub asked: usize,
    pub hung: usize,
}

impl Asker {
    /// `patience` is what the target's author wants; the sender has `patience_max` in any case.
    pub fn new(
        sender: Sender,
        gate: Option<Arc<dyn Gate>>,
        patience: Option<Duration>,
        patience_max: Duration,
    ) -> Self {
        // What was asked of a live API is paid for, so it is waited for.
        let adapts = patience.is_none() && gate.is_none();
        Self { sender, gate, patience_max, adapts, slowest: None, asked: 0, hung: 0 }
    }

    pub async fn ask(&mut self, case: &Case) -> Observation {
        if let Some(gate) = &self.gate
            && gate.admit(case).await != Admit::Send
        {
            return Observation::Unsendable("the budget of the run does not allow it".to_owned());
        }
        self.asked += 1;
        let started = Instant::now();
        let answer = tokio::time::timeout(self.patience(), send(&self.sender, &case.request)).await;
        let hung = |_| Observation::Cut(Cut { kind: CutKind::TimedOut, partial: None });
        let observation = answer.unwrap_or_else(hung);
        match &observation {
            Observation::Reply(_) if self.asked == 1 => {}
            Observation::Reply(_) => self.slowest = self.slowest.max(Some(started.elapsed())),
            Observation::Cut(cut) => self.hung += usize::from(cut.kind == CutKind::TimedOut),
            Observation::Unsendable(_) => {}
        }
        if let Some(gate) = &self.gate {
            gate.saw(case, &observation);
        }
        scrubbed(self.key(), observation)
    }

    /// How long an answer may take: a target that is quick hangs sooner than one that is slow.
    pub fn patience(&self) -> Duration {
        match self.slowest.filter(|_| self.adapts) {
            Some(slowest) => (PATIENCE_FACTOR * slowest).max(PATIENCE_MIN).min(self.patience_max),
            None => self.patience_max,
        }
    }

    /// What must not be told.
    pub fn key(&self) -> &Key {
        &self.sender.target().key
    }

    /// The way without the count, for who sends only where nothing is counted.
    pub fn uncounted(&self) -> Option<&Sender> {
        self.gate.is_none().then_some(&self.sender)
    }
}

/// The observation without the key.
fn scrubbed(key: &Key, observation: Observation) -> Observation {
    let clean = |mut reply: Reply| {
        reply.body = key.scrub_bytes(&reply.body).into_owned().into();
        reply
    };
    match observation {
        Observation::Reply(reply) => Observation::Reply(clean(reply)),
        Observation::Cut(Cut { kind, partial }) => {
            Observation::Cut(Cut { kind, partial: partial.map(clean) })
        }
        Observation::Unsendable(why) => Observation::Unsendable(why),
    }
}
