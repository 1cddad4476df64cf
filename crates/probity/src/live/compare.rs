//! The answers of the mock and of a live server to the same cases, side by side by rule: where the classes differ.
//!
//! Neither side is right by itself: a difference is a question to the contract, and the verdicts answer it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::pin::pin;

use contract::judge::judge;
use futures::StreamExt;
use serde_json::{Value, json};
use wire::replay::{Pace, replay};
use wire::send::Connections;

use super::{dated, thrift};
use crate::console::count;
use crate::embedded;
use crate::exit::Stop;
use crate::run::Order;

/// As in a run against the embedded mock.
const IN_FLIGHT_MAX: usize = 16;
const DEADLINE_MS: u64 = 30_000;
/// Cases named in a row; the JSON has all.
const CASES_MAX: usize = 3;

/// What one case was answered with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub id: String,
    /// `FAMILY/RULE`, or the origin where it has no rule.
    pub rule: String,
    pub class: String,
}

/// Cases of a rule that differ in the same way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    pub rule: String,
    pub mock: String,
    pub live: String,
    pub cases: Vec<String>,
}

/// Both sides together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Comparison {
    pub same: usize,
    /// Cases that the mock was not asked, because the corpus no longer has them.
    pub gone: usize,
    pub rows: Vec<Row>,
}

/// Sets two lists of answers side by side.
pub fn compare(mock: &[Answer], live: &[Answer]) -> Comparison {
    let of_mock: BTreeMap<&str, &Answer> =
        mock.iter().map(|answer| (&*answer.id, answer)).collect();
    let mut comparison = Comparison::default();
    let mut rows: BTreeMap<[&str; 3], Vec<String>> = BTreeMap::new();
    for answer in live {
        match of_mock.get(&*answer.id) {
            None => comparison.gone += 1,
            Some(mock) if mock.class == answer.class => comparison.same += 1,
            Some(mock) => {
                let key = [&*answer.rule, &*mock.class, &*answer.class];
                rows.entry(key).or_default().push(answer.id.clone());
            }
        }
    }
    let row = |([rule, mock, live], mut cases): ([&str; 3], Vec<String>)| {
        cases.sort_unstable();
        Row { rule: rule.to_owned(), mock: mock.to_owned(), live: live.to_owned(), cases }
    };
    comparison.rows = rows.into_iter().map(row).collect();
    comparison
}

/// What the embedded mock answers to the cases of these ids.
pub async fn ask_mock(order: &Order<'_>, ids: &BTreeSet<&str>) -> Result<Vec<Answer>, Stop> {
    let contract = &order.specs.contract;
    let mock = embedded::start(contract).await?;
    // A limit or a target would choose among them once more.
    let whole = Order { target: None, cases_max: None, limits: None, ..order.clone() };
    let cases: Vec<_> =
        whole.cases(|_| {}).filter(|case| ids.contains(&*case.id.0)).map(thrift::frugal).collect();
    let pace = Pace {
        in_flight_max: IN_FLIGHT_MAX,
        deadline_ms: DEADLINE_MS,
        connections: Connections::Kept,
        gate: None,
    };
    let mut stream = pin!(replay(&mock.target, cases, pace));
    let mut records = Vec::new();
    while let Some((case, observation)) = stream.next().await {
        records.push(judge(contract, &case, &observation));
    }
    Ok(dated::answers(records.iter()))
}

/// The table for people.
pub fn text(comparison: &Comparison, live: &str) -> String {
    let mut text = String::new();
    let width = |column: fn(&Row) -> &str, title: &str| {
        let longest = comparison.rows.iter().map(|row| column(row).len()).max().unwrap_or(0);
        longest.max(title.len())
    };
    let (rule, mock) = (width(|row| &row.rule, "rule"), width(|row| &row.mock, "mock"));
    let class = width(|row| &row.live, live);
    if !comparison.rows.is_empty() {
        let _ = writeln!(text, "\n{:rule$}  {:mock$}  {live:class$}  cases", "rule", "mock");
    }
    for row in &comparison.rows {
        let (number, shown) = (row.cases.len(), row.cases.iter().take(CASES_MAX));
        let _ =
            writeln!(text, "{:rule$}  {:mock$}  {:class$}  {number}", row.rule, row.mock, row.live);
        for case in shown {
            let _ = writeln!(text, "  {case}");
        }
        if CASES_MAX < number {
            let _ = writeln!(text, "  and {} more", number - CASES_MAX);
        }
    }
    let _ = writeln!(text, "\nmock and {live}: {}", summary(comparison));
    text
}

/// How much differs, in a line.
pub fn summary(comparison: &Comparison) -> String {
    let differ: usize = comparison.rows.iter().map(|row| row.cases.len()).sum();
    let mut text = format!("{} differ, {} answered alike", count(differ, "case"), comparison.same);
    if comparison.gone > 0 {
        text += &format!(", {} no longer in the corpus", comparison.gone);
    }
    text
}

/// The table for programs.
pub fn to_json(comparison: &Comparison, live: &str) -> Value {
    let row = |row: &Row| json!({"rule": row.rule, "mock": row.mock, "live": row.live, "cases": row.cases});
    let rows: Vec<_> = comparison.rows.iter().map(row).collect();
    json!({"live": live, "same": comparison.same, "gone": comparison.gone, "differences": rows})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: &str, rule: &str, class: &str) -> Answer {
        Answer { id: id.to_owned(), rule: rule.to_owned(), class: class.to_owned() }
    }

    #[test]
    fn cases_that_differ_alike_are_one_row() {
        let mock = ["a", "b", "c", "d"].map(|id| answer(id, "rule/r", "invalid-request"));
        let live = [
            answer("c", "rule/r", "accepted"),
            answer("a", "rule/r", "accepted"),
            answer("b", "rule/r", "invalid-request"),
            answer("d", "rule/r", "not-found"),
            answer("e", "rule/r", "accepted"),
        ];
        let comparison = compare(&mock, &live);
        let shown: Vec<_> =
            comparison.rows.iter().map(|row| (&*row.live, row.cases.join(" "))).collect();
        assert_eq!(shown, [("accepted", "a c".to_owned()), ("not-found", "d".to_owned())]);
        assert_eq!((comparison.same, comparison.gone), (1, 1));
        let text = text(&comparison, "2026-11-22");
        assert!(text.contains("rule/r  invalid-request  accepted    2\n  a\n  c\n"), "{text}");
        assert!(text.ends_with("3 cases differ, 1 answered alike, 1 no longer in the corpus\n"));
    }
}
