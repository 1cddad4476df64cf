//! What a list is asked for behind the question mark.
//!
//! A member that the list does not know and a cursor that names nothing are let through: older clients send the
//! one, and what the API says to the other is not documented.

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "list-limit-out-of-range",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &[OperationId::BatchesList, OperationId::ModelsList],
        models: None,
        implies: &[],
        check: check_limit,
        breaches: |base, out| {
            for (at, query) in [
                ("query/limit/negative", "limit=-1"),
                ("query/limit/not-a-number", "limit=all"),
                ("query/limit/over", "limit=1001"),
                ("query/limit/zero", "limit=0"),
            ] {
                out.push(asked(base, at, query));
            }
        },
        answer: Answer::invalid("limit: Input should be less than or equal to 1000"),
        explanation: "A page holds between 1 and 1,000 objects, 20 unless asked otherwise. A larger number is not \
            cut down to what is possible but refused.",
        remedy: "Ask for up to 1,000 and follow `last_id` with `after_id` for the rest.",
        source: "the vendor's OpenAPI document",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "lifecycle-filter-invalid",
        stage: Stage::Head,
        versions: &Version::ALL,
        operations: &[OperationId::ModelsList],
        models: None,
        implies: &[],
        check: check_lifecycle,
        breaches: |base, out| {
            let four = ["lifecycle[]=active"; LIFECYCLES_MAX + 1].join("&");
            for (at, query) in [
                ("query/lifecycle", "lifecycle[]=preview"),
                ("query/lifecycle/beside-good-one", "lifecycle[]=active&lifecycle[]=Retired"),
                ("query/lifecycle/four", &four),
            ] {
                out.push(asked(base, at, query));
            }
        },
        answer: Answer::invalid("lifecycle.N: Input should be 'active', 'deprecated' or 'retired'"),
        explanation: "The list of models can be narrowed to stages of their life: `active`, `deprecated`, `retired`, \
            the name repeated for each, three at the most. Without it active and deprecated models are listed.",
        remedy: "Use the three names as they are written, each once.",
        source: "the official Python SDK, 1.12.0",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

const LIMIT_MAX: i64 = 1000;
const LIFECYCLES_MAX: usize = 3;

fn check_limit(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let limits = view::query(ask.request).filter(|(name, _)| name == "limit");
    out.extend(limits.filter_map(|(_, limit)| {
        let message = match limit.parse::<i64>() {
            Err(_) => "Input should be a valid integer, unable to parse string as an integer",
            Ok(..1) => "Input should be greater than or equal to 1",
            Ok(1..=LIMIT_MAX) => return None,
            Ok(_) => "Input should be less than or equal to 1000",
        };
        Some(Finding::new("limit", message))
    }));
}

fn check_lifecycle(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let wanted = || view::query(ask.request).filter(|(name, _)| view::is_lifecycle(name));
    for (index, (_, stage)) in wanted().enumerate() {
        if !matches!(&*stage, "active" | "deprecated" | "retired") {
            let message = "Input should be 'active', 'deprecated' or 'retired'";
            out.push(Finding::new(format!("lifecycle.{index}"), message));
        }
    }
    let count = wanted().count();
    if count > LIFECYCLES_MAX {
        let message = format!("List should have at most 3 items after validation, not {count}");
        out.push(Finding::new("lifecycle", message));
    }
}

fn asked(base: &Base<'_>, at: &'static str, query: &str) -> Breach {
    base.with_request(at, |r| r.target = format!("{}?{query}", base.request.path()).into())
}
