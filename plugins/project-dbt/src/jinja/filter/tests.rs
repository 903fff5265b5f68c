//! Tests: `x is …`.
//!
//! In: a name, a value, arguments. Out: whether it holds.
//! Never: changes a value.
//! Fails: for names that are no test.
//! Source: Jinja 3.1's built-in tests.

use std::cmp::Ordering;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::value::{self, Args, Decimal, View, view};

/// Whether there is a test of this name.
fn is_test(name: &str) -> bool {
    const NAMES: [&str; 36] = [
        "boolean",
        "callable",
        "defined",
        "divisibleby",
        "eq",
        "equalto",
        "escaped",
        "even",
        "false",
        "filter",
        "float",
        "ge",
        "greaterthan",
        "gt",
        "in",
        "integer",
        "iterable",
        "le",
        "lessthan",
        "lower",
        "lt",
        "mapping",
        "ne",
        "none",
        "number",
        "odd",
        "sameas",
        "sequence",
        "string",
        "test",
        "true",
        "undefined",
        "upper",
        "==",
        "!=",
        "<",
    ];
    NAMES.contains(&name)
}

impl Interp<'_> {
    /// Applies a test.
    pub(in super::super) fn test(&self, name: &str, value: &Value, mut args: Args) -> Outcome<bool> {
        self.step()?;
        let args = &mut args;
        let compared = |args: &mut Args, sign: &str| -> Outcome<Ordering> {
            value::compare(value, &args.need(sign, "other")?, sign)
        };
        Ok(match name {
            "defined" => !value.is_undefined(),
            "undefined" => value.is_undefined(),
            "none" => value.is_none(),
            "boolean" => matches!(view(value), View::Bool(_)),
            "true" => matches!(view(value), View::Bool(true)),
            "false" => matches!(view(value), View::Bool(false)),
            "integer" => matches!(view(value), View::Int(_)),
            "float" => matches!(view(value), View::Float(_)),
            "number" => {
                matches!(view(value), View::Int(_) | View::Float(_) | View::Bool(_))
                    || Decimal::of(value).is_some()
            }
            "string" => matches!(view(value), View::Str(_)),
            "mapping" => value::pairs(value).is_some(),
            "sequence" => {
                matches!(
                    view(value),
                    View::Str(_) | View::List(_) | View::Tuple(_) | View::Dict(_) | View::Undefined
                ) || (matches!(view(value), View::Native(_) | View::Foreign(_))
                    && value::length(value).is_some())
            }
            "iterable" => value::items(value).is_ok(),
            "callable" => match view(value) {
                View::Native(native) => native.0.callable(),
                _ => false,
            },
            "even" => remainder(value, 2)? == 0,
            "odd" => remainder(value, 2)? != 0,
            "divisibleby" => match args.int("num")? {
                Some(number) if number != 0 => remainder(value, number)? == 0,
                _ => return fail("`divisibleby` needs a number that is not 0"),
            },
            "eq" | "equalto" | "==" => value::equal(value, &args.need(name, "other")?),
            "ne" | "!=" => !value::equal(value, &args.need(name, "other")?),
            "lt" | "lessthan" | "<" => compared(args, "<")? == Ordering::Less,
            "le" | "<=" => compared(args, "<=")? != Ordering::Greater,
            "gt" | "greaterthan" | ">" => compared(args, ">")? == Ordering::Greater,
            "ge" | ">=" => compared(args, ">=")? != Ordering::Less,
            "in" => self.contains(&args.need(name, "seq")?, value)?,
            "sameas" => same(value, &args.need(name, "other")?),
            "lower" => {
                let text = value::text(value);
                text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)
            }
            "upper" => {
                let text = value::text(value);
                text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
            }
            "escaped" => false,
            "test" => is_test(&value::text(value)),
            "filter" => self.filter(&value::text(value), Value::from(""), Args::default()).is_ok(),
            _ => return fail(format!("`{name}` is not a test of dbt's Jinja")),
        })
    }
}

fn remainder(value: &Value, by: i128) -> Outcome<i128> {
    match view(value) {
        View::Int(value) => Ok(value.rem_euclid(by.abs())),
        View::Bool(value) => Ok(i128::from(value).rem_euclid(by.abs())),
        _ => fail(format!("a whole number is needed, not '{}'", value::type_name(value))),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (view(a), view(b)) {
        (View::List(a), View::List(b)) => std::ptr::eq(a, b),
        (View::Dict(a), View::Dict(b)) => std::ptr::eq(a, b),
        (View::Native(a), View::Native(b)) => std::sync::Arc::ptr_eq(&a.0, &b.0),
        _ => value::type_name(a) == value::type_name(b) && value::equal(a, b),
    }
}
