//! Sends one request and reports what happened, whatever happened.
//!
//! There is no error type: a refused connection is an answer about the target. Ordinary requests go through
//! `reqwest`, which keeps connections and is fast; what it would refuse, alter or hold in memory goes through
//! [`crate::raw`]. The client adds `accept: */*` and `host` to what a request says and nothing else.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use classify::{CutKind, Headers, Observation, Reply, Request};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Method, Response};
use tokio::time::{Instant, timeout_at};

use crate::raw::{self, REPLY_BYTES_MAX, cut, cut_kind};
use crate::target::Target;
use crate::trust;

/// A body is on its way before anybody can answer: 4 MB in a second is what a slow reader takes on a busy machine, so
/// that the heaviest has eight seconds more than others.
const BODY_BYTES_PER_MS: u64 = 4_000;

/// Whether a connection serves more than one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Connections {
    /// Connections are kept and used again: several times faster, which is what lets the whole corpus run on
    /// every commit. Only for a server that does not close idle connections, such as the embedded mock: a
    /// request that a dying connection never took is sent again by the client itself, but one that crosses
    /// with the close on the wire cannot be told from a server that hangs up, and is reported as `Closed`.
    Kept,
    /// Each request opens its own, so that a lost connection is about this request and no other.
    Fresh,
}

/// One target and the way to reach it.
pub struct Sender {
    target: Target,
    client: Client,
    deadline_ms: u64,
}

impl Sender {
    /// `deadline_ms` bounds each request, from connecting to the last byte of the answer; a heavy body adds to it.
    pub fn new(target: Target, connections: Connections, deadline_ms: u64) -> Self {
        let builder = builder_for(&target)
            // Each of these would send a request the case did not ask for, or send it elsewhere.
            .no_proxy()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .http1_only()
            .resolve_to_addrs(&target.host(), target.addresses());
        let builder = match connections {
            Connections::Kept => builder,
            Connections::Fresh => builder.pool_max_idle_per_host(0),
        };
        // Building fails over certificates, proxies and resolvers; there are none, or they were read before.
        let client = builder.build().expect("a client without settings of its own builds");
        Self { target, client, deadline_ms }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The client underneath, for what is passed on piece by piece.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

/// A client that speaks plain HTTP. Where TLS is built in, `reqwest` wants to know whose cryptography it would use,
/// though there is nothing to use it on.
#[cfg(feature = "tls")]
pub fn builder() -> ClientBuilder {
    Client::builder().tls_backend_preconfigured(trust::nobody())
}

/// A client that speaks plain HTTP.
#[cfg(not(feature = "tls"))]
pub fn builder() -> ClientBuilder {
    Client::builder()
}

#[cfg(feature = "tls")]
fn builder_for(target: &Target) -> ClientBuilder {
    match target.trust() {
        Some(trust) => Client::builder().tls_backend_preconfigured(trust.config()),
        None => builder(),
    }
}

#[cfg(not(feature = "tls"))]
fn builder_for(_target: &Target) -> ClientBuilder {
    builder()
}

/// Sends the request the way that leaves it unchanged.
pub async fn send(sender: &Sender, request: &Request) -> Observation {
    let on_the_way_ms = request.body.len() / BODY_BYTES_PER_MS;
    let deadline = Instant::now() + Duration::from_millis(sender.deadline_ms + on_the_way_ms);
    if raw::needs_raw(request) {
        raw::send_raw(&sender.target, request, deadline).await
    } else {
        send_plain(sender, request, deadline).await
    }
}

async fn send_plain(sender: &Sender, request: &Request, deadline: Instant) -> Observation {
    let request = match convert(&sender.target, request) {
        Ok(request) => request,
        Err(reason) => return Observation::Unsendable(reason),
    };
    match timeout_at(deadline, sender.client.execute(request)).await {
        Ok(Ok(response)) => receive(response, deadline).await,
        Ok(Err(error)) => lost(&error),
        Err(_) => cut(CutKind::TimedOut, None),
    }
}

fn convert(target: &Target, request: &Request) -> Result<reqwest::Request, String> {
    let method = Method::from_bytes(request.method.as_bytes());
    let method = method.map_err(|error| format!("the method: {error}"))?;
    let mut converted = reqwest::Request::new(method, target.url(&request.target));
    for (name, value) in request.headers.iter() {
        let bad = |error: &dyn Error| format!("header `{name}`: {error}");
        let value = target.key.fill(value);
        let value = HeaderValue::from_str(&value).map_err(|error| bad(&error))?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| bad(&error))?;
        converted.headers_mut().append(name, value);
    }
    if !request.body.is_empty() {
        *converted.body_mut() = Some(request.body.to_bytes().into());
    }
    Ok(converted)
}

async fn receive(mut response: Response, deadline: Instant) -> Observation {
    let status = response.status().as_u16();
    let mut reply = Reply { status, headers: headers(response.headers()), body: Bytes::new() };
    // Most answers come in one piece, which is then passed on without a copy.
    let mut pieces = Pieces::default();
    // Ends with the body, the deadline or the limit.
    let end = loop {
        match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(Some(piece))) => pieces.push(piece),
            Ok(Ok(None)) => break None,
            Ok(Err(error)) => break Some(kind(&error)),
            Err(_) => break Some(CutKind::TimedOut),
        }
        if pieces.len() > REPLY_BYTES_MAX {
            break Some(CutKind::TimedOut);
        }
    };
    reply.body = pieces.into_bytes();
    match end {
        None => Observation::Reply(reply),
        Some(kind) => cut(kind, Some(reply)),
    }
}

fn headers(map: &HeaderMap) -> Headers {
    let own = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Headers(
        map.iter()
            .map(|(name, value)| (name.as_str().to_owned().into(), own(value).into()))
            .collect(),
    )
}

/// A request that got no answer.
pub(crate) fn lost(error: &reqwest::Error) -> Observation {
    if error.is_builder() {
        return Observation::Unsendable(chain(error));
    }
    if let Some(why) = trust::refusal(error) {
        return Observation::Unsendable(why);
    }
    if error.is_connect() {
        return raw::unconnected(io_kind(error).unwrap_or(ErrorKind::NotFound));
    }
    cut(kind(error), None)
}

/// How the answer ended that an error broke off.
pub(crate) fn kind(error: &reqwest::Error) -> CutKind {
    if error.is_timeout() {
        return CutKind::TimedOut;
    }
    if let Some(kind) = io_kind(error) {
        return cut_kind(kind);
    }
    match find::<hyper::Error>(error) {
        Some(error) if error.is_parse() => CutKind::BadFraming,
        _ => CutKind::Closed,
    }
}

fn io_kind(error: &reqwest::Error) -> Option<ErrorKind> {
    find::<std::io::Error>(error).map(std::io::Error::kind)
}

/// The first cause of that type.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn chain(error: &reqwest::Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The error and what it came of, outermost first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&cause| cause.source())
}

/// A body on its way in, copied only from the second piece on.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    rest: BytesMut,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
        } else {
            self.rest.extend_from_slice(&piece);
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn into_bytes(self) -> Bytes {
        if self.rest.is_empty() {
            return self.first;
        }
        [&self.first[..], &self.rest[..]].concat().into()
    }
}
