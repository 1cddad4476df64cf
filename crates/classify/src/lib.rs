//! HTTP as values, and what an answer of the Messages API means.
//!
//! Reading order: [`http`] holds requests and replies as plain data, [`observation`] what came back from
//! one attempt, [`class`] the closed list of names for it, [`classify`] the total function between the two,
//! [`sse`] and [`stream`] the event stream and its grammar, [`fold`] the message that it tells, [`envelope`]
//! the error body, [`disguise`] the texts that mean something else than their status says. [`script`] reads the
//! answers typed by hand in `specs/replies`.
//!
//! The crate knows neither the spec nor what was expected: it names what an answer *claims* to be.
//! Whether the body keeps the schema is `contract`'s business, whether the class was permitted the judge's.

pub mod class;
mod classify;
pub mod disguise;
pub mod envelope;
pub mod fold;
pub mod http;
pub mod observation;
pub mod script;
pub mod sse;
pub mod stream;

pub use class::Class;
pub use classify::classify;
pub use http::{Body, Headers, Reply, Request};
pub use observation::{Cut, CutKind, Observation};
pub use script::Script;
