//! Everything that touches a socket. Each file is a loop around a call of a pure crate; how a verdict is
//! reached is not known here.
//!
//! | question | module |
//! |---|---|
//! | where do requests go, and with which key? | [`target`] |
//! | how is one request sent? | [`send`], and byte for byte [`raw`] |
//! | how is a corpus sent? | [`replay`] |
//! | what is kept of it? | [`journal`] |
//! | what is kept of the traffic of others? | [`record`] |
//! | who answers when no server is given? | [`server`] |
//! | who answers clients in any language? | [`serve`] |
//! | who answers by the script of a scenario? | [`script`] |
//! | who carries out faults? | [`proxy`] |
//! | how does a connection end? | [`connection`] |
//! | how is a client put on trial? | [`trial`] |
//! | how is a client in any language? | [`driver`] |
//!
//! Nothing here returns an error for what a peer did: that is an observation.

pub mod connection;
pub mod driver;
mod inbox;
pub mod journal;
pub mod proxy;
pub mod raw;
pub mod record;
pub mod replay;
pub mod script;
pub mod send;
pub mod serve;
pub mod server;
pub mod target;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls_missing.rs"]
pub mod tls;
pub mod trial;
#[cfg(feature = "tls")]
mod trust;
#[cfg(not(feature = "tls"))]
#[path = "trust_missing.rs"]
mod trust;
mod written;
