//! A message as the API writes it, and the parts its events share with it.

use serde::Serialize;
use serde_json::Value;

/// What the model answers. Members that a request did not bring about are null rather than absent.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "message")]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) role: Assistant,
    pub(crate) model: String,
    pub(crate) content: Vec<Block>,
    #[serde(flatten)]
    pub(crate) ending: Ending,
    pub(crate) usage: Usage,
    pub(crate) diagnostics: Option<Diagnostics>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Assistant {
    Assistant,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    Text {
        text: String,
        citations: Null,
    },
    Thinking {
        thinking: String,
        signature: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
        caller: Caller,
        toolset_name: Option<&'static str>,
    },
}

/// A member that is always null here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Null;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Caller {
    Direct,
}

/// How a message ends: the members that a stream brings last.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Ending {
    pub(crate) stop_reason: Option<&'static str>,
    pub(crate) stop_sequence: Option<String>,
    pub(crate) stop_details: Null,
    pub(crate) container: Option<Container>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) expires_at: String,
    pub(crate) skills: Option<Vec<Skill>>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Skill {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) skill_id: String,
    pub(crate) version: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Diagnostics {
    pub(crate) cache_miss_reason: Option<CacheMiss>,
}

/// Nothing is remembered from one message to the next, so an earlier one is never found.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum CacheMiss {
    PreviousMessageNotFound,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Usage {
    pub(crate) input_tokens: u64,
    pub(crate) cache_creation_input_tokens: u64,
    pub(crate) cache_read_input_tokens: u64,
    pub(crate) cache_creation: CacheCreation,
    pub(crate) output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_tokens_details: Option<OutputDetails>,
    pub(crate) server_tool_use: Null,
    pub(crate) service_tier: &'static str,
    pub(crate) inference_geo: Option<String>,
    pub(crate) speed: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct CacheCreation {
    pub(crate) ephemeral_5m_input_tokens: u64,
    pub(crate) ephemeral_1h_input_tokens: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct OutputDetails {
    pub(crate) thinking_tokens: u64,
}
