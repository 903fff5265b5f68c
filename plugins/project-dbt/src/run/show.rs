//! Shows the rows of a node or of a text, and makes nothing.
//!
//! In: the node's statement, or text in its place; a limit. Out: `show.json`: columns and rows.
//! Never: shows more than is asked for, or more than can be kept.
//! Fails: with the node's name and file.
//! Source: `dbt show`.

use cofferdam_sdk::{Outcome, TaskFailure};
use serde_json::{Value as Json, json};

use super::Run;
use super::fixtures::cell_json;
use super::result::Report;
use super::world::Around;

/// Rows shown where nothing else is asked for.
const ROWS: i64 = 5;

impl Run<'_> {
    /// Shows the node's rows.
    pub(super) fn show(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        if self.document.node.resource_type() == "test" {
            self.test_arguments(around)?;
        }
        let sql = match (&self.ask.inline, self.document.node.resource_type()) {
            (Some(text), _) => self.compile_text(around, text)?,
            (None, "seed") => format!("select * from {}", around.this().render()),
            (None, _) => self.compile(around)?,
        };
        report.made();
        let limit = self.ask.limit.unwrap_or(ROWS);
        let limited =
            if limit < 0 { sql.clone() } else { format!("select * from (\n{sql}\n) as shown limit {limit}") };
        let wire = &around.scene.warehouse.wire;
        let answer = wire.run(&limited, true).map_err(|why| self.sql_failure(around, why))?;
        let rows: Vec<Vec<Json>> =
            answer.rows.iter().map(|row| row.iter().map(cell_json).collect()).collect();
        let shown = json!({"columns": answer.columns, "rows": rows});
        report.files.push(("show.json", serde_json::to_vec(&shown).unwrap_or_default()));
        report.compiled = Some(sql);
        report.message = format!("{} rows", answer.rows.len());
        Ok(self.outcome(Some(answer.rows.len() as u64), &report.message))
    }
}
