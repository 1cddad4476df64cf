//! The two processes of a session: our server, and the script that exercises a client on it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::exercises::Exercise;
use crate::{Client, KEY, Language};

/// A debug build reads the contract in a second or two; the machine may have other things to do.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// What the SDK is told; no answer of the server takes a hundredth of it.
const CALL_SECONDS_MAX: u64 = 30;

/// The slowest exercise makes a dozen calls. The first one waits for the interpreter to load the SDK, too.
const EXERCISE_TIME_MAX: Duration = Duration::from_secs(90);

const STOP_TIME_MAX: Duration = Duration::from_secs(20);

/// A process that does not outlive the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `probity serve` on a free port of loopback.
pub(crate) struct Serve {
    pub(crate) url: String,
    process: Process,
    report: PathBuf,
    /// Read to the end, so that the server never waits for its reader.
    _output: Receiver<String>,
}

impl Serve {
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        let folder = scratch(name);
        let report = folder.join(format!("report-{}.json", args.len()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_probity"))
            .args(["serve", "--listen", "127.0.0.1:0", "--report"])
            .arg(format!("json={}", report.display()))
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = lines(child.stdout.take().unwrap());
        let process = Process(child);
        let deadline = Instant::now() + START_TIME_MAX;
        let url = loop {
            let line = output.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.expect("the server says where it listens");
            if let Some(url) = url(&line) {
                break url;
            }
        };
        Self { url, process, report, _output: output }
    }

    /// Ends it as a user would, for its report.
    pub(crate) fn stop(mut self) -> Value {
        let id = self.process.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let deadline = Instant::now() + STOP_TIME_MAX;
        while self.process.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the server does not stop");
            thread::sleep(Duration::from_millis(20));
        }
        serde_json::from_slice(&fs::read(&self.report).unwrap()).unwrap()
    }
}

fn url(line: &str) -> Option<String> {
    let start = line.find("http://127.0.0.1:")?;
    let url = &line[start..];
    let end = url.find(char::is_whitespace).unwrap_or(url.len());
    Some(url[..end].trim_end_matches('/').to_owned())
}

/// The form that the fake key has in the environment of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Credential {
    ApiKey,
    AuthToken,
}

/// Runs the exercises one after the other; the facts, in the same order.
pub(crate) fn drive(
    client: Client,
    url: &str,
    credential: Credential,
    exercises: &[Exercise],
) -> Vec<Value> {
    let mut child = client.command();
    // An environment of its own: no proxy, no configuration, and no credential but the fake one.
    child.env_clear().env("HOME", scratch(client.name)).env("ANTHROPIC_BASE_URL", url);
    child.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let name = match credential {
        Credential::ApiKey => "ANTHROPIC_API_KEY",
        Credential::AuthToken => "ANTHROPIC_AUTH_TOKEN",
    };
    child.env(name, KEY).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let (mut input, mut errors) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
    let output = lines(child.stdout.take().unwrap());
    let process = Process(child);
    let runs: Vec<_> = exercises.iter().map(run).collect();
    thread::spawn(move || {
        for run in runs {
            // It fails when the script has ended, which the reader finds out.
            let _ = writeln!(input, "{run}");
        }
    });
    let said = thread::spawn(move || {
        let mut said = String::new();
        let _ = errors.read_to_string(&mut said);
        said
    });
    let mut facts = Vec::new();
    for exercise in exercises {
        match output.recv_timeout(EXERCISE_TIME_MAX) {
            Ok(line) => facts.push(serde_json::from_str(&line).unwrap()),
            Err(error) => {
                drop(process);
                let (name, said) = (&exercise.name, said.join().unwrap());
                let what = match error {
                    RecvTimeoutError::Timeout => "hangs",
                    RecvTimeoutError::Disconnected => "ended",
                };
                panic!("{}: the script {what} at `{name}`\n{said}", client.name);
            }
        }
    }
    facts
}

fn run(exercise: &Exercise) -> Value {
    let mut run = exercise.run.clone();
    run.insert("exercise".to_owned(), json!(exercise.name));
    run.insert("surface".to_owned(), json!(exercise.surface));
    run.insert("timeout_s".to_owned(), json!(CALL_SECONDS_MAX));
    Value::Object(run)
}

fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // Read on although nobody listens any more: a full pipe would stop the process.
            let _ = sender.send(line);
        }
    });
    receiver
}

impl Client {
    /// Whether it is there as its lock pins it; the installation leaves a copy of that behind.
    pub(crate) fn is_installed(self) -> bool {
        let lock = match self.language {
            Language::Python => "requirements.txt",
            Language::TypeScript => "package-lock.json",
        };
        let pinned = fs::read_to_string(self.manifests().join(lock)).unwrap();
        fs::read_to_string(self.folder().join("installed")).is_ok_and(|found| found == pinned)
    }

    /// Whether that release is the one asked for.
    pub(crate) fn pins(self, version: &str) -> bool {
        let (manifest, pin) = match self.language {
            Language::Python => ("requirements.in", format!("anthropic=={version}\n")),
            Language::TypeScript => ("package.json", format!("/sdk\": \"{version}\"\n")),
        };
        fs::read_to_string(self.manifests().join(manifest)).unwrap().contains(&pin)
    }

    fn command(self) -> Command {
        let clients = root().join("crates/wire/clients");
        match self.language {
            Language::Python => {
                let mut command = Command::new(self.folder().join("bin/python"));
                command.arg("-I").arg(clients.join("python/exercise.py"));
                command
            }
            Language::TypeScript => {
                let mut command = Command::new("node");
                command.arg(clients.join("typescript/exercise.mjs")).current_dir(self.folder());
                command
            }
        }
    }

    fn manifests(self) -> PathBuf {
        root().join("crates/wire/clients").join(self.name)
    }

    fn folder(self) -> PathBuf {
        root().join("target/clients").join(self.name)
    }
}

fn scratch(name: &str) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sdk-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}
