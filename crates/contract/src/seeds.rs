//! Ids that our mock knows from the start, for operations that need something to exist.
//!
//! They are constants of the contract and not of the mock, because the corpus names them too; against any other
//! target such a case is `mock-only`.

/// A batch whose requests are still being worked on.
pub const BATCH_IN_PROGRESS: &str = "msgbatch_probity_in_progress";
/// A batch that has ended, with one result of each kind.
pub const BATCH_ENDED: &str = "msgbatch_probity_ended";
