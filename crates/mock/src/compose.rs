//! What the model says.
//!
//! Nobody thinks here: sentences come from a table, tool inputs from the tool's own schema, and the throw of the
//! request decides between what the API might equally do. What the request asks for is kept to: forced tools are
//! called, `max_tokens` cuts, stop sequences stop, and a `nonce:…` in the last user text comes back in the answer,
//! so that a client can tell its answer from another's.

mod example;
mod prose;
pub(crate) mod tokens;
mod tools;

use contract::models::{Fast, Model};
use contract::rules::view;
use contract::signature;
use serde_json::Value;

use crate::Now;
use crate::dice::Dice;
use crate::message::{
    Assistant, Block, CacheCreation, CacheMiss, Caller, Container, Diagnostics, Ending, Message,
    Null, OutputDetails, Skill, Usage,
};
use prose::last_user_text;

/// What an answer depends on.
pub(crate) struct Turn<'a> {
    pub(crate) params: &'a Value,
    /// `None` if the model is not known, which happens only where rules are not enforced.
    pub(crate) model: Option<&'a Model>,
    pub(crate) dice: &'a mut Dice,
    pub(crate) now: Now,
    /// Whether the request is an item of a batch.
    pub(crate) batched: bool,
}

/// The answer to parameters that have been judged.
pub(crate) fn message(turn: Turn<'_>) -> Message {
    let Turn { params, model, dice, now, batched } = turn;
    let id = dice.id("msg_");
    let mut draft = Draft::new(view::integer(params, "max_tokens").unwrap_or(0));
    think(&mut draft, params, model, dice);
    let called = tools::call(&mut draft, params, dice);
    if !called {
        say(&mut draft, params, dice);
    }
    let asked = params.get("model").and_then(Value::as_str).unwrap_or_default();
    let thought = draft.content.iter().any(|block| matches!(block, Block::Thinking { .. }));
    Message {
        id,
        role: Assistant::Assistant,
        model: model.map_or(asked, |model| &model.id).to_owned(),
        ending: Ending {
            stop_reason: Some(draft.stop.reason()),
            container: container(params, dice, now),
            stop_sequence: draft.stop.into_sequence(),
            stop_details: Null,
        },
        usage: Usage {
            output_tokens: draft.used,
            output_tokens_details: thought
                .then_some(OutputDetails { thinking_tokens: draft.thinking }),
            ..usage(params, model, batched)
        },
        diagnostics: diagnostics(params),
        content: draft.content,
    }
}

/// An answer while it grows, and what it may still cost.
struct Draft {
    content: Vec<Block>,
    left: u64,
    used: u64,
    thinking: u64,
    stop: Stop,
}

enum Stop {
    EndTurn,
    MaxTokens,
    Sequence(String),
    ToolUse,
}

impl Stop {
    fn reason(&self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::MaxTokens => "max_tokens",
            Self::Sequence(_) => "stop_sequence",
            Self::ToolUse => "tool_use",
        }
    }

    fn into_sequence(self) -> Option<String> {
        match self {
            Self::Sequence(sequence) => Some(sequence),
            _ => None,
        }
    }
}

impl Draft {
    fn new(max_tokens: u64) -> Self {
        let stop = if max_tokens == 0 { Stop::MaxTokens } else { Stop::EndTurn };
        Self { content: Vec::new(), left: max_tokens, used: 0, thinking: 0, stop }
    }

    /// Pays for so many tokens, or for what is left; false if that was not enough.
    fn pay(&mut self, tokens: u64) -> bool {
        let paid = tokens.min(self.left);
        self.left -= paid;
        self.used += paid;
        if paid < tokens {
            self.stop = Stop::MaxTokens;
        }
        paid == tokens
    }

    /// The text, cut to what is left.
    fn afford(&mut self, mut text: String) -> String {
        let left = self.left;
        if !self.pay(tokens::output(&text)) {
            text.truncate(
                text.floor_char_boundary(
                    usize::try_from(tokens::bytes(left)).unwrap_or(usize::MAX),
                ),
            );
        }
        text
    }

    /// Adds the text, as far as it can be paid for.
    fn text(&mut self, text: String) {
        let text = self.afford(text);
        if !text.is_empty() {
            self.content.push(Block::Text { text, citations: Null });
        }
    }

    fn is_over(&self) -> bool {
        !matches!(self.stop, Stop::EndTurn)
    }
}

/// Adds a thinking block if the request asks for one, or the model thinks unasked.
fn think(draft: &mut Draft, params: &Value, model: Option<&Model>, dice: &mut Dice) {
    let wanted = match view::thinking(params) {
        "enabled" | "adaptive" => true,
        "between_tools" => prose::is_after_tools(params),
        "" => model.is_some_and(|model| model.thinking_default == "adaptive") && dice.one_in(2),
        _ => false,
    };
    if !wanted || draft.is_over() {
        return;
    }
    // Models that still take a budget show their thinking unless told otherwise, newer ones hide it.
    let shown = match params.pointer("/thinking/display").and_then(Value::as_str) {
        Some(display) => display == "summarized",
        None => model.is_some_and(|model| model.thinks("enabled")),
    };
    let thought = draft.afford(prose::thought(dice));
    draft.thinking = draft.used;
    let thinking = if shown { thought } else { String::new() };
    let signature = signature::sign(&thinking);
    draft.content.push(Block::Thinking { thinking, signature });
}

/// Adds the text, or the JSON that the request asks for.
fn say(draft: &mut Draft, params: &Value, dice: &mut Dice) {
    if draft.is_over() {
        return;
    }
    let schema = view::output_format(params).and_then(|format| format.get("schema"));
    let mut text = match schema {
        Some(schema) => example::of_schema(schema).to_string(),
        None => prose::text(last_user_text(params), dice),
    };
    let sequences = || {
        view::member_list(params, "stop_sequences")
            .iter()
            .filter_map(Value::as_str)
            .filter(|s| !s.is_empty())
    };
    let stopped = sequences()
        .filter_map(|sequence| Some((text.find(sequence)?, sequence)))
        .min_by_key(|(at, _)| *at);
    if let Some((at, sequence)) = stopped {
        text.truncate(at);
        draft.stop = Stop::Sequence(sequence.to_owned());
    } else if let Some(sequence) = sequences().next().filter(|_| schema.is_none() && dice.one_in(4))
    {
        // As if the sequence had come next.
        draft.stop = Stop::Sequence(sequence.to_owned());
    }
    draft.text(text);
}

/// Adds a call, whole if it can be paid for and else without its input, as the API does when it is cut.
fn use_tool(
    draft: &mut Draft,
    name: &str,
    input: Value,
    toolset_name: Option<&'static str>,
    dice: &mut Dice,
) {
    let afforded = draft.pay(tokens::output(name) + tokens::weight(&input));
    if afforded {
        draft.stop = Stop::ToolUse;
    }
    let input = if afforded { input } else { Value::Object(serde_json::Map::new()) };
    let id = dice.id("toolu_");
    draft.content.push(Block::ToolUse {
        id,
        name: name.to_owned(),
        input,
        caller: Caller::Direct,
        toolset_name,
    });
}

/// What the input costs. Nothing is remembered, so the cache is written and never read.
fn usage(params: &Value, model: Option<&Model>, batched: bool) -> Usage {
    /// What stands after the last breakpoint is not measured; this much is taken to.
    const REST_TOKENS: u64 = 4;
    let input = tokens::input(params);
    let ttl = tokens::cache_ttl(params)
        .filter(|_| model.is_some_and(|model| input >= model.cache_prefix_min));
    let written = ttl.map_or(0, |_| input.saturating_sub(REST_TOKENS));
    let hourly = if ttl == Some("1h") { written } else { 0 };
    let fast = params.get("speed").and_then(Value::as_str) == Some("fast")
        && model.is_some_and(|model| model.fast == Fast::Accepted);
    let geo = params.get("inference_geo").and_then(Value::as_str);
    Usage {
        input_tokens: input - written,
        cache_creation_input_tokens: written,
        cache_read_input_tokens: 0,
        cache_creation: CacheCreation {
            ephemeral_5m_input_tokens: written - hourly,
            ephemeral_1h_input_tokens: hourly,
        },
        output_tokens: 0,
        output_tokens_details: None,
        server_tool_use: Null,
        service_tier: if batched { "batch" } else { "standard" },
        inference_geo: model
            .filter(|model| model.inference_geo)
            .map(|_| geo.unwrap_or("global").to_owned()),
        speed: if fast { "fast" } else { "standard" },
    }
}

/// The container the request names or asks for.
fn container(params: &Value, dice: &mut Dice, now: Now) -> Option<Container> {
    const LIFE_HOURS: u64 = 1;
    let container = params.get("container").filter(|container| !container.is_null())?;
    let text =
        |value: &Value, member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
    let skill = |skill: &Value| Skill {
        kind: text(skill, "type").unwrap_or_default(),
        skill_id: text(skill, "skill_id").unwrap_or_default(),
        version: text(skill, "version").unwrap_or_else(|| "latest".to_owned()),
    };
    let skills = view::member_list(container, "skills");
    Some(Container {
        id: container
            .as_str()
            .map(str::to_owned)
            .or_else(|| text(container, "id"))
            .unwrap_or_else(|| dice.id("container_")),
        expires_at: now.plus_hours(LIFE_HOURS).rfc3339(),
        skills: (!skills.is_empty()).then(|| skills.iter().map(skill).collect()),
    })
}

fn diagnostics(params: &Value) -> Option<Diagnostics> {
    let asked = params.get("diagnostics").filter(|asked| asked.is_object())?;
    let has_previous = view::given(asked, "previous_message_id");
    Some(Diagnostics {
        cache_miss_reason: has_previous.then_some(CacheMiss::PreviousMessageNotFound),
    })
}
