//! What a run is to do, and what of it is left.

use std::sync::Arc;
use std::time::Duration;

use classify::Observation;
use contract::case::Case;
use contract::corpus::{self, Plan};
use contract::exceptions::Exceptions;
use wire::target::Target;

use super::past::Past;
use super::{End, Run};
use crate::exit::Stop;
use crate::live::Limits;
use crate::live::plan::{Planned, arrange};
use crate::selection::Selection;
use crate::settings::Settings;
use crate::specs::Specs;
use crate::target;
use crate::target::deadly::DeadlyLast;
use crate::target::fit::Fit;
use crate::target::spread::spread;

/// What to do, written out.
#[derive(Clone)]
pub struct Order<'a> {
    pub specs: &'a Specs,
    pub seed: u64,
    pub heavy: bool,
    pub cases_max: Option<usize>,
    pub time_max: Option<Duration>,
    pub selection: &'a Selection,
    /// The server to judge; the embedded mock if none is named.
    pub target: Option<Target>,
    pub chaos: bool,
    pub past: Past<'a>,
    /// What the run may use; cases are then sent in another order, and made cheap.
    pub limits: Option<&'a Limits>,
    /// What to ask of the target beside its cases.
    pub trial: Option<&'a target::Plan>,
}

impl<'a> Order<'a> {
    /// What the settings ask for, of that server, after what there was.
    pub fn new(
        specs: &'a Specs,
        settings: &'a Settings,
        target: Option<Target>,
        past: Past<'a>,
    ) -> Self {
        Self {
            specs,
            seed: settings.seed,
            heavy: settings.heavy,
            cases_max: settings.cases_max,
            time_max: settings.time_max,
            selection: &settings.selection,
            chaos: settings.chaos && target.is_none() && settings.selection.is_everything(),
            target,
            past,
            limits: settings.limits.as_ref(),
            trial: Some(&settings.trial),
        }
    }
}

impl Order<'_> {
    fn plan(&self) -> Plan {
        // The corpus adds draws where it has fewer than the limit; a selection only ever takes away.
        let cases_max =
            self.cases_max.filter(|_| self.selection.is_everything() && self.target.is_none());
        Plan { seed: self.seed, cases_max, heavy: self.heavy }
    }

    /// The cases as selected. What the target cannot honour is left to `skip`, and does not count for the limit.
    pub fn cases(&self, skip: impl FnMut(&'static str)) -> Planned<impl Iterator<Item = Case>> {
        self.fitted(None, skip)
    }

    /// The same for a target of which it is known what it has, and which model it knows.
    pub(super) fn fitted(
        &self,
        fit: Option<Arc<Fit>>,
        mut skip: impl FnMut(&'static str),
    ) -> Planned<impl Iterator<Item = Case>> {
        let all = corpus::cases(&self.specs.contract, &self.specs.witnesses, self.plan());
        let selected = all.filter(|case| self.selection.contains(case));
        // What was not sent then has no answer now.
        let spares = self.target.is_some() && self.is_sending();
        let fit = selected.filter_map(move |case| {
            let fitted = match (&fit, case.traits.mock_only.filter(|_| spares)) {
                (Some(fit), _) => fit.fit(case),
                (None, Some(reason)) => Err(reason),
                (None, None) => Ok(case),
            };
            fitted.map_err(&mut skip).ok()
        });
        // Of a target only a part may be asked, and that part is to be of everything. Globs have chosen already.
        let is_part =
            (self.cases_max.is_some() || self.time_max.is_some()) && !self.selection.has_globs();
        match self.limits {
            None if self.trial.is_some() && spares && is_part => {
                let chosen = spread(fit.collect(), self.cases_max);
                let chosen: Vec<_> = DeadlyLast::new(chosen.into_iter(), true).collect();
                Planned::Arranged(chosen.into_iter())
            }
            None => {
                let cases = fit.take(self.cases_max.unwrap_or(usize::MAX));
                // What is told again was in this order, too.
                Planned::Drawn(DeadlyLast::new(cases, self.target.is_some()))
            }
            Some(_) => Planned::Arranged(arrange(fit.collect(), self.cases_max).into_iter()),
        }
    }

    /// Fails if a glob names nothing.
    pub fn check_globs(&self) -> Result<(), Stop> {
        if !self.selection.has_globs() {
            return Ok(());
        }
        let all = corpus::cases(&self.specs.contract, &self.specs.witnesses, self.plan());
        let Some((glob, nearest)) = self.selection.unmatched(all).into_iter().next() else {
            return Ok(());
        };
        let hint = match &nearest[..] {
            [] => "filters match case ids, rules and families".to_owned(),
            names => format!("did you mean {}?", names.join(", ")),
        };
        Err(Stop::usage(format!("`{glob}` names no case; {hint}")))
    }

    /// Whether cases are sent at all.
    pub fn is_sending(&self) -> bool {
        matches!(self.past, Past::None | Past::Answers(_))
    }

    /// Scripted answers are tried by whoever answers for the whole: an undivided run, or the merging of shards.
    pub(super) fn plays_scripts(&self) -> bool {
        self.target.is_none()
            && self.selection.is_everything()
            && !matches!(self.past, Past::Old(_))
    }

    pub(super) fn knows(&self, case: &Case) -> bool {
        matches!(self.past, Past::Answers(book) if book.answers(&case.id, &case.request))
    }

    /// The answer of an earlier run to just this request.
    pub(super) fn known(&self, case: &Case) -> Option<Observation> {
        let Past::Answers(book) = self.past else { return None };
        if !self.knows(case) {
            return None;
        }
        match book.entry(&case.id) {
            Ok(entry) => entry.map(|entry| entry.observation),
            // It was read a moment ago. A case that cannot be looked at is not sent twice for that.
            Err(error) => {
                Some(Observation::Unsendable(format!("its answer cannot be read back: {error}")))
            }
        }
    }

    fn is_complete_plan(&self) -> bool {
        self.selection.is_everything() && self.cases_max.is_none()
    }

    /// Why ledgers of this run cannot be compared with those on file.
    pub fn not_comparable(&self, usual_seed: u64) -> Option<&'static str> {
        match self {
            _ if matches!(self.past, Past::Old(_)) => Some("old answers were judged again"),
            _ if self.target.is_some() => Some("ledgers are of the embedded mock"),
            _ if !self.is_complete_plan() => Some("only a part of the corpus was asked for"),
            _ if self.seed != usual_seed => Some("another seed makes other cases"),
            _ if self.heavy => Some("a heavy run has more cases"),
            _ => None,
        }
    }

    /// Exceptions that excused nothing, where that means something.
    pub fn stale_exceptions(&self, run: &Run, exceptions: &Exceptions) -> Vec<String> {
        let is_whole = self.is_complete_plan() && !matches!(self.past, Past::Old(_));
        if !is_whole || run.end != End::Complete || self.target.is_some() {
            return Vec::new();
        }
        exceptions.stale().map(|exception| exception.case.clone()).collect()
    }
}
