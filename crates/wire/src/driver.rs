//! Clients in any language as subjects of trials, through drivers of a few lines.
//!
//! | tier | what the client's side does | what is known of it |
//! |---|---|---|
//! | [`Tier::BlackBox`] | nothing: it reads the environment, makes its call and exits | exit code, hang, what it prints |
//! | [`Tier::OneShot`] | prints one JSON line | facts, at the price of a process per call |
//! | [`Tier::Persistent`] | answers JSON lines as long as it lives | facts, and times without the start-up |
//!
//! A run has no timer of its own: whoever awaits it drops it at the deadline, and with that the process loses its
//! work and, once nobody else waits for it, its life. The next run starts another. So a driver that hangs, dies or
//! talks nonsense costs the scenario that it was in; only a process with several runs in flight costs them all.

mod once;
mod outcome;
mod process;
mod protocol;
mod session;

use std::sync::{Arc, Mutex};

use chaos::{Call, Handling, OutcomeClass, Scenario, Surface, Told, TrialReport};

pub use process::Program;
pub use protocol::{About, ClientName, Defaults};

use self::process::{Leaks, lock};
use self::session::{Asked, Session};
use crate::trial::{Stage, Subject, Unseen, trial};

/// The end of a traceback, which is where its cause stands.
const LAST_WORDS_BYTES_MAX: usize = 4 << 10;

/// How far the client's side goes to meet us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tier {
    BlackBox,
    OneShot,
    Persistent,
}

/// A client that can be put on trial.
pub struct Driver {
    program: Program,
    tier: Tier,
    current: Mutex<Option<Arc<Session>>>,
    /// Held while a session starts, so that nobody starts another.
    starting: tokio::sync::Mutex<()>,
}

impl Driver {
    pub fn new(program: Program, tier: Tier) -> Self {
        Self { program, tier, current: Mutex::default(), starting: tokio::sync::Mutex::default() }
    }

    /// What the driver says of itself, if it can say anything. Starts it.
    pub async fn about(&self) -> Result<Option<About>, String> {
        match self.tier {
            Tier::BlackBox | Tier::OneShot => Ok(None),
            Tier::Persistent => Ok(Some(self.session().await?.about.clone())),
        }
    }

    /// Plays one scenario to the client on one surface, and judges. The clock starts when the client is ready.
    pub async fn trial(
        &self,
        scenario: &Scenario,
        surface: Surface,
        stage: Stage<'_>,
    ) -> TrialReport {
        if let Err(trouble) = self.about().await {
            return TrialReport::new(scenario, surface, &Handling::failed(trouble));
        }
        let scenario = self.asked_of(scenario);
        let client = OnTrial { driver: self, id: &scenario.id, leaks: Leaks::default() };
        trial(&scenario, surface, stage, &client).await
    }

    /// Does what the scenario `id` asks of a client. To give it up, drop it.
    pub async fn run(&self, id: &str, call: Call) -> Result<Told, Unseen> {
        self.run_heard(id, &call, &Leaks::default()).await
    }

    /// The same, and notes where the key turns up beside what is told. Nobody knows whose words a process prints while
    /// it has several runs in flight: the key among them is noted for all.
    async fn run_heard(&self, id: &str, call: &Call, leaks: &Leaks) -> Result<Told, Unseen> {
        match self.tier {
            Tier::BlackBox | Tier::OneShot => {
                once::run(&self.program, self.tier, id, call, leaks).await
            }
            Tier::Persistent => {
                let session = self.session().await.map_err(Unseen::Trouble)?;
                if let Some(lack) = session.about.lacks(call) {
                    return Err(Unseen::Skipped(lack));
                }
                let asked = session.ask(id, call);
                let mut run = InFlight { driver: self, session, asked, leaks };
                let InFlight { session, asked, .. } = &mut run;
                session.answer(asked, call, leaks).await
            }
        }
    }

    /// Ends the process in good order, if there is one.
    pub async fn stop(&self) {
        let session = lock(&self.current).take();
        if let Some(session) = session {
            session.stop().await;
        }
    }

    async fn session(&self) -> Result<Arc<Session>, String> {
        let _starting = self.starting.lock().await;
        let current = lock(&self.current).clone();
        if let Some(session) = current.filter(|session| !session.is_over()) {
            return Ok(session);
        }
        let session = Arc::new(Session::start(&self.program).await?);
        *lock(&self.current) = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The scenario as far as the client can be asked: of a black box it is known that it failed, and no more.
    fn asked_of(&self, scenario: &Scenario) -> Scenario {
        let mut scenario = scenario.clone();
        if self.tier == Tier::BlackBox {
            let expect = &mut scenario.expect;
            if expect.outcome.iter().any(|class| *class != OutcomeClass::Success) {
                expect.outcome.push(OutcomeClass::Failed);
            }
            (expect.status, expect.request_id) = (None, None);
            (expect.error_type, expect.error_code) = (None, None);
            (expect.text, expect.stop_reason) = (None, None);
        }
        scenario
    }
}

/// The client in one trial.
struct OnTrial<'a> {
    driver: &'a Driver,
    id: &'a str,
    leaks: Leaks,
}

impl Subject for OnTrial<'_> {
    async fn run(&self, call: Call) -> Result<Told, Unseen> {
        self.driver.run_heard(self.id, &call, &self.leaks).await
    }

    async fn restart(&self) {
        self.driver.stop().await;
        // So that its start is nobody's time. If it fails, so does the next run, and says why.
        let _ = self.driver.about().await;
    }

    fn leaks(&self) -> Vec<String> {
        self.leaks.take()
    }
}

/// A run that its caller still waits for.
struct InFlight<'a> {
    driver: &'a Driver,
    session: Arc<Session>,
    asked: Asked,
    leaks: &'a Leaks,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.session.note_leaks(&self.asked, self.leaks);
        if !self.session.forget(self.asked.seq) {
            return;
        }
        // It hangs: nobody else is to be given to this process, which ends with its last run.
        let mut current = lock(&self.driver.current);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &self.session)) {
            *current = None;
        }
    }
}
