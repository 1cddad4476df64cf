//! What `check` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Format, Report, Texts, When, api_version, report};

#[derive(Args, Debug)]
#[command(
    after_help = "JSON bodies, JSONL, HAR, curl command lines, event streams, recordings and journals are told \
                        apart by what is in them. What says no API version is judged by the newest it keeps."
)]
pub struct CheckArgs {
    /// Files and folders; `-` reads standard input, and a curl line in quotes is one, too.
    #[arg(required = true, value_name = "FILE|DIR|-")]
    pub inputs: Vec<PathBuf>,
    /// What JSON bodies are, where their shape does not say it.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    pub kind: Option<CheckKind>,
    /// The API version of requests that name none.
    #[arg(long, value_name = "VERSION", value_parser = api_version)]
    pub api_version: Option<String>,
    /// The day on which models are judged: `2026-11-22`, or `today`; by default the day the contract describes.
    #[arg(long, value_name = "DATE")]
    pub as_of: Option<String>,
    /// Leave out what breaks this rule, with `*` and `?`; may be given several times.
    #[arg(long, value_name = "RULE")]
    pub ignore: Vec<String>,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Write reports to files: `junit=FILE,json=FILE,ndjson=FILE`.
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',', value_parser = report)]
    pub report: Vec<Report>,
    /// Take what was found as the ledger that later runs are compared with.
    #[arg(long)]
    pub accept: bool,
    /// The ledger; `probity-check.txt`, if there is one and it is of the same inputs.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    #[command(flatten)]
    pub texts: Texts,
    /// Say only what is wrong.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say everything: every place, every advice.
    #[arg(short, long)]
    pub verbose: bool,
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

/// What a JSON body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum CheckKind {
    /// Parameters of a message.
    Request,
    /// Parameters whose tokens are to be counted.
    CountTokens,
    /// An answer: a message, an error, a batch, a list, a stream.
    Response,
}
