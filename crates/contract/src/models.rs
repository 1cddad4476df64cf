//! Models as data: what each one takes and refuses, read from `specs/models.toml`.

use serde::Deserialize;

/// The file as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    #[serde(rename = "model")]
    pub current: Vec<Model>,
    /// Models that are gone: a request naming one is answered as if it had never been.
    #[serde(default)]
    pub retired: Vec<Retired>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub id: String,
    pub aliases: Vec<String>,
    pub display_name: String,
    pub line: String,
    /// `YYYY-MM-DD`, as all dates here.
    pub released: String,
    pub context_tokens: u64,
    pub output_tokens_max: u64,
    /// What the beta for long output lifts that to, in batches only; `None` if it lifts nothing.
    pub output_tokens_max_batch: Option<u64>,
    /// Forms of `thinking.type` the model accepts.
    pub thinking: Vec<String>,
    /// Forms whose answer is not settled: never drawn as valid, never expected to be refused.
    #[serde(default)]
    pub thinking_uncertain: Vec<String>,
    /// What happens without a `thinking` parameter: `off` or `adaptive`.
    pub thinking_default: String,
    /// Levels of `output_config.effort`; empty if the model has no such parameter.
    pub effort: Vec<String>,
    #[serde(default)]
    pub effort_uncertain: Vec<String>,
    /// Levels that contradict `thinking: {type: disabled}`.
    #[serde(default)]
    pub effort_needs_thinking: Vec<String>,
    /// Whether the last message may be the assistant's.
    pub prefill: bool,
    /// Whether a message may have the role `system`.
    pub system_messages: bool,
    #[serde(default)]
    pub system_messages_uncertain: bool,
    pub forced_tool_choice: Settled,
    /// Whether the tool `computer_20251124` is taken, with its beta value.
    pub computer_tool: Settled,
    pub sampling: Sampling,
    pub fast: Fast,
    /// Whether `inference_geo` is taken.
    pub inference_geo: bool,
    pub cache_prefix_min: u64,
    pub images_max: u64,
    pub pdf_pages_max: u64,
    pub lifecycle: Lifecycle,
    pub deprecated_at: Option<String>,
    pub retires_at: Option<String>,
    pub retired_at: Option<String>,
    pub prefix_check: PrefixCheck,
    pub confidence: Confidence,
    pub source: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    pub id: String,
    pub retired_at: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Settled {
    No,
    Uncertain,
    Yes,
}

/// Who is refused when the conversation before a returned thinking block has changed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum PrefixCheck {
    /// Depends on the account: refused, or the block is dropped without a word.
    Account,
    /// Everybody.
    Always,
    /// Nobody: its thinking blocks are not bound.
    No,
}

/// What a model does with `temperature`, `top_p` and `top_k` under 2023-06-01.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Any value other than the default is refused.
    Deprecated,
    /// All three are taken.
    Free,
    /// Not `temperature` and `top_p` together.
    OneOf,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Fast {
    Accepted,
    Ignored,
    Refused,
    Uncertain,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    Active,
    Deprecated,
    Retired,
}

/// How sure a fact is, surest first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Stands in an SDK release or in the vendor's own document.
    Confirmed,
    /// Stands in the vendor's documentation.
    Documented,
    /// Reported in public from real answers.
    Observed,
    /// Concluded by us.
    Inferred,
}

impl Models {
    /// The model of that id or alias.
    pub fn find(&self, name: &str) -> Option<&Model> {
        self.current
            .iter()
            .find(|model| model.id == name || model.aliases.iter().any(|a| a == name))
    }
}

impl Model {
    /// What has become of it on that day. Dates of the form `YYYY-MM-DD` compare as texts.
    pub fn lifecycle_on(&self, today: &str) -> Lifecycle {
        let dates = [&self.retires_at, &self.retired_at];
        let is_gone = dates.into_iter().flatten().any(|date| &**date <= today);
        if is_gone { Lifecycle::Retired } else { self.lifecycle }
    }

    /// Whether a request that names it is answered as if it had never been.
    pub fn is_gone(&self, today: &str) -> bool {
        self.lifecycle_on(today) == Lifecycle::Retired
    }

    /// Whether it is there for certain: one that is deprecated without a day of announcement may have gone.
    pub fn is_there(&self, today: &str) -> bool {
        match self.lifecycle_on(today) {
            Lifecycle::Active => true,
            Lifecycle::Deprecated => self.deprecated_at.is_some(),
            Lifecycle::Retired => false,
        }
    }

    pub fn thinks(&self, form: &str) -> bool {
        self.thinking.iter().any(|f| f == form)
    }
}
