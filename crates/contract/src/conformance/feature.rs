//! The parts of the API that a server may leave out, and which of them a request is about.

mod request;

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::version::{OperationId, Version};

pub use request::of;

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
    CacheWarming,
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

const ROWS: [Row; 42] = [
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
    row(Feature::CacheWarming, "cache-warming", "max_tokens of 0", &["max_tokens"]),
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

#[cfg(test)]
mod tests {
    use classify::{Body, Request};
    use serde_json::{Value, json};

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
    fn a_body_that_is_written_piece_by_piece_is_about_what_it_says() {
        let body = Body::Repeat {
            prefix: r#"{"stream": true, "system": ""#.into(),
            unit: "long ".into(),
            count: 1 << 30,
            suffix: r#""}"#.into(),
        };
        let request = Request { method: "POST".into(), body, ..Request::default() };
        let features = of(Version::V2026_10_21, OperationId::MessagesCreate, &request);
        assert!(features.has(Feature::Streaming) && features.has(Feature::System));
    }

    #[test]
    fn a_key_beside_another_is_a_question_about_keys() {
        let mut request = Request { method: "GET".into(), ..Request::default() };
        request.headers.push("x-api-key", "sk-ant-api03-probity-test-key");
        let is_about_keys = |request: &Request| {
            of(Version::V2026_10_21, OperationId::ModelsList, request).has(Feature::Keys)
        };
        assert!(!is_about_keys(&request));
        request.headers.push("authorization", "Bearer sk-ant-api03-probity-wrong-key");
        assert!(is_about_keys(&request));
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
