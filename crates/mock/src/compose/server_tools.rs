//! Calls of the tools that the API runs itself: web search, web fetch, code execution, the search for tools.
//!
//! A call and its result stand in one answer, and what was found is cited in the text after them. A turn can also
//! pause at a call; whoever sends it back unchanged gets an answer that begins with the missing result and ends.
//! Nothing is fetched or run: what comes [back](results) is made up, but keeps what the tool was told (domains,
//! `max_uses`, the size of a page).

mod results;

use contract::rules::view;
use serde_json::{Value, json};

use super::citations::Cited;
use super::directives::Directive;
use super::draft::{Draft, Stop};
use super::{Scene, prose, remark, tools};
use crate::dice::Dice;
use crate::message::{Block, Caller};
use results::{Call, Outcome};

/// What the calls of an answer brought: the texts that rest on them.
pub(super) struct Served {
    pub(super) citations: Vec<Cited>,
}

/// Finishes the calls that the last message left open; `None` if it left none.
pub(super) fn resume(draft: &mut Draft<'_>, scene: &Scene<'_>, dice: &mut Dice) -> Option<Served> {
    let last = view::messages(scene.params).next_back().filter(|last| last.role == "assistant")?;
    let is_settled = |id: &str| {
        last.blocks().any(|block| match block.kind {
            "tool_use" => block.value.pointer("/caller/tool_id").is_some_and(|by| by == id),
            _ => block.text("tool_use_id") == Some(id),
        })
    };
    let mut served = None;
    for block in last.blocks().filter(|block| block.kind == "server_tool_use") {
        let (Some(id), Some(name)) = (block.text("id"), block.text("name")) else { continue };
        if is_settled(id) {
            continue;
        }
        let family = Family::ALL.into_iter().find(|family| family.names().contains(&name))?;
        let name = family.names().iter().find(|known| **known == name)?;
        let tool = view::tools(scene.params).iter().find(|tool| Family::of(tool) == Some(family));
        let input = block.value.get("input").unwrap_or(&Value::Null);
        let call = Call { name, input, tool: tool.unwrap_or(&Value::Null) };
        let served = served.get_or_insert_with(|| Served { citations: Vec::new() });
        finish(draft, scene, id.to_owned(), &call, served, dice);
    }
    served
}

/// Calls a server tool if the request demands it, or if it permits it and the dice say so.
pub(super) fn call(draft: &mut Draft<'_>, scene: &Scene<'_>, dice: &mut Dice) -> Option<Served> {
    /// A paused turn is nothing rare in a long search.
    const PAUSED_ONE_IN: usize = 8;
    if draft.is_over() || view::tools(scene.params).is_empty() {
        return None;
    }
    let tool = choose(scene, dice)?;
    let family = Family::of(tool)?;
    if !view::forces_tool(scene.params) && dice.one_in(2) {
        remark(draft, scene, dice);
    }
    let mut served = Served { citations: Vec::new() };
    let calls = if dice.one_in(3) { 2 } else { 1 };
    for number in 0..calls {
        if draft.is_over() {
            break;
        }
        let (name, input) = family.call(tool, scene, dice);
        let Some(id) = draft.use_server_tool(name, input.clone(), dice) else { break };
        let is_last = number + 1 == calls;
        let paused = scene.asked.has(Directive::PauseTurn)
            || (scene.asked.is_empty() && dice.one_in(PAUSED_ONE_IN));
        if is_last && paused {
            draft.stop = Stop::PauseTurn;
            break;
        }
        let call = Call { name, input: &input, tool };
        let found = finish(draft, scene, id, &call, &mut served, dice);
        if is_last && !found.is_empty() && (scene.asked.has(Directive::ToolUse) || dice.one_in(2)) {
            tools::call_found(draft, scene, &found, dice);
        }
    }
    Some(served)
}

/// Adds the result of a call, and gives the names of the tools that it found.
fn finish<'a>(
    draft: &mut Draft<'_>,
    scene: &Scene<'a>,
    tool_use_id: String,
    call: &Call<'_>,
    served: &mut Served,
    dice: &mut Dice,
) -> Vec<&'a str> {
    let Outcome { kind, content, cited, found } = results::of(call, draft, scene, dice);
    let usage = draft.served.get_or_insert_default();
    if view::kind(&content) != format!("{kind}_error") {
        usage.web_search_requests += u64::from(call.name == "web_search");
        usage.web_fetch_requests += u64::from(call.name == "web_fetch");
    }
    draft.ran_code |= call.name.ends_with("code_execution");
    let caller = call.name.starts_with("web_").then_some(Caller::Direct);
    draft.content.push(Block::ServerToolResult { kind, tool_use_id, content, caller });
    served.citations.extend(cited);
    found
}

/// The tool to call. A forced one is called whatever was asked for; a directive comes before the dice.
fn choose<'a>(scene: &Scene<'a>, dice: &mut Dice) -> Option<&'a Value> {
    let all = view::tools(scene.params);
    let choice = view::tool_choice(scene.params);
    if choice == "tool" {
        let name = scene.params.pointer("/tool_choice/name").and_then(Value::as_str);
        let named = all.iter().find(|tool| view::tool_name(tool) == name);
        return named.filter(|tool| Family::of(tool).is_some());
    }
    let offers: Vec<_> =
        all.iter().filter(|tool| Family::of(tool).is_some() && tools::is_open(tool)).collect();
    if offers.is_empty() || choice == "none" {
        return None;
    }
    let asked_for = Family::ALL.into_iter().filter(|family| scene.asked.has(family.directive()));
    let named = asked_for
        .filter_map(|family| offers.iter().find(|tool| Family::of(tool) == Some(family)))
        .next();
    if let Some(tool) = named {
        return Some(tool);
    }
    // Whoever asks for the client's own tools gets those.
    if scene.asked.has(Directive::ToolUse) {
        return None;
    }
    let asked = [Directive::ToolError, Directive::PauseTurn];
    let must = asked.into_iter().any(|directive| scene.asked.has(directive))
        || (choice == "any" && offers.len() == all.len());
    let may = !scene.text.is_empty() && !prose::is_after_tools(scene.params) && dice.one_in(3);
    if !must && !may {
        return None;
    }
    // A page that nobody named is fetched by nobody.
    let offers: Vec<_> = offers
        .into_iter()
        .filter(|tool| {
            must || Family::of(tool) != Some(Family::WebFetch) || prose::url(scene.text).is_some()
        })
        .collect();
    (!offers.is_empty()).then(|| offers[dice.below(offers.len())])
}

/// The kinds of server tools. Each comes in several versions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    CodeExecution,
    ToolSearch,
    WebFetch,
    WebSearch,
}

impl Family {
    const ALL: [Self; 4] = [Self::CodeExecution, Self::ToolSearch, Self::WebFetch, Self::WebSearch];

    fn of(tool: &Value) -> Option<Self> {
        let kind = view::kind(tool);
        let starts = [
            ("code_execution_", Self::CodeExecution),
            ("tool_search_tool_", Self::ToolSearch),
            ("web_fetch_", Self::WebFetch),
            ("web_search_", Self::WebSearch),
        ];
        starts.into_iter().find(|(start, _)| kind.starts_with(start)).map(|(_, family)| family)
    }

    fn directive(self) -> Directive {
        match self {
            Self::CodeExecution => Directive::CodeExecution,
            Self::ToolSearch => Directive::ToolSearch,
            Self::WebFetch => Directive::WebFetch,
            Self::WebSearch => Directive::WebSearch,
        }
    }

    /// The names under which it is called.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::CodeExecution => {
                &["code_execution", "bash_code_execution", "text_editor_code_execution"]
            }
            Self::ToolSearch => &["tool_search_tool_regex", "tool_search_tool_bm25"],
            Self::WebFetch => &["web_fetch"],
            Self::WebSearch => &["web_search"],
        }
    }

    /// A call: the name and the input.
    fn call(self, tool: &Value, scene: &Scene<'_>, dice: &mut Dice) -> (&'static str, Value) {
        match self {
            Self::CodeExecution => code(view::kind(tool), dice),
            Self::ToolSearch if view::tool_name(tool) == Some("tool_search_tool_regex") => {
                ("tool_search_tool_regex", json!({"pattern": ".*", "limit": results::FOUND_MAX}))
            }
            Self::ToolSearch => {
                let query = json!({"query": topic(scene.text), "limit": results::FOUND_MAX});
                ("tool_search_tool_bm25", query)
            }
            Self::WebFetch => {
                let url = prose::url(scene.text).unwrap_or("https://example.com/");
                ("web_fetch", json!({"url": url}))
            }
            Self::WebSearch => ("web_search", json!({"query": topic(scene.text)})),
        }
    }
}

/// The first edition runs Python, the later ones a shell and an editor; since 2026 the interpreter is back.
fn code(kind: &str, dice: &mut Dice) -> (&'static str, Value) {
    const PATH: &str = "/tmp/notes.txt";
    let python = ("code_execution", json!({"code": "print(6 * 7)"}));
    let sides = match kind {
        "code_execution_20250522" => return python,
        "code_execution_20250825" => 4,
        _ => 5,
    };
    let edit = |input: Value| ("text_editor_code_execution", input);
    match dice.below(sides) {
        0 => ("bash_code_execution", json!({"command": "wc -l /tmp/notes.txt"})),
        1 => edit(json!({"command": "view", "path": PATH})),
        2 => edit(json!({"command": "create", "path": PATH, "file_text": "One line.\n"})),
        3 => {
            let change =
                json!({"command": "str_replace", "path": PATH, "old_str": "One", "new_str": "A"});
            edit(change)
        }
        _ => python,
    }
}

/// What the user seems to ask about: the first words of the text.
fn topic(text: &str) -> String {
    const WORDS_MAX: usize = 6;
    /// A word longer than this is none.
    const WORD_BYTES_MAX: usize = 40;
    let words: Vec<_> = text
        .split_whitespace()
        .filter(|word| word.len() <= WORD_BYTES_MAX && !word.contains("probity:"))
        .take(WORDS_MAX)
        .collect();
    if words.is_empty() { "tides".to_owned() } else { words.join(" ") }
}
