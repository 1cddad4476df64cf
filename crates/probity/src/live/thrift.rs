//! Makes a case cheap without making it another case: fewer tokens may be written, and nothing else changes.
//!
//! The numbers are replaced in the text, so that whatever else is odd about a body stays odd. A case that is about
//! these very numbers is left alone. The price is that answers end early, with the stop reason `max_tokens`.

use bytes::Bytes;
use classify::Body;
use contract::case::Case;

/// Enough for a first word and for a tool's name.
const OUTPUT_TOKENS: u64 = 16;
/// The least that a thinking budget may be.
const THINKING_TOKENS: u64 = 1_024;

const OUTPUT: &str = "\"max_tokens\"";
const THINKING: &str = "\"budget_tokens\"";

/// The case with small numbers.
pub fn frugal(mut case: Case) -> Case {
    if !is_about_tokens(&case) {
        let body = match &case.request.body {
            Body::Bytes(bytes) => cheaper(bytes).map(Body::Bytes),
            Body::Empty | Body::Repeat { .. } => None,
        };
        case.request.body = body.unwrap_or(case.request.body);
    }
    case
}

fn is_about_tokens(case: &Case) -> bool {
    let id = &case.id.0;
    ["max_tokens", "max-tokens", "budget"].iter().any(|word| id.contains(word))
}

fn cheaper(body: &Bytes) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let thinks = !numbers(text, THINKING).is_empty();
    // What may be written has to stay above what may be thought.
    let output = if thinks { THINKING_TOKENS + OUTPUT_TOKENS } else { OUTPUT_TOKENS };
    let mut limits: Vec<_> = numbers(text, OUTPUT).into_iter().map(|n| (n, output)).collect();
    limits.extend(numbers(text, THINKING).into_iter().map(|n| (n, THINKING_TOKENS)));
    limits.retain(|(number, limit)| *limit < number.value);
    limits.sort_by_key(|(number, _)| number.at);
    let mut cheaper = String::with_capacity(text.len());
    let mut from = 0;
    for (number, limit) in &limits {
        cheaper += &text[from..number.at];
        cheaper += &limit.to_string();
        from = number.end;
    }
    cheaper += &text[from..];
    (!limits.is_empty()).then(|| cheaper.into())
}

/// A number in a text.
struct Number {
    value: u64,
    at: usize,
    end: usize,
}

/// The whole numbers that stand as values under this name, as written with its quotes.
fn numbers(text: &str, name: &str) -> Vec<Number> {
    let number = |(at, _): (usize, &str)| {
        let value = text[at + name.len()..].trim_start().strip_prefix(':')?.trim_start();
        let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let is_whole = !value[digits..].starts_with(['.', 'e', 'E']);
        let at = text.len() - value.len();
        let number = value[..digits].parse().ok().filter(|_| is_whole)?;
        Some(Number { value: number, at, end: at + digits })
    };
    text.match_indices(name).filter_map(number).collect()
}

/// The output that a body asks for, all its items together; none if it names no number.
pub(super) fn output_asked(text: &str) -> Option<u64> {
    let numbers = numbers(text, OUTPUT);
    let sum = numbers.iter().fold(0_u64, |sum, number| sum.saturating_add(number.value));
    (!numbers.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &'static str, expected: &str) {
        let made = cheaper(&Bytes::from_static(body.as_bytes()));
        assert_eq!(made.as_deref().unwrap_or(body.as_bytes()), expected.as_bytes());
    }

    #[test]
    fn only_the_numbers_shrink() {
        check(r#"{"max_tokens":1024,"a": [1 ,2]}"#, r#"{"max_tokens":16,"a": [1 ,2]}"#);
        check(r#"{"max_tokens" : 17, "max_tokens":99}"#, r#"{"max_tokens" : 16, "max_tokens":16}"#);
        for same in [
            r#"{"max_tokens":16}"#,
            r#"{"max_tokens":0}"#,
            r#"{"max_tokens":-5}"#,
            r#"{"max_tokens":1e3}"#,
            r#"{"max_tokens":12.5}"#,
            r#"{"max_tokens":"1024"}"#,
            r#"{"properties":{"max_tokens":{"type":"integer"}}}"#,
            r#"{"text":"say \"max_tokens\": 1024"}"#,
            r#"{"max_tokens":99999999999999999999999}"#,
        ] {
            check(same, same);
        }
    }

    #[test]
    fn thinking_keeps_its_place_below_the_output() {
        check(
            r#"{"max_tokens":16000,"thinking":{"budget_tokens":8000}}"#,
            r#"{"max_tokens":1040,"thinking":{"budget_tokens":1024}}"#,
        );
        check(
            r#"{"thinking":{"budget_tokens":1024},"max_tokens":1030}"#,
            r#"{"thinking":{"budget_tokens":1024},"max_tokens":1030}"#,
        );
    }

    #[test]
    fn what_is_asked_for_adds_up() {
        assert_eq!(output_asked(r#"[{"max_tokens":1},{"max_tokens": 20}]"#), Some(21));
        assert_eq!(output_asked("{}"), None);
    }
}
