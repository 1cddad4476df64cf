//! Thirty defects that somebody reported: each is shown by something that has it, and found by the rule it should
//! trip; the same without the defect trips none. `table.toml` says which is which.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

#[path = "../common/mod.rs"]
mod common;
mod gateway;
mod recorder;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/defects");
const STREAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../classify/tests/streams");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    defect: Vec<Defect>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Defect {
    number: u32,
    /// Who reported it.
    seen: Vec<String>,
    wrong: String,
    found: Vec<Found>,
}

/// What has the defect, how it is looked at, and what must be found.
#[derive(Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
enum Found {
    /// All of these rules and no other.
    Check {
        broken: String,
        healthy: String,
        rules: BTreeSet<String>,
    },
    /// These rules among others, each with that blame and those words.
    Contract {
        gateway: String,
        cases: Vec<String>,
        rules: Vec<String>,
        blame: String,
        trace: String,
    },
    Legal {
        stream: String,
    },
    Probe {
        gateway: String,
        missing: String,
        works: String,
    },
    Recorder {
        header: String,
    },
    Suite,
    Trial {
        scenario: String,
        client: String,
        codes: Vec<String>,
    },
    Twins {
        gateway: String,
    },
}

/// Held by whoever needs the machine: trials measure, and runs of the tool keep it busy.
static ALONE: Mutex<()> = Mutex::const_new(());

static TABLE: LazyLock<Vec<Defect>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("table.toml")).unwrap();
    table.defect
});

#[test]
fn all_thirty_are_there() {
    let numbers: Vec<u32> = TABLE.iter().map(|defect| defect.number).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    for Defect { number, seen, wrong, found } in &*TABLE {
        assert!(!seen.is_empty() && wrong.ends_with('.') && !found.is_empty(), "{number}");
    }
}

#[test]
fn what_is_checked_trips_its_rules_and_no_other() {
    let checked = checked();
    for (number, found) in all() {
        match found {
            Found::Check { broken, healthy, rules } => {
                assert_eq!(checked[broken], *rules, "{number}: {broken}");
                assert_eq!(checked[healthy], BTreeSet::new(), "{number}: {healthy}");
            }
            Found::Legal { stream } => {
                assert_eq!(checked[stream], BTreeSet::new(), "{number}: {stream}");
            }
            _ => {}
        }
    }
    let well_formed = checked.iter().filter(|(name, _)| name.starts_with("streams/ok-"));
    for (name, rules) in well_formed {
        assert_eq!(*rules, BTreeSet::new(), "{name}");
    }
}

#[test]
fn gateways_are_to_blame() {
    let _alone = ALONE.blocking_lock();
    for (number, found) in all() {
        if let Found::Contract { gateway, cases, rules, blame, trace } = found {
            let told = gateway::contract(gateway, cases);
            for rule in rules {
                let is_it = |finding: &&gateway::Finding| {
                    finding.rule == *rule
                        && finding.blame == *blame
                        && finding.trace.contains(trace)
                };
                assert!(told.findings.iter().any(|finding| is_it(&finding)), "{number}: {told:#?}");
            }
            assert_eq!(told.code, Some(1), "{number}: {told:#?}");
        }
    }
}

/// The same cases, through a gateway that changes nothing.
#[test]
fn a_gateway_without_a_defect_passes_the_suite() {
    let _alone = ALONE.blocking_lock();
    let cases = all().filter_map(|(_, found)| match found {
        Found::Contract { cases, .. } => Some(cases.clone()),
        _ => None,
    });
    let cases: BTreeSet<String> = cases.flatten().collect();
    let told = gateway::contract("faithful", &cases.into_iter().collect::<Vec<_>>());
    assert_eq!((told.code, &*told.findings), (Some(0), &[][..]), "{told:#?}");
    assert!(100 < told.n_cases && told.holds_strict, "{told:#?}");
    assert!(all().any(|(number, found)| *number == 30 && matches!(found, Found::Suite)));
}

#[test]
fn what_a_server_lacks_is_told_before_its_cases() {
    let _alone = ALONE.blocking_lock();
    for (number, found) in all() {
        if let Found::Probe { gateway, missing, works } = found {
            let told = gateway::probe(gateway);
            let support = (&*told.support[missing], &*told.support[works]);
            assert_eq!((support, told.code), (("missing", "works"), Some(0)), "{number}");
            let faithful = gateway::probe("faithful");
            assert_eq!((&*faithful.support[missing], faithful.code), ("works", Some(0)));
        }
    }
}

#[tokio::test]
async fn a_stream_says_what_the_plain_answer_says() {
    for (number, found) in all() {
        if let Found::Twins { gateway } = found {
            let (broken, healthy) = gateway::twins(gateway).await;
            assert_eq!(healthy.findings, [], "{number}: {:?}", healthy.not_comparable);
            let is_found = 3 <= broken.findings.len() && 3 <= healthy.compared;
            assert!(is_found, "{number}: {broken:#?} {healthy:#?}");
            assert!(broken.findings.iter().all(|(_, it)| it.rule == "stream/fold-differs"));
        }
    }
}

#[tokio::test]
async fn what_is_recorded_holds_no_key() {
    for (number, found) in all() {
        if let Found::Recorder { header } = found {
            let line = recorder::line_of_a_request_with(header).await;
            assert!(!line.contains("canary"), "{number}: {line}");
            assert!(line.contains("2026-10-21") && line.contains(header), "{number}: {line}");
        }
    }
}

#[tokio::test]
async fn clients_fail_where_they_should() {
    let _alone = ALONE.lock().await;
    for (number, found) in all() {
        if let Found::Trial { scenario, client, codes } = found {
            trial::check(*number, scenario, client, codes).await;
        }
    }
}

fn all() -> impl Iterator<Item = (&'static u32, &'static Found)> {
    TABLE.iter().flat_map(|defect| defect.found.iter().map(|found| (&defect.number, found)))
}

/// What `check` finds in each of the files.
fn checked() -> BTreeMap<String, BTreeSet<String>> {
    let traffic = format!("{HERE}/traffic");
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    let output = command.args(["check", &traffic, STREAMS, "--format", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for result in report["results"].as_array().unwrap() {
        let file = text(&result["file"]);
        let name = match file.strip_prefix(STREAMS) {
            Some(name) => format!("streams{name}"),
            None => file.trim_start_matches(HERE).trim_start_matches('/').to_owned(),
        };
        let rules = result["findings"].as_array().unwrap().iter();
        found.entry(name).or_default().extend(rules.map(|finding| text(&finding["rule"])));
    }
    assert_eq!(report["summary"]["unread"], 0);
    found
}
