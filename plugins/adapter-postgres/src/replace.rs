//! Putting a table or view in the place of what was there, in one step.
//!
//! Never: a moment without the relation: `put` runs inside the caller's transaction, and a reader
//! that waits for the old table's lock finds the new one by its name.
//!
//! A view is bound to the table it reads, not to that table's name. So a table that views read
//! stays, and its rows are replaced; where its columns change in a way that breaks a view, that is
//! refused. `CASCADE` would drop the views, and nobody asked for that.

use cofferdam_sdk::{
    Failure, RelationKind, Session,
    adapter::{Place, drop_any, in_transaction},
};

use crate::{
    catalog, codes,
    engine::{NAMING, PostgresEngine},
};

/// Puts a table that waits beside it in the place of a relation. Inside a transaction.
pub(crate) fn put(session: &dyn Session, stage: &Place, place: &Place) -> Result<(), Failure> {
    let is_table = catalog::find(session, place)?.is_some_and(|info| info.kind == RelationKind::Table);
    if is_table {
        let views = catalog::readers(session, place)?;
        if !views.is_empty() {
            return refill(session, stage, place, &views);
        }
    }
    drop_any(&PostgresEngine, session, place)?;
    let rename = format!("ALTER TABLE {} RENAME TO {}", stage.quoted(), NAMING.quote(&place.name));
    session.execute(&rename, &[]).map(drop)
}

/// Replaces the rows of a table that stays, and adds the columns it has not yet.
fn refill(session: &dyn Session, stage: &Place, place: &Place, views: &[String]) -> Result<(), Failure> {
    let (old, new) = (catalog::columns(session, place, true)?, catalog::columns(session, stage, true)?);
    for column in &old {
        let same = new.iter().any(|other| other.name == column.name && other.declared == column.declared);
        if !same {
            return Err(Failure::invalid(
                codes::READ_BY_VIEWS,
                format!(
                    "{place} is read by {} and would lose its column `{}` ({}); drop those views first, or keep \
                     the column",
                    views.join(", "),
                    column.name,
                    column.declared
                ),
            ));
        }
    }
    for column in new.iter().filter(|column| !old.iter().any(|known| known.name == column.name)) {
        let add = format!(
            "ALTER TABLE {} ADD COLUMN {} {}",
            place.quoted(),
            NAMING.quote(&column.name),
            column.declared
        );
        session.execute(&add, &[])?;
    }
    // `DELETE`, not `TRUNCATE`: who reads with an older snapshot still sees the old rows.
    session.execute(&format!("DELETE FROM {}", place.quoted()), &[])?;
    let names = NAMING.list(new.iter().map(|column| column.name.as_str()));
    let fill = format!("INSERT INTO {} ({names}) SELECT {names} FROM {}", place.quoted(), stage.quoted());
    session.execute(&fill, &[])?;
    session.execute(&format!("DROP TABLE {}", stage.quoted()), &[]).map(drop)
}

/// Puts a view in the place of the relation. Where one is there already, it is changed as long as
/// its columns allow it, so that what reads it and who may read it stays.
pub(crate) fn view(session: &dyn Session, place: &Place, select: &str) -> Result<(), Failure> {
    let create = format!("CREATE OR REPLACE VIEW {} AS {select}", place.quoted());
    let there = catalog::find(session, place)?.map(|info| info.kind);
    if session.joins() {
        // A statement that fails ends the task's transaction: what may fail is not tried first.
        if there == Some(RelationKind::View) && !catalog::readers(session, place)?.is_empty() {
            return session.execute(&create, &[]).map(drop);
        }
    } else if there != Some(RelationKind::Table) {
        match session.execute(&create, &[]) {
            // The columns may not go together; a view made anew says whether it was the select.
            Err(Failure::Invalid(_)) => {}
            done => return done.map(drop),
        }
    }
    in_transaction(session, || {
        drop_any(&PostgresEngine, session, place)?;
        session.execute(&create, &[]).map(drop)
    })
}
