//! Leaves out each member that must be there.

use std::borrow::Cow;

use serde_json::Value;

use super::{Base, Enumerate, Family, Mutant, parent};
use crate::site::Site;

pub(super) const FAMILY: Family =
    Family { name: "required", enumerate: Enumerate::Sites(enumerate) };

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    if site.property.is_some_and(|property| property.required)
        && let Some((parent, key)) = parent(site.pointer)
    {
        let remove = |object: &mut Value| {
            object.as_object_mut().and_then(|members| members.remove(&key));
        };
        out.push(Mutant {
            rule: "required",
            at: Cow::Owned(site.place.to_owned()),
            request: base.edited(parent, remove),
            answers: base.refusal(site.pointer),
        });
    }
}
