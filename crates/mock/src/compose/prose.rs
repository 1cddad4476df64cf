//! Sentences, and what the user said last.

use contract::rules::view;
use serde_json::Value;

use crate::dice::Dice;

/// Plain, wide, joined and escaped characters, so that a client that cuts bytes shows it.
const SENTENCES: [&str; 16] = [
    "The tide comes in twice a day and asks nobody.",
    "A bridge is a promise between two banks.",
    "Most maps are wrong in ways that do not matter.",
    "Bread needs four things, and time is the one that is forgotten.",
    "The shortest way home is seldom the quietest one.",
    "Café Zoë opens at nine – or so the naïve believe.",
    "In Kyoto, 紅葉 lasts about two weeks.",
    "A good question 🙂 travels further than a good answer.",
    "She said \"later\", and later came.",
    "Every ledger has two columns;\nhonesty is the line between them.",
    "Rain on a tin roof is its own kind of clock.",
    "An orchard planted in spring is a letter to autumn.",
    "The file C:\\temp\\notes.txt was empty all along.",
    "Half of seventeen is eight and a half.",
    "Old keys open new doors more often than one thinks.",
    "A comet returns; a missed train does not.",
];

const THOUGHTS: [&str; 4] = [
    "The question is short, so the answer can be as well.",
    "First what was asked, then what is known, then what follows from it.",
    "There may be a trap in the wording; reading it again shows none.",
    "One example will say more than a definition.",
];

/// An answer of a few sentences; it begins with the nonce that the user's text holds.
pub(super) fn text(asked: &str, dice: &mut Dice) -> String {
    const SENTENCES_MAX: usize = 4;
    let count = 1 + dice.below(SENTENCES_MAX);
    sentences(asked, count, dice)
}

/// The same, long enough to fill a few hundred events.
pub(super) fn long(asked: &str, dice: &mut Dice) -> String {
    const SENTENCES: usize = 160;
    sentences(asked, SENTENCES, dice)
}

fn sentences(asked: &str, count: usize, dice: &mut Dice) -> String {
    let mut text = nonce(asked).map(str::to_owned).unwrap_or_default();
    for _ in 0..count {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(sentence(dice));
    }
    text
}

/// One sentence.
pub(super) fn sentence(dice: &mut Dice) -> &'static str {
    SENTENCES[dice.below(SENTENCES.len())]
}

pub(super) fn thought(dice: &mut Dice) -> String {
    let (first, second) = (dice.below(THOUGHTS.len()), dice.below(THOUGHTS.len()));
    if first == second {
        THOUGHTS[first].to_owned()
    } else {
        format!("{} {}", THOUGHTS[first], THOUGHTS[second])
    }
}

/// The text of the last user message; of its last text block if it has several.
pub(super) fn last_user_text(params: &Value) -> &str {
    let Some(message) = view::messages(params).rfind(|message| message.role == "user") else {
        return "";
    };
    match message.content {
        Value::String(text) => text,
        _ => message
            .blocks()
            .rev()
            .find(|block| block.kind == "text")
            .and_then(|b| b.value.get("text")?.as_str())
            .unwrap_or_default(),
    }
}

/// Whether the conversation waits for an answer to tool results.
pub(super) fn is_after_tools(params: &Value) -> bool {
    let last = view::messages(params).rfind(|message| message.role == "user");
    last.is_some_and(|message| message.blocks().any(|block| block.kind == "tool_result"))
}

/// How often the client has sent results since the user last said something else.
pub(super) fn rounds(params: &Value) -> usize {
    let users = view::messages(params).rev().filter(|message| message.role == "user");
    users.take_while(|message| message.blocks().any(|block| block.kind == "tool_result")).count()
}

/// The first URL in the text, up to white space or a quotation mark, without the punctuation behind it.
pub(super) fn url(text: &str) -> Option<&str> {
    let start = ["https://", "http://"].into_iter().filter_map(|scheme| text.find(scheme)).min()?;
    let url = &text[start..];
    let ends = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '`');
    let url = &url[..url.find(ends).unwrap_or(url.len())];
    Some(url.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'']))
}

/// `nonce:` and the word behind it.
fn nonce(text: &str) -> Option<&str> {
    /// Longer ones are not anybody's idea of a nonce.
    const WORD_BYTES_MAX: usize = 64;
    const MARK: &str = "nonce:";
    let text = &text[text.find(MARK)?..];
    let word = &text[MARK.len()..];
    let end =
        word.find(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').unwrap_or(word.len());
    Some(&text[..MARK.len() + word.floor_char_boundary(end.min(WORD_BYTES_MAX))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(nonce(text), expected, "{text}");
    }

    #[test]
    fn a_nonce_is_a_mark_and_a_word() {
        check("", None);
        check("say nonce:", Some("nonce:"));
        check("say nonce:a-1_B, please", Some("nonce:a-1_B"));
        check("nonce:é nonce:b", Some("nonce:é"));
        let long = format!("nonce:{}", "é".repeat(40));
        check(&long, Some(&format!("nonce:{}", "é".repeat(32))));
    }

    fn check_url(text: &str, expected: Option<&str>) {
        assert_eq!(url(text), expected, "{text}");
    }

    #[test]
    fn a_url_ends_before_the_sentence_does() {
        check_url("no link, https:/ either", None);
        check_url("Read https://a.example/b?c=d.", Some("https://a.example/b?c=d"));
        check_url("(see http://a.example), then https://b.example", Some("http://a.example"));
        check_url("\"https://a.example/é\"", Some("https://a.example/é"));
    }
}
