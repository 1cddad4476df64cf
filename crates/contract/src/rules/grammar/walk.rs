//! Walks over the schemas that become grammars, and circles of references in them.

use serde_json::{Map, Value};

use super::super::view;

/// A schema that becomes a grammar: that of the output, or of the strict tool of that number.
pub(super) struct Grammar<'a> {
    pub(super) tool: Option<usize>,
    pub(super) schema: &'a Value,
}

impl Grammar<'_> {
    /// Dotted path of a keyword of the schema that these steps lead to.
    pub(super) fn path(&self, steps: Vec<String>, keyword: &str) -> String {
        let start = self.tool.map_or_else(
            || "output_config.format.schema".to_owned(),
            |n| format!("tools.{n}.custom.input_schema"),
        );
        [start].into_iter().chain(steps).chain([keyword.to_owned()]).collect::<Vec<_>>().join(".")
    }
}

pub(super) fn grammars(params: &Value) -> impl Iterator<Item = Grammar<'_>> {
    let tools = view::tools(params).iter().enumerate().filter(|(_, tool)| view::is_strict(tool));
    let of_tools = tools
        .filter_map(|(n, tool)| Some(Grammar { tool: Some(n), schema: tool.get("input_schema")? }));
    let of_output = view::output_format(params).and_then(|format| format.get("schema"));
    of_output.map(|schema| Grammar { tool: None, schema }).into_iter().chain(of_tools)
}

/// A place within a schema, kept as a chain on the stack so that only a finding pays for the path.
pub(super) struct Place<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
}

enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

/// The steps to a place; none for the schema as a whole.
pub(super) fn steps(place: Option<&Place<'_>>) -> Vec<String> {
    let Some(place) = place else { return Vec::new() };
    let mut steps = steps(place.parent);
    steps.push(match place.step {
        Step::Name(name) => name.to_owned(),
        Step::Index(index) => index.to_string(),
    });
    steps
}

type Visit<'v, 'a> = dyn FnMut(Option<&Place<'_>>, &'a Map<String, Value>) + 'v;

/// Visits a schema and all schemas within.
pub(super) fn each_schema<'a>(schema: &'a Value, visit: &mut Visit<'_, 'a>) {
    each_below(None, schema, visit);
}

/// Recursion ends with the JSON, whose depth the parser has limited.
fn each_below<'a>(place: Option<&Place<'_>>, schema: &'a Value, visit: &mut Visit<'_, 'a>) {
    let Some(members) = schema.as_object() else { return };
    visit(place, members);
    for (name, value) in members {
        let here = Place { parent: place, step: Step::Name(name) };
        match (name.as_str(), value) {
            ("$defs" | "definitions" | "properties", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    let place = Place { parent: Some(&here), step: Step::Name(name) };
                    each_below(Some(&place), schema, visit);
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(schemas)) => {
                for (index, schema) in schemas.iter().enumerate() {
                    let place = Place { parent: Some(&here), step: Step::Index(index) };
                    each_below(Some(&place), schema, visit);
                }
            }
            ("items", schema) => each_below(Some(&here), schema, visit),
            _ => {}
        }
    }
}

/// A reference within a schema: the steps to where it stands, and to where it leads.
struct Ref {
    from: Vec<String>,
    to: Vec<String>,
}

impl Ref {
    /// Whether `next` stands in what this one leads to.
    fn leads_to(&self, next: &Self) -> bool {
        next.from.starts_with(&self.to)
    }
}

/// A circle of references.
pub(super) struct Circle {
    /// Where the first of them stands.
    pub(super) from: Vec<String>,
    /// The definitions they lead to, in order.
    pub(super) names: Vec<String>,
}

/// More references than these are not followed, since following takes up to the cube of their number.
const REFS_MAX: usize = 128;

/// A circle of references within the schema, if there is one.
///
/// A reference with `%` escapes or to an `$anchor` is taken to lead nowhere.
pub(super) fn circle(schema: &Value) -> Option<Circle> {
    let refs = local_refs(schema);
    let mut live: Vec<&Ref> = refs.iter().take(REFS_MAX).collect();
    loop {
        let leading: Vec<_> =
            live.iter().copied().filter(|r| live.iter().any(|next| r.leads_to(next))).collect();
        if leading.len() == live.len() {
            break;
        }
        live = leading;
    }
    // Whoever is left leads to another that is left, so going on for long enough ends in a circle.
    let next = |r: &Ref| live.iter().copied().find(|next| r.leads_to(next));
    let start = live.iter().try_fold(*live.first()?, |r, _| next(r))?;
    let others = std::iter::successors(next(start), |r| next(r));
    let others = others.take_while(|r| !std::ptr::eq(*r, start));
    let name = |r: &Ref| r.to.last().map_or("#", String::as_str).to_owned();
    let names = std::iter::once(start).chain(others).map(name).collect();
    Some(Circle { from: start.from.clone(), names })
}

fn local_refs(schema: &Value) -> Vec<Ref> {
    let mut refs = Vec::new();
    each_schema(schema, &mut |place, schema| {
        let target = schema.get("$ref").and_then(Value::as_str);
        let Some(to) = target.and_then(|target| target.strip_prefix('#')) else { return };
        if to.is_empty() || to.starts_with('/') {
            let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
            let to = to.split('/').skip(1).map(unescape).collect();
            refs.push(Ref { from: steps(place), to });
        }
    });
    refs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_circle(schema: &Value, expected: Option<&[&str]>) {
        let found = circle(schema).map(|circle| circle.names);
        assert_eq!(
            found.as_deref().map(|names| names.iter().map(|name| &**name).collect()),
            expected.map(Vec::from)
        );
    }

    #[test]
    fn circles() {
        let to = |target: &str| json!({"$ref": target});
        let list = |target: &str| json!({"type": "array", "items": to(target)});
        check_circle(&json!({"properties": {"next": to("#")}}), Some(&["#"]));
        check_circle(
            &json!({"$ref": "#/$defs/a", "$defs": {"a": list("#/$defs/a")}}),
            Some(&["a"]),
        );
        let mutual = json!({"a": list("#/$defs/b"), "b": {"anyOf": [to("#/$defs/a"), to("#/$defs/c")]}, "c": {}});
        check_circle(&json!({"$ref": "#/$defs/a", "$defs": mutual}), Some(&["b", "a"]));
        check_circle(
            &json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": list("#/$defs/a~1b")}}),
            Some(&["a/b"]),
        );
        // The same definition twice, one inside another, and one whose name another's begins with, are no circles.
        let both = json!({"x": to("#/$defs/a"), "y": to("#/$defs/a")});
        let chain = json!({"a": list("#/$defs/b"), "b": {}});
        check_circle(&json!({"properties": both, "$defs": chain}), None);
        check_circle(&json!({"$defs": {"a": {}, "ab": list("#/$defs/a")}}), None);
        check_circle(&json!({"properties": {"x": to("#anchor"), "y": to("other.json#/x")}}), None);
    }
}
