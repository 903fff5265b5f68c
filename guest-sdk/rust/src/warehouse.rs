//! A warehouse in its own dialect, behind one shape: what adapters implement and tasks use.
//!
//! In: relations, statements, frames. Out: rows, relations, counts.
//! Never: a credential or an address; the host owns the connection underneath.
//! Fails: with [`Failure`].
//! Source: `wit/warehouse/warehouse.wit`.

use crate::{Access, Column, DataType, Failure, Loader, Relation, RelationInfo, Rows, Sql, Value};

/// How the warehouse writes things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Its name, e.g. `sqlite`, `postgres`.
    pub name: String,
    /// The mark before and behind a quoted identifier.
    pub quote: String,
    /// The schema meant where none is named.
    pub default_schema: String,
    /// Whether tables and views can be created inside a transaction.
    pub transactional_ddl: bool,
}

/// How new rows meet those that are there. NULL equals nothing here, NULL in a key included: such
/// rows replace none and are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeStrategy {
    /// Adds them; nothing is compared.
    Append,
    /// Deletes rows with the same key first, in the same transaction. The columns of the key.
    DeleteInsert(Vec<String>),
    /// Updates rows with the same key, adds the others. The columns of the key.
    Merge(Vec<String>),
}

/// A half-open range of one column: `start` ≤ value < `end`.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueRange {
    /// The column.
    pub column: String,
    /// The first value that belongs to it.
    pub start: Value,
    /// The first value that no longer does.
    pub end: Value,
}

/// How a snapshot sees that a row is another than the one in its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeMark {
    /// By a column of the select that rises with each change of the row; never NULL.
    UpdatedAt(String),
    /// By comparing these columns, NULL equal to NULL; empty for all that are not in the key.
    Columns(Vec<String>),
}

/// What a snapshot does with a row of the history that the select no longer gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HardDeletes {
    /// Nothing: it stays the one that holds.
    #[default]
    Ignore,
    /// It holds until the time of the snapshot.
    Invalidate,
}

/// What the columns are called that a history has beside those of its select. Unless set, as dbt
/// calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryNames {
    /// Text, another one for each row of the history.
    pub id: String,
    /// From when the row holds.
    pub valid_from: String,
    /// Until when it held; NULL while it holds.
    pub valid_to: String,
    /// The row's own time of change.
    pub updated_at: String,
}

impl Default for HistoryNames {
    fn default() -> Self {
        Self {
            id: "dbt_scd_id".into(),
            valid_from: "dbt_valid_from".into(),
            valid_to: "dbt_valid_to".into(),
            updated_at: "dbt_updated_at".into(),
        }
    }
}

/// How the history of a select is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The columns that name a row. None of them is NULL, and each row of a select has a key of its
    /// own.
    pub key: Vec<String>,
    /// How a change is seen.
    pub mark: ChangeMark,
    /// What becomes of rows that are gone.
    pub hard_deletes: HardDeletes,
    /// The time of the snapshot, RFC 3339 in UTC: the same in every attempt of a run, as
    /// [`crate::Invocation::started_at`] is.
    pub at: String,
    /// The names of the columns.
    pub names: HistoryNames,
}

/// A column as its relation declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDeclaration {
    /// Its name.
    pub name: String,
    /// Its type in the warehouse's own words, e.g. `character varying(20)`.
    pub declared: String,
    /// Whether NULL may stand in it.
    pub nullable: bool,
}

/// Opens gateways. Lent to tasks; behind it stands the gateway's adapter.
pub trait Warehouse {
    /// Opens the gateway, under the name the release gives it.
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Connection>, Failure>;
}

/// A connection in one mode. Dropping it closes its session.
///
/// Every method takes `&self`, as a WIT handle does: one connection may be shared by several
/// owners (`Rc<dyn Connection>`), and its rows and loads live on their own. In every dialect,
/// values stand in a statement as `?`, in their order; a statement without values is passed on as
/// it is.
///
/// Between [`Connection::begin`] and its end every other call is part of that one transaction. A
/// call that fails half-way leaves it good for nothing but [`Connection::rollback`]. Where the
/// dialect has no transactional DDL, a call that makes, drops or renames relations is `Invalid`
/// there.
pub trait Connection {
    /// The dialect spoken.
    fn dialect(&self) -> Dialect;
    /// A name as this warehouse writes it in a statement, quoted.
    fn render(&self, relation: &Relation) -> String;
    /// A type as this warehouse writes it in a statement.
    fn render_type(&self, data_type: &DataType) -> String;
    /// Runs a statement that returns rows.
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure>;
    /// Runs one statement that returns none; gives the number of rows changed.
    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure>;
    /// As [`Connection::execute`], but what it changes is made to last at most once per run: where
    /// an earlier attempt of this run has done the same step of this task, nothing is changed. For
    /// one statement that changes rows, not relations. `step`: 1 to 100 characters, the same in
    /// every attempt. In an open transaction the work lasts with that one's end.
    fn execute_once(&self, step: &str, statement: &str, values: &[Value]) -> Result<u64, Failure>;
    /// Starts a transaction. `Invalid` where one is open.
    fn begin(&self) -> Result<(), Failure>;
    /// Makes the open transaction's work last. `Invalid` where none is open.
    fn commit(&self) -> Result<(), Failure>;
    /// As [`Connection::commit`], but at most once per run: where an earlier attempt of this run
    /// has committed the same step of this task, the transaction is rolled back instead and the
    /// answer is `false`. `step`: 1 to 100 characters, the same in every attempt.
    fn commit_once(&self, step: &str) -> Result<bool, Failure>;
    /// Undoes the open transaction's work. `Invalid` where none is open.
    fn rollback(&self) -> Result<(), Failure>;
    /// Makes sure the schema is there.
    fn ensure_schema(&self, schema: &str) -> Result<(), Failure>;
    /// The tables and views of a schema, by name.
    fn list_relations(&self, schema: &str) -> Result<Vec<RelationInfo>, Failure>;
    /// One relation, none where there is none of that name.
    fn find(&self, relation: &Relation) -> Result<Option<RelationInfo>, Failure>;
    /// The columns of a relation, in their order.
    fn describe(&self, relation: &Relation) -> Result<Vec<Column>, Failure>;
    /// As [`Connection::describe`], with the types as the warehouse writes them.
    fn column_types(&self, relation: &Relation) -> Result<Vec<ColumnDeclaration>, Failure>;
    /// Puts the result of `select` in the place of the table (or view) in one step: readers see
    /// the old one or the new one. Gives the number of rows.
    fn create_table_as(&self, relation: &Relation, select: &str) -> Result<u64, Failure>;
    /// Creates an empty table with these columns in the place of what was there.
    fn create_table(&self, relation: &Relation, columns: &[Column]) -> Result<(), Failure>;
    /// Puts a view in the place of what was there.
    fn create_view(&self, relation: &Relation, select: &str) -> Result<(), Failure>;
    /// Brings the rows of `select` into an existing table, all or none. Columns are matched by
    /// name. Gives the number of rows that came in. An append comes in once per run: the n-th append
    /// to a table by an attempt is the same step as the n-th by an earlier one; in an open transaction
    /// it is that one's end that counts.
    fn insert(&self, relation: &Relation, select: &str, strategy: &MergeStrategy) -> Result<u64, Failure>;
    /// Puts the rows of `select` in the place of those in the range, all or none.
    fn replace_range(&self, relation: &Relation, select: &str, within: &ValueRange) -> Result<u64, Failure>;
    /// Brings the history of a select up to date, all or nothing: rows that are new or changed are
    /// added, those they replace end. Makes the history where there is none. Gives the number of
    /// rows added.
    fn snapshot(&self, relation: &Relation, select: &str, how: &Snapshot) -> Result<u64, Failure>;
    /// Renames a relation inside its schema.
    fn rename(&self, relation: &Relation, name: &str) -> Result<(), Failure>;
    /// Drops a relation; does nothing where there is none.
    fn drop_relation(&self, relation: &Relation) -> Result<(), Failure>;
    /// Replaces the table by one with these columns, filled from the frames written to the loader;
    /// readers see the old one until `finish`.
    fn load(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure>;
    /// Adds rows to a table that is there, as it declares its columns: all of them, or none.
    fn load_into(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure>;
}

/// What an adapter plugin is: the way from a gateway's name to a connection in its dialect.
///
/// Export it with [`crate::export_adapter!`].
pub trait Adapter: 'static {
    /// Its connections.
    type Connection: Connection + 'static;
    /// Opens the gateway. `sql` is the host's; the adapter opens its session there.
    fn open(sql: &dyn Sql, gateway: &str, access: Access) -> Result<Self::Connection, Failure>;
}
