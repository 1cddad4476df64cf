//! What a message has to do with its request: the limits, the tools, the form that was asked for.

use classify::Request;
use serde_json::Value;

use super::message::{blocks, calls, has_call, has_kind};
use super::{Asked, Check, Found, Rule, text};
use crate::level::Level;
use crate::rules::view;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "response/model-other",
        level: Level::Strict,
        sentence: "The model that answers is the one that was asked, or the dated name that stands behind it.",
        remedy: "Send back the name of the request, or its snapshot; put the name of the model behind a gateway elsewhere.",
        seen: &[],
        check: Check::Asked(|_| true, model),
    },
    Rule {
        id: "response/max-tokens-exceeded",
        level: Level::Strict,
        sentence: "The output is not above `max_tokens`. The limit is what a caller plans its costs and its buffers by.",
        remedy: "Hand the limit on to the server behind, also where it has another name there.",
        seen: &[],
        check: Check::Asked(|_| true, max_tokens),
    },
    Rule {
        id: "response/max-tokens-zero",
        level: Level::Strict,
        sentence: "With `max_tokens: 0` the content is empty. The request fills the prompt cache, and asks for no answer.",
        remedy: "Answer with an empty list; refuse the request with a 400 where there is no cache to fill.",
        seen: &[],
        check: Check::Asked(
            |it| view::integer(it.params, "max_tokens") == Some(0),
            max_tokens_zero,
        ),
    },
    Rule {
        id: "response/stop-sequence-unasked",
        level: Level::Compatible,
        sentence: "The stop sequence that was met is one of those in the request.",
        remedy: "Send the sequence as the request has it; report the server's own ends as `end_turn`.",
        seen: &[],
        check: Check::Asked(|it| text(it.message, "stop_reason") == "stop_sequence", stop_sequence),
    },
    Rule {
        id: "response/tool-choice-ignored",
        level: Level::AgentReady,
        sentence: "A tool that is forced is called. `any` forces some call, `tool` one of that name; a call that is written out as text is none.",
        remedy: "Translate `tool_choice`, `any` as `required`; refuse the request with a 400 where the model cannot be forced.",
        seen: &["github-copilot-api#79"],
        check: Check::Asked(
            |it| matches!(view::tool_choice(it.params), "any" | "tool"),
            tool_choice,
        ),
    },
    Rule {
        id: "response/tool-choice-none",
        level: Level::AgentReady,
        sentence: "With `tool_choice` `none` no tool is called. The caller is not ready to run one.",
        remedy: "Hand the choice on, or leave the tools out.",
        seen: &[],
        check: Check::Asked(|it| view::tool_choice(it.params) == "none", tool_choice_none),
    },
    Rule {
        id: "response/tool-choice-parallel",
        level: Level::Compatible,
        sentence: "With `disable_parallel_tool_use` at most one tool is called.",
        remedy: "Hand the switch on, as `parallel_tool_calls: false`.",
        seen: &[],
        check: Check::Asked(
            |it| it.params["tool_choice"]["disable_parallel_tool_use"] == true,
            tool_choice_parallel,
        ),
    },
    Rule {
        id: "response/tool-unoffered",
        level: Level::AgentReady,
        sentence: "Only tools that the request offers are called, by the names it gives them.",
        remedy: "Undo on the way back what was done to names on the way there; do not hand on calls of the server's own tools.",
        seen: &[],
        check: Check::Asked(|it| has_call(it.message), tool_unoffered),
    },
    Rule {
        id: "response/server-tool-unoffered",
        level: Level::Compatible,
        sentence: "A server tool runs only if the request offers one. Nobody asked to pay for it.",
        remedy: "Switch the server's own tools off unless they are asked for.",
        seen: &[],
        check: Check::Asked(|_| true, server_tool_unoffered),
    },
    Rule {
        id: "response/tool-input-invalid",
        level: Level::Compatible,
        sentence: "The input of a `strict` tool holds the schema of the tool. That is what `strict` promises.",
        remedy: "Constrain the output, or refuse `strict` with a 400.",
        seen: &[],
        check: Check::Asked(
            |it| has_call(it.message) && view::tools(it.params).iter().any(view::is_strict),
            tool_input,
        ),
    },
    Rule {
        id: "response/thinking-unasked",
        level: Level::Compatible,
        sentence: "With thinking `disabled` there is no thinking in the answer.",
        remedy: "Hand the switch on, and drop what the server behind thinks all the same.",
        seen: &[],
        check: Check::Asked(|it| view::thinking(it.params) == "disabled", thinking),
    },
    Rule {
        id: "response/thinking-shown",
        level: Level::Strict,
        sentence: "With the display `omitted`, thinking blocks have a signature and no text.",
        remedy: "Hand `thinking.display` on, or empty the text and keep the signature.",
        seen: &[],
        check: Check::Asked(
            |it| is_hidden(it.params) && has_kind(it.message, "thinking"),
            thinking_shown,
        ),
    },
    Rule {
        id: "response/output-format",
        level: Level::AgentReady,
        sentence: "The text of a whole answer is JSON of the schema in `output_config.format`. The caller parses it.",
        remedy: "Translate the format, as `response_format`; refuse it with a 400 where the model cannot be held to a schema.",
        seen: &[],
        check: Check::Asked(|it| view::output_format(it.params).is_some(), output_format),
    },
];

fn model(Asked { request, params, message }: Asked<'_>, found: &mut Found) {
    let (asked, answered) = (text(params, "model"), text(message, "model"));
    // Whoever asks for a substitute is told of it here.
    let may_differ = view::given(params, "fallbacks") || has_beta(request, "fallback");
    if !answered.is_empty() && !may_differ && undated(asked) != undated(answered) {
        found.push("/model", format!("`{asked}` was asked, and `{answered}` answers"));
    }
}

/// The name without the date of its snapshot, and without what stands for the newest.
pub(super) fn undated(model: &str) -> &str {
    const DATE_CHARS: usize = 8;
    let is_date = |text: &str| {
        text == "latest" || text.len() == DATE_CHARS && text.bytes().all(|b| b.is_ascii_digit())
    };
    match model.rsplit_once('-') {
        Some((name, date)) if is_date(date) => name,
        _ => model,
    }
}

fn has_beta(request: &Request, part: &str) -> bool {
    view::betas(request).any(|beta| beta.contains(part))
}

fn max_tokens(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let (Some(max), Some(output)) =
        (view::integer(params, "max_tokens"), view::integer(&message["usage"], "output_tokens"))
    else {
        return;
    };
    // Each turn of a server tool has the limit to itself, and the count is of all of them.
    let is_served = |kind| matches!(kind, "mcp_tool_use" | "server_tool_use");
    let is_sum = blocks(message).any(|(_, block)| is_served(view::kind(block)));
    if output > max && !is_sum {
        found.push("/usage/output_tokens", format!("{output} tokens, and {max} were the limit"));
    }
}

fn max_tokens_zero(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let count = blocks(message).count();
    if view::integer(params, "max_tokens") == Some(0) && count > 0 {
        found.push("/content", format!("no output was asked for, and there are {count} blocks"));
    }
}

fn stop_sequence(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let sequence = &message["stop_sequence"];
    let asked = view::member_list(params, "stop_sequences");
    if text(message, "stop_reason") == "stop_sequence"
        && sequence.is_string()
        && !asked.contains(sequence)
    {
        found.push("/stop_sequence", format!("{sequence} is none of the request's"));
    }
}

fn tool_choice(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    if !matches!(text(message, "stop_reason"), "end_turn" | "stop_sequence" | "tool_use") {
        return;
    }
    let called = || {
        blocks(message).filter(|(_, block)| {
            matches!(view::kind(block), "tool_use" | "server_tool_use" | "mcp_tool_use")
        })
    };
    let wanted = text(&params["tool_choice"], "name");
    let mut open = view::tools(params).iter().filter(|tool| is_callable(tool));
    match view::tool_choice(params) {
        "any" if open.next().is_some() && called().next().is_none() => {
            found.push("/content", "`any` tool had to be called, and none is");
        }
        "tool"
            if open.any(|tool| view::tool_name(tool) == Some(wanted))
                && called().all(|(_, call)| text(call, "name") != wanted) =>
        {
            found.push("/content", format!("`{wanted}` had to be called, and is not"));
        }
        _ => {}
    }
}

/// Whether the tool is the client's, and can be called by the model without more ado. What a force means for others
/// is not documented; the members of a toolset may all be switched off.
fn is_callable(tool: &Value) -> bool {
    const SERVED: [&str; 4] = ["code_execution_", "tool_search_tool_", "web_fetch_", "web_search_"];
    let callers = tool.get("allowed_callers").map(view::list);
    callers.is_none_or(|callers| callers.iter().any(|caller| caller == "direct"))
        && tool["defer_loading"] != true
        && view::tool_name(tool).is_some()
        && !SERVED.iter().any(|kind| view::kind(tool).starts_with(kind))
}

fn tool_choice_none(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    if view::tool_choice(params) == "none" {
        for (at, call) in calls(message) {
            found.push(at, format!("{} is called, and no tool may be", call["name"]));
        }
    }
}

fn tool_choice_parallel(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let count = calls(message).count();
    if params["tool_choice"]["disable_parallel_tool_use"] == true && count > 1 {
        found.push("/content", format!("{count} calls, and one is allowed"));
    }
}

fn tool_unoffered(Asked { request, params, message }: Asked<'_>, found: &mut Found) {
    // Tools can be added within the conversation then.
    if has_beta(request, "tool-changes") || has_beta(request, "inline-tools") {
        return;
    }
    for (at, call) in calls(message) {
        let (name, toolset) = (text(call, "name"), text(call, "toolset_name"));
        let is_it = |tool: &Value| match view::toolset_name(tool) {
            Some(own) => toolset == own,
            None => view::tool_name(tool) == Some(name),
        };
        if !name.is_empty() && !view::tools(params).iter().any(is_it) {
            found.push(format!("{at}/name"), format!("no tool `{name}` is offered"));
        }
    }
}

fn server_tool_unoffered(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let is_own = |tool: &Value| matches!(view::kind(tool), "" | "custom");
    if view::tools(params).iter().all(is_own) && !view::given(params, "mcp_servers") {
        for (at, call) in blocks(message).filter(|(_, b)| view::kind(b) == "server_tool_use") {
            found.push(at, format!("{} runs, and no server tool is offered", call["name"]));
        }
    }
}

fn tool_input(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    if text(message, "stop_reason") != "tool_use" {
        return;
    }
    for (at, call) in calls(message).filter(|(_, call)| call["input"].is_object()) {
        let strict = view::tools(params)
            .iter()
            .find(|tool| view::is_strict(tool) && view::tool_name(tool) == call["name"].as_str());
        let Some(schema) = strict.and_then(|tool| tool.get("input_schema")) else { continue };
        if let Some((pointer, problem)) = problem(schema, &call["input"]) {
            found.push(format!("{at}/input{pointer}"), problem);
        }
    }
}

/// The first thing that breaks the schema; none if the schema is none, which is no fault of the answer.
fn problem(schema: &Value, value: &Value) -> Option<(String, String)> {
    let validator = jsonschema::draft202012::new(schema).ok()?;
    let error = validator.iter_errors(value).next()?;
    Some((error.instance_path().to_string(), error.masked().to_string()))
}

fn thinking(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    if view::thinking(params) == "disabled" {
        for (at, block) in blocks(message) {
            if matches!(view::kind(block), "thinking" | "redacted_thinking") {
                found.push(at, "thinking is disabled, and here is some");
            }
        }
    }
}

fn is_hidden(params: &Value) -> bool {
    params["thinking"]["display"] == "omitted"
}

fn thinking_shown(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    if is_hidden(params) {
        let thinking = blocks(message).filter(|(_, block)| view::kind(block) == "thinking");
        for (at, _) in thinking.filter(|(_, block)| !text(block, "thinking").is_empty()) {
            found.push(format!("{at}/thinking"), "the display is `omitted`, and here is a text");
        }
    }
}

fn output_format(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let schema = view::output_format(params).and_then(|format| format.get("schema"));
    let Some(schema) = schema.filter(|_| text(message, "stop_reason") == "end_turn") else {
        return;
    };
    // After results of tools the model may have nothing to add.
    if message["content"].as_array().is_some_and(Vec::is_empty) {
        return;
    }
    let texts = || blocks(message).filter(|(_, block)| view::kind(block) == "text");
    let whole: String = texts().map(|(_, block)| text(block, "text")).collect();
    // Between calls of server tools the model may say something; the last text is the answer then.
    let last = texts().last();
    let at = last.as_ref().map_or("/content", |(at, _)| at);
    let last = last.as_ref().map_or("", |(_, block)| text(block, "text"));
    let read = [&*whole, last].into_iter().find_map(|json| serde_json::from_str(json).ok());
    let Some(value): Option<Value> = read else {
        return found.push(at, "the text is not JSON");
    };
    if let Some((pointer, problem)) = problem(schema, &value) {
        let inside = if pointer.is_empty() { "" } else { " at " };
        found.push(
            at,
            format!("the JSON of the text breaks its schema{inside}{pointer}: {problem}"),
        );
    }
}
