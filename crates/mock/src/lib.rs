//! A server of the Messages API that keeps the contract, as a function from request to answer.
//!
//! | question | module |
//! |---|---|
//! | may the request pass, and which rule does it break? | `judge` |
//! | what does a refusal look like? | `error` |
//! | what does the model say? | `compose` |
//! | how is that written, whole or as events? | `message`, `stream` |
//! | how much may be asked for per minute? | `limits` |
//! | what do batches do over several requests? | `batches`, `seeded`, `state` |
//! | which models are there? | `models` |
//! | what was asked for behind the question mark? | `query` |
//! | where do ids and choices come from? | `dice` |
//! | what time is it? | `time` |
//!
//! The same request under the same seed gives the same bytes, whatever else was asked before: ids and choices
//! are drawn from a hash of the request, of which `stream` does not count: a stream tells the message of the plain
//! answer. Only batches that a caller created have a history, and limits if there are any. The price is that two
//! identical requests get one and the same message id, which the API would never do. A caller who wants a
//! certain answer asks for it with one of the [`DIRECTIVES`].
//!
//! The judge knows the rules of the contract and nothing about how a request was made: the types that say so are
//! disallowed in `clippy.toml`.

mod batches;
mod compose;
mod dice;
mod error;
mod judge;
mod limits;
mod message;
mod models;
mod query;
mod seeded;
mod state;
mod stream;
mod time;

#[cfg(test)]
mod fixture;

use std::borrow::Cow;

use bytes::Bytes;
use classify::{Headers, Reply, Request};
use contract::rules::Finding;
use contract::spec::Contract;
use contract::version::OperationId;
use serde::Serialize;
use serde_json::Value;

use crate::compose::Turn;
use crate::dice::Dice;
use crate::error::Refusal;
use crate::judge::{Bench, Judged};
use crate::state::Batches;

pub use compose::directives::DIRECTIVES;
pub use limits::Limits;
pub use seeded::{
    SEEDED_BATCH_CANCELING, SEEDED_BATCH_ENDED, SEEDED_BATCH_IN_PROGRESS, SEEDED_BATCHES,
};
pub use state::State;
pub use time::Now;

/// What the operator of the server decides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The only credential that is accepted; `None` accepts any that is well formed.
    pub key: Option<String>,
    pub rules: Rules,
    /// Other seeds give other ids, texts and choices.
    pub seed: u64,
    /// How fast a stream is told.
    pub pace: Pace,
    /// What may be asked for per minute; `None` limits nothing and sends no such headers.
    pub limits: Option<Limits>,
}

/// How fast a stream is told. Whole answers never wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// All at once: for tests and for whoever replays thousands of requests.
    Instant,
    /// Event by event with small gaps, as somebody reading along would see it.
    Human,
}

/// How much of the contract is enforced. Head and bytes of a request are judged in either case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rules {
    /// The schema and every settled rule.
    All,
    /// The schema alone: for those who want answers to requests that the API would refuse.
    Schema,
}

/// What the server sends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    /// One for JSON, one per event for a stream.
    pub chunks: Vec<Chunk>,
    /// Why the request was refused; `None` if it was served.
    pub refused: Option<Refused>,
}

/// What a refusal says, for those who keep count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The rule that was broken first, or `schema`; `None` for what no rule decides.
    pub rule: Option<&'static str>,
    pub error_type: &'static str,
    pub error_code: Option<&'static str>,
}

/// A rule broken at one place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Violation {
    /// The id of a rule, or `schema`.
    pub rule: &'static str,
    /// Dotted, as the API writes it; empty for the whole request.
    pub path: String,
    pub message: Cow<'static, str>,
}

impl Violation {
    fn new(rule: &'static str, finding: Finding) -> Self {
        Self { rule, path: finding.path, message: finding.message }
    }
}

/// Why a request did not come as far as the judge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Its framing is wrong, or it ended early.
    BodyBroken,
    BodyTimedOut,
    /// Not HTTP/1.1, so there is no request to speak of.
    HeadMalformed,
    HeadTooLarge,
    /// The judge itself failed.
    Internal,
    TargetTooLong,
}

/// A piece of the body, and how long to wait before it is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    pub bytes: Bytes,
    /// A pause as a model makes it, by [`Pace`]; slowness that hurts is the fault proxy's business.
    pub delay_ms: u32,
}

impl Answer {
    /// The whole answer at once, without its delays.
    pub fn into_reply(self) -> Reply {
        let mut chunks = self.chunks.into_iter().map(|chunk| chunk.bytes);
        let body = match (chunks.next(), chunks.len()) {
            (None, _) => Bytes::new(),
            (Some(only), 0) => only,
            (Some(first), _) => {
                std::iter::once(first).chain(chunks).collect::<Vec<_>>().concat().into()
            }
        };
        Reply { status: self.status, headers: self.headers, body }
    }
}

/// The answer to one request.
pub fn answer(
    state: &mut State,
    contract: &Contract,
    config: &Config,
    request: &Request,
    now: Now,
) -> Answer {
    let mut dice = Dice::of_request(config.seed, request);
    let request_id = dice.id("req_");
    let bench = Bench { contract, config, rulebook: &state.rulebook, now };
    if request.path().starts_with("/v1/messages/batches") {
        batches::settle(&mut state.batches, &bench);
    }
    let mut told = Headers::default();
    let served = judge::judge(&bench, &state.batches, request).and_then(|judged| {
        limits::charge(&mut state.buckets, &bench, &judged, &mut told)?;
        serve(&mut state.batches, &bench, request, judged, &mut dice)
    });
    let mut answer = match served {
        Ok(Served { media, chunks }) => {
            Answer { status: 200, headers: headers(request_id, media), chunks, refused: None }
        }
        Err(refusal) => refuse(&refusal, request_id),
    };
    answer.headers.0.append(&mut told.0);
    answer
}

/// Everything that is wrong with a request: for reports, where a caller wants to mend all of it at once. Ask only
/// about refused requests; a request that was served has nothing wrong with it, and is judged for nothing.
pub fn violations(
    state: &State,
    contract: &Contract,
    config: &Config,
    request: &Request,
    now: Now,
) -> Vec<Violation> {
    let bench = Bench { contract, config, rulebook: &state.rulebook, now };
    judge::violations(&bench, &state.batches, request)
}

/// The answer to a request that was not read to its end, or whose judge failed.
pub fn trouble(seed: u64, request: &Request, trouble: Trouble) -> Answer {
    let request_id = Dice::of_request(seed, request).id("req_");
    refuse(&Refusal::of_trouble(trouble), request_id)
}

fn refuse(refusal: &Refusal, request_id: String) -> Answer {
    let chunks = vec![whole(refusal.body(&request_id))];
    let mut headers = headers(request_id, "application/json");
    if refusal.status == 401 {
        // Who did not say who asks has no workspace.
        headers.remove("anthropic-workspace-id");
    }
    Answer {
        status: refusal.status,
        chunks,
        headers,
        refused: Some(Refused {
            rule: refusal.rule,
            error_type: refusal.error_type,
            error_code: refusal.error_code,
        }),
    }
}

/// What each operation does with a request that may pass; it can still name what is not there.
fn serve(
    batches: &mut Batches,
    bench: &Bench<'_>,
    request: &Request,
    judged: Judged<'_>,
    dice: &mut Dice,
) -> Result<Served, Refusal> {
    let id = judged.id;
    Ok(match judged.operation {
        OperationId::MessagesCreate => {
            let params = &judged.body;
            let stream = params.get("stream");
            if stream.is_some() {
                *dice = Dice::without_stream(bench.config.seed, request);
                // Who does not mention it has thrown for this one by now.
                dice.id("req_");
            }
            let turn = Turn { params, model: judged.model, dice, now: bench.now, batched: false };
            let message = compose::message(turn);
            if stream == Some(&Value::Bool(true)) {
                let chunks = stream::events(&message, bench.config.pace, dice);
                return Ok(Served { media: "text/event-stream; charset=utf-8", chunks });
            }
            Served::json(&message)
        }
        OperationId::MessagesCountTokens => {
            Served::json(&Count { input_tokens: compose::tokens::input(&judged.body) })
        }
        OperationId::BatchesCreate => {
            Served::json(&batches::create(batches, bench, request, judged, dice))
        }
        OperationId::BatchesList => Served::json(&batches::list(batches, bench, request)),
        OperationId::BatchesGet => Served::json(&batches::get(batches, bench, request, id)?),
        OperationId::BatchesCancel => Served::json(&batches::cancel(batches, bench, request, id)?),
        OperationId::BatchesDelete => Served::json(&batches::delete(batches, id)),
        OperationId::BatchesResults => {
            Served::whole("application/x-jsonl", batches::results(batches, bench, id)?)
        }
        OperationId::ModelsList => Served::json(&models::list(bench.contract, request, bench.now)),
        OperationId::ModelsGet => Served::json(&models::get(bench.contract, id, bench.now)?),
    })
}

#[derive(Serialize)]
struct Count {
    input_tokens: u64,
}

/// The body of a success.
struct Served {
    media: &'static str,
    chunks: Vec<Chunk>,
}

impl Served {
    fn json(value: &impl Serialize) -> Self {
        Self::whole("application/json", json(value))
    }

    fn whole(media: &'static str, body: Bytes) -> Self {
        Self { media, chunks: vec![whole(body)] }
    }
}

fn whole(bytes: Bytes) -> Chunk {
    Chunk { bytes, delay_ms: 0 }
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("our own types have string keys and finite numbers").into()
}

/// Nobody's: the nil UUID but for its last digit.
pub(crate) const ORGANIZATION: &str = "00000000-0000-4000-8000-000000000001";
/// The one that every credential resolves to.
const WORKSPACE: &str = "wrkspc_01ProbityProbityProbity";

fn headers(request_id: String, media: &'static str) -> Headers {
    Headers(vec![
        ("content-type".into(), media.into()),
        ("request-id".into(), request_id.into()),
        ("anthropic-organization-id".into(), ORGANIZATION.into()),
        ("anthropic-workspace-id".into(), WORKSPACE.into()),
    ])
}

#[cfg(test)]
mod tests {
    use classify::{Body, Class, Observation, classify};
    use contract::signature::{self, Seal};
    use contract::version::Version;
    use serde_json::json;

    use super::*;
    use crate::fixture::{KEY, ask, body, config, contract, get, hello, now, post, weather_tool};

    /// The answer keeps the schema under both versions, and is the same when it is asked for again.
    fn check(target: &str, params: &Value, expected: Class) -> Value {
        let mut last = Value::Null;
        for version in Version::ALL {
            let mut request = post(target, params);
            request.headers.replace("anthropic-version", version.name());
            let reply = ask(&mut State::new(), &request);
            assert_eq!(reply, ask(&mut State::new(), &request));
            assert_eq!(classify(&Observation::Reply(reply.clone())), expected, "{:?}", reply.body);
            assert_eq!(reply.headers.all("request-id").count(), 1);
            if expected == Class::Streamed {
                continue;
            }
            let validators = &contract().edition(version).validators;
            last = body(&reply);
            let problems = match target {
                _ if !expected.is_success() => Vec::new(),
                "/v1/messages" => validators.success_problems(
                    OperationId::MessagesCreate,
                    "application/json",
                    &last,
                ),
                _ => validators.success_problems(
                    OperationId::MessagesCountTokens,
                    "application/json",
                    &last,
                ),
            };
            assert_eq!(problems, [], "{last:#}");
        }
        last
    }

    /// Like [`check`], for a request with these members instead of or beside those of [`hello`].
    fn check_with(members: &Value, expected: Class) -> Value {
        let mut params = hello();
        for (name, value) in members.as_object().unwrap() {
            params[name] = value.clone();
        }
        check("/v1/messages", &params, expected)
    }

    #[test]
    fn shapes_of_valid_requests() {
        let with_tools = |choice: Value| json!({"model": "claude-sonnet-4-6", "tools": [weather_tool()], "tool_choice": choice});
        check("/v1/messages", &hello(), Class::Accepted);
        check_with(&json!({"stream": true}), Class::Streamed);
        check_with(
            &json!({"system": "Be brief.", "metadata": {"user_id": "u"}, "service_tier": "auto"}),
            Class::Accepted,
        );
        check_with(&with_tools(json!({"type": "auto"})), Class::Accepted);
        check_with(&with_tools(json!({"type": "any"})), Class::Accepted);
        check_with(
            &json!({"container": {"skills": [{"type": "anthropic", "skill_id": "pdf"}]}, "speed": null}),
            Class::Accepted,
        );
        check_with(
            &json!({"model": "claude-opus-5-5", "thinking": {"type": "adaptive", "display": "summarized"}}),
            Class::Accepted,
        );
        check(
            "/v1/messages/count_tokens",
            &json!({"model": "claude-opus-5", "messages": hello()["messages"]}),
            Class::Accepted,
        );
    }

    #[test]
    fn what_was_asked_for_is_there() {
        let asked =
            json!([{"role": "user", "content": [{"type": "text", "text": "Say nonce:k7-x."}]}]);
        let message =
            check_with(&json!({"messages": asked, "model": "claude-sonnet-4-6"}), Class::Accepted);
        assert!(
            message["content"][0]["text"].as_str().unwrap().starts_with("nonce:k7-x "),
            "{message:#}"
        );

        let forced = json!({"type": "tool", "name": "weather"});
        let message = check_with(
            &json!({"model": "claude-haiku-4-5", "tools": [weather_tool()], "tool_choice": forced}),
            Class::Accepted,
        );
        assert_eq!(message["model"], "claude-haiku-4-5-20251001");
        assert_eq!(message["stop_reason"], "tool_use");
        assert_eq!(
            message["content"][0]["input"],
            json!({"place": "value", "days": 1, "units": "celsius"})
        );

        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
        let format = json!({"format": {"type": "json_schema", "schema": schema}});
        let message = check_with(
            &json!({"model": "claude-sonnet-4-6", "output_config": format}),
            Class::Accepted,
        );
        assert_eq!(message["content"][0]["text"], r#"{"n":1}"#);

        let message =
            check_with(&json!({"max_tokens": 1, "model": "claude-sonnet-4-6"}), Class::Accepted);
        assert_eq!(
            (&message["stop_reason"], &message["usage"]["output_tokens"]),
            (&json!("max_tokens"), &json!(1))
        );
        let message = check_with(&json!({"max_tokens": 0}), Class::Accepted);
        assert_eq!(
            (&message["content"], &message["stop_reason"]),
            (&json!([]), &json!("max_tokens"))
        );

        let message = check_with(
            &json!({"model": "claude-sonnet-4-6", "stop_sequences": ["e"]}),
            Class::Accepted,
        );
        assert_eq!(
            (&message["stop_reason"], &message["stop_sequence"]),
            (&json!("stop_sequence"), &json!("e"))
        );

        let thinking = json!({"type": "adaptive", "display": "omitted"});
        let message =
            check_with(&json!({"model": "claude-opus-5-5", "thinking": thinking}), Class::Accepted);
        let signature = message["content"][0]["signature"].as_str().unwrap();
        assert!(matches!(signature::read("", signature), Seal::Bound(_)), "{signature}");
    }

    fn check_refused(request: &Request, status: u16, error_type: &str, message: &str) {
        let config = Config { key: Some(KEY.to_owned()), ..config() };
        let reply = answer(&mut State::new(), contract(), &config, request, now()).into_reply();
        let error = body(&reply);
        let told = (
            reply.status,
            error["error"]["type"].as_str().unwrap(),
            error["error"]["message"].as_str().unwrap(),
        );
        assert_eq!(told, (status, error_type, message));
        if let Some(id) = error.get("request_id") {
            assert_eq!(id, reply.headers.get("request-id").unwrap());
        }
    }

    #[test]
    fn the_outermost_fault_is_the_answer() {
        let mut request = post("/v1/nothing", &json!({"model": 1}));
        request.method = "PUT".into();
        request.headers.replace("x-api-key", "sk-ant-api03-wrong");
        request.headers.replace("anthropic-version", "latest");
        check_refused(&request, 404, "not_found_error", "Not Found");
        request.target = "/v1/messages?beta=true".into();
        check_refused(&request, 405, "invalid_request_error", "Method Not Allowed");
        request.method = "POST".into();
        check_refused(&request, 401, "authentication_error", "invalid x-api-key");
        request.headers.replace("x-api-key", KEY);
        check_refused(
            &request,
            400,
            "invalid_request_error",
            "anthropic-version: \"latest\" is not a valid version",
        );
        request.headers.replace("anthropic-version", "2026-10-21");
        check_refused(&request, 400, "invalid_request_error", "messages: Field required");
        let whole = std::mem::replace(&mut request.body, Body::Bytes("{\"model\": ".into()));
        check_refused(
            &request,
            400,
            "invalid_request_error",
            "The request body is not valid JSON: unexpected end of data: line 1 column 11 (char 10)",
        );
        request.body = Body::Repeat {
            prefix: whole.to_bytes(),
            unit: " ".into(),
            count: 1 << 40,
            suffix: Bytes::new(),
        };
        check_refused(&request, 413, "request_too_large", "Request exceeds the maximum size");
    }

    #[test]
    fn who_is_known_has_a_workspace() {
        let mut request = post("/v1/messages", &hello());
        let workspace = |request: &Request| {
            let reply = ask(&mut State::new(), request);
            reply.headers.get("anthropic-workspace-id").map(str::to_owned)
        };
        assert!(workspace(&request).is_some_and(|id| id.starts_with("wrkspc_")));
        request.headers.remove("x-api-key");
        assert_eq!(workspace(&request), None);
    }

    #[test]
    fn under_the_schema_alone_an_unknown_model_answers() {
        let mut params = hello();
        params["model"] = "claude-nonesuch-9".into();
        let request = post("/v1/messages", &params);
        for (rules, status) in [(Rules::All, 404), (Rules::Schema, 200)] {
            let config = Config { rules, ..config() };
            assert_eq!(
                answer(&mut State::new(), contract(), &config, &request, now()).status,
                status
            );
        }
    }

    #[test]
    fn an_unknown_version_before_the_first_edition_is_served() {
        let mut request = get("/v1/models");
        request.headers.replace("anthropic-version", "2023-01-01");
        assert_eq!(ask(&mut State::new(), &request).status, 200);
    }
}
