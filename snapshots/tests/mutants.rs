//! Asserts the kill matrix, in a program of its own: what measures time needs the machine for itself.

use probity::chaos::mutants::matrix;

/// Holds every trial once. A ledger that is shown says more than a gap, so the gaps come last.
#[test]
fn the_kill_matrix_is_the_one_that_was_reviewed() {
    let matrix = matrix().expect("the scenarios and the list of mutants can be read");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(env!("CARGO_MANIFEST_DIR"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("mutants", matrix.ledger()));
    let gaps = matrix.gaps();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}
