//! The table: what the SDKs are called with, and what has to come of it.

use serde_json::{Map, Value, json};

use crate::Client;

/// One call of an SDK, or the few that make one story.
pub(crate) struct Exercise {
    pub(crate) name: String,
    /// Of the SDK, as the scripts name them.
    pub(crate) surface: &'static str,
    /// What the script is told beside that.
    pub(crate) run: Map<String, Value>,
    pub(crate) expect: Expect,
    /// Expects what is wrong, so the judge has to complain.
    pub(crate) is_canary: bool,
}

#[derive(Debug)]
pub(crate) enum Expect {
    /// What is where.
    Returns(Vec<(&'static str, Is)>),
    Raises(Raises),
}

#[derive(Debug)]
pub(crate) struct Raises {
    pub(crate) status: u16,
    pub(crate) error_type: &'static str,
    /// Only newer SDKs know codes.
    pub(crate) code: Option<&'static str>,
}

/// What is at a pointer.
#[derive(Debug)]
pub(crate) enum Is {
    /// With at least the members of one of them.
    Either([Value; 2]),
    Equal(Value),
    /// A list, not empty, all of whose items have at least these members.
    Every(Value),
    /// A list with such an item.
    Has(Value),
    Len(usize),
    Positive,
    /// The same as at another pointer, and something.
    Same(&'static str),
    Starts(&'static str),
    /// Not empty.
    Text,
    /// A list without duplicates.
    Unique,
}

use Is::*;

pub(crate) fn returns(name: &str, surface: &'static str, params: Value) -> Exercise {
    let run = Map::from_iter([("params".to_owned(), params)]);
    let expect = Expect::Returns(Vec::new());
    Exercise { name: name.to_owned(), surface, run, expect, is_canary: false }
}

pub(crate) fn raises(
    name: &str,
    surface: &'static str,
    params: Value,
    status: u16,
    error_type: &'static str,
) -> Exercise {
    let expect = Expect::Raises(Raises { status, error_type, code: None });
    Exercise { expect, ..returns(name, surface, params) }
}

fn invalid(name: &str, surface: &'static str, params: Value) -> Exercise {
    raises(name, surface, params, 400, "invalid_request_error")
}

impl Exercise {
    /// Says what has to be at a pointer.
    pub(crate) fn at(mut self, pointer: &'static str, is: Is) -> Self {
        match &mut self.expect {
            Expect::Returns(rows) => rows.push((pointer, is)),
            Expect::Raises(_) => panic!("{}: it raises", self.name),
        }
        self
    }

    fn stops(self, reason: &str) -> Self {
        self.at("/message/stop_reason", Equal(json!(reason)))
    }

    fn says(self, block: Value) -> Self {
        self.at("/message/content", Has(block))
    }

    fn coded(mut self, code: &'static str) -> Self {
        if let Expect::Raises(raises) = &mut self.expect {
            raises.code = Some(code);
        }
        self
    }

    pub(crate) fn canary(self) -> Self {
        Self { is_canary: true, ..self }
    }

    /// Tells the script more.
    fn told(mut self, name: &str, value: Value) -> Self {
        self.run.insert(name.to_owned(), value);
        self
    }
}

/// Every exercise that this client can do.
pub(crate) fn exercises(client: Client) -> Vec<Exercise> {
    let about = returns("about", "about", Value::Null)
        .at("/name", Text)
        .at("/version", Text)
        .at("/language", Equal(json!(format!("{:?}", client.language).to_lowercase())));
    let mut all = vec![about];
    all.extend(messages());
    all.extend(conversations());
    all.extend(streams());
    all.extend(batches());
    all.extend(models(client));
    all.extend(refused(client));
    all
}

/// What is asked of a server that takes two requests in a minute.
pub(crate) fn limited() -> Vec<Exercise> {
    vec![
        returns("first", "create", ask("Hello")).stops("end_turn"),
        returns("second", "create", ask("Hello")).stops("end_turn"),
        raises("third", "create", ask("Hello"), 429, "rate_limit_error"),
    ]
}

fn messages() -> Vec<Exercise> {
    let create = |name: &str, params| returns(name, "create", params);
    let short = || with(ask("Hello"), json!({"max_tokens": 1}));
    let system = json!({"system": [{"type": "text", "text": "Be brief."}]});
    let format = json!({"format": {"type": "json_schema", "schema": object("n", "integer")}});
    let call = json!({"type": "tool_use", "name": "weather", "caller": {"type": "direct"}});
    vec![
        create("message", ask("Hello"))
            .stops("end_turn")
            .says(json!({"type": "text"}))
            .at("/request_id", Starts("req_"))
            .at("/message/model", Equal(json!(MODEL)))
            .at("/message/stop_sequence", Equal(Value::Null))
            .at("/message/usage/output_tokens", Positive)
            .at("/message/usage/service_tier", Equal(json!("standard"))),
        returns("raw response", "raw", ask("Hello"))
            .at("/request_id", Same("/headers/request-id"))
            .at("/headers/content-type", Starts("application/json"))
            .at("/headers/anthropic-organization-id", Text),
        create("system", with(ask("Hello"), system)).stops("end_turn"),
        create("max_tokens", short())
            .stops("max_tokens")
            .at("/message/usage/output_tokens", Equal(json!(1))),
        create("stop sequence", with(ask("Say nonce:k7."), json!({"stop_sequences": ["k7"]})))
            .stops("stop_sequence")
            .at("/message/stop_sequence", Equal(json!("k7"))),
        create("tool", with(ask("probity:tool-use"), tools())).stops("tool_use").says(call.clone()),
        create("forced tool", with(ask("Rain?"), forced("claude-opus-4-8")))
            .stops("tool_use")
            .says(call),
        create("refusal", ask("probity:refusal"))
            .stops("refusal")
            .at("/message/content", Len(0))
            .at("/message/stop_details/type", Equal(json!("refusal"))),
        create("refusal midway", ask("probity:refusal-midway"))
            .stops("refusal")
            .says(json!({"type": "text"})),
        create("structured output", with(ask("A number."), json!({"output_config": format})))
            .stops("end_turn")
            .says(json!({"type": "text", "text": "{\"n\":1}"})),
        returns("parsed output", "parse", ask("A city."))
            .at("/parsed/name", Text)
            .at("/parsed/population", Positive)
            .at("/stop_reason", Equal(json!("end_turn"))),
        returns("count", "count", json!({"model": MODEL, "messages": user("Hello")}))
            .at("/input_tokens", Positive),
        returns("beta", "beta", ask("Hello"))
            .told("betas", json!(["interleaved-thinking-2025-05-14", "context-1m-2025-08-07"]))
            .stops("end_turn"),
        create("canary", short()).stops("end_turn").canary(),
    ]
}

/// Stories of several turns.
fn conversations() -> Vec<Exercise> {
    let loops = |name: &str, params, first: &str| {
        returns(name, "converse", params)
            .stops("end_turn")
            .at("/turns/0/stop_reason", Equal(json!(first)))
    };
    let think = json!({"thinking": {"type": "adaptive", "display": "summarized"}});
    let ask_to_think =
        |model: &str| with(with(ask("Think."), think.clone()), json!({"model": model}));
    let asks_again = |exercise: Exercise| exercise.told("follow_up", json!("And then?"));
    let again = |name: &str, model: &str| {
        asks_again(returns(name, "again", ask_to_think(model)).stops("end_turn"))
    };
    let refused = |name: &str, model: &str| asks_again(invalid(name, "again", ask_to_think(model)));
    let (yes, another) = (json!(true), user("Guess."));
    vec![
        loops("tool loop", with(ask("probity:tool-use"), tools()), "tool_use"),
        loops(
            "pause",
            with(ask("probity:web-search probity:pause-turn"), web_search()),
            "pause_turn",
        ),
        again("thinking sent back", MODEL),
        again("streamed thinking sent back", MODEL).told("streamed", yes.clone()),
        again("bound thinking sent back", BINDING),
        again("streamed bound thinking sent back", BINDING).told("streamed", yes.clone()),
        again("another past before thinking", MODEL).told("instead", another.clone()),
        refused("another past before bound thinking", BINDING).told("instead", another),
        refused("forged thinking", MODEL).told("forge", yes),
    ]
}

/// Each is told twice: by the helper, and as raw events.
fn streams() -> Vec<Exercise> {
    let thinking = json!({"thinking": {"type": "adaptive", "display": "summarized"}});
    let fetch = json!({"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]});
    let code = json!({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]});
    let is = |kind: &str| json!({"type": kind});
    let error = is("web_search_tool_result_error");
    let failed = json!({"type": "web_search_tool_result", "content": error});
    let mut all = Vec::new();
    let mut told = |name: &str, params: Value, expect: &dyn Fn(Exercise) -> Exercise| {
        all.push(expect(returns(&format!("{name} stream"), "stream", params.clone())));
        all.push(expect(returns(&format!("raw {name} stream"), "events", params)));
    };
    told("text", ask("Hello"), &|it| it.stops("end_turn").says(is("text")));
    told("thinking", with(ask("Think."), thinking), &|it| {
        it.stops("end_turn")
            .at("/message/content/0", Either([is("thinking"), is("redacted_thinking")]))
    });
    told("redacted", ask("probity:redacted-thinking"), &|it| {
        it.stops("end_turn").says(is("redacted_thinking"))
    });
    told("tool", with(ask("probity:tool-use"), tools()), &|it| {
        it.stops("tool_use").says(is("tool_use"))
    });
    told("search", with(ask("probity:web-search"), web_search()), &|it| {
        it.stops("end_turn").says(is("web_search_tool_result"))
    });
    told(
        "failed search",
        with(ask("probity:web-search probity:tool-error"), web_search()),
        &|it| it.stops("end_turn").says(failed.clone()),
    );
    told("fetch", with(ask("probity:web-fetch https://example.com/tides"), fetch), &|it| {
        it.stops("end_turn").says(is("web_fetch_tool_result"))
    });
    told("code", with(ask("probity:code-execution"), code), &|it| {
        it.stops("end_turn").says(is("server_tool_use"))
    });
    // It may go on to call what it found.
    told("tool search", with(ask("probity:tool-search"), tool_search()), &|it| {
        it.says(is("tool_search_tool_result"))
    });
    told("refusal", ask("probity:refusal-midway"), &|it| it.stops("refusal").says(is("text")));
    told("cut", with(ask("Hello"), json!({"max_tokens": 1})), &|it| it.stops("max_tokens"));
    for (location, source) in cited() {
        let content = json!([source, {"type": "text", "text": "probity:cite"}]);
        told(location, with(ask(""), json!({"messages": user(content)})), &|it| {
            it.stops("end_turn").says(json!({"citations": [{"type": location}]}))
        });
    }
    all
}

/// The kinds of places in a request that a citation can name, but for pages.
fn cited() -> [(&'static str, Value); 3] {
    let notice = "The tide is high at noon. The harbour is shut.";
    let (text, on) = (json!({"type": "text", "text": notice}), json!({"enabled": true}));
    let document = |source: Value| json!({"type": "document", "source": source, "citations": on});
    let plain = json!({"type": "text", "media_type": "text/plain", "data": notice});
    let blocks = json!({"type": "content", "content": [text]});
    let found = json!({
        "type": "search_result",
        "source": "https://example.com/notices",
        "title": "Notices",
        "content": [text],
        "citations": on,
    });
    [
        ("char_location", document(plain)),
        ("content_block_location", document(blocks)),
        ("search_result_location", found),
    ]
}

fn batches() -> Vec<Exercise> {
    let item = |id: &str, params: Value| json!({"custom_id": id, "params": params});
    let two = [item("good", ask("Hello")), item("orphan", orphan())];
    let three = ["a", "b", "c"].map(|id| item(id, ask(id)));
    let message = json!({"type": "succeeded", "message": {"role": "assistant"}});
    let invalid = json!({"type": "error", "error": {"type": "invalid_request_error"}});
    let error = json!({"type": "errored", "error": invalid});
    let counts =
        json!({"processing": 0, "succeeded": 1, "errored": 1, "canceled": 0, "expired": 0});
    let by_id = "batch-get";
    vec![
        returns("batch", "batch", json!({"requests": two}))
            .at("/statuses/0", Equal(json!("in_progress")))
            .at("/batch/id", Starts("msgbatch_"))
            .at("/batch/processing_status", Equal(json!("ended")))
            .at("/batch/request_counts", Equal(counts))
            .at("/batch/results_url", Text)
            .at("/results", Len(2))
            .at("/results", Has(json!({"custom_id": "good", "result": message})))
            .at("/results", Has(json!({"custom_id": "orphan", "result": error})))
            .at("/deleted/type", Equal(json!("message_batch_deleted")))
            .at("/deleted/id", Same("/batch/id")),
        returns("canceled batch", "batch", json!({"requests": three}))
            .told("cancel", json!(true))
            .at("/statuses/1", Equal(json!("canceling")))
            .at("/batch/processing_status", Equal(json!("ended")))
            .at("/batch/cancel_initiated_at", Text)
            .at("/results", Len(3))
            .at("/results", Has(json!({"result": {"type": "canceled"}}))),
        returns("batch list", "batch-list", json!({"limit": 1}))
            .at("/first/data", Len(1))
            .at("/first/has_more", Equal(json!(true)))
            .at("/first/first_id", Same("/first/last_id"))
            .at("/ids/0", Same("/first/first_id"))
            .at("/ids", Unique)
            .at("/ids", Has(json!(mock::SEEDED_BATCH_ENDED))),
        returns("batch by id", by_id, Value::Null)
            .told("id", json!(mock::SEEDED_BATCH_IN_PROGRESS))
            .at("/id", Equal(json!(mock::SEEDED_BATCH_IN_PROGRESS))),
        raises("unknown batch", by_id, Value::Null, 404, "not_found_error")
            .told("id", json!("msgbatch_nonesuch")),
    ]
}

fn models(client: Client) -> Vec<Exercise> {
    let mut all = vec![
        returns("model list", "model-list", json!({"limit": 4}))
            .at("/first/data", Len(4))
            .at("/first/has_more", Equal(json!(true)))
            .at("/ids/3", Same("/first/last_id"))
            .at("/ids", Unique)
            .at("/ids", Has(json!("claude-haiku-4-5-20251001"))),
        returns("model by alias", "model", Value::Null)
            .told("id", json!("claude-haiku-4-5"))
            .at("/id", Equal(json!("claude-haiku-4-5-20251001")))
            .at("/type", Equal(json!("model")))
            .at("/display_name", Text),
        raises("unknown model by id", "model", Value::Null, 404, "not_found_error")
            .told("id", json!(NO_MODEL)),
    ];
    if client.is_new() {
        let retired = returns("retired models", "model-list", json!({"lifecycle": ["retired"]}));
        all.push(retired.at("/first/data", Every(json!({"lifecycle": "retired"}))));
    }
    all
}

fn refused(client: Client) -> Vec<Exercise> {
    let create = "create";
    let invalid = |name: &str, params| invalid(name, create, params);
    let sampled = with(ask("Hello"), json!({"model": "claude-sonnet-4-6"}));
    let temperature = match client.is_new() {
        true => invalid("temperature", sampled),
        false => returns("temperature", create, sampled).stops("end_turn"),
    };
    let source = json!({"type": "base64", "media_type": "image/png", "data": WIDE_PNG});
    let image = json!([{"type": "image", "source": source}, {"type": "text", "text": "A ruler?"}]);
    let no_model = with(ask("Hello"), json!({"model": NO_MODEL}));
    let long = ask(&"x".repeat(BODY_BYTES));
    vec![
        temperature.told("extra_body", json!({"temperature": 0.5})),
        invalid("orphan tool result", orphan()),
        Exercise { surface: "stream", ..invalid("streamed orphan tool result", orphan()) },
        invalid("tool forced on a model that refuses", with(ask("Rain?"), forced(BINDING))),
        invalid("image too large", with(ask(""), json!({"messages": user(image)})))
            .coded("image_dimensions_too_large"),
        invalid("encoding that is not supported", ask("Hello"))
            .told("extra_headers", json!({"content-encoding": "br"}))
            .coded("request_body_encoding_unsupported"),
        Exercise { surface: "beta", ..invalid("unknown beta", ask("Hello")) }
            .told("betas", json!(["nonesuch-2026-01-01"])),
        raises("unknown model", create, no_model, 404, "not_found_error"),
        raises("wrong key", create, ask("Hello"), 401, "authentication_error")
            .told("api_key", json!("sk-ant-api03-probity-wrong-key")),
        raises("body over the limit", create, long, 413, "request_too_large"),
    ]
}

const MODEL: &str = "claude-haiku-5-5";

/// A model that binds its thinking to what stands before it, and cannot be forced to call a tool.
const BINDING: &str = "claude-fable-5-2";

const NO_MODEL: &str = "claude-nonesuch-9";

/// Past the limit of 32 MB.
const BODY_BYTES: usize = 33 * 1024 * 1024;

/// 9,000 by 10 pixels.
const WIDE_PNG: &str = concat!(
    "iVBORw0KGgoAAAANSUhEUgAAIygAAAAKAQAAAADxn8grAAAAM0lEQVR42u3UMQEAAAzCMPxL",
    "QSUmti+R0KMpwKdIALgM4DIALgO4DOAyAC4DuAzgMgBHBuOGMGh3nULpAAAAAElFTkSuQmCC",
);

fn ask(text: &str) -> Value {
    json!({"model": MODEL, "max_tokens": 1024, "messages": user(text)})
}

fn user(content: impl Into<Value>) -> Value {
    json!([{"role": "user", "content": content.into()}])
}

/// With these members instead of or beside its own.
fn with(mut params: Value, members: Value) -> Value {
    if let (Value::Object(params), Value::Object(members)) = (&mut params, members) {
        params.extend(members);
    }
    params
}

fn tools() -> Value {
    let (about, schema) = ("The weather at a place.", object("place", "string"));
    json!({"tools": [{"name": "weather", "description": about, "input_schema": schema}]})
}

/// The schema of an object with one member.
fn object(member: &str, kind: &str) -> Value {
    json!({
        "type": "object",
        "properties": {member: {"type": kind}},
        "required": [member],
        "additionalProperties": false,
    })
}

fn forced(model: &str) -> Value {
    with(tools(), json!({"model": model, "tool_choice": {"type": "tool", "name": "weather"}}))
}

fn web_search() -> Value {
    json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]})
}

/// A search tool, and one to be found.
fn tool_search() -> Value {
    let mut found = tools()["tools"][0].take();
    found["defer_loading"] = json!(true);
    let search = "tool_search_tool_regex";
    json!({"tools": [{"type": format!("{search}_20251119"), "name": search}, found]})
}

fn orphan() -> Value {
    let result = json!({"type": "tool_result", "tool_use_id": "toolu_nobodys", "content": "42"});
    with(ask(""), json!({"messages": user(json!([result]))}))
}
