//! How a run ends: what is wrong beside its cases, and the reasons for its exit code.

use chaos::oracle;
use contract::judge::Verdict;

use crate::console::count;
use crate::exit::{Exit, Stop};
use crate::findings::{Groups, What};
use crate::ledger::Comparison;
use crate::live::gate::Account;
use crate::report::Aside;
use crate::run::{End, Run};
use crate::selection::Shard;
use crate::settings::Settings;
use crate::specs::Specs;
use crate::target::Conformance;
use crate::target::ledger::Compared;
use crate::target::pulse::Gone;

/// What is wrong beside the cases.
pub(crate) fn asides(
    specs: &Specs,
    run: &Run,
    comparison: &Comparison,
    stale: Vec<String>,
) -> Vec<Aside> {
    let mut asides: Vec<_> =
        specs.gaps().into_iter().map(|what| Aside { code: "rule-unwitnessed", what }).collect();
    let stale = stale
        .into_iter()
        .map(|case| format!("the exception for `{case}` excused nothing: remove it"));
    asides.extend(stale.map(|what| Aside { code: "exception-stale", what }));
    let stale = run.conformance.iter().flat_map(|conformance| &conformance.stale);
    asides.extend(stale.map(|what| Aside { code: "declaration-stale", what: what.clone() }));
    let long = comparison
        .too_long
        .iter()
        .map(|(name, lines)| format!("{name} has {lines} lines: nobody reviews that"));
    asides.extend(long.map(|what| Aside { code: "ledger-too-long", what }));
    if let Some(smoke) = &run.smoke {
        let wrong =
            |verdict| matches!(verdict, oracle::Verdict::Fail | oracle::Verdict::HarnessError);
        for report in smoke.reports.iter().filter(|report| wrong(report.verdict)) {
            let finding = report.findings.first().map(|finding| finding.detail.clone());
            let why = finding.or_else(|| report.reason.clone()).unwrap_or_default();
            let what = format!(
                "{} on {}: {}: {why}",
                report.scenario,
                report.surface.name(),
                report.verdict.name()
            );
            asides.push(Aside { code: "chaos", what });
        }
        asides.extend(
            smoke
                .missing
                .iter()
                .map(|id| Aside { code: "chaos", what: format!("there is no scenario `{id}`") }),
        );
    }
    asides
}

/// Why the run does not end clean.
pub(crate) fn reasons(
    settings: &Settings,
    run: &Run,
    groups: &Groups,
    comparison: &Comparison,
    asides: &[Aside],
) -> Vec<Stop> {
    let mut reasons = Vec::new();
    let judged = run.board.records.len();
    let has_answered =
        run.board.records.iter().any(|record| record.verdict != Verdict::Inconclusive);
    match run.end {
        End::Complete => {}
        End::Exhausted => {
            let why = run.account.as_ref().and_then(Account::unfinished);
            reasons.push(Stop::new(Exit::Exhausted, why.unwrap_or_default()));
        }
        End::Gone => {
            let why = run.gone.as_ref().map(Gone::text).unwrap_or_default();
            let exit = if has_answered { Exit::Findings } else { Exit::NotChecked };
            reasons.push(Stop::new(exit, why));
        }
        End::Interrupted => reasons.push(Stop::new(
            Exit::Interrupted,
            format!("interrupted after {}", count(judged, "case")),
        )),
        End::TimeUp => {
            reasons.push(Stop::new(
                Exit::Exhausted,
                format!(
                    "the time was up after {}, before the plan was done",
                    count(judged, "case")
                ),
            ));
        }
    }
    if run.smoke.as_ref().is_some_and(|smoke| !smoke.canary_fails) {
        reasons.push(Stop::new(
            Exit::Internal,
            "the canary among the scenarios must fail and did not: no trial can be trusted",
        ));
    }
    let unclear = run.count(Verdict::Inconclusive);
    if judged == 0 && empty_shard(settings, run).is_none() {
        let skipped: usize = run.skipped.values().sum();
        let why = if skipped > 0 {
            format!("{} skipped, none judged", count(skipped, "case"))
        } else {
            "no case was judged".to_owned()
        };
        reasons.push(Stop::new(Exit::NotChecked, why));
    } else if !(run.end == End::Gone && has_answered) && unclear * 2 > run.records().count() {
        reasons.push(Stop::new(
            Exit::NotChecked,
            format!("{} say nothing: more than half", count(unclear, "case")),
        ));
    }
    let asked = run.conformance.as_ref().and_then(Conformance::asked);
    if let Some(level) = asked {
        let name = level.level;
        if !level.broken_by.is_empty() {
            let rules = count(level.broken_by.len(), "rule");
            reasons.push(Stop::new(Exit::Findings, format!("level {name} is broken by {rules}")));
        } else if !level.is_broken() && !level.holds() && was_to_be_all(settings, run) {
            let why =
                format!("level {name} is untested: no case said anything about what it needs");
            reasons.push(Stop::new(Exit::NotChecked, why));
        }
    }
    // What drifts at a stricter level than the one that was asked for is told, and does not decide.
    let drift = if asked.is_some() { 0 } else { run.count(Verdict::Drift) };
    if drift > 0 || !asides.is_empty() {
        let kinds = groups.ranked().iter().filter(|group| group.what == What::Drift).count();
        let mut parts = Vec::new();
        if drift > 0 {
            parts.push(format!("{} drift, in {}", count(drift, "case"), count(kinds, "kind")));
        }
        if !asides.is_empty() {
            parts.push(count(asides.len(), "finding") + " about the harness");
        }
        reasons.push(Stop::new(Exit::Findings, parts.join("; ")));
    }
    let ledger = run.conformance.as_ref().and_then(|conformance| conformance.ledger.as_ref());
    if ledger.is_some_and(Compared::is_pending) {
        reasons.push(Stop::new(
            Exit::Pending,
            "the standing is not that of the ledger: review it, then --accept",
        ));
    }
    if !comparison.pending.is_empty() {
        let ledgers = count(comparison.pending.len(), "ledger");
        reasons.push(Stop::new(
            Exit::Pending,
            format!("{ledgers} pending review: `cargo insta review`, or --accept"),
        ));
    }
    reasons
}

/// Whether the run was meant to try everything, and nothing on the way to its end says why it did not.
fn was_to_be_all(settings: &Settings, run: &Run) -> bool {
    let is_cut_short = matches!(run.end, End::Exhausted | End::TimeUp);
    settings.selection.is_everything() && !is_cut_short
}

/// The shard, if no case fell into it: that is chance and no fault.
pub(crate) fn empty_shard(settings: &Settings, run: &Run) -> Option<Shard> {
    let is_empty =
        run.board.records.is_empty() && run.skipped.is_empty() && run.end == End::Complete;
    settings.selection.shard().filter(|_| is_empty)
}
