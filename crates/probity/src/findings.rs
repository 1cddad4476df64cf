//! What is wrong, grouped: a hundred cases that fail alike are one thing to read.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use classify::Body;
use contract::case::Case;
use contract::conformance::altered;
use contract::conformance::standing::is_about_form;
use contract::judge::{Blame, Finding, Record, Verdict};
use contract::level::Level;
use contract::rules;

use crate::curl::{Curl, curl};

/// The finding of a case that got no answer.
const UNREACHABLE: &str = "unreachable";
/// Ids kept of each group; the JSON report has all.
const IDS_MAX: usize = 50;

/// Different traces kept of each group. Where there are more, each holds something of its case, and one is enough.
pub const TRACES_MAX: usize = 3;

/// All groups.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<Key, Group>);

/// What the findings of one group have in common.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Key {
    kind: String,
    code: &'static str,
    blame: &'static str,
    /// The answers that were permitted, where they are what the finding is about.
    wanted: String,
    /// The member that was changed on its way, since each is a mistake of its own.
    place: String,
}

/// Cases that show the same finding about the same rule.
#[derive(Debug)]
pub struct Group {
    /// `mut/bounds/below-minimum`, `witness/tool-result-unpaired`, `valid`; of what is about the form of answers, the
    /// operation.
    pub kind: String,
    /// The finding's code.
    pub code: &'static str,
    pub blame: Blame,
    pub what: What,
    /// The weakest level at which one of them counts.
    pub level: Level,
    pub cases: usize,
    pub ids: Vec<String>,
    /// How many got which answer.
    pub answers: BTreeMap<String, usize>,
    /// What was seen, how often; one more than [`TRACES_MAX`] if there is no end of it.
    pub traces: BTreeMap<String, usize>,
    /// The case with the smallest request: the quickest to understand.
    pub example: Example,
}

/// What cases with a finding come to, worst first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum What {
    /// Another answer than those permitted.
    Drift,
    /// Something about the form of answers that are right apart from it.
    Form,
    /// Nothing that could be judged.
    Unclear,
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
            let key = Key::of(record, finding);
            let example = || Example::new(case, record, finding, base_url);
            let (kind, what) = (key.kind.clone(), What::of(record, finding));
            let new = || Group {
                kind,
                code: finding.rule,
                blame: finding.blame,
                what,
                level: finding.level,
                cases: 0,
                ids: Vec::new(),
                answers: BTreeMap::new(),
                traces: BTreeMap::new(),
                example: example(),
            };
            let group = self.0.entry(key).or_insert_with(new);
            if bytes < group.example.bytes {
                group.example = example();
            }
            group.take(record, finding);
        }
    }

    /// What an agent cannot do without first, and of that what concerns the most cases; last what says nothing.
    pub fn ranked(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.0.values().collect();
        groups.sort_by_key(|group| {
            let is_unclear = group.what == What::Unclear || group.blame == Blame::Spec;
            (is_unclear, group.level, Reverse(group.cases))
        });
        groups
    }
}

impl Key {
    fn of(record: &Record, finding: &Finding) -> Self {
        let is_apart = is_about_form(finding) || finding.rule == UNREACHABLE;
        let is_altered = [altered::RULE, altered::answer::RULE].contains(&finding.rule);
        Self {
            kind: if is_apart { record.operation.name().to_owned() } else { kind(record) },
            code: finding.rule,
            blame: finding.blame.name(),
            wanted: if is_apart { String::new() } else { expected(record) },
            place: if is_altered { finding.pointer.clone() } else { String::new() },
        }
    }
}

impl What {
    fn of(record: &Record, finding: &Finding) -> Self {
        match record.verdict {
            Verdict::Inconclusive => Self::Unclear,
            _ if is_about_form(finding) => Self::Form,
            _ => Self::Drift,
        }
    }
}

impl Group {
    fn take(&mut self, record: &Record, finding: &Finding) {
        self.cases += 1;
        self.level = self.level.min(finding.level);
        *self.answers.entry(got(record)).or_default() += 1;
        if self.traces.len() <= TRACES_MAX || self.traces.contains_key(&*finding.trace) {
            *self.traces.entry(finding.trace.to_string()).or_default() += 1;
        }
        if self.ids.len() < IDS_MAX {
            self.ids.push(record.id.0.clone());
        }
    }

    /// What the rule demands, where there is a sentence for it.
    pub fn explanation(&self) -> Option<&'static str> {
        let rule = self.kind.rsplit('/').next().unwrap_or_default();
        rules::find(rule).map(|rule| rule.explanation)
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
