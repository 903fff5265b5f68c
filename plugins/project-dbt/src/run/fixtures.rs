//! Rows of a unit test as SQL, and rows of the warehouse as text.
//!
//! In: rows as the project file has them, the columns they are for. Out: one SELECT.
//! Never: drops a value: a column that is not there is an error.
//! Fails: with a sentence.
//! Source: dbt's unit tests: every value is cast to the type of its column.

use serde_json::{Map, Value as Json};

use super::catalog::declared;
use crate::jinja::world::{Cell, ColumnInfo};

/// The SELECT of rows, one cast per value.
pub(super) fn select(
    rows: &[Map<String, Json>],
    columns: &[ColumnInfo],
    what: &str,
    dialect: Dialect,
) -> Result<String, String> {
    for row in rows {
        for name in row.keys() {
            if !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)) {
                let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                return Err(format!("there is no column `{name}` in {what}; it has {}", known.join(", ")));
            }
        }
    }
    let one = |row: &Map<String, Json>| {
        let values = columns.iter().map(|column| {
            let told = row.iter().find(|(name, _)| column.name.eq_ignore_ascii_case(name));
            let value = told.map_or_else(|| "null".to_owned(), |(_, value)| literal(value));
            let name = dialect.quoted(&column.name);
            match castable(column, dialect) {
                Some(of) => format!("cast({value} as {of}) as {name}"),
                None => format!("{value} as {name}"),
            }
        });
        format!("select {}", values.collect::<Vec<_>>().join(", "))
    };
    if rows.is_empty() {
        return Ok(format!("{} where 1 = 0", one(&Map::new())));
    }
    Ok(rows.iter().map(one).collect::<Vec<_>>().join("\nunion all\n"))
}

/// How a warehouse writes names and casts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Standard,
    MySql,
    /// Whose columns take values of any type, and whose queries say none of their own.
    Untyped,
}

impl Dialect {
    /// A name as the warehouse writes it.
    pub(super) fn quoted(self, name: &str) -> String {
        let mark = if self == Self::MySql { '`' } else { '"' };
        format!("{mark}{}{mark}", name.replace(mark, &format!("{mark}{mark}")))
    }
}

/// The type a value is cast to; none where it stays what it is.
fn castable(column: &ColumnInfo, dialect: Dialect) -> Option<String> {
    let of = declared(column);
    match (dialect, column.dtype.as_str()) {
        (Dialect::Untyped, _) => None,
        (Dialect::MySql, _) => Some(mysql(&of)),
        (Dialect::Standard, "ARRAY") => Some("text[]".to_owned()),
        _ => Some(of),
    }
}

/// The few types MySQL casts to.
fn mysql(declared: &str) -> String {
    let of = declared.to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| of.starts_with(word));
    let cast = if begins(&["bool", "tinyint", "smallint", "mediumint", "int", "bigint", "year"]) {
        if of.contains("unsigned") { "unsigned" } else { "signed" }
    } else if begins(&["double", "real", "float"]) {
        "double"
    } else if begins(&["timestamp"]) {
        "datetime(6)"
    } else if begins(&["decimal", "numeric", "datetime", "date", "time"]) {
        return of.replace("numeric", "decimal");
    } else if of.contains("binary") || of.contains("blob") {
        "binary"
    } else {
        "char"
    };
    cast.to_owned()
}

/// A value as SQL writes it.
fn literal(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => format!("'{}'", text.replace('\'', "''")),
        other => format!("'{}'", other.to_string().replace('\'', "''")),
    }
}

/// Rows as the project file has them.
pub(super) fn rows(told: &Json) -> Result<Vec<Map<String, Json>>, String> {
    let all = match told {
        Json::Null => return Ok(Vec::new()),
        Json::Array(all) => all,
        other => return Err(format!("rows are a list; found `{other}`")),
    };
    all.iter()
        .map(|row| row.as_object().cloned().ok_or_else(|| format!("a row names its columns; found `{row}`")))
        .collect()
}

/// A value for `show.json`.
pub(super) fn cell_json(cell: &Cell) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Boolean(truth) => (*truth).into(),
        Cell::Integer(number) => (*number).into(),
        Cell::Number(text) => number(text),
        Cell::Text(text) | Cell::Date(text) | Cell::DateTime(text) => text.as_str().into(),
    }
}

fn number(text: &str) -> Json {
    match text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
        Some(number) if text.len() <= 15 => Json::Number(number),
        _ => text.into(),
    }
}

/// A value as people compare it: `1` and `1.00` are the same number.
pub(super) fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Boolean(truth) => truth.to_string(),
        Cell::Integer(number) => number.to_string(),
        Cell::Number(text) if text.contains('.') && !text.contains(['e', 'E']) => {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Cell::Number(text) | Cell::Text(text) | Cell::Date(text) | Cell::DateTime(text) => text.clone(),
    }
}

/// How two lists of rows differ, as a table people read; none where they hold the same rows.
pub(super) fn difference(
    columns: &[String],
    actual: &[Vec<String>],
    expected: &[Vec<String>],
) -> Option<String> {
    let (mut left, mut lines) = (actual.to_vec(), Vec::new());
    let mut missing = Vec::new();
    for row in expected {
        match left.iter().position(|other| other == row) {
            Some(at) => lines.push(("", left.remove(at))),
            None => missing.push(row.clone()),
        }
    }
    if left.is_empty() && missing.is_empty() {
        return None;
    }
    lines.extend(missing.into_iter().map(|row| ("---", row)));
    lines.extend(left.into_iter().map(|row| ("+++", row)));
    let mut table = vec![("@@", columns.to_vec())];
    table.extend(lines);
    let width =
        |at: usize| table.iter().filter_map(|(_, row)| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|at| width(at).unwrap_or(0)).collect();
    let shown = table.iter().map(|(mark, row)| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{mark:<3},{}", cells.collect::<Vec<_>>().join(",")).trim_end().to_owned()
    });
    Some(shown.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn columns() -> Vec<ColumnInfo> {
        vec![
            super::super::database::column("id", "integer"),
            super::super::database::column("name", "character varying(9)"),
        ]
    }

    fn sql(told: &Json) -> Result<String, String> {
        select(&rows(told).unwrap(), &columns(), "orders", Dialect::Standard)
    }

    #[test]
    fn every_value_is_cast_to_its_columns_type() {
        assert_eq!(
            sql(&json!([{"ID": 1, "name": "o'hara"}, {"id": "2"}])).unwrap(),
            "select cast(1 as integer) as \"id\", cast('o''hara' as character varying(9)) as \"name\"\nunion all\n\
             select cast('2' as integer) as \"id\", cast(null as character varying(9)) as \"name\""
        );
        assert!(sql(&json!([])).unwrap().ends_with("where 1 = 0"));
        assert_eq!(
            sql(&json!([{"nam": 1}])).unwrap_err(),
            "there is no column `nam` in orders; it has id, name"
        );
        assert!(rows(&json!("id\n1")).is_err() && rows(&json!([1])).is_err());
    }

    #[test]
    fn mysql_casts_to_its_own_few_types() {
        let of = [
            "bigint",
            "int unsigned",
            "longtext character set utf8mb4",
            "decimal(9,2)",
            "timestamp",
            "double",
        ];
        let casts: Vec<String> = of.into_iter().map(mysql).collect();
        assert_eq!(casts, ["signed", "unsigned", "char", "decimal(9,2)", "datetime(6)", "double"]);
        let told = select(&rows(&json!([{"id": 1}])).unwrap(), &columns(), "x", Dialect::Untyped).unwrap();
        assert_eq!(told, "select 1 as \"id\", null as \"name\"");
    }

    #[test]
    fn a_difference_shows_what_is_missing_and_what_is_too_much() {
        let row = |id: &str, name: &str| vec![id.to_owned(), name.to_owned()];
        let names = ["id".to_owned(), "name".to_owned()];
        let (a, b) = ([row("1", "anna"), row("2", "bo")], [row("3", "cy"), row("1", "anna")]);
        insta::assert_snapshot!(difference(&names, &a, &b).unwrap(), @"
        @@ ,id,name
           ,1 ,anna
        ---,3 ,cy
        +++,2 ,bo
        ");
        let turned = [row("2", "bo"), row("1", "anna")];
        assert_eq!(difference(&names, &a, &turned), None);
        assert!(difference(&names, &[row("1", "a")], &[row("1", "a"), row("1", "a")]).is_some());
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert_eq!(text(&Cell::Number("1.00".into())), "1");
        assert_eq!(text(&Cell::Number("100".into())), "100");
    }
}
