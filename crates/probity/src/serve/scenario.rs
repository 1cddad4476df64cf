//! One scenario, played by hand to whoever calls: what happened is told as it happens.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chaos::report::{Moment, MomentKind};
use chaos::{Scenario, Surface, TrialReport};
use futures::future::{Either, select};
use tokio::time::sleep;
use wire::tls::Authority;
use wire::trial::{ByHand, Stage, by_hand};

use super::interrupt;
use crate::chaos::schedule::hint;
use crate::cli::ServeArgs;
use crate::console::{Paint, count, say};
use crate::exit::{Exit, Stop};
use crate::settings;
use crate::specs::{Overrides, Specs};

/// How often it looks for something new: faster than anybody reads.
const LOOK_MS: u64 = 100;

/// The verb with `--scenario`.
pub(super) fn play(args: &ServeArgs, id: &str) -> Result<Exit, Stop> {
    let specs = Specs::load(&Overrides::default())?;
    let found = specs.scenarios.iter().find(|scenario| scenario.id == id);
    let scenario = found.ok_or_else(|| {
        Stop::usage(format!("there is no scenario `{id}`{}", hint(&specs.scenarios, id)))
    })?;
    let surface = args.surface.unwrap_or(scenario.surfaces[0]);
    if !scenario.surfaces.contains(&surface) {
        let names: Vec<_> = scenario.surfaces.iter().map(|surface| surface.name()).collect();
        let names = names.join(" and ");
        return Err(Stop::usage(format!(
            "`{id}` is not about `{}`, but about {names}",
            surface.name()
        )));
    }
    settings::runtime()?.block_on(run(args, &specs, scenario, surface))?;
    Ok(Exit::Clean)
}

async fn run(
    args: &ServeArgs,
    specs: &Specs,
    scenario: &Scenario,
    surface: Surface,
) -> Result<(), Stop> {
    let interrupted = interrupt()?;
    let authority = Authority::generate().ok().map(Arc::new);
    let mock = crate::embedded::start_for_anyone(&specs.contract).await?;
    let stage = Stage {
        mock: Some(mock.address()),
        authority: authority.as_ref(),
        ..Stage::of(&specs.scripts)
    };
    let playing = by_hand(scenario, surface, stage, args.listen.port())
        .await
        .map_err(|unseen| Stop::usage(format!("failed to play `{}`: {unseen}", scenario.id)))?;
    say(&format!(
        "probity serve: {0} plays {1} for {2} (set ANTHROPIC_BASE_URL={0}; Ctrl-C ends)\n  {3}\n  expected: {4}\n",
        playing.base_url(),
        scenario.id,
        surface.name(),
        scenario.why,
        TrialReport::skipped(scenario, surface, "").expected,
    ));
    let mut told = Told { paint: Paint::decide(args.color), n_moments: 0 };
    let watching = async {
        loop {
            sleep(Duration::from_millis(LOOK_MS)).await;
            told.tell(&moments(&playing, scenario, surface));
        }
    };
    if let Either::Left((never, _)) = select(pin!(watching), pin!(interrupted)).await {
        match never {}
    }
    told.tell(&moments(&playing, scenario, surface));
    say(&format!("{}\n", count(playing.seen().attempts.len(), "attempt")));
    Ok(())
}

/// What has come to its end so far, in order.
fn moments(playing: &ByHand, scenario: &Scenario, surface: Surface) -> Vec<Moment> {
    let mut seen = playing.seen();
    seen.attempts.retain(|attempt| attempt.end != chaos::End::Unended);
    let mut moments = TrialReport::new(scenario, surface, &seen).timeline;
    moments.retain(|moment| moment.kind != MomentKind::Outcome);
    moments
}

/// What was told already.
struct Told {
    paint: Paint,
    n_moments: usize,
}

impl Told {
    fn tell(&mut self, moments: &[Moment]) {
        for moment in moments.iter().skip(self.n_moments) {
            let line = format!("{:>8} ms  {}", moment.at_ms, moment.what);
            let line = match moment.kind {
                MomentKind::Fault => self.paint.yellow(line),
                MomentKind::Abroad => self.paint.red(line),
                MomentKind::Sent | MomentKind::Wait => self.paint.dim(line),
                MomentKind::End | MomentKind::Outcome | MomentKind::Request => line,
            };
            say(&format!("{line}\n"));
        }
        self.n_moments = self.n_moments.max(moments.len());
    }
}
