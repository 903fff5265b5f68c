//! Days, times and timestamps as text, the way SQLite keeps them: `2026-11-21`, `06:30:00.25`,
//! `2026-11-21 06:30:00`. Years 0000 to 9999 of the proleptic Gregorian calendar.

use std::fmt::Write as _;

const DAY_US: i64 = 86_400_000_000;

/// Days since 1970-01-01 of a text like `2026-11-21`, none where it is not exactly that.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = digits(&bytes[..4])?;
    let month = digits(&bytes[5..7])?;
    let day = digits(&bytes[8..])?;
    let valid = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    valid.then(|| days_from(year, month, day))
}

/// Days since 1970-01-01 of a day of the years 1 to 9999, none where there is no such day.
pub(crate) fn date(year: i32, month: i32, day: i32) -> Option<i32> {
    let valid =
        (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    valid.then(|| days_from(year, month, day))
}

/// Year, month and day, none outside of the years 0000 to 9999.
pub(crate) fn civil(days: i32) -> Option<(u16, u8, u8)> {
    let (year, month, day) = date_from(days);
    let year = u16::try_from(year).ok().filter(|year| *year <= 9999)?;
    Some((year, u8::try_from(month).ok()?, u8::try_from(day).ok()?))
}

/// Microseconds since midnight of `06:30`, `06:30:00` or `06:30:00.25`.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 5 || bytes[2] != b':' {
        return None;
    }
    let hour = digits(&bytes[..2])?;
    let minute = digits(&bytes[3..5])?;
    let mut micros = 0;
    let mut second = 0;
    if let Some(rest) = bytes.get(5..).filter(|rest| !rest.is_empty()) {
        if rest.len() < 3 || rest[0] != b':' {
            return None;
        }
        second = digits(&rest[1..3])?;
        if let Some(fraction) = rest.get(3..).filter(|f| !f.is_empty()) {
            if fraction[0] != b'.' || !(2..=7).contains(&fraction.len()) {
                return None;
            }
            let power = 10_i64.pow(u32::try_from(7 - fraction.len()).ok()?);
            micros = i64::from(digits(&fraction[1..])?) * power;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + micros)
}

/// Microseconds since 1970 of `2026-11-21 06:30:00` or `2026-11-21T06:30:00`, without a zone.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let date = parse_date(text.get(..10)?)?;
    let time = match text.as_bytes().get(10) {
        None => 0,
        Some(b' ' | b'T') => parse_time(text.get(11..)?)?,
        Some(_) => return None,
    };
    Some(i64::from(date) * DAY_US + time)
}

/// `2026-11-21`, none outside of the years 0000 to 9999.
pub(crate) fn write_date(days: i32) -> Option<String> {
    let (year, month, day) = date_from(days);
    (0..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// `06:30:00`, with a fraction where there is one; none outside of a day.
pub(crate) fn write_time(micros: i64) -> Option<String> {
    if !(0..DAY_US).contains(&micros) {
        return None;
    }
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        // Writing to a string cannot fail.
        let _ = write!(text, ".{fraction:06}");
    }
    Some(text)
}

/// `2026-11-21 06:30:00`, with a fraction where there is one.
pub(crate) fn write_timestamp(micros: i64) -> Option<String> {
    let days = i32::try_from(micros.div_euclid(DAY_US)).ok()?;
    Some(format!("{} {}", write_date(days)?, write_time(micros.rem_euclid(DAY_US))?))
}

fn digits(bytes: &[u8]) -> Option<i32> {
    bytes.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i32::from(b - b'0')))
}

fn days_in(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// Both conversions count in eras of 400 years that start on 1 March, so that the leap day is the
// last of its year: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn days_from(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date_from(days: i32) -> (i64, i64, i64) {
    let days = i64::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_found() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2026-11-21"), Some(20_778));
        assert_eq!(parse_date("2000-02-29"), Some(11_016));
        assert_eq!(parse_timestamp("1970-01-02T00:00:01.5"), Some(DAY_US + 1_500_000));
        assert_eq!(parse_timestamp("1969-12-31 23:59:59.999999"), Some(-1));
        assert_eq!(parse_time("06:30"), Some(23_400_000_000));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in
            ["", "2026-13-01", "2026-02-29", "1900-02-29", "2026-1-1", "2026-11-21x", "20261121", "é026-11-2"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in ["24:00", "6:30", "06:60", "06:30:", "06:30:00.", "06:30:00.1234567", "06:30:00Z"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        for text in ["2026-11-21 06:30:00Z", "2026-11-21_06:30", "2026-11-21 ", "2026-11-2é"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(write_date(i32::MAX), None);
        assert_eq!(write_time(DAY_US), None);
        assert_eq!(write_timestamp(i64::MIN), None);
    }

    proptest::proptest! {
        #[test]
        fn every_moment_of_these_years_reads_back(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
            let text = write_timestamp(micros).unwrap();
            proptest::prop_assert_eq!(parse_timestamp(&text), Some(micros));
        }

        #[test]
        fn any_text_is_a_moment_or_none(text: String) {
            let _ = (parse_date(&text), parse_time(&text), parse_timestamp(&text));
        }
    }
}
