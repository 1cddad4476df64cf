//! The prompt as a whole: whether it fits into the model's window.
//!
//! Nobody but the API has the tokenizer, so a prompt is called too long only when it is so whatever the tokenizer
//! does: no token holds white space between two words, hence words are a lower bound. The price is that most
//! prompts over the limit are let through.

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Lifecycle};
use crate::version::{OperationId, Version};

pub(super) const RULES: &[Rule] = &[Rule {
    id: "prompt-too-long",
    stage: Stage::Body,
    versions: &Version::ALL,
    // Whether so much can be counted is not known.
    operations: &[OperationId::MessagesCreate],
    models: None,
    implies: &[],
    check,
    breaches,
    answer: Answer::invalid("prompt is too long: N tokens > M maximum"),
    explanation: "System, tools and messages together must fit into the context window of the model. What is \
        meant for the answer does not count here: a prompt that fits and leaves too little room is taken, and \
        the answer stops early.",
    remedy: "Shorten or sum up the conversation, or use a model with a larger window; count the tokens beforehand.",
    source: "public reports of live answers; context windows page",
    confidence: Confidence::Observed,
    uncertain: None,
}];

/// A word and the white space behind it.
const WORD_BYTES_MIN: u64 = 2;

fn check(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(model) = ask.model else { return };
    let window = model.context_tokens;
    let mut bytes = 0;
    each_text(ask.body, &mut |text| bytes += text.len() as u64);
    // Nearly all prompts end here, and not a byte of them was looked at.
    if bytes < window.saturating_mul(WORD_BYTES_MIN) {
        return;
    }
    let mut words = 0;
    each_text(ask.body, &mut |text| words += text.split_ascii_whitespace().count() as u64);
    if words > window {
        out.push(Finding::new(
            "",
            format!("prompt is too long: {words} tokens > {window} maximum"),
        ));
    }
}

/// Visits texts that the model reads for certain.
fn each_text(params: &Value, visit: &mut dyn FnMut(&str)) {
    params.get("system").into_iter().for_each(|system| texts(system, visit));
    for tool in view::tools(params) {
        // What is deferred is read when it is looked for, if at all.
        if tool.get("defer_loading") != Some(&Value::Bool(true)) {
            texts(tool, visit);
        }
    }
    view::messages(params).for_each(|message| texts(message.content, visit));
}

/// Recursion ends with the JSON, whose depth the parser has limited.
fn texts(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, visit)),
        // Thinking of earlier turns is left out, and data is no text.
        Value::Object(_) if matches!(view::kind(value), "thinking" | "base64") => {}
        Value::Object(members) => {
            let read = members.iter().filter(|(name, _)| {
                matches!(&***name, "content" | "data" | "description" | "source" | "text")
            });
            read.for_each(|(_, value)| texts(value, visit));
        }
        Value::Bool(_) | Value::Null | Value::Number(_) => {}
    }
}

fn breaches(base: &Base<'_>, out: &mut Vec<Breach>) {
    /// Short, since a body is heavy above a megabyte.
    const UNIT: &str = "so ";
    let members = || json!({"messages": [edit::user(json!(edit::MARK))]});
    let active = || base.models.current.iter().filter(|m| m.lifecycle == Lifecycle::Active);
    for (at, model) in [
        ("messages/content/small-window", active().min_by_key(|model| model.context_tokens)),
        ("messages/content/large-window", active().max_by_key(|model| model.context_tokens)),
    ] {
        let Some(model) = model else { continue };
        let body = edit::whole_on(base, model, members());
        out.push(edit::repeat_text(base, at, &body, UNIT.to_owned(), model.context_tokens + 1));
    }
}
