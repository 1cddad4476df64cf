//! Draws valid requests from bytes.
//!
//! There is one generator, and a seed, proptest and a fuzzer are three ways to supply its bytes. It is driven by
//! the lowered schema, so a new field of the spec is drawn at once, and by a plan of the conversation made
//! beforehand, so that a draw keeps the semantic rules as well: tool results pair with tool uses, the thinking form
//! is one the model takes, no fifth cache breakpoint. It writes JSON as it goes and never looks back; the price is
//! that everything that binds distant parts of a body must be decided in the plan.

use arbitrary::Unstructured;
use classify::{Body, Request};

use crate::case::Traits;
use crate::models::Models;
use crate::schema::{Kind, Property, SchemaId};
use crate::spec::{Contract, Edition, Operation};
use crate::version::OperationId;

mod block;
mod conversation;
mod head;
mod hook;
mod json;
mod member;
mod plan;
mod prose;
mod source;
#[cfg(feature = "proptest")]
mod strategy;
mod tools;

pub use hook::Hook;
#[cfg(feature = "proptest")]
pub use strategy::strategy;

use json::Json;
use plan::{Plan, ToolKind};
use source::Source;

/// A valid request, with what was noted while drawing it.
#[derive(Clone, Debug)]
pub struct Draw {
    pub request: Request,
    pub traits: Traits,
    /// A hash for each place of the schema that was written, from the nearest component on: a draw without a new
    /// one has nothing that earlier draws did not have.
    pub places: Vec<u64>,
}

/// Draws a valid request of the operation. Never fails: when the bytes run out, the rest is as small as can be.
pub fn generate(
    contract: &Contract,
    edition: &Edition,
    operation: &Operation,
    bytes: &mut Unstructured<'_>,
) -> Draw {
    let mut generator = Generator {
        edition,
        models: &contract.models,
        today: &contract.as_of,
        source: Source(bytes),
        out: Json::with_capacity(BODY_BYTES_USUAL),
        depth: 0,
        operation: operation.id,
        plan: Plan::default(),
        scope: Scope::Tools,
        tool: 0,
        call: Call::default(),
        calls: 0,
        code_call: None,
        thought: "",
        image: None,
        beta: None,
        traits: Traits::default(),
        place: 0,
        places: Vec::with_capacity(PLACES_USUAL),
    };
    if let Some(schema) = operation.request {
        generator.body(schema);
    }
    let (target, headers) = generator.head(operation);
    let body =
        if operation.request.is_some() { Body::Bytes(generator.out.0.into()) } else { Body::Empty };
    let request = Request { method: operation.method.into(), target, headers, body };
    Draw { request, traits: generator.traits, places: generator.places }
}

/// Most bodies fit, so most draws allocate once.
const BODY_BYTES_USUAL: usize = 4096;
/// Likewise for the places of a draw.
const PLACES_USUAL: usize = 128;
/// Without it the single computer tool is refused.
const COMPUTER_BETA: &str = "computer-use-2025-11-24";
/// Deeper than this only what is required is drawn: real requests are not nested further.
const DEPTH_USUAL: u8 = 9;

struct Generator<'c, 'u, 'b> {
    edition: &'c Edition,
    models: &'c Models,
    today: &'c str,
    source: Source<'u, 'b>,
    out: Json,
    depth: u8,
    operation: OperationId,
    plan: Plan<'c>,
    scope: Scope,
    /// Index of the tool being described, in the plan.
    tool: usize,
    /// The call being made or answered.
    call: Call,
    /// Calls so far: makes their ids unique.
    calls: u32,
    /// Id of the last code execution call, which may be the caller of others.
    code_call: Option<u32>,
    /// The thinking text being written: its signature comes first.
    thought: &'static str,
    /// The image being written: its type must be the one of its data.
    image: Option<usize>,
    /// The `anthropic-beta` value that something drawn needs.
    beta: Option<&'static str>,
    traits: Traits,
    /// Where in the schema the writing is, as a hash of the way there.
    place: u64,
    places: Vec<u64>,
}

/// The part of the request being written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    /// A message of the role system.
    Aside,
    Assistant,
    /// Inside another block.
    Nested,
    System,
    Tools,
    User,
}

/// A tool call: what its result must repeat.
#[derive(Clone, Copy, Debug, Default)]
struct Call {
    number: u32,
    server: bool,
    name: &'static str,
    suffix: usize,
    input: &'static str,
    toolset: Option<&'static str>,
}

impl<'c> Generator<'c, '_, '_> {
    /// The body of the operation, whatever its schema.
    fn body(&mut self, schema: SchemaId) {
        if self.operation.takes_params() {
            self.params(schema);
        } else {
            self.value(schema);
        }
    }

    /// Message parameters: makes a plan, then writes by it.
    fn params(&mut self, schema: SchemaId) {
        self.plan = self.make_plan();
        (self.calls, self.code_call) = (0, None);
        self.traits.tools |= !self.plan.tools.is_empty();
        if self.plan.tools.iter().any(|tool| tool.kind == ToolKind::ComputerTool) {
            self.beta = Some(COMPUTER_BETA);
        }
        self.traits.stream |= self.plan.stream;
        self.traits.turns = self.traits.turns.max(self.plan.turns);
        self.value(schema);
    }

    /// A value of the schema, `null` included where it may be.
    fn value(&mut self, id: SchemaId) {
        let node = self.edition.schemas.node(id);
        if node.nullable && self.source.chance(24) {
            return self.out.raw("null");
        }
        match &node.kind {
            Kind::Alias(target) => self.value(*target),
            Kind::Any => self.out.raw("{}"),
            Kind::Boolean { only } => {
                let value = only.unwrap_or_else(|| self.source.chance(128));
                self.out.raw(if value { "true" } else { "false" });
            }
            Kind::Integer { min, max } => {
                let low = min.unwrap_or(0);
                let number = self.source.between(low, max.unwrap_or(low + 1000).min(low + 1000));
                self.out.integer(number);
            }
            Kind::List { items, min, .. } => {
                let more = if self.depth < DEPTH_USUAL { self.source.below(4) } else { 0 };
                self.list(*items, *min as usize + more);
            }
            Kind::Number { .. } => {
                let number = *self.source.pick(&["1", "0", "0.5", "0.25"]);
                self.out.raw(number);
            }
            Kind::Object(object) if node.component.is_some() => {
                self.component_at(id, |it| it.object(&object.properties));
            }
            Kind::Object(object) => self.object(&object.properties),
            Kind::Text(text) => self.text(text),
            Kind::Union(union) => {
                let branch = self.source.pick(&union.branches);
                self.inside(branch.schema.index(), |it| {
                    it.places.push(it.place);
                    it.value(branch.schema);
                });
            }
        }
    }

    fn list(&mut self, items: SchemaId, count: usize) {
        self.out.open(b'[');
        self.depth += 1;
        for _ in 0..count {
            self.value(items);
        }
        self.depth -= 1;
        self.out.close(b']');
    }

    fn object(&mut self, properties: &'c [Property]) {
        self.out.open(b'{');
        self.depth += 1;
        for (index, property) in properties.iter().enumerate() {
            let written = self.out.0.len();
            self.inside(index as u64 + 1, |it| {
                it.member(property);
                if it.out.0.len() > written {
                    // A member that is null shows nothing of what it can hold.
                    let is_null = it.out.0.ends_with(b":null");
                    it.places.push(it.place ^ u64::from(is_null));
                }
            });
        }
        self.depth -= 1;
        self.out.close(b'}');
    }

    /// Goes one step down in the schema.
    fn inside(&mut self, step: u64, write: impl FnOnce(&mut Self)) {
        let place = self.place;
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.place = (place.wrapping_mul(SPREAD) ^ step).wrapping_mul(SPREAD).rotate_left(29);
        write(self);
        self.place = place;
    }

    /// Starts anew at a component: its places are the same wherever it stands.
    fn component_at(&mut self, id: SchemaId, write: impl FnOnce(&mut Self)) {
        self.inside(id.index(), |it| it.places.push(it.place));
        let place = std::mem::replace(&mut self.place, id.index());
        write(self);
        self.place = place;
    }

    /// The component of that name, never `null`.
    fn component(&mut self, name: &str) {
        let Some(id) = self.edition.component(name) else { return };
        if let Kind::Object(object) = &self.edition.schemas.resolved(id).kind {
            self.component_at(id, |it| it.object(&object.properties));
        }
    }

    fn text(&mut self, text: &'c crate::schema::Text) {
        if let [only] = text.choices.as_slice() {
            return self.out.string(only);
        }
        if !text.choices.is_empty() {
            let choice = self.source.pick(&text.choices);
            return self.out.string(choice);
        }
        match &text.pattern {
            Some(pattern) if pattern.starts_with("^srvtoolu_") => {
                self.out.string("srvtoolu_probity")
            }
            Some(_) => self.out.string("probity-1_A"),
            None => {
                let words = *self.source.pick(prose::WORDS);
                match text.max {
                    Some(max) if words.chars().count() as u64 > max => self.out.string("a"),
                    _ => self.out.string(words),
                }
            }
        }
    }

    /// Notes that only our own mock can honour the request.
    fn mock_only(&mut self, reason: &'static str) {
        self.traits.mock_only.get_or_insert(reason);
    }
}
