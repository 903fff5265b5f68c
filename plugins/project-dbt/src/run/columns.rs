//! The columns of an incremental model where its statement has others than its table, and indexes.
//!
//! In: the statement, the table, `on_schema_change`, `indexes`. Out: the table as the setting wants it.
//! Never: touches a table whose model says `ignore`, or a column's rows beyond those of a dropped one.
//! Fails: with the columns' names where the setting is `fail`.
//! Source: dbt's `process_schema_changes`, for warehouses other than PostgreSQL.

use cofferdam_sdk::TaskFailure;
use md5::{Digest as _, Md5};
use serde_json::Value as Json;

use super::Run;
use super::world::Around;
use crate::codes;
use crate::document::RelationParts;
use crate::jinja::world::{ColumnInfo, Database as _};

impl Run<'_> {
    /// Brings the table's columns to what the setting says.
    pub(super) fn adapt_columns(
        &self,
        around: &Around<'_>,
        parts: &RelationParts,
        sql: &str,
    ) -> Result<(), TaskFailure> {
        let change =
            self.document.node.setting("on_schema_change").and_then(Json::as_str).unwrap_or("ignore");
        if change == "ignore" {
            return Ok(());
        }
        let warehouse = around.scene.warehouse;
        let failed = |_| self.last_failure(around);
        let there = warehouse.columns(&around.named(parts)).map_err(failed)?;
        let wanted = warehouse.columns_of_query(sql).map_err(failed)?;
        let lacks = |all: &[ColumnInfo], one: &ColumnInfo| {
            !all.iter().any(|other| other.name.eq_ignore_ascii_case(&one.name))
        };
        let added: Vec<&ColumnInfo> = wanted.iter().filter(|one| lacks(&there, one)).collect();
        let gone: Vec<&ColumnInfo> = there.iter().filter(|one| lacks(&wanted, one)).collect();
        if added.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let names = |all: &[&ColumnInfo]| {
            let names: Vec<String> = all.iter().map(|one| format!("`{}`", one.name)).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let table = self.rendered(around, parts)?;
        let quoted = |one: &ColumnInfo| self.quoted(&one.name);
        let add = |one: &&ColumnInfo| format!("alter table {table} add column {} {}", quoted(one), one.dtype);
        let drop = |one: &&ColumnInfo| format!("alter table {table} drop column {}", quoted(one));
        let statements: Vec<String> = match change {
            "append_new_columns" => added.iter().map(add).collect(),
            "sync_all_columns" => added.iter().map(add).chain(gone.iter().map(drop)).collect(),
            _ => {
                let message = format!(
                    "{}: the statement has other columns than the table, and `on_schema_change` is `{change}`: new \
                     {}, gone {}; build it with --full-refresh, or change the setting",
                    self.who(),
                    names(&added),
                    names(&gone)
                );
                return Err(TaskFailure::permanent(codes::MATERIALIZATION, message));
            }
        };
        self.run_all(around, &statements)
    }

    /// Makes the indexes a table asks for.
    pub(super) fn make_indexes(&self, around: &Around<'_>, parts: &RelationParts) -> Result<(), TaskFailure> {
        let asked = self.document.node.setting("indexes").and_then(Json::as_array);
        let sqlite = self.document.shared.target.kind == "sqlite";
        let mut statements = Vec::new();
        for index in asked.into_iter().flatten() {
            let columns: Vec<&str> =
                index["columns"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let unique = index["unique"] == Json::Bool(true);
            // The same index has the same name in every build, and another table's another one.
            let seed = format!("{}_{}_{unique}", columns.join("_"), parts.dotted());
            let digest: String =
                Md5::digest(seed.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            let list: Vec<String> = columns.iter().map(|column| self.quoted(column)).collect();
            let of = if sqlite { format!("{}.", self.quoted(&parts.schema)) } else { String::new() };
            let table = match sqlite {
                true => self.quoted(&parts.identifier),
                false => self.rendered(around, parts)?,
            };
            statements.push(format!(
                "create {}index {of}{} on {table} ({})",
                if unique { "unique " } else { "" },
                self.quoted(&digest),
                list.join(", ")
            ));
        }
        self.run_all(around, &statements)
    }

    /// The table as the warehouse writes it.
    fn rendered(&self, around: &Around<'_>, parts: &RelationParts) -> Result<String, TaskFailure> {
        let connection = around.scene.warehouse.wire.connection();
        Ok(connection.map_err(|why| self.sql_failure(around, why))?.render(&parts.relation()))
    }

    fn run_all(&self, around: &Around<'_>, statements: &[String]) -> Result<(), TaskFailure> {
        for statement in statements {
            let done = around.scene.warehouse.wire.run(statement, false);
            done.map_err(|why| self.sql_failure(around, why))?;
        }
        Ok(())
    }
}
