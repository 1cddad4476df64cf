//! Ids that our mock knows from the start, for operations that need something to exist.
//!
//! They are constants of the contract and not of the mock, because the corpus names them too; against any other
//! target such a case is `mock-only`.

use crate::rules::BatchPhase;

/// A batch whose requests are still being worked on.
pub const BATCH_IN_PROGRESS: &str = "msgbatch_probity_in_progress";
/// A batch that was cancelled and has not ended yet.
pub const BATCH_CANCELING: &str = "msgbatch_probity_canceling";
/// A batch that has ended, with one result of each kind.
pub const BATCH_ENDED: &str = "msgbatch_probity_ended";

/// What the batch of that id is doing; `None` if there is none from the start.
pub fn batch(id: &str) -> Option<BatchPhase> {
    match id {
        BATCH_IN_PROGRESS => Some(BatchPhase::InProgress),
        BATCH_CANCELING => Some(BatchPhase::Canceling),
        BATCH_ENDED => Some(BatchPhase::Ended),
        _ => None,
    }
}
