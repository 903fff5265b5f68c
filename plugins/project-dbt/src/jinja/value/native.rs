//! Objects of ours that a template can hold, and the arguments of a call.
//!
//! In: a [`Python`] object. Out: a value.
//! Never: shows more of an object than it shows itself.
//! Fails: as each object says.
//! Source: Python's data model, the part of it that templates can reach.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::drop::{Left, drop_later};

/// An object as Python would have it.
pub(in super::super) trait Python: Any + fmt::Debug + Send + Sync {
    /// The name of its type.
    fn type_name(&self) -> &'static str;

    /// An attribute.
    fn attr(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }

    /// What stands under a name, where that is found only with the rendering at hand.
    fn lookup(&self, cx: &Interp<'_>, name: &str) -> Option<Value> {
        let _ = (cx, name);
        None
    }

    /// What stands under a key or an index.
    fn item(&self, key: &Value) -> Option<Value> {
        let _ = key;
        None
    }

    /// Whether it can be called.
    fn callable(&self) -> bool {
        false
    }

    /// Calls it.
    fn call(&self, cx: &Interp<'_>, args: Args) -> Outcome<Value> {
        let _ = (cx, args);
        fail(format!("'{}' object is not callable", self.type_name()))
    }

    /// Calls a method; `None` where there is none of that name.
    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        let _ = (cx, name, args);
        None
    }

    /// The names of its methods, so that they can be handed around.
    fn methods(&self) -> &'static [&'static str] {
        &[]
    }

    /// What it is to the template library: a map, a sequence, or neither.
    fn shape(&self) -> ObjectRepr {
        ObjectRepr::Plain
    }

    /// Its parts, if it can be gone through.
    fn items(&self) -> Option<Vec<Value>> {
        None
    }

    /// Its pairs, if it maps keys to values.
    fn pairs(&self) -> Option<Vec<(Value, Value)>> {
        None
    }

    /// How many parts it has.
    fn length(&self) -> Option<usize> {
        self.items().map(|items| items.len())
    }

    /// Whether a condition holds for it.
    fn truthy(&self) -> bool {
        self.length() != Some(0)
    }

    /// Whether a value is in it.
    fn holds(&self, value: &Value) -> Option<bool> {
        let _ = value;
        None
    }

    /// Its text.
    fn text(&self) -> String {
        format!("<{}>", self.type_name())
    }

    /// Its text inside of lists.
    fn repr(&self) -> String {
        self.text()
    }

    /// The result of an operator; `reflected` where it stands on the right.
    fn operate(&self, operator: Operator, other: &Value, reflected: bool) -> Option<Outcome<Value>> {
        let _ = (operator, other, reflected);
        None
    }

    /// `-x`.
    fn negative(&self) -> Option<Value> {
        None
    }

    /// How it compares.
    fn order(&self, other: &Value) -> Option<Ordering> {
        let _ = other;
        None
    }

    /// Its text by a format specification.
    fn format(&self, spec: &str) -> Option<String> {
        let _ = spec;
        None
    }

    /// What it is in JSON.
    fn json(&self) -> Option<Value> {
        self.pairs()
            .map(|pairs| Value::from_object(super::Dict::new(pairs)))
            .or_else(|| self.items().map(super::list))
    }

    /// Itself, to see what it is.
    fn as_any(&self) -> &dyn Any;
}

/// Carries a [`Python`] object.
pub(in super::super) struct Native(pub(in super::super) Arc<dyn Python>);

/// What is left of an object that is dropped.
#[derive(Debug)]
struct Nothing;

impl Python for Nothing {
    fn type_name(&self) -> &'static str {
        "nothing"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

thread_local! {
    static NOTHING: Arc<dyn Python> = Arc::new(Nothing);
}

impl Drop for Native {
    fn drop(&mut self) {
        if Arc::strong_count(&self.0) == 1
            && let Ok(nothing) = NOTHING.try_with(Arc::clone)
        {
            drop_later(Left::Object(std::mem::replace(&mut self.0, nothing)));
        }
    }
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.type_name())
    }
}

/// A value of an object.
pub(in super::super) fn native(object: impl Python) -> Value {
    Value::from_object(Native(Arc::new(object)))
}

impl Native {
    /// The object, if it is of this type.
    pub(in super::super) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.as_any().downcast_ref()
    }
}

impl Object for Native {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.0.shape()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.item(key).or_else(|| self.0.attr(key.as_str()?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        if let Some(pairs) = self.0.pairs() {
            return Enumerator::Values(pairs.into_iter().map(|(key, _)| key).collect());
        }
        self.0.items().map_or(Enumerator::NonEnumerable, Enumerator::Values)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.0.truthy()
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        self.0.order(&Value::from_object(Self(other.0.clone())))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if f.alternate() { self.0.repr() } else { self.0.text() })
    }
}

/// The arguments of a call.
#[derive(Debug, Default, Clone)]
pub(in super::super) struct Args {
    /// By position.
    pub(in super::super) positional: Vec<Value>,
    /// By name, in order.
    pub(in super::super) named: Vec<(Arc<str>, Value)>,
    taken: usize,
}

impl Args {
    /// These.
    pub(in super::super) fn new(positional: Vec<Value>, named: Vec<(Arc<str>, Value)>) -> Self {
        Self { positional, named, taken: 0 }
    }

    /// The next one by position, or the one of this name.
    pub(in super::super) fn take(&mut self, name: &str) -> Option<Value> {
        if let Some(value) = self.positional.get(self.taken) {
            self.taken += 1;
            return Some(value.clone());
        }
        let at = self.named.iter().position(|(known, _)| &**known == name)?;
        Some(self.named.remove(at).1)
    }

    /// Like [`Args::take`]; it must be there.
    pub(in super::super) fn need(&mut self, function: &str, name: &str) -> Outcome<Value> {
        match self.take(name) {
            Some(value) => Ok(value),
            None => fail(format!("{function}() needs the argument `{name}`")),
        }
    }

    /// The one of this name only.
    pub(in super::super) fn named(&mut self, name: &str) -> Option<Value> {
        let at = self.named.iter().position(|(known, _)| &**known == name)?;
        Some(self.named.remove(at).1)
    }

    /// All that are left by position.
    pub(in super::super) fn rest(&mut self) -> Vec<Value> {
        let rest = self.positional.split_off(self.taken.min(self.positional.len()));
        self.taken = self.positional.len();
        rest
    }

    /// Text, or `None` where it is missing or `None`.
    pub(in super::super) fn text(&mut self, name: &str) -> Option<String> {
        let value = self.take(name)?;
        if value.is_none() || value.is_undefined() { None } else { Some(super::text(&value)) }
    }

    /// Text that must be there.
    pub(in super::super) fn need_text(&mut self, function: &str, name: &str) -> Outcome<String> {
        Ok(super::text(&self.need(function, name)?))
    }

    /// Whether a flag is given and true.
    pub(in super::super) fn flag(&mut self, name: &str, default: bool) -> bool {
        self.take(name).map_or(default, |value| super::truthy(&value))
    }

    /// A whole number.
    pub(in super::super) fn int(&mut self, name: &str) -> Outcome<Option<i128>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match super::view(&value) {
            super::View::Int(value) => Ok(Some(value)),
            super::View::Bool(value) => Ok(Some(i128::from(value))),
            super::View::None | super::View::Undefined => Ok(None),
            _ => fail(format!("'{}' object cannot be interpreted as an integer", super::type_name(&value))),
        }
    }

    /// Nothing more may be there.
    pub(in super::super) fn end(&self, function: &str) -> Outcome<()> {
        if self.taken < self.positional.len() {
            return fail(format!(
                "{function}() takes {} arguments, but {} were given",
                self.taken,
                self.positional.len()
            ));
        }
        match self.named.first() {
            Some((name, _)) => fail(format!("{function}() takes no argument named `{name}`")),
            None => Ok(()),
        }
    }
}
