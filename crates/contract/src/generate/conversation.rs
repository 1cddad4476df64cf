//! The messages: turns in order, calls answered, and what stands around them.

use crate::schema::{Kind, Property};

use super::plan::{Tool, ToolKind};
use super::{Call, Generator, Scope, prose};

/// Parallel calls in one turn: two show the pairing, more show nothing new.
const CALLS_MAX: usize = 2;

impl<'c> Generator<'c, '_, '_> {
    pub(super) fn messages(&mut self) {
        let turns = self.plan.turns;
        let mut open: Vec<Call> = Vec::new();
        self.out.open(b'[');
        for turn in 0..turns {
            if turn % 2 == 0 {
                self.user_turn(&mut open);
                self.system_turn();
            } else if turn + 2 * self.plan.rounds >= turns {
                self.working_turn(&mut open);
            } else {
                self.assistant_turn(&mut open);
            }
        }
        if self.plan.prefill {
            self.message("assistant", Scope::Assistant, |it| {
                let start = *it.source.pick(prose::ANSWERS);
                it.out.string(start);
            });
        }
        self.out.close(b']');
    }

    pub(super) fn system(&mut self, property: &'c Property) {
        if self.source.chance(128) {
            self.scope = Scope::System;
            self.out.key(&property.name);
            self.words(prose::SYSTEMS);
        }
    }

    pub(super) fn tools(&mut self, property: &'c Property) {
        if self.plan.tools.is_empty() {
            return;
        }
        self.scope = Scope::Tools;
        self.out.key(&property.name);
        self.out.open(b'[');
        for index in 0..self.plan.tools.len() {
            self.tool = index;
            let tool = self.plan.tools[index];
            if let Kind::Object(object) = &self.edition.schemas.resolved(tool.schema).kind {
                self.component_at(tool.schema, |it| it.object(&object.properties));
            }
        }
        self.out.close(b']');
    }

    fn message(&mut self, role: &str, scope: Scope, content: impl FnOnce(&mut Self)) {
        self.scope = scope;
        self.depth += 1;
        self.out.open(b'{');
        self.out.key("role");
        self.out.string(role);
        self.out.key("content");
        self.inside(role.len() as u64, content);
        self.out.close(b'}');
        self.depth -= 1;
    }

    /// A string, or a list of one or two text blocks.
    fn words(&mut self, table: &[&'static str]) {
        if self.source.chance(96) {
            let count = 1 + self.source.below(2);
            self.out.open(b'[');
            for _ in 0..count {
                self.component("RequestTextBlock");
            }
            self.out.close(b']');
        } else {
            let text = *self.source.pick(table);
            self.out.string(text);
        }
    }

    fn user_turn(&mut self, open: &mut Vec<Call>) {
        let results = std::mem::take(open);
        self.message("user", Scope::User, |it| {
            if results.is_empty() && !it.source.chance(128) {
                let question = *it.source.pick(prose::QUESTIONS);
                return it.out.string(question);
            }
            it.out.open(b'[');
            for call in &results {
                it.tool_result(*call);
            }
            for _ in 0..it.user_blocks(results.is_empty()) {
                it.user_block();
            }
            it.out.close(b']');
        });
    }

    /// How many blocks a user turn has beside results.
    fn user_blocks(&mut self, alone: bool) -> usize {
        match alone {
            true => 1 + self.source.below(3),
            // Between rounds nobody speaks, as a rule.
            false if self.plan.rounds > 0 => usize::from(self.source.chance(48)),
            false => self.source.below(3),
        }
    }

    fn user_block(&mut self) {
        if self.plan.plain {
            return self.component("RequestTextBlock");
        }
        let runs_code = self.plan.tools.iter().any(|tool| tool.kind == ToolKind::CodeExecution);
        let block = match self.source.below(16) {
            10 | 11 => "RequestImageBlock",
            12 | 13 => "RequestDocumentBlock",
            14 => "RequestSearchResultBlock",
            15 if runs_code => "RequestContainerUploadBlock",
            _ => "RequestTextBlock",
        };
        self.component(block);
    }

    /// A message of the role system after a user turn, with models that take it.
    fn system_turn(&mut self) {
        let model = self
            .plan
            .model
            .is_some_and(|model| model.system_messages && !model.system_messages_uncertain);
        if model && !self.plan.plain && self.source.chance(24) {
            self.message("system", Scope::Aside, |it| it.words(prose::SYSTEMS));
        }
    }

    fn assistant_turn(&mut self, open: &mut Vec<Call>) {
        self.message("assistant", Scope::Assistant, |it| {
            let client = it.draw_tool(ToolKind::is_client, 160);
            let server = it.draw_tool(|kind| !kind.is_client(), 128);
            let thinks = it.thinks(client.is_some());
            if client.is_none() && server.is_none() && !thinks {
                return it.words(prose::ANSWERS);
            }
            it.out.open(b'[');
            if thinks {
                it.thinking_block();
            }
            if let Some(tool) = server {
                it.server_tool(tool);
            }
            if client.is_none() || it.source.chance(96) {
                it.component("RequestTextBlock");
            }
            if let Some(tool) = client {
                for _ in 0..=it.source.below(CALLS_MAX) {
                    it.tool_use(tool);
                    open.push(it.call);
                }
            }
            it.out.close(b']');
        });
    }

    /// A turn of a model at work: it calls tools of the caller, one or several at a time, with words or without.
    fn working_turn(&mut self, open: &mut Vec<Call>) {
        self.message("assistant", Scope::Assistant, |it| {
            it.out.open(b'[');
            if it.thinks(true) {
                it.thinking_block();
            }
            if it.source.chance(96) {
                it.component("RequestTextBlock");
            }
            for _ in 0..=it.source.below(CALLS_MAX) {
                if let Some(tool) = it.any_tool(ToolKind::is_client) {
                    it.tool_use(tool);
                    open.push(it.call);
                }
            }
            it.out.close(b']');
        });
    }

    /// A tool of the kind, in so many of 256 turns.
    fn draw_tool(&mut self, fits: impl Fn(ToolKind) -> bool, parts: u8) -> Option<Tool> {
        let is_there = self.plan.tools.iter().any(|tool| fits(tool.kind));
        if is_there && self.source.chance(parts) { self.any_tool(fits) } else { None }
    }

    fn any_tool(&mut self, fits: impl Fn(ToolKind) -> bool) -> Option<Tool> {
        let fitting: Vec<Tool> =
            self.plan.tools.iter().copied().filter(|tool| fits(tool.kind)).collect();
        (!fitting.is_empty()).then(|| *self.source.pick(&fitting))
    }

    /// With thinking on by hand a turn that calls tools starts with a thinking block; elsewhere it may.
    fn thinks(&mut self, calls: bool) -> bool {
        let able =
            self.plan.model.is_some_and(|model| !model.thinking.is_empty()) && !self.plan.plain;
        (self.plan.thinking == "enabled" && calls) || (able && self.source.chance(32))
    }
}
