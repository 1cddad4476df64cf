//! Which of the client's tools is called, and with what.
//!
//! Deferred tools are called only by who has just searched for them.

use contract::rules::view;
use serde_json::{Value, json};

use super::directives::Directive;
use super::draft::{Draft, Stop};
use super::{Scene, example, prose, remark};
use crate::dice::Dice;

/// Calls one tool or more if the request demands it, or if it permits it and the dice say so.
pub(super) fn call(draft: &mut Draft<'_>, scene: &Scene<'_>, dice: &mut Dice) -> bool {
    let tools = view::tools(scene.params);
    if tools.is_empty() {
        return false;
    }
    match view::tool_choice(scene.params) {
        "none" => false,
        "tool" => {
            let name = scene.params.pointer("/tool_choice/name").and_then(Value::as_str);
            let offer = tools.iter().find(|tool| view::tool_name(tool) == name).and_then(Offer::of);
            offer.map(|offer| offer.call(draft, dice)).is_some()
        }
        choice => {
            let offers: Vec<_> =
                tools.iter().filter(|tool| is_open(tool)).filter_map(Offer::of).collect();
            let forced = choice == "any";
            if offers.is_empty() || !(forced || is_invited(scene, dice)) {
                return false;
            }
            if !forced && dice.one_in(2) {
                remark(draft, scene, dice);
            }
            let parallel = scene.params.pointer("/tool_choice/disable_parallel_tool_use")
                != Some(&Value::Bool(true));
            let calls = if parallel && dice.one_in(4) { 2 } else { 1 };
            for _ in 0..calls {
                if !matches!(draft.stop, Stop::Short(_) | Stop::Sequence(_)) {
                    offers[dice.below(offers.len())].call(draft, dice);
                }
            }
            true
        }
    }
}

/// Calls one of the deferred tools of these names, which a search has found.
pub(super) fn call_found(
    draft: &mut Draft<'_>,
    scene: &Scene<'_>,
    names: &[&str],
    dice: &mut Dice,
) {
    let tools = view::tools(scene.params).iter();
    let found =
        tools.filter(|tool| view::tool_name(tool).is_some_and(|name| names.contains(&name)));
    let offers: Vec<_> = found.filter(|tool| calls_direct(tool)).filter_map(Offer::of).collect();
    if !offers.is_empty() {
        offers[dice.below(offers.len())].call(draft, dice);
    }
}

/// Whether a call is due that nobody demands. Once tools have answered it is rare, and soon ends, so that a
/// client's loop does.
fn is_invited(scene: &Scene<'_>, dice: &mut Dice) -> bool {
    const ROUNDS_MAX: usize = 3;
    match prose::rounds(scene.params) {
        0 => scene.asked.has(Directive::ToolUse) || (!scene.text.is_empty() && dice.one_in(2)),
        rounds => rounds < ROUNDS_MAX && dice.one_in(8),
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
    Action(&'static str),
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
            "computer_20241022" | "computer_20250124" | "computer_20251124" => {
                (Input::Action("screenshot"), None)
            }
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

    fn call(&self, draft: &mut Draft<'_>, dice: &mut Dice) {
        let input = match self.input {
            Input::Schema(schema) => example::of_schema(schema),
            Input::Action(action) => json!({"action": action}),
            Input::Command(command) => json!({"command": command}),
            Input::View(path) => json!({"command": "view", "path": path}),
            Input::Nothing => json!({}),
        };
        draft.use_tool(self.name, input, self.toolset_name, dice);
    }
}

/// Whether the model itself may call the tool, without searching for it first.
pub(super) fn is_open(tool: &Value) -> bool {
    calls_direct(tool) && !is_deferred(tool)
}

pub(super) fn is_deferred(tool: &Value) -> bool {
    tool.get("defer_loading") == Some(&Value::Bool(true))
}

fn calls_direct(tool: &Value) -> bool {
    let callers = tool.get("allowed_callers").map(view::list);
    callers.is_none_or(|callers| callers.iter().any(|caller| caller == "direct"))
}
