//! Who is put on trial by the verb: the reference client, or one behind a driver.

use std::ffi::OsString;
use std::path::Path;

use chaos::{Scenario, Surface, TrialReport};
use wire::driver::{Driver, Program, Tier};
use wire::trial::{Stage, trial};

use super::card::Client;
use crate::config::Config;
use crate::curl::quote;
use crate::exit::{Exit, Stop};
use crate::subject;

/// Every surface there is: what a client lacks is skipped with that reason.
const SURFACES: [Surface; 3] = [Surface::Create, Surface::Stream, Surface::Raw];

/// A client that can be put on trial.
pub enum Candidate {
    /// Ours, in this process.
    Reference,
    Driver {
        /// What `--client` was given, or the name in it.
        asked_as: String,
        driver: Driver,
        tier: Tier,
    },
}

impl Candidate {
    /// The candidate that `--client` names: a command line, `NAME=COMMAND`, or a name of `probity.toml`.
    pub fn parse(
        text: &str,
        tier: Tier,
        config: &Config,
        home: &Path,
        env: &[(String, String)],
    ) -> Result<Self, Stop> {
        let (asked_as, command) = match named(text) {
            Some((name, command)) => (name, command),
            None => (text, config.clients.get(text).map_or(text, String::as_str)),
        };
        let words = shlex::split(command).filter(|words| !words.is_empty()).ok_or_else(|| {
            Stop::usage(format!(
                "--client `{command}` is no command line: a quote is open, or it is empty"
            ))
        })?;
        let command: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let program = Program { command, folder: None, home: home.to_owned(), env: env.to_vec() };
        Ok(Self::Driver { asked_as: asked_as.to_owned(), driver: Driver::new(program, tier), tier })
    }

    /// What the client says of itself. Starts it.
    pub async fn about(&self) -> Result<Client, Stop> {
        let Self::Driver { asked_as, driver, tier } = self else {
            return Ok(Client {
                name: "reference-client".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                language: "rust".to_owned(),
                runtime: None,
                asked_as: None,
            });
        };
        let about = driver.about().await.map_err(|trouble| {
            Stop::new(Exit::NotChecked, format!("--client {asked_as}: {trouble}"))
        })?;
        let name = asked_as.clone();
        let asked_as = Some(flags(asked_as, *tier));
        Ok(match about {
            Some(about) => {
                let client = about.client;
                let (name, version, language) = (client.name, client.version, client.language);
                Client { name, version, language, runtime: client.runtime, asked_as }
            }
            None => Client {
                name,
                version: format!("tier {}", *tier as u8),
                language: "unknown".to_owned(),
                runtime: None,
                asked_as,
            },
        })
    }

    /// The surfaces that it can be tried on.
    pub async fn surfaces(&self) -> Vec<Surface> {
        match self {
            Self::Reference => vec![Surface::Create, Surface::Stream],
            Self::Driver { driver, .. } => match driver.about().await {
                Ok(Some(about)) => about.surfaces,
                Ok(None) | Err(_) => SURFACES.to_vec(),
            },
        }
    }

    /// Holds one trial.
    pub async fn trial(
        &self,
        scenario: &Scenario,
        surface: Surface,
        stage: Stage<'_>,
    ) -> TrialReport {
        match self {
            Self::Reference => {
                trial(scenario, surface, stage, &subject::Reference::new(scenario, stage)).await
            }
            Self::Driver { driver, .. } => driver.trial(scenario, surface, stage).await,
        }
    }

    pub async fn stop(&self) {
        if let Self::Driver { driver, .. } = self {
            driver.stop().await;
        }
    }
}

/// What puts it on trial again.
fn flags(asked_as: &str, tier: Tier) -> String {
    let client = format!("--client {}", quote(asked_as));
    match tier {
        Tier::BlackBox | Tier::OneShot => format!("{client} --tier {}", tier as u8),
        Tier::Persistent => client,
    }
}

/// `NAME=COMMAND`, where the name is a word; an assignment before a command of the shell is none.
fn named(text: &str) -> Option<(&str, &str)> {
    let (name, command) = text.split_once('=')?;
    let is_word = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.@/".contains(c));
    is_word.then_some((name, command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_from_a_command() {
        assert_eq!(named("python=sh -c 'x=1'"), Some(("python", "sh -c 'x=1'")));
        assert_eq!(named("sh -c 'x=1'"), None);
        assert_eq!(named("DEBUG=1 node driver.mjs"), None);
        assert_eq!(named("node driver.mjs"), None);
    }
}
