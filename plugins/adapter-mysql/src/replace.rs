//! Putting a table or view in the place of what was there, in one step: one `RENAME TABLE`, which
//! is atomic, for tables and views alike.

use cofferdam_sdk::{
    Failure, RelationKind, Session,
    adapter::{Place, drop_any},
};

use crate::{catalog, engine::MysqlEngine};

/// Puts a table or view that waits beside it in the place of a relation.
pub(crate) fn put(session: &dyn Session, stage: &Place, place: &Place) -> Result<(), Failure> {
    let into_place = format!("{} TO {}", stage.quoted(), place.quoted());
    if catalog::find(session, place)?.is_none() {
        return session.execute(&format!("RENAME TABLE {into_place}"), &[]).map(drop);
    }
    let leaving = place.leaving();
    drop_any(&MysqlEngine, session, &leaving)?;
    let rename = format!("RENAME TABLE {} TO {}, {into_place}", place.quoted(), leaving.quoted());
    session.execute(&rename, &[])?;
    drop_any(&MysqlEngine, session, &leaving)
}

/// Puts a view in the place of the relation.
pub(crate) fn view(session: &dyn Session, place: &Place, select: &str) -> Result<(), Failure> {
    let create = |at: &Place| format!("CREATE OR REPLACE VIEW {} AS {select}", at.quoted());
    let is_table = catalog::find(session, place)?.is_some_and(|info| info.kind == RelationKind::Table);
    if !is_table {
        return session.execute(&create(place), &[]).map(drop);
    }
    let stage = place.stage();
    drop_any(&MysqlEngine, session, &stage)?;
    session.execute(&create(&stage), &[])?;
    put(session, &stage, place)
}
