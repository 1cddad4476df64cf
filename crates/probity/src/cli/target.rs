//! What is asked of a server that is not our own mock.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use contract::level::Level;

use super::{Report, ReportKind, duration, kind_and_path, report};

#[derive(Args, Clone, Debug, Default)]
pub struct TargetArgs {
    /// What the target's author says of it: its model, what it leaves out, what it does differently (TOML).
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// The model that cases name in place of their own, for a target that knows only its own.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// The model of the contract whose limits that model has; without it only cases that no model's limits decide are sent.
    #[arg(long, value_name = "NAME", requires = "model")]
    pub stands_for: Option<String>,
    /// How much of the contract the target must keep for exit code 0: agent-ready, compatible or strict (the default).
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub level: Option<Level>,
    /// Start our mock as the upstream of the target, a gateway, and find out which of the two is to blame. Cases are
    /// then sent one at a time, so that what reaches the upstream belongs to one of them.
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:4011"
    )]
    pub upstream_mock: Option<SocketAddr>,
    /// Wait so long for the target to answer; 60s with --upstream-mock, else not at all.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub wait_ready: Option<Duration>,
    /// An answer that takes longer is a hang; 20 times the slowest answer to the probe but its first, 5s to 30s, unless
    /// given.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub patience: Option<Duration>,
    /// One line per rule: compared with this file, or written to it with --accept.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

impl TargetArgs {
    /// A flag that was given and means nothing without a target.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.profile.is_some(), "--profile"),
            (self.model.is_some(), "--model"),
            (self.level.is_some(), "--level"),
            (self.upstream_mock.is_some(), "--upstream-mock"),
            (self.wait_ready.is_some(), "--wait-ready"),
            (self.patience.is_some(), "--patience"),
            (self.ledger.is_some(), "--ledger"),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map(|(_, flag)| flag)
    }
}

/// Reads a level by its name.
pub(super) fn level(text: &str) -> Result<Level, String> {
    let names = Level::ALL.map(Level::name);
    Level::parse(text)
        .ok_or_else(|| format!("there is no such level: expected {}", names.join(", ")))
}

/// Reads `KIND=FILE`, with the kinds that there are of a target only.
pub(crate) fn contract_report(text: &str) -> Result<Report, String> {
    let (kind, path) = kind_and_path(text)?;
    let kind = match kind {
        "badge" => ReportKind::Badge,
        "html" => ReportKind::Html,
        "json" | "junit" | "ndjson" => return report(text),
        "markdown" => ReportKind::Markdown,
        other => {
            return Err(format!(
                "there is no report `{other}`: expected badge, html, json, junit, markdown or ndjson"
            ));
        }
    };
    Ok(Report { kind, path })
}
