//! What stands around the content: what it cost, the container, what was asked about the cache.

use contract::models::{Fast, Model};
use contract::rules::view;
use serde_json::Value;

use super::tokens;
use crate::Now;
use crate::dice::Dice;
use crate::message::{CacheCreation, CacheMiss, Container, Diagnostics, Skill, Usage};

/// What the input costs. Nothing is remembered, so the cache is written and never read.
pub(super) fn usage(params: &Value, input: u64, model: Option<&Model>, batched: bool) -> Usage {
    /// What stands after the last breakpoint is not measured; this much is taken to.
    const REST_TOKENS: u64 = 4;
    let ttl = tokens::cache_ttl(params)
        .filter(|_| model.is_some_and(|model| input >= model.cache_prefix_min));
    let written = ttl.map_or(0, |_| input.saturating_sub(REST_TOKENS));
    let hourly = if ttl == Some("1h") { written } else { 0 };
    let fast = params.get("speed").and_then(Value::as_str) == Some("fast")
        && model.is_some_and(|model| model.fast == Fast::Accepted);
    let geo = params.get("inference_geo").and_then(Value::as_str);
    Usage {
        input_tokens: input - written,
        cache_creation_input_tokens: written,
        cache_read_input_tokens: 0,
        cache_creation: CacheCreation {
            ephemeral_5m_input_tokens: written - hourly,
            ephemeral_1h_input_tokens: hourly,
        },
        output_tokens: 0,
        output_tokens_details: None,
        server_tool_use: None,
        service_tier: if batched { "batch" } else { "standard" },
        inference_geo: model
            .filter(|model| model.inference_geo)
            .map(|_| geo.unwrap_or("global").to_owned()),
        speed: if fast { "fast" } else { "standard" },
    }
}

/// The container the request names or asks for, or that code was run in.
pub(super) fn container(
    params: &Value,
    ran_code: bool,
    dice: &mut Dice,
    now: Now,
) -> Option<Container> {
    const LIFE_HOURS: u64 = 1;
    let container = match params.get("container").filter(|container| !container.is_null()) {
        Some(container) => container,
        None if ran_code => &Value::Null,
        None => return None,
    };
    let text =
        |value: &Value, member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
    let skill = |skill: &Value| Skill {
        kind: text(skill, "type").unwrap_or_default(),
        skill_id: text(skill, "skill_id").unwrap_or_default(),
        version: text(skill, "version").unwrap_or_else(|| "latest".to_owned()),
    };
    let skills = view::member_list(container, "skills");
    Some(Container {
        id: container
            .as_str()
            .map(str::to_owned)
            .or_else(|| text(container, "id"))
            .unwrap_or_else(|| dice.id("container_")),
        expires_at: now.plus_hours(LIFE_HOURS).rfc3339(),
        skills: (!skills.is_empty()).then(|| skills.iter().map(skill).collect()),
    })
}

pub(super) fn diagnostics(params: &Value) -> Option<Diagnostics> {
    let asked = params.get("diagnostics").filter(|asked| asked.is_object())?;
    let has_previous = view::given(asked, "previous_message_id");
    Some(Diagnostics {
        cache_miss_reason: has_previous.then_some(CacheMiss::PreviousMessageNotFound),
    })
}
