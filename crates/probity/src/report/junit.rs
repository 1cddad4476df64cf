//! JUnit: a suite for each operation and version, a test case for each rule, so that a CI page stays readable.

use std::collections::BTreeMap;
use std::io::Write;

use contract::judge::{Record, Verdict};
use contract::version::{OperationId, Version};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::Summary;
use crate::curl::Curl;
use crate::findings::{expected, got, kind};

/// Cases described under one test case; the JSON report has all.
const CASES_MAX: usize = 20;

/// Writes the report.
pub fn write(summary: &Summary<'_>, out: impl Write) -> Result<(), quick_junit::SerializeError> {
    let mut report = quick_junit::Report::new("probity contract");
    let mut suites: BTreeMap<(OperationId, Version), BTreeMap<String, Vec<&Record>>> =
        BTreeMap::new();
    for record in summary.run.records() {
        let rules = suites.entry((record.operation, record.version)).or_default();
        let kind = if record.origin == "scripted" { "scripted".to_owned() } else { kind(record) };
        rules.entry(kind).or_default().push(record);
    }
    for ((operation, version), rules) in &suites {
        let mut suite = TestSuite::new(format!("{operation}@{version}"));
        for (kind, records) in rules {
            let mut case = TestCase::new(kind, status(records));
            case.set_classname(format!("{operation}.{version}"));
            let groups = summary.groups.ranked();
            if let Some(group) = groups.iter().find(|group| group.kind == *kind) {
                let curl = group.example.curl.as_ref().map(Curl::line).unwrap_or_default();
                case.set_system_out(format!(
                    "{}\n{curl}\n",
                    summary.head.replay_command(&group.example.id)
                ));
            }
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    if !summary.asides.is_empty() {
        let mut suite = TestSuite::new("harness");
        for aside in summary.asides {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(aside.code).set_message(aside.what.clone());
            suite.add_test_case(TestCase::new(aside.what.clone(), status));
        }
        report.add_test_suite(suite);
    }
    if let Some(elapsed) = summary.elapsed {
        report.set_time(elapsed);
    }
    report.serialize(out)
}

fn wrong<'a>(records: &'a [&'a Record]) -> impl Iterator<Item = &'a Record> {
    records.iter().copied().filter(|record| record.verdict == Verdict::Drift)
}

fn status(records: &[&Record]) -> TestCaseStatus {
    let n_wrong = wrong(records).count();
    if n_wrong == 0 {
        let is_looked_at = records.iter().any(|record| record.verdict != Verdict::Inconclusive);
        return if is_looked_at { TestCaseStatus::success() } else { TestCaseStatus::skipped() };
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let describe = |record: &Record| {
        format!("{}: expected {}, got {}", record.id, expected(record), got(record))
    };
    let mut lines: Vec<_> = wrong(records).take(CASES_MAX).map(describe).collect();
    if n_wrong > CASES_MAX {
        lines.push(format!("and {} more", n_wrong - CASES_MAX));
    }
    let code = wrong(records)
        .find_map(|record| record.findings.first())
        .map_or("drift", |finding| finding.rule);
    status.set_type(code).set_message(format!("{n_wrong} of {} cases drift", records.len()));
    status.set_description(lines.join("\n"));
    status
}
