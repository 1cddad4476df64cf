//! What the verb reads before anybody is tried: clients, scenario files, expected failures.

use std::path::{Path, PathBuf};

use chaos::Scenario;
use contract::spec::Text;
use wire::driver::Tier;
use wire::tls::Authority;

use super::candidate::Candidate;
use super::expected::Expected;
use crate::cli::ChaosArgs;
use crate::config::Config;
use crate::exit::{Exit, Stop};
use crate::specs::{Specs, read, read_folder};

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
    let mut files = vec![];
    for path in paths {
        if path.is_dir() {
            files.extend(read_folder(path)?);
        } else {
            files.push(read(path)?);
        }
    }
    let wrong = |file: &Text, error| Stop::usage(format!("{}: {error}", file.name));
    let parse = |file: &Text| Scenario::parse(&file.text).map_err(|error| wrong(file, error));
    files.iter().map(parse).collect()
}

pub(super) fn expected(args: &ChaosArgs, specs: &Specs) -> Result<Vec<Expected>, Stop> {
    if args.expected.is_empty() {
        return Ok(specs.expected.clone());
    }
    let parse = |path: &PathBuf| {
        let file = read(path)?;
        let parsed = Expected::parse(&file.text);
        parsed.map_err(|error| Stop::usage(format!("{}: {error}", file.name)))
    };
    args.expected.iter().map(parse).collect()
}
