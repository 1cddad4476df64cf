//! Which operation a request is of, wherever the API is mounted.

use std::borrow::Cow;

use classify::{Headers, Request};
use contract::version::{OperationId, Version};
use serde_json::Value;

/// The longest page that can be asked for.
const LIMIT_MAX: u32 = 1_000;

/// The batch of a request whose own is not known.
const ANY_BATCH: &str = "msgbatch_1";

/// Where operations begin; what stands before it in a path is a gateway's own.
const ROOT: &str = "/v1/";

/// The target as the API knows it: without the host, and without what a gateway has put in front.
pub(super) fn target(url: &str) -> Cow<'_, str> {
    let path =
        url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let path = path.split('#').next().unwrap_or_default();
    let end = path.find('?').unwrap_or(path.len());
    match path[..end].find(ROOT) {
        Some(at) => path[at..].into(),
        None if path.starts_with('/') => path.into(),
        None => path.find('/').map_or_else(|| "/".into(), |at| path[at..].into()),
    }
}

/// Adds what user and password in a URL are sent as.
pub(super) fn add_user(url: &str, headers: &mut Headers) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if let Some((user, _)) = authority.rsplit_once('@')
        && headers.get("authorization").is_none()
    {
        headers.push("authorization", format!("Basic {user}"));
    }
}

/// The operation, if it is one of this API's. A list of models is many vendors' business, so that one counts only
/// where the request says whose.
pub(super) fn operation(request: &Request) -> Option<OperationId> {
    let path = request.path();
    let method: &str = &request.method;
    if method == "OPTIONS" {
        return None;
    }
    let is_ours = request.headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case("anthropic-version") || name.eq_ignore_ascii_case("x-api-key")
    });
    let rest = path.strip_prefix("/v1/")?;
    match (rest.split('/').collect::<Vec<_>>().as_slice(), method) {
        (["models"], _) if is_ours => Some(OperationId::ModelsList),
        (["models", _], _) if is_ours => Some(OperationId::ModelsGet),
        (["messages"], _) => Some(OperationId::MessagesCreate),
        (["messages", "count_tokens"], _) => Some(OperationId::MessagesCountTokens),
        (["messages", "batches"], "GET") => Some(OperationId::BatchesList),
        (["messages", "batches"], _) => Some(OperationId::BatchesCreate),
        (["messages", "batches", _], "DELETE") => Some(OperationId::BatchesDelete),
        (["messages", "batches", _], _) => Some(OperationId::BatchesGet),
        (["messages", "batches", _, "cancel"], _) => Some(OperationId::BatchesCancel),
        (["messages", "batches", _, "results"], _) => Some(OperationId::BatchesResults),
        _ => None,
    }
}

/// A head for what has none.
pub(super) fn request(version: Version, operation: OperationId) -> Request {
    let (method, target) = match operation {
        OperationId::MessagesCreate => ("POST", "/v1/messages"),
        OperationId::MessagesCountTokens => ("POST", "/v1/messages/count_tokens"),
        OperationId::BatchesCreate => ("POST", "/v1/messages/batches"),
        OperationId::BatchesList => ("GET", "/v1/messages/batches"),
        OperationId::BatchesGet => ("GET", "/v1/messages/batches/msgbatch_1"),
        OperationId::BatchesCancel => ("POST", "/v1/messages/batches/msgbatch_1/cancel"),
        OperationId::BatchesDelete => ("DELETE", "/v1/messages/batches/msgbatch_1"),
        OperationId::BatchesResults => ("GET", "/v1/messages/batches/msgbatch_1/results"),
        OperationId::ModelsList => ("GET", "/v1/models"),
        OperationId::ModelsGet => ("GET", "/v1/models/claude-sonnet-4-6"),
    };
    let mut headers = Headers::default();
    headers.push("anthropic-version", version.name());
    headers.push("content-type", "application/json");
    Request { method: method.into(), target: target.into(), headers, ..Request::default() }
}

/// The request that an answer may have been for, where nobody knows what was asked: what it names was asked for.
pub(super) fn request_for(
    version: Version,
    operation: OperationId,
    answer: Option<&Value>,
) -> Request {
    let bare = request(version, operation);
    let id = answer.and_then(|answer| answer.get("id")?.as_str());
    let is_id =
        |id: &&str| id.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#".contains(&byte));
    let target = match (operation, id.filter(is_id)) {
        (OperationId::BatchesList | OperationId::ModelsList, _) => {
            format!("{}?limit={LIMIT_MAX}", bare.target)
        }
        (OperationId::ModelsGet, Some(id)) => format!("/v1/models/{id}"),
        (_, Some(id)) => bare.target.replace(ANY_BATCH, id),
        (_, None) => return bare,
    };
    Request { target: target.into(), ..bare }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &'static str, url: &str, expected: Option<OperationId>) {
        let headers = Headers(vec![("anthropic-version".into(), "2023-06-01".into())]);
        let target = target(url).into_owned().into();
        let request = Request { method: method.into(), target, headers, ..Request::default() };
        assert_eq!(operation(&request), expected, "{method} {url}");
    }

    #[test]
    fn operations_are_found_behind_any_prefix() {
        use OperationId::*;
        check("POST", "https://api.anthropic.com/v1/messages", Some(MessagesCreate));
        check("POST", "http://h:1/anthropic/v1/messages?beta=true", Some(MessagesCreate));
        check("POST", "$BASE/v1/messages/count_tokens", Some(MessagesCountTokens));
        check("GET", "/v1/messages/batches/msgbatch_1/results", Some(BatchesResults));
        check("PUT", "/v1/messages", Some(MessagesCreate));
        check("GET", "/v1/models", Some(ModelsList));
        check("OPTIONS", "https://h/v1/messages", None);
        check("POST", "https://h/v1/chat/completions", None);
        check("GET", "https://h/?next=/v1/messages", None);
        check("GET", "https://h", None);
    }
}
