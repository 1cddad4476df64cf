//! What can go wrong with a call, by whose fault it is.

use std::fmt;

/// Why a call did not give a message. Each variant has its own remedy.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The answer began and did not end; `partial` is the text that came.
    #[error("the answer ended before it was complete: {detail}")]
    Incomplete { partial: String, detail: String },
    /// Nothing was sent: the call itself is wrong.
    #[error("{detail}")]
    Local { detail: String },
    /// What came is not an answer of this API.
    #[error("not an answer of the Messages API: {detail}")]
    Protocol { detail: String },
    /// Too much in too short a time, or past a spend limit.
    #[error("rate limited: {0}")]
    RateLimited(Box<ApiError>),
    /// The request is wrong, or not permitted, or has been sent to the wrong place.
    #[error("request refused: {0}")]
    Request(Box<ApiError>),
    /// The API is in trouble.
    #[error("server error: {0}")]
    Server(Box<ApiError>),
    #[error("no answer within {after_ms} ms")]
    Timeout { after_ms: u64 },
    /// The connection failed.
    #[error("connection failed: {detail}")]
    Transport { detail: String },
}

/// What the API says about an error.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ApiError {
    /// The status line's code; 200 where the error came inside a stream.
    pub status: u16,
    pub kind: Option<String>,
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
    /// The wait that the API demands, of the caller where the client did not wait itself.
    pub retry_after_ms: Option<u64>,
    /// The text that came before the error, in a stream.
    pub partial: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.status,
            self.kind.as_deref().unwrap_or("(no type)"),
            self.message
        )?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        match self.retry_after_ms {
            Some(ms) => write!(f, " (retry after {ms} ms)"),
            None => Ok(()),
        }
    }
}

impl ApiError {
    /// Whether money is short and not time: another attempt helps nobody before the month is over or the limit
    /// raised. Before there were codes, only the words told.
    pub fn is_spend_limit(&self) -> bool {
        const CODES: [&str; 2] = ["contract_spend_limit_reached", "enforced_spend_limit_reached"];
        let by_code = self.code.as_deref().is_some_and(|code| CODES.contains(&code));
        let by_words = || self.message.to_ascii_lowercase().contains("api usage limits");
        by_code || self.status == 429 && self.retry_after_ms.is_none() && by_words()
    }
}

impl Error {
    /// The error for what the API said, where `status` is the one that fits its type.
    pub(crate) fn api(status: u16, said: ApiError) -> Self {
        let said = Box::new(said);
        match status {
            429 => Self::RateLimited(said),
            408 | 500.. => Self::Server(said),
            _ => Self::Request(said),
        }
    }

    /// A stable name for the kind of end, for those who report it to a machine.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Incomplete { .. } => "incomplete",
            Self::Local { .. } => "local-error",
            Self::Protocol { .. } => "protocol-error",
            Self::RateLimited(_) | Self::Request(_) | Self::Server(_) => "api-error",
            Self::Timeout { .. } => "timeout",
            Self::Transport { .. } => "transport-error",
        }
    }

    /// What the API said, if it said anything.
    pub fn said(&self) -> Option<&ApiError> {
        match self {
            Self::RateLimited(said) | Self::Request(said) | Self::Server(said) => Some(said),
            Self::Incomplete { .. }
            | Self::Local { .. }
            | Self::Protocol { .. }
            | Self::Timeout { .. }
            | Self::Transport { .. } => None,
        }
    }

    /// The text that came before the error.
    pub fn partial(&self) -> &str {
        match self {
            Self::Incomplete { partial, .. } => partial,
            _ => self.said().map_or("", |said| &said.partial),
        }
    }

    pub(crate) fn said_mut(&mut self) -> Option<&mut ApiError> {
        match self {
            Self::RateLimited(said) | Self::Request(said) | Self::Server(said) => Some(said),
            _ => None,
        }
    }

    /// The words of others in the error, which may hold anything.
    pub(crate) fn words_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Incomplete { detail, .. }
            | Self::Local { detail }
            | Self::Protocol { detail }
            | Self::Transport { detail } => Some(detail),
            Self::RateLimited(said) | Self::Request(said) | Self::Server(said) => {
                Some(&mut said.message)
            }
            Self::Timeout { .. } => None,
        }
    }
}
