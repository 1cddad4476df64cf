//! The way to a server: which hosts are permitted, whom to trust there, and which key is shown.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use wire::target::{Key, Reach};

use crate::cli::WayArgs;
use crate::config::Config;
use crate::curl::quote;
use crate::embedded;
use crate::exit::Stop;
use crate::specs::read;

/// Where a live run goes that is not told where.
pub const API: &str = "https://api.anthropic.com";
/// The host that a live run may contact without being told.
const API_HOST: &str = "api.anthropic.com";

/// The variable that holds the key.
const KEY_VARIABLE: &str = "ANTHROPIC_API_KEY";

/// As flags and configuration say.
#[derive(Clone, Debug, Default)]
pub struct Way {
    pub live: bool,
    pub key_file: Option<PathBuf>,
    pub hosts: Vec<String>,
    pub ca_file: Option<PathBuf>,
    pub known: Vec<(String, IpAddr)>,
}

impl Way {
    pub fn new(live: bool, args: &WayArgs, config: &Config) -> Self {
        let hosts = args.allow_host.iter().chain(&config.allow_host);
        Self {
            live,
            key_file: args.key_file.clone().or_else(|| config.key_file.clone()),
            hosts: hosts.cloned().collect(),
            ca_file: args.ca_file.clone().or_else(|| config.ca_file.clone()),
            known: args.resolve.clone(),
        }
    }

    /// The flags that lead there again.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        if self.live {
            flags += " --live";
            for host in &self.hosts {
                flags += &format!(" --allow-host {}", quote(host));
            }
        }
        for (flag, path) in [("--key-file", &self.key_file), ("--ca-file", &self.ca_file)] {
            if let Some(path) = path {
                flags += &format!(" {flag} {}", quote(&path.display().to_string()));
            }
        }
        for (name, address) in &self.known {
            flags += &format!(" --resolve {}", quote(&format!("{name}={address}")));
        }
        flags
    }

    /// How far requests may go.
    pub fn reach(&self) -> Result<Reach, Stop> {
        let mut hosts = Vec::new();
        if self.live {
            hosts.push(API_HOST.to_owned());
            hosts.extend(self.hosts.iter().cloned());
        }
        let ca_pem = self.ca_file.as_deref().map(read).transpose()?.map(|file| file.text);
        Ok(Reach { hosts, known: self.known.clone(), is_dry: false, ca_pem })
    }

    /// The key, and what is to be said about the place it comes from. A local server that needs none gets a fake;
    /// a live one is not asked without a key.
    pub fn key(&self) -> Result<(Key, Option<String>), Stop> {
        let (secret, place) = match &self.key_file {
            Some(path) => (Some(read(path)?.text), path.display().to_string()),
            None => (std::env::var(KEY_VARIABLE).ok(), KEY_VARIABLE.to_owned()),
        };
        let secret = secret.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let Some(secret) = secret else {
            if self.live || self.key_file.is_some() {
                let reason = format!(
                    "a key is needed, and {place} holds none (--key-file FILE names a file)"
                );
                return Err(Stop::usage(reason));
            }
            return Ok((Key::new(embedded::KEY.to_owned()), None));
        };
        // Not shown, whatever it is: it was meant to be a key.
        if !secret.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            return Err(Stop::usage(format!(
                "what {place} holds is no key: it has spaces or other than ASCII in it"
            )));
        }
        Ok((Key::new(secret), self.key_file.as_deref().and_then(open_to_others)))
    }
}

/// Says so if others on this machine can read the file.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    /// Reading, for the group and for everybody.
    const OTHERS: u32 = 0o044;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let path = path.display();
    (mode & OTHERS != 0)
        .then(|| format!("warning: others can read the key in {path}: chmod 600 {path}\n"))
}

#[cfg(not(unix))]
fn open_to_others(_path: &Path) -> Option<String> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FAKE_KEY: &str = "sk-ant-api03-probity-test-key";

    #[expect(clippy::unwrap_used, reason = "helper of tests, where a panic is the message")]
    fn check(text: &str, mode: u32, expected: Result<bool, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let way = Way { live: true, key_file: Some(path), ..Way::default() };
        match (way.key(), expected) {
            (Ok((key, warning)), Ok(is_warned)) => {
                assert_eq!(key.scrub(FAKE_KEY), "$ANTHROPIC_API_KEY");
                assert_eq!(warning.is_some(), is_warned);
            }
            (Err(stop), Err(part)) => {
                assert!(stop.reason.contains(part), "{stop}");
                assert!(text.trim().is_empty() || !stop.reason.contains(text.trim()));
            }
            (_, expected) => panic!("{text:?}: {expected:?}"),
        }
    }

    #[test]
    fn a_key_file_holds_a_key_and_is_private() {
        check(&format!("{FAKE_KEY}\n"), 0o600, Ok(false));
        check(FAKE_KEY, 0o644, Ok(true));
        check(FAKE_KEY, 0o640, Ok(true));
        check("\n", 0o600, Err("holds none"));
        check("two words", 0o600, Err("no key"));
        check("with\u{0}zero", 0o600, Err("no key"));
    }

    #[test]
    fn hosts_count_only_in_a_live_run() {
        let mut way = Way { hosts: vec!["gateway.example".to_owned()], ..Way::default() };
        assert!(way.reach().unwrap().hosts.is_empty());
        way.live = true;
        assert_eq!(way.reach().unwrap().hosts, ["api.anthropic.com", "gateway.example"]);
    }
}
