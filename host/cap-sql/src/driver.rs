//! What every engine's driver offers the broker. Synchronous; an asynchronous client blocks inside.

use std::{fmt, sync::Arc};

use cofferdam_call::{Access, Column, Refusal, Value};

use crate::cancel::CancelToken;

/// Which engine a gateway speaks to. The broker reads statements in its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// SQLite, linked into the broker.
    Sqlite,
}

/// Decides on one relation: schema, then name.
pub type RelationRule = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// What a session may touch, for engines that can hold it themselves: the wall behind the grant.
/// It holds for what a statement does, whatever the broker made of its text.
#[derive(Clone)]
pub struct SessionWall {
    /// Relations whose rows may be read.
    pub reads: RelationRule,
    /// Relations whose rows or shape may be changed.
    pub writes: RelationRule,
}

impl SessionWall {
    /// Nothing may be touched.
    pub fn nothing() -> Self {
        Self { reads: Arc::new(|_, _| false), writes: Arc::new(|_, _| false) }
    }

    /// Everything may be touched: for tests and tools of the operator.
    pub fn everything() -> Self {
        Self { reads: Arc::new(|_, _| true), writes: Arc::new(|_, _| true) }
    }
}

impl fmt::Debug for SessionWall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionWall")
    }
}

/// One gateway. Shared by all attempts.
pub trait SqlDriver: Send + Sync {
    /// The engine.
    fn engine(&self) -> Engine;
    /// The schema meant where a statement names none.
    fn default_schema(&self) -> &str;
    /// Opens a session, with the credential of the mode. `cancel` stops whatever it waits for,
    /// now and later.
    fn open(
        &self,
        access: Access,
        wall: SessionWall,
        cancel: &CancelToken,
    ) -> Result<Box<dyn SqlSession>, Refusal>;
}

/// Names the rows of one query of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowsId(pub u64);

/// One session. Dropping it rolls back what was not committed.
///
/// Every statement is exactly one statement; text behind it is refused. The rows of earlier
/// queries stay readable while others run, within the driver's limit of bytes kept for them.
pub trait SqlSession: Send {
    /// Starts a query. Its columns are known before its first frame.
    fn query(&mut self, statement: &str, values: &[Value]) -> Result<(RowsId, Vec<Column>), Refusal>;
    /// Appends the next frame to `frame`; gives the number of rows in it, or none after the last.
    fn next_frame(&mut self, rows: RowsId, frame: &mut Vec<u8>) -> Result<Option<u64>, Refusal>;
    /// Lets go of a query's rows.
    fn close_rows(&mut self, rows: RowsId);
    /// Runs a statement that gives no rows; gives the number it changed.
    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64, Refusal>;
    /// Starts a transaction.
    fn begin(&mut self) -> Result<(), Refusal>;
    /// Makes it last.
    fn commit(&mut self) -> Result<(), Refusal>;
    /// Undoes it.
    fn rollback(&mut self) -> Result<(), Refusal>;
    /// Starts a bulk load; the session takes nothing else until it has ended.
    fn load(&mut self, table: &[String], columns: &[Column]) -> Result<(), Refusal>;
    /// Adds whole messages of an Arrow IPC stream to the load.
    fn load_write(&mut self, frame: &[u8]) -> Result<(), Refusal>;
    /// Ends the load; gives the number of rows it stored.
    fn load_finish(&mut self) -> Result<u64, Refusal>;
    /// Ends the load and undoes it. Does nothing where none is under way.
    fn load_abandon(&mut self);
}
