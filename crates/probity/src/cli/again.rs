//! How old answers that are judged again are told.

use clap::Args;
use contract::level::Level;

use super::Report;
use super::target::{contract_report, level};

#[derive(Args, Clone, Debug, Default)]
pub struct AgainArgs {
    /// With --judge-only: write a report too: `json=FILE`, `ndjson=FILE`, `junit=FILE`; of a target also `html=FILE`,
    /// `markdown=FILE`, `badge=FILE`.
    #[arg(long, value_name = "KIND=FILE", value_parser = contract_report, value_delimiter = ',', requires = "judge_only")]
    pub report: Vec<Report>,
    /// With --judge-only: how much of the contract the target must keep for exit code 0.
    #[arg(long, value_name = "LEVEL", value_parser = level, requires = "judge_only")]
    pub level: Option<Level>,
    /// With --judge-only: leave out how long things took.
    #[arg(long, requires = "judge_only")]
    pub no_timings: bool,
}
