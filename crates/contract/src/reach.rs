//! Counts what a run really tried, so that a family that has vanished is a diff and not a silence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::case::{Case, Origin, Permitted};
use crate::mutate::{FAMILIES, HEAVY_BYTES_MIN};
use crate::rules;
use crate::schema::{Kind, SchemaId};
use crate::site;
use crate::spec::{Contract, Edition};
use crate::version::{OperationId, Version};

/// What the cases of a run have come to.
#[derive(Debug, Default)]
pub struct Reach {
    /// Cases by family and operation.
    families: BTreeMap<(&'static str, OperationId), usize>,
    /// Cases by semantic rule.
    rules: BTreeMap<&'static str, usize>,
    witnesses: BTreeSet<String>,
    /// Cases by open question.
    open: BTreeMap<(&'static str, &'static str), usize>,
    heavy: usize,
    heavy_bytes: u64,
    schema: BTreeMap<Version, Census>,
    /// Refusals that are known and that no case can ask for.
    external: usize,
}

/// What valid bodies of one version have come to, of what the request schemas hold.
#[derive(Debug, Default)]
struct Census {
    places: BTreeSet<(SchemaId, String)>,
    branches: BTreeSet<(SchemaId, String)>,
    choices: BTreeSet<(SchemaId, String)>,
}

impl Reach {
    /// Before the first case, knowing so many external refusals.
    pub fn new(external: usize) -> Self {
        Self { external, ..Self::default() }
    }

    pub fn note(&mut self, contract: &Contract, case: &Case) {
        let family = match &case.origin {
            Origin::Valid => "valid",
            Origin::Mutated(mutation) => mutation.family,
            Origin::Witness { rule, .. } => {
                self.witnesses.insert(rule.clone());
                "witness"
            }
            Origin::Canary => return,
        };
        *self.families.entry((family, case.operation)).or_default() += 1;
        if let Origin::Mutated(mutation) = &case.origin {
            if mutation.family == "rule" {
                *self.rules.entry(mutation.rule).or_default() += 1;
            }
            if let Permitted::Uncertain { question, .. } = mutation.answers {
                *self.open.entry((mutation.rule, question)).or_default() += 1;
            }
        }
        let bytes = case.request.body.len();
        if bytes >= HEAVY_BYTES_MIN {
            self.heavy += 1;
            self.heavy_bytes += bytes;
        }
        if case.origin == Origin::Valid {
            self.census(contract.edition(case.version), case);
        }
    }

    fn census(&mut self, edition: &Edition, case: &Case) {
        let Some(root) = edition.operation(case.operation).request else { return };
        let Ok(body) = serde_json::from_slice::<Value>(&case.request.body.to_bytes()) else {
            return;
        };
        let census = self.schema.entry(edition.version).or_default();
        site::walk(&edition.schemas, root, &body, &mut |site| {
            census.note(edition, site.schema, site.value)
        });
    }

    /// Heavy bodies and their bytes.
    pub fn heavy(&self) -> (usize, u64) {
        (self.heavy, self.heavy_bytes)
    }

    /// Semantic rules that no case has broken.
    pub fn rules_missed(&self) -> impl Iterator<Item = &'static str> {
        rules::all().map(|rule| rule.id).filter(|id| !self.rules.contains_key(id))
    }

    /// The ledger of reach.
    pub fn ledger(&self, contract: &Contract) -> String {
        let mut text = String::from("reach\n\n");
        self.write_families(&mut text);
        self.write_schema(contract, &mut text);
        let missed: Vec<_> = self.rules_missed().collect();
        let (all, broken) = (rules::all().count(), self.rules.len());
        let _ = writeln!(
            text,
            "\nsemantic rules {all} · broken {broken} · witnessed {}",
            self.witnesses.len()
        );
        for id in missed {
            let _ = writeln!(text, "  never broken: {id}");
        }
        let uncertain = rules::all().filter(|rule| rule.uncertain.is_some()).count();
        let _ = writeln!(text, "uncertain rules {uncertain}\nexternal {}", self.external);
        let _ = writeln!(text, "heavy bodies {} · {} bytes", self.heavy, self.heavy_bytes);
        let _ = writeln!(text, "\nuncertain\n");
        for ((rule, question), count) in &self.open {
            let _ = writeln!(text, "  {rule} {count}  {question}");
        }
        text
    }

    fn write_families(&self, text: &mut String) {
        let families = ["valid", "witness"]
            .into_iter()
            .chain(FAMILIES.iter().map(|family| family.name))
            .chain(["rule"]);
        let short = |operation: OperationId| {
            operation.name().replace("messages.", "m.").replace("batches.", "b.")
        };
        let _ = write!(text, "{:10}", "family");
        for operation in OperationId::ALL {
            let _ = write!(text, " {:>14}", short(operation));
        }
        text.push('\n');
        for family in families {
            let _ = write!(text, "{family:10}");
            for operation in OperationId::ALL {
                let count = self.families.get(&(family, operation)).copied().unwrap_or(0);
                let _ = write!(text, " {count:>14}");
            }
            text.push('\n');
        }
    }

    fn write_schema(&self, contract: &Contract, text: &mut String) {
        text.push('\n');
        for edition in &contract.editions {
            let none = Census::default();
            let reached = self.schema.get(&edition.version).unwrap_or(&none);
            let whole = Census::of(edition);
            let version = edition.version;
            let _ = writeln!(
                text,
                "schema under {version}: members {}/{} · branches {}/{} · choices {}/{}",
                reached.places.len(),
                whole.places.len(),
                reached.branches.len(),
                whole.branches.len(),
                reached.choices.len(),
                whole.choices.len(),
            );
            let missed = whole
                .places
                .difference(&reached.places)
                .chain(whole.branches.difference(&reached.branches));
            for (schema, name) in missed.chain(whole.choices.difference(&reached.choices)) {
                let component =
                    edition.schemas.node(*schema).component.as_deref().unwrap_or("(inline)");
                let _ = writeln!(text, "  never drawn: {component} {name}");
            }
        }
    }
}

impl Census {
    /// Notes one value and, in a union, the branch it takes.
    fn note(&mut self, edition: &Edition, schema: SchemaId, value: &Value) {
        let schema = edition.schemas.resolved_id(schema);
        match &edition.schemas.node(schema).kind {
            Kind::Object(object) => {
                let members =
                    object.properties.iter().filter(|property| value.get(&property.name).is_some());
                self.places.extend(members.map(|property| (schema, property.name.clone())));
            }
            Kind::Text(text) if text.choices.len() > 1 => {
                self.choices.extend(value.as_str().map(|choice| (schema, choice.to_owned())));
            }
            Kind::Union(union) => {
                if let Some(branch) = edition.schemas.branch(union, value) {
                    let tag = union.tag.as_ref().and_then(|tag| value.get(tag)?.as_str());
                    let name = tag.or_else(|| branch.tags.first().map(String::as_str));
                    self.branches.insert((
                        schema,
                        name.map_or_else(|| unnamed(edition, branch.schema), str::to_owned),
                    ));
                    self.note(edition, branch.schema, value);
                }
            }
            _ => {}
        }
    }

    /// Everything the request schemas of an edition hold.
    fn of(edition: &Edition) -> Self {
        let mut census = Self::default();
        let mut seen = BTreeSet::new();
        let mut open: Vec<_> =
            edition.operations.iter().filter_map(|operation| operation.request).collect();
        while let Some(id) = open.pop() {
            let schema = edition.schemas.resolved_id(id);
            if !seen.insert(schema) {
                continue;
            }
            match &edition.schemas.node(schema).kind {
                Kind::List { items, .. } => open.push(*items),
                Kind::Object(object) => {
                    for property in &object.properties {
                        census.places.insert((schema, property.name.clone()));
                        open.push(property.schema);
                    }
                }
                Kind::Text(text) if text.choices.len() > 1 => {
                    census
                        .choices
                        .extend(text.choices.iter().map(|choice| (schema, choice.clone())));
                }
                Kind::Union(union) => {
                    for branch in &union.branches {
                        let names = branch.tags.iter().cloned();
                        let unnamed = union.tag.is_none().then(|| unnamed(edition, branch.schema));
                        census.branches.extend(names.chain(unnamed).map(|name| (schema, name)));
                        open.push(branch.schema);
                    }
                }
                _ => {}
            }
        }
        census
    }
}

/// What to call a branch that has no tag.
fn unnamed(edition: &Edition, branch: SchemaId) -> String {
    let node = edition.schemas.resolved(branch);
    let kind = match node.kind {
        Kind::List { .. } => "list",
        Kind::Object(_) => "object",
        Kind::Text(_) => "string",
        _ => "other",
    };
    node.component.clone().unwrap_or_else(|| kind.to_owned())
}
