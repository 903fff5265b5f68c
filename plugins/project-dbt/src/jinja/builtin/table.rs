//! Tables that statements give, as `run_query` and `load_result` show them.
//!
//! In: an [`Answer`] of the warehouse. Out: objects of agate's kinds `Table`, `Row` and `Column`.
//! Never: changes a table; each method gives a new one.
//! Fails: where a column is not there.
//! Source: agate 1.9, the parts of it that macros use.

use std::any::Any;
use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ObjectRepr;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::value::{self, Args, Decimal, Dict, Native, Python, at, count, list, native, none, tuple};
use super::super::world::{Answer, Cell};
use super::datetime;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    names: Arc<Vec<String>>,
    rows: Arc<Vec<Arc<Vec<Value>>>>,
}

/// The rows of an answer as a value.
pub(super) fn table(answer: &Answer) -> Value {
    let row = |row: &Vec<Cell>| Arc::new(row.iter().map(cell).collect::<Vec<_>>());
    let rows: Vec<Arc<Vec<Value>>> = answer.rows.iter().map(row).collect();
    native(Table { names: Arc::new(answer.columns.clone()), rows: Arc::new(rows) })
}

/// A table without columns.
pub(super) fn empty() -> Value {
    table(&Answer::default())
}

/// A value of the warehouse as Python's.
fn cell(cell: &Cell) -> Value {
    match cell {
        Cell::Null => none(),
        Cell::Boolean(flag) => Value::from(*flag),
        Cell::Integer(number) => Value::from(*number),
        Cell::Number(digits) => match Decimal::parse(digits) {
            Some(number) => number.value(),
            None => digits.parse::<f64>().map_or_else(|_| Value::from(digits.as_str()), Value::from),
        },
        Cell::Text(text) => Value::from(text.as_str()),
        Cell::Date(text) => datetime::date(text).unwrap_or_else(|| Value::from(text.as_str())),
        Cell::DateTime(text) => datetime::datetime(text).unwrap_or_else(|| Value::from(text.as_str())),
    }
}

/// Values with names: a row, a table's rows or columns, a column.
#[derive(Debug)]
struct Mapped {
    kind: &'static str,
    keys: Arc<Vec<Value>>,
    values: Vec<Value>,
    /// A column's name and place.
    column: Option<(String, usize)>,
}

impl Mapped {
    fn find(&self, key: &Value) -> Option<Value> {
        if let Some(index) = key.as_i64() {
            return self.values.get(at(i128::from(index), self.values.len())?).cloned();
        }
        let index = self.keys.iter().position(|known| value::equal(known, key))?;
        self.values.get(index).cloned()
    }
}

impl Python for Mapped {
    fn type_name(&self) -> &'static str {
        self.kind
    }

    fn item(&self, key: &Value) -> Option<Value> {
        self.find(key)
    }

    fn attr(&self, name: &str) -> Option<Value> {
        let (column, index) = self.column.as_ref()?;
        match name {
            "name" => Some(Value::from(column.as_str())),
            "index" => Some(count(*index)),
            "data_type" => Some(native(DataType(type_of(&self.values)))),
            _ => None,
        }
    }

    fn shape(&self) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn items(&self) -> Option<Vec<Value>> {
        Some(self.values.clone())
    }

    fn length(&self) -> Option<usize> {
        Some(self.values.len())
    }

    fn text(&self) -> String {
        format!("<agate.{}: {}>", self.kind, value::repr(&tuple(self.values.clone())))
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        let distinct = || {
            let mut kept: Vec<Value> = Vec::new();
            for value in &self.values {
                if !kept.iter().any(|known| value::equal(known, value)) {
                    kept.push(value.clone());
                }
            }
            tuple(kept)
        };
        let pairs = || self.keys.iter().cloned().zip(self.values.iter().cloned());
        Some(Ok(match name {
            "values" => tuple(self.values.clone()),
            "keys" => tuple(self.keys.to_vec()),
            "items" => list(pairs().map(|(key, value)| tuple(vec![key, value])).collect()),
            "dict" => Value::from_object(Dict::new(pairs())),
            "get" => {
                let key = args.take("key")?;
                let default = args.take("default");
                self.find(&key).or(default).unwrap_or_else(none)
            }
            "values_distinct" => distinct(),
            "values_without_nulls" => {
                tuple(self.values.iter().filter(|value| !value.is_none()).cloned().collect())
            }
            "values_sorted" => {
                let mut values = self.values.clone();
                match value::sort_by(&mut values, |a, b| value::compare(a, b, "<")) {
                    Ok(()) => list(values),
                    Err(why) => return Some(Err(why)),
                }
            }
            _ => return None,
        }))
    }

    fn methods(&self) -> &'static [&'static str] {
        &[
            "values",
            "keys",
            "items",
            "dict",
            "get",
            "values_distinct",
            "values_without_nulls",
            "values_sorted",
        ]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What kind of values a column holds, by agate's names.
fn type_of(values: &[Value]) -> &'static str {
    let kinds: Vec<&str> = values.iter().filter(|value| !value.is_none()).map(value::type_name).collect();
    let all = |wanted: &[&str]| !kinds.is_empty() && kinds.iter().all(|kind| wanted.contains(kind));
    if all(&["bool"]) {
        "Boolean"
    } else if all(&["int"]) {
        "Integer"
    } else if all(&["int", "Decimal", "float"]) {
        "Number"
    } else if all(&["date"]) {
        "Date"
    } else if all(&["datetime"]) {
        "DateTime"
    } else if kinds.is_empty() && !values.is_empty() {
        "Integer"
    } else {
        "Text"
    }
}

/// The type of a column.
#[derive(Debug)]
struct DataType(&'static str);

impl Python for DataType {
    fn type_name(&self) -> &'static str {
        self.0
    }

    fn text(&self) -> String {
        format!("<agate.data_types.{}.{} object>", self.0.to_lowercase(), self.0)
    }

    fn methods(&self) -> &'static [&'static str] {
        &["jsonify", "csvify"]
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        if !self.methods().contains(&name) {
            return None;
        }
        let given = args.take("d").unwrap_or_else(none);
        let moment = |given: &Value| {
            let native = given.downcast_object_ref::<Native>()?;
            Some(Value::from(native.0.text().replacen(' ', "T", 1)))
        };
        Some(Ok(match self.0 {
            _ if given.is_none() => given,
            "Number" if name == "jsonify" => match Decimal::of(&given) {
                Some(number) => Value::from(number.float()),
                None => given,
            },
            "Number" | "Integer" | "Boolean" => given,
            "Date" | "DateTime" => moment(&given).unwrap_or(given),
            _ => Value::from(value::text(&given)),
        }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Table {
    /// The table that a value is.
    pub(super) fn of(value: &Value) -> Option<&Self> {
        value.downcast_object_ref::<Native>()?.get()
    }

    fn keys(&self) -> Arc<Vec<Value>> {
        Arc::new(self.names.iter().map(|name| Value::from(name.as_str())).collect())
    }

    fn row(&self, index: usize) -> Option<Value> {
        let values = self.rows.get(index)?.to_vec();
        Some(native(Mapped { kind: "Row", keys: self.keys(), values, column: None }))
    }

    fn all_rows(&self) -> Vec<Value> {
        let keys = self.keys();
        let row = |row: &Arc<Vec<Value>>| {
            native(Mapped { kind: "Row", keys: keys.clone(), values: row.to_vec(), column: None })
        };
        self.rows.iter().map(row).collect()
    }

    fn column_values(&self, index: usize) -> Vec<Value> {
        self.rows.iter().map(|row| row.get(index).cloned().unwrap_or_else(none)).collect()
    }

    fn column(&self, index: usize) -> Value {
        let keys = (0..self.rows.len()).map(count).collect();
        native(Mapped {
            kind: "Column",
            keys: Arc::new(keys),
            values: self.column_values(index),
            column: Some((self.names[index].clone(), index)),
        })
    }

    /// Rows as tuples: what `load_result(…).data` shows.
    pub(super) fn data(&self) -> Value {
        list(self.rows.iter().map(|row| tuple(row.to_vec())).collect())
    }

    /// The warehouse's type for a column of a seed.
    pub(super) fn converted_type(&self, index: usize) -> &'static str {
        match type_of(&self.column_values(index)) {
            "Boolean" => "boolean",
            "Integer" => "integer",
            "Number" => "float8",
            "Date" => "date",
            "DateTime" => "timestamp without time zone",
            _ => "text",
        }
    }

    fn position(&self, key: &Value) -> Outcome<usize> {
        let found = match key.as_i64() {
            Some(index) => at(i128::from(index), self.names.len()),
            None => self.names.iter().position(|name| Some(name.as_str()) == key.as_str()),
        };
        found.map_or_else(|| fail(format!("the table has no column {}", value::repr(key))), Ok)
    }

    fn picked(&self, columns: &[usize]) -> Value {
        let names = columns.iter().map(|index| self.names[*index].clone()).collect();
        let pick = |row: &Arc<Vec<Value>>| {
            Arc::new(
                columns.iter().map(|index| row.get(*index).cloned().unwrap_or_else(none)).collect::<Vec<_>>(),
            )
        };
        native(Self { names: Arc::new(names), rows: Arc::new(self.rows.iter().map(pick).collect()) })
    }

    fn with_rows(&self, rows: Vec<Arc<Vec<Value>>>) -> Value {
        native(Self { names: self.names.clone(), rows: Arc::new(rows) })
    }

    /// `select` and `exclude`.
    fn with_columns(&self, name: &str, args: &mut Args) -> Outcome<Value> {
        let keys = args.need(name, "key")?;
        let keys = if keys.as_str().is_some() { vec![keys] } else { value::items(&keys)? };
        let wanted = keys.iter().map(|key| self.position(key)).collect::<Outcome<Vec<_>>>()?;
        let columns: Vec<usize> = match name {
            "select" => wanted,
            _ => (0..self.names.len()).filter(|index| !wanted.contains(index)).collect(),
        };
        Ok(self.picked(&columns))
    }

    /// `rename`: by a dict, or by a list of names.
    fn renamed(&self, args: &mut Args) -> Value {
        let given = args.take("column_names").unwrap_or_else(none);
        let by_name = value::pairs(&given).is_some();
        let renamed = |(index, name): (usize, &String)| {
            let key = if by_name { Value::from(name.as_str()) } else { count(index) };
            value::item(&given, &key).map_or_else(|| name.clone(), |new| value::text(&new))
        };
        let names = self.names.iter().enumerate().map(renamed).collect();
        native(Self { names: Arc::new(names), rows: self.rows.clone() })
    }

    fn run(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Outcome<Option<Value>> {
        Ok(Some(match name {
            "print_table" => {
                let rows = args.int("max_rows")?.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(20);
                cx.world.log(true, &self.printed(rows));
                none()
            }
            "print_csv" | "print_json" => {
                cx.world.log(true, &self.printed(self.rows.len()));
                none()
            }
            "select" | "exclude" => self.with_columns(name, args)?,
            "rename" => self.renamed(args),
            "limit" => {
                let first = args.int("start_or_stop")?;
                let second = args.int("stop")?;
                let bound = |bound: Option<i128>| bound.and_then(|bound| usize::try_from(bound).ok());
                let (start, stop) = match (bound(first), bound(second)) {
                    (Some(start), Some(stop)) => (start, stop),
                    (stop, None) => (0, stop.unwrap_or(self.rows.len())),
                    (None, Some(stop)) => (0, stop),
                };
                self.with_rows(
                    self.rows.iter().skip(start).take(stop.saturating_sub(start)).cloned().collect(),
                )
            }
            "order_by" => {
                let index = self.position(&args.need(name, "key")?)?;
                let reverse = args.flag("reverse", false);
                let mut rows = self.rows.to_vec();
                value::sort_by(&mut rows, |a, b| {
                    let order = value::compare(&a[index], &b[index], "<")?;
                    Ok(if reverse { order.reverse() } else { order })
                })?;
                self.with_rows(rows)
            }
            "distinct" => {
                let mut kept: Vec<Arc<Vec<Value>>> = Vec::new();
                for row in self.rows.iter() {
                    let same = |known: &Arc<Vec<Value>>| {
                        known.iter().zip(row.iter()).all(|(a, b)| value::equal(a, b))
                    };
                    if !kept.iter().any(same) {
                        kept.push(row.clone());
                    }
                }
                self.with_rows(kept)
            }
            "where" => {
                let test = args.need(name, "test")?;
                let mut kept = Vec::new();
                for (index, row) in self.rows.iter().enumerate() {
                    let shown = self.row(index).unwrap_or_else(none);
                    if value::truthy(&cx.call(&test, Args::new(vec![shown], Vec::new()))?) {
                        kept.push(row.clone());
                    }
                }
                self.with_rows(kept)
            }
            _ => return Ok(None),
        }))
    }

    /// The table as people read it.
    fn printed(&self, rows: usize) -> String {
        let mut lines: Vec<Vec<String>> = vec![self.names.to_vec()];
        lines.extend(self.rows.iter().take(rows).map(|row| row.iter().map(value::text).collect()));
        let width = |index: usize| {
            lines
                .iter()
                .filter_map(|line| line.get(index))
                .map(|text| text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.names.len()).map(width).collect();
        let mut out = String::new();
        for (index, line) in lines.iter().enumerate() {
            let cells = line.iter().zip(&widths).map(|(text, width)| format!(" {text:<width$} "));
            let _ = writeln!(out, "|{}|", cells.collect::<Vec<_>>().join("|"));
            if index == 0 {
                let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                let _ = writeln!(out, "|{}|", rule.join("|"));
            }
        }
        out
    }
}

impl Python for Table {
    fn type_name(&self) -> &'static str {
        "Table"
    }

    fn truthy(&self) -> bool {
        !self.rows.is_empty()
    }

    fn attr(&self, name: &str) -> Option<Value> {
        Some(match name {
            "column_names" => tuple(self.keys().to_vec()),
            "column_types" => {
                let kinds =
                    (0..self.names.len()).map(|index| native(DataType(type_of(&self.column_values(index)))));
                tuple(kinds.collect())
            }
            "columns" => native(Mapped {
                kind: "Columns",
                keys: self.keys(),
                values: (0..self.names.len()).map(|index| self.column(index)).collect(),
                column: None,
            }),
            "rows" => {
                let keys = (0..self.rows.len()).map(count).collect();
                native(Mapped { kind: "Rows", keys: Arc::new(keys), values: self.all_rows(), column: None })
            }
            _ => return None,
        })
    }

    fn item(&self, key: &Value) -> Option<Value> {
        self.row(at(i128::from(key.as_i64()?), self.rows.len())?)
    }

    fn shape(&self) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn items(&self) -> Option<Vec<Value>> {
        Some(self.all_rows())
    }

    fn length(&self) -> Option<usize> {
        Some(self.rows.len())
    }

    fn text(&self) -> String {
        self.printed(20)
    }

    fn method(&self, cx: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        self.run(cx, name, args).transpose()
    }

    fn methods(&self) -> &'static [&'static str] {
        &["print_table", "select", "exclude", "rename", "limit", "order_by", "distinct", "where"]
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
