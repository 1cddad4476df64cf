//! From facts to complaints.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::exercises::{Exercise, Expect, Is, Raises};
use crate::{Client, Language};

/// The one whose helper overlooks things.
const OLD_PYTHON: &str = "python-old";

/// Enough of the facts to see what they are about.
const FACT_CHARS_MAX: usize = 1000;

/// Everything that is not as the table says; canaries that nobody noticed included.
pub(crate) fn judge(client: Client, exercises: &[Exercise], facts: &[Value]) -> Vec<String> {
    assert_eq!(exercises.len(), facts.len());
    let mut complaints = Vec::new();
    for (exercise, fact) in exercises.iter().zip(facts) {
        let found = check(client, exercise, fact);
        match (exercise.is_canary, found.is_empty()) {
            (true, true) => complaints.push(format!("{}: a canary that lives", exercise.name)),
            (false, false) => {
                let fact: String = fact.to_string().chars().take(FACT_CHARS_MAX).collect();
                complaints.push(format!("{}:\n- {}\n{fact}", exercise.name, found.join("\n- ")));
            }
            _ => {}
        }
    }
    complaints
}

fn check(client: Client, exercise: &Exercise, fact: &Value) -> Vec<String> {
    if fact["exercise"] != json!(exercise.name) {
        return vec!["facts of another exercise".to_owned()];
    }
    match (&exercise.expect, &fact["ok"]) {
        (Expect::Returns(rows), Value::Bool(true)) => returned(client, rows, &fact["got"]),
        (Expect::Raises(raises), Value::Bool(false)) => {
            raised(client, raises, &fact["got"]["error"])
        }
        (Expect::Returns(_), _) => vec!["it raised".to_owned()],
        (Expect::Raises(_), _) => vec!["it returned".to_owned()],
    }
}

fn returned(client: Client, rows: &[(&str, Is)], got: &Value) -> Vec<String> {
    let mut got = got.clone();
    let mut found = Vec::new();
    if let Some(events) = got["events"].as_array() {
        let Some(folded) = fold(events) else {
            return vec!["its events are no whole stream".to_owned()];
        };
        match got.get("message") {
            Some(message) => found.extend(folded_otherwise(client, &folded, message)),
            None => got["message"] = folded,
        }
    }
    if got.get("told").is_some() {
        found.extend(untold(client, &got));
    }
    found.extend(rows.iter().filter_map(|row| unlike(&got, row)));
    found.extend(messages(&got).flat_map(malformed));
    found
}

fn unlike(got: &Value, (pointer, is): &(&str, Is)) -> Option<String> {
    let value = got.pointer(pointer).unwrap_or(&Value::Null);
    let items = || value.as_array().map(Vec::as_slice).unwrap_or_default();
    let holds = match is {
        Is::Equal(expected) => value == expected,
        Is::Either(parts) => parts.iter().any(|part| covers(value, part)),
        Is::Every(part) => !items().is_empty() && items().iter().all(|item| covers(item, part)),
        Is::Has(part) => items().iter().any(|item| covers(item, part)),
        Is::Len(length) => items().len() == *length,
        Is::Positive => value.as_u64().is_some_and(|number| number > 0),
        Is::Same(other) => !value.is_null() && got.pointer(other) == Some(value),
        Is::Starts(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
        Is::Text => value.as_str().is_some_and(|text| !text.is_empty()),
        Is::Unique => {
            let different: HashSet<_> = items().iter().map(Value::to_string).collect();
            different.len() == items().len()
        }
    };
    (!holds).then(|| format!("{pointer} is {value}, not {is:?}"))
}

/// Whether a value has at least these members, those of its items included.
fn covers(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (Value::Object(value), Value::Object(part)) => {
            part.iter().all(|(name, part)| value.get(name).is_some_and(|value| covers(value, part)))
        }
        (Value::Array(values), Value::Array(parts)) => {
            values.len() == parts.len()
                && values.iter().zip(parts).all(|(value, part)| covers(value, part))
        }
        _ => value == part,
    }
}

/// Every message among what was returned.
fn messages(got: &Value) -> impl Iterator<Item = &Value> {
    let turns = got["turns"].as_array().into_iter().flatten();
    ["first", "message"]
        .into_iter()
        .filter_map(|name| got.get(name))
        .chain(turns)
        .filter(is_message)
}

fn is_message(value: &&Value) -> bool {
    value["type"] == "message"
}

/// What no complete message may lack, whatever it answers.
fn malformed(message: &Value) -> Vec<String> {
    let head = [
        ("/id", Is::Starts("msg_")),
        ("/role", Is::Equal(json!("assistant"))),
        ("/model", Is::Starts("claude-")),
        ("/stop_reason", Is::Text),
        ("/usage/input_tokens", Is::Positive),
    ];
    let mut found: Vec<_> = head.iter().filter_map(|row| unlike(message, row)).collect();
    if !message["usage"]["output_tokens"].is_u64() {
        found.push("it does not say what it cost".to_owned());
    }
    for block in message["content"].as_array().into_iter().flatten() {
        let rows = match block["type"].as_str().unwrap_or_default() {
            "text" => vec![("/text", Is::Text)],
            "thinking" => vec![("/signature", Is::Text)],
            "redacted_thinking" => vec![("/data", Is::Text)],
            "tool_use" => vec![("/id", Is::Starts("toolu_")), ("/name", Is::Text)],
            "server_tool_use" => vec![("/id", Is::Starts("srvtoolu_")), ("/name", Is::Text)],
            kind if kind.ends_with("_tool_result") => {
                vec![("/tool_use_id", Is::Starts("srvtoolu_"))]
            }
            _ => vec![("/type", Is::Text)],
        };
        found.extend(rows.iter().filter_map(|row| unlike(block, row)));
    }
    found
}

/// Whether what the helper told piece by piece is what the final message says.
fn untold(client: Client, got: &Value) -> Vec<String> {
    let (told, mut said) = (&got["told"], Told::default());
    for block in got["message"]["content"].as_array().into_iter().flatten() {
        let text = |name: &str| block[name].as_str().unwrap_or_default();
        match block["type"].as_str().unwrap_or_default() {
            "text" => {
                said.text += text("text");
                said.citation += block["citations"].as_array().map_or(0, Vec::len);
            }
            "thinking" => {
                said.thinking += text("thinking");
                said.signature += 1;
            }
            // Its helper does not tell these.
            "server_tool_use" if client.name == OLD_PYTHON => {}
            "tool_use" | "server_tool_use" => said.inputs.push(block["input"].clone()),
            _ => {}
        }
    }
    let input_json = told["input_json"].as_str().unwrap_or_default();
    let inputs: Result<Vec<Value>, _> =
        serde_json::Deserializer::from_str(input_json).into_iter().collect();
    let rows = [
        ("text", told["text"] == json!(said.text)),
        ("thinking", told["thinking"] == json!(said.thinking)),
        ("signature", told["signature"] == json!(said.signature)),
        ("citation", told["citation"] == json!(said.citation)),
        ("input_json", inputs.is_ok_and(|inputs| inputs == said.inputs)),
    ];
    let wrong = rows.iter().filter(|(_, holds)| !holds);
    wrong.map(|(name, _)| format!("{name} was told otherwise than the message says")).collect()
}

#[derive(Default)]
struct Told {
    text: String,
    thinking: String,
    signature: usize,
    citation: usize,
    inputs: Vec<Value>,
}

/// Whether the events come to the message that the helper made of them.
fn folded_otherwise(client: Client, folded: &Value, message: &Value) -> Option<String> {
    let mut folded = folded.clone();
    if client.name == OLD_PYTHON {
        // Its helper leaves these out.
        folded.as_object_mut().unwrap().remove("container");
        folded["usage"].as_object_mut().unwrap().remove("output_tokens_details");
    }
    (!covers(message, &folded))
        .then(|| format!("its events come to {folded}, the helper to {message}"))
}

fn fold(events: &[Value]) -> Option<Value> {
    let (first, last) = (events.first()?, events.last()?);
    if first["type"] != "message_start" || last["type"] != "message_stop" {
        return None;
    }
    let mut message = first["message"].clone();
    let mut json = String::new();
    for event in &events[1..] {
        let content = message["content"].as_array_mut()?;
        match event["type"].as_str()? {
            "content_block_start" => {
                (event["index"].as_u64()? == content.len() as u64).then_some(())?;
                content.push(event["content_block"].clone());
            }
            "content_block_delta" => add(content.last_mut()?, &event["delta"], &mut json)?,
            "content_block_stop" if !json.is_empty() => {
                content.last_mut()?["input"] = serde_json::from_str(&json).ok()?;
                json.clear();
            }
            "message_delta" => {
                for (from, into) in [("/delta", ""), ("/usage", "/usage")] {
                    let told = event.pointer(from)?.as_object()?.clone();
                    let told = told.into_iter().filter(|(_, value)| !value.is_null());
                    message.pointer_mut(into)?.as_object_mut()?.extend(told);
                }
            }
            _ => {}
        }
    }
    Some(message)
}

fn add(block: &mut Value, delta: &Value, json: &mut String) -> Option<()> {
    let mut append = |name: &str| {
        let whole = [block[name].as_str()?, delta[name].as_str()?].concat();
        block[name] = json!(whole);
        Some(())
    };
    match delta["type"].as_str()? {
        "text_delta" => append("text"),
        "thinking_delta" => append("thinking"),
        "signature_delta" => append("signature"),
        "input_json_delta" => {
            json.push_str(delta["partial_json"].as_str()?);
            Some(())
        }
        "citations_delta" => {
            if block["citations"].is_null() {
                block["citations"] = json!([]);
            }
            block["citations"].as_array_mut()?.push(delta["citation"].clone());
            Some(())
        }
        _ => None,
    }
}

fn raised(client: Client, raises: &Raises, error: &Value) -> Vec<String> {
    let code = raises.code.filter(|_| client.is_new());
    let mut rows = vec![
        ("/is_of_sdk", Is::Equal(json!(true))),
        ("/status", Is::Equal(json!(raises.status))),
        ("/type", Is::Equal(json!(raises.error_type))),
        ("/code", Is::Equal(json!(code))),
        ("/request_id", Is::Starts("req_")),
    ];
    if raises.status == 429 {
        rows.push(("/retry_after", Is::Text));
    }
    let mut found: Vec<_> = rows.iter().filter_map(|row| unlike(error, row)).collect();
    let class = class(client, raises.status);
    if !error["classes"].as_array().is_some_and(|classes| classes.contains(&json!(class))) {
        found.push(format!("it is no {class}"));
    }
    found
}

/// What the SDK calls a status.
fn class(client: Client, status: u16) -> &'static str {
    match (status, client.is_new(), client.language) {
        (400, ..) => "BadRequestError",
        (401, ..) => "AuthenticationError",
        (404, ..) => "NotFoundError",
        (413, true, _) => "ContentTooLargeError",
        (413, false, Language::Python) => "RequestTooLargeError",
        // It had no name for it.
        (413, false, Language::TypeScript) => "APIError",
        (429, ..) => "RateLimitError",
        _ => panic!("no exercise raises {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exercises::{raises, returns};

    const NEW: Client =
        Client { name: "python", language: Language::Python, api_version: "2026-10-21" };

    fn check(exercise: Exercise, fact: &Value, expected: Option<&str>) {
        let complaints = judge(NEW, &[exercise], std::slice::from_ref(fact));
        match expected {
            None => assert_eq!(complaints, [""; 0]),
            Some(part) => assert!(complaints.concat().contains(part), "{part}: {complaints:?}"),
        }
    }

    fn hello() -> Value {
        json!({
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-a",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        })
    }

    fn fact(ok: bool, got: &Value) -> Value {
        json!({"exercise": "a", "ok": ok, "got": got})
    }

    #[test]
    fn what_is_returned() {
        let greets = || returns("a", "create", json!({})).at("/message/stop_reason", Is::Text);
        let says = |message: Value| fact(true, &json!({"message": message}));
        check(greets(), &says(hello()), None);
        for (pointer, wrong) in
            [("/id", json!("1")), ("/stop_reason", Value::Null), ("/content/0/text", json!(""))]
        {
            let mut message = hello();
            *message.pointer_mut(pointer).unwrap() = wrong;
            check(greets(), &says(message), Some(pointer.rsplit('/').next().unwrap()));
        }
        check(greets(), &json!({"exercise": "b", "ok": true, "got": {}}), Some("another"));
        check(greets(), &fact(false, &json!({})), Some("it raised"));
        check(greets().canary(), &says(hello()), Some("a canary that lives"));
        check(greets().canary(), &fact(false, &json!({})), None);
    }

    #[test]
    fn what_is_raised() {
        let refused = || raises("a", "create", json!({}), 404, "not_found_error");
        let says = |class: &str, error_type: &str| {
            let error = json!({
                "classes": [class],
                "is_of_sdk": true,
                "status": 404,
                "type": error_type,
                "request_id": "req_1",
            });
            fact(false, &json!({"error": error}))
        };
        check(refused(), &says("NotFoundError", "not_found_error"), None);
        check(refused(), &says("APIStatusError", "not_found_error"), Some("no NotFoundError"));
        check(refused(), &says("NotFoundError", "api_error"), Some("/type"));
        check(refused(), &fact(true, &json!({})), Some("it returned"));
    }

    /// A stream that says `H` and this.
    fn events(text: &str) -> Value {
        let mut start = hello();
        (start["content"], start["stop_reason"]) = (json!([]), Value::Null);
        let empty = json!({"type": "text", "text": ""});
        let delta = |text: &str| {
            let delta = json!({"type": "text_delta", "text": text});
            json!({"type": "content_block_delta", "index": 0, "delta": delta})
        };
        let (stop, usage) = (json!({"stop_reason": "end_turn"}), json!({"output_tokens": 1}));
        json!([
            {"type": "message_start", "message": start},
            {"type": "content_block_start", "index": 0, "content_block": empty},
            delta("H"),
            delta(text),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": stop, "usage": usage},
            {"type": "message_stop"},
        ])
    }

    #[test]
    fn what_is_streamed() {
        let stream = || returns("a", "stream", json!({}));
        let says = |events: Value, text: &str| {
            let mut told = json!({"thinking": "", "input_json": "", "signature": 0, "citation": 0});
            told["text"] = json!(text);
            fact(true, &json!({"events": events, "told": told, "message": hello()}))
        };
        check(stream(), &says(events("i"), "Hi"), None);
        check(stream(), &says(events("i"), "Ho"), Some("text was told otherwise"));
        check(stream(), &says(events("o"), "Hi"), Some("its events come to"));
        let mut cut = events("i");
        cut.as_array_mut().unwrap().pop();
        check(stream(), &says(cut, "Hi"), Some("no whole stream"));

        let raw = |text: &str| {
            let is = Is::Has(json!({"text": text}));
            returns("a", "events", json!({})).at("/message/content", is)
        };
        check(raw("Hi"), &fact(true, &json!({"events": events("i")})), None);
        check(raw("Ho"), &fact(true, &json!({"events": events("i")})), Some("/message/content"));
    }
}
