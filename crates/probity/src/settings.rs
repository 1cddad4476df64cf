//! What the flags and `probity.toml` come to together.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use wire::target::{Key, Target};

use crate::cli::{self, Common, ContractArgs, Format, ReplayArgs, Report, When};
use crate::config::Config;
use crate::embedded;
use crate::exit::{Exit, Stop};
use crate::selection::Selection;
use crate::specs::Overrides;

/// The seed of a usual run. Any number would do; the ledgers on file are of this one.
pub const SEED: u64 = 1;

/// A live request costs money: without a limit of the user's own a live run stops here.
const LIVE_CASES_MAX: usize = 500;

/// Everything decided, in one place.
pub struct Settings {
    pub overrides: Overrides,
    pub seed: u64,
    pub heavy: bool,
    pub target_url: Option<String>,
    pub live: bool,
    pub cases_max: Option<usize>,
    pub time_max: Option<Duration>,
    pub globs: Vec<String>,
    pub selection: Selection,
    pub format: Format,
    pub reports: Vec<Report>,
    pub journal: Option<PathBuf>,
    pub snapshots: Option<PathBuf>,
    pub timings: bool,
    pub accept: bool,
    pub dry_run: bool,
    pub chaos: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub color: When,
}

impl Settings {
    pub fn contract(args: &ContractArgs, config: &Config) -> Result<Self, Stop> {
        let in_config = |what: String| Stop::usage(format!("probity.toml: {what}"));
        let max_time = config.max_time.as_deref().map(cli::duration).transpose();
        let max_time = max_time.map_err(|error| in_config(format!("max_time: {error}")))?;
        let reports =
            config.report.iter().map(|report| cli::report(report)).collect::<Result<_, _>>();
        let reports = reports.map_err(|error| in_config(format!("report: {error}")))?;
        let live = args.common.live || config.live.unwrap_or(false);
        let globs =
            if args.filter.is_empty() { config.filter.clone() } else { args.filter.clone() };
        Ok(Self {
            selection: Selection::new(&globs, args.shard),
            globs,
            cases_max: args
                .max_cases
                .or(config.max_cases)
                .or_else(|| live.then_some(LIVE_CASES_MAX)),
            time_max: args.max_time.or(max_time),
            format: args.format.unwrap_or(Format::Human),
            reports: if args.report.is_empty() { reports } else { args.report.clone() },
            journal: args.journal.clone().or_else(|| config.journal.clone()),
            snapshots: args.snapshots.clone().or_else(|| config.snapshots.clone()),
            timings: !(args.no_timings || config.no_timings.unwrap_or(false)),
            accept: args.accept,
            dry_run: args.dry_run,
            chaos: !(args.no_chaos || config.no_chaos.unwrap_or(false)),
            ..Self::common(&args.common, config)
        })
    }

    /// A replay looks at the cases it is told, and leaves the limits of runs aside.
    pub fn replay(args: &ReplayArgs, config: &Config) -> Self {
        Self { globs: args.cases.clone(), ..Self::common(&args.common, config) }
    }

    fn common(flags: &Common, config: &Config) -> Self {
        Self {
            overrides: config.overrides(flags),
            seed: flags.seed.or(config.seed).unwrap_or(SEED),
            heavy: flags.heavy || config.heavy.unwrap_or(false),
            target_url: flags.target.clone().or_else(|| config.target.clone()),
            live: flags.live || config.live.unwrap_or(false),
            cases_max: None,
            time_max: None,
            globs: Vec::new(),
            selection: Selection::default(),
            format: Format::Human,
            reports: Vec::new(),
            journal: None,
            snapshots: None,
            timings: true,
            accept: false,
            dry_run: false,
            chaos: false,
            quiet: flags.quiet,
            verbose: flags.verbose,
            color: flags.color.unwrap_or(When::Auto),
        }
    }

    /// The server that was named, resolved. Its key comes from the environment; without one a local server gets a
    /// fake, and a live one is not asked at all.
    pub async fn target(&self) -> Result<Option<Target>, Stop> {
        let Some(url) = &self.target_url else { return Ok(None) };
        let key = std::env::var("ANTHROPIC_API_KEY").ok().filter(|key| !key.is_empty());
        if self.live && key.is_none() {
            return Err(Stop::usage("--live needs a key in ANTHROPIC_API_KEY"));
        }
        let key = Key::new(key.unwrap_or_else(|| embedded::KEY.to_owned()));
        match Target::resolve(url, key, self.live).await {
            Ok(target) => Ok(Some(target)),
            Err(error @ wire::target::TargetError::Unresolved { .. }) => {
                Err(Stop::new(Exit::NotChecked, format!("failed to {error}")))
            }
            Err(error) => Err(Stop::usage(format!("failed to {error}{}", hint(&error)))),
        }
    }
}

fn hint(error: &wire::target::TargetError) -> &'static str {
    match error {
        wire::target::TargetError::NotLoopback { .. } => " (--live permits it)",
        _ => "",
    }
}

/// One thread is enough: the mock has its own, and the rest mostly waits.
pub fn runtime() -> Result<Runtime, Stop> {
    let built = Builder::new_current_thread().enable_all().build();
    built
        .map_err(|error| Stop::new(Exit::Internal, format!("failed to start the runtime: {error}")))
}
