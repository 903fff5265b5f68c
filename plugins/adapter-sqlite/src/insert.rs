//! Bringing rows into a table that stays: append, delete-insert, merge, a range replaced.
//!
//! Columns are matched by name; those the select does not give take their default. Values pass
//! through a stage that has the target's affinities, so a key compares as it would in the target.
//! NULL equals nothing, NULL in a key included: such rows replace none and are added. Rows of the
//! same key come in twice under append and delete-insert; a merge refuses them.

use cofferdam_sdk::{Failure, MergeStrategy, Session, ValueRange};

use crate::{
    catalog::{self, Declared},
    codes,
    names::{Place, inner, quote, quote_all},
    replace::{create, in_transaction},
    types::Affinity,
};

/// Brings the rows of a select into a table; gives their number.
pub(crate) fn insert(
    session: &dyn Session,
    place: &Place,
    select: &str,
    strategy: &MergeStrategy,
) -> Result<u64, Failure> {
    let select = inner(select);
    let columns = matched(session, place, &select)?;
    match strategy {
        MergeStrategy::Append => {
            let names = names(&columns);
            let into = place.quoted();
            session.execute(&format!("INSERT INTO {into} ({names}) SELECT {names} FROM ({select})"), &[])
        }
        MergeStrategy::DeleteInsert(key) => {
            let key = keys(&columns, place, key)?;
            staged(session, place, &select, &columns, |stage| {
                let (key, into, from) = (quote_all(key.iter().copied()), place.quoted(), stage.quoted());
                session.execute(
                    &format!("DELETE FROM {into} WHERE ({key}) IN (SELECT {key} FROM {from})"),
                    &[],
                )?;
                add_all(session, place, stage, &columns)
            })
        }
        MergeStrategy::Merge(key) => {
            let key = keys(&columns, place, key)?;
            staged(session, place, &select, &columns, |stage| merge(session, place, stage, &columns, &key))
        }
    }
}

/// Puts the rows of a select in the place of those in the range; gives the number of new ones.
pub(crate) fn replace_range(
    session: &dyn Session,
    place: &Place,
    select: &str,
    within: &ValueRange,
) -> Result<u64, Failure> {
    let select = inner(select);
    let columns = matched(session, place, &select)?;
    let column = quote(keys(&columns, place, std::slice::from_ref(&within.column))?[0]);
    let ends = [within.start.clone(), within.end.clone()];
    staged(session, place, &select, &columns, |stage| {
        let outside = format!(
            "SELECT count(*) FROM {} WHERE {column} IS NULL OR {column} < ? OR {column} >= ?",
            stage.quoted()
        );
        let outside = catalog::number(session, &outside, &ends)?;
        if outside > 0 {
            return Err(Failure::invalid(
                codes::RANGE,
                format!(
                    "{outside} of the new rows of {place} lie outside the range of `{}` they are to replace; \
                     filter the select by the same range",
                    within.column
                ),
            ));
        }
        let delete = format!("DELETE FROM {} WHERE {column} >= ? AND {column} < ?", place.quoted());
        session.execute(&delete, &ends)?;
        add_all(session, place, stage, &columns)
    })
}

/// The columns of the table that the select gives, in the select's order. A column it gives twice
/// comes here under another name (`id:1`), which the table does not have.
fn matched(session: &dyn Session, place: &Place, select: &str) -> Result<Vec<Declared>, Failure> {
    let given = catalog::columns_of(session, select)?;
    let table = catalog::declared(session, place)?;
    let mut matched: Vec<Declared> = Vec::with_capacity(given.len());
    for column in given {
        let known = table.iter().find(|known| known.name.eq_ignore_ascii_case(&column.name));
        let known = known.ok_or_else(|| {
            let known: Vec<_> = table.iter().map(|known| known.name.as_str()).collect();
            Failure::invalid(
                codes::COLUMNS,
                format!(
                    "the select gives `{}`, which {place} does not have; it has {}",
                    column.name,
                    known.join(", ")
                ),
            )
        })?;
        matched.push(known.clone());
    }
    Ok(matched)
}

/// The key as the table spells it. `Invalid` where it is empty or names no column of the select.
fn keys<'a>(columns: &'a [Declared], place: &Place, key: &[String]) -> Result<Vec<&'a str>, Failure> {
    if key.is_empty() {
        return Err(Failure::invalid(codes::KEY, format!("the key of {place} names no column")));
    }
    key.iter()
        .map(|name| {
            let known = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
            known.map(|column| column.name.as_str()).ok_or_else(|| {
                Failure::invalid(
                    codes::KEY,
                    format!("the select for {place} gives no column `{name}` of its key"),
                )
            })
        })
        .collect()
}

fn names(columns: &[Declared]) -> String {
    quote_all(columns.iter().map(|column| column.name.as_str()))
}

/// Puts the rows of a select into a table beside the target, works with it, and drops it; all in
/// one transaction. Gives the number of rows.
fn staged(
    session: &dyn Session,
    place: &Place,
    select: &str,
    columns: &[Declared],
    work: impl FnOnce(&Place) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let stage = place.stage();
    let affine: Vec<_> = columns
        .iter()
        .map(|column| Declared {
            name: column.name.clone(),
            declared: Affinity::of(&column.declared).declared().to_owned(),
            nullable: true,
        })
        .collect();
    in_transaction(session, || {
        create(session, &stage, &affine)?;
        let names = names(columns);
        let fill = format!("INSERT INTO {} ({names}) SELECT {names} FROM ({select})", stage.quoted());
        let rows = session.execute(&fill, &[])?;
        work(&stage)?;
        session.execute(&format!("DROP TABLE {}", stage.quoted()), &[])?;
        Ok(rows)
    })
}

fn add_all(session: &dyn Session, place: &Place, stage: &Place, columns: &[Declared]) -> Result<(), Failure> {
    let names = names(columns);
    let add = format!("INSERT INTO {} ({names}) SELECT {names} FROM {}", place.quoted(), stage.quoted());
    session.execute(&add, &[]).map(drop)
}

fn merge(
    session: &dyn Session,
    place: &Place,
    stage: &Place,
    columns: &[Declared],
    key: &[&str],
) -> Result<(), Failure> {
    let (into, from) = (place.quoted(), stage.quoted());
    let key_list = quote_all(key.iter().copied());
    let whole =
        key.iter().map(|name| format!("{} IS NOT NULL", quote(name))).collect::<Vec<_>>().join(" AND ");
    let twice = format!(
        "SELECT count(*) FROM (SELECT 1 FROM {from} WHERE {whole} GROUP BY {key_list} HAVING count(*) > 1)"
    );
    let twice = catalog::number(session, &twice, &[])?;
    if twice > 0 {
        return Err(Failure::invalid(
            codes::KEY,
            format!(
                "{twice} values of the key ({}) stand in more than one of the new rows of {place}; \
                 make the select give each once",
                key.join(", ")
            ),
        ));
    }
    let same = key.iter().map(|name| format!("\"old\".{0} = \"new\".{0}", quote(name)));
    let same = same.collect::<Vec<_>>().join(" AND ");
    let set: Vec<_> = columns
        .iter()
        .filter(|column| !key.contains(&column.name.as_str()))
        .map(|column| format!("{0} = \"new\".{0}", quote(&column.name)))
        .collect();
    if !set.is_empty() {
        let update =
            format!("UPDATE {into} AS \"old\" SET {} FROM {from} AS \"new\" WHERE {same}", set.join(", "));
        session.execute(&update, &[])?;
    }
    let new: Vec<_> = columns.iter().map(|column| format!("\"new\".{}", quote(&column.name))).collect();
    let add = format!(
        "INSERT INTO {into} ({}) SELECT {} FROM {from} AS \"new\" LEFT JOIN {into} AS \"old\" ON {same} \
         WHERE \"old\".{} IS NULL",
        names(columns),
        new.join(", "),
        quote(key[0])
    );
    session.execute(&add, &[]).map(drop)
}
