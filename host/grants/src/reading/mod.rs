//! Reading a statement: what kind it is, what it reads and what it writes.
//!
//! Fails closed: what is not understood is a [`ReadingProblem`], and a statement with a problem is
//! refused. The reading is the first wall; the engine's own authorizer, told the same patterns, is
//! the second.

mod functions;
mod lexical;
mod sqlite;
mod walk;

use std::{collections::BTreeSet, fmt};

use cofferdam_ids::Code;
use serde::Serialize;

/// How statements of a gateway are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Reads rows.
    Select,
    /// Adds or replaces rows.
    Insert,
    /// Changes rows.
    Update,
    /// Removes rows.
    Delete,
    /// Makes a table, view or index.
    Create,
    /// Changes a table's shape or name.
    Alter,
    /// Removes a table, view or index.
    Drop,
}

impl StatementKind {
    /// Whether it changes nothing.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Select)
    }
}

impl fmt::Display for StatementKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Create => "create",
            Self::Alter => "alter",
            Self::Drop => "drop",
        })
    }
}

/// A table or view, its name folded as the engine folds it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    schema: Box<str>,
    name: Box<str>,
}

impl Relation {
    /// A relation of SQLite: ASCII letters are folded to lower case.
    pub fn new(schema: &str, name: &str) -> Self {
        Self { schema: schema.to_ascii_lowercase().into(), name: name.to_ascii_lowercase().into() }
    }

    /// Its schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the engine's catalog, readable with any SQL grant.
    pub fn is_catalog(&self) -> bool {
        functions::CATALOG.contains(&&*self.name)
    }

    /// Whether the engine keeps it for itself: never to be written.
    pub(crate) fn is_engine_owned(&self) -> bool {
        self.name.starts_with("sqlite_") || self.name.starts_with("pragma_")
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema.escape_debug(), self.name.escape_debug())
    }
}

impl fmt::Debug for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Relation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a statement does, or why that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// What it does; none where it could not be read.
    pub kind: Option<StatementKind>,
    /// Every relation it reads, the catalog's among them.
    pub reads: BTreeSet<Relation>,
    /// Every relation it writes, makes, renames or drops.
    pub writes: BTreeSet<Relation>,
    /// Why it may not be run, whatever is granted.
    #[serde(skip)]
    pub problem: Option<ReadingProblem>,
}

/// Why a statement may not be run where statements are read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadingProblem {
    /// The reader does not understand it.
    #[error("the statement could not be read: {0}")]
    Unreadable(String),
    /// More or less than one statement.
    #[error("one statement at a time may be run; this text holds {0}")]
    Count(usize),
    /// A kind of statement guests never run.
    #[error("`{0}` statements are not run for guests")]
    Kind(String),
    /// A function that is not on the list.
    #[error("the function `{0}` is not one a guest's statement may call")]
    Function(String),
    /// A relation the engine keeps for itself.
    #[error("`{0}` is not a relation a guest's statement may name")]
    Reserved(String),
}

impl ReadingProblem {
    /// Its stable code.
    pub fn code(&self) -> Code {
        Code(match self {
            Self::Unreadable(_) => 220,
            Self::Count(_) => 230,
            Self::Kind(_) => 231,
            Self::Function(_) => 232,
            Self::Reserved(_) => 233,
        })
    }
}

/// Reads one statement.
pub fn read_statement(sql: &str, dialect: Dialect) -> Reading {
    let read = match dialect {
        Dialect::Sqlite => sqlite::read(sql),
        Dialect::Postgres | Dialect::Mysql => {
            Err(ReadingProblem::Unreadable("statements of this engine are not read yet".to_owned()))
        }
    };
    read.unwrap_or_else(|problem| Reading { problem: Some(problem), ..Reading::default() })
}
