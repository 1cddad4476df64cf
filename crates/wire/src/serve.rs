//! The mock as a server for clients in any language: hyper around one function that decides every answer.
//!
//! Unlike the [embedded mock](crate::server) it sends a stream piece by piece with its delays, reads no body
//! further than its limit, and keeps nothing of a request once it is answered. HTTP/1.1 only.
//!
//! Every request gets an answer in the envelope of the API: one whose body breaks its framing, comes too slowly
//! or is too long; one that makes the brain panic; and one whose head is no HTTP, which hyper itself would refuse
//! without a body (see [`line`]). What remains without an answer: a connection that sends half a head and then
//! nothing, or opens with the preface of HTTP/2. The price of answering a body early is a connection that lingers:
//! closing it at once would reset it, and take the answer away from a client that is still sending.
//!
//! Whoever calls this decides over threads: it is fast enough on one.

mod body;
mod line;

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use classify::{Headers, Request};
use contract::rules::body_bytes_max;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use mock::{Answer, Trouble};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::body::{Arrived, Pieces};
use self::line::Line;

/// Far more than a test suite opens, and below the 1,024 files that a process usually may have. Whoever comes
/// then waits until a connection ends.
const CONNECTIONS_MAX: usize = 512;

/// After an accept that failed (the process has no files left, as a rule) the next one would fail, too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A head comes in one piece from any client; a connection kept for the next request may be idle as long. More
/// than the idle time of the usual pools, so that it is they who close.
const HEAD_TIME_MAX: Duration = Duration::from_secs(120);

/// 256 MB pass loopback in a second or two; past this a body has stalled.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Decides every answer. A request that could not be read has a trouble, and the body it has is not what was sent.
pub type Brain = Arc<dyn Fn(&Request, Option<Trouble>) -> Answer + Send + Sync>;

/// How the server behaves, whatever it answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manner {
    /// Waited before the first byte of every answer.
    pub latency: Duration,
    /// How long a body may take to arrive: [`BODY_TIME_MAX`], but for tests.
    pub body_time_max: Duration,
    /// The version of requests that name none.
    pub version: Option<String>,
}

/// A running server; dropping it closes every connection.
pub struct Server {
    pub address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// Starts a server at that address.
pub async fn start(listen: SocketAddr, brain: Brain, manner: Manner) -> io::Result<Server> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let mut tasks = JoinSet::new();
    let host = Arc::new(Host { brain, manner });
    let each = move |stream| serve(stream, Arc::clone(&host));
    tasks.spawn(accept_each(listener, CONNECTIONS_MAX, each));
    Ok(Server { address, _tasks: tasks })
}

thread_local! {
    static IS_ANSWERING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a brain, whose panics are caught and answered: for panic hooks.
pub fn is_answering() -> bool {
    IS_ANSWERING.get()
}

/// What every connection needs to know.
struct Host {
    brain: Brain,
    manner: Manner,
}

impl Host {
    /// The answer, whatever happens: a brain that panics is asked once more, what to say about that.
    fn answer(&self, request: &Request, trouble: Option<Trouble>) -> Answer {
        let ask = |trouble| {
            IS_ANSWERING.set(true);
            let answer = catch_unwind(AssertUnwindSafe(|| (self.brain)(request, trouble)));
            IS_ANSWERING.set(false);
            answer
        };
        let failed = Trouble::Internal;
        ask(trouble)
            .or_else(|_| ask(Some(failed)))
            .unwrap_or_else(|_| mock::trouble(0, request, failed))
    }
}

/// Serves whoever connects, so many at a time; ends when it is dropped.
pub(crate) async fn accept_each<F>(
    listener: TcpListener,
    connections_max: usize,
    mut serve: impl FnMut(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= connections_max {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => connections.spawn(serve(stream)),
            Err(_) => {
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
    }
}

async fn serve(stream: TcpStream, host: Arc<Host>) {
    // Without it a small piece waits for the acknowledgement of the one before.
    let _best_effort = stream.set_nodelay(true);
    let line = TokioIo::new(Line::new(stream, Arc::clone(&host)));
    let respond = service_fn(move |request: hyper::Request<Incoming>| {
        let host = Arc::clone(&host);
        async move { Ok::<_, Infallible>(respond(&host, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(line, respond);
    // Whatever ended the connection, there is nobody left to tell.
    let _ended = connection.await;
}

async fn respond(host: &Host, request: hyper::Request<Incoming>) -> Response<Pieces> {
    let (head, body) = request.into_parts();
    let bytes_max = body_bytes_max(head.uri.path());
    let Arrived { body, trouble, is_whole } =
        body::read(body, bytes_max, host.manner.body_time_max).await;
    let request = Request { body, ..convert(&head, host.manner.version.as_deref()) };
    let answer = host.answer(&request, trouble);
    // The answer may wait for a long time, but what was asked need not.
    drop(request);
    if !host.manner.latency.is_zero() {
        sleep(host.manner.latency).await;
    }
    let mut response = response(answer);
    if !is_whole {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The head as a value; the body comes later.
fn convert(head: &Parts, version: Option<&str>) -> Request {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned().into(), text(value).into())
    };
    let mut headers = Headers(head.headers.iter().map(field).collect());
    if let Some(version) = version.filter(|_| headers.get("anthropic-version").is_none()) {
        headers.push("anthropic-version", version.to_owned());
    }
    let target = head.uri.path_and_query().map_or("*", |target| target.as_str()).to_owned();
    Request {
        method: head.method.as_str().to_owned().into(),
        target: target.into(),
        headers,
        body: classify::Body::Empty,
    }
}

fn response(answer: Answer) -> Response<Pieces> {
    let is_stream = answer
        .headers
        .get("content-type")
        .is_some_and(|media| media.starts_with("text/event-stream"));
    let mut response = Response::new(Pieces::new(answer.chunks, is_stream));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers.iter() {
        // What no header can hold is left out: an answer without it is better than none.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
