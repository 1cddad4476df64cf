//! The contract against the types of the official Python SDK, where that is installed.
//!
//! `cargo xtask clients install python` installs it. This test reads only what is there, and says aloud when that is
//! nothing: nobody should believe that a comparison was green that did not happen.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use contract::parity::{self, Difference, Exceptions, Ours};
use probity::specs::{Overrides, Specs};
use serde_json::Value;

/// The client whose types are as new as the contract.
const CLIENT: &str = "python";

#[test]
fn the_contract_and_the_official_types_say_the_same() {
    if !is_installed() {
        say(&format!(
            "SKIPPED: nothing was compared with the official types, for the pinned client is not \
             there; `cargo xtask clients install {CLIENT}` installs it"
        ));
        return;
    }
    let specs = Specs::load(&Overrides::default()).unwrap();
    let ours = Ours::new(&specs.contract, &specs.errors);
    let comparison = parity::compare(&ours, &types()).unwrap();
    let exceptions = Exceptions::parse(&read("specs/parity.toml")).unwrap();
    let settled = exceptions.settle(&comparison);
    let (excepted, open) = (settled.excepted.len(), settled.open.len());
    say(&format!("{}; {excepted} differences excepted, {open} open", comparison.summary()));
    let open: Vec<_> = settled.open.iter().map(Difference::to_string).collect();
    assert!(
        open.is_empty(),
        "mend them, or except them in specs/parity.toml:\n{}",
        open.join("\n")
    );
    let stale = settled.stale;
    assert!(stale.is_empty(), "specs/parity.toml excepts what is no difference: {stale:#?}");
}

/// Whether the client is there as its lock file pins it; the install leaves a copy of that behind.
fn is_installed() -> bool {
    let pinned = read(&format!("crates/wire/clients/{CLIENT}/requirements.txt"));
    fs::read_to_string(installed("installed")).is_ok_and(|found| found == pinned)
}

/// Drawn out of the SDK anew, and kept for whoever wants to look.
fn types() -> Value {
    let script = root().join("crates/wire/clients").join(CLIENT).join("extract_types.py");
    let output = Command::new(installed("bin/python")).arg("-I").arg(script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the types could not be drawn out of the SDK:\n{said}");
    fs::write(installed("types.json"), &output.stdout).unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Past the test harness, which swallows what a passing test prints.
fn say(line: &str) {
    io::stderr().write_all(format!("parity: {line}\n").as_bytes()).unwrap();
}

fn installed(path: &str) -> PathBuf {
    root().join("target/clients").join(CLIENT).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}
