//! The connection to a client, with what it sends ahead.
//!
//! While a reply is under way the connection is read on, so that it shows when the client leaves, and when it
//! sends its next request too early. What was read waits for its turn. Only where a request is answered before
//! all of it has come, nothing is read: there the client has to feel that nobody takes its bytes.

use std::io;
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::inbox::{Head, Inbox, Upload};

/// More than any request of a catalogue that nobody waits with; past it the sender has to wait.
const AHEAD_BYTES_MAX: usize = 1 << 20;

/// Who was answered early reads the answer within this time, or has stopped sending by then.
const LINGER_MS: u64 = 1_000;

/// As large as the largest request that is read.
const LINGER_BYTES_MAX: usize = 64 << 20;

/// The size of a read of what nobody looks at.
const DRAIN_BYTES: usize = 64 << 10;

pub(super) struct Client {
    pub(super) connection: Connection,
    inbox: Inbox,
    /// Whether bytes of the request that is being answered are still to come.
    pub(super) is_sending: bool,
    /// Whether the next request began before this reply was over.
    pub(super) is_ahead: bool,
}

impl Client {
    pub(super) fn on(connection: Connection) -> Self {
        Self { connection, inbox: Inbox::default(), is_sending: false, is_ahead: false }
    }

    pub(super) async fn head(&mut self) -> io::Result<Option<Head>> {
        self.inbox.head(&mut self.connection).await
    }

    /// Reads on until so many bytes of the body have come, or all of it.
    pub(super) async fn upload(&mut self, upload: &mut Upload, n_bytes: usize) -> io::Result<()> {
        let read = upload.read(&mut self.inbox, &mut self.connection, n_bytes).await;
        self.is_sending = !upload.is_whole();
        read
    }

    /// Whether the connection lies idle for so long.
    pub(super) async fn rests(&mut self, ms: u64) -> bool {
        if self.inbox.len() != 0 {
            return false;
        }
        let stirs = self.inbox.read(&mut self.connection);
        timeout(Duration::from_millis(ms), stirs).await.is_err()
    }

    /// Returns when the client has closed or reset its side; one that closes only its sending half counts as
    /// gone, since no HTTP client of note does.
    pub(super) async fn left(&mut self) {
        while !self.is_sending && self.inbox.len() < AHEAD_BYTES_MAX {
            if !matches!(self.inbox.read(&mut self.connection).await, Ok(true)) {
                return;
            }
        }
        self.connection.peer_left().await;
    }

    /// Whether bytes have come that nobody has asked for yet.
    pub(super) fn has_sent_ahead(&mut self) -> bool {
        if !self.is_sending && self.inbox.len() == 0 {
            let _ = self.inbox.read(&mut self.connection).now_or_never();
        }
        !self.is_sending && self.inbox.len() != 0
    }

    /// Closes in order, and takes in what the client still sends, so that it gets to read what it was told: a
    /// close on unread bytes is a reset, which takes the answer with it.
    pub(super) async fn linger(&mut self) {
        let _ = self.connection.shutdown().await;
        let _ = timeout(Duration::from_millis(LINGER_MS), self.drain()).await;
    }

    /// Takes in what the client sends until it leaves.
    pub(super) async fn drain(&mut self) {
        let mut buffer = vec![0; DRAIN_BYTES];
        let mut n_bytes = 0;
        while n_bytes < LINGER_BYTES_MAX {
            match self.connection.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n_read) => n_bytes += n_read,
            }
        }
    }
}
