//! What the rules say that findings name: a sentence, and what to do.

use classify::stream;
use contract::{response, rules};

/// The first sentence of what a rule demands, and the remedy.
pub(super) fn of(rule: &str) -> Option<(String, &'static str)> {
    if let Some(rule) = rules::find(rule) {
        return Some((first_sentence(rule.explanation), rule.remedy));
    }
    if let Some(rule) = response::find(rule) {
        return Some((first_sentence(rule.sentence), rule.remedy));
    }
    if let Some(rule) = stream::Rule::parse(rule) {
        return Some((first_sentence(rule.sentence()), rule.remedy()));
    }
    match rule {
        "schema" => Some((
            "The body does not keep the schema of its operation.".to_owned(),
            "Mend the member that is named; of a schema only the first breach is told.",
        )),
        "answer-class" => Some((
            "The answer is none that the contract permits here.".to_owned(),
            "Look up the class that is named: `probity explain` says of each what it is, and what to do.",
        )),
        _ => None,
    }
}

fn first_sentence(text: &str) -> String {
    // A full stop inside a name has no space behind it.
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    text[..end].split_whitespace().collect::<Vec<_>>().join(" ")
}
