//! What the database has: schemas, relations, columns.
//!
//! Names are compared without regard to ASCII case, as SQLite does.

use cofferdam_sdk::{Column, Failure, Relation, RelationInfo, RelationKind, Session, Value, read_all};

use crate::{
    codes,
    names::{Place, quote},
    types,
};

/// A column as its table declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) declared: String,
    pub(crate) nullable: bool,
}

impl Declared {
    /// As `CREATE TABLE` writes it.
    pub(crate) fn definition(&self) -> String {
        let null = if self.nullable { "" } else { " NOT NULL" };
        let space = if self.declared.is_empty() { "" } else { " " };
        format!("{}{space}{}{null}", quote(&self.name), self.declared)
    }
}

/// `Invalid` unless the gateway declares the schema.
pub(crate) fn check_schema(session: &dyn Session, schema: &str) -> Result<(), Failure> {
    let found = number(
        session,
        "SELECT count(*) FROM pragma_database_list WHERE name = ? COLLATE NOCASE AND name <> 'temp'",
        &[schema.into()],
    )?;
    if found > 0 {
        return Ok(());
    }
    Err(Failure::invalid(
        codes::NO_SCHEMA,
        format!("the gateway declares no schema `{schema}`; the operator adds it to the gateway's `schemas`"),
    ))
}

/// The tables and views of a schema, by name, without SQLite's own.
pub(crate) fn list(session: &dyn Session, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
    let statement = format!(
        "SELECT name, type FROM {}.sqlite_schema \
         WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        quote(schema)
    );
    let table = read_all(session.query(&statement, &[])?)?;
    Ok(table.rows.iter().filter_map(|row| info(schema, row)).collect())
}

/// One table or view.
pub(crate) fn find(session: &dyn Session, place: &Place) -> Result<Option<RelationInfo>, Failure> {
    let statement = format!(
        "SELECT name, type FROM {}.sqlite_schema WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE",
        quote(&place.schema)
    );
    let table = read_all(session.query(&statement, &[place.name.as_str().into()])?)?;
    Ok(table.rows.first().and_then(|row| info(&place.schema, row)))
}

fn info(schema: &str, row: &[Value]) -> Option<RelationInfo> {
    let [Value::Text(name), Value::Text(kind)] = row else { return None };
    let kind = if kind == "view" { RelationKind::View } else { RelationKind::Table };
    Some(RelationInfo { relation: Relation::new(schema, name.clone()), kind })
}

/// The columns of a relation that can be written, in their order. `Invalid` where there is none.
pub(crate) fn declared(session: &dyn Session, place: &Place) -> Result<Vec<Declared>, Failure> {
    columns(session, place, false)
}

/// The columns of a relation, generated ones among them. `Invalid` where there is none.
pub(crate) fn describe(session: &dyn Session, place: &Place) -> Result<Vec<Column>, Failure> {
    let columns = columns(session, place, true)?;
    let turned = columns.into_iter().map(|column| Column {
        data_type: types::data_type(&column.declared),
        name: column.name,
        nullable: column.nullable,
    });
    Ok(turned.collect())
}

fn columns(session: &dyn Session, place: &Place, generated: bool) -> Result<Vec<Declared>, Failure> {
    // 1: hidden column of a virtual table; 2 and 3: generated columns.
    let kept = if generated { "(0, 2, 3)" } else { "(0)" };
    let statement = format!(
        "SELECT name, type, \"notnull\" FROM pragma_table_xinfo(?, ?) WHERE hidden IN {kept} ORDER BY cid"
    );
    let values = [place.name.as_str().into(), place.schema.as_str().into()];
    let table = read_all(session.query(&statement, &values)?)?;
    let columns: Vec<_> = table
        .rows
        .iter()
        .filter_map(|row| {
            let [Value::Text(name), declared, not_null] = row.as_slice() else { return None };
            let declared =
                if let Value::Text(declared) = declared { declared.clone() } else { String::new() };
            Some(Declared { name: name.clone(), declared, nullable: whole(not_null) == Some(0) })
        })
        .collect();
    if columns.is_empty() {
        return Err(Failure::invalid(codes::NO_RELATION, format!("there is no table or view {place}")));
    }
    Ok(columns)
}

/// The names of the columns a select gives, with the types the host knows.
pub(crate) fn columns_of(session: &dyn Session, select: &str) -> Result<Vec<Column>, Failure> {
    let statement = format!("SELECT * FROM ({select}) LIMIT 0");
    Ok(session.query(&statement, &[])?.columns().to_vec())
}

/// The only number of a query.
pub(crate) fn number(session: &dyn Session, statement: &str, values: &[Value]) -> Result<u64, Failure> {
    let table = read_all(session.query(statement, values)?)?;
    Ok(table.scalar().and_then(whole).and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

/// A whole number. A computed column has no declared type, so a host may hand it over as text.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int64(number) => Some(*number),
        Value::Boolean(truth) => Some((*truth).into()),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
