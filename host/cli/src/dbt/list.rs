//! `ls` and `show`: nodes and rows as text.
//!
//! In: nodes, rows an attempt kept. Out: text.
//! Never: prints. Fails: not at all.
//! Source: <https://docs.getdbt.com/reference/commands/list>.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{args::Output, manifest::Node};
use crate::text;

/// Keys of `--output json` unless others are named.
const KEYS: [&str; 10] = [
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
];

/// One node as a line. `raw` is the node as the manifest has it.
pub(crate) fn line(node: &Node, raw: Option<&Value>, output: Output, keys: &[String]) -> String {
    match output {
        Output::Name => node.name.clone(),
        Output::Path => node.original_file_path.clone(),
        Output::Selector | Output::Text => selector(node),
        Output::Json => {
            let wanted: Vec<&str> = if keys.is_empty() {
                KEYS.to_vec()
            } else {
                keys.iter().flat_map(|key| key.split_whitespace()).collect()
            };
            let pairs = wanted.into_iter().filter_map(|key| Some((key.to_owned(), raw?.get(key)?.clone())));
            Value::Object(pairs.collect::<Map<_, _>>()).to_string()
        }
    }
}

fn selector(node: &Node) -> String {
    let package = &node.package_name;
    match node.resource_type.as_str() {
        "source" => {
            format!("source:{package}.{}.{}", node.source_name.as_deref().unwrap_or_default(), node.name)
        }
        kind @ ("exposure" | "metric" | "semantic_model" | "saved_query" | "unit_test") => {
            format!("{kind}:{package}.{}", node.name)
        }
        _ => node.fqn.join("."),
    }
}

/// Rows as an attempt of `show` keeps them.
#[derive(Debug, Deserialize)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// Rows as a table.
pub(crate) fn table(rows: &Rows) -> String {
    let cell = |value: &Value| match value {
        Value::String(text) => text::tame(text),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let head: Vec<String> = rows.columns.iter().map(|name| text::tame(name)).collect();
    let body: Vec<Vec<String>> = rows.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let width = |column: usize| {
        let cells = body.iter().filter_map(|row| row.get(column)).chain(head.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} "));
        format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    [line(&head), line(&rule)].into_iter().chain(body.iter().map(|row| line(row))).collect()
}

/// Rows as JSON, one map each.
pub(crate) fn json(rows: &Rows) -> Value {
    let one = |row: &Vec<Value>| {
        rows.columns.iter().cloned().zip(row.iter().cloned()).collect::<Map<_, _>>().into()
    };
    rows.rows.iter().map(one).collect::<Vec<Value>>().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn rows_are_shown_as_a_table() {
        let rows = Rows {
            columns: vec!["id".to_owned(), "name".to_owned()],
            rows: vec![vec![value!(1), value!("Ana\u{1b}[2J")], vec![value!(20), Value::Null]],
        };
        insta::assert_snapshot!(table(&rows), @r"
        | id | name         |
        | -- | ------------ |
        | 1  | Ana\u{1b}[2J |
        | 20 |              |
        ");
        assert_eq!(json(&rows)[1], value!({"id": 20, "name": null}));
    }

    #[test]
    fn nodes_are_listed_in_every_form() {
        let node = Node {
            name: "orders".to_owned(),
            resource_type: "model".to_owned(),
            fqn: vec!["shop".to_owned(), "orders".to_owned()],
            original_file_path: "models/orders.sql".to_owned(),
            ..Node::default()
        };
        let raw = value!({"name": "orders", "tags": ["x"], "raw_code": "select 1"});
        assert_eq!(line(&node, None, Output::Selector, &[]), "shop.orders");
        assert_eq!(line(&node, None, Output::Path, &[]), "models/orders.sql");
        assert_eq!(line(&node, Some(&raw), Output::Json, &[]), r#"{"name":"orders","tags":["x"]}"#);
        let keys = ["raw_code".to_owned()];
        assert_eq!(line(&node, Some(&raw), Output::Json, &keys), r#"{"raw_code":"select 1"}"#);
    }
}
