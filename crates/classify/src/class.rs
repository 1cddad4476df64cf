//! The closed list of names for what came back.
//!
//! One name per thing a caller would *do differently*: a spend limit and a rate limit share a status but not
//! a remedy, an edge page and an API error share a status but not an author. The price is that a class says
//! less than the status and more than the error type, so ledgers show all three.

mod meaning;

use std::fmt;

use crate::observation::CutKind;

pub use meaning::Meaning;

#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// 2xx with the JSON (or JSONL) body of a success.
    Accepted,
    /// 200 with an event stream that ran to `message_stop`.
    Streamed,

    /// 400 `invalid_request_error` whose text says nothing else than that the request is wrong.
    InvalidRequest,
    /// 401.
    Unauthorized,
    /// 402, or a 400 that says the credit balance is too low.
    BillingRequired,
    /// 403 `permission_error`.
    PermissionDenied,
    /// 403 without the API's envelope: region, firewall or edge refused before the API looked.
    EdgeForbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 409.
    Conflict,
    /// 413.
    TooLarge,
    /// 400 whose text says the output was stopped by a content filter.
    ContentFiltered,

    /// 429 that waiting cures.
    RateLimited,
    /// 429 or 400 of a spend limit: waiting for seconds does not help.
    SpendLimited,
    /// A 400 whose text says it is a rate limit.
    RateLimitDisguised,

    /// 500 and other 5xx with the API's envelope.
    ServerError,
    /// 503 with the API's envelope.
    Unavailable,
    /// 504 or 408 with the API's envelope (`timeout_error`).
    TimedOut,
    /// 529.
    Overloaded,

    /// Any error status whose body is not the API's: HTML, plain text or nothing, from a proxy or CDN.
    Intermediary,
    /// 2xx whose body is not the API's (a captive portal, a proxy page, nothing).
    Impostor,

    /// 200 stream that carried an `error` event.
    StreamError,
    /// 200 stream that ended without `message_stop`.
    StreamCut,
    /// 200 stream that breaks the event grammar.
    StreamMalformed,

    /// The API's envelope under a status the API does not document.
    Undocumented,
    /// The right status with a body that is JSON but not the shape of any answer.
    Malformed,
    /// No complete answer arrived.
    Unreachable(CutKind),
    /// The request could not be put on the wire.
    Unsendable,
}

impl Class {
    /// Every class, in reading order.
    pub const ALL: [Self; 32] = [
        Self::Accepted,
        Self::Streamed,
        Self::InvalidRequest,
        Self::Unauthorized,
        Self::BillingRequired,
        Self::PermissionDenied,
        Self::EdgeForbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::TooLarge,
        Self::ContentFiltered,
        Self::RateLimited,
        Self::SpendLimited,
        Self::RateLimitDisguised,
        Self::ServerError,
        Self::Unavailable,
        Self::TimedOut,
        Self::Overloaded,
        Self::Intermediary,
        Self::Impostor,
        Self::StreamError,
        Self::StreamCut,
        Self::StreamMalformed,
        Self::Undocumented,
        Self::Malformed,
        Self::Unreachable(CutKind::BadFraming),
        Self::Unreachable(CutKind::Closed),
        Self::Unreachable(CutKind::Refused),
        Self::Unreachable(CutKind::Reset),
        Self::Unreachable(CutKind::TimedOut),
        Self::Unsendable,
    ];

    /// The stable kebab-case name used in ledgers, reports and replies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Streamed => "streamed",
            Self::InvalidRequest => "invalid-request",
            Self::Unauthorized => "unauthorized",
            Self::BillingRequired => "billing-required",
            Self::PermissionDenied => "permission-denied",
            Self::EdgeForbidden => "edge-forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::ContentFiltered => "content-filtered",
            Self::RateLimited => "rate-limited",
            Self::SpendLimited => "spend-limited",
            Self::RateLimitDisguised => "rate-limit-disguised",
            Self::ServerError => "server-error",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed-out",
            Self::Overloaded => "overloaded",
            Self::Intermediary => "intermediary",
            Self::Impostor => "impostor",
            Self::StreamError => "stream-error",
            Self::StreamCut => "stream-cut",
            Self::StreamMalformed => "stream-malformed",
            Self::Undocumented => "undocumented",
            Self::Malformed => "malformed",
            Self::Unreachable(CutKind::BadFraming) => "unreachable-bad-framing",
            Self::Unreachable(CutKind::Closed) => "unreachable-closed",
            Self::Unreachable(CutKind::Refused) => "unreachable-refused",
            Self::Unreachable(CutKind::Reset) => "unreachable-reset",
            Self::Unreachable(CutKind::TimedOut) => "unreachable-timed-out",
            Self::Unsendable => "unsendable",
        }
    }

    /// The class of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether the request was served.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Accepted | Self::Streamed)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse_back() {
        for class in Class::ALL {
            assert_eq!(Class::parse(class.name()), Some(class));
        }
    }
}
