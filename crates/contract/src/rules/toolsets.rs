//! Toolsets: one entry in `tools` that stands for many tools of the client's.

use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Rule, Stage, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

const COMPUTER: &str = "computer_toolset_20260801";
const BROWSER: &str = "browser_toolset_20260801";

const FINE_GRAINED_STREAMING: &str = "fine-grained-tool-streaming-2025-05-14";

const REFERENCE: &str = "tool reference page";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "toolset-duplicate",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_twice,
        breaches: |base, out| {
            for (at, kind) in [("tools/browser", BROWSER), ("tools/computer", COMPUTER)] {
                let tools = json!([{"type": kind}, {"type": kind}]);
                out.push(edit::small(base, at, json!({"tools": tools})));
            }
        },
        answer: Answer::invalid("tools.N: only one TYPE may be specified"),
        explanation: "A toolset stands for a whole screen or browser, and a call of its members does not say which \
            one is meant. So each type stands in `tools` once.",
        remedy: "Merge the two entries and their `configs`.",
        source: REFERENCE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "toolset-name-taken",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_names,
        breaches: |base, out| {
            for (at, kind, name) in [
                ("tools/name/browser", BROWSER, "browser"),
                ("tools/name/computer", COMPUTER, "computer"),
            ] {
                let tools = json!([{"type": kind}, edit::tool(name)]);
                out.push(edit::small(base, at, json!({"tools": tools})));
            }
        },
        answer: Answer::invalid("tools.N.name: NAME is reserved for the toolset TYPE"),
        explanation: "A toolset has no `name` of its own, but calls of its members carry `computer` or `browser` as \
            their `toolset_name`. Beside it no other tool may be called so.",
        remedy: "Rename the other tool, or drop it if the toolset replaces it.",
        source: REFERENCE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "toolset-defer-loading-mixed",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            for (n, _, members) in toolsets(ask.body) {
                let is_mixed = members.deferred > 0 && members.shown > 0;
                let message = "defer_loading must be the same for all enabled members of a toolset";
                out.extend(is_mixed.then(|| Finding::new(format!("tools.{n}.configs"), message)));
            }
        },
        breaches: |base, out| {
            let (deferred, shown) =
                (json!({"defer_loading": true}), json!({"defer_loading": false}));
            for (at, kind, configs) in [
                ("tools/configs/one-named", COMPUTER, json!({"zoom": deferred})),
                ("tools/configs/two-named", BROWSER, json!({"find": shown, "hover": deferred})),
            ] {
                out.push(with_configs(base, at, kind, &configs));
            }
        },
        answer: Answer::invalid(
            "tools.N.configs: defer_loading must be the same for all enabled members of a toolset",
        ),
        explanation: "A toolset is found as a whole or shown as a whole. A member that `configs` does not name is \
            not deferred, so to defer one member means to name and defer all that are enabled.",
        remedy: "Set `defer_loading` on every enabled member, or on none.",
        source: REFERENCE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "toolset-all-disabled",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: |ask, out| {
            for (n, kind, members) in toolsets(ask.body) {
                let is_empty = members.deferred == 0 && members.shown == 0;
                let message = || format!("at least one member of {kind} must be enabled");
                out.extend(is_empty.then(|| Finding::new(format!("tools.{n}.configs"), message())));
            }
        },
        breaches: |base, out| {
            for (at, toolset) in
                [("tools/configs/browser", &TOOLSETS[0]), ("tools/configs/computer", &TOOLSETS[1])]
            {
                let names = toolset.members.iter().chain(toolset.extras);
                let disabled = names.map(|name| ((*name).to_owned(), json!({"enabled": false})));
                out.push(with_configs(base, at, toolset.kind, &disabled.collect()));
            }
        },
        answer: Answer::invalid("tools.N.configs: at least one member of TYPE must be enabled"),
        explanation: "A toolset without a member offers nothing. \
            A program that switches off what it does not implement sends this when it implements nothing.",
        remedy: "Enable the members that the program can carry out, or leave the toolset out.",
        source: REFERENCE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "toolset-with-fine-grained-streaming",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_streaming,
        breaches: |base, out| {
            for (at, kind) in [("tools/browser", BROWSER), ("tools/computer", COMPUTER)] {
                let mut breach = edit::small(base, at, json!({"tools": [{"type": kind}]}));
                breach.request.headers.push("anthropic-beta", FINE_GRAINED_STREAMING);
                out.push(breach);
            }
        },
        answer: Answer::invalid(
            "tools.N: TYPE cannot be used with the beta fine-grained-tool-streaming-2025-05-14",
        ),
        explanation: "The input of a toolset's call arrives whole, in one piece of the stream. The beta value that \
            asks for input piece by piece contradicts that, and programs often send it with every request.",
        remedy: "Leave the beta value out of requests with a toolset.",
        source: REFERENCE,
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

/// What a toolset holds. The schema knows the names as well; it does not know which members are off unless enabled.
struct Toolset {
    kind: &'static str,
    /// Enabled unless `configs` says otherwise.
    members: &'static [&'static str],
    /// Disabled unless `configs` says otherwise.
    extras: &'static [&'static str],
}

const TOOLSETS: [Toolset; 2] = [
    Toolset {
        kind: BROWSER,
        members: &[
            "navigate",
            "new_tab",
            "switch_tab",
            "close_tab",
            "list_tabs",
            "screenshot",
            "zoom",
            "read_page",
            "get_page_text",
            "find",
            "form_input",
            "hover",
            "mouse_move",
            "left_click",
            "right_click",
            "middle_click",
            "double_click",
            "triple_click",
            "left_click_drag",
            "left_mouse_down",
            "left_mouse_up",
            "scroll",
            "scroll_to",
            "key",
            "type",
            "hold_key",
            "wait",
        ],
        // The last two are inferred: reports count 27 members that are on.
        extras: &["file_upload", "javascript_exec", "read_console", "read_network"],
    },
    Toolset {
        kind: COMPUTER,
        members: &[
            "screenshot",
            "zoom",
            "cursor_position",
            "mouse_move",
            "left_click",
            "right_click",
            "middle_click",
            "double_click",
            "triple_click",
            "left_click_drag",
            "left_mouse_down",
            "left_mouse_up",
            "scroll",
            "key",
            "type",
            "hold_key",
            "wait",
        ],
        extras: &[],
    },
];

/// The enabled members of a toolset, counted.
#[derive(Default)]
struct Members {
    deferred: usize,
    shown: usize,
}

impl Members {
    fn of(toolset: &Toolset, entry: &Value) -> Self {
        let config = |name| entry.get("configs")?.get(name)?.as_object();
        let flag = |name, flag| config(name)?.get(flag)?.as_bool();
        let by_default =
            |names: &'static [&'static str], on| names.iter().map(move |name| (*name, on));
        let mut members = Self::default();
        for (name, on) in by_default(toolset.members, true).chain(by_default(toolset.extras, false))
        {
            match (flag(name, "enabled").unwrap_or(on), flag(name, "defer_loading")) {
                (true, Some(true)) => members.deferred += 1,
                (true, _) => members.shown += 1,
                (false, _) => {}
            }
        }
        members
    }
}

/// The toolsets among the tools: index, type, members.
fn toolsets(params: &Value) -> impl Iterator<Item = (usize, &'static str, Members)> {
    view::tools(params).iter().enumerate().filter_map(|(n, tool)| {
        let toolset = TOOLSETS.iter().find(|toolset| toolset.kind == view::kind(tool))?;
        Some((n, toolset.kind, Members::of(toolset, tool)))
    })
}

/// Whether a tool is a toolset of which no enabled member is in sight.
pub(super) fn is_deferred(tool: &Value) -> bool {
    let toolset = TOOLSETS.iter().find(|toolset| toolset.kind == view::kind(tool));
    toolset
        .map(|toolset| Members::of(toolset, tool))
        .is_some_and(|m| m.deferred > 0 && m.shown == 0)
}

/// A toolset with all its members deferred.
pub(super) fn deferred() -> Value {
    let names = TOOLSETS[0].members.iter().copied();
    let configs: Value = names.map(|name| (name, json!({"defer_loading": true}))).collect();
    json!({"type": TOOLSETS[0].kind, "configs": configs})
}

fn with_configs(base: &Base<'_>, at: &'static str, kind: &str, configs: &Value) -> Breach {
    edit::small(base, at, json!({"tools": [{"type": kind, "configs": configs}]}))
}

fn check_twice(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    for toolset in &TOOLSETS {
        let mut same =
            view::tools(ask.body).iter().enumerate().filter(|(_, t)| view::kind(t) == toolset.kind);
        out.extend(same.nth(1).map(|(n, _)| {
            Finding::new(
                format!("tools.{n}"),
                format!("only one {} may be specified", toolset.kind),
            )
        }));
    }
}

fn check_names(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let tools = view::tools(ask.body);
    for toolset in tools {
        let Some(taken) = view::toolset_name(toolset) else { continue };
        let named = tools.iter().position(|tool| view::tool_name(tool) == Some(taken));
        out.extend(named.map(|n| {
            let message = format!("{taken} is reserved for the toolset {}", view::kind(toolset));
            Finding::new(format!("tools.{n}.name"), message)
        }));
    }
}

fn check_streaming(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    if !view::has_beta(ask.request, FINE_GRAINED_STREAMING) {
        return;
    }
    for (n, kind, _) in toolsets(ask.body) {
        let message = format!("{kind} cannot be used with the beta {FINE_GRAINED_STREAMING}");
        out.push(Finding::new(format!("tools.{n}"), message));
    }
}
