//! A message told as events and put together again is the same message; a stream that is not whole has none.
//!
//! The telling is written here once more, by hand and from the documentation, so that [`fold`](classify::fold) is
//! not measured by something that shares its mistakes.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the message")]

use std::path::Path;

use classify::fold::{FoldError, Folder, differences, fold};
use classify::sse::Event;
use classify::stream::Rule;
use classify::{Class, Observation, Script, classify};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// How a message is told: where texts are cut, and what stands between its events.
#[derive(Clone, Debug)]
struct Telling {
    /// Lengths of pieces in characters, used in turn; zero is an empty piece.
    cuts: Vec<usize>,
    noise: Vec<Noise>,
    /// Whether the end comes in two `message_delta`s, the first with smaller counts.
    ends_twice: bool,
}

/// What a client has to overlook.
#[derive(Clone, Copy, Debug)]
enum Noise {
    None,
    Ping,
    NovelEvent,
    /// Only between the deltas of a block.
    NovelDelta,
}

proptest! {
    #[test]
    fn told_and_put_together_again_it_is_the_same(message in messages(), telling in tellings()) {
        let body = body(&tell(&message, &telling));
        prop_assert_eq!(fold(body.as_bytes()), Ok(message));
    }

    #[test]
    fn what_is_told_in_part_is_no_message(message in messages(), telling in tellings(), at in any::<prop::sample::Index>()) {
        let events = tell(&message, &telling);
        let kept = at.index(events.len());
        let expected = match events[kept..].iter().any(|(name, _)| *name == "message_stop") {
            true => Err(FoldError::Incomplete { events: kept }),
            false => Ok(message),
        };
        prop_assert_eq!(fold(body(&events[..kept]).as_bytes()), expected);
    }
}

fn tellings() -> impl Strategy<Value = Telling> {
    let noise = prop_oneof![
        4 => Just(Noise::None),
        1 => Just(Noise::Ping),
        1 => Just(Noise::NovelEvent),
        1 => Just(Noise::NovelDelta),
    ];
    let cuts = prop::collection::vec(0_usize..9, 1..5).prop_map(|mut cuts| {
        // At least one piece in turn has something in it, or no text would ever end.
        cuts.push(5);
        cuts
    });
    (cuts, prop::collection::vec(noise, 1..9), any::<bool>())
        .prop_map(|(cuts, noise, ends_twice)| Telling { cuts, noise, ends_twice })
}

fn messages() -> impl Strategy<Value = Value> {
    let members =
        prop_oneof![Just(json!({})), Just(json!({"context_management": {"applied_edits": []}}))];
    (prop::collection::vec(blocks(), 0..5), endings(), 0_u64..1000, members).prop_map(
        |(content, ending, output_tokens, members)| {
            let mut message = json!({
                "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
                "content": content,
                "usage": {"input_tokens": 12, "output_tokens": output_tokens, "service_tier": "standard"},
                "diagnostics": null,
            });
            let all = message.as_object_mut().unwrap();
            all.extend(ending.as_object().unwrap().clone());
            all.extend(members.as_object().unwrap().clone());
            message
        },
    )
}

fn endings() -> impl Strategy<Value = Value> {
    let ending = |reason: &str, sequence: Option<&str>, details: Value, container: Value| {
        Just(
            json!({"stop_reason": reason, "stop_sequence": sequence, "stop_details": details, "container": container}),
        )
    };
    let refused = json!({"type": "refusal", "category": "cyber", "explanation": null});
    let container =
        json!({"id": "container_01", "expires_at": "2026-11-22T00:00:00Z", "skills": null});
    prop_oneof![
        ending("end_turn", None, Value::Null, Value::Null),
        ending("stop_sequence", Some("\n\nHuman:"), Value::Null, Value::Null),
        ending("refusal", None, refused, Value::Null),
        ending("tool_use", None, Value::Null, container),
    ]
}

fn blocks() -> impl Strategy<Value = Value> {
    let citation = text().prop_map(
        |cited| json!({"type": "char_location", "cited_text": cited, "document_index": 0}),
    );
    let citations = prop::option::of(prop::collection::vec(citation, 0..3));
    let caller = json!({"type": "direct"});
    prop_oneof![
        (text(), citations)
            .prop_map(|(text, citations)| json!({"type": "text", "text": text, "citations": citations})),
        text().prop_map(|text| json!({"type": "text", "text": text})),
        text().prop_map(|text| json!({"type": "thinking", "thinking": text, "signature": "c2lnbmVk"})),
        inputs().prop_map(move |input| {
            json!({"type": "tool_use", "id": "toolu_01", "name": "f", "input": input, "caller": caller})
        }),
        inputs().prop_map(|input| json!({"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": input})),
        Just(json!({"type": "redacted_thinking", "data": "UHJvYml0eQ=="})),
        Just(json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_01", "content": [{"type": "web_search_result"}]})),
        text().prop_map(|text| json!({"type": "novel_block", "text": text})),
    ]
}

/// Long enough to be cut, and with characters of every length.
fn text() -> impl Strategy<Value = String> {
    "[a-zé漢🎈\"\\\\\n ]{0,40}"
}

fn inputs() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from)
    ];
    let tree = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z~/]{0,4}", inner, 0..4)
                .prop_map(|members| Map::from_iter(members).into()),
        ]
    });
    prop::collection::btree_map("[a-z]{1,4}", tree, 0..4)
        .prop_map(|members| Map::from_iter(members).into())
}

type Told = Vec<(&'static str, Value)>;

fn tell(message: &Value, telling: &Telling) -> Told {
    let mut noise = telling.noise.iter().copied().cycle();
    let mut cuts = telling.cuts.iter().copied().cycle();
    let mut opening = message.clone();
    opening["content"] = json!([]);
    opening["usage"]["output_tokens"] = json!(1);
    for later in ["stop_reason", "stop_sequence", "stop_details", "container"] {
        opening[later] = Value::Null;
    }
    opening.as_object_mut().unwrap().remove("context_management");
    let mut told: Told = vec![("message_start", json!({"message": opening}))];
    for (index, block) in message["content"].as_array().unwrap().iter().enumerate() {
        let (start, deltas) = split(block, &mut cuts);
        told.push(("content_block_start", json!({"index": index, "content_block": start})));
        for delta in deltas {
            match noise.next().unwrap() {
                Noise::None => {}
                Noise::Ping => told.push(("ping", json!({}))),
                Noise::NovelEvent => {
                    told.push(("novel_event", json!({"index": index, "delta": {"text": "!"}})))
                }
                Noise::NovelDelta => {
                    let novel = json!({"type": "novel_delta", "text": "!", "partial_json": "!"});
                    told.push(("content_block_delta", json!({"index": index, "delta": novel})));
                }
            }
            told.push(("content_block_delta", json!({"index": index, "delta": delta})));
        }
        told.push(("content_block_stop", json!({"index": index})));
    }
    if telling.ends_twice {
        let delta = json!({"stop_reason": null, "stop_sequence": null});
        told.push(("message_delta", json!({"delta": delta, "usage": {"output_tokens": 2}})));
    }
    told.push(("message_delta", ending(message)));
    told.push(("message_stop", json!({})));
    told
}

fn ending(message: &Value) -> Value {
    let members = ["stop_reason", "stop_sequence", "stop_details", "container"];
    let delta: Map<_, _> =
        members.map(|name| (name.to_owned(), message[name].clone())).into_iter().collect();
    // What is not told is not taken away.
    let usage = json!({"output_tokens": message["usage"]["output_tokens"], "input_tokens": null});
    let mut ending = json!({"delta": delta, "usage": usage});
    if let Some(edits) = message.get("context_management") {
        ending["context_management"] = edits.clone();
    }
    ending
}

/// The block as it starts, and its deltas.
fn split(block: &Value, cuts: &mut impl Iterator<Item = usize>) -> (Value, Vec<Value>) {
    let mut start = block.clone();
    let mut deltas = Vec::new();
    match block["type"].as_str().unwrap() {
        "text" => {
            start["text"] = json!("");
            let all = pieces(block["text"].as_str().unwrap(), cuts);
            deltas.extend(all.into_iter().map(|text| json!({"type": "text_delta", "text": text})));
            if let Some(citations) = block["citations"].as_array() {
                // A text that will have citations starts with none, and some servers say so with null.
                start["citations"] = if citations.len() % 2 == 1 { Value::Null } else { json!([]) };
                deltas.extend(
                    citations.iter().map(|one| json!({"type": "citations_delta", "citation": one})),
                );
            }
        }
        "thinking" => {
            start["thinking"] = json!("");
            start["signature"] = json!("");
            let all = pieces(block["thinking"].as_str().unwrap(), cuts);
            deltas.extend(
                all.into_iter().map(|text| json!({"type": "thinking_delta", "thinking": text})),
            );
            deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
        }
        "tool_use" | "server_tool_use" => {
            start["input"] = json!({});
            deltas.push(json!({"type": "input_json_delta", "partial_json": ""}));
            if block["input"] != json!({}) {
                let all = pieces(&block["input"].to_string(), cuts);
                deltas.extend(
                    all.into_iter()
                        .map(|piece| json!({"type": "input_json_delta", "partial_json": piece})),
                );
            }
        }
        // Whatever else is said about a block that nobody knows is left alone.
        "novel_block" => deltas.push(json!({"type": "text_delta", "text": "!"})),
        _ => {}
    }
    (start, deltas)
}

fn pieces(text: &str, cuts: &mut impl Iterator<Item = usize>) -> Vec<String> {
    let mut chars = text.chars().peekable();
    let mut pieces = Vec::new();
    while chars.peek().is_some() {
        pieces.push(chars.by_ref().take(cuts.next().unwrap()).collect());
    }
    pieces
}

fn body(events: &[(&'static str, Value)]) -> String {
    let line = |(name, data): &(&'static str, Value)| {
        let mut data = data.clone();
        data["type"] = json!(name);
        format!("event: {name}\ndata: {data}\n\n")
    };
    events.iter().map(line).collect()
}

/// A stream of one block: this start, these deltas, this stop reason.
#[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
fn one_block(start: Value, deltas: &[Value], stop_reason: &str) -> Told {
    let opening = json!({"type": "message", "content": [], "stop_reason": null, "usage": {"output_tokens": 1}});
    let mut told: Told = vec![
        ("message_start", json!({"message": opening})),
        ("content_block_start", json!({"index": 0, "content_block": start})),
    ];
    let delta = |delta: &Value| ("content_block_delta", json!({"index": 0, "delta": delta}));
    told.extend(deltas.iter().map(delta));
    told.push(("content_block_stop", json!({"index": 0})));
    told.push((
        "message_delta",
        json!({"delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 9}}),
    ));
    told.push(("message_stop", json!({})));
    told
}

/// What becomes of the block.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
fn check(start: Value, deltas: &[Value], expected: Result<Value, FoldError>) {
    let message = fold(body(&one_block(start, deltas, "max_tokens")).as_bytes());
    assert_eq!(message.map(|message| message["content"][0].clone()), expected);
}

#[test]
fn inputs_of_tools() {
    let call =
        |input: Value| json!({"type": "tool_use", "id": "toolu_01", "name": "f", "input": input});
    let piece = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
    check(call(json!({})), &[], Ok(call(json!({}))));
    check(call(json!({})), &[piece(""), piece("")], Ok(call(json!({}))));
    check(call(json!({})), &[piece("{\"a\":"), piece(" 1}")], Ok(call(json!({"a": 1}))));
    check(call(json!({"kept": 1})), &[], Ok(call(json!({"kept": 1}))));
    check(call(json!({})), &[piece("{\"a\":")], Err(FoldError::InputUnfinished { index: 0 }));
    check(call(json!({})), &[piece("[1]")], Err(FoldError::InputUnfinished { index: 0 }));
}

#[test]
fn a_compaction_comes_whole() {
    let delta =
        json!({"type": "compaction_delta", "content": "Summed up.", "encrypted_content": "eA=="});
    let whole = json!({"type": "compaction", "content": "Summed up.", "encrypted_content": "eA=="});
    check(json!({"type": "compaction", "content": null}), &[delta], Ok(whole));
}

#[test]
fn what_passes_the_grammar_and_cannot_be_read() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for odd in [deep.as_str(), r#""\ud800""#] {
        let told = body(&one_block(json!({"type": "text", "text": ""}), &[], "end_turn"));
        let odd = told.replace(r#""usage":{"output_tokens":9}"#, &format!(r#""usage":{odd}"#));
        assert_ne!(odd, told);
        assert_eq!(fold(odd.as_bytes()), Err(FoldError::Unreadable { event_idx: 3 }));
    }
}

#[test]
fn an_endless_stream_is_given_up() {
    let long = "x".repeat(8 << 20);
    let data = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": long}});
    let delta =
        Event { name: "content_block_delta".into(), data: data.to_string(), ..Event::default() };
    let mut folder = Folder::default();
    for (name, data) in
        one_block(json!({"type": "text", "text": ""}), &[], "end_turn").iter().take(2)
    {
        let data = body(&[(*name, data.clone())]);
        let data = data.lines().nth(1).unwrap()["data: ".len()..].to_owned();
        folder.event(&Event { name: (*name).to_owned(), data, ..Event::default() });
    }
    for _ in 0..9 {
        folder.event(&delta);
    }
    assert_eq!(folder.finish(), Err(FoldError::TooLong));
}

/// Every stream among the replies that is classified as whole has a message, and no other; but one is cut short
/// within a tool's input, and one is whole although its connection is reset afterwards.
#[test]
fn the_replies_that_are_whole_have_a_message() {
    let mut folded = 0;
    for script in streams() {
        let observation = script.observation();
        let class = classify(&observation);
        let reply = match &observation {
            Observation::Reply(reply) => Some(reply),
            Observation::Cut(cut) => cut.partial.as_ref(),
            Observation::Unsendable(_) => None,
        };
        let Some(reply) = reply else { continue };
        let message = fold(&reply.body);
        folded += usize::from(message.is_ok());
        let is_whole = match &*script.name {
            "sse-max-tokens-tool" => {
                assert_eq!(message, Err(FoldError::InputUnfinished { index: 0 }));
                false
            }
            "sse-complete-then-reset" => true,
            _ => class == Class::Streamed,
        };
        assert_eq!(message.is_ok(), is_whole, "{}: {class}, {message:?}", script.name);
    }
    assert!(20 <= folded, "{folded}");
}

#[test]
fn a_broken_grammar_is_named_at_its_place() {
    let script =
        streams().into_iter().find(|script| script.name == "sse-interleaved-texts").unwrap();
    let Err(FoldError::Malformed(defect)) = fold(&script.body) else { panic!("it has a message") };
    assert_eq!((defect.event_idx, defect.rule), (2, Rule::BlockOverlap));
    let error = FoldError::Malformed(defect).to_string();
    assert_eq!(error, "it breaks the grammar at event 2: stream/block-overlap");
}

#[test]
fn line_ends_and_noise_make_no_difference() {
    let message = |name: &str| {
        let script = streams().into_iter().find(|script| script.name == name).unwrap();
        fold(&script.body).unwrap()
    };
    let plain = message("sse-text");
    for name in [
        "sse-cr",
        "sse-crlf",
        "sse-mixed-line-ends",
        "sse-pings",
        "sse-unknown-event",
        "sse-unknown-delta",
    ] {
        assert_eq!(differences(&message(name), &plain), [], "{name}");
    }
}

fn streams() -> Vec<Script> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs/replies");
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("specs/replies is a folder") {
        let path = entry.expect("specs/replies can be read").path();
        let name = path.file_stem().expect("a reply has a name").to_string_lossy().into_owned();
        if name.starts_with("sse-") {
            let text = read(&path);
            scripts.push(Script::parse(&name, &text).unwrap_or_else(|error| panic!("{error}")));
        }
    }
    scripts
}

#[expect(
    clippy::disallowed_methods,
    reason = "the crate is pure, its test reads the files it is about"
)]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a reply is UTF-8")
}
