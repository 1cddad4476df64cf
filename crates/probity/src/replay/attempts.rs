//! One case, sent until its answers disagree, or so often as it was asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use classify::Observation;
use contract::case::Case;
use contract::judge::{Record, Verdict};
use wire::replay::{Admit, Gate};
use wire::send::{Sender, send};

use crate::findings::got;
use crate::live::gate::Warden;

/// An answer, and what is made of it.
pub(super) type Attempt = (Observation, Record);

/// How cases are sent.
pub(super) struct Asker {
    pub(super) sender: Sender,
    /// Asked before each attempt, where something is limited.
    pub(super) warden: Option<Warden>,
    pub(super) times: u32,
    /// Between two attempts.
    pub(super) gap: Duration,
}

/// What came of a case.
pub(super) struct Asked {
    pub(super) attempts: Vec<Attempt>,
    /// Why the case was not sent as often as it was asked for, if it was not.
    pub(super) skipped: Option<&'static str>,
    /// Whether nothing else is to be sent, either.
    pub(super) is_over: bool,
}

impl Asker {
    /// Sends a case until two answers disagree, or so many times.
    pub(super) async fn ask(
        &self,
        case: &Case,
        mut judge: impl FnMut(&Observation) -> Record,
    ) -> Asked {
        let mut asked = Asked { attempts: Vec::new(), skipped: None, is_over: false };
        for time in 0..self.times.max(1) {
            if time > 0 {
                tokio::time::sleep(self.gap).await;
            }
            match self.admit(case).await {
                Admit::Send => {}
                Admit::Skip(why) => {
                    asked.skipped = Some(why);
                    break;
                }
                Admit::Stop => {
                    asked.is_over = true;
                    break;
                }
            }
            let observation = send(&self.sender, &case.request).await;
            if let Some(warden) = &self.warden {
                warden.saw(case, &observation);
            }
            let record = judge(&observation);
            asked.attempts.push((observation, record));
            if answers(&asked.attempts).len() > 1 {
                break;
            }
        }
        asked
    }

    async fn admit(&self, case: &Case) -> Admit {
        match &self.warden {
            Some(warden) => warden.admit(case).await,
            None => Admit::Send,
        }
    }
}

/// The answers that say something, as far as two of them can disagree, and how often each came.
pub(super) fn answers(attempts: &[Attempt]) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    let conclusive = attempts.iter().filter(|(_, record)| record.verdict != Verdict::Inconclusive);
    for (_, record) in conclusive {
        let findings: BTreeSet<_> = record.findings.iter().map(|finding| finding.rule).collect();
        let findings: Vec<_> = findings.into_iter().collect();
        let answer = match findings.is_empty() {
            true => got(record),
            false => format!("{} ({})", got(record), findings.join(", ")),
        };
        *answers.entry(answer).or_default() += 1;
    }
    answers
}

/// The attempt that is shown: the first that drifts, else the first that says something.
pub(super) fn telling(attempts: &[Attempt]) -> &Attempt {
    let of = |wanted: fn(&Record) -> bool| attempts.iter().find(|(_, record)| wanted(record));
    of(|record| record.verdict == Verdict::Drift)
        .or_else(|| of(|record| record.verdict != Verdict::Inconclusive))
        .unwrap_or(&attempts[0])
}
