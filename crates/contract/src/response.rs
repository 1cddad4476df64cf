//! Checks a reply against what every answer must hold: the schema of its body, and named rules.
//!
//! A rule is a row of data with one function, as the rules for requests are. The schema says what shape an answer has;
//! the rules say what it must have to do with itself (counts that add up, a stop reason that fits the content) and
//! with the request (the tool that was forced, the limit that was set). Where a rule names a breach, the schema is not
//! heard about the same place: the price is that a reader of the schema alone finds more.
//!
//! Answers may grow. What is not known (members, blocks, stop reasons, events) is never a finding.

use std::borrow::Cow;

use classify::{Class, Reply, Request, envelope, stream};
use serde_json::Value;

use crate::judge::{Blame, Finding};
use crate::level::Level;
use crate::spec::Edition;
use crate::version::OperationId;

mod asked;
mod body;
mod content;
mod errors;
mod heads;
mod lists;
mod message;
mod schema;
mod streamed;

pub(crate) use schema::Answers;

/// All rules, by what they look at.
pub fn groups() -> [&'static [Rule]; 8] {
    [
        body::RULES,
        heads::RULES,
        errors::RULES,
        lists::RULES,
        message::RULES,
        content::RULES,
        asked::RULES,
        schema::RULES,
    ]
}

/// All rules, in the order of [`groups`].
pub fn all() -> impl Iterator<Item = &'static Rule> {
    groups().into_iter().flatten()
}

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static Rule> {
    id.starts_with(PREFIX).then(|| all().find(|rule| rule.id == id)).flatten()
}

/// What all ids begin with.
pub const PREFIX: &str = "response/";

/// A demand on every answer.
#[derive(Debug)]
pub struct Rule {
    /// Stable, says what is wrong: `response/stop-reason-missing`.
    pub id: &'static str,
    /// The weakest level at which a breach counts.
    pub level: Level,
    /// What it demands, and why. The first sentence stands alone in lists.
    pub sentence: &'static str,
    /// What the author of the server should do.
    pub remedy: &'static str,
    /// Public reports of servers that broke it.
    pub seen: &'static [&'static str],
    check: Check,
}

#[derive(Debug)]
enum Check {
    /// Of the answer as a whole.
    Answer(fn(&Answer<'_>, &mut Found)),
    /// Of each whole message in it; those of streams are left to the rules of streams.
    Message(fn(&Value, &mut Found)),
    /// Of a message beside the parameters that asked for it, however it came.
    Asked(fn(Asked<'_>, &mut Found)),
}

/// An answer, read as far as it goes.
struct Answer<'a> {
    edition: &'a Edition,
    operation: OperationId,
    request: &'a Request,
    /// The parameters of the message that was asked for; `Null` if none was, or they are not known.
    params: Value,
    class: Class,
    reply: &'a Reply,
    /// Without its parameters, and in lower case.
    media: String,
    body: Body,
}

enum Body {
    Json(Value),
    /// JSONL: each line, or why it is none.
    Lines(Vec<Result<Value, String>>),
    /// Neither JSON nor a stream.
    Other(String),
    Stream {
        /// The message that its events come to, if they come to one.
        folded: Option<Value>,
    },
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    request: &'a Request,
    params: &'a Value,
    message: &'a Value,
}

/// The places that break a rule.
#[derive(Default)]
struct Found {
    /// Where what is looked at stands in the answer.
    at: String,
    list: Vec<Place>,
}

struct Place {
    pointer: String,
    blame: Blame,
    trace: Cow<'static, str>,
}

impl Found {
    /// `pointer` is one into what is looked at.
    fn push(&mut self, pointer: impl AsRef<str>, trace: impl Into<Cow<'static, str>>) {
        self.push_of(Blame::Target, pointer, trace);
    }

    fn push_of(
        &mut self,
        blame: Blame,
        pointer: impl AsRef<str>,
        trace: impl Into<Cow<'static, str>>,
    ) {
        let pointer = format!("{}{}", self.at, pointer.as_ref());
        self.list.push(Place { pointer, blame, trace: trace.into() });
    }
}

/// What in the reply breaks the contract. Empty for what the edge answers in a shape of its own, and for a connection
/// lost before there was anything to judge.
pub fn check(
    edition: &Edition,
    operation: OperationId,
    request: &Request,
    class: Class,
    reply: &Reply,
) -> Vec<Finding> {
    if !is_judged(class, reply) {
        return Vec::new();
    }
    let answer = Answer::read(edition, operation, request, class, reply);
    let mut findings = streamed::findings(&answer);
    for rule in all() {
        // Another rule names the cause; the schema would name what follows from it.
        let is_named = |finding: &Finding| {
            finding.rule == errors::FOREIGN || stream::Rule::parse(finding.rule).is_some()
        };
        if rule.id != schema::ID || !findings.iter().any(is_named) {
            answer.run(rule, &mut findings);
        }
    }
    if !is_of_agent(operation, request) {
        for finding in &mut findings {
            finding.level = finding.level.max(Level::Compatible);
        }
    }
    without_echoes(findings)
}

/// Leaves what does not follow from the request. Where a broken request is served, the answer may have what is broken
/// from there, so only its form says something of the server; the rest is said by what valid requests get.
pub fn of_form(findings: Vec<Finding>) -> Vec<Finding> {
    let is_form = |finding: &Finding| {
        body::RULES.iter().chain(heads::RULES).any(|rule| rule.id == finding.rule)
    };
    findings.into_iter().filter(is_form).collect()
}

/// Whether agents ask so. They send messages, and neither list models nor try paths.
fn is_of_agent(operation: OperationId, request: &Request) -> bool {
    operation == OperationId::MessagesCreate
        && request.path() == "/v1/messages"
        && request.method.eq_ignore_ascii_case("POST")
}

fn is_judged(class: Class, reply: &Reply) -> bool {
    match class {
        // The edge answers before the API does.
        Class::EdgeForbidden => false,
        Class::TooLarge => envelope::parse(&reply.body).is_some_and(|envelope| envelope.outer_type),
        // A page under a 5xx is a proxy's, and what stands behind it may be well.
        Class::Intermediary => (400..500).contains(&reply.status),
        Class::Unreachable(_) | Class::Unsendable => false,
        _ => true,
    }
}

/// Leaves out what the schema says about a place that a rule has named.
fn without_echoes(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.iter().any(|finding| finding.rule == schema::ID) {
        let named: Vec<String> = findings
            .iter()
            .filter(|finding| finding.rule != schema::ID && !finding.pointer.is_empty())
            .map(|finding| finding.pointer.clone())
            .collect();
        findings.retain(|finding| {
            finding.rule != schema::ID || !named.iter().any(|at| is_below(&finding.pointer, at))
        });
    }
    findings
}

fn is_below(pointer: &str, at: &str) -> bool {
    pointer.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl<'a> Answer<'a> {
    fn read(
        edition: &'a Edition,
        operation: OperationId,
        request: &'a Request,
        class: Class,
        reply: &'a Reply,
    ) -> Self {
        let media = media_type(reply);
        Self {
            body: Body::read(&media, reply),
            params: params(operation, request, reply),
            edition,
            operation,
            request,
            class,
            reply,
            media,
        }
    }

    fn run(&self, rule: &Rule, findings: &mut Vec<Finding>) {
        let mut found = Found::default();
        match rule.check {
            Check::Answer(check) => check(self, &mut found),
            Check::Message(check) if !matches!(self.body, Body::Stream { .. }) => {
                self.each_message(&mut |at, message| {
                    found.at = at;
                    check(message, &mut found);
                });
            }
            Check::Asked(check) if self.params.is_object() => {
                self.each_message(&mut |at, message| {
                    found.at = at;
                    check(
                        Asked { request: self.request, params: &self.params, message },
                        &mut found,
                    );
                });
            }
            Check::Message(_) | Check::Asked(_) => {}
        }
        findings.extend(
            found.list.into_iter().map(|Place { pointer, blame, trace }| {
                Finding::new(rule.id, pointer, blame, trace)
            }),
        );
    }

    /// The JSON of a success.
    fn success(&self) -> Option<&Value> {
        self.json()
            .filter(|_| self.class == Class::Accepted || self.class == Class::Malformed)
            .filter(|_| self.is_success())
    }

    /// The JSON of an error.
    fn error(&self) -> Option<&Value> {
        self.json().filter(|_| !self.is_success())
    }

    fn json(&self) -> Option<&Value> {
        match &self.body {
            Body::Json(value) => Some(value),
            Body::Lines(_) | Body::Other(_) | Body::Stream { .. } => None,
        }
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.reply.status)
    }

    /// Visits each message, with where it stands.
    fn each_message(&self, visit: &mut dyn FnMut(String, &Value)) {
        match &self.body {
            Body::Json(_) if self.operation == OperationId::MessagesCreate => {
                if let Some(message) = self.success() {
                    visit(String::new(), message);
                }
            }
            Body::Lines(lines) => {
                for (idx, line) in lines.iter().enumerate() {
                    let message =
                        line.as_ref().ok().and_then(|line| line.pointer("/result/message"));
                    if let Some(message) = message {
                        visit(format!("/{idx}/result/message"), message);
                    }
                }
            }
            Body::Stream { folded: Some(message) } => visit(String::new(), message),
            Body::Json(_) | Body::Other(_) | Body::Stream { folded: None } => {}
        }
    }
}

impl Body {
    fn read(media: &str, reply: &Reply) -> Self {
        if (200..300).contains(&reply.status) && media == EVENT_STREAM {
            return Self::Stream { folded: streamed::fold(&reply.body) };
        }
        if media == JSON_LINES && (200..300).contains(&reply.status) {
            let lines = reply.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let read = |line| serde_json::from_slice(line).map_err(|error| error.to_string());
            return Self::Lines(lines.map(read).collect());
        }
        match serde_json::from_slice(&reply.body) {
            Ok(value) => Self::Json(value),
            Err(error) => Self::Other(error.to_string()),
        }
    }
}

const EVENT_STREAM: &str = "text/event-stream";
const JSON_LINES: &str = "application/x-jsonl";

/// The parameters that were sent. Padding is not read: no rule is about what is not in the first megabyte.
fn params(operation: OperationId, request: &Request, reply: &Reply) -> Value {
    match &request.body {
        classify::Body::Bytes(bytes)
            if operation == OperationId::MessagesCreate && (200..300).contains(&reply.status) =>
        {
            serde_json::from_slice(bytes).unwrap_or_default()
        }
        _ => Value::Null,
    }
}

/// Without its parameters. It means the same in any case.
fn media_type(reply: &Reply) -> String {
    let value = reply.headers.get("content-type").unwrap_or_default();
    value.split_once(';').map_or(value, |(media, _)| media).trim().to_ascii_lowercase()
}

/// The text under that member; empty if there is none.
fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}
