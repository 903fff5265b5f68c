//! Builds models and snapshots where the warehouse is not PostgreSQL, by the adapter's own steps.
//!
//! In: the node's statement. Out: the relation; the adapter puts it in the place of the old one.
//! Never: does less than the node asks for: a setting the adapter has no step for is an error.
//! Fails: with the node's name and file; what was there stays.
//! Source: `wit/warehouse/warehouse.wit`; dbt's materializations.

use cofferdam_sdk::{ChangeMark, HardDeletes, HistoryNames, MergeStrategy, Snapshot, TaskFailure};
use serde_json::Value as Json;

use super::Run;
use super::world::Around;
use crate::codes;
use crate::jinja::world::{RelationKind, Response};
use crate::warehouses;

impl Run<'_> {
    /// Builds the node by the adapter's steps, its hooks around it.
    pub(super) fn portable(
        &self,
        around: &Around<'_>,
        materialized: &str,
        sql: &str,
    ) -> Result<Response, TaskFailure> {
        self.known_settings()?;
        *around.written.borrow_mut() = Some(sql.to_owned());
        self.hooks(around, "pre_hooks", false)?;
        self.hooks(around, "pre_hooks", true)?;
        let wire = &around.scene.warehouse.wire;
        // The adapter's steps are whole transactions of their own where DDL cannot be part of one.
        if !wire.transactional_ddl() {
            wire.commit().map_err(|why| self.sql_failure(around, why))?;
        }
        let response = self.step(around, materialized, sql)?;
        self.hooks(around, "post_hooks", true)?;
        wire.commit().map_err(|why| self.sql_failure(around, why))?;
        self.hooks(around, "post_hooks", false)?;
        Ok(response)
    }

    fn step(&self, around: &Around<'_>, materialized: &str, sql: &str) -> Result<Response, TaskFailure> {
        let failed = |why| self.sql_failure(around, why);
        let parts = self.document.node.relation();
        let relation = parts.relation();
        let warehouse = around.scene.warehouse;
        let connection = warehouse.wire.connection().map_err(failed)?;
        let (code, rows) = match materialized {
            "view" => {
                connection.create_view(&relation, sql).map_err(failed)?;
                return Ok(Response {
                    message: "CREATE VIEW".into(),
                    code: "CREATE VIEW".into(),
                    rows_affected: None,
                });
            }
            "incremental" => {
                let (_, kind) = warehouse.look(&parts.schema, &parts.identifier).map_err(failed)?;
                if kind == Some(RelationKind::Table) && !self.full_refresh() {
                    let strategy = self.strategy()?;
                    self.adapt_columns(around, &parts, sql)?;
                    ("INSERT", connection.insert(&relation, sql, &strategy).map_err(failed)?)
                } else {
                    let rows = connection.create_table_as(&relation, sql).map_err(failed)?;
                    self.make_indexes(around, &parts)?;
                    ("SELECT", rows)
                }
            }
            "snapshot" => {
                let how = self.history()?;
                ("INSERT", connection.snapshot(&relation, sql, &how).map_err(failed)?)
            }
            "table" => {
                let rows = connection.create_table_as(&relation, sql).map_err(failed)?;
                self.make_indexes(around, &parts)?;
                ("SELECT", rows)
            }
            other => return Err(self.unsupported(&format!("`materialized: {other}`"))),
        };
        warehouse.wire.changes.set(warehouse.wire.changes.get() + 1);
        Ok(Response {
            message: format!("{code} {rows}"),
            code: code.into(),
            rows_affected: i64::try_from(rows).ok(),
        })
    }

    fn unsupported(&self, what: &str) -> TaskFailure {
        let kind = &self.document.shared.target.kind;
        let message =
            format!("{}: {what} is not to be had on {kind}; use PostgreSQL, or leave it out", self.who());
        TaskFailure::permanent(codes::UNSUPPORTED, message)
    }

    fn known_settings(&self) -> Result<(), TaskFailure> {
        let lacking = warehouses::lacking(self.document.shared.target.dialect(), self.document.node.config());
        match lacking.first() {
            Some((_, what)) => Err(self.unsupported(what)),
            None => Ok(()),
        }
    }

    /// A setting that is a name or a list of them.
    fn names(&self, key: &str) -> Vec<String> {
        match self.document.node.setting(key) {
            Some(Json::String(name)) => vec![name.clone()],
            Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn strategy(&self) -> Result<MergeStrategy, TaskFailure> {
        let key = self.names("unique_key");
        let told = self.document.node.setting("incremental_strategy").and_then(Json::as_str);
        match (told, key.is_empty()) {
            (Some("append"), _) | (None | Some("default"), true) => Ok(MergeStrategy::Append),
            (Some("delete+insert" | "default") | None, false) => Ok(MergeStrategy::DeleteInsert(key)),
            // Each batch takes the place of its own rows, by the key.
            (Some("merge" | "microbatch"), false) => Ok(MergeStrategy::Merge(key)),
            (Some(other), _) => {
                Err(self.unsupported(&format!("`incremental_strategy: {other}` as it stands here")))
            }
        }
    }

    fn history(&self) -> Result<Snapshot, TaskFailure> {
        let node = &self.document.node;
        let word = |key: &str| node.setting(key).and_then(Json::as_str);
        let mark = match (word("strategy"), word("updated_at")) {
            (Some("timestamp"), Some(column)) => ChangeMark::UpdatedAt(column.to_owned()),
            (Some("check"), _) if word("check_cols") == Some("all") => ChangeMark::Columns(Vec::new()),
            (Some("check"), _) => ChangeMark::Columns(self.names("check_cols")),
            _ => return Err(self.unsupported("this `strategy`")),
        };
        let invalidates = node.setting("invalidate_hard_deletes") == Some(&Json::Bool(true));
        let hard_deletes = match word("hard_deletes") {
            Some("invalidate") => HardDeletes::Invalidate,
            None if invalidates => HardDeletes::Invalidate,
            None | Some("ignore") => HardDeletes::Ignore,
            Some(other) => return Err(self.unsupported(&format!("`hard_deletes: {other}`"))),
        };
        if node.setting("dbt_valid_to_current").is_some() {
            return Err(self.unsupported("`dbt_valid_to_current`"));
        }
        let mut names = HistoryNames::default();
        let told = node.setting("snapshot_meta_column_names");
        let name = |key: &str| told.and_then(|told| told.get(key)).and_then(Json::as_str).map(str::to_owned);
        for (slot, key) in [
            (&mut names.id, "dbt_scd_id"),
            (&mut names.valid_from, "dbt_valid_from"),
            (&mut names.valid_to, "dbt_valid_to"),
            (&mut names.updated_at, "dbt_updated_at"),
        ] {
            if let Some(name) = name(key) {
                *slot = name;
            }
        }
        let at = self.invocation.started_at.clone();
        Ok(Snapshot { key: self.names("unique_key"), mark, hard_deletes, at, names })
    }
}
