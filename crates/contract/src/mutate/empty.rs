//! Empties texts, lists and objects that must hold something.

use serde_json::{Value, json};

use super::{Base, Enumerate, Family, Mutant, branch_place};
use crate::schema::{Kind, SchemaId};
use crate::site::Site;

pub(super) const FAMILY: Family = Family { name: "empty", enumerate: Enumerate::Sites(enumerate) };

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    if let Some(value) = refused(base, &site) {
        // What is emptied is what stands inside, which matters to the parameters of a batch's item.
        let inside = format!("{}/", site.pointer);
        let pointer = if value.is_object() { &inside } else { site.pointer };
        out.push(Mutant {
            rule: "empty",
            at: branch_place(&site),
            request: base.replaced(site.pointer, &value),
            answers: base.refusal(pointer),
        });
    }
}

/// The empty value of the site's type, if the schema refuses it.
fn refused(base: &Base<'_>, site: &Site<'_>) -> Option<Value> {
    match site.value {
        Value::Object(members) if !members.is_empty() => {
            let properties = &base.object(site)?.properties;
            // Without its only member it would be the mutant that `required` makes.
            (properties.len() > 1 && properties.iter().any(|property| property.required))
                .then(|| json!({}))
        }
        Value::Array(elements) if !elements.is_empty() => {
            (least(base, site.schema)? > 0).then(|| json!([]))
        }
        Value::String(text) if !text.is_empty() => {
            (least(base, site.schema)? > 0).then(|| json!(""))
        }
        _ => None,
    }
}

/// The least length of a text or list; none for anything else, a choice included.
fn least(base: &Base<'_>, schema: SchemaId) -> Option<u64> {
    match &base.edition.schemas.resolved(schema).kind {
        Kind::List { min, .. } => Some(*min),
        Kind::Text(text) if text.choices.is_empty() => Some(text.min),
        _ => None,
    }
}
