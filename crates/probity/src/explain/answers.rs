//! The rules of answers and streams, as entries.

use classify::{Class, stream};
use contract::conformance::chain;
use contract::level::Level;
use contract::response;

use super::entry::{Entry, Kind};
use super::index::{code, list};
use crate::twins;

pub(super) fn response_rule(rule: &response::Rule) -> Entry {
    let mut entry = Entry::new(Kind::ResponseRule, rule.id, rule.sentence);
    entry.also.extend(rule.id.split('/').next_back().map(str::to_owned));
    entry.fact("level", code(rule.level.name()));
    if !rule.seen.is_empty() {
        entry.fact("seen", list(rule.seen.iter().copied()));
    }
    entry.remedy = rule.remedy.to_owned();
    entry
}

pub(super) fn stream_rule(rule: stream::Rule) -> Entry {
    let mut entry = Entry::new(Kind::StreamRule, rule.id(), rule.sentence());
    entry.also.extend(rule.id().split('/').next_back().map(str::to_owned));
    entry.fact("level", code(Level::of(rule.id()).name()));
    if rule.breaks_grammar() {
        let class = Class::StreamMalformed.name();
        entry.fact("class", code(class));
        entry.related.push(class.to_owned());
    }
    if !rule.seen().is_empty() {
        entry.fact("seen", list(rule.seen().iter().copied()));
    }
    entry.remedy = rule.remedy().to_owned();
    entry
}

/// A demand on answers that it takes several requests to judge.
pub(super) fn chain_rule(rule: &chain::Rule) -> Entry {
    let mut entry = Entry::new(Kind::ResponseRule, rule.id, rule.sentence);
    entry.also.extend(rule.id.split('/').next_back().map(str::to_owned));
    entry.fact("level", code(rule.level.name()));
    entry.remedy = rule.remedy.to_owned();
    entry
}

/// The only demand on a stream that takes two answers to judge.
pub(super) fn fold_rule() -> Entry {
    let mut entry = Entry::new(Kind::StreamRule, twins::RULE, twins::SENTENCE);
    entry.also.extend(twins::RULE.split('/').next_back().map(str::to_owned));
    entry.fact("level", code(Level::of(twins::RULE).name()));
    entry.remedy = twins::REMEDY.to_owned();
    entry
}
