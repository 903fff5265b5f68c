//! Histories of type 2: every row a select has given, with the time it held.
//!
//! In: a select, its key, how a change is seen. Out: a table with the select's columns and four
//! more; the rows that hold have no end.
//! Never: two rows of one key that hold at once, nor an end before its beginning. An attempt that
//! comes after one that was done adds nothing.
//! Fails: with CD0973 for a key that does not name rows, CD0978 for a history that cannot be kept.

use super::{
    Declared, Engine, HISTORY, KEY, Naming, Place,
    columns::{keys, missing, named},
    count, inner,
    insert::{add_missing, refuse_twice, same_key},
    number,
    staged::{End, staged},
};
use crate::{
    ChangeMark, DataType, Failure, HardDeletes, Session, Snapshot, Value,
    arrow::{format_timestamp, parse_timestamp_utc},
};

/// Brings the history of a select up to date; gives the number of rows added.
pub(super) fn snapshot(
    engine: &dyn Engine,
    session: &dyn Session,
    place: &Place,
    select: &str,
    how: &Snapshot,
) -> Result<u64, Failure> {
    let select = inner(select);
    let there = engine.find(session, place)?.is_some();
    let history = std::cell::OnceCell::new();
    staged(
        engine,
        session,
        place,
        |stage| {
            engine.make(session, stage, &select)?;
            let made = History::of(engine, session, place, stage, how)?;
            for (name, of) in made.columns_added() {
                let add =
                    format!("ALTER TABLE {} ADD COLUMN {} {of}", stage.quoted(), engine.naming().quote(name));
                session.execute(&add, &[])?;
            }
            // Set once: this closure runs once.
            let _ = history.set(made);
            Ok(())
        },
        |stage| {
            let history = history.get().ok_or_else(|| refuse(place, "has no columns"))?;
            history.check(session, place, stage)?;
            history.date(session, stage)?;
            if !there {
                history.name_rows(session, stage)?;
                let rows = count(session, stage)?;
                return Ok((rows, End::Put));
            }
            history.fits(engine, session, place)?;
            history.close(session, place, stage)?;
            history.resume(session, place, stage)?;
            history.name_rows(session, stage)?;
            Ok((history.add(session, place, stage)?, End::Drop))
        },
    )
}

fn refuse(place: &Place, why: impl AsRef<str>) -> Failure {
    Failure::invalid(HISTORY, format!("the history {place} {}", why.as_ref()))
}

/// What a snapshot works with once its stage is made.
struct History<'a> {
    engine: &'a dyn Engine,
    how: &'a Snapshot,
    /// The select's columns, as the stage declares them.
    columns: Vec<Declared>,
    /// The key, as the stage spells it.
    key: Vec<String>,
    /// The columns compared; the one that rises with each change, where that is how it is seen.
    compared: Vec<String>,
    updated_at: Option<String>,
    /// The type of the columns of time, and the time of the snapshot in it.
    moment_type: String,
    at: Value,
}

impl<'a> History<'a> {
    fn of(
        engine: &'a dyn Engine,
        session: &dyn Session,
        place: &Place,
        stage: &Place,
        how: &'a Snapshot,
    ) -> Result<Self, Failure> {
        let columns = engine.columns(session, stage, false)?;
        let names = &how.names;
        for name in [&names.id, &names.valid_from, &names.valid_to, &names.updated_at] {
            if named(&columns, name).is_some() {
                return Err(refuse(
                    place,
                    format!("has a column `{name}` of its own; the select gives one too"),
                ));
            }
        }
        let key: Vec<_> = keys(&columns, place, &how.key)?.into_iter().map(str::to_owned).collect();
        let one = |name: &String| {
            let known = named(&columns, name);
            known.cloned().ok_or_else(|| refuse(place, format!("needs a column `{name}` of its select")))
        };
        let (mut compared, mut updated_at) = (Vec::new(), None);
        let mut moment_type = engine.moment_type();
        match &how.mark {
            ChangeMark::UpdatedAt(column) => {
                let column = one(column)?;
                moment_type = column.declared;
                updated_at = Some(column.name);
            }
            ChangeMark::Columns(all) if all.is_empty() => {
                let names = columns.iter().map(|column| column.name.clone());
                compared.extend(names.filter(|name| !key.contains(name)));
            }
            ChangeMark::Columns(some) => {
                for name in some {
                    compared.push(one(name)?.name);
                }
            }
        }
        let at = at(engine, place, &how.at, &moment_type)?;
        Ok(Self { engine, how, columns, key, compared, updated_at, moment_type, at })
    }

    fn naming(&self) -> &'static Naming {
        self.engine.naming()
    }

    fn key(&self) -> Vec<&str> {
        self.key.iter().map(String::as_str).collect()
    }

    /// The columns a history has beside the select's, with their types.
    fn columns_added(&self) -> [(&str, String); 4] {
        let names = &self.how.names;
        let text = self.engine.type_name(&DataType::Text);
        let moment = || format!("{} NULL", self.moment_type);
        [
            (&names.id, text),
            (&names.updated_at, moment()),
            (&names.valid_from, moment()),
            (&names.valid_to, moment()),
        ]
        .map(|(name, of)| (name.as_str(), of))
    }

    /// The key names every row, and every row says when it was changed.
    fn check(&self, session: &dyn Session, place: &Place, stage: &Place) -> Result<(), Failure> {
        let empty = self.key.iter().map(|name| format!("{} IS NULL", self.naming().quote(name)));
        let empty = empty.collect::<Vec<_>>().join(" OR ");
        let empty = format!("SELECT count(*) FROM {} WHERE {empty}", stage.quoted());
        let empty = number(session, &empty, &[])?;
        if empty > 0 {
            return Err(Failure::invalid(
                KEY,
                format!(
                    "{empty} of the rows for the history {place} have NULL in their key ({}); \
                     leave them out of the select",
                    self.key.join(", ")
                ),
            ));
        }
        refuse_twice(session, place, stage, &self.key())?;
        let Some(updated_at) = &self.updated_at else { return Ok(()) };
        let undated = format!(
            "SELECT count(*) FROM {} WHERE {} IS NULL",
            stage.quoted(),
            self.naming().quote(updated_at)
        );
        match number(session, &undated, &[])? {
            0 => Ok(()),
            undated => Err(refuse(place, format!("has {undated} new rows whose `{updated_at}` is NULL"))),
        }
    }

    /// Says in the stage when each row was changed, and from when it holds.
    fn date(&self, session: &dyn Session, stage: &Place) -> Result<(), Failure> {
        let names = &self.how.names;
        let [updated, from] = [&names.updated_at, &names.valid_from].map(|name| self.naming().quote(name));
        let stage = stage.quoted();
        let (of, values) = match &self.updated_at {
            Some(column) => (self.naming().quote(column), vec![]),
            None => ("?".to_owned(), vec![self.at.clone(), self.at.clone()]),
        };
        session.execute(&format!("UPDATE {stage} SET {updated} = {of}, {from} = {of}"), &values).map(drop)
    }

    /// Gives each row of the stage its id.
    fn name_rows(&self, session: &dyn Session, stage: &Place) -> Result<(), Failure> {
        let mut parts: Vec<_> = self.key.iter().map(|name| self.naming().quote(name)).collect();
        parts.push(self.naming().quote(&self.how.names.valid_from));
        let id = self.naming().quote(&self.how.names.id);
        let set = format!("UPDATE {} SET {id} = {}", stage.quoted(), self.engine.joined(&parts));
        session.execute(&set, &[]).map(drop)
    }

    /// The history has every column it needs.
    fn fits(&self, engine: &dyn Engine, session: &dyn Session, place: &Place) -> Result<(), Failure> {
        let there = engine.columns(session, place, true)?;
        let names = &self.how.names;
        for name in [&names.id, &names.updated_at, &names.valid_from, &names.valid_to] {
            if named(&there, name).is_none() {
                return Err(refuse(place, format!("has no column `{name}`: the table is no history")));
            }
        }
        for column in &self.columns {
            if named(&there, &column.name).is_none() {
                return Err(missing(place, &there, &column.name));
            }
        }
        Ok(())
    }

    /// Ends the rows that others replace, and those that are gone where that is asked for.
    fn close(&self, session: &dyn Session, place: &Place, stage: &Place) -> Result<(), Failure> {
        let (naming, names) = (self.naming(), &self.how.names);
        let changed: Vec<_> = match &self.updated_at {
            Some(_) => vec![format!(
                "{} < {}",
                naming.of("old", &names.updated_at),
                naming.of("new", &names.updated_at)
            )],
            None => self
                .compared
                .iter()
                .map(|name| self.engine.differ(&naming.of("old", name), &naming.of("new", name)))
                .collect(),
        };
        let holds = format!("{} IS NULL", naming.of("old", &names.valid_to));
        if !changed.is_empty() {
            let on = format!("{} AND {holds} AND ({})", same_key(naming, &self.key()), changed.join(" OR "));
            let set = [(names.valid_to.clone(), naming.of("new", &names.valid_from))];
            let end = self.engine.update_from(&place.quoted(), &stage.quoted(), &set, &on);
            session.execute(&end, &[])?;
        }
        if self.how.hard_deletes == HardDeletes::Invalidate {
            let gone = format!(
                "UPDATE {} AS {} SET {} = ? WHERE {holds} AND NOT EXISTS (SELECT 1 FROM {} AS {} WHERE {})",
                place.quoted(),
                naming.quote("old"),
                naming.quote(&names.valid_to),
                stage.quoted(),
                naming.quote("new"),
                same_key(naming, &self.key()),
            );
            session.execute(&gone, std::slice::from_ref(&self.at))?;
        }
        Ok(())
    }

    /// A row that comes back holds from its return on, not from before it was gone.
    fn resume(&self, session: &dyn Session, place: &Place, stage: &Place) -> Result<(), Failure> {
        let (naming, names) = (self.naming(), &self.how.names);
        let key = naming.list(self.key.iter().map(String::as_str));
        let until = naming.quote("until");
        let gone = format!(
            "(SELECT {key}, max({}) AS {until} FROM {} GROUP BY {key})",
            naming.quote(&names.valid_to),
            place.quoted(),
        );
        let on = format!(
            "{} AND {} < {}",
            same_key(naming, &self.key()),
            naming.of("old", &names.valid_from),
            naming.of("new", "until")
        );
        let set = [(names.valid_from.clone(), naming.of("new", "until"))];
        session.execute(&self.engine.update_from(&stage.quoted(), &gone, &set, &on), &[]).map(drop)
    }

    /// Adds the rows of the stage whose key holds nowhere.
    fn add(&self, session: &dyn Session, place: &Place, stage: &Place) -> Result<u64, Failure> {
        let (naming, names) = (self.naming(), &self.how.names);
        let added = [&names.id, &names.updated_at, &names.valid_from].map(|name| Declared {
            name: name.clone(),
            declared: String::new(),
            nullable: true,
        });
        let columns: Vec<_> = self.columns.iter().cloned().chain(added).collect();
        let holds = format!(" AND {} IS NULL", naming.of("old", &names.valid_to));
        session.execute(&add_missing(naming, place, stage, &columns, &self.key(), &holds), &[])
    }
}

/// The time of the snapshot, as text of the type the history keeps time in.
fn at(engine: &dyn Engine, place: &Place, at: &str, of: &str) -> Result<Value, Failure> {
    let micros = parse_timestamp_utc(at)
        .ok_or_else(|| refuse(place, format!("is asked for at `{at}`, which is no RFC 3339 time in UTC")))?;
    let text = format_timestamp(micros);
    match engine.data_type(of) {
        DataType::TimestampUtc => Ok(engine.moment(&text, true).into()),
        DataType::Timestamp | DataType::Text => Ok(engine.moment(&text, false).into()),
        DataType::Date => Ok(text.chars().take(10).collect::<String>().into()),
        _ => Err(refuse(place, format!("keeps its time in a column of type `{of}`, which is none of time"))),
    }
}
