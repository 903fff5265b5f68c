//! Builds a model into its relation.
//!
//! In: the rendered SELECT. Out: the table or view, or an incremental table with its new rows.
//! Never: leaves readers without the old relation: the adapter puts the new one in its place.
//! Fails: with the model's name, file and line; the old relation stays.
//! Source: dbt's materializations `table`, `view`, `incremental`.

use cofferdam_sdk::{Failure, MergeStrategy, Outcome, Relation, RelationKind, TaskFailure};

use super::Run;
use crate::config::{Materialized, Strategy};

impl Run<'_> {
    pub(super) fn model(&self, relation: &Relation) -> Result<Outcome, TaskFailure> {
        let source = self.source()?;
        let failed = |why: Failure| self.sql_failure(why, &source);
        let materialized = self.attempt.node.config.materialized();
        let incremental = materialized == Materialized::Incremental
            && !self.attempt.full_refresh
            && self
                .connection
                .find(relation)
                .map_err(failed)?
                .is_some_and(|info| info.kind == RelationKind::Table);
        let select = self.render(&source, relation.clone(), incremental)?;
        self.connection.ensure_schema(relation.schema.as_deref().unwrap_or_default()).map_err(failed)?;
        let (rows, summary) = match materialized {
            Materialized::View => {
                self.connection.create_view(relation, &select).map_err(failed)?;
                (None, format!("{relation}: view"))
            }
            _ if incremental => {
                let strategy = self.strategy();
                let rows = self.connection.insert(relation, &select, &strategy).map_err(failed)?;
                (Some(rows), format!("{relation}: {}", brought_in(&strategy, rows)))
            }
            _ => {
                let rows = self.connection.create_table_as(relation, &select).map_err(failed)?;
                (Some(rows), format!("{relation}: table of {}", count(rows)))
            }
        };
        Ok(Outcome { rows_affected: rows, summary })
    }

    fn strategy(&self) -> MergeStrategy {
        let config = &self.attempt.node.config;
        match config.strategy() {
            Strategy::Append => MergeStrategy::Append,
            Strategy::DeleteInsert => MergeStrategy::DeleteInsert(config.unique_key.clone()),
            Strategy::Merge => MergeStrategy::Merge(config.unique_key.clone()),
        }
    }
}

fn brought_in(strategy: &MergeStrategy, rows: u64) -> String {
    match (strategy, rows) {
        (_, 0) => "nothing new".to_owned(),
        (MergeStrategy::Append, rows) => format!("{} added", count(rows)),
        (MergeStrategy::DeleteInsert(_), rows) => format!("{} put in place by key", count(rows)),
        (MergeStrategy::Merge(_), rows) => format!("{} merged by key", count(rows)),
    }
}

/// `1 row`, `2 rows`.
pub(super) fn count(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}
