//! The calls: one loop of attempts, each of which ends in a message or a typed error.

use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::timeout;

use crate::answer::{self, Failure};
use crate::error::{ApiError, Error};
use crate::key::{Credential, Key};
use crate::message::Message;
use crate::policy::Policy;
use crate::request::{body, request, url};
use crate::retry::{Decision, Trouble, decide};
use crate::wait::{Wait, seeded};

/// A client for one address, with one credential and one policy.
pub struct Client {
    http: reqwest::Client,
    url: Url,
    credential: Credential,
    policy: Policy,
    /// Sent besides, as a gateway wants it.
    extra: Vec<(HeaderName, HeaderValue)>,
    /// How often chance was drawn from the policy's seed.
    n_draws: AtomicU64,
    /// The answer to the first call, for a client that gives it again.
    memory: OnceLock<Message>,
}

impl Client {
    /// A client for the API under `base_url`, which may end in a path.
    pub fn new(
        base_url: &str,
        credential: impl Into<Credential>,
        policy: Policy,
    ) -> Result<Self, Error> {
        #[cfg(feature = "tls")]
        return Self::trusting(base_url, credential, policy, "");
        #[cfg(not(feature = "tls"))]
        Self::build(url(base_url)?, credential.into(), policy, reqwest::Client::builder())
    }

    /// The same client, which trusts these roots besides those of the machine.
    #[cfg(feature = "tls")]
    pub fn trusting(
        base_url: &str,
        credential: impl Into<Credential>,
        policy: Policy,
        roots_pem: &str,
    ) -> Result<Self, Error> {
        let url = url(base_url)?;
        let tls = crate::tls::config(&url, roots_pem)?;
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls);
        Self::build(url, credential.into(), policy, builder)
    }

    fn build(
        url: Url,
        credential: Credential,
        policy: Policy,
        builder: reqwest::ClientBuilder,
    ) -> Result<Self, Error> {
        // A redirect would take the key along, or turn the request into another one.
        let redirects = match policy.sending.redirects_max {
            0 => reqwest::redirect::Policy::none(),
            most => reqwest::redirect::Policy::limited(most),
        };
        let http = builder
            // An environment variable must not decide who gets the key.
            .no_proxy()
            .redirect(redirects)
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| Error::Local { detail: answer::chain(&error) })?;
        let (n_draws, memory) = (AtomicU64::new(0), OnceLock::new());
        Ok(Self { http, url, credential, policy, extra: vec![], n_draws, memory })
    }

    /// The same client, which sends another key besides under this name: gateways have keys of their own.
    pub fn with_gateway_key(mut self, name: &str, key: &Key) -> Result<Self, Error> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::Local { detail: format!("`{name}` is no name of a header") })?;
        self.extra.push((name, key.header("")));
        Ok(self)
    }

    /// Asks for one message.
    pub async fn create(&self, request: &Value, wait: &impl Wait) -> Result<Message, Error> {
        self.call(request, false, wait, &mut |_: &str| {}).await
    }

    /// Asks for a stream, hands on its text as it comes, and gives the whole message at its end. Once a piece
    /// of the answer came, be it of a tool's input, a failure is final: the caller cannot take it back.
    pub async fn stream(
        &self,
        request: &Value,
        wait: &impl Wait,
        mut on_text: impl FnMut(&str) + Send,
    ) -> Result<Message, Error> {
        self.call(request, true, wait, &mut on_text).await
    }

    async fn call(
        &self,
        asked: &Value,
        streams: bool,
        wait: &impl Wait,
        on_text: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Message, Error> {
        let policy = &self.policy;
        if let Some(message) = self.memory.get() {
            return Ok(message.clone());
        }
        let body = body(asked, streams)?;
        let began_ms = wait.now_ms();
        let elapsed_ms = || wait.now_ms().saturating_sub(began_ms);
        let (mut key, mut refreshed, mut retries_done) = (self.credential.key(), false, 0);
        loop {
            let mut request = request(&self.url, &key, &body, retries_done, &policy.sending);
            request.headers_mut().extend(self.extra.iter().cloned());
            let left_ms = policy.call_ms_max.saturating_sub(elapsed_ms());
            let attempt = self.attempt(request, streams, on_text);
            let mut failure = match within(left_ms, attempt, policy.sending.lets_go).await {
                Some(Ok(_)) if policy.repeats_success && retries_done == 0 => {
                    retries_done += 1;
                    continue;
                }
                Some(Ok(message)) if policy.answers_from_memory => {
                    return Ok(self.memory.get_or_init(|| message).clone());
                }
                Some(Ok(message)) => return Ok(message),
                Some(Err(failure)) => failure,
                None => return Err(Error::Timeout { after_ms: policy.call_ms_max }),
            };
            if !refreshed
                && failure.trouble.calls_for_a_key()
                && let Some(other) = self.credential.other_than(&key)
            {
                (key, refreshed, failure.trouble) = (other, true, Trouble::NewKey);
            }
            match decide(policy, retries_done, failure.trouble, self.draw(wait), elapsed_ms()) {
                Decision::GiveUp => return Err(self.told(failure.error, &key)),
                Decision::Retry { after_ms } => wait.wait(after_ms).await,
            }
            retries_done += 1;
        }
    }

    async fn attempt(
        &self,
        request: reqwest::Request,
        streams: bool,
        on_text: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Message, Failure> {
        let policy = &self.policy;
        let (limit_ms, lets_go) = (policy.attempt_ms_max, policy.sending.lets_go);
        let head = answer::head(&self.http, request, policy);
        if streams {
            let head = within(limit_ms, head, lets_go).await;
            let response = head.ok_or_else(|| answer::silence(limit_ms))??;
            return answer::stream(response, policy, on_text).await;
        }
        let whole = async { answer::whole(head.await?, policy).await };
        within(limit_ms, whole, lets_go).await.ok_or_else(|| answer::silence(limit_ms))?
    }

    fn draw(&self, wait: &impl Wait) -> f64 {
        let Some(seed) = self.policy.jitter_seed else { return wait.draw() };
        seeded(seed, self.n_draws.fetch_add(1, Ordering::Relaxed))
    }

    /// The error as the caller is told it: without the key, and no longer than a person reads.
    fn told(&self, mut error: Error, key: &Key) -> Error {
        let reading = &self.policy.reading;
        if let Some(words) = error.words_mut() {
            let shown = shortened(key.blot(words));
            *words = if reading.shows_key { format!("{shown} [{}]", key.exposed()) } else { shown };
        }
        if let Some(said) = error.said_mut().filter(|_| !reading.names_errors) {
            let message = std::mem::take(&mut said.message);
            *said = ApiError { message, ..ApiError::default() };
        }
        error
    }
}

/// What the future gives, if it does so within the limit.
async fn within<F: Future>(limit_ms: u64, future: F, lets_go: bool) -> Option<F::Output> {
    let mut held = Held { future: Some(Box::pin(future)), lets_go };
    let done = timeout(Duration::from_millis(limit_ms), held.future.as_mut()?).await.ok();
    held.lets_go |= done.is_some();
    done
}

/// What is dropped when its limit is over or its caller has left, and takes its connection with it; unless the client
/// is one that leaves it behind.
struct Held<F> {
    /// Taken only when it is left behind.
    future: Option<Pin<Box<F>>>,
    lets_go: bool,
}

impl<F> Drop for Held<F> {
    fn drop(&mut self) {
        if !self.lets_go {
            std::mem::forget(self.future.take());
        }
    }
}

/// Error texts are cut after this many bytes: enough for every message of the API, and not a whole HTML page.
const WORDS_BYTES_MAX: usize = 2_048;

fn shortened(mut text: String) -> String {
    if WORDS_BYTES_MAX < text.len() {
        text.truncate(text.floor_char_boundary(WORDS_BYTES_MAX));
        text.push_str(" […]");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_can_move_between_threads() {
        fn check(_: impl Send) {}
        let key = Key::new("sk-canary").unwrap();
        let client = Client::new("http://h", key, Policy::official()).unwrap();
        let (request, wait) = (Value::Null, crate::wait::Injected::new(0));
        check(client.create(&request, &wait));
        check(client.stream(&request, &wait, |_| {}));
    }

    #[test]
    fn errors_are_told_without_the_key_and_at_readable_length() {
        let told = |message: String| {
            let key = Key::new("sk-canary").unwrap();
            let client = Client::new("http://h", key.clone(), Policy::official()).unwrap();
            client.told(Error::api(400, ApiError { message, ..ApiError::default() }), &key)
        };
        // The cut must not fall into the key, or half of it is told.
        let echo = told(format!("{}sk-canary", "x".repeat(WORDS_BYTES_MAX - 4))).to_string();
        assert!(!echo.contains("sk-c"), "{echo}");
        let page = told("x".repeat(5_000));
        assert_eq!(page.said().unwrap().message.len(), WORDS_BYTES_MAX + " […]".len());
    }
}
