//! A session whose transactions join the one a task has begun.
//!
//! In: the session of the host. Out: the same, with a transaction of the task's own around any
//! number of steps.
//! Never: ends the task's transaction for a step inside it, nor makes one last in which a step was
//! broken off: half of that step would last too.
//! Fails: with CD0979 for calls out of turn, otherwise as the host's session does.

use std::cell::Cell;

use super::TURN;
use crate::{Column, Failure, Loader, Rows, Session, Value};

/// A session that may be inside a transaction of the task's.
pub(super) struct Joined {
    inner: Box<dyn Session>,
    held: Cell<bool>,
    broken: Cell<bool>,
}

impl Joined {
    pub(super) fn over(inner: Box<dyn Session>) -> Self {
        Self { inner, held: Cell::new(false), broken: Cell::new(false) }
    }

    /// Begins the task's transaction.
    pub(super) fn hold(&self) -> Result<(), Failure> {
        if self.held.get() {
            return Err(Failure::invalid(
                TURN,
                "a transaction is open already; commit it or roll it back first",
            ));
        }
        self.inner.begin()?;
        self.held.set(true);
        self.broken.set(false);
        Ok(())
    }

    /// Ends it: `end` makes it last.
    pub(super) fn release<T>(
        &self,
        end: impl FnOnce(&dyn Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.let_go()?;
        if !self.broken.get() {
            return end(self.inner.as_ref());
        }
        self.inner.rollback()?;
        Err(Failure::invalid(
            TURN,
            "a step of the transaction was broken off, so all of it was undone; roll back where a step fails",
        ))
    }

    /// Ends it: nothing of it lasts.
    pub(super) fn undo(&self) -> Result<(), Failure> {
        self.let_go()?;
        self.inner.rollback()
    }

    fn let_go(&self) -> Result<(), Failure> {
        if self.held.replace(false) {
            return Ok(());
        }
        Err(Failure::invalid(TURN, "no transaction is open; begin one first"))
    }
}

impl Session for Joined {
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        self.inner.query(statement, values)
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        self.inner.execute(statement, values)
    }

    fn begin(&self) -> Result<(), Failure> {
        if self.held.get() { Ok(()) } else { self.inner.begin() }
    }

    fn commit(&self) -> Result<(), Failure> {
        if self.held.get() { Ok(()) } else { self.inner.commit() }
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        if self.held.get() { Ok(true) } else { self.inner.commit_once(step) }
    }

    fn rollback(&self) -> Result<(), Failure> {
        if self.held.get() {
            self.broken.set(true);
            return Ok(());
        }
        self.inner.rollback()
    }

    fn load(&self, table: &[String], columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        self.inner.load(table, columns)
    }

    fn joins(&self) -> bool {
        self.held.get()
    }
}
