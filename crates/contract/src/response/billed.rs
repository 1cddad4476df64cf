//! What a message costs, beside what was asked for: the caller agreed to no more.
//!
//! All of it counts for the strictest only: agents do not read it, and their owners do, a month later.

use classify::sse;
use serde_json::Value;

use super::message::blocks;
use super::{Answer, Asked, Body, Check, Found, Rule, text};
use crate::level::Level;
use crate::rules::view;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "response/tier-unasked",
        level: Level::Strict,
        sentence: "What is dearer is used only if it was asked for: the speed `fast` with `speed`, the tier `priority` without `standard_only`. The tier `batch` is that of batches.",
        remedy: "Hand `speed` and `service_tier` on, and report what the server behind reports.",
        seen: &[],
        check: Check::Asked(
            |it| ["speed", "service_tier"].iter().any(|at| view::given(&it.message["usage"], at)),
            tier_unasked,
        ),
    },
    Rule {
        id: "response/inference-geo-other",
        level: Level::Strict,
        sentence: "The place in `usage.inference_geo` is the one that the request names. Whoever names one has to, by law or by contract.",
        remedy: "Hand `inference_geo` on; refuse the request with a 400 where the place cannot be kept.",
        seen: &[],
        check: Check::Asked(|it| view::given(it.params, "inference_geo"), inference_geo_other),
    },
    Rule {
        id: "response/server-tool-counts",
        level: Level::Strict,
        sentence: "`usage.server_tool_use` counts the searches of the message: each that brought results, and none that is not there. They are billed one by one.",
        remedy: "Count the calls of this message only; a search that failed does not count.",
        seen: &[],
        check: Check::Asked(
            |it| it.message["usage"]["server_tool_use"].is_object(),
            server_tool_counts,
        ),
    },
    Rule {
        id: "response/usage-details-early",
        level: Level::Strict,
        sentence: "In a stream, `output_tokens_details` come with the last `message_delta` only. What is counted before is not the sum.",
        remedy: "Leave the details out of `message_start` and of every `message_delta` but the last.",
        seen: &[],
        check: Check::Answer(|answer| answer.is_stream(), usage_details_early),
    },
];

fn tier_unasked(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let usage = &message["usage"];
    if text(usage, "speed") == "fast" && text(params, "speed") != "fast" {
        found.push("/usage/speed", "`fast`, and the request does not ask for it");
    }
    let why = match (text(usage, "service_tier"), text(params, "service_tier")) {
        ("batch", _) => "`batch`, and the request is none",
        ("priority", "standard_only") => "`priority`, and `standard_only` was asked for",
        _ => return,
    };
    found.push("/usage/service_tier", why);
}

fn inference_geo_other(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let (asked, used) = (text(params, "inference_geo"), text(&message["usage"], "inference_geo"));
    // What runs anywhere runs somewhere.
    if !matches!(asked, "" | "global") && !used.is_empty() && asked != used {
        found.push("/usage/inference_geo", format!("`{used}`, and `{asked}` was asked for"));
    }
}

fn server_tool_counts(Asked { params, message, .. }: Asked<'_>, found: &mut Found) {
    let Some(count) = view::integer(&message["usage"]["server_tool_use"], "web_search_requests")
    else {
        return;
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let at = "/usage/server_tool_use/web_search_requests";
    let is_search = |block: &Value| {
        view::kind(block) == "server_tool_use" && text(block, "name") == "web_search"
    };
    let calls = || blocks(message).map(|(_, block)| block).filter(|block| is_search(block));
    // What is found for a call of an earlier turn may have been counted there.
    let is_answered = |call: &Value| {
        blocks(message).any(|(_, block)| {
            view::kind(block) == "web_search_tool_result"
                && block["content"].is_array()
                && text(block, "tool_use_id") == text(call, "id")
        })
    };
    let answered = calls().filter(|call| is_answered(call)).count();
    if count < answered {
        found.push(at, format!("{count} counted, and {answered} brought results"));
    }
    let open = view::messages(params).next_back().into_iter().filter(|it| it.role == "assistant");
    let open = open.flat_map(|last| last.blocks().filter(|block| is_search(block.value))).count();
    let called = calls().count() + open;
    if count > called && shows_all_calls(params) {
        found.push(at, format!("{count} counted, and {called} called"));
    }
}

/// Whether each search shows in the answer. Code may search, and what it finds may be left out; of the tries of other
/// models only the last is shown.
fn shows_all_calls(params: &Value) -> bool {
    let may_hide = |kind: &str| {
        kind.starts_with("code_execution_")
            || kind.starts_with("web_search_") && kind != "web_search_20250305"
    };
    !view::given(params, "fallbacks") && !view::tools(params).iter().map(view::kind).any(may_hide)
}

fn usage_details_early(answer: &Answer<'_>, found: &mut Found) {
    if !matches!(answer.body, Body::Stream { .. }) {
        return;
    }
    let mut decoder = sse::Decoder::default();
    let mut early = None;
    for event in decoder.push(&answer.reply.body) {
        let usage = match &*event.name {
            "message_start" => "/message/usage",
            "message_delta" => "/usage",
            _ => continue,
        };
        // Another delta shows that the one before was not the last.
        if let Some(place) = early.take() {
            return found.push("", format!("`{place}` has `output_tokens_details`"));
        }
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let details = data.pointer(&format!("{usage}/output_tokens_details"));
        if details.is_some_and(Value::is_object) {
            early = Some(event.name);
        }
    }
}
