//! The text of values, as `str()` and `repr()` of Python give it.
//!
//! In: a value. Out: text.
//! Never: follows a list into itself; [`DEPTH_MAX`] lists in one another are printed.
//! Fails: not at all.
//! Source: Python 3.12.

use std::cell::Cell;
use std::fmt::{self, Write as _};

use minijinja::Value;

use super::super::limits;
use super::{View, view};

/// How deep lists are printed in one another.
const DEPTH_MAX: usize = 40;
/// How much text of containers is printed.
const PRINTED_MAX: usize = 16 << 20;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// `str(value)`.
pub(in super::super) fn text(value: &Value) -> String {
    match view(value) {
        View::Undefined => String::new(),
        View::Str(text) => text.to_owned(),
        View::Float(value) => float_text(value),
        View::Native(native) => native.0.text(),
        _ => value.to_string(),
    }
}

/// `repr(value)`.
pub(in super::super) fn repr(value: &Value) -> String {
    let mut out = String::new();
    let _ = write_repr(&mut out, value);
    out
}

fn write_repr(out: &mut String, value: &Value) -> fmt::Result {
    match view(value) {
        View::Undefined => out.write_str("Undefined"),
        View::Float(value) => out.write_str(&float_text(value)),
        View::Str(text) => {
            quote(out, text);
            Ok(())
        }
        View::Native(native) => out.write_str(&native.0.repr()),
        View::Tuple(tuple) => write_tuple(out, tuple),
        View::List(list) => write_parts(out, "[", "]", list.to_vec().into_iter().map(|value| (None, value))),
        View::Dict(dict) => {
            write_parts(out, "{", "}", dict.pairs().into_iter().map(|(key, value)| (Some(key), value)))
        }
        _ => write!(out, "{value:?}"),
    }
}

fn write_tuple(out: &mut String, values: &[Value]) -> fmt::Result {
    let close = if values.len() == 1 { ",)" } else { ")" };
    write_parts(out, "(", close, values.iter().cloned().map(|value| (None, value)))
}

/// A tuple as Python prints it.
pub(super) fn tuple_text(values: &[Value]) -> String {
    let mut out = String::new();
    let _ = write_tuple(&mut out, values);
    out
}

/// Writes a list or dict as Python prints it.
pub(super) fn write_container(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    close: &str,
    parts: impl Iterator<Item = (Option<Value>, Value)>,
) -> fmt::Result {
    let mut out = String::new();
    write_parts(&mut out, open, close, parts)?;
    f.write_str(&out)
}

pub(super) fn write_parts(
    out: &mut String,
    open: &str,
    close: &str,
    parts: impl Iterator<Item = (Option<Value>, Value)>,
) -> fmt::Result {
    let depth = DEPTH.get();
    if depth >= DEPTH_MAX {
        return write!(out, "{open}...{close}");
    }
    DEPTH.set(depth + 1);
    out.push_str(open);
    for (index, (key, value)) in parts.enumerate() {
        if out.len() > PRINTED_MAX || !limits::look() {
            out.push_str(", ...");
            break;
        }
        if index > 0 {
            out.push_str(", ");
        }
        if let Some(key) = key {
            write_repr(out, &key)?;
            out.push_str(": ");
        }
        write_repr(out, &value)?;
    }
    DEPTH.set(depth);
    out.write_str(close)
}

/// Text in quotes, as Python writes it.
fn quote(out: &mut String, text: &str) {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            c if u32::from(c) < 32 || u32::from(c) == 127 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(mark);
}

/// A float as Python writes it: the shortest digits, with an exponent where it is very large or small.
pub(in super::super) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf".to_owned() } else { "inf".to_owned() };
    }
    let plain = format!("{value:e}");
    let (digits, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let text = format!("{value}");
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
