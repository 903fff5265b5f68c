//! Values as JSON that gives the same values again, for what one attempt keeps for another.
//!
//! In: values, or what was packed. Out: the other.
//! Never: follows a list into itself; keeps the name of a time zone, only how far from UTC it was.
//! Fails: where a value is nothing that can be kept, a macro say.
//! Source: Python's types, where JSON has no word for them.

use minijinja::Value;
use serde_json::{Map, Value as Json, json};

use super::super::value::{Decimal, Set, View, dict_of, from_json, list_of, to_json, tuple, view};
use super::{datetime, spans};

/// How deep values are followed.
const DEPTH_MAX: usize = 100;
/// The key of what names a type. No text that a person writes has this character.
const TYPE: &str = "\u{1}type";
/// The key of what is of that type.
const OF: &str = "of";

/// A value as JSON.
///
/// # Errors
/// With a sentence, where a value cannot be kept.
pub fn pack(value: &Value) -> Result<Json, String> {
    packed(value, 0)
}

fn packed(value: &Value, depth: usize) -> Result<Json, String> {
    if depth > DEPTH_MAX {
        return Err("a value holds itself, or goes too deep".to_owned());
    }
    let each = |values: Vec<Value>| -> Result<Vec<Json>, String> {
        values.iter().map(|value| packed(value, depth + 1)).collect()
    };
    Ok(match view(value) {
        View::List(list) => Json::Array(each(list.to_vec())?),
        View::Tuple(tuple) => json!({TYPE: "tuple", OF: each(tuple.to_vec())?}),
        View::Dict(dict) => {
            let pair = |(key, value): (Value, Value)| Ok((key.to_string(), packed(&value, depth + 1)?));
            Json::Object(dict.pairs().into_iter().map(pair).collect::<Result<Map<_, _>, String>>()?)
        }
        View::Native(native) => match native.0.type_name() {
            "timedelta" => json!({TYPE: "timedelta", OF: spans::of(value).map(|span| span.0.to_string())}),
            "set" => json!({TYPE: "set", OF: each(native.0.items().unwrap_or_default())?}),
            kind @ ("datetime" | "date" | "Decimal") => json!({TYPE: kind, OF: native.0.text()}),
            _ => to_json(value)?,
        },
        _ => to_json(value)?,
    })
}

/// The value that was packed.
#[must_use]
pub fn unpack(json: &Json) -> Value {
    match json {
        Json::Array(all) => list_of(all.iter().map(unpack).collect()),
        Json::Object(all) => typed(all).unwrap_or_else(|| {
            dict_of(all.iter().map(|(key, value)| (key.clone(), unpack(value))).collect())
        }),
        other => from_json(other),
    }
}

fn typed(all: &Map<String, Json>) -> Option<Value> {
    let (kind, of) = (all.get(TYPE)?.as_str()?, all.get(OF)?);
    let values = || of.as_array().map(|all| all.iter().map(unpack).collect::<Vec<_>>());
    match kind {
        "tuple" => Some(tuple(values()?)),
        "set" => Set::value(values()?).ok(),
        "timedelta" => Some(spans::span(of.as_str()?.parse().ok()?)),
        "datetime" => datetime::datetime(of.as_str()?),
        "date" => datetime::date(of.as_str()?),
        "Decimal" => Some(Decimal::parse(of.as_str()?)?.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::value::type_name;
    use super::*;

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let all = list_of(vec![
            datetime::datetime("2024-02-29T12:30:00.5+02:00").unwrap(),
            datetime::date("2024-02-29").unwrap(),
            spans::span(-90_000_001),
            Decimal::parse("1.50").unwrap().value(),
            tuple(vec![Value::from(1.5), Value::from(())]),
            Set::value(vec![Value::from(1), Value::from("a")]).unwrap_or_default(),
            dict_of(vec![("x".to_owned(), list_of(vec![Value::from(true)]))]),
        ]);
        let told = |value: &Value| -> Vec<String> {
            let parts = value.try_iter().unwrap();
            parts.map(|part| format!("{} {part}", type_name(&part))).collect()
        };
        assert_eq!(told(&unpack(&pack(&all).unwrap())), told(&all));
        assert_eq!(told(&all)[2], "timedelta -1 day, 23:58:29.999999");
    }

    #[test]
    fn what_holds_itself_cannot_be_kept() {
        let all = list_of(Vec::new());
        let View::List(inner) = view(&all) else { panic!("it is a list") };
        inner.lock().push(all.clone());
        assert!(pack(&all).unwrap_err().contains("holds itself"));
        inner.lock().clear();
    }
}
