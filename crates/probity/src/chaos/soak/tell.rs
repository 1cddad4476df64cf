//! What is told of a soak.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::card::{Client, Profile, Scorecard, cause};
use super::super::report;
use super::{Failure, Soak};
use crate::cli::ChaosArgs;
use crate::console::{count, fold, thousands};
use crate::curl::quote;
use crate::exit::Stop;
use crate::report::human::Page;

/// One client's soak, with what is known of how it came about.
pub struct Told<'a> {
    pub args: &'a ChaosArgs,
    pub client: Client,
    pub soak: &'a Soak,
    pub seed: u64,
    pub elapsed: Duration,
}

/// How far it has come.
pub fn so_far(soak: &Soak, elapsed: Duration) -> String {
    format!(
        "{} s: {}, {}, {}",
        elapsed.as_secs(),
        number(soak.draws, "draw"),
        number(soak.attempts, "attempt"),
        count(soak.failures.len() + soak.suspects.len(), "failure")
    )
}

/// The summary that people read.
pub fn human(page: Page, told: &Told<'_>) -> String {
    let Told { client, soak, seed, .. } = told;
    let paint = page.paint;
    let time = if told.args.no_timings {
        String::new()
    } else {
        format!(" in {} s", told.elapsed.as_secs())
    };
    let mut text = format!(
        "{}  {} {} ({}): {}, {}, {}{time}\n",
        paint.bold(format_args!("soak, seed {seed}")),
        client.name,
        client.version,
        client.language,
        number(soak.draws, "draw"),
        number(soak.attempts, "attempt"),
        number(soak.plain_calls, "plain call"),
    );
    let outcomes = soak.outcomes.iter().map(|(name, count)| (*name, *count));
    let verdicts = soak.counts.named().into_iter().map(|(name, count)| (name, count as u64));
    let codes = soak.codes.iter().map(|(code, count)| (code.name(), *count));
    for (name, counted) in
        [("outcomes", list(outcomes)), ("verdicts", list(verdicts)), ("findings", list(codes))]
    {
        if !counted.is_empty() && !told.args.quiet {
            let _ =
                writeln!(text, "{name}{}", &fold(&counted, page.width, "          ")[name.len()..]);
        }
    }
    if 0 < soak.unsteady {
        let _ = writeln!(
            text,
            "{} failed in company and not alone: not counted",
            number(soak.unsteady, "draw")
        );
    }
    for failure in &soak.failures {
        let code = paint.red(format_args!("{:?} {}", failure.code.severity(), failure.code));
        let steady = if failure.again { "" } else { ", seen once" };
        let _ = writeln!(
            text,
            "\n{code}  {} on {}{steady}",
            failure.report.scenario,
            failure.report.surface.name()
        );
        let seen = cause(&failure.report);
        let _ = writeln!(text, "{}", paint.dim(fold(&seen, page.width, "    ")));
        let _ = writeln!(text, "    {}", command(told, failure));
    }
    text
}

/// How it ends.
pub fn end(page: Page, stop: Option<&Stop>) -> String {
    match stop {
        Some(stop) => {
            format!("{} {stop}\n", page.paint.red(format_args!("exit {}:", stop.exit.code())))
        }
        None => format!("{}\n", page.paint.green("clean")),
    }
}

/// The usual object, with the failures alone as results, the summary of all draws, and the soak's own part.
pub fn json(told: &Told<'_>) -> Value {
    let Told { args, soak, seed, .. } = told;
    let results = soak.failures.iter().map(|failure| failure.report.clone()).collect();
    let card = Scorecard {
        client: told.client.clone(),
        profile: Profile::Default,
        results,
        stale: vec![],
        is_whole: false,
        elapsed_ms: u64::try_from(told.elapsed.as_millis()).unwrap_or(u64::MAX),
    };
    let mut object = report::json::object(&card, !args.no_timings);
    let codes = soak.codes.iter().map(|(code, count)| (code.name(), *count));
    let failures = soak.failures.iter().map(|failure| {
        json!({
            "scenario": failure.report.scenario,
            "finding": failure.code,
            "again": failure.again,
            "file": failure.file,
            "command": command(told, failure),
        })
    });
    object["summary"] = json!(soak.counts);
    object["soak"] = json!({
        "seed": seed,
        "draws": soak.draws,
        "attempts": soak.attempts,
        "plain_calls": soak.plain_calls,
        "unsteady": soak.unsteady,
        "outcomes": soak.outcomes,
        "findings": codes.collect::<std::collections::BTreeMap<_, _>>(),
        "failures": failures.collect::<Vec<_>>(),
    });
    if !args.no_timings {
        object["soak"]["seconds"] = told.elapsed.as_secs().into();
    }
    object
}

/// One client's object, or a list of several.
pub fn text(mut objects: Vec<Value>) -> String {
    let whole = if objects.len() == 1 { objects.remove(0) } else { Value::Array(objects) };
    format!("{whole}\n")
}

/// The command that shows the failure again.
fn command(told: &Told<'_>, failure: &Failure) -> String {
    let client: String = told.client.asked_as.iter().map(|flags| format!(" {flags}")).collect();
    let what = match &failure.file {
        Some(file) => format!("--scenarios {}", quote(&file.to_string_lossy())),
        None => format!("--soak {}s --seed {}", told.elapsed.as_secs().max(1), told.seed),
    };
    format!("probity chaos{client} {what}")
}

fn list<'a>(counted: impl Iterator<Item = (&'a str, u64)>) -> String {
    let named: Vec<_> = counted.map(|(name, n)| format!("{name} {}", thousands(wide(n)))).collect();
    named.join(", ")
}

fn number(counted: u64, noun: &str) -> String {
    count(wide(counted), noun)
}

fn wide(counted: u64) -> usize {
    usize::try_from(counted).unwrap_or(usize::MAX)
}
