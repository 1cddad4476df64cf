//! What was expected and what was seen, each in one line of plain words.

use crate::handling::{Handling, Outcome};
use crate::oracle::Call;
use crate::scenario::{Expect, Scenario, Span};

/// As much of what a client says as a line of a report takes.
const WORDS_CHARS_MAX: usize = 300;

/// So many waits are told one by one; of more only the shortest and the longest.
const WAITS_MAX: usize = 6;

pub(super) fn expected(scenario: &Scenario) -> String {
    let expect = &scenario.expect;
    let outcomes = |classes: &[crate::handling::OutcomeClass]| {
        classes.iter().map(|class| class.name()).collect::<Vec<_>>().join(" or ")
    };
    let mut line = format!("{}, then {}", attempts(expect.attempts), outcomes(&expect.outcome));
    let n_calls = scenario.ask.n_calls() + u32::from(scenario.ask.follow_up.is_some());
    if 1 < n_calls {
        line += &format!(" at the end of {n_calls} calls");
    }
    if !expect.earlier.is_empty() {
        line += &format!(", {} before", outcomes(&expect.earlier));
    }
    for part in facts(expect) {
        line += &format!(", {part}");
    }
    for wait in &expect.waits {
        let most = wait.at_most_ms.map(|most_ms| format!(" and {most_ms} ms at most"));
        let most = most.unwrap_or_default();
        line += &format!(", retry {} after {} ms at least{most}", wait.retry, wait.at_least_ms);
    }
    if let Some(within_ms) = expect.within_ms {
        line += &format!(", within {within_ms} ms");
    }
    line
}

fn attempts(span: Span) -> String {
    match (span.first, span.last) {
        (0, Some(0)) => "no attempt".to_owned(),
        (0, None) => "any number of attempts".to_owned(),
        (1, Some(1)) => "1 attempt".to_owned(),
        _ => format!("{span} attempts"),
    }
}

fn facts(expect: &Expect) -> Vec<String> {
    let named = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("{name} `{value}`"))
    };
    let text = expect.text.as_ref().map(|text| format!("text {:?}", clip(text, WORDS_CHARS_MAX)));
    let connections = expect.connections.map(|span| format!("connections: {span}"));
    let address = |words: String| words.replace("\"{address}\"", "the address");
    let says = expect.says.iter().map(|words| address(format!("{words:?}"))).collect::<Vec<_>>();
    let says = (!says.is_empty()).then(|| format!("an error that says {}", says.join(" or ")));
    let all = [
        expect.status.map(|status| format!("status {status}")),
        named("type", &expect.error_type),
        named("code", &expect.error_code),
        named("request id", &expect.request_id),
        named("stop reason", &expect.stop_reason),
        text,
        connections,
        expect.reuse.then(|| "a connection used twice".to_owned()),
        expect.own_error.then(|| "an error of the client's own".to_owned()),
        says,
    ];
    all.into_iter().flatten().collect()
}

pub(super) fn observed(handling: &Handling, calls: &[Call<'_>]) -> String {
    let n_attempts = u32::try_from(handling.attempts.len()).unwrap_or(u32::MAX);
    let mut line = attempts(Span { first: n_attempts, last: Some(n_attempts) });
    if 1 < calls.len() {
        line += &format!(" in {} calls", calls.len());
    }
    let gaps_ms: Vec<u64> = calls.iter().flat_map(|call| call.gaps()).map(|gap| gap.1).collect();
    line += &waits(&gaps_ms);
    if handling.waits_ms.is_some() && !gaps_ms.is_empty() {
        line += " (injected)";
    }
    if let Some(censored_ms) = handling.censored_ms {
        return format!("{line}, then {}", censored(censored_ms));
    }
    let end = match &handling.outcome {
        Some(outcome) => said(outcome),
        None => "no outcome".to_owned(),
    };
    format!("{line}, then {end}, after {} ms", handling.elapsed_ms)
}

fn waits(gaps_ms: &[u64]) -> String {
    match (gaps_ms, gaps_ms.iter().min(), gaps_ms.iter().max()) {
        ([], ..) => String::new(),
        (_, Some(least_ms), Some(most_ms)) if WAITS_MAX < gaps_ms.len() => {
            format!(", {} waits of {least_ms} to {most_ms} ms", gaps_ms.len())
        }
        _ => {
            let all: Vec<_> = gaps_ms.iter().map(u64::to_string).collect();
            format!(", waits of {} ms", all.join(", "))
        }
    }
}

/// A trial that was cut short in a wait: nobody knows how long it would have been.
pub(super) fn censored(censored_ms: u64) -> String {
    format!("waited ≥ {} s (censored)", censored_ms / 1000)
}

/// What the client says, with its own words at the end.
pub(super) fn said(outcome: &Outcome) -> String {
    let mut line = outcome.class.name().to_owned();
    for fact in [outcome.status.map(|status| status.to_string()), outcome.error_type.clone()] {
        line += &fact.map(|fact| format!(" {fact}")).unwrap_or_default();
    }
    if let Some(stop_reason) = &outcome.stop_reason {
        line += &format!(", stop reason {stop_reason}");
    }
    let words = outcome.message.split_whitespace().collect::<Vec<_>>().join(" ");
    if !words.is_empty() {
        line += &format!(": {}", clip(&words, WORDS_CHARS_MAX));
    }
    line
}

fn clip(text: &str, chars_max: usize) -> String {
    let mut clipped: String = text.chars().take(chars_max).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}
