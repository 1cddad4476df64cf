//! The curl lines are run: what curl sends must be answered as what we send.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use classify::{Class, Headers, Observation, Reply, classify};
use contract::case::Case;
use contract::corpus::{self, Plan};
use contract::version::OperationId;
use probity::curl::curl;
use probity::specs::{Overrides, Specs};
use probity::{embedded, settings};
use wire::send::{Connections, Sender, send};

/// Larger ones prove nothing more, and take their time.
const BODY_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// One case for each kind of the corpus.
fn cases(specs: &Specs) -> Vec<Case> {
    let plan = Plan { seed: settings::SEED, cases_max: None, heavy: false };
    let mut by_kind = BTreeMap::new();
    for case in corpus::cases(&specs.contract, &specs.witnesses, plan) {
        let is_plain =
            matches!(case.operation, OperationId::MessagesCreate | OperationId::ModelsList);
        if is_plain && case.request.body.len() <= BODY_BYTES_MAX {
            by_kind.entry((case.origin.name(), case.origin.rule().to_owned())).or_insert(case);
        }
    }
    by_kind.into_values().collect()
}

/// Runs the line in a shell, as a person would.
fn run(case: &Case, folder: &Path, base_url: &str) -> Class {
    let line = curl(&case.request, None);
    if let Some(file) = &line.body_file {
        let file = folder.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, case.request.body.to_bytes()).unwrap();
    }
    let mut command = Command::new("sh");
    command.args(["-c", &line.line()]).current_dir(folder);
    command
        .env("ANTHROPIC_BASE_URL", base_url)
        .env("ANTHROPIC_API_KEY", embedded::KEY)
        .env("NO_PROXY", "*");
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}: {}\n{}",
        case.id,
        String::from_utf8_lossy(&output.stderr),
        line.line()
    );
    classify(&Observation::Reply(reply(&output.stdout)))
}

/// Reads what `curl -i` prints.
fn reply(printed: &[u8]) -> Reply {
    let end = printed.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&printed[..end]);
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    if status == 100 {
        return reply(&printed[end + 4..]);
    }
    let mut headers = Headers::default();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.push(name.to_owned(), value.to_owned());
    }
    Reply { status, headers, body: printed[end + 4..].to_vec().into() }
}

#[test]
fn curl_lines_work() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no curl here");
        return;
    }
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("curl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let specs = Specs::load(&Overrides::default()).unwrap();
    let cases = cases(&specs);
    assert!(cases.len() > 100, "{}", cases.len());
    let runtime = settings::runtime().unwrap();
    let mock = runtime.block_on(embedded::start(&specs.contract)).unwrap();
    let sender = Sender::new(mock.target.clone(), Connections::Fresh, 30_000);
    let mut wrong = Vec::new();
    for case in &cases {
        let ours = classify(&runtime.block_on(send(&sender, &case.request)));
        let theirs = run(case, &folder, mock.target.base_url());
        if ours != theirs {
            wrong.push(format!("{}: {ours} by us, {theirs} by curl", case.id));
        }
    }
    let _best_effort = std::fs::remove_dir_all(&folder);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
