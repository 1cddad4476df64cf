//! The lowered schema as a graph of nodes, for the generator and the mutations.
//!
//! Compiled once from the `openapiv3` model; `$ref`s become node ids, so recursion costs nothing. A keyword
//! combination that has no node of its own is refused here, by name: nothing is guessed at.

use std::collections::BTreeMap;

use openapiv3::{
    AdditionalProperties, ObjectType, OpenAPI, ReferenceOr, Schema as OpenSchema, SchemaData,
    SchemaKind, StringType, Type, VariantOrUnknownOrEmpty,
};
use serde_json::Value;

use crate::generate::Hook;

/// Index of a node in [`Schemas`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SchemaId(u32);

impl SchemaId {
    pub fn index(self) -> u64 {
        u64::from(self.0)
    }
}

/// All nodes of one edition.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    nodes: Vec<Node>,
    components: BTreeMap<String, SchemaId>,
}

/// One schema.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    pub nullable: bool,
    /// The component's name, for components.
    pub component: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// Another node; nullable if this one says so.
    Alias(SchemaId),
    /// Any JSON value.
    Any,
    Boolean {
        only: Option<bool>,
    },
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    List {
        items: SchemaId,
        min: u64,
        max: Option<u64>,
    },
    Number {
        min: Option<f64>,
        max: Option<f64>,
    },
    Object(Object),
    Text(Text),
    Union(Union),
}

#[derive(Clone, Debug)]
pub struct Object {
    pub properties: Vec<Property>,
    pub more: More,
}

/// What an object may hold beside its properties.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum More {
    Anything,
    Nothing,
    Of(SchemaId),
}

#[derive(Clone, Debug)]
pub struct Property {
    pub name: String,
    pub schema: SchemaId,
    pub required: bool,
    /// How the generator draws it, where the schema alone does not say.
    pub hook: Hook,
}

/// A string; lengths in characters.
#[derive(Clone, Debug, Default)]
pub struct Text {
    pub choices: Vec<String>,
    pub min: u64,
    pub max: Option<u64>,
    pub pattern: Option<String>,
    pub format: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Union {
    /// The property that tells the branches apart, if one does.
    pub tag: Option<String>,
    pub branches: Vec<Branch>,
}

#[derive(Clone, Debug)]
pub struct Branch {
    /// Values of the tag that select this branch; empty in an untagged union, or where the tag may be absent.
    pub tags: Vec<String>,
    pub schema: SchemaId,
}

impl Schemas {
    /// Compiles `components.schemas`; inline schemas are added with [`Schemas::add`].
    pub fn compile(document: &OpenAPI) -> Result<Self, String> {
        let mut schemas = Self::default();
        let components = document.components.as_ref().map(|components| &components.schemas);
        for name in components.into_iter().flatten().map(|(name, _)| name) {
            let id = schemas.push(Node {
                kind: Kind::Any,
                nullable: false,
                component: Some(name.clone()),
            });
            schemas.components.insert(name.clone(), id);
        }
        for (name, schema) in components.into_iter().flatten() {
            let at = format!("/components/schemas/{name}");
            let id = schemas.components[name];
            let (kind, nullable) = match schema {
                ReferenceOr::Reference { reference } => {
                    (Kind::Alias(schemas.resolve(reference, &at)?), false)
                }
                ReferenceOr::Item(schema) => schemas.read(schema, &at)?,
            };
            let node = &mut schemas.nodes[id.0 as usize];
            (node.kind, node.nullable) = (kind, nullable);
        }
        Ok(schemas)
    }

    /// Adds an inline schema.
    pub fn add(&mut self, schema: &ReferenceOr<OpenSchema>, at: &str) -> Result<SchemaId, String> {
        match schema {
            ReferenceOr::Reference { reference } => self.resolve(reference, at),
            ReferenceOr::Item(schema) => {
                let (kind, nullable) = self.read(schema, at)?;
                Ok(self.push(Node { kind, nullable, component: None }))
            }
        }
    }

    pub fn component(&self, name: &str) -> Option<SchemaId> {
        self.components.get(name).copied()
    }

    /// The node itself, which may be an alias.
    pub fn node(&self, id: SchemaId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The node behind all aliases.
    pub fn resolved(&self, id: SchemaId) -> &Node {
        match &self.node(id).kind {
            Kind::Alias(target) => self.resolved(*target),
            _ => self.node(id),
        }
    }

    /// The id behind all aliases.
    pub fn resolved_id(&self, id: SchemaId) -> SchemaId {
        match self.node(id).kind {
            Kind::Alias(target) => self.resolved_id(target),
            _ => id,
        }
    }

    /// Whether `null` is allowed, here or behind an alias.
    pub fn nullable(&self, id: SchemaId) -> bool {
        let node = self.node(id);
        node.nullable || matches!(node.kind, Kind::Alias(target) if self.nullable(target))
    }

    pub fn ids(&self) -> impl Iterator<Item = SchemaId> {
        (0..self.nodes.len() as u32).map(SchemaId)
    }

    /// The branch of a union that a value belongs to: by its tag, or by its JSON type.
    pub fn branch<'a>(&'a self, union: &'a Union, value: &Value) -> Option<&'a Branch> {
        match &union.tag {
            Some(tag) => {
                let tag = value.get(tag).and_then(Value::as_str);
                let tagged =
                    |branch: &&Branch| tag.is_some_and(|tag| branch.tags.iter().any(|t| t == tag));
                // A branch whose tag may be absent is listed with the tags it has, and taken when there is none.
                union.branches.iter().find(tagged).or_else(|| {
                    let untagged =
                        |branch: &&Branch| !self.requires_tag(branch, union.tag.as_deref());
                    union.branches.iter().filter(|_| tag.is_none()).find(untagged)
                })
            }
            None => union.branches.iter().find(|branch| self.same_type(branch.schema, value)),
        }
    }

    fn requires_tag(&self, branch: &Branch, tag: Option<&str>) -> bool {
        match &self.resolved(branch.schema).kind {
            Kind::Object(object) => {
                object.properties.iter().any(|p| Some(p.name.as_str()) == tag && p.required)
            }
            _ => true,
        }
    }

    /// Whether the value has the JSON type this schema asks for (nothing deeper is looked at).
    pub fn same_type(&self, id: SchemaId, value: &Value) -> bool {
        if value.is_null() && self.nullable(id) {
            return true;
        }
        match &self.resolved(id).kind {
            Kind::Alias(_) => false,
            Kind::Any => true,
            Kind::Boolean { .. } => value.is_boolean(),
            Kind::Integer { .. } => value.is_i64() || value.is_u64(),
            Kind::List { .. } => value.is_array(),
            Kind::Number { .. } => value.is_number(),
            Kind::Object(_) => value.is_object(),
            Kind::Text(_) => value.is_string(),
            Kind::Union(union) => {
                union.branches.iter().any(|branch| self.same_type(branch.schema, value))
            }
        }
    }

    fn push(&mut self, node: Node) -> SchemaId {
        let id = SchemaId(
            u32::try_from(self.nodes.len()).expect("a document has fewer schemas than u32 counts"),
        );
        self.nodes.push(node);
        id
    }

    fn resolve(&self, reference: &str, at: &str) -> Result<SchemaId, String> {
        let name = reference.strip_prefix("#/components/schemas/").unwrap_or(reference);
        self.component(name)
            .ok_or_else(|| format!("{at}: `$ref: {reference}` names no component schema"))
    }

    fn read(&mut self, schema: &OpenSchema, at: &str) -> Result<(Kind, bool), String> {
        let kind = match &schema.schema_kind {
            SchemaKind::Type(Type::Array(list)) => Kind::List {
                items: match &list.items {
                    Some(items) => self.add(&items.clone().unbox(), &format!("{at}/items"))?,
                    None => self.push(Node { kind: Kind::Any, nullable: true, component: None }),
                },
                min: list.min_items.unwrap_or(0) as u64,
                max: list.max_items.map(|max| max as u64),
            },
            SchemaKind::Type(Type::Boolean(boolean)) => Kind::Boolean {
                only: match boolean.enumeration.as_slice() {
                    [Some(one)] => Some(*one),
                    _ => None,
                },
            },
            SchemaKind::Type(Type::Integer(integer)) => Kind::Integer {
                min: integer.minimum.map(|min| min + i64::from(integer.exclusive_minimum)),
                max: integer.maximum.map(|max| max - i64::from(integer.exclusive_maximum)),
            },
            SchemaKind::Type(Type::Number(number)) => {
                Kind::Number { min: number.minimum, max: number.maximum }
            }
            SchemaKind::Type(Type::Object(object)) => self.read_object(object, at)?,
            SchemaKind::Type(Type::String(text)) => Kind::Text(read_text(text)),
            SchemaKind::OneOf { one_of: branches } | SchemaKind::AnyOf { any_of: branches } => {
                self.read_union(branches, &schema.schema_data, at)?
            }
            SchemaKind::AllOf { all_of } => match all_of.as_slice() {
                [one] => Kind::Alias(self.add(one, at)?),
                _ => {
                    return Err(format!(
                        "{at}: allOf of {} schemas; the loader takes one",
                        all_of.len()
                    ));
                }
            },
            SchemaKind::Any(any)
                if any.typ.is_none() && any.properties.is_empty() && any.enumeration.is_empty() =>
            {
                Kind::Any
            }
            SchemaKind::Any(_) | SchemaKind::Not { .. } => {
                return Err(format!(
                    "{at}: a combination of keywords the loader has no node for; give it a `type`"
                ));
            }
        };
        Ok((kind, schema.schema_data.nullable))
    }

    fn read_object(&mut self, object: &ObjectType, at: &str) -> Result<Kind, String> {
        let mut properties = Vec::with_capacity(object.properties.len());
        for (name, schema) in &object.properties {
            properties.push(Property {
                name: name.clone(),
                schema: self.add(&schema.clone().unbox(), &format!("{at}/properties/{name}"))?,
                required: object.required.contains(name),
                hook: Hook::of(at.strip_prefix("/components/schemas/").unwrap_or_default(), name),
            });
        }
        let more = match &object.additional_properties {
            None | Some(AdditionalProperties::Any(true)) => More::Anything,
            Some(AdditionalProperties::Any(false)) => More::Nothing,
            Some(AdditionalProperties::Schema(schema)) => {
                More::Of(self.add(schema, &format!("{at}/additionalProperties"))?)
            }
        };
        Ok(Kind::Object(Object { properties, more }))
    }

    fn read_union(
        &mut self,
        branches: &[ReferenceOr<OpenSchema>],
        data: &SchemaData,
        at: &str,
    ) -> Result<Kind, String> {
        let tag =
            data.discriminator.as_ref().map(|discriminator| discriminator.property_name.clone());
        let mapping = data.discriminator.as_ref().map(|discriminator| &discriminator.mapping);
        let mut read = Vec::with_capacity(branches.len());
        for (index, branch) in branches.iter().enumerate() {
            let tags = match branch {
                ReferenceOr::Reference { reference } => mapping
                    .into_iter()
                    .flatten()
                    .filter(|(_, target)| *target == reference)
                    .map(|(tag, _)| tag.clone())
                    .collect(),
                ReferenceOr::Item(_) => Vec::new(),
            };
            if tag.is_some() && tags.is_empty() {
                return Err(format!(
                    "{at}: branch {index} has no entry in the discriminator's mapping"
                ));
            }
            read.push(Branch { tags, schema: self.add(branch, &format!("{at}/{index}"))? });
        }
        Ok(Kind::Union(Union { tag, branches: read }))
    }
}

fn read_text(text: &StringType) -> Text {
    Text {
        choices: text.enumeration.iter().flatten().cloned().collect(),
        min: text.min_length.unwrap_or(0) as u64,
        max: text.max_length.map(|max| max as u64),
        pattern: text.pattern.clone(),
        format: match &text.format {
            VariantOrUnknownOrEmpty::Unknown(format) => Some(format.clone()),
            VariantOrUnknownOrEmpty::Item(format) => serde_json::to_value(format)
                .ok()
                .and_then(|format| format.as_str().map(str::to_owned)),
            VariantOrUnknownOrEmpty::Empty => None,
        },
    }
}
