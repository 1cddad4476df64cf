//! The command line. What is given here overrides `probity.toml`.

mod again;
mod attempts;
mod chaos;
mod check;
mod journal;
mod live;
mod merge;
mod record;
mod shrink;
mod target;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ::chaos::Surface;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use contract::version::Version;

pub use self::again::AgainArgs;
pub use self::attempts::AttemptArgs;
pub use self::chaos::{ChaosArgs, ChaosFormat, ChaosReport, ChaosReportKind};
pub use self::check::{CheckArgs, CheckKind};
pub use self::journal::JournalArgs;
pub(crate) use self::live::rate;
pub use self::live::{BudgetArgs, LiveArgs, Side, WayArgs};
pub use self::merge::MergeArgs;
pub use self::record::RecordArgs;
pub use self::shrink::{ShrinkArgs, ShrinkFormat};
pub use self::target::TargetArgs;
pub(crate) use self::target::contract_report;
use crate::selection::Shard;

/// Contract testing and fuzzing for the Messages API.
#[derive(Debug, Parser)]
#[command(name = "probity", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Put a client on trial: rehearsed failures, and a scorecard of how it handles them.
    Chaos(Box<ChaosArgs>),
    /// Judge recorded traffic: bodies, JSONL, HAR, curl lines, event streams, recordings.
    Check(Box<CheckArgs>),
    /// Ask whether a server keeps the contract (by default the embedded mock), and compare the ledgers.
    Contract(Box<ContractArgs>),
    /// Explain any word that a report shows: a rule, a class, an error code, a scenario, an exit code.
    Explain(ExplainArgs),
    /// Put the journals or JSON reports of shards together: the reports of the undivided run.
    Merge(Box<MergeArgs>),
    /// Stand in front of a server and write down what goes through, without credentials.
    Record(Box<RecordArgs>),
    /// Send cases again, or requests from files, and show request, answer and verdict.
    Replay(Box<ReplayArgs>),
    /// Answer as the API would, for clients in any language, until Ctrl-C.
    Serve(Box<ServeArgs>),
    /// Find the smallest request that still draws the same answer from the same server.
    Shrink(Box<ShrinkArgs>),
}

#[derive(Args, Debug)]
pub struct ContractArgs {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub journal_args: JournalArgs,
    #[command(flatten)]
    pub live_args: LiveArgs,
    #[command(flatten)]
    pub target_args: TargetArgs,
    /// Stop sending after this time: `90s`, `2m`, `500ms`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub max_time: Option<Duration>,
    /// Send so many cases and no more.
    #[arg(long, value_name = "N")]
    pub max_cases: Option<usize>,
    /// Only cases whose id, rule or family matches, with `*` and `?`; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub filter: Vec<String>,
    /// Only the I-th of N parts of the corpus, counted from 1.
    #[arg(long, value_name = "I/N", value_parser = Shard::parse)]
    pub shard: Option<Shard>,
    /// What goes to standard output.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write reports to files: `junit=FILE,json=FILE,ndjson=FILE`; of a target also `html=FILE,markdown=FILE` and
    /// `badge=FILE`, a picture, or what badge services read if the name ends in `.json`.
    #[arg(long, value_name = "KIND=FILE", value_delimiter = ',', value_parser = contract_report)]
    pub report: Vec<Report>,
    /// Write what was sent and what came back, one JSON line per case, without credentials.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Leave out everything that a clock decides.
    #[arg(long)]
    pub no_timings: bool,
    /// Take the ledgers of this run as the new snapshots.
    #[arg(long)]
    pub accept: bool,
    /// Load, check and count; send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Leave out the chaos smoke test of the reference client.
    #[arg(long)]
    pub no_chaos: bool,
    /// The folder of the ledgers; `snapshots` if there is one.
    #[arg(long, value_name = "DIR")]
    pub snapshots: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = serve_help())]
pub struct ServeArgs {
    /// A loopback address; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4010")]
    pub listen: SocketAddr,
    /// Play this scenario to whoever calls, once from its first attempt on.
    #[arg(long, value_name = "ID", conflicts_with_all = SCENARIO_EXCLUDES)]
    pub scenario: Option<String>,
    /// The surface that the scenario is played for: create, stream or raw.
    #[arg(long, value_name = "S", value_parser = surface, requires = "scenario")]
    pub surface: Option<Surface>,
    /// How much of the contract is enforced.
    #[arg(long, value_enum, default_value = "all")]
    pub rules: ServeRules,
    /// The API version of requests that name none; those that name one are answered by theirs.
    #[arg(long, value_name = "VERSION", value_parser = api_version)]
    pub api_version: Option<String>,
    /// The only key that is accepted; by default any that is well formed.
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,
    /// Wait before the first byte of every answer: `500ms`, `2s`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub latency: Option<Duration>,
    /// Other seeds give other ids, texts and choices.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Requests per minute for each class of models, then 429.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub rpm: Option<u64>,
    /// Input tokens per minute for each class of models, then 429.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub itpm: Option<u64>,
    /// Write every request to a file, without headers and bodies: `json=FILE`.
    #[arg(long, value_name = "KIND=FILE", value_parser = report)]
    pub report: Vec<Report>,
    #[command(flatten)]
    pub texts: Texts,
    /// No line per request.
    #[arg(short, long)]
    pub quiet: bool,
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: When,
}

/// What a scenario decides itself, or leaves no room for.
const SCENARIO_EXCLUDES: [&str; 7] =
    ["rules", "api_version", "api_key", "latency", "rpm", "itpm", "report"];

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ServeRules {
    /// The schema and every settled rule.
    All,
    /// The schema alone.
    Schema,
}

#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Case ids, patterns with `*` and `?`, files with a request or the body of one, or `-` for standard input.
    #[arg(required_unless_present = "judge_only", value_name = "CASE|FILE|-")]
    pub cases: Vec<String>,
    /// Send nothing: judge the answers in this journal by today's rules, and say which verdicts differ.
    #[arg(long, value_name = "JOURNAL", conflicts_with_all = ["body", "target", "live", "seed", "heavy", "dry_run"])]
    pub judge_only: Option<PathBuf>,
    /// Write the body of the first case to this file.
    #[arg(long, value_name = "FILE")]
    pub body: Option<PathBuf>,
    /// The model that the cases name in place of their own, for a target that knows only its own.
    #[arg(long, value_name = "NAME", requires = "target")]
    pub model: Option<String>,
    #[command(flatten)]
    pub again: AgainArgs,
    #[command(flatten)]
    pub attempts: AttemptArgs,
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// Say which cases would be sent and what they may cost; send nothing.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// Words or case ids; without one, all that can be explained are listed.
    #[arg(value_name = "ID")]
    pub words: Vec<String>,
    /// What goes to standard output.
    #[arg(long, value_enum, default_value = "human")]
    pub format: ExplainFormat,
    /// Write all explanations as one page in Markdown.
    #[arg(long, conflicts_with_all = ["words", "format"])]
    pub page: bool,
    #[arg(long, value_enum, value_name = "WHEN")]
    pub color: Option<When>,
}

/// What every verb takes that sends cases.
#[derive(Args, Debug)]
pub struct Common {
    /// The server to judge instead of the embedded mock; the key comes from ANTHROPIC_API_KEY or --key-file.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Permit a target beyond this machine, by default the API itself; at most 500 cases unless --max-cases says
    /// otherwise, made cheap, and within a budget.
    #[arg(long)]
    pub live: bool,
    #[command(flatten)]
    pub way: WayArgs,
    /// The seed of the corpus.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Also bodies that a usual run spares the machine (hundreds of megabytes).
    #[arg(long)]
    pub heavy: bool,
    #[command(flatten)]
    pub texts: Texts,
    /// The witnesses, instead of the built-in ones.
    #[arg(long, value_name = "DIR")]
    pub witnesses: Option<PathBuf>,
    /// The known deviations, instead of the built-in (empty) list.
    #[arg(long, value_name = "FILE")]
    pub exceptions: Option<PathBuf>,
    /// The configuration file; `probity.toml` if there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say only what is wrong.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say everything: every case that drifted, every open question.
    #[arg(short, long)]
    pub verbose: bool,
    #[arg(long, value_enum, value_name = "WHEN")]
    pub color: Option<When>,
}

/// The contract's own files.
#[derive(Args, Debug)]
pub struct Texts {
    /// The OpenAPI document, instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Overlays for older versions, instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub overlay: Vec<PathBuf>,
    /// The models, instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub models: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    Human,
    Json,
    Ndjson,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ExplainFormat {
    Human,
    Json,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum When {
    Always,
    Auto,
    Never,
}

/// A report to a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    pub kind: ReportKind,
    pub path: PathBuf,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportKind {
    Badge,
    Html,
    Json,
    Junit,
    Markdown,
    Ndjson,
}

/// Reads `KIND=FILE`.
pub fn report(text: &str) -> Result<Report, String> {
    let (kind, path) = kind_and_path(text)?;
    let kind = match kind {
        "json" => ReportKind::Json,
        "junit" => ReportKind::Junit,
        "ndjson" => ReportKind::Ndjson,
        other => {
            return Err(format!("there is no report `{other}`: expected junit, json or ndjson"));
        }
    };
    Ok(Report { kind, path })
}

/// Reads a surface by its name.
fn surface(text: &str) -> Result<Surface, String> {
    let all = [Surface::Create, Surface::Raw, Surface::Stream];
    let found = all.into_iter().find(|surface| surface.name() == text);
    found.ok_or_else(|| "there is no such surface: expected create, stream or raw".to_owned())
}

fn kind_and_path(text: &str) -> Result<(&str, PathBuf), String> {
    let (kind, path) = text.split_once('=').ok_or("expected KIND=FILE")?;
    if path.is_empty() {
        return Err("the file is missing".to_owned());
    }
    Ok((kind, path.into()))
}

fn serve_help() -> String {
    format!(
        "Point a client at it with ANTHROPIC_BASE_URL. Ctrl-C ends it with a summary and exit code 0, whatever was \
         refused.\n\nA word in the last user text asks for a certain answer: {}.",
        mock::DIRECTIVES.join(", ")
    )
}

/// Reads the date of an API version that is published.
fn api_version(text: &str) -> Result<String, String> {
    let known = Version::ALL.map(Version::name);
    match Version::parse(text) {
        Some(version) => Ok(version.name().to_owned()),
        None => Err(format!("there is no such version: expected {}", known.join(" or "))),
    }
}

/// Reads `90s`, `2m`, `500ms`, or seconds without a unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 =
        digits.parse().map_err(|_| format!("`{text}` is not a time such as 90s, 2m or 500ms"))?;
    let ms_per_unit = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        other => return Err(format!("`{other}` is no unit of time: expected ms, s, m or h")),
    };
    let ms = number.checked_mul(ms_per_unit).ok_or("that is longer than a run can take")?;
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        let check = |text: &str, ms: u64| assert_eq!(duration(text), Ok(Duration::from_millis(ms)));
        check("90", 90_000);
        check("500ms", 500);
        check("2m", 120_000);
        for wrong in ["", "m", "2 m", "2d", "99999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
