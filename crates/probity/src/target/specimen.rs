//! One answer to show for each rule that is broken: the request, what came back, and what a server behind it saw.
//!
//! Kept while the cases go by, because nobody knows until the end which of them will be shown. Of the cases that break
//! a rule the one is kept that breaks it at the weakest level with the smallest request: the quickest to understand.
//! A valid request that is not served counts against one of its features, which is not known yet either; of those one
//! is kept for each set of features, with the name of the first of them, which the sum names as its example.

use std::collections::BTreeMap;

use bytes::Bytes;
use classify::{Cut, Observation, Reply, Request};
use contract::case::Case;
use contract::conformance::blame::Exchange;
use contract::conformance::feature::Features;
use contract::conformance::standing::{self, Row};
use contract::judge::{Blame, Finding, Record, Verdict};

use crate::findings;

/// There are some four hundred rules, and not many more sets of features in a corpus.
const SPECIMENS_MAX: usize = 1_000;
/// Of a body: more than any report shows, and a stream of a small answer as a whole.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A case that breaks a rule.
#[derive(Clone, Debug)]
pub struct Specimen {
    pub case: String,
    /// The first case of its kind.
    first: String,
    pub finding: Finding,
    /// The answers that the contract permits, in words, and the one that came.
    pub expected: String,
    pub got: String,
    pub request: Request,
    /// None where two answers were compared.
    pub observation: Option<Observation>,
    /// Whether a part of the body is not kept.
    pub is_cut: bool,
    /// The last that reached the server behind, if there is one that we know.
    pub behind: Option<Exchange>,
}

/// What was kept.
#[derive(Clone, Debug, Default)]
pub struct Specimens(BTreeMap<About, Specimen>);

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum About {
    /// A row of the standing.
    Row(String),
    /// Valid requests about these features.
    Served(Features),
}

impl Specimens {
    /// Looks at a settled record.
    pub fn note(
        &mut self,
        case: &Case,
        observation: Option<&Observation>,
        record: &Record,
        features: Features,
        behind: Option<&Exchange>,
    ) {
        if !matches!(record.verdict, Verdict::Drift | Verdict::Agree) {
            return;
        }
        let is_ours = |blame| matches!(blame, Blame::Spec | Blame::Harness);
        for finding in record.findings.iter().filter(|finding| !is_ours(finding.blame)) {
            let about = about(record, finding, features);
            if !self.wants(&about, case, finding) {
                continue;
            }
            let (observation, is_cut) = observation.map(kept).unzip();
            let known = self.0.get(&about).map(|known| known.first.clone());
            let specimen = Specimen {
                case: record.id.0.clone(),
                first: known.unwrap_or_else(|| record.id.0.clone()),
                finding: finding.clone(),
                expected: findings::expected(record),
                got: findings::got(record),
                request: case.request.clone(),
                observation,
                is_cut: is_cut.unwrap_or(false),
                behind: behind.map(exchange),
            };
            self.0.insert(about, specimen);
        }
    }

    /// The one that shows why the row is wrong.
    pub fn of(&self, row: &Row) -> Option<&Specimen> {
        let served = || {
            let served = self.0.iter().filter(|(about, _)| matches!(about, About::Served(_)));
            let found = served.map(|(_, specimen)| specimen);
            let found = found.filter(|specimen| row.examples.contains(&specimen.first));
            found.min_by_key(|specimen| specimen.request.body.len())
        };
        match row.id.starts_with("accepts/") {
            true => served(),
            false => self.0.get(&About::Row(row.id.clone())),
        }
    }

    fn wants(&self, about: &About, case: &Case, finding: &Finding) -> bool {
        let Some(known) = self.0.get(about) else { return self.0.len() < SPECIMENS_MAX };
        let weight = |request: &Request, finding: &Finding| (finding.level, request.body.len());
        weight(&case.request, finding) < weight(&known.request, &known.finding)
    }
}

fn about(record: &Record, finding: &Finding, features: Features) -> About {
    if !finding.rule.starts_with("answer-") {
        About::Row(finding.rule.to_owned())
    } else if standing::expects_success(record) {
        About::Served(features)
    } else {
        About::Row(format!("refuses/{}", record.rule))
    }
}

/// Without what no report shows, and whether anything is missing.
fn kept(observation: &Observation) -> (Observation, bool) {
    match observation {
        Observation::Reply(reply) => {
            let (reply, is_cut) = reply_kept(reply);
            (Observation::Reply(reply), is_cut)
        }
        Observation::Cut(cut) => {
            let (partial, is_cut) = cut.partial.as_ref().map(reply_kept).unzip();
            (Observation::Cut(Cut { kind: cut.kind, partial }), is_cut.unwrap_or(false))
        }
        Observation::Unsendable(why) => (Observation::Unsendable(why.clone()), false),
    }
}

fn reply_kept(reply: &Reply) -> (Reply, bool) {
    let is_cut = reply.body.len() > BODY_BYTES_MAX;
    let mut reply = reply.clone();
    if is_cut {
        // A copy: a slice would keep the whole.
        reply.body = Bytes::copy_from_slice(&reply.body[..BODY_BYTES_MAX]);
    }
    (reply, is_cut)
}

fn exchange(exchange: &Exchange) -> Exchange {
    let (reply, _) = reply_kept(&exchange.reply);
    Exchange { reply, ..exchange.clone() }
}
