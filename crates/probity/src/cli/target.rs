//! What is asked of a server that is not our own mock.

use clap::Args;

#[derive(Args, Clone, Debug, Default)]
pub struct TargetArgs {}
