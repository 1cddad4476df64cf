//! The record of two herds: clients that know nothing of each other, failing together, twice.

use super::{Observed, TrialReport, redacted, timeline};
use crate::handling::Handling;
use crate::oracle::herd::{Fault, distribution, growth, jitter, seeds};
use crate::oracle::{Call, Judgement, Verdict, calls, few, judge_calls, named};
use crate::scenario::{Scenario, Surface};

/// Distributions are judged of the first two waits: later ones are as long as patience, and few.
const WAITS_MAX: usize = 2;

impl TrialReport {
    /// Judges two herds; a handling is one client's. Each client is judged by itself, all of them by their
    /// waits, and the worst judgement is the report's, with the timeline of the client that it is about.
    pub fn herd(
        scenario: &Scenario,
        surface: Surface,
        first: &[Handling],
        second: &[Handling],
    ) -> Self {
        let herds = [Herd::new(scenario, surface, first), Herd::new(scenario, surface, second)];
        let mut judgements = vec![];
        for (herd, run) in herds.iter().zip(["", " of the second run"]) {
            let n_clients = herd.clients.len();
            judgements.extend(herd.clients.iter().enumerate().map(|(idx, client)| {
                let name = format!("client {} of {n_clients}{run}", idx + 1);
                (Some(client), of_client(&name, client.judgement(scenario, herd)))
            }));
            judgements.extend(herd.distributions().into_iter().map(|judgement| (None, judgement)));
        }
        judgements.extend(between(&herds).map(|judgement| (None, judgement)));
        let worst = judgements.iter().rev().max_by_key(|(_, judgement)| weight(judgement.verdict));
        let Some((client, Judgement { verdict, reason, .. })) = worst.cloned() else {
            return Self::skipped(scenario, surface, "there is no herd without a client");
        };
        let findings = judgements.into_iter().flat_map(|(_, judgement)| judgement.findings);
        let shown = client.or_else(|| herds[0].clients.first());
        let report = Self {
            observed: observed(&herds[0]),
            summary: summary(&herds),
            timeline: shown.map_or(vec![], |client| {
                timeline::timeline(scenario, client.handling, &client.calls)
            }),
            ..Self::judged(
                scenario,
                surface,
                Judgement { verdict, findings: few(findings.collect()), reason },
            )
        };
        let all: Vec<_> = first.iter().chain(second).flat_map(|one| &one.attempts).collect();
        redacted(report, &all)
    }
}

/// One run of all clients.
struct Herd<'a> {
    clients: Vec<Client<'a>>,
    noise_ms: u64,
}

struct Client<'a> {
    handling: &'a Handling,
    calls: Vec<Call<'a>>,
}

impl<'a> Herd<'a> {
    fn new(scenario: &'a Scenario, surface: Surface, handlings: &'a [Handling]) -> Self {
        let client = |handling| Client { handling, calls: calls(scenario, surface, handling) };
        // A wait that was spared is known to the millisecond.
        let timed = handlings.iter().filter(|handling| handling.waits_ms.is_none());
        let noise_ms = timed.map(|handling| handling.noise_ms).max();
        let clients = handlings.iter().map(client).collect();
        Self { clients, noise_ms: noise_ms.unwrap_or_default() }
    }

    /// The waits of each client's first call, in order.
    fn waits_ms(&self) -> Vec<Vec<u64>> {
        let waits =
            |client: &Client<'a>| client.calls[0].gaps().map(|(_, gap_ms)| gap_ms).collect();
        self.clients.iter().map(waits).collect()
    }

    /// The same wait of every client that waited so often.
    fn wait_ms(&self, place: usize) -> Vec<u64> {
        self.waits_ms().iter().filter_map(|waits_ms| waits_ms.get(place).copied()).collect()
    }

    fn fault(&self, place: usize) -> Fault {
        let demanded = |client: &Client<'_>| client.calls[0].waits_on_demand(place);
        if self.clients.iter().any(demanded) { Fault::RetryAfter } else { Fault::Bare }
    }

    fn distributions(&self) -> Vec<Judgement> {
        let samples = (0..WAITS_MAX).map(|place| (self.wait_ms(place), self.fault(place)));
        let judged = samples.filter(|(gaps_ms, _)| !gaps_ms.is_empty());
        let mut judgements: Vec<_> =
            judged.map(|(gaps_ms, fault)| jitter(&gaps_ms, fault, self.noise_ms)).collect();
        let grown = (0..WAITS_MAX).all(|place| self.fault(place) == Fault::Bare);
        if grown && !self.wait_ms(1).is_empty() {
            judgements.push(growth(&self.waits_ms(), self.noise_ms));
        }
        judgements
    }
}

impl Client<'_> {
    /// As one among others: their answers are not its own.
    fn judgement(&self, scenario: &Scenario, herd: &Herd<'_>) -> Judgement {
        let all = herd.clients.iter().flat_map(|client| &client.handling.nonces);
        let others = all.filter(|nonce| !self.handling.nonces.contains(nonce));
        let strangers: Vec<&str> = others.map(String::as_str).collect();
        judge_calls(&strangers, scenario, self.handling, &self.calls)
    }
}

fn of_client(name: &str, judgement: Judgement) -> Judgement {
    let Judgement { verdict, findings, reason } = judgement;
    let reason = reason.map(|reason| format!("{name}: {reason}"));
    Judgement { verdict, findings: named(name, findings), reason }
}

/// Whether the two runs are one, wait by wait, client by client.
fn between([first, second]: &[Herd<'_>; 2]) -> Option<Judgement> {
    let pairs = first.waits_ms().into_iter().zip(second.waits_ms());
    let pairs = pairs.filter_map(|(one, other)| Some((*one.first()?, *other.first()?)));
    let (one, other): (Vec<u64>, Vec<u64>) = pairs.unzip();
    let bare = first.fault(0) == Fault::Bare;
    // Of a wait that was demanded nobody knows how much was chance.
    let judged = bare && !one.is_empty();
    judged.then(|| seeds(&one, &other, first.noise_ms.max(second.noise_ms)))
}

/// How much a verdict weighs against others: what is wrong with one client is wrong with the herd.
fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Skip => 0,
        Verdict::Pass => 1,
        Verdict::Info => 2,
        Verdict::Warn => 3,
        Verdict::Inconclusive => 4,
        Verdict::HarnessError => 5,
        Verdict::Fail => 6,
    }
}

fn observed(herd: &Herd<'_>) -> Observed {
    let handlings = || herd.clients.iter().map(|client| client.handling);
    let outcome = handlings().find_map(|handling| handling.outcome.as_ref());
    Observed {
        attempts: handlings().map(|handling| handling.attempts.len()).sum(),
        gaps_ms: herd.wait_ms(0),
        outcome: outcome.map(|outcome| outcome.class.name()),
        elapsed_ms: handlings().map(|handling| handling.elapsed_ms).max().unwrap_or_default(),
    }
}

/// The middle and the spread of each wait, run by run.
fn summary(herds: &[Herd<'_>; 2]) -> String {
    let mut line = format!("{} clients", herds[0].clients.len());
    for (herd, run) in herds.iter().zip(["", ", the second time"]) {
        for (place, name) in ["first", "second"].into_iter().enumerate().take(WAITS_MAX) {
            let gaps_ms = herd.wait_ms(place);
            if !gaps_ms.is_empty() {
                let (median_ms, cv) = distribution(&gaps_ms);
                line += &format!("{run}, {name} wait {median_ms} ms in the middle, CV {cv:.2}");
            }
        }
    }
    line
}
