//! What a client did with a failure: the requests it sent, when, what it was given, and what it says.
//!
//! Two witnesses stand side by side and never vouch for each other: the attempts are what the proxy saw, the
//! outcome is what the client reports. Request bodies are kept whole rather than hashed, so that a difference
//! can be shown; the price is memory, bounded by whoever reads the request.

use std::fmt;

use classify::Request;
use serde::{Deserialize, Serialize};

pub use crate::scenario::Asks;
use crate::scenario::Surface;

/// The key that every subject is given: it opens nothing, and must turn up nowhere but in a credential header.
pub const CANARY_KEY: &str = "sk-ant-api03-probity-canary-key";

/// What the subject is asked to do, once.
#[derive(Clone)]
pub struct Call {
    pub base_url: String,
    /// [`CANARY_KEY`], unless the scenario is about keys.
    pub key: String,
    /// The words of each call; most scenarios make one. Each holds a nonce of its own.
    pub prompts: Vec<String>,
    pub surface: Surface,
    /// Limit on one attempt.
    pub timeout_ms: u64,
    /// Limit on the whole call.
    pub deadline_ms: u64,
    pub max_retries: u32,
    /// What is asked beyond one plain call.
    pub asks: Asks,
}

impl Call {
    /// The words of the only call, or of the first.
    pub fn prompt(&self) -> &str {
        self.prompts.first().map_or("", String::as_str)
    }

    /// Whether the client has to trust a certificate.
    pub fn is_tls(&self) -> bool {
        self.base_url.starts_with("https://")
    }
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

/// What the client reports at the end of a call: facts, no judgement.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Outcome {
    pub class: OutcomeClass,
    pub status: Option<u16>,
    pub error_type: Option<String>,
    pub error_code: Option<String>,
    pub request_id: Option<String>,
    /// The wait that the caller is told of, as the header said it.
    pub retry_after: Option<String>,
    /// Whether the error is of the client's own classes, which its callers know to catch; nothing if it does not tell.
    pub own_error: Option<bool>,
    /// The error as a person would read it, with its causes.
    pub message: String,
    /// The text that the caller was given, complete or not; nothing if the client does not tell.
    pub text: Option<String>,
    pub stop_reason: Option<String>,
    /// The tool calls that the caller was given; nothing if the client does not tell.
    pub tool_calls: Option<Vec<ToolCall>>,
}

impl Outcome {
    /// An outcome of which nothing else is known.
    pub fn of(class: OutcomeClass) -> Self {
        Self {
            class,
            status: None,
            error_type: None,
            error_code: None,
            request_id: None,
            retry_after: None,
            own_error: None,
            message: String::new(),
            text: None,
            stop_reason: None,
            tool_calls: None,
        }
    }
}

/// A tool call as the caller is given it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ToolCall {
    pub name: String,
    pub input: serde_json::Value,
    /// Whether the client hands it on as one that can be run; one that it marks as broken is not.
    #[serde(default = "yes")]
    pub valid: bool,
}

fn yes() -> bool {
    true
}

/// What a client reports at the end of everything that it was asked for.
#[derive(Clone, Debug)]
pub struct Told {
    /// One for each call, in their order.
    pub outcomes: Vec<Outcome>,
    /// The waits between attempts that it was spared, in their order; nothing if it really waited.
    pub waits_ms: Option<Vec<u64>>,
}

impl From<Outcome> for Told {
    fn from(outcome: Outcome) -> Self {
        Self { outcomes: vec![outcome], waits_ms: None }
    }
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
#[derive(Clone, Debug, Default)]
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
    /// Whether the request's body is only the beginning of what the client sent, or meant to send: it was
    /// answered before the end, left in the middle, or is longer than what is kept.
    pub body_cut: bool,
    /// The request's head as it stood on the wire.
    pub raw_head: Vec<u8>,
    /// The bytes that were sent in return; of a reply longer than what is kept, the first ones.
    pub served: Vec<u8>,
    /// When bytes were sent, in order; together they say how many.
    pub sent: Vec<Sent>,
    /// The faults of the scenario that struck, in order.
    pub struck: Vec<Struck>,
    pub end: End,
}

impl Attempt {
    /// Whether more was sent than was kept.
    pub fn is_excerpt(&self) -> bool {
        let n_sent = self.sent.iter().fold(0usize, |sum, sent| sum.saturating_add(sent.bytes));
        self.served.len() < n_sent
    }
}

/// One piece of a reply on its way out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sent {
    pub at_ms: u64,
    pub bytes: usize,
}

/// A fault that struck.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Struck {
    pub at_ms: u64,
    /// Its place in the scenario's list.
    pub fault: usize,
}

/// How the exchange ended on the connection to the client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
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
    #[default]
    Unended,
}

/// Everything that was seen of one client in one trial.
#[derive(Clone, Debug, Default)]
pub struct Handling {
    pub attempts: Vec<Attempt>,
    /// What the client reported of its last call, or nothing if it had not returned by the deadline.
    pub outcome: Option<Outcome>,
    /// What it reported of the calls before.
    pub earlier: Vec<Outcome>,
    /// The nonce of each call, which stands in its prompt; empty where nobody cares.
    pub nonces: Vec<String>,
    /// The address that it was given, host and port.
    pub address: String,
    /// Connections that were accepted, with a request or without.
    pub connections: u32,
    /// The waits between attempts that the client was spared, in their order; nothing if it really waited.
    pub waits_ms: Option<Vec<u64>>,
    /// The trial was cut short after so long a silence, since the client keeps a wait that the server demanded.
    pub censored_ms: Option<u64>,
    pub elapsed_ms: u64,
    /// Faults of the scenario that never struck, as places in its list.
    pub unfired: Vec<usize>,
    /// The latest that a timer of the harness went off during the trial: what its times are worth.
    pub noise_ms: u64,
    /// Requests that followed a redirect to the harness's second origin, with what they were given there.
    pub abroad: Vec<Attempt>,
    /// Numbers of the attempts that began on their connection before the reply to the last one was over.
    pub pipelined: Vec<u32>,
    /// What the contract objects to in the request of each attempt; empty where nobody asked it.
    pub objections: Vec<Vec<String>>,
    /// Where the key turned up beside what the client reports, such as its standard error.
    pub leaks: Vec<String>,
    /// What went wrong on the harness's own side.
    pub trouble: Option<String>,
}

impl Handling {
    /// The handling that could not be seen, for this reason.
    pub fn failed(trouble: String) -> Self {
        Self { trouble: Some(trouble), ..Self::default() }
    }

    /// The waits between attempts: those that the client was spared, or from the end of each attempt to the head
    /// of the next, 0 where the two overlap.
    pub fn gaps_ms(&self) -> Vec<u64> {
        let on_wire = || {
            let pairs = self.attempts.windows(2);
            pairs.map(|pair| pair[1].head_ms.saturating_sub(pair[0].end_ms)).collect()
        };
        self.waits_ms.clone().unwrap_or_else(on_wire)
    }
}
