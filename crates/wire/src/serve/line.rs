//! The connection under hyper: gives a refused head the envelope of the API, and closes without a reset.
//!
//! hyper refuses a head that it cannot parse by itself, with a status and no body, and asks nobody. Its answer is
//! recognised as it is written, by being empty, and replaced. Should hyper one day word it differently, clients get
//! the bare answer again; a test would show it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use classify::{Body, Headers, Request};
use mock::Trouble;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::Host;

/// How long a client may go on sending what nobody reads: time for the largest body that would be permitted.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);

/// A read of what is thrown away.
const DISCARDED_BYTES: usize = 16 * 1024;

/// hyper's own answers are shorter, and longer ones are not looked at.
const REFUSAL_BYTES_MAX: usize = 256;

pub(super) struct Line {
    stream: TcpStream,
    host: Arc<Host>,
    /// What is sent in place of hyper's refusal.
    instead: Bytes,
    closing: Option<Pin<Box<Sleep>>>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, host: Arc<Host>) -> Self {
        Self { stream, host, instead: Bytes::new(), closing: None }
    }

    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.instead))?;
            self.instead.advance(count);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until the client closes or the time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(LINGER_TIME_MAX)));
        if closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut discarded = [0; DISCARDED_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(trouble) = refusal(bytes) {
            self.instead = answer(&self.host, trouble);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            [only] => self.poll_write(cx, only),
            slices => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(self.poll_instead(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_linger(cx).map(Ok)
    }
}

/// What hyper refuses with these bytes, if they are a refusal of its own: no answer of the mock is empty.
fn refusal(bytes: &[u8]) -> Option<Trouble> {
    if bytes.len() > REFUSAL_BYTES_MAX || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = str::from_utf8(bytes).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let is_empty = head.contains("\r\ncontent-length: 0\r\n");
    match status {
        "400" if is_empty => Some(Trouble::HeadMalformed),
        "414" if is_empty => Some(Trouble::TargetTooLong),
        "431" if is_empty => Some(Trouble::HeadTooLarge),
        _ => None,
    }
}

fn answer(host: &Host, trouble: Trouble) -> Bytes {
    let unread = Request {
        method: "".into(),
        target: "".into(),
        headers: Headers::default(),
        body: Body::Empty,
    };
    let answer = host.answer(&unread, Some(trouble));
    let reply = answer.into_reply();
    let reason = hyper::StatusCode::from_u16(reply.status).ok();
    let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", reply.status);
    for (name, value) in reply.headers.iter() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", reply.body.len()));
    [head.as_bytes(), &reply.body].concat().into()
}
