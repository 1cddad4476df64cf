//! HTTP without a transport: requests and replies as plain values.
//!
//! Requests may be wrong on purpose (a space inside a credential, a method no operation has, a body that is
//! not UTF-8), so nothing here validates. The price is that a sender must be ready to refuse what cannot be
//! put on the wire; it then reports [`Observation::Unsendable`](crate::Observation).

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

/// Stands for the caller's credential inside a header value.
///
/// Cases never hold a secret: the sender puts the real key in its place at the last moment, and everything
/// that prints a request prints this text instead.
pub const KEY_PLACEHOLDER: &str = "$ANTHROPIC_API_KEY";

/// One request: a method, a target (path and query, as on the request line), headers in order, a body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Request {
    pub method: Cow<'static, str>,
    pub target: Cow<'static, str>,
    pub headers: Headers,
    pub body: Body,
}

impl Request {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    /// The query without its question mark; empty if there is none.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// One complete or partial answer. `body` is what arrived, already de-chunked, not decompressed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Headers,
    pub body: Bytes,
}

/// Header fields in the order they were written; names compare without regard to case.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Headers(pub Vec<(Cow<'static, str>, Cow<'static, str>)>);

impl Headers {
    /// The value of the first field of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    /// The values of all fields of that name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| &**v)
    }

    /// Adds a field at the end, whether or not one of that name exists.
    pub fn push(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) {
        self.0.push((name.into(), value.into()));
    }

    /// Replaces all fields of that name by one.
    pub fn replace(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) {
        let name = name.into();
        self.remove(&name);
        self.0.push((name, value.into()));
    }

    /// Removes all fields of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }
}

/// Names only: a value may be a credential, and debug output ends up in logs.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A request body. Bodies over 1 MB are a [`Body::Repeat`], so that a corpus of them stays small in memory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Body {
    #[default]
    Empty,
    Bytes(Bytes),
    /// `prefix`, then `unit` `count` times, then `suffix`: written to the wire in pieces.
    Repeat {
        prefix: Bytes,
        unit: Bytes,
        count: u64,
        suffix: Bytes,
    },
}

impl Body {
    /// Length in bytes once written out.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Repeat { prefix, unit, count, suffix } => {
                prefix.len() as u64 + unit.len() as u64 * count + suffix.len() as u64
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole body in one buffer. Costs a copy for `Repeat`; free otherwise.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Repeat { .. } => {
                let mut whole = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
                for piece in self.pieces() {
                    whole.extend_from_slice(&piece);
                }
                whole.into()
            }
        }
    }

    /// The body in pieces of at least `PIECE_BYTES_MIN` where it is that long; never the whole of a `Repeat`.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> + Send + 'static {
        /// Large enough that a system call per piece costs nothing, small enough to keep memory flat.
        const PIECE_BYTES_MIN: usize = 64 * 1024;
        let (prefix, unit, count, suffix) = match self.clone() {
            Self::Empty => (Bytes::new(), Bytes::new(), 0, Bytes::new()),
            Self::Bytes(bytes) => (bytes, Bytes::new(), 0, Bytes::new()),
            Self::Repeat { prefix, unit, count, suffix } => (prefix, unit, count, suffix),
        };
        let per_piece = (PIECE_BYTES_MIN / unit.len().max(1)).max(1) as u64;
        let block: Bytes = unit.repeat(per_piece.min(count) as usize).into();
        let (blocks, rest) =
            if count == 0 { (0, 0) } else { (count / per_piece, count % per_piece) };
        let tail = block.slice(..unit.len() * rest as usize);
        std::iter::once(prefix)
            .chain((0..blocks).map(move |_| block.clone()))
            .chain([tail, suffix])
            .filter(|piece| !piece.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prefix: &str, unit: &str, count: u64, suffix: &str) {
        let (own, bytes) = (|s: &str| s.to_owned().into(), |s: &str| Bytes::from(s.to_owned()));
        let body =
            Body::Repeat { prefix: own(prefix), unit: own(unit), count, suffix: own(suffix) };
        let whole = format!("{prefix}{}{suffix}", unit.repeat(count as usize));
        assert_eq!(body.len(), whole.len() as u64);
        assert_eq!(body.to_bytes(), bytes(&whole));
    }

    #[test]
    fn a_repeat_writes_out_in_full() {
        check("[", "1,", 0, "]");
        check("[", "1,", 1, "1]");
        check("", "x", 200_001, "");
        check("{", "0123456789", 65_536, "}");
        check("{", "", 3, "}");
    }

    #[test]
    fn a_header_value_does_not_reach_debug_output() {
        let mut headers = Headers::default();
        headers.push("x-api-key", "sk-ant-api03-canary");
        assert_eq!(format!("{headers:?}"), "[\"x-api-key\"]");
    }
}
