//! Sets.
//!
//! In: values that can be keys. Out: an object of Python's kind `set`.
//! Never: holds a value twice. Goes through its values in the order in which they came, where
//! Python's order is any.
//! Fails: where a value cannot be a key.
//! Source: Python's `set`.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexSet;
use minijinja::Value;
use minijinja::value::ObjectRepr;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::{Args, Native, Python, items, key, native, none};

/// A set.
#[derive(Debug, Default)]
pub(in super::super) struct Set(Mutex<IndexSet<Value>>);

impl Set {
    /// A set of these values.
    pub(in super::super) fn value(values: Vec<Value>) -> Outcome<Value> {
        let values = values.into_iter().map(key).collect::<Outcome<IndexSet<_>>>()?;
        Ok(native(Self(Mutex::new(values))))
    }

    fn lock(&self) -> MutexGuard<'_, IndexSet<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> IndexSet<Value> {
        self.lock().clone()
    }
}

fn made(values: impl IntoIterator<Item = Value>) -> Value {
    native(Set(Mutex::new(values.into_iter().collect())))
}

fn combine(name: &str, mine: IndexSet<Value>, theirs: &IndexSet<Value>) -> IndexSet<Value> {
    match name {
        "union" => mine.into_iter().chain(theirs.iter().cloned()).collect(),
        "intersection" => mine.into_iter().filter(|value| theirs.contains(value)).collect(),
        "difference" => mine.into_iter().filter(|value| !theirs.contains(value)).collect(),
        _ => {
            let left = mine.iter().filter(|value| !theirs.contains(*value)).cloned();
            let right = theirs.iter().filter(|value| !mine.contains(*value)).cloned();
            left.chain(right).collect()
        }
    }
}

impl Python for Set {
    fn type_name(&self) -> &'static str {
        "set"
    }

    fn shape(&self) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn items(&self) -> Option<Vec<Value>> {
        Some(self.snapshot().into_iter().collect())
    }

    fn length(&self) -> Option<usize> {
        Some(self.lock().len())
    }

    fn holds(&self, value: &Value) -> Option<bool> {
        Some(key(value.clone()).is_ok_and(|key| self.lock().contains(&key)))
    }

    fn text(&self) -> String {
        let values = self.snapshot();
        if values.is_empty() {
            return "set()".to_owned();
        }
        let mut out = String::new();
        let parts = || values.into_iter().map(|value| (None, value));
        let _ = super::text::write_parts(&mut out, super::text::address(self), ("{", "}"), parts);
        out
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        let native = other.downcast_object_ref::<Native>()?;
        let theirs = native.get::<Self>()?.snapshot();
        let mine = self.snapshot();
        match (mine.is_subset(&theirs), theirs.is_subset(&mine)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            _ => None,
        }
    }

    fn operate(&self, operator: Operator, other: &Value, reflected: bool) -> Option<Outcome<Value>> {
        let theirs = other.downcast_object_ref::<Native>()?.get::<Self>()?.snapshot();
        (operator == Operator::Subtract && !reflected)
            .then(|| Ok(made(combine("difference", self.snapshot(), &theirs))))
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        self.run(name, args).transpose()
    }

    fn methods(&self) -> &'static [&'static str] {
        &["add", "update", "remove", "discard", "pop", "clear", "copy", "union", "intersection", "difference"]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Set {
    fn run(&self, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
        Ok(Some(match name {
            "add" => {
                let value = key(args.need("add", "value")?)?;
                self.lock().insert(value);
                none()
            }
            "update" => {
                for other in args.rest() {
                    let values = items(&other)?.into_iter().map(key).collect::<Outcome<Vec<_>>>()?;
                    self.lock().extend(values);
                }
                none()
            }
            "remove" | "discard" => {
                let value = key(args.need(name, "value")?)?;
                if !self.lock().shift_remove(&value) && name == "remove" {
                    return fail(format!("the set does not hold {}", super::repr(&value)));
                }
                none()
            }
            "pop" => match self.lock().shift_remove_index(0) {
                Some(value) => value,
                None => return fail("pop from an empty set"),
            },
            "clear" => {
                self.lock().clear();
                none()
            }
            "copy" => made(self.snapshot()),
            "union" | "intersection" | "difference" | "symmetric_difference" => {
                let mut mine = self.snapshot();
                for other in args.rest() {
                    let theirs = items(&other)?.into_iter().map(key).collect::<Outcome<_>>()?;
                    mine = combine(name, mine, &theirs);
                }
                made(mine)
            }
            "difference_update" | "intersection_update" | "symmetric_difference_update" => {
                let kind = name.trim_end_matches("_update");
                for other in args.rest() {
                    let theirs = items(&other)?.into_iter().map(key).collect::<Outcome<_>>()?;
                    let mine = self.snapshot();
                    *self.lock() = combine(kind, mine, &theirs);
                }
                none()
            }
            "issubset" | "issuperset" | "isdisjoint" => {
                let other = args.need(name, "other")?;
                let theirs: IndexSet<Value> = items(&other)?.into_iter().map(key).collect::<Outcome<_>>()?;
                let mine = self.snapshot();
                Value::from(match name {
                    "issubset" => mine.is_subset(&theirs),
                    "issuperset" => theirs.is_subset(&mine),
                    _ => mine.is_disjoint(&theirs),
                })
            }
            _ => return Ok(None),
        }))
    }
}
