//! Bringing rows into a table that stays: append, delete-insert, merge, a range replaced.
//!
//! Columns are matched by name; those the select does not give take their default. Values pass
//! through a stage that has the target's types, so a key compares as it would in the target.
//! NULL equals nothing, NULL in a key included: such rows replace none and are added. Rows of the
//! same key come in twice under append and delete-insert; a merge refuses them.

use super::{
    Declared, Engine, KEY, Naming, Place, RANGE,
    columns::{keys, matched},
    create, inner, number,
    once::{append_step, once},
    staged::{End, staged},
};
use crate::{Failure, MergeStrategy, Session, ValueRange};

/// Brings the rows of a select into a table; gives their number.
pub(super) fn insert(
    engine: &dyn Engine,
    session: &dyn Session,
    place: &Place,
    select: &str,
    strategy: &MergeStrategy,
) -> Result<u64, Failure> {
    let select = inner(select);
    let naming = engine.naming();
    let columns = matched(engine, session, place, &select)?;
    match strategy {
        MergeStrategy::Append => {
            let fill = fill(naming, place, &columns, &format!("({select})"));
            // Where an earlier attempt brought them in, the rows are there all the same.
            once(session, &append_step(place), || session.execute(&fill, &[])).map(|(rows, _)| rows)
        }
        MergeStrategy::DeleteInsert(key) => {
            let key = naming.list(keys(&columns, place, key)?);
            through_stage(engine, session, place, &select, &columns, |stage| {
                let (into, from) = (place.quoted(), stage.quoted());
                let delete = format!("DELETE FROM {into} WHERE ({key}) IN (SELECT {key} FROM {from})");
                session.execute(&delete, &[])?;
                session.execute(&fill(naming, place, &columns, &from), &[]).map(drop)
            })
        }
        MergeStrategy::Merge(key) => {
            let key = keys(&columns, place, key)?;
            through_stage(engine, session, place, &select, &columns, |stage| {
                merge(engine, session, place, stage, &columns, &key)
            })
        }
    }
}

/// Puts the rows of a select in the place of those in the range; gives the number of new ones.
pub(super) fn replace_range(
    engine: &dyn Engine,
    session: &dyn Session,
    place: &Place,
    select: &str,
    within: &ValueRange,
) -> Result<u64, Failure> {
    let select = inner(select);
    let naming = engine.naming();
    let columns = matched(engine, session, place, &select)?;
    let column = naming.quote(keys(&columns, place, std::slice::from_ref(&within.column))?[0]);
    let ends = [within.start.clone(), within.end.clone()];
    through_stage(engine, session, place, &select, &columns, |stage| {
        let outside = format!(
            "SELECT count(*) FROM {} WHERE {column} IS NULL OR {column} < ? OR {column} >= ?",
            stage.quoted()
        );
        let outside = number(session, &outside, &ends)?;
        if outside > 0 {
            return Err(Failure::invalid(
                RANGE,
                format!(
                    "{outside} of the new rows of {place} lie outside the range of `{}` they are to replace; \
                     filter the select by the same range",
                    within.column
                ),
            ));
        }
        let delete = format!("DELETE FROM {} WHERE {column} >= ? AND {column} < ?", place.quoted());
        session.execute(&delete, &ends)?;
        session.execute(&fill(naming, place, &columns, &stage.quoted()), &[]).map(drop)
    })
}

/// The statement that adds the rows of `from` to a table.
fn fill(naming: &Naming, place: &Place, columns: &[Declared], from: &str) -> String {
    let names = naming.list(columns.iter().map(|column| column.name.as_str()));
    let new = naming.quote("new");
    format!("INSERT INTO {} ({names}) SELECT {names} FROM {from} AS {new}", place.quoted())
}

/// Puts the rows of a select into a table beside the target and works with it. Gives their number.
fn through_stage(
    engine: &dyn Engine,
    session: &dyn Session,
    place: &Place,
    select: &str,
    columns: &[Declared],
    work: impl FnOnce(&Place) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let alike: Vec<_> = columns
        .iter()
        .map(|column| Declared {
            declared: engine.stage_type(&column.declared),
            nullable: true,
            ..column.clone()
        })
        .collect();
    staged(
        engine,
        session,
        place,
        |stage| create(session, stage, &alike),
        |stage| {
            let fill = fill(engine.naming(), stage, columns, &format!("({select})"));
            let rows = session.execute(&fill, &[])?;
            work(stage)?;
            Ok((rows, End::Drop))
        },
    )
}

/// `"old"` and `"new"` have the same key.
pub(super) fn same_key(naming: &Naming, key: &[&str]) -> String {
    let same = key.iter().map(|name| format!("{} = {}", naming.of("old", name), naming.of("new", name)));
    same.collect::<Vec<_>>().join(" AND ")
}

/// `Invalid` where a key without NULL stands in more than one row of a stage.
pub(super) fn refuse_twice(
    session: &dyn Session,
    place: &Place,
    stage: &Place,
    key: &[&str],
) -> Result<(), Failure> {
    let naming = place.naming();
    let whole = key.iter().map(|name| format!("{} IS NOT NULL", naming.quote(name)));
    let twice = format!(
        "SELECT count(*) FROM (SELECT 1 AS {one} FROM {} WHERE {} GROUP BY {} HAVING count(*) > 1) AS {}",
        stage.quoted(),
        whole.collect::<Vec<_>>().join(" AND "),
        naming.list(key.iter().copied()),
        naming.quote("twice"),
        one = naming.quote("one"),
    );
    match number(session, &twice, &[])? {
        0 => Ok(()),
        twice => Err(Failure::invalid(
            KEY,
            format!(
                "{twice} values of the key ({}) stand in more than one of the new rows of {place}; \
                 make the select give each once",
                key.join(", ")
            ),
        )),
    }
}

/// Adds the rows of a stage that go with none of the target; `and` says more of those.
pub(super) fn add_missing(
    naming: &Naming,
    place: &Place,
    stage: &Place,
    columns: &[Declared],
    key: &[&str],
    and: &str,
) -> String {
    let new: Vec<_> = columns.iter().map(|column| naming.of("new", &column.name)).collect();
    let into = place.quoted();
    format!(
        "INSERT INTO {into} ({}) SELECT {} FROM {} AS {} LEFT JOIN {into} AS {} ON {}{and} WHERE {} IS NULL",
        naming.list(columns.iter().map(|column| column.name.as_str())),
        new.join(", "),
        stage.quoted(),
        naming.quote("new"),
        naming.quote("old"),
        same_key(naming, key),
        naming.of("old", key[0]),
    )
}

fn merge(
    engine: &dyn Engine,
    session: &dyn Session,
    place: &Place,
    stage: &Place,
    columns: &[Declared],
    key: &[&str],
) -> Result<(), Failure> {
    let naming = engine.naming();
    refuse_twice(session, place, stage, key)?;
    let set: Vec<_> = columns
        .iter()
        .filter(|column| !key.contains(&column.name.as_str()))
        .map(|column| (column.name.clone(), naming.of("new", &column.name)))
        .collect();
    if !set.is_empty() {
        let update = engine.update_from(&place.quoted(), &stage.quoted(), &set, &same_key(naming, key));
        session.execute(&update, &[])?;
    }
    session.execute(&add_missing(naming, place, stage, columns, key, ""), &[]).map(drop)
}
