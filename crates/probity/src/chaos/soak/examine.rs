//! A draw that failed: whether it fails again alone, how little of it is enough, and the file that shows it.

use std::fs::File;
use std::future::Future;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use chaos::TrialReport;
use chaos::oracle::Code;
use chaos::swarm::breach;

use super::super::card::cause;
use super::super::schedule::Planned;

/// Trials that one failure is worth: three to see it again, and the rest to make it smaller.
const TRIALS_MAX: usize = 12;
const AGAIN_MAX: usize = 3;

/// Files of one draw's name: other clients may have failed it before.
const NAMES_MAX: usize = 20;

/// A draw that failed, and what is known of it by now.
#[derive(Debug)]
pub struct Suspect {
    pub planned: Planned,
    pub report: TrialReport,
    pub code: Code,
    /// Whether it failed again alone.
    pub again: bool,
}

/// Tries it again, alone, with fewer and fewer faults. It may be dropped at any time: the suspect is always one that
/// was seen to fail.
pub async fn examine<F, Fut>(suspect: &mut Suspect, hold: &F)
where
    F: Fn(Planned) -> Fut,
    Fut: Future<Output = TrialReport>,
{
    let mut n_trials = 0;
    while !suspect.again && n_trials < AGAIN_MAX {
        n_trials += 1;
        suspect.try_again(suspect.planned.clone(), hold).await;
    }
    let mut idx = suspect.planned.scenario.faults.len();
    while suspect.again && 0 < idx && n_trials < TRIALS_MAX {
        idx -= 1;
        n_trials += 1;
        let mut fewer = suspect.planned.clone();
        fewer.scenario.faults.remove(idx);
        if suspect.try_again(fewer, hold).await {
            // What could not be spared before may be of no use without this one.
            idx = suspect.planned.scenario.faults.len();
        }
    }
}

impl Suspect {
    /// Whether this fails the same way; then it is the suspect from now on.
    async fn try_again<F, Fut>(&mut self, planned: Planned, hold: &F) -> bool
    where
        F: Fn(Planned) -> Fut,
        Fut: Future<Output = TrialReport>,
    {
        let report = hold(planned.clone()).await;
        let is_same = breach(&report) == Some(self.code);
        if is_same {
            (self.planned, self.report, self.again) = (planned, report, true);
        }
        is_same
    }

    /// Whether a busy machine or a neighbour may have brought it about: times, a last byte that came in the moment in
    /// which the client left, what others print, and a process that takes all its runs with it.
    pub(super) fn may_be_the_machine(&self) -> bool {
        self.code.is_about_time()
            || matches!(
                self.code,
                Code::Hang | Code::KeyLeak | Code::RepeatedAfterSuccess | Code::UnexpectedOutcome
            )
    }

    /// Writes the scenario down under a name that is still free, if the folder takes it.
    pub(super) fn write(&self, folder: &Path) -> Option<PathBuf> {
        let text = self.text();
        let id = &self.planned.scenario.id;
        for number in 1..=NAMES_MAX {
            let name =
                if number == 1 { format!("{id}.toml") } else { format!("{id}-{number}.toml") };
            let path = folder.join(name);
            match File::create_new(&path) {
                Ok(mut file) => return file.write_all(text.as_bytes()).is_ok().then_some(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    // The same failure once more needs no second file.
                    if std::fs::read(&path).is_ok_and(|known| known == text.as_bytes()) {
                        return Some(path);
                    }
                }
                Err(_) => return None,
            }
        }
        None
    }

    fn text(&self) -> String {
        let mut scenario = self.planned.scenario.clone();
        scenario.severity = self.code.severity();
        scenario.surfaces = vec![self.planned.surface];
        let seen = cause(&self.report);
        scenario.why = format!("{} Seen: {seen}", self.code.sentence());
        scenario.to_toml()
    }
}
