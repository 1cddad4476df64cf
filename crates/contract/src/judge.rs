//! Compares what came back with what was permitted. Pure: last month's journal can be judged again.

use std::borrow::Cow;

use classify::{Class, Observation, Reply, classify, envelope};

use crate::case::{Case, CaseId, Origin};
use crate::expect::{self, Expectation, expect};
use crate::level::{self, Level};
use crate::response;
use crate::spec::Contract;
use crate::version::{OperationId, Version};

/// What the comparison says.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// The answer is one of those the contract permits.
    Agree,
    /// It is not.
    Drift,
    /// It is not, and an exception says why that is accepted.
    Excused,
    /// Nothing can be concluded.
    Inconclusive,
}

impl Verdict {
    pub const ALL: [Self; 4] = [Self::Agree, Self::Drift, Self::Excused, Self::Inconclusive];

    pub fn name(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Drift => "drift",
            Self::Excused => "excused",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// Whose fault a finding is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// Whoever made the request.
    Client,
    /// The server that was spoken to, where it stands in front of another.
    Gateway,
    Harness,
    /// Our own picture of the API, where the facts are silent.
    Spec,
    /// The server that was spoken to.
    Target,
    /// The server behind the one that was spoken to.
    Upstream,
}

impl Blame {
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Gateway, Self::Harness, Self::Spec, Self::Target, Self::Upstream];

    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Harness => "harness",
            Self::Spec => "spec",
            Self::Target => "target",
            Self::Upstream => "upstream",
        }
    }
}

/// One thing wrong with an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Stable kebab-case code.
    pub rule: &'static str,
    /// JSON pointer into the answer, where it has one.
    pub pointer: String,
    pub blame: Blame,
    /// The weakest level at which it counts.
    pub level: Level,
    /// What was seen, in a line.
    pub trace: Cow<'static, str>,
}

impl Finding {
    pub fn new(
        rule: &'static str,
        pointer: impl Into<String>,
        blame: Blame,
        trace: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { rule, pointer: pointer.into(), blame, level: Level::of(rule), trace: trace.into() }
    }
}

/// One judged case, without its bodies: small enough to keep for every case of a run.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: CaseId,
    pub version: Version,
    pub operation: OperationId,
    pub origin: &'static str,
    /// `required` or `rule` for mutations, the origin's name otherwise.
    pub family: &'static str,
    pub rule: Cow<'static, str>,
    /// Path through the schema, for mutations; the rule, for mended twins.
    pub at: Cow<'static, str>,
    pub expected: Expectation,
    pub class: Class,
    pub status: Option<u16>,
    pub error_type: Option<Box<str>>,
    pub error_code: Option<Box<str>>,
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
}

/// Judges one case by what came back.
pub fn judge(contract: &Contract, case: &Case, observation: &Observation) -> Record {
    let class = classify(observation);
    let expected = expect(case);
    let reply = match observation {
        Observation::Reply(reply) => Some(reply),
        Observation::Cut(cut) => cut.partial.as_ref(),
        Observation::Unsendable(_) => None,
    };
    let envelope =
        reply.filter(|reply| reply.status >= 300).and_then(|reply| envelope::parse(&reply.body));
    let mut record = Record {
        id: case.id.clone(),
        version: case.version,
        operation: case.operation,
        origin: case.origin.name(),
        family: family(&case.origin),
        rule: rule(&case.origin),
        at: at(&case.origin),
        class,
        status: observation.status(),
        error_type: envelope
            .as_ref()
            .and_then(|envelope| envelope.error_type.as_deref())
            .map(Box::from),
        error_code: envelope
            .as_ref()
            .and_then(|envelope| envelope.error_code.as_deref())
            .map(Box::from),
        verdict: Verdict::Agree,
        findings: Vec::new(),
        expected,
    };
    if let Some(why) = inconclusive(observation, class) {
        record.verdict = Verdict::Inconclusive;
        record.findings.push(why);
        return record;
    }
    let found = reply.map_or_else(Vec::new, |reply| of_reply(contract, case, &record, reply));
    compare(&mut record, &found);
    level::weigh(case, &mut record);
    record.findings.extend(found);
    if !record.findings.is_empty() {
        record.verdict = Verdict::Drift;
    }
    record
}

/// What says nothing about the contract: a connection that never stood, a limit of the account.
fn inconclusive(observation: &Observation, class: Class) -> Option<Finding> {
    match (observation, class) {
        (Observation::Unsendable(why), _) => {
            Some(Finding::new("unsendable", "", Blame::Harness, why.clone()))
        }
        (_, Class::Unreachable(kind)) => Some(Finding::new(
            "unreachable",
            "",
            Blame::Target,
            format!("no complete answer: {kind:?}"),
        )),
        (
            _,
            Class::RateLimited
            | Class::RateLimitDisguised
            | Class::SpendLimited
            | Class::Overloaded,
        ) => Some(Finding::new(
            "limited",
            "",
            Blame::Target,
            "the target limits the rate or the spend",
        )),
        _ => None,
    }
}

/// What is wrong with the answer itself.
fn of_reply(contract: &Contract, case: &Case, record: &Record, reply: &Reply) -> Vec<Finding> {
    let edition = contract.edition(case.version);
    let findings = response::check(edition, case.operation, &case.request, record.class, reply);
    let is_valid = record.expected.classes.iter().all(|class| class.is_success());
    let is_served = (200..300).contains(&reply.status);
    if is_served && !is_valid { response::of_form(findings) } else { findings }
}

/// Whether it is the refusal that was to come, by its status, over a body that is none of the API's. What is wrong is
/// the body then, and `found` says so.
fn is_foreign_refusal(record: &Record, found: &[Finding]) -> bool {
    let by_status = record.status.map_or(&[][..], expect::classes);
    matches!(record.class, Class::Intermediary | Class::Malformed)
        && by_status
            .iter()
            .any(|class| !class.is_success() && record.expected.classes.contains(class))
        && found.iter().any(|finding| finding.rule.starts_with("response/error-"))
}

/// Whether it is the refusal that was to come in all but its status, which one rule names.
fn is_of_other_status(record: &Record, found: &[Finding]) -> bool {
    record.class == Class::Undocumented
        && record.expected.classes.contains(&Class::InvalidRequest)
        && found.iter().any(|finding| finding.rule == response::UNPROCESSABLE)
}

/// Whether it is said already that the body of the error is none, or tells no type: that is no second thing wrong.
fn is_said(found: &[Finding]) -> bool {
    const SAYS: [&str; 3] =
        ["response/error-foreign", "response/error-not-json", "response/error-type-missing"];
    found.iter().any(|finding| SAYS.contains(&finding.rule))
}

/// `found` is what is wrong with the answer itself.
fn compare(record: &mut Record, found: &[Finding]) {
    if is_foreign_refusal(record, found) {
        return;
    }
    let expected = &record.expected;
    let is_of_other_status = is_of_other_status(record, found);
    if !expected.classes.contains(&record.class) && !is_of_other_status {
        let wanted: Vec<_> = expected.classes.iter().map(|class| class.name()).collect();
        let trace = format!("expected {}, got {}", wanted.join(" or "), record.class);
        return record.findings.push(Finding::new("answer-class", "", Blame::Target, trace));
    }
    let success = expected.status.is_some_and(|status| status < 300);
    let is_status = expected.status == record.status || is_of_other_status;
    if !success && expected.status.is_some() && !is_status {
        let trace =
            format!("expected status {}, got {}", text(expected.status), text(record.status));
        record.findings.push(Finding::new("answer-status", "", Blame::Target, trace));
    }
    let has_type = record.error_type.is_some() || !is_said(found);
    if expected.error_type.is_some()
        && expected.error_type.as_deref() != record.error_type.as_deref()
        && has_type
    {
        let trace = format!(
            "expected type {}, got {}",
            text(expected.error_type.as_deref()),
            text(record.error_type.as_deref())
        );
        record.findings.push(Finding::new("answer-type", "/error/type", Blame::Target, trace));
    }
    if expected.error_code.is_some()
        && expected.error_code.as_deref() != record.error_code.as_deref()
        && has_type
    {
        let trace = format!(
            "expected code {}, got {}",
            text(expected.error_code.as_deref()),
            text(record.error_code.as_deref())
        );
        record.findings.push(Finding::new(
            "answer-code",
            "/error/details/error_code",
            Blame::Target,
            trace,
        ));
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

fn family(origin: &Origin) -> &'static str {
    match origin {
        Origin::Mutated(mutation) => mutation.family,
        other => other.name(),
    }
}

fn rule(origin: &Origin) -> Cow<'static, str> {
    match origin {
        Origin::Mutated(mutation) => mutation.rule.into(),
        Origin::Witness { rule, .. } => rule.clone().into(),
        Origin::Valid | Origin::Canary => "".into(),
    }
}

fn at(origin: &Origin) -> Cow<'static, str> {
    match origin {
        Origin::Mutated(mutation) => mutation.at.clone(),
        Origin::Witness { rule, mended: true, .. } => rule.clone().into(),
        Origin::Witness { variant, .. } => variant.clone().unwrap_or_default().into(),
        Origin::Valid | Origin::Canary => "".into(),
    }
}
