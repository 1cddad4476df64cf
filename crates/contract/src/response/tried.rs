//! What an answer says something of: the rules that it could have broken.
//!
//! A text without a call keeps all rules about calls, and that is no merit. So each check says beforehand what it takes
//! to break it, and only such answers are counted.

use classify::{Class, Reply, Request, stream};

use super::{Answer, Rule, all, body, heads, is_judged};
use crate::spec::Edition;
use crate::version::OperationId;

/// Rules that an answer could have broken: as small as two numbers, because there is one for each case of a run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tried {
    /// A bit for each of [`all`], in their order.
    rules: u128,
    sights: stream::Sights,
}

impl Tried {
    /// The ids of the rules.
    pub fn ids(self) -> impl Iterator<Item = &'static str> {
        let own = all().enumerate().filter(move |(place, _)| self.rules & (1 << place) != 0);
        let streams = stream::Rule::ALL.into_iter();
        let streams = streams.filter(move |rule| self.sights.has(rule.sight()));
        own.map(|(_, rule)| rule.id).chain(streams.map(stream::Rule::id))
    }

    /// Those that [`of_form`] leaves.
    pub fn of_form(self) -> Self {
        let is_form = |rule: &Rule| {
            let mut form = heads::RULES.iter().chain(body::RULES);
            !body::FOLLOWS.contains(&rule.id) && form.any(|form| form.id == rule.id)
        };
        let places = all().enumerate().filter(|(_, rule)| is_form(rule));
        let form = places.fold(0, |form, (place, _)| form | 1 << place);
        Self { rules: self.rules & form, sights: stream::Sights::default() }
    }
}

/// Which rules the reply could have broken.
pub fn tried(
    edition: &Edition,
    operation: OperationId,
    request: &Request,
    class: Class,
    reply: &Reply,
) -> Tried {
    let mut tried = Tried::default();
    if !is_judged(class, reply) {
        return tried;
    }
    let answer = Answer::read(edition, operation, request, class, reply);
    for (place, rule) in all().enumerate() {
        answer.each_tried(rule, &mut |_, _| tried.rules |= 1 << place);
    }
    if answer.is_stream() {
        tried.sights = stream::lint(&reply.body).sights;
    }
    tried
}
