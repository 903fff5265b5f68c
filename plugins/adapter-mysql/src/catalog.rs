//! What the server has: schemas, which MySQL calls databases, relations, columns.
//!
//! Names of relations are compared as they are, as on servers whose file system tells `a` from `A`.

use cofferdam_sdk::{
    Failure, RelationInfo, Session, Table, Value,
    adapter::{self, Declared, Place, number, text},
    read_all,
};

const RELATION: &str = "SELECT table_name AS name, table_type AS kind FROM information_schema.tables \
     WHERE table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED') AND table_schema = ?";

/// Whether there is a schema of this name.
pub(crate) fn has_schema(session: &dyn Session, schema: &str) -> Result<bool, Failure> {
    let statement = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = ?";
    Ok(number(session, statement, &[schema.into()])? > 0)
}

/// The tables and views of a schema, by name.
pub(crate) fn list(session: &dyn Session, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
    let table = read_all(session.query(&format!("{RELATION} ORDER BY table_name"), &[schema.into()])?)?;
    Ok(infos(schema, &table).collect())
}

/// One table or view.
pub(crate) fn find(session: &dyn Session, place: &Place) -> Result<Option<RelationInfo>, Failure> {
    let table = read_all(session.query(&format!("{RELATION} AND table_name = ?"), &named(place))?)?;
    Ok(infos(&place.schema, &table).find(|info| info.relation.name == place.name))
}

fn named(place: &Place) -> [Value; 2] {
    [place.schema.as_str().into(), place.name.as_str().into()]
}

fn infos<'a>(schema: &'a str, table: &'a Table) -> impl Iterator<Item = RelationInfo> + 'a {
    table.rows.iter().map(move |row| adapter::info(schema, text(row.first()), text(row.get(1)) == "VIEW"))
}

/// The columns of a relation, in their order. `Invalid` where there is none.
pub(crate) fn columns(
    session: &dyn Session,
    place: &Place,
    computed: bool,
) -> Result<Vec<Declared>, Failure> {
    let statement = "SELECT column_name AS name, column_type AS type, is_nullable AS nullable, \
         character_set_name AS letters, collation_name AS collation_of, extra AS extra, table_name AS relation \
         FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";
    let table = read_all(session.query(statement, &named(place))?)?;
    let rows = table.rows.iter().filter(|row| text(row.get(6)) == place.name);
    let columns: Vec<_> =
        rows.filter(|row| computed || !is_computed(text(row.get(5)))).map(|row| declared(row)).collect();
    if columns.is_empty() {
        return Err(adapter::no_relation(place));
    }
    Ok(columns)
}

/// `DEFAULT_GENERATED` is a default that is computed, and can be written.
fn is_computed(extra: &str) -> bool {
    let extra = extra.to_ascii_uppercase();
    extra.contains("VIRTUAL GENERATED") || extra.contains("STORED GENERATED")
}

fn declared(row: &[Value]) -> Declared {
    let mut declared = text(row.get(1)).to_owned();
    let (letters, collation) = (text(row.get(3)), text(row.get(4)));
    let words = ["char", "text", "enum", "set"];
    if !letters.is_empty() && words.iter().any(|word| declared.to_ascii_lowercase().contains(word)) {
        // Two columns can be compared only where their letters are ordered alike.
        declared = format!("{declared} CHARACTER SET {letters} COLLATE {collation}");
    }
    Declared {
        name: text(row.first()).to_owned(),
        declared,
        nullable: !text(row.get(2)).eq_ignore_ascii_case("NO"),
    }
}
