//! The reference client of the Messages API: the default subject on trial.
//!
//! Reading order: [`client`] makes the calls, [`retry`] is the pure decision between two attempts, [`error`]
//! says whose fault it was, [`wait`] is where time and chance come from, [`key`] the credential that nothing
//! prints.
//!
//! It knows nothing of the harness that tries it, its stream decoder included, so that the two cannot share a
//! mistake. It speaks plain HTTP only; TLS would be a feature of its `reqwest` and nothing else.

pub mod client;
pub mod error;
pub mod key;
mod message;
pub mod retry;
mod stream;
pub mod wait;

pub use client::Client;
pub use error::{ApiError, Error};
pub use key::Key;
pub use message::Message;
pub use retry::Policy;
pub use wait::{RealTime, Wait};
