//! Stands for `trust` in a build without the feature `tls`: the same names, of which nothing can be made.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;

use tokio::net::TcpStream;

/// Trust that nobody has.
#[derive(Clone)]
pub(crate) struct Trust(Infallible);

impl Trust {
    pub(crate) fn new(_ca_pem: Option<&str>) -> Result<Self, String> {
        Err("this build does not speak TLS: build it with the feature `tls`".to_owned())
    }

    pub(crate) async fn connect(&self, _host: &str, _socket: TcpStream) -> io::Result<TcpStream> {
        match self.0 {}
    }
}

/// TLS is never the reason.
pub(crate) fn refusal(_error: &(dyn StdError + 'static)) -> Option<String> {
    None
}
