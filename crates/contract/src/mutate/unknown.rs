//! Adds a member that nobody knows to each object that is closed.

use super::{Base, Enumerate, Family, Mutant, branch_place};
use crate::schema::More;
use crate::site::Site;

pub(super) const FAMILY: Family =
    Family { name: "unknown", enumerate: Enumerate::Sites(enumerate) };

const MEMBER: &str = "probity_unknown";

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    if base.object(&site).is_some_and(|object| object.more == More::Nothing) {
        out.push(Mutant {
            rule: "unknown-member",
            at: branch_place(&site),
            request: base.edited(site.pointer, |object| object[MEMBER] = true.into()),
            answers: base.refusal(&format!("{}/{MEMBER}", site.pointer)),
        });
    }
}
