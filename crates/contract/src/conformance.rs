//! How much of the contract a server keeps that is not our own mock.
//!
//! A server that leaves a feature out and says so is another thing than one that answers wrongly, and a gateway that
//! breaks what its upstream did well another than one that passes on what the upstream broke. So the answers are read
//! once more, as a whole:
//!
//! | question | module |
//! |---|---|
//! | what is a request about? | [`feature`] |
//! | what does the server have at all? | [`probe`] |
//! | what does its author say that it leaves out? | [`profile`] |
//! | which model does a case name on a server that knows only its own? | [`model`] |
//! | what can be asked only with ids that the server gave? | [`chain`] |
//! | whose fault is it? | [`blame`] |
//! | what does all that come to, rule by rule? | [`standing`] |
//!
//! All of it is pure, so that last month's answers can be read again. The price is that what a server leaves out must
//! be known before its answers are read, hence the probe.

pub mod blame;
pub mod chain;
pub mod feature;
pub mod model;
pub mod probe;
pub mod profile;
pub mod standing;
