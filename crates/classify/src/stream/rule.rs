//! The rules of a Messages event stream: a closed list with stable ids.
//!
//! What each demands stands in a table of its own. Some break the grammar: an answer that does is
//! [`Class::StreamMalformed`](crate::Class::StreamMalformed), since nobody can say what it means. The others break
//! a promise about what the events carry, and leave an answer that most clients still understand.

mod grammar;
mod promises;

use std::fmt;

use super::Sight;

/// What a stream can be guilty of.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    AfterMessageStop,
    BlockAfterMessageDelta,
    BlockLeftOpen,
    BlockMissing,
    BlockOverlap,
    CitationMissing,
    DataEmpty,
    DataNotJson,
    DataNotObject,
    DataNotUtf8,
    DeltaAfterStop,
    DeltaFieldMissing,
    DeltaMissing,
    DeltaTypeMismatch,
    DeltaUnopened,
    DoneMarker,
    DuplicateSignature,
    DuplicateStart,
    DuplicateStop,
    EmptyTextBlock,
    ErrorAfterStop,
    ErrorMalformed,
    ErrorMessageMissing,
    ErrorTerminates,
    ErrorTypeMissing,
    EventBeforeStart,
    EventNameUnknown,
    EventTooLong,
    EventUnnamed,
    FinalBlankLineMissing,
    ForeignEvent,
    IndexGap,
    IndexMissing,
    IndexReused,
    LoneSurrogate,
    MessageContentNotEmpty,
    MessageId,
    MessageMissing,
    MessageModel,
    MessageRole,
    MessageType,
    NameTypeMismatch,
    NoEvents,
    NoMessageDelta,
    NoMessageStop,
    RedactedDataMissing,
    SignatureEmpty,
    SignatureMissing,
    SignatureNotLast,
    StartNotEmpty,
    StopDetailsUnexpected,
    StopReasonChanged,
    StopReasonEarly,
    StopReasonIgnoresCall,
    StopReasonMissing,
    StopReasonWithoutCall,
    StopSequenceMissing,
    StopSequenceUnexpected,
    StopUnopened,
    ToolIdPrefix,
    ToolIdRepeated,
    ToolInputStart,
    ToolJsonIncomplete,
    ToolJsonInvalid,
    ToolJsonNotObject,
    ToolJsonTrailing,
    ToolNameMissing,
    ToolsetInputSplit,
    TypeMissing,
    UsageDecreases,
    UsageFieldMissing,
    UsageMissing,
    UsageNotCount,
}

/// What a rule demands.
#[derive(Clone, Copy)]
struct Told {
    rule: Rule,
    /// What breaks it, or would.
    sight: Sight,
    id: &'static str,
    sentence: &'static str,
    remedy: &'static str,
    /// Where it happened to somebody: issues and changes of public projects.
    seen: &'static [&'static str],
}

const COUNT: usize = grammar::ROWS.len() + promises::ROWS.len();

/// Every rule at its own place, and whether it is of the grammar.
const TABLE: [(Told, bool); COUNT] = {
    let mut table = [(grammar::ROWS[0], true); COUNT];
    let mut at = 0;
    while at < grammar::ROWS.len() {
        table[grammar::ROWS[at].rule as usize] = (grammar::ROWS[at], true);
        at += 1;
    }
    at = 0;
    while at < promises::ROWS.len() {
        table[promises::ROWS[at].rule as usize] = (promises::ROWS[at], false);
        at += 1;
    }
    table
};

impl Rule {
    pub const ALL: [Self; COUNT] = {
        let mut all = [Self::AfterMessageStop; COUNT];
        let mut at = 0;
        while at < COUNT {
            all[at] = TABLE[at].0.rule;
            at += 1;
        }
        all
    };

    /// The stable id used in reports, `stream/…`.
    pub fn id(self) -> &'static str {
        self.told().id
    }

    /// The rule of that id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.id() == id)
    }

    /// What it demands, and why. The first sentence can stand alone.
    pub fn sentence(self) -> &'static str {
        self.told().sentence
    }

    /// What the author of the server does about it.
    pub fn remedy(self) -> &'static str {
        self.told().remedy
    }

    /// Issues and changes of public projects in which it was broken, by name and number.
    pub fn seen(self) -> &'static [&'static str] {
        self.told().seen
    }

    /// Whether a break makes the whole answer malformed.
    pub fn breaks_grammar(self) -> bool {
        TABLE[self as usize].1
    }

    /// What a stream has to hold before it can break the rule.
    pub fn sight(self) -> Sight {
        self.told().sight
    }

    fn told(self) -> Told {
        TABLE[self as usize].0
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_its_own_place_in_the_table() {
        for (place, rule) in Rule::ALL.into_iter().enumerate() {
            assert_eq!((rule as usize, Rule::parse(rule.id())), (place, Some(rule)), "{rule}");
        }
    }

    #[test]
    fn ids_are_of_the_family_and_texts_are_sentences() {
        for rule in Rule::ALL {
            let name = rule.id().strip_prefix("stream/").unwrap();
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(is_word), "{rule}");
            assert!(rule.sentence().ends_with('.') && rule.remedy().ends_with('.'), "{rule}");
            assert!(rule.seen().iter().all(|seen| seen.contains('#')), "{rule}");
        }
    }
}
