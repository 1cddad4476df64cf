//! Which tool is called, and with what.
//!
//! Only tools that the client runs are called. Server tools would need results that somebody fetched; a request
//! that offers nothing else gets a text, even if it forces a call. Deferred tools are not called either, since
//! nothing was searched for.

use contract::rules::view;
use serde_json::{Value, json};

use super::{Draft, example, prose, use_tool};
use crate::dice::Dice;

/// Calls one tool or more if the request demands it, or if it permits it and the dice say so.
pub(super) fn call(draft: &mut Draft, params: &Value, dice: &mut Dice) -> bool {
    if draft.is_over() {
        return false;
    }
    let tools = view::tools(params);
    match view::tool_choice(params) {
        "none" => false,
        "tool" => {
            let name = params.pointer("/tool_choice/name").and_then(Value::as_str);
            let offer = tools.iter().find(|tool| view::tool_name(tool) == name).and_then(Offer::of);
            offer.map(|offer| offer.call(draft, dice)).is_some()
        }
        choice => {
            let offers: Vec<_> =
                tools.iter().filter(|tool| is_open(tool)).filter_map(Offer::of).collect();
            let asked = prose::last_user_text(params);
            let invited = !asked.is_empty() && !prose::is_after_tools(params) && dice.one_in(2);
            if offers.is_empty() || (choice != "any" && !invited) {
                return false;
            }
            if choice != "any" && dice.one_in(2) {
                draft.text(prose::text(asked, dice));
            }
            let parallel = params.pointer("/tool_choice/disable_parallel_tool_use")
                != Some(&Value::Bool(true));
            let calls = if parallel && dice.one_in(4) { 2 } else { 1 };
            for _ in 0..calls {
                if !matches!(draft.stop, super::Stop::MaxTokens) {
                    offers[dice.below(offers.len())].call(draft, dice);
                }
            }
            true
        }
    }
}

/// A call that could be made.
struct Offer<'a> {
    name: &'a str,
    input: Input<'a>,
    toolset_name: Option<&'static str>,
}

enum Input<'a> {
    Schema(&'a Value),
    Command(&'static str),
    View(&'static str),
    Nothing,
}

impl<'a> Offer<'a> {
    fn of(tool: &'a Value) -> Option<Self> {
        let kind = view::kind(tool);
        let (input, toolset_name) = match kind {
            "" | "custom" => (Input::Schema(tool.get("input_schema")?), None),
            "bash_20250124" => (Input::Command("ls"), None),
            "text_editor_20250124" | "text_editor_20250429" | "text_editor_20250728" => {
                (Input::View("/repo/README.md"), None)
            }
            "memory_20250818" => (Input::View("/memories"), None),
            "computer_toolset_20260801" => (Input::Nothing, Some("computer")),
            "browser_toolset_20260801" => (Input::Nothing, Some("browser")),
            _ => return None,
        };
        let name = match toolset_name {
            None => view::tool_name(tool)?,
            // The one member that both toolsets have, and that takes no input.
            Some(_) if tool.pointer("/configs/screenshot/enabled") == Some(&Value::Bool(false)) => {
                return None;
            }
            Some(_) => "screenshot",
        };
        Some(Self { name, input, toolset_name })
    }

    fn call(&self, draft: &mut Draft, dice: &mut Dice) {
        let input = match self.input {
            Input::Schema(schema) => example::of_schema(schema),
            Input::Command(command) => json!({"command": command}),
            Input::View(path) => json!({"command": "view", "path": path}),
            Input::Nothing => json!({}),
        };
        use_tool(draft, self.name, input, self.toolset_name, dice);
    }
}

/// Whether the model itself may call the tool, without searching for it first.
fn is_open(tool: &Value) -> bool {
    let callers = tool.get("allowed_callers").map(view::list);
    let deferred = tool.get("defer_loading") == Some(&Value::Bool(true));
    !deferred && callers.is_none_or(|callers| callers.iter().any(|caller| caller == "direct"))
}
