//! What is asked of a target, from flags and its author's profile.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::conformance::profile::Profile;
use contract::level::Level;

use crate::cli::TargetArgs;
use crate::exit::Stop;
use crate::specs::read;

/// How long a gateway that we are the upstream of has to come up.
const READY_USUAL: Duration = Duration::from_secs(60);

/// What to ask of the target, written out.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub profile: Profile,
    pub profile_path: Option<PathBuf>,
    /// As it was read: journals keep it.
    pub profile_text: String,
    /// The model to name, and the one of the contract that it stands for.
    pub model: Option<String>,
    pub stands_for: Option<String>,
    pub level: Option<Level>,
    pub upstream: Option<SocketAddr>,
    pub wait_ready: Duration,
    /// Past this an answer is a hang; by the answers to the probe unless given.
    pub patience: Option<Duration>,
    pub ledger: Option<PathBuf>,
}

impl Plan {
    pub fn new(args: &TargetArgs) -> Result<Self, Stop> {
        let (profile, profile_text) = match &args.profile {
            Some(path) => parse(path)?,
            None => (Profile::default(), String::new()),
        };
        if args.patience.is_some_and(|patience| patience.is_zero()) {
            return Err(Stop::usage("--patience 0s: every answer would be a hang"));
        }
        let usual = if args.upstream_mock.is_some() { READY_USUAL } else { Duration::ZERO };
        let own = args.model.is_none();
        Ok(Self {
            model: args.model.clone().or_else(|| profile.model.clone()),
            stands_for: args
                .stands_for
                .clone()
                .or_else(|| profile.stands_for.clone().filter(|_| own)),
            profile,
            profile_path: args.profile.clone(),
            profile_text,
            level: args.level,
            upstream: args.upstream_mock,
            wait_ready: args.wait_ready.unwrap_or(usual),
            patience: args.patience,
            ledger: args.ledger.clone(),
        })
    }

    /// The level that decides how the run ends.
    pub fn level(&self) -> Level {
        self.level.unwrap_or(Level::Strict)
    }
}

fn parse(path: &Path) -> Result<(Profile, String), Stop> {
    let text = read(path)?;
    let profile = Profile::parse(&text.text);
    let profile = profile.map_err(|error| Stop::usage(format!("{}: {error}", text.name)))?;
    Ok((profile, text.text))
}
