//! A proxy that lets the plan of a scenario decide over every byte of every reply, and that is the address
//! where the client of a trial connects to, with whatever stands at its door.
//!
//! It reads requests only to find their end, and replies not at all: the plan says what passes, and whether a
//! connection may be kept is read off the bytes that left. Each attempt gets a connection of its own to the
//! upstream, which is asked to close it, so that the end of the connection is the end of the reply; the price
//! is that the upstream sees `connection: close` where the client may have said otherwise. Everything else
//! passes as it came, in both directions.
//!
//! A second origin stands on another port, where redirects may lead: no fault strikes there, and what arrives
//! is kept apart from the attempts, because nothing should. It never speaks TLS, so that a redirect from a
//! server that does is a step down.

mod client;
mod door;
mod exchange;
mod seen;
mod serve;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chaos::scenario::{Host, Scenario, Tls};
use chaos::{Attempt, Plan};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::inbox::{CONNECTIONS_MAX, accept};
use crate::tls::{Authority, Peer};
use seen::{Book, Origin, State};
use serve::serve;

/// A client returns as soon as it has its answer: this long the proxy may take to write down the end.
const SETTLE_MS: u64 = 250;

/// A client that was made to walk away has two seconds to let its connections go, and we a little more to see it.
const WATCH_MS: u64 = 2_200;

/// How often it looks whether that is done.
const SETTLE_STEP_MS: u64 = 5;

/// What a proxy is started with.
pub struct Stand<'a> {
    /// Says what the client connects to, and whether it is made to walk away.
    pub scenario: &'a Scenario,
    pub plan: Plan,
    /// Without one every attempt must meet its fate before the upstream is asked.
    pub upstream: Option<SocketAddr>,
    /// Times count from here.
    pub started: Instant,
    /// Vouches for the server where the scenario speaks TLS.
    pub authority: Option<Arc<Authority>>,
    /// The port where the client arrives; 0 takes a free one.
    pub port: u16,
}

/// A running proxy; dropping it closes every connection.
pub struct Proxy {
    pub address: SocketAddr,
    pub second_address: SocketAddr,
    /// Host and port as the client is given them.
    pub called: String,
    base_url: String,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

/// What the proxy saw.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub attempts: Vec<Attempt>,
    /// Requests that arrived at the second origin, with what they were given there.
    pub second_origin: Vec<Attempt>,
    /// Connections that the first origin accepted, with a request or without.
    pub connections: u32,
    pub handshakes: Handshakes,
    /// Numbers of the attempts that began on their connection before the reply to the last one was over.
    pub pipelined: Vec<u32>,
    /// What came that is no request of HTTP/1.1, and is the client's own doing.
    pub notes: Vec<String>,
    /// Faults that never struck, as places in the scenario's list.
    pub unfired: Vec<usize>,
    /// What went wrong that is not the client's doing.
    pub trouble: Option<String>,
}

/// Handshakes of TLS at the first origin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Handshakes {
    pub completed: u32,
    pub failed: u32,
}

/// Starts a proxy on a loopback port.
pub async fn start(stand: Stand<'_>) -> io::Result<Proxy> {
    let Stand { scenario, plan, upstream, started, authority, port } = stand;
    let connect = &scenario.connect;
    let seal = connect.tls.map(|tls| seal(tls, authority)).transpose()?;
    let entry = door::open(connect, port).await?;
    let address = entry.address;
    let second = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let second_address = second.local_addr()?;
    // Where a name stands for both loopback addresses, a client may try this one only.
    let second_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, second_address.port())).await.ok();
    let called = called(connect.host, address.port());
    let scheme = if seal.is_some() { "https" } else { "http" };
    let origin = format!("{scheme}://{called}");
    let base_url = format!("{origin}{}", connect.path);
    let state = Arc::new(State {
        book: Book::new(plan).into(),
        connect: connect.clone(),
        origin,
        seal,
        second_address,
        started,
        upstream,
        watches: is_walked_away_from(scenario),
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(door::mind(entry, Arc::clone(&state)));
    for listener in [Some(second), second_v6].into_iter().flatten() {
        let state = Arc::clone(&state);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            let serve = |client, number| serve(Arc::clone(&state), client, number, Origin::Second);
            accept(&listener, CONNECTIONS_MAX, &mut connections, serve).await;
            while connections.join_next().await.is_some() {}
        });
    }
    Ok(Proxy { address, second_address, called, base_url, state, _tasks: tasks })
}

impl Proxy {
    /// The address that the client is given.
    pub fn base_url(&self) -> String {
        self.base_url.clone()
    }

    /// Looks at the attempts while the trial runs.
    pub fn look<R>(&self, at: impl FnOnce(&[Attempt]) -> R) -> R {
        at(&self.state.book().record.attempts)
    }

    /// What was seen, once everything has ended or had time to.
    pub async fn finish(self) -> Record {
        let until_ended = async {
            while self.state.is_busy() {
                sleep(Duration::from_millis(SETTLE_STEP_MS)).await;
            }
        };
        let patience_ms = if self.state.watches { WATCH_MS } else { SETTLE_MS };
        let _ = timeout(Duration::from_millis(patience_ms), until_ended).await;
        self.state.record()
    }
}

/// Who vouches for the server, and as whom it is known.
type Seal = (Arc<Authority>, Peer);

fn seal(tls: Tls, authority: Option<Arc<Authority>>) -> io::Result<Seal> {
    let reason = if cfg!(feature = "tls") {
        "the scenario speaks TLS, and there is no authority to vouch for the server"
    } else {
        "the scenario speaks TLS, which needs a build with the feature `tls`"
    };
    let authority = authority.ok_or_else(|| io::Error::new(ErrorKind::Unsupported, reason))?;
    let peer = match tls {
        Tls::Trusted => Peer::Trusted,
        Tls::Untrusted => Peer::Untrusted,
        Tls::WrongName => Peer::WrongName,
    };
    Ok((authority, peer))
}

fn called(host: Host, port: u16) -> String {
    match host {
        Host::Localhost => format!("localhost:{port}"),
        Host::Loopback => format!("{}:{port}", Ipv4Addr::LOCALHOST),
        Host::Nowhere => format!("nowhere.invalid:{port}"),
    }
}

/// Whether the caller leaves before the answer is over, so that what becomes of the connection is worth a wait.
fn is_walked_away_from(scenario: &Scenario) -> bool {
    let ask = &scenario.ask;
    ask.abandon_after_events.is_some()
        || ask.abort_after_events.is_some()
        || ask.abort_after_ms.is_some()
}
