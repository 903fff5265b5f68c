//! Lists and dicts that can be changed, and are shared by whoever holds them; tuples.
//!
//! In: values. Out: objects that the template library prints and compares as Python does.
//! Never: stays locked while a value in it is looked at.
//! Fails: not at all.
//! Source: Python's `list`, `dict` and `tuple`.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::drop::{Left, drop_later, holds_values};

/// A list.
#[derive(Debug, Default)]
pub(in super::super) struct List(Mutex<Vec<Value>>);

impl List {
    /// Of these values.
    pub(in super::super) fn new(values: Vec<Value>) -> Self {
        Self(Mutex::new(values))
    }

    /// The values, to change them. No other value may be looked at meanwhile.
    pub(in super::super) fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(in super::super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The values as they are now.
    pub(in super::super) fn to_vec(&self) -> Vec<Value> {
        self.lock().clone()
    }

    /// The value at an index, from the end where it is negative.
    pub(in super::super) fn get(&self, index: i128) -> Option<Value> {
        let values = self.lock();
        at(index, values.len()).and_then(|index| values.get(index).cloned())
    }
}

/// An index of Python as a position.
pub(in super::super) fn at(index: i128, len: usize) -> Option<usize> {
    let len = i128::try_from(len).ok()?;
    let index = if index < 0 { index + len } else { index };
    if index < 0 || index >= len { None } else { usize::try_from(index).ok() }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(i128::from(key.as_i64()?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.to_vec())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::list_text(self))
    }
}

/// A dict, in the order in which its keys came.
#[derive(Debug, Default)]
pub(in super::super) struct Dict(Mutex<IndexMap<Value, Value>>);

impl Dict {
    /// Of these pairs.
    pub(in super::super) fn new(pairs: impl IntoIterator<Item = (Value, Value)>) -> Self {
        Self(Mutex::new(pairs.into_iter().collect()))
    }

    /// With text for keys.
    pub(in super::super) fn of<'k>(pairs: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
        Value::from_object(Self::new(pairs.into_iter().map(|(key, value)| (Value::from(key), value))))
    }

    /// The map, to change it. No other value may be looked at meanwhile.
    pub(in super::super) fn lock(&self) -> MutexGuard<'_, IndexMap<Value, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys there are.
    pub(in super::super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The value of a key.
    pub(in super::super) fn get(&self, key: &Value) -> Option<Value> {
        if super::hashable(key) { self.lock().get(key).cloned() } else { None }
    }

    /// The keys as they are now.
    pub(in super::super) fn keys(&self) -> Vec<Value> {
        self.lock().keys().cloned().collect()
    }

    /// The pairs as they are now.
    pub(in super::super) fn pairs(&self) -> Vec<(Value, Value)> {
        self.lock().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::dict_text(self))
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let values = std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
        if holds_values(values.iter()) {
            drop_later(Left::Values(values));
        }
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        let pairs = std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
        if holds_values(pairs.iter().flat_map(|(key, value)| [key, value])) {
            drop_later(Left::Values(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()));
        }
    }
}

/// A tuple.
#[derive(Debug, Default)]
pub(in super::super) struct Tuple(Vec<Value>);

impl Tuple {
    /// Of these values.
    pub(in super::super) fn new(values: Vec<Value>) -> Self {
        Self(values)
    }
}

impl std::ops::Deref for Tuple {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl Object for Tuple {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::tuple_text(&self.0))
    }
}

impl Drop for Tuple {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        if holds_values(values.iter()) {
            drop_later(Left::Values(values));
        }
    }
}
