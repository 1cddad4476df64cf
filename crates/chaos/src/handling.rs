//! What a client did with a failure: the requests it sent, when, what it was given, and what it says.
//!
//! Two witnesses stand side by side and never vouch for each other: the attempts are what the proxy saw, the
//! outcome is what the client reports. Request bodies are kept whole rather than hashed, so that a difference
//! can be shown; the price is memory, bounded by whoever reads the request.

use std::fmt;

use classify::Request;
use serde::{Deserialize, Serialize};

use crate::scenario::Surface;

/// The key that every subject is given: it opens nothing, and must turn up nowhere but in a credential header.
pub const CANARY_KEY: &str = "sk-ant-api03-probity-canary-key";

/// What the subject is asked to do, once.
#[derive(Clone)]
pub struct Call {
    pub base_url: String,
    /// [`CANARY_KEY`], unless the scenario is about keys.
    pub key: String,
    pub prompt: String,
    pub surface: Surface,
    /// Limit on one attempt.
    pub timeout_ms: u64,
    /// Limit on the whole call.
    pub deadline_ms: u64,
    pub max_retries: u32,
    /// What is asked beyond one plain call.
    pub asks: Asks,
}

/// What a scenario may ask of a client beyond one plain call; a client that cannot is skipped, with the reason.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Asks {
    /// The caller calls the stream off after so many events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_after_events: Option<u32>,
    /// The caller walks away after so many events, and neither reads on nor closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandon_after_events: Option<u32>,
    /// So many calls in place of one, with the same client object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
    /// So many of them at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// A second turn on top of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// The request offers a tool.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tools: bool,
}

/// How much the client is told to log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    Debug,
}

/// How the client comes by its credential, where that is not a fixed key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// A function that gives another key each time that it is asked.
    Rotating,
}

/// Without the key: debug output ends up in logs.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("base_url", &self.base_url)
            .field("surface", &self.surface)
            .finish_non_exhaustive()
    }
}

/// What the client reports at the end of the call: facts, no judgement.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Outcome {
    pub class: OutcomeClass,
    pub status: Option<u16>,
    pub error_type: Option<String>,
    pub error_code: Option<String>,
    pub request_id: Option<String>,
    /// The error as a person would read it, with its causes.
    pub message: String,
    /// The text that the caller was given, complete or not.
    pub text: String,
    pub stop_reason: Option<String>,
}

/// How a call ended, in the client's own words.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeClass {
    /// The caller called it off.
    Aborted,
    /// The API said no.
    ApiError,
    /// The client's process ended in the middle of the call.
    Crashed,
    /// It failed, and says no more: a black box.
    Failed,
    /// The answer began and did not end.
    Incomplete,
    /// Nothing was sent.
    LocalError,
    /// What came is not an answer of this API.
    ProtocolError,
    Success,
    Timeout,
    TransportError,
}

impl OutcomeClass {
    pub const ALL: [Self; 10] = [
        Self::Aborted,
        Self::ApiError,
        Self::Crashed,
        Self::Failed,
        Self::Incomplete,
        Self::LocalError,
        Self::ProtocolError,
        Self::Success,
        Self::Timeout,
        Self::TransportError,
    ];

    /// The stable kebab-case name used in scenarios and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::ApiError => "api-error",
            Self::Crashed => "crashed",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::LocalError => "local-error",
            Self::ProtocolError => "protocol-error",
            Self::Success => "success",
            Self::Timeout => "timeout",
            Self::TransportError => "transport-error",
        }
    }

    /// The class of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

impl fmt::Display for OutcomeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One request that reached the proxy, and what was given in return.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Counts from 1 over the whole trial.
    pub number: u32,
    /// The connection it came on, counted from 1.
    pub connection: u32,
    /// When its head was complete.
    pub head_ms: u64,
    /// When its last byte was sent, or the connection ended.
    pub end_ms: u64,
    pub request: Request,
    /// The bytes that were sent in return.
    pub served: Vec<u8>,
    pub end: End,
}

/// How the exchange ended on the connection to the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Closed in order by the server's side.
    Closed,
    /// Kept open for the next request.
    Kept,
    /// The client left first.
    Left,
    /// Reset by the server's side.
    Reset,
    /// Still open when the trial ended.
    Unended,
}

/// Everything that was seen of one client in one trial.
#[derive(Clone, Debug, Default)]
pub struct Handling {
    pub attempts: Vec<Attempt>,
    /// What the client reported, or nothing if it had not returned by the deadline.
    pub outcome: Option<Outcome>,
    pub elapsed_ms: u64,
    /// Faults of the scenario that never struck, as places in its list.
    pub unfired: Vec<usize>,
    /// The latest that a timer of the harness went off during the trial: what its times are worth.
    pub noise_ms: u64,
    /// Requests that followed a redirect to the harness's second origin, with what they were given there.
    pub abroad: Vec<Attempt>,
    /// Numbers of the attempts that began on their connection before the reply to the last one was over.
    pub pipelined: Vec<u32>,
    /// What went wrong on the harness's own side.
    pub trouble: Option<String>,
}

impl Handling {
    /// The handling that could not be seen, for this reason.
    pub fn failed(trouble: String) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }

    /// From the end of each attempt to the head of the next; 0 where the two overlap.
    pub fn gaps_ms(&self) -> Vec<u64> {
        self.attempts
            .windows(2)
            .map(|pair| pair[1].head_ms.saturating_sub(pair[0].end_ms))
            .collect()
    }
}
