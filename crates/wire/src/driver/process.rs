//! A process of a driver: what it may know, what it says and how it ends, all of it bounded.
//!
//! It leads a process group of its own and the whole group is killed with it, since a shell or an agent has
//! children who would go on talking to a port that by then belongs to another trial.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chaos::handling::CANARY_KEY;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// Many calls with the debug log on stay below; past it somebody keeps us from our work.
const SAID_BYTES_MAX: usize = 4 << 20;

/// How much is read at once.
const READ_BYTES: usize = 8 << 10;

/// How to start a driver.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Where it is started, if that matters.
    pub folder: Option<PathBuf>,
    /// Its home, so that it finds nobody's configuration.
    pub home: PathBuf,
    /// What else its environment holds.
    pub env: Vec<(String, String)>,
}

/// Where clients look for the authorities to trust: what drivers of their own may read, what OpenSSL and what Node do.
const CA_NAMES: [&str; 3] = ["CHAOS_CA_FILE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];

impl Program {
    /// The same, told to trust the authority in this file.
    pub fn trusting(mut self, ca_file: &Path) -> Self {
        let ca_file = ca_file.display().to_string();
        self.env.extend(CA_NAMES.map(|name| (name.to_owned(), ca_file.clone())));
        self
    }

    /// Starts it in an environment of its own: no credential, no proxy, and nothing of ours but the path.
    pub(super) fn start(&self, env: &[(&str, String)], stdin: Stdio) -> io::Result<Process> {
        let Some((program, args)) = self.command.split_first() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program is named"));
        };
        let mut command = Command::new(program);
        command.args(args).env_clear().env("HOME", &self.home);
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("NO_PROXY", "*").env("no_proxy", "*");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.envs(env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        Ok(Process {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            life: Life { group: child.id(), child },
        })
    }
}

/// A process that runs, and its pipes.
pub(super) struct Process {
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
    pub(super) life: Life,
}

/// The process ends with this value, and its children with it.
pub(super) struct Life {
    child: Child,
    group: Option<u32>,
}

impl Life {
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // The group may outlive its leader, whose number is not given away before the last of it is gone.
        let Some(group) = self.group else { return };
        // Where there is no such program, the process itself is killed all the same.
        let _ = std::process::Command::new("kill")
            .args(["-KILL", "--", &format!("-{group}")])
            .stderr(Stdio::null())
            .status();
    }
}

/// Where a process may print what it should not.
pub(super) const STDERR: &str = "its standard error";
pub(super) const STDOUT: &str = "its standard output";

/// Where the key turned up.
#[derive(Default)]
pub(super) struct Leaks(Mutex<BTreeSet<&'static str>>);

impl Leaks {
    pub(super) fn note(&self, place: &'static str) {
        lock(&self.0).insert(place);
    }

    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.0)).into_iter().map(str::to_owned).collect()
    }
}

/// What came out of a pipe: the end of it, and how often the key was in it.
pub(super) struct Said {
    last: Vec<u8>,
    last_bytes_max: usize,
    n_bytes: usize,
    n_leaks: u64,
}

impl Said {
    pub(super) fn keeping(last_bytes_max: usize) -> Mutex<Self> {
        Mutex::new(Self { last: vec![], last_bytes_max, n_bytes: 0, n_leaks: 0 })
    }

    /// Takes in more. False once it is too much.
    pub(super) fn add(&mut self, bytes: &[u8]) -> bool {
        // Room for all but one byte of the key, so that it is not found twice.
        let searched = self.last.len().saturating_sub(CANARY_KEY.len() - 1);
        self.last.extend_from_slice(bytes);
        self.n_leaks += u64::from(holds_key(&self.last[searched..]));
        let surplus = self.last.len().saturating_sub(self.last_bytes_max);
        self.last.drain(..surplus);
        self.n_bytes = self.n_bytes.saturating_add(bytes.len());
        self.n_bytes <= SAID_BYTES_MAX
    }

    /// How many pieces of what was said held the key.
    pub(super) fn n_leaks(&self) -> u64 {
        self.n_leaks
    }

    /// What comes now is the next run's.
    pub(super) fn turn(&mut self) {
        self.n_bytes = 0;
        self.last.clear();
    }

    pub(super) fn last(&self) -> String {
        String::from_utf8_lossy(&self.last).trim().to_owned()
    }
}

/// Reads a pipe to its end. False if it has no end that we would wait for.
pub(super) async fn hear(mut pipe: impl AsyncRead + Unpin, said: &Mutex<Said>) -> bool {
    let mut buffer = [0; READ_BYTES];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => return true,
            Ok(n_bytes) if lock(said).add(&buffer[..n_bytes]) => {}
            Ok(_) => return false,
        }
    }
}

/// Whether the key is in there. Every key that a scenario gives contains the canary.
pub(super) fn holds_key(bytes: &[u8]) -> bool {
    let key = CANARY_KEY.as_bytes();
    bytes.windows(key.len()).any(|window| window[0] == key[0] && window == key)
}

/// What is behind the lock is whole between any two statements, so a panic elsewhere spoils nothing.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_two_pieces_is_found_once() {
        let said = Said::keeping(CANARY_KEY.len());
        let mut said = lock(&said);
        let (head, tail) = CANARY_KEY.split_at(9);
        assert!(said.add(format!("{}{head}", "x".repeat(100)).as_bytes()));
        said.add(tail.as_bytes());
        assert_eq!(said.n_leaks(), 1);
        said.add(b" and more");
        assert_eq!(said.n_leaks(), 1);
    }
}
