//! The order of cases where only some will be sent: a little of everything before more of anything.
//!
//! The corpus stands version by version and operation by operation, so its first thousand say nothing of the rest. Here
//! versions, operations, valid requests and rules take turns. The price is that the plan stands in memory.

use std::collections::BTreeMap;

use contract::case::{Case, Origin};
use contract::conformance::feature::{self, Features};
use contract::version::{OperationId, Version};

/// What takes turns: valid requests by what they are about, plain ones first, and the others by the rule they break.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Valid(usize, Features),
    Other(&'static str, String, bool),
}

/// Round by round, one case of each kind.
pub fn spread(cases: Vec<Case>, cases_max: Option<usize>) -> Vec<Case> {
    let mut kinds: BTreeMap<(Version, OperationId, Kind), usize> = BTreeMap::new();
    let named: Vec<_> = cases
        .into_iter()
        .map(|case| {
            let kind = (case.version, case.operation, kind(&case));
            let seen = kinds.entry(kind.clone()).or_default();
            *seen += 1;
            (*seen, kind, case)
        })
        .collect();
    // The place of each kind among those of its version and operation, valid ones apart from the others.
    let mut places: BTreeMap<(Version, OperationId, bool), usize> = BTreeMap::new();
    for ((version, operation, kind), place) in &mut kinds {
        let next = places.entry((*version, *operation, is_valid(kind))).or_default();
        *place = *next;
        *next += 1;
    }
    let mut ranked: Vec<_> = named
        .into_iter()
        .map(|(round, kind, case)| {
            let rank = (round, kinds[&kind], !is_valid(&kind.2), kind.1, kind.0);
            (rank, case)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(cases_max.unwrap_or(usize::MAX)).map(|(_, case)| case).collect()
}

fn is_valid(kind: &Kind) -> bool {
    matches!(kind, Kind::Valid(..))
}

/// What the case is one of many of.
pub(super) fn kind(case: &Case) -> Kind {
    match &case.origin {
        Origin::Valid => {
            let features = feature::of(case.version, case.operation, &case.request);
            Kind::Valid(features.iter().count(), features)
        }
        Origin::Canary => Kind::Other("canary", String::new(), false),
        Origin::Mutated(mutation) => Kind::Other("mut", mutation.rule.to_owned(), false),
        Origin::Witness { rule, mended, .. } => Kind::Other("witness", rule.clone(), *mended),
    }
}
