//! The calls: one loop of attempts, each of which ends in a message or a typed error.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures::{Stream, StreamExt};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::Error;
use crate::key::Key;
use crate::message::{self, Message};
use crate::retry::{Decision, Policy, Trouble, decide, retry_after_ms};
use crate::stream::{Gathering, status_for_retry};
use crate::wait::Wait;

/// The version of the API whose answers this client reads.
const API_VERSION: &str = "2026-10-21";

/// No answer of the API comes near; past it somebody is filling our memory.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client for one address, with one key and one policy.
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: Key,
    policy: Policy,
}

/// One attempt that failed: the error for the caller, and what the retry decision needs of it.
struct Failure {
    error: Error,
    trouble: Trouble,
}

impl Client {
    /// A client for the API under `base_url`, which may end in a path.
    pub fn new(base_url: &str, key: Key, policy: Policy) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            // An environment variable must not decide who gets the key.
            .no_proxy()
            // A redirect would take the key along, or turn the request into another one.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| Error::Local { detail: chain(&error) })?;
        Ok(Self {
            http,
            url: format!("{}/v1/messages", base_url.trim_end_matches('/')),
            key,
            policy,
        })
    }

    /// Asks for one message.
    pub async fn create(&self, request: &Value, wait: &impl Wait) -> Result<Message, Error> {
        self.call(request, false, wait, &mut |_: &str| {}).await
    }

    /// Asks for a stream, hands on its text as it comes, and gives the whole message at its end. Once a piece
    /// was handed on, a failure is final: the caller cannot take it back.
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
        request: &Value,
        streams: bool,
        wait: &impl Wait,
        on_text: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Message, Error> {
        let body = body(request, streams)?;
        let started = Instant::now();
        let deadline = started + Duration::from_millis(self.policy.call_ms_max);
        let mut retries_done = 0;
        loop {
            let attempt = self.attempt(&body, streams, on_text);
            let failure = match timeout_at(deadline, attempt).await {
                Ok(Ok(message)) => return Ok(message),
                Ok(Err(failure)) => failure,
                Err(_) => return Err(Error::Timeout { after_ms: self.policy.call_ms_max }),
            };
            let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            match decide(&self.policy, retries_done, failure.trouble, wait.draw(), elapsed_ms) {
                Decision::GiveUp => return Err(failure.error),
                Decision::Retry { after_ms } => wait.wait(after_ms).await,
            }
            retries_done += 1;
        }
    }

    async fn attempt(
        &self,
        body: &Bytes,
        streams: bool,
        on_text: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Message, Failure> {
        let limit = Duration::from_millis(self.policy.attempt_ms_max);
        if streams {
            let response = timeout(limit, self.send(body))
                .await
                .map_err(|_| self.silence(Trouble::NoHead))??;
            return self.read_stream(response, on_text).await;
        }
        let mut has_head = false;
        let whole = async {
            let response = self.send(body).await?;
            has_head = true;
            self.read_message(response).await
        };
        let done = timeout(limit, whole).await;
        let trouble = if has_head { Trouble::BrokenBody } else { Trouble::NoHead };
        done.map_err(|_| self.silence(trouble))?
    }

    /// Sends the request and gives the response if its status is one of success.
    async fn send(&self, body: &Bytes) -> Result<reqwest::Response, Failure> {
        let request = self
            .http
            .post(&self.url)
            .header("accept", "application/json")
            .header("anthropic-version", API_VERSION)
            .header("content-type", "application/json")
            .header("x-api-key", self.key.header())
            .body(body.clone());
        let response =
            request.send().await.map_err(|error| self.transport(&error, Trouble::NoHead))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) {
            return Ok(response);
        }
        let headers = response.headers().clone();
        // The status alone decides over the retry, so a body that breaks off costs only its text.
        let said = self.read_body(response).await.unwrap_or_default();
        let said = self.key.blot(&String::from_utf8_lossy(&said));
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let retry_after_ms = retry_after_ms(header);
        let should_retry = header("x-should-retry").and_then(|value| value.parse().ok());
        Err(Failure {
            error: message::refused(status, said.as_bytes(), request_id(&headers), retry_after_ms),
            trouble: Trouble::Status { status, should_retry, retry_after_ms },
        })
    }

    async fn read_message(&self, response: reqwest::Response) -> Result<Message, Failure> {
        let headers = response.headers().clone();
        refuse_html(&headers)?;
        let body = self.read_body(response).await?;
        message::message(&body, request_id(&headers)).map_err(not_an_answer)
    }

    async fn read_body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
        let mut body = vec![];
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.transport(&error, Trouble::BrokenBody))?
        {
            if ANSWER_BYTES_MAX < body.len() + chunk.len() {
                return Err(not_an_answer(Error::Protocol {
                    detail: "the answer does not end".to_owned(),
                }));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    async fn read_stream(
        &self,
        response: reqwest::Response,
        on_text: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Message, Failure> {
        let headers = response.headers().clone();
        if !content_type(&headers).starts_with("text/event-stream") {
            refuse_html(&headers)?;
            let body = self.read_body(response).await?;
            // A gateway may answer with an error in plain JSON; a whole message instead of a stream is not one.
            let error = message::message(&body, request_id(&headers)).err();
            let other = Error::Protocol { detail: "the answer is not an event stream".to_owned() };
            return Err(not_an_answer(error.unwrap_or(other)));
        }
        let mut gathering = Gathering::new(request_id(&headers));
        let mut delivered = false;
        let mut events = std::pin::pin!(bounded(response.bytes_stream()).eventsource());
        let silence = Duration::from_millis(self.policy.attempt_ms_max);
        let ended = loop {
            let event = match timeout(silence, events.next()).await {
                Err(_) => {
                    return Err(self.silence(trouble_in_stream(delivered, Trouble::BrokenBody)));
                }
                Ok(None) => break "the stream ended without message_stop".to_owned(),
                Ok(Some(Err(error))) => break error.to_string(),
                Ok(Some(Ok(event))) => event,
            };
            let text = gathering
                .on_event(&event.event, &event.data)
                .map_err(|error| in_stream(error, delivered))?;
            if let Some(text) = text {
                delivered = true;
                on_text(&text);
            }
            if gathering.stopped {
                break String::new();
            }
        };
        let trouble = trouble_in_stream(delivered, Trouble::BrokenBody);
        gathering
            .finish(self.policy.demands_message_stop, &ended)
            .map_err(|error| Failure { error, trouble })
    }

    fn silence(&self, trouble: Trouble) -> Failure {
        Failure { error: Error::Timeout { after_ms: self.policy.attempt_ms_max }, trouble }
    }

    fn transport(&self, error: &reqwest::Error, trouble: Trouble) -> Failure {
        let detail = self.key.blot(&chain(error));
        if error.is_builder() {
            return not_an_answer(Error::Local { detail });
        }
        Failure { error: Error::Transport { detail }, trouble }
    }
}

/// The request's bytes, the same on every attempt.
fn body(request: &Value, streams: bool) -> Result<Bytes, Error> {
    let mut request = request.clone();
    let Some(fields) = request.as_object_mut() else {
        return Err(Error::Local { detail: "the request is not a JSON object".to_owned() });
    };
    if streams {
        fields.insert("stream".to_owned(), Value::Bool(true));
    }
    Ok(request.to_string().into())
}

/// The same bytes, with an end.
fn bounded(
    bytes: impl Stream<Item = reqwest::Result<Bytes>>,
) -> impl Stream<Item = Result<Bytes, String>> {
    bytes.scan(0, |taken: &mut usize, chunk| {
        let chunk = chunk.map_err(|error| chain(&error)).and_then(|chunk| {
            *taken += chunk.len();
            if *taken <= ANSWER_BYTES_MAX {
                Ok(chunk)
            } else {
                Err("the stream does not end".to_owned())
            }
        });
        std::future::ready(Some(chunk))
    })
}

fn in_stream(error: Error, delivered: bool) -> Failure {
    let trouble = match error.said() {
        Some(said) => Trouble::Status {
            status: status_for_retry(said),
            should_retry: None,
            retry_after_ms: None,
        },
        None => Trouble::NotAnAnswer,
    };
    Failure { trouble: trouble_in_stream(delivered, trouble), error }
}

fn trouble_in_stream(delivered: bool, before: Trouble) -> Trouble {
    if delivered { Trouble::AfterDelta } else { before }
}

fn not_an_answer(error: Error) -> Failure {
    Failure { error, trouble: Trouble::NotAnAnswer }
}

/// A page for people under a status of success is a captive portal's or a proxy's.
fn refuse_html(headers: &HeaderMap) -> Result<(), Failure> {
    if !content_type(headers).starts_with("text/html") {
        return Ok(());
    }
    Err(not_an_answer(Error::Protocol { detail: "the answer is an HTML page".to_owned() }))
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("request-id").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The error with its causes, which is where the reason stands.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
