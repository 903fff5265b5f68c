//! `timedelta`.
//!
//! In: days, hours, seconds, …. Out: an object of Python's kind `timedelta`.
//! Never: holds less than a microsecond.
//! Fails: where a part is no number.
//! Source: Python's `datetime`.

use std::any::Any;
use std::cmp::Ordering;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::super::value::{self, Args, Native, Python, View, int, native, view};

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// A span of time in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) i128);

/// A span as a value.
pub(super) fn span(micros: i128) -> Value {
    native(Span(micros))
}

/// The span that a value is.
pub(super) fn of(value: &Value) -> Option<Span> {
    value.downcast_object_ref::<Native>()?.get::<Span>().copied()
}

/// `timedelta(…)`.
pub(super) fn new(args: &mut Args) -> Outcome<Value> {
    let units: [(&str, i128); 7] = [
        ("days", DAY),
        ("seconds", SECOND),
        ("microseconds", 1),
        ("milliseconds", 1000),
        ("minutes", 60 * SECOND),
        ("hours", 3600 * SECOND),
        ("weeks", 7 * DAY),
    ];
    let mut total = 0_i128;
    for (name, unit) in units {
        let Some(given) = args.take(name) else { continue };
        let part = match view(&given) {
            View::Int(many) => many.checked_mul(unit),
            _ => match value::as_float(&given) {
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    reason = "rounded to microseconds"
                )]
                Some(many) => Some((many * unit as f64).round_ties_even() as i128),
                None => {
                    return fail(format!("timedelta() needs numbers, not '{}'", value::type_name(&given)));
                }
            },
        };
        total = match part.and_then(|part| total.checked_add(part)) {
            Some(total) if total.abs() < DAY * 1_000_000_000 => total,
            _ => return fail("the span of time is too long"),
        };
    }
    args.end("timedelta")?;
    Ok(span(total))
}

impl Python for Span {
    fn type_name(&self) -> &'static str {
        "timedelta"
    }

    fn truthy(&self) -> bool {
        self.0 != 0
    }

    fn attr(&self, name: &str) -> Option<Value> {
        Some(int(match name {
            "days" => self.0.div_euclid(DAY),
            "seconds" => self.0.rem_euclid(DAY) / SECOND,
            "microseconds" => self.0.rem_euclid(SECOND),
            _ => return None,
        }))
    }

    fn methods(&self) -> &'static [&'static str] {
        &["total_seconds"]
    }

    fn method(&self, _: &Interp<'_>, name: &str, _: &mut Args) -> Option<Outcome<Value>> {
        #[expect(clippy::cast_precision_loss, reason = "Python gives a float as well")]
        (name == "total_seconds").then(|| Ok(Value::from(self.0 as f64 / SECOND as f64)))
    }

    fn text(&self) -> String {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let seconds = rest / SECOND;
        let mut text = match days {
            0 => String::new(),
            1 | -1 => format!("{days} day, "),
            _ => format!("{days} days, "),
        };
        text.push_str(&format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
        if rest % SECOND != 0 {
            text.push_str(&format!(".{:06}", rest % SECOND));
        }
        text
    }

    fn repr(&self) -> String {
        let parts = ["days", "seconds", "microseconds"].iter().filter_map(|part| {
            let value = self.attr(part)?;
            value::truthy(&value).then(|| format!("{part}={value}"))
        });
        let parts: Vec<String> = parts.collect();
        format!("datetime.timedelta({})", if parts.is_empty() { "0".to_owned() } else { parts.join(", ") })
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        Some(self.0.cmp(&of(other)?.0))
    }

    fn negative(&self) -> Option<Value> {
        Some(span(-self.0))
    }

    fn operate(&self, operator: Operator, other: &Value, reflected: bool) -> Option<Outcome<Value>> {
        if let Some(other) = of(other) {
            let (a, b) = if reflected { (other.0, self.0) } else { (self.0, other.0) };
            #[expect(clippy::cast_precision_loss, reason = "Python gives a float as well")]
            return match operator {
                Operator::Add => Some(Ok(span(a + b))),
                Operator::Subtract => Some(Ok(span(a - b))),
                Operator::Divide | Operator::FloorDivide | Operator::Modulo if b == 0 => {
                    Some(fail("division by zero"))
                }
                Operator::Divide => Some(Ok(Value::from(a as f64 / b as f64))),
                Operator::FloorDivide => Some(Ok(int(a.div_euclid(b)))),
                Operator::Modulo => Some(Ok(span(a.rem_euclid(b)))),
                _ => None,
            };
        }
        let number = value::as_float(other)?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "rounded to microseconds"
        )]
        match operator {
            Operator::Multiply => Some(Ok(span((self.0 as f64 * number).round_ties_even() as i128))),
            Operator::Divide | Operator::FloorDivide if number == 0.0 => Some(fail("division by zero")),
            Operator::Divide if !reflected => {
                Some(Ok(span((self.0 as f64 / number).round_ties_even() as i128)))
            }
            Operator::FloorDivide if !reflected => Some(Ok(span((self.0 as f64 / number).floor() as i128))),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
