//! The embedded mock: a `wiremock` server with a single mock on it, which asks one function for every answer.
//!
//! Made for speed and for whole answers: `wiremock` reads a body to its end before it asks, sends an answer
//! as one buffer, and reads a request's URL through a parser that resolves `/../`. Whoever needs pieces,
//! delays or the target as it was written uses the other server. It runs on a thread of its own, which is
//! half of what makes a run fast.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use classify::{Body, Headers, Reply, Request};
use contract::spec::Contract;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

/// A mock keeps a copy of each request it matched, recording or not. This many bytes of copies are let stand
/// before they are thrown away: little enough for any machine, and rare enough to cost nothing.
const REMEMBERED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a remembered request takes beside its body: the URL and the fields, by a generous guess.
const REMEMBERED_HEAD_BYTES: u64 = 2 * 1024;

/// Decides every answer. Called on the server's thread, one request at a time.
pub type Brain = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A brain that keeps the contract. `now` stands still, so that two runs give the same bytes.
///
/// The state is locked while a request is judged; the server has one thread, so nobody waits for the lock.
pub fn abiding(contract: Arc<Contract>, config: mock::Config, now: mock::Now) -> Brain {
    let state = Mutex::new(mock::State::new());
    Arc::new(move |request| {
        // A judge that panicked lost its connection and shows as a cut; the next request deserves an answer.
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        mock::answer(&mut state, &contract, &config, request, now).into_reply()
    })
}

/// A running mock; it stops when this is dropped.
pub struct Embedded {
    server: Arc<MockServer>,
}

impl Embedded {
    /// Starts the mock on a free loopback port.
    pub async fn start(brain: Brain) -> Self {
        let server = Arc::new(MockServer::builder().disable_request_recording().start().await);
        let adapter =
            Adapter { brain, server: OnceLock::new(), remembered_bytes: AtomicU64::new(0) };
        let adapter = Arc::new(adapter);
        // Set once, before the first request can come.
        let _first = adapter.server.set(Arc::downgrade(&server));
        server.register(answer_all(adapter)).await;
        Self { server }
    }

    pub fn address(&self) -> SocketAddr {
        *self.server.address()
    }
}

struct Adapter {
    brain: Brain,
    server: OnceLock<Weak<MockServer>>,
    remembered_bytes: AtomicU64,
}

/// A mock that answers everything.
fn answer_all(adapter: Arc<Adapter>) -> Mock {
    Mock::given(wiremock::matchers::any()).respond_with(Responder(adapter))
}

struct Responder(Arc<Adapter>);

impl Respond for Responder {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let bytes = request.body.len() as u64 + REMEMBERED_HEAD_BYTES;
        let remembered = self.0.remembered_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if remembered > REMEMBERED_BYTES_MAX {
            self.0.remembered_bytes.store(0, Ordering::Relaxed);
            forget(&self.0);
        }
        template((self.0.brain)(&convert(request)))
    }
}

/// Replaces the mock by a fresh one that remembers nothing.
///
/// Both steps run in one poll of one task on the server's only thread, where the server's lock is free
/// whenever a task is polled, and `join!` polls in the order given; so no request comes between them to find
/// no mock at all.
fn forget(adapter: &Arc<Adapter>) {
    let (server, adapter) = (adapter.server.get().cloned(), adapter.clone());
    tokio::spawn(async move {
        if let Some(server) = server.and_then(|server| server.upgrade()) {
            futures::join!(server.reset(), server.register(answer_all(adapter)));
        }
    });
}

fn convert(request: &wiremock::Request) -> Request {
    let url = &request.url;
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let field = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        (name.as_str().to_owned().into(), text(value.as_bytes()).into())
    };
    Request {
        method: request.method.as_str().to_owned().into(),
        target: target.into(),
        headers: Headers(request.headers.iter().map(field).collect()),
        body: if request.body.is_empty() {
            Body::Empty
        } else {
            Body::Bytes(Bytes::copy_from_slice(&request.body))
        },
    }
}

fn template(reply: Reply) -> ResponseTemplate {
    let mut template = ResponseTemplate::new(reply.status);
    for (name, value) in reply.headers.iter() {
        template = template.append_header(name, value);
    }
    let media = reply.headers.get("content-type").unwrap_or_default();
    if media.starts_with("text/event-stream") {
        // As from a server that does not know the end of a stream at its beginning.
        template = template.insert_header("transfer-encoding", "chunked");
    }
    template.set_body_bytes(reply.body)
}
