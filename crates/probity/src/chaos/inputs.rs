//! What the verb reads before anybody is tried: clients, scenario files, expected failures.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use chaos::Scenario;
use wire::driver::Tier;
use wire::tls::Authority;

use super::candidate::Candidate;
use super::expected::Expected;
use crate::cli::ChaosArgs;
use crate::config::Config;
use crate::exit::{Exit, Stop};
use crate::specs::Specs;

/// What tells clients in any language to trust the harness's authority.
pub(super) fn trust(
    authority: Option<&Authority>,
    home: &Path,
) -> Result<Vec<(String, String)>, Stop> {
    let Some(authority) = authority else { return Ok(vec![]) };
    let path = authority.write_ca(home).map_err(|error| {
        Stop::new(Exit::Internal, format!("no file for the certificate: {error}"))
    })?;
    let path = path.display().to_string();
    let names = ["CHAOS_CA_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"];
    Ok(names.map(|name| (name.to_owned(), path.clone())).to_vec())
}

pub(super) fn candidates(
    args: &ChaosArgs,
    config: &Config,
    home: &Path,
    env: &[(String, String)],
) -> Result<Vec<Candidate>, Stop> {
    if args.client.is_empty() {
        return Ok(vec![Candidate::Reference]);
    }
    let tier = match args.tier {
        0 => Tier::BlackBox,
        1 => Tier::OneShot,
        _ => Tier::Persistent,
    };
    let parse = |text: &String| Candidate::parse(text, tier, config, home, env);
    args.client.iter().map(parse).collect()
}

/// The scenario files that are named, and those in folders that are.
pub(super) fn scenarios(paths: &[PathBuf]) -> Result<Vec<Scenario>, Stop> {
    let failed = |path: &Path, error: &dyn Display| {
        Stop::usage(format!("failed to read {}: {error}", path.display()))
    };
    let mut files = vec![];
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        for entry in fs::read_dir(path).map_err(|error| failed(path, &error))? {
            let path = entry.map_err(|error| failed(path, &error))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                files.push(path);
            }
        }
    }
    files.sort();
    let parse = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(|error| failed(path, &error))?;
        Scenario::parse(&text).map_err(|error| Stop::usage(format!("{}: {error}", path.display())))
    };
    files.iter().map(parse).collect()
}

pub(super) fn expected(args: &ChaosArgs, specs: &Specs) -> Result<Vec<Expected>, Stop> {
    if args.expected.is_empty() {
        return Ok(specs.expected.clone());
    }
    let parse = |path: &PathBuf| {
        let wrong = |error: &dyn Display| Stop::usage(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
        Expected::parse(&text).map_err(|error| wrong(&error))
    };
    args.expected.iter().map(parse).collect()
}
