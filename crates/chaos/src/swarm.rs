//! Scenarios drawn by chance, in the manner of swarm testing: each first leaves out a part of all faults.
//!
//! A draw with every kind of fault in it mostly shows the same few that end a reply at once; subsets give the
//! others room. What a right client owes to a scenario that nobody wrote is only what it always owes, so the
//! expectation is the loosest there is, and [`breach`] says which general rules make a draw a failure. The
//! price is that a client which gives up too easily passes: the catalogue is there for that.

mod dice;
mod faults;

use crate::handling::OutcomeClass;
use crate::oracle::{Code, Level, Verdict};
use crate::report::TrialReport;
use crate::scenario::{Asks, At, Connect, Expect, Fault, Scenario, Severity, Span, Surface};

use dice::Dice;
use faults::{SLOW_MS_MAX, strikes};

/// Whole answers without a stream: by length, in chunks, until the close; text, and a tool.
const MESSAGES: [&str; 5] = [
    "200-message",
    "200-message-chunked",
    "200-message-nonce",
    "200-message-tool-use",
    "200-message-until-close",
];

/// Whole streams, in chunks and until the close: text, pings, characters of several bytes, thinking, tools.
const STREAMS: [&str; 9] = [
    "sse-crlf",
    "sse-nonce",
    "sse-pings",
    "sse-text",
    "sse-thinking",
    "sse-tool-use",
    "sse-two-tools",
    "sse-unicode",
    UNFRAMED_STREAM,
];

/// The one in which events can be put without a thought for chunks.
const UNFRAMED_STREAM: &str = "sse-until-close";

/// Answers that say whose they are: of several calls, each must get its own.
const SIGNED: [&str; 2] = ["200-message-nonce", "sse-nonce"];

/// Errors that another attempt cures. None demands a wait, which would take longer than a draw may.
const CURABLE: [&str; 7] = [
    "408-timeout",
    "409-conflict",
    "429-plain",
    "500-api-error",
    "502-api-error",
    "504-timeout",
    "529-overloaded",
];

const RETRIES_MAX: u64 = 3;

/// Several calls one after another take their time each.
const RETRIES_IN_TURN_MAX: u64 = 1;

const TIMEOUT_MS_MIN: u64 = 300;
const TIMEOUT_MS_MAX: u64 = 1_500;

/// All attempts of a call together run into their limits within this, so that a client that keeps its limits is
/// done in a few seconds whatever is drawn.
const STALLED_MS_MAX: u64 = 2_400;

/// The official clients' waits before each retry, as long as chance makes them: half a second, doubled each
/// time.
const FIRST_WAIT_MS: u64 = 625;

/// A client that keeps its limits may be so much later on a busy machine.
const SLACK_MS: u64 = 1_500;

/// What a drawn scenario is called, in reports and as a file.
pub fn name(seed: u64, number: u64) -> String {
    format!("soak-{seed}-{number}")
}

/// The scenario of this number. The same numbers always draw the same one.
pub fn draw(seed: u64, number: u64) -> Scenario {
    let mut dice = Dice::new(seed, number);
    let streams = dice.one_in(2);
    let ask = asks(&mut dice, streams);
    let in_turn = u64::from(ask.calls.unwrap_or(1));
    let retries_max = if ask.calls.is_some() { RETRIES_IN_TURN_MAX } else { RETRIES_MAX };
    let retries = dice.between(0, retries_max);
    let attempts = in_turn * (retries + 1);
    let longest_ms = (STALLED_MS_MAX / attempts).clamp(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX);
    let timeout_ms = dice.between(TIMEOUT_MS_MIN, longest_ms);
    let waits_ms = in_turn * FIRST_WAIT_MS * ((1 << retries) - 1);
    let replies = replies(&mut dice, streams, &ask);
    let mut faults = strikes(&mut dice, streams, timeout_ms);
    if 1 < ask.n_calls() {
        // A request that is answered before it was read, or that a redirect made one without a body, cannot be told
        // from those of the other calls.
        faults.retain(|strike| {
            let is_redirect = matches!(strike.fault, Fault::Redirect { .. });
            !is_redirect && !matches!(strike.at, At::RequestByte(_))
        });
    }
    if replies.iter().any(|reply| reply == UNFRAMED_STREAM) && dice.one_in(2) {
        faults.insert(0, faults::long_stream(&mut dice));
    }
    Scenario {
        id: name(seed, number),
        why: "Whatever goes wrong, a call ends in time, with what was sent or with an error."
            .to_owned(),
        severity: Severity::S1,
        evidence: vec![format!("drawn by soak, seed {seed}, number {number}")],
        surfaces: if streams { vec![Surface::Stream, Surface::Raw] } else { vec![Surface::Create] },
        replies,
        retries: u32::try_from(retries).unwrap_or(u32::MAX),
        timeout_ms,
        deadline_ms: attempts * (timeout_ms + SLOW_MS_MAX) + waits_ms + SLACK_MS,
        ask,
        faults,
        ..plain(Span { first: 0, last: None }, outcomes())
    }
}

/// A plain call through a clean proxy. However bad the stretch before it was, it must succeed.
pub fn plain_call() -> Scenario {
    let [message, stream] = SIGNED.map(str::to_owned);
    Scenario {
        id: "soak-plain-call".to_owned(),
        why: "After a bad stretch a client works as before: nothing is stuck, and nothing has run out.".to_owned(),
        severity: Severity::S1,
        evidence: vec!["the check between the draws of a soak".to_owned()],
        surfaces: vec![Surface::Create, Surface::Stream, Surface::Raw],
        replies: vec![message],
        stream_replies: vec![stream],
        ..plain(Span { first: 1, last: None }, vec![OutcomeClass::Success])
    }
}

/// The finding that makes a drawn scenario a failure, if there is one: harm of the first two kinds, more attempts
/// than were allowed, or a client that broke down. What weighs less rests on times too often, and counts only.
pub fn breach(report: &TrialReport) -> Option<Code> {
    let mut failures = report.findings.iter().filter(|finding| finding.level == Level::Fail);
    let is_breach = |code: Code| {
        code.severity() <= Severity::S1
            || matches!(code, Code::BudgetExceeded | Code::UnexpectedOutcome)
    };
    let found = failures.find(|finding| is_breach(finding.code));
    found.map(|finding| finding.code).filter(|_| report.verdict == Verdict::Fail)
}

/// The report of a [`plain_call`] that did not succeed.
pub fn not_healed(mut report: TrialReport) -> TrialReport {
    let said = report.findings.first().map(|finding| finding.detail.clone());
    let detail = said.or_else(|| report.reason.clone()).unwrap_or_default();
    report.findings.insert(0, Code::NotHealed.fail(format!("a plain call fails: {detail}")));
    (report.verdict, report.finding) = (Verdict::Fail, Some(Code::NotHealed));
    report
}

/// What every scenario of a soak has in common.
fn plain(attempts: Span, outcome: Vec<OutcomeClass>) -> Scenario {
    Scenario {
        id: String::new(),
        why: String::new(),
        severity: Severity::S1,
        evidence: vec![],
        surfaces: vec![],
        replies: vec![],
        stream_replies: vec![],
        retries: crate::scenario::retries(),
        timeout_ms: crate::scenario::timeout_ms(),
        deadline_ms: crate::scenario::deadline_ms(),
        timing: false,
        slow: false,
        ask: Asks::default(),
        connect: Connect::default(),
        faults: vec![],
        expect: Expect {
            attempts,
            outcome,
            earlier: vec![],
            connections: None,
            reuse: false,
            own_error: false,
            says: vec![],
            status: None,
            error_type: None,
            error_code: None,
            request_id: None,
            text: None,
            stop_reason: None,
            within_ms: None,
            waits: vec![],
        },
    }
}

/// Nothing that is sent to a client excuses a crash.
fn outcomes() -> Vec<OutcomeClass> {
    OutcomeClass::ALL.into_iter().filter(|class| *class != OutcomeClass::Crashed).collect()
}

/// Mostly one plain call.
fn asks(dice: &mut Dice, streams: bool) -> Asks {
    let mut asks = Asks::default();
    match dice.below(12) {
        0 => asks.calls = Some(dice.count(2, 4)),
        1 => asks.parallel = Some(dice.count(2, 8)),
        2 if streams => asks.abort_after_events = Some(dice.count(1, 6)),
        _ => {}
    }
    asks
}

/// A good answer, or one after errors that go away.
fn replies(dice: &mut Dice, streams: bool, ask: &Asks) -> Vec<String> {
    let good = match (ask.n_calls(), streams) {
        (1, false) => dice.one_of(&MESSAGES),
        (1, true) => dice.one_of(&STREAMS),
        (_, false) => SIGNED[0],
        (_, true) => SIGNED[1],
    };
    let n_errors = dice.below(6).saturating_sub(3);
    let mut replies: Vec<_> = (0..n_errors).map(|_| dice.one_of(&CURABLE).to_owned()).collect();
    replies.push(good.to_owned());
    replies
}

#[cfg(test)]
mod tests;
