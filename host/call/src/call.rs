//! One use of a capability, and its answer.

use cofferdam_ids::GatewayName;
use serde::{Deserialize, Serialize};

use crate::value::{Access, Column, Value};

/// Names something the broker holds open for one attempt. Meaningless in any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle(pub u32);

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For whoever debugs the plugin.
    Debug,
    /// For whoever follows the run.
    Info,
    /// Something is not as it should be.
    Warn,
    /// Something failed.
    Error,
}

/// Everything a guest can ask of the outside world. Bulk bytes travel beside it as the frame's
/// payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// Opens a session. Reply: [`Reply::Opened`].
    SqlOpen {
        /// The gateway.
        gateway: GatewayName,
        /// The mode.
        access: Access,
    },
    /// Runs a statement that returns rows. Reply: [`Reply::Rows`].
    SqlQuery {
        /// The session.
        session: Handle,
        /// One statement.
        statement: String,
        /// Bound in order.
        values: Vec<Value>,
        /// Bytes of frames to hand over with the answer, at most [`AHEAD_BYTES_MAX`] and one frame:
        /// a small result is one call then. 0 for none.
        ///
        /// [`AHEAD_BYTES_MAX`]: crate::AHEAD_BYTES_MAX
        ahead: u32,
    },
    /// Asks for the next frame. Reply: [`Reply::Frame`].
    SqlNext {
        /// The rows.
        rows: Handle,
    },
    /// Runs a statement that returns none. Reply: [`Reply::Count`].
    SqlExecute {
        /// The session.
        session: Handle,
        /// One statement.
        statement: String,
        /// Bound in order.
        values: Vec<Value>,
    },
    /// Starts a transaction. Reply: [`Reply::Done`].
    SqlBegin {
        /// The session.
        session: Handle,
    },
    /// Commits. Reply: [`Reply::Done`], or [`Reply::Committed`] where a step is named.
    SqlCommit {
        /// The session.
        session: Handle,
        /// What no two attempts of a run may commit, where there is such a thing.
        step: Option<String>,
    },
    /// Rolls back. Reply: [`Reply::Done`].
    SqlRollback {
        /// The session.
        session: Handle,
    },
    /// Starts a bulk load into an existing table. Reply: [`Reply::Opened`].
    SqlLoad {
        /// The session.
        session: Handle,
        /// Name parts, outermost first, unquoted.
        table: Vec<String>,
        /// The columns the frames carry.
        columns: Vec<Column>,
    },
    /// Adds the payload's frames to a load. Reply: [`Reply::Done`].
    SqlLoadWrite {
        /// The load.
        load: Handle,
    },
    /// Ends a load. Reply: [`Reply::Count`].
    SqlLoadFinish {
        /// The load.
        load: Handle,
    },
    /// Lets go of a session, rows or load; what it did not finish is undone. Reply: [`Reply::Done`].
    Close {
        /// Any handle.
        handle: Handle,
    },
    /// Lists files of the release. Reply: [`Reply::Files`].
    FileList {
        /// Start of the paths.
        prefix: String,
    },
    /// Reads a piece of a file of the release. Reply: [`Reply::Bytes`].
    FileRead {
        /// Path inside the release.
        path: String,
        /// First byte.
        offset: u64,
        /// At most so many.
        length: u32,
    },
    /// Adds a line to the attempt's log. Reply: [`Reply::Done`].
    Log {
        /// How much it matters.
        level: LogLevel,
        /// The line.
        message: String,
    },
    /// Tells how far the work is. Reply: [`Reply::Done`].
    Progress {
        /// Steps done.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// Keeps the payload as a small file beside the attempt's log. Reply: [`Reply::Done`].
    Keep {
        /// Its name.
        name: String,
    },
    /// Reads what the last attempt of each task of this run left, a page at a time. Reply:
    /// [`Reply::Kept`].
    ReadKept {
        /// The name of the file they may have kept.
        name: String,
        /// How the ids of the tasks start; empty for all.
        start: String,
        /// The last task of the page before; none for the first page.
        after: Option<String>,
    },
}

/// Which call it is, without its arguments: for records, metrics and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the case of `Call` of the same name")]
pub enum CallKind {
    SqlOpen,
    SqlQuery,
    SqlNext,
    SqlExecute,
    SqlBegin,
    SqlCommit,
    SqlRollback,
    SqlLoad,
    SqlLoadWrite,
    SqlLoadFinish,
    Close,
    FileList,
    FileRead,
    Log,
    Progress,
    Keep,
    ReadKept,
}

impl Call {
    /// Which call it is.
    pub fn kind(&self) -> CallKind {
        match self {
            Self::SqlOpen { .. } => CallKind::SqlOpen,
            Self::SqlQuery { .. } => CallKind::SqlQuery,
            Self::SqlNext { .. } => CallKind::SqlNext,
            Self::SqlExecute { .. } => CallKind::SqlExecute,
            Self::SqlBegin { .. } => CallKind::SqlBegin,
            Self::SqlCommit { .. } => CallKind::SqlCommit,
            Self::SqlRollback { .. } => CallKind::SqlRollback,
            Self::SqlLoad { .. } => CallKind::SqlLoad,
            Self::SqlLoadWrite { .. } => CallKind::SqlLoadWrite,
            Self::SqlLoadFinish { .. } => CallKind::SqlLoadFinish,
            Self::Close { .. } => CallKind::Close,
            Self::FileList { .. } => CallKind::FileList,
            Self::FileRead { .. } => CallKind::FileRead,
            Self::Log { .. } => CallKind::Log,
            Self::Progress { .. } => CallKind::Progress,
            Self::Keep { .. } => CallKind::Keep,
            Self::ReadKept { .. } => CallKind::ReadKept,
        }
    }
}

/// One file of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Path inside the release.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
}

/// How an attempt ended, as its executor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The task said that it is done.
    Succeeded,
    /// It failed, or was stopped.
    Failed,
    /// It was not let in.
    Refused,
    /// It was told to stop.
    Cancelled,
}

/// What the last attempt of a task left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAttempt {
    /// The task.
    pub task: String,
    /// Which try.
    pub attempt: u32,
    /// How it ended.
    pub ending: Ending,
    /// The guest's own code where it failed by itself, or the host's; empty where it succeeded.
    pub code: String,
    /// What happened, for the customer.
    pub message: String,
    /// When it was admitted, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub ended_at: String,
    /// The length of the file asked for; none where it kept no such file.
    pub length: Option<u32>,
}

/// The answer to a call that was performed. Bulk bytes travel beside it as the frame's payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// A session or load was opened.
    Opened(Handle),
    /// A query runs. The payload is its first frames, one behind the other.
    Rows {
        /// To ask for further frames with; none where these are all.
        rows: Option<Handle>,
        /// The columns.
        columns: Vec<Column>,
        /// The length of each frame of the payload.
        frames: Vec<u32>,
    },
    /// The payload is the next frame, or there is none left.
    Frame {
        /// Whether the payload is a frame.
        present: bool,
    },
    /// A step was committed, by this attempt or by an earlier one of the same run.
    Committed {
        /// Whether by this one. Where not, this one's work was rolled back.
        published: bool,
    },
    /// A number of rows.
    Count(u64),
    /// The payload is the bytes asked for.
    Bytes,
    /// Files.
    Files(Vec<FileInfo>),
    /// A page of attempts, by task. The payload is the files they kept, one behind the other.
    Kept {
        /// The attempts.
        attempts: Vec<KeptAttempt>,
        /// Whether there are more behind them.
        more: bool,
    },
    /// Nothing more to say.
    Done,
}
