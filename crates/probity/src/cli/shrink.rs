//! What `shrink` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{BudgetArgs, Common, duration};

#[derive(Args, Debug)]
#[command(
    after_help = "A smaller request counts if it draws the same answer twice, and if the contract refuses it for the same \
                  reason, or serves it as before. Exit codes: 0 nothing smaller is left, 3 the request does not draw \
                  the same answer three times, 5 it ended before; what was found until then is written."
)]
pub struct ShrinkArgs {
    /// A case id, a file with a request or the body of one, or `-` for standard input.
    #[arg(value_name = "CASE|FILE|-")]
    pub start: String,
    /// Write the smallest request to this file; by default to one in target/probity/shrunk, and `-` writes it to
    /// standard output and nothing else.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Send so many requests and no more; by default 1,000, and 200 in a live run.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_requests: Option<u64>,
    /// Stop after this time: `90s`, `2m`.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub max_time: Duration,
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// Say what is asked about and what it may cost; send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Only the answer counts, whatever the contract makes of the request.
    #[arg(long)]
    pub class_only: bool,
    /// The model that requests name in place of their own, for a target that knows only its own.
    #[arg(long, value_name = "NAME", requires = "target")]
    pub model: Option<String>,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value = "human")]
    pub format: ShrinkFormat,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ShrinkFormat {
    Human,
    Json,
}
