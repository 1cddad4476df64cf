//! Walks a valid body along its schema, one call per place that could be broken.

use serde_json::Value;

use crate::schema::{Branch, Kind, More, Property, SchemaId, Schemas, Union};

/// A place in a body, with the schema that rules there.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The way through the schema from the nearest component on, as it stands in case ids: property names, and the
    /// tag of each union branch taken (`RequestToolResultBlock/is_error`). It is one and the same wherever the
    /// component is met, so it does not hang on which draw met it first.
    pub place: &'a str,
    /// JSON pointer into this body.
    pub pointer: &'a str,
    pub value: &'a Value,
    /// The schema at this place, aliases not followed, so that its own `nullable` counts.
    pub schema: SchemaId,
    /// Set if the place is a member of a closed or open object: how the object declares it.
    pub property: Option<&'a Property>,
    /// Set if the place is a union: the union and the branch the value takes.
    pub union: Option<(&'a Union, &'a Branch)>,
}

/// Past this depth bodies repeat themselves (a tool result inside a message inside a batch is at 9).
const DEPTH_MAX: usize = 24;

/// Calls `visit` for the body itself (place empty) and for every place in it that a schema describes, outer first.
pub fn walk(schemas: &Schemas, root: SchemaId, body: &Value, visit: &mut dyn FnMut(Site<'_>)) {
    let mut walk = Walk {
        schemas,
        root: schemas.resolved_id(root),
        visit,
        place: String::new(),
        pointer: String::new(),
        depth: 0,
    };
    walk.site(root, body, None);
}

struct Walk<'s, 'v> {
    schemas: &'s Schemas,
    root: SchemaId,
    visit: &'v mut dyn FnMut(Site<'_>),
    place: String,
    pointer: String,
    depth: usize,
}

impl Walk<'_, '_> {
    fn site(&mut self, schema: SchemaId, value: &Value, property: Option<&Property>) {
        let schemas = self.schemas;
        let union = match &schemas.resolved(schema).kind {
            Kind::Union(union) => schemas.branch(union, value).map(|branch| (union, branch)),
            _ => None,
        };
        let (place, pointer) = (&self.place, &self.pointer);
        (self.visit)(Site { place, pointer, value, schema, property, union });
        if self.depth < DEPTH_MAX {
            self.depth += 1;
            self.inside(schema, value, union);
            self.depth -= 1;
        }
    }

    fn inside(&mut self, schema: SchemaId, value: &Value, union: Option<(&Union, &Branch)>) {
        let schemas = self.schemas;
        match (&schemas.resolved(schema).kind, value) {
            (Kind::Union(_), _) => {
                if let Some((_, branch)) = union {
                    self.branch(branch, value);
                }
            }
            (Kind::Object(object), Value::Object(members)) => {
                let component = schemas.node(schemas.resolved_id(schema)).component.as_deref();
                let component = component.filter(|_| schemas.resolved_id(schema) != self.root);
                let outside =
                    component.map(|name| std::mem::replace(&mut self.place, name.to_owned()));
                for (name, value) in members {
                    match object.properties.iter().find(|property| property.name == *name) {
                        Some(property) => {
                            self.at(Some(name), name, |walk| {
                                walk.site(property.schema, value, Some(property))
                            });
                        }
                        None => {
                            if let More::Of(schema) = object.more {
                                self.at(None, name, |walk| walk.site(schema, value, None));
                            }
                        }
                    }
                }
                if let Some(outside) = outside {
                    self.place = outside;
                }
            }
            (Kind::List { items, .. }, Value::Array(elements)) => {
                for (index, value) in elements.iter().enumerate() {
                    self.at(None, &index.to_string(), |walk| walk.site(*items, value, None));
                }
            }
            _ => {}
        }
    }

    /// A tagged branch adds its tag to the path; an untagged one is told by what follows.
    fn branch(&mut self, branch: &Branch, value: &Value) {
        // A branch with two spellings of its tag goes by the first.
        let tag = branch.tags.first().map(String::as_str);
        let place = self.place.len();
        if let Some(tag) = tag {
            push(&mut self.place, tag);
        }
        let nested = match &self.schemas.resolved(branch.schema).kind {
            Kind::Union(union) => self.schemas.branch(union, value).map(|branch| (union, branch)),
            _ => None,
        };
        self.inside(branch.schema, value, nested);
        self.place.truncate(place);
    }

    fn at(&mut self, segment: Option<&str>, key: &str, step: impl FnOnce(&mut Self)) {
        let (place, pointer) = (self.place.len(), self.pointer.len());
        if let Some(segment) = segment {
            push(&mut self.place, segment);
        }
        self.pointer.push('/');
        if key.contains(['~', '/']) {
            self.pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        } else {
            self.pointer.push_str(key);
        }
        step(self);
        self.place.truncate(place);
        self.pointer.truncate(pointer);
    }
}

fn push(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(segment);
}
