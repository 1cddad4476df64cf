//! Steps just over each declared bound.
//!
//! Lengths are broken with the characters and elements that are already there, so that nothing but the length
//! is wrong. What would need more than [`GROWN_BYTES_MAX`] is left to `size`.

use serde_json::{Value, json};

use super::{Base, Enumerate, Family, HEAVY_BYTES_MIN, Mutant, misfit};
use crate::schema::{Kind, Text};
use crate::site::Site;

pub(super) const FAMILY: Family = Family { name: "bounds", enumerate: Enumerate::Sites(enumerate) };

/// A grown value is held in memory, so it stays below what counts as heavy.
const GROWN_BYTES_MAX: u64 = HEAVY_BYTES_MIN;

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    let mut push = |rule, value: Option<Value>| {
        out.extend(value.map(|value| misfit(base, &site, rule, &value)))
    };
    match (&base.edition.schemas.resolved(site.schema).kind, site.value) {
        (Kind::Integer { min, max }, Value::Number(_)) => {
            push("below-minimum", min.and_then(|min| min.checked_sub(1)).map(Value::from));
            push("above-maximum", max.and_then(|max| max.checked_add(1)).map(Value::from));
        }
        (Kind::Number { min, max }, Value::Number(_)) => {
            push("below-minimum", min.map(|min| json!(min - 0.01)));
            push("above-maximum", max.map(|max| json!(max + 0.01)));
        }
        (Kind::List { min, max, .. }, Value::Array(elements)) => {
            push("too-few", fewer(elements, *min));
            push("too-many", max.and_then(|max| more(elements, max)));
        }
        (Kind::Text(text), Value::String(value)) if text.choices.is_empty() => {
            push("too-short", shorter(value, text.min));
            push("too-long", text.max.and_then(|max| longer(value, max)));
            push("pattern", text.pattern.is_some().then(|| off_pattern(text)).flatten());
        }
        _ => {}
    }
}

/// One element less than `min`; nothing for a minimum of one, which `empty` breaks.
fn fewer(elements: &[Value], min: u64) -> Option<Value> {
    let count = usize::try_from(min.checked_sub(1)?).ok()?;
    (count > 0).then(|| elements.iter().take(count).cloned().collect())
}

fn more(elements: &[Value], max: u64) -> Option<Value> {
    let count = max.checked_add(1)?;
    let bytes = elements.iter().map(|element| element.to_string().len() as u64).max()?;
    let fits = count.checked_mul(bytes).is_some_and(|bytes| bytes <= GROWN_BYTES_MAX);
    fits.then(|| elements.iter().cycle().take(count as usize).cloned().collect())
}

/// One character less than `min`; nothing for a minimum of one, which `empty` breaks.
fn shorter(value: &str, min: u64) -> Option<Value> {
    let count = usize::try_from(min.checked_sub(1)?).ok()?;
    (count > 0).then(|| value.chars().take(count).collect::<String>().into())
}

fn longer(value: &str, max: u64) -> Option<Value> {
    let count = max.checked_add(1).filter(|count| *count <= GROWN_BYTES_MAX)?;
    let value = if value.is_empty() { "a" } else { value };
    Some(value.chars().cycle().take(count as usize).collect::<String>().into())
}

/// A text of a permitted length with a space and an exclamation mark, which no pattern of the API takes.
fn off_pattern(text: &Text) -> Option<Value> {
    let least = text.min.clamp(3, GROWN_BYTES_MAX) as usize;
    let fits = text.max.is_none_or(|max| least as u64 <= max);
    fits.then(|| format!("a !{}", "a".repeat(least - 3)).into())
}
