//! Every word that probity reports is explained, on a page that is current.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use chaos::oracle::Code;
use contract::case::{Origin, Permitted};
use contract::corpus::{self, Plan};
use contract::rules;
use probity::explain::{Entry, Kind, index};
use probity::specs::{Overrides, Specs};
use serde_json::Value;

/// Of `specs/replies`, on purpose in no list.
const FOREIGN: [&str; 4] = ["not_in_any_table_yet", "novel_error", "requests", "server_error"];

fn specs() -> Specs {
    Specs::load(&Overrides::default()).unwrap()
}

fn explain(args: &[&str], columns: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.arg("explain").args(args).env("COLUMNS", columns);
    for name in ["CI", "CLICOLOR_FORCE", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn out(args: &[&str]) -> String {
    let output = explain(args, "80");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn ids_are_unique_and_everything_has_one() {
    let entries = index(&specs());
    let ids: BTreeSet<&str> = entries.iter().map(|entry| &*entry.id).collect();
    let twice: Vec<_> = ids
        .iter()
        .filter(|id| 1 < entries.iter().filter(|entry| entry.id == **id).count())
        .collect();
    assert_eq!(twice, [&""; 0]);
    for kind in Kind::ALL {
        assert!(entries.iter().any(|entry| entry.kind == kind), "{kind:?}");
    }
    for rule in rules::all() {
        assert!(ids.contains(rule.id), "{}", rule.id);
    }
    for code in Code::ALL {
        assert!(ids.contains(code.name()), "{code}");
    }
}

#[test]
fn every_entry_says_what_it_is_and_leads_somewhere() {
    let entries = index(&specs());
    let ids: BTreeSet<&str> = entries.iter().map(|entry| &*entry.id).collect();
    for Entry { id, text, remedy, related, kind, .. } in &entries {
        assert!(text.ends_with(['.', '?']), "{id}: {text}");
        assert!(*kind == Kind::Scenario || remedy.ends_with('.'), "{id}: {remedy}");
        assert!(related.iter().all(|other| ids.contains(&**other)), "{id}: {related:?}");
    }
}

/// What rules, corpus and replies answer with is in the files of types and codes.
#[test]
fn every_error_type_and_code_in_use_is_explained() {
    let specs = specs();
    let mut words = BTreeSet::new();
    for rule in rules::all() {
        words.insert(rule.answer.error_type.to_owned());
        words.extend(rule.answer.error_code.map(str::to_owned));
    }
    let plan = Plan { seed: 1, cases_max: None, heavy: false };
    for case in corpus::cases(&specs.contract, &specs.witnesses, plan) {
        match &case.origin {
            Origin::Mutated(mutation) => {
                if let Permitted::Exactly { error_type, error_code, .. } = mutation.answers {
                    words.insert(error_type.to_owned());
                    words.extend(error_code.map(str::to_owned));
                }
            }
            Origin::Witness { answers, .. } => {
                for answer in answers {
                    words.extend(answer.error_type.clone());
                    words.extend(answer.error_code.clone());
                }
            }
            Origin::Canary | Origin::Valid => {}
        }
    }
    for script in specs.scripts.values() {
        let Ok(body) = serde_json::from_slice::<Value>(&script.body) else { continue };
        for pointer in ["/error/type", "/error/details/error_code"] {
            words.extend(body.pointer(pointer).and_then(Value::as_str).map(str::to_owned));
        }
    }
    let is_known = |word: &String| {
        specs.errors.find_type(word).is_some() || specs.errors.find_code(word).is_some()
    };
    words.retain(|word| !is_known(word) && !FOREIGN.contains(&&**word));
    assert_eq!(words, BTreeSet::new());
}

#[test]
fn every_external_refusal_is_shown_by_a_reply_that_is_an_error() {
    let specs = specs();
    for external in &specs.external {
        for name in &external.replies {
            let script = specs.scripts.get(name);
            let status =
                script.unwrap_or_else(|| panic!("{}: no reply {name}", external.id)).status;
            assert!(400 <= status, "{}: {name} is a {status}", external.id);
        }
    }
}

/// Runs once for all words: each is a title or a part of its entry.
fn check(words: &[&str], expected: &[&str]) {
    let text = out(words);
    for part in expected {
        assert!(text.contains(part), "{words:?} should say {part:?}:\n{text}");
    }
    let titles = text.lines().filter(|line| !line.starts_with(' ') && !line.is_empty()).count();
    let expected = expected.iter().filter(|part| part.ends_with(')')).count();
    assert_eq!(titles, expected, "{text}");
}

#[test]
fn a_word_of_any_kind_is_explained() {
    check(
        &["tool-result-unpaired", "required", "below-minimum", "overloaded", "rate_limit_error"],
        &[
            "tool-result-unpaired (rule)",
            "operations  messages.create",
            "\n  -  ",
            "required (mutation family)",
            "`PATH: Field required`",
            "\n  +   \"max_tokens\"",
            "bounds (mutation family)",
            "Its mutation `below-minimum` is",
            "overloaded (class)",
            "529-overloaded",
            "rate_limit_error (error type)",
            "ramp_limit_exceeded",
        ],
    );
    check(
        &[
            "image_dimensions_too_large",
            "credit-balance",
            "err-400",
            "exit-3",
            "model-retiring-soon",
        ],
        &[
            "image_dimensions_too_large (error code)",
            "see also    image-dimensions-over-limit",
            "credit-balance (external refusal)",
            "400-credit-balance",
            "err-400 (scenario)",
            "attempts    1",
            "try it      `probity chaos --scenario err-400`",
            "exit-3 (exit code)",
            "model-retiring-soon (lint)",
        ],
    );
}

#[test]
fn a_word_that_is_several_things_is_explained_as_each() {
    check(
        &["model-alias", "method-not-allowed"],
        &[
            "model (mutation family)",
            "model-alias (lint)",
            "method-not-allowed (rule)",
            "class-method-not-allowed (class)",
        ],
    );
}

#[test]
fn other_spellings_lead_to_the_word() {
    check(
        &["2026-10-21/messages.create/mut/required/messages", "Tool_Result_Unpaired", "3", "429"],
        &[
            "required (mutation family)",
            "tool-result-unpaired (rule)",
            "exit-3 (exit code)",
            "rate_limit_error (error type)",
        ],
    );
    check(
        &["False_OK", "early-retry"],
        &["false-ok (finding)", "early-retry (finding)", "remedy      Read `retry-after-ms`"],
    );
    check(
        &["mut/bounds/too-long/tools", "field-missing"],
        &["bounds (mutation family)", "required (mutation family)"],
    );
}

#[test]
fn an_unknown_word_is_answered_with_near_ones_only() {
    let said = |word: &str| {
        let output = explain(&[word], "80");
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said("tool-result-unpared").contains("near it: tool-result-unpaired"));
    assert!(said("spend-limit").contains("spend-limit-own"));
    for nonsense in ["xyzzy", "qqqqqqqqqqqq", "/"] {
        assert!(!said(nonsense).contains("near it"), "{nonsense}");
    }
}

#[test]
fn the_list_fits_the_terminal() {
    let entries = index(&specs());
    for columns in ["80", "120"] {
        let output = explain(&[], columns);
        let text = String::from_utf8(output.stdout).unwrap();
        let width = columns.parse().unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{line}");
        }
        for entry in &entries {
            let starts = |line: &str| line.starts_with(&format!("  {} ", entry.id));
            assert_eq!(text.lines().filter(|line| starts(line)).count(), 1, "{}", entry.id);
        }
    }
}

#[test]
fn explanations_fit_the_terminal_without_colour() {
    let ids: Vec<_> = index(&specs()).into_iter().map(|entry| entry.id).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let text = out(&ids);
    // A name or an address longer than the line cannot be folded.
    let long: Vec<_> = text.lines().filter(|line| 80 < line.chars().count()).collect();
    assert_eq!(long, [""; 0]);
    assert!(!text.contains('\u{1b}'));
    assert!(out(&["required", "--color", "always"]).contains("\u{1b}[1mrequired\u{1b}[0m"));
}

#[test]
fn json_keeps_its_schema() {
    let schema = include_str!("../schemas/explain.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for (words, least) in [(&[][..], 200), (&["required"], 1)] {
        let value: Value =
            serde_json::from_str(&out(&[words, &["--format", "json"]].concat())).unwrap();
        assert!(schema.is_valid(&value), "{:?}", schema.iter_errors(&value).next());
        assert!(least <= value.as_array().unwrap().len());
    }
}

#[test]
fn the_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs/EXPLAINED.md");
    let on_file = std::fs::read_to_string(path).unwrap_or_default();
    let page = out(&["--page"]);
    let line_idx = page.lines().zip(on_file.lines()).position(|(new, old)| new != old);
    assert!(
        page == on_file,
        "specs/EXPLAINED.md is not current (first at line {}); renew it: \
            cargo run -p probity -- explain --page > specs/EXPLAINED.md",
        line_idx.map_or(0, |line_idx| line_idx + 1)
    );
}
