//! The blocks of a message: whole, of use, and fit to be sent back.

use std::collections::BTreeSet;

use serde_json::Value;

use super::message::{blocks, calls, has_call, has_kind};
use super::{Check, Found, Rule, text};
use crate::level::Level;
use crate::rules::view;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "response/content-not-list",
        level: Level::AgentReady,
        sentence: "The content of an answer is a list of blocks, each with a type. A text alone is taken in requests, and never sent.",
        remedy: "Send `[{\"type\": \"text\", \"text\": …}]`, and an empty list where there is nothing to say.",
        seen: &["vllm-project/vllm#34053"],
        check: Check::Message(|_| true, not_list),
    },
    Rule {
        id: "response/content-lost",
        level: Level::AgentReady,
        sentence: "Output that was counted is there. Some tokens can come to nothing, and a whole answer cannot.",
        remedy: "Look what became of the content on the way: a block that was opened and never filled, a call without a name.",
        seen: &["BerriAI/litellm#25561"],
        check: Check::Message(|_| true, lost),
    },
    Rule {
        id: "response/text-missing",
        level: Level::AgentReady,
        sentence: "A text block has a `text`, which is a string.",
        remedy: "Send the text itself; leave the block out where there is none.",
        seen: &[],
        check: Check::Message(|message| has_kind(message, "text"), text_missing),
    },
    Rule {
        id: "response/text-empty",
        level: Level::Compatible,
        sentence: "There is no empty text beside a call. Clients send the call back with all that stands beside it, and an empty text is refused then.",
        remedy: "Leave the block out.",
        seen: &["vllm-project/vllm#34053"],
        check: Check::Message(has_call, text_empty),
    },
    Rule {
        id: "response/thinking-unsigned",
        level: Level::Compatible,
        sentence: "A thinking block has a signature, and a redacted one has data. Without it the block cannot be sent back, and a conversation with tools ends there.",
        remedy: "Hand on the signature; a server that does not sign sends no thinking blocks, but text.",
        seen: &["CopilotKit/aimock#253"],
        check: Check::Message(
            |message| has_kind(message, "thinking") || has_kind(message, "redacted_thinking"),
            thinking_unsigned,
        ),
    },
    Rule {
        id: "response/tool-id",
        level: Level::Compatible,
        sentence: "The id of a call begins with `toolu_`, and consists of letters, digits, `_` and `-`. Other characters are refused when the call is sent back.",
        remedy: "Make an id of your own with the prefix; do not hand on that of another API, such as `call_…`.",
        seen: &["vllm-project/vllm#34053"],
        check: Check::Message(has_call, tool_id),
    },
    Rule {
        id: "response/tool-id-duplicate",
        level: Level::AgentReady,
        sentence: "No two calls of a message have the same id. A result could not be told from another.",
        remedy: "Make a new id for each call.",
        seen: &[],
        check: Check::Message(
            |message| blocks(message).filter(|(_, block)| block["id"].is_string()).count() > 1,
            tool_id_duplicate,
        ),
    },
    Rule {
        id: "response/tool-name-missing",
        level: Level::AgentReady,
        sentence: "A call names its tool.",
        remedy: "Send the name of one of the tools that the request offers.",
        seen: &[],
        check: Check::Message(has_call, tool_name_missing),
    },
    Rule {
        id: "response/tool-input-not-object",
        level: Level::AgentReady,
        sentence: "The input of a call is an object. A text with JSON in it is another vendor's form.",
        remedy: "Parse the arguments, and send the object; `{}` for a tool without parameters.",
        seen: &["vllm-project/vllm#34053"],
        check: Check::Message(has_call, tool_input_not_object),
    },
    Rule {
        id: "response/server-tool-id",
        level: Level::Compatible,
        sentence: "The id of a server tool's call begins with `srvtoolu_`, and that of its result is the same.",
        remedy: "Make an id with the prefix, and repeat it in the result.",
        seen: &[],
        check: Check::Message(
            |message| blocks(message).any(|(_, block)| is_of_server(block)),
            server_tool_id,
        ),
    },
    Rule {
        id: "response/server-call-unanswered",
        level: Level::Compatible,
        sentence: "A server tool that was called has answered by the end of the turn. A call without its result cannot be sent back.",
        remedy: "Run the tool and add its result, or end with `pause_turn`.",
        seen: &[],
        check: Check::Message(
            |message| has_kind(message, "server_tool_use"),
            server_call_unanswered,
        ),
    },
];

fn not_list(message: &Value, found: &mut Found) {
    let Some(blocks) = message["content"].as_array() else {
        let kind = match &message["content"] {
            Value::Null => "nothing",
            Value::String(_) => "a text",
            _ => "no list",
        };
        return found.push("/content", format!("the content is {kind}"));
    };
    for (idx, block) in blocks.iter().enumerate() {
        if view::kind(block).is_empty() {
            found.push(format!("/content/{idx}"), "a block without a type");
        }
    }
}

fn lost(message: &Value, found: &mut Found) {
    /// An empty end of turn costs two or three.
    const NOTHING_TOKENS_MAX: u64 = 16;
    let output = view::integer(&message["usage"], "output_tokens").unwrap_or(0);
    let is_whole = matches!(text(message, "stop_reason"), "end_turn" | "tool_use");
    let is_empty = message["content"].as_array().is_some_and(Vec::is_empty);
    if is_whole && is_empty && output > NOTHING_TOKENS_MAX {
        found.push("/content", format!("{output} tokens of output, and no content"));
    }
}

fn text_missing(message: &Value, found: &mut Found) {
    for (at, block) in of_kind(message, "text").filter(|(_, block)| !block["text"].is_string()) {
        found.push(format!("{at}/text"), format!("the text is {}", block["text"]));
    }
}

fn text_empty(message: &Value, found: &mut Found) {
    // An answer may be empty; only with a call must it come back.
    if calls(message).next().is_some() {
        for (at, _) in of_kind(message, "text").filter(|(_, block)| block["text"] == "") {
            found.push(format!("{at}/text"), "an empty text beside a call");
        }
    }
}

fn thinking_unsigned(message: &Value, found: &mut Found) {
    // What was cut short while it was thinking has no signature yet.
    let cut = matches!(
        text(message, "stop_reason"),
        "max_tokens" | "model_context_window_exceeded" | "refusal"
    );
    let last = blocks(message).last().filter(|_| cut).map(|(at, _)| at);
    for (kind, proof) in [("thinking", "signature"), ("redacted_thinking", "data")] {
        let unsigned = of_kind(message, kind).filter(|(_, block)| text(block, proof).is_empty());
        for (at, _) in unsigned.filter(|(at, _)| Some(at) != last.as_ref()) {
            found.push(format!("{at}/{proof}"), format!("`{kind}` without {proof}"));
        }
    }
}

fn of_kind<'m>(message: &'m Value, kind: &str) -> impl Iterator<Item = (String, &'m Value)> {
    blocks(message).filter(move |(_, block)| view::kind(block) == kind)
}

fn tool_id(message: &Value, found: &mut Found) {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_id = |id: &str| {
        id.strip_prefix("toolu_").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_word))
    };
    for (at, call) in calls(message).filter(|(_, call)| !is_id(text(call, "id"))) {
        found.push(format!("{at}/id"), format!("the id is {}", call["id"]));
    }
}

fn tool_id_duplicate(message: &Value, found: &mut Found) {
    let mut seen = BTreeSet::new();
    for (at, block) in blocks(message) {
        let is_call = matches!(view::kind(block), "tool_use" | "server_tool_use");
        if is_call && block["id"].is_string() && !seen.insert(text(block, "id")) {
            found.push(format!("{at}/id"), format!("{} stands twice", block["id"]));
        }
    }
}

fn tool_name_missing(message: &Value, found: &mut Found) {
    for (at, call) in calls(message).filter(|(_, call)| text(call, "name").is_empty()) {
        found.push(format!("{at}/name"), format!("the name is {}", call["name"]));
    }
}

fn tool_input_not_object(message: &Value, found: &mut Found) {
    for (at, call) in calls(message).filter(|(_, call)| !call["input"].is_object()) {
        let kind = match &call["input"] {
            Value::Null => "nothing",
            Value::String(_) => "a text",
            _ => "no object",
        };
        found.push(format!("{at}/input"), format!("the input is {kind}"));
    }
}

fn is_of_server(block: &Value) -> bool {
    let kind = view::kind(block);
    kind == "server_tool_use" || kind != "tool_result" && view::is_server_tool_result(kind)
}

fn server_tool_id(message: &Value, found: &mut Found) {
    for (at, block) in blocks(message) {
        let member = match view::kind(block) {
            "server_tool_use" => "id",
            kind if view::is_server_tool_result(kind) && kind != "tool_result" => "tool_use_id",
            _ => continue,
        };
        if !text(block, member).starts_with("srvtoolu_") {
            found.push(format!("{at}/{member}"), format!("the id is {}", block[member]));
        }
    }
}

fn server_call_unanswered(message: &Value, found: &mut Found) {
    if text(message, "stop_reason") != "end_turn" {
        return;
    }
    let answered: BTreeSet<&str> =
        blocks(message).map(|(_, block)| text(block, "tool_use_id")).collect();
    for (at, call) in of_kind(message, "server_tool_use") {
        if !answered.contains(text(call, "id")) {
            found.push(at, format!("{} has no result", call["id"]));
        }
    }
}
