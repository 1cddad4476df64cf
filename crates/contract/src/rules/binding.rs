//! Thinking that comes back: unchanged, and where it was thought.
//!
//! What is told here about signatures holds for those of our own mock, see [`crate::signature`].
//!
//! Of all that may not happen to the thinking of the latest turn, only an altered text can be seen: the signature is
//! there and speaks of another one. A block that was dropped leaves nothing to look at, one that was moved still
//! carries a good signature. Where it is bound to its place the rule for the place finds it; otherwise it is let
//! through. In `redacted_thinking` text and proof are one, so that altered data is told as forged.

use std::ops::Range;

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::{Confidence, PrefixCheck};
use crate::signature::{self, Prefix, Seal};
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "thinking-signature-forged",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_signature,
        breaches: break_signature,
        answer: Answer::invalid("messages.N.content.M: Invalid `signature` in `thinking` block"),
        explanation: "A thinking block is signed, so that only what the model has really thought comes back to it. \
            A signature that was made up or cut is nobody's, and one of an earlier turn does not fit a text that \
            was edited.",
        remedy: "Send thinking blocks back unchanged, or leave them out.",
        source: "many public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "thinking-latest-modified",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_latest,
        breaches: |base, out| {
            let altered = altered();
            let (alone, yes) = (json!([altered]), json!([altered, edit::text("Yes.")]));
            for (at, turn) in [
                ("messages/content/thinking", vec![edit::assistant(yes)]),
                (
                    "messages/content/thinking/two-messages",
                    vec![edit::assistant(alone), edit::assistant(json!("Yes."))],
                ),
            ] {
                out.extend(returned(base, at, &turn));
            }
        },
        answer: Answer::invalid(
            "messages.N.content.M: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot \
             be modified. These blocks must remain as they were in the original response.",
        ),
        explanation: "The model goes on from its latest thinking, so that must come back as it was. A program that \
            trims, translates or cleans the text of all blocks alike changes it without meaning to.",
        remedy: "Store the blocks of an answer as they came, and send them back so.",
        source: "extended thinking page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "redacted-thinking-forged",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_redacted,
        breaches: break_redacted,
        answer: Answer::invalid(
            "messages.N.content.M: Invalid `data` in `redacted_thinking` block",
        ),
        explanation: "A redacted block holds thinking that only the API can read, and the API sees whether it wrote \
            it itself. Data that was cut, encoded anew or made up is none of it.",
        remedy: "Send the block back byte for byte, or leave it out.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "thinking-prefix-changed",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: Some(|model| model.prefix_check == PrefixCheck::Always),
        implies: &[],
        check: check_prefix,
        breaches: break_prefix,
        answer: Answer::invalid(
            "messages.N.content.M: Invalid `signature` in `thinking` block. The block is bound to a different \
             conversation. Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to \
             \"drop_block\".",
        ),
        explanation: "Newer models sign a thinking block together with all that stood before it: tools, system \
            and every earlier block. Whoever edits the history, cuts it short or adds a tool later breaks the \
            signatures behind the change. Some models refuse everybody, others only newer accounts.",
        remedy: "Leave what was sent as it was and append to it; where the history must change, drop the thinking \
            blocks behind the change.",
        source: "preserved thinking page; what's-new pages of the models",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

/// What the signature of a thinking block says; `None` of other blocks.
fn seal(block: view::Block<'_>) -> Option<Seal> {
    let is_thinking = block.kind == "thinking";
    let (thinking, signed) = (block.text("thinking")?, block.text("signature")?);
    is_thinking.then(|| signature::read(thinking, signed))
}

fn check_signature(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let mut latest_turn = None;
    for block in view::blocks(ask.body) {
        let is_wrong = match seal(block) {
            Some(Seal::Forged) => true,
            Some(Seal::OfAnother) => {
                let latest = latest_turn.get_or_insert_with(|| latest(ask.body));
                !latest.contains(&block.message)
            }
            Some(Seal::Bound(_) | Seal::Unbound) | None => false,
        };
        out.extend(
            is_wrong.then(|| Finding::new(block.path(), "Invalid `signature` in `thinking` block")),
        );
    }
}

fn check_latest(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    const MESSAGE: &str = "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be \
        modified. These blocks must remain as they were in the original response.";
    let messages = view::messages(ask.body);
    let latest = latest(ask.body);
    let blocks = messages.take(latest.end).skip(latest.start).flat_map(view::Message::blocks);
    for block in blocks.filter(|block| seal(*block) == Some(Seal::OfAnother)) {
        out.push(Finding::new(block.path(), MESSAGE));
    }
}

/// The messages of the assistant's latest turn, by index: one after the other they are one message to the API.
fn latest(params: &Value) -> Range<usize> {
    let messages = || view::messages(params).rev();
    let end =
        messages().find(|message| message.role == "assistant").map_or(0, |last| last.index + 1);
    let before = messages().find(|message| message.index < end && message.role != "assistant");
    before.map_or(0, |before| before.index + 1)..end
}

fn check_redacted(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for block in view::blocks(ask.body).filter(|block| block.kind == "redacted_thinking") {
        if block.text("data").is_some_and(|data| !signature::is_redacted(data)) {
            out.push(Finding::new(block.path(), "Invalid `data` in `redacted_thinking` block"));
        }
    }
}

fn check_prefix(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    const MESSAGE: &str = "Invalid `signature` in `thinking` block. The block is bound to a different conversation. \
        Remove the block, or set `thinking.block_binding.prefix_mismatch_behavior` to \"drop_block\".";
    // Most conversations hold nothing that is bound, and hashing one is not free.
    if !view::blocks(ask.body).any(|block| matches!(seal(block), Some(Seal::Bound(_)))) {
        return;
    }
    let mut before = Prefix::start(ask.body);
    for message in view::messages(ask.body) {
        if message.content.is_string() {
            before.push(message.role, message.content);
        }
        for block in message.blocks() {
            if let Some(Seal::Bound(binding)) = seal(block)
                && !binding.fits(&before)
            {
                out.push(Finding::new(block.path(), MESSAGE));
            }
            before.push(block.role, block.value);
        }
    }
}

fn break_signature(base: &Base<'_>, out: &mut Vec<Breach>) {
    let forged = json!({"type": "thinking", "thinking": THOUGHT, "signature": "cHJvYml0eQ=="});
    let said = |block: &Value| edit::assistant(json!([block, edit::text("Yes.")]));
    let earlier = [said(&altered()), edit::user(json!("Is ice?")), edit::assistant(json!("No."))];
    for (at, messages) in [
        ("messages/content/thinking", &[said(&forged)][..]),
        ("messages/content/thinking/thinking", &earlier),
    ] {
        out.extend(returned(base, at, messages));
    }
    let Some(block) = view::blocks(base.body).find(|block| block.kind == "thinking") else {
        return;
    };
    let Some(signature) = block.text("signature").filter(|signature| !signature.is_empty()) else {
        return;
    };
    // The first character, because the bits of the last ones may be padding that nobody compares.
    let mut altered = signature.to_owned();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    altered.replace_range(..signature.chars().next().map_or(0, char::len_utf8), other);
    out.push(base.with_body("messages/content/thinking/signature", |body| {
        body["messages"][block.message]["content"][block.index]["signature"] = json!(altered);
    }));
}

fn break_redacted(base: &Base<'_>, out: &mut Vec<Breach>) {
    let genuine = signature::redact(THOUGHT);
    for (at, data) in [
        ("messages/content/redacted_thinking", "cHJvYml0eQ=="),
        // Still base64, since whole groups of characters are left out.
        ("messages/content/redacted_thinking/data/cut", &genuine[..genuine.len() / 8 * 4]),
        ("messages/content/redacted_thinking/data/empty", ""),
    ] {
        let block = json!({"type": "redacted_thinking", "data": data});
        out.extend(returned(base, at, &[edit::assistant(json!([block, edit::text("Yes.")]))]));
    }
}

/// What a model is made to have thought.
const THOUGHT: &str = "Let me see.";

/// A block with its own signature and another text.
fn altered() -> Value {
    let signature = signature::sign(THOUGHT);
    json!({"type": "thinking", "thinking": "Let me think.", "signature": signature})
}

/// A conversation in which these messages come back, on the base's model if it thinks: without thinking, the blocks
/// may be dropped before anybody looks at them.
fn returned(base: &Base<'_>, at: &'static str, back: &[Value]) -> Option<Breach> {
    let (first, last) = (edit::user(json!("Is water wet?")), edit::user(json!("Why?")));
    let messages = [&[first], back, &[last]].concat();
    let forms = [
        ("adaptive", json!({"type": "adaptive"})),
        ("enabled", json!({"type": "enabled", "budget_tokens": 1024})),
    ];
    forms.into_iter().find_map(|(form, thinking)| {
        let model = base.model.filter(|model| model.thinks(form))?;
        let members = json!({"messages": messages, "thinking": thinking});
        Some(edit::small_on(base, model, at, members))
    })
}

/// A block that was thought behind one question and comes back behind another, or in other company.
fn break_prefix(base: &Base<'_>, out: &mut Vec<Breach>) {
    let always = |model: &crate::models::Model| model.prefix_check == PrefixCheck::Always;
    let Some(model) = edit::model(base, always) else { return };
    let question = edit::user(json!("Is water wet?"));
    let signature = signature::bind(THOUGHT, &Prefix::of(&json!({"messages": [question]})));
    let thought = json!({"type": "thinking", "thinking": THOUGHT, "signature": signature});
    let answer = edit::assistant(json!([thought, edit::text("Yes.")]));
    let moved = edit::assistant(json!([edit::text("Yes."), thought]));
    let why = edit::user(json!("Why?"));
    let kept = json!([question, answer, why]);
    for (at, members) in [
        ("messages/content", json!({"messages": [edit::user(json!("Is ice wet?")), answer, why]})),
        ("messages/content/thinking", json!({"messages": [question, moved, why]})),
        (
            "messages/inserted",
            json!({"messages": [edit::user(json!("Hello.")), question, answer, why]}),
        ),
        ("system", json!({"messages": kept, "system": "Be brief."})),
        ("tools", json!({"messages": kept, "tools": [edit::tool("get_weather")]})),
    ] {
        out.push(edit::small_on(base, model, at, members));
    }
}
