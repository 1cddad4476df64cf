//! One explanation, in the form that all kinds share.

use std::collections::BTreeMap;

use serde::Serialize;

/// Something that can be looked up.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The word to look it up by; unique among all kinds.
    pub id: String,
    pub kind: Kind,
    /// Other words that lead here; several entries may share one.
    pub also: Vec<String>,
    /// What it demands or means, and why. The first sentence stands alone in lists.
    pub text: String,
    /// Where it holds, what the answer is, and so on: a label and a value each.
    pub facts: Vec<Fact>,
    /// Names that stand for a case of it, each with what it does.
    pub names: BTreeMap<&'static str, &'static str>,
    pub examples: Vec<Example>,
    /// Empty if there is nothing to do.
    pub remedy: String,
    /// Where it is stated, and how sure that is. Empty for what is our own.
    pub source: String,
    /// The open question, where the facts are silent or conflict.
    pub question: Option<&'static str>,
    /// Ids of other entries.
    pub related: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Fact {
    pub label: &'static str,
    pub value: String,
}

/// A request that is refused, and its mended twin.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// The witness.
    pub name: String,
    pub refused: Vec<Line>,
    pub taken: Vec<Line>,
}

/// A line of a request as shown.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Line {
    /// Whether the twin has it otherwise.
    pub differs: bool,
    pub text: String,
}

/// What kind of thing an entry explains, in the order of the lists.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Rule,
    Family,
    Class,
    ErrorType,
    ErrorCode,
    External,
    Lint,
    Scenario,
    Finding,
    ResponseRule,
    StreamRule,
    Exit,
}

impl Kind {
    pub const ALL: [Self; 12] = [
        Self::Rule,
        Self::Family,
        Self::Class,
        Self::ErrorType,
        Self::ErrorCode,
        Self::External,
        Self::Lint,
        Self::Scenario,
        Self::Finding,
        Self::ResponseRule,
        Self::StreamRule,
        Self::Exit,
    ];

    /// One of them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Family => "mutation family",
            Self::Class => "class",
            Self::ErrorType => "error type",
            Self::ErrorCode => "error code",
            Self::External => "external refusal",
            Self::Lint => "lint",
            Self::Scenario => "scenario",
            Self::Finding => "finding",
            Self::ResponseRule => "response rule",
            Self::StreamRule => "stream rule",
            Self::Exit => "exit code",
        }
    }

    /// All of them, as a heading.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Rule => "Rules",
            Self::Family => "Mutation families",
            Self::Class => "Classes",
            Self::ErrorType => "Error types",
            Self::ErrorCode => "Error codes",
            Self::External => "External refusals",
            Self::Lint => "Lints",
            Self::Scenario => "Scenarios",
            Self::Finding => "Findings",
            Self::ResponseRule => "Response rules",
            Self::StreamRule => "Stream rules",
            Self::Exit => "Exit codes",
        }
    }

    /// What the kind is, in a sentence.
    pub fn says(self) -> &'static str {
        match self {
            Self::Rule => "What the API demands beyond its schema.",
            Self::Family => "How valid requests are broken, and what such an error means.",
            Self::Class => "The closed names for what came back.",
            Self::ErrorType => "The values of `error.type`.",
            Self::ErrorCode => "The values of `error.details.error_code`.",
            Self::External => "Refusals that no request explains.",
            Self::Lint => "What is taken today and regretted later.",
            Self::Scenario => "Rehearsed failures, and the handling they demand.",
            Self::Finding => "What a client on trial did wrong.",
            Self::ResponseRule => "What every answer of a server must hold.",
            Self::StreamRule => "What the events of a streamed answer must hold.",
            Self::Exit => "How the tool ends.",
        }
    }
}

impl Entry {
    /// An entry with the parts that all have.
    pub(super) fn new(kind: Kind, id: &str, text: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            also: Vec::new(),
            text: text.to_owned(),
            facts: Vec::new(),
            names: BTreeMap::new(),
            examples: Vec::new(),
            remedy: String::new(),
            source: String::new(),
            question: None,
            related: Vec::new(),
        }
    }

    pub(super) fn fact(&mut self, label: &'static str, value: impl Into<String>) {
        self.facts.push(Fact { label, value: value.into() });
    }

    /// The first sentence of the text.
    pub fn summary(&self) -> &str {
        let ends = self.text.match_indices(". ").map(|(at, _)| at + 1);
        // A stop inside of code ends no sentence.
        let mut ends = ends.filter(|end| self.text[..*end].matches('`').count().is_multiple_of(2));
        ends.next().map_or(&*self.text, |end| &self.text[..end])
    }

    /// Whether the word leads here.
    pub fn answers_to(&self, word: &str) -> bool {
        let word = plain(word);
        plain(&self.id) == word || self.also.iter().any(|also| plain(also) == word)
    }
}

/// A word as it is compared: people mix up case, `-` and `_`.
pub(super) fn plain(word: &str) -> String {
    word.trim().to_ascii_lowercase().replace('_', "-")
}
