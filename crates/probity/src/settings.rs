//! What the flags and `probity.toml` come to together.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use wire::target::{Key, Reach, Target};

use crate::cli::{self, Common, ContractArgs, Format, ReplayArgs, Report, ShrinkArgs, Side, When};
use crate::config::Config;
use crate::console::complain;
use crate::embedded;
use crate::exit::{Exit, Stop};
use crate::live::Limits;
use crate::live::way::{self, Way};
use crate::selection::Selection;
use crate::specs::Overrides;
use crate::target;

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
    pub way: Way,
    /// What the run may use; none where nothing costs.
    pub limits: Option<Limits>,
    /// Whether the answers of the target and of the mock are set side by side.
    pub is_comparing: bool,
    pub as_of: Option<String>,
    /// What to ask of another server beside its cases.
    pub trial: target::Plan,
    pub cases_max: Option<usize>,
    pub time_max: Option<Duration>,
    pub globs: Vec<String>,
    pub selection: Selection,
    pub format: Format,
    pub reports: Vec<Report>,
    pub journal: Option<PathBuf>,
    /// Whether the journal is gone on with.
    pub resume: bool,
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
        let has_target = args.common.target.is_some()
            || config.target.is_some()
            || args.common.live
            || config.live.unwrap_or(false);
        match args.target_args.given() {
            Some(flag) if !has_target => Err(Stop::usage(format!("{flag} is about a --target"))),
            _ => Self::merge(args, config),
        }
    }

    /// The same where the target is in the files that are put together.
    pub fn merge(args: &ContractArgs, config: &Config) -> Result<Self, Stop> {
        let in_config = |what: String| Stop::usage(format!("probity.toml: {what}"));
        let max_time = config.max_time.as_deref().map(cli::duration).transpose();
        let max_time = max_time.map_err(|error| in_config(format!("max_time: {error}")))?;
        let reports = config
            .report
            .iter()
            .map(|report| cli::contract_report(report))
            .collect::<Result<_, _>>();
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
            resume: args.journal_args.resume,
            snapshots: args.snapshots.clone().or_else(|| config.snapshots.clone()),
            timings: !(args.no_timings || config.no_timings.unwrap_or(false)),
            accept: args.accept,
            dry_run: args.dry_run,
            limits: Limits::new(live, &args.live_args.budget, config)?,
            is_comparing: is_comparing(&args.live_args.compare)?,
            as_of: args.live_args.as_of.clone(),
            trial: target::Plan::new(&args.target_args)?,
            chaos: !(args.no_chaos || config.no_chaos.unwrap_or(false)),
            ..Self::common(&args.common, config)
        })
    }

    /// A replay looks at the cases it is told, and leaves the limits of runs aside but for the budget.
    pub fn replay(args: &ReplayArgs, config: &Config) -> Result<Self, Stop> {
        let (model, level) = (args.model.clone(), args.again.level);
        let common = Self::common(&args.common, config);
        let limits = Limits::new(common.way.live, &args.budget, config)?;
        Ok(Self {
            globs: args.cases.clone(),
            trial: target::Plan { model, level, ..target::Plan::default() },
            // Nothing is sent where old answers are judged.
            limits: limits.filter(|_| args.judge_only.is_none()),
            dry_run: args.dry_run,
            reports: args.again.report.clone(),
            timings: !args.again.no_timings,
            ..common
        })
    }

    /// The same for the one case that is made smaller.
    pub fn shrink(args: &ShrinkArgs, config: &Config) -> Result<Self, Stop> {
        let common = Self::common(&args.common, config);
        let limits = Limits::new(common.way.live, &args.budget, config)?;
        let (globs, dry_run) = (vec![args.start.clone()], args.dry_run);
        Ok(Self { globs, limits, dry_run, ..common })
    }

    fn common(flags: &Common, config: &Config) -> Self {
        let way = Way::new(flags.live || config.live.unwrap_or(false), &flags.way, config);
        Self {
            overrides: config.overrides(flags),
            seed: flags.seed.or(config.seed).unwrap_or(SEED),
            heavy: flags.heavy || config.heavy.unwrap_or(false),
            target_url: flags
                .target
                .clone()
                .or_else(|| config.target.clone())
                .or_else(|| way.live.then(|| way::API.to_owned())),
            way,
            limits: None,
            is_comparing: false,
            as_of: None,
            trial: target::Plan::default(),
            cases_max: None,
            time_max: None,
            globs: Vec::new(),
            selection: Selection::default(),
            format: Format::Human,
            reports: Vec::new(),
            journal: None,
            resume: false,
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

    /// The server that was named, resolved, with the key it is shown. A dry run needs no key and asks nobody.
    pub async fn target(&self) -> Result<Option<Target>, Stop> {
        let Some(url) = &self.target_url else { return Ok(None) };
        let reach = Reach { is_dry: self.dry_run, ..self.way.reach()? };
        let (key, warning) = match self.dry_run {
            true => (Key::new(embedded::KEY.to_owned()), None),
            false => self.way.key()?,
        };
        if let Some(warning) = warning {
            complain(&warning);
        }
        match Target::resolve(url, key, &reach).await {
            Ok(target) => Ok(Some(target)),
            Err(error @ wire::target::TargetError::Unresolved { .. }) => {
                Err(Stop::new(Exit::NotChecked, format!("failed to {error}")))
            }
            Err(error) => Err(Stop::usage(format!("failed to {error}{}", hint(&error)))),
        }
    }
}

/// There are two sides, and each can be named once.
fn is_comparing(sides: &[Side]) -> Result<bool, Stop> {
    match sides {
        [] => Ok(false),
        [Side::Live, Side::Mock] | [Side::Mock, Side::Live] => Ok(true),
        _ => Err(Stop::usage("--compare takes two sides: mock,live")),
    }
}

fn hint(error: &wire::target::TargetError) -> &'static str {
    match error {
        wire::target::TargetError::Named { .. } | wire::target::TargetError::NotLoopback { .. } => {
            " (--live permits it, for hosts that --allow-host names)"
        }
        wire::target::TargetError::NotPermitted { .. } => " (--allow-host permits it)",
        _ => "",
    }
}

/// One thread is enough: the mock has its own, and the rest mostly waits.
pub fn runtime() -> Result<Runtime, Stop> {
    let built = Builder::new_current_thread().enable_all().build();
    built
        .map_err(|error| Stop::new(Exit::Internal, format!("failed to start the runtime: {error}")))
}
