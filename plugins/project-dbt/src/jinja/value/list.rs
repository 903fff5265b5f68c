//! Lists and dicts that can be changed, and are shared by whoever holds them.
//!
//! In: values. Out: objects that the template library prints and compares as Python does.
//! Never: stays locked while a value in it is looked at.
//! Fails: not at all.
//! Source: Python's `list` and `dict`.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use super::text::write_container;

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
        write_container(f, "[", "]", self.to_vec().into_iter().map(|value| (None, value)))
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
        write_container(f, "{", "}", self.pairs().into_iter().map(|(key, value)| (Some(key), value)))
    }
}
