//! The ledgers: what every case of a run was answered with, in a form that people review.
//!
//! One `.snap` file beside this crate's manifest for each operation and API version, one for the scripted answers,
//! one for what the run reached. `probity contract` compares with them and accepts them; the tests of this crate
//! assert the same text through insta, so that `cargo insta review` shows them. One more, of the kill matrix, is
//! asserted here alone.
