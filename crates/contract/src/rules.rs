//! Semantic rules: what the API demands beyond its schema, one named rule at a time.
//!
//! A rule is a row of data with two functions: `check` finds where a request breaks it, `breaches` makes
//! requests that break it out of valid ones. The mock runs the checks; the corpus runs the breaches; neither
//! is believed on its own word, because `specs/witnesses/` holds a hand-typed request for every rule.
//! The price of keeping both functions in one row is that a misunderstanding can sit in both: only the
//! witness can show it.
//!
//! To add a rule: one entry in the `RULES` table of its group's file, and one witness. Groups are listed in
//! [`groups`], in the order in which the API looks.

use std::borrow::Cow;

use classify::{Class, Request};
use serde_json::{Map, Value};

use crate::models::{Confidence, Model, Models};
use crate::version::{OperationId, Version};

pub mod view;

mod batch_items;
mod batches;
mod binding;
mod caching;
mod credentials;
mod deferral;
mod documents;
mod edit;
mod grammar;
mod headers;
mod lists;
mod media;
mod model;
mod output;
mod pairing;
mod pdf;
mod prompt;
mod roles;
mod routes;
mod sampling;
mod server_tools;
mod syntax;
mod system_messages;
mod text;
mod thinking;
mod tool_choice;
mod tools;
mod toolsets;

pub use headers::{BETAS, unlisted_betas};
pub use syntax::{body_bytes_max, parse_body};

/// All groups in the order in which their checks run; within a stage the first finding is the answer.
pub fn groups() -> [&'static [Rule]; 27] {
    [
        routes::RULES,
        headers::RULES,
        credentials::RULES,
        syntax::RULES,
        model::RULES,
        roles::RULES,
        system_messages::RULES,
        text::RULES,
        pairing::RULES,
        server_tools::RULES,
        tools::RULES,
        toolsets::RULES,
        deferral::RULES,
        tool_choice::RULES,
        thinking::RULES,
        binding::RULES,
        sampling::RULES,
        caching::RULES,
        media::RULES,
        pdf::RULES,
        documents::RULES,
        output::RULES,
        grammar::RULES,
        prompt::RULES,
        batches::RULES,
        batch_items::RULES,
        lists::RULES,
    ]
}

/// All rules, in the order of [`groups`].
pub fn all() -> impl Iterator<Item = &'static Rule> {
    groups().into_iter().flatten()
}

/// The rule of that id.
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

/// One demand of the API.
#[derive(Debug)]
pub struct Rule {
    /// Stable, kebab-case, says what is wrong: `tool-result-unpaired`.
    pub id: &'static str,
    pub stage: Stage,
    pub versions: &'static [Version],
    pub operations: &'static [OperationId],
    /// The models it is about; `None` if it is about all of them, or about something else.
    pub models: Option<fn(&Model) -> bool>,
    /// What cannot but be broken with it, each with the reason; a test holds that nothing else is.
    pub implies: &'static [Implied],
    /// Pushes one finding per place that breaks the rule.
    pub check: fn(&Ask<'_>, &mut Vec<Finding>),
    /// Pushes requests made from the valid `base` that break this rule; none if the base does not lend itself.
    pub breaches: fn(&Base<'_>, &mut Vec<Breach>),
    pub answer: Answer,
    /// What the rule demands, and why the API refuses.
    pub explanation: &'static str,
    /// What the caller should do.
    pub remedy: &'static str,
    /// Where it is stated, publicly.
    pub source: &'static str,
    pub confidence: Confidence,
    /// Set when the facts conflict or are silent.
    pub uncertain: Option<Uncertain>,
}

/// When a check runs: each stage needs what the one before has established.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// Method, target and headers. `Ask::body` is `Null`.
    Head,
    /// The body as bytes: size, encoding, JSON syntax. `Ask::body` is `Null`.
    Bytes,
    /// The body parsed and valid against the schema of its operation.
    Body,
    /// One item of a batch, on the day the batch is worked off: `Ask::body` is the parameters of the item, and what
    /// breaks the rule becomes an errored result. Creating the batch succeeds.
    Item,
}

/// Another demand that a breach of a rule always breaks, too.
#[derive(Clone, Copy, Debug)]
pub struct Implied {
    /// The id of a rule, or [`Implied::SCHEMA`].
    pub rule: &'static str,
    /// Why one cannot be broken without the other.
    pub because: &'static str,
}

impl Implied {
    /// In place of a rule's id: the schema of the operation.
    pub const SCHEMA: &'static str = "schema";
}

impl Rule {
    /// Pushes one finding per place that breaks the rule; none if it is about other models.
    pub fn run(&self, ask: &Ask<'_>, out: &mut Vec<Finding>) {
        if self.models.is_none_or(|about| ask.model.is_some_and(about)) {
            (self.check)(ask, out);
        }
    }

    /// Whether the rule is about requests of this version and operation.
    pub fn holds_for(&self, version: Version, operation: OperationId) -> bool {
        self.versions.contains(&version) && self.operations.contains(&operation)
    }
}

/// What the API answers when the rule is broken.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub status: u16,
    pub error_type: &'static str,
    /// `error.details.error_code`, where one is known.
    pub error_code: Option<&'static str>,
    /// The wording as seen, with placeholders in capitals. A hint only: the API may reword it any day.
    pub wording: &'static str,
}

impl Answer {
    /// The common case: 400 `invalid_request_error` without a code.
    pub const fn invalid(wording: &'static str) -> Self {
        Self { status: 400, error_type: "invalid_request_error", error_code: None, wording }
    }
}

/// A rule whose answer is an open question.
#[derive(Clone, Copy, Debug)]
pub struct Uncertain {
    /// Classes that would be no surprise, the answer's own among them.
    pub classes: &'static [Class],
    pub question: &'static str,
}

/// What a check may look at.
pub struct Ask<'a> {
    pub version: Version,
    pub operation: OperationId,
    pub request: &'a Request,
    /// The parsed body; `Null` before the `Body` stage.
    pub body: &'a Value,
    /// The model named in the body, if it is known.
    pub model: Option<&'a Model>,
    pub models: &'a Models,
    /// The date that decides whether a model is gone, `YYYY-MM-DD`.
    pub today: &'a str,
    /// The only credential accepted; `None` accepts any that is well formed.
    pub key: Option<&'a str>,
    /// What the batch named in the path is doing; `None` if there is no such batch, or the path names none.
    pub batch: Option<BatchPhase>,
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BatchPhase {
    /// Cancelled, and not yet at its end.
    Canceling,
    Ended,
    InProgress,
}

/// One place where a request breaks a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Dotted as the API writes it: `messages.0.content.1.text`. Empty for the whole request.
    pub path: String,
    /// The API's wording with the placeholders filled in, without the path.
    pub message: Cow<'static, str>,
    /// What stands beside the code in `error.details`, where the answer has more to say than its code.
    pub details: Option<Map<String, Value>>,
}

impl Finding {
    pub fn new(path: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), message: message.into(), details: None }
    }
}

/// A valid request to break.
pub struct Base<'a> {
    pub version: Version,
    pub operation: OperationId,
    pub request: &'a Request,
    /// The request's body, parsed; `Null` if it has none.
    pub body: &'a Value,
    /// The model named in the body.
    pub model: Option<&'a Model>,
    pub models: &'a Models,
}

/// A request that breaks a rule.
#[derive(Debug)]
pub struct Breach {
    /// Where, as a stable path through the schema (`messages/content/tool_result`); part of the case id, so it
    /// never holds an index, and differs between the breaches of one rule.
    pub at: &'static str,
    pub request: Request,
}

impl Base<'_> {
    /// A breach that differs from the base in its JSON body only.
    pub fn with_body(&self, at: &'static str, edit: impl FnOnce(&mut Value)) -> Breach {
        let mut body = self.body.clone();
        edit(&mut body);
        let mut request = self.request.clone();
        request.body = classify::Body::Bytes(body.to_string().into());
        Breach { at, request }
    }

    /// A breach that differs from the base in its head (or its raw body).
    pub fn with_request(&self, at: &'static str, edit: impl FnOnce(&mut Request)) -> Breach {
        let mut request = self.request.clone();
        edit(&mut request);
        Breach { at, request }
    }
}
