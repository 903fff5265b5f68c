//! What every engine's driver offers the broker. Synchronous; an asynchronous client blocks inside.

use std::{fmt, sync::Arc};

use cofferdam_call::{Access, Column, Refusal, Value};
use cofferdam_ids::{AttemptNo, DispatchId, Fence, ProjectId, RunId, TaskId};

use crate::cancel::CancelToken;

/// Which engine a gateway speaks to. The broker reads statements in its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// SQLite, linked into the broker.
    Sqlite,
    /// PostgreSQL, over its wire protocol.
    Postgres,
    /// MySQL and MariaDB, over their wire protocol.
    Mysql,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        })
    }
}

/// Whose session it is: names it in the warehouse, and is checked when it publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The project, as the warehouse tells it from others.
    pub project: ProjectId,
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// Which try of it.
    pub attempt: AttemptNo,
    /// The order it was started by.
    pub dispatch: DispatchId,
    /// The number of its lease. A later lease of the task has a higher one.
    pub fence: Fence,
}

impl Holder {
    /// The operator's own tools, and tests: no task, and never stale.
    pub fn operator() -> Self {
        let none = "00000000-0000-0000-0000-000000000000";
        let name = "the names below are valid";
        Self {
            project: ProjectId::new("prj_operator").expect(name),
            run: RunId::new(format!("run_{none}")).expect(name),
            task: TaskId::new("operator").expect(name),
            attempt: AttemptNo(1),
            dispatch: DispatchId::new(none).expect(name),
            fence: Fence(u64::MAX),
        }
    }
}

/// What a session is opened with.
pub struct Opening<'a> {
    /// The mode, which chooses the credential.
    pub access: Access,
    /// What the engine itself is to let through, where it can hold that.
    pub wall: SessionWall,
    /// Stops whatever the session waits for, now and later.
    pub cancel: &'a CancelToken,
    /// Whose it is.
    pub holder: Holder,
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
    /// Opens a session, with the credential of the mode.
    fn open(&self, opening: Opening<'_>) -> Result<Box<dyn SqlSession>, Refusal>;
    /// Connects with the credential of a mode and says what an operator should know of it, the
    /// good first. Never a secret.
    fn inspect(&self, access: Access) -> Vec<Finding>;
    /// The connections held, by mode; none where the engine is part of this process.
    fn pools(&self) -> Vec<PoolState> {
        Vec::new()
    }
    /// Ends statements that an earlier process of this executor left running in the warehouse;
    /// gives one sentence for each. Nothing outlives an engine that is part of this process.
    fn sweep(&self) -> Result<Vec<String>, Refusal> {
        Ok(Vec::new())
    }
}

/// One thing an operator should know of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it should be.
    pub verdict: Verdict,
    /// One sentence; where it is not good, with what to do.
    pub text: String,
}

/// Whether something is as it should be; the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Work goes on, less safely than it could.
    Weak,
    /// Sessions of this mode are refused, or cannot do their work.
    Wrong,
}

impl Finding {
    /// Something as it should be.
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, text: text.into() }
    }

    /// Something that should be better.
    pub(crate) fn weak(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Weak, text: text.into() }
    }

    /// Something that stops the work.
    pub fn wrong(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Wrong, text: text.into() }
    }

    /// Whether it is as it should be.
    pub fn is_good(&self) -> bool {
        self.verdict == Verdict::Good
    }
}

/// The connections of one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// The mode.
    pub access: Access,
    /// Generation of the credential: rises with each rotation.
    pub generation: u64,
    /// Lent to an attempt.
    pub in_use: usize,
    /// Open and waiting for one.
    pub idle: usize,
    /// At most so many.
    pub limit: usize,
}

/// Whom a session speaks to, for the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The warehouse's own name for the role that is logged in.
    pub role: Option<String>,
    /// SHA-256 of the certificate the server showed, in hex; none without TLS.
    pub tls: Option<String>,
}

/// Names the rows of one query of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowsId(pub u64);

/// One session. Dropping it rolls back what was not committed.
///
/// Every statement is exactly one statement; text behind it is refused. The rows of earlier
/// queries stay readable while others run, within the driver's limit of bytes kept for them.
pub trait SqlSession: Send {
    /// Whom it speaks to.
    fn peer(&self) -> Peer;
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
    /// Makes it last, unless an earlier attempt of the holder's run has committed the same step
    /// of its task: then undoes it and gives `false`.
    fn commit_once(&mut self, step: &str) -> Result<bool, Refusal>;
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
