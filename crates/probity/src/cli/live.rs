//! What holds a run against a server that costs money.

use clap::Args;

#[derive(Args, Clone, Debug, Default)]
pub struct LiveArgs {}
