//! The matrix as text: client by client what it does not pass, then scenario by scenario how many it catches.
//!
//! A client that is wrong in every request fails nearly everything. Of each client the most common result is told
//! once, as what happens `else`, and only what differs from it has a line; the price is that such a client's passes
//! stand where another's failures do.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chaos::oracle::Code;

use super::{Cell, Matrix, Row};

/// The ledger.
pub(super) fn text(matrix: &Matrix) -> String {
    let n_trials = matrix.rows.first().map_or(0, |row| row.cells.len());
    let n_mutants = matrix.rows.len().saturating_sub(1);
    let mut text = format!("kill matrix\nmutants {n_mutants} · trials of each {n_trials}\n");
    for row in matrix.mutants() {
        text.push_str(&of_client(row));
    }
    text.push_str("\nmutants that fail each scenario, but for those that fail most of them\n");
    for (scenario, count) in matrix.kills() {
        let _ = writeln!(text, "  {scenario}  {count}");
    }
    text
}

fn of_client(row: &Row) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for cell in &row.cells {
        *counts.entry(result(cell)).or_default() += 1;
    }
    let common = counts.iter().max_by_key(|(_, count)| **count);
    let common = common.map_or_else(String::new, |(result, _)| result.clone());
    let mut lines = BTreeMap::<(&str, String), Vec<&str>>::new();
    for cell in row.cells.iter().filter(|cell| result(cell) != common) {
        lines.entry((&cell.scenario, result(cell))).or_default().push(cell.surface.name());
    }
    let mut text = format!("\n{}: {}\n", row.client.name, row.client.breaks);
    for ((scenario, result), surfaces) in lines {
        let _ = writeln!(text, "  {scenario}  {}  {result}", surfaces.join(" "));
    }
    let _ = writeln!(text, "  else  {common}");
    text
}

/// Verdict, and what decided it. A code about times is told where no other stands: beside one, a machine that dawdles
/// for a moment takes it away.
fn result(cell: &Cell) -> String {
    let (timed, others): (Vec<Code>, Vec<Code>) =
        cell.codes().partition(|code| code.is_about_time());
    let codes = if others.is_empty() { timed } else { others };
    let codes: Vec<_> = codes.into_iter().map(Code::name).collect();
    format!("{} {}", cell.verdict, codes.join(" ")).trim_end().to_owned()
}
