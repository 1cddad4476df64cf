//! What a run takes from an earlier one.

use clap::Args;

#[derive(Args, Clone, Debug, Default)]
pub struct JournalArgs {
    /// Go on with the journal: cases whose answer is in it are judged from it and not sent again.
    #[arg(long)]
    pub resume: bool,
}
