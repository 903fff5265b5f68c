//! Putting a table or view in the place of what was there, in one step.
//!
//! Never: a moment without the relation; everything runs in one transaction.
//!
//! The old table is dropped and the new one renamed, unless the schema has views or triggers:
//! `ALTER TABLE … RENAME` reads all of them anew and fails at one that names the table just
//! dropped. Then the rows are copied into a table made under the final name.

use cofferdam_sdk::{Column, Failure, RelationKind, Session};

use crate::{
    catalog::{self, Declared},
    names::{Place, inner, quote},
    types,
};

/// Does something in a transaction: all of it, or nothing.
pub(crate) fn in_transaction<T>(
    session: &dyn Session,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    session.begin()?;
    let done = work().and_then(|done| session.commit().map(|()| done));
    if done.is_err() {
        // The first failure says why. Where SQLite has rolled back by itself, this one fails.
        let _ = session.rollback();
    }
    done
}

/// Puts the rows of a select in the place of the relation; gives their number.
pub(crate) fn table_as(session: &dyn Session, place: &Place, select: &str) -> Result<u64, Failure> {
    let select = inner(select);
    in_transaction(session, || {
        if catalog::find(session, place)?.is_none() {
            return make(session, place, &select);
        }
        // The select may read what it replaces, so its rows wait beside it.
        let stage = place.stage();
        let rows = make(session, &stage, &select)?;
        put(session, &stage, place)?;
        Ok(rows)
    })
}

/// Makes a table of the rows of a select; gives their number.
fn make(session: &dyn Session, place: &Place, select: &str) -> Result<u64, Failure> {
    let known = catalog::columns_of(session, select)?;
    let quoted = place.quoted();
    if !known.iter().any(|column| types::is_more_than_affinity(&column.data_type)) {
        session.execute(&format!("CREATE TABLE {quoted} AS {select}"), &[])?;
        return catalog::number(session, &format!("SELECT count(*) FROM {quoted}"), &[]);
    }
    // SQLite declares a column of a select by its affinity alone: a DATE becomes NUM. Its own
    // choice is taken from an empty table, and what the host knows of the column stands before it.
    session.execute(&format!("CREATE TABLE {quoted} AS SELECT * FROM ({select}) LIMIT 0"), &[])?;
    let mut columns = catalog::declared(session, place)?;
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

/// Makes an empty table.
pub(crate) fn create(session: &dyn Session, place: &Place, columns: &[Declared]) -> Result<(), Failure> {
    let columns = columns.iter().map(Declared::definition).collect::<Vec<_>>().join(", ");
    session.execute(&format!("CREATE TABLE {} ({columns})", place.quoted()), &[]).map(drop)
}

/// Puts a table that waits beside it in the place of a relation. Inside a transaction.
pub(crate) fn put(session: &dyn Session, stage: &Place, place: &Place) -> Result<(), Failure> {
    drop_any(session, place)?;
    let read_anew = format!(
        "SELECT count(*) FROM {}.sqlite_schema WHERE type IN ('view', 'trigger')",
        quote(&place.schema)
    );
    if catalog::number(session, &read_anew, &[])? == 0 {
        let rename = format!("ALTER TABLE {} RENAME TO {}", stage.quoted(), quote(&place.name));
        return session.execute(&rename, &[]).map(drop);
    }
    create(session, place, &catalog::declared(session, stage)?)?;
    session.execute(&format!("INSERT INTO {} SELECT * FROM {}", place.quoted(), stage.quoted()), &[])?;
    session.execute(&format!("DROP TABLE {}", stage.quoted()), &[]).map(drop)
}

/// Drops a table or view, if there is one.
pub(crate) fn drop_any(session: &dyn Session, place: &Place) -> Result<(), Failure> {
    let kind = match catalog::find(session, place)?.map(|info| info.kind) {
        None => return Ok(()),
        Some(RelationKind::Table) => "TABLE",
        Some(RelationKind::View) => "VIEW",
    };
    session.execute(&format!("DROP {kind} {}", place.quoted()), &[]).map(drop)
}

/// Puts an empty table in the place of the relation.
pub(crate) fn empty_table(session: &dyn Session, place: &Place, columns: &[Column]) -> Result<(), Failure> {
    in_transaction(session, || {
        drop_any(session, place)?;
        create(session, place, &definitions(columns))
    })
}

/// How a table declares these columns.
pub(crate) fn definitions(columns: &[Column]) -> Vec<Declared> {
    let declared = columns.iter().map(|column| Declared {
        name: column.name.clone(),
        declared: types::declared(&column.data_type),
        nullable: column.nullable,
    });
    declared.collect()
}

/// Puts a view in the place of the relation. A select that cannot be run is refused now, not when
/// somebody reads the view.
pub(crate) fn view(session: &dyn Session, place: &Place, select: &str) -> Result<(), Failure> {
    in_transaction(session, || {
        drop_any(session, place)?;
        session.execute(&format!("CREATE VIEW {} AS {}", place.quoted(), inner(select)), &[])?;
        session.query(&format!("SELECT * FROM {} LIMIT 0", place.quoted()), &[]).map(drop)
    })
}

/// Renames a table or view inside its schema.
pub(crate) fn rename(session: &dyn Session, place: &Place, name: &str) -> Result<(), Failure> {
    let there = catalog::find(session, place)?;
    let there = there.ok_or_else(|| {
        Failure::invalid(crate::codes::NO_RELATION, format!("there is no table or view {place}"))
    })?;
    match there.kind {
        RelationKind::Table => {
            let rename = format!("ALTER TABLE {} RENAME TO {}", place.quoted(), quote(name));
            session.execute(&rename, &[]).map(drop)
        }
        RelationKind::View => rename_view(session, place, name),
    }
}

/// SQLite has no way to rename a view, so it is made anew from the text the catalog keeps.
fn rename_view(session: &dyn Session, place: &Place, name: &str) -> Result<(), Failure> {
    let statement = format!(
        "SELECT sql FROM {}.sqlite_schema WHERE type = 'view' AND name = ? COLLATE NOCASE",
        quote(&place.schema)
    );
    let table = cofferdam_sdk::read_all(session.query(&statement, &[place.name.as_str().into()])?)?;
    let body = match table.scalar() {
        Some(cofferdam_sdk::Value::Text(sql)) => behind_view_name(sql),
        _ => None,
    };
    let body = body.ok_or_else(|| {
        Failure::invalid(
            crate::codes::NAME,
            format!("the text of the view {place} is not one that can be renamed"),
        )
    })?;
    in_transaction(session, || {
        session.execute(&format!("DROP VIEW {}", place.quoted()), &[])?;
        session.execute(&format!("CREATE VIEW {}{body}", place.beside(name).quoted()), &[]).map(drop)
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
