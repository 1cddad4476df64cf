//! Which features a request is about, by what stands in it.

use classify::{Body, Request};
use serde_json::Value;

use super::{Feature, Features};
use crate::version::{OperationId, Version};

/// A body over this length is about its length, and looking into it costs more than it tells.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Items of a batch that are looked at; the rest is drawn from the same.
const ITEMS_MAX: usize = 16;

/// What a request is about. A body that is no JSON is about nothing but its operation.
pub fn of(version: Version, operation: OperationId, request: &Request) -> Features {
    let mut features: Features =
        [Feature::of_version(version), Feature::of_operation(operation)].into_iter().collect();
    if request.headers.get("content-encoding").is_some() {
        features.add(Feature::RequestEncoding);
    }
    if ["authorization", "x-api-key"].iter().all(|name| request.headers.get(name).is_some()) {
        // Which of the two counts is a question about keys.
        features.add(Feature::Keys);
    }
    let body = match &request.body {
        Body::Bytes(bytes) if bytes.len() < BODY_BYTES_MAX => bytes.clone(),
        // Once is enough: what is repeated is the same.
        Body::Repeat { prefix, unit, suffix, .. } => [&prefix[..], unit, suffix].concat().into(),
        Body::Bytes(_) | Body::Empty => return features,
    };
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return features };
    match operation {
        OperationId::BatchesCreate => {
            for item in list(&body["requests"]).take(ITEMS_MAX) {
                of_params(&item["params"], &mut features);
            }
        }
        _ => of_params(&body, &mut features),
    }
    features
}

fn of_params(params: &Value, features: &mut Features) {
    const FIELDS: [(&str, Feature); 15] = [
        ("system", Feature::System),
        ("stop_sequences", Feature::StopSequences),
        ("tools", Feature::Tools),
        ("tool_choice", Feature::ToolChoice),
        ("thinking", Feature::Thinking),
        ("temperature", Feature::Sampling),
        ("top_p", Feature::Sampling),
        ("top_k", Feature::Sampling),
        ("metadata", Feature::Metadata),
        ("service_tier", Feature::ServiceTier),
        ("speed", Feature::Speed),
        ("inference_geo", Feature::InferenceGeo),
        ("diagnostics", Feature::Diagnostics),
        ("container", Feature::Container),
        ("cache_control", Feature::PromptCaching),
    ];
    for (field, feature) in FIELDS {
        if params.get(field).is_some_and(|value| !value.is_null()) {
            features.add(feature);
        }
    }
    if params["max_tokens"] == 0 {
        features.add(Feature::CacheWarming);
    }
    if params["stream"] == true {
        features.add(Feature::Streaming);
    }
    if !params["output_config"]["effort"].is_null() {
        features.add(Feature::Effort);
    }
    if !params["output_config"]["format"].is_null() {
        features.add(Feature::StructuredOutput);
    }
    if params["tool_choice"]["disable_parallel_tool_use"].is_boolean() {
        features.add(Feature::ParallelTools);
    }
    list(&params["tools"]).for_each(|tool| of_tool(tool, features));
    list(&params["system"]).for_each(|block| of_block(block, features));
    for message in list(&params["messages"]) {
        if message["role"] == "system" {
            features.add(Feature::SystemMessages);
        }
        list(&message["content"]).for_each(|block| of_block(block, features));
        let calls = list(&message["content"]).filter(|block| block["type"] == "tool_use");
        if calls.count() > 1 {
            features.add(Feature::ParallelTools);
        }
    }
}

fn of_tool(tool: &Value, features: &mut Features) {
    const FAMILIES: [(&str, Feature); 9] = [
        ("web_search", Feature::WebSearch),
        ("web_fetch", Feature::WebFetch),
        ("code_execution", Feature::CodeExecution),
        ("tool_search", Feature::ToolSearch),
        ("bash", Feature::BashTool),
        ("text_editor", Feature::TextEditor),
        ("memory", Feature::MemoryTool),
        ("computer", Feature::ComputerUse),
        ("browser", Feature::ComputerUse),
    ];
    let kind = tool["type"].as_str().unwrap_or_default();
    if let Some((_, feature)) = FAMILIES.iter().find(|(family, _)| kind.starts_with(family)) {
        features.add(*feature);
    }
    if tool["defer_loading"] == true {
        features.add(Feature::ToolSearch);
    }
    if !tool["cache_control"].is_null() {
        features.add(Feature::PromptCaching);
    }
    if tool["citations"]["enabled"] == true {
        features.add(Feature::Citations);
    }
}

/// A block of content and what stands in it; the schema nests them no deeper than a result of a tool.
fn of_block(block: &Value, features: &mut Features) {
    let kind = block["type"].as_str().unwrap_or_default();
    let found = match kind {
        "image" => Some(Feature::Images),
        "document" => Some(Feature::Documents),
        "search_result" => Some(Feature::SearchResults),
        "thinking" | "redacted_thinking" => Some(Feature::Thinking),
        "tool_use" => Some(Feature::Tools),
        "tool_result" => Some(Feature::ToolResults),
        "container_upload" => Some(Feature::Files),
        "server_tool_use" => of_server_tool(block["name"].as_str().unwrap_or_default()),
        other => other.strip_suffix("_tool_result").and_then(of_server_tool),
    };
    found.into_iter().for_each(|feature| features.add(feature));
    match block["source"]["type"].as_str() {
        Some("url") if kind == "image" => features.add(Feature::ImageUrls),
        Some("file") => features.add(Feature::Files),
        _ => {}
    }
    if !block["cache_control"].is_null() {
        features.add(Feature::PromptCaching);
    }
    if block["citations"]["enabled"] == true || list(&block["citations"]).next().is_some() {
        features.add(Feature::Citations);
    }
    if matches!(kind, "tool_result" | "document") {
        list(&block["content"])
            .chain(list(&block["source"]["content"]))
            .for_each(|block| of_block(block, features));
    }
}

fn of_server_tool(name: &str) -> Option<Feature> {
    match name {
        "web_search" => Some(Feature::WebSearch),
        "web_fetch" => Some(Feature::WebFetch),
        "code_execution" | "bash_code_execution" | "text_editor_code_execution" => {
            Some(Feature::CodeExecution)
        }
        name if name.starts_with("tool_search") => Some(Feature::ToolSearch),
        _ => None,
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
