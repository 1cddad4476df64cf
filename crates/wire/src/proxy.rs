//! A proxy that lets the plan of a scenario decide over every byte of every reply.
//!
//! It reads requests only to find their end, and replies not at all: the plan says what passes, and whether a
//! connection may be kept is read off the bytes that left. Each attempt gets a connection of its own to the
//! upstream, which is asked to close it, so that the end of the connection is the end of the reply; the price
//! is that the upstream sees `connection: close` where the client may have said otherwise. Everything else
//! passes as it came, in both directions.
//!
//! A second origin stands on another port, where redirects may lead: no fault strikes there, and what arrives
//! is kept apart from the attempts, because nothing should.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chaos::plan::redirect;
use chaos::scenario::Destination;
use chaos::served::keeps_connection;
use chaos::{Action, Asked, Attempt, End, Fate, Plan};
use classify::Body;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::script::{Head, Inbox, accept, elapsed_ms};

/// The size of a read from the upstream; plans do not depend on it.
const READ_BYTES: usize = 16 * 1024;

/// What a client was sent is kept for the judge: enough for the largest reply of the catalogue.
const SERVED_BYTES_MAX: usize = 16 << 20;

/// A client returns as soon as it has its answer: this long the proxy may take to write down the end.
const SETTLE_MS: u64 = 250;

/// How often it looks whether that is done.
const SETTLE_STEP_MS: u64 = 5;

/// A running proxy; dropping it closes every connection.
pub struct Proxy {
    pub address: SocketAddr,
    pub second_address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

/// What the proxy saw.
#[derive(Clone, Debug)]
pub struct Record {
    pub attempts: Vec<Attempt>,
    /// Requests that arrived at the second origin, with what they were given there.
    pub second_origin: Vec<Attempt>,
    /// Faults that never struck, as places in the scenario's list.
    pub unfired: Vec<usize>,
    /// What went wrong that is not the client's doing.
    pub trouble: Option<String>,
}

/// Starts a proxy on a fresh loopback port. Without an upstream every attempt must meet its fate before the
/// upstream is asked. Times count from `started`.
pub async fn start(
    plan: Plan,
    upstream: Option<SocketAddr>,
    started: Instant,
) -> io::Result<Proxy> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (address, second_address) = (listener.local_addr()?, second.local_addr()?);
    let book = Book { plan, attempts: vec![], second_origin: vec![], trouble: None };
    let state =
        Arc::new(State { book: Mutex::new(book), upstream, started, address, second_address });
    let mut tasks = JoinSet::new();
    for (listener, origin) in [(listener, Origin::First), (second, Origin::Second)] {
        let shared = Arc::clone(&state);
        tasks.spawn(accept(listener, move |client, connection| {
            let state = Arc::clone(&shared);
            async move { state.serve(client, connection, origin).await }
        }));
    }
    Ok(Proxy { address, second_address, state, _tasks: tasks })
}

impl Proxy {
    /// What was seen, once every attempt has ended or had time to.
    pub async fn finish(self) -> Record {
        let until_ended = async {
            while !self.state.book().attempts.iter().all(|attempt| attempt.end != End::Unended) {
                sleep(Duration::from_millis(SETTLE_STEP_MS)).await;
            }
        };
        let _ = timeout(Duration::from_millis(SETTLE_MS), until_ended).await;
        let now_ms = elapsed_ms(self.state.started);
        let book = self.state.book();
        let (mut attempts, mut second_origin) = (book.attempts.clone(), book.second_origin.clone());
        let all = attempts.iter_mut().chain(&mut second_origin);
        for attempt in all.filter(|attempt| attempt.end == End::Unended) {
            attempt.end_ms = now_ms;
        }
        let (unfired, trouble) = (book.plan.unfired(), book.trouble.clone());
        Record { attempts, second_origin, unfired, trouble }
    }
}

/// Where a request arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    First,
    Second,
}

struct State {
    book: Mutex<Book>,
    upstream: Option<SocketAddr>,
    started: Instant,
    address: SocketAddr,
    second_address: SocketAddr,
}

/// Written to at every step, so that a trial that is broken off leaves a true record.
struct Book {
    plan: Plan,
    attempts: Vec<Attempt>,
    second_origin: Vec<Attempt>,
    trouble: Option<String>,
}

impl Book {
    fn at(&mut self, origin: Origin) -> &mut Vec<Attempt> {
        match origin {
            Origin::First => &mut self.attempts,
            Origin::Second => &mut self.second_origin,
        }
    }

    fn attempt(&mut self, origin: Origin, number: u32) -> &mut Attempt {
        &mut self.at(origin)[number as usize - 1]
    }
}

/// One attempt being served.
struct Exchange<'a> {
    state: &'a State,
    client: &'a mut TcpStream,
    origin: Origin,
    number: u32,
    /// Whether the client's half of the connection outlives ours.
    half_closed: bool,
}

impl State {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, mut client: TcpStream, connection: u32, origin: Origin) {
        let mut inbox = Inbox::default();
        loop {
            let head = match inbox.head(&mut client).await {
                Ok(Some(head)) => head,
                Ok(None) => return,
                // A client that resets an idle connection is within its rights.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
                Err(error) => return self.trouble(format!("cannot read a request: {error}")),
            };
            let number = self.begin(&head, connection, origin);
            let mut half_closed = false;
            let end = match inbox.body(&mut client, &head).await {
                Ok(body) => {
                    let request = for_upstream(&head, &body);
                    self.book().attempt(origin, number).request.body = body;
                    let mut exchange =
                        Exchange { state: self, client: &mut client, origin, number, half_closed };
                    let end = exchange.run(&head, &request).await;
                    half_closed = exchange.half_closed;
                    end
                }
                Err(_) => End::Left,
            };
            self.end(origin, number, end);
            if half_closed {
                return left(&client).await;
            }
            match end {
                End::Kept => {}
                End::Reset => return drop(client.set_zero_linger()),
                End::Closed | End::Left | End::Unended => return drop(client.shutdown().await),
            }
        }
    }

    fn begin(&self, head: &Head, connection: u32, origin: Origin) -> u32 {
        let now_ms = elapsed_ms(self.started);
        let mut book = self.book();
        let attempts = book.at(origin);
        let number = u32::try_from(attempts.len() + 1).unwrap_or(u32::MAX);
        attempts.push(Attempt {
            number,
            connection,
            head_ms: now_ms,
            end_ms: now_ms,
            request: head.request.clone(),
            served: vec![],
            end: End::Unended,
            ..Attempt::default()
        });
        number
    }

    fn end(&self, origin: Origin, number: u32, end: End) {
        let now_ms = elapsed_ms(self.started);
        let mut book = self.book();
        let attempt = book.attempt(origin, number);
        (attempt.end, attempt.end_ms) = (end, now_ms);
    }

    fn trouble(&self, what: String) {
        self.book().trouble.get_or_insert(what);
    }
}

impl Exchange<'_> {
    /// Carries one reply from the upstream to the client, as far as its fate lets it.
    async fn run(&mut self, head: &Head, request: &[u8]) -> End {
        // No scenario has faults for an attempt of number 0.
        let attempt = if self.origin == Origin::First { self.number } else { 0 };
        let (mut fate, actions) = self.state.book().plan.on_connect(Asked {
            attempt,
            on_connection: 1,
            request: &head.request,
        });
        if let Some(end) = self.obey(&fate, actions).await {
            return end;
        }
        if fate.is_over() {
            return self.ended();
        }
        let mut upstream = match self.ask(request).await {
            Ok(upstream) => upstream,
            Err(error) => {
                self.state.trouble(format!("cannot ask the upstream: {error}"));
                return End::Closed;
            }
        };
        let mut buffer = vec![0; READ_BYTES];
        while !fate.is_over() {
            let read = tokio::select! {
                read = upstream.read(&mut buffer) => read,
                () = left(self.client) => return End::Left,
            };
            let n_bytes = match read {
                Ok(0) => break,
                Ok(n_bytes) => n_bytes,
                // The upstream's reset is the script's doing: the client gets the same.
                Err(_) => return End::Reset,
            };
            let actions = fate.on_bytes(&buffer[..n_bytes]);
            if let Some(end) = self.obey(&fate, actions).await {
                return end;
            }
        }
        if !fate.is_over() {
            let actions = fate.on_end();
            if let Some(end) = self.obey(&fate, actions).await {
                return end;
            }
        }
        self.ended()
    }

    async fn ask(&self, request: &[u8]) -> io::Result<TcpStream> {
        let address = self.state.upstream.ok_or_else(|| io::Error::other("there is none"))?;
        let mut upstream = TcpStream::connect(address).await?;
        upstream.set_nodelay(true)?;
        upstream.write_all(request).await?;
        Ok(upstream)
    }

    /// Does what the plan says. Gives the end if that was one.
    async fn obey(&mut self, fate: &Fate, actions: Vec<Action>) -> Option<End> {
        self.state.book().plan.settle(fate);
        for action in actions {
            match action {
                Action::Close | Action::Cut => return Some(End::Closed),
                Action::Delay { ms } => tokio::select! {
                    () = sleep(Duration::from_millis(ms)) => {}
                    () = left(self.client) => return Some(End::Left),
                },
                Action::HalfClose => {
                    let _ = self.client.shutdown().await;
                    self.half_closed = true;
                    return Some(End::Closed);
                }
                Action::Pass(bytes) => {
                    if self.client.write_all(&bytes).await.is_err() {
                        return Some(End::Left);
                    }
                    self.note(&bytes);
                }
                Action::Redirect { status, to } => {
                    let bytes = redirect(status, &self.location(to));
                    if self.client.write_all(&bytes).await.is_err() {
                        return Some(End::Left);
                    }
                    self.note(&bytes);
                }
                Action::Reset => return Some(End::Reset),
                Action::Stall => {
                    left(self.client).await;
                    return Some(End::Left);
                }
            }
        }
        None
    }

    /// The path that was asked for, at that origin.
    fn location(&self, to: Destination) -> String {
        let address = match to {
            Destination::SameOrigin => self.state.address,
            Destination::SecondHost | Destination::SecondOrigin => self.state.second_address,
        };
        let target = self.state.book().attempt(self.origin, self.number).request.target.clone();
        format!("http://{address}{target}")
    }

    fn note(&self, bytes: &[u8]) {
        let mut book = self.state.book();
        let served = &mut book.attempt(self.origin, self.number).served;
        if served.len() + bytes.len() <= SERVED_BYTES_MAX {
            served.extend_from_slice(bytes);
        } else {
            book.trouble
                .get_or_insert_with(|| "a reply is larger than the judge can take".to_owned());
        }
    }

    /// The end of a reply that was passed to its last byte.
    fn ended(&self) -> End {
        let kept = keeps_connection(&self.state.book().attempt(self.origin, self.number).served);
        if kept { End::Kept } else { End::Closed }
    }
}

/// The request with its `connection` header replaced, and its body with a length.
fn for_upstream(head: &Head, body: &Body) -> Vec<u8> {
    let line_end = head.raw.windows(2).position(|window| window == b"\r\n").unwrap_or_default();
    let mut request = head.raw[..line_end].to_vec();
    request.extend_from_slice(b"\r\n");
    let framing = ["connection", "content-length", "transfer-encoding"];
    for (name, value) in head.request.headers.iter() {
        if !framing.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
    }
    let framing = format!("connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    request.extend_from_slice(framing.as_bytes());
    request.extend_from_slice(&body.to_bytes());
    request
}

/// Returns when the client has closed or reset its side; one that closes only its sending half counts as gone,
/// since no HTTP client of note does. Bytes that it sends ahead are left where they are,
/// and hide a close behind them.
async fn left(client: &TcpStream) {
    match client.peek(&mut [0]).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}
