//! The fuzz targets through cargo-fuzz.
//!
//! Committed seeds lie in `fuzz/corpus`, fixed findings in `fuzz/regressions`, and a run only reads both: what it
//! finds goes to `target/fuzz-corpus`, what fails to `fuzz/artifacts`. A target stops at its first finding, and the
//! rest of its time is lost; the others still run. Nothing under test has unsafe code, so no sanitiser is built in,
//! which doubles the speed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use xshell::{Cmd, Shell, cmd};

use crate::flags::{FuzzCmd, Run};
use crate::{EXIT_FINDINGS, EXIT_NOTHING_CHECKED, EXIT_USAGE, at_hand, status};

/// Long enough for every seed and some thousand mutations of each.
const SECONDS_USUAL: u64 = 60;
/// The largest recorded reply fits twice; longer inputs only repeat what shorter ones say.
const INPUT_BYTES_MAX: u32 = 16 * 1024;
/// A thousand times what an input usually takes.
const INPUT_SECONDS_MAX: u32 = 10;
/// No target keeps anything between inputs: far more than one can need, less than a small machine has.
const MEMORY_MB_MAX: u32 = 2048;
/// More artefacts of one target than this have few causes; the rest waits until those are mended.
const TRIAGE_MAX: usize = 200;

pub(crate) fn run(sh: &Shell, verb: FuzzCmd) -> Result<u8> {
    let targets = targets(sh)?;
    match verb {
        FuzzCmd::List(_) => {
            println!("{}", targets.join("\n"));
            return Ok(0);
        }
        FuzzCmd::Report(_) => return report(sh, &targets),
        _ => {}
    }
    if let Some(advice) = missing(sh) {
        eprintln!("fuzz: {advice}");
        return Ok(EXIT_NOTHING_CHECKED);
    }
    let named = match &verb {
        FuzzCmd::Run(flags) => flags.target.clone(),
        FuzzCmd::Min(flags) => vec![flags.target.clone()],
        FuzzCmd::Repro(flags) => vec![flags.target.clone()],
        _ => Vec::new(),
    };
    if let Some(unknown) = named.iter().find(|name| !targets.contains(name)) {
        eprintln!("fuzz: no target is called `{unknown}`; there are {}", targets.join(", "));
        return Ok(EXIT_USAGE);
    }
    // The fuzzer would say so itself, but only after a minute of building, and as if it had found something.
    if let FuzzCmd::Repro(flags) = &verb
        && !flags.file.is_file()
    {
        eprintln!("fuzz: there is no input file `{}`", flags.file.display());
        return Ok(EXIT_USAGE);
    }
    match verb {
        FuzzCmd::Run(flags) => fuzz(sh, if named.is_empty() { &targets } else { &named }, &flags),
        FuzzCmd::Min(flags) => {
            let found = found(&flags.target);
            sh.create_dir(&found)?;
            status(cargo_fuzz(sh, "cmin", &flags.target).arg(found))
        }
        FuzzCmd::Repro(flags) => {
            let code =
                status(cargo_fuzz(sh, "run", &flags.target).arg(flags.file.canonicalize()?))?;
            Ok(if code == 0 { 0 } else { EXIT_FINDINGS })
        }
        _ => triage(sh, &targets),
    }
}

/// The targets are the files in `fuzz/fuzz_targets`, by name.
fn targets(sh: &Shell) -> Result<Vec<String>> {
    let stem = |path: PathBuf| Some(path.file_stem()?.to_string_lossy().into_owned());
    Ok(sh.read_dir("fuzz/fuzz_targets")?.into_iter().filter_map(stem).collect())
}

/// What to install before anything can be fuzzed.
fn missing(sh: &Shell) -> Option<&'static str> {
    if !at_hand(cmd!(sh, "cargo +nightly --version")) {
        Some("no nightly toolchain: run `rustup toolchain install nightly --profile minimal`")
    } else if !at_hand(cmd!(sh, "cargo +nightly fuzz --version")) {
        Some("cargo-fuzz is not installed: run `cargo install cargo-fuzz --locked`")
    } else {
        None
    }
}

fn cargo_fuzz<'sh>(sh: &'sh Shell, verb: &str, target: &str) -> Cmd<'sh> {
    cmd!(sh, "cargo +nightly fuzz {verb} --fuzz-dir fuzz --sanitizer none {target}")
        // Link-time optimisation makes the build minutes longer and the targets no faster.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
}

fn found(target: &str) -> PathBuf {
    Path::new("target/fuzz-corpus").join(target)
}

fn log(target: &str) -> PathBuf {
    Path::new("target/fuzz-logs").join(target)
}

/// Gives each target its share of the time.
fn fuzz(sh: &Shell, targets: &[String], flags: &Run) -> Result<u8> {
    let seconds = match (flags.seconds, flags.minutes) {
        (None, None) => SECONDS_USUAL,
        (seconds, minutes) => seconds.unwrap_or(0) + 60 * minutes.unwrap_or(0),
    };
    let share = (seconds / targets.len() as u64).max(1);
    for target in targets {
        let code = status(cargo_fuzz(sh, "build", target))?;
        if code != 0 {
            eprintln!("fuzz: {target} does not build");
            return Ok(code);
        }
    }
    let mut failed = Vec::new();
    for target in targets {
        println!("── {target}: {share} s");
        if !fuzz_one(sh, target, share)? {
            failed.push(target.as_str());
        }
    }
    report(sh, targets)?;
    if failed.is_empty() {
        return Ok(0);
    }
    eprintln!("fuzz: findings in {}; `cargo xtask fuzz triage` groups them", failed.join(", "));
    Ok(EXIT_FINDINGS)
}

/// Whether the target ran its time without a finding. What libFuzzer says is kept for the report.
fn fuzz_one(sh: &Shell, target: &str, seconds: u64) -> Result<bool> {
    let (found, log) = (found(target), log(target));
    sh.create_dir(&found)?;
    sh.create_dir("target/fuzz-logs")?;
    let committed =
        [Path::new("fuzz/corpus").join(target), Path::new("fuzz/regressions").join(target)];
    let dictionary = Path::new("fuzz/dict").join(format!("{target}.dict"));
    let mut command = cargo_fuzz(sh, "run", target)
        .arg(found)
        .args(committed.iter().filter(|path| sh.path_exists(path)))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"))
        .arg("-print_final_stats=1");
    if sh.path_exists(&dictionary) {
        command = command.arg(format!("-dict={}", dictionary.display()));
    }
    let mut child = Command::from(command).stderr(Stdio::piped()).spawn()?;
    let said = child.stderr.take().context("the child's standard error is ours")?;
    let mut log = File::create(log)?;
    for line in BufReader::new(said).split(b'\n') {
        let line = [line?, b"\n".to_vec()].concat();
        io::stderr().write_all(&line)?;
        log.write_all(&line)?;
    }
    Ok(child.wait()?.success())
}

/// A table of what the last runs did and of what lies in the folders.
fn report(sh: &Shell, targets: &[String]) -> Result<u8> {
    println!("target      seeds   found  artefacts  executions  per second  edges");
    for target in targets {
        let text = match sh.path_exists(log(target)) {
            true => String::from_utf8_lossy(&sh.read_binary_file(log(target))?).into_owned(),
            false => String::new(),
        };
        let stat = |label: &str| {
            let line = text.lines().rev().find_map(|line| line.split_once(label));
            line.and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or("–").to_owned()
        };
        println!(
            "{target:<10} {:>6}  {:>6}  {:>9}  {:>10}  {:>10}  {:>5}",
            files(sh, &Path::new("fuzz/corpus").join(target))?.len(),
            files(sh, &found(target))?.len(),
            files(sh, &artefacts(target))?.len(),
            stat("stat::number_of_executed_units:"),
            stat("stat::average_exec_per_sec:"),
            stat("cov:"),
        );
    }
    Ok(0)
}

fn artefacts(target: &str) -> PathBuf {
    Path::new("fuzz/artifacts").join(target)
}

/// The files of a folder, sorted; none if it does not exist.
fn files(sh: &Shell, folder: &Path) -> Result<Vec<PathBuf>> {
    let files = if sh.path_exists(folder) { sh.read_dir(folder)? } else { Vec::new() };
    Ok(files.into_iter().map(|file| folder.join(file.file_name().unwrap_or_default())).collect())
}

/// Runs every artefact once. Those that pass by now are named too: they belong into `fuzz/regressions`.
fn triage(sh: &Shell, targets: &[String]) -> Result<u8> {
    let mut causes: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for target in targets {
        for file in files(sh, &artefacts(target))?.into_iter().take(TRIAGE_MAX) {
            let output = Command::from(cargo_fuzz(sh, "run", target).arg(&file)).output()?;
            let cause = match output.status.success() {
                true => PASSES.to_owned(),
                false => format!("{target}: {}", cause(&String::from_utf8_lossy(&output.stderr))),
            };
            causes.entry(cause).or_default().push(file);
        }
    }
    for (cause, files) in &causes {
        println!("{cause} ({})", files.len());
        for file in files {
            println!("    {}", file.display());
        }
    }
    let findings = causes.keys().filter(|cause| *cause != PASSES).count();
    if findings == 0 {
        return Ok(0);
    }
    eprintln!(
        "fuzz: distinct findings: {findings}; `cargo xtask fuzz repro TARGET FILE` runs one again"
    );
    Ok(EXIT_FINDINGS)
}

const PASSES: &str = "passes by now: move it to fuzz/regressions or delete it";

/// Where it panicked, or what libFuzzer says where nothing did.
fn cause(stderr: &str) -> &str {
    let after = |label: &str| stderr.lines().find_map(|line| line.split_once(label));
    after("panicked at ")
        .or_else(|| after("libFuzzer: "))
        .map_or("failed without a word", |(_, rest)| rest.trim_end_matches(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stderr: &str, expected: &str) {
        assert_eq!(cause(stderr), expected);
    }

    #[test]
    fn a_cause_is_a_place() {
        check("INFO: x\n\nthread '<unnamed>' (7) panicked at a/b.rs:3:5:\nno\n", "a/b.rs:3:5");
        check("==7== ERROR: libFuzzer: timeout after 10 seconds\n", "timeout after 10 seconds");
        check("", "failed without a word");
    }
}
