//! Putting a table or view in the place of what was there, in one step.
//!
//! Never: a moment without the relation; everything runs in one transaction.
//!
//! The old table is dropped and the new one renamed, unless the schema has views or triggers:
//! `ALTER TABLE … RENAME` reads all of them anew and fails at one that names the table just
//! dropped. Then the rows are copied into a table made under the final name.

use cofferdam_sdk::{
    Failure, RelationKind, Session, Value,
    adapter::{self, Place, columns_of, create, in_transaction, number},
    read_all,
};

use crate::{
    catalog,
    engine::SqliteEngine,
    names::{NAMING, quote},
    types,
};

/// Drops a table or view, if there is one.
pub(crate) fn drop_any(session: &dyn Session, place: &Place) -> Result<(), Failure> {
    adapter::drop_any(&SqliteEngine, session, place)
}

/// Makes a table of the rows of a select; gives their number.
pub(crate) fn make(session: &dyn Session, place: &Place, select: &str) -> Result<u64, Failure> {
    let known = columns_of(&NAMING, session, select)?;
    let quoted = place.quoted();
    if !known.iter().any(|column| types::is_more_than_affinity(&column.data_type)) {
        session.execute(&format!("CREATE TABLE {quoted} AS {select}"), &[])?;
        return number(session, &format!("SELECT count(*) FROM {quoted}"), &[]);
    }
    // SQLite declares a column of a select by its affinity alone: a DATE becomes NUM. Its own
    // choice is taken from an empty table, and what the host knows of the column stands before it.
    session.execute(&format!("CREATE TABLE {quoted} AS SELECT * FROM ({select}) LIMIT 0"), &[])?;
    let mut columns = catalog::columns(session, place, false)?;
    session.execute(&format!("DROP TABLE {quoted}"), &[])?;
    for (column, known) in columns.iter_mut().zip(&known) {
        let better = types::declared(&known.data_type);
        let affine = types::Affinity::of(&better) == types::Affinity::of(&column.declared);
        if affine && types::is_more_than_affinity(&known.data_type) {
            column.declared = better;
        }
    }
    create(session, place, &columns)?;
    session.execute(&format!("INSERT INTO {quoted} SELECT * FROM ({select})"), &[])
}

/// Puts a table that waits beside it in the place of a relation. Inside a transaction.
pub(crate) fn put(session: &dyn Session, stage: &Place, place: &Place) -> Result<(), Failure> {
    drop_any(session, place)?;
    let read_anew = format!(
        "SELECT count(*) FROM {}.sqlite_schema WHERE type IN ('view', 'trigger')",
        quote(&place.schema)
    );
    if number(session, &read_anew, &[])? == 0 {
        let rename = format!("ALTER TABLE {} RENAME TO {}", stage.quoted(), quote(&place.name));
        return session.execute(&rename, &[]).map(drop);
    }
    create(session, place, &catalog::columns(session, stage, false)?)?;
    session.execute(&format!("INSERT INTO {} SELECT * FROM {}", place.quoted(), stage.quoted()), &[])?;
    session.execute(&format!("DROP TABLE {}", stage.quoted()), &[]).map(drop)
}

/// Puts a view in the place of the relation. A select that cannot be run is refused now, not when
/// somebody reads the view.
pub(crate) fn view(session: &dyn Session, place: &Place, select: &str) -> Result<(), Failure> {
    in_transaction(session, || {
        drop_any(session, place)?;
        session.execute(&format!("CREATE VIEW {} AS {select}", place.quoted()), &[])?;
        session.query(&format!("SELECT * FROM {} LIMIT 0", place.quoted()), &[]).map(drop)
    })
}

/// Renames a table or view inside its schema.
pub(crate) fn rename(
    session: &dyn Session,
    place: &Place,
    to: &Place,
    kind: RelationKind,
) -> Result<(), Failure> {
    match kind {
        RelationKind::Table => {
            let rename = format!("ALTER TABLE {} RENAME TO {}", place.quoted(), quote(&to.name));
            session.execute(&rename, &[]).map(drop)
        }
        RelationKind::View => rename_view(session, place, to),
    }
}

/// SQLite has no way to rename a view, so it is made anew from the text the catalog keeps.
fn rename_view(session: &dyn Session, place: &Place, to: &Place) -> Result<(), Failure> {
    let statement = format!(
        "SELECT sql FROM {}.sqlite_schema WHERE type = 'view' AND name = ? COLLATE NOCASE",
        quote(&place.schema)
    );
    let table = read_all(session.query(&statement, &[place.name.as_str().into()])?)?;
    let body = match table.scalar() {
        Some(Value::Text(sql)) => behind_view_name(sql),
        _ => None,
    };
    let body = body.ok_or_else(|| {
        Failure::invalid(
            adapter::NAME,
            format!("the text of the view {place} is not one that can be renamed"),
        )
    })?;
    in_transaction(session, || {
        session.execute(&format!("DROP VIEW {}", place.quoted()), &[])?;
        session.execute(&format!("CREATE VIEW {}{body}", to.quoted()), &[]).map(drop)
    })
}

/// What stands behind the name in `CREATE VIEW name …`, as SQLite's catalog keeps it: without a
/// schema before the name, whatever the statement had.
fn behind_view_name(sql: &str) -> Option<&str> {
    let rest = sql.strip_prefix("CREATE VIEW ")?.trim_start();
    let first = rest.chars().next()?;
    let close = match first {
        '"' | '`' | '\'' => first,
        '[' => ']',
        _ => {
            let end = rest.find(|c: char| c.is_whitespace() || c == '(')?;
            return Some(&rest[end..]);
        }
    };
    let mut from = 1;
    loop {
        let end = from + rest[from..].find(close)? + 1;
        // A mark written twice stands for itself.
        if close == ']' || !rest[end..].starts_with(close) {
            return Some(&rest[end..]);
        }
        from = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::behind_view_name;

    #[test]
    fn the_body_of_a_view_begins_behind_its_name() {
        for (sql, body) in [
            ("CREATE VIEW orders AS select 1", Some(" AS select 1")),
            ("CREATE VIEW \"my \"\"own\"\"\" AS select 1", Some(" AS select 1")),
            ("CREATE VIEW [a b](x) AS select 1", Some("(x) AS select 1")),
            ("CREATE VIEW v(x) AS select 1", Some("(x) AS select 1")),
            ("CREATE VIEW \"open", None),
            ("CREATE TABLE orders(x)", None),
        ] {
            assert_eq!(behind_view_name(sql), body, "{sql}");
        }
    }
}
