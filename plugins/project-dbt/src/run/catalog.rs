//! Describes the relation of a node, as dbt's catalog does.
//!
//! In: the node's relation. Out: `catalog.json`: its kind, owner and comment, its columns and their
//! types.
//! Never: reads a row.
//! Fails: with the node's name.
//! Source: dbt's `catalog.json`, v1: one entry of its `nodes` or `sources`.

use cofferdam_sdk::{Outcome, TaskFailure, Value};
use serde_json::{Map, Value as Json, json};

use super::Run;
use super::result::Report;
use super::world::Around;
use crate::jinja::world::Database as _;

impl Run<'_> {
    /// Describes the node's relation.
    pub(super) fn catalog(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        report.made();
        let warehouse = around.scene.warehouse;
        let failed = |why| self.sql_failure(around, why);
        let parts = self.document.node.relation();
        let (_, kind) = warehouse.look(&parts.schema, &parts.identifier).map_err(failed)?;
        let Some(kind) = kind else {
            report.message = "there is no such relation".to_owned();
            return Ok(self.outcome(None, "there is no such relation"));
        };
        let postgres = self.document.shared.target.kind == "postgres";
        let (mut owner, mut comment) = (Json::Null, Json::Null);
        let mut comments = Map::new();
        if postgres {
            let statement = "select cast(pg_catalog.pg_get_userbyid(c.relowner) as text) as owner, \
                 d.objsubid as place, cast(a.attname as text) as name, d.description as comment \
                 from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace \
                 left join pg_catalog.pg_description as d on d.objoid = c.oid \
                 left join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = d.objsubid \
                 where n.nspname = ? and c.relname = ?";
            let values = [Value::from(parts.schema.as_str()), parts.identifier.as_str().into()];
            for row in warehouse.wire.table(statement, &values).map_err(failed)?.rows {
                let word = |at: usize| match row.get(at) {
                    Some(Value::Text(text)) => Json::from(text.as_str()),
                    _ => Json::Null,
                };
                owner = word(0);
                match (row.get(1), row.get(2)) {
                    (Some(Value::Int64(0)), _) => comment = word(3),
                    (_, Some(Value::Text(name))) => drop(comments.insert(name.clone(), word(3))),
                    _ => {}
                }
            }
        }
        let columns = warehouse.columns(&around.this()).map_err(|_| self.last_failure(around))?;
        let columns: Map<String, Json> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let of = declared(column);
                let comment = comments.get(&column.name).cloned().unwrap_or_default();
                let told = json!({"type": of, "index": at + 1, "name": column.name, "comment": comment});
                (column.name.clone(), told)
            })
            .collect();
        let of = match kind.as_str() {
            "table" => "BASE TABLE".to_owned(),
            other => other.to_ascii_uppercase().replace('_', " "),
        };
        let entry = json!({
            "unique_id": self.document.node.unique_id(),
            "metadata": {
                "type": of, "schema": parts.schema, "name": parts.identifier, "database": parts.database,
                "comment": comment, "owner": owner,
            },
            "columns": columns,
            "stats": {"has_stats": {"id": "has_stats", "label": "Has Stats?", "value": false, "include": false,
                "description": "Indicates whether there are statistics for this table"}},
        });
        report.files.push(("catalog.json", serde_json::to_vec(&entry).unwrap_or_default()));
        report.message = format!("{} columns", columns.len());
        Ok(self.outcome(None, &report.message))
    }

    /// The failure that a call of the warehouse has just met.
    pub(super) fn last_failure(&self, around: &Around<'_>) -> TaskFailure {
        let why = around.scene.warehouse.wire.last_failure.borrow_mut().take();
        let why = why.unwrap_or_else(|| {
            cofferdam_sdk::Failure::invalid(crate::codes::RENDER, "the warehouse did not answer")
        });
        self.sql_failure(around, why)
    }
}

/// A type with its sizes.
pub(super) fn declared(column: &crate::jinja::world::ColumnInfo) -> String {
    match (column.char_size, column.numeric_precision, column.numeric_scale) {
        (Some(size), ..) => format!("{}({size})", column.dtype),
        (_, Some(precision), Some(scale)) if matches!(column.dtype.as_str(), "numeric" | "decimal") => {
            format!("{}({precision},{scale})", column.dtype)
        }
        _ => column.dtype.clone(),
    }
}
