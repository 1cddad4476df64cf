//! One trial: a scenario is played to a subject, and what it does is judged.
//!
//! Every trial has a proxy on a port of its own, since clients keep connections per address and would carry
//! one trial into the next. The subject is any function from a [`Call`] to an [`Outcome`]: this module knows
//! no client and reaches no verdict itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chaos::handling::CANARY_KEY;
use chaos::{Call, Handling, Outcome, Plan, Scenario, Surface, TrialReport};
use classify::Script;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::{proxy, script};

/// The words of every call; what comes back depends on the scenario alone.
const PROMPT: &str = "Say hello.";

/// A client that keeps the deadline by its own clock returns about then: this much later it hangs.
const HANG_MS: u64 = 1_000;

/// How often the harness checks its own timers while a trial runs.
const NOISE_STEP_MS: u64 = 10;

/// What stands behind the proxy.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// Every script that scenarios may name.
    pub scripts: &'a BTreeMap<String, Script>,
    /// The server that answers where a scenario names no script.
    pub mock: Option<SocketAddr>,
}

/// Why nothing can be said about the subject.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unseen {
    /// It cannot do what the scenario asks.
    #[error("{0}")]
    Skipped(String),
    /// Something else than the subject went wrong.
    #[error("{0}")]
    Trouble(String),
}

/// Plays one scenario to the subject on one surface, and judges.
pub async fn trial<F, Fut>(
    scenario: &Scenario,
    surface: Surface,
    stage: Stage<'_>,
    subject: F,
) -> TrialReport
where
    F: FnOnce(Call) -> Fut,
    Fut: Future<Output = Outcome>,
{
    let subject = |call| async { Ok(subject(call).await) };
    try_trial(scenario, surface, stage, subject).await
}

/// The same with a subject that may be out of sight.
pub async fn try_trial<F, Fut>(
    scenario: &Scenario,
    surface: Surface,
    stage: Stage<'_>,
    subject: F,
) -> TrialReport
where
    F: FnOnce(Call) -> Fut,
    Fut: Future<Output = Result<Outcome, Unseen>>,
{
    if !scenario.surfaces.contains(&surface) {
        let reason = format!("the scenario is not about `{}`", surface.name());
        return TrialReport::skipped(scenario, surface, &reason);
    }
    let handling = match rehearse(scenario, surface, stage, subject).await {
        Ok(handling) => handling,
        Err(Unseen::Skipped(reason)) => return TrialReport::skipped(scenario, surface, &reason),
        Err(Unseen::Trouble(trouble)) => Handling::failed(trouble),
    };
    TrialReport::new(scenario, surface, &handling)
}

async fn rehearse<F, Fut>(
    scenario: &Scenario,
    surface: Surface,
    stage: Stage<'_>,
    subject: F,
) -> Result<Handling, Unseen>
where
    F: FnOnce(Call) -> Fut,
    Fut: Future<Output = Result<Outcome, Unseen>>,
{
    let plan =
        Plan::new(scenario, stage.scripts).map_err(|error| Unseen::Trouble(error.to_string()))?;
    let server = match scripts(scenario.replies_on(surface), stage.scripts)? {
        scripts if scripts.is_empty() => None,
        scripts => Some(
            script::serve(scripts)
                .await
                .map_err(|error| Unseen::Trouble(format!("no script server: {error}")))?,
        ),
    };
    let upstream = server.as_ref().map(|server| server.address).or(stage.mock);
    let started = Instant::now();
    let proxy = proxy::start(plan, upstream, started)
        .await
        .map_err(|error| Unseen::Trouble(format!("no proxy: {error}")))?;
    let call = Call {
        base_url: format!("http://{}", proxy.address),
        key: CANARY_KEY.to_owned(),
        prompts: vec![PROMPT.to_owned()],
        surface,
        timeout_ms: scenario.timeout_ms,
        deadline_ms: scenario.deadline_ms,
        max_retries: scenario.retries,
        asks: scenario.ask.clone(),
    };
    let noise = Noise::watch();
    let patience = Duration::from_millis(scenario.deadline_ms + HANG_MS);
    let outcome = timeout(patience, subject(call)).await.ok().transpose()?;
    let elapsed_ms = script::elapsed_ms(started);
    let proxy::Record { attempts, second_origin: abroad, unfired, trouble } = proxy.finish().await;
    let noise_ms = noise.latest_ms();
    let seen = Handling {
        attempts,
        outcome,
        elapsed_ms,
        unfired,
        noise_ms,
        abroad,
        trouble,
        ..Handling::default()
    };
    Ok(seen)
}

/// The scripts of these names.
fn scripts(names: &[String], all: &BTreeMap<String, Script>) -> Result<Vec<Script>, Unseen> {
    let find = |name: &String| {
        let missing = || Unseen::Trouble(format!("there is no reply `{name}`"));
        all.get(name).cloned().ok_or_else(missing)
    };
    names.iter().map(find).collect()
}

/// Measures how late the harness's own timers go off.
struct Noise {
    latest_ms: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Noise {
    fn watch() -> Self {
        let latest_ms = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&latest_ms);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let before = Instant::now();
                sleep(Duration::from_millis(NOISE_STEP_MS)).await;
                let late_ms = script::elapsed_ms(before).saturating_sub(NOISE_STEP_MS);
                noted.fetch_max(late_ms, Ordering::Relaxed);
            }
        });
        Self { latest_ms, _task: task }
    }

    fn latest_ms(&self) -> u64 {
        self.latest_ms.load(Ordering::Relaxed)
    }
}
