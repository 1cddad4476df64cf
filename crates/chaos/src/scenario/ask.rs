//! What a scenario may ask of a client beyond one plain call.

use std::collections::BTreeMap;

use serde::ser::Error;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// Everything that is asked; a client that cannot is skipped, with the reason. The names of a scenario file are
/// those of the drivers' protocol with dashes. What only the harness has to know is not passed on.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    default,
    deny_unknown_fields,
    rename_all(deserialize = "kebab-case", serialize = "snake_case")
)]
pub struct Asks {
    /// The caller walks away after so many events, and neither reads on nor closes; of several calls, from all
    /// but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abandon_after_events: Option<u32>,
    /// The caller calls the stream off after so many events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_after_events: Option<u32>,
    /// The caller calls the call off after so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_after_ms: Option<u64>,
    /// So many calls, one after another with the same client object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
    /// So many clients that know nothing of each other, all at once.
    #[serde(skip_serializing)]
    pub clients: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// The words of a second turn on top of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<String>,
    /// The client sends another key besides, under this name, as gateways want it: the key with `-gateway` after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_header: Option<String>,
    #[serde(skip_serializing)]
    pub key: KeyShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// So many calls at once with the same client object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// The time between two calls of one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause_ms: Option<u64>,
    #[serde(skip_serializing)]
    pub prompt: PromptShape,
    /// Prompts of at least so many bytes, call by call; the last one repeats.
    #[serde(skip_serializing)]
    pub prompt_bytes: Vec<usize>,
    /// The request offers a tool.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tools: bool,
}

/// As a scenario file says it: under the files' names, and with what drivers are not told.
pub(super) fn as_written<S: Serializer>(asks: &Asks, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Written<'a> {
        #[serde(flatten)]
        told: BTreeMap<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        clients: Option<u32>,
        #[serde(skip_serializing_if = "super::is_default")]
        key: KeyShape,
        #[serde(skip_serializing_if = "super::is_default")]
        prompt: PromptShape,
        #[serde(skip_serializing_if = "<[usize]>::is_empty")]
        prompt_bytes: &'a [usize],
    }
    let told = serde_json::to_value(asks).map_err(Error::custom)?;
    let told = told.as_object().into_iter().flatten();
    let told = told.map(|(name, value)| (name.replace('_', "-"), value.clone())).collect();
    let Asks { clients, key, prompt, ref prompt_bytes, .. } = *asks;
    Written { told, clients, key, prompt, prompt_bytes }.serialize(serializer)
}

/// How the client comes by its credential, where that is not a fixed key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// A function that gives another key each time that it is asked.
    Rotating,
}

/// What a file or a shell made of the key.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyShape {
    Empty,
    LeadingSpace,
    #[default]
    Plain,
    TrailingNewline,
    TrailingReturn,
}

impl KeyShape {
    /// The key as the client is given it.
    pub fn bend(self, key: &str) -> String {
        match self {
            Self::Empty => String::new(),
            Self::LeadingSpace => format!(" {key}"),
            Self::Plain => key.to_owned(),
            Self::TrailingNewline => format!("{key}\n"),
            Self::TrailingReturn => format!("{key}\r"),
        }
    }
}

/// How much the client is told to log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    Debug,
}

/// What is odd about the prompt.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptShape {
    /// Half of a pair of UTF-16, which no UTF-8 can hold; see [`PromptShape::SURROGATE`].
    LoneSurrogate,
    #[default]
    Plain,
}

impl PromptShape {
    /// Stands in a prompt for the lone surrogate until the prompt leaves the harness.
    pub const SURROGATE: char = '\u{e000}';
}

impl Asks {
    /// How many calls one client makes, follow-up turns not counted.
    pub fn n_calls(&self) -> u32 {
        self.calls.or(self.parallel).unwrap_or(1).max(1)
    }

    /// Whether a client is asked for nothing but one plain call. What the harness alone has to know is none of
    /// its business.
    pub fn is_plain(&self) -> bool {
        let Self { clients: _, key: _, prompt: _, prompt_bytes: _, .. } = self;
        let plain = Self {
            clients: self.clients,
            key: self.key,
            prompt: self.prompt,
            prompt_bytes: self.prompt_bytes.clone(),
            ..Self::default()
        };
        *self == plain
    }
}
