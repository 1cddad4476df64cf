//! What arrives where we listen: connections, and the requests on them.
//!
//! A request is read only as far as its end has to be found, by a reader that takes what clients get wrong as
//! it comes: the raw head is kept for whoever judges it. The price is an HTTP/1.1 reader of our own, which no
//! client shares.

use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use classify::{Body, Headers, Request};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Room for forty clients with their retries, or for two hundred streams that were walked away from, and few
/// enough to stop a storm.
pub(crate) const CONNECTIONS_MAX: u32 = 512;

/// Twice what the API itself takes, so that what is too large for it is read to its end.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// Four times what servers of note take for a head.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// A request that has begun arrives at once on loopback; past this its sender has stalled.
const REQUEST_MS_MAX: u64 = 10_000;

/// The usual size of a read: a request fits into one.
const READ_BYTES: usize = 16 * 1024;

/// A record of TLS starts with it where a handshake does, and no request of HTTP/1.1 can.
const HANDSHAKE: u8 = 0x16;

/// Hands this many connections, numbered from 1, to tasks of their own.
pub(crate) async fn accept<F, Fut>(
    listener: &TcpListener,
    n_connections: u32,
    tasks: &mut JoinSet<()>,
    mut serve: F,
) where
    F: FnMut(TcpStream, u32) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    for number in 1..=n_connections {
        // An accept fails where a client left at once: the next one is none the worse.
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Without it a small write waits for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        tasks.spawn(serve(stream, number));
    }
}

/// What has arrived on a connection and was not yet asked for.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: BytesMut,
}

/// The head of a request, as values and as it stood on the wire.
pub(crate) struct Head {
    pub(crate) request: Request,
    pub(crate) raw: Vec<u8>,
}

impl Head {
    pub(crate) fn announces_close(&self) -> bool {
        self.request
            .headers
            .get("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Dropping an unfinished read of an inbox loses nothing.
impl Inbox {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The next request's head, or nothing if the client closed instead.
    pub(crate) async fn head<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
    ) -> io::Result<Option<Head>> {
        loop {
            if self.bytes.first() == Some(&HANDSHAKE) {
                return Err(bad("a handshake of TLS where HTTP is spoken in the clear"));
            }
            if let Some(end) = find(&self.bytes, b"\r\n\r\n") {
                let raw = self.bytes.split_to(end + 4).to_vec();
                let request = read_head(&raw).ok_or_else(|| bad("the request is not HTTP/1"))?;
                return Ok(Some(Head { request, raw }));
            }
            if HEAD_BYTES_MAX < self.bytes.len() {
                return Err(bad("the head of the request has no end"));
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

    /// The whole body that follows this head.
    pub(crate) async fn body<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        head: &Head,
    ) -> io::Result<Body> {
        let mut upload = Upload::after(head)?;
        upload.read(self, stream, usize::MAX).await?;
        Ok(body(&upload.bytes))
    }

    async fn read_soon<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<bool> {
        let limit = Duration::from_millis(REQUEST_MS_MAX);
        timeout(limit, self.read(stream)).await.map_err(|_| ErrorKind::TimedOut)?
    }

    /// Takes in what comes next; false at the end.
    pub(crate) async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<bool> {
        self.bytes.reserve(READ_BYTES);
        Ok(stream.read_buf(&mut self.bytes).await? != 0)
    }
}

/// The body of a request on its way in.
pub(crate) struct Upload {
    /// What has arrived of it, without its framing.
    pub(crate) bytes: Vec<u8>,
    coming: Coming,
}

/// What the next bytes are.
#[derive(Clone, Copy)]
enum Coming {
    ChunkData(usize),
    ChunkEnd,
    ChunkSize,
    /// As the head announced.
    Data(usize),
    Nothing,
    Trailer,
}

impl Upload {
    pub(crate) fn after(head: &Head) -> io::Result<Self> {
        let headers = &head.request.headers;
        let chunked = |value: &str| value.eq_ignore_ascii_case("chunked");
        let coming = if headers.get("transfer-encoding").is_some_and(chunked) {
            Coming::ChunkSize
        } else {
            let length = headers.get("content-length").map_or(Ok(0), str::parse);
            Coming::Data(length.map_err(|_| bad("the request's content-length is no number"))?)
        };
        Ok(Self { bytes: vec![], coming })
    }

    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.coming, Coming::Nothing | Coming::Data(0))
    }

    /// Reads on until so many bytes of the body have arrived, or all of it.
    pub(crate) async fn read<S: AsyncRead + Unpin>(
        &mut self,
        inbox: &mut Inbox,
        stream: &mut S,
        n_bytes: usize,
    ) -> io::Result<()> {
        loop {
            self.take(&mut inbox.bytes, n_bytes)?;
            if self.is_whole() || n_bytes <= self.bytes.len() {
                return Ok(());
            }
            if REQUEST_BYTES_MAX < self.bytes.len() {
                let reason = "the request is larger than a trial's may be";
                return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
            }
            if !inbox.read_soon(stream).await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self, from: &mut BytesMut, n_bytes: usize) -> io::Result<()> {
        while let Some(coming) = self.step(from, n_bytes)? {
            self.coming = coming;
        }
        Ok(())
    }

    /// What comes next, if there was anything to take.
    fn step(&mut self, from: &mut BytesMut, n_bytes: usize) -> io::Result<Option<Coming>> {
        match self.coming {
            Coming::Nothing | Coming::Data(0) => Ok(None),
            Coming::ChunkData(0) => Ok(Some(Coming::ChunkEnd)),
            Coming::ChunkData(left) => Ok(self.data(from, left, n_bytes).map(Coming::ChunkData)),
            Coming::Data(left) => Ok(self.data(from, left, n_bytes).map(Coming::Data)),
            Coming::ChunkEnd | Coming::ChunkSize | Coming::Trailer => {
                let line = line(from)?;
                line.map(|line| self.coming.after(&line)).transpose()
            }
        }
    }

    /// Takes in data; gives how much of it is still to come, if there was any.
    fn data(&mut self, from: &mut BytesMut, left: usize, n_bytes: usize) -> Option<usize> {
        let n_taken = left.min(from.len()).min(n_bytes.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&from[..n_taken]);
        from.advance(n_taken);
        (n_taken != 0).then(|| left - n_taken)
    }
}

impl Coming {
    /// What comes after this line of a chunked body.
    fn after(self, line: &[u8]) -> io::Result<Self> {
        let size = || {
            let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
            usize::from_str_radix(std::str::from_utf8(digits).ok()?.trim(), 16).ok()
        };
        match (self, line.is_empty()) {
            (Self::ChunkEnd, true) => Ok(Self::ChunkSize),
            (Self::ChunkSize, false) => match size() {
                Some(0) => Ok(Self::Trailer),
                Some(size) => Ok(Self::ChunkData(size)),
                None => Err(bad("the request's chunks contradict themselves")),
            },
            (Self::Trailer, true) => Ok(Self::Nothing),
            (Self::Trailer, false) => Ok(self),
            _ => Err(bad("the request's chunks contradict themselves")),
        }
    }
}

pub(crate) fn body(bytes: &[u8]) -> Body {
    if bytes.is_empty() { Body::Empty } else { Body::Bytes(bytes.to_vec().into()) }
}

/// The next line without its end, if all of it is here.
fn line(from: &mut BytesMut) -> io::Result<Option<BytesMut>> {
    let Some(end) = find(from, b"\r\n") else {
        let endless = HEAD_BYTES_MAX < from.len();
        return if endless { Err(bad("a line of the request has no end")) } else { Ok(None) };
    };
    let line = from.split_to(end);
    from.advance(2);
    Ok(Some(line))
}

/// Only the request line has to be right. A line without a colon is no header; it stays in the raw head.
fn read_head(raw: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(raw);
    let mut lines = text.trim_end().split("\r\n");
    let mut request_line = lines.next()?.split(' ');
    let (method, target) = (request_line.next()?.to_owned(), request_line.next()?.to_owned());
    if !request_line.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let mut headers = Headers::default();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        headers.push(name.to_owned(), value.trim().to_owned());
    }
    Some(Request { method: method.into(), target: target.into(), headers, body: Body::Empty })
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
