//! What one attempt sends.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Request, Url};
use serde_json::Value;

use crate::error::Error;
use crate::key::Key;
use crate::policy::{KeyPlace, Part, Sending};

/// The version of the API whose answers this client reads.
const API_VERSION: &str = "2026-10-21";

/// Idempotency keys given out, so that no two are alike.
static N_KEYS: AtomicU64 = AtomicU64::new(0);

/// The place of the messages under the base URL, which may have a path of its own.
pub(crate) fn url(base_url: &str) -> Result<Url, Error> {
    let local = |detail: String| Error::Local { detail };
    let parse =
        |url: &str| Url::parse(url).map_err(|error| local(format!("the base URL: {error}")));
    let base = parse(base_url)?;
    let url = format!("{}/v1/messages", base_url.trim_end_matches('/'));
    match base.scheme() {
        "http" => parse(&url),
        "https" if cfg!(feature = "tls") => parse(&url),
        scheme => Err(local(format!("this build does not speak `{scheme}`"))),
    }
}

/// The request's bytes, the same on every attempt.
pub(crate) fn body(request: &Value, streams: bool) -> Result<Bytes, Error> {
    let mut request = request.clone();
    let Some(fields) = request.as_object_mut() else {
        return Err(Error::Local { detail: "the request is not a JSON object".to_owned() });
    };
    if streams {
        fields.insert("stream".to_owned(), Value::Bool(true));
    }
    Ok(request.to_string().into())
}

/// The request of an attempt, which is one of several where `n_before` is not 0.
pub(crate) fn request(
    url: &Url,
    key: &Key,
    body: &Bytes,
    n_before: u32,
    sending: &Sending,
) -> Request {
    // Without a change all attempts are alike.
    let change = sending.retry_changes.filter(|part| 0 < n_before || part.is_in_headers());
    let key = if change == Some(Part::Credential) { &key.altered() } else { key };
    let mut url = url.clone();
    if change == Some(Part::Path) {
        url.query_pairs_mut().append_pair("attempt", &n_before.to_string());
    }
    if sending.key_goes == KeyPlace::Url {
        url.query_pairs_mut().append_pair("api_key", key.exposed());
    }
    let mut request = Request::new(reqwest::Method::POST, url);
    let headers = request.headers_mut();
    headers.insert("accept", HeaderValue::from_static("application/json"));
    headers.insert("accept-encoding", HeaderValue::from_static(sending.accept_encoding));
    headers.insert("anthropic-version", HeaderValue::from_static(API_VERSION));
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    match sending.key_goes {
        KeyPlace::Bearer => headers.insert("authorization", key.header("Bearer ")),
        KeyPlace::BearerPadded => headers.insert("authorization", key.header("Bearer  ")),
        KeyPlace::Header | KeyPlace::Url => headers.insert("x-api-key", key.header("")),
    };
    match change {
        Some(Part::IdempotencyKey) => {
            headers.insert("idempotency-key", N_KEYS.fetch_add(1, Ordering::Relaxed).into())
        }
        Some(Part::SameIdempotencyKey) => {
            headers.insert("idempotency-key", HeaderValue::from_static("the-same"))
        }
        Some(Part::RetryCount) => {
            headers.insert("x-stainless-retry-count", u32::MAX.saturating_sub(n_before).into())
        }
        _ => None,
    };
    for name in sending.leaves_out {
        headers.remove(*name);
    }
    let body =
        if change == Some(Part::Body) { [body, &b" "[..]].concat().into() } else { body.clone() };
    *request.body_mut() = Some(body.into());
    request
}

impl Part {
    /// Whether it is in a header that only this mistake needs, and that the first attempt sends too.
    fn is_in_headers(self) -> bool {
        matches!(self, Self::IdempotencyKey | Self::RetryCount | Self::SameIdempotencyKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_under_the_base_url() {
        let url = |base_url| url(base_url).map(String::from).map_err(|error| error.class());
        assert_eq!(url("http://h:1"), Ok("http://h:1/v1/messages".to_owned()));
        assert_eq!(url("http://h:1/p/x/"), Ok("http://h:1/p/x/v1/messages".to_owned()));
        assert_eq!(url("https://h").is_ok(), cfg!(feature = "tls"));
        for bad in ["", "h:1", "file:///etc", "http://"] {
            assert_eq!(url(bad), Err("local-error"), "{bad}");
        }
    }

    #[test]
    fn only_an_object_is_a_request() {
        let body = |request: Value| body(&request, true).map_err(|error| error.class());
        assert_eq!(body(serde_json::json!({})).unwrap(), r#"{"stream":true}"#);
        assert_eq!(body(serde_json::json!([])), Err("local-error"));
    }
}
