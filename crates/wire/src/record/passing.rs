//! An exchange on its way through: the answer's body, and what is written down when it is dropped.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use classify::{Body, CutKind, Reply, Request};
use futures::stream::{BoxStream, StreamExt as _};
use hyper::body::{Frame, SizeHint};
use hyper::http::request::Parts;
use tokio::time::{Instant, Sleep};

use super::exchange::{Answered, Asked, Chunk, End, Exchange};
use super::secrets::Secrets;
use super::{Desk, Keep, SILENCE_TIME_MAX, lock, rfc3339, values};
use crate::send;

/// The largest request that the API takes. Longer bodies pass through, and the rest of them is not kept.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// All bodies in flight together: a machine that records has this much to spare.
const HELD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// More chunks than the longest stream has events; what comes then is one chunk for the record.
const CHUNKS_MAX: usize = 200_000;

/// A body on its way to the client.
pub(super) enum Passing {
    Own(Option<Bytes>),
    Through {
        pieces: BoxStream<'static, reqwest::Result<Bytes>>,
        length: Option<u64>,
        /// Ends a body whose next piece does not come.
        silence: Pin<Box<Sleep>>,
        tab: Box<Tab>,
    },
}

impl hyper::body::Body for Passing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let (pieces, silence, tab) = match &mut *self {
            Self::Own(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Through { pieces, silence, tab, .. } => (pieces, silence, tab),
        };
        match pieces.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                tab.piece(&piece);
                silence.as_mut().reset(Instant::now() + SILENCE_TIME_MAX);
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Poll::Ready(Some(Err(error))) => {
                tab.end = End::Lost(send::kind(&error));
                Poll::Ready(Some(Err(io::Error::other("the target broke off"))))
            }
            Poll::Ready(None) => {
                tab.end = End::Complete;
                Poll::Ready(None)
            }
            Poll::Pending => match silence.as_mut().poll(cx) {
                Poll::Ready(()) => {
                    tab.end = End::Lost(CutKind::TimedOut);
                    Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Self::Through { length: Some(length), tab, .. } => {
                SizeHint::with_exact(length.saturating_sub(tab.got.bytes))
            }
            Self::Through { .. } => SizeHint::default(),
        }
    }
}

/// An exchange while it runs. Its drop is its end.
pub(super) struct Tab {
    keep: Keep,
    is_over: Arc<AtomicBool>,
    started: Instant,
    began: SystemTime,
    request: Request,
    sent: Arc<Mutex<Held>>,
    pub(super) reply: Option<Reply>,
    got: Held,
    chunks: Vec<Chunk>,
    /// Until something else is known it was the client who left.
    pub(super) end: End,
}

impl Tab {
    pub(super) fn open(desk: &Desk, head: &Parts, sent: Arc<Mutex<Held>>) -> Self {
        let target = head.uri.path_and_query().map_or("*", |target| target.as_str()).to_owned();
        let request = Request {
            method: head.method.as_str().to_owned().into(),
            target: target.into(),
            headers: values(&head.headers),
            body: Body::Empty,
        };
        Self {
            keep: Arc::clone(&desk.keep),
            is_over: Arc::clone(&desk.is_over),
            started: Instant::now(),
            began: SystemTime::now(),
            request,
            sent,
            reply: None,
            got: Held::new(&desk.held),
            chunks: Vec::new(),
            end: End::ClientLeft,
        }
    }

    fn piece(&mut self, piece: &Bytes) {
        self.got.push(piece);
        let at_ms = elapsed_ms(self.started);
        let is_full = self.chunks.len() == CHUNKS_MAX;
        match self.chunks.last_mut() {
            Some(last) if is_full => last.bytes += piece.len(),
            _ => self.chunks.push(Chunk { at_ms, bytes: piece.len() }),
        }
        // hyper stops asking once it has as much as the length said.
        let announced = self.reply.as_ref().and_then(|reply| reply.headers.get("content-length"));
        if announced.and_then(|length| length.parse().ok()) == Some(self.got.bytes) {
            self.end = End::Complete;
        }
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        let mut secrets = Secrets::of(&self.request.headers, &self.request.target);
        if let Some(reply) = &self.reply {
            secrets = secrets.and(&reply.headers, "");
        }
        let sent = lock(&self.sent);
        let chunks = std::mem::take(&mut self.chunks);
        let answer = self.reply.take().map(|reply| {
            let body = std::mem::take(&mut self.got.kept).into();
            let is_over = self.end == End::Complete;
            Answered::of(&Reply { body, ..reply }, is_over, self.got.bytes, chunks, &secrets)
        });
        let is_cut_off = self.end == End::ClientLeft && self.is_over.load(Ordering::Relaxed);
        (self.keep)(&Exchange {
            started: rfc3339(self.began),
            elapsed_ms: elapsed_ms(self.started),
            request: Asked::of(&self.request, &sent.kept, sent.is_whole(), sent.bytes, &secrets),
            answer,
            end: if is_cut_off { End::Interrupted } else { self.end },
        });
    }
}

/// What is kept of a body.
pub(super) struct Held {
    kept: Vec<u8>,
    /// How long the body is, kept or not.
    bytes: u64,
    /// Whether nothing more can come.
    pub(super) is_over: bool,
    all: Arc<AtomicUsize>,
    reserved: usize,
}

impl Held {
    pub(super) fn new(all: &Arc<AtomicUsize>) -> Self {
        Self { kept: Vec::new(), bytes: 0, is_over: false, all: Arc::clone(all), reserved: 0 }
    }

    fn is_whole(&self) -> bool {
        self.is_over && self.kept.len() as u64 == self.bytes
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        let is_kept = self.kept.len() as u64 == self.bytes;
        self.bytes += piece.len() as u64;
        if !is_kept || self.kept.len() + piece.len() > BODY_BYTES_MAX {
            return;
        }
        if self.all.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() > HELD_BYTES_MAX {
            self.all.fetch_sub(piece.len(), Ordering::Relaxed);
            return;
        }
        self.reserved += piece.len();
        self.kept.extend_from_slice(piece);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
