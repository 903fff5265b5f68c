//! What the database has: schemas, relations, columns, and who reads whom.
//!
//! Names are compared as they are: PostgreSQL folds only what stands without quotes.

use cofferdam_sdk::{
    Failure, RelationInfo, Session, Table, Value,
    adapter::{self, Declared, Place, number, text},
    read_all,
};

/// Tables, partitioned ones and foreign ones among them; views, kept ones among them.
const KINDS: &str = "c.relkind IN ('r', 'p', 'f', 'v', 'm')";
const RELATION: &str = "SELECT CAST(c.relname AS text) AS name, \
     CASE WHEN c.relkind IN ('v', 'm') THEN 'view' ELSE 'table' END AS kind \
     FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace";

/// Whether there is a schema of this name.
pub(crate) fn has_schema(session: &dyn Session, schema: &str) -> Result<bool, Failure> {
    let statement = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = CAST(? AS text)";
    Ok(number(session, statement, &[schema.into()])? > 0)
}

/// The tables and views of a schema, by name.
pub(crate) fn list(session: &dyn Session, schema: &str) -> Result<Vec<RelationInfo>, Failure> {
    let statement = format!("{RELATION} WHERE n.nspname = CAST(? AS text) AND {KINDS} ORDER BY c.relname");
    let table = read_all(session.query(&statement, &[schema.into()])?)?;
    Ok(infos(schema, &table).collect())
}

/// One table or view.
pub(crate) fn find(session: &dyn Session, place: &Place) -> Result<Option<RelationInfo>, Failure> {
    let statement =
        format!("{RELATION} WHERE n.nspname = CAST(? AS text) AND c.relname = CAST(? AS text) AND {KINDS}");
    let table = read_all(session.query(&statement, &named(place))?)?;
    Ok(infos(&place.schema, &table).next())
}

fn named(place: &Place) -> [Value; 2] {
    [place.schema.as_str().into(), place.name.as_str().into()]
}

fn infos<'a>(schema: &'a str, table: &'a Table) -> impl Iterator<Item = RelationInfo> + 'a {
    table.rows.iter().map(move |row| adapter::info(schema, text(row.first()), text(row.get(1)) == "view"))
}

/// The columns of a relation, in their order. `Invalid` where there is none.
pub(crate) fn columns(
    session: &dyn Session,
    place: &Place,
    computed: bool,
) -> Result<Vec<Declared>, Failure> {
    let kept = if computed { "" } else { " AND a.attgenerated = '' AND a.attidentity <> 'a'" };
    let statement = format!(
        "SELECT CAST(a.attname AS text) AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, \
         a.attnotnull AS filled \
         FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = CAST(? AS text) AND c.relname = CAST(? AS text) AND {KINDS} \
         AND a.attnum > 0 AND NOT a.attisdropped{kept} ORDER BY a.attnum"
    );
    let table = read_all(session.query(&statement, &named(place))?)?;
    if table.rows.is_empty() {
        return Err(adapter::no_relation(place));
    }
    let columns = table.rows.iter().map(|row| Declared {
        name: text(row.first()).to_owned(),
        declared: text(row.get(1)).to_owned(),
        nullable: row.get(2) != Some(&Value::Boolean(true)),
    });
    Ok(columns.collect())
}

/// The views that read a relation, by name. PostgreSQL drops none that is read.
pub(crate) fn readers(session: &dyn Session, place: &Place) -> Result<Vec<String>, Failure> {
    let statement = "SELECT DISTINCT CAST(vn.nspname AS text) AS schema_name, CAST(v.relname AS text) AS name \
         FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid \
         JOIN pg_catalog.pg_class AS v ON v.oid = r.ev_class \
         JOIN pg_catalog.pg_namespace AS vn ON vn.oid = v.relnamespace \
         JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE n.nspname = CAST(? AS text) AND c.relname = CAST(? AS text) AND v.oid <> c.oid ORDER BY 1, 2";
    let table = read_all(session.query(statement, &named(place))?)?;
    let views = table.rows.iter().map(|row| format!("{}.{}", text(row.first()), text(row.get(1))));
    Ok(views.collect())
}
