//! Rules about a second turn: what a client makes of the answer that it gives back.
//!
//! Only blocks are looked at that no client can know, and text, which they must not be turned into. Of the others the
//! contract knows how they have to look.

use classify::sse::Decoder;
use serde_json::Value;

use super::{Call, Code, Finding, Trial};
use crate::served::Served;

/// Blocks that may come back in another form than they came: without what only an answer has.
const KNOWN: [&str; 3] = ["redacted_thinking", "thinking", "tool_use"];

/// A block of the answer comes back as it was, or not at all.
pub(super) fn blocks_come_back_as_they_came(trial: &Trial<'_>) -> Vec<Finding> {
    let Some((last, second)) = turns(trial) else { return vec![] };
    let given = blocks_given(last);
    let is_kept = |block: &Value| match block["type"].as_str() {
        Some("text") => {
            block["text"].as_str().is_some_and(|text| !text.is_empty() && last.text.contains(text))
        }
        Some(kind) if KNOWN.contains(&kind) => true,
        _ => given.contains(block),
    };
    let returned = blocks_returned(second);
    let mangled = returned.iter().filter(|block| !is_kept(block));
    let found = mangled.map(|block| {
        Code::MalformedRequest.fail(format!("the next turn gives back {block}, which never came"))
    });
    found.collect()
}

/// Whether the contract objects to a kind of block that the answer itself had, and that came back as it was.
pub(super) fn is_given_back(objection: &str, trial: &Trial<'_>) -> bool {
    let Some((last, second)) = turns(trial) else { return false };
    let given = blocks_given(last);
    let returned = blocks_returned(second);
    let mut same = returned.iter().filter(|block| given.contains(block));
    same.any(|block| {
        let kind = block["type"].as_str().unwrap_or_default();
        objection.contains(&format!("'{kind}'"))
    })
}

/// The answer to the turn before the last, and the last turn, if there is one on top of another.
fn turns<'a>(trial: &'a Trial<'_>) -> Option<(&'a Served, &'a Call<'a>)> {
    let [.., first, second] = trial.calls else { return None };
    trial.scenario.ask.follow_up.as_ref()?;
    Some((first.last()?, second))
}

/// As they stand in a message, or as they begin in a stream.
fn blocks_given(served: &Served) -> Vec<Value> {
    let Some(reply) = &served.reply else { return vec![] };
    let message: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if let Some(blocks) = message["content"].as_array() {
        return blocks.clone();
    }
    let events = Decoder::default().push(&reply.body);
    let payloads = events.iter().filter_map(|event| serde_json::from_str(&event.data).ok());
    payloads.map(|payload: Value| payload["content_block"].clone()).collect()
}

fn blocks_returned(turn: &Call<'_>) -> Vec<Value> {
    let Some(first) = turn.handling.attempts.first() else { return vec![] };
    let body = first.request.body.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let messages = body["messages"].as_array().into_iter().flatten();
    let answer = messages.rev().find(|message| message["role"] == "assistant");
    answer.and_then(|answer| answer["content"].as_array()).cloned().unwrap_or_default()
}
