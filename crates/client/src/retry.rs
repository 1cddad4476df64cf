//! Whether to try again, and when: a pure decision over one [`Policy`].
//!
//! The policy is plain data, so that a wrong client is the right one with a wrong value. The price is that the
//! client asks the policy even where only one answer is right.

use std::ops::RangeInclusive;

/// Everything that decides over retries and over what counts as an answer.
#[derive(Clone, Debug)]
pub struct Policy {
    pub max_retries: u32,
    /// The first wait, before jitter; each further one is twice as long.
    pub backoff_base_ms: u64,
    pub backoff_cap_ms: u64,
    /// The share of a wait that chance may take away, 0 to 1.
    pub jitter_share: f64,
    /// Statuses worth another attempt.
    pub retry_statuses: Vec<RangeInclusive<u16>>,
    pub honours_retry_after: bool,
    /// A longer demand than this is handed to the caller at once instead of waited for.
    pub retry_after_ms_max: u64,
    pub honours_should_retry: bool,
    /// Whether to start over although the caller has seen a piece of the answer.
    pub replays_after_delta: bool,
    /// Whether a stream without its last event is an error.
    pub demands_message_stop: bool,
    /// Limit on an attempt; in a stream, on each silence.
    pub attempt_ms_max: u64,
    /// Limit on the whole call, waits included.
    pub call_ms_max: u64,
}

impl Policy {
    /// The curve and the limits of the official clients.
    pub fn official() -> Self {
        Self {
            max_retries: 2,
            backoff_base_ms: 500,
            backoff_cap_ms: 8_000,
            jitter_share: 0.25,
            retry_statuses: vec![408..=409, 429..=429, 500..=599],
            honours_retry_after: true,
            retry_after_ms_max: 60_000,
            honours_should_retry: true,
            replays_after_delta: false,
            demands_message_stop: true,
            attempt_ms_max: 600_000,
            call_ms_max: 3_600_000,
        }
    }
}

/// What went wrong with one attempt, as far as the decision depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Some of the answer's text is with the caller already.
    AfterDelta,
    /// The body broke off before anything of it was handed on.
    BrokenBody,
    /// No status line came: refused, reset, or timed out.
    NoHead,
    /// What came is not an answer, and will not be one next time.
    NotAnAnswer,
    /// The API said no.
    Status { status: u16, should_retry: Option<bool>, retry_after_ms: Option<u64> },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    GiveUp,
    Retry { after_ms: u64 },
}

/// Decides after a failed attempt. `draw` is chance, in `0.0..1.0`; `elapsed_ms` counts from the call's start.
pub fn decide(
    policy: &Policy,
    retries_done: u32,
    trouble: Trouble,
    draw: f64,
    elapsed_ms: u64,
) -> Decision {
    if policy.max_retries <= retries_done || !is_worth_it(policy, trouble) {
        return Decision::GiveUp;
    }
    let demanded_ms = match trouble {
        Trouble::Status { retry_after_ms, .. } if policy.honours_retry_after => retry_after_ms,
        _ => None,
    };
    let after_ms = match demanded_ms {
        Some(ms) if policy.retry_after_ms_max < ms => return Decision::GiveUp,
        Some(ms) => ms,
        None => backoff_ms(policy, retries_done, draw),
    };
    if policy.call_ms_max <= elapsed_ms.saturating_add(after_ms) {
        return Decision::GiveUp;
    }
    Decision::Retry { after_ms }
}

fn is_worth_it(policy: &Policy, trouble: Trouble) -> bool {
    match trouble {
        Trouble::AfterDelta => policy.replays_after_delta,
        Trouble::BrokenBody | Trouble::NoHead => true,
        Trouble::NotAnAnswer => false,
        Trouble::Status { should_retry: Some(told), .. } if policy.honours_should_retry => told,
        Trouble::Status { status, .. } => {
            policy.retry_statuses.iter().any(|range| range.contains(&status))
        }
    }
}

fn backoff_ms(policy: &Policy, retries_done: u32, draw: f64) -> u64 {
    let doubled =
        policy.backoff_base_ms.saturating_mul(1u64.checked_shl(retries_done).unwrap_or(u64::MAX));
    let whole = doubled.min(policy.backoff_cap_ms) as f64;
    (whole * (1.0 - policy.jitter_share * draw)) as u64
}

/// The wait that a reply's headers demand: `retry-after-ms`, else `retry-after` in seconds or as a date, which
/// is held against the server's own `date`. What is not a positive, finite time is no demand.
pub fn retry_after_ms<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let ms = header("retry-after-ms").and_then(number).or_else(|| {
        let value = header("retry-after")?;
        let by_date = || Some((http_date_s(value)? - http_date_s(header("date")?)?) as f64);
        number(value).or_else(by_date).map(|seconds| seconds * 1000.0)
    })?;
    (ms.is_finite() && 0.0 < ms).then_some(ms.ceil() as u64)
}

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`; the older formats count as unusable.
fn http_date_s(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let fields: Vec<&str> = text.trim().split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = fields[..] else { return None };
    let number = |digits: &str| digits.parse::<u32>().ok().map(i64::from);
    let month = i64::try_from(MONTHS.find(month)? / 3).ok()?;
    // Years begin in March, so that the leap day comes last.
    let year = number(year)? - i64::from(month < 2);
    let day_of_year = (153 * ((month + 10) % 12) + 2) / 5 + number(day)? - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    Some(days * 86_400 + number(hour)? * 3_600 + number(minute)? * 60 + number(second)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Trouble {
        Trouble::Status { status, should_retry: None, retry_after_ms: None }
    }

    fn check(retries_done: u32, trouble: Trouble, draw: f64, expected: Option<u64>) {
        let expected = expected.map_or(Decision::GiveUp, |after_ms| Decision::Retry { after_ms });
        let policy = Policy { max_retries: 8, ..Policy::official() };
        assert_eq!(
            decide(&policy, retries_done, trouble, draw, 0),
            expected,
            "{trouble:?} after {retries_done}"
        );
    }

    #[test]
    fn statuses_are_retried_or_not() {
        for code in [408, 409, 429, 500, 502, 503, 504, 520, 529] {
            check(0, status(code), 0.0, Some(500));
        }
        for code in [300, 302, 400, 401, 402, 403, 404, 405, 413, 422, 431] {
            check(0, status(code), 0.0, None);
        }
        let told = |code, told| Trouble::Status {
            status: code,
            should_retry: Some(told),
            retry_after_ms: None,
        };
        check(0, told(400, true), 0.0, Some(500));
        check(0, told(529, false), 0.0, None);
    }

    #[test]
    fn broken_connections_are_retried_until_the_caller_has_text() {
        check(0, Trouble::NoHead, 0.0, Some(500));
        check(0, Trouble::BrokenBody, 0.0, Some(500));
        check(0, Trouble::AfterDelta, 0.0, None);
        check(0, Trouble::NotAnAnswer, 0.0, None);
    }

    #[test]
    fn waits_double_up_to_the_cap_and_lose_at_most_their_jitter() {
        for (retries_done, expected) in
            [(0, 500), (1, 1000), (2, 2000), (3, 4000), (4, 8000), (7, 8000)]
        {
            check(retries_done, status(529), 0.0, Some(expected));
            check(retries_done, status(529), 0.5, Some(expected * 7 / 8));
        }
        check(8, status(529), 0.0, None);
        let all_but_endless = Policy { max_retries: u32::MAX, ..Policy::official() };
        let decision = decide(&all_but_endless, 4_000_000, status(529), 0.0, 0);
        assert_eq!(decision, Decision::Retry { after_ms: 8000 });
    }

    #[test]
    fn a_demanded_wait_is_kept_or_surfaced_and_the_deadline_holds() {
        let demand =
            |ms| Trouble::Status { status: 529, should_retry: None, retry_after_ms: Some(ms) };
        check(0, demand(1), 0.9, Some(1));
        check(3, demand(60_000), 0.0, Some(60_000));
        check(0, demand(61_000), 0.0, None);
        let policy = Policy { call_ms_max: 3_000, ..Policy::official() };
        assert_eq!(
            decide(&policy, 0, demand(2_000), 0.0, 999),
            Decision::Retry { after_ms: 2_000 }
        );
        assert_eq!(decide(&policy, 0, demand(2_000), 0.0, 1_000), Decision::GiveUp);
        let deaf = Policy { honours_retry_after: false, ..Policy::official() };
        assert_eq!(decide(&deaf, 0, demand(2_000), 0.0, 0), Decision::Retry { after_ms: 500 });
    }

    #[test]
    fn headers_demand_a_wait_in_every_form() {
        let date = "Sat, 31 Dec 2028 23:59:59 GMT";
        for (headers, expected) in [
            (&[("retry-after", "2")][..], Some(2000)),
            (&[("retry-after", "0.25")], Some(250)),
            (&[("retry-after-ms", "1500"), ("retry-after", "9")], Some(1500)),
            (&[("retry-after", "Mon, 01 Jan 2029 00:00:02 GMT"), ("date", date)], Some(3000)),
            (
                &[
                    ("retry-after", "Tue, 29 Feb 2028 00:00:00 GMT"),
                    ("date", "Mon, 28 Feb 2028 23:59:58 GMT"),
                ],
                Some(2000),
            ),
            (&[("retry-after", date), ("date", date)], None),
            (&[("retry-after", date)], None),
            (&[("retry-after", "0")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "inf")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ] {
            let header =
                |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
            assert_eq!(retry_after_ms(header), expected, "{headers:?}");
        }
    }
}
