//! The wait that a reply demands, read from its headers.
//!
//! `retry-after-ms` comes before `retry-after`, which is a number of seconds or a date. A date is measured
//! against the reply's own `date`, since the harness may not know what time the server believes it is; without
//! one it demands nothing. Only the date format that servers may send is read, so a scenario in one of the two
//! obsolete formats shows a client's lenience and judges nothing.

use classify::Headers;

/// What a reply asks of whoever wants to come back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Demand {
    /// Nothing, or nothing that is a time to wait: the client's own backoff applies.
    None,
    /// More than a timer holds: the client's own backoff applies, and surfacing the error is as good.
    TooLong,
    /// Headers that contradict each other leave a range.
    Wait { least_ms: u64, most_ms: u64 },
}

/// A longer demand than a 32-bit timer can hold is no demand.
pub(super) const DEMAND_MS_MAX: f64 = 2_147_483_648.0;

/// Dates are whole seconds, cut off from the server's clock: the true wait may be this much shorter.
const DATE_MS: u64 = 1_000;

pub(super) fn demand(headers: &Headers) -> Demand {
    let in_ms: Vec<_> = headers.all("retry-after-ms").filter_map(number).collect();
    if !in_ms.is_empty() {
        return in_ms.into_iter().map(wait).reduce(both).unwrap_or(Demand::None);
    }
    let now = headers.get("date").and_then(http_date);
    let demands = headers.all("retry-after").map(|value| match number(value) {
        Some(seconds) => wait(seconds * 1000.0),
        None => http_date(value).zip(now).map_or(Demand::None, |(then, now)| until(then - now)),
    });
    demands.reduce(both).unwrap_or(Demand::None)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

fn wait(ms: f64) -> Demand {
    // What is not a number compares as false.
    if 0.0 < ms && ms < DEMAND_MS_MAX {
        return Demand::Wait { least_ms: ms as u64, most_ms: ms as u64 };
    }
    if DEMAND_MS_MAX <= ms && ms.is_finite() { Demand::TooLong } else { Demand::None }
}

fn until(seconds: i64) -> Demand {
    match wait(seconds as f64 * 1000.0) {
        Demand::Wait { least_ms, most_ms } => {
            Demand::Wait { least_ms: least_ms.saturating_sub(DATE_MS), most_ms }
        }
        demand => demand,
    }
}

/// Of two demands a client may take either; where one is none, nobody can be blamed.
fn both(one: Demand, other: Demand) -> Demand {
    match (one, other) {
        (
            Demand::Wait { least_ms, most_ms },
            Demand::Wait { least_ms: other_least_ms, most_ms: other_most_ms },
        ) => Demand::Wait {
            least_ms: least_ms.min(other_least_ms),
            most_ms: most_ms.max(other_most_ms),
        },
        (Demand::None, _) | (_, Demand::None) => Demand::None,
        (Demand::TooLong, _) | (_, Demand::TooLong) => Demand::TooLong,
    }
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(text: &str) -> Option<i64> {
    let (weekday, rest) = text.trim().split_once(", ")?;
    let [day, month, year, time, "GMT"] = rest.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let (day, year) = (digits(day, 2)?, digits(year, 4)?);
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    // The 60th second is a leap second.
    let exists = WEEKDAYS.contains(&weekday)
        && (1..=days_in(year, month)).contains(&day)
        && (hour, minute, second) <= (23, 59, 60)
        && minute <= 59
        && second <= 60;
    exists.then(|| ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let only_digits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| text.parse().ok()).flatten()
}

fn days_in(year: i64, month: i64) -> i64 {
    let leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leaps),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counted from the first of March, so that the leap day is the last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // Of 153 days each five months from March on.
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: &str = "Sun, 22 Nov 2026 20:00:00 GMT";

    fn check(headers: &[(&str, &str)], expected: Demand) {
        let mut given = Headers::default();
        given.push("date".to_owned(), NOW.to_owned());
        for (name, value) in headers {
            given.push((*name).to_owned(), (*value).to_owned());
        }
        assert_eq!(demand(&given), expected, "{headers:?}");
    }

    fn range(least_ms: u64, most_ms: u64) -> Demand {
        Demand::Wait { least_ms, most_ms }
    }

    #[test]
    fn the_demand_is_what_the_headers_say() {
        let after = |value, expected| check(&[("retry-after", value)], expected);
        check(&[], Demand::None);
        after("2", range(2000, 2000));
        after(" 0.5 ", range(500, 500));
        after("171", range(171_000, 171_000));
        after("3000000", Demand::TooLong);
        for unusable in ["0", "-1", "nan", "inf", "soon", "", "2, 5", "Sun, 22 Nov 2026"] {
            after(unusable, Demand::None);
        }
        after("Sun, 22 Nov 2026 20:00:03 GMT", range(2000, 3000));
        after("Sun, 22 Nov 2026 19:59:59 GMT", Demand::None);
        after("Sun, 22 Nov 2026 20:00:03 CET", Demand::None);
        after("Sun, 22 Nov 2026 20:61:03 GMT", Demand::None);
        check(&[("retry-after-ms", "1500"), ("retry-after", "9")], range(1500, 1500));
        check(&[("retry-after-ms", "x"), ("retry-after", "9")], range(9000, 9000));
        check(&[("retry-after-ms", "0"), ("retry-after", "9")], Demand::None);
        check(&[("retry-after", "2"), ("retry-after", "9")], range(2000, 9000));
        check(&[("retry-after", "2"), ("retry-after", "-9")], Demand::None);
    }

    /// Day by day from 1970: slow, and too simple to be wrong.
    fn slow_date(days: i64) -> (i64, i64, i64) {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for _ in 0..days {
            let leaps = year % 400 == 0 || year % 4 == 0 && year % 100 != 0;
            let february = if leaps { 29 } else { 28 };
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            day += 1;
            if lengths[month as usize - 1] < day {
                (month, day) = (month + 1, 1);
            }
            if month == 13 {
                (year, month) = (year + 1, 1);
            }
        }
        (year, month, day)
    }

    proptest! {
        #[test]
        fn dates_are_read_as_a_calendar_would(days in 0i64..80_000, second in 0i64..86_400) {
            let (year, month, day) = slow_date(days);
            let weekday = WEEKDAYS[((days + 3) % 7) as usize];
            let text = format!(
                "{weekday}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
                MONTHS[month as usize - 1], second / 3600, second / 60 % 60, second % 60,
            );
            prop_assert_eq!(http_date(&text), Some(days * 86_400 + second), "{}", text);
        }

        #[test]
        fn any_text_is_a_demand_or_none(value in "\\PC{0,40}") {
            check_total(&value);
        }

        #[test]
        fn seconds_are_read_as_they_are_written(ms in 1u64..2_000_000_000) {
            let seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
            let mut headers = Headers::default();
            headers.push("retry-after".to_owned(), seconds);
            let Demand::Wait { least_ms, most_ms } = demand(&headers) else {
                return Err(TestCaseError::fail("no wait"));
            };
            // A binary fraction may fall short of a decimal one by less than the last digit.
            prop_assert!(least_ms == most_ms && ms.abs_diff(least_ms) <= 1);
        }
    }

    fn check_total(value: &str) {
        for name in ["retry-after", "retry-after-ms", "date"] {
            let mut headers = Headers::default();
            headers.push(name.to_owned(), value.to_owned());
            demand(&headers);
        }
    }
}
