//! `major.minor.patch`, and the hours of a day: the two small texts a release is checked by.

use cofferdam_ids::Timestamp;

/// A version of three numbers. Anything behind a `-` or `+` is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u64, u64, u64);

impl Version {
    /// Reads exactly three numbers.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|p| {
            let digits = !p.is_empty() && p.len() <= 9 && p.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| p.parse().ok()).flatten()
        });
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

/// A stretch of every day in UTC, its end excluded; may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    from_minute: u16,
    to_minute: u16,
}

impl Window {
    /// Reads `HH:MM-HH:MM`; `24:00` is allowed as an end.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let window = Self { from_minute: minute(from)?, to_minute: minute(to)? };
        (window.from_minute < 1440 && window.from_minute != window.to_minute).then_some(window)
    }

    /// Whether a moment falls into it.
    pub(crate) fn holds(self, now: Timestamp) -> bool {
        let millis = now.as_millis().rem_euclid(86_400_000);
        let (from, to) = (i64::from(self.from_minute) * 60_000, i64::from(self.to_minute) * 60_000);
        if from < to { (from..to).contains(&millis) } else { millis >= from || millis < to }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two =
        |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok());
    let (hours, minutes) = (two(hours)??, two(minutes)??);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 1440).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(Version::parse("0.10.0") > Version::parse("0.9.9"));
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "1.2.3-rc1", "1..3", "+1.2.3", "1.2.3 "] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let night = Window::parse("22:00-04:30").unwrap();
        let at = |time: &str| format!("2026-11-21T{time}Z").parse().unwrap();
        assert!(night.holds(at("22:00:00")) && night.holds(at("00:00:00")) && night.holds(at("04:29:59")));
        assert!(!night.holds(at("21:59:59")) && !night.holds(at("04:30:00")));
        assert!(Window::parse("00:00-24:00").unwrap().holds(at("23:59:59")));
    }

    #[test]
    fn a_text_that_is_no_window_is_refused() {
        for text in ["", "00:00", "0:00-06:00", "00:00-25:00", "00:60-01:00", "24:00-01:00", "06:00-06:00"] {
            assert_eq!(Window::parse(text), None, "{text}");
        }
    }
}
