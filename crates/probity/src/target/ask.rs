//! One request of our own to the target, if whoever counts the cost lets it.

use std::sync::Arc;

use classify::Observation;
use contract::case::Case;
use wire::replay::{Admit, Gate};
use wire::send::{Sender, send};

/// The way to the target.
pub struct Asker {
    sender: Sender,
    gate: Option<Arc<dyn Gate>>,
    /// Requests that were sent.
    pub asked: usize,
}

impl Asker {
    pub fn new(sender: Sender, gate: Option<Arc<dyn Gate>>) -> Self {
        Self { sender, gate, asked: 0 }
    }

    pub async fn ask(&mut self, case: &Case) -> Observation {
        if let Some(gate) = &self.gate
            && gate.admit(case).await != Admit::Send
        {
            return Observation::Unsendable("the budget of the run does not allow it".to_owned());
        }
        self.asked += 1;
        let observation = send(&self.sender, &case.request).await;
        if let Some(gate) = &self.gate {
            gate.saw(case, &observation);
        }
        observation
    }

    /// The way without the count, for who sends only where nothing is counted.
    pub fn uncounted(&self) -> Option<&Sender> {
        self.gate.is_none().then_some(&self.sender)
    }
}
