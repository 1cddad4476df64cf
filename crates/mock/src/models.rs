//! The models endpoint, from the contract's table of models.

use classify::Request;
use contract::models::{Lifecycle, Model, Retired};
use contract::rules::view;
use contract::spec::Contract;
use serde::Serialize;

use crate::Now;
use crate::error::Refusal;
use crate::query::{self, Page};

/// A page of models, newest first, retired ones only when asked for.
pub(crate) fn list(contract: &Contract, request: &Request, now: Now) -> Page<ModelInfo> {
    let wanted = lifecycles(request);
    let models = &contract.models;
    let today = now.date();
    let current = models.current.iter().map(|model| Row::current(model, &today));
    let mut rows: Vec<Row<'_>> = current.chain(models.retired.iter().map(Row::Retired)).collect();
    rows.retain(|row| wanted.contains(&row.lifecycle()));
    query::paging(request).cut(&rows, Row::id, Row::info)
}

/// The model of that id or alias. A retired one is answered as if it had never been, as everywhere.
pub(crate) fn get(contract: &Contract, name: &str, now: Now) -> Result<ModelInfo, Refusal> {
    let today = now.date();
    let model = contract.models.find(name).filter(|model| !model.is_gone(&today));
    model
        .map(|model| Row::current(model, &today).info())
        .ok_or_else(|| Refusal::not_found(format!("model: {name}")))
}

/// What stands there is right, because the rules were asked before.
fn lifecycles(request: &Request) -> Vec<Lifecycle> {
    let values = view::query(request).filter(|(name, _)| view::is_lifecycle(name));
    let wanted: Vec<_> = values
        .filter_map(|(_, value)| match &*value {
            "active" => Some(Lifecycle::Active),
            "deprecated" => Some(Lifecycle::Deprecated),
            "retired" => Some(Lifecycle::Retired),
            _ => None,
        })
        .collect();
    if wanted.is_empty() { vec![Lifecycle::Active, Lifecycle::Deprecated] } else { wanted }
}

enum Row<'a> {
    /// With what has become of it today.
    Current(&'a Model, Lifecycle),
    Retired(&'a Retired),
}

impl<'a> Row<'a> {
    fn current(model: &'a Model, today: &str) -> Self {
        Self::Current(model, model.lifecycle_on(today))
    }

    fn id(&self) -> &str {
        match self {
            Self::Current(model, _) => &model.id,
            Self::Retired(model) => &model.id,
        }
    }

    fn lifecycle(&self) -> Lifecycle {
        match self {
            Self::Current(_, lifecycle) => *lifecycle,
            Self::Retired(_) => Lifecycle::Retired,
        }
    }

    fn info(&self) -> ModelInfo {
        match self {
            Self::Current(model, lifecycle) => current(model, *lifecycle),
            Self::Retired(model) => retired(model),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "model")]
pub(crate) struct ModelInfo {
    id: String,
    display_name: String,
    created_at: String,
    line: Option<String>,
    lifecycle: &'static str,
    deprecated_at: Option<String>,
    retires_at: Option<String>,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u64>,
    capabilities: Option<Capabilities>,
}

fn current(model: &Model, today: Lifecycle) -> ModelInfo {
    ModelInfo {
        id: model.id.clone(),
        display_name: model.display_name.clone(),
        created_at: midnight(&model.released),
        line: Some(model.line.clone()),
        lifecycle: lifecycle(today),
        deprecated_at: model.deprecated_at.as_deref().map(midnight),
        retires_at: model.retired_at.as_deref().or(model.retires_at.as_deref()).map(midnight),
        max_input_tokens: Some(model.context_tokens),
        max_tokens: Some(model.output_tokens_max),
        capabilities: Some(Capabilities::of(model)),
    }
}

/// Of a retired model only the id and its last day are known; the day of its release stands in the id.
fn retired(model: &Retired) -> ModelInfo {
    const DATE_BYTES: usize = "YYYYMMDD".len();
    let (name, date) = model.id.rsplit_once('-').unwrap_or((&model.id, ""));
    let is_date = date.len() == DATE_BYTES && date.bytes().all(|byte| byte.is_ascii_digit());
    let released = if is_date {
        format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
    } else {
        model.retired_at.clone()
    };
    ModelInfo {
        id: model.id.clone(),
        display_name: name.to_owned(),
        created_at: midnight(&released),
        line: None,
        lifecycle: lifecycle(Lifecycle::Retired),
        deprecated_at: None,
        retires_at: Some(midnight(&model.retired_at)),
        max_input_tokens: None,
        max_tokens: None,
        capabilities: None,
    }
}

fn lifecycle(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Active => "active",
        Lifecycle::Deprecated => "deprecated",
        Lifecycle::Retired => "retired",
    }
}

fn midnight(date: &str) -> String {
    format!("{date}T00:00:00Z")
}

#[derive(Serialize)]
struct Capabilities {
    batch: Support,
    citations: Support,
    code_execution: Support,
    context_management: ContextManagement,
    effort: Effort,
    image_input: Support,
    pdf_input: Support,
    server_tools: ServerTools,
    structured_outputs: Support,
    thinking: Thinking,
}

#[derive(Clone, Copy, Serialize)]
struct Support {
    supported: bool,
}

const YES: Support = Support { supported: true };

#[derive(Serialize)]
struct ContextManagement {
    supported: bool,
    clear_thinking_20251015: Support,
    clear_tool_uses_20250919: Support,
    compact_20260112: Support,
}

#[derive(Serialize)]
struct Effort {
    supported: bool,
    low: Support,
    medium: Support,
    high: Support,
    xhigh: Support,
    max: Support,
}

#[derive(Serialize)]
struct ServerTools {
    supported: bool,
    web_search: Support,
    code_execution: Support,
}

#[derive(Serialize)]
struct Thinking {
    supported: bool,
    types: ThinkingTypes,
}

#[derive(Serialize)]
struct ThinkingTypes {
    enabled: Support,
    adaptive: Support,
    between_tools: Support,
    disabled: Support,
}

impl Capabilities {
    /// What the table does not tell is taken to be supported: every model of the table has it.
    fn of(model: &Model) -> Self {
        let effort =
            |level: &str| Support { supported: model.effort.iter().any(|known| known == level) };
        let form = |form: &str| Support { supported: model.thinks(form) };
        Self {
            batch: YES,
            citations: YES,
            code_execution: YES,
            context_management: ContextManagement {
                supported: true,
                clear_thinking_20251015: YES,
                clear_tool_uses_20250919: YES,
                compact_20260112: Support { supported: model.thinks("adaptive") },
            },
            effort: Effort {
                supported: !model.effort.is_empty(),
                low: effort("low"),
                medium: effort("medium"),
                high: effort("high"),
                xhigh: effort("xhigh"),
                max: effort("max"),
            },
            image_input: YES,
            pdf_input: YES,
            server_tools: ServerTools { supported: true, web_search: YES, code_execution: YES },
            structured_outputs: YES,
            thinking: Thinking {
                supported: !model.thinking.is_empty(),
                types: ThinkingTypes {
                    enabled: form("enabled"),
                    adaptive: form("adaptive"),
                    between_tools: form("between_tools"),
                    disabled: form("disabled"),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::version::OperationId;
    use serde_json::Value;

    use crate::fixture::{ask, body, config, contract, get, now};
    use crate::{Now, State};

    /// The answer is a success that keeps its schema, and this holds for it.
    fn check(target: &str, holds: impl Fn(&Value) -> bool) {
        let reply = ask(&mut State::new(), &get(target));
        let body = body(&reply);
        let operation = if target.contains("models/") {
            OperationId::ModelsGet
        } else {
            OperationId::ModelsList
        };
        let validators = &contract().editions[1].validators;
        assert_eq!(
            validators.success_problems(operation, "application/json", &body),
            [],
            "{body:#}"
        );
        assert!(reply.status == 200 && holds(&body), "{target} {body:#}");
    }

    fn check_refused(target: &str, status: u16, message: &str) {
        let reply = ask(&mut State::new(), &get(target));
        assert_eq!(
            (reply.status, body(&reply)["error"]["message"].as_str()),
            (status, Some(message)),
            "{target}"
        );
    }

    fn ids(page: &Value) -> Vec<&str> {
        page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn lists() {
        check("/v1/models?limit=2", |page| ids(page).len() == 2 && page["has_more"] == true);
        check("/v1/models?limit=2&after_id=claude-fable-5-2", |page| {
            page["first_id"] == "claude-mythos-5-2"
        });
        check("/v1/models?limit=100", |page| !ids(page).contains(&"claude-3-opus-20240229"));
        check("/v1/models?lifecycle%5B%5D=retired&lifecycle[]=deprecated", |page| {
            ids(page).contains(&"claude-3-opus-20240229") && !ids(page).contains(&"claude-opus-5")
        });
    }

    #[test]
    fn queries_that_are_refused() {
        check_refused(
            "/v1/models?limit=0",
            400,
            "limit: Input should be greater than or equal to 1",
        );
        let wanted = "lifecycle.0: Input should be 'active', 'deprecated' or 'retired'";
        check_refused("/v1/models?lifecycle[]=old", 400, wanted);
        let target = format!("/v1/models?{}", ["lifecycle[]=active"; 4].join("&"));
        check_refused(
            &target,
            400,
            "lifecycle: List should have at most 3 items after validation, not 4",
        );
    }

    #[test]
    fn one_model() {
        check("/v1/models/claude-opus-5", |model| model["line"] == "opus");
        check("/v1/models/claude-haiku-4-5", |model| model["id"] == "claude-haiku-4-5-20251001");
        check_refused("/v1/models/claude-nonesuch-9", 404, "model: claude-nonesuch-9");
        check_refused("/v1/models/claude-3-opus-20240229", 404, "model: claude-3-opus-20240229");
    }

    /// How the list calls a model that retires on 2026-11-30, and the status that its name is answered with.
    #[track_caller]
    fn check_on(now: Now, lifecycle: &str, status: u16) {
        const ID: &str = "claude-sonnet-4-5-20250929";
        let mut state = State::new();
        let mut ask = |target: &str| {
            crate::answer(&mut state, contract(), &config(), &get(target), now).into_reply()
        };
        for wanted in ["active", "deprecated", "retired"] {
            let page = body(&ask(&format!("/v1/models?limit=100&lifecycle[]={wanted}")));
            let found = page["data"].as_array().unwrap().iter().find(|model| model["id"] == ID);
            let told = found.map(|model| model["lifecycle"].as_str().unwrap());
            assert_eq!(told, (wanted == lifecycle).then_some(lifecycle), "{wanted}");
        }
        for name in [ID, "claude-sonnet-4-5"] {
            assert_eq!(ask(&format!("/v1/models/{name}")).status, status, "{name}");
        }
    }

    #[test]
    fn a_model_goes_on_its_day() {
        check_on(now(), "deprecated", 200);
        check_on(Now::at_date("2026-11-29").unwrap().plus_hours(23), "deprecated", 200);
        check_on(Now::at_date("2026-11-30").unwrap(), "retired", 404);
        check_on(Now::at_date("2027-05-01").unwrap(), "retired", 404);
    }
}
