//! Everything that can be looked up, gathered from where it lives: rules and lints from their tables, errors and
//! external refusals from their files, the rest from the closed lists of the crates.

use std::collections::{BTreeMap, BTreeSet};

use chaos::oracle::Code;
use classify::{Class, Headers, Observation, Reply, Script, classify, stream};
use contract::conformance::{self, chain};
use contract::errors::{ErrorCode, ErrorType, Retry};
use contract::external::{Dependence, External};
use contract::lint::{self, Lint};
use contract::models::{Confidence, Models};
use contract::response;
use contract::rules::{self, Answer, Implied, Rule, Stage};
use contract::version::OperationId;
use contract::witness::Witness;
use serde_json::json;

use super::answers::{chain_rule, fold_rule, response_rule, stream_rule};
use super::entry::{Entry, Kind};
use super::example::example;
use super::exits;
use super::families::{FAMILIES, Family};
use super::handling::finding;
use super::scenario::scenario;
use crate::exit::Exit;
use crate::specs::Specs;

/// More names in one line would not be read.
const NAMES_MAX: usize = 8;
/// More neighbours are no help.
const RELATED_MAX: usize = 32;

/// All entries, by kind, in the order of their sources.
pub fn index(specs: &Specs) -> Vec<Entry> {
    let mut entries: Vec<Entry> = rules::all().map(|found| rule(specs, found)).collect();
    entries.extend(FAMILIES.iter().map(|found| family(specs, found)));
    entries.extend(Class::ALL.into_iter().map(|found| class(specs, found)));
    entries.extend(specs.errors.types.iter().map(|found| error_type(specs, found)));
    entries.extend(specs.errors.codes.iter().map(|found| error_code(specs, found)));
    entries.extend(specs.external.iter().map(|found| external(specs, found)));
    entries.extend(lint::LINTS.iter().map(lint));
    entries.extend(specs.scenarios.iter().map(|found| scenario(specs, found)));
    entries.extend(Code::ALL.iter().map(|found| finding(specs, *found)));
    entries.extend(response::all().map(response_rule));
    entries.extend(stream::Rule::ALL.map(stream_rule));
    entries.push(fold_rule());
    entries.extend(chain::RULES.iter().chain(&conformance::RULES).map(chain_rule));
    entries.extend(exits::EXITS.into_iter().map(exit));
    part(&mut entries);
    relate(&mut entries);
    entries
}

/// Of two entries of one id the later gets its kind before it, and still answers to the bare word.
fn part(entries: &mut [Entry]) {
    let mut seen = BTreeSet::new();
    for entry in entries {
        if !seen.insert(entry.id.clone()) {
            let id = format!("{}-{}", entry.kind.name().replace(' ', "-"), entry.id);
            entry.also.push(std::mem::replace(&mut entry.id, id));
        }
    }
}

fn rule(specs: &Specs, rule: &Rule) -> Entry {
    let mut entry = Entry::new(Kind::Rule, rule.id, rule.explanation);
    entry.fact("versions", list(rule.versions.iter().map(|version| version.name())));
    entry.fact("operations", operations(rule.operations));
    if let Some(about) = rule.models {
        entry.fact("models", models(&specs.contract.models, about));
    }
    if rule.stage == Stage::Item {
        entry.fact("judged", "on each item of a batch, when it is worked off; the batch is taken");
    }
    entry.fact("answer", answer(&rule.answer));
    if !rule.answer.wording.is_empty() {
        entry.fact("wording", format!("{} (a hint: it may change)", code(rule.answer.wording)));
    }
    for Implied { rule, because } in rule.implies {
        entry.fact("implies", format!("{}: {because}", code(rule)));
        entry.related.push((*rule).to_owned());
    }
    entry.related.extend(rule.answer.error_code.map(str::to_owned));
    if let [shown, others @ ..] = &witnesses(specs, &[rule.id])[..]
        && !others.is_empty()
    {
        let shown = shown.variant.iter().map(|variant| format!("{variant} (below)")).next();
        let shown = shown.unwrap_or_else(|| "the one below".to_owned());
        let others = others.iter().filter_map(|witness| witness.variant.as_deref());
        entry.fact("witnesses", format!("{shown}, {}", list(others)));
    }
    entry.examples = examples(specs, &[rule.id]);
    entry.remedy = rule.remedy.to_owned();
    entry.source = stated(rule.source, rule.confidence);
    if let Some(uncertain) = rule.uncertain {
        let classes = uncertain.classes.iter().map(|class| class.name());
        entry.fact("or", format!("one of {}", list(classes)));
        entry.question = Some(uncertain.question);
    }
    entry
}

fn operations(operations: &[OperationId]) -> String {
    if operations.len() == OperationId::ALL.len() {
        return "all".to_owned();
    }
    list(operations.iter().map(|operation| operation.name()))
}

/// The models that a rule is about, or those it is not about, whichever is shorter.
fn models(models: &Models, about: fn(&contract::models::Model) -> bool) -> String {
    let names = |wanted: bool| -> Vec<&str> {
        let found = models.current.iter().filter(|model| about(model) == wanted);
        found.map(|model| &*model.id).collect()
    };
    match (names(true), names(false)) {
        (_, others) if others.is_empty() => "all".to_owned(),
        (own, _) if own.is_empty() => "none that is current".to_owned(),
        (own, others) if others.len() < own.len() => {
            format!("all but {}", list(others.into_iter()))
        }
        (own, _) => list(own.into_iter()),
    }
}

fn answer(answer: &Answer) -> String {
    let Answer { status, error_type, error_code, .. } = answer;
    let mut text = format!("{status} {}", code(error_type));
    if let Some(error_code) = error_code {
        text.push_str(&format!(", code {}", code(error_code)));
    }
    format!("{text}, class {}", code(class_of(answer).name()))
}

/// What the classifier calls such an answer.
fn class_of(answer: &Answer) -> Class {
    let mut headers = Headers::default();
    headers.push("content-type", "application/json");
    headers.push("request-id", "req_011CProbity0000");
    let error = json!({ "type": answer.error_type, "message": answer.wording });
    let body = json!({ "type": "error", "error": error, "request_id": "req_011CProbity0000" });
    let body = body.to_string().into();
    classify(&Observation::Reply(Reply { status: answer.status, headers, body }))
}

fn family(specs: &Specs, family: &Family) -> Entry {
    let mut entry = Entry::new(Kind::Family, family.id, family.text);
    entry.fact("answer", family.answer);
    entry.names = family.names.iter().copied().collect();
    entry.also.extend(family.names.iter().map(|(name, _)| (*name).to_owned()));
    entry.also.extend(family.demands.iter().map(|demand| (*demand).to_owned()));
    entry.also.retain(|also| also != family.id);
    entry.examples = examples(specs, family.demands);
    entry.remedy = family.remedy.to_owned();
    entry
}

fn class(specs: &Specs, class: Class) -> Entry {
    let meaning = class.meaning();
    let mut entry = Entry::new(Kind::Class, class.name(), meaning.what);
    let shown = specs.scripts.values().filter(|script| script.class == class);
    let shown: Vec<&str> = shown.map(|script| &*script.name).collect();
    if !shown.is_empty() {
        entry.fact("shown by", some(&shown));
    }
    entry.remedy = meaning.remedy.to_owned();
    entry
}

fn error_type(specs: &Specs, error: &ErrorType) -> Entry {
    let mut entry = Entry::new(Kind::ErrorType, &error.id, &error.meaning);
    let statuses: Vec<_> = error.statuses.iter().map(u16::to_string).collect();
    if !statuses.is_empty() {
        entry.fact("status", statuses.join(", "));
    }
    entry.fact("again", retry(error.retry));
    entry.also = statuses;
    let codes = specs.errors.codes.iter().filter(|code| code.error_type == error.id);
    entry.related.extend(codes.map(|code| code.id.clone()));
    entry.remedy = error.remedy.clone();
    entry.source = stated(&error.source, error.confidence);
    entry
}

fn error_code(specs: &Specs, error: &ErrorCode) -> Entry {
    let mut entry = Entry::new(Kind::ErrorCode, &error.id, &error.meaning);
    let ErrorCode { status, error_type, .. } = error;
    entry.fact("status", format!("{status} {}", code(error_type)));
    if let Some(beta) = &error.beta {
        entry.fact("beta", code(beta));
    }
    entry.fact("again", retry(error.retry));
    let shown = specs.scripts.values().filter(|script| code_of(script).as_ref() == Some(&error.id));
    let shown: Vec<&str> = shown.map(|script| &*script.name).collect();
    if !shown.is_empty() {
        entry.fact("shown by", some(&shown));
    }
    entry.remedy = error.remedy.clone();
    entry.source = stated(&error.source, error.confidence);
    entry
}

/// The error code in the body of a scripted reply.
pub(super) fn code_of(script: &Script) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&script.body).ok()?;
    body.pointer("/error/details/error_code")?.as_str().map(str::to_owned)
}

/// The message in the body of a scripted reply.
fn message_of(script: &Script) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&script.body).ok()?;
    body.pointer("/error/message")?.as_str().map(str::to_owned)
}

/// The error type in the body of a scripted reply.
pub(super) fn type_of(script: &Script) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&script.body).ok()?;
    body.pointer("/error/type")?.as_str().map(str::to_owned)
}

fn external(specs: &Specs, external: &External) -> Entry {
    let mut entry = Entry::new(Kind::External, &external.id, &external.explanation);
    entry.fact("depends on", depends_on(external.depends_on));
    for script in external.replies.iter().filter_map(|name| specs.scripts.get(name)) {
        let error_type = type_of(script).map(|name| format!(" {}", code(&name)));
        let error_code = code_of(script).map(|name| format!(", code {}", code(&name)));
        let (error_type, error_code) =
            (error_type.unwrap_or_default(), error_code.unwrap_or_default());
        let class = code(script.class.name());
        entry.fact("answer", format!("{}{error_type}{error_code}, class {class}", script.status));
        if let Some(message) = message_of(script) {
            entry.fact("wording", code(&message));
        }
        entry.related.extend(code_of(script));
        entry.related.push(script.class.name().to_owned());
    }
    entry.fact("shown by", list(external.replies.iter().map(String::as_str)));
    entry.fact("again", retry(external.retry));
    entry.remedy = external.remedy.clone();
    entry.source = stated(&external.source, external.confidence);
    entry
}

fn depends_on(dependence: Dependence) -> &'static str {
    match dependence {
        Dependence::Account => "the account: credit, limits, settings, agreements",
        Dependence::Credential => "the kind and age of the credential",
        Dependence::Files => "what is stored, at the API or elsewhere",
        Dependence::Load => "how much is sent at the moment",
        Dependence::Model => "the model: only retired ones answered like this",
        Dependence::Network => "where the request comes from, and over what",
        Dependence::Output => "what the model wrote",
        Dependence::Schema => "what the compiler makes of the schema",
    }
}

fn retry(retry: Retry) -> &'static str {
    match retry {
        Retry::AfterChange => {
            "the same request can succeed once something outside of it has changed"
        }
        Retry::No => "the same request is refused again",
        Retry::Yes => "the same request can succeed later",
    }
}

fn lint(lint: &Lint) -> Entry {
    let mut entry = Entry::new(Kind::Lint, lint.id, lint.explanation);
    entry.related.extend(["model-retired".to_owned(), "model".to_owned()]);
    entry.remedy = lint.remedy.to_owned();
    entry.source = stated(lint.source, lint.confidence);
    entry
}

fn exit(exit: Exit) -> Entry {
    let (text, remedy) = exits::meaning(exit);
    let code = exit.code();
    let mut entry = Entry::new(Kind::Exit, &format!("exit-{code}"), text);
    entry.also.push(code.to_string());
    entry.remedy = remedy.to_owned();
    entry
}

/// The first witness of each demand: its others are variants of the same mistake.
fn examples(specs: &Specs, demands: &[&str]) -> Vec<super::Example> {
    let mut witnesses = witnesses(specs, demands);
    witnesses.dedup_by(|one, other| one.rule == other.rule);
    witnesses.iter().filter_map(|witness| example(&specs.contract, witness)).collect()
}

/// By rule, and of each the one without a variant first.
fn witnesses<'s>(specs: &'s Specs, demands: &[&str]) -> Vec<&'s Witness> {
    let witnesses = specs.witnesses.iter();
    let mut found: Vec<_> = witnesses.filter(|it| demands.contains(&&*it.rule)).collect();
    found.sort_by_key(|witness| (&witness.rule, &witness.variant));
    found
}

/// Makes every relation mutual, adds what a text names in backticks, and drops what is not there.
fn relate(entries: &mut [Entry]) {
    let kinds: BTreeMap<String, (Kind, usize)> =
        entries.iter().enumerate().map(|(idx, e)| (e.id.clone(), (e.kind, idx))).collect();
    let mut related: BTreeMap<String, BTreeSet<(Kind, usize)>> = BTreeMap::new();
    for entry in entries.iter() {
        let mentioned = mentions(&entry.text).chain(mentions(&entry.remedy));
        // The families have everyday names, such as `text` or `model`.
        let mentioned = mentioned.filter(|word| {
            entry.kind == Kind::Family
                || kinds.get(*word).is_some_and(|found| found.0 != Kind::Family)
        });
        let named = entry.related.iter().map(String::as_str).chain(mentioned);
        for other in named.filter(|other| *other != entry.id && kinds.contains_key(*other)) {
            related.entry(entry.id.clone()).or_default().insert(kinds[other]);
            related.entry(other.to_owned()).or_default().insert(kinds[&entry.id]);
        }
    }
    let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    for entry in entries {
        let others = related.remove(&entry.id).unwrap_or_default();
        entry.related =
            others.into_iter().take(RELATED_MAX).map(|(_, idx)| ids[idx].clone()).collect();
    }
}

/// The words in backticks.
fn mentions(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn stated(source: &str, confidence: Confidence) -> String {
    let confidence = match confidence {
        Confidence::Confirmed => "confirmed",
        Confidence::Documented => "documented",
        Confidence::Observed => "observed",
        Confidence::Inferred => "inferred",
    };
    format!("{source} ({confidence})")
}

pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// The first few names, and how many there are besides.
fn some(names: &[&str]) -> String {
    let shown = list(names.iter().take(NAMES_MAX).copied());
    match names.len().checked_sub(NAMES_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown}, and {more} more"),
    }
}

/// Marks code as such; wordings may hold backticks of their own.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') { format!("“{text}”") } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use contract::version::Version;

    use super::*;

    #[test]
    fn a_list_of_all_versions_is_written_out() {
        assert_eq!(list(Version::ALL.iter().map(|v| v.name())), "2023-06-01, 2026-10-21");
        assert_eq!(some(&["a"; 10]), "a, a, a, a, a, a, a, a, and 2 more");
    }

    #[test]
    fn code_with_backticks_is_quoted() {
        assert_eq!([code("a"), code("`a` b")], ["`a`", "“`a` b”"]);
    }
}
