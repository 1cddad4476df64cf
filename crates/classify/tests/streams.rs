//! Every stream in `tests/streams` breaks the rules that it says it breaks, in that order, and no other.
//!
//! A fixture begins with comments, which are no part of any event: what it shows, `expect` with the rules, and
//! `notes` with the notes if there are any. One that is named after a rule, with or without a variant after two
//! dashes, names that rule first; one whose name begins with `defect` is a defect that somebody reported.

use std::collections::BTreeMap;
use std::path::Path;

use classify::sse::Limits;
use classify::stream::{self, AROUND, EXCERPT_BYTES_MAX, Lint, Linter, NoteKind, Outcome, Rule};
use classify::{Class, Script};

/// What a fixture is, and what it says about itself.
struct Fixture {
    name: String,
    body: Vec<u8>,
    expected: Vec<String>,
    notes: Vec<String>,
}

#[test]
fn every_stream_breaks_what_it_says_and_no_more() {
    for Fixture { name, body, expected, notes } in fixtures() {
        let lint = stream::lint(&body);
        assert_eq!(
            (rules(&lint), said(&lint)),
            (expected, notes),
            "{name}: {:#?}",
            lint.violations
        );
        let broken = lint.violations.iter().map(|violation| violation.rule);
        assert!(broken.clone().all(|rule| lint.sights.has(rule.sight())), "{name}");
    }
}

/// What a stream holds, by rules that it takes to break them.
fn check_tried(fixture: &str, rules: &[Rule], others: &[Rule]) {
    let fixtures = fixtures();
    let fixture = fixtures.iter().find(|one| one.name == fixture).expect("it is there");
    let sights = stream::lint(&fixture.body).sights;
    assert!(rules.iter().all(|rule| sights.has(rule.sight())), "{}", fixture.name);
    assert!(others.iter().all(|rule| !sights.has(rule.sight())), "{}", fixture.name);
}

#[test]
fn a_stream_says_nothing_of_what_it_does_not_hold() {
    let every =
        [Rule::NoMessageStop, Rule::MessageId, Rule::DeltaUnopened, Rule::StopDetailsUnexpected];
    let calls = [Rule::ToolIdPrefix, Rule::ToolJsonInvalid, Rule::StopReasonIgnoresCall];
    let others = [
        Rule::CitationMissing,
        Rule::ErrorTerminates,
        Rule::RedactedDataMissing,
        Rule::SignatureMissing,
        Rule::StopSequenceMissing,
        Rule::ToolIdRepeated,
        Rule::ToolsetInputSplit,
    ];
    check_tried("ok-text-1", &every, &[&calls[..], &others].concat());
    check_tried("ok-tool-use-1", &[&calls[..], &every].concat(), &others);
}

#[test]
fn every_rule_is_named_first_by_a_stream_of_its_name() {
    let first: BTreeMap<String, String> = fixtures()
        .into_iter()
        .filter_map(|fixture| Some((fixture.name, fixture.expected.into_iter().next()?)))
        .collect();
    for rule in Rule::ALL {
        let id = short(rule);
        // Its stream would be too long to keep; a test below makes one.
        if rule != Rule::EventTooLong {
            assert_eq!(first.get(id).map(String::as_str), Some(id), "{id}.sse");
        }
    }
    for (name, rule) in first.iter().filter(|(name, _)| !name.starts_with("defect-")) {
        assert_eq!(name.split("--").next(), Some(rule.as_str()), "{name}");
    }
}

#[test]
fn every_note_is_shown() {
    let fixtures = fixtures();
    for kind in NoteKind::ALL {
        let shows = |fixture: &&Fixture| fixture.notes.iter().any(|note| note == kind.name());
        assert!(fixtures.iter().any(|fixture| shows(&fixture)), "{}", kind.name());
    }
}

#[test]
fn well_formed_streams_come_in_threes() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for name in fixtures().iter().filter_map(|fixture| fixture.name.strip_prefix("ok-")) {
        let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    assert!(10 <= kinds.len() && kinds.values().all(|streams| *streams == 3), "{kinds:?}");
}

#[test]
fn the_cut_makes_no_difference_and_neither_does_the_reader() {
    for Fixture { name, body, .. } in fixtures() {
        let whole = stream::lint(&body);
        for size in [1, 2, 3, 7, 64] {
            let mut linter = Linter::default();
            body.chunks(size).for_each(|piece| linter.push(piece));
            assert_eq!(linter.finish(), whole, "{name} in pieces of {size}");
        }
        let reading = stream::read(&body);
        assert_eq!((&reading.outcome, reading.events), (&whole.outcome, whole.events), "{name}");
        let grammar = whole.violations.iter().filter(|found| found.rule.breaks_grammar());
        let grammar: Vec<_> = grammar.map(|found| (found.event_idx, found.rule)).collect();
        let defects: Vec<_> = reading.defects.iter().map(|it| (it.event_idx, it.rule)).collect();
        assert_eq!(defects, grammar, "{name}");
        assert!(whole.outcome != Outcome::Malformed || !grammar.is_empty(), "{name}");
    }
}

/// Wherever a stream is cut, what was wrong before the cut is still named, and a whole one is merely unfinished.
#[test]
fn a_prefix_of_a_well_formed_stream_is_unfinished_and_nothing_else() {
    for Fixture { name, body, .. } in fixtures().iter().filter(|it| it.name.starts_with("ok-")) {
        for len in 0..body.len() {
            let lint = stream::lint(&body[..len]);
            let allowed = ["final-blank-line-missing", "no-events", "no-message-stop"];
            let found = rules(&lint);
            assert!(
                found.iter().all(|rule| allowed.contains(&rule.as_str())),
                "{name} at {len}: {found:?}"
            );
            assert!(!found.is_empty() || lint.outcome != Outcome::Truncated, "{name} at {len}");
        }
    }
}

#[test]
fn a_trace_shows_the_event_and_its_neighbours() {
    for Fixture { name, body, .. } in fixtures() {
        for violation in stream::lint(&body).violations {
            let culprits = violation.trace.iter().filter(|line| line.is_culprit).count();
            assert!(violation.trace.len() <= 2 * AROUND + 1 && culprits <= 1, "{name}");
            for line in &violation.trace {
                assert!(violation.event_idx.abs_diff(line.event_idx) <= AROUND, "{name}");
                assert!(line.data_excerpt.len() <= EXCERPT_BYTES_MAX + "…".len(), "{name}");
                let there = String::from_utf8_lossy(&body[line.offset..]);
                assert!(!there.starts_with(['\n', '\r']), "{name}: event at {}", line.offset);
                let first = there.lines().next().unwrap_or_default();
                assert!(first.contains(':'), "{name}: event at {}: {first}", line.offset);
            }
            assert!(!violation.detail.is_empty(), "{name}: {}", violation.rule);
        }
    }
}

#[test]
fn the_events_around_a_break_are_told() {
    let fixtures = fixtures();
    let fixture = fixtures.iter().find(|it| it.name == "delta-unopened").unwrap();
    let lint = stream::lint(&fixture.body);
    let trace = lint.violations[0].trace.iter();
    let told: Vec<_> =
        trace.map(|line| (line.event_idx, line.name.as_str(), line.is_culprit)).collect();
    let expected = [
        (0, "message_start", false),
        (1, "content_block_delta", true),
        (2, "message_delta", false),
        (3, "message_stop", false),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_line_or_an_event_that_is_too_long_ends_the_reading() {
    let limits = Limits { line_bytes_max: 64, event_bytes_max: 64 };
    let line = "data: 0123456789012345678901234567890\n";
    for body in [line.trim_end().repeat(2), line.repeat(3)] {
        let mut linter = Linter::new(limits);
        linter.push(body.as_bytes());
        let lint = linter.finish();
        assert_eq!(
            (rules(&lint), lint.outcome),
            (vec!["event-too-long".to_owned()], Outcome::Malformed)
        );
    }
}

/// The replies that are classified as whole, but for the few whose very point is a promise that is broken.
#[test]
fn whole_replies_break_no_rule() {
    let mut broken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for script in replies() {
        let lint = stream::lint(&script.body);
        if script.class == Class::Streamed && !lint.violations.is_empty() {
            broken.insert(script.name, rules(&lint));
        }
    }
    let expected =
        [("sse-done-marker", vec!["done-marker"]), ("sse-usage-missing", vec!["usage-missing"])];
    let expected = expected
        .map(|(name, rules)| (name.to_owned(), rules.into_iter().map(str::to_owned).collect()));
    assert_eq!(broken, BTreeMap::from(expected));
}

#[test]
fn findings_have_a_limit() {
    let event =
        b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
    let unknown = (0..100).map(|number| format!("event: new_{number}\ndata: {{}}\n\n"));
    let body = [event.repeat(1000), unknown.collect::<String>().into_bytes()].concat();
    let lint = stream::lint(&body);
    let counts = (lint.events, lint.violations.len(), lint.notes.len());
    assert_eq!(counts, (1100, stream::VIOLATIONS_MAX, stream::NOTES_MAX));
}

fn rules(lint: &Lint) -> Vec<String> {
    lint.violations.iter().map(|violation| short(violation.rule).to_owned()).collect()
}

fn said(lint: &Lint) -> Vec<String> {
    lint.notes.iter().map(|note| note.kind.name().to_owned()).collect()
}

fn short(rule: Rule) -> &'static str {
    rule.id().trim_start_matches("stream/")
}

/// The words after `: LABEL` in a comment at the top.
fn words(body: &[u8], label: &str) -> Option<Vec<String>> {
    let text = String::from_utf8_lossy(body);
    let mut lines = text.split(['\n', '\r']).take_while(|line| line.contains(": "));
    let words = lines.find_map(|line| line.strip_prefix(": ")?.strip_prefix(label))?;
    Some(words.split_whitespace().filter(|word| *word != "nothing").map(str::to_owned).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, its test reads the files it is about"
)]
fn files(folder: &str, extension: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    let name =
        |path: &Path| path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
    paths
        .iter()
        .map(|path| (name(path), std::fs::read(path).expect("a file can be read")))
        .collect()
}

fn replies() -> Vec<Script> {
    let files = files("../../specs/replies", "http");
    let parse = |(name, text): (String, Vec<u8>)| {
        let text = String::from_utf8(text).expect("a reply is UTF-8");
        Script::parse(&name, &text).unwrap_or_else(|error| panic!("{error}"))
    };
    files.into_iter().map(parse).collect()
}

fn fixtures() -> Vec<Fixture> {
    let read = |(name, body): (String, Vec<u8>)| {
        let expected = words(&body, "expect ").unwrap_or_else(|| panic!("{name} expects nothing"));
        let notes = words(&body, "notes ").unwrap_or_default();
        Fixture { name, body, expected, notes }
    };
    files("tests/streams", "sse").into_iter().map(read).collect()
}
