//! A scenario: one rehearsed failure, with the handling it demands, as data.
//!
//! Scenarios are files so that a new incident becomes a new scenario without a line of code. The price is a
//! closed vocabulary: a file can only ask for the faults and expectations named here, and an unknown key is
//! an error with its line, never a wish that is silently dropped.

use std::fmt;

use serde::{Deserialize, Serialize};

mod ask;
mod connect;
mod describe;
mod expect;
mod fault;
mod written;

pub use ask::{Asks, Credential, KeyShape, Log, PromptShape};
pub use connect::{Connect, Door, Host, Idle, Parting, Tls};
pub use describe::describe;
pub use expect::{Expect, Wait};
pub use fault::{At, Coding, Destination, Fault, Strike, When};

/// One rehearsed failure and the handling it demands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Stable kebab-case name, the same as the file's.
    pub id: String,
    /// What goes wrong when a client handles this badly, in one sentence.
    pub why: String,
    pub severity: Severity,
    /// Incidents that this scenario rehearses: `owner/repo#n`, or the document that demands the handling.
    pub evidence: Vec<String>,
    pub surfaces: Vec<Surface>,
    /// The script played on each attempt; the last one repeats. Empty: the mock answers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replies: Vec<String>,
    /// The same where the surface streams, if it needs other scripts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stream_replies: Vec<String>,
    /// The number of retries that the client is told to allow itself.
    #[serde(default = "retries")]
    pub retries: u32,
    /// The limit on one attempt that the client is told.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// The end of patience: a client that has not returned by then hangs.
    #[serde(default = "deadline_ms")]
    pub deadline_ms: u64,
    /// Whether the judgement rests on measured times: such a trial runs alone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timing: bool,
    /// Whether it takes longer than anybody waits for every day: only the full profile plays it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub slow: bool,
    /// What is asked of the client beyond one plain call.
    #[serde(default, serialize_with = "ask::as_written", skip_serializing_if = "is_default")]
    pub ask: Asks,
    /// The address that the client is given, and who listens there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connect: Connect,
    #[serde(default, rename = "fault", skip_serializing_if = "is_default")]
    pub faults: Vec<Strike>,
    pub expect: Expect,
}

/// How much harm a client does that fails the scenario.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Severity {
    /// Wrong data is acted on, or a credential is exposed.
    S0,
    /// A hang, or a failure taken for a success.
    S1,
    /// A breach of retry policy, or an error nobody can act on.
    S2,
    /// Poor diagnostics.
    S3,
}

/// The part of a client that makes the call: on the same bytes they may owe different handling.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// One request, one message.
    Create,
    /// Iteration over bare stream events.
    Raw,
    /// A helper that accumulates a stream into a message.
    Stream,
}

impl Surface {
    /// Whether the request asks for a stream.
    pub fn streams(self) -> bool {
        matches!(self, Self::Raw | Self::Stream)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Raw => "raw",
            Self::Stream => "stream",
        }
    }
}

/// A range of counts: `2`, `1-3`, `2-` or `every`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Span {
    pub first: u32,
    pub last: Option<u32>,
}

impl Span {
    pub fn contains(self, count: u32) -> bool {
        self.first <= count && self.last.is_none_or(|last| count <= last)
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| SpanError(text.clone()));
        let (first, last) = match text.split_once('-') {
            None if text == "every" => (1, None),
            None => (number(&text)?, Some(number(&text)?)),
            Some((first, "")) => (number(first)?, None),
            Some((first, last)) => (number(first)?, Some(number(last)?)),
        };
        if last.is_some_and(|last| last < first) {
            return Err(SpanError(text));
        }
        Ok(Self { first, last })
    }
}

/// As a file says it.
impl From<Span> for String {
    fn from(Span { first, last }: Span) -> Self {
        match last {
            None if first == 1 => "every".to_owned(),
            None => format!("{first}-"),
            Some(last) if last == first => last.to_string(),
            Some(last) => format!("{first}-{last}"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            None => write!(f, "{} or more", self.first),
            Some(last) if last == self.first => write!(f, "{last}"),
            Some(last) => write!(f, "{} to {last}", self.first),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a count such as \"2\", \"1-3\", \"2-\" or \"every\"")]
pub struct SpanError(String);

/// A scenario file that does not say what it must.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("`{id}` cites no incident and no document")]
    NoEvidence { id: String },
    #[error("`{id}` names no surface")]
    NoSurface { id: String },
    #[error("fault {number} of `{id}` strikes attempt 0, and attempts count from 1")]
    AttemptZero { id: String, number: usize },
    #[error("fault {number} of `{id}` stands where it can do nothing")]
    Misplaced { id: String, number: usize },
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
}

impl Scenario {
    /// Reads one scenario file. What is wrong with the file is shown with its line and a caret.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        let id = || scenario.id.clone();
        if scenario.evidence.is_empty() {
            return Err(ScenarioError::NoEvidence { id: id() });
        }
        if scenario.surfaces.is_empty() {
            return Err(ScenarioError::NoSurface { id: id() });
        }
        if let Some(place) = scenario.faults.iter().position(|strike| strike.attempts.first == 0) {
            return Err(ScenarioError::AttemptZero { id: id(), number: place + 1 });
        }
        if let Some(place) = scenario.faults.iter().position(Strike::is_misplaced) {
            return Err(ScenarioError::Misplaced { id: id(), number: place + 1 });
        }
        Ok(scenario)
    }

    /// The scripts that answer on this surface, by attempt; none if the mock does.
    pub fn replies_on(&self, surface: Surface) -> &[String] {
        let own = surface.streams() && !self.stream_replies.is_empty();
        if own { &self.stream_replies } else { &self.replies }
    }
}

/// What a file need not say.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What is usual: the official clients' default, which gives three attempts.
pub fn retries() -> u32 {
    2
}

/// Long enough for a loopback answer on a busy machine, so that only a scenario about time sets its own.
pub fn timeout_ms() -> u64 {
    5_000
}

/// Room for the default retries with their waits, and no more than a person would sit through.
pub fn deadline_ms() -> u64 {
    15_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
id = "cut-mid-body-cl"
why = "Half a message parses as none."
severity = "S1"
evidence = ["kortix-ai/suna#66"]
surfaces = ["create"]
replies = ["first", "then"]

[[fault]]
attempts = "1-2"
at = { body-byte = 60 }
fault = "close"

[[fault]]
attempts = "every"
at = { head-byte = 0 }
fault = { delay = { ms = 20 } }

[expect]
attempts = "1-3"
outcome = ["transport-error", "incomplete"]
wait = [{ retry = 1, at-least-ms = 1000 }]
"#;

    fn check_error(from: &str, to: &str, expected: &str) {
        assert!(WHOLE.contains(from), "{from} is not in the file");
        let error = Scenario::parse(&WHOLE.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_file_is_read_in_full() {
        let scenario = Scenario::parse(WHOLE).unwrap();
        assert_eq!(scenario.retries, 2);
        assert_eq!(scenario.faults[0].fault, Fault::Close);
        assert_eq!(scenario.faults[0].at, At::BodyByte(60));
        assert_eq!(scenario.faults[1].fault, Fault::Delay { ms: 20 });
        assert_eq!(scenario.faults[1].attempts, Span { first: 1, last: None });
        assert_eq!(scenario.expect.waits[0].at_least_ms, 1000);
        assert_eq!(scenario.replies_on(Surface::Create), ["first", "then"]);
        assert_eq!(scenario.replies_on(Surface::Stream), ["first", "then"]);
    }

    #[test]
    fn a_mistake_is_shown_with_its_place() {
        check_error("severity = \"S1\"", "severity = \"S9\"", "line 4, column 12");
        check_error("severity = \"S1\"", "severity = \"S9\"", "^^^^");
        check_error("replies =", "reply =", "unknown field `reply`");
        check_error("at-least-ms", "at_least_ms", "unknown field");
        check_error("{ ms = 20 }", "{ ms = 20, jitter = 1 }", "unexpected keys in table: jitter");
        check_error("fault = \"close\"", "fault = \"explode\"", "unknown variant `explode`");
        check_error("\"close\"", "{ drip = { bytes = 0, ms = 1 } }", "expected a nonzero u32");
        check_error("\"close\"", "\"drop-event\"", "fault 1 of `cut-mid-body-cl` stands where");
        check_error("{ body-byte = 60 }", "{ event-end = 0 }", "stands where it can do nothing");
        check_error("\"1-3\"", "\"3-1\"", "`3-1` is not a count");
        check_error("\"1-2\"", "\"0-2\"", "attempts count from 1");
        check_error("[\"kortix-ai/suna#66\"]", "[]", "cites no incident");
        check_error("[\"create\"]", "[]", "names no surface");
    }

    #[test]
    fn spans_hold_what_they_say() {
        let span = |text: &str| Span::try_from(text.to_owned()).unwrap();
        assert!(span("2").contains(2) && !span("2").contains(1) && !span("2").contains(3));
        assert!(span("1-3").contains(3) && !span("1-3").contains(4));
        assert!(span("2-").contains(9) && !span("2-").contains(1));
        assert!(span("every").contains(1));
        assert!(span("0").contains(0));
    }
}
