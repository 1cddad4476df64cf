//! What the Messages API promises, and the machinery that asks whether a server keeps it.
//!
//! The modules in the order in which a case passes through them:
//!
//! | module | is |
//! |---|---|
//! | [`spec`], [`schema`], [`validate`] | the document as written, the lowered model, the judge of bodies |
//! | [`models`], [`rules`], [`version`] | what the document cannot say: models, semantic rules, versions and operations |
//! | [`errors`], [`external`], [`lint`] | what answers mean, what no rule can predict, and what is taken but unwise |
//! | [`generate`] | bytes to a valid request |
//! | [`site`], [`mutate`] | the places of a request, and every way to break it there |
//! | [`witness`] | requests typed by hand, which neither of the two made |
//! | [`case`], [`corpus`] | one request to try; all of them, lazily |
//! | [`expect`], [`response`], [`judge`] | what is permitted, what the reply's schema says, and the verdict |
//! | [`level`] | how much of the contract a server must keep to be of use to whom |
//! | [`exceptions`], [`board`], [`reach`] | known deviations, the ledgers, and what the run came to |
//! | [`conformance`] | how much of it a server keeps that leaves parts out, and whose fault what is |
//! | [`shrink`] | the smallest request that still shows the same |
//! | [`parity`] | whether all this and the types of an official SDK say the same |
//!
//! Nothing here does IO, reads a clock or draws from anything but its arguments. The mock uses the rules and the
//! validators and may not see how a case was made; the expectation knows how it was made and may not see the body.

pub mod board;
pub mod case;
pub mod conformance;
pub mod corpus;
pub mod errors;
pub mod exceptions;
pub mod expect;
pub mod external;
pub mod generate;
pub mod judge;
pub mod level;
pub mod lint;
pub mod models;
pub mod mutate;
pub mod parity;
pub mod reach;
pub mod response;
pub mod rules;
pub mod schema;
pub mod seeds;
pub mod shrink;
pub mod signature;
pub mod site;
pub mod spec;
pub mod splice;
pub mod validate;
pub mod version;
pub mod witness;
