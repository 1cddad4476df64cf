//! What a target's answers come to, for people and for machines.

pub mod badge;
mod first;
pub mod markdown;
pub mod page;
mod told;

pub use self::told::Told;

use contract::conformance::feature::Feature;
use contract::conformance::probe::Support;
use contract::conformance::standing::{Row, Standing};
use serde_json::{Value, json};

use self::first::{First, first};
use super::Head;
use super::human::Page;
use crate::console::{count, fold, thousands};
use crate::target::odd::Odd;
use crate::target::{Conformance, Facts};

/// Rules named on a line before the rest is only counted.
const NAMED_MAX: usize = 6;
/// Of what a target said, shown.
const WORDS_MAX: usize = 60;

/// What is missing where all comes from journals.
const NO_EVIDENCE: &str = "what reached it is not kept in journals, so there is no evidence of it";

/// What rows are about, by the beginning of their ids.
const GROUPS: [(&str, &str); 7] = [
    ("accepts/", "valid requests are served"),
    ("refuses/", "broken requests are refused"),
    ("response/", "answers keep their shape"),
    ("stream/", "streams keep their grammar"),
    ("chain/", "what was told is remembered"),
    ("gateway/", "requests go on as they are"),
    ("target/", "it stays"),
];

/// The part of the report that only a target has.
pub fn human(page: Page, conformance: &Conformance, head: &Head) -> String {
    let mut text = table(page, conformance);
    text += &unusual(page, conformance);
    text.push('\n');
    text += &levels(page, conformance);
    for (name, what) in notes(conformance) {
        let folded = fold(&what, page.width, "              ");
        text += &format!("{}{}\n", page.paint.dim(format_args!("{name:14}")), folded.trim_start());
    }
    if let Some(compared) = &conformance.ledger {
        text += &ledger(page, compared);
    }
    text + &fix_first(page, conformance, head)
}

/// Where to begin.
fn fix_first(page: Page, conformance: &Conformance, head: &Head) -> String {
    let paint = page.paint;
    let first = first(conformance);
    if first.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", paint.bold("fix first"));
    for First { row, level, trace, case } in first {
        let cases = count(row.cases, "case");
        let what = format!("{level}, wrong in {} of {cases}", thousands(row.wrong));
        text += &format!("  {} {}\n", paint.red(&row.id), paint.dim(what));
        text += &format!("{}\n", fold(trace, page.width, "      "));
        if let Some(case) = case {
            // One line, however long: it is to be copied.
            text += &format!("      {}\n", paint.dim(head.replay_command(&case)));
        }
    }
    text
}

/// What the target's author may want to know, though nothing is wrong with it.
fn unusual(page: Page, conformance: &Conformance) -> String {
    let paint = page.paint;
    if conformance.oddities.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", paint.bold("new or unusual, not a failure"));
    for odd in &conformance.oddities {
        let what = format!("{}{}, in {}", odd.kind.what(), named(odd), count(odd.cases, "stream"));
        text += &format!("{}\n", fold(&what, page.width, "  "));
        for line in [&odd.trace, &odd.example] {
            text += &format!("{}\n", paint.dim(fold(line, page.width, "      ")));
        }
    }
    text
}

/// The names or values in question, where there are any.
fn named(odd: &Odd) -> String {
    let names: Vec<_> = odd.names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

fn table(page: Page, conformance: &Conformance) -> String {
    let paint = page.paint;
    let heads: String = ["conformant", "declared", "wrong", "untested"]
        .iter()
        .map(|head| format!("{head:>12}"))
        .collect();
    let mut text = format!("\n{}\n", paint.dim(format_args!("{:30}{heads}", "rules")));
    for (prefix, name) in GROUPS {
        let of_group = |row: &&Row| row.id.starts_with(prefix);
        let cell = |standing| {
            let rows = conformance.rows.iter().filter(of_group);
            let number = rows.filter(|row| row.standing == standing).count();
            let cell =
                format!("{:>12}", if number == 0 { "·".to_owned() } else { thousands(number) });
            match standing {
                Standing::SilentlyWrong if number > 0 => paint.red(cell),
                Standing::Declared if number > 0 => paint.yellow(cell),
                _ => cell,
            }
        };
        if conformance.rows.iter().any(|row| row.id.starts_with(prefix)) {
            text += &format!("{name:30}{}\n", Standing::ALL.map(cell).concat());
        }
    }
    text
}

fn levels(page: Page, conformance: &Conformance) -> String {
    let paint = page.paint;
    let mut text = String::new();
    for standing in &conformance.levels {
        let mut parts = Vec::new();
        if !standing.broken_by.is_empty() {
            let rules = count(standing.broken_by.len(), "rule");
            parts.push(format!("{rules}: {}", some(&standing.broken_by)));
        }
        if !standing.lacks.is_empty() {
            let names: Vec<_> =
                standing.lacks.iter().map(|feature| feature.title().to_owned()).collect();
            parts.push(format!("it cannot do without {}", some(&names)));
        }
        if !standing.untried.is_empty() && !standing.is_broken() {
            let names: Vec<_> =
                standing.untried.iter().map(|feature| feature.title().to_owned()).collect();
            parts.push(format!("no case said anything about {}", some(&names)));
        }
        let word = match standing.word() {
            "holds" if standing.untested > 0 => {
                let rules = count(standing.untested, "rule");
                format!("{}, {rules} untested", paint.green("holds"))
            }
            "holds" => paint.green("holds"),
            "untested" => paint.yellow("untested"),
            word => paint.red(word),
        };
        let asked = if standing.level == conformance.level { " (asked for)" } else { "" };
        let name = format!("{}{asked}", standing.level);
        text += &format!("level {name:24}{word}\n");
        if !parts.is_empty() {
            text +=
                &format!("{}\n", paint.dim(fold(&parts.join("; "), page.width, "              ")));
        }
    }
    text
}

fn some(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED_MAX {
        text += &format!(" and {} more", names.len() - NAMED_MAX);
    }
    text
}

/// Facts worth a line.
fn notes(conformance: &Conformance) -> Vec<(&'static str, String)> {
    let mut notes = Vec::new();
    let of = |wanted: fn(&Support) -> bool| {
        let found = conformance.features.iter().filter(|(_, support)| wanted(support));
        let told = found.map(|(feature, support)| {
            let words: String = support.text().chars().take(WORDS_MAX).collect();
            if words.is_empty() {
                feature.title().to_owned()
            } else {
                format!("{} ({words})", feature.title())
            }
        });
        told.collect::<Vec<_>>()
    };
    let lists = [
        ("does not have", of(Support::is_absent)),
        ("broken", of(|support| matches!(support, Support::Broken(_)))),
        ("unknown", of(|support| matches!(support, Support::Unknown(_)))),
    ];
    for (name, features) in lists {
        if !features.is_empty() {
            notes.push((name, features.join(", ")));
        }
    }
    if let Some(about) = &conformance.profile.target {
        let declarations = count(conformance.profile.declarations().count(), "declaration");
        let version =
            about.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        notes.push(("profile", format!("{}{version}, {declarations}", about.name)));
    }
    notes.push(("model", model(&conformance.facts)));
    let mut facts = Vec::new();
    if conformance.facts.checks_versions == Some(false) {
        facts.push("takes versions that never were".to_owned());
    }
    match conformance.facts.is_deterministic {
        Some(true) => facts.push("two requests alike are answered alike".to_owned()),
        Some(false) => facts.push("two requests alike are answered in two ways".to_owned()),
        None => {}
    }
    if let Some(twins) = &conformance.twins {
        facts.push(match &twins.not_comparable {
            Some(why) if twins.compared == 0 => {
                format!("streams and plain answers were not compared: {why}")
            }
            _ => format!(
                "of {} streams {} differ from the plain answer",
                twins.compared, twins.differ
            ),
        });
    }
    if !facts.is_empty() {
        notes.push(("seen", facts.join("; ")));
    }
    if let Some(address) = conformance.upstream {
        let evidence = match conformance.is_recalled {
            true => NO_EVIDENCE.to_owned(),
            false => format!("{} kept as evidence", count(conformance.evidence.len(), "exchange")),
        };
        notes.push(("upstream", format!("our mock at http://{address}; {evidence}")));
    }
    notes
}

fn model(facts: &Facts) -> String {
    match (&facts.model, &facts.stands_for) {
        (Some(model), Some(known)) if model == known => {
            format!(
                "{model} in every case: the target refuses {} others",
                facts.models_refused.len()
            )
        }
        (Some(model), Some(known)) => format!("{model} in every case, with the limits of {known}"),
        (Some(model), None) => {
            format!(
                "{model} in every case; --stands-for NAME says whose limits it has, and sends more cases"
            )
        }
        (None, _) => format!(
            "every case its own: {} of the contract's are served",
            facts.models_served.len()
        ),
    }
}

fn ledger(page: Page, compared: &crate::target::ledger::Compared) -> String {
    let paint = page.paint;
    if compared.is_accepted {
        return format!("{}\n", paint.dim("the standing was written to the ledger"));
    }
    if compared.is_new {
        return format!("{} there is none yet: --accept writes it\n", paint.yellow("ledger"));
    }
    if compared.changes.is_empty() {
        return format!("{}\n", paint.dim("the standing is that of the ledger"));
    }
    let mut text = format!("\n{} differs\n", paint.yellow("ledger"));
    for change in &compared.changes {
        let line = if change.starts_with('-') { paint.red(change) } else { paint.green(change) };
        text += &format!("  {line}\n");
    }
    if compared.changes_left_out > 0 {
        text += &format!("  and {} more lines\n", compared.changes_left_out);
    }
    text
}

/// The same for machines.
pub fn json(conformance: &Conformance) -> Value {
    let facts = &conformance.facts;
    let profile = &conformance.profile;
    let declared = |feature: Feature| {
        profile.leaves_out([feature].into_iter().collect()).map(|(_, reason)| reason.to_owned())
    };
    let counts: serde_json::Map<_, _> = Standing::ALL
        .iter()
        .map(|standing| {
            let rows = conformance.rows.iter().filter(|row| row.standing == *standing).count();
            (standing.name().to_owned(), rows.into())
        })
        .collect();
    json!({
        "profile": profile.target.as_ref().map(|about| json!({"name": about.name, "version": about.version, "url": about.url})),
        "level": conformance.level.name(),
        "levels": conformance.levels.iter().map(|standing| json!({
            "level": standing.level.name(),
            "holds": standing.holds(),
            "standing": standing.word(),
            "untried": standing.untried.iter().map(|feature| feature.name()).collect::<Vec<_>>(),
            "untested": standing.untested,
            "broken_by": standing.broken_by,
            "lacks": standing.lacks.iter().map(|feature| feature.name()).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "counts": counts,
        "model": {
            "name": facts.model,
            "stands_for": facts.stands_for,
            "served": facts.models_served,
            "refused": facts.models_refused,
            "listed": facts.models_listed,
        },
        "is_deterministic": facts.is_deterministic,
        "checks_versions": facts.checks_versions,
        "features": conformance.features.iter().map(|(feature, support)| json!({
            "feature": feature.name(),
            "support": support.name(),
            "seen": support.text(),
            "declared": declared(*feature),
        })).collect::<Vec<_>>(),
        "rules": conformance.rows.iter().map(row).collect::<Vec<_>>(),
        "twins": conformance.twins.as_ref().map(|twins| json!({
            "compared": twins.compared, "differ": twins.differ, "not_comparable": twins.not_comparable,
        })),
        "unusual": conformance.oddities.iter().map(|odd| json!({
            "kind": odd.kind.name(), "what": odd.kind.what(), "names": odd.names, "streams": odd.cases,
            "example": odd.example, "trace": odd.trace,
        })).collect::<Vec<_>>(),
        "stale": conformance.stale,
        "gone": conformance.gone.as_ref().map(|gone| json!({
            "refused": gone.refused, "hung": gone.hung, "suspects": gone.suspects,
        })),
        "upstream": conformance.upstream.map(|address| format!("http://{address}")),
        "evidence_missing": (conformance.is_recalled && conformance.upstream.is_some()).then_some(NO_EVIDENCE),
        "evidence": conformance.evidence.iter().map(|evidence| json!({
            "rule": evidence.rule, "case": evidence.case, "blame": evidence.blame.name(), "trace": evidence.trace,
            "sent": evidence.sent, "answered": evidence.answered,
            "upstream_got": evidence.upstream_got, "upstream_said": evidence.upstream_said,
        })).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    json!({
        "rule": row.id,
        "standing": row.standing.name(),
        "level": row.level.map(contract::level::Level::name),
        "cases": row.cases,
        "wrong": row.wrong,
        "declared": row.declared,
        "unclear": row.unclear,
        "why": row.why,
        "examples": row.examples,
        "blames": row.blames,
    })
}
