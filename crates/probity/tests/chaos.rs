//! The chaos verb of the real binary: verdicts on clients of a few lines, reports, ledgers, exit codes.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A client that believes whatever it is given, in one JSON line (tier 1). It takes only what is between the quotes.
const TRUSTING: &str = r#"
address=${ANTHROPIC_BASE_URL#http://}
exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || exit 1
body="{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":64,\"messages\":[{\"role\":\"user\",\"content\":\"$CHAOS_PROMPT\"}]}"
printf 'POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nanthropic-version: 2026-10-21\r\n' "$ANTHROPIC_API_KEY" >&3
printf 'content-type: application/json\r\nconnection: close\r\ncontent-length: %s\r\n\r\n%s' "${#body}" "$body" >&3
cat <&3 >/dev/null
echo '{"chaos":1,"outcome":"success","text":"all is well"}'
"#;

/// A run in a directory of its own.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
    folder: PathBuf,
}

impl Ran {
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }
}

fn run(name: &str, files: &[(&str, &str)], args: &[&str]) -> Ran {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.arg("chaos").args(args).current_dir(&folder).env("COLUMNS", "100");
    for variable in ["CI", "NO_COLOR", "CLICOLOR_FORCE", "ANTHROPIC_API_KEY"] {
        command.env_remove(variable);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr), folder }
}

fn check_usage(name: &str, files: &[(&str, &str)], args: &[&str], code: i32, said: &[&str]) {
    let ran = run(name, files, args);
    assert_eq!(ran.code, Some(code), "{}{}", ran.out, ran.err);
    for words in said {
        assert!(ran.err.contains(words), "`{words}` is not in: {}", ran.err);
    }
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let said = ["names no scenario", "did you mean `sse-stall-mid`?"];
    check_usage("glob", &[], &["--scenario", "sse-stall-mdi"], 2, &said);
    check_usage("quote", &[], &["--client", "sh -c 'x"], 2, &["a quote is open"]);
    check_usage(
        "gone",
        &[],
        &["--client", "./no-such-driver"],
        3,
        &["./no-such-driver", "does not start"],
    );
    check_usage("mute", &[], &["--client", "true"], 3, &["--client true", "the process ended"]);
    let scenario = "id = \"x\"\nwhy = \"x\"\nseverity = \"S1\"\nsurface = [\"create\"]\n";
    let said = ["x.toml", "line 4", "unknown field `surface`", "^"];
    check_usage("typo", &[("x.toml", scenario)], &["--scenarios", "x.toml"], 2, &said);
    let expected = "client = \"x\"\nversion = \"1\"\n[[failure]]\nscenario = \"a\"\n";
    let said = ["e.toml", "missing field `finding`"];
    check_usage("expected", &[("e.toml", expected)], &["--expected", "e.toml"], 2, &said);
    check_usage("report", &[], &["--report", "pdf=x"], 2, &["there is no report `pdf`"]);
}

#[test]
fn the_reference_client_passes_and_the_object_is_as_promised() {
    let ran = run("reference", &[], &["--profile", "smoke", "--format", "json"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let card: Value = serde_json::from_str(&ran.out).unwrap();
    validate(&card);
    assert_eq!(card["summary"]["pass"], 11, "{card:#}");
    assert_eq!(card["results"].as_array().unwrap().len(), 11);
    let timeline = &card["results"][0]["timeline"];
    assert!(
        timeline.as_array().unwrap().iter().any(|moment| moment["kind"] == "request"),
        "{timeline:#}"
    );
    let ran = run("untimed", &[], &["--scenario", "err-400", "--format", "json", "--no-timings"]);
    let card: Value = serde_json::from_str(&ran.out).unwrap();
    validate(&card);
    assert!(!ran.out.contains("_ms\""), "{card:#}");
}

#[test]
fn a_client_that_believes_anything_is_caught_and_told_of_everywhere() {
    let reports = "html=card.html,json=card.json,junit=card.xml,markdown=card.md";
    let args = [
        "--client",
        "trusting=bash client.sh",
        "--tier",
        "1",
        "--scenario",
        "cut-mid-body-cl",
        "--report",
        reports,
    ];
    let ran = run("trusting", &[("client.sh", TRUSTING)], &args);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    for words in
        ["cut-mid-body-cl", "FAIL", "false-ok", "exit 1: trusting tier 1: 1 unexpected failure"]
    {
        assert!(ran.out.contains(words), "`{words}` is not in: {}", ran.out);
    }
    let card: Value = serde_json::from_str(&ran.read("card.json")).unwrap();
    validate(&card);
    assert_eq!(card["results"][0]["finding"], "false-ok");
    let junit = quick_junit::Report::deserialize_from_str(&ran.read("card.xml")).unwrap();
    assert_eq!((junit.tests, junit.failures), (1, 1));
    assert!(ran.read("card.md").contains("| fail | S1 | `cut-mid-body-cl` | create | false-ok: "));
    assert!(ran.read("card.html").contains("cut-mid-body-cl"));
    let again =
        "probity chaos --client trusting --tier 1 --scenario cut-mid-body-cl --surface create";
    assert!(ran.read("card.xml").contains(again), "{}", ran.read("card.xml"));
}

#[test]
fn an_expected_failure_is_excused_and_a_stale_one_is_not() {
    let failure = |scenario: &str| {
        format!(
            "[[failure]]\nscenario = {scenario}\nfinding = \"false-ok\"\nreason = \"It reads on.\"\nlink = \"a/b#1\"\n"
        )
    };
    let head = "client = \"trusting\"\nversion = \"tier 1\"\n";
    let args = [
        "--client",
        "trusting=bash client.sh",
        "--tier",
        "1",
        "--scenario",
        "cut-mid-body-cl",
        "--expected",
        "e.toml",
    ];
    let known = format!("{head}{}", failure("\"cut-mid-body-cl\""));
    let ran = run("excused", &[("client.sh", TRUSTING), ("e.toml", &known)], &args);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("trusting tier 1: 1 known"), "{}", ran.out);
    let healthy = [
        "--client",
        "trusting=bash client.sh",
        "--tier",
        "1",
        "--scenario",
        "http10-close",
        "--expected",
        "e.toml",
    ];
    let stale = format!("{head}{}", failure("[\"http10-close\", \"cut-mid-body-cl\"]"));
    let ran = run(
        "stale",
        &[("client.sh", &TRUSTING.replace("all is well", "Hello")), ("e.toml", &stale)],
        &healthy,
    );
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
}

fn validate(card: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/chaos.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(card)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}
