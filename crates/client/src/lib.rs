//! The reference client of the Messages API: the default subject on trial.
//!
//! Reading order: [`client`] makes the calls; `request` is what an attempt sends, `answer` how its reply is read,
//! with `sse` and `stream` for those that come piece by piece; [`retry`] is the pure decision between two
//! attempts, over the plain data of [`policy`]; [`error`] says whose fault it was; [`wait`] is where time and
//! chance come from; [`key`] is the credential that nothing prints. [`mutants`] are the wrong clients.
//!
//! It knows nothing of the harness that tries it, its stream decoder included, so that the two cannot share a
//! mistake. It speaks plain HTTP, and TLS with the feature `tls`.

mod answer;
pub mod client;
pub mod error;
pub mod key;
mod message;
pub mod mutants;
pub mod policy;
mod request;
pub mod retry;
mod sse;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod tool;
pub mod wait;

pub use client::Client;
pub use error::{ApiError, Error};
pub use key::{Credential, Key};
pub use message::{Message, ToolCall};
pub use mutants::{MUTANTS, Mutant};
pub use policy::Policy;
pub use wait::{Injected, RealTime, Wait};
