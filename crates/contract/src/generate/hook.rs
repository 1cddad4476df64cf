//! Members that are drawn with the conversation in mind and not from their schema alone.
//!
//! One table, looked up when the spec is compiled. A member without an entry is drawn from its schema, so a new
//! field of the spec is generated at once; an entry is needed only where a semantic rule ties it to others.

/// How a member is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hook {
    /// From the schema.
    Plain,
    AllowedCallers,
    /// `allowed_domains`: never beside its opposite.
    AllowedDomains,
    BlockedDomains,
    /// Below `max_tokens`.
    Budget,
    /// At most four in a request.
    CacheControl,
    /// Who made a call: nobody but the model, or code that ran before.
    Caller,
    /// What the call in hand says.
    CallId,
    CallInput,
    CallName,
    CallToolset,
    /// All documents or none.
    Citations,
    Container,
    Content,
    Country,
    CustomId,
    DeferLoading,
    Description,
    Effort,
    /// An end that lies after every start.
    EndIndex,
    FileId,
    Format,
    FormatSchema,
    Geo,
    ImageData,
    ImageType,
    InputExamples,
    InputSchema,
    MaxTokens,
    MemberConfig,
    Messages,
    Model,
    /// Text that only the API can have made.
    Opaque,
    OutputConfig,
    Params,
    Pdf,
    /// Data of a redacted thinking block, as our mock makes it.
    Redacted,
    /// Sampling: 2023-06-01 only, and not with every model.
    Sampling,
    Requests,
    Signature,
    Speed,
    StopSequences,
    Stream,
    Strict,
    System,
    /// Citations of a text block.
    TextCitations,
    Text,
    Thinking,
    ThinkingText,
    ToolChoice,
    /// One of the tools drawn.
    ToolChoiceName,
    ToolName,
    ToolReference,
    Tools,
    TopCacheControl,
    Url,
}

impl Hook {
    /// The hook of a component's property.
    pub(crate) fn of(component: &str, property: &str) -> Self {
        match (component, property) {
            ("CreateMessageParams" | "CountMessageTokensParams", property) => match property {
                "cache_control" => Self::TopCacheControl,
                "container" => Self::Container,
                "inference_geo" => Self::Geo,
                "max_tokens" => Self::MaxTokens,
                "messages" => Self::Messages,
                "model" => Self::Model,
                "output_config" => Self::OutputConfig,
                "speed" => Self::Speed,
                "stop_sequences" => Self::StopSequences,
                "stream" => Self::Stream,
                "system" => Self::System,
                "temperature" | "top_k" | "top_p" => Self::Sampling,
                "thinking" => Self::Thinking,
                "tool_choice" => Self::ToolChoice,
                "tools" => Self::Tools,
                _ => Self::Plain,
            },
            ("Base64ImageSource", "data") => Self::ImageData,
            ("Base64ImageSource", "media_type") => Self::ImageType,
            ("Base64PDFSource", "data") => Self::Pdf,
            ("BrowserToolsetConfigs" | "ComputerToolsetConfigs", _) => Self::MemberConfig,
            ("CreateMessageBatchParams", "requests") => Self::Requests,
            ("JsonOutputFormat", "schema") => Self::FormatSchema,
            ("MessageBatchIndividualRequestParams", "custom_id") => Self::CustomId,
            ("MessageBatchIndividualRequestParams", "params") => Self::Params,
            ("OutputConfig", "effort") => Self::Effort,
            ("OutputConfig", "format") => Self::Format,
            ("RequestRedactedThinkingBlock", "data") => Self::Redacted,
            ("RequestSearchResultBlock", "content") => Self::Content,
            ("RequestTextBlock", "citations") => Self::TextCitations,
            ("RequestTextBlock", "text") => Self::Text,
            ("RequestThinkingBlock", "signature") => Self::Signature,
            ("RequestThinkingBlock", "thinking") => Self::ThinkingText,
            ("RequestToolReferenceBlock", "tool_name") => Self::ToolReference,
            ("RequestToolResultBlock", "content") => Self::Content,
            ("RequestToolUseBlock" | "RequestServerToolUseBlock", "id") => Self::CallId,
            ("RequestToolUseBlock" | "RequestServerToolUseBlock", "input") => Self::CallInput,
            ("RequestToolUseBlock" | "RequestServerToolUseBlock", "name") => Self::CallName,
            ("ThinkingConfigEnabled", "budget_tokens") => Self::Budget,
            ("Tool", "description") => Self::Description,
            ("Tool", "input_schema") => Self::InputSchema,
            ("Tool", "name") => Self::ToolName,
            ("ToolChoiceTool", "name") => Self::ToolChoiceName,
            ("UserLocation", "country") => Self::Country,
            (_, "allowed_callers") => Self::AllowedCallers,
            (_, "allowed_domains") => Self::AllowedDomains,
            (_, "blocked_domains") => Self::BlockedDomains,
            (_, "cache_control") => Self::CacheControl,
            (_, "caller") => Self::Caller,
            (_, "citations") => Self::Citations,
            (_, "defer_loading") => Self::DeferLoading,
            (_, "encrypted_content" | "encrypted_index" | "encrypted_stdout") => Self::Opaque,
            (_, "file_id") => Self::FileId,
            (_, "input_examples") => Self::InputExamples,
            (_, "strict") => Self::Strict,
            (_, "tool_use_id") => Self::CallId,
            (_, "toolset_name") => Self::CallToolset,
            (_, "url") => Self::Url,
            (_, property) if property.starts_with("end_") => Self::EndIndex,
            _ => Self::Plain,
        }
    }
}
