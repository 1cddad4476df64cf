//! The client against bytes on a socket, with waits that are noted instead of waited.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod answers;
mod connection;
mod mutants;
mod server;
#[cfg(feature = "tls")]
mod tls;
