//! How much of the contract a server must keep to be of use to whom.
//!
//! Three levels, each with all that the ones before it demand. A breach has one level: the weakest at which it counts.
//! The price of three names is that each stands for a judgement of ours; what it rests on is written beside the rule.

use std::fmt;

use classify::{Body, Class, stream};
use serde_json::Value;

use crate::case::{Case, Origin};
use crate::conformance::{self, chain};
use crate::judge::Record;
use crate::response;

/// A level of conformance, weakest first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// What an agent loop cannot do without: the text, whole tool calls, stop reasons, what an error is, when to retry.
    AgentReady,
    /// What the documented clients read: envelopes, ids, usage, headers, the order and names of events.
    Compatible,
    /// Everything the contract promises.
    Strict,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::AgentReady, Self::Compatible, Self::Strict];

    /// The stable kebab-case name used in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::AgentReady => "agent-ready",
            Self::Compatible => "compatible",
            Self::Strict => "strict",
        }
    }

    /// The level of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// The weakest level at which a breach of that rule counts.
    ///
    /// Of [answers](Self::of_answer) of another kind the name alone does not say it; what is of no table counts for
    /// the strictest only.
    pub fn of(rule: &str) -> Self {
        if let Some(rule) = response::find(rule) {
            return rule.level;
        }
        if let Some(rule) = stream::Rule::parse(rule) {
            return of_stream(rule);
        }
        let beside = || conformance::RULES.iter().find(|known| known.id == rule);
        if let Some(rule) = chain::find(rule).or_else(beside) {
            return rule.level;
        }
        if let Some(rule) = rule.strip_prefix("refuses/") {
            return of_refusal(rule);
        }
        let of_judge = JUDGED.iter().find(|(id, _)| *id == rule);
        match of_judge {
            Some((_, level)) => *level,
            // Whoever creates a batch wants it back.
            None if rule.starts_with("chain/") => Self::Compatible,
            None => Self::Strict,
        }
    }

    /// The weakest level at which the record counts: that of its weightiest finding. `None` if nothing is wrong with it.
    pub fn of_record(record: &Record) -> Option<Self> {
        record.findings.iter().map(|finding| finding.level).min()
    }

    /// The same for an answer of another class than those the contract permits.
    pub fn of_answer(case: &Case, permitted: &[Class], class: Class, status: Option<u16>) -> Self {
        if permitted.iter().any(|class| class.is_success()) {
            // A stream in place of one body, or one body in place of a stream; or what every agent sends.
            let is_needed = class.is_success() || is_plain(case);
            return if is_needed { Self::AgentReady } else { Self::Compatible };
        }
        let is_again = is_passing(class) && !status.is_some_and(is_final);
        let is_turned = permitted.iter().all(|p| is_passing(*p) != is_again);
        match of_refusal(rule_of(case)) {
            // Sent again when it should not be, or given up when it should not be.
            Self::Strict if is_turned && !class.is_success() => Self::Compatible,
            level => level,
        }
    }
}

/// That of requests which must be refused, and are not, or otherwise. No agent loop needs refusals; what it does need,
/// wherever one comes, is what the rules for errors say of its body.
fn of_refusal(rule: &str) -> Level {
    /// Whoever mistypes a key wants to be told so, and every client has a word for it.
    const COMPATIBLE: [&str; 4] =
        ["bearer-invalid", "credential-invalid", "credential-missing", "wrong-key"];
    if COMPATIBLE.contains(&rule) { Level::Compatible } else { Level::Strict }
}

/// The rule that the case breaks; empty if it is valid.
fn rule_of(case: &Case) -> &str {
    match &case.origin {
        Origin::Mutated(mutation) => mutation.rule,
        Origin::Witness { rule, .. } => rule,
        Origin::Canary | Origin::Valid => "",
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Sets the level of what the name of its rule does not weigh. For records put together by other hands than the judge's.
pub fn weigh(case: &Case, record: &mut Record) {
    for finding in &mut record.findings {
        match finding.rule {
            "answer-class" => {
                let Record { class, status, .. } = *record;
                finding.level = Level::of_answer(case, &record.expected.classes, class, status);
            }
            "answer-status" | "answer-type" => finding.level = of_refusal(rule_of(case)),
            _ => {}
        }
    }
}

/// The findings of the judge itself.
const JUDGED: [(&str, Level); 8] = [
    // Every client acts on the class of an error, and on what it says; on codes, the newest only.
    ("answer-class", Level::Compatible),
    ("answer-code", Level::Strict),
    ("answer-status", Level::Compatible),
    ("answer-type", Level::Compatible),
    ("limited", Level::AgentReady),
    // What a stream comes to is not what the same request gets in one piece.
    ("stream/fold-differs", Level::AgentReady),
    ("unreachable", Level::AgentReady),
    ("unsendable", Level::Strict),
];

/// What loses a part of the answer, or leaves open whether it is whole, is needed by everybody; the rest is form.
fn of_stream(rule: stream::Rule) -> Level {
    use stream::Rule::*;
    match rule {
        BlockLeftOpen
        | BlockMissing
        | BlockOverlap
        | DataNotJson
        | DataNotObject
        | DataNotUtf8
        | DeltaAfterStop
        | DeltaFieldMissing
        | DeltaMissing
        | DeltaTypeMismatch
        | DeltaUnopened
        | DuplicateStart
        | ErrorMalformed
        | ErrorTerminates
        | ErrorTypeMissing
        | EventBeforeStart
        | EventTooLong
        | EventUnnamed
        | FinalBlankLineMissing
        | IndexGap
        | IndexMissing
        | IndexReused
        | MessageContentNotEmpty
        | MessageMissing
        | NoEvents
        | NoMessageDelta
        | NoMessageStop
        | StopReasonChanged
        | StopReasonIgnoresCall
        | StopReasonMissing
        | StopReasonWithoutCall
        | StopUnopened
        | ToolIdRepeated
        | ToolJsonIncomplete
        | ToolJsonInvalid
        | ToolJsonNotObject
        | ToolJsonTrailing
        | ToolNameMissing
        | TypeMissing => Level::AgentReady,
        AfterMessageStop
        | BlockAfterMessageDelta
        | CitationMissing
        | DataEmpty
        | DoneMarker
        | DuplicateSignature
        | DuplicateStop
        | EmptyTextBlock
        | ErrorAfterStop
        | ErrorMessageMissing
        | EventNameUnknown
        | ForeignEvent
        | LoneSurrogate
        | MessageId
        | MessageModel
        | MessageRole
        | MessageType
        | NameTypeMismatch
        | RedactedDataMissing
        | SignatureEmpty
        | SignatureMissing
        | SignatureNotLast
        | StartNotEmpty
        | StopReasonEarly
        | StopSequenceMissing
        | StopSequenceUnexpected
        | ToolIdPrefix
        | ToolInputStart
        | UsageDecreases
        | UsageFieldMissing
        | UsageMissing
        | UsageNotCount => Level::Compatible,
        StopDetailsUnexpected | ToolsetInputSplit => Level::Strict,
    }
}

/// Whether the same request can succeed when it is sent again.
fn is_passing(class: Class) -> bool {
    match class {
        Class::Conflict
        | Class::Intermediary
        | Class::Overloaded
        | Class::RateLimited
        | Class::ServerError
        | Class::StreamCut
        | Class::StreamError
        | Class::TimedOut
        | Class::Unavailable
        | Class::Unreachable(_) => true,
        Class::Accepted
        | Class::BillingRequired
        | Class::ContentFiltered
        | Class::EdgeForbidden
        | Class::Impostor
        | Class::InvalidRequest
        | Class::Malformed
        | Class::MethodNotAllowed
        | Class::NotFound
        | Class::PermissionDenied
        | Class::RateLimitDisguised
        | Class::SpendLimited
        | Class::StreamMalformed
        | Class::Streamed
        | Class::TooLarge
        | Class::Unauthorized
        | Class::Undocumented
        | Class::Unsendable => false,
    }
}

/// Whether no client sends the request again after that status, whoever wrote the body.
fn is_final(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 408 | 409 | 429)
}

/// Whether every agent sends such requests: text, tools of its own and their results, streamed or not, and nothing else.
fn is_plain(case: &Case) -> bool {
    let is_usual = match &case.origin {
        Origin::Valid => true,
        Origin::Witness { mended, .. } => *mended,
        Origin::Canary | Origin::Mutated(_) => false,
    };
    let Body::Bytes(body) = &case.request.body else { return false };
    is_usual
        && case.request.path() == "/v1/messages"
        && case.request.headers.get("anthropic-beta").is_none()
        && serde_json::from_slice(body).is_ok_and(|params| has_plain_params(&params))
}

fn has_plain_params(params: &Value) -> bool {
    const PARAMS: [&str; 8] = [
        "max_tokens",
        "messages",
        "model",
        "stop_sequences",
        "stream",
        "system",
        "tool_choice",
        "tools",
    ];
    has_only(params, &PARAMS)
        // Nothing is asked for then: it warms the cache.
        && params["max_tokens"] != 0
        && params.get("system").is_none_or(is_plain_content)
        && list(params.get("tools"))
            .all(|tool| has_only(tool, &["description", "input_schema", "name"]))
        && list(params.get("messages"))
            .all(|message| message["role"] != "system" && is_plain_content(&message["content"]))
}

/// A text, or blocks that each client writes.
fn is_plain_content(content: &Value) -> bool {
    content.is_string()
        || list(Some(content)).all(|block| match block["type"].as_str() {
            Some("text") => has_only(block, &["text", "type"]),
            Some("tool_use") => has_only(block, &["id", "input", "name", "type"]),
            Some("tool_result") => {
                has_only(block, &["content", "is_error", "tool_use_id", "type"])
                    && block.get("content").is_none_or(is_plain_content)
            }
            _ => false,
        })
}

fn has_only(object: &Value, members: &[&str]) -> bool {
    object.as_object().is_some_and(|object| object.keys().all(|key| members.contains(&&**key)))
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use classify::Request;
    use serde_json::json;

    use super::*;
    use crate::case::{CaseId, Traits};
    use crate::version::{OperationId, Version};

    fn check(rule: &str, expected: Level) {
        assert_eq!(Level::of(rule), expected, "{rule}");
    }

    #[test]
    fn every_family_has_its_levels() {
        check("stream/no-message-stop", Level::AgentReady);
        check("stream/fold-differs", Level::AgentReady);
        check("stream/message-id", Level::Compatible);
        check("response/stop-reason-missing", Level::AgentReady);
        check("response/request-id-missing", Level::Compatible);
        check("response/schema", Level::Strict);
        check("chain/id-differs", Level::Compatible);
        check("answer-type", Level::Compatible);
        check("answer-code", Level::Strict);
    }

    /// A refusal of what should be served.
    fn check_refused(params: &Value, expected: Level) {
        let request = Request {
            target: "/v1/messages".into(),
            body: Body::Bytes(params.to_string().into()),
            ..Request::default()
        };
        let case = Case {
            id: CaseId("a".to_owned()),
            version: Version::V2026_10_21,
            operation: OperationId::MessagesCreate,
            origin: Origin::Valid,
            traits: Traits::default(),
            request,
        };
        let level = |permitted, class| Level::of_answer(&case, &[permitted], class, None);
        let of_page = |status| {
            Level::of_answer(&case, &[Class::InvalidRequest], Class::Intermediary, Some(status))
        };
        assert_eq!([400, 502].map(of_page), [Level::Strict, Level::Compatible]);
        assert_eq!(level(Class::Accepted, Class::InvalidRequest), expected, "{params}");
        assert_eq!(level(Class::InvalidRequest, Class::Accepted), Level::Strict);
        assert_eq!(level(Class::InvalidRequest, Class::ServerError), Level::Compatible);
        assert_eq!(level(Class::InvalidRequest, Class::Undocumented), Level::Strict);
        assert_eq!(level(Class::Streamed, Class::Accepted), Level::AgentReady);
    }

    #[test]
    fn what_every_agent_sends_counts_for_every_agent() {
        let plain = json!({
            "model": "claude-sonnet-5-5", "max_tokens": 16, "stream": true, "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_01a", "name": "weather", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01a", "content": "Rain."}]},
            ],
            "tools": [{"name": "weather", "description": "Says it.", "input_schema": {"type": "object"}}],
        });
        check_refused(&plain, Level::AgentReady);
        let with = |pointer: &str, member: &str, value: Value| {
            let mut params = plain.clone();
            params.pointer_mut(pointer).unwrap()[member] = value;
            params
        };
        check_refused(&with("", "thinking", json!({"type": "adaptive"})), Level::Compatible);
        check_refused(&with("/tools/0", "strict", json!(true)), Level::Compatible);
        check_refused(
            &with("/messages/0", "content", json!([{"type": "image"}])),
            Level::Compatible,
        );
        check_refused(&with("/messages/0", "role", json!("system")), Level::Compatible);
        check_refused(&with("", "max_tokens", json!(0)), Level::Compatible);
    }

    #[test]
    fn names_are_unique_and_parse_back() {
        for level in Level::ALL {
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        assert_eq!(Level::parse("lenient"), None);
    }
}
