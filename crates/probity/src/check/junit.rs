//! JUnit: a suite for each file, and in it a test case for each rule that is broken, so that a CI page stays readable.

use std::io::Write;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::meaning;
use super::sums::{Group, Sums};

pub(super) fn write(sums: &Sums, out: impl Write) -> Result<(), SerializeError> {
    let mut report = Report::new("probity check");
    for (file, items) in &sums.files {
        let mut suite = TestSuite::new(&**file);
        let mut is_clean = true;
        for ((_, rule), group) in sums.by_file.iter().filter(|((of, _), _)| of == file) {
            is_clean = false;
            suite.add_test_case(case(file, rule, group));
        }
        if is_clean {
            let mut case = TestCase::new(format!("{items} judged"), TestCaseStatus::success());
            case.set_classname(&**file);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    for (place, reason) in &sums.unreadable_places {
        let mut suite = TestSuite::new(place.to_string());
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("unreadable").set_message(reason.clone());
        suite.add_test_case(TestCase::new("readable", status));
        report.add_test_suite(suite);
    }
    report.serialize(out)
}

fn case(file: &str, rule: &str, group: &Group) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let places = group.places.iter().map(|(place, fault)| {
        let at = match &fault.spot {
            Some(spot) => format!("{}:{}:{}", place.file, spot.line, spot.column),
            None => place.to_string(),
        };
        format!("{at} {}: {}", fault.pointer, fault.message)
    });
    let mut lines: Vec<_> = places.collect();
    if group.places.len() < group.faults {
        lines.push(format!("and {} more", group.faults - group.places.len()));
    }
    if let Some((sentence, remedy)) = meaning::of(rule) {
        lines.push(format!("{sentence} {remedy}"));
    }
    status.set_type(rule).set_message(format!("{} places", group.faults));
    status.set_description(lines.join("\n"));
    let mut case = TestCase::new(rule, status);
    case.set_classname(file);
    case
}
