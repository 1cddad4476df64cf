//! A server that plays scripted answers byte for byte, one per request, and remembers what it was asked.
//!
//! It reads HTTP/1.1 requests only as far as it must to find their end, and sends exactly the bytes of the
//! script; whoever wants headers and framing done for him takes the mock instead.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chaos::served::{BodyState, dechunk, keeps_connection};
use classify::script::{End, Script};
use classify::{Body, Headers, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// More than any right client opens in one trial, and few enough to stop a storm.
pub(crate) const CONNECTIONS_MAX: u32 = 64;

/// Trials send short prompts; a request past this is a mistake, and would be kept in memory.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A request that has begun arrives at once on loopback; past this its sender has stalled.
const REQUEST_MS_MAX: u64 = 10_000;

/// The usual size of a read: a request fits into one.
const READ_BYTES: usize = 16 * 1024;

/// A running script server; dropping it closes every connection.
pub struct ScriptServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

/// One request that the server read.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Counts from 1 over all connections.
    pub attempt: u32,
    pub connection: u32,
    /// When its head was complete, since the server started.
    pub head_ms: u64,
    pub request: Request,
}

/// Starts a server on a fresh loopback port. Attempt n is answered by script n, and the last one repeats.
pub async fn serve(scripts: Vec<Script>) -> io::Result<ScriptServer> {
    if scripts.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no script to play"));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let seen = Arc::new(Mutex::new(vec![]));
    let stage = Arc::new(Stage { scripts, seen: Arc::clone(&seen), started: Instant::now() });
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, move |stream, connection| {
        let stage = Arc::clone(&stage);
        async move { stage.play(stream, connection).await.unwrap_or_default() }
    }));
    Ok(ScriptServer { address, seen, _tasks: tasks })
}

impl ScriptServer {
    /// The requests so far, in the order of their heads.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Stage {
    scripts: Vec<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    started: Instant,
}

impl Stage {
    async fn play(&self, mut stream: TcpStream, connection: u32) -> io::Result<()> {
        let mut inbox = Inbox::default();
        while let Some(head) = inbox.head(&mut stream).await? {
            let head_ms = elapsed_ms(self.started);
            let body = inbox.body(&mut stream, &head).await?;
            let announces_close = head.announces_close();
            let request = Request { body, ..head.request };
            let attempt = {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                let attempt = u32::try_from(seen.len() + 1).unwrap_or(u32::MAX);
                seen.push(Seen { attempt, connection, head_ms, request });
                attempt
            };
            let script = &self.scripts[(attempt as usize).min(self.scripts.len()) - 1];
            let bytes = script.wire_bytes();
            stream.write_all(&bytes).await?;
            match script.end {
                End::Complete if !announces_close && keeps_connection(&bytes) => {}
                End::Closed { .. } | End::Complete => return stream.shutdown().await,
                End::Reset { .. } => return stream.set_zero_linger(),
            }
        }
        Ok(())
    }
}

/// Hands every connection, numbered from 1, to a task of its own; ends at [`CONNECTIONS_MAX`], whereupon the
/// port refuses.
pub(crate) async fn accept<F, Fut>(listener: TcpListener, mut serve: F)
where
    F: FnMut(TcpStream, u32) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    for number in 1..=CONNECTIONS_MAX {
        // An accept fails where a client left at once: the next one is none the worse.
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Without it a small write waits for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        connections.spawn(serve(stream, number));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// What has arrived on a connection and was not yet asked for.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
}

/// The head of a request, as values and as it stood on the wire.
pub(crate) struct Head {
    pub(crate) request: Request,
    pub(crate) raw: Vec<u8>,
}

impl Head {
    fn announces_close(&self) -> bool {
        self.request
            .headers
            .get("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Inbox {
    /// The next request's head, or nothing if the client closed instead.
    pub(crate) async fn head(&mut self, stream: &mut TcpStream) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let raw: Vec<u8> = self.bytes.drain(..end + 4).collect();
                let request = read_head(&raw).ok_or_else(|| bad("the request is not HTTP"))?;
                return Ok(Some(Head { request, raw }));
            }
            // The first byte may take its time: the connection waits for the next call.
            let more = if self.bytes.is_empty() {
                self.read(stream).await?
            } else {
                self.read_soon(stream).await?
            };
            if !more {
                return Ok(None);
            }
        }
    }

    /// The body that follows this head. What follows a chunked body in the same segment is dropped: no client
    /// sends its next request before the answer.
    pub(crate) async fn body(&mut self, stream: &mut TcpStream, head: &Head) -> io::Result<Body> {
        let headers = &head.request.headers;
        if headers
            .get("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return self.chunked(stream).await;
        }
        let length = headers.get("content-length").map_or(Ok(0), str::parse);
        let length: usize = length.map_err(|_| bad("the request's content-length is no number"))?;
        while self.bytes.len() < length {
            if !self.read_soon(stream).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let body: Vec<u8> = self.bytes.drain(..length).collect();
        Ok(if body.is_empty() { Body::Empty } else { Body::Bytes(body.into()) })
    }

    async fn chunked(&mut self, stream: &mut TcpStream) -> io::Result<Body> {
        loop {
            match dechunk(&self.bytes) {
                (body, BodyState::Whole) => {
                    self.bytes.clear();
                    return Ok(Body::Bytes(body.into()));
                }
                (_, BodyState::Bad) => {
                    return Err(bad("the request's chunks contradict themselves"));
                }
                (_, BodyState::Short | BodyState::UntilClose) => {}
            }
            if !self.read_soon(stream).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn read_soon(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        let limit = Duration::from_millis(REQUEST_MS_MAX);
        timeout(limit, self.read(stream)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Takes in what comes next; false at the end.
    async fn read(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        if REQUEST_BYTES_MAX < self.bytes.len() {
            return Err(bad("the request is larger than a trial's may be"));
        }
        self.bytes.reserve(READ_BYTES);
        Ok(stream.read_buf(&mut self.bytes).await? != 0)
    }
}

fn read_head(raw: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(raw);
    let mut lines = text.trim_end().split("\r\n");
    let mut request_line = lines.next()?.split(' ');
    let (method, target) = (request_line.next()?.to_owned(), request_line.next()?.to_owned());
    if !request_line.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let mut headers = Headers::default();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.push(name.to_owned(), value.trim().to_owned());
    }
    Some(Request { method: method.into(), target: target.into(), headers, body: Body::Empty })
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

pub(crate) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
