//! Which scenarios are played, on which surfaces, and in what company.

use chaos::scenario::Span;
use chaos::{Scenario, Surface};
use wildmatch::WildMatch;

use super::card::Profile;
use crate::exit::Stop;
pub use crate::smoke::CANARY;
use crate::smoke::PROFILE;

/// What the user chose.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub profile: Profile,
    /// Globs on scenario ids; none is all.
    pub scenarios: Vec<String>,
    /// None is every surface that a scenario is about.
    pub surfaces: Vec<Surface>,
    /// In place of what the scenarios say.
    pub retries: Option<u32>,
    pub timeout_ms: Option<u64>,
}

/// One trial that is to be held.
#[derive(Clone, Debug)]
pub struct Planned {
    pub scenario: Scenario,
    pub surface: Surface,
}

/// In whose company a trial may be held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Company {
    Any,
    /// Nobody's: it takes the whole machine, or what is printed to a shared log would be anybody's.
    Nobody,
    /// That of others who only wait: what is measured would be the machine.
    Timed,
}

impl Planned {
    pub fn company(&self) -> Company {
        let Scenario { ask, timing, .. } = &self.scenario;
        match (ask.log.is_some() || ask.clients.is_some(), *timing) {
            (true, _) => Company::Nobody,
            (false, true) => Company::Timed,
            (false, false) => Company::Any,
        }
    }
}

impl Choice {
    /// Whether the whole profile is asked for, on its own terms.
    pub fn is_everything(&self) -> bool {
        self.scenarios.is_empty()
            && self.surfaces.is_empty()
            && self.retries.is_none()
            && self.timeout_ms.is_none()
    }

    /// The trials, in the order of severity and id. Fails if a glob names nothing.
    pub fn plan(&self, scenarios: &[Scenario]) -> Result<Vec<Planned>, Stop> {
        self.check(scenarios)?;
        let globs: Vec<_> = self.scenarios.iter().map(|glob| WildMatch::new(glob)).collect();
        let is_named = |id: &str| globs.is_empty() || globs.iter().any(|glob| glob.matches(id));
        let mut plan = vec![];
        for scenario in scenarios.iter().filter(|scenario| scenario.id != CANARY) {
            // Whoever names a slow scenario has the time.
            let is_slow = scenario.slow && self.profile != Profile::Full && globs.is_empty();
            if !is_named(&scenario.id) || is_slow {
                continue;
            }
            for &surface in &scenario.surfaces {
                let is_smoke =
                    PROFILE.iter().any(|(id, of, _)| *id == scenario.id && *of == surface);
                let in_profile = self.profile != Profile::Smoke || is_smoke || !globs.is_empty();
                let is_chosen = self.surfaces.is_empty() || self.surfaces.contains(&surface);
                if in_profile && is_chosen {
                    plan.push(Planned { scenario: self.adapt(scenario), surface });
                }
            }
        }
        plan.sort_by_cached_key(|Planned { scenario, surface }| {
            (scenario.severity, scenario.id.clone(), *surface)
        });
        Ok(plan)
    }

    /// The scenario with the user's limits. What it says about attempts follows the number of retries.
    fn adapt(&self, scenario: &Scenario) -> Scenario {
        let mut scenario = scenario.clone();
        if let Some(timeout_ms) = self.timeout_ms {
            let more_ms = timeout_ms.saturating_sub(scenario.timeout_ms);
            let more_ms = more_ms.saturating_mul(u64::from(scenario.retries) + 1);
            scenario.deadline_ms = scenario.deadline_ms.saturating_add(more_ms);
            scenario.timeout_ms = timeout_ms;
        }
        if let Some(retries) = self.retries {
            let (before, after) = (scenario.retries + 1, retries + 1);
            let moved = |count: u32| if count == before { after } else { count.min(after) };
            let Span { first, last } = scenario.expect.attempts;
            scenario.expect.attempts = Span { first: moved(first), last: last.map(moved) };
            scenario.retries = retries;
        }
        scenario
    }

    fn check(&self, scenarios: &[Scenario]) -> Result<(), Stop> {
        for glob in &self.scenarios {
            let matcher = WildMatch::new(glob);
            if scenarios.iter().any(|scenario| matcher.matches(&scenario.id)) {
                continue;
            }
            return Err(Stop::usage(format!(
                "`{glob}` names no scenario{}",
                hint(scenarios, glob)
            )));
        }
        Ok(())
    }
}

/// The scenario that may be meant, as the end of a sentence.
pub fn hint(scenarios: &[Scenario], word: &str) -> String {
    let likeness = |scenario: &&Scenario| strsim::jaro_winkler(&scenario.id, word);
    let nearest = scenarios.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    nearest.map(|it| format!(", did you mean `{}`?", it.id)).unwrap_or_default()
}
