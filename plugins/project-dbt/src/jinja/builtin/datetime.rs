//! `datetime`, `date` and `time`.
//!
//! In: numbers, or text. Out: objects of Python's kinds.
//! Never: knows another local time than UTC.
//! Fails: for moments that are none, and formats that do not fit.
//! Source: Python's `datetime`.

use std::any::Any;
use std::cmp::Ordering;

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp, Zoned};
use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::super::value::{self, Args, Native, Python, native, none, tuple};
use super::spans::{self, span};
use super::zones::Zone;

#[path = "strftime.rs"]
mod strftime;

/// A moment, with or without a zone.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) civil: DateTime,
    pub(super) zone: Option<Zone>,
}

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day(Date);

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock(Time);

/// A moment as `run_started_at` is one: with `strftime`, `isoformat`, arithmetic. `text` is
/// RFC 3339, or a moment as the warehouse writes it.
#[must_use]
pub fn datetime(text: &str) -> Option<Value> {
    Some(native(parsed(text)?))
}

fn parsed(text: &str) -> Option<Moment> {
    let text = text.trim();
    let text = text.strip_suffix(['Z', 'z']).map_or_else(|| text.to_owned(), |text| format!("{text}+00:00"));
    let (day, clock) = match text.split_once(['T', 't', ' ']) {
        Some((day, clock)) => (day, clock),
        None => (text.as_str(), "00:00:00"),
    };
    let zone_at = clock.find(['+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let zone = if zone.is_empty() {
        None
    } else {
        let digits: String = zone[1..].chars().filter(char::is_ascii_digit).collect();
        let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i32>().ok());
        let seconds = part(0)? * 3600 + part(2)? * 60 + part(4)?;
        Some(Zone::fixed(if zone.starts_with('-') { -seconds } else { seconds })?)
    };
    let day: Date = day.parse().ok()?;
    let clock = match clock.trim() {
        short if short.len() == 5 => format!("{short}:00"),
        other => other.to_owned(),
    };
    let clock: Time = clock.parse().ok()?;
    Some(Moment { civil: day.to_datetime(clock), zone })
}

/// A day as a value.
pub(super) fn date(text: &str) -> Option<Value> {
    Some(native(Day(text.trim().parse().ok()?)))
}

impl Moment {
    /// The moment that a value is.
    pub(super) fn of(value: &Value) -> Option<Self> {
        value.downcast_object_ref::<Native>()?.get::<Self>().cloned()
    }

    fn zoned(&self) -> Option<Zoned> {
        self.civil.to_zoned(self.zone.as_ref()?.zone.clone()).ok()
    }

    /// The distance from UTC in seconds.
    pub(super) fn offset(&self) -> Option<i32> {
        Some(self.zoned()?.offset().seconds())
    }

    /// The instant; without a zone it is UTC's.
    fn instant(&self) -> Option<Timestamp> {
        match &self.zone {
            Some(_) => Some(self.zoned()?.timestamp()),
            None => Some(self.civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()),
        }
    }

    /// The same instant elsewhere.
    pub(super) fn moved(&self, zone: &Zone) -> Value {
        let civil =
            self.instant().map_or(self.civil, |instant| instant.to_zoned(zone.zone.clone()).datetime());
        native(Self { civil, zone: Some(zone.clone()) })
    }

    fn plus(&self, micros: i128) -> Outcome<Value> {
        let duration = i64::try_from(micros).ok().map(SignedDuration::from_micros);
        match duration.and_then(|duration| self.civil.checked_add(duration).ok()) {
            Some(civil) => Ok(native(Self { civil, zone: self.zone.clone() })),
            None => fail("date value out of range"),
        }
    }

    /// Microseconds since 1970. The first and the last days of the calendar are no instants to jiff:
    /// they are counted from the day beside them.
    fn micros(&self) -> i128 {
        let counted = |moment: &Self| moment.instant().map(|instant| i128::from(instant.as_microsecond()));
        let beside = |days: i64| {
            let day = SignedDuration::from_hours(24 * days);
            let civil = self.civil.checked_add(day).ok()?;
            let micros = counted(&Self { civil, zone: self.zone.clone() })?;
            Some(micros - i128::from(days) * 86_400_000_000)
        };
        counted(self).or_else(|| beside(-2)).or_else(|| beside(2)).unwrap_or(0)
    }

    fn iso(&self, separator: &str, timespec: &str) -> String {
        let time = self.civil.time();
        let mut text = format!("{}{separator}", self.civil.date());
        text.push_str(&clock_text(time, timespec));
        if let Some(offset) = self.offset() {
            text.push_str(&offset_text(offset, ":"));
        }
        text
    }
}

fn clock_text(time: Time, timespec: &str) -> String {
    let micros = time.subsec_nanosecond() / 1000;
    let base = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    match timespec {
        "hours" => base[..2].to_owned(),
        "minutes" => base[..5].to_owned(),
        "milliseconds" => format!("{base}.{:03}", micros / 1000),
        "microseconds" => format!("{base}.{micros:06}"),
        "auto" if micros != 0 => format!("{base}.{micros:06}"),
        _ => base,
    }
}

/// `+02:00`.
fn offset_text(seconds: i32, colon: &str) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    format!("{sign}{:02}{colon}{:02}", seconds / 3600, seconds / 60 % 60)
}

/// `datetime(…)`, `date(…)`, `time(…)`.
pub(super) fn new(class: &str, args: &mut Args) -> Outcome<Value> {
    let mut part = |name: &str, default: Option<i128>| match (args.int(name)?, default) {
        (Some(value), _) => Ok(i32::try_from(value).unwrap_or(-1)),
        (None, Some(default)) => Ok(i32::try_from(default).unwrap_or(0)),
        (None, None) => fail(format!("{class}() needs the argument `{name}`")),
    };
    let mut day = None;
    if class != "datetime.time" {
        let (year, month, number) = (part("year", None)?, part("month", None)?, part("day", None)?);
        day = Some(day_of(year, month, number)?);
        if class == "datetime.date" {
            return Ok(day.map_or_else(none, |day| native(Day(day))));
        }
    }
    let clock = clock_of(
        part("hour", Some(0))?,
        part("minute", Some(0))?,
        part("second", Some(0))?,
        part("microsecond", Some(0))?,
    )?;
    let zone = args.take("tzinfo").as_ref().and_then(Zone::of);
    Ok(match day {
        Some(day) => native(Moment { civil: day.to_datetime(clock), zone }),
        None => native(Clock(clock)),
    })
}

fn day_of(year: i32, month: i32, day: i32) -> Outcome<Date> {
    let small = |value: i32| i8::try_from(value).unwrap_or(-1);
    match Date::new(i16::try_from(year).unwrap_or(i16::MIN), small(month), small(day)) {
        Ok(date) if year >= 1 => Ok(date),
        _ => fail(format!("{year}-{month}-{day} is not a day")),
    }
}

fn clock_of(hour: i32, minute: i32, second: i32, micros: i32) -> Outcome<Time> {
    let small = |value: i32| i8::try_from(value).unwrap_or(-1);
    let nanos = micros.checked_mul(1000).filter(|nanos| *nanos >= 0).unwrap_or(-1);
    Time::new(small(hour), small(minute), small(second), nanos)
        .map_or_else(|_| fail(format!("{hour}:{minute}:{second} is not a time of day")), Ok)
}

/// Attributes of the classes.
pub(super) fn class_attr(class: &str, name: &str) -> Option<Value> {
    match (class, name) {
        ("datetime.datetime", "min") => datetime("0001-01-01T00:00:00"),
        ("datetime.datetime", "max") => datetime("9999-12-31T23:59:59.999999"),
        ("datetime.date", "min") => date("0001-01-01"),
        ("datetime.date", "max") => date("9999-12-31"),
        _ => None,
    }
}

/// Methods of the classes.
pub(super) fn class_method(class: &str, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
    let run = |args: &mut Args| -> Outcome<Option<Value>> {
        let here = Timestamp::now();
        let of_instant = |instant: Timestamp, zone: Option<Zone>| {
            let place = zone.clone().unwrap_or_else(Zone::utc);
            let civil = instant.to_zoned(place.zone).datetime();
            let micros = civil.subsec_nanosecond() / 1000 * 1000;
            let civil = civil.with().subsec_nanosecond(micros).build().unwrap_or(civil);
            Moment { civil, zone }
        };
        let moment = match name {
            "now" => of_instant(here, args.take("tz").as_ref().and_then(Zone::of)),
            "utcnow" | "today" => of_instant(here, None),
            "fromtimestamp" | "utcfromtimestamp" => {
                let Some(seconds) = args.take("timestamp").as_ref().and_then(value::as_float) else {
                    return fail(format!("{name}() needs a number"));
                };
                #[expect(clippy::cast_possible_truncation, reason = "rounded to microseconds")]
                let micros = (seconds * 1e6).round() as i64;
                match Timestamp::from_microsecond(micros) {
                    Ok(instant) => of_instant(instant, args.take("tz").as_ref().and_then(Zone::of)),
                    Err(_) => return fail("timestamp out of range"),
                }
            }
            "strptime" => {
                let text = args.need_text(name, "date_string")?;
                strftime::read(&text, &args.need_text(name, "format")?)?
            }
            "fromisoformat" => {
                let text = args.need_text(name, "date_string")?;
                match parsed(&text) {
                    Some(moment) => moment,
                    None => return fail(format!("Invalid isoformat string: '{text}'")),
                }
            }
            "combine" => {
                let (day, clock) = (args.need(name, "date")?, args.need(name, "time")?);
                let native_of =
                    |value: &Value| value.downcast_object_ref::<Native>().map(|native| native.0.clone());
                let (day, clock) = (native_of(&day), native_of(&clock));
                let day = day.as_ref().and_then(|day| day.as_any().downcast_ref::<Day>());
                let clock = clock.as_ref().and_then(|clock| clock.as_any().downcast_ref::<Clock>());
                match (day, clock) {
                    (Some(day), Some(clock)) => Moment { civil: day.0.to_datetime(clock.0), zone: None },
                    _ => return fail("combine() needs a date and a time"),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(if class == "datetime.date" { native(Day(moment.civil.date())) } else { native(moment) }))
    };
    run(args).transpose()
}

/// What days and moments have in common.
fn day_attr(date: Date, name: &str) -> Option<Value> {
    Some(match name {
        "year" => Value::from(date.year()),
        "month" => Value::from(date.month()),
        "day" => Value::from(date.day()),
        _ => return None,
    })
}

fn day_method(date: Date, name: &str) -> Option<Value> {
    let weekday = date.weekday().to_monday_zero_offset();
    Some(match name {
        "weekday" => Value::from(weekday),
        "isoweekday" => Value::from(weekday + 1),
        "isocalendar" => {
            let week = date.iso_week_date();
            tuple(vec![Value::from(week.year()), Value::from(week.week()), Value::from(weekday + 1)])
        }
        "toordinal" => {
            let days = date.since(jiff::civil::date(1, 1, 1)).map(|span| span.get_days());
            Value::from(days.unwrap_or(0) + 1)
        }
        _ => return None,
    })
}

fn clock_attr(time: Time, name: &str) -> Option<Value> {
    Some(match name {
        "hour" => Value::from(time.hour()),
        "minute" => Value::from(time.minute()),
        "second" => Value::from(time.second()),
        "microsecond" => Value::from(time.subsec_nanosecond() / 1000),
        _ => return None,
    })
}

/// `replace(…)`.
fn replaced(civil: DateTime, args: &mut Args) -> Outcome<DateTime> {
    let mut part = |name: &str, default: i32| -> Outcome<i32> {
        Ok(args.named(name).map_or(default, |value| {
            value.as_i64().and_then(|value| i32::try_from(value).ok()).unwrap_or(-1)
        }))
    };
    let day = day_of(
        part("year", civil.year().into())?,
        part("month", civil.month().into())?,
        part("day", civil.day().into())?,
    )?;
    let clock = clock_of(
        part("hour", civil.hour().into())?,
        part("minute", civil.minute().into())?,
        part("second", civil.second().into())?,
        part("microsecond", civil.subsec_nanosecond() / 1000)?,
    )?;
    Ok(day.to_datetime(clock))
}

const METHODS: [&str; 8] =
    ["strftime", "isoformat", "date", "time", "timestamp", "replace", "astimezone", "weekday"];

impl Python for Moment {
    fn type_name(&self) -> &'static str {
        "datetime"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        self.iso(" ", "auto")
    }

    fn repr(&self) -> String {
        let (date, time) = (self.civil.date(), self.civil.time());
        let mut parts: Vec<String> =
            vec![date.year().to_string(), date.month().to_string(), date.day().to_string()];
        parts.extend([time.hour().to_string(), time.minute().to_string()]);
        let micros = time.subsec_nanosecond() / 1000;
        if time.second() != 0 || micros != 0 {
            parts.push(time.second().to_string());
        }
        if micros != 0 {
            parts.push(micros.to_string());
        }
        if let Some(zone) = &self.zone {
            parts.push(format!("tzinfo={}", zone.repr()));
        }
        format!("datetime.datetime({})", parts.join(", "))
    }

    fn attr(&self, name: &str) -> Option<Value> {
        if name == "tzinfo" {
            return Some(self.zone.clone().map_or_else(none, native));
        }
        day_attr(self.civil.date(), name).or_else(|| clock_attr(self.civil.time(), name))
    }

    fn methods(&self) -> &'static [&'static str] {
        &METHODS
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        if let Some(value) = day_method(self.civil.date(), name) {
            return Some(Ok(value));
        }
        let run = |args: &mut Args| -> Outcome<Option<Value>> {
            Ok(Some(match name {
                "strftime" => Value::from(strftime::write(self, &args.need_text(name, "format")?)),
                "isoformat" => {
                    let separator = args.text("sep").unwrap_or_else(|| "T".to_owned());
                    let timespec = args.text("timespec").unwrap_or_else(|| "auto".to_owned());
                    Value::from(self.iso(&separator, &timespec))
                }
                "ctime" => Value::from(strftime::write(self, "%a %b %e %H:%M:%S %Y")),
                "date" => native(Day(self.civil.date())),
                "time" | "timetz" => native(Clock(self.civil.time())),
                #[expect(clippy::cast_precision_loss, reason = "Python gives a float as well")]
                "timestamp" => Value::from(self.micros() as f64 / 1e6),
                "utcoffset" => self.offset().map_or_else(none, |offset| span(i128::from(offset) * 1_000_000)),
                "tzname" => match self.zoned() {
                    Some(_) => Value::from(strftime::write(self, "%Z")),
                    None => none(),
                },
                "astimezone" => {
                    let zone = args.take("tz").as_ref().and_then(Zone::of).unwrap_or_else(Zone::utc);
                    self.moved(&zone)
                }
                "replace" => {
                    let zone = match args.named("tzinfo") {
                        Some(zone) => Zone::of(&zone),
                        None => self.zone.clone(),
                    };
                    native(Self { civil: replaced(self.civil, args)?, zone })
                }
                _ => return Ok(None),
            }))
        };
        run(args).transpose()
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        let other = Self::of(other)?;
        match (&self.zone, &other.zone) {
            (None, None) => Some(self.civil.cmp(&other.civil)),
            (Some(_), Some(_)) => Some(self.micros().cmp(&other.micros())),
            _ => None,
        }
    }

    fn operate(&self, operator: Operator, other: &Value, reflected: bool) -> Option<Outcome<Value>> {
        if let Some(span) = spans::of(other) {
            return match (operator, reflected) {
                (Operator::Add, _) => Some(self.plus(span.0)),
                (Operator::Subtract, false) => Some(self.plus(-span.0)),
                _ => None,
            };
        }
        let other = Self::of(other)?;
        if operator != Operator::Subtract || reflected {
            return None;
        }
        if self.zone.is_some() != other.zone.is_some() {
            return Some(fail("can't subtract offset-naive and offset-aware datetimes"));
        }
        Some(Ok(span(self.micros() - other.micros())))
    }

    fn format(&self, spec: &str) -> Option<String> {
        Some(strftime::write(self, spec))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Day {
    fn of(value: &Value) -> Option<Self> {
        value.downcast_object_ref::<Native>()?.get::<Self>().copied()
    }

    fn moment(self) -> Moment {
        Moment { civil: self.0.to_datetime(Time::midnight()), zone: None }
    }
}

impl Python for Day {
    fn type_name(&self) -> &'static str {
        "date"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn repr(&self) -> String {
        format!("datetime.date({}, {}, {})", self.0.year(), self.0.month(), self.0.day())
    }

    fn attr(&self, name: &str) -> Option<Value> {
        day_attr(self.0, name)
    }

    fn methods(&self) -> &'static [&'static str] {
        &METHODS
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        if let Some(value) = day_method(self.0, name) {
            return Some(Ok(value));
        }
        let moment = self.moment();
        Some(match name {
            "strftime" => {
                args.need_text(name, "format").map(|format| Value::from(strftime::write(&moment, &format)))
            }
            "isoformat" => Ok(Value::from(self.0.to_string())),
            "ctime" => Ok(Value::from(strftime::write(&moment, "%a %b %e %H:%M:%S %Y"))),
            "replace" => replaced(moment.civil, args).map(|civil| native(Self(civil.date()))),
            _ => return None,
        })
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        Some(self.0.cmp(&Self::of(other)?.0))
    }

    fn operate(&self, operator: Operator, other: &Value, reflected: bool) -> Option<Outcome<Value>> {
        let moment = self.moment();
        let day = |result: Outcome<Value>| {
            result
                .map(|value| Moment::of(&value).map_or_else(none, |moment| native(Self(moment.civil.date()))))
        };
        // Of a span only whole days count.
        let whole = |micros: i128| micros.div_euclid(86_400_000_000) * 86_400_000_000;
        match (operator, reflected, spans::of(other), Self::of(other)) {
            (Operator::Add, _, Some(span), _) => Some(day(moment.plus(whole(span.0)))),
            (Operator::Subtract, false, Some(span), _) => Some(day(moment.plus(-whole(span.0)))),
            (Operator::Subtract, false, _, Some(other)) => {
                Some(Ok(span(moment.micros() - other.moment().micros())))
            }
            _ => None,
        }
    }

    fn format(&self, spec: &str) -> Option<String> {
        Some(strftime::write(&self.moment(), spec))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Python for Clock {
    fn type_name(&self) -> &'static str {
        "time"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        clock_text(self.0, "auto")
    }

    fn repr(&self) -> String {
        let micros = self.0.subsec_nanosecond() / 1000;
        let mut parts = vec![self.0.hour().to_string(), self.0.minute().to_string()];
        if self.0.second() != 0 || micros != 0 {
            parts.push(self.0.second().to_string());
        }
        if micros != 0 {
            parts.push(micros.to_string());
        }
        format!("datetime.time({})", parts.join(", "))
    }

    fn attr(&self, name: &str) -> Option<Value> {
        clock_attr(self.0, name)
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        let moment = Moment { civil: jiff::civil::date(1900, 1, 1).to_datetime(self.0), zone: None };
        match name {
            "strftime" => {
                let format = args.need_text(name, "format");
                Some(format.map(|format| Value::from(strftime::write(&moment, &format))))
            }
            "isoformat" => Some(Ok(Value::from(clock_text(self.0, "auto")))),
            _ => None,
        }
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        let other = other.downcast_object_ref::<Native>()?.get::<Self>().copied()?;
        Some(self.0.cmp(&other.0))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
