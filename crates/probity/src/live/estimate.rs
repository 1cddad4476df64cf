//! What a plan would cost, said before anything is sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use classify::Body;
use contract::case::Case;
use serde_json::{Value, json};

use super::bill::{self, Charge};
use super::money::{Prices, Tokens, Usd};
use crate::console::thousands;

/// Of text and JSON together, about; a count by the server replaces it in a run.
const BYTES_PER_TOKEN: u64 = 3;

/// The cost of the cases that name one model.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Row {
    /// Cases that must be refused, and cost nothing then.
    pub refused: usize,
    pub free: usize,
    pub paid: usize,
    /// Cases whose cost nobody can bound before; a budget leaves them out.
    pub unbounded: usize,
    /// What the paid ones may use: input estimated, output as they allow it.
    pub tokens: Tokens,
}

/// What a plan costs, by model.
#[derive(Debug, Default)]
pub struct Rows(BTreeMap<String, Row>);

/// Adds what this case costs.
pub fn note(rows: &mut Rows, case: &Case) {
    let row = rows.0.entry(model(&case.request.body)).or_default();
    match (bill::is_served(case), bill::charge(case)) {
        (false, _) => row.refused += 1,
        (true, Charge::Free) => row.free += 1,
        (true, Charge::Unbounded) => row.unbounded += 1,
        (true, Charge::AtMost { worst, .. }) => {
            row.paid += 1;
            let input = case.request.body.len() / BYTES_PER_TOKEN;
            row.tokens += Tokens { input, ..worst };
        }
    }
}

/// What the verbs say that send the cases they are told, each up to so many times, instead of sending them. `prices` is
/// none where nothing costs.
pub fn dry_run(
    cases: &[Case],
    times: u64,
    prices: Option<Option<Prices>>,
    is_json: bool,
) -> String {
    let mut rows = Rows::default();
    for case in cases {
        (0..times).for_each(|_| note(&mut rows, case));
    }
    let ids = cases.iter().map(|case| &*case.id.0);
    if is_json {
        let estimate = prices.map(|prices| to_json(&rows, prices));
        let ids: Vec<_> = ids.collect();
        let said = json!({"dry_run": true, "cases": ids, "times": times, "estimate": estimate});
        return format!("{said}\n");
    }
    let mut said: String = ids.map(|id| format!("{id}\n")).collect();
    if let Some(prices) = prices {
        said += &text(&rows, prices);
    }
    let tried = crate::console::count(cases.len(), "case");
    let times = crate::console::count(usize::try_from(times).unwrap_or(usize::MAX), "time");
    said + &format!("\ndry run: {tried} would be sent, each at most {times}; nothing was sent\n")
}

/// The table for people.
pub fn text(rows: &Rows, prices: Option<Prices>) -> String {
    let mut text = format!(
        "\n{:30}{:>8}{:>6}{:>6}{:>12}{:>12}",
        "model", "refused", "free", "paid", "input about", "output max"
    );
    text += if prices.is_some() { "      at most\n" } else { "\n" };
    let shown = |tokens: u64| thousands(usize::try_from(tokens).unwrap_or(usize::MAX));
    let mut line = |name: &str, row: &Row| {
        let [input, output] = [row.tokens.input, row.tokens.output].map(shown);
        let (refused, free, paid) = (row.refused, row.free, row.paid);
        let _ = write!(text, "{name:30}{refused:>8}{free:>6}{paid:>6}{input:>12}{output:>12}");
        if let Some(prices) = prices {
            let _ = write!(text, "{:>13}", Usd(prices.of(row.tokens)).to_string());
        }
        text.push('\n');
    };
    for (model, row) in &rows.0 {
        line(model, row);
    }
    let all = total(rows);
    line("all", &all);
    if all.unbounded > 0 {
        let _ = writeln!(
            text,
            "{} use server tools, whose cost is known only afterwards: a budget leaves them out",
            crate::console::count(all.unbounded, "case")
        );
    }
    if prices.is_none() {
        text += "no price is built in: --price-input and --price-output (USD per million tokens) show one\n";
    }
    text
}

/// The same for programs.
pub fn to_json(rows: &Rows, prices: Option<Prices>) -> Value {
    let row = |row: &Row| {
        let usd = prices.map(|prices| Usd(prices.of(row.tokens)).to_string());
        json!({
            "refused": row.refused, "free": row.free, "paid": row.paid, "unbounded": row.unbounded,
            "input_tokens_about": row.tokens.input, "output_tokens_max": row.tokens.output, "at_most": usd,
        })
    };
    let models: serde_json::Map<_, _> =
        rows.0.iter().map(|(model, of_model)| (model.clone(), row(of_model))).collect();
    json!({"models": models, "all": row(&total(rows))})
}

fn total(rows: &Rows) -> Row {
    rows.0.values().fold(Row::default(), |sum, row| Row {
        refused: sum.refused + row.refused,
        free: sum.free + row.free,
        paid: sum.paid + row.paid,
        unbounded: sum.unbounded + row.unbounded,
        tokens: sum.tokens + row.tokens,
    })
}

fn model(body: &Body) -> String {
    /// Other names are those of broken requests, and nobody's price.
    const NONE: &str = "no model";
    /// Longer than any, and as wide as the column.
    const MODEL_BYTES_MAX: usize = 30;
    let Body::Bytes(bytes) = body else { return NONE.to_owned() };
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let is_name = |model: &&str| model.starts_with("claude-") && model.len() <= MODEL_BYTES_MAX;
    let model = body["model"].as_str().or_else(|| body["requests"][0]["params"]["model"].as_str());
    model.filter(is_name).unwrap_or(NONE).to_owned()
}
