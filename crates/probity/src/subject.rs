//! The reference client as a subject of trials: everything that a scenario can ask of a client, and what it tells.
//!
//! Its waits pass in no time and are noted, so that a trial takes as long as its sockets do; where the judgement rests
//! on measured times it waits as everybody else. What a caller does besides (walking away, calling off) is done here,
//! with the means of the language: a future is no longer polled, or dropped.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chaos::{Call, Outcome, OutcomeClass, Scenario, Surface, Told, ToolCall};
use client::{Client, Credential, Error, Injected, Key, Message, Policy, RealTime, Wait};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;
use wire::trial::{Stage, Subject, Unseen, utf8_only};

/// The official clients' first wait is longer; in real time a shorter one is as good, and still counts as a wait.
const REAL_BACKOFF_BASE_MS: u64 = 200;

/// What came before the first piece of text that a caller hears: the starts of the message and of its first block.
const EVENTS_BEFORE_TEXT: u32 = 2;

/// The reference client, or a wrong one.
pub struct Reference {
    change: fn(&mut Policy),
    real_time: bool,
    /// The clients of this run so far.
    n_clients: AtomicU64,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "nobody is trusted without TLS"))]
    roots_pem: String,
}

impl Reference {
    /// The right client, for this scenario.
    pub fn new(scenario: &Scenario, stage: Stage<'_>) -> Self {
        Self {
            change: |_| {},
            // Who calls off after so long means real time.
            real_time: scenario.timing || scenario.ask.abort_after_ms.is_some(),
            n_clients: AtomicU64::new(0),
            roots_pem: stage.authority.map_or_else(String::new, |it| it.ca_pem().to_owned()),
        }
    }

    /// The same with another policy.
    pub fn with(self, change: fn(&mut Policy)) -> Self {
        Self { change, ..self }
    }

    /// The same with waits that are real, or are not.
    pub fn in_real_time(self, real_time: bool) -> Self {
        Self { real_time, ..self }
    }

    fn policy(&self, call: &Call) -> Policy {
        let mut policy = Policy {
            max_retries: call.max_retries,
            attempt_ms_max: call.timeout_ms,
            call_ms_max: call.deadline_ms,
            ..Policy::official()
        };
        // What chance does to a short wait is lost in the noise of forty clients.
        if self.real_time && call.asks.clients.is_none() {
            policy.backoff_base_ms = REAL_BACKOFF_BASE_MS;
        }
        (self.change)(&mut policy);
        // Clients that know nothing of each other share no generator, be it seeded alike in every run.
        let number = self.n_clients.fetch_add(1, Ordering::Relaxed);
        policy.jitter_seed = policy.jitter_seed.map(|seed| seed.wrapping_add(number));
        policy
    }

    fn client(&self, call: &Call) -> Result<Client, Error> {
        let (url, policy) = (&call.base_url, self.policy(call));
        let credential = credential(call)?;
        #[cfg(feature = "tls")]
        let client = Client::trusting(url, credential, policy, &self.roots_pem)?;
        #[cfg(not(feature = "tls"))]
        let client = Client::new(url, credential, policy)?;
        match &call.asks.gateway_header {
            Some(name) => {
                client.with_gateway_key(name, &Key::new(&format!("{}-gateway", call.key))?)
            }
            None => Ok(client),
        }
    }

    fn time(&self, words: &str) -> Time {
        if self.real_time { Time::Real } else { Time::Injected(Injected::new(seed(words))) }
    }
}

impl Subject for Reference {
    async fn run(&self, call: Call) -> Result<Told, Unseen> {
        utf8_only(&call)?;
        let client = match self.client(&call) {
            Ok(client) => Arc::new(client),
            Err(error) => {
                let outcomes = vec![failed(&error, String::new()); call.prompts.len()];
                return Ok(Told { outcomes, waits_ms: None });
            }
        };
        let caller = Caller { client, call: &call, reference: self, left: Mutex::default() };
        let answers = match call.asks.parallel {
            Some(_) => caller.at_once().await,
            None => caller.in_turn().await,
        };
        let waits_ms: Vec<_> = answers.iter().flat_map(|answer| answer.waits_ms.clone()).collect();
        let outcomes = answers.into_iter().map(|answer| answer.outcome).collect();
        Ok(Told { outcomes, waits_ms: (!self.real_time).then_some(waits_ms) })
    }

    async fn restart(&self) {
        self.n_clients.store(0, Ordering::Relaxed);
    }
}

fn credential(call: &Call) -> Result<Credential, Error> {
    if call.asks.credential.is_none() {
        return Ok(Key::new(&call.key)?.into());
    }
    let (key, n_asked) = (call.key.clone(), Mutex::new(0));
    Credential::rotating(move || {
        let mut n_asked = lock(&n_asked);
        *n_asked += 1;
        Key::new(&if *n_asked == 1 { key.clone() } else { format!("{key}-{n_asked}") })
    })
}

/// Chance is another for each call and the same in each run: the nonce in its words is.
fn seed(words: &str) -> u64 {
    let nonce = words.split("nonce-").nth(1).and_then(|rest| rest.get(..8));
    nonce.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

enum Time {
    Injected(Injected),
    Real,
}

impl Wait for Time {
    async fn wait(&self, ms: u64) {
        match self {
            Self::Injected(injected) => injected.wait(ms).await,
            Self::Real => RealTime.wait(ms).await,
        }
    }

    fn draw(&self) -> f64 {
        match self {
            Self::Injected(injected) => injected.draw(),
            Self::Real => RealTime.draw(),
        }
    }

    fn now_ms(&self) -> u64 {
        match self {
            Self::Injected(injected) => injected.now_ms(),
            Self::Real => RealTime.now_ms(),
        }
    }
}

/// A call that is not over.
type Calling = Pin<Box<dyn Future<Output = Result<Message, Error>> + Send>>;

/// Whoever uses the client in one run.
struct Caller<'a> {
    client: Arc<Client>,
    call: &'a Call,
    reference: &'a Reference,
    /// Streams that the caller walked away from and still holds.
    left: Mutex<Vec<Calling>>,
}

/// What came of one call.
struct Answer {
    outcome: Outcome,
    /// The assistant's turn, as it can be sent back.
    content: Vec<Value>,
    waits_ms: Vec<u64>,
}

impl Caller<'_> {
    async fn at_once(&self) -> Vec<Answer> {
        let words = self.call.prompts.iter().enumerate();
        let calls =
            words.map(|(idx, words)| self.ask(vec![user(words)], words, self.may_leave(idx)));
        join_all(calls).await
    }

    async fn in_turn(&self) -> Vec<Answer> {
        let asks = &self.call.asks;
        let (mut answers, mut turns) = (vec![], vec![]);
        for (idx, words) in self.call.prompts.iter().enumerate() {
            if let Some(pause_ms) = asks.pause_ms.filter(|_| 0 < idx) {
                sleep(Duration::from_millis(pause_ms)).await;
            }
            turns = vec![user(words)];
            answers.push(self.ask(turns.clone(), words, self.may_leave(idx)).await);
        }
        if let (Some(words), Some(last)) = (&asks.follow_up, answers.last())
            && last.outcome.class == OutcomeClass::Success
        {
            turns.push(json!({ "role": "assistant", "content": last.content }));
            turns.push(user(words));
            answers.push(self.ask(turns, words, false).await);
        }
        answers
    }

    /// Of several calls the last one is heard to its end.
    fn may_leave(&self, idx: usize) -> bool {
        let n_calls = self.call.prompts.len();
        n_calls == 1 || idx + 1 < n_calls
    }

    /// Makes one call, from which the caller may walk away.
    async fn ask(&self, turns: Vec<Value>, words: &str, may_leave: bool) -> Answer {
        let asks = &self.call.asks;
        let time = Arc::new(self.reference.time(words));
        let leaves_after = asks.abandon_after_events.filter(|_| may_leave);
        let heard = Arc::new(Heard::until(leaves_after.or(asks.abort_after_events)));
        let mut calling = self.calling(request(&turns, asks.tools), Arc::clone(&time), &heard);
        let called_off = async {
            match asks.abort_after_ms {
                Some(ms) => sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            biased;
            () = heard.enough.notified() => None,
            () = called_off => None,
            result = &mut calling => Some(result).filter(|_| !heard.is_enough()),
        };
        if result.is_none() && leaves_after.is_some() {
            lock(&self.left).push(calling);
        }
        let content = match &result {
            Some(Ok(message)) => message.content.clone(),
            _ => vec![],
        };
        let outcome = match result {
            Some(Ok(message)) => succeeded(message, heard.text()),
            Some(Err(error)) => {
                let mut outcome = failed(&error, heard.text());
                if asks.log.is_some() {
                    // It has no log: what a caller would write there is the error in full.
                    outcome.message.push_str(&format!("; {error:?}"));
                }
                outcome
            }
            None => Outcome { text: Some(heard.text()), ..Outcome::of(OutcomeClass::Aborted) },
        };
        let waits_ms = match &*time {
            Time::Injected(injected) => injected.waits_ms(),
            Time::Real => vec![],
        };
        Answer { outcome, content, waits_ms }
    }

    fn calling(&self, request: Value, time: Arc<Time>, heard: &Arc<Heard>) -> Calling {
        let (client, heard) = (Arc::clone(&self.client), Arc::clone(heard));
        match self.call.surface {
            Surface::Create => Box::pin(async move { client.create(&request, &*time).await }),
            Surface::Raw | Surface::Stream => {
                Box::pin(
                    async move { client.stream(&request, &*time, |text| heard.hear(text)).await },
                )
            }
        }
    }
}

/// The text that a caller has heard, until he has heard enough.
struct Heard {
    said: Mutex<(String, u32)>,
    pieces_max: u32,
    enough: Notify,
}

impl Heard {
    fn until(events: Option<u32>) -> Self {
        let pieces_max = events.map_or(u32::MAX, |n| n.saturating_sub(EVENTS_BEFORE_TEXT).max(1));
        Self { said: Mutex::default(), pieces_max, enough: Notify::new() }
    }

    fn hear(&self, piece: &str) {
        let (text, n_pieces) = &mut *lock(&self.said);
        if *n_pieces < self.pieces_max {
            text.push_str(piece);
            *n_pieces += 1;
        }
        if *n_pieces == self.pieces_max {
            self.enough.notify_one();
        }
    }

    fn is_enough(&self) -> bool {
        lock(&self.said).1 == self.pieces_max
    }

    fn text(&self) -> String {
        lock(&self.said).0.clone()
    }
}

/// What is behind the lock is whole between any two statements, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn user(words: &str) -> Value {
    json!({ "role": "user", "content": words })
}

fn request(turns: &[Value], tools: bool) -> Value {
    let mut request = json!({ "model": "claude-sonnet-5-5", "max_tokens": 64, "messages": turns });
    if tools {
        let properties = json!({ "city": { "type": "string" }, "amount": { "type": "number" } });
        let schema = json!({ "type": "object", "properties": properties });
        let text = "Tells the weather of a city.";
        request["tools"] =
            json!([{ "name": "get_weather", "description": text, "input_schema": schema }]);
    }
    request
}

/// A streaming caller has what was handed on, whatever the message at the end says; only blocks that came interleaved
/// are heard in another order than they are read, at the same length.
fn succeeded(message: Message, streamed: String) -> Outcome {
    let is_read = streamed.is_empty() || streamed.len() == message.text.len();
    let calls = message.tool_calls.into_iter();
    let calls = calls.map(|call| ToolCall { name: call.name, input: call.input, valid: true });
    Outcome {
        request_id: message.request_id,
        text: Some(if is_read { message.text } else { streamed }),
        stop_reason: message.stop_reason,
        tool_calls: Some(calls.collect()),
        ..Outcome::of(OutcomeClass::Success)
    }
}

fn failed(error: &Error, text: String) -> Outcome {
    let said = error.said().cloned();
    let class = OutcomeClass::parse(error.class()).unwrap_or(OutcomeClass::LocalError);
    let retry_after_ms = said.as_ref().and_then(|said| said.retry_after_ms);
    Outcome {
        status: said.as_ref().map(|said| said.status),
        error_type: said.as_ref().and_then(|said| said.kind.clone()),
        error_code: said.as_ref().and_then(|said| said.code.clone()),
        request_id: said.and_then(|said| said.request_id),
        retry_after: retry_after_ms.map(|ms| format!("{ms} ms")),
        // Its type leaves no other.
        own_error: Some(true),
        message: error.to_string(),
        text: Some(text),
        tool_calls: Some(vec![]),
        ..Outcome::of(class)
    }
}
