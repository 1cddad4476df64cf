//! The promises about the repository itself that no compiler keeps.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// As much as a reader keeps in mind at once.
const LINES_MAX: usize = 400;

/// What cargo, git, the fuzzer and an editor put into the tree.
const NOT_OURS: [&str; 5] = ["target", ".git", "fuzz/artifacts", "fuzz/coverage", "Cargo.lock"];

#[test]
fn files_are_small() {
    let mut wrong = Vec::new();
    for file in files("").into_iter().filter(|file| has_extension(file, "rs")) {
        let is_test = file.iter().any(|part| part == "tests" || part == "tests.rs");
        let text = read(&file);
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().count();
        if !is_test && lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines without tests", file.display()));
        }
    }
    report(&wrong, &format!("more than {LINES_MAX}: split by rule, not by size"));
}

#[test]
fn the_readme_names_every_crate_and_every_fuzz_target() {
    let readme = read("README.md");
    let crates = folder("crates").into_iter().map(|path| path.display().to_string());
    let targets = folder("fuzz/fuzz_targets").into_iter().map(|path| stem(&path));
    let members = ["fuzz", "snapshots", "xtask"].map(str::to_owned);
    let mut wrong: Vec<_> = crates.chain(targets).chain(members).collect();
    wrong.retain(|name| !readme.contains(name.as_str()));
    report(&wrong, "not in README.md: the code map and the list of fuzz targets are complete");
}

#[test]
fn no_snapshot_is_pending() {
    let mut wrong = files("");
    wrong.retain(|file| has_extension(file, "new") || has_extension(file, "pending-snap"));
    let wrong: Vec<_> = wrong.iter().map(|file| file.display().to_string()).collect();
    report(&wrong, "review it: `cargo insta review`");
}

#[test]
fn xtask_builds_in_seconds() {
    assert_eq!(dependencies("xtask/Cargo.toml"), ["anyhow", "xflags", "xshell"]);
}

#[test]
fn no_lock_names_a_registry() {
    let mut wrong = files("crates/wire/clients");
    wrong.extend(files("crates/wire/targets"));
    let is_lock =
        |file: &PathBuf| file.ends_with("requirements.txt") || file.ends_with("package-lock.json");
    wrong.retain(|file| is_lock(file) && read(file).contains("://"));
    let wrong: Vec<_> = wrong.iter().map(|file| file.display().to_string()).collect();
    report(
        &wrong,
        "each machine has a registry of its own; xtask/src/packages.rs says how a lock is made",
    );
}

#[test]
fn pure_crates_cannot_reach_a_socket() {
    const ASYNC: [&str; 6] = ["async-std", "futures", "hyper", "reqwest", "tokio", "wiremock"];
    let mut wrong = Vec::new();
    for name in ["chaos", "classify", "contract", "mock"] {
        for dependency in dependencies(&format!("crates/{name}/Cargo.toml")) {
            if ASYNC.iter().any(|banned| dependency.starts_with(banned)) {
                wrong.push(format!("crates/{name}: {dependency}"));
            }
        }
    }
    report(&wrong, "a pure crate takes what it needs as arguments; sockets belong to crates/wire");
}

#[test]
fn witnesses_are_named_after_their_rule() {
    let mut wrong = Vec::new();
    for file in folder("specs/witnesses").into_iter().filter(|file| has_extension(file, "toml")) {
        let text = read(&file);
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        let names: Vec<_> = [value("rule"), value("variant")].into_iter().flatten().collect();
        if stem(&file) != names.join(".") {
            wrong.push(format!("{} is of {names:?}", file.display()));
        }
    }
    report(&wrong, "a file is named after its rule: RULE.toml, or RULE.VARIANT.toml");
}

#[test]
fn no_file_names_the_place_it_was_written_at() {
    let place = ["/wo", "rk/"].concat();
    let holds = |file: &PathBuf| fs::read(root().join(file)).is_ok_and(|bytes| has(&bytes, &place));
    let wrong: Vec<_> = files("")
        .iter()
        .filter(|file| holds(file))
        .map(|file| file.display().to_string())
        .collect();
    report(&wrong, &format!("`{place}` means nothing on another machine"));
}

/// Fails with all that is wrong at once, and the advice.
#[track_caller]
fn report(wrong: &[String], advice: &str) {
    assert!(wrong.is_empty(), "{advice}\n  {}", wrong.join("\n  "));
}

/// The names in every table of dependencies of a manifest, tests' and builds' included.
fn dependencies(manifest: &str) -> Vec<String> {
    let (mut names, mut inside) = (Vec::new(), false);
    for line in read(manifest).lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end_matches(']').ends_with("dependencies");
        } else if inside && line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            names.extend(line.split(['.', ' ', '=']).next().map(str::to_owned));
        }
    }
    names
}

/// Every file of ours under `start`, relative to the repository, sorted.
fn files(start: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(start)]);
    while let Some(next) = folders.pop() {
        for path in folder(&next) {
            match root().join(&path) {
                _ if NOT_OURS.iter().any(|name| path == Path::new(name)) => {}
                whole if whole.is_symlink() => {}
                whole if whole.is_dir() => folders.push(path),
                _ => found.push(path),
            }
        }
    }
    found.sort();
    found
}

/// What lies in a folder, relative to the repository, sorted.
fn folder(path: impl AsRef<Path>) -> Vec<PathBuf> {
    let path = path.as_ref();
    let entries = fs::read_dir(root().join(path)).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let mut paths: Vec<_> =
        entries.map(|entry| path.join(entry.expect("an entry").file_name())).collect();
    paths.sort();
    paths
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension() == Some(OsStr::new(extension))
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository")
}
