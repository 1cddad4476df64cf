//! A server that plays scripted answers byte for byte, one per request, and remembers what it was asked.
//!
//! It reads HTTP/1.1 requests only as far as it must to find their end, and sends exactly the bytes of the
//! script; whoever wants headers and framing done for him takes the mock instead. Two things only are put in, see
//! [`fill`].

mod fill;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use chaos::served::keeps_connection;
use classify::Request;
use classify::script::{End, Script};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::inbox::{CONNECTIONS_MAX, Inbox, accept};

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
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        let serve = |stream, connection| {
            let stage = Arc::clone(&stage);
            async move { stage.play(stream, connection).await.unwrap_or_default() }
        };
        accept(&listener, CONNECTIONS_MAX, &mut connections, serve).await;
        // From here on the port refuses.
        drop(listener);
        while connections.join_next().await.is_some() {}
    });
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
            let request = Request { body: body.clone(), ..head.request };
            let attempt = {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                let attempt = u32::try_from(seen.len() + 1).unwrap_or(u32::MAX);
                seen.push(Seen { attempt, connection, head_ms, request });
                attempt
            };
            let script = &self.scripts[(attempt as usize).min(self.scripts.len()) - 1];
            let bytes = fill::filled(script.wire_bytes(), &body.to_bytes(), SystemTime::now());
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

pub(crate) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
