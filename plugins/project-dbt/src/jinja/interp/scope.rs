//! Variables of a template.
//!
//! In: names and values. Out: values.
//! Never: lets an inner scope change an outer one's names.
//! Fails: not at all.
//! Source: Jinja's scoping: loops, macros, `call`, `filter`, `with` and `set` blocks open a scope;
//! `if` does not.

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;

use super::super::problem::Unit;
use super::super::syntax::Name;

/// A scope and those around it.
#[derive(Debug, Default)]
pub(in super::super) struct Scope {
    vars: Mutex<Vec<(Name, Value)>>,
    parent: Option<Arc<Self>>,
}

impl Scope {
    /// A scope within another.
    pub(in super::super) fn within(parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { vars: Mutex::default(), parent })
    }

    /// The value of a name.
    pub(in super::super) fn get(&self, name: &str) -> Option<Value> {
        let mut scope = self;
        loop {
            let found = {
                let vars = scope.vars.lock().unwrap_or_else(PoisonError::into_inner);
                vars.iter().rev().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
            };
            match (found, &scope.parent) {
                (Some(value), _) => return Some(value),
                (None, Some(parent)) => scope = parent,
                (None, None) => return None,
            }
        }
    }

    /// Gives a name a value, in this scope.
    pub(in super::super) fn set(&self, name: &Name, value: Value) {
        let mut vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        let old = match vars.iter_mut().find(|(known, _)| known == name) {
            Some((_, here)) => Some(std::mem::replace(here, value)),
            None => {
                vars.push((name.clone(), value));
                None
            }
        };
        drop(vars);
        drop(old);
    }

    /// Forgets all names: a macro that stands in a scope it can see would keep itself alive.
    pub(in super::super) fn clear(&self) {
        let vars = std::mem::take(&mut *self.vars.lock().unwrap_or_else(PoisonError::into_inner));
        drop(vars);
    }
}

/// Where something is evaluated: the text, and its variables.
#[derive(Debug, Clone)]
pub(in super::super) struct Frame {
    pub(in super::super) unit: Arc<Unit>,
    pub(in super::super) scope: Arc<Scope>,
}

impl Frame {
    /// The same text, with a scope of its own.
    pub(in super::super) fn inner(&self) -> Self {
        Self { unit: self.unit.clone(), scope: Scope::within(Some(self.scope.clone())) }
    }
}
