//! Replaces each value by one of a JSON type that its schema does not take.
//!
//! The replacements are chosen so that no reader turns one type into the other: `7` is no text, `"text"` is no
//! number. The body itself is left to `syntax`, and so are the parameters of a batch's item: whether they are
//! refused with the batch or later is not known.

use serde_json::{Value, json};

use super::{Base, Enumerate, Family, ITEM_PARAMS, Mutant, misfit};
use crate::site::Site;

pub(super) const FAMILY: Family = Family { name: "kind", enumerate: Enumerate::Sites(enumerate) };

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    let candidates = [json!(7), json!("text"), json!(true), json!([]), json!({})];
    let is_refused = |value: &Value| !base.edition.schemas.same_type(site.schema, value);
    if !site.pointer.is_empty()
        && site.place != ITEM_PARAMS
        && let Some(value) = candidates.into_iter().find(is_refused)
    {
        out.push(misfit(base, &site, "wrong-type", &value));
    }
}
