//! The judgement of one trial as a record, for people and machines.

use serde::Serialize;

use crate::handling::{Attempt, End, Handling};
use crate::oracle::{Code, Finding, Judgement, Verdict, judge};
use crate::scenario::{Scenario, Severity, Surface};
use crate::served::{Served, served};

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
    /// Why the trial says nothing about the client, where it does not.
    pub reason: Option<String>,
    pub expected: String,
    pub observed: Observed,
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
        let Judgement { verdict, findings, reason } = judge(scenario, surface, handling);
        let decided = findings.iter().find(|finding| finding.level.verdict() == verdict);
        Self {
            finding: decided.or_else(|| findings.first()).map(|finding| finding.code),
            verdict,
            findings,
            reason,
            observed: Observed {
                attempts: handling.attempts.len(),
                gaps_ms: handling.gaps_ms(),
                outcome: handling.outcome.as_ref().map(|outcome| outcome.class.name()),
                elapsed_ms: handling.elapsed_ms,
            },
            timeline: timeline(handling),
            ..Self::blank(scenario, surface)
        }
    }

    /// The record of a trial that did not take place.
    pub fn skipped(scenario: &Scenario, surface: Surface, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::blank(scenario, surface) }
    }

    fn blank(scenario: &Scenario, surface: Surface) -> Self {
        Self {
            scenario: scenario.id.clone(),
            surface,
            severity: scenario.severity,
            verdict: Verdict::Skip,
            finding: None,
            findings: vec![],
            reason: None,
            expected: expected(scenario),
            observed: Observed::default(),
            timeline: vec![],
            excuse: None,
        }
    }
}

fn expected(scenario: &Scenario) -> String {
    let outcomes: Vec<_> = scenario.expect.outcome.iter().map(|class| class.name()).collect();
    format!("{} in {} attempts", outcomes.join(" or "), scenario.expect.attempts)
}

fn timeline(handling: &Handling) -> Vec<Moment> {
    let (here, abroad) = (handling.attempts.iter(), handling.abroad.iter());
    let all = here.map(|attempt| ("", attempt)).chain(abroad.map(|attempt| (" abroad", attempt)));
    let attempts = all.flat_map(|(place, attempt)| {
        let Attempt { number, connection, request, .. } = attempt;
        let asked = format!(
            "attempt {number}{place} on connection {connection}: {} {}, {} bytes",
            request.method,
            request.target,
            request.body.len()
        );
        let Served { class, .. } = served(attempt);
        let answered = format!(
            "attempt {number}{place}: {} bytes sent, {class}, {}",
            attempt.served.len(),
            ended(attempt.end)
        );
        let kind = if place.is_empty() { MomentKind::Request } else { MomentKind::Abroad };
        let moment = |at_ms, kind, bytes, what| Moment {
            at_ms,
            kind,
            attempt: Some(*number),
            bytes: Some(bytes),
            what,
        };
        [
            moment(attempt.head_ms, kind, request.body.len(), asked),
            moment(attempt.end_ms, MomentKind::End, attempt.served.len() as u64, answered),
        ]
    });
    let outcome = handling
        .outcome
        .as_ref()
        .map_or_else(|| "no outcome".to_owned(), |outcome| format!("outcome {}", outcome.class));
    let (kind, at_ms) = (MomentKind::Outcome, handling.elapsed_ms);
    let end = Moment { at_ms, kind, attempt: None, bytes: None, what: outcome };
    let mut moments: Vec<_> = attempts.chain([end]).collect();
    moments.sort_by_key(|moment| moment.at_ms);
    moments
}

fn ended(end: End) -> &'static str {
    match end {
        End::Closed => "closed",
        End::Kept => "connection kept",
        End::Left => "the client left",
        End::Reset => "reset",
        End::Unended => "still open",
    }
}
