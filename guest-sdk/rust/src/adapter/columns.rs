//! The columns of a select and of its table, matched by name.

use super::{COLUMNS, Engine, KEY, Naming, Place, columns_of};
use crate::{DataType, Failure, Session};

/// A column as its table declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its type, in the warehouse's words.
    pub declared: String,
    /// Whether NULL may stand in it.
    pub nullable: bool,
}

impl Declared {
    /// As `CREATE TABLE` writes it.
    pub fn definition(&self, naming: &Naming) -> String {
        let null = if self.nullable { "" } else { " NOT NULL" };
        let space = if self.declared.is_empty() { "" } else { " " };
        format!("{}{space}{}{null}", naming.quote(&self.name), self.declared)
    }
}

/// `p` or `p,s` as a decimal, if the contracts have one of that shape.
pub fn decimal(shape: &str) -> Option<DataType> {
    let (precision, scale) = shape.split_once(',').unwrap_or((shape, "0"));
    let precision = precision.trim().parse().ok().filter(|digits| (1..=76).contains(digits))?;
    let scale = scale.trim().parse().ok().filter(|scale| *scale <= precision)?;
    Some(DataType::Decimal { precision, scale })
}

/// The column of this name: spelled so, or else but for the case of its letters.
pub(super) fn named<'a>(columns: &'a [Declared], name: &str) -> Option<&'a Declared> {
    columns
        .iter()
        .find(|column| column.name == name)
        .or_else(|| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
}

/// The columns of the table that the select gives, in the select's order.
pub(super) fn matched(
    engine: &dyn Engine,
    session: &dyn Session,
    place: &Place,
    select: &str,
) -> Result<Vec<Declared>, Failure> {
    let given = columns_of(engine.naming(), session, select)?;
    let table = engine.columns(session, place, false)?;
    let mut matched: Vec<Declared> = Vec::with_capacity(given.len());
    for column in given {
        let known = named(&table, &column.name).ok_or_else(|| missing(place, &table, &column.name))?;
        if matched.contains(known) {
            return Err(Failure::invalid(
                COLUMNS,
                format!("the select for {place} gives `{}` more than once", known.name),
            ));
        }
        matched.push(known.clone());
    }
    Ok(matched)
}

pub(super) fn missing(place: &Place, table: &[Declared], name: &str) -> Failure {
    let known: Vec<_> = table.iter().map(|known| known.name.as_str()).collect();
    Failure::invalid(
        COLUMNS,
        format!("the select gives `{name}`, which {place} does not have; it has {}", known.join(", ")),
    )
}

/// The key as the table spells it. `Invalid` where it is empty or names no column of the select.
pub(super) fn keys<'a>(
    columns: &'a [Declared],
    place: &Place,
    key: &[String],
) -> Result<Vec<&'a str>, Failure> {
    if key.is_empty() {
        return Err(Failure::invalid(KEY, format!("the key of {place} names no column")));
    }
    key.iter()
        .map(|name| {
            named(columns, name).map(|column| column.name.as_str()).ok_or_else(|| {
                Failure::invalid(KEY, format!("the select for {place} gives no column `{name}` of its key"))
            })
        })
        .collect()
}
