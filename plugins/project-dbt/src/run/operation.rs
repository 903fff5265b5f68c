//! Runs an operation: a hook around a run, or a macro somebody asked for.
//!
//! In: the hook's text, or the macro's name and arguments. Out: what it did.
//! Never: shares a transaction with another operation.
//! Fails: with the operation's name; what it began is undone.
//! Source: dbt's `on-run-start`, `on-run-end` and `run-operation`.

use cofferdam_sdk::{Outcome, TaskFailure};
use minijinja::Value;

use super::Run;
use super::result::Report;
use super::world::Around;
use crate::codes;
use crate::jinja::{from_json, to_json};

/// How the id of a package's first hook before a run ends.
const FIRST: &str = "-on-run-start-0";

impl Run<'_> {
    /// Runs the operation.
    pub(super) fn operation(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        match &self.ask.macro_name {
            Some(name) => self.run_operation(around, report, name),
            None => self.hook(around, report),
        }
    }

    fn run_operation(
        &self,
        around: &Around<'_>,
        report: &mut Report,
        name: &str,
    ) -> Result<Outcome, TaskFailure> {
        let engine = around.scene.engine;
        let package = &self.document.shared.project.name;
        if engine.library().find(package, name).is_none() {
            let message = format!(
                "the run asks for the macro `{name}`, which the project does not have; write `package.macro` for one \
                 of a package"
            );
            return Err(TaskFailure::permanent(codes::ARGUMENT, message));
        }
        let arguments: Vec<(&str, Value)> =
            self.ask.macro_args.iter().map(|(name, value)| (name.as_str(), from_json(value))).collect();
        let wire = &around.scene.warehouse.wire;
        report.made();
        let given = around.with(|| engine.call(package, name, &[], &arguments, around));
        let given = given.map_err(|why| self.failure(around, &why))?;
        // dbt leaves what an operation began to itself: what is not committed is undone.
        wire.rollback().map_err(|why| self.sql_failure(around, why))?;
        if let Ok(json) = to_json(&given) {
            report.more.insert("returned".to_owned(), json);
        }
        Ok(self.outcome(None, &format!("ran {name}")))
    }

    /// Renders the hook and runs what it gives.
    fn hook(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        if self.document.node.unique_id().ends_with(FIRST) {
            // What comes before all nodes finds their schemas, as it does with dbt.
            let target = &self.document.shared.target.schema;
            for schema in self.ask.schemas.iter().chain([target]) {
                self.ready_for(around, schema, "").map_err(|why| self.sql_failure(around, why))?;
            }
        }
        if self.document.results {
            around.put("results", self.results(around)?);
        }
        let text = self.document.node.raw_code();
        let sql = self.compile_text(around, text)?;
        report.made();
        if sql.trim().is_empty() {
            report.message = "nothing to run".to_owned();
            return Ok(self.outcome(None, "nothing to run"));
        }
        let wire = &around.scene.warehouse.wire;
        wire.once.set(true);
        let failed = |why| self.sql_failure(around, why);
        wire.begin().map_err(failed)?;
        let answer = wire.run(&sql, false).map_err(failed)?;
        wire.commit().map_err(failed)?;
        report.written = Some(sql);
        report.message.clone_from(&answer.response.message);
        let outcome = self.outcome(None, &answer.response.message);
        report.response = Some(answer.response);
        Ok(outcome)
    }
}
