//! The promises about what the rare events carry: the start of the message and of its blocks, the usage, the error.
//!
//! None of these rules breaks the grammar. What is read here is read as a tree, which is slow and simple; deltas,
//! of which there are many, never come here.

use serde_json::{Map, Value};

use super::log::Log;
use super::names::{ERROR_TYPES, STOP_REASONS};
use super::note::NoteKind;
use super::rule::Rule;

/// Ids of calls that are compared with those to come. More calls in one answer have not been seen.
const TOOL_IDS_MAX: usize = 256;

/// Longer ids have not been seen, and must not fill the memory.
const TOOL_ID_BYTES_MAX: usize = 256;

/// The counts of the whole message, in the order of [`COUNTS`]; none where the stream gave none yet.
#[derive(Debug, Default)]
pub(super) struct Usage([Option<u64>; COUNTS.len()]);

const COUNTS: [&str; 4] =
    ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];

/// What one usage must hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Start,
    /// At the end of a message that ended so.
    End {
        refused: bool,
    },
}

/// The message as `message_start` tells it.
pub(super) fn message(log: &mut Log, message: &Value, usage: &mut Usage) {
    let id = text(&message["id"]);
    if !id.starts_with("msg_") {
        log.violate(Rule::MessageId, format_args!("`id` is {}", message["id"]));
    }
    if message["type"] != "message" {
        log.violate(Rule::MessageType, format_args!("`type` is {}", message["type"]));
    }
    if message["role"] != "assistant" {
        log.violate(Rule::MessageRole, format_args!("`role` is {}", message["role"]));
    }
    if text(&message["model"]).trim().is_empty() {
        log.violate(Rule::MessageModel, format_args!("`model` is {}", message["model"]));
    }
    if message["content"].as_array().is_none_or(|content| !content.is_empty()) {
        log.violate(
            Rule::MessageContentNotEmpty,
            format_args!("`content` is {}", message["content"]),
        );
    }
    if !message["stop_reason"].is_null() {
        log.violate(
            Rule::StopReasonEarly,
            format_args!("`stop_reason` is {}", message["stop_reason"]),
        );
    }
    usage.take(log, &message["usage"], Place::Start);
}

impl Usage {
    /// Compares the counts with those before.
    pub(super) fn take(&mut self, log: &mut Log, usage: &Value, place: Place) {
        let Some(usage) = usage.as_object() else {
            return log.violate(Rule::UsageMissing, format_args!("`usage` is {usage}"));
        };
        let required = if place == Place::Start { &COUNTS[..2] } else { &COUNTS[1..2] };
        for name in required {
            if usage.get(*name).is_none_or(Value::is_null) {
                log.violate(Rule::UsageFieldMissing, format_args!("`{name}` is missing"));
            }
        }
        for (name, before) in COUNTS.iter().zip(&mut self.0) {
            let Some(value) = usage.get(*name).filter(|value| !value.is_null()) else { continue };
            let Some(count) = value.as_u64() else {
                log.violate(Rule::UsageNotCount, format_args!("`{name}` is {value}"));
                continue;
            };
            // Nothing is charged for a refusal before the first token.
            let may_fall = matches!(place, Place::End { refused: true });
            if let Some(before) = before.filter(|before| count < *before && !may_fall) {
                log.violate(
                    Rule::UsageDecreases,
                    format_args!("`{name}` is {count}, and was {before} before"),
                );
            }
            *before = Some(count);
        }
    }
}

/// A block of a known type as `content_block_start` tells it.
pub(super) fn block(log: &mut Log, block: &Value, tool_ids: &mut Vec<String>) {
    match text(&block["type"]) {
        kind @ ("text" | "thinking") if !text(&block[kind]).is_empty() => {
            log.violate(Rule::StartNotEmpty, format_args!("`{kind}` is {}", block[kind]));
        }
        "tool_use" => call(log, block, "toolu_", tool_ids),
        "server_tool_use" => call(log, block, "srvtoolu_", tool_ids),
        "mcp_tool_use" => call(log, block, "mcptoolu_", tool_ids),
        "redacted_thinking" if text(&block["data"]).is_empty() => {
            log.violate(Rule::RedactedDataMissing, format_args!("`data` is {}", block["data"]));
        }
        _ => {}
    }
}

fn call(log: &mut Log, block: &Value, prefix: &str, tool_ids: &mut Vec<String>) {
    let id = text(&block["id"]);
    if !id.starts_with(prefix) {
        log.violate(
            Rule::ToolIdPrefix,
            format_args!("`id` is {} and not `{prefix}…`", block["id"]),
        );
    }
    if !id.is_empty() && tool_ids.iter().any(|other| other == id) {
        log.violate(Rule::ToolIdRepeated, format_args!("`{id}` was there before"));
    } else if tool_ids.len() < TOOL_IDS_MAX && id.len() <= TOOL_ID_BYTES_MAX {
        tool_ids.push(id.to_owned());
    }
    if text(&block["name"]).trim().is_empty() {
        log.violate(Rule::ToolNameMissing, format_args!("`name` is {}", block["name"]));
    }
    if !block["input"].as_object().is_some_and(Map::is_empty) {
        log.violate(Rule::ToolInputStart, format_args!("`input` is {}", block["input"]));
    }
}

/// What `message_delta` says beside the stop reason `reason`.
pub(super) fn ending(log: &mut Log, delta: &Value, reason: &str) {
    let sequence = &delta["stop_sequence"];
    if reason == "stop_sequence" && text(sequence).is_empty() {
        log.violate(Rule::StopSequenceMissing, format_args!("`stop_sequence` is {sequence}"));
    }
    if reason != "stop_sequence" && STOP_REASONS.contains(&reason) && !sequence.is_null() {
        log.violate(
            Rule::StopSequenceUnexpected,
            format_args!("`stop_sequence` is {sequence} under `{reason}`"),
        );
    }
    let details = &delta["stop_details"];
    if reason != "refusal" && STOP_REASONS.contains(&reason) && details["type"] == "refusal" {
        log.violate(
            Rule::StopDetailsUnexpected,
            format_args!("`stop_details` tell of a refusal under `{reason}`"),
        );
    }
    if !STOP_REASONS.contains(&reason) {
        log.note(NoteKind::UnknownStopReason, reason);
    }
}

/// The data of an `error` event.
pub(super) fn error(log: &mut Log, data: &str) {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let error = &data["error"];
    if !error.is_object() {
        return log.violate(Rule::ErrorMalformed, format_args!("`error` is {error}"));
    }
    let kind = text(&error["type"]);
    if kind.is_empty() {
        log.violate(Rule::ErrorTypeMissing, format_args!("`error.type` is {}", error["type"]));
    } else if !ERROR_TYPES.contains(&kind) {
        log.note(NoteKind::UnknownErrorType, kind);
    }
    if text(&error["message"]).is_empty() {
        log.violate(
            Rule::ErrorMessageMissing,
            format_args!("`error.message` is {}", error["message"]),
        );
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
