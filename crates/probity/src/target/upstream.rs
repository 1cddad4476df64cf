//! Our mock as the server behind a gateway, and a record of all that reached it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use classify::Request;
use contract::conformance::blame::Exchange;
use contract::spec::Contract;
use mock::{Answer, Config, Now, Pace, Rules, State, Trouble};
use wire::serve::{BODY_TIME_MAX, Brain, Manner, Server};

use crate::embedded;
use crate::exit::Stop;

/// Exchanges kept for one case. A gateway that asks more often for one request is in a loop, and the last ones tell.
const EXCHANGES_MAX: usize = 64;

/// A running upstream.
pub struct Upstream {
    server: Server,
    desk: Arc<Desk>,
}

struct Desk {
    contract: Arc<Contract>,
    config: Config,
    now: Now,
    state: Mutex<State>,
    exchanges: Mutex<Vec<Exchange>>,
}

impl Upstream {
    /// Starts it; a port of 0 picks a free one.
    pub async fn start(contract: &Arc<Contract>, listen: SocketAddr) -> Result<Self, Stop> {
        if !listen.ip().is_loopback() {
            return Err(Stop::usage(format!(
                "--upstream-mock {listen}: only loopback addresses are served"
            )));
        }
        let now = Now::at_date(&contract.as_of)
            .ok_or_else(|| Stop::usage(format!("as_of: `{}` is not a date", contract.as_of)))?;
        let desk = Arc::new(Desk {
            contract: Arc::clone(contract),
            // A gateway has a key of its own for its upstream.
            config: Config {
                key: None,
                rules: Rules::All,
                seed: embedded::MOCK_SEED,
                pace: Pace::Instant,
                limits: None,
            },
            now,
            state: Mutex::new(State::new()),
            exchanges: Mutex::new(Vec::new()),
        });
        let brain: Brain = {
            let desk = Arc::clone(&desk);
            Arc::new(move |request, trouble| desk.answer(request, trouble))
        };
        let manner =
            Manner { latency: Duration::ZERO, body_time_max: BODY_TIME_MAX, version: None };
        let server = wire::serve::start(listen, brain, manner)
            .await
            .map_err(|error| Stop::usage(format!("failed to listen on {listen}: {error}")))?;
        Ok(Self { server, desk })
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// What has reached it since it was last asked.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *lock(&self.desk.exchanges))
    }
}

impl Desk {
    fn answer(&self, request: &Request, trouble: Option<Trouble>) -> Answer {
        let (answer, breaks) = match trouble {
            Some(trouble) => (
                mock::trouble(self.config.seed, request, trouble),
                vec![format!("not read to its end: {trouble:?}")],
            ),
            None => self.judged(request),
        };
        let mut exchanges = lock(&self.exchanges);
        if exchanges.len() == EXCHANGES_MAX {
            exchanges.remove(0);
        }
        let reply = answer.clone().into_reply();
        exchanges.push(Exchange { request: request.clone(), reply, breaks });
        answer
    }

    fn judged(&self, request: &Request) -> (Answer, Vec<String>) {
        let mut state = lock(&self.state);
        let answer = mock::answer(&mut state, &self.contract, &self.config, request, self.now);
        if answer.refused.is_none() {
            return (answer, Vec::new());
        }
        let violations = mock::violations(&state, &self.contract, &self.config, request, self.now);
        let breaks = violations.into_iter().map(|violation| match &*violation.path {
            "" => format!("{}: {}", violation.rule, violation.message),
            path => format!("{} at {path}: {}", violation.rule, violation.message),
        });
        (answer, breaks.collect())
    }
}

/// A judge that panicked was answered for; what it left behind is good enough for the next request.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
