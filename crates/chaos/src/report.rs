//! The judgement of one trial as a record, for people and machines.

mod herd;
mod timeline;
mod words;

use serde::Serialize;

use crate::handling::{Attempt, Handling};
use crate::oracle::{Code, Finding, Judgement, Level, Verdict, calls, judge_calls, secrets};
use crate::scenario::{Scenario, Severity, Surface};

/// Stands in a record where a credential stood in what a client said or sent.
const REDACTED: &str = "[the key]";

/// One scenario, tried on one surface.
#[derive(Clone, Debug, Serialize)]
pub struct TrialReport {
    pub scenario: String,
    pub surface: Surface,
    pub severity: Severity,
    pub verdict: Verdict,
    /// The code of the finding that decided, if one did.
    pub finding: Option<Code>,
    pub findings: Vec<Finding>,
    /// Why the trial says nothing about the client, or less than it might.
    pub reason: Option<String>,
    /// What a right client does, in one line.
    pub expected: String,
    pub observed: Observed,
    /// What this one did, in one line.
    pub summary: String,
    /// What happened, in order.
    pub timeline: Vec<Moment>,
    /// Why this failure is known and expected of this client, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excuse: Option<String>,
}

/// What the client did, in numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Observed {
    pub attempts: usize,
    pub gaps_ms: Vec<u64>,
    pub outcome: Option<&'static str>,
    pub elapsed_ms: u64,
}

/// One thing that happened, in milliseconds since the trial began.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Moment {
    pub at_ms: u64,
    pub kind: MomentKind,
    /// The attempt that it belongs to; requests at the second origin count for themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The bytes that the request or this piece of the reply holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    pub what: String,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MomentKind {
    /// A request arrived at the second origin, where nothing should.
    Abroad,
    /// An exchange came to its end.
    End,
    /// A fault of the scenario struck.
    Fault,
    /// The client said how it went.
    Outcome,
    /// A request arrived.
    Request,
    /// A piece of the reply left.
    Sent,
    /// The client waits before its next attempt: really, or in no time where its clock is injected.
    Wait,
}

impl TrialReport {
    /// Judges what was seen and writes it down.
    pub fn new(scenario: &Scenario, surface: Surface, handling: &Handling) -> Self {
        let calls = calls(scenario, surface, handling);
        let report = Self {
            observed: Observed {
                attempts: handling.attempts.len(),
                gaps_ms: handling.gaps_ms(),
                outcome: handling.outcome.as_ref().map(|outcome| outcome.class.name()),
                elapsed_ms: handling.elapsed_ms,
            },
            summary: words::observed(handling, &calls),
            timeline: timeline::timeline(scenario, handling, &calls),
            ..Self::judged(scenario, surface, judge_calls(&[], scenario, handling, &calls))
        };
        redacted(report, &handling.attempts.iter().collect::<Vec<_>>())
    }

    /// The record of a trial that did not take place.
    pub fn skipped(scenario: &Scenario, surface: Surface, reason: &str) -> Self {
        let (verdict, findings) = (Verdict::Skip, vec![]);
        let reason = Some(reason.to_owned());
        Self::judged(scenario, surface, Judgement { verdict, findings, reason })
    }

    fn judged(scenario: &Scenario, surface: Surface, judgement: Judgement) -> Self {
        let Judgement { verdict, findings, reason } = judgement;
        // A note decides nothing.
        let mut told = findings.iter().filter(|finding| finding.level != Level::Note);
        let first = told.clone().next();
        let decided = told.find(|finding| finding.level.verdict() == verdict).or(first);
        Self {
            scenario: scenario.id.clone(),
            surface,
            severity: scenario.severity,
            verdict,
            finding: decided.map(|finding| finding.code),
            findings,
            reason,
            expected: words::expected(scenario),
            observed: Observed::default(),
            summary: String::new(),
            timeline: vec![],
            excuse: None,
        }
    }
}

/// The record without the credentials that the client used: a record is shown around.
fn redacted(mut report: TrialReport, attempts: &[&Attempt]) -> TrialReport {
    let secrets = secrets(attempts.iter().copied());
    let hide = |text: &mut String| {
        for secret in &secrets {
            if text.contains(secret) {
                *text = text.replace(secret, REDACTED);
            }
        }
    };
    report.findings.iter_mut().for_each(|finding| hide(&mut finding.detail));
    report.timeline.iter_mut().for_each(|moment| hide(&mut moment.what));
    report.reason.iter_mut().for_each(&hide);
    hide(&mut report.summary);
    report
}

#[cfg(test)]
mod tests;
