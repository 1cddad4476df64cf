//! The lines that pass between the harness and a driver: one JSON object each, unknown keys ignored both ways.
//!
//! Everything that a driver says is optional but the little without which a line means nothing, so that a driver
//! can be short. The price: a misspelt key of a driver is silently a missing fact.

use chaos::handling::Asks;
use chaos::{Call, Surface, ToolCall};
use serde::{Deserialize, Serialize};

/// The version of this protocol.
pub(super) const VERSION: u32 = 1;

/// What the harness says. Nothing here is `Debug`: a run carries a key.
#[derive(Serialize)]
#[serde(tag = "cmd", rename_all = "kebab-case")]
pub(super) enum Command<'a> {
    Start { v: u32 },
    Run(Run<'a>),
    Stop,
}

#[derive(Serialize)]
pub(super) struct Run<'a> {
    pub(super) seq: u64,
    /// The scenario.
    id: &'a str,
    surface: Surface,
    base_url: &'a str,
    api_key: &'a str,
    prompt: &'a str,
    /// The words of each call, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompts: Option<&'a [String]>,
    max_retries: u32,
    timeout_s: f64,
    deadline_s: f64,
    #[serde(flatten)]
    asks: &'a Asks,
}

impl<'a> Run<'a> {
    pub(super) fn new(seq: u64, id: &'a str, call: &'a Call) -> Self {
        Self {
            seq,
            id,
            surface: call.surface,
            base_url: &call.base_url,
            api_key: &call.key,
            prompt: call.prompt(),
            prompts: Some(&*call.prompts).filter(|prompts| 1 < prompts.len()),
            max_retries: call.max_retries,
            timeout_s: seconds(call.timeout_ms),
            deadline_s: seconds(call.deadline_ms),
            asks: &call.asks,
        }
    }
}

pub(super) fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// What a driver says of itself and its client when it starts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct About {
    pub v: u32,
    pub client: ClientName,
    pub surfaces: Vec<Surface>,
    /// What it can do beyond one plain call.
    #[serde(default)]
    pub caps: Vec<String>,
    #[serde(default)]
    pub defaults: Defaults,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct ClientName {
    pub name: String,
    pub version: String,
    pub language: String,
    pub runtime: Option<String>,
    /// Where its faults can be reported.
    pub issues: Option<String>,
}

/// What the client does when it is told nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct Defaults {
    pub max_retries: Option<u32>,
    pub timeout_s: Option<u64>,
}

impl About {
    /// What the client lacks for such a call, if anything.
    pub(super) fn lacks(&self, call: &Call) -> Option<String> {
        let Call { surface, asks, .. } = call;
        if !self.surfaces.contains(surface) {
            return Some(format!("the client has no surface `{}`", surface.name()));
        }
        let needed = [
            (asks.tools, "tools"),
            (asks.abort_after_events.is_some(), "cancel"),
            (asks.abort_after_ms.is_some(), "cancel-later"),
            (asks.abandon_after_events.is_some(), "abandon"),
            (asks.calls.is_some(), "calls"),
            (asks.parallel.is_some(), "parallel"),
            (asks.log.is_some(), "log"),
            (asks.follow_up.is_some(), "follow-up"),
            (asks.credential.is_some(), "rotating-credential"),
            (asks.gateway_header.is_some(), "gateway-header"),
            (call.is_tls(), "tls"),
        ];
        let lacks = |name: &str| !self.caps.iter().any(|cap| cap == name);
        let (_, cap) = needed.into_iter().find(|(needed, cap)| *needed && lacks(cap))?;
        Some(format!("the driver does not list `{cap}` among its caps"))
    }
}

/// What a driver says at the end of a run: facts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(super) struct Report {
    pub(super) outcome: Ending,
    pub(super) error: Option<ErrorFacts>,
    pub(super) text: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) tool_calls: Option<Vec<ToolCall>>,
    pub(super) request_id: Option<String>,
    /// The type of the last event that a bare stream gave.
    pub(super) last_event: Option<String>,
    /// Why it was skipped.
    pub(super) message: Option<String>,
    pub(super) issue_url: Option<String>,
    /// The facts of each call, where several were asked for; those above are the last one's.
    pub(super) calls: Option<Vec<Self>>,
    /// Whether the key stands anywhere in it, if only in what is not read.
    #[serde(skip)]
    pub(super) holds_key: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ending {
    Aborted,
    Error,
    Skipped,
    Success,
    Unsupported,
}

/// An error as the client's caller gets it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub(super) struct ErrorFacts {
    pub(super) class: String,
    /// The error and its causes, outermost first, each as `Name: message`.
    pub(super) chain: Vec<String>,
    /// Whether it belongs to the client's own hierarchy.
    pub(super) sdk_error: Option<bool>,
    pub(super) status: Option<u16>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) message: String,
}
