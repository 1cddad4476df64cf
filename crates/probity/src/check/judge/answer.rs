//! What is wrong with an answer: by the rules for answers and streams, and by its class where those are silent.

use std::collections::BTreeSet;

use classify::stream::{self, NoteKind, Violation};
use classify::{Class, Reply, Request, classify};
use contract::judge::{Blame, Finding};
use contract::response;
use serde_json::Value;

use super::super::item::{Answered, Item};
use super::super::locate::{self, Spot};
use super::super::route;
use super::{ANSWER_CLASS, Bench, Fault, Judged};

/// Notes what is wrong with the answer, beside the request as far as that is known.
pub(super) fn judge(
    bench: &Bench<'_>,
    answered: &Answered,
    value: Option<&Value>,
    request: Option<&Request>,
    item: &Item,
    judged: &mut Judged,
) {
    if !answered.has_body {
        judged.notes.push("the answer is longer than what was kept of it".into());
        return;
    }
    let class = classify(&answered.observation);
    judged.class = Some(class);
    let is_refused_request = !judged.faults.is_empty();
    let mut findings = Vec::new();
    if let Some((reply, operation)) = answered.reply().zip(judged.operation) {
        let edition = bench.contract.edition(judged.version);
        let nothing = route::request_for(judged.version, operation, value);
        let known = item.asked.as_ref().is_some_and(|asked| asked.has_body);
        let request = request.filter(|_| known).unwrap_or(&nothing);
        findings = response::check(edition, operation, request, class, reply);
        if is_refused_request && (200..300).contains(&reply.status) {
            findings = response::of_form(findings);
        }
    }
    if findings.is_empty() {
        let may_be_refused = is_refused_request || judged.has_unlisted;
        findings.extend(of_class(class, answered, request, item, may_be_refused));
    }
    let is_stream = |reply: &&Reply| {
        reply.headers.get("content-type").is_some_and(|media| media.starts_with(EVENT_STREAM))
    };
    let lint = answered.reply().filter(is_stream).map(|reply| stream::lint(&reply.body));
    let (violations, notes) = lint.map(|lint| (lint.violations, lint.notes)).unwrap_or_default();
    let kinds: BTreeSet<NoteKind> = notes.iter().map(|note| note.kind).collect();
    judged.notes.extend(kinds.into_iter().map(|kind| kind.what().into()));
    for finding in findings {
        let violation = violations.iter().find(|violation| violation.rule.id() == finding.rule);
        judged.faults.push(match violation {
            Some(violation) => of_stream(violation, finding.blame, item),
            None => Fault {
                rule: finding.rule,
                blame: finding.blame,
                spot: spot_of(item, &finding.pointer),
                pointer: finding.pointer,
                message: finding.trace.into_owned(),
                trace: Vec::new(),
            },
        });
    }
}

const EVENT_STREAM: &str = "text/event-stream";

/// A breach in a stream, with the events around it.
fn of_stream(violation: &Violation, blame: Blame, item: &Item) -> Fault {
    let source = item.source.as_ref().filter(|_| item.asked.is_none());
    Fault {
        rule: violation.rule.id(),
        blame,
        pointer: String::new(),
        message: format!("event {}: {}", violation.event_idx, violation.detail),
        spot: source.map(|source| locate::spot_at(source, violation.offset)),
        trace: violation.trace.clone(),
    }
}

/// Where in a file of its own the answer is wrong.
fn spot_of(item: &Item, pointer: &str) -> Option<Spot> {
    let source = item.source.as_ref().filter(|_| item.asked.is_none())?;
    locate::spot(source, pointer).filter(|_| !pointer.is_empty())
}

/// What the class alone says: an answer that is none, and a refusal that no rule explains.
fn of_class(
    class: Class,
    answered: &Answered,
    request: Option<&Request>,
    item: &Item,
    may_be_refused: bool,
) -> Option<Finding> {
    let trace = match class {
        Class::Impostor | Class::Malformed | Class::Undocumented => {
            format!("the answer is {class}: {}", class.meaning().what)
        }
        Class::StreamCut | Class::StreamMalformed | Class::Unreachable(_) => {
            format!("the answer is {class}: {}", class.meaning().what)
        }
        Class::InvalidRequest if request.is_some() && !may_be_refused => {
            let known = item.asked.as_ref().is_some_and(|asked| asked.has_body);
            if !known {
                return None;
            }
            let said = answered.reply().and_then(|reply| classify::envelope::parse(&reply.body));
            let said = said.map(|envelope| envelope.message.into_owned()).unwrap_or_default();
            format!("the request keeps every rule, and was refused: {said}")
        }
        _ => return None,
    };
    Some(Finding::new(ANSWER_CLASS, "", Blame::Target, trace))
}
