//! The harness's own good answers are good: the judge of clients reads them as complete, and the contract has nothing
//! against them. Otherwise a client would be blamed for what was wrong with the answer.

use std::collections::BTreeSet;

use chaos::served::{Truth, served};
use chaos::{Attempt, End};
use classify::{Class, Headers, Observation, Request, Script, script};
use contract::response;
use contract::version::{OperationId, Version};
use probity::specs::{Overrides, Specs};

/// Whole, and odd on purpose: to take them or to refuse them is both right.
const DOUBTFUL: [&str; 3] = ["200-content-null", "sse-max-tokens-tool", "sse-usage-missing"];

/// What the contract does not have, and a client must get along with: labels, versions to come, other dialects.
const UNHEARD_OF: [&str; 10] = [
    "200-content-null",
    "200-message-no-type",
    "200-message-text-plain",
    "200-message-unknown-parts",
    "sse-done-marker",
    "sse-unknown-block",
    "sse-unknown-delta",
    "sse-unknown-event",
    "sse-unknown-stop-reason",
    "sse-usage-missing",
];

/// What a client that offers gzip was given, to the end of the script.
fn given(script: &Script) -> Attempt {
    let headers = Headers(vec![("accept-encoding".into(), "gzip".into())]);
    Attempt {
        request: Request { headers, ..Request::default() },
        served: script.wire_bytes(),
        end: match script.end {
            script::End::Reset { .. } => End::Reset,
            script::End::Closed { .. } | script::End::Complete => End::Closed,
        },
        ..Attempt::default()
    }
}

#[test]
fn good_answers_are_good() {
    let specs = Specs::load(&Overrides::default()).unwrap();
    let is_good = |script: &&Script| matches!(script.class, Class::Accepted | Class::Streamed);
    let good: Vec<&Script> = specs.scripts.values().filter(is_good).collect();
    assert!(good.len() > 40, "{} good answers", good.len());
    let mut wrong = vec![];
    let (mut doubtful, mut unheard_of) = (BTreeSet::new(), BTreeSet::new());
    for script in good {
        match served(&given(script)).truth {
            Truth::Complete => {}
            Truth::Doubtful => drop(doubtful.insert(&*script.name)),
            truth => wrong.push(format!("{}: {truth:?}", script.name)),
        }
        let reply = match script.observation() {
            Observation::Reply(reply) => reply,
            Observation::Cut(cut) => cut.partial.unwrap(),
            Observation::Unsendable(why) => panic!("{}: {why}", script.name),
        };
        let operation = OperationId::parse(&script.operation).unwrap();
        let version = Version::ALL[Version::ALL.len() - 1];
        let edition = specs.contract.edition(version);
        let findings = response::check(edition, operation, script.class, &reply);
        if !findings.is_empty() {
            println!("{}: {findings:?}", script.name);
            unheard_of.insert(&*script.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(doubtful, BTreeSet::from(DOUBTFUL));
    assert_eq!(unheard_of, BTreeSet::from(UNHEARD_OF));
}
