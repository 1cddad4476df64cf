//! Twenty secrets and twenty texts that look like some, through everything that the tool writes: no secret gets out,
//! and nothing else is damaged.
//!
//! A secret is known by where it stood or by its shape. What has neither, such as a password in the middle of a
//! prompt, cannot be told from any other word and stays; [`a_secret_that_nothing_tells_stays`] says so. Nor is a key found
//! that is spread over several events of a stream: each holds half of it, and halves stay.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

mod plants;
mod scan;
mod world;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use self::plants::{LOOKALIKES, Plant, USER_INFO, of, plants};
use self::world::{Echo, Folder, Running};

/// A prompt that tells a secret, and all that looks like one.
fn body(secret: &str, more: &Value) -> String {
    let content = format!("Is {secret} good? {}", LOOKALIKES.join(" | "));
    let mut body = json!({"model": "claude-sonnet-4-6", "max_tokens": 64,
        "messages": [{"role": "user", "content": content}]});
    let members = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().unwrap().extend(members);
    body.to_string()
}

/// Sends a request with a secret where it travels.
fn ask(address: &str, plant: &Plant, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let field = if plant.field.is_empty() { String::new() } else { format!("{}\r\n", plant.field) };
    let request = format!(
        "POST /v1/messages{} HTTP/1.1\r\nhost: x\r\n{field}anthropic-version: 2026-10-21\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        plant.query,
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut came = Vec::new();
    stream.read_to_end(&mut came).unwrap();
    String::from_utf8_lossy(&came).into_owned()
}

/// Whether the prompt may tell it: what comes from the server alone is told by the server alone.
fn told(plant: &Plant) -> &str {
    if plant.field.is_empty() && plant.query.is_empty() { "it" } else { &plant.secret }
}

#[test]
fn what_is_recorded_and_checked_holds_none() {
    assert_eq!((plants().len(), LOOKALIKES.len()), (20, 20));
    let folder = Folder::new();
    let echo = Echo::start(401);
    let target = format!("http://{}", echo.address);
    let recorder = Running::start(
        &folder,
        &["record", "--listen", "127.0.0.1:0", "--target", &target, "--out", "a.ndjson,a.har"],
    );
    for plant in plants() {
        for more in [json!({}), json!({"stream": true})] {
            ask(&recorder.address, &plant, &body(told(&plant), &more));
        }
    }
    folder.keep_text(recorder.end().as_bytes());

    // The search finds them all where nobody took them out: those of the hop to the recorder end there.
    let readings = scan::readings(&echo.wire.lock().unwrap());
    let unseen: Vec<_> = plants()
        .into_iter()
        .filter(|plant| !scan::holds(&readings, &plant.secret))
        .map(|plant| plant.name)
        .collect();
    assert_eq!(unseen, [""; 0]);

    assert_eq!(folder.text("a.ndjson").lines().count(), 1 + 2 * plants().len());
    for name in ["a.ndjson", "a.har"] {
        assert_eq!(folder.damage(name), [""; 0], "{name}");
        check_file(&folder, name);
    }
    assert_eq!(folder.leaks(&[]), [""; 0]);
}

/// Every report that `check` writes about a file.
fn check_file(folder: &Folder, input: &str) {
    let kinds = kinds_of_reports(folder, &["check", "x"]);
    let reports: Vec<_> =
        kinds.iter().map(|kind| format!("{kind}={input}.report.{kind}")).collect();
    let ledger = format!("{input}.ledger");
    let args = [
        "check",
        input,
        "--verbose",
        "--ledger",
        &ledger,
        "--accept",
        "--report",
        &reports.join(","),
    ];
    let said = folder.run(&args);
    assert!(said.contains("answer"), "{said}");
    for format in ["json", "ndjson"] {
        folder.run(&["check", input, "--format", format]);
    }
}

/// The reports that a verb knows, by its own word: a new kind is searched from its first day.
fn kinds_of_reports(folder: &Folder, verb: &[&str]) -> Vec<String> {
    let said = folder.run(&[verb, &["--report", "nonesuch=x"]].concat());
    let (_, kinds) = said.split_once("expected ").unwrap_or_else(|| panic!("{said}"));
    let words = kinds.lines().next().unwrap().replace(" or ", ", ");
    let kinds: Vec<_> = words.split(", ").map(|word| word.trim().to_owned()).collect();
    assert!(kinds.len() >= 3, "{kinds:?}");
    kinds
}

#[test]
fn traffic_of_others_is_checked_and_not_repeated() {
    let folder = Folder::new();
    let (mut entries, mut script) = (Vec::new(), String::from("#!/bin/sh\n"));
    for plant in plants() {
        let user = if plant.name == USER_INFO {
            format!("probe:{}@", plant.secret)
        } else {
            String::new()
        };
        let url = format!("https://{user}gateway.example/v1/messages{}", plant.query);
        let said = if user.is_empty() { told(&plant) } else { &plant.secret };
        // A model that nobody knows is quoted, and so is a parameter.
        let mut body: Value = serde_json::from_str(&body(said, &json!({"model": said}))).unwrap();
        body[said] = json!(1);
        let (name, value) = plant.field.rsplit_once(": ").unwrap_or(("x-none", "none"));
        let text =
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": said}});
        entries.push(json!({
            "request": {"method": "POST", "url": url, "headers": [{"name": name, "value": value}],
                "cookies": [{"name": "sid", "value": value}], "queryString": [],
                "postData": {"mimeType": "application/json", "text": body.to_string()}},
            "response": {"status": 400, "cookies": [{"name": "s", "value": plant.secret}],
                "headers": [{"name": "set-cookie", "value": format!("s={}", plant.secret)}],
                "content": {"mimeType": "application/json", "text": text.to_string()}},
        }));
        script += &format!(
            "curl '{url}' -H '{name}: {value}' \\\n --json '{}'\n\n",
            body.to_string().replace('\'', "_")
        );
    }
    let har = json!({"log": {"version": "1.2", "entries": entries}}).to_string();
    let raw = scan::readings(format!("{har}{script}").as_bytes());
    assert!(plants().iter().all(|plant| scan::holds(&raw, &plant.secret)));
    std::fs::write(folder.0.join("raw.har"), har).unwrap();
    std::fs::write(folder.0.join("raw.sh"), script).unwrap();
    check_file(&folder, "raw.har");
    folder.run(&[
        "check",
        "raw.sh",
        "--verbose",
        "--report",
        "json=sh.json,junit=sh.xml,ndjson=sh.ndjson",
    ]);

    // A command line as an argument, also as it is pasted from a shell.
    let key = of("an API key");
    let line =
        format!("curl http://h/v1/messages -H 'x-api-key: {key}' --json '{{\"model\":\"{key}\"}}'");
    let basic = format!(
        "curl -u probe:{0} http://h/v1/messages -b 'sid={1}' --json '{{\"model\":\"{0} {1}\"}}'",
        of("a password"),
        of("a cookie")
    );
    for line in [&line, &format!("  {line}"), &format!("ANTHROPIC_API_KEY={key} {line}"), &basic] {
        for format in ["human", "json"] {
            folder.run(&["check", line, "--format", format, "--verbose"]);
        }
    }
    assert_eq!(folder.leaks(&["raw.har", "raw.sh"]), [""; 0]);
}

/// Keys of a user: one with a shape that is known, and one that only the run knows.
const OWN_KEYS: [&str; 2] = ["an API key", "a virtual key"];

#[test]
fn a_target_that_tells_the_key_to_everybody_is_not_repeated() {
    let folder = Folder::new();
    let kinds = kinds_of_reports(&folder, &["contract"]);
    let echo = Echo::start(400);
    let target = format!("http://{}", echo.address);
    for (number, name) in OWN_KEYS.iter().enumerate() {
        std::fs::write(folder.0.join("key"), format!("{}\n", of(name))).unwrap();
        let reports: Vec<_> = kinds.iter().map(|kind| format!("{kind}=r{number}.{kind}")).collect();
        let journal = format!("j{number}.ndjson");
        let line = format!(
            "contract --target {target} --key-file key --filter body-lone-surrogate --verbose --journal {journal} \
             --ledger l{number}.txt --accept --report {}",
            reports.join(",")
        );
        let mut command = folder.command(&line.split_whitespace().collect::<Vec<_>>());
        command.env("GITHUB_ACTIONS", "1").env("GITHUB_STEP_SUMMARY", folder.0.join("summary.md"));
        let said = folder.keep(command.output().unwrap());
        assert!(folder.text(&journal).lines().count() > 2, "{said}");
        assert_eq!(folder.damage(&journal), [""; 0], "{said}");
    }
    assert!(!folder.text("summary.md").is_empty());
    let line = format!("contract --target {target} --max-cases 4 --format json");
    let mut command = folder.command(&line.split_whitespace().collect::<Vec<_>>());
    folder.keep(command.env("ANTHROPIC_API_KEY", of(OWN_KEYS[1])).output().unwrap());
    let case = "2026-10-21/messages.create/mut/required/messages";
    for (line, part) in [
        (format!("contract --target {target} --key-file key --max-cases 4 --dry-run"), "dry run"),
        ("merge j1.ndjson --report json=m.json,junit=m.xml".to_owned(), "drift"),
        ("replay --judge-only j1.ndjson".to_owned(), "drift"),
        (format!("replay {case} --target {target} --key-file key"), "set-cookie: …"),
        (
            format!("shrink {case} --target {target} --key-file key --out s.json --max-requests 9"),
            "draws",
        ),
    ] {
        let said = folder.run(&line.split_whitespace().collect::<Vec<_>>());
        assert!(said.contains(part), "{line}: {said}");
    }
    let readings = scan::readings(&echo.wire.lock().unwrap());
    assert!(OWN_KEYS.iter().all(|name| scan::holds(&readings, &of(name))));
    assert_eq!(folder.leaks(&["key"]), [""; 0]);
}

/// A client that asks once, and shouts its key and whatever else is in its environment.
#[test]
#[ignore = "run as a client by the test below"]
fn a_leaky_client() {
    use std::io::{stderr, stdout};
    let key = std::env::var("ANTHROPIC_API_KEY").unwrap();
    let address = std::env::var("ANTHROPIC_BASE_URL").unwrap().replace("http://", "");
    let plant = Plant { field: format!("x-api-key: {key}"), ..plants().remove(0) };
    ask(address.trim_end_matches('/'), &plant, &body("it", &json!({})));
    for (name, value) in std::env::vars() {
        writeln!(stdout(), "{name}={value} {}", value.replace('-', "\\u002d")).unwrap();
        writeln!(stderr(), "{name}={value} {}", BASE64.encode(&value)).unwrap();
    }
    std::process::exit(1);
}

#[test]
fn a_client_that_shouts_its_key_is_caught_and_not_repeated() {
    let folder = Folder::new();
    let client = std::env::current_exe().unwrap();
    let client = format!("leaky={} --ignored --exact a_leaky_client --nocapture", client.display());
    let kinds = ["html", "json", "junit", "markdown"];
    let reports = kinds.map(|kind| format!("{kind}=card.{kind}")).join(",");
    for tier in ["0", "1"] {
        let args = [
            "chaos",
            "--client",
            &client,
            "--tier",
            tier,
            "--scenario",
            "cut-mid-body-cl",
            "--scenario",
            "redir-cross-origin-307",
            "--report",
            &reports,
        ];
        let mut command = folder.command(&args);
        command
            .env("ANTHROPIC_API_KEY", of("an API key"))
            .env("ANTHROPIC_AUTH_TOKEN", of("a login token"));
        let said = folder.keep(command.output().unwrap());
        assert!(folder.0.join("card.html").exists(), "{said}");
    }
    let canary = ["sk", "ant-api03-probity-canary-key"].join("-");
    for (path, bytes) in folder.files(&[]) {
        assert!(!scan::holds(&scan::readings(&bytes), &canary), "{}", path.display());
    }
    assert_eq!(folder.leaks(&[]), [""; 0]);
}

#[test]
fn complaints_quote_no_key() {
    let folder = Folder::new();
    let (key, gateway, words) = (of("an API key"), of("a virtual key"), of("words"));
    let write = |name: &str, text: String| std::fs::write(folder.0.join(name), text).unwrap();
    write("spaces", words);
    write("a.toml", format!("seed = 1\napi_key = \"{gateway}\"\n"));
    write("b.toml", format!("key = {key}\n"));
    let check = |args: &[&str]| {
        let said = folder.run(args);
        assert!(said.len() > 20, "{args:?}: {said}");
    };
    for target in [
        format!("http://probe:{gateway}@127.0.0.1:1"),
        format!("http://probe:{gateway}@127.0.0.1:99999"),
        format!("ftp://probe:{gateway}@h"),
        format!("http://127.0.0.1:1/?key={gateway}"),
        format!("http://127.0.0.1:1/v1#{gateway}"),
        format!("http://127.0.0.1:1/{key}"),
        key.clone(),
    ] {
        check(&["contract", "--target", &target, "--max-cases", "1"]);
        check(&["record", "--target", &target, "--out", "x.txt"]);
    }
    check(&["contract", "--target", "http://127.0.0.1:1", "--key-file", "spaces"]);
    check(&["contract", "--config", "a.toml"]);
    check(&["contract", "--config", "b.toml"]);
    check(&["contract", "--profile", "a.toml", "--target", "http://127.0.0.1:1"]);
    check(&["chaos", "--expected", "a.toml"]);
    check(&["contract", &key]);
    check(&["contract", &format!("--api-key={key}")]);
    check(&["check", &key]);
    check(&["explain", &key]);
    check(&["replay", &key]);
    check(&["merge", &key]);
    check(&["serve", "--listen", &key]);
    assert_eq!(folder.leaks(&["spaces", "a.toml", "b.toml"]), [""; 0]);
}

/// Set for the process that panics on behalf of the test.
const PANICS: &str = "PROBITY_TEST_PANICS";

#[test]
fn a_panic_says_no_key() {
    let (key, gateway) = (of("an API key"), of("a gateway key"));
    if std::env::var_os(PANICS).is_some() {
        probity::exit::catch_panics();
        panic!("at the key {key} and the other {gateway}, {}", LOOKALIKES.join(" | "));
    }
    let folder = Folder::new();
    for trace in ["0", "1"] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "a_panic_says_no_key", "--nocapture", "--test-threads", "1"])
            .current_dir(&folder.0);
        command.env(PANICS, "1").env("RUST_BACKTRACE", trace).env("ANTHROPIC_AUTH_TOKEN", &gateway);
        let said = folder.keep(command.output().unwrap());
        assert!(
            said.contains("internal error: at the key")
                && !said.contains("stack backtrace:\n   0: a"),
            "{said}"
        );
        let readings = scan::readings(said.as_bytes());
        let lost: Vec<_> = LOOKALIKES.iter().filter(|text| !scan::holds(&readings, text)).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }
    assert_eq!(folder.leaks(&[]), [""; 0]);
}

#[test]
fn a_secret_that_nothing_tells_stays() {
    let folder = Folder::new();
    let echo = Echo::start(401);
    let target = format!("http://{}", echo.address);
    let recorder = Running::start(
        &folder,
        &["record", "--listen", "127.0.0.1:0", "--target", &target, "--out", "a.ndjson"],
    );
    let nowhere = plants().remove(0);
    // A word of no known shape, which stood in no header.
    ask(&recorder.address, &nowhere, &body("the password correct-horse-battery", &json!({})));
    recorder.end();
    assert!(folder.text("a.ndjson").contains("correct-horse-battery"));
}
