//! What the database has: schemas, relations, columns.
//!
//! Names are compared without regard to ASCII case, as SQLite does.

use cofferdam_sdk::{
    Failure, RelationInfo, Session, Value,
    adapter::{self, Declared, Place, number, whole},
    read_all,
};

use crate::{codes, names::quote};

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
    Some(adapter::info(schema, name, kind == "view"))
}

/// The columns of a relation, in their order. `Invalid` where there is none.
pub(crate) fn columns(
    session: &dyn Session,
    place: &Place,
    computed: bool,
) -> Result<Vec<Declared>, Failure> {
    // 1: hidden column of a virtual table; 2 and 3: generated columns.
    let kept = if computed { "(0, 2, 3)" } else { "(0)" };
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
        return Err(adapter::no_relation(place));
    }
    Ok(columns)
}
