//! The walk through both sides at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::side::{self, Document, Leaf, Object};
use super::side::{addresses, by_tag, members, names, object, of_type, only_name, tags, types};
use super::{Comparison, Kind};

/// What tells the branches of a union apart, in both documents.
const TAGS: [&str; 2] = ["type", "role"];

pub(super) struct Walk<'a> {
    ours: Document<'a>,
    theirs: Document<'a>,
    /// Literals that we keep beside the document, by place.
    known: &'a BTreeMap<&'a str, &'a BTreeSet<String>>,
    /// Pairs that were compared already, by the addresses of their schemas.
    seen: BTreeSet<(Vec<usize>, Vec<usize>)>,
    comparison: &'a mut Comparison,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        ours: &'a Value,
        theirs: &'a Value,
        known: &'a BTreeMap<&'a str, &'a BTreeSet<String>>,
        comparison: &'a mut Comparison,
    ) -> Self {
        Self {
            ours: Document::new(ours, "/components/schemas"),
            theirs: Document::new(theirs, "/$defs"),
            known,
            seen: BTreeSet::new(),
            comparison,
        }
    }

    /// All operations and the error body, and then what none of them led to.
    pub(super) fn whole(mut self) -> Result<(), String> {
        let (ours, theirs) = (self.ours.root, self.theirs.root);
        let paths = members(ours.get("paths")).flat_map(|(_, path)| {
            members(Some(path)).map(move |(_, operation)| (operation, path.get("parameters")))
        });
        let mut named = BTreeMap::new();
        for (operation, shared) in paths {
            if let Some(id) = operation.get("operationId").and_then(Value::as_str) {
                named.insert(id, (operation, shared));
            }
        }
        let calls: BTreeMap<_, _> = members(theirs.get("operations")).collect();
        let both = named.keys().filter(|id| calls.contains_key(**id));
        if both.clone().count() != named.len().max(calls.len()) {
            return Err("the operations of the two sides are not the same".to_owned());
        }
        for id in both {
            let (operation, shared) = named[id];
            self.operation(id, operation, shared, calls[id]);
        }
        for (ours, theirs) in [("ErrorResponse", "error"), ("ErrorDetails", "error_details")] {
            let theirs =
                self.theirs.root.get(theirs).ok_or_else(|| format!("the types lack `{theirs}`"))?;
            let component = self.ours.definition(ours);
            let component = component.ok_or_else(|| format!("there is no component `{ours}`"))?;
            self.ours.reached.insert(ours);
            self.nodes(ours, &[component], &[theirs]);
        }
        self.definitions()
    }

    /// Parameters go by name, wherever they stand; what is left of the call is the body.
    fn operation(
        &mut self,
        id: &str,
        ours: &'a Value,
        shared: Option<&'a Value>,
        theirs: &'a Value,
    ) {
        let parameters = self.ours.parameters([shared, ours.get("parameters")]);
        let call: Vec<_> = theirs.get("call").into_iter().collect();
        let call = object(&self.theirs.leaves(&call));
        match ours.pointer("/requestBody/content/application~1json/schema") {
            Some(body) => {
                let place = only_name(&[body]).unwrap_or(id);
                let (arguments, rest) = call.split(|name| parameters.fields.contains_key(name));
                self.fields(id, &parameters, &arguments);
                let body = object(&self.ours.leaves(&[body]));
                self.fields(place, &body, &rest);
            }
            None => self.fields(id, &parameters, &call),
        }
        let answers = |answers: Option<&'a Value>| members(answers).collect::<BTreeMap<_, _>>();
        let ours = answers(ours.pointer("/responses/200/content"));
        let theirs = answers(theirs.get("answers"));
        self.sets(id, Kind::Answer, &names(ours.keys()), &names(theirs.keys()));
        for (media, ours) in ours {
            let ours = ours.get("schema");
            if let (Some(ours), Some(theirs)) = (ours, theirs.get(media)) {
                self.nodes(&format!("{id} {media}"), &[ours], &[theirs]);
            }
        }
    }

    fn nodes(&mut self, place: &str, ours: &[&'a Value], theirs: &[&'a Value]) {
        let place = only_name(ours).unwrap_or(place);
        let (ours, theirs) = (self.ours.leaves(ours), self.theirs.leaves(theirs));
        if !self.seen.insert((addresses(&ours), addresses(&theirs))) {
            return;
        }
        self.sets(place, Kind::Type, &types(&ours), &types(&theirs));
        let mut literals = side::literals(&ours);
        literals.extend(self.known.get(place).into_iter().copied().flatten().cloned());
        self.sets(place, Kind::Literal, &literals, &side::literals(&theirs));
        self.objects(place, &of_type(&ours, "object"), &of_type(&theirs, "object"));
        let items = |leaves: &[Leaf<'a>]| -> Vec<&'a Value> {
            leaves.iter().filter_map(|leaf| leaf.schema.get("items")).collect()
        };
        let (ours, theirs) = (items(&ours), items(&theirs));
        if !ours.is_empty() && !theirs.is_empty() {
            self.nodes(&format!("{place}[]"), &ours, &theirs);
        }
    }

    /// One by one where they have a tag, and all as one where they have none.
    fn objects(&mut self, place: &str, ours: &[Leaf<'a>], theirs: &[Leaf<'a>]) {
        if ours.is_empty() || theirs.is_empty() {
            return;
        }
        let all_have =
            |tag: &&str| ours.iter().chain(theirs).all(|leaf| !tags(leaf, tag).is_empty());
        let tag = TAGS.into_iter().find(all_have);
        let Some(tag) = tag.filter(|_| ours.len() + theirs.len() > 2) else {
            let place = ours[0].name.unwrap_or(place);
            return self.fields(place, &object(ours), &object(theirs));
        };
        let (ours, theirs) = (by_tag(ours, tag), by_tag(theirs, tag));
        self.sets(place, Kind::Member, &names(ours.keys()), &names(theirs.keys()));
        for (value, ours) in &ours {
            if let Some(theirs) = theirs.get(value) {
                let place = ours[0].name.map_or_else(|| format!("{place}={value}"), str::to_owned);
                self.fields(&place, &object(ours), &object(theirs));
            }
        }
    }

    fn fields(&mut self, place: &str, ours: &Object<'a>, theirs: &Object<'a>) {
        let (fields, their_fields) = (names(ours.fields.keys()), names(theirs.fields.keys()));
        self.sets(place, Kind::Field, &fields, &their_fields);
        // A field that one side does not have is one difference, not two.
        let both = &fields & &their_fields;
        let (required, their_required) = (&ours.required & &both, &theirs.required & &both);
        self.sets(place, Kind::Required, &required, &their_required);
        for (name, ours) in &ours.fields {
            if let Some(theirs) = theirs.fields.get(name) {
                self.nodes(&format!("{place}.{name}"), ours, theirs);
            }
        }
    }

    fn definitions(&mut self) -> Result<(), String> {
        for document in [&self.ours, &self.theirs] {
            if let Some(reference) = document.dangling.first() {
                return Err(format!("`{reference}` leads nowhere, or in a circle"));
            }
        }
        let (all, reached) = self.ours.coverage();
        self.sets("components", Kind::Definition, &all, &reached);
        let (all, reached) = self.theirs.coverage();
        self.sets("types", Kind::Definition, &reached, &all);
        Ok(())
    }

    fn sets(
        &mut self,
        place: &str,
        kind: Kind,
        ours: &BTreeSet<String>,
        theirs: &BTreeSet<String>,
    ) {
        self.comparison.lists(place, kind, ours, theirs);
    }
}
