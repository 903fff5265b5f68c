//! The methods of Python's built-in types.
//!
//! In: a value, a method's name, arguments. Out: a value; lists and dicts may be changed.
//! Never: makes more than [`super::limits`] allow.
//! Fails: as Python does, with a sentence.
//! Source: Python 3.12.

mod collections;
mod format;
mod strings;

use std::any::Any;

use minijinja::Value;

use super::interp::Interp;
use super::problem::Outcome;
use super::value::{Args, Python, View, native, view};

pub(super) use collections::{dict_of, order};
pub(super) use format::{printf, str_format};
pub(super) use strings::capitalized;

const STR: [&str; 44] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
];
const LIST: [&str; 11] =
    ["append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"];
const DICT: [&str; 10] =
    ["clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];

/// Whether a value has a method of this name.
pub(super) fn known(value: &Value, name: &str) -> bool {
    match view(value) {
        View::Str(_) => STR.contains(&name) || name == "zfill",
        View::List(_) => LIST.contains(&name),
        View::Dict(_) => DICT.contains(&name),
        View::Tuple(_) => matches!(name, "count" | "index"),
        View::Native(native) => native.0.methods().contains(&name),
        View::Foreign(_) if super::value::pairs(value).is_some() => {
            matches!(name, "get" | "items" | "keys" | "values")
        }
        _ => false,
    }
}

/// Calls a method; `None` where there is none.
pub(super) fn call(cx: &Interp<'_>, value: &Value, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
    match view(value) {
        View::Str(text) => {
            cx.steps_of(text.len() / 64)?;
            strings::call(cx, text, name, args)
        }
        View::List(list) => collections::list_method(cx, list, name, args),
        View::Dict(dict) => collections::dict_method(cx, dict, name, args),
        View::Tuple(tuple) => collections::sequence_method(tuple, name, args),
        View::Int(_) | View::Float(_) | View::Bool(_) => collections::number_method(value, name, args),
        View::Foreign(_) => collections::foreign_method(value, name, args),
        _ => Ok(None),
    }
}

/// A method of a value, as a value.
pub(super) fn bound(value: &Value, name: &str) -> Value {
    native(Bound { value: value.clone(), name: name.to_owned() })
}

/// A method and what it belongs to.
#[derive(Debug)]
struct Bound {
    value: Value,
    name: String,
}

impl Python for Bound {
    fn type_name(&self) -> &'static str {
        "method"
    }

    fn callable(&self) -> bool {
        true
    }

    fn truthy(&self) -> bool {
        true
    }

    fn call(&self, cx: &Interp<'_>, mut args: Args) -> Outcome<Value> {
        let result = match view(&self.value) {
            View::Native(native) => native.0.method(cx, &self.name, &mut args).transpose()?,
            _ => call(cx, &self.value, &self.name, &mut args)?,
        };
        Ok(result.unwrap_or_default())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
