//! What the API takes today and a caller will regret: lints of the model that a request names.
//!
//! A lint is never a finding: the request is right on that day. Like the rules it takes the day as an argument, so a
//! test of next month's retirement needs no clock.

use crate::models::{Confidence, Lifecycle, Model, Models};

/// A kind of lint.
#[derive(Debug)]
pub struct Lint {
    /// Stable, kebab-case.
    pub id: &'static str,
    /// What it means; the first sentence stands alone in lists.
    pub explanation: &'static str,
    pub remedy: &'static str,
    pub confidence: Confidence,
    pub source: &'static str,
}

/// A lint that applies to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advice {
    pub lint: &'static str,
    /// What is unwise, with the names and days of this request.
    pub message: String,
    pub remedy: String,
}

/// All lints.
pub const LINTS: &[Lint] = &[ALIAS, DEPRECATED, RETIRING_SOON];

const ALIAS: Lint = Lint {
    id: "model-alias",
    explanation: "The model is named by an alias. It stands for a dated snapshot, and can be moved to another one \
        without a change of the request. From 4.6 on there are no dated names: there the short name is the snapshot.",
    remedy: "Name the dated snapshot where answers must stay comparable.",
    confidence: Confidence::Documented,
    source: "models page",
};

const DEPRECATED: Lint = Lint {
    id: "model-deprecated",
    explanation: "The model is deprecated. It answers as before until the day of its retirement; from then on every \
        request that names it gets a 404.",
    remedy: "Move to the replacement that the deprecations page names, while both can be compared.",
    confidence: Confidence::Documented,
    source: "model deprecations page",
};

const RETIRING_SOON: Lint = Lint {
    id: "model-retiring-soon",
    explanation: "The model retires within 60 days. That is the shortest notice a retirement is announced with; from \
        the day on every request that names the model gets a 404. It stands in place of `model-deprecated`.",
    remedy: "Move to the replacement that the deprecations page names, before that day.",
    confidence: Confidence::Documented,
    source: "model deprecations page",
};

/// The notice that retirements are announced with, hence the last moment at which one can still be planned.
const SOON_DAYS: i64 = 60;

/// What is unwise about naming this model on that day. Nothing if the name is refused anyhow, or unknown.
pub fn model(models: &Models, name: &str, today: &str) -> Vec<Advice> {
    let Some(model) = models.find(name) else { return Vec::new() };
    let retires_in = model.retires_at.as_deref().map(|retires_at| days_between(today, retires_at));
    if model.is_gone(today) {
        return Vec::new();
    }
    let mut advice = Vec::new();
    match (retires_in.flatten(), &model.retires_at) {
        (Some(days), Some(day)) if days <= SOON_DAYS => {
            let s = if days == 1 { "" } else { "s" };
            let message = format!("`{name}` retires on {day}, in {days} day{s}");
            advice.push(Advice {
                lint: RETIRING_SOON.id,
                message,
                remedy: successor(models, model, today),
            });
        }
        _ if is_deprecated(model, today) => {
            let retires = model.retires_at.as_deref().map(|day| format!(" and retires on {day}"));
            let message = format!("`{name}` is deprecated{}", retires.unwrap_or_default());
            advice.push(Advice {
                lint: DEPRECATED.id,
                message,
                remedy: successor(models, model, today),
            });
        }
        _ => {}
    }
    if name != model.id && is_dated(&model.id) {
        advice.push(Advice {
            lint: ALIAS.id,
            message: format!("`{name}` is an alias of the snapshot `{}`", model.id),
            remedy: format!("name `{}` where answers must stay comparable", model.id),
        });
    }
    advice
}

/// A day of announcement decides; where none is known, the state on the day the file describes.
fn is_deprecated(model: &Model, today: &str) -> bool {
    match model.deprecated_at.as_deref() {
        Some(day) => day <= today,
        None => model.lifecycle == Lifecycle::Deprecated,
    }
}

/// The newest of the same line: our suggestion, since the files do not hold the vendor's.
fn successor(models: &Models, model: &Model, today: &str) -> String {
    let newer = models.current.iter().filter(|other| {
        other.line == model.line
            && other.lifecycle == Lifecycle::Active
            && model.released < other.released
            && &*other.released <= today
    });
    match newer.max_by_key(|other| &other.released) {
        Some(other) => format!("move to a newer model of its line, such as `{}`", other.id),
        None => "move to the replacement that the deprecations page names".to_owned(),
    }
}

/// Whether a name ends in a day, `-20251001`.
fn is_dated(id: &str) -> bool {
    id.rsplit_once('-')
        .is_some_and(|(_, day)| day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Days from one `YYYY-MM-DD` to another; `None` if either is no date.
fn days_between(from: &str, to: &str) -> Option<i64> {
    Some(day_number(to)? - day_number(from)?)
}

/// Counts days of the Gregorian calendar, in years that begin in March, so that a leap day is the last of its year.
fn day_number(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + (153 * months + 2) / 5 + day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: &str = include_str!("../../../specs/models.toml");

    fn check(name: &str, today: &str, expected: &[&str]) {
        let models: Models = toml::from_str(MODELS).unwrap();
        let told: Vec<_> = model(&models, name, today)
            .into_iter()
            .map(|advice| format!("{}: {}; {}", advice.lint, advice.message, advice.remedy))
            .collect();
        assert_eq!(told, expected, "{name} on {today}");
    }

    #[test]
    fn a_model_is_linted_as_of_a_day() {
        check("claude-opus-5-5", "2026-11-22", &[]);
        check("claude-nonesuch-9", "2026-11-22", &[]);
        check("claude-sonnet-4-5-20250929", "2026-09-29", &[]);
        let newer = "move to a newer model of its line, such as `claude-sonnet-5-5`";
        let soon = format!(
            "model-retiring-soon: `claude-sonnet-4-5-20250929` retires on 2026-11-30, in 8 days; {newer}"
        );
        check("claude-sonnet-4-5-20250929", "2026-11-22", &[&soon]);
        check("claude-sonnet-4-5-20250929", "2026-11-30", &[]);
        check(
            "claude-haiku-4-5",
            "2026-11-22",
            &["model-alias: `claude-haiku-4-5` is an alias of the snapshot \
                `claude-haiku-4-5-20251001`; name `claude-haiku-4-5-20251001` where answers must stay comparable"],
        );
        check("claude-haiku-4-5-20251001", "2026-11-22", &[]);
    }

    #[test]
    fn a_distant_retirement_is_a_deprecation() {
        let mut models: Models = toml::from_str(MODELS).unwrap();
        for model in &mut models.current {
            model.retires_at = model.retires_at.as_ref().map(|_| "2027-02-01".to_owned());
        }
        let told = model(&models, "claude-sonnet-4-5", "2026-11-22");
        let lints: Vec<_> = told.iter().map(|advice| advice.lint).collect();
        assert_eq!(lints, ["model-deprecated", "model-alias"]);
        assert!(told[0].message.ends_with("and retires on 2027-02-01"), "{}", told[0].message);
        let told = model(&models, "claude-sonnet-4-5-20250929", "2026-12-04");
        assert_eq!(
            told[0].message,
            "`claude-sonnet-4-5-20250929` retires on 2027-02-01, in 59 days"
        );
    }

    #[test]
    fn days_are_counted_over_months_and_leap_years() {
        for (from, to, days) in [
            ("2026-11-22", "2026-11-30", Some(8)),
            ("2026-12-31", "2027-01-01", Some(1)),
            ("2028-02-28", "2028-03-01", Some(2)),
            ("2026-02-28", "2026-03-01", Some(1)),
            ("2000-01-01", "2026-01-01", Some(9497)),
            ("2026-01-02", "2026-01-01", Some(-1)),
            ("2026-13-01", "2026-01-01", None),
            ("today", "2026-01-01", None),
        ] {
            assert_eq!(days_between(from, to), days, "{from} to {to}");
        }
    }
}
