//! Other people's servers, to be judged: gateways and mocks, installed into `target/targets/NAME`.
//!
//! The table of targets is the folder `crates/wire/targets`. A target is a folder there with a `target.toml`, which says
//! how it is started, and the packages it needs ([`crate::packages`]), unless it is another target's installation with
//! other settings. Servers of other APIs stand there, too: translators stand in front of them. `run` starts the target,
//! with an upstream where it takes one, waits until it answers, judges it, and ends everything it started. The price is a
//! machine with `sh`, since a target has to die with us.
//!
//! ```toml
//! installation = "litellm"              # another target's; its own unless given
//! command = "{installed}/bin/x --port {port}"
//! ready = "/health"                     # answered with 200 as soon as it is ready; any answer will do unless given
//! seconds = 60                          # in which it has to be
//! key = "sk-…"                          # the key that it takes
//! upstream = "probity"                  # our mock, or another target
//!
//! [environment]                         # all it has, beside PATH and a HOME of its own
//! UPSTREAM = "{upstream}"
//! ```
//!
//! That much TOML is read here line by line: a parser would be a dependency of ours.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::flags::targets::TargetsCmd;
use crate::packages::{self, Packages, State};
use crate::{EXIT_NOTHING_CHECKED, EXIT_USAGE, root, status};

const SOURCES: &str = "crates/wire/targets";
const TARGET: &str = "target/targets";
/// Outside of what an installation removes.
const REPORTS: &str = "target/targets/reports";
/// What is declared of a target by hand.
const PROFILES: &str = "specs/targets";

/// The upstream that is our own mock, which the tool starts.
const OURS: &str = "probity";
const TOOL: &str = "target/contract/probity";

/// Starts of targets are looked at this often: often enough that nobody waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Whoever listens on loopback and does not answer in this time is not ready.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// A server that was told to end and has not after this time is killed.
const END_MAX: Duration = Duration::from_secs(5);
/// A target that names none has as long as a Python program with many imports needs on a busy machine.
const START_SECONDS: u64 = 60;

/// Runs a command that ends with us, whatever ends us: our end of the pipe closes, and the group is told to end. A
/// command that ends by itself takes the group along, so that we notice.
const DEAD_MANS_SWITCH: &str = r#"("$@"; kill 0) & cat >/dev/null; kill 0"#;

struct Target {
    name: String,
    installation: String,
    command: Vec<String>,
    ready: Option<String>,
    seconds: u64,
    key: Option<String>,
    upstream: Option<String>,
    environment: Vec<(String, String)>,
}

pub(crate) fn run(sh: &Shell, verb: TargetsCmd, tool_args: &[OsString]) -> Result<u8> {
    let targets = targets(sh)?;
    let installations = packages::find(sh, SOURCES, TARGET)?;
    let asked = match &verb {
        TargetsCmd::List(_) => &[],
        TargetsCmd::Install(flags) => flags.name.as_slice(),
        TargetsCmd::Run(flags) => flags.name.as_slice(),
    };
    let known = targets.iter().map(|target| &target.name);
    if let Some(code) = packages::unknown("target", asked, known) {
        return Ok(code);
    }
    let is_asked = |target: &&Target| asked.is_empty() || asked.contains(&target.name);
    let asked = targets.iter().filter(is_asked);
    match verb {
        TargetsCmd::List(_) => list(sh, &targets, &installations),
        TargetsCmd::Install(_) => {
            let names: Vec<_> = asked.map(|target| target.installation.as_str()).collect();
            let mut wanted = installations;
            wanted.retain(|packages| names.contains(&packages.name.as_str()));
            packages::install_all(sh, "target", &wanted)
        }
        TargetsCmd::Run(flags) if flags.name.is_empty() => {
            eprintln!("targets: name the targets to run; `cargo xtask targets list` knows them");
            Ok(EXIT_USAGE)
        }
        TargetsCmd::Run(_) => {
            cmd!(sh, "cargo build --quiet --profile contract -p probity --no-default-features")
                .quiet()
                .run()?;
            let mut worst = 0;
            for target in asked {
                worst = worst.max(judge(sh, target, &targets, &installations, tool_args)?);
            }
            Ok(worst)
        }
    }
}

fn list(sh: &Shell, targets: &[Target], installations: &[Packages]) -> Result<u8> {
    for target in targets {
        let packages = installation(target, installations)?;
        let upstream = target.upstream.as_deref().map(|name| format!(", in front of {name}"));
        println!(
            "{:<16} {:<12} {:<32} {}{}",
            target.name,
            packages.language.name(),
            packages.names(sh)?.join(", "),
            packages.state(sh).name(),
            upstream.unwrap_or_default()
        );
    }
    Ok(0)
}

/// Starts the target and what it stands in front of, and asks the tool about it; the tool's exit code.
fn judge(
    sh: &Shell,
    target: &Target,
    targets: &[Target],
    installations: &[Packages],
    tool_args: &[OsString],
) -> Result<u8> {
    let name = &target.name;
    let behind = targets.iter().find(|other| Some(&other.name) == target.upstream.as_ref());
    for needed in [Some(target), behind].into_iter().flatten() {
        if installation(needed, installations)?.state(sh) != State::Installed {
            let line = format!("cargo xtask targets install {}", needed.installation);
            eprintln!("targets: {name} is not installed: `{line}`");
            return Ok(EXIT_NOTHING_CHECKED);
        }
    }
    let behind = behind.map(|behind| Running::start(behind, "")).transpose()?;
    // Ours is started by the tool, which looks at what reaches it.
    let ours = match target.upstream.as_deref() {
        Some(OURS) => Some(free_address()?),
        _ => None,
    };
    let ours_url = ours.map(|address| format!("http://{address}"));
    let upstream = behind.as_ref().map(Running::url).or(ours_url).unwrap_or_default();
    let running = Running::start(target, &upstream)?;
    println!("{name}: {} (its words are in {})", running.url(), running.log.display());

    let report = format!("{REPORTS}/{name}.json");
    let mut tool = cmd!(sh, "{TOOL} contract --no-chaos --target").arg(running.url());
    tool = tool.arg("--report").arg(format!("json={report}")).quiet();
    if let Some(address) = ours {
        tool = tool.args(["--upstream-mock", &address.to_string()]);
    }
    let profile = format!("{PROFILES}/{name}.toml");
    if sh.path_exists(&profile) && !is_told(tool_args, "--profile") {
        tool = tool.args(["--profile", &profile]);
    }
    if let Some(key) = &target.key {
        tool = tool.env("ANTHROPIC_API_KEY", key);
    }
    let code = status(tool.args(tool_args))?;
    println!("{name}: the report is {report}");
    Ok(code)
}

fn is_told(args: &[OsString], flag: &str) -> bool {
    args.iter().any(|arg| arg.to_string_lossy().starts_with(flag))
}

fn installation<'a>(target: &Target, installations: &'a [Packages]) -> Result<&'a Packages> {
    let found = installations.iter().find(|packages| packages.name == target.installation);
    found.with_context(|| format!("{}: nothing is called `{}`", target.name, target.installation))
}

/// Every folder with a `target.toml`, by name.
fn targets(sh: &Shell) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for source in sh.read_dir(SOURCES)? {
        let path = source.join("target.toml");
        if sh.path_exists(&path) {
            let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let target = Target::read(name, &sh.read_file(&path)?);
            targets.push(target.with_context(|| path.display().to_string())?);
        }
    }
    Ok(targets)
}

impl Target {
    fn read(name: String, text: &str) -> Result<Self> {
        let (mut settings, mut environment) = (Vec::new(), Vec::new());
        let mut is_environment = false;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line == "[environment]" {
                is_environment = true;
                continue;
            }
            let (key, value) = line.split_once(" = ").with_context(|| format!("`{line}`?"))?;
            let pair = (key.to_owned(), value.trim_matches('"').to_owned());
            if is_environment { environment.push(pair) } else { settings.push(pair) }
        }
        let mut take = |key: &str| {
            let at = settings.iter().position(|(name, _)| name == key)?;
            Some(settings.swap_remove(at).1)
        };
        let installation = take("installation").unwrap_or_else(|| name.clone());
        let command = take("command").context("`command` is missing")?;
        let command = command.split_whitespace().map(str::to_owned).collect();
        let (ready, key, upstream) = (take("ready"), take("key"), take("upstream"));
        let seconds = take("seconds").map_or(Ok(START_SECONDS), |seconds| seconds.parse())?;
        let unknown: Vec<_> = settings.iter().map(|(key, _)| key.as_str()).collect();
        ensure!(unknown.is_empty(), "nobody reads `{}`", unknown.join("`, `"));
        Ok(Self { name, installation, command, ready, seconds, key, upstream, environment })
    }

    fn source(&self) -> PathBuf {
        root().join(SOURCES).join(&self.name)
    }

    /// The text with what is known of this run in place of its placeholders.
    fn fill(&self, text: &str, port: u16, upstream: &str) -> String {
        let installed = root().join(TARGET).join(&self.installation);
        text.replace("{port}", &port.to_string())
            .replace("{upstream}", upstream)
            .replace("{key}", self.key.as_deref().unwrap_or_default())
            .replace("{source}", &self.source().display().to_string())
            .replace("{installed}", &installed.display().to_string())
            .replace("{repository}", &root().display().to_string())
    }
}

/// A server of which nothing is left when this goes.
struct Running {
    group: Child,
    port: u16,
    log: PathBuf,
}

impl Running {
    /// Starts it on a free port, and waits until it is ready.
    fn start(target: &Target, upstream: &str) -> Result<Self> {
        let port = free_address()?.port();
        let home = root().join(TARGET).join("homes").join(&target.name);
        fs::create_dir_all(&home)?;
        fs::create_dir_all(root().join(REPORTS))?;
        let log = Path::new(REPORTS).join(format!("{}.log", target.name));
        let words = fs::File::create(root().join(&log))?;
        let filled = target.command.iter().map(|word| target.fill(word, port, upstream));
        let environment = target.environment.iter();
        let environment =
            environment.map(|(name, value)| (name, target.fill(value, port, upstream)));
        let group = Command::new("sh")
            .args(["-c", DEAD_MANS_SWITCH, "sh"])
            .args(filled)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .envs(environment)
            .current_dir(&home)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(words.try_clone()?)
            .stderr(words)
            .spawn()
            .context("cannot start `sh`")?;
        let mut running = Self { group, port, log };
        running.wait_until_ready(target)?;
        Ok(running)
    }

    fn wait_until_ready(&mut self, target: &Target) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(target.seconds);
        let (name, log) = (&target.name, self.log.display());
        while Instant::now() < deadline {
            ensure!(self.group.try_wait()?.is_none(), "{name} ended by itself; see {log}");
            if answers(self.port, target.ready.as_deref()).unwrap_or(false) {
                return Ok(());
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("{name} was not ready in {} s; see {log}", target.seconds)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.group.stdin.take());
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline {
            if self.group.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        let group = format!("-{}", self.group.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.group.wait();
    }
}

/// An address that nobody listens on, at least now.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Whether a request for the path is answered with 200; without a path, whether there is an answer.
fn answers(port: u16, path: Option<&str>) -> Result<bool, std::io::Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let asked = path.unwrap_or("/");
    let request =
        format!("GET {asked} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = [0; "HTTP/1.1 200".len()];
    match stream.read_exact(&mut line) {
        Ok(()) => Ok(line.starts_with(b"HTTP/") && (path.is_none() || line.ends_with(b" 200"))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_read_and_has_an_installation() {
        let sh = Shell::new().unwrap();
        sh.change_dir(root());
        let targets = targets(&sh).unwrap();
        let installations = packages::find(&sh, SOURCES, TARGET).unwrap();
        assert!(!targets.is_empty());
        for target in &targets {
            installation(target, &installations).unwrap();
            let behind = target.upstream.as_ref();
            let is_known = |name| name == OURS || targets.iter().any(|other| &other.name == name);
            assert!(behind.is_none_or(is_known), "{}: {behind:?}", target.name);
        }
    }

    #[test]
    fn a_target_says_what_is_wrong_with_it() {
        let check = |text: &str, said: &str| {
            let error = Target::read("it".to_owned(), text).err().unwrap();
            assert_eq!(error.to_string(), said);
        };
        check("ready = \"/\"\n", "`command` is missing");
        check("command = \"x\"\nport = 1\n", "nobody reads `port`");
        check("command\n", "`command`?");
        check("command = \"x\"\nseconds = soon\n", "invalid digit found in string");
    }

    #[test]
    fn what_is_started_ends_with_us() {
        let text = "command = \"sleep 300\"\nseconds = 1\n";
        let target = Target::read("sleep".to_owned(), text).unwrap();
        let error = Running::start(&target, "").err().unwrap();
        assert!(error.to_string().starts_with("sleep was not ready in 1 s"), "{error}");
        let dies = Target::read("false".to_owned(), "command = \"false\"\n").unwrap();
        let error = Running::start(&dies, "").err().unwrap();
        assert!(error.to_string().starts_with("false ended by itself"), "{error}");
    }
}
