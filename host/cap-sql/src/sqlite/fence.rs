//! Lets the latest attempt of a task publish, and no other.
//!
//! In: a transaction that wrote and is about to be made to last, and whose it is. Out: it is
//! committed, or undone.
//! Never: commits where the fence's row holds a higher number. Both are one transaction, of one
//! file where what is published lies in `main`.
//! Fails: with `CD0326` where a later attempt was here, `CD0327` where the table is not as it was
//! made.
//! Source: `docs/adr/0014-gateways-secrets-and-pools.md`.

use cofferdam_call::Refusal;
use rusqlite::{Connection, params};

use crate::{driver::Holder, refusals};

/// The table, in the main file. No guest may touch it.
pub(super) const TABLE: &str = "cofferdam_fence";

/// Makes the table, when the gateway's files are.
pub(super) const CREATE: &str = "CREATE TABLE IF NOT EXISTS main.cofferdam_fence (\
    project TEXT NOT NULL, task TEXT NOT NULL, step TEXT NOT NULL, run TEXT NOT NULL, \
    fence INTEGER NOT NULL, rows INTEGER, at TEXT NOT NULL DEFAULT (datetime('now')), \
    PRIMARY KEY (project, task, step)) WITHOUT ROWID";

/// The fence of one session's holder.
pub(super) struct Fence {
    holder: Holder,
    number: i64,
}

impl Fence {
    /// None for the operator's own tools, which no lease stands behind.
    pub(super) fn of(holder: Holder) -> Option<Self> {
        let number = i64::try_from(holder.fence.0).ok()?;
        (holder.fence != Holder::operator().fence).then_some(Self { holder, number })
    }

    /// Raises the fence to the holder's, in the transaction that is open; false where a later
    /// attempt of the task has it.
    pub(super) fn advance(&self, connection: &Connection) -> rusqlite::Result<bool> {
        self.keep(connection, "").map(|changed| changed > 0)
    }

    /// Keeps that the holder's run has committed a step; false where an earlier attempt of the run
    /// has.
    pub(super) fn step(&self, connection: &Connection, step: &str) -> rusqlite::Result<bool> {
        let Holder { project, task, run, .. } = &self.holder;
        let done: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM main.cofferdam_fence \
             WHERE project = ?1 AND task = ?2 AND step = ?3 AND run = ?4 AND fence < ?5)",
            params![project.as_str(), task.as_str(), step, run.as_str(), self.number],
            |row| row.get(0),
        )?;
        if done {
            return Ok(false);
        }
        self.keep(connection, step)?;
        connection.execute(
            "DELETE FROM main.cofferdam_fence WHERE project = ?1 AND task = ?2 AND step <> '' AND run <> ?3",
            params![project.as_str(), task.as_str(), run.as_str()],
        )?;
        Ok(true)
    }

    fn keep(&self, connection: &Connection, step: &str) -> rusqlite::Result<usize> {
        let Holder { project, task, run, .. } = &self.holder;
        connection.execute(
            "INSERT INTO main.cofferdam_fence (project, task, step, run, fence) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (project, task, step) DO UPDATE SET \
             run = excluded.run, fence = excluded.fence, at = datetime('now') \
             WHERE fence <= excluded.fence",
            params![project.as_str(), task.as_str(), step, run.as_str(), self.number],
        )
    }
}

/// A later attempt has the fence.
pub(super) fn lost() -> Refusal {
    refusals::stale("a later attempt of this task has the fence; what this one did was rolled back")
}

/// The table is gone, or is not as it was made.
pub(super) fn broken() -> Refusal {
    refusals::no_fence(
        "the fence cannot be kept: the table `main.cofferdam_fence` is not as the gateway made it; drop it, \
         and it is made anew when the executor starts",
    )
}
