//! The harness's own good answers are good: the judge of clients reads them as complete, and the contract has nothing
//! against them. Otherwise a client would be blamed for what was wrong with the answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::collections::{BTreeMap, BTreeSet};

use chaos::served::{Truth, served};
use chaos::{Attempt, End};
use classify::{Class, Headers, Observation, Request, Script, script};
use contract::response;
use contract::version::{OperationId, Version};
use probity::specs::{Overrides, Specs};

/// Whole, and odd on purpose: to take them or to refuse them is both right.
const DOUBTFUL: [&str; 3] = ["200-content-null", "sse-max-tokens-tool", "sse-usage-missing"];

/// What the contract does not have, and a client must get along with: no label or a wrong one, other dialects.
const UNHEARD_OF: [(&str, &[&str]); 5] = [
    ("200-content-null", &["response/request-id-missing", "response/content-not-list"]),
    ("200-message-no-type", &["response/media-type"]),
    ("200-message-text-plain", &["response/media-type"]),
    ("sse-done-marker", &["stream/done-marker"]),
    ("sse-usage-missing", &["stream/usage-missing"]),
];

/// Bent on the way, or written by somebody else: what is wrong with them, but for the ids they lack.
const BENT: [(&str, &[&str]); 30] = [
    ("200-captive-portal", &["response/not-json"]),
    ("200-empty", &["response/not-json"]),
    ("200-error-envelope", &["response/error-under-success"]),
    ("200-error-envelope-bent", &["response/error-under-success"]),
    ("200-html-as-json", &["response/not-json"]),
    ("200-html-for-stream", &["response/not-json"]),
    ("200-json-cut", &["response/not-json"]),
    ("200-list", &["response/not-json"]),
    ("200-message-br", &["response/not-json"]),
    ("200-message-zstd", &["response/not-json"]),
    ("200-null", &["response/not-json"]),
    (
        "200-openai-shaped",
        &[
            "response/message-type",
            "response/message-role",
            "response/message-id",
            "response/stop-reason-missing",
            "response/usage-missing",
            "response/content-not-list",
            "response/schema",
        ],
    ),
    ("204-no-content", &["response/not-json"]),
    ("299-error-envelope", &["response/error-under-success"]),
    ("400-rate-limit-disguised-typed", &["response/status-type"]),
    ("400-too-many-requests-disguised", &["response/error-outer-type"]),
    ("404-empty", &["response/error-not-json"]),
    ("404-gateway-detail", &["response/error-foreign"]),
    ("422-gateway", &["response/status-unprocessable"]),
    ("429-empty", &["response/error-not-json"]),
    ("429-openai-shaped", &["response/error-outer-type"]),
    ("429-plain", &["response/retry-after-missing"]),
    ("429-plain-br", &["response/error-not-json"]),
    ("429-reset-headers-only", &["response/retry-after-missing"]),
    ("500-error-as-list", &["response/error-foreign"]),
    ("500-error-empty-object", &["response/error-type-missing", "response/error-message-missing"]),
    ("500-list-body", &["response/error-not-json"]),
    ("500-not-utf8", &["response/error-not-json"]),
    ("529-error-as-string", &["response/error-foreign"]),
    ("529-json-cut", &["response/error-not-json"]),
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
    let (mut doubtful, mut unheard_of) = (BTreeSet::new(), BTreeMap::new());
    for script in good {
        match served(&given(script)).truth {
            Truth::Complete => {}
            Truth::Doubtful => drop(doubtful.insert(&*script.name)),
            truth => wrong.push(format!("{}: {truth:?}", script.name)),
        }
        let rules = broken(&specs, script);
        if !rules.is_empty() {
            unheard_of.insert(&*script.name, rules);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(doubtful, BTreeSet::from(DOUBTFUL));
    let expected = UNHEARD_OF.map(|(name, rules)| (name, rules.to_vec()));
    assert_eq!(unheard_of, BTreeMap::from(expected));
}

/// The rules that the script breaks as an answer to nobody knows what.
fn broken(specs: &Specs, script: &Script) -> Vec<&'static str> {
    let reply = match script.observation() {
        Observation::Reply(reply) => reply,
        Observation::Cut(cut) => cut.partial.unwrap_or_default(),
        Observation::Unsendable(why) => panic!("{}: {why}", script.name),
    };
    let operation = OperationId::parse(&script.operation).unwrap();
    let edition = specs.contract.edition(Version::ALL[Version::ALL.len() - 1]);
    let request = Request::default();
    let findings = response::check(edition, operation, &request, script.class, &reply);
    findings.iter().map(|finding| finding.rule).collect()
}

/// The rest of the replies are as the API sends them, or have nothing in them to judge.
#[test]
fn bad_answers_break_what_they_were_written_to_break() {
    let specs = Specs::load(&Overrides::default()).unwrap();
    let mut bent = BTreeMap::new();
    for script in specs.scripts.values().filter(|script| !script.class.is_success()) {
        let mut rules = broken(&specs, script);
        rules.retain(|rule| rule.starts_with(response::PREFIX));
        rules.dedup();
        if !rules.is_empty() {
            bent.insert(&*script.name, rules);
        }
    }
    let unnamed =
        |rules: &mut Vec<&str>| rules.retain(|rule| *rule != "response/request-id-missing");
    bent.values_mut().for_each(unnamed);
    bent.retain(|_, rules| !rules.is_empty());
    let expected = BENT.map(|(name, rules)| (name, rules.to_vec()));
    assert_eq!(bent, BTreeMap::from(expected));
}
