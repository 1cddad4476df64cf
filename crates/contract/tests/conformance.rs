//! Standing and blame, from records and exchanges made by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::sync::LazyLock;

use classify::{Body, Headers, Observation, Reply, Request};
use contract::case::{Case, CaseId, Mutation, Origin, Permitted, Traits};
use contract::conformance::blame::{Behind, Exchange, attribute};
use contract::conformance::feature::{Feature, Features};
use contract::conformance::probe::Support;
use contract::conformance::profile::Profile;
use contract::conformance::standing::{self, Note, Row, Standing};
use contract::judge::{Blame, Record, Verdict, judge};
use contract::level::Level;
use contract::spec::{Contract, Text, Texts};
use contract::version::{OperationId, Version};
use serde_json::{Value, json};

/// Read once: that takes longer than all the rest.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let text = |name: &str, text: &str| Text { name: name.to_owned(), text: text.to_owned() };
    let texts = Texts {
        openapi: text("openapi.yaml", include_str!("../../../specs/openapi.yaml")),
        overlays: vec![text(
            "overlay-2023-06-01.yaml",
            include_str!("../../../specs/overlay-2023-06-01.yaml"),
        )],
        models: text("models.toml", include_str!("../../../specs/models.toml")),
        source: text("SOURCE.md", include_str!("../../../specs/SOURCE.md")),
    };
    Contract::parse(&texts).unwrap()
});

fn case(extra: &Value, origin: Origin) -> Case {
    let mut body = json!({"model": "claude-sonnet-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hello."}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let mut headers = Headers::default();
    headers.push("anthropic-version", "2026-10-21");
    let request = Request {
        method: "POST".into(),
        target: "/v1/messages".into(),
        headers,
        body: Body::Bytes(body.to_string().into()),
    };
    Case {
        id: CaseId(format!("2026-10-21/messages.create/{}/{body}", origin.name())),
        version: Version::V2026_10_21,
        operation: OperationId::MessagesCreate,
        origin,
        traits: Traits::default(),
        request,
    }
}

fn refused(status: u16, error_type: &'static str) -> Origin {
    Origin::Mutated(Mutation {
        family: "required",
        rule: "required",
        at: "max_tokens".into(),
        answers: Permitted::Exactly { status, error_type, error_code: None },
    })
}

fn says(status: u16, body: &str) -> Reply {
    let mut headers = Headers::default();
    headers.push("content-type", "application/json");
    headers.push("request-id", "req_011CSat9u9b4yHGhtWSzgHiT");
    Reply { status, headers, body: body.to_owned().into() }
}

fn error(status: u16, error_type: &str, message: &str) -> Reply {
    let body = json!({"type": "error", "error": {"type": error_type, "message": message}, "request_id": "req_011CSat9u9b4yHGhtWSzgHiT"});
    says(status, &body.to_string())
}

const MESSAGE: &str = r#"{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"claude-sonnet-5","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":8,"output_tokens":1}}"#;

fn sight(contract: &Contract, case: &Case, reply: Reply, profile: &Profile) -> (Record, Note) {
    let observation = Observation::Reply(reply);
    let mut record = judge(contract, case, &observation);
    // Only the answer as a whole matters here; the rules of answers have tests of their own.
    record.findings.retain(|finding| finding.rule.starts_with("answer-"));
    if record.findings.is_empty() {
        record.verdict = Verdict::Agree;
    }
    let note = standing::note(case, &observation, &record, Features::default());
    standing::excuse(&mut record, note, profile);
    (record, note)
}

fn rows(
    sightings: &[(Record, Note)],
    probed: &[(Feature, Support)],
    profile: &Profile,
) -> Vec<Row> {
    let sightings: Vec<_> = sightings.iter().map(|(record, note)| (record, *note)).collect();
    standing::rows(&sightings, probed, profile)
}

fn check(rows: &[Row], id: &str, standing: Standing, level: Option<Level>) {
    let row = rows.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("{id}"));
    assert_eq!((row.standing, row.level), (standing, level), "{row:?}");
}

#[test]
fn a_refusal_is_held_against_the_feature_whose_requests_fail() {
    let contract: &Contract = &CONTRACT;
    let none = Profile::default();
    let bad = || error(400, "invalid_request_error", "Bad request");
    let thought = json!({"thinking": {"type": "adaptive"}, "system": "Be brief."});
    let sightings = [
        sight(contract, &case(&json!({}), Origin::Valid), says(200, MESSAGE), &none),
        sight(contract, &case(&json!({"system": "Hi."}), Origin::Valid), says(200, MESSAGE), &none),
        sight(contract, &case(&thought, Origin::Valid), bad(), &none),
        sight(
            contract,
            &case(&json!({"metadata": {}}), Origin::Valid),
            error(400, "invalid_request_error", "metadata is not supported"),
            &none,
        ),
        sight(
            contract,
            &case(&json!({"max_tokens": null}), refused(400, "invalid_request_error")),
            bad(),
            &none,
        ),
    ];
    let rows = rows(&sightings, &[], &none);
    check(&rows, "accepts/thinking", Standing::SilentlyWrong, Some(Level::Compatible));
    check(&rows, "accepts/system", Standing::Conformant, None);
    check(&rows, "accepts/messages", Standing::Conformant, None);
    check(&rows, "accepts/metadata", Standing::Declared, None);
    check(&rows, "accepts/images", Standing::Untested, None);
    check(&rows, "refuses/required", Standing::Conformant, None);
    check(&rows, "refuses/tool-result-unpaired", Standing::Untested, None);
    let levels = standing::levels(&rows);
    assert_eq!(
        levels.iter().map(standing::LevelStanding::word).collect::<Vec<_>>(),
        // No case streams or calls a tool.
        ["untested", "broken", "broken"]
    );
    assert_eq!(levels[0].untried, [Feature::Streaming, Feature::Tools, Feature::ToolResults]);
    assert_eq!(levels[2].broken_by, ["accepts/thinking"]);
    let ledger = standing::ledger("acme", &rows);
    assert!(
        ledger.starts_with("acme\nconformant ")
            && ledger.contains("silently-wrong  compatible  target\n"),
        "{ledger}"
    );
}

#[test]
fn what_is_declared_breaks_no_rule_and_may_lack_what_agents_need() {
    let contract: &Contract = &CONTRACT;
    let profile = Profile::parse(
        "[[unsupported]]\nfeature = \"tools\"\nreason = \"Text only.\"\n[[tolerated]]\nrule = \"required\"\nreason = \"It guesses.\"\n",
    );
    let profile = profile.unwrap();
    let tools = json!({"tools": [{"name": "a", "input_schema": {"type": "object"}}]});
    let guessed = case(&json!({"max_tokens": null}), refused(400, "invalid_request_error"));
    let sightings = [
        sight(contract, &case(&tools, Origin::Valid), error(500, "api_error", "?"), &profile),
        sight(contract, &guessed, says(200, MESSAGE), &profile),
    ];
    assert!(sightings.iter().all(|(record, _)| record.verdict == Verdict::Excused));
    let told = rows(&sightings, &[], &profile);
    check(&told, "accepts/tools", Standing::Declared, None);
    check(&told, "refuses/required", Standing::Declared, None);
    let strict = &standing::levels(&told)[2];
    assert_eq!((strict.broken_by.len(), &strict.lacks[..]), (0, &[Feature::Tools][..]));
    let stale = |sightings: &[(Record, Note)], probed: &[(Feature, Support)]| {
        let sightings: Vec<_> = sightings.iter().map(|(record, note)| (record, *note)).collect();
        standing::stale(&profile, &sightings, probed)
    };
    assert_eq!(stale(&sightings, &[]), Vec::<String>::new());
    let works = [sight(contract, &case(&tools, Origin::Valid), says(200, MESSAGE), &profile)];
    let said = stale(&works, &[(Feature::Tools, Support::Works)]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("`tools` is declared unsupported, and works"));
}

/// The blame for the only finding about an answer, and a word of the evidence.
fn check_blame(
    case: &Case,
    answered: Reply,
    behind: Option<(Reply, &[&str])>,
    blame: Blame,
    word: &str,
) {
    let contract: &Contract = &CONTRACT;
    let mut record = judge(contract, case, &Observation::Reply(answered));
    record.findings.retain(|finding| finding.rule.starts_with("answer-"));
    let exchanges = behind.map(|(reply, breaks)| {
        let breaks = breaks.iter().map(|text| (*text).to_owned()).collect();
        vec![Exchange { request: case.request.clone(), reply, breaks }]
    });
    let behind = exchanges.as_deref().map_or(Behind::Unknown, Behind::Upstream);
    attribute(contract, case, &mut record, behind);
    assert_eq!(record.findings[0].blame, blame, "{:?}", record.findings);
    assert!(record.findings[0].trace.contains(word), "{:?}", record.findings);
}

#[test]
fn blame_follows_what_was_right_on_which_side() {
    let good = case(&json!({}), Origin::Valid);
    let bad = case(&json!({"max_tokens": null}), refused(400, "invalid_request_error"));
    let invalid = || error(400, "invalid_request_error", "max_tokens: Field required");
    let broken = || error(500, "api_error", "Internal server error");
    let served = || says(200, MESSAGE);
    check_blame(&good, broken(), None, Blame::Target, "expected");
    check_blame(&good, broken(), Some((served(), &[])), Blame::Gateway, "the upstream said 200");
    check_blame(
        &good,
        invalid(),
        Some((invalid(), &["schema at max_tokens: Field required"])),
        Blame::Gateway,
        "went on broken: schema",
    );
    check_blame(&good, broken(), Some((broken(), &[])), Blame::Upstream, "said so, too");
    check_blame(
        &bad,
        served(),
        Some((served(), &[])),
        Blame::Gateway,
        "did not reach the upstream",
    );
    check_blame(
        &bad,
        broken(),
        Some((invalid(), &["schema"])),
        Blame::Gateway,
        "the upstream said 400",
    );
    check_blame(&bad, served(), Some((served(), &["schema"])), Blame::Upstream, "said so, too");
    let open = Origin::Mutated(Mutation {
        family: "rule",
        rule: "some",
        at: "".into(),
        answers: Permitted::Uncertain {
            classes: &[classify::Class::Accepted],
            question: "Who knows?",
        },
    });
    check_blame(&case(&json!({}), open), broken(), None, Blame::Spec, "expected");
}

#[test]
fn a_beta_that_we_do_not_know_is_no_fault_of_the_gateway() {
    let unexpected = || error(400, "invalid_request_error", "Unexpected value(s)");
    for (beta, blame, word) in [
        ("mind-reading-2026-01-01", Blame::Spec, "not known here: `mind-reading-2026-01-01`"),
        ("mind-reading", Blame::Gateway, "went on broken: beta-unknown"),
    ] {
        let mut case = case(&json!({}), Origin::Valid);
        case.request.headers.push("anthropic-beta", beta);
        let exchange = Some((unexpected(), &["beta-unknown: Unexpected value(s)"][..]));
        check_blame(&case, unexpected(), exchange, blame, word);
    }
}

#[test]
fn the_profiles_on_file_are_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../specs/targets");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        #[expect(clippy::disallowed_methods, reason = "a test may read what the crate may not")]
        let text = std::fs::read_to_string(&path).unwrap();
        let profile = Profile::parse(&text);
        assert!(profile.is_ok(), "{}: {}", path.display(), profile.unwrap_err());
    }
}
