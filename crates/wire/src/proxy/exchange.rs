//! One request and its reply, on which the plan works its faults.

use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::Bytes;
use chaos::handling::Struck;
use chaos::plan::redirect;
use chaos::served::{keeps_connection, observation};
use chaos::{Action, Asked, End, Fate};
use classify::{Observation, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::client::Client;
use super::seen::{Origin, State};
use crate::inbox::{Head, Upload, body};

/// The size of a read from the upstream; plans do not depend on it.
const READ_BYTES: usize = 16 * 1024;

/// Large replies are written in pieces, so that there is a time to each.
const PIECE_BYTES: usize = 64 << 10;

/// A request is kept for the judge up to here, twice the largest of the catalogue. The upstream gets all of it.
const BODY_BYTES_KEPT: usize = 16 << 20;

/// One attempt being served.
pub(super) struct Exchange<'a> {
    pub(super) state: &'a State,
    pub(super) client: &'a mut Client,
    pub(super) origin: Origin,
    pub(super) connection: u32,
    /// Counts the requests of this connection from 1.
    pub(super) on_connection: u32,
    pub(super) number: u32,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    Close,
    /// Closed without a farewell.
    Cut,
    /// Our half is closed, and the client's outlives it.
    HalfClose,
    Keep,
    /// The client has left.
    Leave,
    Reset,
}

impl Exit {
    pub(super) fn end(self) -> End {
        match self {
            Self::Close | Self::Cut | Self::HalfClose => End::Closed,
            Self::Keep => End::Kept,
            Self::Leave => End::Left,
            Self::Reset => End::Reset,
        }
    }
}

impl Exchange<'_> {
    /// Carries one reply from the upstream to the client, as far as its fate lets it.
    pub(super) async fn run(&mut self, head: Head) -> Exit {
        match self.carry(head).await {
            Ok(()) => self.ended(),
            Err(exit) => exit,
        }
    }

    async fn carry(&mut self, head: Head) -> Result<(), Exit> {
        let mut upload = Upload::after(&head).map_err(|error| self.unreadable(&error))?;
        // No scenario has faults for an attempt of number 0.
        let attempt = if self.origin == Origin::First { self.number } else { 0 };
        let on_connection = self.on_connection;
        let asked = |request| Asked { attempt, on_connection, request };
        let until = self.state.book().plan.reads_only(asked(&head.request));
        let until = until.and_then(|n_bytes| n_bytes.try_into().ok()).unwrap_or(usize::MAX);
        self.upload(&mut upload, until).await?;
        let request = self.arrived(&upload);
        let (fate, actions) = self.state.book().plan.on_connect(asked(&request));
        self.obey(&fate, actions).await?;
        if fate.is_over() {
            return Ok(());
        }
        if !upload.is_whole() {
            self.upload(&mut upload, usize::MAX).await?;
            self.arrived(&upload);
        }
        match self.ask(&head, upload.bytes.into()).await {
            Ok(upstream) => self.relay(upstream, fate).await,
            Err(error) => {
                self.state.trouble(format!("cannot ask the upstream: {error}"));
                Err(Exit::Close)
            }
        }
    }

    /// Passes on what the upstream says, until it or the fate is at its end.
    async fn relay(&mut self, mut upstream: TcpStream, mut fate: Fate) -> Result<(), Exit> {
        let mut buffer = vec![0; READ_BYTES];
        while !fate.is_over() {
            let read = tokio::select! {
                read = upstream.read(&mut buffer) => read,
                () = self.client.left() => return Err(Exit::Leave),
            };
            let actions = match read {
                Ok(0) => break,
                Ok(n_bytes) => fate.on_bytes(&buffer[..n_bytes]),
                // The upstream's reset is the script's doing: the client gets the same.
                Err(_) => return Err(Exit::Reset),
            };
            self.obey(&fate, actions).await?;
        }
        if !fate.is_over() {
            let actions = fate.on_end();
            self.obey(&fate, actions).await?;
        }
        Ok(())
    }

    async fn upload(&mut self, upload: &mut Upload, n_bytes: usize) -> Result<(), Exit> {
        let read = self.client.upload(upload, n_bytes).await;
        read.map_err(|error| {
            self.arrived(upload);
            self.unreadable(&error)
        })
    }

    /// What becomes of a connection on which the rest of a request cannot be read.
    fn unreadable(&self, error: &io::Error) -> Exit {
        match error.kind() {
            ErrorKind::FileTooLarge => self.state.trouble(error.to_string()),
            ErrorKind::InvalidData | ErrorKind::TimedOut => {
                self.state.note(self.connection, &error.to_string());
            }
            _ => return Exit::Leave,
        }
        Exit::Close
    }

    /// Writes down what has arrived of the request.
    fn arrived(&self, upload: &Upload) -> Request {
        let kept = upload.bytes.len().min(BODY_BYTES_KEPT);
        let mut book = self.state.book();
        let attempt = book.attempt(self.origin, self.number);
        attempt.request.body = body(&upload.bytes[..kept]);
        attempt.body_cut = kept < upload.bytes.len() || !upload.is_whole();
        attempt.request.clone()
    }

    async fn ask(&self, head: &Head, body: Bytes) -> io::Result<TcpStream> {
        let address = self.state.upstream.ok_or_else(|| io::Error::other("there is none"))?;
        let mut upstream = TcpStream::connect(address).await?;
        upstream.set_nodelay(true)?;
        upstream.write_all(&for_upstream(head, body.len())).await?;
        upstream.write_all(&body).await?;
        Ok(upstream)
    }

    /// Does what the plan says, up to the end if there is one in it.
    async fn obey(&mut self, fate: &Fate, actions: Vec<Action>) -> Result<(), Exit> {
        self.state.book().plan.settle(fate);
        for action in actions {
            match action {
                Action::Close => return Err(Exit::Close),
                Action::Cut => return Err(Exit::Cut),
                Action::Delay { ms } => tokio::select! {
                    () = sleep(Duration::from_millis(ms)) => {}
                    () = self.client.left() => return Err(Exit::Leave),
                },
                Action::HalfClose => {
                    let _ = self.client.connection.shutdown().await;
                    return Err(Exit::HalfClose);
                }
                Action::Pass(bytes) => self.send(&bytes).await?,
                Action::Redirect { status, to } => {
                    let target = self.attempt(|attempt| attempt.request.target.clone());
                    let location = self.state.location(to, &target);
                    self.send(&redirect(status, &location)).await?;
                }
                Action::Reset => return Err(Exit::Reset),
                Action::Stall => {
                    self.client.left().await;
                    return Err(Exit::Leave);
                }
                Action::Strike { fault } => {
                    let at_ms = self.state.now_ms();
                    self.attempt(|attempt| attempt.struck.push(Struck { at_ms, fault }));
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Exit> {
        for piece in bytes.chunks(PIECE_BYTES) {
            if !self.client.is_ahead && self.client.has_sent_ahead() {
                self.client.is_ahead = !self.is_answered();
            }
            self.client.connection.send(piece).await.map_err(|_| Exit::Leave)?;
            self.state.sent(self.origin, self.number, piece);
        }
        Ok(())
    }

    /// Whether the client has been given a whole reply, whatever else comes.
    fn is_answered(&self) -> bool {
        let reply = self.attempt(|attempt| observation(&attempt.served, End::Unended));
        matches!(reply, Observation::Reply(_))
    }

    /// What becomes of the connection after a reply that was passed to its last byte.
    fn ended(&self) -> Exit {
        let kept =
            !self.client.is_sending && self.attempt(|attempt| keeps_connection(&attempt.served));
        if kept { Exit::Keep } else { Exit::Close }
    }

    fn attempt<R>(&self, on: impl FnOnce(&mut chaos::Attempt) -> R) -> R {
        on(self.state.book().attempt(self.origin, self.number))
    }
}

/// The head of the request with its `connection` header replaced, and a length.
fn for_upstream(head: &Head, body_bytes: usize) -> Vec<u8> {
    let line_end = head.raw.windows(2).position(|window| window == b"\r\n").unwrap_or_default();
    let mut request = head.raw[..line_end].to_vec();
    request.extend_from_slice(b"\r\n");
    let framing = ["connection", "content-length", "transfer-encoding"];
    for (name, value) in head.request.headers.iter() {
        if !framing.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
    }
    let framing = format!("connection: close\r\ncontent-length: {body_bytes}\r\n\r\n");
    request.extend_from_slice(framing.as_bytes());
    request
}
