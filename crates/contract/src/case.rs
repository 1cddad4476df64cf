//! One request to try, where it came from, and what it needs.

use std::borrow::Cow;
use std::fmt;

use classify::Request;

use crate::version::{OperationId, Version};

/// One request to try.
#[derive(Clone, Debug)]
pub struct Case {
    pub id: CaseId,
    pub version: Version,
    pub operation: OperationId,
    pub origin: Origin,
    pub traits: Traits,
    pub request: Request,
}

/// `VERSION/OPERATION/ORIGIN/RULE/POINTER`, made of content and never of a running number, because filters,
/// shards, exceptions and diffs hang on it: `2026-10-21/messages.create/mut/required/messages`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CaseId(pub String);

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// How a case was made, hence what to expect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A valid draw.
    Valid,
    /// A valid draw, broken in one named way.
    Mutated(Mutation),
    /// Typed by hand from a source.
    Witness {
        rule: String,
        /// Which of the rule's witnesses, where it has several.
        variant: Option<String>,
        /// Whether this is the mended twin, which must be accepted.
        mended: bool,
        /// The answers the source states.
        answers: Vec<StatedAnswer>,
    },
    /// Expects a wrong answer on purpose, and must be reported.
    Canary,
}

/// An answer as a witness's source states it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatedAnswer {
    pub status: u16,
    pub error_type: Option<String>,
    pub error_code: Option<String>,
}

impl Origin {
    /// The third segment of a case id.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Mutated(_) => "mut",
            Self::Witness { .. } => "witness",
            Self::Canary => "canary",
        }
    }

    /// The rule a case is about; empty for valid draws.
    pub fn rule(&self) -> &str {
        match self {
            Self::Valid => "",
            Self::Mutated(mutation) => mutation.rule,
            Self::Witness { rule, .. } => rule,
            Self::Canary => "canary",
        }
    }
}

/// A named way to break a request, and the place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mutation {
    /// The file the mutation lives in: `required`, `bounds`, `envelope`, or `rule` for the semantic rules.
    pub family: &'static str,
    /// What it breaks: a rule of its family (`required`, `below-minimum`) or the id of a semantic rule.
    pub rule: &'static str,
    /// A place in the schema, from the nearest component on and without indexes: property names, and the tag of
    /// each union branch taken (`messages`, `RequestToolResultBlock/is_error`). Empty for the whole request.
    pub at: Cow<'static, str>,
    /// What the contract permits in answer.
    pub answers: Permitted,
}

/// What a mutation may be answered with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permitted {
    /// This status, type and code.
    Exactly { status: u16, error_type: &'static str, error_code: Option<&'static str> },
    /// It is still valid: the request is served.
    Served,
    /// The facts do not say; any of these classes, and the open question.
    Uncertain { classes: &'static [classify::Class], question: &'static str },
}

/// What the generator noted while drawing. Expectations are made of this and never of the body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Traits {
    /// Whether the answer is an event stream.
    pub stream: bool,
    /// Why only our own mock can honour the case (signatures, file ids, containers, encrypted content).
    pub mock_only: Option<&'static str>,
    /// Turns of user and assistant; messages of the role system and a prefill come on top.
    pub turns: u16,
    /// Whether tools were drawn.
    pub tools: bool,
}
