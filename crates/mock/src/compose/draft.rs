//! An answer while it grows, and what it may still cost.

use contract::models::{Model, PrefixCheck};
use contract::rules::view;
use contract::signature::{self, Prefix};
use serde_json::Value;

use super::tokens;
use crate::dice::Dice;
use crate::message::{Block, Caller, Citation, Refused, ServerToolUsage};

pub(super) struct Draft<'a> {
    params: &'a Value,
    /// Whether signatures are bound to the conversation before them.
    binds: bool,
    pub(super) content: Vec<Block>,
    pub(super) stop: Stop,
    pub(super) used: u64,
    /// Of those, what went into thinking.
    pub(super) thinking: u64,
    pub(super) served: Option<ServerToolUsage>,
    /// Whether code was run in a container.
    pub(super) ran_code: bool,
    left: u64,
    /// What it means when nothing is left.
    short: Short,
    /// What the text may not contain.
    sequences: Vec<&'a str>,
}

/// Why an answer ends.
#[derive(Debug)]
pub(super) enum Stop {
    EndTurn,
    PauseTurn,
    Refusal(Refused),
    Sequence(String),
    Short(Short),
    ToolUse,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Short {
    ContextWindow,
    MaxTokens,
}

impl Stop {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::PauseTurn => "pause_turn",
            Self::Refusal(_) => "refusal",
            Self::Sequence(_) => "stop_sequence",
            Self::Short(Short::ContextWindow) => "model_context_window_exceeded",
            Self::Short(Short::MaxTokens) => "max_tokens",
            Self::ToolUse => "tool_use",
        }
    }
}

impl<'a> Draft<'a> {
    /// An answer that may cost so many tokens.
    pub(super) fn new(params: &'a Value, model: Option<&Model>, left: u64, short: Short) -> Self {
        let sequences = view::member_list(params, "stop_sequences").iter();
        Self {
            params,
            binds: model.is_some_and(|model| model.prefix_check != PrefixCheck::No),
            content: Vec::new(),
            stop: if left == 0 { Stop::Short(short) } else { Stop::EndTurn },
            used: 0,
            thinking: 0,
            served: None,
            ran_code: false,
            left,
            short,
            sequences: sequences.filter_map(Value::as_str).filter(|s| !s.is_empty()).collect(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.stop, Stop::EndTurn)
    }

    /// Adds the text up to the first stop sequence in it, as far as it can be paid for.
    pub(super) fn say(&mut self, mut text: String, citations: Vec<Citation>) {
        if self.is_over() {
            return;
        }
        let found =
            self.sequences.iter().filter_map(|sequence| Some((text.find(sequence)?, sequence)));
        if let Some((at, sequence)) = found.min_by_key(|(at, _)| *at) {
            text.truncate(at);
            self.stop = Stop::Sequence((*sequence).to_owned());
        }
        let text = self.afford(text);
        if !text.is_empty() {
            let citations = (!citations.is_empty()).then_some(citations);
            self.content.push(Block::Text { text, citations });
        }
    }

    /// Ends the answer as if its first stop sequence had come next.
    pub(super) fn meet_sequence(&mut self) {
        if let (Some(sequence), false) = (self.sequences.first(), self.is_over()) {
            self.stop = Stop::Sequence((*sequence).to_owned());
        }
    }

    /// Ends the answer after a few tokens that come to nothing.
    pub(super) fn say_nothing(&mut self) {
        const TOKENS: u64 = 2;
        self.pay(TOKENS);
    }

    /// Whether the answer would end well if the context window did not.
    pub(super) fn short_of_window(&self) -> bool {
        matches!((&self.stop, self.short), (Stop::EndTurn, Short::ContextWindow))
    }

    /// Whether a server tool was called.
    pub(super) fn served_any(&self) -> bool {
        self.content.iter().any(|block| matches!(block, Block::ServerToolUse { .. }))
    }

    pub(super) fn has_sequences(&self) -> bool {
        !self.sequences.is_empty()
    }

    /// Adds thinking; its text counts even where it is not shown.
    pub(super) fn think(&mut self, thought: String, shown: bool) {
        let before = self.used;
        let thought = self.afford(thought);
        self.thinking += self.used - before;
        let thinking = if shown { thought } else { String::new() };
        let signature = self.sign(&thinking);
        self.content.push(Block::Thinking { thinking, signature });
    }

    /// Adds thinking that nobody may read.
    pub(super) fn think_unseen(&mut self, thought: &str) {
        let before = self.used;
        self.pay(tokens::output(thought));
        self.thinking += self.used - before;
        self.content.push(Block::RedactedThinking { data: signature::redact(thought) });
    }

    fn sign(&self, thinking: &str) -> String {
        if !self.binds {
            return signature::sign(thinking);
        }
        let mut before = Prefix::of(self.params);
        for block in &self.content {
            let block = serde_json::to_value(block)
                .expect("our own types have string keys and finite numbers");
            before.push("assistant", &block);
        }
        signature::bind(thinking, &before)
    }

    /// Adds a call, whole if it can be paid for and else without its input, as the API does when it is cut.
    pub(super) fn use_tool(
        &mut self,
        name: &str,
        input: Value,
        toolset_name: Option<&'static str>,
        dice: &mut Dice,
    ) {
        let afforded = self.pay(tokens::output(name) + tokens::weight(&input));
        if afforded {
            self.stop = Stop::ToolUse;
        }
        let input = if afforded { input } else { Value::Object(serde_json::Map::new()) };
        self.content.push(Block::ToolUse {
            id: dice.id("toolu_"),
            name: name.to_owned(),
            input,
            caller: Caller::Direct,
            toolset_name,
        });
    }

    /// Adds a call to a server tool and gives its id; nothing if it cannot be paid for, because a call that was
    /// cut could neither be answered nor sent back.
    pub(super) fn use_server_tool(
        &mut self,
        name: &'static str,
        input: Value,
        dice: &mut Dice,
    ) -> Option<String> {
        if !self.pay(tokens::output(name) + tokens::weight(&input)) {
            return None;
        }
        self.ran_code |= name.ends_with("code_execution");
        let id = dice.id("srvtoolu_");
        let call = Block::ServerToolUse { id: id.clone(), name, input, caller: Caller::Direct };
        self.content.push(call);
        Some(id)
    }

    /// Pays for so many tokens, or for what is left; false if that was not enough.
    fn pay(&mut self, tokens: u64) -> bool {
        let paid = tokens.min(self.left);
        self.left -= paid;
        self.used += paid;
        if paid < tokens {
            self.stop = Stop::Short(self.short);
        }
        paid == tokens
    }

    /// The text, cut to what is left.
    fn afford(&mut self, mut text: String) -> String {
        let left = usize::try_from(tokens::bytes(self.left)).unwrap_or(usize::MAX);
        if !self.pay(tokens::output(&text)) {
            text.truncate(text.floor_char_boundary(left));
        }
        text
    }
}
