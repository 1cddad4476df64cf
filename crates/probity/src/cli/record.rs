//! What `record` takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{WayArgs, When};

#[derive(Args, Debug)]
#[command(
    after_help = "Point a client at the recorder with ANTHROPIC_BASE_URL, and judge what was recorded with `probity \
                        check FILE`. The client's own credentials pass through and are not written down. Ctrl-C ends it."
)]
pub struct RecordArgs {
    /// The server behind the recorder.
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// Permit a target beyond this machine.
    #[arg(long)]
    pub live: bool,
    #[command(flatten)]
    pub way: WayArgs,
    /// A loopback address; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4011")]
    pub listen: SocketAddr,
    /// Where the recording goes: `FILE.ndjson`, `FILE.har`, or both.
    #[arg(long, required = true, value_name = "FILE", value_delimiter = ',')]
    pub out: Vec<PathBuf>,
    /// No line per exchange.
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}
