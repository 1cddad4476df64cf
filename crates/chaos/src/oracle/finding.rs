//! What a judgement is made of: codes, levels, verdicts.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::scenario::Severity;

/// One breach of one rule.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub level: Level,
    /// What was expected and what was seen, in one line.
    pub detail: String,
    /// How far a measured time is past its bound, where one was measured.
    #[serde(skip)]
    pub(crate) margin_ms: Option<u64>,
}

/// How much a finding weighs; the heaviest decides the verdict.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Worth knowing, and no part of how the failure was handled.
    Note,
    Info,
    /// What a client should do, and need not.
    Warn,
    Fail,
}

impl Level {
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Note => Verdict::Pass,
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
    ($(#[doc = $sentence:literal] $variant:ident = $name:literal $severity:ident,)*) => {
        /// The stable name of a breach.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        pub enum Code {
            $(#[doc = $sentence] $variant,)*
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

            /// What is wrong, in one sentence.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence.trim_ascii(),)*
                }
            }

            /// How much harm it does, where it fails a trial.
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }
        }
    };
}

codes! {
    /// The connection of an attempt that was given up stays open.
    AbandonedConnection = "abandoned-connection" S2,
    /// An error that drags a whole page along.
    BloatedError = "bloated-error" S3,
    /// The request body reaches the place that a redirect to another origin names.
    BodyAbroad = "body-abroad" S2,
    /// A retry does not send the same body.
    BodyChanged = "body-changed" S2,
    /// More attempts than the client was told to allow itself.
    BudgetExceeded = "budget-exceeded" S2,
    /// The text differs from what the server sent.
    CorruptText = "corrupt-text" S0,
    /// A tool call whose input is not the one that the server gave.
    CorruptToolCall = "corrupt-tool-call" S0,
    /// A retry carries another credential, and no 401 called for one.
    CredentialChanged = "credential-changed" S2,
    /// The credential reaches another origin than the one it was given for.
    CredentialLeak = "credential-leak" S0,
    /// A tool call may be run although its input never came to its end.
    CutToolCall = "cut-tool-call" S0,
    /// More text than the server sent: a replay was appended.
    DuplicatedText = "duplicated-text" S0,
    /// A retry before the time that the server demanded.
    EarlyRetry = "early-retry" S1,
    /// An error although the answer was complete.
    ErrorDespiteAnswer = "error-despite-answer" S2,
    /// Success reported where there was none.
    FalseOk = "false-ok" S0,
    /// The answer to another call.
    ForeignAnswer = "foreign-answer" S0,
    /// No retry where one would have helped.
    GaveUpEarly = "gave-up-early" S2,
    /// The call did not end.
    Hang = "hang" S1,
    /// The idempotency key of a retry is not that of the first attempt.
    IdempotencyKeyChanged = "idempotency-key-changed" S2,
    /// Two calls carry the same idempotency key.
    IdempotencyKeyReused = "idempotency-key-reused" S1,
    /// The key turns up where it can be read.
    KeyLeak = "key-leak" S0,
    /// The call ended, but later than the scenario permits.
    LateOutcome = "late-outcome" S1,
    /// A wait far beyond what the server demanded, or beyond all patience.
    LateRetry = "late-retry" S2,
    /// An attempt went on long after its limit.
    LateTimeout = "late-timeout" S1,
    /// The caller is not told when to come back.
    LostRetryAfter = "lost-retry-after" S3,
    /// The caller is not told why the answer stopped.
    LostStopReason = "lost-stop-reason" S2,
    /// Less text than the server sent.
    LostText = "lost-text" S0,
    /// A success that does not hand on a tool call.
    LostToolCall = "lost-tool-call" S0,
    /// A request that a server may refuse for its form.
    MalformedRequest = "malformed-request" S2,
    /// A retry at once.
    NoBackoff = "no-backoff" S2,
    /// Waits that do not grow from one retry to the next.
    NoGrowth = "no-growth" S2,
    /// Clients that failed together come back together.
    NoJitter = "no-jitter" S2,
    /// A plain call through a clean proxy fails after a stretch of faults.
    NotHealed = "not-healed" S1,
    /// A wait for a demand that lies past the end of the caller's patience.
    Oversleep = "oversleep" S1,
    /// A request sent on a connection before the reply to the last one was over.
    Pipelined = "pipelined" S2,
    /// More redirects followed than lead anywhere.
    RedirectLoop = "redirect-loop" S2,
    /// Another request after a complete answer.
    RepeatedAfterSuccess = "repeated-after-success" S1,
    /// A silent second request after a piece of the answer was handed on.
    ReplayAfterDelta = "replay-after-delta" S0,
    /// A retry goes to another place than the first attempt.
    RequestChanged = "request-changed" S2,
    /// A retry although the server said that there is no point.
    RetriedAgainstHeader = "retried-against-header" S2,
    /// A retry of what cannot succeed.
    RetriedNonRetryable = "retried-non-retryable" S2,
    /// The count of retries in the request does not go up with them.
    RetryCountWrong = "retry-count-wrong" S3,
    /// More attempts than any budget justifies.
    RetryStorm = "retry-storm" S1,
    /// The waits of two herds are the same: their chance is drawn from a fixed seed.
    SeededJitter = "seeded-jitter" S2,
    /// Fewer attempts than the scenario demands.
    TooFewAttempts = "too-few-attempts" S2,
    /// More attempts than the scenario permits.
    TooManyAttempts = "too-many-attempts" S2,
    /// More connections than the calls need.
    TooManyConnections = "too-many-connections" S2,
    /// Another outcome than the scenario permits.
    UnexpectedOutcome = "unexpected-outcome" S2,
    /// An error that does not name what a person would look for.
    UnhelpfulError = "unhelpful-error" S3,
    /// An error that lost its class, status, type, code or request id.
    UntypedError = "untyped-error" S2,
}

impl Code {
    /// Whether the finding rests on measured times, which a busy machine can spoil.
    pub fn is_about_time(self) -> bool {
        matches!(
            self,
            Self::AbandonedConnection
                | Self::EarlyRetry
                | Self::LateOutcome
                | Self::LateRetry
                | Self::LateTimeout
                | Self::NoBackoff
                | Self::NoGrowth
                | Self::Oversleep
        )
    }

    /// Whether it stands in what was sent or said, or in the number of attempts that nothing excuses: no clock has a
    /// part in it.
    fn is_plain(self) -> bool {
        matches!(
            self,
            Self::BodyAbroad
                | Self::BodyChanged
                | Self::BudgetExceeded
                | Self::CredentialChanged
                | Self::CredentialLeak
                | Self::IdempotencyKeyChanged
                | Self::IdempotencyKeyReused
                | Self::KeyLeak
                | Self::MalformedRequest
                | Self::Pipelined
                | Self::RequestChanged
                | Self::RetryCountWrong
                | Self::RetryStorm
        )
    }

    pub(crate) fn fail(self, detail: impl Into<String>) -> Finding {
        self.at(Level::Fail, detail)
    }

    pub(crate) fn warn(self, detail: impl Into<String>) -> Finding {
        self.at(Level::Warn, detail)
    }

    pub(crate) fn info(self, detail: impl Into<String>) -> Finding {
        self.at(Level::Info, detail)
    }

    pub(crate) fn note(self, detail: impl Into<String>) -> Finding {
        self.at(Level::Note, detail)
    }

    fn at(self, level: Level, detail: impl Into<String>) -> Finding {
        Finding { code: self, level, detail: detail.into(), margin_ms: None }
    }
}

impl Finding {
    /// A measured time is past its bound by so much; clocks that err by less cannot explain it.
    pub(crate) fn by(self, margin_ms: u64) -> Self {
        Self { margin_ms: Some(margin_ms), ..self }
    }

    /// Whether it holds even for a client that late timers drove to give up.
    pub(crate) fn is_certain(&self, noise_ms: u64) -> bool {
        self.code.is_plain() || self.code.is_about_time() && !self.is_within(noise_ms)
    }

    /// Whether timers that were late by so much may have brought it about.
    pub(crate) fn is_within(&self, noise_ms: u64) -> bool {
        self.code.is_about_time()
            && self.margin_ms.is_none_or(|margin_ms| margin_ms <= noise_ms.saturating_mul(CLOCKS))
    }
}

/// A span has two ends, and each was read from a timer that may have been late.
const CLOCKS: u64 = 2;

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
