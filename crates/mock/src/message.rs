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
        // Clients that take no null here are in wide use, so the API leaves it out.
        #[serde(skip_serializing_if = "Option::is_none")]
        citations: Option<Vec<Citation>>,
    },
    Thinking {
        thinking: String,
        signature: String,
    },
    RedactedThinking {
        data: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Value,
        caller: Caller,
        toolset_name: Option<&'static str>,
    },
    ServerToolUse {
        id: String,
        name: &'static str,
        input: Value,
        caller: Caller,
    },
    /// What a server tool answered: the same members for all of them, under a type each.
    #[serde(untagged)]
    ServerToolResult {
        #[serde(rename = "type")]
        kind: &'static str,
        tool_use_id: String,
        content: Value,
        /// The results of code have no such member.
        #[serde(skip_serializing_if = "Option::is_none")]
        caller: Option<Caller>,
    },
}

/// What a text rests on. Ends are excluded, as everywhere in the API.
///
/// `file_id` is left out: an answer may have it, a request may not, and a citation has to stand being sent back.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "they are named as the API names them")]
pub(crate) enum Citation {
    CharLocation {
        cited_text: String,
        document_index: usize,
        document_title: Option<String>,
        start_char_index: usize,
        end_char_index: usize,
    },
    PageLocation {
        cited_text: String,
        document_index: usize,
        document_title: Option<String>,
        start_page_number: usize,
        end_page_number: usize,
    },
    ContentBlockLocation {
        cited_text: String,
        document_index: usize,
        document_title: Option<String>,
        start_block_index: usize,
        end_block_index: usize,
    },
    SearchResultLocation {
        cited_text: String,
        search_result_index: usize,
        source: String,
        title: Option<String>,
        start_block_index: usize,
        end_block_index: usize,
    },
    WebSearchResultLocation {
        cited_text: String,
        url: String,
        title: Option<String>,
        encrypted_index: String,
    },
}

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
    pub(crate) stop_details: Option<Refused>,
    pub(crate) container: Option<Container>,
}

/// More about a refusal.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "refusal")]
pub(crate) struct Refused {
    pub(crate) category: Option<&'static str>,
    pub(crate) explanation: Option<&'static str>,
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
    pub(crate) server_tool_use: Option<ServerToolUsage>,
    pub(crate) service_tier: &'static str,
    pub(crate) inference_geo: Option<String>,
    pub(crate) speed: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct CacheCreation {
    pub(crate) ephemeral_5m_input_tokens: u64,
    pub(crate) ephemeral_1h_input_tokens: u64,
}

/// How often server tools were used; what failed is not counted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct ServerToolUsage {
    pub(crate) web_search_requests: u64,
    pub(crate) web_fetch_requests: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct OutputDetails {
    pub(crate) thinking_tokens: u64,
}
