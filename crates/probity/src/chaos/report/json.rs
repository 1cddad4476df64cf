//! JSON: one object for each client, as `schemas/chaos.json` describes it.

use serde_json::{Value, json};

use super::super::card::Scorecard;

/// The scorecard as an object.
pub fn object(card: &Scorecard, timings: bool) -> Value {
    let mut results = serde_json::to_value(&card.results).unwrap_or_default();
    for result in results.as_array_mut().into_iter().flatten() {
        if !timings {
            let observed = result["observed"].as_object_mut();
            observed.map(|observed| (observed.remove("gaps_ms"), observed.remove("elapsed_ms")));
            result.as_object_mut().map(|result| result.remove("timeline"));
        }
    }
    let mut object = json!({
        "probity": env!("CARGO_PKG_VERSION"),
        "client": card.client,
        "profile": card.profile,
        "results": results,
        "stale": card.stale,
        "summary": card.counts(),
    });
    if timings {
        object["elapsed_ms"] = card.elapsed_ms.into();
    }
    object
}

/// One client's object, or a list of several.
pub fn text(cards: &[Scorecard], timings: bool) -> String {
    let mut objects: Vec<_> = cards.iter().map(|card| object(card, timings)).collect();
    let whole = if objects.len() == 1 { objects.remove(0) } else { Value::Array(objects) };
    format!("{whole}\n")
}
