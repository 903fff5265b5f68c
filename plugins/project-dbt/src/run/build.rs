//! Builds a model or a snapshot: by a macro, as dbt's materializations are.
//!
//! In: the node's statement, the macro of its materialization. Out: the relation, and what was said
//! of the statement that made it.
//! Never: begins before the schema is there; commits work twice that only adds.
//! Fails: with the node's name and file; what was there stays.
//! Source: dbt's materializations.

use cofferdam_sdk::{Failure, Outcome, TaskFailure};
use serde_json::Value as Json;

use super::Run;
use super::result::Report;
use super::world::Around;
use crate::builtin;
use crate::codes;
use crate::jinja::world::Response;

impl Run<'_> {
    /// Builds the node.
    pub(super) fn build(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        let materialized = self.materialized();
        match materialized {
            "ephemeral" => return self.only_compile(around, report),
            "incremental" if self.is_microbatch() => return self.microbatch(around, report),
            _ => {}
        }
        let response = self.build_once(around, report, materialized)?;
        let rows = response.rows_affected.and_then(|rows| u64::try_from(rows).ok());
        let outcome = self.outcome(rows, &response.message);
        report.message.clone_from(&response.message);
        report.response = Some(response);
        Ok(outcome)
    }

    pub(super) fn materialized(&self) -> &str {
        match self.document.node.setting("materialized").and_then(Json::as_str) {
            Some(told) => told,
            None if self.document.node.resource_type() == "snapshot" => "snapshot",
            None => "view",
        }
    }

    /// Compiles and builds, once.
    pub(super) fn build_once(
        &self,
        around: &Around<'_>,
        report: &mut Report,
        materialized: &str,
    ) -> Result<Response, TaskFailure> {
        let node = &self.document.node;
        let engine = around.scene.engine;
        let Some(found) = engine.library().materialization(node.package(), materialized) else {
            let message = format!(
                "{}: there is no materialization `{materialized}` for {}; correct `materialized`",
                self.who(),
                self.document.shared.target.kind
            );
            return Err(TaskFailure::permanent(codes::MATERIALIZATION, message));
        };
        let (package, name) = (found.package.clone(), found.block.name.clone());
        let wire = &around.scene.warehouse.wire;
        wire.once.set(matches!(materialized, "incremental" | "snapshot") || package != builtin::PACKAGE);
        let sql = self.compile(around)?;
        report.made();
        let ours = package == builtin::PACKAGE;
        if ours && self.document.shared.target.kind != "postgres" {
            self.ready(around)?;
            return self.portable(around, materialized, &sql);
        }
        if ours && !around.has_hooks_before() {
            // What is looked up is part of the same transaction.
            wire.begin().map_err(|why| self.sql_failure(around, why))?;
        }
        self.ready(around)?;
        // Its names are those of the node, as everywhere: `render` of a hook finds the node's macros.
        let name = format!("{package}.{name}");
        let made = around.with(|| engine.call(node.package(), &name, &[], &[], around));
        made.map_err(|why| self.failure(around, &why))?;
        if !ours {
            // A materialization that commits nothing by itself has run outside of transactions.
            wire.commit().map_err(|why| self.sql_failure(around, why))?;
        }
        let main = wire.main.borrow_mut().take();
        Ok(main.map(|main| main.response).unwrap_or_default())
    }

    /// Makes sure the node's schema is there.
    pub(super) fn ready(&self, around: &Around<'_>) -> Result<(), TaskFailure> {
        let parts = self.document.node.relation();
        self.ready_for(around, &parts.schema, &parts.identifier).map_err(|why| self.sql_failure(around, why))
    }

    /// Makes a schema, unless it is there; what is in it of this name is known then.
    pub(super) fn ready_for(&self, around: &Around<'_>, schema: &str, name: &str) -> Result<(), Failure> {
        let warehouse = around.scene.warehouse;
        if self.document.shared.target.kind != "postgres" {
            return warehouse.ensure_schema(schema);
        }
        let (there, _) = warehouse.look(schema, name)?;
        if there {
            return Ok(());
        }
        let begun = warehouse.wire.is_begun();
        warehouse.wire.rollback()?;
        warehouse.ensure_schema(schema)?;
        if begun { warehouse.wire.begin() } else { Ok(()) }
    }

    /// Runs hooks of the node: those inside of the transaction, or those outside.
    pub(super) fn hooks(&self, around: &Around<'_>, which: &str, inside: bool) -> Result<(), TaskFailure> {
        use crate::jinja::World as _;
        let hooks = around.name(which).unwrap_or_default();
        if hooks.len() == Some(0) {
            return Ok(());
        }
        let package = self.document.node.package();
        let run = around.with(|| {
            let inside = [("inside_transaction", minijinja::Value::from(inside))];
            around.scene.engine.call(package, "run_hooks", &[hooks], &inside, around)
        });
        run.map(drop).map_err(|why| self.failure(around, &why))
    }
}
