//! Writes the same member twice, which JSON readers settle differently.

use super::{Base, Enumerate, Family, LIKELY_SERVED, Mutant, parent, place};
use crate::case::Permitted;
use crate::site::Site;

pub(super) const FAMILY: Family =
    Family { name: "duplicate", enumerate: Enumerate::Sites(enumerate) };

/// The members that every request has, once per body: more places would ask the same question again.
fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    if site.property.is_some_and(|property| property.required)
        && let Some(("", key)) = parent(site.pointer)
    {
        let value = site.value;
        let twice = format!("{value},\"{key}\":{value}");
        out.push(Mutant {
            rule: "duplicate-key",
            at: place(&site),
            request: base.spliced(site.pointer, twice.as_bytes()),
            answers: Permitted::Uncertain {
                classes: LIKELY_SERVED,
                question: "Is a body that has the same member twice refused? The wording of JSON errors points to \
                    a reader that keeps the last one.",
            },
        });
    }
}
