//! What a message takes and an item of a batch does not.
//!
//! An item is judged when its batch is worked off: the batch is created, and the item has an errored result.

use serde_json::{Value, json};

use super::{Answer, Finding, Rule, Stage, edit, view};
use crate::models::Confidence;
use crate::version::{OperationId, Version};

const CREATE: &[OperationId] = &[OperationId::BatchesCreate];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "batch-item-stream",
        stage: Stage::Item,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: |ask, out| {
            let streams = ask.body.get("stream") == Some(&Value::Bool(true));
            out.extend(streams.then(|| unsupported("stream")));
        },
        breaches: |base, out| {
            out.push(edit::small(base, "requests/params/stream", json!({"stream": true})));
        },
        answer: Answer::invalid("stream: not supported in a message batch"),
        explanation: "The results of a batch are fetched as a whole when all of it is done, so nobody is there to \
            read a stream. The batch is created nevertheless, and the item ends as errored.",
        remedy: "Drop `stream` from the parameters of the item.",
        source: "batch processing page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "batch-item-speed",
        stage: Stage::Item,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: |ask, out| {
            out.extend(view::given(ask.body, "speed").then(|| unsupported("speed")));
        },
        breaches: |base, out| {
            for (at, speed) in [
                ("requests/params/speed/fast", "fast"),
                ("requests/params/speed/standard", "standard"),
            ] {
                out.push(edit::small(base, at, json!({"speed": speed})));
            }
        },
        answer: Answer::invalid("speed: not supported in a message batch"),
        explanation: "A batch is worked off when there is room, which is the opposite of paying for speed; it takes \
            no `speed` at all. The batch is created nevertheless, and the item ends as errored.",
        remedy: "Drop `speed`, or send the request on its own.",
        source: "batch processing page",
        confidence: Confidence::Documented,
        uncertain: None,
    },
    Rule {
        id: "batch-item-max-tokens-zero",
        stage: Stage::Item,
        versions: &Version::ALL,
        operations: CREATE,
        models: None,
        implies: &[],
        check: |ask, out| {
            let is_zero = view::integer(ask.body, "max_tokens") == Some(0);
            out.extend(is_zero.then(unsupported_zero));
        },
        breaches: |base, out| {
            out.push(edit::small(base, "requests/params/max_tokens", json!({"max_tokens": 0})));
        },
        answer: Answer::invalid("max_tokens: 0 is not supported in a message batch"),
        explanation: "Zero tokens only fill the prompt cache for the next request, and in a batch nobody knows which \
            one that is. The batch is created nevertheless, and the item ends as errored.",
        remedy: "Ask for at least one token, or fill the cache with a request of its own.",
        source: "prompt caching and batch processing pages",
        confidence: Confidence::Documented,
        uncertain: None,
    },
];

fn unsupported(member: &'static str) -> Finding {
    Finding::new(member, "not supported in a message batch")
}

fn unsupported_zero() -> Finding {
    Finding::new("max_tokens", "0 is not supported in a message batch")
}
