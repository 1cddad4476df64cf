//! How a caller asks the mock for a certain answer.
//!
//! The throw of a request decides between what the API might do, which is no help to somebody who wants to see a
//! refusal now. Words of the form `probity:…` in the last user text ask for one: several may stand together
//! (`probity:web-search probity:tool-error`). A directive never breaks the contract: what the request does not
//! permit (a search without a search tool, anything after `max_tokens`) is not done. The two test strings that the
//! vendor documents are understood as well; one of them is the longest word here, and they are long so that
//! nobody writes them by accident, as nobody writes `probity:` by accident.
//!
//! | directive | what it asks for |
//! |---|---|
//! | `probity:refusal` | a refusal before the first word: no content, `stop_details` |
//! | `probity:refusal-midway` | a refusal after some text |
//! | `probity:redacted-thinking` | a redacted thinking block, if the request permits thinking |
//! | `probity:tool-use` | a call to one of the client's tools |
//! | `probity:web-search` | a web search, if the tool is offered; the same for the next three |
//! | `probity:web-fetch` | a fetch of the first URL in the text |
//! | `probity:code-execution` | a run of code in the container |
//! | `probity:tool-search` | a search among the deferred tools |
//! | `probity:tool-error` | an error in place of the server tool's result |
//! | `probity:pause-turn` | a turn that pauses inside a server tool; sent back, it is resumed and ended |
//! | `probity:cite` | citations wherever there is something to cite |
//! | `probity:long` | a long answer, some two thousand tokens |
//! | `probity:empty` | an `end_turn` without content |
//! | `probity:context-window` | an answer that runs out of the context window |

/// One thing that can be asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Directive {
    Cite,
    CodeExecution,
    ContextWindow,
    Empty,
    Long,
    PauseTurn,
    RedactedThinking,
    Refusal,
    RefusalMidway,
    ToolError,
    ToolSearch,
    ToolUse,
    WebFetch,
    WebSearch,
}

use Directive::*;

/// Every directive by its word, as help shows them.
pub const DIRECTIVES: [&str; 14] = {
    let mut words = [""; 14];
    let mut n = 0;
    while n < words.len() {
        words[n] = WORDS[n].0;
        n += 1;
    }
    words
};

const WORDS: [(&str, Directive); 14] = [
    ("probity:cite", Cite),
    ("probity:code-execution", CodeExecution),
    ("probity:context-window", ContextWindow),
    ("probity:empty", Empty),
    ("probity:long", Long),
    ("probity:pause-turn", PauseTurn),
    ("probity:redacted-thinking", RedactedThinking),
    ("probity:refusal", Refusal),
    ("probity:refusal-midway", RefusalMidway),
    ("probity:tool-error", ToolError),
    ("probity:tool-search", ToolSearch),
    ("probity:tool-use", ToolUse),
    ("probity:web-fetch", WebFetch),
    ("probity:web-search", WebSearch),
];

/// The vendor's own test strings.
const TEST_STRINGS: [(&str, Directive); 2] = [
    (
        "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB",
        RedactedThinking,
    ),
    (
        "ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL_1FAEFB6177B4672DEE07F9D3AFC62588CCD2631EDCF22E8CCC1FB35B501C9C86",
        Refusal,
    ),
];

/// What a text asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Asked(u16);

impl Asked {
    pub(super) fn of(text: &str) -> Self {
        let mut asked = Self::default();
        for (start, _) in text.match_indices("probity:") {
            let word = &text[start..];
            let end = word
                .find(|c: char| !c.is_ascii_lowercase() && !matches!(c, ':' | '-'))
                .unwrap_or(word.len());
            let known = WORDS.iter().find(|(known, _)| *known == &word[..end]);
            asked.add(known.map(|(_, directive)| *directive));
        }
        if text.contains("ANTHROPIC_MAGIC_STRING_TRIGGER_") {
            for (string, directive) in TEST_STRINGS {
                asked.add(text.contains(string).then_some(directive));
            }
        }
        asked
    }

    pub(super) fn has(self, directive: Directive) -> bool {
        self.0 & (1 << directive as u16) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn add(&mut self, directive: Option<Directive>) {
        self.0 |= directive.map_or(0, |directive| 1 << directive as u16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Directive]) {
        let asked = Asked::of(text);
        let all = WORDS.map(|(_, directive)| directive);
        let found: Vec<_> = all.into_iter().filter(|directive| asked.has(*directive)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn words_and_test_strings() {
        check("", &[]);
        check("What does probity mean? probity: nothing", &[]);
        check("Please: probity:refusal-midway.", &[RefusalMidway]);
        check("probity:web-search, probity:tool-error; probity:unknown", &[ToolError, WebSearch]);
        check("say nonce:a probity:long\nand probity:longer", &[Long]);
        for (string, directive) in TEST_STRINGS {
            check(&format!("See {string}."), &[directive]);
            check(&string[..string.len() - 1], &[]);
        }
    }

    #[test]
    fn every_word_is_documented() {
        let page = include_str!("directives.rs");
        for word in DIRECTIVES {
            assert!(page.contains(&format!("//! | `{word}` |")), "{word}");
        }
    }
}
