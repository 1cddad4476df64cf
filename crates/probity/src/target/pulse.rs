//! Notices that the target is gone, or hangs, so that it is said once and not for each of the cases that are left.
//!
//! | what is seen | what comes of it |
//! |---|---|
//! | connections are refused, [`REFUSED_MAX`] in a row | the target is gone, and the run is over |
//! | requests hang, [`HUNG_IN_A_ROW_MAX`] in a row, whatever they are about | likewise |
//! | [`HUNG_MAX`] requests hang in all | likewise |
//! | the first [`FIRST_OF_A_KIND`] requests of one kind hang, all of them | no more of that kind are sent |
//!
//! A refused connection is no answer, and some in a row are no coincidence: nobody listens any more. The cases whose
//! connections broke right before are what ended it, most likely. The price is that a target which restarts takes the
//! rest of the run with it, unless it is back within so many cases.
//!
//! A hang costs seconds where an answer costs a hundredth of one. So the first of each kind decide about the others,
//! which wait for them: what is sent depends on the target alone, and not on what came back first. The price is a short
//! wait per kind, and a kind that is answered at first and hangs later is sent to its end.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use classify::{CutKind, Observation};
use contract::case::{Case, CaseId};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use wire::replay::{Admit, Gate};

use super::spread::{Kind, kind};

/// In a row. A server that restarts refuses for a moment; as many cases take less than a second.
const REFUSED_MAX: usize = 20;
/// In a row, at four at a time and five seconds each half a minute in which nothing was said at all.
const HUNG_IN_A_ROW_MAX: usize = 24;
/// In all: five minutes of waiting, at four at a time and five seconds each, are enough for anybody.
const HUNG_MAX: usize = 240;
/// One may be chance, two may be a busy machine.
const FIRST_OF_A_KIND: usize = 3;
/// Named as what may have ended the target: more were never under way at once.
const SUSPECTS_MAX: usize = 8;

/// Answers that may still come in after the connection broke that ended the target: those that were under way with it.
const ANSWERS_UNDER_WAY_MAX: usize = 8;

/// Why cases are not sent that are like others on which the target hangs.
pub const HANGS: &str = "the target hangs on such requests: the first three had no answer";

/// A gate that closes when the target is gone, and to kinds of cases on which it hangs.
pub struct Pulse {
    inner: Option<Arc<dyn Gate>>,
    beat: Mutex<Beat>,
    /// Something was learned of a kind that others wait for.
    learned: Notify,
}

#[derive(Default)]
struct Beat {
    refused: usize,
    hung_in_a_row: usize,
    hung: usize,
    /// Cases whose connection broke a short while ago.
    suspects: Vec<CaseId>,
    /// The first cases of the row that hangs.
    hanging: Vec<CaseId>,
    /// Answers since the last of the suspects.
    answered: usize,
    kinds: BTreeMap<Kind, First>,
    skipped: usize,
}

/// What is known of a kind of cases.
#[derive(Default)]
struct First {
    sent: usize,
    hung: usize,
    is_answered: bool,
}

enum Turn {
    Skip,
    Send,
    Wait,
}

/// How the target went.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Gone {
    /// Connections, in a row.
    pub refused: usize,
    /// Requests without an answer.
    pub hung: usize,
    pub suspects: Vec<String>,
}

impl Gone {
    /// In a line.
    pub fn text(&self) -> String {
        let suspects = self.suspects.join(", ");
        if self.hung > 0 {
            let hung = self.hung;
            return format!("the target hangs: {hung} requests had no answer, as {suspects}");
        }
        let refused = format!("{} connections in a row were refused", self.refused);
        match &*suspects {
            "" => format!("the target is gone: {refused}"),
            suspects => {
                let were = if self.suspects.len() == 1 { "was" } else { "were" };
                format!("the target ended while {suspects} {were} under way: {refused}")
            }
        }
    }
}

impl Pulse {
    pub fn new(inner: Option<Arc<dyn Gate>>) -> Self {
        Self { inner, beat: Mutex::default(), learned: Notify::new() }
    }

    /// How the target went, if it is gone.
    pub fn gone(&self) -> Option<Gone> {
        let beat = self.beat();
        let named = |ids: &[CaseId]| ids.iter().map(|id| id.0.clone()).collect();
        if beat.refused >= REFUSED_MAX {
            let suspects = named(&beat.suspects);
            return Some(Gone { refused: beat.refused, suspects, ..Gone::default() });
        }
        let hung = match () {
            () if beat.hung_in_a_row >= HUNG_IN_A_ROW_MAX => beat.hung_in_a_row,
            () if beat.hung >= HUNG_MAX => beat.hung,
            () => return None,
        };
        Some(Gone { hung, suspects: named(&beat.hanging), ..Gone::default() })
    }

    /// Cases that were not sent because the target hangs on such.
    pub fn skipped(&self) -> usize {
        self.beat().skipped
    }

    async fn admit_in_turn(&self, case: &Case) -> Admit {
        let kind = kind(case);
        // Ends when the first of the kind are answered or hang, which their deadline sees to.
        loop {
            if self.gone().is_some() {
                return Admit::Stop;
            }
            let mut learned = pin!(self.learned.notified());
            // From here on no news is missed.
            learned.as_mut().enable();
            match self.turn(&kind) {
                Turn::Skip => return Admit::Skip(HANGS),
                Turn::Send => break,
                Turn::Wait => learned.await,
            }
        }
        let admit = match &self.inner {
            Some(inner) => inner.admit(case).await,
            None => Admit::Send,
        };
        if admit != Admit::Send {
            self.learn(&kind, |first| first.sent -= 1);
        }
        admit
    }

    fn turn(&self, kind: &Kind) -> Turn {
        let mut beat = self.beat();
        let first = beat.kinds.entry(kind.clone()).or_default();
        if first.is_answered || first.sent < FIRST_OF_A_KIND {
            first.sent += 1;
            return Turn::Send;
        }
        if first.hung < FIRST_OF_A_KIND {
            return Turn::Wait;
        }
        beat.skipped += 1;
        Turn::Skip
    }

    fn learn(&self, kind: &Kind, what: impl FnOnce(&mut First)) {
        if let Some(first) = self.beat().kinds.get_mut(kind) {
            what(first);
        }
        self.learned.notify_waiters();
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Pulse {
    fn admit<'a>(&'a self, case: &'a Case) -> BoxFuture<'a, Admit> {
        self.admit_in_turn(case).boxed()
    }

    fn saw(&self, case: &Case, observation: &Observation) {
        self.beat().note(case, observation);
        self.learn(&kind(case), |first| match observation {
            Observation::Cut(cut) if cut.kind == CutKind::TimedOut => first.hung += 1,
            Observation::Cut(cut) if cut.kind == CutKind::Refused => first.sent -= 1,
            Observation::Reply(_) | Observation::Cut(_) => first.is_answered = true,
            Observation::Unsendable(_) => first.sent -= 1,
        });
        if let Some(inner) = &self.inner {
            inner.saw(case, observation);
        }
    }
}

impl Beat {
    fn note(&mut self, case: &Case, observation: &Observation) {
        match observation {
            Observation::Reply(_) => {
                self.refused = 0;
                self.hung_in_a_row = 0;
                self.answered += 1;
                if self.answered > ANSWERS_UNDER_WAY_MAX {
                    self.suspects.clear();
                }
            }
            Observation::Cut(cut) if cut.kind == CutKind::Refused => self.refused += 1,
            Observation::Cut(cut) if cut.kind == CutKind::TimedOut => {
                if self.hung_in_a_row == 0 {
                    self.hanging.clear();
                }
                self.hung_in_a_row += 1;
                self.hung += 1;
                if self.hanging.len() < SUSPECTS_MAX {
                    self.hanging.push(case.id.clone());
                }
            }
            Observation::Cut(_) => {
                if self.suspects.len() == SUSPECTS_MAX {
                    self.suspects.remove(0);
                }
                self.suspects.push(case.id.clone());
                self.answered = 0;
            }
            Observation::Unsendable(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use classify::{Cut, Reply};
    use contract::case::{Mutation, Origin, Permitted, Traits};
    use contract::conformance::probe;
    use contract::version::{OperationId, Version};

    use super::*;

    fn case(rule: &'static str, number: usize) -> Case {
        let answers = Permitted::Exactly {
            status: 400,
            error_type: "invalid_request_error",
            error_code: None,
        };
        Case {
            id: CaseId(format!("{rule}/{number}")),
            version: Version::ALL[0],
            operation: OperationId::MessagesCreate,
            origin: Origin::Mutated(Mutation { family: "cut", rule, at: "".into(), answers }),
            traits: Traits::default(),
            request: probe::hello(Version::ALL[0], "any"),
        }
    }

    fn hang() -> Observation {
        Observation::Cut(Cut { kind: CutKind::TimedOut, partial: None })
    }

    /// Offers cases of the rules one after the other, and answers those of `good`. Gives what was sent.
    async fn offer(pulse: &Pulse, rules: &[&'static str], good: &str) -> String {
        let mut sent = String::new();
        for (number, rule) in rules.iter().enumerate() {
            let case = case(rule, number);
            if pulse.admit(&case).await == Admit::Send {
                let is_good = *rule == good;
                pulse.saw(
                    &case,
                    &if is_good { Observation::Reply(Reply::default()) } else { hang() },
                );
                sent += rule;
            }
        }
        sent
    }

    #[tokio::test]
    async fn the_first_of_a_kind_decide_about_the_rest() {
        let pulse = Pulse::new(None);
        let rules = ["a", "a", "b", "a", "a", "b", "b", "a", "b", "b"];
        assert_eq!(offer(&pulse, &rules, "b").await, "aababbbb");
        assert_eq!((pulse.skipped(), pulse.gone()), (2, None));
        // A kind that was answered once is sent to its end.
        assert_eq!(offer(&pulse, &["b"; 6], "").await, "bbbbbb");
    }

    #[tokio::test]
    async fn the_others_wait_for_the_first() {
        let pulse = Pulse::new(None);
        let cases: Vec<_> = (0..4).map(|number| case("a", number)).collect();
        for case in &cases[..3] {
            assert_eq!(pulse.admit(case).await, Admit::Send);
        }
        let mut fourth = pulse.admit(&cases[3]);
        assert_eq!(futures::poll!(&mut fourth), std::task::Poll::Pending);
        pulse.saw(&cases[0], &hang());
        assert_eq!(futures::poll!(&mut fourth), std::task::Poll::Pending);
        pulse.saw(&cases[1], &Observation::Reply(Reply::default()));
        assert_eq!(fourth.await, Admit::Send);
    }

    #[tokio::test]
    async fn a_target_that_hangs_on_everything_is_gone() {
        let pulse = Pulse::new(None);
        let rules = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let all: Vec<_> = rules.into_iter().flat_map(|rule| [rule; FIRST_OF_A_KIND]).collect();
        assert_eq!(offer(&pulse, &all, "").await.len(), HUNG_IN_A_ROW_MAX);
        let gone = pulse.gone().expect("it hangs");
        assert_eq!((gone.hung, gone.refused, gone.suspects.len()), (24, 0, SUSPECTS_MAX));
        assert!(
            gone.text().starts_with("the target hangs: 24 requests had no answer, as a/0, a/1")
        );
    }
}
