//! What the README shows works: its code is taken out of the page and run.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");

/// The client that the page imagines.
const ACME: &str = include_str!("acme.py");

/// The code of that language in which these words stand; there must be one such block.
fn block(language: &str, words: &str) -> String {
    let page = std::fs::read_to_string(README).unwrap();
    let blocks = page.split("\n```").skip(1).step_by(2);
    let found = blocks.filter_map(|block| block.strip_prefix(&format!("{language}\n")));
    let found: Vec<_> = found.filter(|block| block.contains(words)).collect();
    assert_eq!(found.len(), 1, "{language} blocks with `{words}`");
    format!("{}\n", found[0])
}

/// Whether the program is there; if not, says so past the test harness, which swallows what a passing test prints.
fn is_at_hand(program: &str) -> bool {
    let status =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = status.is_ok_and(|status| status.success());
    if !found {
        let line = format!("readme: SKIPPED: there is no {program} here\n");
        io::stderr().write_all(line.as_bytes()).unwrap();
    }
    found
}

/// The verdict of each trial, and what was found.
fn check(name: &str, files: &[(&str, &str)], args: &[&str], expected: &[(&str, &str, &str)]) {
    let card = chaos(name, files, args);
    let told = |result: &Value, key: &str| result[key].as_str().unwrap_or("-").to_owned();
    let results = card["results"].as_array().unwrap();
    let found = results.iter().map(|result| {
        let trial = format!("{} {}", told(result, "scenario"), told(result, "surface"));
        (trial, (told(result, "verdict"), told(result, "finding")))
    });
    let expected = expected.iter().map(|(trial, verdict, finding)| {
        ((*trial).to_owned(), ((*verdict).to_owned(), (*finding).to_owned()))
    });
    let (found, expected) = (found.collect::<BTreeMap<_, _>>(), expected.collect());
    assert_eq!(found, expected, "{card:#}");
}

/// The scorecard of a run in a directory of its own.
fn chaos(name: &str, files: &[(&str, &str)], args: &[&str]) -> Value {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("readme-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.args(["chaos", "--format", "json"]).args(args).current_dir(&folder);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let card = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    std::fs::remove_dir_all(folder).unwrap();
    card
}

/// The imagined client knows errors, and takes the end of a stream for the end of the answer.
#[test]
fn the_driver_tells_what_its_client_does() {
    if !is_at_hand("python3") {
        return;
    }
    let driver = block("python", "import acme");
    let lines = driver.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 45, "the driver of the README has {lines} lines");
    let args = [
        "--client",
        "acme=python3 driver.py",
        "--scenario",
        "err-400",
        "--scenario",
        "sse-clean-eof-no-stop",
        "--scenario",
        "cross-talk",
    ];
    check(
        "driver",
        &[("driver.py", &driver), ("acme.py", ACME)],
        &args,
        &[
            ("err-400 create", "pass", "-"),
            ("err-400 stream", "pass", "-"),
            ("sse-clean-eof-no-stop stream", "fail", "false-ok"),
            ("cross-talk create", "skip", "-"),
            ("cross-talk stream", "skip", "-"),
        ],
    );
}

#[test]
fn curl_needs_no_driver() {
    if !is_at_hand("curl") {
        return;
    }
    let ask = block("sh", "# ask.sh");
    let args = ["--tier", "0", "--surface", "create", "--client", "curl=sh ask.sh"];
    let scenarios = ["--scenario", "http10-close", "--scenario", "empty-200"];
    check(
        "curl",
        &[("ask.sh", &ask)],
        &[&args[..], &scenarios].concat(),
        &[("http10-close create", "pass", "-"), ("empty-200 create", "fail", "false-ok")],
    );
}

#[test]
fn the_scenario_plays_and_the_reference_client_passes() {
    let scenario = block("toml", "stall-after-hello");
    check(
        "scenario",
        &[("own.toml", &scenario)],
        &["--scenarios", "own.toml"],
        &[("stall-after-hello stream", "pass", "-")],
    );
}

/// The expectation is read as any other; the scenario that it names is real.
#[test]
fn the_expected_failure_is_one_that_can_be_expected() {
    let expected = block("toml", "[[failure]]");
    let args = ["--expected", "e.toml", "--scenario", "sse-clean-eof-no-stop"];
    let trial = [("sse-clean-eof-no-stop stream", "pass", "-")];
    check("expected", &[("e.toml", &expected)], &args, &trial);
}

#[test]
fn the_links_lead_somewhere() {
    let page = std::fs::read_to_string(README).unwrap();
    let links = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files: Vec<_> = links.filter(|link| !link.contains("://")).collect();
    assert!(!files.is_empty());
    for file in files {
        let path = Path::new(README).with_file_name(file);
        assert!(path.exists(), "{file}");
    }
}
