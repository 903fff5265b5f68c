//! Reading a statement: what kind it is, what it reads and what it writes.
//!
//! Fails closed: what is not understood is a [`ReadingProblem`], and a statement with a problem is
//! refused. The reading is the first wall. Behind it stands SQLite's own authorizer, told the same
//! patterns, or on a server the role of the gateway's credential.

mod functions;
mod lexical;
mod mend;
mod servers;
mod sqlite;
mod walk;

use std::{collections::BTreeSet, fmt};

use cofferdam_call::Access;
use cofferdam_ids::Code;
use serde::Serialize;

use crate::file::Beyond;

/// How statements of a gateway are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Changes, adds and removes rows by a comparison with others.
    Merge,
    /// Removes all rows.
    Truncate,
    /// Computes a materialized view anew.
    Refresh,
    /// Gathers a table's statistics, or clears away what was deleted from it.
    Analyze,
    /// Changes a description.
    Comment,
    /// Gives rights on relations to a role.
    Grant,
    /// Takes rights on relations from a role.
    Revoke,
    /// Changes a setting of the session.
    Set,
}

impl StatementKind {
    /// Whether it changes nothing.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Select | Self::Set)
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
            Self::Merge => "merge",
            Self::Truncate => "truncate",
            Self::Refresh => "refresh",
            Self::Analyze => "analyze",
            Self::Comment => "comment",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Set => "set",
        })
    }
}

/// A table or view, its name folded as the engine folds it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    schema: Box<str>,
    name: Box<str>,
    dialect: Dialect,
}

impl Relation {
    /// A relation whose names were read: what an engine folds without quotes is folded already.
    /// SQLite folds ASCII letters always.
    pub fn new(dialect: Dialect, schema: &str, name: &str) -> Self {
        if dialect == Dialect::Sqlite {
            let (schema, name) = (schema.to_ascii_lowercase().into(), name.to_ascii_lowercase().into());
            return Self { schema, name, dialect };
        }
        Self { schema: schema.into(), name: name.into(), dialect }
    }

    /// Its schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In which engine.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether it is the engine's catalog, readable with any SQL grant.
    pub fn is_catalog(&self) -> bool {
        match self.dialect {
            Dialect::Sqlite => functions::CATALOG.contains(&&*self.name),
            Dialect::Postgres | Dialect::Mysql => servers::is_catalog(self),
        }
    }

    /// Whether it is a temporary relation of PostgreSQL. Only the session that made it can name it,
    /// and it holds nothing but what that session put there: no grant is asked for it.
    pub fn is_temporary(&self) -> bool {
        self.dialect == Dialect::Postgres && &*self.schema == servers::TEMP
    }

    /// Whether the engine or the broker keeps it for itself: never to be written.
    pub(crate) fn is_engine_owned(&self) -> bool {
        match self.dialect {
            Dialect::Sqlite => {
                self.name.starts_with("sqlite_")
                    || self.name.starts_with("pragma_")
                    || &*self.name == SQLITE_FENCE
                    || &*self.schema == FENCE_SCHEMA
            }
            Dialect::Postgres | Dialect::Mysql => servers::is_reserved(self),
        }
    }
}

/// Where the broker keeps its fences on a server. No guest ever names it.
pub(crate) const FENCE_SCHEMA: &str = "cofferdam";
/// Where the broker keeps its fences in SQLite.
const SQLITE_FENCE: &str = "cofferdam_fence";

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
    /// What it does beyond the relations it names.
    #[serde(skip)]
    pub beyond: BTreeSet<Beyond>,
    /// Why it may not be run, whatever is granted.
    #[serde(skip)]
    pub problem: Option<ReadingProblem>,
}

impl Reading {
    /// The least mode a session must have been opened in.
    pub fn least_access(&self) -> Access {
        match self.kind {
            Some(kind) if kind.is_read() && self.writes.is_empty() => Access::Read,
            _ => Access::Write,
        }
    }
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
    /// A comment that a server runs, or takes hints from.
    #[error("the comment at byte {0} is one the server may run; a plain comment starts with `/* `")]
    Comment(usize),
    /// A type whose values are looked up in the catalog, or that the reader cannot know.
    #[error("the type `{0}` is not one a guest's statement may convert to")]
    Type(String),
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
            Self::Comment(_) => 234,
            Self::Type(_) => 236,
        })
    }
}

/// Reads one statement. A name without a schema belongs to `default_schema`.
pub fn read_statement(sql: &str, dialect: Dialect, default_schema: &str) -> Reading {
    let read = match dialect {
        Dialect::Sqlite => sqlite::read(sql, default_schema),
        Dialect::Postgres | Dialect::Mysql => servers::read(sql, dialect, default_schema),
    };
    read.unwrap_or_else(|problem| Reading { problem: Some(problem), ..Reading::default() })
}

/// The table a bulk load names, its parts taken as they are: quoted, so that the server folds nothing.
pub(crate) fn load_target(
    table: &[String],
    dialect: Dialect,
    default_schema: &str,
) -> Result<Relation, ReadingProblem> {
    let made = |schema: &str, name: &str| match dialect {
        Dialect::Postgres => servers::kept_relation(schema, name),
        _ => Ok(Relation::new(dialect, schema, name)),
    };
    let relation = match table {
        [name] => made(default_schema, name)?,
        [schema, name] => made(schema, name)?,
        _ => {
            let why = "a table to load has a name and at most a schema";
            return Err(ReadingProblem::Unreadable(why.to_owned()));
        }
    };
    if relation.is_engine_owned() {
        return Err(ReadingProblem::Reserved(relation.to_string()));
    }
    Ok(relation)
}
