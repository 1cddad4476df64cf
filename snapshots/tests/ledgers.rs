//! Asserts the ledgers where `cargo insta` looks for them.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs the contract once and compares every ledger before failing, so that one review sees all that changed.
#[test]
fn the_ledgers_are_those_that_were_reviewed() {
    let ledgers = probity::contract::run_for_ledgers().expect("the embedded run is complete");
    let mut changed = Vec::new();
    for (name, text) in &ledgers {
        let settings = settings();
        let same = catch_unwind(AssertUnwindSafe(|| {
            settings.bind(|| insta::assert_snapshot!(name.as_str(), text))
        }));
        if same.is_err() {
            changed.push(name.as_str());
        }
    }
    assert!(changed.is_empty(), "changed: {}; `cargo insta review` shows how", changed.join(", "));

    let made = ledgers.iter().map(|(name, _)| &**name).chain([MUTANTS]);
    let made: BTreeSet<_> = made.map(|name| format!("{name}.snap")).collect();
    let kept: BTreeSet<_> = kept().collect();
    let orphans: Vec<_> = kept.difference(&made).collect();
    assert!(orphans.is_empty(), "no run makes {orphans:?} any more; delete them");
}

/// The ledger of another run, which a test of its own asserts.
const MUTANTS: &str = "mutants";

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(env!("CARGO_MANIFEST_DIR"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

fn kept() -> impl Iterator<Item = String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(folder).expect("the crate's own folder can be read");
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".snap"))
}
