//! What one attempt holds open.

use std::{collections::HashMap, sync::Arc};

use cofferdam_call::{Access, HANDLES_MAX, Handle, Refusal};
use cofferdam_cap_sql::{RowsId, SqlSession};
use cofferdam_grants::{Dialect, SessionFacts};
use cofferdam_ids::GatewayName;

use crate::refusals;

/// One thing that is held open.
pub(crate) enum Held {
    /// A session.
    Session(Session),
    /// The rows of a query.
    Rows { session: Handle, rows: RowsId },
    /// A bulk load.
    Load { session: Handle },
}

/// Which sort of handle a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Session,
    Rows,
    Load,
    Any,
}

/// What is known of a session.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) gateway: GatewayName,
    pub(crate) access: Access,
    pub(crate) dialect: Dialect,
    /// The schema meant where a statement names none.
    pub(crate) default_schema: Arc<str>,
    /// Whether a transaction is open that the attempt began.
    pub(crate) in_transaction: bool,
}

impl Facts {
    pub(crate) fn lent(&self) -> SessionFacts<'_> {
        SessionFacts {
            gateway: &self.gateway,
            access: self.access,
            dialect: self.dialect,
            default_schema: &self.default_schema,
        }
    }
}

/// An open session.
pub(crate) struct Session {
    pub(crate) facts: Facts,
    pub(crate) sql: Box<dyn SqlSession>,
}

/// The handles of one attempt. Numbers are given once and never again, so that a closed handle
/// stays closed.
#[derive(Default)]
pub(crate) struct Handles {
    held: HashMap<Handle, Held>,
    last: u32,
}

impl Handles {
    /// Refuses when there is no room for one more.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        if self.held.len() >= HANDLES_MAX || self.last == u32::MAX {
            return Err(refusals::too_many("open handles", HANDLES_MAX));
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, held: Held) -> Result<Handle, Refusal> {
        self.check_room()?;
        self.last += 1;
        self.held.insert(Handle(self.last), held);
        Ok(Handle(self.last))
    }

    pub(crate) fn session(&mut self, handle: Handle) -> Result<&mut Session, Refusal> {
        match self.held.get_mut(&handle) {
            Some(Held::Session(session)) => Ok(session),
            _ => Err(refusals::not_yours(handle)),
        }
    }

    /// The session behind rows, and which rows.
    pub(crate) fn rows(&mut self, handle: Handle) -> Result<(&mut Session, RowsId), Refusal> {
        match self.held.get(&handle) {
            Some(&Held::Rows { session, rows }) => Ok((self.session(session)?, rows)),
            _ => Err(refusals::not_yours(handle)),
        }
    }

    /// The session behind a load.
    pub(crate) fn load(&mut self, handle: Handle) -> Result<&mut Session, Refusal> {
        match self.held.get(&handle) {
            Some(&Held::Load { session }) => self.session(session),
            _ => Err(refusals::not_yours(handle)),
        }
    }

    /// The session a handle belongs to, where it is of the sort that is asked for.
    pub(crate) fn facts(&self, handle: Handle, sort: Sort) -> Result<&Facts, Refusal> {
        let owner = match (self.held.get(&handle), sort) {
            (Some(Held::Session(_)), Sort::Session | Sort::Any) => Some(handle),
            (Some(Held::Rows { session, .. }), Sort::Rows | Sort::Any) => Some(*session),
            (Some(Held::Load { session }), Sort::Load | Sort::Any) => Some(*session),
            _ => None,
        };
        match owner.and_then(|owner| self.held.get(&owner)) {
            Some(Held::Session(session)) => Ok(&session.facts),
            _ => Err(refusals::not_yours(handle)),
        }
    }

    /// Forgets a handle without touching what is behind it.
    pub(crate) fn forget(&mut self, handle: Handle) {
        self.held.remove(&handle);
    }

    /// Lets go of a handle: rows are closed, a load is undone, a session rolls back and takes its
    /// rows and load with it.
    pub(crate) fn close(&mut self, handle: Handle) -> Result<(), Refusal> {
        match self.held.remove(&handle).ok_or_else(|| refusals::not_yours(handle))? {
            Held::Session(_) => self.held.retain(|_, held| match held {
                Held::Session(_) => true,
                Held::Rows { session, .. } | Held::Load { session } => *session != handle,
            }),
            Held::Rows { session, rows } => self.session(session)?.sql.close_rows(rows),
            Held::Load { session } => self.session(session)?.sql.load_abandon(),
        }
        Ok(())
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }
}
