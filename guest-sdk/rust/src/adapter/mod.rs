//! What adapters of SQL warehouses have in common: names, stages, and the steps of every change
//! that must happen as a whole.
//!
//! In: an [`Engine`], which says how one warehouse differs, and a session of the host.
//! Out: a [`SqlConnection`], which does all the contract asks for.
//! Never: leaves half of a change. What is staged carries the target's name with `__cofferdam_`
//! behind it, in the target's schema; what a crash left of it is dropped by the next change.
//! Fails: with the host's failures as they are, and with CD0971 to CD0975, CD0978 and CD0979 for what a
//! task asked for wrongly, whatever the warehouse.
//! Source: `wit/warehouse/warehouse.wit`; `docs/guides/write-an-adapter.md`.

mod columns;
mod connection;
mod insert;
mod joined;
mod load;
mod once;
mod place;
mod snapshot;
mod staged;

use crate::{Column, DataType, Failure, Relation, RelationInfo, RelationKind, Session, Value, read_all};

pub use columns::{Declared, decimal};
pub use connection::SqlConnection;
pub use once::forget_appends;
pub use place::{Naming, Place};
pub use staged::in_transaction;

use place::inner;

/// There is no relation of this name.
pub const NO_RELATION: &str = "CD0971";
/// The columns of a select and of its table do not go together.
pub const COLUMNS: &str = "CD0972";
/// A key names no row, or more than one.
pub const KEY: &str = "CD0973";
/// Rows lie outside the range they are to replace.
pub const RANGE: &str = "CD0974";
/// A name is one the warehouse cannot have.
pub const NAME: &str = "CD0975";
/// The history of a snapshot cannot be kept as asked.
pub const HISTORY: &str = "CD0978";
/// A transaction is begun or ended out of turn.
pub const TURN: &str = "CD0979";

/// How one warehouse differs from the next. What has a body here is how most of them do it.
pub trait Engine {
    /// How it writes names.
    fn naming(&self) -> &'static Naming;

    /// Whether tables can be made and renamed inside a transaction.
    fn transactional_ddl(&self) -> bool {
        true
    }

    /// A type as a table declares it.
    fn type_name(&self, data_type: &DataType) -> String;

    /// The contract's type for a type as a table declares it.
    fn data_type(&self, declared: &str) -> DataType;

    /// The type of the moments in a history whose select has no column for them.
    fn moment_type(&self) -> String {
        self.type_name(&DataType::TimestampUtc)
    }

    /// Makes sure a schema is there.
    fn ensure_schema(&self, session: &dyn Session, schema: &str) -> Result<(), Failure>;

    /// The tables and views of a schema, by name.
    fn list(&self, session: &dyn Session, schema: &str) -> Result<Vec<RelationInfo>, Failure>;

    /// One table or view.
    fn find(&self, session: &dyn Session, place: &Place) -> Result<Option<RelationInfo>, Failure>;

    /// The columns of a relation, in their order; those the warehouse computes only where they are
    /// asked for. `Invalid` where there is no such relation.
    fn columns(&self, session: &dyn Session, place: &Place, computed: bool)
    -> Result<Vec<Declared>, Failure>;

    /// Makes a table of the rows of a select; gives their number.
    fn make(&self, session: &dyn Session, place: &Place, select: &str) -> Result<u64, Failure> {
        let rows = session.execute(&format!("CREATE TABLE {} AS {select}", place.quoted()), &[])?;
        // 0 may also mean that the warehouse does not say.
        if rows > 0 { Ok(rows) } else { count(session, place) }
    }

    /// Puts a table that waits beside it in the place of a relation, in one step for readers.
    /// Inside the open transaction where the engine has [`Engine::transactional_ddl`].
    fn put(&self, session: &dyn Session, stage: &Place, place: &Place) -> Result<(), Failure>;

    /// Puts a view in the place of a relation, in one step for readers.
    fn view(&self, session: &dyn Session, place: &Place, select: &str) -> Result<(), Failure>;

    /// Renames a relation that is there.
    fn rename(
        &self,
        session: &dyn Session,
        place: &Place,
        to: &Place,
        kind: RelationKind,
    ) -> Result<(), Failure>;

    /// What a stage declares for a column, so that values compare in it as in the target.
    fn stage_type(&self, declared: &str) -> String {
        declared.to_owned()
    }

    /// What a table of these columns declares.
    fn declare(&self, columns: &[Column]) -> Vec<Declared> {
        let declared = columns.iter().map(|column| Declared {
            name: column.name.clone(),
            declared: self.type_name(&column.data_type),
            nullable: column.nullable,
        });
        declared.collect()
    }

    /// An update of the table `"old"` from the rows `"new"` that go with it.
    fn update_from(&self, old: &str, new: &str, set: &[(String, String)], on: &str) -> String {
        let q = |name: &str| self.naming().quote(name);
        let set = set.iter().map(|(column, value)| format!("{} = {value}", q(column)));
        let set = set.collect::<Vec<_>>().join(", ");
        format!("UPDATE {old} AS {} SET {set} FROM {new} AS {} WHERE {on}", q("old"), q("new"))
    }

    /// Whether two expressions differ, NULL being equal to NULL.
    fn differ(&self, one: &str, other: &str) -> String {
        format!("{one} IS DISTINCT FROM {other}")
    }

    /// One text that tells rows with other values of these expressions apart.
    fn joined(&self, parts: &[String]) -> String {
        let parts = parts.iter().map(|part| format!("coalesce(CAST({part} AS TEXT), '')"));
        parts.collect::<Vec<_>>().join(" || '|' || ")
    }

    /// A moment in UTC, `YYYY-MM-DD HH:MM:SS.ffffff`, as text for a column; `zoned` where the
    /// column keeps a moment.
    fn moment(&self, text: &str, zoned: bool) -> String {
        if zoned { format!("{text}Z") } else { text.to_owned() }
    }
}

/// The only number of a query, 0 where it has none.
pub fn number(session: &dyn Session, statement: &str, values: &[Value]) -> Result<u64, Failure> {
    let table = read_all(session.query(statement, values)?)?;
    Ok(table.scalar().and_then(whole).and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

/// A whole number, as a cell or as text: a computed column may have no type of its own.
pub fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int64(number) => Some(*number),
        Value::Boolean(truth) => Some((*truth).into()),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// The rows of a relation.
fn count(session: &dyn Session, place: &Place) -> Result<u64, Failure> {
    number(session, &format!("SELECT count(*) FROM {}", place.quoted()), &[])
}

/// The names of the columns a select gives, with the types the host knows.
pub fn columns_of(naming: &Naming, session: &dyn Session, select: &str) -> Result<Vec<Column>, Failure> {
    let statement = format!("SELECT * FROM ({select}) AS {} LIMIT 0", naming.quote("new"));
    Ok(session.query(&statement, &[])?.columns().to_vec())
}

/// Makes an empty table.
pub fn create(session: &dyn Session, place: &Place, columns: &[Declared]) -> Result<(), Failure> {
    let columns = columns.iter().map(|column| column.definition(place.naming()));
    let columns = columns.collect::<Vec<_>>().join(", ");
    session.execute(&format!("CREATE TABLE {} ({columns})", place.quoted()), &[]).map(drop)
}

/// Drops a table or view, if there is one.
pub fn drop_any(engine: &dyn Engine, session: &dyn Session, place: &Place) -> Result<(), Failure> {
    let kind = match engine.find(session, place)?.map(|info| info.kind) {
        None => return Ok(()),
        Some(RelationKind::Table) => "TABLE",
        Some(RelationKind::View) => "VIEW",
    };
    session.execute(&format!("DROP {kind} {}", place.quoted()), &[]).map(drop)
}

/// The failure for a relation that is not there.
pub fn no_relation(place: &Place) -> Failure {
    Failure::invalid(NO_RELATION, format!("there is no table or view {place}"))
}

/// A relation of a catalog, as the contract has it.
pub fn info(schema: &str, name: &str, view: bool) -> RelationInfo {
    let kind = if view { RelationKind::View } else { RelationKind::Table };
    RelationInfo { relation: Relation::new(schema, name), kind }
}

/// The text in a cell of a catalog, empty for NULL and anything else.
pub fn text(value: Option<&Value>) -> &str {
    match value {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}
