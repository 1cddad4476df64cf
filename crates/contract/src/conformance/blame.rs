//! Whose fault a finding is: of the gateway, of what stands behind it, of our picture of the API.
//!
//! Behind the gateway stands a server whose requests and answers are known. What was right when it came in and is wrong
//! when it goes on was broken in between; what is wrong with the answer from behind as well was passed on. The price is
//! that the requests from behind must belong to the case for certain, so such cases are sent one at a time.

use classify::{Class, Observation, Reply, Request, classify};
use serde_json::Value;

use super::altered::altered;
use crate::case::{Case, Origin};
use crate::judge::{Blame, Record};
use crate::response;
use crate::rules;
use crate::spec::Contract;
use crate::version::{OperationId, Version};

/// What reached the upstream while a case was under way, and what it said.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub request: Request,
    pub reply: Reply,
    /// What is wrong with the request, as `rule at path: message`.
    pub breaks: Vec<String>,
}

/// Who answered.
#[derive(Clone, Copy, Debug)]
pub enum Behind<'a> {
    /// Nothing is known of it.
    Unknown,
    /// All that reached it for the case; nothing, if the gateway answered by itself.
    Upstream(&'a [Exchange]),
}

/// How the evidence begins where the gateway broke what was right.
pub const WENT_ON_BROKEN: &str = "the request went on broken";

/// Longer traces are not read.
const BREAKS_SHOWN_MAX: usize = 2;

/// Says of each finding whose fault it is, and on what evidence.
pub fn attribute(contract: &Contract, case: &Case, record: &mut Record, behind: Behind<'_>) {
    let is_open = is_open(case, record);
    let expects_success = record.expected.classes.iter().all(|class| class.is_success());
    let class = record.class;
    let expected = record.expected.classes.clone();
    for finding in record.findings.iter_mut().filter(|finding| finding.blame == Blame::Target) {
        let is_about_answer = finding.rule.starts_with("answer-");
        if is_about_answer && is_open {
            finding.blame = Blame::Spec;
            continue;
        }
        let Behind::Upstream(exchanges) = behind else { continue };
        let Some(last) = exchanges.last() else {
            finding.blame = Blame::Gateway;
            finding.trace = format!(
                "{}; the gateway answered by itself: nothing reached the upstream",
                finding.trace
            )
            .into();
            continue;
        };
        let upstream = classify(&Observation::Reply(last.reply.clone()));
        let (blame, why) = if is_about_answer {
            let altered = altered(&case.request, &last.request);
            let is_altered = !altered.is_empty() || !alike(&case.request, &last.request);
            of_answer(expects_success, &expected, class, (last, is_altered), upstream)
        } else {
            of_shape(contract, case, finding.rule, last, upstream)
        };
        finding.blame = blame;
        finding.trace = format!("{}; {why}", finding.trace).into();
    }
}

/// Whether nobody knows what is right, by the rule that is broken: its mutants and its witnesses are of one opinion.
/// A server that breaks down is wrong by any reading.
fn is_open(case: &Case, record: &Record) -> bool {
    let is_violation = !matches!(case.origin, Origin::Witness { mended: true, .. });
    let is_rule_open =
        || rules::find(case.origin.rule()).is_some_and(|rule| rule.uncertain.is_some());
    let is_down = record.status.is_none_or(|status| status >= 500);
    !is_down && (record.expected.question.is_some() || is_violation && is_rule_open())
}

/// The answer is of the wrong kind.
fn of_answer(
    expects_success: bool,
    expected: &[Class],
    class: Class,
    (last, is_altered): (&Exchange, bool),
    upstream: Class,
) -> (Blame, String) {
    let status = last.reply.status;
    let is_beta = |breach: &String| breach.starts_with("beta-unknown");
    if expects_success && !last.breaks.is_empty() && last.breaks.iter().all(is_beta) {
        // Gateways send betas of their own, and our list of them is not the API's.
        let mut unlisted = rules::unlisted_betas(&last.request);
        if let Some(beta) = unlisted.next() {
            return (Blame::Spec, format!("it went on with a beta not known here: `{beta}`"));
        }
    }
    if expects_success && !last.breaks.is_empty() {
        let breaks: Vec<_> = last.breaks.iter().take(BREAKS_SHOWN_MAX).cloned().collect();
        return (Blame::Gateway, format!("{WENT_ON_BROKEN}: {}", breaks.join("; ")));
    }
    if expected.contains(&upstream) {
        return (Blame::Gateway, format!("the upstream said {status} {upstream}"));
    }
    if !expects_success && last.breaks.is_empty() {
        return (Blame::Gateway, "what was wrong did not reach the upstream".to_owned());
    }
    if upstream == class && is_altered {
        // What the upstream refused is not what the gateway was given.
        return (
            Blame::Gateway,
            format!("another request reached the upstream, which said {status} {upstream}"),
        );
    }
    if upstream == class {
        return (Blame::Upstream, format!("the upstream said so, too: {status} {upstream}"));
    }
    (Blame::Gateway, format!("the upstream said {status} {upstream}"))
}

/// Whether both ask for the same with the same words, however they are laid out.
fn alike(sent: &Request, got: &Request) -> bool {
    let value = |request: &Request| serde_json::from_slice::<Value>(&request.body.to_bytes()).ok();
    sent.method == got.method
        && sent.path() == got.path()
        && match (value(sent), value(got)) {
            (Some(sent), Some(got)) => sent == got,
            _ => sent.body.to_bytes() == got.body.to_bytes(),
        }
}

/// The answer is of the right kind, and something about it is wrong.
fn of_shape(
    contract: &Contract,
    case: &Case,
    rule: &str,
    last: &Exchange,
    upstream: Class,
) -> (Blame, String) {
    let named = last.request.headers.get("anthropic-version").and_then(Version::parse);
    let edition = contract.edition(named.unwrap_or(case.version));
    let operations = OperationId::ALL.map(|id| edition.operation(id));
    let asked = operations.into_iter().find(|operation| {
        operation.method == last.request.method && operation.matches(last.request.path()).is_some()
    });
    let operation = asked.map_or(case.operation, |operation| operation.id);
    let findings = response::check(edition, operation, &last.request, upstream, &last.reply);
    if findings.iter().any(|finding| finding.rule == rule) {
        (Blame::Upstream, "the upstream's answer breaks it, too".to_owned())
    } else {
        (Blame::Gateway, "the upstream's answer keeps it".to_owned())
    }
}
