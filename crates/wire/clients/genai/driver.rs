//! Lets the crate `genai` be put on trial: commands in (a JSON line each), a line of facts out.
//!
//! Runs go on side by side, each in a thread, and report under their numbers when they end. Only loopback is ever
//! spoken to.
//!
//! It neither retries nor has a limit of its own, so no `retries` among the caps, and the limit is that of its
//! web client. An error is told by its `Debug` text too, which is where it keeps its causes.

use std::error::Error;
use std::io::BufRead;
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatOptions, ChatRequest, ChatStreamEvent, StopReason, Tool, ToolCall};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget, WebConfig};
use serde_json::{Value, json};
use tokio::runtime::Builder;

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
        let command: Value = serde_json::from_str(&line?)?;
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

fn about() -> Value {
    let pin = include_str!("Cargo.toml").lines().find_map(|line| line.strip_prefix("genai = \"="));
    let version = pin.unwrap_or_default().trim_end_matches('"');
    let issues = "https://github.com/jeremychone/rust-genai/issues";
    json!({
        "v": 1,
        "client": { "name": "genai", "version": version, "language": "rust", "issues": issues },
        "surfaces": ["create", "stream"],
        "caps": ["tools", "cancel", "timeout"],
        "defaults": { "max_retries": 0, "timeout_s": null },
    })
}

async fn run(run: &Value) -> Value {
    let (mut heard, start) = (Heard::default(), Instant::now());
    let ended = match run["surface"].as_str().filter(|_| is_on_loopback(run)) {
        Some("create") => create(run, &mut heard).await,
        Some("stream") => stream(run, &mut heard).await,
        _ => return json!({ "seq": run["seq"], "outcome": "unsupported" }),
    };
    let outcome = match &ended {
        Ok(()) if heard.is_abandoned => "aborted",
        Ok(()) => "success",
        Err(_) => "error",
    };
    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    json!({
        "seq": run["seq"],
        "outcome": outcome,
        "error": ended.err().map(facts),
        "text": heard.text,
        "stop_reason": heard.stop_reason,
        "tool_calls": heard.tool_calls,
        "events": heard.events,
        "elapsed_ms": elapsed_ms,
    })
}

fn is_on_loopback(run: &Value) -> bool {
    let url = run["base_url"].as_str().unwrap_or_default();
    ["http://127.0.0.1:", "http://localhost:"].iter().any(|start| url.starts_with(start))
}

async fn create(run: &Value, heard: &mut Heard) -> genai::Result<()> {
    let (client, target) = (client(run)?, target(run));
    let answer = client.exec_chat(target, request(run), Some(&options())).await?;
    heard.text = answer.texts().concat();
    heard.stop_reason = answer.stop_reason.as_ref().map(name);
    heard.tool_calls = answer.tool_calls().into_iter().map(tool_call).collect();
    Ok(())
}

async fn stream(run: &Value, heard: &mut Heard) -> genai::Result<()> {
    let (client, target) = (client(run)?, target(run));
    let answer = client.exec_chat_stream(target, request(run), Some(&options())).await?;
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
    let limit = Duration::from_secs_f64(run["timeout_s"].as_f64().unwrap_or_default());
    Client::builder().with_web_config(WebConfig::default().with_timeout(limit)).build()
}

fn target(run: &Value) -> ServiceTarget {
    let text = |key: &str| run[key].as_str().unwrap_or_default().to_owned();
    ServiceTarget {
        endpoint: Endpoint::from_owned(format!("{}/v1/", text("base_url"))),
        auth: AuthData::Key(text("api_key")),
        model: ModelIden::new(AdapterKind::Anthropic, "claude-sonnet-5-5"),
    }
}

fn request(run: &Value) -> ChatRequest {
    let request = ChatRequest::from_user(run["prompt"].as_str().unwrap_or_default());
    let key = json!({ "type": "object", "properties": { "key": { "type": "string" } }, "required": ["key"] });
    let tool = Tool::new("look_up").with_description("Looks a word up.").with_schema(key);
    if run["tools"] == true { request.append_tool(tool) } else { request }
}

fn options() -> ChatOptions {
    ChatOptions::default().with_max_tokens(1024).with_capture_tool_calls(true)
}

fn name(reason: &StopReason) -> String {
    reason.raw().to_owned()
}

fn tool_call(call: &ToolCall) -> Value {
    json!({ "name": call.fn_name, "input": call.fn_arguments })
}

/// The type only where the client parsed it: elsewhere its caller gets a body as text.
fn facts(error: genai::Error) -> Value {
    let debug = format!("{error:?}");
    let class = debug.split([' ', '(']).next().unwrap_or_default();
    let told = match &error {
        genai::Error::ChatResponse { body, .. } => body.get("error").unwrap_or(body),
        _ => &Value::Null,
    };
    let header = |name| error.headers().and_then(|headers| headers.get(name)?.to_str().ok());
    json!({
        "class": class,
        "chain": [debug],
        "message": error.to_string(),
        "sdk_error": true,
        "status": error.status().map(|status| status.as_u16()),
        "type": told["type"],
        "code": told["details"]["error_code"],
        "request_id": header("request-id"),
        "retry_after": header("retry-after"),
    })
}
