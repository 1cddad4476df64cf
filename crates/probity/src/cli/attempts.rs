//! How often `replay` sends a case, and what it says of it.

use clap::Args;

use super::Format;

#[derive(Args, Clone, Copy, Debug)]
pub struct AttemptArgs {
    /// Send each case so often, or until two answers disagree: then it is FLAKY, which is a finding.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub times: u32,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}
