//! Whether to try again, and when: a pure decision over one [`Policy`].

use crate::policy::Policy;

/// What went wrong with one attempt, as far as the decision depends on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// A piece of the answer is with the caller already.
    AfterDelta,
    /// Another attempt would end the same way: what came is no answer, nothing could be sent, or the money is spent.
    Hopeless,
    /// No head came, or a body that broke off before anything of it was handed on.
    Lost,
    /// The API refused the key, and there is another one.
    NewKey,
    /// The API said no.
    Status { status: u16, should_retry: Option<bool>, retry_after_ms: Option<u64> },
}

impl Trouble {
    /// Whether another key may help.
    pub(crate) fn calls_for_a_key(self) -> bool {
        matches!(self, Self::Status { status: 401, should_retry, .. } if should_retry != Some(false))
    }
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
        Trouble::Status { retry_after_ms, .. } if policy.honours_retry_after => {
            retry_after_ms.map(|ms| ms.saturating_mul(policy.demand_times))
        }
        _ => None,
    };
    let (least_ms, more_ms) = match demanded_ms {
        Some(ms) if policy.retry_after_ms_max < ms => return Decision::GiveUp,
        // Whoever was told the same wait would come back together: chance adds to it, and takes nothing away.
        Some(ms) => (ms, (ms as f64 * policy.jitter_share * draw) as u64),
        None => (backoff_ms(policy, retries_done, draw), 0),
    };
    let left_ms = policy.call_ms_max.saturating_sub(elapsed_ms);
    if left_ms <= least_ms {
        return Decision::GiveUp;
    }
    Decision::Retry { after_ms: least_ms.saturating_add(more_ms).min(left_ms - 1) }
}

fn is_worth_it(policy: &Policy, trouble: Trouble) -> bool {
    match trouble {
        Trouble::AfterDelta => policy.replays_after_delta,
        Trouble::Hopeless => policy.repeats_the_hopeless,
        Trouble::Lost | Trouble::NewKey => true,
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
/// is held against the server's own `date`. What is not a positive, finite time is no demand; one that no timer
/// holds is the longest there is.
pub fn retry_after_ms<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let usable = |ms: &f64| ms.is_finite() && 0.0 < *ms;
    let in_ms = header("retry-after-ms").and_then(number).filter(usable);
    let in_seconds = || {
        let value = header("retry-after")?;
        let by_date = || Some((http_date_s(value)? - http_date_s(header("date")?)?) as f64);
        number(value).or_else(by_date).map(|seconds| seconds * 1000.0).filter(usable)
    };
    // The cast stops at the ends of its range.
    in_ms.or_else(in_seconds).map(|ms| ms.ceil() as u64)
}

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`; the older formats count as unusable.
fn http_date_s(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let fields: Vec<&str> = text.trim().split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = fields[..] else { return None };
    let number = |digits: &str| digits.parse::<u32>().ok().map(i64::from);
    let month = MONTHS.as_bytes().chunks(3).position(|name| name == month.as_bytes())?;
    let month = i64::try_from(month).ok()?;
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
        for code in [300, 302, 400, 401, 402, 403, 404, 405, 413, 422, 431, 501, 505] {
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
        check(0, Trouble::Lost, 0.0, Some(500));
        check(0, Trouble::NewKey, 0.0, Some(500));
        check(0, Trouble::AfterDelta, 0.0, None);
        check(0, Trouble::Hopeless, 0.0, None);
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
        check(0, demand(2_000), 0.5, Some(2_250));
        check(3, demand(60_000), 0.0, Some(60_000));
        check(0, demand(61_000), 0.0, None);
        check(0, demand(u64::MAX), 0.0, None);
        let policy = Policy { call_ms_max: 3_000, ..Policy::official() };
        assert_eq!(
            decide(&policy, 0, demand(2_000), 0.0, 999),
            Decision::Retry { after_ms: 2_000 }
        );
        assert_eq!(
            decide(&policy, 0, demand(2_000), 0.9, 999),
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
            (&[("retry-after", "3000000")], Some(3_000_000_000)),
            (&[("retry-after", "1e300")], Some(u64::MAX)),
            (&[("retry-after", "1e308")], None),
            (&[("retry-after-ms", "0"), ("retry-after", "9")], Some(9000)),
            (&[("retry-after", "Mon, 01 an 2029 00:00:02 GMT"), ("date", date)], None),
            (&[], None),
        ] {
            let header =
                |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
            assert_eq!(retry_after_ms(header), expected, "{headers:?}");
        }
    }
}
