//! The flags of the `chaos` verb.

use std::path::PathBuf;
use std::time::Duration;

use chaos::Surface;
use clap::{Args, ValueEnum, value_parser};

use super::{When, duration, kind_and_path, surface};
use crate::chaos::card::Profile;

#[derive(Args, Debug)]
#[command(after_help = CHAOS_HELP)]
pub struct ChaosArgs {
    /// The driver of a client, as a command line or a name from probity.toml; without one the reference client is
    /// tried. May be given several times, also as NAME=COMMAND.
    #[arg(long, value_name = "CMD")]
    pub client: Vec<String>,
    /// How far the client's side goes to meet the harness: 0 reads the environment, 1 prints one JSON line, 2 stays
    /// and speaks JSON lines.
    #[arg(long, value_name = "N", default_value = "2", value_parser = value_parser!(u8).range(0..=2))]
    pub tier: u8,
    /// Only on these surfaces: create, stream, raw.
    #[arg(long, value_name = "S", value_parser = surface)]
    pub surface: Vec<Surface>,
    /// Only scenarios whose id matches, with `*` and `?`; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub scenario: Vec<String>,
    /// Scenario files of one's own, or folders of them, in place of the built-in ones.
    #[arg(long, value_name = "PATH")]
    pub scenarios: Vec<PathBuf>,
    /// How much of the catalogue is played, and at what length.
    #[arg(long, value_enum, default_value = "default")]
    pub profile: Profile,
    /// The retries that the client is told to allow itself, whatever the scenario says.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(0..=10))]
    pub retries: Option<u32>,
    /// The limit on one attempt that the client is told, whatever the scenario says: `500ms`, `2s`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Trials at once; those about times run alone all the same.
    #[arg(long, value_name = "N", default_value = "4", value_parser = value_parser!(u8).range(1..=32))]
    pub jobs: u8,
    /// Draw faults at random for so long, check what must never happen, and write what fails as a scenario.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration,
        conflicts_with_all = [
            "accept", "dry_run", "expected", "profile", "report", "retries", "scenario", "scenarios", "snapshots",
            "timeout",
        ],
    )]
    pub soak: Option<Duration>,
    /// The seed of the soak.
    #[arg(long, value_name = "N", requires = "soak")]
    pub seed: Option<u64>,
    /// Failures that are expected, instead of the built-in lists.
    #[arg(long, value_name = "FILE")]
    pub expected: Vec<PathBuf>,
    /// The folder of the ledgers; its subfolder `clients` is compared; `snapshots` if there is one.
    #[arg(long, value_name = "DIR")]
    pub snapshots: Option<PathBuf>,
    /// Take this run as the new ledger of the client.
    #[arg(long)]
    pub accept: bool,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value = "human")]
    pub format: ChaosFormat,
    /// Write reports to files: `html=FILE,json=FILE,junit=FILE,markdown=FILE`.
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',', value_parser = chaos_report)]
    pub report: Vec<ChaosReport>,
    /// Leave out everything that a clock decides.
    #[arg(long)]
    pub no_timings: bool,
    /// Name the trials; hold none.
    #[arg(long)]
    pub dry_run: bool,
    /// The configuration file; `probity.toml` if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say only what is wrong.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// A line for every scenario, passed or not.
    #[arg(short, long)]
    pub verbose: bool,
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

const CHAOS_HELP: &str = "\
A driver of tier 2 is some forty lines that read commands and print facts; the README shows one. Tier 0 needs no \
driver: the command is started for each trial with ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY set, and judged by what \
arrives, how it exits and what it prints.

probity explain SCENARIO says why a scenario is there and what a right client does.";

/// What goes to standard output.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ChaosFormat {
    Human,
    Json,
    Markdown,
}

/// A report of scorecards to a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChaosReport {
    pub kind: ChaosReportKind,
    pub path: PathBuf,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChaosReportKind {
    Html,
    Json,
    Junit,
    Markdown,
}

fn chaos_report(text: &str) -> Result<ChaosReport, String> {
    let (kind, path) = kind_and_path(text)?;
    let kind = match kind {
        "html" => ChaosReportKind::Html,
        "json" => ChaosReportKind::Json,
        "junit" => ChaosReportKind::Junit,
        "markdown" => ChaosReportKind::Markdown,
        other => {
            return Err(format!(
                "there is no report `{other}`: expected html, json, junit or markdown"
            ));
        }
    };
    Ok(ChaosReport { kind, path })
}
