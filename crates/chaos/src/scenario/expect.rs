//! The handling that a scenario demands.

use serde::{Deserialize, Serialize};

use super::Span;
use crate::handling::OutcomeClass;

/// What a right client does, as far as this scenario alone can say; the general rules hold besides.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    pub attempts: Span,
    /// Every outcome that is right; of several calls, for the last.
    pub outcome: Vec<OutcomeClass>,
    /// Every outcome that is right for the calls before the last; without it, those of `outcome`.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub earlier: Vec<OutcomeClass>,
    /// The number of connections that a client should make do with.
    pub connections: Option<Span>,
    /// The trial counts only if a connection was seen to carry a second request.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub reuse: bool,
    /// The error should say at least one of these; `{address}` stands for host and port that were called.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub says: Vec<String>,
    /// An error must be of the client's own classes; elsewhere it should.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub own_error: bool,
    /// The status that the error must carry.
    pub status: Option<u16>,
    /// The API's error type that the error must carry.
    pub error_type: Option<String>,
    /// The API's error code that the error must carry.
    pub error_code: Option<String>,
    /// The request id that the error must carry.
    pub request_id: Option<String>,
    /// The complete text that a success must carry.
    pub text: Option<String>,
    /// The stop reason that the caller must be told.
    pub stop_reason: Option<String>,
    /// By when the client has returned, counted from the call; without it only the deadline counts.
    pub within_ms: Option<u64>,
    #[serde(default, rename = "wait", skip_serializing_if = "super::is_default")]
    pub waits: Vec<Wait>,
}

/// How long a client waits before a retry; retry 1 lies between attempts 1 and 2.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wait {
    pub retry: u32,
    pub at_least_ms: u64,
    pub at_most_ms: Option<u64>,
}
