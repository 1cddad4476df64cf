//! Whoever looks on.

use std::time::Duration;

use classify::Observation;
use contract::case::Case;
use contract::judge::Record;
use wire::journal::beside::Beside;

/// Whoever wants to know while the run goes on.
pub trait Watch {
    /// A case was judged. Scripted answers have no case.
    fn judged(&mut self, case: Option<&Case>, record: &Record);
    /// The case was sent in this run; `judged` comes next.
    fn sent(&mut self, case: &Case, observation: &Observation, record: &Record);
    /// The same for a step of a chain.
    fn stepped(&mut self, case: &Case, observation: &Observation, record: &Record);
    /// Something was learned of the target that is about no case, or about two answers.
    fn learned(&mut self, beside: &Beside);
    /// A phase is over.
    fn passed(&mut self, phase: &'static str, what: &str, elapsed: Duration);
}

/// Nobody.
pub struct Unwatched;

impl Watch for Unwatched {
    fn judged(&mut self, _: Option<&Case>, _: &Record) {}
    fn sent(&mut self, _: &Case, _: &Observation, _: &Record) {}
    fn stepped(&mut self, _: &Case, _: &Observation, _: &Record) {}
    fn learned(&mut self, _: &Beside) {}
    fn passed(&mut self, _: &'static str, _: &str, _: Duration) {}
}
