//! What the host lends a plugin, as traits: files of the release, SQL sessions, telemetry.
//!
//! In and out: plain values; bulk data as Arrow frames.
//! Never: anything the plugin's world does not list. Inside a component the implementations are
//! the host's imports; natively they are those of [`crate::testing`] or the author's own.
//! Fails: with [`Failure`].
//! Source: `wit/capability/capability.wit`.

use crate::{Access, Column, Failure, Value};

/// One file of the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Path inside the release: `/` between parts, no leading `/`, no `..`.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
}

/// Read-only files of the signed release the task belongs to.
pub trait Files {
    /// The files whose path starts with `prefix` (empty for all), by path, at most 100,000.
    fn list(&self, prefix: &str) -> Result<Vec<FileInfo>, Failure>;
    /// A whole file.
    fn read(&self, path: &str) -> Result<Vec<u8>, Failure>;
    /// Up to `length` bytes of a file from `offset`; fewer where the file ends before.
    fn read_part(&self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, Failure>;

    /// A whole file as text; `Invalid` where it is not UTF-8.
    fn read_text(&self, path: &str) -> Result<String, Failure> {
        String::from_utf8(self.read(path)?).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            Failure::invalid(
                crate::codes::NOT_TEXT,
                format!("{path}:{line}: the file is not UTF-8 text; save it as UTF-8"),
            )
        })
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For whoever debugs the plugin.
    Debug,
    /// For whoever follows the run.
    Info,
    /// Something is not as it should be; the work goes on.
    Warn,
    /// Something failed.
    Error,
}

/// Words and numbers about the work, kept by the customer.
pub trait Telemetry {
    /// Adds a line to the attempt's log: at most 16 KiB.
    fn log(&self, level: Level, message: &str);
    /// Tells how far the work is: `done` of `total` steps.
    fn progress(&self, done: u64, total: u64);
    /// Keeps a small file beside the attempt's log. `name`: 1 to 64 characters of `a-z`, `0-9`,
    /// `_`, `.`, `-`, a letter or digit first; at most 1 MiB; per attempt 16 calls and 8 MiB
    /// together. A name kept before is replaced.
    fn keep(&self, name: &str, content: &[u8]) -> Result<(), Failure>;
    /// What ended attempts of this run left in the executor's object store: for each task the last
    /// one, with its file `name`, by task; only of tasks whose id starts with `start`. Refused unless
    /// the task asks for it in its [`TaskSpec`](crate::TaskSpec) and a grant allows it.
    fn kept(&self, name: &str, start: &str) -> Result<Vec<KeptAttempt>, Failure>;
}

/// How an attempt ended, as its executor says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// The task said that it is done.
    #[default]
    Succeeded,
    /// It failed, or was stopped.
    Failed,
    /// It was not let in.
    Refused,
    /// It was told to stop.
    Cancelled,
}

/// What the last attempt of a task left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptAttempt {
    /// The task's id.
    pub task: String,
    /// Which try, from 1.
    pub attempt: u32,
    /// How it ended.
    pub ending: Ending,
    /// The guest's own code where it failed by itself, otherwise the host's; empty where it
    /// succeeded.
    pub code: String,
    /// What happened.
    pub message: String,
    /// When it was let in, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub ended_at: String,
    /// The file asked for; none where it kept none of this name.
    pub content: Option<Vec<u8>>,
}

/// Opens SQL sessions. Lent to adapters.
pub trait Sql {
    /// Opens a session on the gateway of this name.
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Session>, Failure>;
}

/// One session on one gateway. Dropping it rolls back what was not committed.
pub trait Session {
    /// Runs a statement that returns rows. At most 1 MiB of text and 1,000 values.
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure>;
    /// Runs one statement that returns no rows; gives the number of rows it changed, 0 where the
    /// engine does not say.
    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure>;
    /// Starts a transaction. `Invalid` where one is open.
    fn begin(&self) -> Result<(), Failure>;
    /// Makes the open transaction's work last.
    fn commit(&self) -> Result<(), Failure>;
    /// As [`Session::commit`], but at most once per run: where an earlier attempt of this run has
    /// committed the same step of this task, the transaction is rolled back instead and the answer
    /// is `false`. For work that must not be repeated, such as an append. `step`: 1 to 200
    /// characters, the same in every attempt.
    fn commit_once(&self, step: &str) -> Result<bool, Failure>;
    /// Undoes the open transaction's work.
    fn rollback(&self) -> Result<(), Failure>;
    /// Starts loading rows into an existing table, inside the open transaction if there is one.
    /// `table`: name parts, outermost first, unquoted, 1 to 3; `columns`: what the frames carry.
    fn load(&self, table: &[String], columns: &[Column]) -> Result<Box<dyn Loader>, Failure>;
    /// Whether what happens now is part of a transaction that was begun further out, so that a
    /// statement that fails cannot be followed by another try. Sessions of the host never say so.
    fn joins(&self) -> bool {
        false
    }
}

/// The rows of a query, pulled frame by frame. [`crate::read_all`] makes a table of few.
pub trait Rows {
    /// The columns, known before the first frame.
    fn columns(&self) -> &[Column];
    /// The next frame: one message of an Arrow IPC stream, uncompressed, at most 1 MiB, the
    /// schema first; [`crate::arrow::FrameReader`] reads them. None after the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure>;
}

/// A bulk load under way. Dropped before `finish`, it leaves nothing behind.
pub trait Loader {
    /// Adds frames: whole messages of an Arrow IPC stream, the schema first, at most 1 MiB a call;
    /// [`crate::arrow::FrameWriter`] makes them.
    fn write(&mut self, frame: &[u8]) -> Result<(), Failure>;
    /// Ends the load; gives the number of rows it stored.
    fn finish(self: Box<Self>) -> Result<u64, Failure>;
}
