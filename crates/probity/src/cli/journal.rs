//! What a run writes down, and what it takes from an earlier one.

use clap::Args;

#[derive(Args, Clone, Debug, Default)]
pub struct JournalArgs {}
