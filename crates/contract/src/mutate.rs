//! Every way we know to break a valid request, one family per file.
//!
//! A mutation is a value naming what it breaks and where; mutations are enumerated, never rolled, so a failure
//! reads `mut/required/messages` and the same list comes out every time. To add a family: one file, one line in
//! [`FAMILIES`]. The semantic rules bring their own breaches and stand in `rules`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use classify::{Body, Class, Request};
use serde_json::Value;

use crate::case::{Permitted, Traits};
use crate::models::Models;
use crate::schema::{Kind, Object};
use crate::site::{self, Site};
use crate::spec::{Edition, Operation};
use crate::splice;
use crate::version::OperationId;

mod bounds;
mod choice;
mod duplicate;
mod empty;
mod envelope;
mod kind;
mod model;
mod null;
mod required;
mod size;
mod syntax;
mod text;
mod union;
mod unknown;

/// A file of mutations.
#[derive(Debug)]
pub struct Family {
    /// The file's name, as it stands in the reach ledger.
    pub name: &'static str,
    pub enumerate: Enumerate,
}

/// What a family works on.
#[derive(Clone, Copy, Debug)]
pub enum Enumerate {
    /// Called for every place of a base body; [`Family::mutants`] keeps the first mutant of each name.
    Sites(fn(&Base<'_>, Site<'_>, &mut Vec<Mutant>)),
    /// Called once for each operation and version, with a small base.
    Requests(fn(&Base<'_>, &mut Vec<Mutant>)),
}

impl Family {
    /// The mutants of a base in the order of its body, each rule and place once. A body that holds ten text
    /// blocks breaks the first: the others would have the same names.
    pub fn mutants(&self, base: &Base<'_>) -> Vec<Mutant> {
        let mut mutants = Vec::new();
        match self.enumerate {
            Enumerate::Requests(enumerate) => enumerate(base, &mut mutants),
            Enumerate::Sites(enumerate) => {
                if let Some(schema) = base.operation.request {
                    site::walk(&base.edition.schemas, schema, base.body, &mut |site| {
                        enumerate(base, site, &mut mutants);
                    });
                }
            }
        }
        let mut seen = BTreeSet::new();
        mutants.retain(|mutant| seen.insert((mutant.rule, mutant.at.clone())));
        mutants
    }
}

/// All families, in the order of the ledger.
pub const FAMILIES: &[Family] = &[
    required::FAMILY,
    unknown::FAMILY,
    kind::FAMILY,
    null::FAMILY,
    empty::FAMILY,
    bounds::FAMILY,
    choice::FAMILY,
    union::FAMILY,
    duplicate::FAMILY,
    text::FAMILY,
    syntax::FAMILY,
    envelope::FAMILY,
    size::FAMILY,
    model::FAMILY,
];

/// A valid request to break.
pub struct Base<'a> {
    pub edition: &'a Edition,
    pub operation: &'a Operation,
    pub models: &'a Models,
    pub request: &'a Request,
    /// The request's body, parsed; `Null` if it has none.
    pub body: &'a Value,
    pub traits: &'a Traits,
    /// Whether mutants of more than [`HEAVY_BYTES_MIN`] that only a heavy run sends are wanted.
    pub heavy: bool,
}

/// A body above this is heavy: it is lazy, counted, and kept to one per rule and version.
pub const HEAVY_BYTES_MIN: u64 = 1 << 20;

/// A request broken in one named way.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Kebab-case, unique among all families and semantic rules: `below-minimum`.
    pub rule: &'static str,
    /// Stable path, as in [`Site::place`]; with the rule it names the mutant.
    pub at: Cow<'static, str>,
    pub request: Request,
    pub answers: Permitted,
}

/// What nearly every broken body is answered with.
pub const INVALID: Permitted =
    Permitted::Exactly { status: 400, error_type: "invalid_request_error", error_code: None };

/// The parameters of a batch's item as a whole: the facts do not say whether one that is no object fails the batch.
const ITEM_PARAMS: &str = "MessageBatchIndividualRequestParams/params";

/// What a request is answered with where the facts are silent and nothing speaks against serving it.
const LIKELY_SERVED: &[Class] = &[Class::Accepted, Class::Streamed];

impl Base<'_> {
    /// What a value that the schema refuses is answered with at `pointer`. A batch is taken whatever stands
    /// inside the parameters of its items: each is judged later, and a wrong one becomes an errored result.
    fn refusal(&self, pointer: &str) -> Permitted {
        let is_item =
            pointer.strip_prefix("/requests/").is_some_and(|rest| rest.contains("/params/"));
        if self.operation.id == OperationId::BatchesCreate && is_item {
            Permitted::Served
        } else {
            INVALID
        }
    }

    /// The base with the value at `pointer` replaced.
    pub fn replaced(&self, pointer: &str, value: &Value) -> Request {
        self.spliced(pointer, value.to_string().as_bytes())
    }

    /// The base with an edit at `pointer`.
    pub fn edited(&self, pointer: &str, edit: impl FnOnce(&mut Value)) -> Request {
        let mut value = self.body.pointer(pointer).cloned().unwrap_or_default();
        edit(&mut value);
        self.replaced(pointer, &value)
    }

    /// The base with other body bytes.
    pub fn with_body(&self, bytes: impl Into<bytes::Bytes>) -> Request {
        Request { body: Body::Bytes(bytes.into()), ..self.request.clone() }
    }

    /// The base's body as text, cut at the value at `pointer`: what stands before it, and what after.
    fn cut(&self, pointer: &str) -> (&str, &str) {
        let Body::Bytes(bytes) = &self.request.body else { return ("", "") };
        let text = str::from_utf8(bytes).unwrap_or_default();
        splice::find(text, pointer)
            .map_or((text, ""), |found| (&text[..found.start], &text[found.end..]))
    }

    /// The base with these bytes for the value at `pointer`, whether or not they are JSON.
    fn spliced(&self, pointer: &str, bytes: &[u8]) -> Request {
        let (before, after) = self.cut(pointer);
        self.with_body([before.as_bytes(), bytes, after.as_bytes()].concat())
    }

    /// The base with `unit` repeated `count` times for the value at `pointer`, between `open` and `close`.
    fn repeated(&self, pointer: &str, [open, unit, close]: [&str; 3], count: u64) -> Request {
        let (before, after) = self.cut(pointer);
        let (prefix, suffix) = ([before, open].concat().into(), [close, after].concat().into());
        let body = Body::Repeat { prefix, unit: unit.to_owned().into(), count, suffix };
        Request { body, ..self.request.clone() }
    }

    /// The base with an edit of its head.
    fn with_head(&self, edit: impl FnOnce(&mut Request)) -> Request {
        let mut request = self.request.clone();
        edit(&mut request);
        request
    }

    /// The object that rules at a site, through the branch of a union if there is one.
    fn object(&self, site: &Site<'_>) -> Option<&Object> {
        let schema = site.union.map_or(site.schema, |(_, branch)| branch.schema);
        match &self.edition.schemas.resolved(schema).kind {
            Kind::Object(object) if site.value.is_object() => Some(object),
            _ => None,
        }
    }
}

/// A value in place of the site's that its schema refuses.
fn misfit(base: &Base<'_>, site: &Site<'_>, rule: &'static str, value: &Value) -> Mutant {
    let request = base.replaced(site.pointer, value);
    Mutant { rule, at: place(site), request, answers: base.refusal(site.pointer) }
}

/// The place of a site as it stands in case ids. An element has the path of its list, so it adds the tag of the
/// branch it takes, or `each`; ids never hold an index.
fn place(site: &Site<'_>) -> Cow<'static, str> {
    let is_element = site.property.is_none() && !site.pointer.is_empty();
    match tag(site) {
        _ if !is_element => Cow::Owned(site.place.to_owned()),
        Some((_, tag)) => Cow::Owned(format!("{}/{tag}", site.place)),
        None => Cow::Owned(format!("{}/each", site.place)),
    }
}

/// The place of what stands inside the branch that a site takes.
fn branch_place(site: &Site<'_>) -> Cow<'static, str> {
    match tag(site) {
        Some((_, tag)) => Cow::Owned(format!("{}/{tag}", site.place)),
        None => place(site),
    }
}

/// The name of the tag of the union at a site, and the tag of the branch taken.
fn tag<'a>(site: &Site<'a>) -> Option<(&'a str, &'a str)> {
    let (union, branch) = site.union?;
    let name = union.tag.as_deref()?;
    Some((name, branch.tags.first()?))
}

/// The pointer of the object or list around a place, and the place's own key there.
fn parent(pointer: &str) -> Option<(&str, String)> {
    let (parent, key) = pointer.rsplit_once('/')?;
    Some((parent, key.replace("~1", "/").replace("~0", "~")))
}
