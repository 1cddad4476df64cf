//! The address that the client is given, and what becomes of connections before any request.

use serde::{Deserialize, Serialize};

use super::Span;

/// Where the client connects to, and what it meets there.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Connect {
    /// What meets these connections in place of a server.
    pub door: Option<Door>,
    /// The connections that `door` is about, counted from 1; without it all are.
    pub connections: Option<Span>,
    #[serde(skip_serializing_if = "super::is_default")]
    pub host: Host,
    /// What the server does to a connection that rests after a reply.
    pub idle: Option<Idle>,
    /// The path of the base address, such as `/p/x/`.
    #[serde(skip_serializing_if = "super::is_default")]
    pub path: String,
    /// TLS, with this certificate; without it HTTP is spoken in the clear.
    pub tls: Option<Tls>,
}

/// What stands where a server should.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// The kernel takes the connection, or not even that, and nobody ever serves it.
    Blackhole,
    /// An HTTP/1.1 400 in the clear, whatever the client says: what a web server says to TLS.
    Plaintext,
    /// Nothing listens.
    Refuse,
    /// The connection is taken and reset before a byte was read.
    Reset,
    /// The connection is taken, and not a byte is ever read or sent.
    Silent,
}

/// The name in the address.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Host {
    /// `localhost`, where ::1 refuses and 127.0.0.1 serves.
    Localhost,
    #[default]
    Loopback,
    /// A name that no resolver knows.
    Nowhere,
}

/// What the server does to a connection that waits for its next request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Idle {
    pub after_ms: u64,
    pub then: Parting,
}

/// The end of an idle connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parting {
    Close,
    /// A 408 that nobody asked for, then a close.
    RequestTimeout,
    Reset,
}

/// Whose certificate the server shows. Clients are told to trust the harness's own authority.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// One for this host, from the trusted authority.
    Trusted,
    /// One for this host, from nobody.
    Untrusted,
    /// One for another host, from the trusted authority.
    WrongName,
}
