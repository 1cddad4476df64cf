//! Decides, before anything is written, all that binds distant parts of a message request.

use crate::models::{Fast, Model, Sampling, Settled};
use crate::schema::{Kind, SchemaId};
use crate::version::{OperationId, Version};

use super::{Generator, prose, tools};

/// The decisions of one message request.
#[derive(Default)]
pub(super) struct Plan<'c> {
    pub(super) model: Option<&'c Model>,
    /// The form of `thinking`; empty for none.
    pub(super) thinking: &'c str,
    pub(super) budget_tokens: i64,
    pub(super) max_tokens: i64,
    pub(super) tools: Vec<Tool>,
    /// The form of `tool_choice`; empty for none.
    pub(super) tool_choice: &'static str,
    pub(super) stream: bool,
    pub(super) effort: Option<&'c str>,
    pub(super) format: Option<&'static str>,
    pub(super) citations: bool,
    /// Sampling parameters to write.
    pub(super) temperature: bool,
    pub(super) top_p: bool,
    pub(super) top_k: bool,
    /// Cache breakpoints left.
    pub(super) breakpoints: u8,
    /// Top-level `cache_control`.
    pub(super) automatic: bool,
    /// `ttl` of breakpoints in tools and system, and of those in messages: never a longer one after a shorter.
    pub(super) ttl: (&'static str, &'static str),
    /// Messages, without those of the role system.
    pub(super) turns: u16,
    /// Exchanges at the end in which the model calls tools of the caller and is given their results, and nobody else
    /// speaks: what every request of an agent but its first looks like.
    pub(super) rounds: u16,
    /// Whether nothing is drawn but what every client sends: texts, tools of its own, their calls and results.
    pub(super) plain: bool,
    /// Whether the last message is the assistant's.
    pub(super) prefill: bool,
    pub(super) geo: bool,
    pub(super) fast: bool,
}

/// A tool to offer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tool {
    pub(super) kind: ToolKind,
    /// Its branch of the tool union.
    pub(super) schema: SchemaId,
    /// Tells two tools of one template apart.
    pub(super) suffix: usize,
    pub(super) deferred: bool,
}

impl Tool {
    /// Whether a choice can name it: a toolset has no name, and a deferred tool has to be found first.
    pub(super) fn may_be_chosen(&self) -> bool {
        !self.kind.is_toolset() && !self.deferred
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ToolKind {
    Bash,
    Browser,
    CodeExecution,
    /// The toolset.
    Computer,
    /// The single tool, which needs a beta value.
    ComputerTool,
    Custom(usize),
    Editor,
    Memory,
    Search {
        regex: bool,
    },
    WebFetch,
    WebSearch,
}

impl ToolKind {
    /// The kind of a tool's `type`.
    fn of(tag: &str) -> Self {
        const PREFIXES: [(&str, ToolKind); 9] = [
            ("bash_", ToolKind::Bash),
            ("browser_", ToolKind::Browser),
            ("code_execution_", ToolKind::CodeExecution),
            ("computer_toolset_", ToolKind::Computer),
            ("computer_", ToolKind::ComputerTool),
            ("memory_", ToolKind::Memory),
            ("text_editor_", ToolKind::Editor),
            ("web_fetch_", ToolKind::WebFetch),
            ("web_search_", ToolKind::WebSearch),
        ];
        let known =
            PREFIXES.into_iter().find(|(prefix, _)| tag.starts_with(prefix)).map(|(_, kind)| kind);
        known.unwrap_or_else(|| match tag.starts_with("tool_search") {
            true => Self::Search { regex: tag.contains("regex") },
            false => Self::Custom(0),
        })
    }

    /// Whether the caller runs it, so that a call of it is answered by the next user turn.
    pub(super) fn is_client(self) -> bool {
        matches!(
            self,
            Self::Bash
                | Self::Browser
                | Self::Computer
                | Self::ComputerTool
                | Self::Custom(_)
                | Self::Editor
                | Self::Memory
        )
    }

    pub(super) fn is_toolset(self) -> bool {
        matches!(self, Self::Browser | Self::Computer)
    }

    /// Whether the two cannot stand side by side: tools other than the caller's own are there once.
    fn clashes(self, other: Self) -> bool {
        let is_computer = |kind| matches!(kind, Self::Computer | Self::ComputerTool);
        self == other || (is_computer(self) && is_computer(other))
    }
}

/// Enough for pairs of tools to meet, few enough that a body stays one a person would send.
const TOOLS_MAX: usize = 5;
/// What a caller may set, at most, in one request.
const BREAKPOINTS_MAX: u8 = 4;
/// Exchanges before the last question.
const EXCHANGES: [u16; 8] = [0, 0, 1, 1, 1, 2, 2, 3];
/// Of the conversations with tools to call one in so many is an agent's, at work.
const AGENT_EVERY: usize = 5;
/// How long it has been at work. One round is what other conversations often end with.
const ROUNDS: [u16; 8] = [2, 2, 2, 3, 3, 4, 6, 8];

impl<'c> Generator<'c, '_, '_> {
    pub(super) fn make_plan(&mut self) -> Plan<'c> {
        let model = self.draw_model();
        let mut plan = Plan { model: Some(model), ..Plan::default() };
        let batch = self.operation == OperationId::BatchesCreate;
        let counts = self.operation == OperationId::MessagesCountTokens;

        // One choice for two things: conversations with nobody at work are drawn from the same bytes as ever.
        let shape = self.source.below(EXCHANGES.len() * AGENT_EVERY);
        plan.turns = 1 + 2 * EXCHANGES[shape / AGENT_EVERY];
        plan.thinking = self.draw_thinking(model);
        plan.stream = !batch && !counts && self.source.chance(80);
        if self.source.chance(136) {
            plan.tools = self.draw_tools(model);
        }
        if shape % AGENT_EVERY == AGENT_EVERY - 1 {
            self.draw_rounds(&mut plan);
        }
        plan.tool_choice = self.draw_tool_choice(model, &plan);
        plan.format = self.source.chance(24).then(|| *self.source.pick(tools::FORMATS));
        plan.citations = plan.format.is_none() && self.source.chance(64);
        plan.effort = self.draw_effort(model, plan.thinking);
        self.draw_sampling(model, &mut plan);
        self.draw_caching(&mut plan);
        plan.prefill = model.prefill
            && plan.rounds == 0
            && is_off(model, plan.thinking)
            && plan.format.is_none()
            && self.source.chance(48);
        plan.geo = model.inference_geo && self.source.chance(24);
        plan.fast = matches!(model.fast, Fast::Ignored) && self.source.chance(64) && !batch;
        self.draw_max_tokens(model, &mut plan, batch);
        plan
    }

    /// A model that is there for certain.
    pub(super) fn draw_model(&mut self) -> &'c Model {
        let model = self.source.pick(&self.models.current);
        if model.is_there(self.today) { model } else { &self.models.current[0] }
    }

    fn draw_thinking(&mut self, model: &'c Model) -> &'c str {
        match self.source.below(model.thinking.len() + 2) {
            0 | 1 => "",
            form => &model.thinking[form - 2],
        }
    }

    fn draw_tools(&mut self, model: &Model) -> Vec<Tool> {
        let Some(Kind::Union(union)) =
            self.edition.component("ToolUnion").map(|id| &self.edition.schemas.resolved(id).kind)
        else {
            return Vec::new();
        };
        let count = 1 + self.source.below(TOOLS_MAX);
        let mut planned: Vec<Tool> = Vec::with_capacity(count);
        for suffix in 0..count {
            // Half of the tools are the caller's own, as in practice.
            let branch = if self.source.chance(128) {
                self.source.pick(&union.branches)
            } else {
                &union.branches[0]
            };
            let mut kind = ToolKind::of(branch.tags.first().map_or("", String::as_str));
            if let ToolKind::Custom(template) = &mut kind {
                *template = self.source.below(tools::TEMPLATES.len());
            } else if planned.iter().any(|tool| tool.kind.clashes(kind))
                || (kind == ToolKind::ComputerTool && model.computer_tool != Settled::Yes)
            {
                continue;
            }
            planned.push(Tool { kind, schema: branch.schema, suffix, deferred: false });
        }
        self.defer(&mut planned, union.branches[0].schema);
        planned
    }

    /// The rounds of an agent at work, if it has a tool to call. Half of them are plain.
    fn draw_rounds(&mut self, plan: &mut Plan<'_>) {
        let is_own = |tool: &Tool| matches!(tool.kind, ToolKind::Custom(_));
        if !plan.tools.iter().any(|tool| tool.kind.is_client()) {
            return;
        }
        plan.rounds = *self.source.pick(&ROUNDS);
        plan.turns += 2 * plan.rounds;
        plan.plain = self.source.chance(128) && plan.tools.iter().any(is_own);
        if plan.plain {
            // Thought is signed, and only our mock knows its own signatures.
            plan.thinking = "";
            plan.tools.retain(is_own);
            plan.tools.iter_mut().for_each(|tool| tool.deferred = false);
        }
    }

    /// Defers some of the caller's own tools, if a search tool is there to find them: it is never deferred itself,
    /// and has always one to point to.
    fn defer(&mut self, planned: &mut Vec<Tool>, own: SchemaId) {
        let is_own = |tool: &Tool| matches!(tool.kind, ToolKind::Custom(_));
        if !planned.iter().any(|tool| matches!(tool.kind, ToolKind::Search { .. })) {
            return;
        }
        if !planned.iter().any(is_own) {
            let kind = ToolKind::Custom(self.source.below(tools::TEMPLATES.len()));
            planned.push(Tool { kind, schema: own, suffix: 0, deferred: false });
        }
        for tool in planned.iter_mut().filter(|tool| is_own(tool)) {
            tool.deferred = self.source.chance(128);
        }
    }

    fn draw_tool_choice(&mut self, model: &Model, plan: &Plan<'_>) -> &'static str {
        if plan.tools.is_empty() || !self.source.chance(96) {
            return "";
        }
        let named = plan.tools.iter().any(Tool::may_be_chosen);
        let forced =
            model.forced_tool_choice == Settled::Yes && is_off(model, plan.thinking) && named;
        let choices: &[&str] =
            if forced { &["auto", "none", "any", "tool"] } else { &["auto", "none"] };
        let choice: &&str = self.source.pick(choices);
        choice
    }

    fn draw_effort(&mut self, model: &'c Model, thinking: &str) -> Option<&'c str> {
        if model.effort.is_empty() || !self.source.chance(80) {
            return None;
        }
        let level = self.source.pick(&model.effort).as_str();
        // Switched off, thinking takes no more than high effort with some models.
        (thinking != "disabled" || !matches!(level, "max" | "xhigh")).then_some(level)
    }

    fn draw_sampling(&mut self, model: &Model, plan: &mut Plan<'_>) {
        if self.edition.version != Version::V2023_06_01 || model.sampling == Sampling::Deprecated {
            return;
        }
        if !is_off(model, plan.thinking) {
            return;
        }
        plan.temperature = self.source.chance(64);
        plan.top_p =
            self.source.chance(40) && (model.sampling == Sampling::Free || !plan.temperature);
        plan.top_k = self.source.chance(40);
    }

    fn draw_caching(&mut self, plan: &mut Plan<'_>) {
        plan.automatic = self.source.chance(32);
        let most = BREAKPOINTS_MAX - u8::from(plan.automatic);
        plan.breakpoints = self.source.below(usize::from(most) + 1) as u8;
        plan.ttl =
            *self.source.pick(&[("", ""), ("5m", "5m"), ("1h", "5m"), ("1h", "1h"), ("1h", "")]);
    }

    fn draw_max_tokens(&mut self, model: &Model, plan: &mut Plan<'_>, batch: bool) {
        let most = i64::try_from(model.output_tokens_max).unwrap_or(i64::MAX);
        let usual = [16, 64, 256, 1024, 1, 4096, 8192, 16_000];
        plan.max_tokens = *self.source.pick(&usual);
        if plan.thinking == "enabled" {
            plan.budget_tokens = self.source.between(1024, 8000);
            plan.max_tokens += plan.budget_tokens;
        } else if self.source.chance(8) {
            plan.max_tokens = most;
        } else if self.source.chance(10) && !batch && !plan.plain && zero_allowed(model, plan) {
            plan.max_tokens = 0;
        }
    }

    pub(super) fn ttl(&self) -> &'static str {
        if matches!(self.scope, super::Scope::Tools | super::Scope::System) {
            self.plan.ttl.0
        } else {
            self.plan.ttl.1
        }
    }

    pub(super) fn thought(&mut self) -> &'static str {
        let thought: &&str = self.source.pick(prose::THOUGHTS);
        thought
    }
}

/// Whether the model does not think: what sampling, prefill and forced calls need.
fn is_off(model: &Model, thinking: &str) -> bool {
    thinking == "disabled" || (thinking.is_empty() && model.thinking_default == "off")
}

/// `max_tokens: 0` only fills the prompt cache, so nothing may ask for output.
fn zero_allowed(model: &Model, plan: &Plan<'_>) -> bool {
    !plan.stream
        && is_off(model, plan.thinking)
        && plan.format.is_none()
        && !matches!(plan.tool_choice, "any" | "tool")
}
