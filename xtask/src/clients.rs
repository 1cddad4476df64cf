//! Released clients of the API, installed from their registries into `target/clients/NAME`.
//!
//! The table of clients is the folder `crates/wire/clients`: a client is a folder there with the two files of its
//! package manager, the packages asked for and the lock that pins all they pull in by hash. No lock binds to a
//! registry (cargo's names an index that settings can replace), so the machine's own settings hold. The price is that a
//! new release is entered by hand and the lock made anew:
//!
//! ```text
//! uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
//!     --no-header requirements.in -o requirements.txt
//! npm install --package-lock-only --omit-lockfile-registry-resolved    # and take the `funding` links out
//! cargo generate-lockfile
//! ```
//!
//! The tests drive the official SDKs; all other clients are big, and installed only when they are named.
//!
//! Everything else in this repository reads only what is installed; this verb alone goes out for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use xshell::{Cmd, Shell, cmd};

use crate::flags::clients::ClientsCmd;
use crate::{EXIT_FINDINGS, EXIT_NOTHING_CHECKED, EXIT_USAGE, at_hand, root};

/// A registry that does not answer within this time is out of reach; one that does sends its first byte in far less.
const ANSWER_SECONDS_MAX: u32 = 20;
/// One more attempt gets past a hiccup; more would keep a machine without a network waiting.
const RETRIES_MAX: u32 = 1;

/// A copy of what is pinned, left in the folder of a finished installation.
const STAMP: &str = "installed";

/// Those that are installed when none is named.
const DEFAULT: [&str; 4] = ["python", "python-old", "typescript", "typescript-old"];

/// What is built of a Rust client, in its own folder and in that of the installation.
const DRIVER: &str = "driver.rs";
const BUILT: &str = "debug/driver";

struct Client {
    name: String,
    language: Language,
    /// Where its files are.
    source: PathBuf,
    /// The lock as text, and all else that the installation is made of.
    pinned: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Language {
    Python,
    Rust,
    TypeScript,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Installed,
    /// Another release, or half an installation.
    Outdated,
    Missing,
}

pub(crate) fn run(sh: &Shell, verb: ClientsCmd) -> Result<u8> {
    let mut clients = clients(sh)?;
    let ClientsCmd::Install(flags) = verb else {
        return list(sh, &clients);
    };
    let known: Vec<_> = clients.iter().map(|client| client.name.clone()).collect();
    if let Some(unknown) = flags.name.iter().find(|name| !known.contains(name)) {
        eprintln!("clients: no client is called `{unknown}`; there are {}", known.join(", "));
        return Ok(EXIT_USAGE);
    }
    match flags.name.is_empty() {
        true => clients.retain(Client::is_default),
        false => clients.retain(|client| flags.name.contains(&client.name)),
    }
    let mut failed = Vec::new();
    for client in &clients {
        let (name, state) = (&client.name, client.state(sh));
        if state == State::Installed {
            println!("{name}: there already");
        } else if let Err(failure) = install(sh, client) {
            eprintln!("clients: {name} is not installed: {}", failure.reason);
            failed.push(failure.code);
        } else {
            println!("{name}: installed {}", client.packages(sh)?.join(", "));
        }
    }
    // A package that is not what the lock says weighs more than one that nobody could fetch.
    Ok(failed.into_iter().min().unwrap_or(0))
}

/// The arguments of the chaos verb with the commands of installed clients in place of their names: the tool itself
/// knows none.
pub(crate) fn with_commands(sh: &Shell, args: &[OsString]) -> Result<Vec<OsString>> {
    let _in_repository = sh.push_dir(root());
    let clients = clients(sh)?;
    let command = |name: &str| {
        let client = clients.iter().find(|client| client.name == name)?;
        Some(format!("{name}={}", client.command()))
    };
    let mut told = Vec::new();
    let mut is_client = false;
    for arg in args {
        let text = arg.to_string_lossy();
        let joined = text.strip_prefix("--client=");
        let named = if is_client { Some(&*text) } else { joined };
        match named.and_then(command) {
            Some(command) if is_client => told.push(command.into()),
            Some(command) => told.push(format!("--client={command}").into()),
            None => told.push(arg.clone()),
        }
        is_client = text == "--client";
    }
    Ok(told)
}

fn list(sh: &Shell, clients: &[Client]) -> Result<u8> {
    for client in clients {
        let (name, language) = (&client.name, client.language.name());
        let packages = client.packages(sh)?.join(", ");
        let note = if client.is_default() { "" } else { ", only when named" };
        println!("{name:<16} {language:<12} {packages:<48} {}{note}", client.state(sh).name());
    }
    Ok(0)
}

/// Every folder with a lock, by name.
fn clients(sh: &Shell) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for source in sh.read_dir("crates/wire/clients")? {
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let has_lock = |language: &Language| sh.path_exists(source.join(language.lock()));
        if let Some(language) = Language::ALL.into_iter().find(has_lock) {
            let mut pinned = sh.read_file(source.join(language.lock()))?;
            if language == Language::Rust {
                pinned += &sh.read_file(source.join(DRIVER))?;
            }
            clients.push(Client { name, language, source, pinned });
        }
    }
    Ok(clients)
}

struct Failure {
    reason: String,
    code: u8,
}

/// Leaves either a whole installation behind or none.
fn install(sh: &Shell, client: &Client) -> Result<(), Failure> {
    let folder = client.folder();
    let could_not = |error: String| Failure { reason: error, code: EXIT_NOTHING_CHECKED };
    if let Some(advice) = client.language.missing(sh) {
        return Err(could_not(advice.to_owned()));
    }
    let prepare = || -> Result<()> {
        // Cargo builds from where the files are, and only what has changed.
        if client.language == Language::Rust {
            return Ok(());
        }
        sh.remove_path(&folder)?;
        sh.create_dir(&folder)?;
        for file in [client.language.manifest(), client.language.lock()] {
            sh.copy_file(client.source.join(file), &folder)?;
        }
        Ok(())
    };
    prepare().map_err(|error| could_not(format!("{error:#}")))?;
    for command in client.commands(sh) {
        if let Err(said) = quietly(command) {
            let _ = sh.remove_path(&folder);
            return Err(match is_tampered(&said) {
                true => Failure { reason: first_error(&said), code: EXIT_FINDINGS },
                false => {
                    could_not(format!("{}; is its registry within reach?", first_error(&said)))
                }
            });
        }
    }
    let stamp = sh.write_file(folder.join(STAMP), &client.pinned);
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
    let words = ["DO NOT MATCH THE HASHES", "EINTEGRITY", "failed to verify the checksum of"];
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

impl Client {
    fn folder(&self) -> PathBuf {
        Path::new("target/clients").join(&self.name)
    }

    /// The command line that starts its driver, from anywhere. Twins of another release share one driver.
    fn command(&self) -> String {
        let folder = root().join(self.folder());
        let source = root().join("crates/wire/clients").join(self.name.trim_end_matches("-old"));
        let quote = |path: PathBuf| format!("'{}'", path.display());
        match self.language {
            Language::Python => {
                format!("{} {}", quote(folder.join("bin/python")), quote(source.join("driver.py")))
            }
            Language::Rust => quote(folder.join(BUILT)),
            // The driver finds the client from where it is started.
            Language::TypeScript => {
                let driver = source.join("driver.mjs");
                format!("sh -c 'cd \"$0\" && exec node \"$1\"' {} {}", quote(folder), quote(driver))
            }
        }
    }

    fn is_default(&self) -> bool {
        DEFAULT.contains(&self.name.as_str())
    }

    fn state(&self, sh: &Shell) -> State {
        let folder = self.folder();
        let is_pinned = sh.read_file(folder.join(STAMP)).is_ok_and(|stamp| stamp == self.pinned);
        match is_pinned && self.language.runs(sh, &folder) {
            true => State::Installed,
            false if sh.path_exists(&folder) => State::Outdated,
            false => State::Missing,
        }
    }

    /// What was asked for, without what that pulls in.
    fn packages(&self, sh: &Shell) -> Result<Vec<String>> {
        let path = self.source.join(self.language.manifest());
        let text = sh.read_file(&path)?;
        let packages = packages(self.language, &text);
        packages.with_context(|| format!("{} pins no package", path.display()))
    }

    /// Run one after the other, in a folder that holds the manifest and the lock.
    fn commands<'sh>(&self, sh: &'sh Shell) -> Vec<Cmd<'sh>> {
        let (folder, lock) = (self.folder(), self.folder().join(self.language.lock()));
        let (retries, seconds) = (RETRIES_MAX.to_string(), ANSWER_SECONDS_MAX.to_string());
        match self.language {
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
                let manifest = self.source.join(self.language.manifest());
                vec![
                    cmd!(sh, "cargo build --quiet --locked --manifest-path {manifest}")
                        .args(["--config", &format!("net.retry={retries}")])
                        .args(["--config", &format!("http.timeout={seconds}"), "--target-dir"])
                        .arg(folder),
                ]
            }
            // Nothing that a package would like to run at its installation is needed.
            Language::TypeScript => vec![
                cmd!(sh, "npm ci --prefix {folder} --ignore-scripts --no-audit --no-fund")
                    .args(["--fetch-retries", &retries, "--fetch-timeout"])
                    .arg(format!("{seconds}000")),
            ],
        }
    }
}

impl Language {
    const ALL: [Self; 3] = [Self::Python, Self::Rust, Self::TypeScript];

    fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Rust => "Rust",
            Self::TypeScript => "TypeScript",
        }
    }

    /// Names the packages asked for.
    fn manifest(self) -> &'static str {
        match self {
            Self::Python => "requirements.in",
            Self::Rust => "Cargo.toml",
            Self::TypeScript => "package.json",
        }
    }

    /// Pins them and all they pull in.
    fn lock(self) -> &'static str {
        match self {
            Self::Python => "requirements.txt",
            Self::Rust => "Cargo.lock",
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
            Self::Rust => (cmd!(sh, "cargo --version"), "it needs cargo"),
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
            Self::TypeScript => sh.path_exists(folder.join("node_modules")),
        }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Outdated => "outdated",
            Self::Missing => "not installed",
        }
    }
}

/// The packages of a manifest as `NAME VERSION`; none where it pins none.
fn packages(language: Language, manifest: &str) -> Option<Vec<String>> {
    let packages: Vec<_> = match language {
        Language::Python => {
            let pins = manifest.lines().filter_map(|line| line.split_once("=="));
            pins.map(|(name, version)| format!("{name} {version}")).collect()
        }
        // The subject is pinned in the manifest; what its driver needs beside it, only in the lock.
        Language::Rust => {
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
            assert_eq!(packages(language, manifest), expected);
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
    fn what_is_installed_by_default_is_in_the_table() {
        let sh = Shell::new().unwrap();
        sh.change_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let clients = clients(&sh).unwrap();
        let names: Vec<_> = clients.iter().map(|client| client.name.as_str()).collect();
        assert!(DEFAULT.iter().all(|name| names.contains(name)), "{names:?}");
        assert!(clients.iter().all(|client| !client.packages(&sh).unwrap().is_empty()));
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
