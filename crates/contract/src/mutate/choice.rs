//! Chooses what is not on the list.
//!
//! Tags are choices too: where a tag tells branches apart, `unknown-tag` writes one that could have come with a
//! later version of the API, and the rules of this file for the tag's own member write nonsense.

use serde_json::Value;

use super::{Base, Enumerate, Family, Mutant, branch_place, misfit, tag};
use crate::schema::Kind;
use crate::site::Site;

pub(super) const FAMILY: Family = Family { name: "choice", enumerate: Enumerate::Sites(enumerate) };

fn enumerate(base: &Base<'_>, site: Site<'_>, out: &mut Vec<Mutant>) {
    if let Kind::Text(text) = &base.edition.schemas.resolved(site.schema).kind
        && let (Value::String(choice), false) = (site.value, text.choices.is_empty())
    {
        out.push(misfit(base, &site, "unknown-choice", &"probity_unknown".into()));
        if let Some(changed) = change_case(choice).filter(|changed| !text.choices.contains(changed))
        {
            out.push(misfit(base, &site, "case-changed-choice", &changed.into()));
        }
    }
    if let (Some((name, tag)), Value::Object(_)) = (tag(&site), site.value) {
        out.push(Mutant {
            rule: "unknown-tag",
            at: branch_place(&site),
            request: base
                .edited(site.pointer, |object| object[name] = format!("{tag}_20991231").into()),
            answers: base.refusal(&format!("{}/{name}", site.pointer)),
        });
    }
}

/// `Auto` for `auto`, `5M` for `5m`; nothing for a text without small letters.
fn change_case(choice: &str) -> Option<String> {
    let at = choice.find(|letter: char| letter.is_ascii_lowercase())?;
    let mut changed = choice.to_owned();
    changed[at..=at].make_ascii_uppercase();
    Some(changed)
}
