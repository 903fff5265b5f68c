//! The text of values, as `str()` and `repr()` of Python give it.
//!
//! In: a value. Out: text.
//! Never: follows a list into itself (that is `[...]`); [`DEPTH_MAX`] lists in one another are printed.
//! Fails: not at all.
//! Source: Python 3.12.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use minijinja::Value;

use super::super::limits;
use super::{Dict, List, View, view};

/// How deep lists are printed in one another.
const DEPTH_MAX: usize = 40;
/// How much text of containers is printed.
const PRINTED_MAX: usize = 16 << 20;

thread_local! {
    /// What is being printed, from the outside in: the addresses of lists and dicts.
    static WITHIN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
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
        View::List(list) => write_list(out, list),
        View::Dict(dict) => write_dict(out, dict),
        _ => write!(out, "{value:?}"),
    }
}

fn write_list(out: &mut String, list: &List) -> fmt::Result {
    write_parts(out, address(list), ("[", "]"), || list.to_vec().into_iter().map(|value| (None, value)))
}

fn write_dict(out: &mut String, dict: &Dict) -> fmt::Result {
    write_parts(out, address(dict), ("{", "}"), || {
        dict.pairs().into_iter().map(|(key, value)| (Some(key), value))
    })
}

fn write_tuple(out: &mut String, values: &[Value]) -> fmt::Result {
    let close = if values.len() == 1 { ",)" } else { ")" };
    write_parts(out, address(values), ("(", close), || values.iter().cloned().map(|value| (None, value)))
}

/// A tuple as Python prints it.
pub(super) fn tuple_text(values: &[Value]) -> String {
    let mut out = String::new();
    let _ = write_tuple(&mut out, values);
    out
}

/// A list as Python prints it.
pub(super) fn list_text(list: &List) -> String {
    let mut out = String::new();
    let _ = write_list(&mut out, list);
    out
}

/// A dict as Python prints it.
pub(super) fn dict_text(dict: &Dict) -> String {
    let mut out = String::new();
    let _ = write_dict(&mut out, dict);
    out
}

/// What tells one container from another.
pub(super) fn address<T: ?Sized>(of: &T) -> usize {
    std::ptr::from_ref(of).addr()
}

/// Writes what a container holds. Its parts are asked for only where they are printed.
pub(super) fn write_parts<Parts: Iterator<Item = (Option<Value>, Value)>>(
    out: &mut String,
    whose: usize,
    (open, close): (&str, &str),
    parts: impl FnOnce() -> Parts,
) -> fmt::Result {
    let enters = WITHIN.with_borrow_mut(|within| {
        let enters = within.len() < DEPTH_MAX && !within.contains(&whose);
        if enters {
            within.push(whose);
        }
        enters
    });
    if !enters {
        return write!(out, "{open}...{close}");
    }
    out.push_str(open);
    let written = write_each(out, parts());
    WITHIN.with_borrow_mut(Vec::pop);
    written?;
    out.write_str(close)
}

fn write_each(out: &mut String, parts: impl Iterator<Item = (Option<Value>, Value)>) -> fmt::Result {
    for (index, (key, value)) in parts.enumerate() {
        if out.len() > PRINTED_MAX || !limits::look() {
            return out.write_str(", ...");
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
    Ok(())
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
