//! What a server has at all, asked before anything else: one plain request for each feature, made by hand.
//!
//! An answer is read kindly: whether the feature is there, not whether the answer is right, which the cases ask.

use classify::http::KEY_PLACEHOLDER;
use classify::{Body, Class, CutKind, Headers, Observation, Reply, Request, classify, envelope};
use serde_json::{Value, json};

use super::feature::Feature;
use crate::version::Version;

/// One question.
#[derive(Clone, Debug)]
pub struct Question {
    pub feature: Feature,
    pub request: Request,
}

/// What came of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Support {
    Works,
    /// Refused in words that name it.
    Declared(String),
    /// There is no such path or method, with the status that says so.
    Missing(u16),
    /// Answered, and not as it must be.
    Broken(String),
    /// The answer says nothing: a limit, a lost connection.
    Unknown(String),
}

impl Support {
    /// The stable name used in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Declared(_) => "declared-unsupported",
            Self::Missing(_) => "missing",
            Self::Broken(_) => "broken",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether the server itself says that it has no such thing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Declared(_) | Self::Missing(_))
    }

    /// What was seen, in a line; empty if it works.
    pub fn text(&self) -> String {
        match self {
            Self::Works => String::new(),
            Self::Declared(words) | Self::Broken(words) | Self::Unknown(words) => words.clone(),
            Self::Missing(status) => format!("answers {status}"),
        }
    }
}

/// A key that opens nothing anywhere.
const WRONG_KEY: &str = "sk-ant-api03-probity-no-such-key";
/// As much as a short answer takes; one that thinks is given more.
const MAX_TOKENS: u64 = 64;
/// The least that the oldest form of thinking takes, and room for an answer.
const THINKING_TOKENS: u64 = 1024;
/// One dot.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==";
/// The words of an error that are kept.
const WORDS_MAX: usize = 160;

/// The plainest message there is: it must be served before anything else is worth asking.
pub fn hello(version: Version, model: &str) -> Request {
    post("/v1/messages", version, &plain(model))
}

/// One question for each feature. `thinking` is the form that the model takes.
pub fn questions(version: Version, model: &str, thinking: &str) -> Vec<Question> {
    let create = |feature, extra: Value| {
        let mut body = plain(model);
        merge(&mut body, extra);
        Question { feature, request: post("/v1/messages", version, &body) }
    };
    let weather = json!([{"name": "get_weather", "description": "The weather in a city.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]);
    let says = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let hosted = |kind: &str, name: &str| json!({"tools": [{"type": kind, "name": name}]});
    let thinking = match thinking {
        "enabled" => json!({"max_tokens": THINKING_TOKENS + MAX_TOKENS,
            "thinking": {"type": "enabled", "budget_tokens": THINKING_TOKENS}}),
        form => json!({"max_tokens": THINKING_TOKENS + MAX_TOKENS, "thinking": {"type": form}}),
    };
    // Two rounds, as in an agent's third request: some servers take the one, and look for the user's words in the other.
    let call = |id, city| json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "get_weather", "input": {"city": city}}]});
    let answer = |id, content| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": content}]});
    let rounds = json!({"tools": weather, "messages": [
        {"role": "user", "content": "What is the weather in Oslo and in Bergen?"},
        call("toolu_01Probe", "Oslo"), answer("toolu_01Probe", "4 degrees, rain"),
        call("toolu_02Probe", "Bergen"), answer("toolu_02Probe", "6 degrees, rain")]});
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}},
        "required": ["city"], "additionalProperties": false});
    let text_document = |citations: bool| {
        says(
            json!([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Oslo is in Norway."},
            "citations": {"enabled": citations}}, {"type": "text", "text": "Where is Oslo?"}]),
        )
    };
    let image = |source: Value| {
        says(
            json!([{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]),
        )
    };
    let mut questions = vec![
        create(Feature::Streaming, json!({"stream": true})),
        create(Feature::System, json!({"system": "Be brief."})),
        create(Feature::StopSequences, json!({"stop_sequences": ["END"]})),
        create(Feature::Tools, json!({"tools": weather})),
        create(Feature::ToolChoice, json!({"tools": weather, "tool_choice": {"type": "none"}})),
        create(
            Feature::ParallelTools,
            json!({"tools": weather, "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        ),
        create(Feature::ToolResults, rounds),
        create(
            Feature::Images,
            image(json!({"type": "base64", "media_type": "image/png", "data": PNG})),
        ),
        create(Feature::Documents, text_document(false)),
        create(Feature::Citations, text_document(true)),
        create(
            Feature::SearchResults,
            says(json!([{"type": "search_result", "source": "atlas", "title": "Oslo",
                "content": [{"type": "text", "text": "Oslo is in Norway."}]}, {"type": "text", "text": "Where is Oslo?"}])),
        ),
        create(Feature::Thinking, thinking),
        create(
            Feature::StructuredOutput,
            json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
        ),
        create(Feature::Metadata, json!({"metadata": {"user_id": "probity"}})),
        create(
            Feature::PromptCaching,
            json!({"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]}),
        ),
        create(Feature::ServiceTier, json!({"service_tier": "auto"})),
        create(Feature::WebSearch, hosted("web_search_20250305", "web_search")),
        create(Feature::WebFetch, hosted("web_fetch_20250910", "web_fetch")),
        create(Feature::CodeExecution, hosted("code_execution_20250825", "code_execution")),
        create(Feature::BashTool, hosted("bash_20250124", "bash")),
        create(Feature::TextEditor, hosted("text_editor_20250728", "str_replace_based_edit_tool")),
        create(Feature::MemoryTool, hosted("memory_20250818", "memory")),
    ];
    let count = json!({"model": model, "messages": [{"role": "user", "content": "Hello."}]});
    let count = post("/v1/messages/count_tokens", version, &count);
    questions.push(Question { feature: Feature::CountTokens, request: count });
    let plain_gets = [(Feature::Models, "/v1/models"), (Feature::Batches, "/v1/messages/batches")];
    questions.extend(
        plain_gets.map(|(feature, path)| Question { feature, request: get(path, version) }),
    );
    let mut wrong_key = hello(version, model);
    wrong_key.headers.replace("x-api-key", WRONG_KEY);
    questions.push(Question { feature: Feature::Keys, request: wrong_key });
    questions.extend(Version::ALL.map(|version| Question {
        feature: Feature::of_version(version),
        request: hello(version, model),
    }));
    questions
}

/// What the answer to a question says.
pub fn read(feature: Feature, observation: &Observation) -> Support {
    let class = classify(observation);
    let Observation::Reply(reply) = observation else {
        return match class {
            Class::Unreachable(CutKind::TimedOut) => {
                Support::Broken("no answer in time".to_owned())
            }
            class => Support::Unknown(format!("no answer: {class}")),
        };
    };
    match (feature, class) {
        (
            _,
            Class::RateLimited
            | Class::RateLimitDisguised
            | Class::SpendLimited
            | Class::Overloaded,
        ) => Support::Unknown("limited".to_owned()),
        (Feature::Keys, Class::Unauthorized | Class::PermissionDenied) => Support::Works,
        (Feature::Keys, class) if class.is_success() => {
            Support::Broken("a key that cannot be known is served".to_owned())
        }
        (Feature::Keys, class) => {
            Support::Broken(format!("a wrong key is answered {} {class}", reply.status))
        }
        (Feature::Streaming, Class::Streamed) => Support::Works,
        (Feature::Streaming, Class::Accepted) => {
            Support::Broken("answers `stream: true` with one JSON document".to_owned())
        }
        (_, Class::Accepted) => read_success(feature, reply),
        _ => refused(feature, class, reply),
    }
}

fn read_success(feature: Feature, reply: &Reply) -> Support {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let is_there = match feature {
        Feature::CountTokens => body["input_tokens"].is_u64(),
        Feature::Models | Feature::Batches => body["data"].is_array(),
        _ => body["content"].is_array(),
    };
    if is_there { Support::Works } else { Support::Broken("a success of another shape".to_owned()) }
}

fn refused(feature: Feature, class: Class, reply: &Reply) -> Support {
    let words = words(reply);
    if (400..500).contains(&reply.status) && denies(feature, &words) {
        return Support::Declared(format!("{}: {words}", reply.status));
    }
    let has_path = matches!(
        feature,
        Feature::Batches | Feature::CountTokens | Feature::Messages | Feature::Models
    );
    match reply.status {
        status @ (404 | 405 | 501) if has_path => Support::Missing(status),
        501 => Support::Declared(format!("501: {words}")),
        status if words.is_empty() => Support::Broken(format!("{status} {class}")),
        status => Support::Broken(format!("{status} {class}: {words}")),
    }
}

/// What an error says, on one line; empty if it is not in words. The reply is without secrets already: half of one
/// would no longer be known as such.
pub fn words(reply: &Reply) -> String {
    let message = match envelope::parse(&reply.body) {
        Some(envelope) => envelope.message.into_owned(),
        None => serde_json::from_slice::<Value>(&reply.body)
            .ok()
            .and_then(|body| {
                body["message"].as_str().or_else(|| body["detail"].as_str()).map(str::to_owned)
            })
            .unwrap_or_default(),
    };
    line(&message)
}

/// What an error says, in whatever form: its words, or how its body begins.
pub fn first_words(reply: &Reply) -> String {
    let words = words(reply);
    if words.is_empty() { line(&String::from_utf8_lossy(&reply.body)) } else { words }
}

/// The beginning, on one line, and nothing in it that a terminal would obey.
fn line(text: &str) -> String {
    let words = text.split_whitespace().flat_map(|word| [" ", word]).skip(1);
    let mut line = String::new();
    for c in words.flat_map(str::chars).take(WORDS_MAX) {
        match c {
            // What writes from right to left would turn the rest of the report.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => line.extend(c.escape_unicode()),
            _ if c.is_control() => line.extend(c.escape_unicode()),
            _ => line.push(c),
        }
    }
    line
}

/// Whether the words say that there is no such feature: they name it, and deny it.
pub fn denies(feature: Feature, words: &str) -> bool {
    has_denial(words) && feature.is_named_in(&words.to_lowercase())
}

/// Whether the words deny content of any kind but text, without naming which.
pub fn denies_content(words: &str) -> bool {
    const TEXT_ONLY: [&str; 3] = ["text only", "only text", "content type"];
    let small = words.to_lowercase();
    has_denial(&small) && TEXT_ONLY.iter().any(|text| small.contains(text))
}

/// Whether the words miss a text, and say that what stands in its place is not taken.
pub fn misses_text(words: &str) -> bool {
    has_denial(words) && words.to_lowercase().contains("no text content")
}

fn has_denial(words: &str) -> bool {
    const DENIALS: [&str; 16] = [
        "not support",
        "unsupported",
        "not implement",
        "unimplemented",
        "not available",
        "unavailable",
        "not enabled",
        "disabled",
        "not accept",
        "unknown param",
        "unknown field",
        "unrecognized",
        "extra inputs are not permitted",
        "only support",
        "can't convert",
        "cannot convert",
    ];
    let words = words.to_lowercase();
    DENIALS.iter().any(|denial| words.contains(denial))
}

fn plain(model: &str) -> Value {
    json!({"model": model, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": "Hello."}]})
}

fn merge(body: &mut Value, extra: Value) {
    if let (Some(body), Value::Object(extra)) = (body.as_object_mut(), extra) {
        body.extend(extra);
    }
}

fn post(path: &'static str, version: Version, body: &Value) -> Request {
    let mut request = get(path, version);
    request.method = "POST".into();
    request.headers.push("content-type", "application/json");
    request.body = Body::Bytes(body.to_string().into());
    request
}

fn get(path: &'static str, version: Version) -> Request {
    let mut headers = Headers::default();
    headers.push("x-api-key", KEY_PLACEHOLDER);
    headers.push("anthropic-version", version.name());
    Request { method: "GET".into(), target: path.into(), headers, body: Body::Empty }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::feature;
    use crate::version::OperationId;

    #[test]
    fn a_question_is_about_its_feature() {
        for question in questions(Version::V2023_06_01, "claude-sonnet-5", "adaptive") {
            let operation = match question.request.path() {
                "/v1/messages" => OperationId::MessagesCreate,
                "/v1/messages/count_tokens" => OperationId::MessagesCountTokens,
                "/v1/models" => OperationId::ModelsList,
                _ => OperationId::BatchesList,
            };
            let version =
                question.request.headers.get("anthropic-version").and_then(Version::parse);
            let features = feature::of(version.unwrap(), operation, &question.request);
            let is_about = features.has(question.feature) || question.feature == Feature::Keys;
            assert!(is_about, "{}", question.feature);
        }
    }

    fn check(feature: Feature, status: u16, body: &str, expected: &str) {
        let mut reply = Reply { status, body: body.to_owned().into(), ..Reply::default() };
        reply.headers.push("content-type", "application/json");
        let support = read(feature, &Observation::Reply(reply));
        assert_eq!(format!("{} {}", support.name(), support.text()).trim(), expected);
    }

    fn error(message: &str) -> String {
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}})
            .to_string()
    }

    #[test]
    fn words_are_on_a_line_and_obeyed_by_no_terminal() {
        let check = |body: &str, words: &str, first: &str| {
            let reply = Reply { body: body.to_owned().into(), ..Reply::default() };
            assert_eq!((&*super::words(&reply), &*first_words(&reply)), (words, first));
        };
        check(
            &error("a \n b\t\u{1b}[31mc \u{202e}d"),
            "a b \\u{1b}[31mc \\u{202e}d",
            "a b \\u{1b}[31mc \\u{202e}d",
        );
        check("<h1>Not\n found</h1>", "", "<h1>Not found</h1>");
        check("{\"detail\": \"no\"}", "no", "no");
        let long = "é".repeat(WORDS_MAX + 1);
        check(&long, "", &long[..long.len() - 2]);
    }

    #[test]
    fn a_clear_refusal_names_the_feature_and_denies_it() {
        let images = Feature::Images;
        check(
            images,
            400,
            &error("This model does not support image input."),
            "declared-unsupported 400: This model does not support image input.",
        );
        check(
            images,
            400,
            &error("messages.0.content: Input should be a string"),
            "broken 400 invalid-request: messages.0.content: Input should be a string",
        );
        check(
            images,
            400,
            &error("documents are not supported"),
            "broken 400 invalid-request: documents are not supported",
        );
        check(
            images,
            500,
            &error("images are not supported"),
            "broken 500 server-error: images are not supported",
        );
        check(images, 501, "", "declared-unsupported 501:");
        check(Feature::Batches, 404, "{\"detail\":\"Not Found\"}", "missing answers 404");
        check(Feature::Batches, 405, "", "missing answers 405");
        check(Feature::CountTokens, 200, "{\"tokens\":1}", "broken 200 malformed");
        check(Feature::Models, 200, "{\"data\":[],\"has_more\":false}", "works");
    }
}
