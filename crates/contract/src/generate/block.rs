//! Content blocks that depend on what was said before: calls, results, thinking.

use crate::schema::{Kind, Property};

use super::plan::{Tool, ToolKind};
use super::{Call, Generator, Hook, Scope, prose, tools};

impl<'c> Generator<'c, '_, '_> {
    /// A call of a client tool of the plan.
    pub(super) fn tool_use(&mut self, tool: Tool) {
        let (name, toolset) = match tool.kind {
            ToolKind::Bash => ("bash", None),
            ToolKind::Browser => ("navigate", Some("browser")),
            ToolKind::Computer => ("screenshot", Some("computer")),
            ToolKind::ComputerTool => ("computer", None),
            ToolKind::Custom(template) => (tools::TEMPLATES[template].name, None),
            ToolKind::Memory => ("memory", None),
            _ => ("str_replace_based_edit_tool", None),
        };
        let suffix = if matches!(tool.kind, ToolKind::Custom(_)) { tool.suffix } else { 0 };
        self.begin_call(Call {
            server: false,
            name,
            suffix,
            input: input_of(tool.kind),
            toolset,
            number: 0,
        });
        self.component("RequestToolUseBlock");
    }

    /// The answer to the call in hand.
    pub(super) fn tool_result(&mut self, call: Call) {
        self.call = call;
        self.component("RequestToolResultBlock");
    }

    /// A server tool's call and its result, one after the other.
    pub(super) fn server_tool(&mut self, tool: Tool) {
        let (name, input, result) = match tool.kind {
            ToolKind::WebSearch => {
                ("web_search", r#"{"query":"weather Lisbon"}"#, "RequestWebSearchToolResultBlock")
            }
            ToolKind::WebFetch => {
                ("web_fetch", r#"{"url":"https://example.com/"}"#, "RequestWebFetchToolResultBlock")
            }
            ToolKind::Search { regex: true } => (
                "tool_search_tool_regex",
                r#"{"pattern":"weather"}"#,
                "RequestToolSearchToolResultBlock",
            ),
            ToolKind::Search { regex: false } => (
                "tool_search_tool_bm25",
                r#"{"query":"weather"}"#,
                "RequestToolSearchToolResultBlock",
            ),
            _ => *self.source.pick(&[
                (
                    "code_execution",
                    r#"{"code":"print(6 * 7)"}"#,
                    "RequestCodeExecutionToolResultBlock",
                ),
                (
                    "bash_code_execution",
                    r#"{"command":"ls"}"#,
                    "RequestBashCodeExecutionToolResultBlock",
                ),
                (
                    "text_editor_code_execution",
                    r#"{"command":"view","path":"a.txt"}"#,
                    "RequestTextEditorCodeExecutionToolResultBlock",
                ),
            ]),
        };
        self.begin_call(Call { server: true, name, suffix: 0, input, toolset: None, number: 0 });
        self.mock_only("holds the result of a server tool");
        self.component("RequestServerToolUseBlock");
        let scope = std::mem::replace(&mut self.scope, Scope::Nested);
        self.component(result);
        self.scope = scope;
        if tool.kind == ToolKind::CodeExecution {
            self.code_call = Some(self.call.number);
        }
    }

    pub(super) fn thinking_block(&mut self) {
        if self.source.chance(40) {
            self.component("RequestRedactedThinkingBlock");
        } else {
            self.thought = self.thought();
            self.component("RequestThinkingBlock");
        }
    }

    fn begin_call(&mut self, call: Call) {
        self.calls += 1;
        self.call = Call { number: self.calls, ..call };
    }

    pub(super) fn of_call(&mut self, property: &'c Property) {
        match property.hook {
            Hook::CallId => {
                let (prefix, number) = (self.id_prefix(), self.call.number.to_string());
                self.out.key(&property.name);
                self.out.joined(&[prefix, &number]);
            }
            Hook::CallInput => {
                self.out.key(&property.name);
                self.out.raw(self.call.input);
            }
            Hook::CallName => {
                self.out.key(&property.name);
                self.out.joined(&[self.call.name, super::member::SUFFIXES[self.call.suffix]]);
            }
            Hook::CallToolset => {
                if let Some(toolset) = self.call.toolset {
                    self.out.key(&property.name);
                    self.out.string(toolset);
                }
            }
            Hook::Caller if self.source.chance(64) => self.caller(property),
            Hook::ToolReference => {
                self.out.key(&property.name);
                let custom = self.plan.tools.iter().find_map(|tool| match tool.kind {
                    ToolKind::Custom(template) => {
                        Some((tools::TEMPLATES[template].name, tool.suffix))
                    }
                    _ => None,
                });
                let (name, suffix) = custom.unwrap_or(("get_weather", 0));
                self.out.joined(&[name, super::member::SUFFIXES[suffix]]);
            }
            _ => {}
        }
    }

    fn id_prefix(&self) -> &'static str {
        if self.call.server { "srvtoolu_01Probity" } else { "toolu_01Probity" }
    }

    fn caller(&mut self, property: &Property) {
        self.out.key(&property.name);
        match self.code_call {
            Some(number) if self.source.chance(192) => {
                let version = *self.source.pick(&["20250825", "20260120"]);
                self.out.open(b'{');
                self.out.key("type");
                self.out.joined(&["code_execution_", version]);
                self.out.key("tool_id");
                self.out.joined(&["srvtoolu_01Probity", &number.to_string()]);
                self.out.close(b'}');
            }
            _ => self.out.raw(r#"{"type":"direct"}"#),
        }
    }

    /// The name of a tool that may be chosen; the plan has one.
    pub(super) fn tool_choice_name(&mut self) {
        let named: Vec<_> = self.plan.tools.iter().copied().filter(Tool::may_be_chosen).collect();
        let tool = *self.source.pick(&named);
        match (tool.kind, &self.edition.schemas.resolved(tool.schema).kind) {
            (ToolKind::Custom(template), _) => {
                let suffix = super::member::SUFFIXES[tool.suffix];
                self.out.joined(&[tools::TEMPLATES[template].name, suffix]);
            }
            // The schema of every other tool fixes its name.
            (_, Kind::Object(object)) => {
                let name = object.properties.iter().find(|property| property.name == "name");
                self.value(name.expect("a tool that may be chosen has a name").schema);
            }
            _ => {}
        }
    }

    /// `content` of a tool result or of a search result.
    pub(super) fn content(&mut self, property: &'c Property) {
        let Kind::Union(_) = &self.edition.schemas.resolved(property.schema).kind else {
            self.out.key(&property.name);
            return self.nested_list(&["RequestTextBlock"], 1);
        };
        match self.source.below(4) {
            0 => {}
            1 => {
                let result = *self.source.pick(prose::RESULTS);
                self.out.key(&property.name);
                self.out.string(result);
            }
            _ => {
                self.out.key(&property.name);
                if self.plan.plain {
                    return self.nested_list(&["RequestTextBlock"], 1);
                }
                let mut kinds = vec![
                    "RequestTextBlock",
                    "RequestImageBlock",
                    "RequestSearchResultBlock",
                    "RequestDocumentBlock",
                ];
                if self.call.toolset == Some("browser") {
                    // A call of this toolset is rare, and its answer is nearly always this block.
                    kinds.extend(["RequestBrowserStateBlock"; 6]);
                }
                if self.plan.tools.iter().any(|tool| tool.deferred) {
                    kinds.push("RequestToolReferenceBlock");
                }
                self.nested_list(&kinds, 1);
            }
        }
    }

    /// One or two blocks inside another.
    fn nested_list(&mut self, kinds: &[&str], least: usize) {
        let (scope, call) = (std::mem::replace(&mut self.scope, Scope::Nested), self.call);
        let count = least + self.source.below(2);
        self.out.open(b'[');
        for _ in 0..count {
            let kind = *self.source.pick(kinds);
            self.component(kind);
        }
        self.out.close(b']');
        (self.scope, self.call) = (scope, call);
    }
}

/// An input that fits the tool.
pub(super) fn input_of(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Bash => r#"{"command":"ls -la"}"#,
        ToolKind::Browser => r#"{"url":"https://example.com/"}"#,
        ToolKind::ComputerTool => r#"{"action":"screenshot"}"#,
        ToolKind::Custom(template) => tools::TEMPLATES[template].input,
        ToolKind::Editor => r#"{"command":"view","path":"/repo/src/main.rs"}"#,
        ToolKind::Memory => r#"{"command":"view","path":"/memories"}"#,
        _ => "{}",
    }
}
