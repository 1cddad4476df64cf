//! Cache breakpoints: how many, in which order of lifetimes, and on what.
//!
//! Automatic caching sets one at the last block. If that block is marked already with the same lifetime, the two are
//! taken as one: both are documented to be refused only if the lifetimes differ. The page refuses automatic caching
//! beside four explicit breakpoints without saying that it means other blocks, so that case is left open. The
//! order of lifetimes is not stated for the automatic breakpoint; it is one like the others, and we hold it to that.

use classify::Class;
use serde_json::{Value, json};

use super::{Answer, Ask, Base, Breach, Finding, Implied, Rule, Stage, Uncertain, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};
use view::Place;

const PARAMS: &[OperationId] = &[OperationId::MessagesCreate, OperationId::MessagesCountTokens];

const BREAKPOINTS_MAX: usize = 4;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "cache-breakpoints-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_count,
        breaches: break_count,
        answer: Answer::invalid(
            "A maximum of 4 blocks with cache_control may be provided. Found N.",
        ),
        explanation: "A prompt has at most four breakpoints, counted over tools, system and messages together, \
            blocks inside results and documents included. Clients that mark each new turn and never unmark the \
            old ones reach the fifth soon.",
        remedy: "Keep one breakpoint at the end of what is stable and one at the end of the conversation.",
        source: "prompt caching page; public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "cache-ttl-order",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_order,
        breaches: break_order,
        answer: Answer::invalid(
            "PATH.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control \
             block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.",
        ),
        explanation: "What is kept longer stands further ahead: a prefix that lives an hour cannot contain one that \
            is forgotten after five minutes. The order is tools, system, messages, and five minutes is the default; \
            the breakpoint of automatic caching stands at the end of all.",
        remedy: "Give the earlier breakpoints the longer lifetime.",
        source: "prompt caching page; public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
    Rule {
        id: "cache-automatic-over-limit",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_automatic_count,
        breaches: |base, out| {
            let blocks = [four(), vec![edit::text("Hello.")]].concat();
            out.push(with_automatic(base, "cache_control", &blocks));
        },
        answer: Answer::invalid(
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        explanation: "Automatic caching sets a breakpoint of its own at the last block, and takes one of the four.",
        remedy: "Drop one explicit breakpoint, or the top-level `cache_control`.",
        source: "prompt caching page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "cache-automatic-on-fourth",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_automatic_on_fourth,
        breaches: |base, out| out.push(with_automatic(base, "cache_control", &four())),
        answer: Answer::invalid(
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        explanation: "Four breakpoints are set, one of them on the last block, where automatic caching wants its own. \
            One block need not be marked twice, yet the page refuses automatic caching beside four breakpoints.",
        remedy: "Drop the top-level `cache_control`: the last block is marked already.",
        source: "prompt caching page",
        confidence: Confidence::Inferred,
        uncertain: Some(Uncertain {
            classes: &[Class::InvalidRequest, Class::Accepted, Class::Streamed],
            question: "Is automatic caching refused beside four explicit breakpoints also if one of them is on the \
                last block, with the same lifetime?",
        }),
    },
    Rule {
        id: "cache-automatic-ttl-conflict",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[],
        check: check_automatic_ttl,
        breaches: |base, out| {
            for (at, own, top) in
                [("cache_control/ttl/default", None, "1h"), ("cache_control/ttl", Some("1h"), "5m")]
            {
                let mut control = json!({"type": "ephemeral"});
                own.into_iter().for_each(|ttl| control["ttl"] = json!(ttl));
                let top = json!({"type": "ephemeral", "ttl": top});
                let members = json!({"messages": [edit::user(json!([marked(control)]))], "cache_control": top});
                out.push(edit::small(base, at, members));
            }
        },
        answer: Answer::invalid(
            "cache_control.ttl: must match the ttl of the last block's own cache_control",
        ),
        explanation: "Automatic caching marks the last block. \
            If that block is marked already, both marks must name the same lifetime.",
        remedy: "Drop one of the two, or give both the same `ttl`.",
        source: "prompt caching page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "cache-control-on-empty-text",
        stage: Stage::Body,
        versions: &Version::ALL,
        operations: PARAMS,
        models: None,
        implies: &[Implied {
            rule: Implied::SCHEMA,
            because: "A text block must hold a character, whatever else it carries.",
        }],
        check: check_empty,
        breaches: break_empty,
        answer: Answer::invalid("PATH.text: cache_control cannot be set for empty text blocks"),
        explanation: "A breakpoint on a block without text would end a prefix at nothing. Clients that mark the last \
            block, whatever it is, meet this when a message ends in an empty one.",
        remedy: "Leave empty blocks out, and mark the last one with text.",
        source: "public reports of live answers",
        confidence: Confidence::Observed,
        uncertain: None,
    },
];

/// Visits the breakpoints in the order in which the API reads them.
fn each_breakpoint<'a>(params: &'a Value, visit: &mut dyn FnMut(Place<'_>, &'a Value)) {
    each_marked(params, &mut |place, block| visit(place, &block["cache_control"]));
}

/// Visits what carries a breakpoint, in the same order.
fn each_marked<'a>(params: &'a Value, visit: &mut dyn FnMut(Place<'_>, &'a Value)) {
    let mut visit_marked = |place: Place<'_>, block: &'a Value| {
        if view::given(block, "cache_control") {
            visit(place, block);
        }
    };
    for member in ["tools", "system"] {
        for (index, block) in view::member_list(params, member).iter().enumerate() {
            visit_marked(Place { parent: None, member, index: Some(index) }, block);
        }
    }
    view::each_markable(params, &mut visit_marked);
}

fn count(params: &Value) -> usize {
    let mut count = 0;
    each_breakpoint(params, &mut |_, _| count += 1);
    count
}

/// The lifetime in force: five minutes unless an hour is asked for.
fn ttl(control: &Value) -> &str {
    control.get("ttl").and_then(Value::as_str).unwrap_or("5m")
}

fn automatic(params: &Value) -> Option<&Value> {
    params.get("cache_control").filter(|control| !control.is_null())
}

/// The mark that the last block of the last message carries itself.
fn last_mark(params: &Value) -> Option<&Value> {
    let last = view::messages(params).next_back()?.blocks().next_back()?;
    last.value.get("cache_control").filter(|control| !control.is_null())
}

fn too_many(count: usize) -> Finding {
    Finding::new(
        "",
        format!(
            "A maximum of {BREAKPOINTS_MAX} blocks with cache_control may be provided. Found {count}."
        ),
    )
}

fn check_count(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let count = count(ask.body);
    if count > BREAKPOINTS_MAX {
        out.push(too_many(count));
    }
}

fn check_order(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    const MESSAGE: &str = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note \
        that blocks are processed in the following order: `tools`, `system`, `messages`.";
    let mut short_before = false;
    each_breakpoint(ask.body, &mut |place, control| {
        let is_short = ttl(control) == "5m";
        if short_before && !is_short {
            out.push(Finding::new(format!("{}.cache_control.ttl", place.path()), MESSAGE));
        }
        short_before |= is_short;
    });
    // On a block that is marked already, it has to agree with that mark alone.
    let automatic = automatic(ask.body).filter(|_| last_mark(ask.body).is_none());
    if short_before && automatic.is_some_and(|control| ttl(control) != "5m") {
        out.push(Finding::new("cache_control.ttl", MESSAGE));
    }
}

fn check_automatic_count(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    // A fifth explicit mark has a rule of its own.
    if automatic(ask.body).is_some()
        && last_mark(ask.body).is_none()
        && count(ask.body) == BREAKPOINTS_MAX
    {
        out.push(too_many(BREAKPOINTS_MAX + 1));
    }
}

fn check_automatic_on_fourth(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let (Some(automatic), Some(own)) = (automatic(ask.body), last_mark(ask.body)) else { return };
    if ttl(automatic) == ttl(own) && count(ask.body) == BREAKPOINTS_MAX {
        out.push(too_many(BREAKPOINTS_MAX + 1));
    }
}

fn check_automatic_ttl(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    let (Some(automatic), Some(own)) = (automatic(ask.body), last_mark(ask.body)) else { return };
    if ttl(automatic) != ttl(own) {
        let message = "must match the ttl of the last block's own cache_control";
        out.push(Finding::new("cache_control.ttl", message));
    }
}

fn check_empty(ask: &Ask<'_>, out: &mut Vec<Finding>) {
    each_marked(ask.body, &mut |place, block| {
        let text = block.get("text").and_then(Value::as_str);
        if view::kind(block) == "text" && text == Some("") {
            let message = "cache_control cannot be set for empty text blocks";
            out.push(Finding::new(format!("{}.text", place.path()), message));
        }
    });
}

fn marked(control: Value) -> Value {
    let mut block = edit::text("Hello.");
    block["cache_control"] = control;
    block
}

fn four() -> Vec<Value> {
    vec![marked(json!({"type": "ephemeral"})); BREAKPOINTS_MAX]
}

fn with_automatic(base: &Base<'_>, at: &'static str, blocks: &[Value]) -> Breach {
    let members =
        json!({"messages": [edit::user(json!(blocks))], "cache_control": {"type": "ephemeral"}});
    edit::small(base, at, members)
}

fn break_count(base: &Base<'_>, out: &mut Vec<Breach>) {
    let five = || [four(), vec![marked(json!({"type": "ephemeral"}))]].concat();
    let inside = json!({"type": "tool_result", "tool_use_id": "toolu_01", "content": five()});
    let result = json!([
        edit::user(json!("Hello.")),
        edit::assistant(json!([edit::tool_use("toolu_01")])),
        edit::user(json!([inside]))
    ]);
    let mut tool = edit::tool("get_weather");
    tool["cache_control"] = json!({"type": "ephemeral"});
    let (system, user) = (&five()[..2], edit::user(json!(five()[..2])));
    for (at, members) in [
        ("messages/content", json!({"messages": [edit::user(json!(five()))]})),
        ("messages/content/tool_result", edit::tool_talk(result)),
        ("messages/content/web_fetch_tool_result", fetched()),
        ("system", json!({"system": five()})),
        ("everywhere", json!({"tools": [tool], "system": system, "messages": [user]})),
    ] {
        out.push(edit::small(base, at, members));
    }
}

/// A page that was fetched, with the fifth mark on its document.
fn fetched() -> Value {
    let mut document = edit::document();
    document["cache_control"] = json!({"type": "ephemeral"});
    let page = json!({"type": "web_fetch_result", "url": "https://example.com/water", "content": document});
    let talk = json!([
        edit::user(json!("Hello.")),
        edit::assistant(json!([
            {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_fetch",
                "input": {"url": "https://example.com/water"}},
            {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_01", "content": page},
        ])),
        edit::user(json!(four())),
    ]);
    json!({"messages": talk, "tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]})
}

fn break_order(base: &Base<'_>, out: &mut Vec<Breach>) {
    let (short, long) = (json!({"type": "ephemeral"}), json!({"type": "ephemeral", "ttl": "1h"}));
    let both = json!([marked(short.clone()), marked(long.clone())]);
    let (system, user) = (json!([marked(short)]), edit::user(json!([marked(long.clone())])));
    out.push(edit::small(
        base,
        "cache_control/ttl",
        json!({"system": system, "cache_control": long}),
    ));
    out.push(edit::small(
        base,
        "messages/content",
        json!({"messages": [edit::user(both.clone())]}),
    ));
    out.push(edit::small(
        base,
        "messages/after-system",
        json!({"system": system, "messages": [user]}),
    ));
    out.push(edit::small(base, "system", json!({"system": both})));
}

fn break_empty(base: &Base<'_>, out: &mut Vec<Breach>) {
    let mut empty = marked(json!({"type": "ephemeral"}));
    empty["text"] = json!("");
    let blocks = json!([edit::text("Hello."), empty]);
    out.push(edit::with_blocks(base, "messages/content/text", blocks.clone()));
    out.push(edit::small(base, "system/text", json!({"system": blocks})));
}
