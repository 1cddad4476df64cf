//! The request itself, and the words and connections around it.

use super::*;
use crate::scenario::{Expect, Span};

fn check_request(change: impl Fn(&mut Attempt), verdict: Verdict, detail: &str) {
    let mut asked = handling(&[OK], OutcomeClass::Success);
    change(&mut asked.attempts[0]);
    let judgement = judge(&scenario(""), Surface::Create, &asked);
    assert_eq!(judgement.verdict, verdict, "{judgement:?}");
    if verdict == Verdict::Pass {
        assert_eq!(judgement.findings, []);
        return;
    }
    let [found] = &judgement.findings[..] else { panic!("{judgement:?}") };
    assert_eq!(found.code, Code::MalformedRequest);
    assert!(found.detail.contains(detail), "{}", found.detail);
}

/// It is told, and changes no verdict.
fn check_oddity(change: impl Fn(&mut Attempt), detail: &str) {
    let mut asked = handling(&[OK], OutcomeClass::Success);
    change(&mut asked.attempts[0]);
    let judgement = judge(&scenario(""), Surface::Create, &asked);
    let [found] = &judgement.findings[..] else { panic!("{judgement:?}") };
    assert_eq!((judgement.verdict, found.level), (Verdict::Pass, Level::Note));
    assert!(found.detail.contains(detail), "{}", found.detail);
}

fn header(name: &'static str, value: &'static str) -> impl Fn(&mut Attempt) {
    move |attempt| attempt.request.headers.replace(name, value)
}

fn raw(head: &'static [u8]) -> impl Fn(&mut Attempt) {
    move |attempt| attempt.raw_head = head.to_vec()
}

fn body(bytes: &'static [u8]) -> impl Fn(&mut Attempt) {
    move |attempt| attempt.request.body = Body::Bytes(Bytes::from_static(bytes))
}

#[test]
fn a_request_is_one_that_any_server_takes() {
    use Verdict::{Fail, Pass};
    let bearer = |value: &'static str| {
        move |attempt: &mut Attempt| {
            attempt.request.headers.remove("x-api-key");
            attempt.request.headers.push("authorization", value);
        }
    };
    let target = |target: &'static str| {
        move |attempt: &mut Attempt| {
            attempt.request.target = target.into();
        }
    };
    check_request(|attempt| attempt.request.method = "PUT".into(), Fail, "PUT instead of POST");
    check_request(target("/v1/messages?beta=true"), Pass, "");
    check_request(target("//v1/messages"), Fail, "path //v1/messages");
    check_request(target("/v1/messages/"), Fail, "path /v1/messages/");
    check_request(bearer("Bearer a-key"), Pass, "");
    check_request(bearer("bearer a-key"), Pass, "");
    check_request(bearer("Bearer  a-key"), Fail, "no key stands one space after");
    check_request(bearer("Bearer a key"), Fail, "no key stands one space after");
    check_request(bearer("Basic YTpi"), Fail, "no bearer");
    check_request(header("authorization", "Bearer a-key"), Fail, "2 credentials");
    check_request(|attempt| attempt.request.headers.remove("x-api-key"), Fail, "0 credentials");
    check_request(header("x-api-key", "a key"), Fail, "`x-api-key` is no key");
    check_request(header("anthropic-version", " "), Fail, "no `anthropic-version`");
    check_request(header("content-type", "application/json; charset=utf-8"), Pass, "");
    check_request(header("content-type", "text/plain"), Fail, "content-type \"text/plain\"");
    check_request(header("accept-encoding", "gzip, br;q=0.5, zstd, *"), Pass, "");
    check_request(
        header("accept-encoding", "gzip, brotli"),
        Fail,
        "\"brotli\", which is no coding",
    );
    check_request(header("content-length", "two"), Fail, "content-length \"two\"");
    check_request(header("transfer-encoding", "chunked"), Fail, "both");
    check_request(|attempt| attempt.request.headers.remove("content-length"), Fail, "neither");
    check_request(|attempt| attempt.request.headers.push("content-length", "2"), Fail, "2 times");
    check_request(body(b"{"), Fail, "no JSON: EOF");
    check_request(body(b"\"\xed\xa0\xbd\""), Fail, "byte 1 of the body is not UTF-8");
    check_request(body(b"\"\\ud83d\""), Pass, "");
    check_oddity(header("expect", "100-continue"), "expect: 100-continue");
    check_oddity(header("x-stainless-timeout", "NOT_GIVEN"), "NOT_GIVEN");
    check_request(raw(b"POST / HTTP/1.1\r\nX-Api-Key: a\r\nhost:  b \r\n\r\n"), Pass, "");
    check_request(raw(b"POST / HTTP/1.1\r\nX-Api-Key: a \r\n\r\n"), Fail, "around the value");
    check_request(raw(b"POST / HTTP/1.1\r\na: b\r\n c\r\n\r\n"), Fail, "goes on in the next line");
    check_request(raw(b"POST / HTTP/1.1\r\na : b\r\n\r\n"), Fail, "before the colon of `a`");
    check_request(raw(b"POST / HTTP/1.1\r\na: b\x00\r\n\r\n"), Fail, "control byte in `a`");
    let cut = |attempt: &mut Attempt| {
        body(b"{\"a")(attempt);
        attempt.body_cut = true;
    };
    check_request(cut, Pass, "");
}

#[test]
fn the_contract_and_the_base_address_have_their_say() {
    let mut asked = handling(&[OK], OutcomeClass::Success);
    asked.objections = vec![vec!["`max_tokens` is missing".to_owned()]];
    check(&asked, Verdict::Fail, &["malformed-request"]);
    asked.objections = vec![vec![], vec!["about a retry".to_owned()]];
    check(&asked, Verdict::Pass, &[]);
    asked.objections = vec![vec!["body-lone-surrogate : half a character".to_owned()]];
    check(&asked, Verdict::Fail, &["malformed-request"]);
    let halved = scenario("ask = { prompt = \"lone-surrogate\" }");
    check_on(&halved, Surface::Create, &asked, Verdict::Pass, &[]);
    asked.objections.clear();
    for (path, target, verdict) in [
        ("/p/x/", "/p/x/v1/messages", Verdict::Pass),
        ("/p/x", "/p/x/v1/messages", Verdict::Pass),
        ("/p/x/", "/p/x//v1/messages", Verdict::Fail),
        ("/p/x", "/v1/messages", Verdict::Fail),
    ] {
        let told = scenario(&format!("connect = {{ path = \"{path}\" }}"));
        asked.attempts[0].request.target = target.into();
        let codes: &[&str] = if verdict == Verdict::Fail { &["malformed-request"] } else { &[] };
        check_on(&told, Surface::Create, &asked, verdict, codes);
    }
}

#[test]
fn a_body_that_was_cut_is_compared_as_far_as_it_goes() {
    let overloaded = error(529, "overloaded_error", "");
    let mut retried = handling(&[&overloaded, OK], OutcomeClass::Success);
    body(b"{\"a\":1}")(&mut retried.attempts[0]);
    body(b"{\"a\"")(&mut retried.attempts[1]);
    check(&retried, Verdict::Fail, &["body-changed"]);
    retried.attempts[1].body_cut = true;
    check(&retried, Verdict::Pass, &[]);
    body(b"{\"b\"")(&mut retried.attempts[1]);
    check(&retried, Verdict::Fail, &["body-changed"]);
}

/// No request at all.
const NONE: Span = Span { first: 0, last: Some(0) };

#[test]
fn an_error_helps_whoever_reads_it() {
    let told = Scenario::parse(&format!(
        "{SCENARIO}says = [\"{{address}}\", \"refused\"]\nconnections = \"1-2\"\n"
    ))
    .unwrap();
    let mut lost = handling(&[&OK[..90]], OutcomeClass::TransportError);
    lost.address = "127.0.0.1:9".to_owned();
    for (message, codes) in [
        ("cannot reach 127.0.0.1:9", &[][..]),
        ("Connection REFUSED", &[]),
        ("it did not work", &["unhelpful-error"]),
    ] {
        lost.outcome.as_mut().unwrap().message = message.to_owned();
        let verdict = if codes.is_empty() { Verdict::Pass } else { Verdict::Warn };
        check_on(&told, Surface::Create, &lost, verdict, codes);
    }
    lost.outcome.as_mut().unwrap().message = format!("refused: <HTML>{}", "x".repeat(5_000));
    check_on(&told, Surface::Create, &lost, Verdict::Warn, &["bloated-error"]);
    lost.outcome.as_mut().unwrap().message = "refused".to_owned();
    lost.connections = 3;
    check_on(&told, Surface::Create, &lost, Verdict::Warn, &["too-many-connections"]);
    // Connections that never came to a request are attempts, too.
    let mut storm = Handling { attempts: vec![], connections: 10, ..lost };
    let refused = Scenario { expect: Expect { attempts: NONE, ..told.expect.clone() }, ..told };
    check_on(&refused, Surface::Create, &storm, Verdict::Warn, &["too-many-connections"]);
    storm.connections = 11;
    check_on(&refused, Surface::Create, &storm, Verdict::Fail, &["retry-storm"]);
}

#[test]
fn a_key_is_found_wherever_it_stands() {
    let refused = error(400, "invalid_request_error", "");
    let told =
        || reported(handling(&[&refused], OutcomeClass::ApiError), 400, "invalid_request_error");
    let mut leak = told();
    leak.leaks = vec!["its standard error".to_owned()];
    check(&leak, Verdict::Fail, &["key-leak"]);
    let mut leak = told();
    leak.attempts[0].request.headers.replace("x-api-key", "another-key-of-mine");
    leak.outcome.as_mut().unwrap().message = "no: another-key-of-mine".to_owned();
    check(&leak, Verdict::Fail, &["key-leak"]);
    // Whoever repeats the server's own words cannot know.
    let echo = error(400, "invalid_request_error", "x-sent: another-key-of-mine\r\n");
    leak.attempts[0].served = echo.into_bytes();
    check(&leak, Verdict::Info, &["key-leak"]);
}

#[test]
fn a_key_is_not_for_strangers() {
    let asked = handling(&[OK], OutcomeClass::Success);
    for (tls, verdict) in [("trusted", Verdict::Pass), ("untrusted", Verdict::Fail)] {
        let told = scenario(&format!("connect = {{ tls = \"{tls}\" }}"));
        let codes: &[&str] = if verdict == Verdict::Fail { &["credential-leak"] } else { &[] };
        check_on(&told, Surface::Create, &asked, verdict, codes);
    }
}

#[test]
fn a_credential_is_replaced_once() {
    let unauthorized = error(401, "authentication_error", "");
    let told = scenario("ask = { credential = \"rotating\" }\nretries = 3");
    let refreshed = |served: &[&str]| {
        let mut handling = handling(served, OutcomeClass::Success);
        for (idx, attempt) in handling.attempts.iter_mut().enumerate() {
            attempt.request.headers.replace("x-api-key", format!("{CANARY_KEY}-{idx}"));
        }
        handling
    };
    let on = |handling: &Handling, verdict, codes: &[&str]| {
        check_on(&told, Surface::Create, handling, verdict, codes);
    };
    on(&refreshed(&[&unauthorized, OK]), Verdict::Pass, &[]);
    let twice = refreshed(&[&unauthorized, &unauthorized, OK]);
    on(&twice, Verdict::Fail, &["retried-non-retryable"]);
    on(
        &handling(&[&unauthorized, OK], OutcomeClass::Success),
        Verdict::Fail,
        &["retried-non-retryable"],
    );
    let given_up = handling(&[&unauthorized], OutcomeClass::ApiError);
    on(&reported(given_up, 401, "authentication_error"), Verdict::Warn, &["gave-up-early"]);
}

/// A second turn with these blocks on top of an answer with these.
fn check_turn(given: &str, returned: &str, verdict: Verdict) {
    let answer = format!(
        "{{\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\",\"content\":[{given}]}}"
    );
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{answer}", answer.len());
    let mut turns = handling(&[&answer, OK], OutcomeClass::Success);
    let body = |words: &str, turn: &str| {
        format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"nonce-1{words}\"}}{turn}]}}")
    };
    let turn = format!(",{{\"role\":\"assistant\",\"content\":[{returned}]}},\"And again.\"");
    for (attempt, body) in turns.attempts.iter_mut().zip([body("", ""), body("", &turn)]) {
        attempt.request.body = Body::Bytes(Bytes::from(body));
    }
    turns.nonces = vec!["nonce-1".to_owned(); 2];
    let first = Outcome { text: None, ..Outcome::of(OutcomeClass::Success) };
    turns.earlier = vec![first];
    turns.objections =
        vec![vec![], vec!["schema messages.1.content.0: Input tag 'novel'".to_owned()]];
    if !returned.contains("novel") {
        turns.objections.clear();
    }
    let judgement =
        judge(&scenario("ask = { follow-up = \"And again.\" }"), Surface::Create, &turns);
    assert_eq!(judgement.verdict, verdict, "{returned}: {judgement:?}");
}

#[test]
fn what_nobody_knows_comes_back_as_it_came() {
    let novel = "{\"type\":\"novel\",\"a\":[1]}";
    let text = "{\"type\":\"text\",\"text\":\"hi\"}";
    let given = format!("{novel},{text}");
    check_turn(&given, &given, Verdict::Pass);
    check_turn(&given, text, Verdict::Pass);
    check_turn(&given, "{\"type\":\"text\",\"text\":\"hi\",\"citations\":null}", Verdict::Pass);
    check_turn(&given, "{\"type\":\"novel\"}", Verdict::Fail);
    check_turn(&given, "{\"type\":\"text\",\"text\":\"\"}", Verdict::Fail);
    check_turn(text, novel, Verdict::Fail);
}
