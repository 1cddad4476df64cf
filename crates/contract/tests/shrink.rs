//! The search for a smaller request, tried on functions instead of servers.

use classify::{Body, Headers, Request};
use contract::shrink::Search;
use proptest::prelude::*;
use serde_json::{Value, json};

/// More proposals than any of these bodies needs.
const PROPOSALS_MAX: usize = 20_000;

fn request(body: impl Into<Vec<u8>>) -> Request {
    let mut headers = Headers::default();
    headers.push("x-api-key", "$ANTHROPIC_API_KEY");
    headers.push("anthropic-beta", "one,two");
    let body = Body::Bytes(body.into().into());
    Request { method: "POST".into(), target: "/v1/messages?beta=true&x=1".into(), headers, body }
}

fn shrink(start: Request, keeps: impl Fn(&Request) -> bool) -> Request {
    assert!(keeps(&start), "the start shows it");
    let mut search = Search::new(start);
    for _ in 0..PROPOSALS_MAX {
        let Some(proposed) = search.propose() else { return search.best().clone() };
        search.settle(keeps(&proposed));
    }
    panic!("no end after {PROPOSALS_MAX} proposals: {:?}", search.best());
}

fn text(request: &Request) -> String {
    String::from_utf8_lossy(&request.body.to_bytes()).into_owned()
}

/// Shrinks, and looks at the body that is left.
fn check(body: &str, keeps: impl Fn(&str) -> bool, expected: &str) {
    let keeps = |request: &Request| keeps(&text(request));
    let least = shrink(request(body), keeps);
    assert_eq!(text(&least), expected);
    assert_eq!(
        (&*least.target, least.headers.0.len()),
        ("/v1/messages", 0),
        "the rest is gone, too"
    );
    assert_is_least(&least, keeps);
}

/// No single step from here keeps it.
fn assert_is_least(least: &Request, keeps: impl Fn(&Request) -> bool) {
    let mut search = Search::new(least.clone());
    while let Some(proposed) = search.propose() {
        assert!(!keeps(&proposed), "{} is smaller than {}", text(&proposed), text(least));
        search.settle(false);
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

#[test]
fn what_does_not_matter_goes() {
    let body = json!({
        "model": "m",
        "max_tokens": 1024,
        "temperature": 0.5,
        "tools": (0..20).map(|n| json!({"name": format!("tool_{n}"), "bad": n == 13})).collect::<Vec<_>>(),
        "messages": (0..30).map(|n| json!({"role": "user", "content": n.to_string()})).collect::<Vec<_>>(),
    })
    .to_string();
    check(&body, |text| text.contains("\"bad\":true"), r#"{"bad":true}"#);
    let has_tool =
        |text: &str| value(text).pointer("/tools/0/bad").is_some_and(|bad| bad == &json!(true));
    check(&body.replace("\"bad\":false", "\"bad\":true"), has_tool, r#"{"tools":[{"bad":true}]}"#);
    let talks = |text: &str| value(text)["messages"].as_array().is_some_and(|all| all.len() > 6);
    check(&body, talks, r#"{"messages":[{},{},{},{},{},{},{}]}"#);
}

#[test]
fn ids_that_must_be_alike_shrink_together() {
    let body = json!({"call": {"id": "toolu_0123456789"}, "result": {"of": "toolu_0123456789"}});
    let is_pair = |text: &str| {
        let value = value(text);
        let (id, of) = (&value["call"]["id"], &value["result"]["of"]);
        id == of && id.as_str().is_some_and(|id| !id.is_empty())
    };
    check(&body.to_string(), is_pair, r#"{"call":{"id":"t"},"result":{"of":"t"}}"#);
}

#[test]
fn a_threshold_is_found_to_the_byte() {
    let body = json!({"messages": [{"content": "é".repeat(40_000), "role": "user"}], "x": 1});
    let is_long = |text: &str| text.len() >= 12_345;
    let least = shrink(request(body.to_string()), |request| is_long(&text(request)));
    // A character has two bytes here.
    assert!((12_345..=12_346).contains(&least.body.len()), "{}", least.body.len());
    assert_is_least(&least, |request| is_long(&text(request)));
    let mut search = Search::new(request(r#"{"budget":1000000000}"#));
    let mut asked = 0;
    while let Some(proposed) = search.propose() {
        asked += 1;
        search.settle(value(&text(&proposed))["budget"].as_i64() >= Some(123_456_789));
    }
    assert_eq!(text(search.best()), r#"{"budget":123456789}"#);
    assert!(asked < 1_000, "{asked}");
}

#[test]
fn what_is_in_the_writing_stays_in_it() {
    check(
        "{\"a\": 1, \"b\": [1, 2], \"a\": 2}",
        |text| text.matches("\"a\"").count() == 2,
        "\"a\"\"a\"",
    );
    check("{\"a\": [1, 2,]}", |text| text.contains(",]"), ",]");
    check("[0.1, 1e2, 3]", |text| text.contains("1e2"), "1e2");
    check("{ \"a\" : \"x\" }", |text| value(text)["a"].is_string(), r#"{"a":""}"#);
    let bytes = b"abc\xffdef".to_vec();
    let least = shrink(request(bytes), |request| request.body.to_bytes().contains(&0xff));
    assert_eq!(&least.body.to_bytes()[..], b"\xff");
}

#[test]
fn heads_shrink_too() {
    let start = Request { body: Body::Empty, ..request("") };
    let least = shrink(start, |request| {
        request.target.contains("x=1") && request.headers.get("anthropic-beta").is_some()
    });
    assert_eq!(&*least.target, "/v1/messages?x=1");
    assert_eq!(least.headers, Headers(vec![("anthropic-beta".into(), "".into())]));
    assert_eq!(least.body, Body::Empty);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-e/~]{1,3}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A server of sorts: what it minds about a body is a number made of it.
fn minds(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(number) => usize::from(number.as_f64() > Some(3.0)),
        Value::String(text) => text.chars().count() % 5,
        Value::Array(elements) => 2 * elements.len() + elements.iter().map(minds).sum::<usize>(),
        Value::Object(members) => 3 + members.values().map(minds).sum::<usize>(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn it_ends_at_a_local_minimum_that_is_no_larger(body in any_json(), modulus in 1_usize..9) {
        let start = request(body.to_string());
        let class = minds(&body) % modulus;
        let keeps = |request: &Request| {
            let bytes = request.body.to_bytes();
            serde_json::from_slice(&bytes).is_ok_and(|value| minds(&value) % modulus == class)
        };
        prop_assume!(keeps(&start));
        let least = shrink(start.clone(), keeps);
        prop_assert!(keeps(&least));
        prop_assert!(least.body.len() <= start.body.len());
        assert_is_least(&least, keeps);
        prop_assert_eq!(least, shrink(start, keeps), "the same server, the same result");
    }
}
