//! The soak of the real binary: what it finds it writes, what it writes fails again, and it ends when it is told to.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A client that takes the first bytes of whatever it is given for an answer, in one JSON line.
const TRUSTING: &str = r#"
address=${ANTHROPIC_BASE_URL#http://}
exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || exit 1
body="{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":\"$CHAOS_PROMPT\"}]}"
printf 'POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nanthropic-version: 2026-10-21\r\n' "$ANTHROPIC_API_KEY" >&3
printf 'content-type: application/json\r\nconnection: close\r\ncontent-length: %s\r\n\r\n%s' "${#body}" "$body" >&3
head -c 20 <&3 >/dev/null
echo '{"chaos":1,"outcome":"success"}'
"#;

/// A folder of its own, with that client in it.
fn folder(name: &str) -> PathBuf {
    let name = format!("soak-{name}-{}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("trusting.sh"), TRUSTING).unwrap();
    folder
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.arg("chaos").args(args).current_dir(folder).env("COLUMNS", "100");
    for variable in ["CI", "NO_COLOR", "CLICOLOR_FORCE", "ANTHROPIC_API_KEY"] {
        command.env_remove(variable);
    }
    command
}

fn text(output: &Output) -> String {
    let said = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(said).unwrap()
}

#[test]
fn what_a_soak_finds_fails_again_from_its_file() {
    let folder = folder("file");
    let client = ["--client", "bash trusting.sh", "--tier", "1"];
    let soak = ["--soak", "4s", "--seed", "2", "--surface", "create", "--format", "json"];
    let output = command(&folder, &[&client[..], &soak].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let soak = &object["soak"];
    assert_eq!(soak["seed"], 2);
    assert!(soak["draws"].as_u64() > Some(0) && soak["plain_calls"].as_u64() > Some(0), "{soak}");
    assert_eq!(
        object["results"].as_array().unwrap().len(),
        soak["failures"].as_array().unwrap().len()
    );
    let mut failures = soak["failures"].as_array().unwrap().iter();
    let found = failures.find(|failure| failure["finding"] == "false-ok").unwrap();
    let file = found["file"].as_str().unwrap();
    let told = found["command"].as_str().unwrap();
    assert_eq!(
        told,
        format!("probity chaos --client 'bash trusting.sh' --tier 1 --scenarios {file}")
    );
    let again = ["--scenarios", file, "--format", "json"];
    let output = command(&folder, &[&client[..], &again].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("\"false-ok\""), "{}", text(&output));
}

#[test]
fn an_interrupted_soak_tells_what_it_has() {
    let folder = folder("interrupt");
    let mut command = command(&folder, &["--soak", "10m"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let started = Instant::now();
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
    let output = child.wait_with_output().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("soak, seed 1  reference"), "{}", text(&output));
    assert!(text(&output).trim_end().ends_with("interrupted before the time was up"));
}

#[test]
fn what_makes_no_sense_with_a_soak_is_refused() {
    let folder = folder("usage");
    let check = |args: &[&str]| {
        let output = command(&folder, &[&["--soak", "1s"], args].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output));
    };
    for flag in ["--accept", "--dry-run"] {
        check(&[flag]);
    }
    for (flag, value) in [
        ("--expected", "x.toml"),
        ("--format", "markdown"),
        ("--profile", "smoke"),
        ("--report", "json=x"),
        ("--retries", "1"),
        ("--scenario", "err-*"),
        ("--scenarios", "x.toml"),
        ("--snapshots", "x"),
        ("--timeout", "1s"),
    ] {
        check(&[flag, value]);
    }
}
