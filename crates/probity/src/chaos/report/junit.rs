//! JUnit: a suite for each client and severity, a test case for each trial.

use std::io::Write;
use std::time::Duration;

use chaos::TrialReport;
use chaos::oracle::Verdict;
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::super::card::{Scorecard, cause};

/// Writes the report.
pub fn write(cards: &[Scorecard], timings: bool, out: impl Write) -> Result<(), SerializeError> {
    let mut report = Report::new("probity chaos");
    for card in cards {
        let name = format!("{} {}", card.client.name, card.client.version);
        for (severity, rows) in card.by_severity() {
            let mut suite = TestSuite::new(format!("{name} {severity:?}"));
            for trial in rows.values().flat_map(|row| row.values()) {
                let mut case = TestCase::new(
                    format!("{} {}", trial.scenario, trial.surface.name()),
                    status(trial),
                );
                case.set_classname(name.clone());
                if timings {
                    case.set_time(Duration::from_millis(trial.observed.elapsed_ms));
                }
                if trial.verdict == Verdict::Fail {
                    case.set_system_out(format!("{}\n{}", story(trial), card.command(trial)));
                }
                suite.add_test_case(case);
            }
            report.add_test_suite(suite);
        }
        if !card.stale.is_empty() {
            let mut suite = TestSuite::new(format!("{name} expected failures"));
            for entry in &card.stale {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_type("stale-expectation").set_message("it does not fail any more");
                suite.add_test_case(TestCase::new(entry.clone(), status));
            }
            report.add_test_suite(suite);
        }
    }
    report.serialize(out)
}

fn status(trial: &TrialReport) -> TestCaseStatus {
    let code = trial.finding.map_or("", |code| code.name());
    let of = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(code).set_message(cause(trial));
        status
    };
    match trial.verdict {
        Verdict::Fail if trial.excuse.is_some() => {
            let mut status = TestCaseStatus::skipped();
            status
                .set_message(format!("expected: {}", trial.excuse.as_deref().unwrap_or_default()));
            status
        }
        Verdict::Fail => of(NonSuccessKind::Failure),
        Verdict::HarnessError => of(NonSuccessKind::Error),
        Verdict::Info | Verdict::Pass | Verdict::Warn => TestCaseStatus::success(),
        Verdict::Inconclusive | Verdict::Skip => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("{}: {}", trial.verdict.name(), cause(trial)));
            status
        }
    }
}

/// What happened, a line for each moment.
fn story(trial: &TrialReport) -> String {
    let lines =
        trial.timeline.iter().map(|moment| format!("{:>7} ms  {}\n", moment.at_ms, moment.what));
    lines.collect()
}
