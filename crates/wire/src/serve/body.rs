//! Bodies: read to a limit, sent in pieces.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use classify::Body;
use hyper::body::{Frame, Incoming, SizeHint};
use mock::{Chunk, Trouble};
use tokio::time::{Sleep, sleep, timeout};

/// Reserved for a body that says how long it is; beyond it memory grows with what really comes.
const RESERVED_BYTES_MAX: u64 = 1 << 20;

/// What has come of a body.
pub(super) struct Arrived {
    /// All of it; if it is longer than permitted, as many filler bytes; if there is trouble, nothing.
    pub(super) body: Body,
    pub(super) trouble: Option<Trouble>,
    /// Whether the connection can carry another request.
    pub(super) is_whole: bool,
}

/// Reads a body, but no more than one byte over the limit, and no longer than that.
pub(super) async fn read(mut from: Incoming, bytes_max: u64, time_max: Duration) -> Arrived {
    use hyper::body::Body as _;
    if from.is_end_stream() {
        return Arrived { body: Body::Empty, trouble: None, is_whole: true };
    }
    // One that says so itself is not read at all: a client that asked first whether to send it need not.
    let announced = from.size_hint().lower();
    if announced > bytes_max {
        return too_long(announced);
    }
    match timeout(time_max, collect(&mut from, announced, bytes_max)).await {
        Ok(Ok(Some(body))) => Arrived { body, trouble: None, is_whole: true },
        Ok(Ok(None)) => too_long(bytes_max + 1),
        Ok(Err(_)) => troubled(Trouble::BodyBroken),
        Err(_) => troubled(Trouble::BodyTimedOut),
    }
}

/// The whole body; nothing if it is too long.
async fn collect(from: &mut Incoming, announced: u64, max: u64) -> hyper::Result<Option<Body>> {
    use hyper::body::Body as _;
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *from).poll_frame(cx)).await {
        // Trailers say nothing to this API.
        let Ok(data) = frame?.into_data() else { continue };
        if (first.len() + whole.len() + data.len()) as u64 > max {
            return Ok(None);
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.min(RESERVED_BYTES_MAX) as usize);
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    let bytes = if whole.is_empty() { first } else { whole.into() };
    Ok(Some(if bytes.is_empty() { Body::Empty } else { Body::Bytes(bytes) }))
}

fn too_long(bytes: u64) -> Arrived {
    let body = Body::Repeat {
        prefix: Bytes::new(),
        unit: Bytes::from_static(b" "),
        count: bytes,
        suffix: Bytes::new(),
    };
    Arrived { body, trouble: None, is_whole: false }
}

fn troubled(trouble: Trouble) -> Arrived {
    Arrived { body: Body::Empty, trouble: Some(trouble), is_whole: false }
}

/// The body of an answer: each piece is a write of its own, after its delay.
pub(super) struct Pieces {
    chunks: std::vec::IntoIter<Chunk>,
    /// Said in the head of a whole answer; a stream has none.
    length: Option<u64>,
    /// The piece that comes next, and what it waits for.
    next: Option<(Bytes, Wait)>,
    is_first: bool,
}

enum Wait {
    Nothing,
    /// Until hyper has written the piece before, which it does when there is nothing more to read.
    Flush,
    Sleep(Pin<Box<Sleep>>),
}

impl Pieces {
    pub(super) fn new(chunks: Vec<Chunk>, is_stream: bool) -> Self {
        let bytes: u64 = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
        let length = (!is_stream).then_some(bytes);
        Self { chunks: chunks.into_iter(), length, next: None, is_first: true }
    }

    fn draw(&mut self) -> Option<(Bytes, Wait)> {
        let chunk = self.chunks.next()?;
        let wait = match chunk.delay_ms {
            0 if self.is_first => Wait::Nothing,
            0 => Wait::Flush,
            ms => Wait::Sleep(Box::pin(sleep(Duration::from_millis(ms.into())))),
        };
        self.is_first = false;
        Some((chunk.bytes, wait))
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some((bytes, wait)) = self.next.take().or_else(|| self.draw()) else {
            return Poll::Ready(None);
        };
        match wait {
            Wait::Nothing => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Wait::Flush => {
                self.next = Some((bytes, Wait::Nothing));
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Wait::Sleep(mut sleep) => {
                if sleep.as_mut().poll(cx).is_pending() {
                    self.next = Some((bytes, Wait::Sleep(sleep)));
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.chunks.len() == 0
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
