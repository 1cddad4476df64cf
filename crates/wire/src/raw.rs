//! Sends a request byte for byte as it says, however odd, over a connection of its own.
//!
//! An ordinary client refuses, normalises or repairs much of what this project must try: `//v1/messages`, a
//! credential with two spaces, a header twice, a body of 40 MB that must not be held in memory. The head is
//! written exactly as given; only what HTTP cannot do without is added (`host`, a length, `connection:
//! close`), and only where the request is silent. The price is a new connection for each request.
//!
//! A request that names its own `transfer-encoding` brings a body already encoded that way.

mod reply;

use std::io::ErrorKind;

use classify::{Body, Cut, CutKind, Observation, Request};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::reply::Incoming;
pub(crate) use self::reply::REPLY_BYTES_MAX;
use crate::target::Target;
use crate::trust;

/// Bodies beyond this go out in pieces; an ordinary client would want them in one buffer.
pub const HEAVY_BODY_BYTES: u64 = 1024 * 1024;

/// One read of an answer: most answers fit.
const READ_BYTES: usize = 16 * 1024;

/// Whether an ordinary client would refuse, change or reorder the request. In doubt it would.
pub fn needs_raw(request: &Request) -> bool {
    let body = request.body.len();
    let fits_method = match &*request.method {
        "GET" => body == 0,
        "POST" | "DELETE" => body <= HEAVY_BODY_BYTES,
        _ => false,
    };
    !(fits_method && is_plain_target(&request.target) && has_plain_headers(request))
}

/// Sends the request by `deadline`. Never an error: what went wrong is the observation.
pub async fn send_raw(target: &Target, request: &Request, deadline: Instant) -> Observation {
    let head = match head(target, request) {
        Ok(head) => head,
        Err(reason) => return Observation::Unsendable(reason),
    };
    let connect = TcpStream::connect(target.addresses());
    let stream = match tokio::time::timeout_at(deadline, connect).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return unconnected(error.kind()),
        Err(_) => return cut(CutKind::TimedOut, None),
    };
    // Small pieces must leave when they are written; without this a test of timing tests Nagle.
    let _best_effort = stream.set_nodelay(true);
    let Some(trust) = target.trust() else {
        return exchange(stream, head, request, deadline).await;
    };
    match tokio::time::timeout_at(deadline, trust.connect(&target.host(), stream)).await {
        Ok(Ok(stream)) => exchange(stream, head, request, deadline).await,
        Ok(Err(error)) => match trust::refusal(&error) {
            Some(why) => Observation::Unsendable(why),
            None => cut(cut_kind(error.kind()), None),
        },
        Err(_) => cut(CutKind::TimedOut, None),
    }
}

/// One request and its answer over an open connection.
async fn exchange<S>(stream: S, head: Vec<u8>, request: &Request, deadline: Instant) -> Observation
where
    S: AsyncRead + AsyncWrite,
{
    let (mut from, to) = tokio::io::split(stream);
    let mut incoming = Incoming::new(request.method == "HEAD");
    let both = async {
        // Reading must go on while the body is written: a server that refuses a body early answers, and then
        // stops reading. The answer ends the upload.
        tokio::select! {
            end = read(&mut from, &mut incoming) => end,
            never = write(to, head, &request.body) => match never {},
        }
    };
    let end = tokio::time::timeout_at(deadline, both).await.unwrap_or(Err(CutKind::TimedOut));
    match (end, incoming.into_reply()) {
        (Ok(()), Some(reply)) => Observation::Reply(reply),
        (Ok(()), None) => cut(CutKind::Closed, None),
        (Err(kind), partial) => cut(kind, partial),
    }
}

/// What a failed read or write says about the other side.
pub(crate) fn cut_kind(error: ErrorKind) -> CutKind {
    match error {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            CutKind::Reset
        }
        ErrorKind::TimedOut => CutKind::TimedOut,
        ErrorKind::InvalidData | ErrorKind::InvalidInput => CutKind::BadFraming,
        _ => CutKind::Closed,
    }
}

/// What a failed connection says. Only some failures are about the target: when this machine runs out of
/// ports or files nothing was tried, and the case stays open.
pub(crate) fn unconnected(error: ErrorKind) -> Observation {
    match error {
        ErrorKind::TimedOut => cut(CutKind::TimedOut, None),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => cut(CutKind::Reset, None),
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NotFound => cut(CutKind::Refused, None),
        other => Observation::Unsendable(format!("no connection could be opened: {other}")),
    }
}

pub(crate) fn cut(kind: CutKind, partial: Option<classify::Reply>) -> Observation {
    Observation::Cut(Cut { kind, partial })
}

async fn read(from: &mut (impl AsyncRead + Unpin), incoming: &mut Incoming) -> Result<(), CutKind> {
    let mut buffer = vec![0; READ_BYTES];
    // Ends with the answer or the stream; the caller's deadline bounds the wait, `Incoming` the size.
    loop {
        match from.read(&mut buffer).await {
            Ok(0) if incoming.ends_at_close() => return Ok(()),
            Ok(0) => return Err(CutKind::Closed),
            Ok(count) if incoming.feed(&buffer[..count])? => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(cut_kind(error.kind())),
        }
    }
}

/// Writes what it can and then waits: a lost connection is for the reader to report, who may still find the
/// answer that explains it. The writing half stays open, because closing it reads as giving up.
async fn write(
    mut to: impl AsyncWrite + Unpin,
    head: Vec<u8>,
    body: &Body,
) -> std::convert::Infallible {
    let written = async {
        to.write_all(&head).await?;
        for piece in body.pieces() {
            to.write_all(&piece).await?;
        }
        to.flush().await
    };
    let _reported_by_reader: std::io::Result<()> = written.await;
    std::future::pending().await
}

/// The request line and the fields; an error says why they cannot be written.
fn head(target: &Target, request: &Request) -> Result<Vec<u8>, String> {
    let mut head = format!("{} {}{} HTTP/1.1\r\n", request.method, target.prefix(), request.target);
    if has_line_break(&request.method) || has_line_break(&request.target) {
        return Err("the request line has a line break in it".to_owned());
    }
    let mut field = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    };
    let given = &request.headers;
    if given.get("host").is_none() {
        field("host", target.authority());
    }
    for (name, value) in given.iter() {
        let filled = target.key.fill(value);
        if has_line_break(name) || has_line_break(&filled) {
            return Err(format!("header `{}` has a line break in it", name.escape_debug()));
        }
        field(name, &filled);
    }
    let framed = ["content-length", "transfer-encoding"].iter().any(|n| given.get(n).is_some());
    let bodyless = matches!(&*request.method, "GET" | "HEAD" | "DELETE" | "OPTIONS" | "TRACE");
    let implied = bodyless && request.body.is_empty();
    if !(framed || implied) {
        field("content-length", &request.body.len().to_string());
    }
    if given.get("connection").is_none() {
        field("connection", "close");
    }
    head.push_str("\r\n");
    Ok(head.into_bytes())
}

fn has_line_break(text: &str) -> bool {
    text.contains(['\r', '\n'])
}

fn is_plain_target(target: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/?=&%,:@".contains(&b);
    let path = target.split('?').next().unwrap_or_default();
    target.starts_with('/')
        && target.bytes().all(plain)
        && !path.contains("//")
        && !path.contains("/.")
        && !path.contains('%')
}

fn has_plain_headers(request: &Request) -> bool {
    /// The client writes these itself.
    const OWN: [&str; 7] =
        ["connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"];
    let headers = &request.headers;
    headers.iter().all(|(name, value)| {
        let token = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !name.is_empty()
            && name.bytes().all(token)
            && !OWN.contains(&name)
            && headers.all(name).nth(1).is_none()
            && !value.is_empty()
            && value.trim() == value
            && !value.contains("  ")
            && value.bytes().all(|b| matches!(b, b' '..=b'~'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use classify::Headers;

    fn check(
        method: &'static str,
        target: &'static str,
        headers: &[(&'static str, &'static str)],
        raw: bool,
    ) {
        let mut fields = Headers::default();
        for (name, value) in headers {
            fields.push(*name, *value);
        }
        let body = if method == "POST" { Body::Bytes("{}".into()) } else { Body::Empty };
        let (method, target) = (method.into(), target.into());
        let request = Request { method, target, headers: fields, body };
        assert_eq!(needs_raw(&request), raw, "{} {}", request.method, request.target);
    }

    #[test]
    fn an_ordinary_client_may_send_only_what_it_leaves_alone() {
        check("POST", "/v1/messages", &[("x-api-key", "$ANTHROPIC_API_KEY")], false);
        check("POST", "/v1/messages?beta=true", &[("content-type", "application/json")], false);
        check("GET", "/v1/models?limit=20&after_id=claude-opus-4-1", &[], false);
        check("DELETE", "/v1/messages/batches/msgbatch_01", &[], false);
        check("POST", "/v1/messages", &[], false);
        check("PUT", "/v1/messages", &[], true);
        check("post", "/v1/messages", &[], true);
        check("POST", "//v1/messages", &[], true);
        check("POST", "/v1/../v1/messages", &[], true);
        check("POST", "/v1/messages#x", &[], true);
        check("POST", "/v1/mess ages", &[], true);
        check("POST", "/v1/%2e%2e/messages", &[], true);
        check("POST", "v1/messages", &[], true);
        check("POST", "/v1/messages", &[("X-Api-Key", "k")], true);
        check("POST", "/v1/messages", &[("x-api-key", "")], true);
        check("POST", "/v1/messages", &[("x-api-key", " k")], true);
        check("POST", "/v1/messages", &[("authorization", "Bearer  k")], true);
        check("POST", "/v1/messages", &[("x-api-key", "k\u{e9}")], true);
        check("POST", "/v1/messages", &[("x-api-key", "k"), ("x-api-key", "k")], true);
        check("POST", "/v1/messages", &[("content-length", "2")], true);
        check("POST", "/v1/messages", &[("host", "example.com")], true);
    }
}
