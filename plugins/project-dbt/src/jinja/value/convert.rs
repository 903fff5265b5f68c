//! Values from and to JSON.
//!
//! In: JSON, or values. Out: the other.
//! Never: follows a list into itself.
//! Fails: where a value is no JSON.
//! Source: Python's `json`.

use std::cell::Cell;

use minijinja::Value;
use serde_json::{Map, Number, Value as Json};

use super::{Dict, View, int, list, none, pairs, text, type_name, view};

/// How deep values are followed.
const DEPTH_MAX: usize = 100;
/// How many values one document may hold.
const VALUES_MAX: usize = 1_000_000;

/// A value out of JSON, as templates see it: lists and dicts can be changed.
#[must_use]
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => none(),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (_, Some(value)) => int(i128::from(value)),
            _ => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(values) => list(values.iter().map(from_json).collect()),
        Json::Object(entries) => Value::from_object(Dict::new(
            entries.iter().map(|(key, value)| (Value::from(key.as_str()), from_json(value))),
        )),
    }
}

/// A list of values, as templates see it: it can be changed.
#[must_use]
pub fn list_of(values: Vec<Value>) -> Value {
    list(values)
}

/// A dict of values, as templates see it: it can be changed.
#[must_use]
pub fn dict_of(entries: Vec<(String, Value)>) -> Value {
    Value::from_object(Dict::new(entries.into_iter().map(|(key, value)| (Value::from(key), value))))
}

/// JSON out of a value: relations and other objects as their text.
///
/// # Errors
/// With a sentence, where a value cannot be JSON (a macro, say).
pub fn to_json(value: &Value) -> Result<Json, String> {
    convert(value, 0, true, &Cell::new(0))
}

/// JSON as `tojson` writes it: objects that are not lists or dicts are refused.
pub(in super::super) fn to_strict_json(value: &Value) -> Result<Json, String> {
    convert(value, 0, false, &Cell::new(0))
}

fn convert(value: &Value, depth: usize, lenient: bool, seen: &Cell<usize>) -> Result<Json, String> {
    seen.set(seen.get() + 1);
    if depth > DEPTH_MAX || seen.get() > VALUES_MAX {
        return Err("the value holds itself, goes too deep, or holds too many values".to_owned());
    }
    let each = |values: Vec<Value>| {
        values
            .iter()
            .map(|value| convert(value, depth + 1, lenient, seen))
            .collect::<Result<_, _>>()
            .map(Json::Array)
    };
    Ok(match view(value) {
        View::Undefined | View::None => Json::Null,
        View::Bool(value) => Json::Bool(value),
        View::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => Json::Number(value.into()),
            (_, Ok(value)) => Json::Number(value.into()),
            _ => return Err(format!("the number {value} is too large for JSON")),
        },
        View::Float(value) => {
            Json::Number(Number::from_f64(value).ok_or_else(|| format!("{value} is no number of JSON"))?)
        }
        View::Str(text) => Json::String(text.to_owned()),
        View::List(list) => each(list.to_vec())?,
        View::Tuple(tuple) => each(tuple.to_vec())?,
        View::Dict(dict) => object(dict.pairs(), depth, lenient, seen)?,
        View::Native(native) => match native.0.type_name() {
            "Decimal" | "datetime" | "date" | "time" | "timedelta" => Json::String(native.0.text()),
            kind if kind.ends_with("Relation") && lenient => Json::String(native.0.text()),
            kind if native.0.callable() => {
                return Err(format!("Object of type {kind} is not JSON serializable"));
            }
            kind => match native.0.json() {
                Some(inner) => convert(&inner, depth + 1, lenient, seen)?,
                None if lenient => Json::String(native.0.text()),
                None => return Err(format!("Object of type {kind} is not JSON serializable")),
            },
        },
        View::Foreign(foreign) => match (pairs(value), foreign.try_iter()) {
            (Some(pairs), _) => object(pairs, depth, lenient, seen)?,
            (None, Some(values)) => each(values.collect())?,
            (None, None) if lenient => Json::String(text(value)),
            _ => return Err(format!("Object of type {} is not JSON serializable", type_name(value))),
        },
        View::Bytes => return Err("Object of type bytes is not JSON serializable".to_owned()),
    })
}

fn object(
    pairs: Vec<(Value, Value)>,
    depth: usize,
    lenient: bool,
    seen: &Cell<usize>,
) -> Result<Json, String> {
    let mut map = Map::new();
    for (key, value) in pairs {
        let name = match view(&key) {
            View::None => "null".to_owned(),
            View::Bool(value) => value.to_string(),
            _ => text(&key),
        };
        map.insert(name, convert(&value, depth + 1, lenient, seen)?);
    }
    Ok(Json::Object(map))
}
