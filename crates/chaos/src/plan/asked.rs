//! The request whose reply is about to meet its fate, and which strikes are about it.

use classify::{Headers, Request};

use crate::scenario::{At, Strike, When};

/// A request whose reply is about to meet its fate.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Counts from 1 over the whole trial; no fault strikes attempt 0.
    pub attempt: u32,
    /// Counts from 1 over its connection.
    pub on_connection: u32,
    /// With as much of its body as has been read.
    pub request: &'a Request,
}

impl Asked<'_> {
    /// Whether the strike is about this request.
    pub(super) fn meets(self, strike: &Strike) -> bool {
        strike.attempts.contains(self.attempt)
            && strike.when.as_ref().is_none_or(|when| self.is(when))
    }

    /// Whether so much of the request has arrived that a place in its reply can be reached.
    pub(super) fn has_reached(self, at: At) -> bool {
        match at {
            At::RequestByte(bytes) => bytes <= self.request.body.len(),
            _ => true,
        }
    }

    fn is(self, when: &When) -> bool {
        let headers = &self.request.headers;
        match when {
            When::ConnectionRequest(span) => span.contains(self.on_connection),
            When::CredentialMalformed => is_malformed(headers),
            When::Offers(coding) => offers(headers, coding),
            When::OffersNot(coding) => !offers(headers, coding),
            When::RequestBytes(least) => *least <= self.n_body_bytes(),
        }
    }

    /// What the head announces counts, since the body may still be on its way.
    fn n_body_bytes(self) -> u64 {
        let announced = self.request.headers.get("content-length");
        announced.and_then(|length| length.parse().ok()).unwrap_or(self.request.body.len())
    }
}

/// Whether what should be a key is none: empty, or with white space in it.
fn is_malformed(headers: &Headers) -> bool {
    // White space at the end of a header is lost on its way, the one before an empty key too.
    let bearer = |value: &str| {
        let key = value.strip_prefix("Bearer").unwrap_or(value);
        key.strip_prefix(' ').unwrap_or(key).to_owned()
    };
    let keys =
        [headers.get("x-api-key").map(str::to_owned), headers.get("authorization").map(bearer)];
    let mut keys = keys.into_iter().flatten();
    keys.any(|key| key.is_empty() || key.contains(char::is_whitespace))
}

/// Whether a body may come back in this coding. A weight of nothing is a refusal.
pub(super) fn offers(headers: &Headers, coding: &str) -> bool {
    headers.all("accept-encoding").flat_map(|value| value.split(',')).any(|offer| {
        let (name, weight) = offer.split_once(';').unwrap_or((offer, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(coding) && weight != Some(0.0)
    })
}
