//! The warehouse as macros see it.
//!
//! In: what `adapter` is asked. Out: relations, columns, answers.
//! Never: asks the warehouse twice for what it has just said: a relation and those beside it that a
//! materialization uses are found by one query, until something changes.
//! Fails: with the warehouse's words.
//! Source: dbt-postgres' adapter, for names, kinds and types.

use std::borrow::Cow;
use std::cell::RefCell;

use cofferdam_sdk::{DataType, Failure, Relation, RelationKind as Held, Value};

use super::wire::Wire;
use crate::document::RelationParts;
use crate::jinja::world::{Answer, ColumnInfo, Database, Quoting, RelationKind, RelationName, Response};

/// What stands behind a relation's name while a new one is made beside it.
const BESIDE: [&str; 2] = ["__dbt_tmp", "__dbt_backup"];

/// The warehouse.
pub(super) struct Warehouse<'a> {
    pub(super) wire: Wire<'a>,
    pub(super) quoting: Quoting,
    found: RefCell<Option<Found>>,
}

/// What one look at the catalog has told.
struct Found {
    changes: u64,
    schema: String,
    has_schema: bool,
    asked: Vec<String>,
    relations: Vec<(String, RelationKind)>,
}

impl<'a> Warehouse<'a> {
    pub(super) fn new(wire: Wire<'a>, quoting: Quoting) -> Self {
        Self { wire, quoting, found: RefCell::default() }
    }

    fn is(&self, dialect: &str) -> bool {
        self.wire.dialect == dialect
    }

    fn say<T>(&self, done: Result<T, Failure>) -> Result<T, String> {
        self.wire.noted(done).map_err(|why| why.detail().message.clone())
    }

    fn named(&self, database: Option<&str>, schema: &str, name: &str, kind: RelationKind) -> RelationName {
        RelationName {
            database: database.map(str::to_owned),
            schema: Some(schema.to_owned()),
            identifier: Some(name.to_owned()),
            kind: Some(kind),
            // What is there has its very name.
            quoting: Quoting { mark: self.quoting.mark, ..Quoting::default() },
            ..RelationName::default()
        }
    }

    /// A name as the warehouse keeps it, where it is quoted or not.
    fn folded<'n>(&self, name: &'n str, quoted: bool) -> Cow<'n, str> {
        if quoted || !self.is("postgres") { name.into() } else { name.to_lowercase().into() }
    }

    /// A relation by the names the warehouse keeps.
    pub(super) fn kept(&self, parts: &RelationParts) -> Relation {
        let quoting = self.quoting.as_said(&parts.quoting);
        Relation::new(
            self.folded(&parts.schema, quoting.schema),
            self.folded(&parts.identifier, quoting.identifier),
        )
    }

    /// Whether the schema is there, and the kind of the relation.
    pub(super) fn look(&self, schema: &str, name: &str) -> Result<(bool, Option<RelationKind>), Failure> {
        let (schema, name) =
            (&*self.folded(schema, self.quoting.schema), &*self.folded(name, self.quoting.identifier));
        let changes = self.wire.changes.get();
        if let Some(found) = &*self.found.borrow()
            && found.changes == changes
            && found.schema == schema
            && found.asked.iter().any(|asked| asked == name)
        {
            return Ok((found.has_schema, found.kind(name)));
        }
        let found = self.ask(schema, name)?;
        let told = (found.has_schema, found.kind(name));
        *self.found.borrow_mut() = Some(found);
        Ok(told)
    }

    fn ask(&self, schema: &str, name: &str) -> Result<Found, Failure> {
        let mut found = Found {
            changes: self.wire.changes.get(),
            schema: schema.to_owned(),
            has_schema: false,
            asked: vec![name.to_owned()],
            relations: Vec::new(),
        };
        if !self.is("postgres") {
            let relation = Relation::new(schema, name);
            if let Some(info) = self.wire.connection()?.find(&relation)? {
                found.relations.push((name.to_owned(), held(info.kind)));
            }
            return Ok(found);
        }
        found.asked.extend(BESIDE.iter().map(|suffix| beside(name, suffix)));
        let marks = vec!["?"; found.asked.len()].join(", ");
        let statement = format!(
            "select cast(n.nspname as text) as schema_name, cast(c.relname as text) as name, \
             cast(c.relkind as text) as kind from pg_catalog.pg_namespace as n \
             left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm') \
             and c.relname in ({marks}) where n.nspname = ?"
        );
        let mut values: Vec<Value> = found.asked.iter().map(|name| name.as_str().into()).collect();
        values.push(schema.into());
        for row in self.wire.table(&statement, &values)?.rows {
            found.has_schema = true;
            if let [_, Value::Text(name), Value::Text(kind)] = row.as_slice() {
                found.relations.push((name.clone(), kind_of(kind)));
            }
        }
        Ok(found)
    }

    /// Makes sure the schema is there. Outside of a transaction: another attempt may be making it.
    pub(super) fn ensure_schema(&self, schema: &str) -> Result<(), Failure> {
        self.wire.changes.set(self.wire.changes.get() + 1);
        let connection = self.wire.connection()?;
        let schema = &*self.folded(schema, self.quoting.schema);
        match connection.ensure_schema(schema) {
            Ok(()) => Ok(()),
            // Two attempts that make it at once meet in the catalog; then it is there.
            Err(Failure::Constraint(_) | Failure::Invalid(_) | Failure::Transient(_))
                if self.is("postgres") =>
            {
                connection.ensure_schema(schema)
            }
            Err(why) => Err(why),
        }
    }

    fn statement(&self, text: &str) -> Result<(), String> {
        self.say(self.wire.run(text, false)).map(drop)
    }
}

impl Found {
    fn kind(&self, name: &str) -> Option<RelationKind> {
        self.relations.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind)
    }
}

/// The name with a suffix, cut as the macros cut it.
fn beside(name: &str, suffix: &str) -> String {
    let kept: String = name.chars().take(63 - suffix.len()).collect();
    kept + suffix
}

fn held(kind: Held) -> RelationKind {
    match kind {
        Held::Table => RelationKind::Table,
        Held::View => RelationKind::View,
    }
}

fn kind_of(kind: &str) -> RelationKind {
    match kind {
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        _ => RelationKind::Table,
    }
}

/// A name in quotes.
fn quoted(mark: char, name: &str) -> String {
    format!("{mark}{}{mark}", name.replace(mark, &format!("{mark}{mark}")))
}

/// A column of a type as a table declares it.
pub(super) fn column(name: &str, declared: &str) -> ColumnInfo {
    let (word, sizes) = match (declared.find('('), declared.find(')')) {
        (Some(open), Some(close)) if open < close && !declared.ends_with(']') => {
            (format!("{}{}", declared[..open].trim_end(), &declared[close + 1..]), &declared[open + 1..close])
        }
        _ => (declared.to_owned(), ""),
    };
    let mut numbers = sizes.split(',').map(|number| number.trim().parse::<i64>().ok());
    let (first, second) = (numbers.next().flatten(), numbers.next().flatten());
    let mut info = ColumnInfo { name: name.to_owned(), dtype: word, ..ColumnInfo::default() };
    match info.dtype.to_ascii_lowercase().as_str() {
        "character varying" | "varchar" | "character" | "char" | "bpchar" => info.char_size = first,
        "numeric" | "decimal" => {
            info.numeric_precision = first;
            info.numeric_scale = first.and(Some(second.unwrap_or(0)));
        }
        "smallint" => (info.numeric_precision, info.numeric_scale) = (Some(16), Some(0)),
        "integer" => (info.numeric_precision, info.numeric_scale) = (Some(32), Some(0)),
        "bigint" => (info.numeric_precision, info.numeric_scale) = (Some(64), Some(0)),
        "real" => info.numeric_precision = Some(24),
        "double precision" => info.numeric_precision = Some(53),
        "time" | "timestamp" | "timestamp with time zone" | "timestamp without time zone" => {}
        _ if !sizes.is_empty() => info.dtype = declared.to_owned(),
        _ => {}
    }
    // An array is one of whatever: the catalog of the standard says no more.
    if info.dtype.ends_with("[]") {
        info.dtype = "ARRAY".to_owned();
        info.char_size = None;
    }
    info
}

impl Database for Warehouse<'_> {
    fn query(&self, sql: &str) -> Result<Answer, String> {
        self.say(self.wire.run(sql, true))
    }

    fn execute(&self, sql: &str) -> Result<Response, String> {
        self.say(self.wire.run(sql, false)).map(|answer| answer.response)
    }

    fn begin(&self) -> Result<(), String> {
        self.say(self.wire.begin())
    }

    fn commit(&self) -> Result<(), String> {
        self.say(self.wire.commit()).map(drop)
    }

    fn rollback(&self) -> Result<(), String> {
        self.say(self.wire.rollback())
    }

    fn relations(&self, database: Option<&str>, schema: &str) -> Result<Vec<RelationName>, String> {
        if !self.is("postgres") {
            let listed =
                self.say(self.wire.connection().and_then(|connection| connection.list_relations(schema)))?;
            let named =
                listed.iter().map(|info| self.named(database, schema, &info.relation.name, held(info.kind)));
            return Ok(named.collect());
        }
        let statement = "select cast(c.relname as text) as name, cast(c.relkind as text) as kind \
             from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace \
             where c.relkind in ('r', 'p', 'f', 'v', 'm') and lower(n.nspname) = lower(?) order by 1";
        let table = self.say(self.wire.table(statement, &[schema.into()]))?;
        let named = table.rows.iter().filter_map(|row| match row.as_slice() {
            [Value::Text(name), Value::Text(kind)] => Some(self.named(database, schema, name, kind_of(kind))),
            _ => None,
        });
        Ok(named.collect())
    }

    fn find(
        &self,
        database: Option<&str>,
        schema: &str,
        identifier: &str,
    ) -> Result<Option<RelationName>, String> {
        let (_, kind) = self.say(self.look(schema, identifier))?;
        let (schema, identifier) =
            (self.folded(schema, self.quoting.schema), self.folded(identifier, self.quoting.identifier));
        Ok(kind.map(|kind| self.named(database, &schema, &identifier, kind)))
    }

    fn schemas(&self, _database: Option<&str>) -> Result<Vec<String>, String> {
        let statement = if self.is("postgres") {
            "select cast(nspname as text) as name from pg_catalog.pg_namespace order by 1"
        } else if self.is("mysql") {
            "select schema_name as name from information_schema.schemata order by 1"
        } else {
            "select name from pragma_database_list where name <> 'temp' order by 1"
        };
        let table = self.say(self.wire.table(statement, &[]))?;
        Ok(table.rows.iter().map(|row| cofferdam_sdk::adapter::text(row.first()).to_owned()).collect())
    }

    fn columns(&self, relation: &RelationName) -> Result<Vec<ColumnInfo>, String> {
        let name = relation.identifier.as_deref().unwrap_or_default();
        if !self.is("postgres") {
            let relation =
                Relation { database: None, schema: relation.schema.clone(), name: name.to_owned() };
            let told = self.say(self.wire.connection().and_then(|connection| {
                if connection.find(&relation)?.is_none() {
                    return Ok(Vec::new());
                }
                connection.column_types(&relation)
            }))?;
            return Ok(told.iter().map(|told| column(&told.name, &told.declared)).collect());
        }
        let of = "select cast(a.attname as text) as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type \
             from pg_catalog.pg_attribute as a join pg_catalog.pg_class as c on c.oid = a.attrelid \
             join pg_catalog.pg_namespace as n on n.oid = c.relnamespace \
             where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'f', 'v', 'm') \
             and c.relname = ? and ";
        let (statement, values): (String, Vec<Value>) = match relation.schema.as_deref() {
            None | Some("pg_temp") => {
                (format!("{of}n.oid = pg_catalog.pg_my_temp_schema() order by a.attnum"), vec![name.into()])
            }
            Some(schema) => {
                (format!("{of}n.nspname = ? order by a.attnum"), vec![name.into(), schema.into()])
            }
        };
        let table = self.say(self.wire.table(&statement, &values))?;
        let columns = table.rows.iter().filter_map(|row| match row.as_slice() {
            [Value::Text(name), Value::Text(declared)] => Some(column(name, declared)),
            _ => None,
        });
        Ok(columns.collect())
    }

    fn columns_of_query(&self, sql: &str) -> Result<Vec<ColumnInfo>, String> {
        let text = sql.trim().trim_end_matches(';');
        let found = self.wire.connection().and_then(|connection| {
            let rows =
                connection.query(&format!("select * from (\n{text}\n) as cofferdam_given limit 0"), &[])?;
            Ok(rows.columns().to_vec())
        });
        let found = self.say(found)?;
        if !self.is("postgres") || found.is_empty() {
            let spoken = |of: &DataType| self.wire.connection().map(|connection| connection.render_type(of));
            return found
                .iter()
                .map(|given| Ok(column(&given.name, &self.say(spoken(&given.data_type))?)))
                .collect();
        }
        let types = found.iter().map(|given| {
            let name = quoted('"', &given.name);
            format!("cast(pg_catalog.pg_typeof((select {name} from given limit 0)) as text)")
        });
        let types = types.collect::<Vec<_>>().join(", ");
        let table = self.say(self.wire.table(&format!("with given as (\n{text}\n) select {types}"), &[]))?;
        let told = table.rows.first().into_iter().flatten();
        let columns = found
            .iter()
            .zip(told)
            .map(|(given, declared)| column(&given.name, cofferdam_sdk::adapter::text(Some(declared))));
        Ok(columns.collect())
    }

    fn create_schema(&self, _database: Option<&str>, schema: &str) -> Result<(), String> {
        self.wire.changes.set(self.wire.changes.get() + 1);
        let schema = &*self.folded(schema, self.quoting.schema);
        self.say(self.wire.connection().and_then(|connection| connection.ensure_schema(schema)))
    }

    fn drop_schema(&self, _database: Option<&str>, schema: &str) -> Result<(), String> {
        let cascade = if self.is("postgres") { " cascade" } else { "" };
        self.statement(&format!("drop schema if exists {}{cascade}", quoted(self.quoting.mark, schema)))
    }

    fn drop(&self, relation: &RelationName) -> Result<(), String> {
        let what = match relation.kind {
            Some(RelationKind::View) => "view",
            Some(RelationKind::MaterializedView) => "materialized view",
            _ => "table",
        };
        let cascade = if self.is("postgres") { " cascade" } else { "" };
        self.statement(&format!("drop {what} if exists {}{cascade}", relation.render()))
    }

    fn rename(&self, from: &RelationName, to: &RelationName) -> Result<(), String> {
        let name = to.identifier.as_deref().unwrap_or_default();
        if self.is("postgres") {
            let what = match from.kind.or(to.kind) {
                Some(RelationKind::MaterializedView) => "materialized view",
                Some(RelationKind::View) => "view",
                _ => "table",
            };
            let name = if to.quoting.identifier { quoted('"', name) } else { name.to_owned() };
            return self.statement(&format!("alter {what} {} rename to {name}", from.render()));
        }
        self.wire.changes.set(self.wire.changes.get() + 1);
        let relation = Relation {
            database: None,
            schema: from.schema.clone(),
            name: from.identifier.clone().unwrap_or_default(),
        };
        self.say(self.wire.connection().and_then(|connection| connection.rename(&relation, name)))
    }

    fn truncate(&self, relation: &RelationName) -> Result<(), String> {
        let how = if self.is("sqlite") { "delete from" } else { "truncate table" };
        self.statement(&format!("{how} {}", relation.render()))
    }

    /// Text of a limited width is the only type that grows; PostgreSQL does it in place.
    fn widen(&self, from: &RelationName, to: &RelationName) -> Result<(), String> {
        if !self.is("postgres") {
            return Ok(());
        }
        let new = self.columns(from)?;
        for old in self.columns(to)? {
            let Some(column) = new.iter().find(|column| column.name == old.name) else { continue };
            let text = |info: &ColumnInfo| info.dtype.starts_with("character") || info.dtype == "text";
            let Some(width) = old.char_size else { continue };
            if text(&old) && text(column) && column.char_size.is_some_and(|wider| wider > width) {
                let wider = column.char_size.unwrap_or(width);
                let name = quoted('"', &old.name);
                self.statement(&format!(
                    "alter table {} alter column {name} type character varying({wider})",
                    to.render()
                ))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(declared: &str) -> String {
        let ColumnInfo { dtype, char_size, numeric_precision, numeric_scale, .. } = column("c", declared);
        format!("{dtype} {char_size:?} {numeric_precision:?} {numeric_scale:?}")
    }

    #[test]
    fn types_are_taken_apart_as_the_information_schema_does() {
        assert_eq!(said("character varying(20)"), "character varying Some(20) None None");
        assert_eq!(said("numeric(10,2)"), "numeric None Some(10) Some(2)");
        assert_eq!(said("numeric"), "numeric None None None");
        assert_eq!(said("integer"), "integer None Some(32) Some(0)");
        assert_eq!(said("text"), "text None None None");
        assert_eq!(said("timestamp(3) without time zone"), "timestamp without time zone None None None");
        assert_eq!(said("numeric(10,2)[]"), "ARRAY None None None");
        assert_eq!(said("geometry(Point,4326)"), "geometry(Point,4326) None None None");
    }

    #[test]
    fn names_beside_a_relation_are_cut_to_what_the_server_takes() {
        assert_eq!(beside("orders", "__dbt_tmp"), "orders__dbt_tmp");
        assert_eq!(beside(&"x".repeat(63), "__dbt_backup").len(), 63);
    }
}
