//! Batches that are there from the start, one in each condition, with ids that the
//! contract names.
//!
//! They never change. To cancel or delete one is answered as it would be and then forgotten, because requests are
//! replayed side by side and in any order: a read must not depend on whether somebody else's delete came first.
//! The price is that a deleted one is still there; who wants to see a batch go creates one.
//! They live around the day the contract describes, whatever the time is now.

use contract::seeds;
use contract::spec::Contract;
use serde_json::json;

use crate::Now;
use crate::batches::{Batch, Counts, Line, Outcome, Status, lines};
use crate::compose::{self, Turn};
use crate::dice::Dice;
use crate::error::Refusal;

pub const SEEDED_BATCH_IN_PROGRESS: &str = seeds::BATCH_IN_PROGRESS;
pub const SEEDED_BATCH_CANCELING: &str = seeds::BATCH_CANCELING;
pub const SEEDED_BATCH_ENDED: &str = seeds::BATCH_ENDED;

/// All of them, newest first, as a list shows them.
pub const SEEDED_BATCHES: [&str; 3] =
    [SEEDED_BATCH_IN_PROGRESS, SEEDED_BATCH_CANCELING, SEEDED_BATCH_ENDED];

pub(crate) struct Seeded {
    pub(crate) id: &'static str,
    /// How long before the contract's day it was created.
    age_hours: u64,
    /// How long after that it ended.
    ended_after_hours: Option<u64>,
    cancelled_after_hours: Option<u64>,
    outcomes: &'static [Fate],
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Fate {
    Canceled,
    Errored,
    Expired,
    Processing,
    Succeeded,
}

use Fate::{Canceled, Errored, Expired, Processing, Succeeded};

pub(crate) static ALL: [Seeded; 3] = [
    Seeded {
        id: SEEDED_BATCH_IN_PROGRESS,
        age_hours: 1,
        ended_after_hours: None,
        cancelled_after_hours: None,
        outcomes: &[Processing, Processing, Processing],
    },
    Seeded {
        id: SEEDED_BATCH_CANCELING,
        age_hours: 2,
        ended_after_hours: None,
        cancelled_after_hours: Some(1),
        outcomes: &[Processing, Processing],
    },
    // Cancelled an hour before its time was up, so that it has one result of each kind.
    Seeded {
        id: SEEDED_BATCH_ENDED,
        age_hours: 48,
        ended_after_hours: Some(24),
        cancelled_after_hours: Some(23),
        outcomes: &[Succeeded, Errored, Canceled, Expired],
    },
];

pub(crate) fn find(id: &str) -> Option<&'static Seeded> {
    ALL.iter().find(|seeded| seeded.id == id)
}

impl Seeded {
    pub(crate) fn show(&self, contract: &Contract, origin: &str) -> Batch {
        let created_at = self.created_at(contract);
        let count = |fate: Fate| self.outcomes.iter().filter(|outcome| **outcome == fate).count();
        let status = match (self.ended_after_hours, self.cancelled_after_hours) {
            (Some(_), _) => Status::Ended,
            (None, Some(_)) => Status::Canceling,
            (None, None) => Status::InProgress,
        };
        let mut batch = Batch::new(self.id.to_owned(), created_at, status, origin);
        batch.request_counts = Counts {
            processing: count(Processing),
            succeeded: count(Succeeded),
            errored: count(Errored),
            canceled: count(Canceled),
            expired: count(Expired),
        };
        batch.ended_at = self.ended_after_hours.map(|hours| created_at.plus_hours(hours).rfc3339());
        batch.cancel_initiated_at =
            self.cancelled_after_hours.map(|hours| created_at.plus_hours(hours).rfc3339());
        batch
    }

    /// The batch as it would be after a cancel: at once, on the contract's day.
    pub(crate) fn cancelled(&self, contract: &Contract, origin: &str) -> Batch {
        let mut batch = self.show(contract, origin);
        if batch.processing_status == Status::InProgress {
            batch.processing_status = Status::Canceling;
            batch.cancel_initiated_at = Some(today(contract).rfc3339());
        }
        batch
    }

    pub(crate) fn results(&self, contract: &Contract, seed: u64) -> bytes::Bytes {
        let ended_at = self.created_at(contract).plus_hours(self.ended_after_hours.unwrap_or(0));
        let model = contract.models.current.first();
        lines(self.outcomes.iter().enumerate().filter_map(|(index, fate)| {
            let mut dice = Dice::of_part(seed, self.id, index as u64);
            let outcome = match fate {
                Succeeded => {
                    let params = json!({
                        "model": model.map_or("", |model| &model.id),
                        "max_tokens": 256,
                        "messages": [{"role": "user", "content": format!("Say something about item {index}.")}],
                    });
                    let turn = Turn { params: &params, model, dice: &mut dice, now: ended_at, batched: true };
                    Outcome::Succeeded { message: Box::new(compose::message(turn)) }
                }
                Errored => {
                    let message = "model: claude-nonesuch-9";
                    Outcome::errored(&Refusal::not_found(message), &mut dice)
                }
                Canceled => Outcome::Canceled,
                Expired => Outcome::Expired,
                Processing => return None,
            };
            Some(Line { custom_id: format!("item-{index}").into(), result: outcome })
        }))
    }

    fn created_at(&self, contract: &Contract) -> Now {
        today(contract).minus_hours(self.age_hours)
    }
}

fn today(contract: &Contract) -> Now {
    Now::at_date(&contract.as_of).unwrap_or(Now { unix_seconds: 0 })
}
