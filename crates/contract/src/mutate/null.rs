//! Puts null where it is not taken.
//!
//! Many clients write an absent member as null; the API tells the two apart. The body itself is left to `syntax`,
//! and the parameters of a batch's item are left out: when they are refused is not known.

use serde_json::Value;

use super::{Base, Enumerate, Family, ITEM_PARAMS, Mutant, misfit};
use crate::site::Site;

pub(super) const FAMILY: Family = Family { name: "null", enumerate: Enumerate::Sites(enumerate) };

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    let is_taken = base.edition.schemas.same_type(site.schema, &Value::Null);
    if !is_taken && !site.pointer.is_empty() && site.place != ITEM_PARAMS {
        out.push(misfit(base, &site, "null", &Value::Null));
    }
}
