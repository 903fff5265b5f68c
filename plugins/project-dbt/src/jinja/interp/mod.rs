//! Follows the tree of a template.
//!
//! In: statements and expressions, a [`World`], the macros of a [`Library`].
//! Out: text and values.
//! Never: goes on without end: steps, depth, calls and sizes are bounded by [`super::limits`].
//! Fails: with a [`Raise`] that knows the places it came through.
//! Source: Jinja 3.1's compiler, as the programs it makes behave.

mod call;
mod evaluate;
mod execute;
mod loops;
mod names;
mod scope;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use minijinja::Value;

pub(super) use scope::{Frame, Scope};

use super::error::RenderKind;
use super::library::{Library, Macro};
use super::limits;
use super::problem::{Outcome, failure};
use super::value::Args;
use super::world::World;

/// One rendering.
pub(super) struct Interp<'w> {
    pub(super) library: Arc<Library>,
    pub(super) world: &'w dyn World,
    /// The package whose names are seen first.
    pub(super) package: RefCell<String>,
    /// What `store_result` kept.
    pub(super) results: RefCell<HashMap<String, Value>>,
    /// What `context.update` said: the names of all texts and macros from then on.
    updates: RefCell<HashMap<String, Value>>,
    steps: Cell<u64>,
    depth: Cell<u32>,
    /// How many macros stand in one another.
    macros: Cell<u32>,
    calls: Cell<u32>,
}

impl<'w> Interp<'w> {
    /// A rendering of a text of `package`.
    pub(super) fn new(library: Arc<Library>, package: &str, world: &'w dyn World) -> Self {
        Self {
            library,
            world,
            package: RefCell::new(package.to_owned()),
            results: RefCell::default(),
            updates: RefCell::default(),
            steps: Cell::new(0),
            depth: Cell::new(0),
            macros: Cell::new(0),
            calls: Cell::new(0),
        }
    }

    /// Calls a macro whose own package is the one whose names are seen first.
    pub(super) fn call_at_home(&self, found: &Arc<Macro>, args: Args) -> Outcome<Value> {
        let away = self.package.replace(found.package.clone());
        let outcome = self.call(&self.macro_value(found), args);
        self.package.replace(away);
        outcome
    }

    /// Takes a step.
    pub(super) fn step(&self) -> Outcome<()> {
        self.steps_of(1)
    }

    /// How many steps were taken.
    pub(super) fn taken(&self) -> u64 {
        self.steps.get()
    }

    /// Takes several steps at once: work that grows with a value's size.
    pub(super) fn steps_of(&self, many: usize) -> Outcome<()> {
        let before = self.steps.get();
        let steps = before.saturating_add(u64::try_from(many).unwrap_or(u64::MAX));
        self.steps.set(steps);
        if steps > limits::STEPS_MAX {
            return Err(failure(
                RenderKind::Limit,
                "the template takes too many steps; does a loop never end?",
            ));
        }
        limits::looked()?;
        if before >> 12 != steps >> 12 {
            limits::memory(0)?;
        }
        Ok(())
    }

    /// Does something one level deeper.
    pub(super) fn deeper<T>(&self, what: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        let depth = self.depth.get() + 1;
        if depth > limits::DEPTH_MAX {
            return Err(failure(
                RenderKind::Limit,
                "the template goes too deep; does a macro call itself without end?",
            ));
        }
        self.depth.set(depth);
        let result = what();
        self.depth.set(depth - 1);
        result
    }
}
