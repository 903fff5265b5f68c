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

/// How new rows meet those that are there.
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

/// Opens gateways. Lent to tasks; behind it stands the gateway's adapter.
pub trait Warehouse {
    /// Opens the gateway, under the name the release gives it.
    fn open(&self, gateway: &str, access: Access) -> Result<Box<dyn Connection>, Failure>;
}

/// A connection in one mode. Dropping it closes its session.
///
/// Every method takes `&self`, as a WIT handle does: one connection may be shared by several
/// owners (`Rc<dyn Connection>`), and its rows and loads live on their own.
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
    /// Makes sure the schema is there.
    fn ensure_schema(&self, schema: &str) -> Result<(), Failure>;
    /// The tables and views of a schema, by name.
    fn list_relations(&self, schema: &str) -> Result<Vec<RelationInfo>, Failure>;
    /// One relation, none where there is none of that name.
    fn find(&self, relation: &Relation) -> Result<Option<RelationInfo>, Failure>;
    /// The columns of a relation, in their order.
    fn describe(&self, relation: &Relation) -> Result<Vec<Column>, Failure>;
    /// Puts the result of `select` in the place of the table (or view) in one step: readers see
    /// the old one or the new one. Gives the number of rows.
    fn create_table_as(&self, relation: &Relation, select: &str) -> Result<u64, Failure>;
    /// Creates an empty table with these columns in the place of what was there.
    fn create_table(&self, relation: &Relation, columns: &[Column]) -> Result<(), Failure>;
    /// Puts a view in the place of what was there.
    fn create_view(&self, relation: &Relation, select: &str) -> Result<(), Failure>;
    /// Brings the rows of `select` into an existing table, all or none. Columns are matched by
    /// name. Gives the number of rows that came in.
    fn insert(&self, relation: &Relation, select: &str, strategy: &MergeStrategy) -> Result<u64, Failure>;
    /// Puts the rows of `select` in the place of those in the range, all or none.
    fn replace_range(&self, relation: &Relation, select: &str, within: &ValueRange) -> Result<u64, Failure>;
    /// Renames a relation inside its schema.
    fn rename(&self, relation: &Relation, name: &str) -> Result<(), Failure>;
    /// Drops a relation; does nothing where there is none.
    fn drop_relation(&self, relation: &Relation) -> Result<(), Failure>;
    /// Replaces the table by one with these columns, filled from the frames written to the loader;
    /// readers see the old one until `finish`.
    fn load(&self, relation: &Relation, columns: &[Column]) -> Result<Box<dyn Loader>, Failure>;
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
