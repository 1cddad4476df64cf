//! Released clients of the API, installed into `target/clients/NAME` as [`crate::packages`] does it.
//!
//! The table of clients is the folder `crates/wire/clients`: a client is a folder there. The tests drive the official
//! SDKs; all other clients are big, and installed only when they are named.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use xshell::Shell;

use crate::flags::clients::ClientsCmd;
use crate::packages::{self, BUILT, Language, Packages};
use crate::root;

const SOURCES: &str = "crates/wire/clients";
const TARGET: &str = "target/clients";

/// Those that are installed when none is named.
const DEFAULT: [&str; 4] = ["python", "python-old", "typescript", "typescript-old"];

pub(crate) fn run(sh: &Shell, verb: ClientsCmd) -> Result<u8> {
    let mut clients = packages::find(sh, SOURCES, TARGET)?;
    let ClientsCmd::Install(flags) = verb else {
        return list(sh, &clients);
    };
    let known = clients.iter().map(|client| &client.name);
    if let Some(code) = packages::unknown("client", &flags.name, known) {
        return Ok(code);
    }
    match flags.name.is_empty() {
        true => clients.retain(is_default),
        false => clients.retain(|client| flags.name.contains(&client.name)),
    }
    packages::install_all(sh, "client", &clients)
}

/// The arguments of the chaos verb with the commands of installed clients in place of their names: the tool itself
/// knows none.
pub(crate) fn with_commands(sh: &Shell, args: &[OsString]) -> Result<Vec<OsString>> {
    let _in_repository = sh.push_dir(root());
    let clients = packages::find(sh, SOURCES, TARGET)?;
    let told_by = |name: &str| {
        let client = clients.iter().find(|client| client.name == name)?;
        Some(format!("{name}={}", command(client)))
    };
    let mut told = Vec::new();
    let mut is_client = false;
    for arg in args {
        let text = arg.to_string_lossy();
        let joined = text.strip_prefix("--client=");
        let named = if is_client { Some(&*text) } else { joined };
        match named.and_then(told_by) {
            Some(command) if is_client => told.push(command.into()),
            Some(command) => told.push(format!("--client={command}").into()),
            None => told.push(arg.clone()),
        }
        is_client = text == "--client";
    }
    Ok(told)
}

fn list(sh: &Shell, clients: &[Packages]) -> Result<u8> {
    for client in clients {
        let (name, language) = (&client.name, client.language.name());
        let packages = client.names(sh)?.join(", ");
        let note = if is_default(client) { "" } else { ", only when named" };
        println!("{name:<16} {language:<12} {packages:<48} {}{note}", client.state(sh).name());
    }
    Ok(0)
}

/// The command line that starts its driver, from anywhere. Twins of another release share one driver.
fn command(client: &Packages) -> String {
    let folder = root().join(&client.folder);
    let source = root().join(SOURCES).join(client.name.trim_end_matches("-old"));
    let quote = |path: PathBuf| format!("'{}'", path.display());
    match client.language {
        Language::Python => {
            format!("{} {}", quote(folder.join("bin/python")), quote(source.join("driver.py")))
        }
        Language::Rust | Language::Crate => quote(folder.join(BUILT)),
        // The driver finds the client from where it is started.
        Language::TypeScript => {
            let driver = source.join("driver.mjs");
            format!("sh -c 'cd \"$0\" && exec node \"$1\"' {} {}", quote(folder), quote(driver))
        }
    }
}

fn is_default(client: &Packages) -> bool {
    DEFAULT.contains(&client.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_by_default_is_in_the_table() {
        let sh = Shell::new().unwrap();
        sh.change_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let clients = packages::find(&sh, SOURCES, TARGET).unwrap();
        let names: Vec<_> = clients.iter().map(|client| client.name.as_str()).collect();
        assert!(DEFAULT.iter().all(|name| names.contains(name)), "{names:?}");
        assert!(clients.iter().all(|client| !client.names(&sh).unwrap().is_empty()));
    }
}
