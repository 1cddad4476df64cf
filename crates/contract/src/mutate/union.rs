//! Takes one branch of a union for another.

use serde_json::{Map, Value, json};

use super::{Base, Enumerate, Family, Mutant, branch_place, misfit, tag};
use crate::schema::{Branch, Kind, More, Object, Union};
use crate::site::Site;

pub(super) const FAMILY: Family = Family { name: "union", enumerate: Enumerate::Sites(enumerate) };

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    let Some((union, own)) = site.union else { return };
    match (tag(&site), site.value) {
        (Some((name, _)), Value::Object(members)) => {
            let other = union.branches.iter().filter(|branch| branch.schema != own.schema);
            if let Some(tag) = other
                .filter(|other| refuses(base, other, name, members))
                .find_map(|b| b.tags.first())
            {
                out.push(Mutant {
                    rule: "branch-confused",
                    at: branch_place(&site),
                    request: base.edited(site.pointer, |object| object[name] = tag.as_str().into()),
                    answers: base.refusal(&format!("{}/{name}", site.pointer)),
                });
            }
        }
        (None, value) if !takes_list_of(base, union, value) => {
            out.push(misfit(base, &site, "untagged-confused", &json!([value])));
        }
        _ => {}
    }
}

/// Whether the branch misses one of its members among these, or finds one that it does not know. The tag does
/// not count: it is about to change.
fn refuses(base: &Base<'_>, branch: &Branch, tag: &str, members: &Map<String, Value>) -> bool {
    let Kind::Object(Object { properties, more }) =
        &base.edition.schemas.resolved(branch.schema).kind
    else {
        return false;
    };
    let misses =
        properties.iter().any(|p| p.required && p.name != tag && !members.contains_key(&p.name));
    let knows = |name: &String| properties.iter().any(|property| property.name == *name);
    misses || (*more == More::Nothing && !members.keys().all(knows))
}

/// Whether a list of one such value could be taken.
fn takes_list_of(base: &Base<'_>, union: &Union, value: &Value) -> bool {
    let schemas = &base.edition.schemas;
    union.branches.iter().any(|branch| match &schemas.resolved(branch.schema).kind {
        Kind::Any => true,
        Kind::List { items, .. } => schemas.same_type(*items, value),
        _ => false,
    })
}
