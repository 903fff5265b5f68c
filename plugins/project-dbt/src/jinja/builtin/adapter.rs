//! `adapter.*`.
//!
//! In: what macros ask of the warehouse. Out: relations, columns, tables, names.
//! Never: asks the warehouse while a project is described: then it answers as dbt does while parsing.
//! Fails: with what the warehouse says.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/adapter>.

use std::any::Any;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail, said};
use super::super::value::{self, Args, Dict, Python, list, native, none, tuple};
use super::super::world::{Database, RelationName};
use super::column::{Column, name_of};
use super::table::{Table, empty};
use super::{relation, statement};

/// `adapter`.
#[derive(Debug)]
struct Adapter;

pub(super) fn adapter() -> Value {
    native(Adapter)
}

impl Python for Adapter {
    fn type_name(&self) -> &'static str {
        "adapter"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn attr(&self, name: &str) -> Option<Value> {
        match name {
            "Relation" => {
                relation::api().downcast_object_ref::<super::super::value::Native>()?.0.attr("Relation")
            }
            "Column" => {
                relation::api().downcast_object_ref::<super::super::value::Native>()?.0.attr("Column")
            }
            _ => None,
        }
    }

    fn methods(&self) -> &'static [&'static str] {
        &["dispatch", "get_relation", "get_columns_in_relation", "quote", "execute", "type"]
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        named(cx, name, args)
            .transpose()
            .or_else(|| match cx.world.database() {
                Some(database) => with_database(cx, database, name, args).transpose(),
                None => described(name),
            })
            .or_else(|| Some(fail(format!("`adapter.{name}` is not supported"))))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What needs no warehouse.
fn named(cx: &Interp<'_>, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
    let mark = cx.library.quote_mark();
    Ok(Some(match name {
        "dispatch" => dispatch(cx, args)?,
        "type" => Value::from(cx.library.adapter_type()),
        "quote" => Value::from(format!("{mark}{}{mark}", args.need_text(name, "identifier")?)),
        "quote_as_configured" => {
            let identifier = args.need_text(name, "identifier")?;
            let quoting = cx.world.quoting().unwrap_or_default();
            let quotes = match args.need_text(name, "quote_key")?.as_str() {
                "database" => quoting.database,
                "schema" => quoting.schema,
                _ => quoting.identifier,
            };
            Value::from(if quotes { format!("{mark}{identifier}{mark}") } else { identifier })
        }
        "quote_seed_column" => {
            let column = args.need_text(name, "column")?;
            match args.take("quote_config").filter(|quote| !quote.is_none()) {
                Some(quote) if !value::truthy(&quote) => Value::from(column),
                _ => Value::from(format!("{mark}{column}{mark}")),
            }
        }
        "date_function" => Value::from("now()"),
        "is_cancelable" => Value::from(true),
        "verify_database" => {
            let database = args.text("database").unwrap_or_default();
            let ours =
                cx.world.name("target").and_then(|target| value::item(&target, &Value::from("database")));
            let ours = ours.map(|ours| value::text(&ours)).filter(|ours| !ours.is_empty());
            let database = database.trim_matches('"');
            match ours {
                Some(ours) if !database.is_empty() && !ours.eq_ignore_ascii_case(database) => {
                    return fail(format!(
                        "the database `{database}` cannot be reached from `{ours}`: references over databases are not possible here"
                    ));
                }
                _ => Value::from(""),
            }
        }
        "convert_type" => {
            let table = args.need(name, "agate_table")?;
            let index = args.int("col_idx")?.and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
            match Table::of(&table) {
                Some(table) => Value::from(table.converted_type(index)),
                None => return fail("convert_type() needs a table"),
            }
        }
        "valid_incremental_strategies" => {
            list(["append", "delete+insert", "merge", "microbatch"].map(Value::from).to_vec())
        }
        "supports" => Value::from(false),
        "debug_query" | "cache_added" | "cache_dropped" | "cache_renamed" | "cache_new_relation" => {
            Value::from("")
        }
        "build_catalog_relation" => none(),
        _ => return Ok(None),
    }))
}

/// What dbt answers while it parses.
fn described(name: &str) -> Option<Outcome<Value>> {
    Some(Ok(match name {
        "get_columns_in_relation"
        | "get_missing_columns"
        | "list_relations"
        | "list_relations_without_caching"
        | "list_schemas"
        | "get_column_schema_from_query"
        | "get_columns_in_query" => list(Vec::new()),
        "get_relation"
        | "load_relation"
        | "expand_target_column_types"
        | "create_schema"
        | "drop_schema"
        | "drop_relation"
        | "rename_relation"
        | "truncate_relation"
        | "check_schema_exists"
        | "already_exists"
        | "commit"
        | "begin"
        | "rollback"
        | "commit_if_has_connection"
        | "clear_transaction"
        | "valid_snapshot_target"
        | "add_query"
        | "get_partitions_metadata"
        | "get_rows_different_sql"
        | "assert_valid_snapshot_target_given_strategy"
        | "expand_column_types"
        | "nice_connection_name" => none(),
        "standardize_grants_dict" => Value::from_object(Dict::default()),
        "execute" => tuple(vec![Value::from(""), empty()]),
        _ => return None,
    }))
}

fn dispatch(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let name = args.need_text("dispatch", "macro_name")?;
    let namespace = args.take("macro_namespace").filter(|namespace| !namespace.is_none());
    if name.contains('.') {
        return fail(format!(
            "adapter.dispatch('{name}') names a package; write adapter.dispatch('name', 'package')"
        ));
    }
    let namespace = match namespace {
        None => None,
        Some(namespace) if namespace.as_str().is_some() => namespace.as_str().map(str::to_owned),
        Some(_) => return fail("adapter.dispatch() takes the name of one package, not a list"),
    };
    match cx.library.dispatched(&cx.package.borrow(), &name, namespace.as_deref()) {
        Ok(found) => Ok(cx.macro_value(found)),
        Err(tried) => fail(format!(
            "there is no implementation of the macro `{name}` for `{}`; looked for {}",
            cx.library.adapter_type(),
            tried.join(", ")
        )),
    }
}

/// The relation that an argument is.
fn relation_of(args: &mut Args, method: &str, name: &str) -> Outcome<RelationName> {
    let value = args.need(method, name)?;
    match RelationName::from_value(&value) {
        Some(relation) => Ok(relation),
        None => fail(format!("adapter.{method}() needs a relation, not '{}'", value::type_name(&value))),
    }
}

/// A schema: given as a relation, or by name.
fn schema_of(args: &mut Args, method: &str) -> Outcome<(Option<String>, String)> {
    let first = args.need(method, "relation")?;
    if let Some(relation) = RelationName::from_value(&first) {
        return Ok((relation.database, relation.schema.unwrap_or_default()));
    }
    let database = (!first.is_none()).then(|| value::text(&first));
    Ok((database, args.need_text(method, "schema")?))
}

fn columns_of(cx: &Interp<'_>, database: &dyn Database, relation: &RelationName) -> Outcome<Vec<Value>> {
    let mark = cx.library.quote_mark();
    let columns = said(database.columns(relation))?;
    Ok(columns.into_iter().map(|column| Column::value(column, mark)).collect())
}

fn relations(found: Vec<RelationName>) -> Value {
    list(found.into_iter().map(RelationName::into_value).collect())
}

/// What asks the warehouse.
fn with_database(
    cx: &Interp<'_>,
    database: &dyn Database,
    name: &str,
    args: &mut Args,
) -> Outcome<Option<Value>> {
    Ok(Some(match name {
        "get_relation" => {
            let in_database = args.text("database");
            let schema = args.text("schema").unwrap_or_default();
            let identifier = args.text("identifier").unwrap_or_default();
            let found = said(database.find(in_database.as_deref(), &schema, &identifier))?;
            found.map_or_else(none, RelationName::into_value)
        }
        "load_relation" => {
            let relation = relation_of(args, name, "relation")?;
            let schema = relation.schema.as_deref().unwrap_or_default();
            let identifier = relation.identifier.as_deref().unwrap_or_default();
            let found = said(database.find(relation.database.as_deref(), schema, identifier))?;
            found.map_or_else(none, RelationName::into_value)
        }
        "get_columns_in_relation" => {
            let relation = relation_of(args, name, "relation")?;
            list(columns_of(cx, database, &relation)?)
        }
        "get_missing_columns" => {
            let from = relation_of(args, name, "from_relation")?;
            let to = relation_of(args, name, "to_relation")?;
            let known: Vec<String> = columns_of(cx, database, &to)?.iter().map(name_of).collect();
            let mut missing = columns_of(cx, database, &from)?;
            missing.retain(|column| !known.contains(&name_of(column)));
            list(missing)
        }
        "get_column_schema_from_query" | "get_columns_in_query" => {
            let sql = args.need_text(name, "sql")?;
            let mark = cx.library.quote_mark();
            let columns = said(database.columns_of_query(&sql))?;
            list(columns.into_iter().map(|column| Column::value(column, mark)).collect())
        }
        "list_relations" | "list_relations_without_caching" => {
            let (in_database, schema) = schema_of(args, name)?;
            relations(said(database.relations(in_database.as_deref(), &schema))?)
        }
        "list_schemas" => {
            let schemas = said(database.schemas(args.text("database").as_deref()))?;
            list(schemas.into_iter().map(Value::from).collect())
        }
        "check_schema_exists" => {
            let in_database = args.text("database");
            let schema = args.need_text(name, "schema")?;
            let schemas = said(database.schemas(in_database.as_deref()))?;
            Value::from(schemas.iter().any(|known| known.eq_ignore_ascii_case(&schema)))
        }
        "already_exists" => {
            let schema = args.need_text(name, "schema")?;
            let table = args.need_text(name, "table")?;
            Value::from(said(database.find(None, &schema, &table))?.is_some())
        }
        "standardize_grants_dict" => grants(args)?,
        "assert_valid_snapshot_target_given_strategy" | "valid_snapshot_target" => {
            let relation = relation_of(args, name, "relation")?;
            snapshot_columns(cx, database, &relation, args)?
        }
        "drop_relation" | "truncate_relation" | "rename_relation"
            if let Some(found) = cx.library.instead(name) =>
        {
            cx.call_at_home(found, std::mem::take(args))?;
            Value::from("")
        }
        _ => return changes(database, name, args),
    }))
}

/// What changes the warehouse.
fn changes(database: &dyn Database, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
    let nothing = || Value::from("");
    Ok(Some(match name {
        "expand_target_column_types" => {
            let from = relation_of(args, name, "from_relation")?;
            let to = relation_of(args, name, "to_relation")?;
            said(database.widen(&from, &to))?;
            nothing()
        }
        "create_schema" => {
            let (in_database, schema) = schema_of(args, name)?;
            said(database.create_schema(in_database.as_deref(), &schema))?;
            nothing()
        }
        "drop_schema" => {
            let (in_database, schema) = schema_of(args, name)?;
            said(database.drop_schema(in_database.as_deref(), &schema))?;
            nothing()
        }
        "drop_relation" => {
            said(database.drop(&relation_of(args, name, "relation")?))?;
            nothing()
        }
        "truncate_relation" => {
            said(database.truncate(&relation_of(args, name, "relation")?))?;
            nothing()
        }
        "rename_relation" => {
            let from = relation_of(args, name, "from_relation")?;
            let to = relation_of(args, name, "to_relation")?;
            said(database.rename(&from, &to))?;
            nothing()
        }
        "execute" => {
            let sql = args.need_text(name, "sql")?;
            let begin = args.flag("auto_begin", false);
            let fetch = args.flag("fetch", false);
            if begin {
                said(database.begin())?;
            }
            let (response, table) = statement::run(database, &sql, fetch)?;
            tuple(vec![response, table])
        }
        "add_query" => {
            said(database.execute(&args.need_text(name, "sql")?))?;
            nothing()
        }
        "begin" => said(database.begin()).map(|()| nothing())?,
        "commit" | "commit_if_has_connection" => said(database.commit()).map(|()| nothing())?,
        "rollback" => said(database.rollback()).map(|()| nothing())?,
        _ => return Ok(None),
    }))
}

/// The grants of a relation by privilege, out of a table of grantees and privileges.
fn grants(args: &mut Args) -> Outcome<Value> {
    let table = args.need("standardize_grants_dict", "grants_table")?;
    let dict = Dict::default();
    for row in value::items(&table)? {
        let column = |name: &str| value::item(&row, &Value::from(name)).unwrap_or_else(none);
        let (grantee, privilege) = (column("grantee"), value::key(column("privilege_type"))?);
        let known = dict.get(&privilege);
        let mut names = known.map_or_else(|| Ok(Vec::new()), |known| value::items(&known))?;
        names.push(grantee);
        dict.lock().insert(privilege, list(names));
    }
    Ok(Value::from_object(dict))
}

/// A snapshot's table has the columns a snapshot needs.
fn snapshot_columns(
    cx: &Interp<'_>,
    database: &dyn Database,
    relation: &RelationName,
    args: &mut Args,
) -> Outcome<Value> {
    let names = args.take("column_names").filter(|names| !names.is_none());
    let known: Vec<String> =
        columns_of(cx, database, relation)?.iter().map(|column| name_of(column).to_lowercase()).collect();
    let mut missing = Vec::new();
    for wanted in ["dbt_scd_id", "dbt_valid_from", "dbt_valid_to"] {
        let renamed = names.as_ref().and_then(|names| value::item(names, &Value::from(wanted)));
        let wanted = renamed.map_or_else(|| wanted.to_owned(), |name| value::text(&name));
        if !known.contains(&wanted.to_lowercase()) {
            missing.push(wanted);
        }
    }
    if missing.is_empty() {
        return Ok(Value::from(""));
    }
    fail(format!("the snapshot's table {} lacks the columns {}", relation.render(), missing.join(", ")))
}
