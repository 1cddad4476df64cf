//! What a judgement is made of: codes, levels, verdicts.

use std::fmt;

use serde::{Serialize, Serializer};

/// One breach of one rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub level: Level,
    /// What was expected and what was seen, in one line.
    pub detail: String,
}

/// How much a finding weighs; the heaviest decides the verdict.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Info,
    /// What a client should do, and need not.
    Warn,
    Fail,
}

impl Level {
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Info => Verdict::Info,
            Self::Warn => Verdict::Warn,
            Self::Fail => Verdict::Fail,
        }
    }
}

/// What a trial says about the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Fail,
    /// The trial did not happen as planned: nothing is said about the client.
    HarnessError,
    /// The machine was too busy for a judgement about times.
    Inconclusive,
    Info,
    Pass,
    Skip,
    Warn,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::HarnessError => "harness-error",
            Self::Inconclusive => "inconclusive",
            Self::Info => "info",
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::Warn => "warn",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The stable name of a breach.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, in alphabetical order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable kebab-case name used in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    /// A retry does not send the same body.
    BodyChanged = "body-changed",
    /// More attempts than the client was told to allow itself.
    BudgetExceeded = "budget-exceeded",
    /// The text differs from what the server sent.
    CorruptText = "corrupt-text",
    /// A retry carries another credential, and no 401 called for one.
    CredentialChanged = "credential-changed",
    /// More text than the server sent: a replay was appended.
    DuplicatedText = "duplicated-text",
    /// A retry before the time that the server demanded.
    EarlyRetry = "early-retry",
    /// An error although the answer was complete.
    ErrorDespiteAnswer = "error-despite-answer",
    /// Success reported where there was none.
    FalseOk = "false-ok",
    /// No retry where one would have helped.
    GaveUpEarly = "gave-up-early",
    /// The call did not end.
    Hang = "hang",
    /// The key turns up where it can be read.
    KeyLeak = "key-leak",
    /// A wait far beyond what the server demanded.
    LateRetry = "late-retry",
    /// An attempt went on long after its limit.
    LateTimeout = "late-timeout",
    /// Less text than the server sent.
    LostText = "lost-text",
    /// A retry at once.
    NoBackoff = "no-backoff",
    /// Another request after a complete answer.
    RepeatedAfterSuccess = "repeated-after-success",
    /// A silent second request after a piece of the answer was handed on.
    ReplayAfterDelta = "replay-after-delta",
    /// A retry goes to another place than the first attempt.
    RequestChanged = "request-changed",
    /// A retry although the server said that there is no point.
    RetriedAgainstHeader = "retried-against-header",
    /// A retry of what cannot succeed.
    RetriedNonRetryable = "retried-non-retryable",
    /// More attempts than any budget justifies.
    RetryStorm = "retry-storm",
    /// Fewer attempts than the scenario demands.
    TooFewAttempts = "too-few-attempts",
    /// More attempts than the scenario permits.
    TooManyAttempts = "too-many-attempts",
    /// Another outcome than the scenario permits.
    UnexpectedOutcome = "unexpected-outcome",
    /// An error that lost its class, status, type or request id.
    UntypedError = "untyped-error",
}

impl Code {
    /// Whether the finding rests on measured times, which a busy machine can spoil.
    pub fn is_about_time(self) -> bool {
        matches!(self, Self::EarlyRetry | Self::LateRetry | Self::LateTimeout | Self::NoBackoff)
    }

    pub(crate) fn fail(self, detail: impl Into<String>) -> Finding {
        Finding { code: self, level: Level::Fail, detail: detail.into() }
    }

    pub(crate) fn warn(self, detail: impl Into<String>) -> Finding {
        Finding { code: self, level: Level::Warn, detail: detail.into() }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
