//! Filters of numbers.
//!
//! In: a value, arguments. Out: a number.
//! Never: fails where Jinja gives a default.
//! Fails: where a number is needed.
//! Source: Jinja 3.1.

use minijinja::Value;

use super::super::problem::{Outcome, fail};
use super::super::value::{self, Args, Decimal, View, int, view};

/// Applies a filter.
pub(super) fn filter(name: &str, value: &Value, args: &mut Args) -> Outcome<Value> {
    match name {
        "abs" => match view(value) {
            View::Int(number) => Ok(int(number.abs())),
            View::Bool(flag) => Ok(int(i128::from(flag))),
            View::Float(number) => Ok(Value::from(number.abs())),
            View::Native(native) if native.decimal().is_some() => {
                let negative = value::compare(value, &Value::from(0), "<")?.is_lt();
                if negative { value::negative(value) } else { Ok(value.clone()) }
            }
            _ => fail(format!("bad operand type for abs(): '{}'", value::type_name(value))),
        },
        "int" => {
            let default = args.take("default").unwrap_or_else(|| Value::from(0));
            let base = u32::try_from(args.int("base")?.unwrap_or(10)).unwrap_or(10);
            Ok(to_int(value, base).map_or(default, int))
        }
        "float" => {
            let default = args.take("default").unwrap_or_else(|| Value::from(0.0));
            Ok(to_float(value).map_or(default, Value::from))
        }
        "round" => {
            let precision = args.int("precision")?.unwrap_or(0);
            let method = args.text("method").unwrap_or_else(|| "common".to_owned());
            round(value, precision, &method)
        }
        _ => {
            let Some(bytes) = to_float(value) else { return fail("a number is needed") };
            Ok(Value::from(file_size(bytes, args.flag("binary", false))))
        }
    }
}

/// A whole number out of anything that is one.
pub(in super::super) fn to_int(value: &Value, base: u32) -> Option<i128> {
    match view(value) {
        View::Int(value) => Some(value),
        View::Bool(value) => Some(i128::from(value)),
        #[expect(clippy::cast_possible_truncation, reason = "Python cuts the fraction off as well")]
        View::Float(value) if value.is_finite() => Some(value.trunc() as i128),
        View::Str(text) => {
            let text = text.trim().replace('_', "");
            let (sign, digits) = match text.strip_prefix('-') {
                Some(digits) => ("-", digits),
                None => ("", text.strip_prefix('+').unwrap_or(&text)),
            };
            let prefixes: &[&str] = match base {
                16 => &["0x", "0X"],
                8 => &["0o", "0O"],
                2 => &["0b", "0B"],
                _ => &[],
            };
            let digits = prefixes.iter().find_map(|prefix| digits.strip_prefix(prefix)).unwrap_or(digits);
            if !(2..=36).contains(&base) {
                return None;
            }
            let parsed = i128::from_str_radix(&format!("{sign}{digits}"), base).ok();
            #[expect(clippy::cast_possible_truncation, reason = "Jinja cuts the fraction off as well")]
            parsed.or_else(|| {
                text.parse::<f64>().ok().filter(|value| value.is_finite()).map(|value| value as i128)
            })
        }
        View::Native(native) => native.decimal().map(Decimal::whole),
        _ => None,
    }
}

/// A float out of anything that is a number.
pub(in super::super) fn to_float(value: &Value) -> Option<f64> {
    match view(value) {
        View::Str(text) => {
            let text = text.trim().replace('_', "").to_lowercase();
            match text.trim_start_matches(['+', '-']) {
                "inf" | "infinity" | "nan" => {}
                digits if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {}
                _ => return None,
            }
            text.parse().ok()
        }
        _ => value::as_float(value),
    }
}

fn round(value: &Value, precision: i128, method: &str) -> Outcome<Value> {
    if !matches!(method, "common" | "ceil" | "floor") {
        return fail("method must be common, ceil or floor");
    }
    if let View::Native(native) = view(value)
        && let Some(decimal) = native.decimal()
        && method == "common"
    {
        return Ok(decimal.rounded(u32::try_from(precision).unwrap_or(0)).value());
    }
    let Some(number) = value::as_float(value) else {
        return fail(format!("type {} doesn't define __round__ method", value::type_name(value)));
    };
    let whole = matches!(view(value), View::Int(_) | View::Bool(_));
    if method == "common" {
        return Ok(if whole && precision >= 0 { value.clone() } else { rounded(number, precision, whole) });
    }
    let factor = 10_f64.powi(i32::try_from(precision).unwrap_or(0));
    let scaled = number * factor;
    Ok(Value::from(if method == "ceil" { scaled.ceil() } else { scaled.floor() } / factor))
}

/// Python's `round`: half to even, by the number's exact value.
pub(in super::super) fn rounded(number: f64, precision: i128, whole: bool) -> Value {
    if precision >= 0 {
        let places = usize::try_from(precision.min(300)).unwrap_or(0);
        return Value::from(format!("{number:.places$}").parse::<f64>().unwrap_or(number));
    }
    let factor = 10_f64.powi(i32::try_from(-precision).unwrap_or(0));
    let result = (number / factor).round_ties_even() * factor;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number before, and after")]
    if whole { int(result as i128) } else { Value::from(result) }
}

fn file_size(bytes: f64, binary: bool) -> String {
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    let units = if binary {
        ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
    } else {
        ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
    };
    if bytes == 1.0 {
        return "1 Byte".to_owned();
    }
    if bytes < base {
        return format!("{bytes:.0} Bytes");
    }
    let mut size = base;
    for unit in units {
        size *= base;
        if bytes < size || unit.starts_with('Y') {
            return format!("{:.1} {unit}", base * bytes / size);
        }
    }
    String::new()
}
