//! One kind of finding: what is wrong with what, who is to blame, and how to see it again.

use std::cmp::Reverse;
use std::fmt::Write as _;

use contract::conformance::altered;
use contract::judge::Blame;

use super::Page;
use crate::console::{count, fold, thousands};
use crate::curl::quote;
use crate::findings::{Group, TRACES_MAX, What};
use crate::report::Summary;

/// Different answers named for one kind of finding.
const ANSWERS_MAX: usize = 3;

pub(super) fn block(
    page: Page,
    summary: &Summary<'_>,
    group: &Group,
    explanation: Option<&'static str>,
) -> String {
    let Summary { head, verbose, .. } = *summary;
    let Page { width, paint } = page;
    let Group { kind, code, cases, example, .. } = group;
    let title = match group.what {
        What::Unclear => paint.yellow(format_args!("inconclusive[{code}]")),
        What::Form => paint.red(format_args!("rule[{code}]")),
        What::Drift => paint.red(format_args!("drift[{code}]")),
    };
    let mut text = format!("\n{title} {} · {}\n", paint.bold(kind), count(*cases, "case"));
    if let Some(explanation) = explanation {
        let _ = writeln!(text, "{}", fold(explanation, width, "  "));
    }
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(text, "  {} {value}", paint.dim(format_args!("{name:9}")));
    };
    // The form of an answer is another question than which answer it is.
    if group.what != What::Form {
        field("expected", &example.expected);
        field("got", &answers(group));
    }
    if *code != "answer-class" && *code != "scripted-class" {
        let traces = traces(group);
        field("because", traces.first().unwrap_or(&example.trace));
        for more in traces.iter().skip(1) {
            field("", more);
        }
    }
    if !example.pointer.is_empty() {
        let of = if *code == altered::RULE { "the request as it went on" } else { "the answer" };
        field("at", &format!("{} of {of}", example.pointer));
    }
    match group.blame {
        Blame::Harness => field("blame", "the harness, not the target"),
        Blame::Gateway => field("blame", "the gateway: what it was given was right"),
        Blame::Upstream => field("blame", "the upstream, not the gateway"),
        Blame::Spec => field("blame", "our picture of the API: nobody knows what is right"),
        Blame::Client | Blame::Target => {}
    }
    if let Some(question) = example.question {
        field("open", question);
    }
    field("case", &example.id);
    for id in group.ids.iter().filter(|id| verbose && **id != example.id) {
        field("", id);
    }
    if let Some(curl) = &example.curl {
        let lines = curl.lines("            ");
        let replay = head.replay_command(&example.id);
        if let Some(file) = &curl.body_file {
            field("reproduce", &format!("{replay} --body {}", quote(file)));
        } else {
            field("reproduce", &replay);
        }
        field("", &lines);
    }
    text
}

/// The answer, or the most frequent ones.
fn answers(group: &Group) -> String {
    if group.answers.len() == 1 {
        return group.example.got.clone();
    }
    let mut ranked: Vec<_> = group.answers.iter().collect();
    ranked.sort_by_key(|(_, cases)| Reverse(**cases));
    let named = ranked
        .iter()
        .take(ANSWERS_MAX)
        .map(|(answer, cases)| format!("{answer} ({})", thousands(**cases)));
    let more = if ranked.len() > ANSWERS_MAX { ", …" } else { "" };
    named.collect::<Vec<_>>().join(", ") + more
}

/// What was seen, the most frequent first, with counts where it is not always the same; the example's alone where each
/// case has its own.
fn traces(group: &Group) -> Vec<String> {
    if group.traces.len() == 1 || group.traces.len() > TRACES_MAX {
        return vec![group.example.trace.clone()];
    }
    let mut ranked: Vec<_> = group.traces.iter().collect();
    ranked.sort_by_key(|(_, cases)| Reverse(**cases));
    let counted = |(trace, cases): (&String, &usize)| format!("{trace} ({})", thousands(*cases));
    ranked.into_iter().map(counted).collect()
}
