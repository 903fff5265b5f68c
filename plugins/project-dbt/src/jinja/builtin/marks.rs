//! `as_bool`, `as_number`, `as_native`, `as_text`: how a template of a YAML file says what its text is.
//!
//! In: a value. Out: a text that knows what native rendering shall make of it; the value made.
//! Never: touches a template of SQL, where these filters do nothing.
//! Fails: where a text is not what it is said to be.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/as_bool>; a marked value is a text
//! there too, so that `x in ['a', 'b'] | as_bool` looks for a part of a text.

use std::any::Any;
use std::cmp::Ordering;

use minijinja::Value;

use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::super::value::{self, Native, Python, View, native, view};

/// A text that native rendering is to turn into a value.
#[derive(Debug)]
struct Marked {
    text: String,
    kind: &'static str,
}

impl Marked {
    fn of(value: &Value) -> Option<&Self> {
        value.downcast_object_ref::<Native>()?.get()
    }

    fn plain(&self) -> Value {
        Value::from(self.text.as_str())
    }
}

/// The text of a text, marked or not.
fn read(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| Marked::of(value).map(|marked| marked.text.as_str()))
}

impl Python for Marked {
    fn type_name(&self) -> &'static str {
        "str"
    }

    fn text(&self) -> String {
        self.text.clone()
    }

    fn repr(&self) -> String {
        value::repr(&self.plain())
    }

    fn truthy(&self) -> bool {
        !self.text.is_empty()
    }

    fn length(&self) -> Option<usize> {
        Some(self.text.chars().count())
    }

    fn holds(&self, value: &Value) -> Option<bool> {
        Some(read(value).is_some_and(|part| self.text.contains(part)))
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        Some(self.text.as_str().cmp(read(other)?))
    }

    fn operate(&self, operator: Operator, other: &Value, reflected: bool) -> Option<Outcome<Value>> {
        let other = read(other).map_or_else(|| other.clone(), Value::from);
        let (left, right) = if reflected { (other, self.plain()) } else { (self.plain(), other) };
        Some(value::binary(operator, &left, &right))
    }

    fn json(&self) -> Option<Value> {
        Some(self.plain())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `value|as_native` and the like.
pub(in super::super) fn mark(name: &str, value: &Value) -> Value {
    let kind = match name {
        "as_bool" => "bool",
        "as_number" => "number",
        "as_text" => "text",
        _ => "native",
    };
    native(Marked { text: value::text(value), kind })
}

/// What native rendering gives for the parts a template gave: one stays what it is, several are text.
pub(in super::super) fn marked(parts: &[Value]) -> Outcome<Value> {
    let [part] = parts else {
        return Ok(Value::from(parts.iter().map(value::text).collect::<String>()));
    };
    let Some(found) = Marked::of(part) else {
        return Ok(if part.is_undefined() { Value::from("") } else { part.clone() });
    };
    if found.kind == "text" {
        return Ok(found.plain());
    }
    let read = super::data::literal(&found.text).unwrap_or_else(|| found.plain());
    let fits = match (found.kind, view(&read)) {
        ("bool", View::Bool(_)) | ("number", View::Int(_) | View::Float(_)) => true,
        ("bool" | "number", _) => false,
        _ => true,
    };
    if fits {
        return Ok(read);
    }
    fail(format!("Could not convert value '{}' into type '{}'", found.text, found.kind))
}
