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
mod billed;
mod body;
mod content;
mod errors;
mod heads;
mod lists;
mod message;
mod schema;
mod streamed;
mod tried;
mod weight;

pub(crate) use errors::UNPROCESSABLE;
pub(crate) use schema::Answers;
pub use tried::{Tried, tried};
pub use weight::of_form;

/// All rules, by what they look at.
pub fn groups() -> [&'static [Rule]; 9] {
    [
        body::RULES,
        heads::RULES,
        errors::RULES,
        lists::RULES,
        message::RULES,
        content::RULES,
        asked::RULES,
        billed::RULES,
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

/// What could break the rule, and what does. Whatever the first function is not true of says nothing about the rule:
/// where no answer could have broken it, nobody knows whether the server keeps it.
#[derive(Debug)]
enum Check {
    /// Of the answer as a whole.
    Answer(fn(&Answer<'_>) -> bool, fn(&Answer<'_>, &mut Found)),
    /// Of each whole message in it; those of streams are left to the rules of streams.
    Message(fn(&Value) -> bool, fn(&Value, &mut Found)),
    /// Of each message in it, also of what a stream comes to.
    Sum(fn(&Value) -> bool, fn(&Value, &mut Found)),
    /// Of a message beside the parameters that asked for it, however it came.
    Asked(fn(Asked<'_>) -> bool, fn(Asked<'_>, &mut Found)),
}

/// Takes where something stands, and the check that is to be made of it.
type Visit<'v> = dyn FnMut(String, &dyn Fn(&mut Found)) + 'v;

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
    if !findings.is_empty() && !weight::is_of_agent(operation, request) {
        for finding in &mut findings {
            finding.level = finding.level.max(Level::Compatible);
        }
    }
    weight::without_echoes(findings)
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
        self.each_tried(rule, &mut |at, check| {
            found.at = at;
            check(&mut found);
        });
        findings.extend(
            found.list.into_iter().map(|Place { pointer, blame, trace }| {
                Finding::new(rule.id, pointer, blame, trace)
            }),
        );
    }

    /// Visits each thing that could break the rule, with where it stands and the check that is to be made.
    fn each_tried(&self, rule: &Rule, visit: &mut Visit<'_>) {
        match rule.check {
            Check::Answer(could, check) => {
                if could(self) {
                    visit(String::new(), &|found: &mut Found| check(self, found));
                }
            }
            Check::Message(..) if self.is_stream() => {}
            Check::Message(could, check) | Check::Sum(could, check) => {
                self.each_message(&mut |at, message| {
                    if could(message) {
                        visit(at, &|found: &mut Found| check(message, found));
                    }
                });
            }
            Check::Asked(could, check) if self.params.is_object() => {
                self.each_message(&mut |at, message| {
                    let asked = Asked { request: self.request, params: &self.params, message };
                    if could(asked) {
                        visit(at, &|found: &mut Found| check(asked, found));
                    }
                });
            }
            Check::Asked(..) => {}
        }
    }

    fn is_stream(&self) -> bool {
        matches!(self.body, Body::Stream { .. })
    }

    fn has(&self, header: &str) -> bool {
        self.reply.headers.get(header).is_some()
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
