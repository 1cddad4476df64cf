//! What the tool reads about the API: compiled in, so that it works in an empty directory, and overridable file by file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chaos::Scenario;
use classify::Script;
use contract::errors::Errors;
use contract::exceptions::Exceptions;
use contract::external::External;
use contract::rules;
use contract::spec::{Contract, Text, Texts};
use contract::witness::Witness;

use crate::chaos::expected::Expected;
use crate::exit::Stop;

/// Path under `specs/`, and content; written by `build.rs`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/specs.rs"));

/// What is shown in place of a path for files that came with the binary.
const BUILT_IN: &str = "built-in:specs";

/// Demands of the schema itself, which have a witness and no rule.
pub(crate) const SCHEMA_DEMANDS: [&str; 7] = [
    "batch-empty",
    "enum-unknown",
    "field-missing",
    "field-type-wrong",
    "field-unknown",
    "sampling-removed",
    "union-tag-unknown",
];

/// Files that stand in for the built-in ones.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub spec: Option<PathBuf>,
    pub overlays: Vec<PathBuf>,
    pub models: Option<PathBuf>,
    /// A folder of witnesses.
    pub witnesses: Option<PathBuf>,
    pub exceptions: Option<PathBuf>,
}

/// Everything, read and understood.
pub struct Specs {
    /// Where the base document came from.
    pub path: String,
    pub contract: Arc<Contract>,
    pub witnesses: Vec<Witness>,
    /// Scripted answers by name.
    pub scripts: BTreeMap<String, Script>,
    pub scenarios: Vec<Scenario>,
    /// Failures that are known of released clients.
    pub expected: Vec<Expected>,
    /// What error types and codes mean.
    pub errors: Errors,
    /// Refusals that no request explains.
    pub external: Vec<External>,
    pub exceptions: Exceptions,
}

impl Specs {
    /// Reads all files; fails on the first that is wrong, naming it and the place.
    pub fn load(overrides: &Overrides) -> Result<Self, Stop> {
        let (path, contract) = load_contract(overrides)?;
        let witnesses = match &overrides.witnesses {
            Some(folder) => read_folder(folder)?,
            None => built_in(|name| name.starts_with("witnesses/")).collect(),
        };
        let exceptions = one("exceptions.toml", overrides.exceptions.as_deref())?;
        let exceptions = Exceptions::parse(&exceptions.text)
            .map_err(|error| Stop::usage(format!("{}: {error}", exceptions.name)))?;
        Ok(Self {
            path,
            contract,
            witnesses: witnesses.iter().map(Witness::parse).collect::<Result<_, _>>()?,
            scripts: scripts()?,
            scenarios: scenarios()?,
            expected: expected()?,
            errors: Errors::parse(&one("errors.toml", None)?)?,
            external: External::parse(&one("external.toml", None)?)?,
            exceptions,
        })
    }

    /// What does not fit together: rules and witnesses that lack each other, and witnesses of one name.
    pub fn gaps(&self) -> Vec<String> {
        let witnessed: BTreeSet<&str> =
            self.witnesses.iter().map(|witness| &*witness.rule).collect();
        let lacking = rules::all().filter(|rule| !witnessed.contains(rule.id));
        let lacking = lacking.map(|rule| format!("rule `{}` has no witness", rule.id));
        let is_known = |rule: &str| SCHEMA_DEMANDS.contains(&rule) || rules::find(rule).is_some();
        let stray = witnessed.iter().filter(|rule| !is_known(rule));
        let stray = stray.map(|rule| format!("witness `{rule}` names a rule that does not exist"));
        let mut seen = BTreeSet::new();
        let names = self.witnesses.iter().map(Witness::name);
        let twice = names.filter(|name| !seen.insert(name.clone()));
        let twice = twice.map(|name| format!("witness `{name}` is there more than once"));
        lacking.chain(stray).chain(twice.collect::<Vec<_>>()).collect()
    }
}

/// The contract alone, and where its base document came from: a server needs no more, and is up in half the time.
pub fn load_contract(overrides: &Overrides) -> Result<(String, Arc<Contract>), Stop> {
    let openapi = one("openapi.yaml", overrides.spec.as_deref())?;
    let overlays = match &overrides.overlays[..] {
        [] => built_in(|name| name.starts_with("overlay-")).collect(),
        paths => paths.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
    };
    let models = one("models.toml", overrides.models.as_deref())?;
    let path = openapi.name.clone();
    let source = one("SOURCE.md", None)?;
    let contract = Arc::new(Contract::parse(&Texts { openapi, overlays, models, source })?);
    Ok((path, contract))
}

/// One of the built-in files.
pub(crate) fn built_in_text(name: &str) -> Result<Text, Stop> {
    one(name, None)
}

fn scripts() -> Result<BTreeMap<String, Script>, Stop> {
    let files = built_in(|name| name.ends_with(".http"));
    let parse = |file: Text| match Script::parse(&stem(&file.name), &file.text) {
        Ok(script) => Ok((script.name.clone(), script)),
        Err(error) => Err(Stop::usage(format!("{}: {error}", file.name))),
    };
    files.map(parse).collect()
}

fn scenarios() -> Result<Vec<Scenario>, Stop> {
    let files = built_in(|name| name.starts_with("scenarios/"));
    let parse = |file: Text| {
        let scenario = Scenario::parse(&file.text);
        scenario.map_err(|error| Stop::usage(format!("{}: {error}", file.name)))
    };
    files.map(parse).collect()
}

fn expected() -> Result<Vec<Expected>, Stop> {
    let files = built_in(|name| name.starts_with("clients/"));
    let parse = |file: Text| {
        let expected = Expected::parse(&file.text);
        expected.map_err(|error| Stop::usage(format!("{}: {error}", file.name)))
    };
    files.map(parse).collect()
}

/// The file that overrides a built-in one, or that one.
fn one(name: &str, path: Option<&Path>) -> Result<Text, Stop> {
    match path {
        Some(path) => read(path),
        None => built_in(|known| known == name).next().ok_or_else(|| {
            Stop::usage(format!("{BUILT_IN}/{name} is missing: this binary was built without it"))
        }),
    }
}

fn built_in(wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Text> {
    let wanted = FILES.iter().filter(move |(name, _)| wanted(name));
    wanted.map(|(name, text)| Text { name: format!("{BUILT_IN}/{name}"), text: (*text).to_owned() })
}

pub(crate) fn read(path: &Path) -> Result<Text, Stop> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Text { name, text }),
        Err(error) => Err(Stop::usage(format!("failed to read {name}: {error}"))),
    }
}

pub(crate) fn read_folder(folder: &Path) -> Result<Vec<Text>, Stop> {
    let failed = |error: std::io::Error| {
        Stop::usage(format!("failed to read {}: {error}", folder.display()))
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn stem(name: &str) -> String {
    Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_files_are_whole() {
        let specs = Specs::load(&Overrides::default()).unwrap();
        assert!(specs.scripts.contains_key("529-overloaded"));
        assert!(specs.scenarios.iter().any(|scenario| scenario.id == "canary"));
        assert_eq!(specs.exceptions.stale().count(), 0);
        let on_disk = |folder: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs").join(folder);
            std::fs::read_dir(folder).unwrap().count()
        };
        assert_eq!(specs.witnesses.len(), on_disk("witnesses"));
        // One file there is not a reply: it keeps git from touching line ends.
        assert_eq!(specs.scripts.len() + 1, on_disk("replies"));
    }
}
