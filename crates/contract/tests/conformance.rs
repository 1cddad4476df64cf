//! Standing and blame, from records and exchanges made by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::sync::LazyLock;

use classify::{Body, Headers, Observation, Reply, Request};
use contract::case::{Case, CaseId, Mutation, Origin, Permitted, StatedAnswer, Traits};
use contract::conformance::altered::answer;
use contract::conformance::blame::{Behind, Exchange, attribute};
use contract::conformance::feature::{Feature, Features};
use contract::conformance::probe::Support;
use contract::conformance::profile::{Profile, What};
use contract::conformance::standing::{self, Note, Row, Standing};
use contract::judge::{Blame, Finding, Record, Verdict, judge};
use contract::level::Level::{self, AgentReady, Compatible, Strict};
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
    let note = standing::note(contract, case, &observation, &record, Features::default());
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
    check(&rows, "accepts/thinking", Standing::SilentlyWrong, Some(Compatible));
    check(&rows, "accepts/system", Standing::Conformant, None);
    check(&rows, "accepts/messages", Standing::Conformant, None);
    check(&rows, "accepts/metadata", Standing::Declared, None);
    check(&rows, "accepts/images", Standing::Untested, None);
    check(&rows, "refuses/required", Standing::Conformant, None);
    check(&rows, "refuses/tool-result-unpaired", Standing::Untested, None);
    let levels = standing::levels(&rows, &none);
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
    let strict = &standing::levels(&told, &profile)[2];
    let lacks = [What::Feature(Feature::Tools)];
    assert_eq!((strict.broken_by.len(), &strict.lacks[..]), (0, &lacks[..]));
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

#[test]
fn who_declares_that_nothing_is_refused_is_no_strict_server() {
    let contract: &Contract = &CONTRACT;
    let profile = "[[tolerated]]\nrule = \"refuses/*\"\nreason = \"Nothing is checked.\"\n";
    let profile = Profile::parse(profile).unwrap();
    let broken = case(&json!({"max_tokens": null}), refused(400, "invalid_request_error"));
    let sightings = [
        sight(contract, &broken, says(200, MESSAGE), &profile),
        sight(contract, &case(&json!({}), Origin::Valid), error(500, "api_error", "?"), &profile),
    ];
    assert_eq!(sightings[0].0.verdict, Verdict::Excused);
    let told = rows(&sightings, &[], &profile);
    check(&told, "refuses/required", Standing::Declared, None);
    check(&told, "accepts/messages", Standing::SilentlyWrong, Some(AgentReady));
    let lacks = standing::levels(&told, &profile).into_iter().map(|level| level.lacks);
    let family = vec![What::Rule("refuses/*".to_owned())];
    assert_eq!(lacks.collect::<Vec<_>>(), [vec![], vec![], family]);
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
    let open = case(&json!({}), open);
    check_blame(&open, invalid(), None, Blame::Spec, "expected");
    check_blame(&open, broken(), None, Blame::Target, "expected");
    let witness = |rule: &str, mended, status| Origin::Witness {
        rule: rule.to_owned(),
        variant: None,
        mended,
        answers: vec![StatedAnswer { status, error_type: None, error_code: None }],
    };
    for (rule, mended, blame) in [
        ("body-too-deep", false, Blame::Spec),
        ("body-too-deep", true, Blame::Target),
        ("tool-result-unpaired", false, Blame::Target),
    ] {
        let (status, answer) = if mended { (200, invalid()) } else { (400, served()) };
        let case = case(&json!({}), witness(rule, mended, status));
        check_blame(&case, answer, None, blame, "expected");
    }
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

/// A call with thinking before it, as it comes from behind.
fn called() -> Value {
    json!({
        "id": "msg_01a", "type": "message", "role": "assistant", "model": "claude-sonnet-5",
        "content": [
            {"type": "thinking", "thinking": "So.", "signature": "c2ln"},
            {"type": "text", "text": "Let me ", "citations": null},
            {"type": "text", "text": "look.", "citations": [{"type": "char_location", "file_id": null}]},
            {"type": "tool_use", "id": "toolu_01a", "name": "weather", "input": {"city": "Oslo", "days": 1.0, "unit": null}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null, "container": null,
        "usage": {
            "input_tokens": 12, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 3, "output_tokens": 6,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0}, "speed": "standard",
        },
    })
}

fn refusal() -> Value {
    let error = json!({"type": "not_found_error", "message": "model: claude-nemo", "details": {"error_code": "gone"}});
    json!({"type": "error", "error": error, "request_id": "req_01a"})
}

/// What is found where the answer of that status and body comes from behind, and `change` is done to it on its way.
#[track_caller]
fn check_altered(
    (status, body): (u16, Value),
    change: impl FnOnce(&mut Reply, &mut Value),
    expected: &[(Level, &str, &str)],
) {
    let case = case(&json!({}), Origin::Valid);
    let mut reply = says(status, &body.to_string());
    reply.headers.push("retry-after", "2");
    reply.headers.push("anthropic-ratelimit-requests-limit", "50");
    let (mut answer, mut body) = (reply.clone(), body);
    change(&mut answer, &mut body);
    if !body.is_null() {
        answer.body = body.to_string().into();
    }
    let behind = [Exchange { request: case.request.clone(), reply, breaks: Vec::new() }];
    let answer = Observation::Reply(answer);
    let found = answer::altered(&case, status == 200, &answer, &behind);
    let told: Vec<_> = found.iter().map(|it| (it.level, &*it.pointer, &*it.trace)).collect();
    assert_eq!(told, expected);
    assert!(found.iter().all(|it| it.rule == answer::RULE && it.blame == Blame::Gateway));
}

fn check_called(change: impl FnOnce(&mut Value), expected: &[(Level, &str, &str)]) {
    check_altered((200, called()), |_, body| change(body), expected);
}

fn remove(value: &mut Value, member: &str) {
    value.as_object_mut().unwrap().remove(member);
}

#[test]
fn what_a_gateway_may_do_to_an_answer() {
    check_called(|_| (), &[]);
    check_called(|it| it["model"] = json!("routed-to-another"), &[]);
    check_called(|it| it["novel"] = json!(1), &[]);
    check_called(|it| remove(it, "container"), &[]);
    check_called(|it| it["content"][3]["input"]["days"] = json!(1), &[]);
    check_called(|it| it["content"][2]["citations"][0] = json!({"type": "char_location"}), &[]);
    check_called(
        |it| it["content"].as_array_mut().unwrap().push(json!({"type": "text", "text": ""})),
        &[],
    );
    check_called(|it| remove(&mut it["usage"], "cache_read_input_tokens"), &[]);
    let other_id =
        |reply: &mut Reply, _: &mut Value| reply.headers.replace("request-id", "req_01b");
    check_altered((200, called()), other_id, &[]);
    check_altered((404, refusal()), |_, body| body["request_id"] = json!("req_01b"), &[]);
    // What is no message any more, and what is an error now, is found by other rules.
    check_called(|it| *it = json!({"object": "chat.completion", "choices": []}), &[]);
    check_altered((200, called()), |reply, body| (reply.status, *body) = (500, refusal()), &[]);
    // The key that was refused is the gateway's.
    check_altered((401, refusal()), |reply, _| reply.status = 500, &[]);
}

#[test]
fn what_a_gateway_did_to_a_message_is_named() {
    let reason = "`stop_reason` is changed: `tool_use` became `end_turn`";
    check_called(
        |it| it["stop_reason"] = json!("end_turn"),
        &[(AgentReady, "/stop_reason", reason)],
    );
    let lost = [(AgentReady, "/stop_reason", "`stop_reason` is lost")];
    check_called(|it| remove(it, "stop_reason"), &lost);
    check_called(|it| it["id"] = json!("msg_02"), &[(Strict, "/id", "`id` is changed")]);
    let role = [(Compatible, "/role", "`role` is changed")];
    check_called(|it| it["role"] = json!("model"), &role);
    let usage = [(Compatible, "/usage", "`usage` is lost")];
    check_called(|it| it["usage"] = Value::Null, &usage);
    check_called(
        |it| it["usage"] = json!({"input_tokens": 0, "output_tokens": 6, "speed": "fast"}),
        &[
            (Strict, "/usage/cache_creation", "`cache_creation` of `usage` is lost"),
            (
                Compatible,
                "/usage/cache_creation_input_tokens",
                "`cache_creation_input_tokens` of `usage` is lost",
            ),
            (Compatible, "/usage/input_tokens", "`input_tokens` of `usage` is changed"),
            (Strict, "/usage/speed", "`speed` of `usage` is changed"),
        ],
    );
}

#[test]
fn what_a_gateway_did_to_blocks_is_named() {
    let at = |member: &str| format!("/content/{member}");
    for (block, member, value, level, trace) in [
        (0, "signature", json!("bmV3"), AgentReady, "`signature` of a `thinking` block is changed"),
        (0, "signature", Value::Null, AgentReady, "`signature` of a `thinking` block is lost"),
        (1, "text", json!("Let us "), AgentReady, "`text` of a `text` block is changed"),
        (2, "citations", Value::Null, Compatible, "`citations` of a `text` block is lost"),
        (3, "id", json!("call_1"), AgentReady, "`id` of a `tool_use` block is changed"),
        (3, "name", json!("Weather"), AgentReady, "`name` of a `tool_use` block is changed"),
        (3, "input", json!("{}"), AgentReady, "`input` of a `tool_use` block is changed"),
        (
            3,
            "input",
            json!({"city": "Oslo", "days": 1}),
            AgentReady,
            "`input` of a `tool_use` block is changed",
        ),
    ] {
        let edit = |it: &mut Value| it["content"][block][member] = value;
        check_called(edit, &[(level, &at(&format!("{block}/{member}")), trace)]);
    }
    let list = |it: &mut Value, change: fn(&mut Vec<Value>)| {
        change(it["content"].as_array_mut().unwrap());
    };
    let lost = [(AgentReady, "/content", "a `thinking` block is lost")];
    check_called(|it| list(it, |blocks| drop(blocks.remove(0))), &lost);
    let added = [(AgentReady, "/content/4", "a `tool_use` block is added")];
    check_called(|it| list(it, |blocks| blocks.push(blocks[3].clone())), &added);
    let order = [(AgentReady, "/content", "the blocks are in another order")];
    check_called(|it| list(it, |blocks| blocks.swap(1, 3)), &order);
    check_called(|it| list(it, |blocks| blocks.swap(1, 2)), &order);
    let cut = [(Compatible, "/content", "the text is cut into other blocks")];
    check_called(
        |it| {
            list(it, |blocks| {
                blocks.remove(2);
                blocks[1]["text"] = json!("Let me look.");
            });
        },
        &cut,
    );
}

#[test]
fn what_a_gateway_did_to_an_error_is_named() {
    let check = |change: fn(&mut Reply, &mut Value), expected: &[(Level, &str, &str)]| {
        check_altered((404, refusal()), change, expected);
    };
    check(|_, _| (), &[]);
    check(|reply, _| reply.status = 500, &[(AgentReady, "", "status 404 became 500")]);
    // Neither is asked again.
    check(|reply, _| reply.status = 400, &[(Compatible, "", "status 404 became 400")]);
    check(
        |_, body| body["error"]["type"] = json!("api_error"),
        &[(
            AgentReady,
            "/error/type",
            "`type` of the error is changed: `not_found_error` became `api_error`",
        )],
    );
    check(
        |_, body| remove(&mut body["error"], "details"),
        &[(Strict, "/error/details", "`details` of the error is lost")],
    );
    let at = "/error/message";
    check(
        |_, body| body["error"]["message"] = json!("upstream: model: claude-nemo"),
        &[(Strict, at, "`message` of the error has something around it")],
    );
    let nested = r#"{"error": {"message": "model: \"nemo\""}}"#;
    let (mut quoted, around) = (refusal(), "`message` of the error has something around it");
    quoted["error"]["message"] = json!(r#"model: "nemo""#);
    check_altered(
        (404, quoted),
        |_, body| body["error"]["message"] = json!(nested),
        &[(Strict, at, around)],
    );
    check(
        |_, body| body["error"]["message"] = json!("Not found"),
        &[(Strict, at, "`message` of the error is another")],
    );
    check(
        |reply, _| reply.headers = Headers::default(),
        &[
            (AgentReady, "header:retry-after", "header retry-after is lost"),
            (Strict, "header:anthropic-ratelimit-", "header anthropic-ratelimit-… is lost"),
        ],
    );
}

#[test]
fn an_answer_is_compared_with_the_one_it_was_made_of() {
    let case = case(&json!({}), Origin::Valid);
    let exchange = |request: &Request, reply: Reply| Exchange {
        request: request.clone(),
        reply,
        breaks: Vec::new(),
    };
    let found = |answer: &Value, behind: &[Exchange]| {
        let answer = Observation::Reply(says(200, &answer.to_string()));
        answer::altered(&case, true, &answer, behind).len()
    };
    let mut ended = called();
    ended["stop_reason"] = json!("end_turn");
    let served = || exchange(&case.request, says(200, &called().to_string()));
    let failed = || exchange(&case.request, error(529, "overloaded_error", "Overloaded"));
    assert_eq!(found(&ended, &[served()]), 1);
    assert_eq!(found(&ended, &[failed(), served()]), 1);
    // A gateway that runs tools by itself, one that asks something else, one that translates, one that knows by itself.
    assert_eq!(found(&ended, &[served(), served()]), 0);
    let mut counted = case.request.clone();
    counted.target = "/v1/messages/count_tokens".into();
    assert_eq!(found(&ended, &[exchange(&counted, says(200, "{}")), served()]), 1);
    assert_eq!(found(&ended, &[exchange(&counted, says(200, "{}"))]), 0);
    assert_eq!(found(&ended, &[]), 0);
    // Tools that go on under other names come back under their own.
    let mut renamed = called();
    renamed["content"][3]["name"] = json!("acme_weather");
    let mut other = case.request.clone();
    other.body = Body::Bytes(json!({"tools": [{"name": "acme_weather"}]}).to_string().into());
    assert_eq!(found(&called(), &[exchange(&other, says(200, &renamed.to_string()))]), 0);
    assert_eq!(found(&called(), &[exchange(&case.request, says(200, &renamed.to_string()))]), 1);
}

#[test]
fn a_stream_is_compared_as_the_message_it_comes_to() {
    const STREAM: &str = include_str!("../../classify/tests/streams/ok-tool-use-1.sse");
    let case = case(&json!({"stream": true}), Origin::Valid);
    let stream = |text: &str| {
        let mut reply = says(200, text);
        reply.headers.replace("content-type", "text/event-stream; charset=utf-8");
        reply
    };
    let behind =
        [Exchange { request: case.request.clone(), reply: stream(STREAM), breaks: Vec::new() }];
    let found = |reply: Reply| answer::altered(&case, true, &Observation::Reply(reply), &behind);
    let plain = classify::fold::fold(STREAM.as_bytes()).unwrap();
    assert_eq!(found(stream(STREAM)), []);
    assert_eq!(found(says(200, &plain.to_string())), []);
    let ended = STREAM.replace(r#""stop_reason":"tool_use""#, r#""stop_reason":"end_turn""#);
    assert_ne!(ended, STREAM);
    let told = found(stream(&ended));
    assert_eq!((told.len(), &*told[0].pointer), (1, "/stop_reason"), "{told:?}");
    // What ends early, a rule of streams names.
    assert_eq!(found(stream(&STREAM[..STREAM.len() / 2])), []);
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

/// Whether the answers to requests for messages, plain and streamed, say anything of each of these rules.
fn check_tried(answers: &[Reply], tried: &[&str], untried: &[&str]) {
    let contract: &Contract = &CONTRACT;
    let none = Profile::default();
    let sightings: Vec<_> = answers
        .iter()
        .map(|answer| {
            let is_stream = answer.headers.get("content-type") != Some("application/json");
            let case = Case {
                traits: Traits { stream: is_stream, ..Traits::default() },
                ..case(&json!({"stream": is_stream}), Origin::Valid)
            };
            sight(contract, &case, answer.clone(), &none)
        })
        .collect();
    let rows = rows(&sightings, &[], &none);
    for id in tried {
        check(&rows, id, Standing::Conformant, None);
    }
    for id in untried {
        check(&rows, id, Standing::Untested, None);
    }
}

#[test]
fn an_answer_says_nothing_of_a_rule_that_it_could_not_have_broken() {
    const STREAM: &str = include_str!("../../classify/tests/streams/ok-tool-use-1.sse");
    let plain = || says(200, MESSAGE);
    let everywhere = ["response/message-id", "response/request-id-form", "response/not-json"];
    let nowhere = [
        "response/batch-id",
        "response/count-tokens",
        "response/error-outer-type",
        "response/list-ends",
        "response/ratelimit-form",
        "response/results-duplicate",
        "response/retry-after-form",
        "response/retry-after-missing",
        "response/server-tool-id",
        "response/thinking-unsigned",
        "stream/citation-missing",
        "stream/error-terminates",
        "stream/redacted-data-missing",
        "stream/signature-missing",
        "stream/toolset-input-split",
    ];
    let of_calls = ["response/tool-id", "response/tool-input-not-object"];
    let of_streams =
        ["stream/no-message-stop", "stream/tool-id-prefix", "response/stream-downgraded"];
    check_tried(&[plain()], &everywhere, &[&nowhere[..], &of_calls, &of_streams].concat());
    let mut stream = says(200, STREAM);
    stream.headers.replace("content-type", "text/event-stream; charset=utf-8");
    check_tried(&[stream], &of_streams, &nowhere);
    let called = says(200, &called().to_string());
    let signed = ["response/thinking-unsigned", "response/usage-cache-sum"];
    check_tried(&[plain(), called], &[&of_calls[..], &everywhere, &signed].concat(), &of_streams);
}

#[test]
fn a_broken_request_that_is_served_says_nothing_of_what_is_in_the_answer() {
    let bad = case(&json!({"max_tokens": null}), refused(400, "invalid_request_error"));
    let none = Profile::default();
    let rows = rows(&[sight(&CONTRACT, &bad, says(200, MESSAGE), &none)], &[], &none);
    check(&rows, "response/message-id", Standing::Untested, None);
    check(&rows, "response/request-id-form", Standing::Conformant, None);
}

fn served(rule: &'static str, family: &'static str, at: &'static str) -> Origin {
    Origin::Mutated(Mutation { family, rule, at: at.into(), answers: Permitted::Served })
}

#[test]
fn a_batch_with_a_broken_item_is_no_request_about_what_is_in_it() {
    let none = Profile::default();
    let batch = |params: Value, origin| {
        let mut case = case(&json!({}), origin);
        case.operation = OperationId::BatchesCreate;
        case.request.target = "/v1/messages/batches".into();
        let body = json!({"requests": [{"custom_id": "a", "params": params}]});
        case.request.body = Body::Bytes(body.to_string().into());
        case
    };
    let tier = || json!({"service_tier": 7});
    let words = || error(400, "invalid_request_error", "service_tier: not supported");
    let broken = [
        ("wrong-type", "kind", "CreateMessageParams/service_tier"),
        ("batch-item-stream", "rule", "requests/params"),
    ];
    for (rule, family, at) in broken {
        let sighting = sight(&CONTRACT, &batch(tier(), served(rule, family, at)), words(), &none);
        assert_eq!(sighting.0.verdict, Verdict::Drift, "{rule}");
        let rows = rows(&[sighting], &[], &none);
        let id = "accepts/batch-with-broken-item";
        check(&rows, id, Standing::SilentlyWrong, Some(Strict));
        check(&rows, "accepts/service-tier", Standing::Untested, None);
    }
    let padded = batch(tier(), served("version-padded", "envelope", ""));
    let rows = rows(&[sight(&CONTRACT, &padded, words(), &none)], &[], &none);
    check(&rows, "accepts/service-tier", Standing::Declared, None);
}

#[test]
fn compressed_requests_are_wrong_once() {
    let none = Profile::default();
    let zipped = |origin| {
        let mut case = case(&json!({}), origin);
        case.request.headers.push("content-encoding", "gzip");
        case
    };
    let bad = || error(400, "invalid_request_error", "Bad request");
    let bomb = Origin::Mutated(Mutation {
        family: "rule",
        rule: "body-too-large-after-decoding",
        at: "".into(),
        answers: Permitted::Exactly {
            status: 413,
            error_type: "request_too_large",
            error_code: None,
        },
    });
    let told = |served: Reply| {
        let sightings = [
            sight(&CONTRACT, &case(&json!({}), Origin::Valid), says(200, MESSAGE), &none),
            sight(&CONTRACT, &zipped(Origin::Valid), served, &none),
            sight(&CONTRACT, &zipped(bomb.clone()), bad(), &none),
        ];
        rows(&sightings, &[], &none)
    };
    let rule = "refuses/body-too-large-after-decoding";
    let refused = told(bad());
    check(&refused, "accepts/request-encoding", Standing::SilentlyWrong, Some(Compatible));
    check(&refused, rule, Standing::Untested, None);
    check(&told(says(200, MESSAGE)), rule, Standing::SilentlyWrong, Some(Strict));
}

#[test]
fn a_request_that_went_on_broken_is_held_against_the_change() {
    let mut valid = case(&json!({"system": "Be brief."}), Origin::Valid);
    valid.request.headers.push("anthropic-beta", "computer-use-2025-11-24");
    let bad = error(400, "invalid_request_error", "Bad request");
    let (mut record, note) = sight(&CONTRACT, &valid, bad.clone(), &Profile::default());
    let breaks = vec!["computer-tool-without-beta: Unexpected".to_owned()];
    let exchange = Exchange { request: valid.request.clone(), reply: bad, breaks };
    attribute(&CONTRACT, &valid, &mut record, Behind::Upstream(&[exchange]));
    let served = sight(
        &CONTRACT,
        &case(&json!({"system": "Hi."}), Origin::Valid),
        says(200, MESSAGE),
        &Profile::default(),
    );
    let rows = rows(&[(record, note), served], &[], &Profile::default());
    check(&rows, "gateway/request-altered", Standing::SilentlyWrong, Some(Compatible));
    check(&rows, "accepts/system", Standing::Conformant, None);
}

#[test]
fn the_words_of_the_server_are_its_declaration() {
    let none = Profile::default();
    let image = json!([{"type": "image", "source": {"type": "base64"}}]);
    let image = json!({"messages": [{"role": "user", "content": image}]});
    let words = "User message has no text content (image-only or unsupported)";
    let refusal = error(400, "invalid_request_error", words);
    let sightings = [sight(&CONTRACT, &case(&image, Origin::Valid), refusal, &none)];
    let probed = [(Feature::Images, Support::Declared(format!("400: {words}")))];
    let rows = rows(&sightings, &probed, &none);
    let row = rows.iter().find(|row| row.id == "accepts/images").unwrap();
    assert_eq!(row.standing, Standing::Declared);
    assert!(row.why.as_ref().is_some_and(|why| why.contains(words)), "{row:?}");
}

/// A count that leaves something out, say. A feature that most requests get is there.
#[test]
fn what_is_denied_in_a_corner_is_not_declared_as_a_whole() {
    let none = Profile::default();
    let plain = case(&json!({"metadata": {}}), Origin::Valid);
    let served = || sight(&CONTRACT, &plain, says(200, MESSAGE), &none);
    let words = "metadata is not supported";
    let denied = || sight(&CONTRACT, &plain, error(400, "invalid_request_error", words), &none);
    let told = rows(&[served(), denied(), served()], &[], &none);
    check(&told, "accepts/metadata", Standing::Conformant, None);
    let told = rows(&[served(), denied(), denied()], &[], &none);
    check(&told, "accepts/metadata", Standing::Declared, None);
}

#[test]
fn what_is_tolerated_excuses_no_other_breach() {
    let profile =
        Profile::parse("[[tolerated]]\nrule = \"required\"\nreason = \"It guesses.\"\n").unwrap();
    let guessed = case(&json!({"max_tokens": null}), refused(400, "invalid_request_error"));
    let none = Profile::default();
    let (mut record, note) = sight(&CONTRACT, &guessed, says(200, MESSAGE), &none);
    record.findings.push(Finding::new("response/request-id-missing", "", Blame::Target, "none"));
    standing::excuse(&mut record, note, &profile);
    assert_eq!(record.verdict, Verdict::Excused);
    let told = rows(&[(record, note)], &[], &profile);
    check(&told, "refuses/required", Standing::Declared, None);
    check(&told, "response/request-id-missing", Standing::SilentlyWrong, Some(Compatible));
}
