//! `statement`, `run_query` and the results they keep.
//!
//! In: SQL. Out: tables.
//! Never: runs anything while a project is described.
//! Fails: with what the warehouse says.
//! Source: <https://docs.getdbt.com/reference/dbt-jinja-functions/statement-blocks>.

use std::any::Any;

use minijinja::Value;
use minijinja::value::ObjectRepr;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail, said};
use super::super::value::{self, Args, Dict, Python, list, native, none, view};
use super::super::world::{Database, Response};
use super::table::{Table, empty, table};

/// Runs SQL: the response, and the rows if they are wanted.
pub(super) fn run(database: &dyn Database, sql: &str, fetch: bool) -> Outcome<(Value, Value)> {
    if fetch {
        let answer = said(database.query(sql))?;
        return Ok((response(&answer.response), table(&answer)));
    }
    Ok((response(&said(database.execute(sql))?), empty()))
}

/// What a statement did, as `load_result(…).response` shows it.
#[derive(Debug)]
struct ResponseObject(Response);

pub(super) fn response(response: &Response) -> Value {
    native(ResponseObject(response.clone()))
}

impl Python for ResponseObject {
    fn type_name(&self) -> &'static str {
        "AdapterResponse"
    }

    fn truthy(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        self.0.message.clone()
    }

    fn attr(&self, name: &str) -> Option<Value> {
        Some(match name {
            "_message" | "message" => Value::from(self.0.message.as_str()),
            "code" => Value::from(self.0.code.as_str()),
            "rows_affected" => self.0.rows_affected.map_or_else(none, Value::from),
            _ => return None,
        })
    }

    fn shape(&self) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn pairs(&self) -> Option<Vec<(Value, Value)>> {
        let names = ["_message", "code", "rows_affected"];
        Some(names.iter().map(|name| (Value::from(*name), self.attr(name).unwrap_or_else(none))).collect())
    }

    fn item(&self, key: &Value) -> Option<Value> {
        self.attr(key.as_str()?)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn keep(cx: &Interp<'_>, name: &str, response: Value, table: Value) {
    let data = Table::of(&table).map_or_else(|| list(Vec::new()), Table::data);
    let kept = Dict::of([("response", response), ("data", data), ("table", table)]);
    cx.results.borrow_mut().insert(name.to_owned(), kept);
}

/// `{% call statement(name, fetch_result, auto_begin) %}…{% endcall %}`.
pub(super) fn statement(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let caller = args.named("caller");
    let name = args.text("name");
    let fetch = args.flag("fetch_result", false);
    let begin = args.flag("auto_begin", true);
    let language = args.text("language").unwrap_or_else(|| "sql".to_owned());
    if language != "sql" {
        return fail("models in Python are not supported: a task runs SQL on its warehouse");
    }
    if !cx.world.execute() {
        return Ok(Value::from(""));
    }
    let Some(caller) = caller else {
        return fail("`statement` is called with a block: `{% call statement('name') %}…{% endcall %}`");
    };
    let sql = value::text(&cx.call(&caller, Args::default())?);
    let Some(database) = cx.world.database() else { return Ok(Value::from("")) };
    if begin {
        said(database.begin())?;
    }
    let (response, table) = run(database, &sql, fetch)?;
    if let Some(name) = name {
        keep(cx, &name, response, table);
    }
    Ok(Value::from(""))
}

pub(super) fn run_query(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let sql = args.need_text("run_query", "sql")?;
    match cx.world.database() {
        Some(database) if cx.world.execute() => {
            let (response, table) = run(database, &sql, true)?;
            keep(cx, "run_query_statement", response, table.clone());
            Ok(table)
        }
        _ => Ok(none()),
    }
}

pub(super) fn load_result(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let name = args.need_text("load_result", "name")?;
    Ok(cx.results.borrow().get(&name).cloned().unwrap_or_else(none))
}

pub(super) fn store_result(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let name = args.need_text("store_result", "name")?;
    let response = args.take("response").unwrap_or_else(none);
    let table = args.take("agate_table").filter(|table| Table::of(table).is_some()).unwrap_or_else(empty);
    keep(cx, &name, response, table);
    Ok(Value::from(""))
}

pub(super) fn store_raw_result(cx: &Interp<'_>, args: &mut Args) -> Outcome<Value> {
    let name = args.need_text("store_raw_result", "name")?;
    let message = args.text("message").unwrap_or_default();
    let code = args.text("code").unwrap_or_default();
    let rows = args.take("rows_affected");
    let rows_affected = rows.and_then(|rows| match view(&rows) {
        value::View::Int(rows) => i64::try_from(rows).ok(),
        _ => None,
    });
    let table = args.take("agate_table").filter(|table| Table::of(table).is_some()).unwrap_or_else(empty);
    keep(cx, &name, response(&Response { message, code, rows_affected }), table);
    Ok(Value::from(""))
}
