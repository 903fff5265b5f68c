//! Records: what dbt hands to templates as objects of its own classes, such as a run's results.
//!
//! In: names and values. Out: an object with attributes and `to_dict()`; `get()` where it is a
//! config.
//! Never: is a dict: it cannot be gone through, and `tojson` takes what `to_dict()` gives alone.
//! Fails: not at all: what a record does not have is undefined.
//! Source: dbt's `RunResult`, `TimingInfo` and nodes, as hooks of `on-run-end` use them.

use std::any::Any;
use std::sync::OnceLock;

use minijinja::Value;
use serde_json::{Map, Value as Json};

use super::super::interp::Interp;
use super::super::problem::Outcome;
use super::super::value::{self, Args, Dict, Python, View, from_json, list, native, none, view};
use super::datetime::Moment;

/// What the class of a config is called; it has `get`.
const CONFIG: &str = "NodeConfig";

/// A record before it is one.
#[derive(Debug, Default)]
pub struct Record {
    class: &'static str,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// What stands there until somebody asks.
    json: Json,
    value: OnceLock<Value>,
    /// Whether `to_dict()` has it.
    told: bool,
}

impl Record {
    /// Of a class, with its fields in their order.
    #[must_use]
    pub fn new(class: &'static str, fields: Map<String, Json>) -> Self {
        let field = |(name, json)| Field { name, json, value: OnceLock::new(), told: true };
        Self { class, fields: fields.into_iter().map(field).collect() }
    }

    /// The config of a node.
    #[must_use]
    pub fn config(fields: Map<String, Json>) -> Self {
        Self::new(CONFIG, fields)
    }

    /// With a field of a value; one of this name is replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.put(name, value, true);
        self
    }

    /// With an attribute that `to_dict()` leaves out.
    #[must_use]
    pub fn beside(mut self, name: &str, value: Value) -> Self {
        self.put(name, value, false);
        self
    }

    fn put(&mut self, name: &str, value: Value, told: bool) {
        let field = Field { name: name.to_owned(), json: Json::Null, value: OnceLock::from(value), told };
        match self.fields.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = field,
            None => self.fields.push(field),
        }
    }

    /// As templates see it.
    #[must_use]
    pub fn into_value(self) -> Value {
        native(self)
    }

    fn dict(&self, omit_none: bool) -> Value {
        let told = self.fields.iter().filter(|field| field.told);
        let pairs = told.map(|field| {
            let value = match field.value.get() {
                Some(value) => plain(value),
                None => from_json(&field.json),
            };
            (Value::from(field.name.as_str()), value)
        });
        let dict = Value::from_object(Dict::new(pairs));
        if omit_none { without_none(&dict) } else { dict }
    }
}

/// A field's value as `to_dict()` has it.
fn plain(value: &Value) -> Value {
    match view(value) {
        View::List(values) => list(values.to_vec().iter().map(plain).collect()),
        View::Native(object) => match (object.get::<Record>(), Moment::of(value)) {
            (Some(record), _) => record.dict(false),
            (None, Some(_)) => Value::from(format!("{}Z", value::text(value).replacen(' ', "T", 1))),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

fn without_none(value: &Value) -> Value {
    match view(value) {
        View::List(values) => list(values.to_vec().iter().map(without_none).collect()),
        View::Dict(dict) => {
            let left = dict.pairs().into_iter().filter(|(_, value)| !value.is_none());
            Value::from_object(Dict::new(left.map(|(key, value)| (key, without_none(&value)))))
        }
        _ => value.clone(),
    }
}

impl Python for Record {
    fn type_name(&self) -> &'static str {
        self.class
    }

    fn truthy(&self) -> bool {
        true
    }

    fn attr(&self, name: &str) -> Option<Value> {
        let of = |name: &str| self.fields.iter().find(|field| field.name == name);
        // `pre-hook` and `post-hook` are no names.
        match of(name).or_else(|| of(&name.replace('_', "-"))) {
            Some(field) => Some(field.value.get_or_init(|| from_json(&field.json)).clone()),
            // A config has every key, with nothing behind it.
            None if self.class == CONFIG && !self.methods().contains(&name) => Some(none()),
            None => None,
        }
    }

    fn item(&self, key: &Value) -> Option<Value> {
        self.attr(key.as_str()?)
    }

    fn methods(&self) -> &'static [&'static str] {
        if self.class == CONFIG { &["to_dict", "get"] } else { &["to_dict"] }
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        match name {
            "to_dict" => Some(Ok(self.dict(args.flag("omit_none", false)))),
            "get" if self.class == CONFIG => {
                let found = args.text("key").and_then(|key| self.attr(&key));
                Some(Ok(found.or_else(|| args.take("default")).unwrap_or_else(none)))
            }
            _ => None,
        }
    }

    fn text(&self) -> String {
        let shown = |field: &Field| {
            let value = field.value.get_or_init(|| from_json(&field.json));
            format!("{}={}", field.name, value::repr(value))
        };
        let fields: Vec<String> = self.fields.iter().filter(|field| field.told).map(shown).collect();
        format!("{}({})", self.class, fields.join(", "))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
