//! GitHub: annotations for the worst findings, and a table for the job's summary page.

use std::fmt::Write as _;

use contract::judge::Verdict;

use super::Summary;
use crate::console::{count, thousands};
use crate::exit::decide;
use crate::findings::What;

/// GitHub shows ten annotations of each kind and step.
const ANNOTATIONS_MAX: usize = 10;

/// Workflow commands, the worst first.
pub fn annotations(summary: &Summary<'_>) -> String {
    let head = summary.head;
    let groups =
        summary.told().into_iter().filter(|group| group.what != What::Unclear).map(|group| {
            let what = format!(
                "{}: {}; {}",
                count(group.cases, "case"),
                group.example.trace,
                head.replay_command(&group.example.id)
            );
            (format!("{} {}", group.kind, group.code), what)
        });
    let asides = summary.asides.iter().map(|aside| (aside.code.to_owned(), aside.what.clone()));
    let pending = summary.comparison.pending.iter().map(|pending| {
        (
            "ledger pending".to_owned(),
            format!("{} differs: {}", pending.name, pending.changes.join(" ⏎ ")),
        )
    });
    let mut text = String::new();
    for (title, what) in groups.chain(asides).chain(pending).take(ANNOTATIONS_MAX) {
        let _ = writeln!(text, "::error title={}::{}", property(&title), data(&what));
    }
    text
}

/// Markdown for `$GITHUB_STEP_SUMMARY`.
pub fn page(summary: &Summary<'_>) -> String {
    let Summary { head, run, .. } = summary;
    let [agree, drift, excused, inconclusive] =
        Verdict::ALL.map(|verdict| thousands(run.count(verdict)));
    let mut text = format!(
        "### Probity: contract of {}\n\n| cases | agree | drift | excused | inconclusive |\n|--:|--:|--:|--:|--:|\n| {} | {agree} | {drift} | {excused} | {inconclusive} |\n\n",
        head.as_of,
        thousands(run.records().count()),
    );
    let groups: Vec<_> = summary.told();
    if !groups.is_empty() {
        text.push_str(
            "| rule | finding | cases | expected | got | replay |\n|---|---|--:|---|---|---|\n",
        );
    }
    for group in groups {
        let example = &group.example;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | `{}` |",
            group.kind,
            group.code,
            group.cases,
            example.expected,
            example.got,
            head.replay_command(&group.example.id)
        );
    }
    for aside in summary.asides {
        let _ = writeln!(text, "- **{}** {}", aside.code, aside.what);
    }
    for pending in &summary.comparison.pending {
        let _ = writeln!(
            text,
            "\n<details><summary>{} differs</summary>\n\n```diff\n{}\n```\n</details>",
            pending.name,
            pending.changes.join("\n")
        );
    }
    let verdict =
        decide(summary.reasons).map_or_else(|| "clean".to_owned(), |stop| stop.reason.clone());
    let _ = writeln!(text, "\n{verdict} (seed {}, target {})", head.seed, head.target);
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
