//! Days, times and moments as text, and back: ISO 8601 as warehouses write it.
//!
//! In and out: `YYYY-MM-DD`, `HH:MM[:SS[.ffffff]]`, both with `T` or a space between, and for
//! moments a zone. Years 0000 to 9999 are read, every value is written.
//! Fails: with `None`.
//! Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days since 1970-01-01 of a calendar day.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The calendar day `days` after 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// `YYYY-MM-DD`.
pub(super) fn format_date(days: i64) -> String {
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:+05}-{month:02}-{day:02}")
    }
}

/// `HH:MM:SS`, with six digits behind it where they are not zero.
pub(super) fn format_time(micros: i64) -> String {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let rest = micros.rem_euclid(MICROS_PER_SECOND);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 { text } else { format!("{text}.{rest:06}") }
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff]`.
pub(crate) fn format_timestamp(micros: i64) -> String {
    let date = format_date(micros.div_euclid(MICROS_PER_DAY));
    format!("{date} {}", format_time(micros.rem_euclid(MICROS_PER_DAY)))
}

/// So many digits, and nothing else, as a number.
fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    let days = days_from_civil(year, month, day);
    // A day the calendar does not have comes back as another one.
    ((1..=12).contains(&month) && civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Microseconds since midnight of `HH:MM[:SS[.ffffff]]`. Digits past the sixth must be zeros.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.split(':');
    let mut part = |below: i64| -> Option<i64> {
        let text = parts.next()?;
        digits(text).filter(|value| text.len() == 2 && *value < below)
    };
    let (hour, minute) = (part(24)?, part(60)?);
    let second = if clock.len() > 5 { part(60)? } else { 0 };
    if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kept, beyond) = fraction.split_at(fraction.len().min(6));
    if beyond.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let micros = digits(kept)? * 10_i64.pow(6 - u32::try_from(kept.len()).ok()?);
    Some((hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + micros)
}

/// Microseconds since 1970-01-01 of a day, or a day and a time.
pub(super) fn parse_timestamp(text: &str) -> Option<i64> {
    let Some((date, time)) = text.split_once(['T', ' ']) else {
        return Some(parse_date(text)? * MICROS_PER_DAY);
    };
    Some(parse_date(date)? * MICROS_PER_DAY + parse_time(time)?)
}

/// Microseconds since 1970-01-01 UTC. `Z`, `+HH:MM`, `-HH:MM`, or UTC where no zone is named.
pub(crate) fn parse_timestamp_utc(text: &str) -> Option<i64> {
    if let Some(local) = text.strip_suffix(['Z', 'z']) {
        return parse_timestamp(local);
    }
    // The day has two `-` of its own; a zone stands behind them.
    match text.get(10..).and_then(|rest| rest.rfind(['+', '-'])) {
        None => parse_timestamp(text),
        Some(at) => {
            let (local, zone) = text.split_at(at + 10);
            let offset = parse_time(&zone[1..]).filter(|_| zone.len() == 6)?;
            let micros = parse_timestamp(local)?;
            Some(if zone.starts_with('-') { micros + offset } else { micros - offset })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_comes_back() {
        for days in parse_date("0000-01-01").unwrap()..=parse_date("9999-12-31").unwrap() {
            assert_eq!(parse_date(&format_date(days)), Some(days));
        }
        assert_eq!(format_date(0), "1970-01-01");
        assert_eq!(format_date(19_782), "2024-02-29");
    }

    #[test]
    fn days_and_times_that_are_none_are_refused() {
        for text in [
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-1-1",
            "24-01-01",
            "2024-01-01x",
            "",
            "--",
            "+024-01-01",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in [
            "24:00",
            "12:60",
            "12:00:60",
            "1:00",
            "12",
            "12:00:00.",
            "12:00:00.1234567",
            "12:00:00:00",
            "aa:bb",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        for text in ["2024-01-01T", "2024-01-01 12:00 +01:00", "2024-01-01T12:00+1", "ä024-01-01"] {
            assert_eq!(parse_timestamp_utc(text), None, "{text}");
        }
    }

    #[test]
    fn times_come_back_to_the_microsecond() {
        assert_eq!(format_time(parse_time("23:59:59.000001").unwrap()), "23:59:59.000001");
        assert_eq!(format_time(parse_time("07:05").unwrap()), "07:05:00");
        assert_eq!(parse_time("07:05:00.5000000"), Some(25_500_500_000));
        assert_eq!(
            format_timestamp(parse_timestamp("1969-12-31T23:59:59.5").unwrap()),
            "1969-12-31 23:59:59.500000"
        );
    }

    #[test]
    fn a_zone_moves_a_moment_to_utc() {
        let utc = |text| parse_timestamp_utc(text).map(format_timestamp);
        assert_eq!(utc("2013-01-01T05:00:00Z").as_deref(), Some("2013-01-01 05:00:00"));
        assert_eq!(utc("2013-01-01 05:00:00+02:00").as_deref(), Some("2013-01-01 03:00:00"));
        assert_eq!(utc("2013-01-01T23:30-01:00").as_deref(), Some("2013-01-02 00:30:00"));
        assert_eq!(utc("2013-01-01").as_deref(), Some("2013-01-01 00:00:00"));
    }
}
