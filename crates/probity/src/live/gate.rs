//! Asks the governor before each case, counts the input of those that are paid for, and waits where it is told to.
//!
//! Cases are asked about one at a time and in order, so that a wait of one holds back the rest, as it must.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use classify::{Observation, Request};
use contract::case::Case;
use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use wire::replay::{Admit, Gate};
use wire::send::{Sender, send};

use super::Limits;
use super::bill::{self, Charge};
use super::governor::{End, Governor, Word};
use super::money::{Tokens, Usd};
use crate::console::{count, thousands};

/// Left undone for lack of budget.
pub const TOO_DEAR: &str = "its worst case does not fit into what is left of the budget";
/// Left undone for lack of a bound.
const UNBOUNDED: &str = "what its server tools cost is known only afterwards";

const COUNT_TARGET: &str = "/v1/messages/count_tokens";

/// The gate of a run with limits.
pub struct Warden {
    sender: Sender,
    limits: Limits,
    /// One case at a time.
    turn: tokio::sync::Mutex<()>,
    answered: Notify,
    state: Mutex<State>,
    started: Instant,
    started_unix_ms: u64,
}

#[derive(Default)]
struct State {
    governor: Governor,
    /// What is set aside for cases on their way.
    aside: HashMap<String, Tokens>,
    skipped: BTreeMap<&'static str, usize>,
    waited_ms: u64,
}

/// What a run used, and what is left of its plan.
#[derive(Clone, Debug)]
pub struct Account {
    limits: Limits,
    pub spent: Tokens,
    /// Requests that left, counts included.
    pub sent: u64,
    /// Cases that were not sent, by reason.
    pub skipped: BTreeMap<&'static str, usize>,
    pub waited_ms: u64,
    pub end: Option<End>,
    /// Cases that were not even asked about.
    left: usize,
}

impl Warden {
    /// `sender` asks for counts.
    pub fn new(sender: Sender, limits: Limits) -> Self {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let state = State { governor: Governor::new(limits.clone()), ..State::default() };
        Self {
            sender,
            limits,
            turn: tokio::sync::Mutex::default(),
            answered: Notify::new(),
            state: Mutex::new(state),
            started: Instant::now(),
            started_unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// After the run, of which so many cases were planned and so many judged.
    pub fn account(&self, planned: usize, judged: usize) -> Account {
        let state = self.state();
        let skipped: usize = state.skipped.values().sum();
        Account {
            limits: self.limits.clone(),
            spent: state.governor.spent,
            sent: state.governor.sent,
            skipped: state.skipped.clone(),
            waited_ms: state.waited_ms,
            end: state.governor.end,
            left: planned.saturating_sub(judged + skipped),
        }
    }

    async fn decide(&self, case: &Case) -> Admit {
        let _turn = self.turn.lock().await;
        let worst = match bill::charge(case) {
            Charge::Free => Tokens::default(),
            Charge::Unbounded if self.has_budget() => return self.skip(UNBOUNDED),
            Charge::Unbounded => Tokens::default(),
            // Without the output there is no room for the input, however little that is.
            Charge::AtMost { worst, .. } if !self.could_fit(worst) => return self.skip(TOO_DEAR),
            Charge::AtMost { worst, is_countable: true } if self.has_budget() => {
                match self.count(&case.request).await {
                    Ok(Some(counted)) => bill::with_count(worst, counted),
                    Ok(None) => worst,
                    Err(Stopped) => return Admit::Stop,
                }
            }
            Charge::AtMost { worst, .. } => worst,
        };
        match self.pass(worst).await {
            Passed::Yes => {
                self.state().aside.insert(case.id.0.clone(), worst);
                Admit::Send
            }
            Passed::TooDear => self.skip(TOO_DEAR),
            Passed::Stopped => Admit::Stop,
        }
    }

    /// The tokens of the input, if the server counts them. Asking is free, but counts for the rate.
    async fn count(&self, request: &Request) -> Result<Option<u64>, Stopped> {
        let Some(body) = bill::count_body(&request.body) else { return Ok(None) };
        if !matches!(self.pass(Tokens::default()).await, Passed::Yes) {
            return Err(Stopped);
        }
        let request = Request { target: COUNT_TARGET.into(), body, ..request.clone() };
        let observation = send(&self.sender, &request).await;
        self.settle(Tokens::default(), &observation);
        Ok(bill::counted(&observation))
    }

    /// Waits until a request with this worst case may be sent, or cannot be.
    async fn pass(&self, worst: Tokens) -> Passed {
        // Each round waits for an answer, of which as many are out as cases are in flight, or up to a time, which
        // the governor bounds.
        loop {
            let now_ms = self.now_ms();
            let word = self.state().governor.ask(worst, now_ms);
            match word {
                Word::Send => return Passed::Yes,
                Word::TooDear => return Passed::TooDear,
                Word::Stop => return Passed::Stopped,
                Word::AfterAnswer => self.answered.notified().await,
                Word::Until(at_ms) => {
                    let wait_ms = at_ms.saturating_sub(now_ms);
                    self.state().waited_ms += wait_ms;
                    sleep(Duration::from_millis(wait_ms)).await;
                }
            }
        }
    }

    fn settle(&self, worst: Tokens, observation: &Observation) {
        let seen = bill::seen(observation, worst, self.now_ms());
        self.state().governor.settle(worst, seen);
        self.answered.notify_one();
    }

    fn skip(&self, reason: &'static str) -> Admit {
        *self.state().skipped.entry(reason).or_default() += 1;
        Admit::Skip(reason)
    }

    fn could_fit(&self, worst: Tokens) -> bool {
        let least = Tokens { input: 1, ..worst };
        self.state().governor.could_fit(least)
    }

    fn has_budget(&self) -> bool {
        self.limits.tokens_max.is_some() || self.limits.money.is_some()
    }

    fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_unix_ms.saturating_add(elapsed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Warden {
    fn admit<'a>(&'a self, case: &'a Case) -> BoxFuture<'a, Admit> {
        self.decide(case).boxed()
    }

    fn saw(&self, case: &Case, observation: &Observation) {
        let worst = self.state().aside.remove(&case.id.0).unwrap_or_default();
        self.settle(worst, observation);
    }
}

enum Passed {
    Stopped,
    TooDear,
    Yes,
}

struct Stopped;

impl Account {
    /// Cases that the budget had no room for.
    pub fn undone(&self) -> usize {
        self.skipped.get(TOO_DEAR).copied().unwrap_or(0)
    }

    /// What was used, in a line.
    pub fn text(&self) -> String {
        let tokens = |tokens: u64| thousands(usize::try_from(tokens).unwrap_or(usize::MAX));
        let mut text = format!(
            "{}, {} tokens in, {} out",
            count(usize::try_from(self.sent).unwrap_or(usize::MAX), "request"),
            tokens(self.spent.input),
            tokens(self.spent.output)
        );
        if let Some(most) = self.limits.tokens_max {
            text += &format!(", of {}", tokens(most));
        }
        let prices = self.limits.money.map(|money| money.prices).or(self.limits.prices);
        if let Some(prices) = prices {
            text += &format!(", {}", Usd(prices.of(self.spent)));
        }
        if let Some(money) = self.limits.money {
            text += &format!(" of {}", Usd(money.nanos_max));
        }
        text
    }

    pub fn to_json(&self) -> Value {
        let prices = self.limits.money.map(|money| money.prices).or(self.limits.prices);
        json!({
            "requests": self.sent,
            "input_tokens": self.spent.input,
            "output_tokens": self.spent.output,
            "usd": prices.map(|prices| Usd(prices.of(self.spent)).to_string()),
            "undone": self.undone() + self.left,
        })
    }

    /// Why the plan was not done, if it was not.
    pub fn unfinished(&self) -> Option<String> {
        let why = match self.end {
            Some(End::Busy { busy, answered }) => {
                format!("the server is busy: {busy} of {answered} answers were about load or rate")
            }
            Some(End::LongWait { ms }) => {
                format!("the server asks to wait for {} s", ms.div_ceil(1_000))
            }
            Some(End::SpendLimited) => "the account's spend limit is reached".to_owned(),
            None if self.undone() > 0 => "the budget is exhausted".to_owned(),
            None => return None,
        };
        let undone = count(self.undone() + self.left, "case");
        Some(format!("{why}; {} used, {undone} left undone", self.text()))
    }
}
