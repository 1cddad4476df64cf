//! `probity.toml`: the flags' names as keys, for what should not be typed each time. Flags override it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cli::Common;
use crate::exit::Stop;
use crate::specs::Overrides;

/// The file that is looked for in the current directory.
const NAME: &str = "probity.toml";

/// The file's content. Unknown keys are errors: a misspelt limit must not be no limit.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub target: Option<String>,
    pub live: Option<bool>,
    pub key_file: Option<PathBuf>,
    /// Hosts that a live run may contact, beside the API's own.
    #[serde(default)]
    pub allow_host: Vec<String>,
    pub ca_file: Option<PathBuf>,
    pub budget_usd: Option<f64>,
    pub budget_tokens: Option<u64>,
    /// As on the command line: `"30/min"`.
    pub rate: Option<String>,
    pub price_input: Option<f64>,
    pub price_output: Option<f64>,
    pub seed: Option<u64>,
    pub heavy: Option<bool>,
    /// As on the command line: `"90s"`.
    pub max_time: Option<String>,
    pub max_cases: Option<usize>,
    #[serde(default)]
    pub filter: Vec<String>,
    /// `"junit=FILE"` and the like.
    #[serde(default)]
    pub report: Vec<String>,
    pub journal: Option<PathBuf>,
    pub no_timings: Option<bool>,
    pub no_chaos: Option<bool>,
    pub snapshots: Option<PathBuf>,
    pub spec: Option<PathBuf>,
    #[serde(default)]
    pub overlay: Vec<PathBuf>,
    pub models: Option<PathBuf>,
    pub witnesses: Option<PathBuf>,
    pub exceptions: Option<PathBuf>,
    /// Names for the command lines of drivers.
    #[serde(default)]
    pub clients: BTreeMap<String, String>,
}

impl Config {
    /// Reads the named file, or `probity.toml` if there is one; paths in it are relative to the file.
    pub fn load(path: Option<&Path>) -> Result<Self, Stop> {
        let (path, is_named) = path.map_or_else(|| (Path::new(NAME), false), |path| (path, true));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(Stop::usage(format!("failed to read {}: {error}", path.display())));
            }
        };
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| Stop::usage(format!("{}: {error}", path.display())))?;
        config.rebase(path.parent().unwrap_or_else(|| Path::new("")));
        Ok(config)
    }

    fn rebase(&mut self, folder: &Path) {
        let named = [
            &mut self.ca_file,
            &mut self.journal,
            &mut self.key_file,
            &mut self.snapshots,
            &mut self.spec,
            &mut self.models,
            &mut self.witnesses,
            &mut self.exceptions,
        ];
        for path in named.into_iter().flatten().chain(&mut self.overlay) {
            *path = folder.join(&path);
        }
    }

    /// The files to read in place of the built-in ones.
    pub fn overrides(&self, flags: &Common) -> Overrides {
        let or =
            |flag: &Option<PathBuf>, key: &Option<PathBuf>| flag.clone().or_else(|| key.clone());
        Overrides {
            spec: or(&flags.texts.spec, &self.spec),
            overlays: if flags.texts.overlay.is_empty() {
                self.overlay.clone()
            } else {
                flags.texts.overlay.clone()
            },
            models: or(&flags.texts.models, &self.models),
            witnesses: or(&flags.witnesses, &self.witnesses),
            exceptions: or(&flags.exceptions, &self.exceptions),
        }
    }
}
