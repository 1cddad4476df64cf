//! Stands for `tls` in a build without that feature: the same names, of which nothing can be made.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use tokio::net::TcpStream;

use crate::connection::Connection;

/// Who a client would meet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    Trusted,
    Untrusted,
    WrongName,
}

/// An authority that nobody can found.
pub struct Authority(Infallible);

impl Authority {
    pub fn generate() -> io::Result<Self> {
        let reason = "this build does not speak TLS: build it with the feature `tls`";
        Err(io::Error::new(io::ErrorKind::Unsupported, reason))
    }

    pub fn ca_pem(&self) -> &str {
        match self.0 {}
    }

    pub fn write_ca(&self, _folder: &Path) -> io::Result<PathBuf> {
        match self.0 {}
    }
}

/// Shakes hands with nobody.
pub async fn accept(
    authority: &Authority,
    _peer: Peer,
    _socket: TcpStream,
) -> io::Result<Connection> {
    match authority.0 {}
}
