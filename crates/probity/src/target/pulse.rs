//! Notices that the target is gone, so that it is said once and not for each of the cases that are left.
//!
//! A refused connection is no answer, and some in a row are no coincidence: nobody listens any more. The cases whose
//! connections broke right before are what ended it, most likely. The price is that a target which restarts takes the
//! rest of the run with it, unless it is back within so many cases.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use classify::{CutKind, Observation};
use contract::case::{Case, CaseId};
use futures::FutureExt;
use futures::future::BoxFuture;
use wire::replay::{Admit, Gate};

/// In a row. A server that restarts refuses for a moment; as many cases take less than a second.
const REFUSED_MAX: usize = 20;
/// Named as what may have ended the target: more were never under way at once.
const SUSPECTS_MAX: usize = 8;

/// Answers that may still come in after the connection broke that ended the target: those that were under way with it.
const ANSWERS_UNDER_WAY_MAX: usize = 8;

/// A gate that closes when the target is gone.
pub struct Pulse {
    inner: Option<Arc<dyn Gate>>,
    beat: Mutex<Beat>,
}

#[derive(Default)]
struct Beat {
    refused: usize,
    /// Cases whose connection broke a short while ago.
    suspects: Vec<CaseId>,
    /// Answers since the last of those.
    answered: usize,
}

/// How the target went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gone {
    pub refused: usize,
    pub suspects: Vec<String>,
}

impl Gone {
    /// In a line.
    pub fn text(&self) -> String {
        let refused = format!("{} connections in a row were refused", self.refused);
        match &self.suspects[..] {
            [] => format!("the target is gone: {refused}"),
            suspects => {
                format!("the target ended while {} was under way: {refused}", suspects.join(", "))
            }
        }
    }
}

impl Pulse {
    pub fn new(inner: Option<Arc<dyn Gate>>) -> Self {
        Self { inner, beat: Mutex::default() }
    }

    /// How the target went, if it is gone.
    pub fn gone(&self) -> Option<Gone> {
        let beat = self.beat();
        (beat.refused >= REFUSED_MAX).then(|| Gone {
            refused: beat.refused,
            suspects: beat.suspects.iter().map(|id| id.0.clone()).collect(),
        })
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Pulse {
    fn admit<'a>(&'a self, case: &'a Case) -> BoxFuture<'a, Admit> {
        if self.gone().is_some() {
            return std::future::ready(Admit::Stop).boxed();
        }
        match &self.inner {
            Some(inner) => inner.admit(case),
            None => std::future::ready(Admit::Send).boxed(),
        }
    }

    fn saw(&self, case: &Case, observation: &Observation) {
        let mut beat = self.beat();
        match observation {
            Observation::Reply(_) => {
                beat.refused = 0;
                beat.answered += 1;
                if beat.answered > ANSWERS_UNDER_WAY_MAX {
                    beat.suspects.clear();
                }
            }
            Observation::Cut(cut) if cut.kind == CutKind::Refused => beat.refused += 1,
            Observation::Cut(cut) if cut.kind != CutKind::TimedOut => {
                if beat.suspects.len() == SUSPECTS_MAX {
                    beat.suspects.remove(0);
                }
                beat.suspects.push(case.id.clone());
                beat.answered = 0;
            }
            Observation::Cut(_) | Observation::Unsendable(_) => {}
        }
        drop(beat);
        if let Some(inner) = &self.inner {
            inner.saw(case, observation);
        }
    }
}
