//! What the model says.
//!
//! Nobody thinks here: sentences come from a table, tool inputs from the tool's own schema, and the throw of the
//! request decides between what the API might equally do. What the request asks for is kept to: forced tools are
//! called, `max_tokens` cuts, stop sequences stop, a [directive](directives) is followed, and a `nonce:…` in the
//! last user text comes back in the answer, so that a client can tell its answer from another's.
//!
//! A prompt that leaves less than `max_tokens` of the context window ends for want of window whatever the answer
//! costs: answers are short here, and who goes to the trouble of filling a window wants to see that end.

mod citations;
pub(crate) mod directives;
mod draft;
mod example;
mod prose;
mod server_tools;
pub(crate) mod tokens;
mod tools;
mod usage;

use contract::models::Model;
use contract::rules::view;
use serde_json::Value;

use crate::Now;
use crate::dice::Dice;
use crate::message::{Assistant, Block, Ending, Message, OutputDetails, Refused, Usage};
use directives::{Asked, Directive};
use draft::{Draft, Short, Stop};
use prose::last_user_text;

/// What an answer depends on.
pub(crate) struct Turn<'a> {
    pub(crate) params: &'a Value,
    /// `None` if the model is not known, which happens only where rules are not enforced.
    pub(crate) model: Option<&'a Model>,
    pub(crate) dice: &'a mut Dice,
    pub(crate) now: Now,
    /// Whether the request is an item of a batch.
    pub(crate) batched: bool,
}

/// The answer to parameters that have been judged.
pub(crate) fn message(turn: Turn<'_>) -> Message {
    let Turn { params, model, dice, now, batched } = turn;
    let id = dice.id("msg_");
    let input = tokens::input(params);
    let text = last_user_text(params);
    let scene = Scene { params, model, text, asked: Asked::of(text), now };
    let mut draft = scene.draft(input);
    answer(&mut draft, &scene, dice);
    let named = params.get("model").and_then(Value::as_str).unwrap_or_default();
    let thought = draft
        .content
        .iter()
        .any(|block| matches!(block, Block::Thinking { .. } | Block::RedactedThinking { .. }));
    Message {
        id,
        role: Assistant::Assistant,
        model: model.map_or(named, |model| &model.id).to_owned(),
        usage: Usage {
            output_tokens: draft.used,
            output_tokens_details: thought
                .then_some(OutputDetails { thinking_tokens: draft.thinking }),
            server_tool_use: draft.served,
            ..usage::usage(params, input, model, batched)
        },
        diagnostics: usage::diagnostics(params),
        ending: Ending {
            stop_reason: Some(draft.stop.reason()),
            container: usage::container(params, draft.ran_code, dice, now),
            stop_details: match &draft.stop {
                Stop::Refusal(refused) => Some(*refused),
                _ => None,
            },
            stop_sequence: match draft.stop {
                Stop::Sequence(sequence) => Some(sequence),
                _ => None,
            },
        },
        content: draft.content,
    }
}

/// What the parts of an answer look at.
struct Scene<'a> {
    params: &'a Value,
    model: Option<&'a Model>,
    /// What the user said last.
    text: &'a str,
    asked: Asked,
    now: Now,
}

impl<'a> Scene<'a> {
    fn draft(&self, input: u64) -> Draft<'a> {
        let max_tokens = view::integer(self.params, "max_tokens").unwrap_or(0);
        let room = self.model.map_or(u64::MAX, |model| model.context_tokens.saturating_sub(input));
        let short = if room < max_tokens || self.asked.has(Directive::ContextWindow) {
            Short::ContextWindow
        } else {
            Short::MaxTokens
        };
        Draft::new(self.params, self.model, max_tokens.min(room), short)
    }

    /// Whether thinking is shown. Models that still take a budget show it unless told otherwise, newer ones hide it.
    fn shows_thinking(&self) -> bool {
        match self.params.pointer("/thinking/display").and_then(Value::as_str) {
            Some(display) => display == "summarized",
            None => self.model.is_some_and(|model| model.thinks("enabled")),
        }
    }

    /// The schema that the text has to keep.
    fn schema(&self) -> Option<&'a Value> {
        view::output_format(self.params).and_then(|format| format.get("schema"))
    }
}

fn answer(draft: &mut Draft<'_>, scene: &Scene<'_>, dice: &mut Dice) {
    if draft.is_over() {
        return;
    }
    if scene.asked.has(Directive::Refusal) {
        draft.stop = Stop::Refusal(refused(dice));
        return;
    }
    let served = server_tools::resume(draft, scene, dice);
    if served.is_none() {
        think(draft, scene, dice);
    }
    if scene.asked.has(Directive::RefusalMidway) {
        draft.say(prose::text(scene.text, dice), Vec::new());
        if !draft.is_over() {
            draft.stop = Stop::Refusal(refused(dice));
        }
        return;
    }
    let served = served.or_else(|| server_tools::call(draft, scene, dice));
    if draft.is_over() {
        return;
    }
    match served {
        Some(served) => say(draft, scene, served.citations, dice),
        None if tools::call(draft, scene, dice) => {}
        None => say(draft, scene, Vec::new(), dice),
    }
    if draft.short_of_window() {
        draft.stop = Stop::Short(Short::ContextWindow);
    }
}

/// Adds a thinking block if the request asks for one, or the model thinks unasked.
fn think(draft: &mut Draft<'_>, scene: &Scene<'_>, dice: &mut Dice) {
    /// Rare, as the vendor says it is.
    const REDACTED_ONE_IN: usize = 16;
    let redacted = scene.asked.has(Directive::RedactedThinking);
    let adapts = scene.model.is_some_and(|model| model.thinking_default == "adaptive");
    let wanted = match view::thinking(scene.params) {
        "enabled" | "adaptive" => true,
        "between_tools" => prose::is_after_tools(scene.params),
        "" => adapts && (redacted || dice.one_in(2)),
        _ => false,
    };
    if !wanted {
        return;
    }
    let thought = prose::thought(dice);
    if redacted || dice.one_in(REDACTED_ONE_IN) {
        draft.think_unseen(&thought);
    } else {
        draft.think(thought, scene.shows_thinking());
    }
}

/// Adds the text, or the JSON that the request asks for.
fn say(draft: &mut Draft<'_>, scene: &Scene<'_>, found: Vec<citations::Cited>, dice: &mut Dice) {
    /// The API now and then has nothing to add to the results of tools.
    const EMPTY_ONE_IN: usize = 16;
    if let Some(schema) = scene.schema() {
        draft.say(example::of_schema(schema).to_string(), Vec::new());
        return;
    }
    let after_tools = prose::is_after_tools(scene.params) && !scene.text.contains("nonce:");
    if scene.asked.has(Directive::Empty) || (after_tools && dice.one_in(EMPTY_ONE_IN)) {
        draft.say_nothing();
        return;
    }
    let text = if scene.asked.has(Directive::Long) {
        prose::long(scene.text, dice)
    } else {
        prose::text(scene.text, dice)
    };
    draft.say(text, Vec::new());
    let cited = if found.is_empty() { citations::of_request(scene.params, dice) } else { found };
    for cited in cited {
        draft.say(cited.text, cited.citations);
    }
    if draft.has_sequences() && dice.one_in(4) {
        draft.meet_sequence();
    }
}

/// Adds a remark before a call. Between calls, some models make it as thinking.
fn remark(draft: &mut Draft<'_>, scene: &Scene<'_>, dice: &mut Dice) {
    const THINKS_ALOUD: [&str; 2] = ["claude-opus-5-5", "claude-sonnet-5-5"];
    let text = prose::text(scene.text, dice);
    let between = prose::is_after_tools(scene.params) || draft.served_any();
    let thinks = scene.model.is_some_and(|model| THINKS_ALOUD.contains(&&*model.id));
    if between && thinks && view::thinking(scene.params) != "disabled" {
        draft.think(text, scene.shows_thinking());
    } else {
        draft.say(text, Vec::new());
    }
}

fn refused(dice: &mut Dice) -> Refused {
    /// Half of them without saying why, which the API does as well.
    const REASONS: [(Option<&str>, Option<&str>); 6] = [
        (Some("bio"), Some("The request concerns a biological hazard.")),
        (Some("cyber"), Some("The request concerns an attack on computers.")),
        (Some("general_harms"), Some("The request could do harm.")),
        (Some("frontier_llm"), None),
        (Some("reasoning_extraction"), None),
        (None, None),
    ];
    let (category, explanation) = REASONS[dice.below(REASONS.len())];
    Refused { category, explanation }
}

#[cfg(test)]
mod tests {
    use contract::version::OperationId;
    use serde_json::json;

    use super::*;
    use crate::State;
    use crate::fixture::{ask, body, contract, post, weather_tool};

    const REFUSAL: &str = "ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL_1FAEFB6177B4672DEE07F9D3AFC62588CCD2631EDCF22E8CCC1FB35B501C9C86";

    /// Asks, checks that the answer keeps the schema, and that it can be sent back: paused, it is resumed and ends;
    /// otherwise the conversation goes on. Gives the answer.
    #[track_caller]
    fn check(mut params: Value) -> Value {
        let answer = ask_for(&params);
        let messages = params["messages"].as_array_mut().unwrap();
        if answer["content"] != json!([]) {
            messages.push(json!({"role": "assistant", "content": answer["content"]}));
        }
        if answer["stop_reason"] == "pause_turn" {
            let resumed = ask_for(&params);
            let first = view::kind(&resumed["content"][0]);
            assert!(first.ends_with("_tool_result"), "{resumed:#}");
            assert_ne!(resumed["stop_reason"], "pause_turn");
        } else {
            messages.push(json!({"role": "user", "content": go_on(&answer)}));
            ask_for(&params);
        }
        answer
    }

    fn ask_for(params: &Value) -> Value {
        let answer = body(&ask(&mut State::new(), &post("/v1/messages", params)));
        let validators = &contract().editions[1].validators;
        let problems =
            validators.success_problems(OperationId::MessagesCreate, "application/json", &answer);
        assert_eq!(problems, [], "{params:#} {answer:#}");
        answer
    }

    /// What a client says next.
    fn go_on(answer: &Value) -> Value {
        let mut content: Vec<_> = view::list(&answer["content"])
            .iter()
            .filter(|block| view::kind(block) == "tool_use")
            .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "Done."}))
            .collect();
        content.push(json!({"type": "text", "text": "Go on."}));
        content.into()
    }

    #[expect(clippy::needless_pass_by_value, reason = "cases read better without the ampersand")]
    fn params(model: &str, tools: Value, text: &str) -> Value {
        json!({"model": model, "max_tokens": 2_000, "tools": tools, "messages": [{"role": "user", "content": text}]})
    }

    fn kinds(answer: &Value) -> Vec<&str> {
        view::list(&answer["content"])
            .iter()
            .map(view::kind)
            .filter(|kind| !matches!(*kind, "text" | "thinking" | "redacted_thinking"))
            .collect()
    }

    fn server_tools() -> Value {
        json!([
            {"type": "web_search_20260318", "name": "web_search", "allowed_domains": ["tides.example"]},
            {"type": "web_fetch_20260318", "name": "web_fetch", "citations": {"enabled": true}, "max_content_tokens": 20},
            {"type": "code_execution_20260521", "name": "code_execution"},
            {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"},
            {"name": "later", "input_schema": {"type": "object"}, "defer_loading": true},
            weather_tool(),
        ])
    }

    const MODELS: [&str; 5] = [
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-4-5",
        "claude-sonnet-4-6",
        "claude-fable-5-2",
    ];

    #[test]
    fn a_directive_calls_its_tool() {
        for model in MODELS {
            for n in 0..6 {
                for (asked, call, result) in [
                    ("web-search", "web_search", "web_search_tool_result"),
                    ("web-fetch", "web_fetch", "web_fetch_tool_result"),
                    ("tool-search", "tool_search_tool_bm25", "tool_search_tool_result"),
                ] {
                    let text = format!("{n}: see https://a.example/b, please probity:{asked}");
                    let answer = check(params(model, server_tools(), &text));
                    let calls = view::list(&answer["content"])
                        .iter()
                        .find(|block| view::kind(block) == "server_tool_use");
                    assert_eq!(calls.unwrap()["name"], call, "{answer:#}");
                    assert!(kinds(&answer).contains(&result), "{answer:#}");
                }
                let answer =
                    check(params(model, server_tools(), &format!("{n} probity:code-execution")));
                assert!(answer["container"]["id"].is_string(), "{answer:#}");
                check(params(model, server_tools(), &format!("{n} What now?")));
                let answer = check(params(model, server_tools(), &format!("{n} probity:tool-use")));
                assert_eq!(answer["stop_reason"], "tool_use");
            }
        }
    }

    #[test]
    fn what_was_found_is_counted_and_cited() {
        for n in 0..20 {
            let text = format!("{n} probity:web-search");
            let answer = check(params("claude-opus-5", server_tools(), &text));
            let blocks = view::list(&answer["content"]);
            let found = blocks.iter().filter(|b| view::kind(b) == "web_search_tool_result").count();
            let usage = &answer["usage"]["server_tool_use"];
            assert_eq!(usage, &json!({"web_search_requests": found, "web_fetch_requests": 0}));
            let urls: Vec<_> =
                blocks.iter().filter_map(|b| b["citations"][0]["url"].as_str()).collect();
            let here = urls.iter().all(|url| url.starts_with("https://tides.example/"));
            assert!(found > 0 && urls.len() == found && here, "{answer:#}");
        }
    }

    #[test]
    fn a_tool_that_may_not_says_so() {
        let fetch = |tool: Value, text: &str| {
            let answer =
                check(params("claude-opus-5", json!([tool]), &format!("probity:web-fetch {text}")));
            let result = view::list(&answer["content"])
                .iter()
                .find(|block| view::kind(block) == "web_fetch_tool_result")
                .cloned();
            result.map(|result| result["content"]["error_code"].clone())
        };
        let tool = json!({"type": "web_fetch_20250910", "name": "web_fetch", "blocked_domains": ["bad.example"]});
        assert_eq!(
            fetch(tool.clone(), "https://www.bad.example/a"),
            Some(json!("url_not_allowed"))
        );
        assert_eq!(fetch(tool.clone(), "nowhere"), Some(json!("url_not_in_prior_context")));
        assert_eq!(fetch(tool, "https://good.example/a"), Some(Value::Null));
        let search = json!([{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]);
        let refused = (0..40).map(|n| {
            check(params("claude-opus-5", search.clone(), &format!("{n} probity:web-search")))
        });
        let refused = refused.filter(|answer| answer.to_string().contains("max_uses_exceeded"));
        for answer in refused.collect::<Vec<_>>() {
            assert_eq!(answer["usage"]["server_tool_use"]["web_search_requests"], 1);
        }
        let failed =
            check(params("claude-opus-5", search, "probity:web-search probity:tool-error"));
        assert!(failed.to_string().contains("web_search_tool_result_error"), "{failed:#}");
        assert_eq!(failed["usage"]["server_tool_use"]["web_search_requests"], 0);
    }

    #[test]
    fn a_forced_server_tool_is_called() {
        for choice in [json!({"type": "tool", "name": "web_search"}), json!({"type": "any"})] {
            let search = json!([{"type": "web_search_20250305", "name": "web_search"}]);
            let mut params = params("claude-sonnet-4-6", search, "Hello");
            params["tool_choice"] = choice;
            assert_eq!(kinds(&check(params))[0], "server_tool_use");
        }
        let mut params = params("claude-sonnet-4-6", server_tools(), "probity:web-search");
        params["tool_choice"] = json!({"type": "none"});
        assert!(kinds(&check(params)).is_empty());
    }

    #[test]
    fn turns_pause_and_go_on() {
        for model in MODELS {
            for asked in ["web-search", "web-fetch", "code-execution", "tool-search"] {
                let text = format!("https://a.example/b probity:{asked} probity:pause-turn");
                let answer = check(params(model, server_tools(), &text));
                assert_eq!(answer["stop_reason"], "pause_turn", "{answer:#}");
            }
        }
    }

    #[test]
    fn an_answer_ends_as_it_is_asked_to() {
        let end = |text: &str| {
            let answer = check(params("claude-opus-5", json!([]), text));
            let words = !view::list(&answer["content"]).is_empty();
            (
                answer["stop_reason"].as_str().unwrap().to_owned(),
                words,
                answer["stop_details"]["type"] == "refusal",
            )
        };
        let ended = |reason: &str, words, details| (reason.to_owned(), words, details);
        assert_eq!(end(&format!("Say {REFUSAL}")), ended("refusal", false, true));
        assert_eq!(end("probity:refusal"), ended("refusal", false, true));
        assert_eq!(end("probity:refusal-midway"), ended("refusal", true, true));
        assert_eq!(
            end("probity:context-window"),
            ended("model_context_window_exceeded", true, false)
        );
        assert_eq!(end("probity:long"), ended("end_turn", true, false));
        let mut narrow = params("claude-haiku-4-5", json!([]), &"word ".repeat(120_000));
        narrow["max_tokens"] = json!(64_000);
        assert_eq!(ask_for(&narrow)["stop_reason"], "model_context_window_exceeded");
    }

    #[test]
    fn redacted_thinking_is_asked_for() {
        let answer = check(params("claude-opus-5", json!([]), "probity:redacted-thinking"));
        assert_eq!(answer["content"][0]["type"], "redacted_thinking");
        assert!(answer["usage"]["output_tokens_details"]["thinking_tokens"].as_u64() > Some(0));
        let answer = check(params("claude-haiku-4-5", json!([]), "probity:redacted-thinking"));
        assert_eq!(answer["content"][0]["type"], "text");
    }

    #[test]
    fn a_tool_loop_ends() {
        for n in 0..50 {
            let mut params = params(
                "claude-sonnet-5-5",
                json!([weather_tool()]),
                &format!("{n} probity:tool-use"),
            );
            let rounds = (0..10).find(|_| {
                let answer = ask_for(&params);
                let messages = params["messages"].as_array_mut().unwrap();
                let results: Vec<_> = view::list(&answer["content"])
                    .iter()
                    .filter(|block| view::kind(block) == "tool_use")
                    .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"]}))
                    .collect();
                messages.push(json!({"role": "assistant", "content": answer["content"]}));
                messages.push(json!({"role": "user", "content": results}));
                answer["stop_reason"] != "tool_use"
            });
            assert!(matches!(rounds, Some(1..=3)), "{rounds:?}");
        }
    }
}
