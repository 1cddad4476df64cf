//! A recording reverse proxy: what goes through is passed on as it comes, and written down without credentials.
//!
//! Bytes of bodies are not touched, and nothing waits for the rest of them: each chunk goes on as it comes. What
//! belongs to a single connection (`connection`, `transfer-encoding` and their like) is made anew, as HTTP has it.
//! The credentials are the client's own and pass through; see [`secrets`] for how they stay out of recordings.
//! Redirects are passed back and never followed.
//!
//! `accept-encoding` is the client's own, too, and part of what is recorded: asking for plain bodies would hide
//! whatever a server does only to packed ones. So a packed body is unpacked beside the road, and stays in the record as
//! it came only if nothing in it had to be hidden; see [`exchange`]. The price is the time of unpacking at the end of an
//! exchange, some ten milliseconds for each megabyte, and at most 64 MB of memory.
//!
//! An exchange is handed over when it ends, however it ends: the record lies in the answer's body, whose drop is the
//! one thing that happens in every case. The price is that exchanges are in the order of their ends.

pub mod exchange;
pub mod har;
pub mod packed;
mod passing;
pub mod secrets;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use classify::{CutKind, Headers, Observation, Reply};
use futures::stream::StreamExt as _;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::exchange::{End, Exchange};
use self::passing::{Held, Passing, Tab};
use crate::send::{self, Connections, Sender};
use crate::serve::accept_each;
use crate::target::Target;

/// Far more than a client under test opens, and each may hold a body in memory.
const CONNECTIONS_MAX: usize = 128;

/// As long as a client keeps a connection it may use again, and more than the idle time of the usual pools.
const HEAD_TIME_MAX: Duration = Duration::from_secs(120);

/// The longest that the API itself takes for an answer that is no stream.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(600);

/// What belongs to one connection, and is not passed on.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Takes every exchange as it ends.
pub type Keep = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// A running recorder; dropping it closes every connection.
pub struct Recorder {
    pub address: SocketAddr,
    is_over: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Starts a recorder at that address, in front of that target.
pub async fn start(listen: SocketAddr, target: Target, keep: Keep) -> io::Result<Recorder> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    // The deadline is the silence below: a stream may take as long as it likes.
    let sender = Sender::new(target, Connections::Kept, 0);
    let is_over = Arc::new(AtomicBool::new(false));
    let desk = Arc::new(Desk { sender, keep, held: Arc::default(), is_over: Arc::clone(&is_over) });
    let mut tasks = JoinSet::new();
    let each = move |stream| serve(stream, Arc::clone(&desk));
    tasks.spawn(accept_each(listener, CONNECTIONS_MAX, each));
    Ok(Recorder { address, is_over, _tasks: tasks })
}

/// A moment as RFC 3339 text with milliseconds.
pub fn rfc3339(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = mock::Now { unix_seconds: since.as_secs() }.rfc3339();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), since.subsec_millis())
}

struct Desk {
    sender: Sender,
    keep: Keep,
    /// Bytes of bodies in flight.
    held: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

async fn serve(stream: TcpStream, desk: Arc<Desk>) {
    // Without it a small chunk waits for the acknowledgement of the one before.
    let _best_effort = stream.set_nodelay(true);
    let respond = service_fn(move |request: hyper::Request<Incoming>| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(respond(&desk, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(stream), respond);
    // Whatever ended the connection, there is nobody left to tell.
    let _ended = connection.await;
}

async fn respond(desk: &Desk, request: hyper::Request<Incoming>) -> Response<Passing> {
    let (head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return refusal(
            StatusCode::NOT_IMPLEMENTED,
            "this is a reverse proxy, and opens no tunnels",
        );
    }
    let sent = Arc::new(Mutex::new(Held::new(&desk.held)));
    let onward = onward(desk, &head, body, &sent);
    let mut tab = Tab::open(desk, &head, sent);
    match timeout(SILENCE_TIME_MAX, desk.sender.client().execute(onward)).await {
        Ok(Ok(response)) => pass_back(tab, response),
        Ok(Err(error)) => {
            let kind = match send::lost(&error) {
                Observation::Cut(cut) => cut.kind,
                _ => CutKind::BadFraming,
            };
            tab.end = End::Lost(kind);
            refusal(StatusCode::BAD_GATEWAY, "the target gave no answer")
        }
        Err(_) => {
            tab.end = End::Lost(CutKind::TimedOut);
            refusal(StatusCode::GATEWAY_TIMEOUT, "the target gave no answer in time")
        }
    }
}

/// The request as it goes on.
fn onward(
    desk: &Desk,
    head: &Parts,
    mut body: Incoming,
    sent: &Arc<Mutex<Held>>,
) -> reqwest::Request {
    use hyper::body::Body as _;
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let url = desk.sender.target().url(target);
    let mut request = reqwest::Request::new(head.method.clone(), url);
    *request.headers_mut() = end_to_end(&head.headers);
    request.headers_mut().remove(HOST);
    lock(sent).is_over = body.is_end_stream();
    if !body.is_end_stream() {
        let sent = Arc::clone(sent);
        let pieces = futures::stream::poll_fn(move |cx| {
            let frame = std::task::ready!(Pin::new(&mut body).poll_frame(cx));
            Poll::Ready(frame.map(|frame| {
                // Trailers say nothing to this API.
                let data = frame?.into_data().unwrap_or_default();
                let mut sent = lock(&sent);
                sent.push(&data);
                sent.is_over = body.is_end_stream();
                Ok::<_, hyper::Error>(data)
            }))
        });
        *request.body_mut() = Some(reqwest::Body::wrap_stream(pieces));
    }
    request
}

/// The answer as it goes back.
fn pass_back(mut tab: Tab, response: reqwest::Response) -> Response<Passing> {
    let status = response.status();
    let headers = end_to_end(response.headers());
    tab.reply = Some(Reply {
        status: status.as_u16(),
        headers: values(response.headers()),
        body: Bytes::new(),
    });
    let length = response.content_length();
    let pieces = response.bytes_stream().boxed();
    let silence = Box::pin(sleep(SILENCE_TIME_MAX));
    let mut back = Response::new(Passing::Through { pieces, length, silence, tab: Box::new(tab) });
    *back.status_mut() = status;
    *back.headers_mut() = headers;
    back
}

/// An answer of our own, for want of another.
fn refusal(status: StatusCode, why: &str) -> Response<Passing> {
    let text = format!("probity record: {why}\n");
    let mut response = Response::new(Passing::Own(Some(text.into())));
    *response.status_mut() = status;
    response
}

/// The headers without those of the connection, and without those that `connection` names as such.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named = headers.get_all("connection").iter().filter_map(|value| value.to_str().ok());
    let named: Vec<_> =
        named.flat_map(|value| value.split(',')).map(|name| name.trim().to_lowercase()).collect();
    let is_kept = |name: &HeaderName| {
        !HOP_BY_HOP.contains(&name.as_str()) && !named.iter().any(|other| other == name.as_str())
    };
    let kept = headers.iter().filter(|(name, _)| is_kept(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn values(headers: &HeaderMap) -> Headers {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields =
        headers.iter().map(|(name, value)| (name.as_str().to_owned().into(), text(value).into()));
    Headers(fields.collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
