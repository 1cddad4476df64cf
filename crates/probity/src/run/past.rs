//! What earlier runs leave: nothing, answers to go on with, shards to put together, or old answers to judge again.
//!
//! All of them are asked the same questions, so that whoever examines a target need not know whether it was asked a
//! moment ago or last month.

use classify::Observation;
use contract::case::Case;
use contract::exceptions::Exceptions;
use contract::judge::{Record, judge};
use contract::spec::Contract;
use wire::journal::beside::{Gone, Probe, Said};
use wire::journal::{Book, Judged};

use crate::exit::Stop;
use crate::merge::Shards;
use crate::rejudge::Old;

/// What an earlier run leaves to do.
#[derive(Clone, Copy, Default)]
pub enum Past<'a> {
    /// Everything.
    #[default]
    None,
    /// Cases whose answer is in this journal are judged from it, and not sent.
    Answers(&'a Book),
    /// No case is sent: shards have done it, and their records are put together.
    Shards(&'a Shards),
    /// Nothing is sent: old answers are judged again.
    Old(&'a Old),
}

/// What is known of a case, or of a step of a chain.
pub struct Recalled {
    /// None in the JSON report of a shard, which has verdicts only.
    pub observation: Option<Observation>,
    pub record: Record,
    /// How it was judged then.
    pub judged: Option<Judged>,
    /// Whether the record is the one of then, down to whose fault it was; else it was judged just now.
    pub is_settled: bool,
    /// Whether it was asked for just now.
    pub is_new: bool,
}

impl Recalled {
    /// Of an answer that is to be judged by today's rules.
    pub fn new(contract: &Contract, case: &Case, observation: Observation) -> Self {
        let record = judge(contract, case, &observation);
        Self {
            observation: Some(observation),
            record,
            judged: None,
            is_settled: false,
            is_new: false,
        }
    }
}

impl<'a> Past<'a> {
    /// What the target was found to have.
    pub fn probe(self) -> Option<&'a Probe> {
        match self {
            Self::None => None,
            Self::Answers(book) => book.probe.as_ref(),
            Self::Shards(shards) => shards.probe(),
            Self::Old(old) => old.book().probe.as_ref(),
        }
    }

    /// How the target went. Shards whose target went are not put together.
    pub fn gone(self) -> Option<&'a Gone> {
        match self {
            Self::Old(old) => old.book().gone.as_ref(),
            Self::None | Self::Answers(_) | Self::Shards(_) => None,
        }
    }

    /// Whether the earlier run came to its end.
    pub fn is_complete(self) -> bool {
        match self {
            Self::Old(old) => old.book().skipped.is_some(),
            Self::None | Self::Answers(_) | Self::Shards(_) => true,
        }
    }

    /// What came of comparing the stream of the case with its plain answer.
    pub fn twin(self, case: &Case) -> Option<&'a Said> {
        let of = |book: &'a Book| {
            book.twin(&case.id).filter(|_| !book.asked_otherwise(&case.id, &case.request))
        };
        match self {
            Self::None => None,
            Self::Answers(book) => of(book),
            Self::Shards(shards) => shards.books().find_map(of),
            Self::Old(old) => of(old.book()),
        }
    }

    /// What was kept of a case; none if nothing was. What a run goes on with is not asked for here, since those answers
    /// come with the others.
    pub fn recall(
        self,
        contract: &Contract,
        case: &Case,
        exceptions: &mut Exceptions,
    ) -> Result<Option<Recalled>, Stop> {
        match self {
            Self::None | Self::Answers(_) => Ok(None),
            Self::Shards(shards) => shards.recall(contract, case, exceptions),
            Self::Old(old) => old.recall(contract, case, exceptions),
        }
    }

    /// The same for a step of a chain. No exception is about one.
    pub fn recall_step(self, contract: &Contract, case: &Case) -> Result<Option<Recalled>, Stop> {
        match self {
            Self::Answers(book) if book.answers(&case.id, &case.request) => {
                let entry = book.entry(&case.id).map_err(|error| {
                    Stop::usage(format!("failed to read {} back: {error}", case.id))
                })?;
                Ok(entry.map(|entry| Recalled::new(contract, case, entry.observation)))
            }
            Self::None | Self::Answers(_) => Ok(None),
            Self::Shards(shards) => shards.recall_step(contract, case),
            Self::Old(old) => old.recall(contract, case, &mut Exceptions::default()),
        }
    }

    /// Notes what is judged otherwise than it was, where that is asked for.
    pub fn compare(self, recalled: &Recalled) {
        if let Self::Old(old) = self {
            old.compare(recalled);
        }
    }
}
