//! Rules about tool calls: nobody may run what the server never finished saying.

use serde_json::Value;

use super::{Call, Code, Finding};
use crate::handling::ToolCall;
use crate::served::{ToolUse, Truth};

/// A call that the client hands on as one to run is one that the server made, with the input that it gave; and a
/// success hands on every one.
pub(super) fn tool_calls_are_those_that_were_made(call: &Call<'_>) -> Vec<Finding> {
    let Some((outcome, last)) = call.handling.outcome.as_ref().zip(call.last()) else {
        return vec![];
    };
    let told = outcome.tool_calls.as_deref().filter(|_| !last.is_excerpt);
    let Some(told) = told else { return vec![] };
    let mut made: Vec<&ToolUse> = last.tools.iter().collect();
    let mut strange: Vec<&ToolCall> = vec![];
    for told in told.iter().filter(|told| told.valid) {
        match made.iter().position(|made| is_same(made, told)) {
            Some(at) => drop(made.remove(at)),
            None => strange.push(told),
        }
    }
    let cut_short = last.truth == Truth::NoAnswer;
    let strange = strange.into_iter().map(|told| not_as_made(told, &mut made, cut_short));
    let mut findings: Vec<Finding> = strange.collect();
    let lost = made.iter().filter(|made| made.closed && call.succeeded());
    findings.extend(lost.filter_map(|made| {
        let input = made.input.as_ref()?;
        let detail = format!("nothing of `{}` with {}", made.name, brief(input));
        Some(Code::LostToolCall.fail(detail))
    }));
    findings
}

/// What became of the call that the server made instead, which is struck off: one that was cut if there is one,
/// and one of the same name before all others.
fn not_as_made(told: &ToolCall, made: &mut Vec<&ToolUse>, cut_short: bool) -> Finding {
    let (name, input) = (&told.name, brief(&told.input));
    let mut strike_off = |is_cut: bool| {
        let alike = |made: &&ToolUse| made.input.is_none() == is_cut;
        let named = made.iter().position(|made| alike(made) && made.name == told.name);
        let at = named.or_else(|| made.iter().position(alike))?;
        Some(made.remove(at))
    };
    if strike_off(true).is_some() {
        let detail = format!("`{name}` may be run with {input}, and its input never ended");
        return Code::CutToolCall.fail(detail);
    }
    if let Some(made) = strike_off(false) {
        let given = made.input.as_ref().map(brief).unwrap_or_default();
        let detail = format!("`{name}` with {input} instead of `{}` with {given}", made.name);
        return Code::CorruptToolCall.fail(detail);
    }
    if cut_short {
        return Code::CutToolCall.fail(format!("`{name}` may be run, out of half an answer"));
    }
    Code::CorruptToolCall.fail(format!("`{name}` with {input}, and no such call was made"))
}

fn is_same(made: &ToolUse, told: &ToolCall) -> bool {
    made.name == told.name && made.input.as_ref().is_some_and(|input| is_equal(input, &told.input))
}

/// Whether two values are the same to a language that has one kind of number.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.into_iter().all(|(one, other)| is_equal(one, other))
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| is_equal(value, other))
            };
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

/// As much of an input as a line of a report takes.
const INPUT_CHARS_MAX: usize = 80;

fn brief(input: &Value) -> String {
    let text = input.to_string();
    let mut brief: String = text.chars().take(INPUT_CHARS_MAX).collect();
    if brief.len() < text.len() {
        brief.push('…');
    }
    brief
}
