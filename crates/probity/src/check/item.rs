//! What is judged: a request, an answer, or the two of one exchange, and where they were found.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use classify::{Headers, Observation, Reply, Request};
use contract::version::{OperationId, Version};
use serde_json::Value;

use super::shape::Shape;

/// One thing to judge.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) asked: Option<Asked>,
    pub(super) answered: Option<Answered>,
    /// What was asked for, where that is all that is known of the request.
    pub(super) about: Option<(Version, OperationId)>,
    /// What was not there to be judged.
    pub(super) notes: Vec<&'static str>,
    /// The JSON that pointers lead into, where it stands in the file as it is.
    pub(super) source: Option<Source>,
}

/// A place in an input.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    /// Counted from one.
    pub(super) line: Option<u64>,
    /// The entry of an archive, counted from one.
    pub(super) entry: Option<u64>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) head: Head,
    pub(super) shape: Shape,
    /// Whether the body was there to be read.
    pub(super) has_body: bool,
    /// Words that a shell would have replaced.
    pub(super) variables: Vec<String>,
}

/// How much is known of a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Head {
    /// All of it, as it will be sent.
    Whole,
    /// All but the credentials, which nobody writes down.
    Censored,
    /// Nothing.
    None,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) observation: Observation,
    /// Whether the body is all that came.
    pub(super) has_body: bool,
}

/// Text in a file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) text: Bytes,
    /// Where in the text the request (or the answer) stands, as a JSON pointer.
    pub(super) within: &'static str,
    /// The line of the file where it begins, counted from one.
    pub(super) line: u64,
}

impl Place {
    pub(super) fn of(file: &Arc<str>) -> Self {
        Self { file: Arc::clone(file), line: None, entry: None }
    }

    pub(super) fn at_line(file: &Arc<str>, line: u64) -> Self {
        Self { line: Some(line), ..Self::of(file) }
    }

    pub(super) fn at_entry(file: &Arc<str>, entry: u64) -> Self {
        Self { entry: Some(entry), ..Self::of(file) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { file, line: Some(line), .. } => write!(f, "{file}:{line}"),
            Self { file, entry: Some(entry), .. } => write!(f, "{file} entry {entry}"),
            Self { file, .. } => f.write_str(file),
        }
    }
}

impl Asked {
    /// A bare body.
    pub(super) fn bare(shape: Shape, body: Bytes) -> Self {
        let request = Request { body: classify::Body::Bytes(body), ..Request::default() };
        Self { request, head: Head::None, shape, has_body: true, variables: Vec::new() }
    }

    /// A request with its head.
    pub(super) fn with_head(request: Request, head: Head) -> Self {
        let shape = Shape::Whole;
        Self { request, head, shape, has_body: true, variables: Vec::new() }
    }
}

impl Answered {
    pub(super) fn whole(observation: Observation) -> Self {
        Self { observation, has_body: true }
    }

    /// A bare body gets the head that the API would have given it, so that nothing is said about a head.
    pub(super) fn bare(value: &Value, body: Bytes) -> Self {
        let error_type = value.pointer("/error/type").and_then(Value::as_str);
        let is_error = value.get("error").is_some_and(|error| !error.is_null());
        let status = if is_error { status_of(error_type.unwrap_or_default()) } else { 200 };
        let is_line = value.get("custom_id").is_some();
        let media = if is_line { "application/x-jsonl" } else { "application/json" };
        Self::bare_as(status, media, value.get("request_id").and_then(Value::as_str), body)
    }

    /// A bare stream.
    pub(super) fn stream(body: Bytes) -> Self {
        Self::bare_as(200, "text/event-stream; charset=utf-8", None, body)
    }

    fn bare_as(status: u16, media: &'static str, id: Option<&str>, body: Bytes) -> Self {
        let mut headers = Headers::default();
        headers.push("content-type", media);
        headers.push("request-id", id.unwrap_or("req_011CProbity0000").to_owned());
        if status == 429 {
            headers.push("retry-after", "1");
        }
        Self::whole(Observation::Reply(Reply { status, headers, body }))
    }

    pub(super) fn reply(&self) -> Option<&Reply> {
        match &self.observation {
            Observation::Reply(reply) => Some(reply),
            Observation::Cut(cut) => cut.partial.as_ref(),
            Observation::Unsendable(_) => None,
        }
    }
}

/// The status that an error type comes with; a bare body has none.
fn status_of(error_type: &str) -> u16 {
    match error_type {
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "conflict_error" => 409,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 400,
    }
}
