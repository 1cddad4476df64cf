//! What a client meets before anything is read: a server, nobody, or something that is no server.
//!
//! Who refuses, or lets nobody in, does so for every connection or for all from one on: what never comes in
//! cannot be counted. The port stays ours meanwhile, so that no stranger answers on it.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chaos::scenario::{Connect, Door, Host};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::seen::{Origin, State};
use super::serve::serve;
use crate::inbox::{CONNECTIONS_MAX, accept};

/// Connections that the kernel takes before anybody accepts them: a herd comes all at once.
const BACKLOG: u32 = 1024;

/// The shortest queue that every kernel will have.
const BACKLOG_MIN: u32 = 1;

/// A queue of one holds two or three connections.
const QUEUED_MAX: usize = 16;

/// A connection on loopback that is not there by then meets a full queue.
const QUEUED_MS: u64 = 150;

/// Ports to try before one is free on both loopback addresses; the first nearly always is.
const PORTS_MAX: usize = 16;

/// Where the client of a trial arrives.
pub(super) struct Entry {
    pub(super) address: SocketAddr,
    way: Way,
    /// Keeps everybody from listening on the other address of the name.
    shut_v6: Option<TcpSocket>,
}

enum Way {
    /// Nobody gets in, for as long as these sockets are kept.
    Closed(Box<dyn Send>),
    /// So many connections are taken.
    Open { listener: TcpListener, n_connections: u32, then: Then },
}

/// What becomes of the port after the last connection that is taken.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Then {
    Full,
    Shut,
}

/// Takes a port, and nobody is served yet.
pub(super) async fn open(connect: &Connect, port: u16) -> io::Result<Entry> {
    let (socket, shut_v6) = bind(connect.host, port)?;
    let address = socket.local_addr()?;
    let (then, n_connections) = (then(connect)?, n_served(connect));
    let way = match then {
        Then::Shut if n_connections == 0 => Way::Closed(Box::new(socket)),
        Then::Shut => {
            // So that the port can be taken anew while connections on it live on.
            socket.set_reuseaddr(true)?;
            Way::Open { listener: socket.listen(BACKLOG)?, n_connections, then }
        }
        Then::Full => {
            let listener = socket.listen(BACKLOG_MIN)?;
            match n_connections {
                0 => Way::Closed(Box::new((fill(address).await?, listener))),
                _ => Way::Open { listener, n_connections, then },
            }
        }
    };
    Ok(Entry { address, way, shut_v6 })
}

/// Serves whoever comes in, and keeps the port for as long as it is polled.
pub(super) async fn mind(entry: Entry, state: Arc<State>) {
    let Entry { address, way, shut_v6: _shut_v6 } = entry;
    let mut connections = JoinSet::new();
    let _kept = match way {
        Way::Closed(kept) => kept,
        Way::Open { listener, n_connections, then } => {
            let serve = |client, number| serve(Arc::clone(&state), client, number, Origin::First);
            accept(&listener, n_connections, &mut connections, serve).await;
            close(listener, address, then).await
        }
    };
    while connections.join_next().await.is_some() {}
    std::future::pending().await
}

/// Lets nobody in any more; gives what has to be kept for that.
async fn close(listener: TcpListener, address: SocketAddr, then: Then) -> Box<dyn Send> {
    match then {
        Then::Full => Box::new((fill(address).await, listener)),
        Then::Shut => {
            drop(listener);
            let hold = || {
                let socket = TcpSocket::new_v4()?;
                socket.set_reuseaddr(true)?;
                socket.bind(address)?;
                io::Result::Ok(socket)
            };
            Box::new(hold())
        }
    }
}

/// A socket on that port, or on a fresh one, and for a name with two addresses one that shuts the other.
fn bind(host: Host, port: u16) -> io::Result<(TcpSocket, Option<TcpSocket>)> {
    for _ in 0..PORTS_MAX {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        if host != Host::Localhost {
            return Ok((socket, None));
        }
        let port = socket.local_addr()?.port();
        let other = TcpSocket::new_v6().and_then(|other| {
            other.bind((Ipv6Addr::LOCALHOST, port).into())?;
            Ok(other)
        });
        match other {
            Ok(other) => return Ok((socket, Some(other))),
            Err(error) if error.kind() == ErrorKind::AddrInUse && port == 0 => {}
            // Where there is no such address, nobody listens on it.
            Err(_) => return Ok((socket, None)),
        }
    }
    Err(io::Error::new(ErrorKind::AddrInUse, "no port is free on both loopback addresses"))
}

fn then(connect: &Connect) -> io::Result<Then> {
    let then = match connect.door {
        Some(Door::Blackhole) => Then::Full,
        Some(Door::Refuse) => Then::Shut,
        None | Some(Door::Plaintext | Door::Reset | Door::Silent) => return Ok(Then::Shut),
    };
    if connect.connections.is_some_and(|connections| connections.last.is_some()) {
        let reason = "connections that nobody takes cannot be counted: `connections` must be open";
        return Err(io::Error::new(ErrorKind::InvalidInput, reason));
    }
    Ok(then)
}

/// How many connections are taken at all.
fn n_served(connect: &Connect) -> u32 {
    match connect.door {
        Some(Door::Blackhole | Door::Refuse) => {
            connect.connections.map_or(0, |connections| connections.first.saturating_sub(1))
        }
        None | Some(Door::Plaintext | Door::Reset | Door::Silent) => CONNECTIONS_MAX,
    }
}

/// Fills the queue of connections that nobody accepts.
async fn fill(address: SocketAddr) -> io::Result<Vec<TcpStream>> {
    let mut queue = vec![];
    while queue.len() < QUEUED_MAX {
        match timeout(Duration::from_millis(QUEUED_MS), TcpStream::connect(address)).await {
            Ok(stream) => queue.push(stream?),
            Err(_) => return Ok(queue),
        }
    }
    Err(io::Error::other("the queue of a listener has no end on this machine"))
}
