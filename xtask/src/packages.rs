//! Packages of other people, installed from their registries into folders below `target`.
//!
//! What is asked for lies in a folder with the two files of its package manager: the packages, and the lock that pins
//! all they pull in by hash. No lock binds to a registry (cargo's names an index that settings can replace), so the
//! machine's own settings hold. The price is that a new release is entered by hand and the lock made anew:
//!
//! ```text
//! uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
//!     --no-header requirements.in -o requirements.txt
//! npm install --package-lock-only --omit-lockfile-registry-resolved    # and take the `funding` links out
//! cargo generate-lockfile
//! ```
//!
//! Everything else in this repository reads only what is installed; the `install` verbs alone go out for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use xshell::{Cmd, Shell, cmd};

use crate::{EXIT_FINDINGS, EXIT_NOTHING_CHECKED, EXIT_USAGE, at_hand};

/// A registry that does not answer within this time is out of reach; one that does sends its first byte in far less.
const ANSWER_SECONDS_MAX: u32 = 20;
/// One more attempt gets past a hiccup; more would keep a machine without a network waiting.
const RETRIES_MAX: u32 = 1;

/// A copy of what is pinned, left in the folder of a finished installation.
const STAMP: &str = "installed";

/// What is built of a Rust client, in its own folder and in that of the installation.
const DRIVER: &str = "driver.rs";
pub(crate) const BUILT: &str = "debug/driver";

/// What one folder asks for.
pub(crate) struct Packages {
    pub(crate) name: String,
    pub(crate) language: Language,
    /// Where its files are.
    pub(crate) source: PathBuf,
    /// Where the installation is.
    pub(crate) folder: PathBuf,
    /// The lock as text, and all else that the installation is made of.
    pinned: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Language {
    Python,
    /// A library of Rust, with a driver of ours around it.
    Rust,
    /// A crate that is a program itself.
    Crate,
    TypeScript,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum State {
    Installed,
    /// Another release, or half an installation.
    Outdated,
    Missing,
}

/// Every folder of `sources` with a lock, by name; installed below `target`.
pub(crate) fn find(sh: &Shell, sources: &str, target: &str) -> Result<Vec<Packages>> {
    let mut found = Vec::new();
    for source in sh.read_dir(sources)? {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(language) = Language::of(sh, &source) {
            let mut pinned = sh.read_file(source.join(language.lock()))?;
            if language == Language::Rust {
                pinned += &sh.read_file(source.join(DRIVER))?;
            }
            let folder = Path::new(target).join(&name);
            found.push(Packages { name, language, source, folder, pinned });
        }
    }
    Ok(found)
}

/// The name among `asked` that is none of `known`, told to the caller.
pub(crate) fn unknown<'a>(
    kind: &str,
    asked: &'a [String],
    known: impl Iterator<Item = &'a String>,
) -> Option<u8> {
    let known: Vec<_> = known.map(String::as_str).collect();
    let unknown = asked.iter().find(|name| !known.contains(&name.as_str()))?;
    eprintln!("{kind}s: no {kind} is called `{unknown}`; there are {}", known.join(", "));
    Some(EXIT_USAGE)
}

/// Installs what is not there yet, and says so; the exit code.
pub(crate) fn install_all(sh: &Shell, kind: &str, wanted: &[Packages]) -> Result<u8> {
    let mut failed = Vec::new();
    for packages in wanted {
        let (name, state) = (&packages.name, packages.state(sh));
        if state == State::Installed {
            println!("{name}: there already");
        } else if let Err(failure) = install(sh, packages) {
            eprintln!("{kind}s: {name} is not installed: {}", failure.reason);
            failed.push(failure.code);
        } else {
            println!("{name}: installed {}", packages.names(sh)?.join(", "));
        }
    }
    // A package that is not what the lock says weighs more than one that nobody could fetch.
    Ok(failed.into_iter().min().unwrap_or(0))
}

struct Failure {
    reason: String,
    code: u8,
}

/// Leaves either a whole installation behind or none.
fn install(sh: &Shell, packages: &Packages) -> Result<(), Failure> {
    let folder = &packages.folder;
    let could_not = |error: String| Failure { reason: error, code: EXIT_NOTHING_CHECKED };
    if let Some(advice) = packages.language.missing(sh) {
        return Err(could_not(advice.to_owned()));
    }
    let prepare = || -> Result<()> {
        // Cargo builds from where the files are, and only what has changed.
        if matches!(packages.language, Language::Rust | Language::Crate) {
            return Ok(());
        }
        sh.remove_path(folder)?;
        sh.create_dir(folder)?;
        for file in [packages.language.manifest(), packages.language.lock()] {
            sh.copy_file(packages.source.join(file), folder)?;
        }
        Ok(())
    };
    prepare().map_err(|error| could_not(format!("{error:#}")))?;
    for command in packages.commands(sh).map_err(|error| could_not(format!("{error:#}")))? {
        if let Err(said) = quietly(command) {
            let _ = sh.remove_path(folder);
            return Err(match is_tampered(&said) {
                true => Failure { reason: first_error(&said), code: EXIT_FINDINGS },
                false => {
                    could_not(format!("{}; is its registry within reach?", first_error(&said)))
                }
            });
        }
    }
    let stamp = sh.write_file(folder.join(STAMP), &packages.pinned);
    stamp.map_err(|error| could_not(error.to_string()))
}

/// Runs the command; what it said where it failed.
fn quietly(command: Cmd<'_>) -> Result<(), String> {
    let line = command.to_string();
    match Command::from(command).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("error: cannot start `{line}`: {error}")),
    }
}

/// Whether a package was fetched and is another than the one locked.
fn is_tampered(said: &str) -> bool {
    let words = [
        "DO NOT MATCH THE HASHES",
        "EINTEGRITY",
        "failed to verify the checksum of",
        // The index says another hash than the lock.
        "unable to verify that",
    ];
    words.iter().any(|words| said.contains(words))
}

/// The line that says most, of what a package manager says.
fn first_error(said: &str) -> String {
    let is_error = |line: &&str| {
        let line = line.to_lowercase();
        line.starts_with("error") || line.starts_with("npm error")
    };
    let line = said.lines().find(is_error).or_else(|| said.lines().last());
    line.unwrap_or("it failed without a word").to_owned()
}

impl Packages {
    pub(crate) fn state(&self, sh: &Shell) -> State {
        let is_pinned =
            sh.read_file(self.folder.join(STAMP)).is_ok_and(|stamp| stamp == self.pinned);
        match is_pinned && self.language.runs(sh, &self.folder) {
            true => State::Installed,
            false if sh.path_exists(&self.folder) => State::Outdated,
            false => State::Missing,
        }
    }

    /// What was asked for, without what that pulls in.
    pub(crate) fn names(&self, sh: &Shell) -> Result<Vec<String>> {
        let path = self.source.join(self.language.manifest());
        let text = sh.read_file(&path)?;
        names(self.language, &text).with_context(|| format!("{} pins no package", path.display()))
    }

    /// Run one after the other, in a folder that holds the manifest and the lock.
    fn commands<'sh>(&self, sh: &'sh Shell) -> Result<Vec<Cmd<'sh>>> {
        let (folder, lock) = (&self.folder, self.folder.join(self.language.lock()));
        let (retries, seconds) = (RETRIES_MAX.to_string(), ANSWER_SECONDS_MAX.to_string());
        let manifest = self.source.join(self.language.manifest());
        let patience = |cargo: Cmd<'sh>| {
            cargo
                .args(["--config", &format!("net.retry={retries}")])
                .args(["--config", &format!("http.timeout={seconds}")])
        };
        Ok(match self.language {
            Language::Python => {
                let python = folder.join("bin/python");
                vec![
                    cmd!(sh, "python3 -m venv {folder}"),
                    cmd!(sh, "{python} -m pip install -qq --require-hashes --retries {retries}")
                        .args(["--timeout", &seconds, "-r"])
                        .arg(lock),
                ]
            }
            Language::Rust => {
                let build = cmd!(sh, "cargo build --quiet --locked --manifest-path {manifest}");
                vec![patience(build).arg("--target-dir").arg(folder)]
            }
            // The first holds the crate against our lock; its own lock, which the second obeys, is a part of it.
            Language::Crate => {
                let mut commands =
                    vec![cmd!(sh, "cargo fetch --quiet --locked --manifest-path {manifest}")];
                for name in self.names(sh)? {
                    let name = name.replace(' ', "@=");
                    commands
                        .push(cmd!(sh, "cargo install --quiet --locked --root {folder} {name}"));
                }
                commands.into_iter().map(patience).collect()
            }
            // Nothing that a package would like to run at its installation is needed.
            Language::TypeScript => vec![
                cmd!(sh, "npm ci --prefix {folder} --ignore-scripts --no-audit --no-fund")
                    .args(["--fetch-retries", &retries, "--fetch-timeout"])
                    .arg(format!("{seconds}000")),
            ],
        })
    }
}

impl Language {
    /// The language of the packages that a folder asks for.
    fn of(sh: &Shell, source: &Path) -> Option<Self> {
        let has = |file| sh.path_exists(source.join(file));
        match () {
            () if has(Self::Python.lock()) => Some(Self::Python),
            () if has(Self::TypeScript.lock()) => Some(Self::TypeScript),
            () if has(Self::Rust.lock()) && has(DRIVER) => Some(Self::Rust),
            () if has(Self::Crate.lock()) => Some(Self::Crate),
            () => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Rust | Self::Crate => "Rust",
            Self::TypeScript => "TypeScript",
        }
    }

    /// Names the packages asked for.
    fn manifest(self) -> &'static str {
        match self {
            Self::Python => "requirements.in",
            Self::Rust | Self::Crate => "Cargo.toml",
            Self::TypeScript => "package.json",
        }
    }

    /// Pins them and all they pull in.
    fn lock(self) -> &'static str {
        match self {
            Self::Python => "requirements.txt",
            Self::Rust | Self::Crate => "Cargo.lock",
            Self::TypeScript => "package-lock.json",
        }
    }

    /// What to install before anything of this language can be.
    fn missing(self, sh: &Shell) -> Option<&'static str> {
        let (probe, advice) = match self {
            Self::Python => (
                cmd!(sh, "python3 -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))'"),
                "it needs Python 3.11 or newer, with venv, as `python3`",
            ),
            Self::Rust | Self::Crate => (cmd!(sh, "cargo --version"), "it needs cargo"),
            Self::TypeScript => (cmd!(sh, "npm --version"), "it needs Node.js with npm"),
        };
        (!at_hand(probe)).then_some(advice)
    }

    /// Whether what the installation leans on is still there: a venv points to the Python it was made with.
    fn runs(self, sh: &Shell, folder: &Path) -> bool {
        match self {
            Self::Python => {
                let python = folder.join("bin/python");
                at_hand(cmd!(sh, "{python} --version"))
            }
            Self::Rust => sh.path_exists(folder.join(BUILT)),
            Self::Crate => sh.path_exists(folder.join("bin")),
            Self::TypeScript => sh.path_exists(folder.join("node_modules")),
        }
    }
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Outdated => "outdated",
            Self::Missing => "not installed",
        }
    }
}

/// The packages of a manifest as `NAME VERSION`; none where it pins none.
fn names(language: Language, manifest: &str) -> Option<Vec<String>> {
    let packages: Vec<_> = match language {
        Language::Python => {
            let pins = manifest.lines().filter_map(|line| line.split_once("=="));
            pins.map(|(name, version)| format!("{name} {version}")).collect()
        }
        // The subject is pinned in the manifest; what its driver needs beside it, only in the lock.
        Language::Rust | Language::Crate => {
            let pins = manifest.lines().filter_map(|line| line.split_once(" = \"="));
            pins.map(|(name, version)| format!("{name} {}", version.trim_end_matches('"')))
                .collect()
        }
        // One dependency a line, as npm writes them; a parser would be a dependency of ours.
        Language::TypeScript => {
            let (_, after) = manifest.split_once("\"dependencies\": {")?;
            let pins = after.lines().skip(1).take_while(|line| !line.contains('}'));
            let pin = |line: &str| line.replace(['"', ',', ':'], "").trim().to_owned();
            pins.map(pin).collect()
        }
    };
    (!packages.is_empty()).then_some(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_its_packages() {
        let check = |language, manifest, expected: Option<&[&str]>| {
            let expected =
                expected.map(|names| names.iter().map(|&name| name.to_owned()).collect());
            assert_eq!(names(language, manifest), expected);
        };
        check(Language::Python, "# Why.\na==1.0\nb-c==2.0.1\n", Some(&["a 1.0", "b-c 2.0.1"]));
        check(Language::Python, "a\n", None);
        check(Language::Rust, "[dependencies]\na = \"1\"\nb = \"=2.0\"\n", Some(&["b 2.0"]));
        let manifest =
            "{\n  \"dependencies\": {\n    \"@a/b\": \"1.0\",\n    \"c\": \"2\"\n  }\n}\n";
        check(Language::TypeScript, manifest, Some(&["@a/b 1.0", "c 2"]));
        check(Language::TypeScript, "{}", None);
    }

    #[test]
    fn a_failure_is_one_line() {
        let check = |said: &str, line: &str, tampered| {
            assert_eq!(first_error(said), line);
            assert_eq!(is_tampered(said), tampered);
        };
        check("WARN of an error\nERROR: no a==1\nERROR: b\n", "ERROR: no a==1", false);
        check("npm warn x\nnpm error code ENOTFOUND\n", "npm error code ENOTFOUND", false);
        check("npm error code EINTEGRITY\n", "npm error code EINTEGRITY", true);
        let other = "error: checksum for `a v1.0` changed between lock files";
        check(&format!("{other}\n\nunable to verify that `a v1.0` is the same"), other, true);
        let changed = "error: failed to verify the checksum of `a v1.0`";
        check(&format!("  Downloading a\n{changed}\n"), changed, true);
        check(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n",
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES",
            true,
        );
        check("", "it failed without a word", false);
    }
}
