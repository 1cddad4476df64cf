//! Records as they were written down, put back together.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use classify::{Class, Observation};
use contract::case::Case;
use contract::exceptions::Exceptions;
use contract::judge::{Blame, Finding, Record, Verdict, judge};
use contract::level::Level;
use contract::spec::Contract;
use wire::journal::{Entry, Fault, Judged};

use crate::run::Recalled;

/// Names of findings and reasons that are kept for good, since runs hold them so. There are some two hundred, in a
/// dozen tables of two crates; looked up there, one that a table lacks would be a run that cannot be merged.
const NAMES_MAX: usize = 4_096;

/// A case as its journal has it, with the judgement of then.
pub(crate) fn settled(
    contract: &Contract,
    case: &Case,
    entry: Entry,
    exceptions: &mut Exceptions,
) -> Result<Recalled, String> {
    let Entry { observation, judged, .. } = entry;
    Ok(Recalled {
        record: record(contract, case, &judged, exceptions)?,
        observation: Some(observation),
        judged: Some(judged),
        is_settled: true,
        is_new: false,
    })
}

/// The record that was written down.
pub(super) fn record(
    contract: &Contract,
    case: &Case,
    judged: &Judged,
    exceptions: &mut Exceptions,
) -> Result<Record, String> {
    // Whatever is judged, the record says what is known of the case; all else is put in its place.
    let blank = judge(contract, case, &Observation::Unsendable(String::new()));
    let verdict = Verdict::ALL.into_iter().find(|verdict| verdict.name() == judged.verdict);
    let verdict = verdict.ok_or_else(|| none("verdict", &judged.verdict))?;
    let findings = judged.findings.iter().map(finding);
    let mut record = Record {
        class: Class::parse(&judged.class).ok_or_else(|| none("class", &judged.class))?,
        status: judged.status,
        error_type: judged.error_type.as_deref().map(Box::from),
        error_code: judged.error_code.as_deref().map(Box::from),
        verdict: if verdict == Verdict::Excused { Verdict::Drift } else { verdict },
        findings: findings.collect::<Result<_, String>>()?,
        ..blank
    };
    // Exceptions count what they excuse, and one that excused nothing is stale.
    exceptions.excuse(&mut record);
    record.verdict = verdict;
    Ok(record)
}

/// The finding that was written down.
pub(crate) fn finding(fault: &Fault) -> Result<Finding, String> {
    let Fault { rule, pointer, blame, level, trace } = fault;
    let by = Blame::ALL.into_iter().find(|known| known.name() == blame);
    let by = by.ok_or_else(|| none("blame", blame))?;
    let level = Level::parse(level).ok_or_else(|| none("level", level))?;
    Ok(Finding { level, ..Finding::new(kept_name(rule)?, pointer.clone(), by, trace.clone()) })
}

fn none(what: &str, name: &str) -> String {
    format!("there is no {what} `{name}`")
}

/// The name as records hold it, each kept once and for good.
pub(super) fn kept_name(name: &str) -> Result<&'static str, String> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Ok(known);
    }
    if names.len() >= NAMES_MAX {
        return Err(format!("`{name}` is one name too many"));
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Ok(kept)
}
