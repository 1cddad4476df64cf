//! What `merge` takes: the files of the shards, and all flags of `contract` that say what is told and not what is sent.

use std::path::PathBuf;

use clap::Args;

use super::ContractArgs;

/// Flags that decide what is sent. The shards have sent it, and their files say how.
const SENDING: [&str; 11] = [
    "dry_run",
    "filter",
    "heavy",
    "journal",
    "live",
    "max_cases",
    "max_time",
    "resume",
    "seed",
    "shard",
    "target",
];

/// Flags about the way to a server, its price and its trial: they change nothing here, and only lengthen the help.
const IDLE: [&str; 16] = [
    "allow_host",
    "as_of",
    "budget_tokens",
    "budget_usd",
    "ca_file",
    "compare",
    "key_file",
    "model",
    "price_input",
    "price_output",
    "profile",
    "rate",
    "resolve",
    "stands_for",
    "upstream_mock",
    "wait_ready",
];

#[derive(Args, Debug)]
#[command(mut_args(|arg| {
    let is_hidden = SENDING.iter().chain(&IDLE).any(|id| arg.get_id() == id);
    if is_hidden { arg.hide(true) } else { arg }
}))]
pub struct MergeArgs {
    /// Journals (`--journal`) or JSON reports (`--report json=FILE`) of all shards of one run.
    #[arg(required = true, value_name = "FILE", conflicts_with_all = SENDING)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub contract: ContractArgs,
}
