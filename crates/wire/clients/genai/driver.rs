//! Lets the crate `genai` be put on trial: commands in (a JSON line each), a line of facts out.
//!
//! Runs go on side by side, each in a thread, and report under their numbers when they end. Only this machine
//! is ever spoken to, and names that nobody has.
//!
//! It neither retries nor has a limit of its own, so no `retries` among the caps. The limit is that of its web
//! client, and on a stream its own on the head and on each silence. An error is told by its `Debug` text too, and by
//! what the web client says below its own words, which speak of decoding whatever broke off.

use std::error::Error;
use std::io::BufRead;
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use genai::adapter::AdapterKind;
use genai::chat::{ChatOptions, ChatRequest, ChatStreamEvent, StopReason, Tool, ToolCall};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget, WebConfig, webc};
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::time::timeout;

/// A chain of causes that is longer goes in circles.
const CAUSES_MAX: usize = 10;

#[derive(Default)]
struct Heard {
    text: String,
    stop_reason: Option<String>,
    tool_calls: Vec<Value>,
    events: u64,
    is_abandoned: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let Ok(command) = serde_json::from_str::<Value>(&line) else {
            println!("{}", unspeakable(&line));
            continue;
        };
        match command["cmd"].as_str() {
            Some("start") => println!("{}", about()),
            Some("run") => {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                thread::spawn(move || println!("{}", runtime.block_on(run(&command))));
            }
            _ => break,
        }
    }
    Ok(())
}

/// A prompt may hold half a character, which no string of this language can.
fn unspeakable(line: &str) -> Value {
    let (_, rest) = line.split_once(r#""seq":"#).unwrap_or_default();
    let digits = rest.trim_start().split(|char: char| !char.is_ascii_digit()).next();
    let seq: u64 = digits.and_then(|digits| digits.parse().ok()).unwrap_or_default();
    json!({ "seq": seq, "outcome": "skipped", "message": "no string of Rust's holds the prompt" })
}

fn about() -> Value {
    let pin = include_str!("Cargo.toml").lines().find_map(|line| line.strip_prefix("genai = \"="));
    let version = pin.unwrap_or_default().trim_end_matches('"');
    let issues = "https://github.com/jeremychone/rust-genai/issues";
    json!({
        "v": 1,
        "client": { "name": "genai", "version": version, "language": "rust", "issues": issues },
        "surfaces": ["create", "stream"],
        "caps": ["calls", "cancel", "cancel-later", "parallel", "timeout", "tls", "tools"],
        "defaults": { "max_retries": 0, "timeout_s": null },
    })
}

/// The facts of a run: those of its last call, and of each of them if it asks for several.
async fn run(run: &Value) -> Value {
    let surface = run["surface"]
        .as_str()
        .filter(|_| may_speak_to(run["base_url"].as_str().unwrap_or_default()));
    let (Some(surface @ ("create" | "stream")), Ok(client)) = (surface, client(run)) else {
        return json!({ "seq": run["seq"], "outcome": "unsupported" });
    };
    let calls = calls(run);
    let told = if run["parallel"].is_null() {
        let pause = Duration::from_millis(run["pause_ms"].as_u64().unwrap_or_default());
        let mut told = vec![];
        for each in &calls {
            if !told.is_empty() {
                tokio::time::sleep(pause).await;
            }
            told.push(call(&client, surface, each).await);
        }
        told
    } else {
        join_all(calls.iter().map(|each| call(&client, surface, each))).await
    };
    let mut facts = told.last().cloned().unwrap_or_default();
    facts["seq"] = run["seq"].clone();
    if !run["calls"].is_null() || !run["parallel"].is_null() {
        facts["calls"] = told.into();
    }
    facts
}

/// The command of each call, with its own words.
fn calls(run: &Value) -> Vec<Value> {
    let count = run["calls"].as_u64().or(run["parallel"].as_u64()).unwrap_or(1);
    let call = |at| {
        let mut call = run.clone();
        if let Some(prompt) = run["prompts"].get(at) {
            call["prompt"] = prompt.clone();
        }
        call
    };
    (0..usize::try_from(count).unwrap_or(1)).map(call).collect()
}

async fn call(client: &Client, surface: &str, run: &Value) -> Value {
    let (mut heard, start) = (Heard::default(), Instant::now());
    let limit = Duration::from_millis(run["abort_after_ms"].as_u64().unwrap_or(u64::MAX));
    let ended = timeout(limit, async {
        match surface {
            "create" => create(client, run, &mut heard).await,
            _ => stream(client, run, &mut heard).await,
        }
    });
    let (outcome, error) = match ended.await {
        Err(_) => ("aborted", None),
        Ok(Ok(())) if heard.is_abandoned => ("aborted", None),
        Ok(Ok(())) => ("success", None),
        Ok(Err(error)) => ("error", Some(facts(error))),
    };
    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    json!({
        "outcome": outcome,
        "error": error,
        "text": heard.text,
        "stop_reason": heard.stop_reason,
        "tool_calls": heard.tool_calls,
        "events": heard.events,
        "elapsed_ms": elapsed_ms,
    })
}

/// This machine, or a name that nobody has.
fn may_speak_to(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (host, port) =
        rest.split('/').next().and_then(|place| place.split_once(':')).unwrap_or_default();
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    port.parse::<u16>().is_ok()
        && match scheme {
            "http" => {
                ["127.0.0.1", "localhost"].contains(&host) || is_name && host.ends_with(".invalid")
            }
            "https" => ["127.0.0.1", "localhost"].contains(&host),
            _ => false,
        }
}

async fn create(client: &Client, run: &Value, heard: &mut Heard) -> genai::Result<()> {
    let answer = client.exec_chat(target(run), request(run), Some(&options(run))).await?;
    heard.text = answer.texts().concat();
    heard.stop_reason = answer.stop_reason.as_ref().map(name);
    heard.tool_calls = answer.tool_calls().into_iter().map(tool_call).collect();
    Ok(())
}

async fn stream(client: &Client, run: &Value, heard: &mut Heard) -> genai::Result<()> {
    let answer = client.exec_chat_stream(target(run), request(run), Some(&options(run))).await?;
    let mut stream = answer.stream;
    while let Some(event) = stream.next().await {
        match event? {
            ChatStreamEvent::Chunk(chunk) => heard.text += &chunk.content,
            ChatStreamEvent::End(end) => {
                heard.stop_reason = end.captured_stop_reason.as_ref().map(name);
                let calls = end.captured_tool_calls().unwrap_or_default();
                heard.tool_calls = calls.into_iter().map(tool_call).collect();
            }
            _ => {}
        }
        heard.events += 1;
        if run["abort_after_events"].as_u64() == Some(heard.events) {
            heard.is_abandoned = true;
            break;
        }
    }
    Ok(())
}

fn client(run: &Value) -> genai::Result<Client> {
    let config = WebConfig::default();
    let config = if run["surface"] == "stream" { config } else { config.with_timeout(limit(run)) };
    Client::builder().with_web_config(config).build()
}

fn limit(run: &Value) -> Duration {
    Duration::from_secs_f64(run["timeout_s"].as_f64().unwrap_or_default())
}

fn target(run: &Value) -> ServiceTarget {
    let text = |key: &str| run[key].as_str().unwrap_or_default().to_owned();
    ServiceTarget {
        // An endpoint of it ends in a slash, whether the address does or not.
        endpoint: Endpoint::from_owned(format!("{}/v1/", text("base_url").trim_end_matches('/'))),
        auth: AuthData::Key(text("api_key")),
        model: ModelIden::new(AdapterKind::Anthropic, "claude-sonnet-5-5"),
    }
}

fn request(run: &Value) -> ChatRequest {
    let request = ChatRequest::from_user(run["prompt"].as_str().unwrap_or_default());
    let properties = json!({ "city": { "type": "string" }, "amount": { "type": "number" } });
    let schema = json!({ "type": "object", "properties": properties });
    let tool = Tool::new("get_weather")
        .with_description("Tells the weather of a city.")
        .with_schema(schema);
    if run["tools"] == true { request.append_tool(tool) } else { request }
}

fn options(run: &Value) -> ChatOptions {
    ChatOptions::default()
        .with_max_tokens(1024)
        .with_capture_tool_calls(true)
        .with_stream_header_timeout(limit(run))
        .with_stream_read_timeout(limit(run))
}

fn name(reason: &StopReason) -> String {
    reason.raw().to_owned()
}

/// Input that does not parse is handed on as text, which no tool takes for its input.
fn tool_call(call: &ToolCall) -> Value {
    let input = &call.fn_arguments;
    json!({ "name": call.fn_name, "input": input, "valid": !input.is_string() })
}

/// The type only where the client parsed it: elsewhere its caller gets a body as text.
fn facts(error: genai::Error) -> Value {
    let debug = format!("{error:?}");
    let class = debug.split([' ', '(']).next().unwrap_or_default();
    let chain = [vec![debug.clone()], causes(&error)].concat();
    let told = match &error {
        genai::Error::ChatResponse { body, .. } => body.get("error").unwrap_or(body),
        _ => &Value::Null,
    };
    let header = |name| error.headers().and_then(|headers| headers.get(name)?.to_str().ok());
    json!({
        "class": class,
        "chain": chain,
        "message": error.to_string(),
        "sdk_error": true,
        "status": error.status().map(|status| status.as_u16()),
        "type": told["type"],
        "code": told["details"]["error_code"],
        "request_id": header("request-id"),
        "retry_after": header("retry-after"),
    })
}

/// What lies below the web client's error, the outermost first: no error of the crate names its source. What could not
/// even be made a request is named by itself.
fn causes(error: &genai::Error) -> Vec<String> {
    use genai::Error::{WebModelCall, WebStream};
    let mut below = match error {
        WebModelCall { webc_error: webc::Error::Reqwest(error), .. } if !error.is_builder() => {
            error.source()
        }
        WebStream { error, .. } => error.source(),
        _ => None,
    };
    let mut causes = vec![];
    while let Some(cause) = below.filter(|_| causes.len() < CAUSES_MAX) {
        causes.push(cause.to_string());
        below = cause.source();
    }
    causes
}
