//! Moments as text by a format, and back.
//!
//! In: a moment or a text, and a format. Out: the other.
//! Never: knows other names of days and months than English ones.
//! Fails: where a text does not fit its format.
//! Source: Python's `strftime` and `strptime` in the C locale.

use jiff::civil::{Date, Time};

use super::super::super::problem::{Outcome, fail};
use super::{Moment, Zone, offset_text};

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn name<const N: usize>(names: [&'static str; N], index: i8) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
}

/// A moment by a format.
pub(super) fn write(moment: &Moment, format: &str) -> String {
    let (date, time) = (moment.civil.date(), moment.civil.time());
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut plain = false;
        let mut code = chars.next();
        if matches!(code, Some('-' | '#')) {
            plain = true;
            code = chars.next();
        }
        let Some(code) = code else {
            out.push('%');
            break;
        };
        let text = written(moment, date, time, code);
        let text = text.unwrap_or_else(|| format!("%{code}"));
        let kept = if plain && text.len() > 1 { text.trim_start_matches(['0', ' ']) } else { &text };
        out.push_str(if kept.is_empty() { "0" } else { kept });
        if kept.is_empty() && !plain {
            out.pop();
        }
    }
    out
}

fn written(moment: &Moment, date: Date, time: Time, code: char) -> Option<String> {
    let weekday = date.weekday().to_monday_zero_offset();
    let hour12 = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let micros = time.subsec_nanosecond() / 1000;
    let day_of_year = date.day_of_year();
    Some(match code {
        'Y' => date.year().to_string(),
        'm' => format!("{:02}", date.month()),
        'd' => format!("{:02}", date.day()),
        'e' => format!("{:2}", date.day()),
        'y' => format!("{:02}", date.year().rem_euclid(100)),
        'C' => format!("{:02}", date.year() / 100),
        'H' => format!("{:02}", time.hour()),
        'k' => format!("{:2}", time.hour()),
        'I' => format!("{hour12:02}"),
        'l' => format!("{hour12:2}"),
        'M' => format!("{:02}", time.minute()),
        'S' => format!("{:02}", time.second()),
        'f' => format!("{micros:06}"),
        'p' => (if time.hour() < 12 { "AM" } else { "PM" }).to_owned(),
        'j' => format!("{day_of_year:03}"),
        'a' => name(DAYS, weekday)[..3].to_owned(),
        'A' => name(DAYS, weekday).to_owned(),
        'b' | 'h' => name(MONTHS, date.month() - 1)[..3].to_owned(),
        'B' => name(MONTHS, date.month() - 1).to_owned(),
        'w' => ((weekday + 1) % 7).to_string(),
        'u' => (weekday + 1).to_string(),
        'U' => format!("{:02}", (day_of_year + 6 - i16::from((weekday + 1) % 7)) / 7),
        'W' => format!("{:02}", (day_of_year + 6 - i16::from(weekday)) / 7),
        'V' => format!("{:02}", date.iso_week_date().week()),
        'G' => date.iso_week_date().year().to_string(),
        'z' => moment.offset().map_or_else(String::new, |offset| offset_text(offset, "")),
        'Z' => zone_name(moment),
        's' => (moment.micros() / 1_000_000).to_string(),
        'c' => write(moment, "%a %b %e %H:%M:%S %Y"),
        'x' | 'D' => write(moment, "%m/%d/%y"),
        'X' | 'T' => write(moment, "%H:%M:%S"),
        'F' => write(moment, "%Y-%m-%d"),
        'R' => write(moment, "%H:%M"),
        'r' => write(moment, "%I:%M:%S %p"),
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        '%' => "%".to_owned(),
        _ => return None,
    })
}

fn zone_name(moment: &Moment) -> String {
    let (Some(zone), Some(zoned)) = (&moment.zone, moment.zoned()) else { return String::new() };
    let info = zone.zone.to_offset_info(zoned.timestamp());
    let short = info.abbreviation().to_owned();
    if short.chars().all(char::is_alphabetic) { short } else { zone.name.clone() }
}

/// What is gathered while a text is read.
#[derive(Debug)]
struct Parts {
    year: i32,
    month: i32,
    day: i32,
    hour: i32,
    minute: i32,
    second: i32,
    micros: i32,
    afternoon: Option<bool>,
    day_of_year: Option<i32>,
    zone: Option<Zone>,
}

/// A moment out of a text by a format.
pub(super) fn read(text: &str, format: &str) -> Outcome<Moment> {
    let wrong = || fail(format!("time data '{text}' does not match format '{format}'"));
    let mut parts = Parts {
        year: 1900,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        micros: 0,
        afternoon: None,
        day_of_year: None,
        zone: None,
    };
    let Some(rest) = read_parts(text, &expanded(format), &mut parts) else { return wrong() };
    if !rest.is_empty() {
        return fail(format!("unconverted data remains: {rest}"));
    }
    if let Some(afternoon) = parts.afternoon {
        parts.hour = parts.hour % 12 + if afternoon { 12 } else { 0 };
    }
    let mut day = super::day_of(parts.year, parts.month, parts.day)?;
    if let Some(number) = parts.day_of_year {
        let first = super::day_of(parts.year, 1, 1)?;
        day = match first.checked_add(jiff::SignedDuration::from_hours(i64::from(number - 1) * 24)) {
            Ok(day) => day,
            Err(_) => return wrong(),
        };
    }
    let clock = super::clock_of(parts.hour, parts.minute, parts.second, parts.micros)?;
    Ok(Moment { civil: day.to_datetime(clock), zone: parts.zone })
}

/// The format with its short forms written out.
fn expanded(format: &str) -> String {
    let forms = [
        ("%T", "%H:%M:%S"),
        ("%X", "%H:%M:%S"),
        ("%F", "%Y-%m-%d"),
        ("%D", "%m/%d/%y"),
        ("%x", "%m/%d/%y"),
        ("%R", "%H:%M"),
        ("%c", "%a %b %d %H:%M:%S %Y"),
    ];
    forms.iter().fold(format.to_owned(), |format, (short, long)| format.replace(short, long))
}

fn read_parts<'t>(text: &'t str, format: &str, parts: &mut Parts) -> Option<&'t str> {
    let mut rest = text;
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        if c != '%' {
            rest = rest.strip_prefix(c)?;
            continue;
        }
        let code = chars.next()?;
        let named = |names: &[&str]| {
            let lower = rest.to_lowercase();
            let full = names.iter().position(|name| lower.starts_with(&name.to_lowercase()));
            let found = full.map(|index| (index, names[index].len()));
            found.or_else(|| {
                let short = names.iter().position(|name| lower.starts_with(&name[..3].to_lowercase()))?;
                Some((short, 3))
            })
        };
        match code {
            'Y' | 'm' | 'd' | 'e' | 'H' | 'I' | 'M' | 'S' | 'y' | 'j' | 'f' => {
                rest = read_number(rest, code, parts)?
            }
            'p' => {
                let lower = rest.get(..2)?.to_lowercase();
                parts.afternoon = Some(lower == "pm");
                if lower != "am" && lower != "pm" {
                    return None;
                }
                rest = &rest[2..];
            }
            'a' | 'A' => rest = &rest[named(&DAYS)?.1..],
            'b' | 'B' | 'h' => {
                let (index, length) = named(&MONTHS)?;
                parts.month = i32::try_from(index).ok()? + 1;
                rest = &rest[length..];
            }
            'z' => rest = read_zone(rest, parts)?,
            'Z' => {
                let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
                rest = &rest[length..];
            }
            '%' => rest = rest.strip_prefix('%')?,
            _ => return None,
        }
    }
    Some(rest)
}

/// A number of a moment.
fn read_number<'t>(text: &'t str, code: char, parts: &mut Parts) -> Option<&'t str> {
    let most = match code {
        'Y' => 4,
        'j' => 3,
        'f' => 6,
        _ => 2,
    };
    let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number: i32 = text.get(..length)?.parse().ok()?;
    match code {
        'Y' => parts.year = number,
        'm' => parts.month = number,
        'd' | 'e' => parts.day = number,
        'H' | 'I' => parts.hour = number,
        'M' => parts.minute = number,
        'S' => parts.second = number,
        'y' => parts.year = number + if number < 69 { 2000 } else { 1900 },
        'j' => parts.day_of_year = Some(number),
        _ => parts.micros = number * 10_i32.pow(u32::try_from(6 - length).ok()?),
    }
    Some(&text[length..])
}

/// `+0200`, `-05:30` or `Z`.
fn read_zone<'t>(text: &'t str, parts: &mut Parts) -> Option<&'t str> {
    if let Some(after) = text.strip_prefix('Z') {
        parts.zone = Some(Zone::utc());
        return Some(after);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let after = text.strip_prefix(['+', '-'])?;
    let length = after.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count();
    let digits: String = after[..length].chars().filter(char::is_ascii_digit).collect();
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..4)?.parse().ok()?;
    parts.zone = Some(Zone::fixed(sign * (hours * 3600 + minutes * 60))?);
    Some(&after[length..])
}
