//! Why a log or ledger could not be opened or written.

use std::{io, path::PathBuf, sync::Arc};

use cofferdam_ids::{Code, Explain, Fault};

/// Why a line was not appended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A write or sync failed, now or earlier; nothing more is accepted.
    #[error("the log can no longer be written")]
    Failed(#[source] Arc<io::Error>),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// A line is empty, over its limit or holds a line break.
    #[error("a line of {bytes} bytes is not accepted: 1 to {limit} bytes without a line break")]
    BadLine {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

impl Explain for LogError {
    fn code(&self) -> Code {
        Code(801)
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Failed(_) => Fault::Environment,
            Self::Closed | Self::BadLine { .. } => Fault::Ours,
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Failed(_) => {
                "make room on the disk that holds the data folder, then start the executor again".to_owned()
            }
            Self::Closed | Self::BadLine { .. } => "start the executor again and report this".to_owned(),
        }
    }
}

/// Why a ledger could not be opened or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file cannot be opened, read or cut.
    #[error("cannot open the log `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process writes it.
    #[error("the log `{path}` is in use by another process")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Its last line is not a record, so nothing can be linked to it.
    #[error("the last line of the ledger `{path}` is not a record")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: crate::Malformed,
    },
    /// The first record of this start could not be written.
    #[error("cannot write the ledger")]
    Write(#[source] LogError),
}

impl Explain for LedgerError {
    fn code(&self) -> Code {
        match self {
            Self::Open { .. } => Code(804),
            Self::InUse { .. } => Code(803),
            Self::Broken { .. } => Code(802),
            Self::Write(error) => error.code(),
        }
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Open { .. } | Self::InUse { .. } | Self::Broken { .. } => Fault::Operator,
            Self::Write(error) => error.fault(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Open { .. } => "check that the data folder exists and belongs to the executor".to_owned(),
            Self::InUse { .. } => {
                "stop the other executor, or give this one a data folder of its own".to_owned()
            }
            Self::Broken { .. } => {
                "run `cofferdam ledger verify`, keep the file as evidence and move it away".to_owned()
            }
            Self::Write(error) => error.fix(),
        }
    }
}
