//! What the Messages API promises, and the machinery that asks whether a server keeps it.

pub mod board;
pub mod case;
pub mod corpus;
pub mod exceptions;
pub mod expect;
pub mod generate;
pub mod judge;
pub mod models;
pub mod mutate;
pub mod reach;
pub mod response;
pub mod rules;
pub mod schema;
pub mod seeds;
pub mod signature;
pub mod site;
pub mod spec;
mod splice;
pub mod validate;
pub mod version;
pub mod witness;
