//! A message as a whole: what it is, why it ended, what it cost.

use serde_json::Value;

use super::{Check, Found, Rule, text};
use crate::level::Level;
use crate::rules::view;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "response/message-type",
        level: Level::Compatible,
        sentence: "A message says that it is one: `\"type\": \"message\"`. Clients tell it from an error by that.",
        remedy: "Send `\"type\": \"message\"`; a body of another vendor's API has to be translated.",
        seen: &[],
        check: Check::Message(|_| true, message_type),
    },
    Rule {
        id: "response/message-role",
        level: Level::Compatible,
        sentence: "The role of an answer is `assistant`. Clients append the answer to the conversation as it is.",
        remedy: "Send `\"role\": \"assistant\"`.",
        seen: &[],
        check: Check::Message(|_| true, role),
    },
    Rule {
        id: "response/message-id",
        level: Level::Compatible,
        sentence: "The id of a message begins with `msg_`.",
        remedy: "Make an id of your own with the prefix; do not hand on that of another API, such as `chatcmpl-…`.",
        seen: &["vllm-project/vllm#34053"],
        check: Check::Message(|_| true, id),
    },
    Rule {
        id: "response/model-missing",
        level: Level::Compatible,
        sentence: "A message names the model that wrote it. Costs are counted by it.",
        remedy: "Send the name of the model, as the request has it.",
        seen: &[],
        check: Check::Message(|_| true, model),
    },
    Rule {
        id: "response/stop-reason-missing",
        level: Level::AgentReady,
        sentence: "A finished message says why it ended. A loop over tools does not know whether to go on without it.",
        remedy: "Send a stop reason with every whole message; null stands at the start of a stream only.",
        seen: &["maximhq/bifrost#3441"],
        check: Check::Message(|_| true, stop_reason),
    },
    Rule {
        id: "response/stop-reason-tool",
        level: Level::AgentReady,
        sentence: "The stop reason is `tool_use` if the message calls a tool, and only then. A loop that goes by the one or the other runs no tool, or waits for one.",
        remedy: "Derive the stop reason from the content: a whole call of a client's tool makes it `tool_use`.",
        seen: &["github-copilot-api#79"],
        check: Check::Message(
            |message| has_call(message) || text(message, "stop_reason") == "tool_use",
            stop_reason_tool,
        ),
    },
    Rule {
        id: "response/stop-sequence",
        level: Level::Compatible,
        sentence: "`stop_sequence` holds a text if the stop reason is `stop_sequence`, and null otherwise.",
        remedy: "Send the sequence that was met, and null beside every other reason.",
        seen: &[],
        check: Check::Message(|_| true, stop_sequence),
    },
    Rule {
        id: "response/stop-details-unexpected",
        level: Level::Strict,
        sentence: "`stop_details` tell about a refusal, and come with no other stop reason. Beside `end_turn` they show that a refusal was renamed.",
        remedy: "Map a filter of content to `refusal`; leave `stop_details` null beside every other reason.",
        seen: &["BerriAI/litellm#40903"],
        check: Check::Message(|_| true, stop_details),
    },
    Rule {
        id: "response/usage-missing",
        level: Level::Compatible,
        sentence: "A message has `usage` with `input_tokens` and `output_tokens`, which are whole numbers and never negative.",
        remedy: "Count both; a server that does not know a count has to estimate it.",
        seen: &["BerriAI/litellm#24176"],
        check: Check::Message(|_| true, usage),
    },
    Rule {
        id: "response/usage-input-zero",
        level: Level::Compatible,
        sentence: "Every message had some input. `input_tokens` and what the cache took and gave are all zero only for a refusal, which may cost nothing.",
        remedy: "Hand on the count of the server behind; many send it only when asked, as with `include_usage`.",
        seen: &[],
        check: Check::Sum(|_| true, usage_input_zero),
    },
    Rule {
        id: "response/usage-output-zero",
        level: Level::Compatible,
        sentence: "Content costs output: `output_tokens` is zero only if there is none.",
        remedy: "Hand on the count of the server behind, or count what was written.",
        seen: &[],
        check: Check::Sum(|message| blocks(message).next().is_some(), usage_output_zero),
    },
    Rule {
        id: "response/usage-cache-sum",
        level: Level::Strict,
        sentence: "What went into the cache by lifetime adds up to `cache_creation_input_tokens`.",
        remedy: "Send both parts of `cache_creation`, or leave it null.",
        seen: &[],
        check: Check::Sum(
            |message| message["usage"]["cache_creation"].is_object(),
            usage_cache_sum,
        ),
    },
    Rule {
        id: "response/usage-thinking",
        level: Level::Strict,
        sentence: "Thinking is part of the output: `thinking_tokens` is not above `output_tokens`.",
        remedy: "Count thinking into `output_tokens`.",
        seen: &[],
        check: Check::Sum(
            |message| message["usage"]["output_tokens_details"].is_object(),
            usage_thinking,
        ),
    },
];

/// The blocks of a message; none if its content is no list.
pub(super) fn blocks(message: &Value) -> impl Iterator<Item = (String, &Value)> {
    let blocks = view::member_list(message, "content").iter().enumerate();
    blocks.map(|(idx, block)| (format!("/content/{idx}"), block))
}

/// The calls of tools that the client has to run.
pub(super) fn calls(message: &Value) -> impl Iterator<Item = (String, &Value)> {
    blocks(message).filter(|(_, block)| view::kind(block) == "tool_use")
}

pub(super) fn has_call(message: &Value) -> bool {
    calls(message).next().is_some()
}

pub(super) fn has_kind(message: &Value, kind: &str) -> bool {
    blocks(message).any(|(_, block)| view::kind(block) == kind)
}

fn message_type(message: &Value, found: &mut Found) {
    if message["type"] != "message" {
        found.push("/type", format!("the type is {}", message["type"]));
    }
}

fn role(message: &Value, found: &mut Found) {
    if message["role"] != "assistant" {
        found.push("/role", format!("the role is {}", message["role"]));
    }
}

fn id(message: &Value, found: &mut Found) {
    if text(message, "id").strip_prefix("msg_").is_none_or(str::is_empty) {
        found.push("/id", format!("the id is {}", message["id"]));
    }
}

fn model(message: &Value, found: &mut Found) {
    if text(message, "model").is_empty() {
        found.push("/model", format!("the model is {}", message["model"]));
    }
}

fn stop_reason(message: &Value, found: &mut Found) {
    if text(message, "stop_reason").is_empty() {
        found.push("/stop_reason", format!("the stop reason is {}", message["stop_reason"]));
    }
}

fn stop_reason_tool(message: &Value, found: &mut Found) {
    let count = calls(message).count();
    match text(message, "stop_reason") {
        "tool_use"
            if count == 0
                && message["content"].is_array()
                && blocks(message).all(|(_, block)| is_no_call(block)) =>
        {
            found.push("/stop_reason", "`tool_use`, and no block calls a tool");
        }
        // An answer cut short may hold a call that was not finished; nobody runs it.
        reason @ ("end_turn" | "stop_sequence") if count > 0 => {
            found.push("/stop_reason", format!("`{reason}`, and {count} blocks call tools"));
        }
        _ => {}
    }
}

/// Whether it is known that the client has nothing to run; a block of a later version may be a call.
fn is_no_call(block: &Value) -> bool {
    const KINDS: [&str; 6] = [
        "container_upload",
        "mcp_tool_use",
        "redacted_thinking",
        "server_tool_use",
        "text",
        "thinking",
    ];
    let kind = view::kind(block);
    KINDS.contains(&kind) || kind.ends_with("_tool_result")
}

fn stop_sequence(message: &Value, found: &mut Found) {
    let sequence = &message["stop_sequence"];
    match text(message, "stop_reason") {
        "" => {}
        "stop_sequence" if !sequence.is_string() => {
            found.push("/stop_sequence", "the reason is `stop_sequence`, and none is named");
        }
        reason if reason != "stop_sequence" && !sequence.is_null() => {
            found.push("/stop_sequence", format!("{sequence}, and the reason is `{reason}`"));
        }
        _ => {}
    }
}

fn stop_details(message: &Value, found: &mut Found) {
    // A reason that came with a later version may have details of its own, and does not have to.
    const OTHERS: [&str; 6] = [
        "end_turn",
        "max_tokens",
        "model_context_window_exceeded",
        "pause_turn",
        "stop_sequence",
        "tool_use",
    ];
    let reason = text(message, "stop_reason");
    if OTHERS.contains(&reason) && message["stop_details"]["type"] == "refusal" {
        found.push("/stop_details", format!("a refusal, and the reason is `{reason}`"));
    }
}

fn usage(message: &Value, found: &mut Found) {
    let usage = &message["usage"];
    if !usage.is_object() {
        return found.push("/usage", format!("usage is {usage}"));
    }
    for name in ["input_tokens", "output_tokens"] {
        if view::integer(usage, name).is_none() {
            found.push(format!("/usage/{name}"), format!("{name} is {}", usage[name]));
        }
    }
    for name in ["cache_creation_input_tokens", "cache_read_input_tokens"] {
        if view::given(usage, name) && view::integer(usage, name).is_none() {
            found.push(format!("/usage/{name}"), format!("{name} is {}", usage[name]));
        }
    }
}

fn usage_input_zero(message: &Value, found: &mut Found) {
    let usage = &message["usage"];
    let cached = ["cache_creation_input_tokens", "cache_read_input_tokens"];
    let is_zero = |name| view::integer(usage, name).is_none_or(|count| count == 0);
    let is_free = text(message, "stop_reason") == "refusal";
    if view::integer(usage, "input_tokens") == Some(0)
        && cached.into_iter().all(is_zero)
        && !is_free
    {
        found.push("/usage/input_tokens", "no input at all");
    }
}

fn usage_output_zero(message: &Value, found: &mut Found) {
    let count = view::member_list(message, "content").len();
    if count > 0 && view::integer(&message["usage"], "output_tokens") == Some(0) {
        found.push("/usage/output_tokens", format!("no output, and {count} blocks of content"));
    }
}

fn usage_cache_sum(message: &Value, found: &mut Found) {
    let usage = &message["usage"];
    let parts = ["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]
        .map(|name| view::integer(&usage["cache_creation"], name));
    let ([Some(short), Some(long)], Some(whole)) =
        (parts, view::integer(usage, "cache_creation_input_tokens"))
    else {
        return;
    };
    if short.checked_add(long) != Some(whole) {
        found.push("/usage/cache_creation", format!("{short} and {long} are not {whole}"));
    }
}

fn usage_thinking(message: &Value, found: &mut Found) {
    let usage = &message["usage"];
    let thinking = view::integer(&usage["output_tokens_details"], "thinking_tokens");
    let (Some(thinking), Some(output)) = (thinking, view::integer(usage, "output_tokens")) else {
        return;
    };
    if thinking > output {
        let at = "/usage/output_tokens_details/thinking_tokens";
        found.push(at, format!("{thinking} tokens of thinking in {output} of output"));
    }
}
