//! Writes one member of an object: from its schema, or as its hook says.

use crate::schema::{Kind, Property, SchemaId};
use crate::signature;
use crate::version::Version;

use super::plan::ToolKind;
use super::{DEPTH_USUAL, Generator, Hook, Scope, prose, tools};

/// How often an optional member is drawn, of 256.
const OPTIONAL: u8 = 56;
/// What every client sends, though it need not.
const PLAIN: [&str; 8] = [
    "content",
    "description",
    "is_error",
    "stop_sequences",
    "stream",
    "system",
    "tool_choice",
    "tools",
];

impl<'c> Generator<'c, '_, '_> {
    pub(super) fn member(&mut self, property: &'c Property) {
        if self.plan.plain && !property.required && !PLAIN.contains(&&*property.name) {
            return;
        }
        match property.hook {
            Hook::Plain => self.plain(property),
            Hook::Messages => self.with(property, Self::messages),
            Hook::Tools => self.tools(property),
            Hook::System => self.system(property),
            Hook::Params => self.with(property, |it| it.params(property.schema)),
            Hook::Requests => self.requests(property),
            Hook::CacheControl | Hook::TopCacheControl => self.cache_control(property),
            Hook::Citations => self.citations(property),
            Hook::TextCitations => self.text_citations(property),
            Hook::Content => self.content(property),
            Hook::Model
            | Hook::Budget
            | Hook::MaxTokens
            | Hook::Stream
            | Hook::Sampling
            | Hook::Speed
            | Hook::StopSequences
            | Hook::Geo
            | Hook::Container
            | Hook::OutputConfig
            | Hook::Effort
            | Hook::Format
            | Hook::FormatSchema
            | Hook::Thinking
            | Hook::ToolChoice
            | Hook::ToolChoiceName => self.top_level(property),
            Hook::AllowedCallers
            | Hook::AllowedDomains
            | Hook::BlockedDomains
            | Hook::DeferLoading
            | Hook::Description
            | Hook::InputExamples
            | Hook::InputSchema
            | Hook::MemberConfig
            | Hook::Strict
            | Hook::ToolName => self.of_tool(property),
            Hook::CallId
            | Hook::CallInput
            | Hook::CallName
            | Hook::CallToolset
            | Hook::Caller
            | Hook::ToolReference => self.of_call(property),
            Hook::Country
            | Hook::CustomId
            | Hook::EndIndex
            | Hook::FileId
            | Hook::ImageData
            | Hook::ImageType
            | Hook::Opaque
            | Hook::Pdf
            | Hook::Redacted
            | Hook::Signature
            | Hook::Text
            | Hook::ThinkingText
            | Hook::Url => self.leaf(property),
        }
    }

    fn with(&mut self, property: &Property, write: impl FnOnce(&mut Self)) {
        self.out.key(&property.name);
        write(self);
    }

    fn wants(&mut self, property: &Property) -> bool {
        property.required || (self.depth < DEPTH_USUAL && self.source.chance(OPTIONAL))
    }

    fn plain(&mut self, property: &'c Property) {
        if self.wants(property) {
            self.with(property, |it| it.value(property.schema));
        }
    }

    fn top_level(&mut self, property: &'c Property) {
        match property.hook {
            Hook::Model => self.with(property, |it| {
                let model = it.plan.model.expect("a plan has a model");
                let names = std::iter::once(&model.id).chain(&model.aliases);
                let name = names.clone().nth(it.source.below(names.count())).unwrap_or(&model.id);
                it.out.string(name);
            }),
            Hook::MaxTokens => self.with(property, |it| it.out.integer(it.plan.max_tokens)),
            Hook::Budget => self.with(property, |it| it.out.integer(it.plan.budget_tokens)),
            Hook::Stream if self.plan.stream => self.with(property, |it| it.out.raw("true")),
            Hook::Stream if self.source.chance(40) => self.with(property, |it| it.out.raw("false")),
            Hook::Sampling => self.sampling(property),
            Hook::Speed if self.plan.fast => self.with(property, |it| it.out.string("fast")),
            // A batch takes no speed at all.
            Hook::Speed if self.operation.takes_params() && self.source.chance(20) => {
                let speed = *self.source.pick(&["\"standard\"", "null"]);
                self.with(property, |it| it.out.raw(speed));
            }
            Hook::StopSequences if self.source.chance(32) => {
                let stops = *self.source.pick(&["[\"\\n\\nHuman:\"]", "[]", "[\"END\",\"```\"]"]);
                self.with(property, |it| it.out.raw(stops));
            }
            Hook::Geo if self.plan.geo => {
                let geo = *self.source.pick(&["\"us\"", "\"global\"", "null"]);
                self.with(property, |it| it.out.raw(geo));
            }
            Hook::Container if self.source.chance(10) => {
                self.mock_only("names a container");
                self.with(property, |it| it.value(property.schema));
            }
            Hook::OutputConfig if self.plan.effort.is_some() || self.plan.format.is_some() => {
                self.with(property, |it| it.value(property.schema));
            }
            Hook::Effort => {
                if let Some(effort) = self.plan.effort {
                    self.with(property, |it| it.out.string(effort));
                }
            }
            Hook::Format if self.plan.format.is_some() => {
                self.with(property, |it| it.value(property.schema))
            }
            Hook::FormatSchema => {
                if let Some(format) = self.plan.format {
                    self.with(property, |it| it.out.raw(format));
                }
            }
            Hook::Thinking if !self.plan.thinking.is_empty() => {
                let form = self.plan.thinking;
                self.with(property, |it| it.tagged(property.schema, form));
            }
            Hook::ToolChoice if !self.plan.tool_choice.is_empty() => {
                let form = self.plan.tool_choice;
                self.with(property, |it| it.tagged(property.schema, form));
            }
            Hook::ToolChoiceName => self.with(property, Self::tool_choice_name),
            _ => {}
        }
    }

    fn sampling(&mut self, property: &'c Property) {
        let wanted = match property.name.as_str() {
            "temperature" => self.plan.temperature,
            "top_k" => self.plan.top_k,
            _ => self.plan.top_p,
        };
        if wanted {
            self.with(property, |it| it.value(property.schema));
        }
    }

    /// The branch of a union with that tag.
    fn tagged(&mut self, union: SchemaId, tag: &str) {
        if let Kind::Union(union) = &self.edition.schemas.resolved(union).kind
            && let Some(branch) =
                union.branches.iter().find(|branch| branch.tags.iter().any(|t| t == tag))
        {
            self.inside(branch.schema.index(), |it| {
                it.places.push(it.place);
                it.value(branch.schema);
            });
        }
    }

    fn requests(&mut self, property: &'c Property) {
        if let Kind::List { items, .. } = &self.edition.schemas.resolved(property.schema).kind {
            let count = 1 + self.source.below(3);
            self.with(property, |it| it.list(*items, count));
        }
    }

    fn cache_control(&mut self, property: &'c Property) {
        let automatic = property.hook == Hook::TopCacheControl;
        let deferred = self.scope == Scope::Tools
            && self.plan.tools.get(self.tool).is_some_and(|tool| tool.deferred);
        let wanted = if automatic {
            self.plan.automatic
        } else {
            self.plan.breakpoints > 0 && !deferred && self.source.chance(80)
        };
        if wanted {
            let ttl = if automatic { self.plan.ttl.1 } else { self.ttl() };
            self.plan.breakpoints -= u8::from(!automatic);
            self.with(property, |it| match ttl {
                "" => it.out.raw(r#"{"type":"ephemeral"}"#),
                "5m" => it.out.raw(r#"{"type":"ephemeral","ttl":"5m"}"#),
                _ => it.out.raw(r#"{"type":"ephemeral","ttl":"1h"}"#),
            });
        } else if self.source.chance(4) {
            self.with(property, |it| it.out.raw("null"));
        }
    }

    fn citations(&mut self, property: &'c Property) {
        if self.plan.citations {
            self.with(property, |it| it.out.raw(r#"{"enabled":true}"#));
        } else if self.source.chance(24) {
            self.with(property, |it| it.out.raw(r#"{"enabled":false}"#));
        }
    }

    fn text_citations(&mut self, property: &'c Property) {
        let cited = match self.scope {
            Scope::Assistant => true,
            Scope::User => self.edition.version == Version::V2023_06_01,
            Scope::Aside | Scope::Nested | Scope::System | Scope::Tools => false,
        };
        if cited && self.plan.format.is_none() && self.source.chance(48) {
            self.with(property, |it| it.value(property.schema));
        } else if self.source.chance(8) {
            self.with(property, |it| it.out.raw("null"));
        }
    }

    fn of_tool(&mut self, property: &'c Property) {
        let Some(tool) = self.plan.tools.get(self.tool).copied() else { return };
        match (property.hook, tool.kind) {
            (Hook::ToolName, ToolKind::Custom(template)) => self.with(property, |it| {
                let suffix = &SUFFIXES[tool.suffix % SUFFIXES.len()];
                it.out.joined(&[tools::TEMPLATES[template].name, suffix]);
            }),
            (Hook::Description, ToolKind::Custom(template)) if self.source.chance(224) => {
                self.with(property, |it| it.out.string(tools::TEMPLATES[template].description));
            }
            (Hook::InputSchema, ToolKind::Custom(template)) => {
                self.with(property, |it| it.out.raw(tools::TEMPLATES[template].schema));
            }
            (Hook::InputExamples, kind) if self.source.chance(40) => {
                let example = super::block::input_of(kind);
                self.with(property, |it| {
                    it.out.open(b'[');
                    it.out.raw(example);
                    it.out.close(b']');
                });
            }
            (Hook::Strict, kind) if self.source.chance(48) => {
                let strict = matches!(kind, ToolKind::Custom(_));
                self.with(property, |it| it.out.raw(if strict { "true" } else { "false" }));
            }
            (Hook::DeferLoading, _) if tool.deferred => {
                self.with(property, |it| it.out.raw("true"))
            }
            (Hook::DeferLoading, _) if self.source.chance(16) => {
                self.with(property, |it| it.out.raw("false"))
            }
            (Hook::AllowedCallers, _) if self.source.chance(48) => {
                self.with(property, |it| it.value(property.schema));
            }
            (Hook::AllowedDomains, _)
                if tool.suffix.is_multiple_of(2) && self.source.chance(64) =>
            {
                self.with(property, |it| it.out.raw(r#"["example.com","docs.example.org"]"#));
            }
            (Hook::BlockedDomains, _)
                if !tool.suffix.is_multiple_of(2) && self.source.chance(64) =>
            {
                self.with(property, |it| it.out.raw(r#"["example.net"]"#));
            }
            (Hook::MemberConfig, _) if self.source.chance(64) => {
                let config = *self.source.pick(&[
                    r#"{"enabled":true}"#,
                    "{}",
                    "null",
                    r#"{"enabled":true,"defer_loading":false}"#,
                ]);
                self.with(property, |it| it.out.raw(config));
            }
            _ => {}
        }
    }

    fn leaf(&mut self, property: &'c Property) {
        if !self.wants(property) {
            return;
        }
        self.out.key(&property.name);
        match property.hook {
            Hook::Country => self.out.string("PT"),
            Hook::CustomId => {
                self.calls += 1;
                let number = self.out.0.len().to_string();
                self.out.joined(&["item-", &number]);
            }
            Hook::EndIndex => {
                let end = self.source.between(1001, 1100);
                self.out.integer(end);
            }
            Hook::FileId => {
                self.mock_only("names an uploaded file");
                self.out.string("file_011CProbityFile");
            }
            Hook::ImageData => {
                let index = self.draw_image();
                self.out.string(prose::IMAGES[index].1);
            }
            Hook::ImageType => {
                let index = self.draw_image();
                self.out.string(prose::IMAGES[index].0);
            }
            Hook::Opaque => {
                self.mock_only("holds content that only the API can have made");
                self.out.string("EqQBCkYIARgCIkBwcm9iaXR5");
            }
            Hook::Pdf => self.out.string(prose::PDF),
            Hook::Redacted => {
                self.mock_only("holds a redacted thinking block");
                self.out.string(&signature::redact(self.thought));
            }
            Hook::Signature => {
                self.mock_only("holds a signed thinking block");
                self.out.string(&signature::sign(self.thought));
            }
            Hook::Text => {
                let table = match self.scope {
                    Scope::Assistant => prose::ANSWERS,
                    Scope::Nested => prose::RESULTS,
                    Scope::Aside | Scope::System => prose::SYSTEMS,
                    Scope::Tools | Scope::User => prose::QUESTIONS,
                };
                let text = *self.source.pick(table);
                self.out.string(text);
            }
            Hook::ThinkingText => self.out.string(self.thought),
            _ => {
                self.mock_only("names an address that does not exist");
                let url = *self.source.pick(prose::URLS);
                self.out.string(url);
            }
        }
    }

    /// The image in hand: drawn by the first of its two members, taken by the second.
    fn draw_image(&mut self) -> usize {
        match self.image.take() {
            Some(index) => index,
            None => *self.image.insert(self.source.below(prose::IMAGES.len())),
        }
    }
}

/// Told apart, two tools of one template have different names.
pub(super) const SUFFIXES: [&str; 5] = ["", "_2", "_3", "-4", "_V5"];
