//! The parts of the API that a server may leave out, and which of them a request is about.

use std::fmt;

use classify::{Body, Request};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::version::{OperationId, Version};

/// A part of the API that a server can have or not, in the order in which reports list them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Feature {
    Messages,
    Streaming,
    System,
    StopSequences,
    Tools,
    ToolChoice,
    ParallelTools,
    ToolResults,
    Images,
    ImageUrls,
    Documents,
    Files,
    SearchResults,
    Citations,
    Thinking,
    Effort,
    StructuredOutput,
    Sampling,
    Metadata,
    PromptCaching,
    SystemMessages,
    ServiceTier,
    Speed,
    InferenceGeo,
    Diagnostics,
    Container,
    WebSearch,
    WebFetch,
    CodeExecution,
    ToolSearch,
    BashTool,
    TextEditor,
    MemoryTool,
    ComputerUse,
    CountTokens,
    Models,
    Batches,
    Keys,
    Version2023,
    Version2026,
    RequestEncoding,
}

/// What is known of a feature.
struct Row {
    feature: Feature,
    name: &'static str,
    title: &'static str,
    /// Words by which an error message names it, in small letters.
    words: &'static [&'static str],
}

const fn row(
    feature: Feature,
    name: &'static str,
    title: &'static str,
    words: &'static [&'static str],
) -> Row {
    Row { feature, name, title, words }
}

const ROWS: [Row; 41] = [
    row(Feature::Messages, "messages", "messages", &["/v1/messages"]),
    row(Feature::Streaming, "streaming", "streaming", &["stream"]),
    row(Feature::System, "system", "system prompts", &["system"]),
    row(
        Feature::StopSequences,
        "stop-sequences",
        "stop sequences",
        &["stop_sequence", "stop sequence"],
    ),
    row(Feature::Tools, "tools", "tools", &["tool", "function call"]),
    row(Feature::ToolChoice, "tool-choice", "tool_choice", &["tool_choice", "tool choice"]),
    row(Feature::ParallelTools, "parallel-tools", "parallel tool use", &["parallel"]),
    row(Feature::ToolResults, "tool-results", "tool results", &["tool_result", "tool result"]),
    row(Feature::Images, "images", "images", &["image", "vision", "multimodal"]),
    row(Feature::ImageUrls, "image-urls", "images by URL", &["url", "image"]),
    row(Feature::Documents, "documents", "PDF and other documents", &["document", "pdf"]),
    row(Feature::Files, "files", "uploaded files", &["file"]),
    row(
        Feature::SearchResults,
        "search-results",
        "search results",
        &["search_result", "search result"],
    ),
    row(Feature::Citations, "citations", "citations", &["citation"]),
    row(Feature::Thinking, "thinking", "thinking", &["thinking", "reasoning"]),
    row(Feature::Effort, "effort", "effort", &["effort", "output_config"]),
    row(
        Feature::StructuredOutput,
        "structured-output",
        "structured output",
        &["output_config", "output_format", "json_schema", "structured output", "response_format"],
    ),
    row(
        Feature::Sampling,
        "sampling",
        "temperature, top_p, top_k",
        &["temperature", "top_p", "top_k", "sampling"],
    ),
    row(Feature::Metadata, "metadata", "metadata", &["metadata", "user_id"]),
    row(
        Feature::PromptCaching,
        "prompt-caching",
        "prompt caching",
        &["cache_control", "prompt cach", "caching"],
    ),
    row(
        Feature::SystemMessages,
        "system-messages",
        "messages of the role system",
        &["role", "system"],
    ),
    row(Feature::ServiceTier, "service-tier", "service tiers", &["service_tier", "service tier"]),
    row(Feature::Speed, "speed", "fast mode", &["speed", "fast mode"]),
    row(Feature::InferenceGeo, "inference-geo", "inference_geo", &["inference_geo"]),
    row(Feature::Diagnostics, "diagnostics", "diagnostics", &["diagnostics"]),
    row(Feature::Container, "containers", "containers", &["container"]),
    row(
        Feature::WebSearch,
        "web-search",
        "web search",
        &["web_search", "web search", "server tool"],
    ),
    row(Feature::WebFetch, "web-fetch", "web fetch", &["web_fetch", "web fetch", "server tool"]),
    row(
        Feature::CodeExecution,
        "code-execution",
        "code execution",
        &["code_execution", "code execution", "server tool"],
    ),
    row(
        Feature::ToolSearch,
        "tool-search",
        "tool search",
        &["tool_search", "defer_loading", "tool search"],
    ),
    row(Feature::BashTool, "bash-tool", "bash tool", &["bash"]),
    row(
        Feature::TextEditor,
        "text-editor-tool",
        "text editor tool",
        &["text_editor", "text editor"],
    ),
    row(Feature::MemoryTool, "memory-tool", "memory tool", &["memory"]),
    row(Feature::ComputerUse, "computer-use", "computer use", &["computer"]),
    row(
        Feature::CountTokens,
        "count-tokens",
        "token counting",
        &["count_tokens", "token count", "counting"],
    ),
    row(Feature::Models, "models", "list of models", &["/v1/models"]),
    row(Feature::Batches, "batches", "batches", &["batch"]),
    row(Feature::Keys, "keys", "checking of keys", &["api key", "api_key", "x-api-key"]),
    row(Feature::Version2023, "version-2023-06-01", "API version 2023-06-01", &["version"]),
    row(Feature::Version2026, "version-2026-10-21", "API version 2026-10-21", &["version"]),
    row(
        Feature::RequestEncoding,
        "request-encoding",
        "compressed requests",
        &["content-encoding", "encoding", "gzip", "compress"],
    ),
];

impl Feature {
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.feature)
    }

    /// As profiles and reports write it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// As a person says it.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    pub fn parse(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.name == name).map(|row| row.feature)
    }

    /// The feature of requests of that version.
    pub fn of_version(version: Version) -> Self {
        match version {
            Version::V2023_06_01 => Self::Version2023,
            Version::V2026_10_21 => Self::Version2026,
        }
    }

    /// The feature that an operation belongs to.
    pub fn of_operation(operation: OperationId) -> Self {
        match operation {
            OperationId::MessagesCreate => Self::Messages,
            OperationId::MessagesCountTokens => Self::CountTokens,
            OperationId::BatchesCreate
            | OperationId::BatchesList
            | OperationId::BatchesGet
            | OperationId::BatchesCancel
            | OperationId::BatchesDelete
            | OperationId::BatchesResults => Self::Batches,
            OperationId::ModelsList | OperationId::ModelsGet => Self::Models,
        }
    }

    /// Whether a text in small letters names it.
    pub fn is_named_in(self, text: &str) -> bool {
        self.row().words.iter().any(|word| text.contains(word))
    }

    fn row(self) -> &'static Row {
        // A test holds that the rows stand in the order of the variants.
        &ROWS[self as usize]
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(Self::name).collect();
            de::Error::custom(format!(
                "there is no feature `{name}`: expected one of {}",
                names.join(", ")
            ))
        })
    }
}

/// A set of features: as small as a number, because there is one for each case of a run.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Features(u64);

impl Features {
    pub fn add(&mut self, feature: Feature) {
        self.0 |= 1 << feature as u64;
    }

    pub fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u64) != 0
    }

    /// What is in both.
    pub fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::all().filter(move |feature| self.has(*feature))
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        let mut set = Self::default();
        features.into_iter().for_each(|feature| set.add(feature));
        set
    }
}

/// A body over this length is about its length, and looking into it costs more than it tells.
const BODY_BYTES_MAX: u64 = 1 << 20;
/// Items of a batch that are looked at; the rest is drawn from the same.
const ITEMS_MAX: usize = 16;

/// What a request is about. A body that is no JSON is about nothing but its operation.
pub fn of(version: Version, operation: OperationId, request: &Request) -> Features {
    let mut features: Features =
        [Feature::of_version(version), Feature::of_operation(operation)].into_iter().collect();
    if request.headers.get("content-encoding").is_some() {
        features.add(Feature::RequestEncoding);
    }
    let body = match &request.body {
        Body::Bytes(bytes) if (bytes.len() as u64) < BODY_BYTES_MAX => bytes,
        _ => return features,
    };
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return features };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(params: &Value, expected: &[&str]) {
        let body = Body::Bytes(params.to_string().into());
        let request = Request { method: "POST".into(), body, ..Request::default() };
        let features = of(Version::V2026_10_21, OperationId::MessagesCreate, &request);
        let found: Vec<_> = features.iter().map(Feature::name).collect();
        let mut all = vec!["messages"];
        all.extend(expected);
        all.push("version-2026-10-21");
        assert_eq!(found, all);
    }

    fn says(content: &Value) -> Value {
        json!({"messages": [{"role": "user", "content": content}]})
    }

    #[test]
    fn a_request_shows_what_it_is_about() {
        check(&says(&json!("Hello")), &[]);
        check(
            &json!({"stream": true, "temperature": 0.5, "system": "Be brief."}),
            &["streaming", "system", "sampling"],
        );
        check(&json!({"stream": false, "cache_control": null}), &[]);
        check(
            &says(&json!([{"type": "image", "source": {"type": "url"}}])),
            &["images", "image-urls"],
        );
        check(&json!({"tools": [{"type": "web_search_20250305"}]}), &["tools", "web-search"]);
        check(
            &json!({"output_config": {"effort": "low", "format": {}}}),
            &["effort", "structured-output"],
        );
        let nested = json!([{"type": "tool_result", "content": [{"type": "document", "source": {"type": "file"}}]}]);
        check(&says(&nested), &["tool-results", "documents", "files"]);
        let twice = json!([{"type": "tool_use"}, {"type": "tool_use"}]);
        check(&says(&twice), &["tools", "parallel-tools"]);
        let served = json!([{"type": "bash_code_execution_tool_result", "cache_control": {}}]);
        check(&says(&served), &["prompt-caching", "code-execution"]);
        check(&json!([1]), &[]);
    }

    #[test]
    fn rows_stand_where_their_variants_say() {
        for (idx, row) in ROWS.iter().enumerate() {
            assert_eq!(row.feature as usize, idx, "{}", row.name);
            assert_eq!(Feature::parse(row.name), Some(row.feature));
        }
        assert!(ROWS.len() <= 64, "a set is one number");
    }
}
