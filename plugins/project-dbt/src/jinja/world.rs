//! What lies around a rendering: the project's graph, its settings, the run, the warehouse.
//!
//! In: questions a template asks while it is rendered.
//! Out: answers of whoever renders: a describing world gathers and answers with stand-ins, an
//! attempt's world looks things up. [`World`] is all a template needs; a world with a [`Database`]
//! can also ask the warehouse.
//! Never: holds state of the engine; every method has `&self`, and worlds that gather use cells.
//! Fails: with sentences (`String`); the engine adds file, line and the chain of macros.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions>.

use std::collections::BTreeMap;

use minijinja::Value;
use serde_json::{Map, Value as Json};

/// Everything a rendering can ask of what lies around it, the warehouse apart.
pub trait World {
    /// Whether a warehouse is there: what `execute` says. Names that lead nowhere in a node's own
    /// text are followed leniently where it is false, as dbt does while it parses.
    fn execute(&self) -> bool;

    /// `ref('name')`, `ref('package', 'name')`, `ref('name', v=2)`.
    ///
    /// # Errors
    /// With a sentence, where the name leads nowhere or may not be read.
    fn reference(
        &self,
        package: Option<&str>,
        name: &str,
        version: Option<&str>,
    ) -> Result<RelationName, String>;

    /// `source('source', 'table')`.
    ///
    /// # Errors
    /// With a sentence, where the name leads nowhere.
    fn source(&self, source: &str, table: &str) -> Result<RelationName, String>;

    /// `metric('name')`: what stands for it in the text.
    ///
    /// # Errors
    /// With a sentence; by default always.
    fn metric(&self, package: Option<&str>, name: &str) -> Result<String, String> {
        let _ = (package, name);
        Err("metrics cannot be queried from a template".to_owned())
    }

    /// `config(key=value, …)`: settings that stand in the text itself.
    ///
    /// # Errors
    /// With a sentence, where a setting cannot be what it is.
    fn configure(&self, settings: Map<String, Json>) -> Result<(), String>;

    /// What `config.get`, `config.require` and the like look in: all settings of the node.
    fn config(&self) -> Map<String, Json>;

    /// `var('name')` as the package `package` sees it; `None` where it is not set.
    fn variable(&self, package: &str, name: &str) -> Option<Json>;

    /// `env_var('NAME')`: from the release's allow-list only; `None` where it holds no such name.
    ///
    /// # Errors
    /// With a sentence, where it is not known whether it is set.
    fn env_var(&self, name: &str) -> Result<Option<String>, String>;

    /// Whether a variable that holds a template is taken as it stands, as in values of YAML.
    fn plain_variables(&self) -> bool {
        false
    }

    /// How the project quotes names; none where it says nothing.
    fn quoting(&self) -> Option<Quoting> {
        None
    }

    /// What `is_incremental()` says.
    fn incremental(&self) -> bool;

    /// `log(…)`, `print(…)`: `info` where people shall see it.
    fn log(&self, info: bool, message: &str);

    /// `exceptions.warn(…)`.
    fn warn(&self, message: &str);

    /// A macro is about to be called: `macro.<package>.<name>`. For `depends_on.macros`.
    fn calls(&self, macro_id: &str) {
        let _ = macro_id;
    }

    /// Every other name: `model`, `this`, `target`, `graph`, `sql`, `compiled_code`, `pre_hooks`,
    /// `invocation_id`, `run_started_at`, `flags`, `selected_resources`, `schemas`, `database`,
    /// `schema`, `project_name`, `dbt_version`, … `None` where it is not known, which makes it undefined.
    ///
    /// Objects out of JSON are made with [`super::from_json`] (mutable, as in Python); relations
    /// with [`RelationName::into_value`]; points in time with [`super::datetime`].
    fn name(&self, name: &str) -> Option<Value>;

    /// `doc('name')`, `doc('package', 'name')`.
    ///
    /// # Errors
    /// With a sentence, where no block has the name; by default always.
    fn doc(&self, package: Option<&str>, name: &str) -> Result<String, String> {
        let _ = package;
        Err(format!("no docs block is named `{name}`"))
    }

    /// The warehouse; `None` while describing.
    fn database(&self) -> Option<&dyn Database>;
}

/// The warehouse as macros see it: `adapter.*`, `run_query`, `statement`.
///
/// Statements run on one connection, in an open transaction where one was begun.
pub trait Database {
    /// Runs one statement and fetches its rows.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn query(&self, sql: &str) -> Result<Answer, String>;

    /// Runs statements, separated by semicolons, and fetches nothing. The response is the last one's.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn execute(&self, sql: &str) -> Result<Response, String>;

    /// Begins a transaction; nothing where one is open.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn begin(&self) -> Result<(), String>;

    /// Commits the open transaction; nothing where none is.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn commit(&self) -> Result<(), String>;

    /// Gives up the open transaction; nothing where none is.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn rollback(&self) -> Result<(), String>;

    /// The relations of a schema, their kind known.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn relations(&self, database: Option<&str>, schema: &str) -> Result<Vec<RelationName>, String>;

    /// One relation as it stands in the warehouse, its kind known; `None` where there is none.
    /// The default looks through [`Database::relations`].
    ///
    /// # Errors
    /// With what the warehouse says.
    fn find(
        &self,
        database: Option<&str>,
        schema: &str,
        identifier: &str,
    ) -> Result<Option<RelationName>, String> {
        let all = self.relations(database, schema)?;
        Ok(all.into_iter().find(|one| one.identifier.as_deref() == Some(identifier)))
    }

    /// The names of the schemas of a database.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn schemas(&self, database: Option<&str>) -> Result<Vec<String>, String>;

    /// The columns of a relation, in order; empty where there is no such relation.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn columns(&self, relation: &RelationName) -> Result<Vec<ColumnInfo>, String>;

    /// The columns a query would give; the query is not run for its rows.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn columns_of_query(&self, sql: &str) -> Result<Vec<ColumnInfo>, String>;

    /// Creates a schema unless it is there.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn create_schema(&self, database: Option<&str>, schema: &str) -> Result<(), String>;

    /// Drops a schema and all in it, if it is there.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn drop_schema(&self, database: Option<&str>, schema: &str) -> Result<(), String>;

    /// Drops a relation of the kind it says it has, with what depends on it, if it is there.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn drop(&self, relation: &RelationName) -> Result<(), String>;

    /// Renames a relation inside its schema.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn rename(&self, from: &RelationName, to: &RelationName) -> Result<(), String>;

    /// Empties a table.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn truncate(&self, relation: &RelationName) -> Result<(), String>;

    /// Makes text columns of `to` as wide as those of `from` where they are narrower. Nothing by
    /// default: most warehouses need it not.
    ///
    /// # Errors
    /// With what the warehouse says.
    fn widen(&self, from: &RelationName, to: &RelationName) -> Result<(), String> {
        let _ = (from, to);
        Ok(())
    }
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelationKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A name inside a `with`.
    Cte,
    /// A table of another system.
    External,
}

impl RelationKind {
    /// Its name as dbt writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized_view",
            Self::Cte => "cte",
            Self::External => "external",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Table, Self::View, Self::MaterializedView, Self::Cte, Self::External]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// Which parts of a relation's name are quoted, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quoting {
    /// The database.
    pub database: bool,
    /// The schema.
    pub schema: bool,
    /// The identifier.
    pub identifier: bool,
    /// The mark: `"` or a backtick.
    pub mark: char,
}

impl Quoting {
    /// The same, but for the parts that are said: `database`, `schema`, `identifier`.
    #[must_use]
    pub fn as_said(self, parts: &BTreeMap<String, bool>) -> Self {
        let said = |part: &str, or: bool| parts.get(part).copied().unwrap_or(or);
        Self {
            database: said("database", self.database),
            schema: said("schema", self.schema),
            identifier: said("identifier", self.identifier),
            mark: self.mark,
        }
    }
}

impl Default for Quoting {
    fn default() -> Self {
        Self { database: true, schema: true, identifier: true, mark: '"' }
    }
}

/// A window of time that a reference is cut to (microbatch, sample).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventWindow {
    /// The column.
    pub field: String,
    /// From this moment on, as text in the warehouse's form.
    pub start: Option<String>,
    /// Up to and without this moment.
    pub end: Option<String>,
}

/// A relation's name, and how it is written in a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationName {
    /// The database. A warehouse without databases leaves it out.
    pub database: Option<String>,
    /// The schema.
    pub schema: Option<String>,
    /// The table, view or `with` name.
    pub identifier: Option<String>,
    /// What it is, where that is known.
    pub kind: Option<RelationKind>,
    /// How it is quoted.
    pub quoting: Quoting,
    /// Read at most so many rows of it (`--empty` says 0).
    pub limit: Option<u64>,
    /// Read only this window of it.
    pub window: Option<EventWindow>,
}

/// A column as the warehouse tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type without sizes: `character varying`, `numeric`, `integer`.
    pub dtype: String,
    /// How many characters it holds.
    pub char_size: Option<i64>,
    /// Digits in all.
    pub numeric_precision: Option<i64>,
    /// Digits behind the point.
    pub numeric_scale: Option<i64>,
}

/// What a statement did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// What people read: `SELECT 5`.
    pub message: String,
    /// The kind: `SELECT`.
    pub code: String,
    /// How many rows.
    pub rows_affected: Option<i64>,
}

/// Rows a statement gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// What it did.
    pub response: Response,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows; each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// One value of an [`Answer`].
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing: `None`.
    Null,
    /// `True` or `False`.
    Boolean(bool),
    /// A whole number of an integer type.
    Integer(i64),
    /// A number of any other type, in decimal digits as the warehouse writes it: a `Decimal`.
    Number(String),
    /// Text, and whatever has no type here.
    Text(String),
    /// A day: `2024-02-29`.
    Date(String),
    /// A moment: `2024-02-29 12:00:00.5`, with or without `+00:00`.
    DateTime(String),
}
