//! Days and moments as seeds write them.
//!
//! In: a field such as `2013-01-14`, `2013-01-14 05:15:00` or `2013-01-14T05:15:00-05:00`.
//! Out: the same in ISO 8601, checked against the calendar (proleptic Gregorian, years 1 to 9999).
//! Never: looks at a clock or a time zone database.
//! Fails: with `None`; the field is then something else.
//! Source: ISO 8601 and RFC 3339; the day count is Howard Hinnant's `days_from_civil`.

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    year: i64,
    month: u32,
    day: u32,
}

/// A day and a time of day, with the offset from UTC where the field names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    day: Day,
    micros: i64,
    /// Seconds east of UTC.
    pub offset: Option<i64>,
}

const DAY_MICROS: i64 = 86_400_000_000;

impl Day {
    /// Reads `YYYY-MM-DD`; one digit is enough for month and day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || year.len() != 4 {
            return None;
        }
        let (year, month, day) = (i64::from(digits(year, 4)?), digits(month, 2)?, digits(day, 2)?);
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let last = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            1..=12 => 31,
            _ => return None,
        };
        (year >= 1 && (1..=last).contains(&day)).then_some(Self { year, month, day })
    }

    /// `YYYY-MM-DD`.
    #[must_use]
    pub fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// Days since 1970-01-01.
    fn count(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((i64::from(self.month) + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
    }

    fn from_count(days: i64) -> Self {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year, month: u32::try_from(month).unwrap_or(1), day: u32::try_from(day).unwrap_or(1) }
    }
}

impl Moment {
    /// Reads `YYYY-MM-DD HH:MM[:SS[.ffffff]]`, with a space or a `T`, and `Z` or `±HH[:]MM` behind it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (day, rest) = text.split_once(['T', ' '])?;
        let day = Day::parse(day)?;
        let (time, offset) = match rest.find(['Z', '+', '-']) {
            Some(at) => (&rest[..at], Some(offset(&rest[at..])?)),
            None => (rest, None),
        };
        let mut parts = time.trim_end().split(':');
        let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let (second, fraction) = match parts.next() {
            None => (0, 0),
            Some(seconds) => match seconds.split_once('.') {
                None => (digits(seconds, 2)?, 0),
                Some((seconds, fraction)) => (digits(seconds, 2)?, micros(fraction)?),
            },
        };
        if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second);
        Some(Self { day, micros: seconds * 1_000_000 + fraction, offset })
    }

    /// `YYYY-MM-DDTHH:MM:SS[.ffffff]`; in UTC with a `Z` where the field named an offset.
    #[must_use]
    pub fn iso(self) -> String {
        let total = self.day.count() * DAY_MICROS + self.micros - self.offset.unwrap_or(0) * 1_000_000;
        let (day, of_day) = (Day::from_count(total.div_euclid(DAY_MICROS)), total.rem_euclid(DAY_MICROS));
        let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
        let mut text =
            format!("{}T{:02}:{:02}:{:02}", day.iso(), seconds / 3_600, seconds / 60 % 60, seconds % 60);
        if fraction != 0 {
            text.push_str(&format!(".{fraction:06}"));
        }
        if self.offset.is_some() {
            text.push('Z');
        }
        text
    }
}

/// One to `most` digits as a number.
fn digits(text: &str, most: usize) -> Option<u32> {
    let good = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

/// Digits behind the point as microseconds; more than six are cut.
fn micros(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{text:0<6}")[..6].parse().ok()
}

/// `Z`, `+05:00`, `+0500` or `+05` as seconds.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let clock = text[1..].replace(':', "");
    let (hours, minutes) = match clock.len() {
        2 => (digits(&clock, 2)?, 0),
        4 if clock.is_ascii() => (digits(&clock[..2], 2)?, digits(&clock[2..], 2)?),
        _ => return None,
    };
    (hours <= 18 && minutes < 60).then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<String> {
        Moment::parse(text).map(Moment::iso)
    }

    #[test]
    fn days_of_the_calendar_are_read_and_others_are_not() {
        assert_eq!(Day::parse("2013-1-4").map(Day::iso).as_deref(), Some("2013-01-04"));
        assert_eq!(Day::parse("2012-02-29").map(Day::iso).as_deref(), Some("2012-02-29"));
        for wrong in ["2013-02-29", "2013-13-01", "13-01-01", "2013-01", "2013-01-01-01", "2013/01/01", ""] {
            assert_eq!(Day::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn moments_with_an_offset_are_told_in_utc() {
        assert_eq!(moment("2013-01-01 05:15:00").as_deref(), Some("2013-01-01T05:15:00"));
        assert_eq!(moment("2013-01-01T05:15").as_deref(), Some("2013-01-01T05:15:00"));
        assert_eq!(moment("2013-01-01T05:15:00Z").as_deref(), Some("2013-01-01T05:15:00Z"));
        assert_eq!(moment("2012-12-31T23:30:00.5-05:00").as_deref(), Some("2013-01-01T04:30:00.500000Z"));
        for wrong in [
            "2013-01-01",
            "2013-01-01 24:00:00",
            "2013-01-01 05",
            "2013-01-01 05:15:00 PM",
            "2013-01-01 05:15:00+5:é",
        ] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_day_and_its_count_are_inverse() {
        for days in (-700_000..2_900_000).step_by(997) {
            assert_eq!(Day::from_count(days).count(), days);
        }
    }
}
