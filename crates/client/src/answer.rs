//! How the reply to one attempt is read: its head, its body, its stream.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout};

use crate::error::Error;
use crate::message::{self, Message, fitting_status, protocol};
use crate::policy::{AfterStop, Policy, Reading};
use crate::retry::{Trouble, retry_after_ms};
use crate::sse::{Decoder, Defect};
use crate::stream::Gathering;

/// One attempt that failed: the error for the caller, and what the retry decision needs of it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) trouble: Trouble,
}

/// No answer of the API comes near; past it somebody is filling our memory.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// An error is a line; a page that comes in its place is longer, and nobody reads all of it.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// The status of an error says most of it: its body is not waited for as long as an answer.
const REFUSAL_MS_MAX: u64 = 2_000;

/// Sends the request and gives the response if its status is one of success.
pub(crate) async fn head(
    http: &reqwest::Client,
    request: reqwest::Request,
    policy: &Policy,
) -> Result<Response, Failure> {
    let response = http.execute(request).await.map_err(|error| transport(&error))?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let is_taken = (300..400).contains(&status) && policy.reading.takes_anything;
    if (200..300).contains(&status) || is_taken {
        return Ok(response);
    }
    let said = match coding(&headers) {
        Some(coding) => format!("(a body coded as {coding})").into_bytes(),
        None => refusal(response, policy.attempt_ms_max / 2).await,
    };
    let error = message::refused(status, &said, request_id(&headers), demand(&headers));
    Err(failure(error, &headers, false))
}

/// Reads an answer that comes whole.
pub(crate) async fn whole(response: Response, policy: &Policy) -> Result<Message, Failure> {
    let reading = &policy.reading;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let misfit = misfit(&headers);
    if let Some(detail) = misfit.filter(|_| !reading.takes_anything) {
        return Err(failure(protocol(&detail), &headers, false));
    }
    let body = body(response, reading).await?;
    match message::message(status, &body, request_id(&headers), reading) {
        Err(_) if reading.takes_anything => {
            let text = String::from_utf8_lossy(&body).into_owned();
            Ok(Message { text, ..Message::default() })
        }
        read => read.map_err(|error| failure(error, &headers, false)),
    }
}

/// Reads an answer that comes as a stream, and hands on its text.
pub(crate) async fn stream(
    response: Response,
    policy: &Policy,
    on_text: &mut (dyn FnMut(&str) + Send),
) -> Result<Message, Failure> {
    let headers = response.headers().clone();
    if media_type(&headers) != "text/event-stream" {
        let limit_ms = policy.attempt_ms_max;
        let message = timeout(Duration::from_millis(limit_ms), whole(response, policy)).await;
        let message = message.unwrap_or_else(|_| Err(silence(limit_ms)))?;
        if policy.reading.takes_anything {
            return Ok(message);
        }
        // A gateway may answer with an error in plain JSON; a whole message instead of a stream is not one.
        return Err(failure(protocol("the answer is not an event stream"), &headers, false));
    }
    if let Some(coding) = coding(&headers) {
        return Err(failure(protocol(&not_offered(&coding)), &headers, false));
    }
    let mut gathering = Gathering::new(request_id(&headers), &policy.reading);
    match events(response, policy, &mut gathering, on_text).await {
        Ok(end) => conclude(gathering, end, policy),
        Err(error) => Err(failure(error, &headers, gathering.delivered)),
    }
}

/// How a stream came to its end.
enum End {
    /// Everything was read that matters.
    Answered,
    Broken(Failure),
    Closed,
    Silent,
}

async fn events(
    mut response: Response,
    policy: &Policy,
    gathering: &mut Gathering<'_>,
    on_text: &mut (dyn FnMut(&str) + Send),
) -> Result<End, Error> {
    let reading = &policy.reading;
    let silence = Duration::from_millis(policy.attempt_ms_max);
    let (mut decoder, mut n_bytes, mut heard) = (Decoder::default(), 0, Instant::now());
    loop {
        let left = silence.saturating_sub(heard.elapsed());
        let piece = match timeout(left, piece(&mut response, reading)).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => return Ok(End::Closed),
            Ok(Err(failure)) => return Ok(End::Broken(failure)),
            Err(_) => {
                if !policy.sending.lets_go {
                    std::mem::forget(response);
                }
                return Ok(End::Silent);
            }
        };
        n_bytes += piece.len();
        if ANSWER_BYTES_MAX < n_bytes {
            return Err(protocol("the stream does not end"));
        }
        // Silence is measured in bytes: a comment or half an event is a sign of life.
        if reading.bytes_break_silence {
            heard = Instant::now();
        }
        let mut bytes = &piece[..];
        while let Some(event) = decoder.next(&mut bytes) {
            let event = match event {
                Err(Defect::NotUtf8) if reading.skips_unreadable => continue,
                event => event.map_err(|defect| protocol(&defect.to_string()))?,
            };
            if gathering.stopped && !reading.takes_second_message {
                continue;
            }
            let text = gathering.on_event(&event)?;
            if !text.is_empty() {
                heard = Instant::now();
                on_text(&text);
            }
            if gathering.stopped && reading.after_stop == AfterStop::Done {
                return Ok(End::Answered);
            }
        }
    }
}

fn conclude(gathering: Gathering<'_>, end: End, policy: &Policy) -> Result<Message, Failure> {
    let trouble = if gathering.delivered { Trouble::AfterDelta } else { Trouble::Lost };
    let needs_end = policy.reading.after_stop == AfterStop::NeedsEnd;
    let ended = match end {
        End::Answered | End::Closed => "the stream ended without message_stop".to_owned(),
        End::Broken(failure) if gathering.stopped && needs_end => {
            return Err(Failure { trouble, ..failure });
        }
        End::Broken(Failure { error, .. }) => error.to_string(),
        End::Silent if gathering.stopped && !needs_end => String::new(),
        End::Silent => return Err(Failure { trouble, ..silence(policy.attempt_ms_max) }),
    };
    let message = gathering.finish(policy.demands_message_stop, &ended);
    message.map_err(|error| Failure { error, trouble })
}

/// No answer came within the limit.
pub(crate) fn silence(after_ms: u64) -> Failure {
    Failure { error: Error::Timeout { after_ms }, trouble: Trouble::Lost }
}

async fn body(mut response: Response, reading: &Reading) -> Result<Vec<u8>, Failure> {
    let mut body = vec![];
    while let Some(piece) = piece(&mut response, reading).await? {
        if ANSWER_BYTES_MAX < body.len() + piece.len() {
            let error = protocol("the answer does not end");
            return Err(Failure { error, trouble: Trouble::Hopeless });
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The body of an error, as far as it comes: one that breaks off or falls silent costs only its text.
async fn refusal(mut response: Response, limit_ms: u64) -> Vec<u8> {
    let mut said = vec![];
    let read = async {
        while let Ok(Some(piece)) = response.chunk().await {
            let room = REFUSAL_BYTES_MAX - said.len();
            said.extend_from_slice(&piece[..room.min(piece.len())]);
            if said.len() == REFUSAL_BYTES_MAX {
                break;
            }
        }
    };
    // What was read until then is kept, so there is nothing to say about a limit that was reached.
    let _ = timeout(Duration::from_millis(limit_ms.min(REFUSAL_MS_MAX)), read).await;
    said
}

/// The next piece of the body, as the network cut it.
async fn piece(response: &mut Response, reading: &Reading) -> Result<Option<Bytes>, Failure> {
    let piece = response.chunk().await.map_err(|error| transport(&error))?;
    if reading.joins_split_characters {
        return Ok(piece);
    }
    Ok(piece.map(|piece| String::from_utf8_lossy(&piece).into_owned().into()))
}

/// What the headers of a success have to say against its body. JSON that lost its label is taken all the same.
fn misfit(headers: &HeaderMap) -> Option<String> {
    if let Some(coding) = coding(headers) {
        return Some(not_offered(&coding));
    }
    match &*media_type(headers) {
        "text/event-stream" => Some("the answer is an event stream".to_owned()),
        // A page for people is a captive portal's or a proxy's.
        "text/html" => Some("the answer is an HTML page".to_owned()),
        _ => None,
    }
}

fn not_offered(coding: &str) -> String {
    format!("the answer is coded as {coding}, which was not offered")
}

/// The failure of an error that is in the reply, with what its headers say about another attempt.
fn failure(error: Error, headers: &HeaderMap, delivered: bool) -> Failure {
    let should_retry = text(headers, "x-should-retry").and_then(|told| told.parse().ok());
    let trouble = match error.said() {
        _ if delivered => Trouble::AfterDelta,
        Some(said) if said.is_spend_limit() && should_retry != Some(true) => Trouble::Hopeless,
        Some(said) => Trouble::Status {
            status: fitting_status(said),
            should_retry,
            retry_after_ms: demand(headers),
        },
        None => Trouble::Hopeless,
    };
    Failure { error, trouble }
}

fn transport(error: &reqwest::Error) -> Failure {
    let detail = chain(error);
    #[cfg(feature = "tls")]
    if crate::tls::is_refused(error) {
        return Failure { error: Error::Transport { detail }, trouble: Trouble::Hopeless };
    }
    if error.is_builder() {
        return Failure { error: Error::Local { detail }, trouble: Trouble::Hopeless };
    }
    Failure { error: Error::Transport { detail }, trouble: Trouble::Lost }
}

/// The coding of the body, if it has one.
fn coding(headers: &HeaderMap) -> Option<String> {
    let coding = headers.get("content-encoding")?;
    let coding = String::from_utf8_lossy(coding.as_bytes()).trim().to_ascii_lowercase();
    (!coding.is_empty() && coding != "identity").then_some(coding)
}

fn media_type(headers: &HeaderMap) -> String {
    let value = text(headers, "content-type").unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    text(headers, "request-id").map(str::to_owned)
}

fn demand(headers: &HeaderMap) -> Option<u64> {
    retry_after_ms(|name| text(headers, name))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The error with its causes, which is where the reason stands.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
