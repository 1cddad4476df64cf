//! Writes the table of the files in `specs/` that the binary carries, so that it works in an empty directory.
//!
//! The text itself comes in through `include_str!`, hence an edited file is a rebuild; the folder is watched for files
//! that come and go.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What the tool reads from `specs/`; anything else there is for people.
const EXTENSIONS: [&str; 4] = ["http", "md", "toml", "yaml"];

/// Written by the tool itself: inside of it, the page would never be current.
const GENERATED: &str = "EXPLAINED.md";

fn main() -> io::Result<()> {
    // Asked for when it runs: two checkouts may share a target folder, and with it this program.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let root = manifest.join("../../specs").canonicalize()?;
    println_cargo(&format!("rerun-if-changed={}", root.display()));
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file);
        let _ = writeln!(table, "    ({name:?}, include_str!({file:?})),");
    }
    table.push_str("]\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("specs.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if !path.ends_with(GENERATED)
            && path.extension().is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn println_cargo(line: &str) {
    println!("cargo:{line}");
}
