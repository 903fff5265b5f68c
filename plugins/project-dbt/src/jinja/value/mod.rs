//! Values as Python has them: lists and dicts that can be changed and shared.
//!
//! In: values of the template engine's library. Out: the same, seen as Python sees them.
//! Never: holds a lock while it looks into other values, so that a list may hold itself.
//! Fails: as Python does, with a sentence.
//! Source: Python 3.12's built-in types; `minijinja::Value` carries them.

mod convert;
mod decimal;
mod drop;
mod list;
mod native;
mod ops;
mod set;
mod text;

use std::cmp::Ordering;

use minijinja::Value;
use minijinja::value::{DynObject, ObjectRepr, ValueKind};

pub(super) use convert::to_strict_json;
pub use convert::{dict_of, from_json, list_of, to_json};
pub(super) use decimal::Decimal;
pub(super) use list::at;
pub(super) use list::{Dict, List, Tuple};
pub(super) use native::{Args, Native, Python, native};
pub(super) use ops::{as_float, binary, compare, concatenate, contains, equal, item, negative, slice};
pub(super) use set::Set;
pub(super) use text::{float_text, repr, text};

use super::problem::{Outcome, fail};

/// How deep tuples may lie in one another in a key.
const KEY_DEPTH_MAX: usize = 32;
/// How many values a key may be made of.
const KEY_PARTS_MAX: usize = 10_000;

/// A value by its kind.
pub(super) enum View<'v> {
    Undefined,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(&'v str),
    List(&'v List),
    Dict(&'v Dict),
    Tuple(&'v Tuple),
    Native(&'v Native),
    Foreign(&'v DynObject),
    Bytes,
}

/// Looks at a value.
pub(super) fn view(value: &Value) -> View<'_> {
    if let Some(text) = value.as_str() {
        return View::Str(text);
    }
    if let Some(object) = value.as_object() {
        // Asking a value for its kind would ask the object for all its parts.
        return if let Some(native) = object.downcast_ref::<Native>() {
            View::Native(native)
        } else if let Some(list) = object.downcast_ref::<List>() {
            View::List(list)
        } else if let Some(dict) = object.downcast_ref::<Dict>() {
            View::Dict(dict)
        } else if let Some(tuple) = object.downcast_ref::<Tuple>() {
            View::Tuple(tuple)
        } else {
            View::Foreign(object)
        };
    }
    match value.kind() {
        ValueKind::Undefined => View::Undefined,
        ValueKind::None => View::None,
        ValueKind::Bool => View::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => {
            View::Int(i128::try_from(value.clone()).unwrap_or(i128::MAX))
        }
        ValueKind::Number => View::Float(f64::try_from(value.clone()).unwrap_or(f64::NAN)),
        _ => View::Bytes,
    }
}

/// A whole number as a value.
pub(super) fn int(value: i128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::from(value), Value::from)
}

/// A length as a value.
pub(super) fn count(value: usize) -> Value {
    Value::from(i64::try_from(value).unwrap_or(i64::MAX))
}

/// `None`.
pub(super) fn none() -> Value {
    Value::from(())
}

/// A tuple.
pub(super) fn tuple(values: Vec<Value>) -> Value {
    Value::from_object(Tuple::new(values))
}

/// A list.
pub(super) fn list(values: Vec<Value>) -> Value {
    Value::from_object(List::new(values))
}

/// The name of a value's type as messages have it.
pub(super) fn type_name(value: &Value) -> &'static str {
    match view(value) {
        View::Undefined => "Undefined",
        View::None => "NoneType",
        View::Bool(_) => "bool",
        View::Int(_) => "int",
        View::Float(_) => "float",
        View::Str(_) => "str",
        View::List(_) => "list",
        View::Dict(_) => "dict",
        View::Tuple(_) => "tuple",
        View::Native(native) => native.0.type_name(),
        View::Foreign(object) => match object.repr() {
            ObjectRepr::Map => "dict",
            ObjectRepr::Seq | ObjectRepr::Iterable => "list",
            _ => "object",
        },
        View::Bytes => "bytes",
    }
}

/// Whether a condition holds for it.
pub(super) fn truthy(value: &Value) -> bool {
    match view(value) {
        View::Native(native) => native.0.truthy(),
        View::List(list) => list.len() > 0,
        View::Dict(dict) => dict.len() > 0,
        View::Tuple(tuple) => !tuple.is_empty(),
        View::Float(value) => value != 0.0,
        _ => value.is_true(),
    }
}

/// The number of its parts.
pub(super) fn length(value: &Value) -> Option<usize> {
    match view(value) {
        View::Str(text) => Some(text.chars().count()),
        View::List(list) => Some(list.len()),
        View::Dict(dict) => Some(dict.len()),
        View::Tuple(tuple) => Some(tuple.len()),
        View::Native(native) => native.0.length(),
        View::Undefined => Some(0),
        View::Foreign(_) => value.len(),
        _ => None,
    }
}

/// Its parts, as a loop goes through them: keys of a dict, characters of a text.
pub(super) fn items(value: &Value) -> Outcome<Vec<Value>> {
    Ok(match view(value) {
        View::Undefined => Vec::new(),
        View::Str(text) => text.chars().map(|c| Value::from(c.to_string())).collect(),
        View::List(list) => list.to_vec(),
        View::Dict(dict) => dict.keys(),
        View::Tuple(tuple) => tuple.to_vec(),
        View::Native(native) => match native.0.items().or_else(|| keys_of(native)) {
            Some(items) => items,
            None => return fail(format!("'{}' object is not iterable", native.0.type_name())),
        },
        View::Foreign(object) => match object.try_iter() {
            Some(iter) => iter.collect(),
            None => return fail("the object is not iterable"),
        },
        _ => return fail(format!("'{}' object is not iterable", type_name(value))),
    })
}

fn keys_of(native: &Native) -> Option<Vec<Value>> {
    Some(native.0.pairs()?.into_iter().map(|(key, _)| key).collect())
}

/// The pairs of something that maps keys to values.
pub(super) fn pairs(value: &Value) -> Option<Vec<(Value, Value)>> {
    match view(value) {
        View::Dict(dict) => Some(dict.pairs()),
        View::Native(native) => native.0.pairs(),
        View::Foreign(object) if object.repr() == ObjectRepr::Map => {
            object.try_iter_pairs().map(Iterator::collect)
        }
        _ => None,
    }
}

/// Whether it can be a key. Tuples that lie too deep in one another cannot.
pub(super) fn hashable(value: &Value) -> bool {
    hashable_at(value, 0, &mut 0)
}

fn hashable_at(value: &Value, depth: usize, parts: &mut usize) -> bool {
    *parts += 1;
    match view(value) {
        View::List(_) | View::Dict(_) => false,
        View::Tuple(tuple) => {
            depth < KEY_DEPTH_MAX
                && *parts < KEY_PARTS_MAX
                && tuple.iter().all(|value| hashable_at(value, depth + 1, parts))
        }
        View::Native(native) => native.0.type_name() != "set",
        _ => true,
    }
}

/// The key, if it can be one.
pub(super) fn key(value: Value) -> Outcome<Value> {
    if hashable(&value) {
        return Ok(value);
    }
    fail(format!("unhashable type: '{}'", type_name(&value)))
}

/// Sorts values that can be compared; equal ones keep their order.
pub(super) fn sort_by<T>(
    values: &mut [T],
    mut order: impl FnMut(&T, &T) -> Outcome<Ordering>,
) -> Outcome<()> {
    let mut failed = None;
    values.sort_by(|a, b| {
        order(a, b).unwrap_or_else(|why| {
            failed.get_or_insert(why);
            Ordering::Equal
        })
    });
    failed.map_or(Ok(()), Err)
}
