//! One side of the comparison: a document, and what its schemas come down to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Deeper than any chain of references and unions on either side; a circle of them would be endless.
const NESTING_MAX: u32 = 32;

pub(super) struct Document<'a> {
    pub(super) root: &'a Value,
    /// Where the definitions are.
    definitions: &'static str,
    pub(super) reached: BTreeSet<&'a str>,
    /// References that lead nowhere, or nowhere in time.
    pub(super) dangling: BTreeSet<&'a str>,
}

/// A schema that is neither a reference nor a union.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    /// The definition that it is, if it is one as a whole.
    pub(super) name: Option<&'a str>,
    pub(super) schema: &'a Value,
}

/// Several objects taken as one, which may have the fields of any of them.
#[derive(Default)]
pub(super) struct Object<'a> {
    pub(super) fields: BTreeMap<String, Vec<&'a Value>>,
    /// What all of them demand.
    pub(super) required: BTreeSet<String>,
}

impl<'a> Object<'a> {
    /// The fields whose names are wanted, and the rest.
    pub(super) fn split(mut self, wanted: impl Fn(&str) -> bool) -> (Self, Self) {
        let fields = self.fields.extract_if(.., |name, _| wanted(name)).collect();
        let required = self.required.extract_if(.., |name| wanted(name)).collect();
        (Self { fields, required }, self)
    }
}

impl<'a> Document<'a> {
    pub(super) fn new(root: &'a Value, definitions: &'static str) -> Self {
        Self { root, definitions, reached: BTreeSet::new(), dangling: BTreeSet::new() }
    }

    pub(super) fn definition(&self, name: &str) -> Option<&'a Value> {
        self.root.pointer(self.definitions)?.get(name)
    }

    pub(super) fn parameters(&self, lists: [Option<&'a Value>; 2]) -> Object<'a> {
        let mut object = Object::default();
        let lists = lists.into_iter().flatten().filter_map(Value::as_array);
        for parameter in lists.flatten() {
            let target = parameter.get("$ref").and_then(Value::as_str);
            let target = target.and_then(|target| self.root.pointer(target.strip_prefix('#')?));
            let parameter = target.unwrap_or(parameter);
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
            let schema = parameter.get("schema").unwrap_or(&Value::Null);
            object.fields.insert(as_argument(name), vec![schema]);
            if parameter.get("required") == Some(&Value::Bool(true)) {
                object.required.insert(as_argument(name));
            }
        }
        object
    }

    /// Every definition by name, and those that the walk came through.
    pub(super) fn coverage(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let all = members(self.root.pointer(self.definitions)).map(|(name, _)| name.to_owned());
        (all.collect(), names(self.reached.iter()))
    }

    /// What is left once references are followed and unions opened.
    pub(super) fn leaves(&mut self, schemas: &[&'a Value]) -> Vec<Leaf<'a>> {
        let mut leaves = Vec::new();
        for schema in schemas {
            self.open(Leaf { name: None, schema }, 0, &mut leaves);
        }
        leaves
    }

    fn open(&mut self, leaf: Leaf<'a>, nesting: u32, leaves: &mut Vec<Leaf<'a>>) {
        if let Some(reference) = leaf.schema.get("$ref").and_then(Value::as_str) {
            let name = name_of(reference);
            match self.definition(name).filter(|_| nesting < NESTING_MAX) {
                Some(schema) => {
                    self.reached.insert(name);
                    self.open(Leaf { name: Some(name), schema }, nesting + 1, leaves);
                }
                None => {
                    self.dangling.insert(reference);
                }
            }
        } else if let Some(branches) = branches(leaf.schema) {
            for schema in branches {
                self.open(Leaf { name: None, schema }, nesting + 1, leaves);
            }
        } else {
            leaves.push(leaf);
        }
    }
}

/// The name of the definition that these schemas are, if they are one.
pub(super) fn only_name<'a>(schemas: &[&'a Value]) -> Option<&'a str> {
    let &[schema] = schemas else { return None };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return Some(name_of(reference));
    }
    // Something or null is still that; a union that happens to have one branch is a place of its own.
    let is_null = |branch: &Value| branch.get("type").is_some_and(|kind| kind == "null");
    match branches(schema)?.as_slice() {
        [one, null] if is_null(null) => only_name(&[one]),
        _ => None,
    }
}

fn branches(schema: &Value) -> Option<&Vec<Value>> {
    ["anyOf", "oneOf", "allOf"].iter().find_map(|keyword| schema.get(keyword)?.as_array())
}

fn name_of(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// A header or query parameter as the SDK calls it: `anthropic-workspace-id`, `lifecycle[]`.
fn as_argument(name: &str) -> String {
    name.trim_start_matches("anthropic-").trim_end_matches("[]").replace('-', "_")
}

pub(super) fn types(leaves: &[Leaf<'_>]) -> BTreeSet<String> {
    let mut types = BTreeSet::new();
    for leaf in leaves {
        match leaf.schema.get("type") {
            Some(Value::String(one)) => types.extend([one.clone()]),
            Some(Value::Array(several)) => {
                types.extend(names(several.iter().filter_map(Value::as_str)));
            }
            _ => types.extend(["any".to_owned()]),
        }
    }
    types
}

pub(super) fn of_type<'a>(leaves: &[Leaf<'a>], kind: &str) -> Vec<Leaf<'a>> {
    let is = |leaf: &&Leaf<'a>| types(&[**leaf]).contains(kind);
    leaves.iter().filter(is).copied().collect()
}

/// Constants and enumerations; both truth values together say no more than the type.
pub(super) fn literals(leaves: &[Leaf<'_>]) -> BTreeSet<String> {
    let one = leaves.iter().filter_map(|leaf| leaf.schema.get("const"));
    let several = leaves.iter().filter_map(|leaf| leaf.schema.get("enum")?.as_array()).flatten();
    let values = one.chain(several).filter(|value| !value.is_null());
    let mut literals: BTreeSet<_> = values.map(as_literal).collect();
    if ["false", "true"].iter().all(|value| literals.contains(*value)) {
        literals.retain(|literal| literal != "false" && literal != "true");
    }
    literals
}

fn as_literal(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The values of the tag that select this object.
pub(super) fn tags(leaf: &Leaf<'_>, tag: &str) -> BTreeSet<String> {
    let schema = leaf.schema.get("properties").and_then(|properties| properties.get(tag));
    let Some(schema) = schema else { return BTreeSet::new() };
    let branches = branches(schema).map_or_else(|| vec![schema], |list| list.iter().collect());
    let leaves: Vec<_> = branches.into_iter().map(|schema| Leaf { name: None, schema }).collect();
    literals(&leaves)
}

pub(super) fn by_tag<'a>(leaves: &[Leaf<'a>], tag: &str) -> BTreeMap<String, Vec<Leaf<'a>>> {
    let mut groups: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for leaf in leaves {
        for value in tags(leaf, tag) {
            groups.entry(value).or_default().push(*leaf);
        }
    }
    groups
}

pub(super) fn object<'a>(leaves: &[Leaf<'a>]) -> Object<'a> {
    let mut object = Object::default();
    for (index, leaf) in leaves.iter().enumerate() {
        for (name, schema) in members(leaf.schema.get("properties")) {
            object.fields.entry(name.to_owned()).or_default().push(schema);
        }
        let required = leaf.schema.get("required").and_then(Value::as_array);
        let required = names(required.into_iter().flatten().filter_map(Value::as_str));
        object.required = if index == 0 { required } else { &object.required & &required };
    }
    object
}

pub(super) fn members<'a>(
    value: Option<&'a Value>,
) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

pub(super) fn names(names: impl Iterator<Item = impl AsRef<str>>) -> BTreeSet<String> {
    names.map(|name| name.as_ref().to_owned()).collect()
}

pub(super) fn addresses(leaves: &[Leaf<'_>]) -> Vec<usize> {
    leaves.iter().map(|leaf| std::ptr::from_ref(leaf.schema).addr()).collect()
}
