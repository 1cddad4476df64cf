//! The names of the grammar, as far as they are known today.

/// What another vendor ends its streams with.
pub(super) const DONE: &str = "[DONE]";

/// Stop reasons under which the last block may end anywhere.
pub(super) const CUT_SHORT: [&str; 3] = ["max_tokens", "model_context_window_exceeded", "refusal"];

/// The places that citations known today point to.
pub(super) const CITATIONS: [&str; 5] = [
    "char_location",
    "content_block_location",
    "page_location",
    "search_result_location",
    "web_search_result_location",
];

/// The events of the grammar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    BlockDelta,
    BlockStart,
    BlockStop,
    Error,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
}

impl Kind {
    const ALL: [Self; 8] = [
        // The one that nearly all events are is looked for first.
        Self::BlockDelta,
        Self::BlockStart,
        Self::BlockStop,
        Self::Error,
        Self::MessageDelta,
        Self::MessageStart,
        Self::MessageStop,
        Self::Ping,
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BlockDelta => "content_block_delta",
            Self::BlockStart => "content_block_start",
            Self::BlockStop => "content_block_stop",
            Self::Error => "error",
            Self::MessageDelta => "message_delta",
            Self::MessageStart => "message_start",
            Self::MessageStop => "message_stop",
            Self::Ping => "ping",
        }
    }
}

/// The blocks that take deltas of that type; none for a type not known.
pub(super) fn homes(delta: &str) -> Option<&'static [&'static str]> {
    Some(match delta {
        "citations_delta" | "text_delta" => &["text"],
        "input_json_delta" => &["mcp_tool_use", "server_tool_use", "tool_use"],
        "signature_delta" | "thinking_delta" => &["thinking"],
        _ => return None,
    })
}

/// The name of a known block; none for one to be ignored. Results of server tools are all alike here.
pub(super) fn known_block(kind: &str) -> Option<&'static str> {
    const KNOWN: [&str; 7] = [
        "container_upload",
        "mcp_tool_use",
        "redacted_thinking",
        "server_tool_use",
        "text",
        "thinking",
        "tool_use",
    ];
    let named = KNOWN.into_iter().find(|known| *known == kind);
    named.or_else(|| kind.ends_with("_tool_result").then_some("tool_result"))
}

/// The stop reasons known today, one of a beta included.
pub(super) const STOP_REASONS: [&str; 8] = [
    "compaction",
    "end_turn",
    "max_tokens",
    "model_context_window_exceeded",
    "pause_turn",
    "refusal",
    "stop_sequence",
    "tool_use",
];

/// The error types of the API that an answer to a message can have.
pub(super) const ERROR_TYPES: [&str; 11] = [
    "api_error",
    "authentication_error",
    "billing_error",
    "conflict_error",
    "invalid_request_error",
    "not_found_error",
    "overloaded_error",
    "permission_error",
    "rate_limit_error",
    "request_too_large",
    "timeout_error",
];
