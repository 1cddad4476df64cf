//! What is wrong, grouped: a hundred cases that fail alike are one thing to read.

use std::collections::BTreeMap;

use classify::Body;
use contract::case::Case;
use contract::conformance::standing::is_about_form;
use contract::judge::{Blame, Finding, Record, Verdict};
use contract::rules;

use crate::curl::{Curl, curl};

/// Ids kept of each group; the JSON report has all.
const IDS_MAX: usize = 50;

/// All groups, worst first within their verdict.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<(String, &'static str, String), Group>);

/// Cases that show the same finding about the same rule.
#[derive(Debug)]
pub struct Group {
    /// `mut/bounds/below-minimum`, `witness/tool-result-unpaired`, `valid`.
    pub kind: String,
    /// The finding's code.
    pub code: &'static str,
    pub blame: Blame,
    pub verdict: Verdict,
    pub cases: usize,
    pub ids: Vec<String>,
    /// How many got which answer.
    pub answers: BTreeMap<String, usize>,
    /// The case with the smallest request: the quickest to understand.
    pub example: Example,
}

#[derive(Debug)]
pub struct Example {
    pub id: String,
    /// The size of the request's body.
    bytes: u64,
    pub expected: String,
    pub got: String,
    /// Into the answer.
    pub pointer: String,
    pub trace: String,
    pub question: Option<&'static str>,
    /// None for scripted answers, which no server can be asked for.
    pub curl: Option<Curl>,
    /// Written out only if it is short enough to keep.
    pub body: Option<bytes::Bytes>,
}

impl Groups {
    /// Takes up a record that did not agree, and what is wrong with the form of an answer that did.
    pub fn note(&mut self, case: Option<&Case>, record: &Record, base_url: Option<&str>) {
        if record.verdict == Verdict::Excused {
            return;
        }
        let bytes = case.map_or(0, |case| case.request.body.len());
        for finding in &record.findings {
            let is_apart = is_about_form(finding) || finding.rule == "unreachable";
            let kind = match is_apart {
                true => record.operation.name().to_owned(),
                false => kind(record),
            };
            let example = || Example::new(case, record, finding, base_url);
            let wanted = if is_apart { String::new() } else { expected(record) };
            let group =
                self.0.entry((kind.clone(), finding.rule, wanted)).or_insert_with(|| Group {
                    kind,
                    code: finding.rule,
                    blame: finding.blame,
                    verdict: record.verdict,
                    cases: 0,
                    ids: Vec::new(),
                    answers: BTreeMap::new(),
                    example: example(),
                });
            if bytes < group.example.bytes {
                group.example = example();
            }
            group.cases += 1;
            *group.answers.entry(got(record)).or_default() += 1;
            if group.ids.len() < IDS_MAX {
                group.ids.push(record.id.0.clone());
            }
        }
    }

    /// Drifts with the most cases first, then what says nothing.
    pub fn ranked(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.0.values().collect();
        groups.sort_by_key(|group| {
            (group.verdict == Verdict::Inconclusive, std::cmp::Reverse(group.cases))
        });
        groups
    }
}

impl Example {
    fn new(
        case: Option<&Case>,
        record: &Record,
        finding: &Finding,
        base_url: Option<&str>,
    ) -> Self {
        let body = case.map(|case| &case.request.body);
        Self {
            id: record.id.0.clone(),
            bytes: body.map_or(0, Body::len),
            expected: expected(record),
            got: got(record),
            pointer: finding.pointer.clone(),
            trace: finding.trace.clone().into_owned(),
            question: record.expected.question,
            curl: case.map(|case| curl(&case.request, base_url)),
            body: body.and_then(|body| match body {
                Body::Bytes(bytes) => Some(bytes.clone()),
                Body::Empty | Body::Repeat { .. } => None,
            }),
        }
    }
}

impl Group {
    /// What the rule demands, where there is a sentence for it.
    pub fn explanation(&self) -> Option<&'static str> {
        let rule = self.kind.rsplit('/').next().unwrap_or_default();
        rules::find(rule).map(|rule| rule.explanation)
    }
}

/// The kind of a record, as ledgers call it.
pub fn kind(record: &Record) -> String {
    match record.origin {
        "mut" => format!("mut/{}/{}", record.family, record.rule),
        "witness" | "scripted" => format!("{}/{}", record.origin, record.rule),
        origin => origin.to_owned(),
    }
}

/// The answers that the contract permits, in words.
pub fn expected(record: &Record) -> String {
    let expected = &record.expected;
    let classes: Vec<_> = expected.classes.iter().map(|class| class.name()).collect();
    let status = expected.status.map(|status| status.to_string());
    let rest = [status.as_deref(), expected.error_type.as_deref(), expected.error_code.as_deref()];
    [Some(&*classes.join(" or "))].into_iter().chain(rest).flatten().collect::<Vec<_>>().join(" ")
}

/// The answer that came, in words.
pub fn got(record: &Record) -> String {
    let status = record.status.map(|status| status.to_string());
    let rest = [status.as_deref(), record.error_type.as_deref(), record.error_code.as_deref()];
    [Some(record.class.name())].into_iter().chain(rest).flatten().collect::<Vec<_>>().join(" ")
}
