//! The time, as an argument.

/// A moment that the caller hands in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Now {
    /// Since 1970-01-01T00:00:00Z, without leap seconds.
    pub unix_seconds: u64,
}

const DAY_SECONDS: u64 = 24 * 60 * 60;

impl Now {
    /// Midnight UTC of a date `YYYY-MM-DD` from 1970 on.
    pub fn at_date(date: &str) -> Option<Self> {
        let mut parts = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day)
        {
            return None;
        }
        // The year begins in March, so that the leap day is its last.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let days =
            year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
        Some(Self { unix_seconds: (days - DAYS_TO_1970) * DAY_SECONDS })
    }

    /// The date, `YYYY-MM-DD`.
    pub fn date(self) -> String {
        let (year, month, day) = self.civil();
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// The moment as RFC 3339 text: `2026-11-22T00:00:00Z`.
    pub fn rfc3339(self) -> String {
        let (year, month, day) = self.civil();
        let second = self.unix_seconds % DAY_SECONDS;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    pub(crate) fn plus_hours(self, hours: u64) -> Self {
        Self { unix_seconds: self.unix_seconds + hours * 60 * 60 }
    }

    pub(crate) fn minus_hours(self, hours: u64) -> Self {
        Self { unix_seconds: self.unix_seconds.saturating_sub(hours * 60 * 60) }
    }

    fn civil(self) -> (u64, u64, u64) {
        let days = self.unix_seconds / DAY_SECONDS + DAYS_TO_1970;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let year = era * 400 + year_of_era;
        if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
    }
}

/// From 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(date: &str, unix_seconds: u64) {
        let now = Now::at_date(date).unwrap();
        assert_eq!((now.unix_seconds, now.date()), (unix_seconds, date.to_owned()));
        assert_eq!(
            Now { unix_seconds: unix_seconds + 3_661 }.rfc3339(),
            format!("{date}T01:01:01Z")
        );
    }

    #[test]
    fn dates_and_seconds_agree() {
        check("1970-01-01", 0);
        check("2000-02-29", 951_782_400);
        check("2024-12-31", 1_735_603_200);
        check("2026-11-22", 1_795_305_600);
        check("2100-03-01", 4_107_542_400);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "2026-11", "2026-13-01", "1969-12-31", "2026-11-aa", "2026-00-01"] {
            assert_eq!(Now::at_date(text), None, "{text}");
        }
    }
}
