//! The repository's verbs: a table of contents that calls cargo.
//!
//! A verb that is not named here belongs to the tool and is handed to it untouched, with the repository's paths
//! where it takes them, so the tool can grow verbs without a line changing here. The price is that a misspelt verb
//! builds the tool before anybody says so.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks through them"
)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use xshell::{Cmd, Shell, cmd};

mod ci;
mod clients;
mod flags;
mod fuzz;
mod packages;
mod targets;

use flags::clients::Clients;
use flags::targets::Targets;
use flags::{Xtask, XtaskCmd};

const VERBS: &str = "\
contract […]                 the CI job: replay every case on the embedded mock, judge, compare the ledgers
chaos [--client NAME]…       puts clients on trial: an installed one by its name, else the reference client
replay CASE…                 case ids again: request, curl, answer, verdict
VERB […]                     any other verb of the tool; `cargo xtask help` lists them
test […]                     every test of the workspace, snapshots and fuzz smoke included
bench […]                    every benchmark of the workspace
ci [STEP…]                   fmt, clippy, test, contract, deny; stops at the first that fails
clients list                 released clients of the API, and which are installed
clients install [NAME…]      installs them (the official SDKs unless named) into target/clients
targets list                 gateways and mocks of other people, and which are installed
targets install [NAME…]      installs them into target/targets
targets run NAME… [-- ARGS]  starts each, with an upstream where it takes one, and judges it; ARGS go to `contract`
fuzz list                    the fuzz targets
fuzz run [TARGET…]           fuzzes them; --seconds N or --minutes N is shared out evenly
fuzz report                  what the last runs did, and what lies around
fuzz min TARGET              minimises the inputs found so far
fuzz repro TARGET FILE       runs one input again
fuzz triage                  runs every artefact again and groups them by where they panic
";

/// Exit codes are those of the tool.
const EXIT_FINDINGS: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_NOTHING_CHECKED: u8 = 3;
const EXIT_INTERNAL: u8 = 70;

fn main() -> ExitCode {
    let code = dispatch(env::args_os().skip(1).collect()).unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        EXIT_INTERNAL
    });
    ExitCode::from(code)
}

fn dispatch(args: Vec<OsString>) -> Result<u8> {
    let sh = Shell::new()?;
    let rest = args.get(1..).unwrap_or_default();
    match args.first().map(|verb| verb.to_string_lossy()).as_deref() {
        None | Some("-h" | "--help") => {
            print!("{VERBS}");
            Ok(0)
        }
        Some("test") => status(test(&sh).args(rest)),
        Some("bench") => status(cmd!(sh, "cargo bench --workspace --benches").args(rest)),
        Some("clients") => {
            let flags = Clients::from_vec(rest.to_vec()).unwrap_or_else(|error| error.exit());
            sh.change_dir(root());
            clients::run(&sh, flags.subcommand)
        }
        Some("targets") => {
            let mut ours = rest.to_vec();
            let theirs = ours.iter().position(|arg| arg == "--").map_or_else(Vec::new, |at| {
                let theirs = ours.split_off(at);
                theirs.into_iter().skip(1).collect()
            });
            let flags = Targets::from_vec(ours).unwrap_or_else(|error| error.exit());
            sh.change_dir(root());
            targets::run(&sh, flags.subcommand, &theirs)
        }
        Some("ci" | "fuzz") => {
            let flags = Xtask::from_vec(args).unwrap_or_else(|error| error.exit());
            sh.change_dir(root());
            match flags.subcommand {
                XtaskCmd::Ci(only) => ci::run(&sh, &only.step),
                XtaskCmd::Fuzz(flags) => fuzz::run(&sh, flags.subcommand),
            }
        }
        Some("chaos") => status(tool(&sh, "chaos", &clients::with_commands(&sh, rest)?)),
        Some(verb) => status(tool(&sh, verb, rest)),
    }
}

fn test(sh: &Shell) -> Cmd<'_> {
    cmd!(sh, "cargo test --profile contract --workspace")
}

/// The tool, run where the caller stands, so that the paths among its arguments mean what they say.
fn tool<'sh>(sh: &'sh Shell, verb: &str, args: &[OsString]) -> Cmd<'sh> {
    // Only trials of clients take a handshake, and a cold build of the contract has no time to spare.
    let lean: &[&str] =
        if ["contract", "merge"].contains(&verb) { &["--no-default-features"] } else { &[] };
    let tool = cmd!(sh, "cargo run --quiet --profile contract -p probity {lean...} -- {verb}");
    let is_told = args.iter().any(|arg| arg.to_string_lossy().starts_with("--snapshots"));
    let snapshots = match verb {
        "chaos" | "contract" | "merge" if is_told => None,
        "chaos" | "contract" | "merge" if sh.current_dir() == root() => {
            Some(PathBuf::from("snapshots"))
        }
        "chaos" | "contract" | "merge" => Some(root().join("snapshots")),
        _ => None,
    };
    match snapshots {
        Some(folder) => tool.arg("--snapshots").arg(folder).args(args),
        None => tool.args(args),
    }
}

/// Runs the command to its end on our own standard streams; its exit code, or 70 where a signal ended it.
fn status(cmd: Cmd<'_>) -> Result<u8> {
    let line = cmd.to_string();
    let status = Command::from(cmd).status().with_context(|| format!("cannot start `{line}`"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(EXIT_INTERNAL))
}

/// Whether the command can be run here, by trying.
fn at_hand(cmd: Cmd<'_>) -> bool {
    Command::from(cmd).output().is_ok_and(|output| output.status.success())
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository")
}
