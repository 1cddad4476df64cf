//! A request as a file: everything that is sent, written out, so that it says the same tomorrow.
//!
//! A case is an id, and means another request when the corpus changes; a file does not. It holds no credential: the
//! placeholder stands for the caller's own, and what else looks like one is replaced when a file is read. What the
//! contract makes of such a request is asked of the mock, since nobody noted how it was made.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use classify::http::KEY_PLACEHOLDER;
use classify::{Body, Headers, Request, envelope};
use contract::case::{Case, CaseId, Mutation, Origin, Permitted, Traits};
use contract::rules;
use contract::spec::Contract;
use contract::version::{OperationId, Version};
use mock::{Config, Now, Pace, Rules, State};
use serde_json::{Value, json};
use wire::record::secrets::{Secrets, is_telling};
use wire::target::Key;

use crate::embedded;
use crate::exit::Stop;

/// Twice what the API takes. Longer bodies are made of a recipe, and have nothing in them to take away.
pub const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Credentials that are wrong on purpose say so.
const FAKE: &str = "probity";

/// What requests of a file have in their id where cases have an origin.
const ORIGIN: &str = "file";

/// A request, and what it is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Concrete {
    pub operation: OperationId,
    pub version: Version,
    pub request: Request,
}

/// What the contract makes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The rule that is broken first, or `schema`, or the type of an error that no rule decides.
    pub rule: &'static str,
    status: u16,
    error_type: &'static str,
    error_code: Option<&'static str>,
}

impl Concrete {
    pub fn of(case: &Case) -> Self {
        Self { operation: case.operation, version: case.version, request: case.request.clone() }
    }

    /// As it stands in a file.
    pub fn to_json(&self) -> Value {
        let request = &self.request;
        let (kind, body) = body(&request.body);
        json!({
            "operation": self.operation.name(),
            "api_version": self.version.name(),
            "method": request.method,
            "target": request.target,
            "headers": headers_to_json(&request.headers),
            kind: body,
        })
    }

    /// Reads a file of ours, or a bare body.
    pub fn parse(contract: &Contract, text: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(file)) if is_file(&file) => from_file(contract, &file),
            Ok(value) => Ok(Self::bare(contract, operation_of(&value), text)),
            Err(_) => Ok(Self::bare(contract, OperationId::MessagesCreate, text)),
        }
    }

    /// A body under the head it needs.
    fn bare(contract: &Contract, operation: OperationId, body: &[u8]) -> Self {
        let version = Version::ALL[Version::ALL.len() - 1];
        let head = head(contract, version, operation);
        let secrets = Secrets::default();
        let body = Body::Bytes(secrets.mask(body).into_owned().into());
        Self { operation, version, request: Request { body, ..head } }
    }

    /// The request as a case, which expects what our mock answers.
    pub fn case(self, contract: &Contract, name: &str) -> Case {
        let refusal = refusal(contract, &self.request).map(|(refusal, _)| refusal);
        let body: Value = match &self.request.body {
            Body::Bytes(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
            Body::Empty | Body::Repeat { .. } => Value::Null,
        };
        Case {
            id: CaseId(format!("{}/{}/{ORIGIN}/{name}", self.version, self.operation)),
            version: self.version,
            operation: self.operation,
            origin: refusal.map_or(Origin::Valid, Refusal::origin),
            traits: Traits { stream: body["stream"] == true, ..Traits::default() },
            request: self.request,
        }
    }
}

impl Refusal {
    /// A request that is to be refused like this.
    fn origin(self) -> Origin {
        let uncertain = rules::find(self.rule).and_then(|rule| rule.uncertain.as_ref());
        let answers = match uncertain {
            Some(open) => Permitted::Uncertain { classes: open.classes, question: open.question },
            None => Permitted::Exactly {
                status: self.status,
                error_type: self.error_type,
                error_code: self.error_code,
            },
        };
        Origin::Mutated(Mutation { family: "rule", rule: self.rule, at: "".into(), answers })
    }
}

/// Why the contract refuses the request, and where: the rule, or for the schema what it says without the numbers in it,
/// since they are places in lists. None if it is to be served.
pub fn refusal(contract: &Contract, request: &Request) -> Option<(Refusal, String)> {
    let mut request = request.clone();
    let key = Key::new(embedded::KEY.to_owned());
    for (_, value) in &mut request.headers.0 {
        *value = key.fill(value).into_owned().into();
    }
    let now = Now::at_date(&contract.as_of).unwrap_or_else(today);
    let config = Config {
        key: Some(embedded::KEY.to_owned()),
        rules: Rules::All,
        seed: embedded::MOCK_SEED,
        pace: Pace::Instant,
        limits: None,
    };
    let answer = mock::answer(&mut State::new(), contract, &config, &request, now);
    let refused = answer.refused?;
    let status = answer.status;
    let refusal = Refusal {
        rule: refused.rule.unwrap_or(refused.error_type),
        status,
        error_type: refused.error_type,
        error_code: refused.error_code,
    };
    let is_rule = refused.rule.is_some_and(|rule| rules::find(rule).is_some());
    if is_rule {
        return Some((refusal, refusal.rule.to_owned()));
    }
    let body = answer.into_reply().body;
    let message = envelope::parse(&body).map(|envelope| envelope.message.into_owned());
    let message: String =
        message.unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).collect();
    Some((refusal, format!("{}: {message}", refusal.rule)))
}

/// The contract was read with its date; a request about no model does not need it.
fn today() -> Now {
    Now { unix_seconds: 0 }
}

/// Reads the file, or standard input for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    let limit = BODY_BYTES_MAX + 1;
    let done = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => {
            std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        }
    };
    let failed = |why: String| Stop::usage(format!("failed to read {}: {why}", path.display()));
    done.map_err(|error| failed(error.to_string()))?;
    match bytes.len() as u64 {
        0 => Err(failed("it is empty".to_owned())),
        len if len > BODY_BYTES_MAX => Err(failed(format!("it has over {BODY_BYTES_MAX} bytes"))),
        _ => Ok(bytes),
    }
}

/// Whether an argument means a file and not a case.
pub fn is_file_name(argument: &str) -> bool {
    argument == "-" || Path::new(argument).is_file() || argument.ends_with(".json")
}

/// A case that a file holds.
pub fn read_case(contract: &Contract, argument: &str) -> Result<Case, Stop> {
    let path = Path::new(argument);
    let concrete = Concrete::parse(contract, &read(path)?);
    let concrete = concrete.map_err(|why| Stop::usage(format!("{argument}: {why}")))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(concrete.case(contract, &name))
}

/// The body under the name that says how it is written.
fn body(body: &Body) -> (&'static str, Value) {
    let bytes = body.to_bytes();
    if bytes.is_empty() {
        return ("body", Value::Null);
    }
    match (serde_json::from_slice::<Value>(&bytes), std::str::from_utf8(&bytes)) {
        // `null` stands for no body.
        (Ok(value), _) if !value.is_null() && value.to_string().as_bytes() == bytes => {
            ("body", value)
        }
        (_, Ok(text)) => ("body_text", text.into()),
        (_, Err(_)) => ("body_base64", BASE64.encode(&bytes).into()),
    }
}

/// An object, since people read it; pairs where a name stands twice.
fn headers_to_json(headers: &Headers) -> Value {
    let members: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    match members.len() == headers.0.len() {
        true => Value::Object(members),
        false => headers.iter().map(|(name, value)| json!([name, value])).collect(),
    }
}

/// Bodies of this API have none of these names at the top.
fn is_file(file: &serde_json::Map<String, Value>) -> bool {
    ["body", "body_text", "body_base64", "headers", "method", "operation"]
        .iter()
        .any(|name| file.contains_key(*name))
}

fn operation_of(body: &Value) -> OperationId {
    match body.get("requests") {
        Some(_) => OperationId::BatchesCreate,
        None => OperationId::MessagesCreate,
    }
}

/// Method, target and the headers that every request needs.
fn head(contract: &Contract, version: Version, operation: OperationId) -> Request {
    let known = contract.edition(version).operation(operation);
    let mut headers = Headers::default();
    headers.push("x-api-key", KEY_PLACEHOLDER);
    headers.push("anthropic-version", version.name());
    if known.request.is_some() {
        headers.push("content-type", "application/json");
    }
    Request {
        method: known.method.into(),
        target: known.path.clone().into(),
        headers,
        body: Body::Empty,
    }
}

fn from_file(
    contract: &Contract,
    file: &serde_json::Map<String, Value>,
) -> Result<Concrete, String> {
    let known = [
        "api_version",
        "body",
        "body_base64",
        "body_text",
        "headers",
        "method",
        "operation",
        "target",
    ];
    if let Some(stray) = file.keys().find(|name| !known.contains(&&***name)) {
        return Err(format!("there is no member `{stray}`: expected {}", known.join(", ")));
    }
    let text = |name: &str| match file.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(&**text)),
        Some(_) => Err(format!("`{name}` is not a text")),
    };
    let operation = match text("operation")? {
        Some(name) => {
            OperationId::parse(name).ok_or_else(|| format!("there is no operation `{name}`"))?
        }
        None => operation_of(file.get("body").unwrap_or(&Value::Null)),
    };
    let version = match text("api_version")? {
        Some(name) => {
            Version::parse(name).ok_or_else(|| format!("there is no API version `{name}`"))?
        }
        None => Version::ALL[Version::ALL.len() - 1],
    };
    let bytes = match (file.get("body"), text("body_text")?, text("body_base64")?) {
        (Some(Value::Null) | None, None, None) => Vec::new(),
        (Some(value), None, None) => value.to_string().into_bytes(),
        (None, Some(text), None) => text.as_bytes().to_vec(),
        (None, None, Some(packed)) => {
            BASE64.decode(packed).map_err(|error| format!("`body_base64`: {error}"))?
        }
        _ => return Err("there is more than one body".to_owned()),
    };
    let mut request = head(contract, version, operation);
    if let Some(method) = text("method")? {
        request.method = method.to_owned().into();
    }
    if let Some(target) = text("target")? {
        request.target = target.to_owned().into();
    }
    if let Some(headers) = file.get("headers") {
        request.headers = headers_of(headers)?;
    }
    conceal(&mut request, &bytes);
    Ok(Concrete { operation, version, request })
}

/// An object, or pairs where one name stands twice.
fn headers_of(value: &Value) -> Result<Headers, String> {
    let pair = |name: &str, value: &Value| match value.as_str() {
        Some(value) => Ok((name.to_owned().into(), value.to_owned().into())),
        None => Err(format!("the value of header `{name}` is not a text")),
    };
    let pairs: Result<Vec<_>, _> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| pair(name, value)).collect(),
        Value::Array(pairs) => pairs
            .iter()
            .map(|each| match each.as_array().map(|each| &each[..]) {
                Some([Value::String(name), value]) => pair(name, value),
                _ => Err("a header is a pair of name and value".to_owned()),
            })
            .collect(),
        _ => Err("`headers` is neither an object nor a list of pairs".to_owned()),
    };
    pairs.map(Headers)
}

/// Puts the placeholder in place of credentials, and a mask over those in the body: what is read here is written and
/// shown.
fn conceal(request: &mut Request, body: &[u8]) {
    let secrets = Secrets::of(&request.headers, &request.target);
    for (name, value) in &mut request.headers.0 {
        let is_harmless = value.contains(KEY_PLACEHOLDER) || value.contains(FAKE);
        if is_telling(name) && !is_harmless {
            *value = match value.split_once(' ') {
                // Without its scheme the caller's own would be refused.
                Some((scheme, _)) if scheme.eq_ignore_ascii_case("bearer") => {
                    format!("{scheme} {KEY_PLACEHOLDER}").into()
                }
                _ => secrets.scrub(value).into(),
            };
        }
    }
    request.target = secrets.scrub_target(&request.target).into();
    let body = secrets.mask(body).into_owned();
    request.body = if body.is_empty() { Body::Empty } else { Body::Bytes(body.into()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specs::{Overrides, load_contract};

    /// Reads the file and writes it again.
    fn check(contract: &Contract, file: &Value, expected: Result<&Value, &str>) {
        let read = Concrete::parse(contract, file.to_string().as_bytes());
        match (read.map(|read| read.to_json()), expected) {
            (Ok(written), Ok(expected)) => assert_eq!(&written, expected),
            (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (read, expected) => panic!("{file}: {read:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn files_are_read_as_they_were_written() {
        let (_, contract) = load_contract(&Overrides::default()).unwrap();
        let contract = &*contract;
        let whole = json!({
            "operation": "messages.create", "api_version": "2026-10-21", "method": "POST", "target": "/v1/messages",
            "headers": {"x-api-key": "$ANTHROPIC_API_KEY", "anthropic-version": "2026-10-21", "content-type": "application/json"},
            "body": {"model": "m"},
        });
        check(contract, &whole, Ok(&whole));
        check(contract, &json!({"model": "m"}), Ok(&whole));
        check(
            contract,
            &json!({"operation": "messages.create", "body": {"model": "m"}}),
            Ok(&whole),
        );
        let with = |name: &str, value: Value| {
            let mut file = whole.clone();
            file[name] = value;
            file
        };
        let without_body = |name: &str, value: Value| {
            let mut file = with(name, value);
            file.as_object_mut().unwrap().remove("body");
            file
        };
        for same in [
            with("body", Value::Null),
            with("headers", json!([["a", "1"], ["a", "2"]])),
            with("headers", json!({})),
            with("headers", json!({"x-api-key": "Bearer sk-ant-api03-probity-wrong-key"})),
            without_body("body_text", json!("{ not json")),
            without_body("body_text", json!("null")),
            without_body("body_base64", json!("/w==")),
        ] {
            check(contract, &same, Ok(&same));
        }
        let secret = "sk-ant-api03-0123456789abcdef";
        let bearer = with("headers", json!({"authorization": format!("Bearer {secret}")}));
        let clean = with("headers", json!({"authorization": "Bearer $ANTHROPIC_API_KEY"}));
        check(contract, &bearer, Ok(&clean));
        check(contract, &with("bdoy", json!(1)), Err("no member `bdoy`"));
        check(contract, &with("operation", json!("messages.creat")), Err("no operation"));
        check(contract, &with("body_text", json!("x")), Err("more than one body"));
    }

    #[test]
    fn the_contract_says_what_is_wrong_with_a_file() {
        let (_, contract) = load_contract(&Overrides::default()).unwrap();
        let rule = |text: &str| {
            let concrete = Concrete::parse(&contract, text.as_bytes()).unwrap();
            refusal(&contract, &concrete.request).map(|(_, place)| place)
        };
        let good = r#"{"model":"claude-sonnet-4-6","max_tokens":1,"messages":[{"role":"user","content":"A"}]}"#;
        assert_eq!(rule(good), None);
        assert_eq!(
            rule(&good.replace("\"max_tokens\":1,", "")).as_deref(),
            Some("schema: max_tokens: Field required")
        );
        assert_eq!(rule("{").as_deref(), Some("body-not-json"));
    }
}
