//! Text: what may be blank, and what text may not carry.

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, Model};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "text-whitespace-only",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_blank,
        breaches: |base, out| {
            for (at, content) in [
                ("messages/content/string", json!(" \n")),
                ("messages/content/text", json!([edit::text("Hello."), edit::text("\t")])),
            ] {
                out.push(edit::small(base, at, json!({"messages": [edit::user(content)]})));
            }
        },
        answer: Answer::invalid("messages: text content blocks must contain non-whitespace text"),
        explanation: "A text block of nothing but white space says nothing, and the API refuses it like an empty \
            one. Joining or trimming text by program is where such blocks come from.",
        remedy: "Leave blocks without visible text out.",
        source: "anthropics/claude-code#23369, home-assistant/core#175637",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "final-assistant-trailing-whitespace",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        // Other models refuse the message as a whole.
        models: Some(takes_prefill),
        implies: &[],
        check: check_trailing,
        breaches: break_trailing,
        answer: Answer::invalid(
            "messages: final assistant content cannot end with trailing whitespace",
        ),
        explanation: "Where a model continues a message that the caller has begun, that beginning must not end in \
            white space: tokens start with their space, so the model would have to go on from an unlikely place.",
        remedy: "Trim the end of the prefilled text.",
        source: "antinomyhq/forgecode#1872",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "stop-sequence-blank",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: &[OperationId::MessagesCreate],
        models: None,
        implies: &[],
        check: check_stop_sequences,
        breaches: |base, out| {
            for (at, stops) in [
                ("stop_sequences/newlines", json!(["END", "\n\n"])),
                ("stop_sequences/space", json!([" "])),
            ] {
                out.push(edit::small(base, at, json!({"stop_sequences": stops})));
            }
        },
        answer: Answer::invalid("stop_sequences: each stop sequence must contain non-whitespace"),
        explanation: "A stop sequence of white space would end nearly every answer at its first paragraph or word, \
            so the API refuses it.",
        remedy: "Use a visible marker, or cut the answer at the blank line yourself.",
        source: "public reports of live answers, October 2026",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "assistant-document",
        stage: Stage::Body,
        versions: &[Version::V2026_10_21],
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_assistant_document,
        breaches: |base, out| {
            let messages = json!([
                edit::user(json!("Fetch it.")),
                edit::assistant(json!([edit::document()])),
                edit::user(json!("Sum it up.")),
            ]);
            out.push(edit::small(base, "messages/content/document", json!({"messages": messages})));
        },
        answer: Answer::invalid(
            "messages.N.content.M: document blocks are not permitted in assistant messages",
        ),
        explanation: "Since version 2026-10-21 a document stands in a user message only; the model hands none in. \
            The older version lets it pass.",
        remedy: "Move the document to a user message.",
        source: "migration guide of API version 2026-10-21",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "user-text-citations",
        stage: Stage::Body,
        versions: &[Version::V2026_10_21],
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_citations,
        breaches: break_citations,
        answer: Answer::invalid(
            "messages.N.content.M.citations: citations are not permitted in user text",
        ),
        explanation: "Citations are what the model writes about its sources. Since version 2026-10-21 a text block \
            of the user, or one inside a search result, must not carry any; an empty list is let through. \
            What is inside a tool result is not named, and not looked at.",
        remedy: "Drop `citations` from text that is sent in the user's name.",
        source: "migration guide of API version 2026-10-21",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

/// Empty text is the schema's business, or that of an empty message.
fn is_blank(text: &str) -> bool {
    !text.is_empty() && text.trim().is_empty()
}

fn check_blank(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for message in view::messages(ask.body) {
        let blank_blocks = message
            .blocks()
            .filter(|block| block.kind == "text" && block.text("text").is_some_and(is_blank));
        let blank_string = message.content.as_str().is_some_and(is_blank);
        for _ in 0..blank_blocks.count() + usize::from(blank_string) {
            out.push(Finding::new(
                "messages",
                "text content blocks must contain non-whitespace text",
            ));
        }
    }
}

fn takes_prefill(model: &Model) -> bool {
    model.prefill
}

fn check_trailing(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let Some(last) = view::messages(ask.body).next_back() else { return };
    let last_block = || last.blocks().next_back().filter(|block| block.kind == "text");
    let text = last.content.as_str().or_else(|| last_block()?.value.get("text")?.as_str());
    if last.role == "assistant"
        && text.is_some_and(|text| text.ends_with(char::is_whitespace) && !is_blank(text))
    {
        out.push(Finding::new(
            "messages",
            "final assistant content cannot end with trailing whitespace",
        ));
    }
}

fn break_trailing(base: &Base<'_>, out: &mut Vec<Breach>) {
    let Some(model) = edit::model(base, takes_prefill) else { return };
    for (at, content) in [
        ("messages/content/string", json!("The answer is ")),
        ("messages/content/text", json!([edit::text("The answer is\n")])),
    ] {
        let messages = json!([edit::user(json!("Is water wet?")), edit::assistant(content)]);
        out.push(edit::small_on(base, model, at, json!({"messages": messages})));
    }
}

fn check_stop_sequences(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let stops = view::member_list(ask.body, "stop_sequences");
    for _ in stops.iter().filter(|stop| stop.as_str().is_some_and(|stop| stop.trim().is_empty())) {
        out.push(Finding::new("stop_sequences", "each stop sequence must contain non-whitespace"));
    }
}

fn check_assistant_document(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for block in
        view::blocks(ask.body).filter(|block| block.role == "assistant" && block.kind == "document")
    {
        out.push(Finding::new(
            block.path(),
            "document blocks are not permitted in assistant messages",
        ));
    }
}

fn has_citations(value: &Value) -> bool {
    view::kind(value) == "text" && !view::member_list(value, "citations").is_empty()
}

/// The sources name text of the user's own and that of search results there; of text inside a `tool_result` they say
/// nothing, so it is let through.
fn check_citations(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    const MESSAGE: &str = "citations are not permitted in user text";
    for block in view::blocks(ask.body).filter(|block| block.role == "user") {
        if has_citations(block.value) {
            out.push(Finding::new(format!("{}.citations", block.path()), MESSAGE));
        }
        if block.kind == "search_result" {
            let cited = view::member_list(block.value, "content")
                .iter()
                .enumerate()
                .filter(|(_, v)| has_citations(v));
            out.extend(cited.map(|(n, _)| {
                Finding::new(format!("{}.content.{n}.citations", block.path()), MESSAGE)
            }));
        }
    }
}

fn break_citations(base: &Base<'_>, out: &mut Vec<Breach>) {
    let cited = json!({"type": "text", "text": "Water is wet.", "citations": [{
        "type": "char_location", "cited_text": "Water is wet.", "document_index": 0, "document_title": null,
        "start_char_index": 0, "end_char_index": 13,
    }]});
    let found = json!({"type": "text", "text": "Water is wet.", "citations": [{
        "type": "search_result_location", "cited_text": "Water is wet.", "search_result_index": 0,
        "source": "https://example.com/water", "title": "Water", "start_block_index": 0, "end_block_index": 1,
    }]});
    let result = json!({
        "type": "search_result", "source": "https://example.com/water", "title": "Water",
        "content": [found],
    });
    for (at, content) in [
        ("messages/content/search_result/content/citations", json!([result, edit::text("Is it?")])),
        ("messages/content/text/citations", json!([edit::document(), cited])),
    ] {
        out.push(edit::small(base, at, json!({"messages": [edit::user(content)]})));
    }
}
