//! Runs a test: counts the rows it finds.
//!
//! In: a query for rows that should not be there. Out: pass, warning or failure, by the node's
//! thresholds.
//! Never: reads the rows themselves; only their number leaves the warehouse.
//! Fails: as a failed check where the rows are more than `error_if` lets pass.
//! Source: `dbt test`.

use cofferdam_sdk::{FailureKind, Level, Outcome, TaskFailure};
use serde_json::Value as Json;

use super::Run;
use super::result::Report;
use super::world::Around;
use crate::arguments;
use crate::codes;
use crate::jinja::world::Cell;

/// What a test says.
enum Verdict {
    Pass,
    Warn,
    Fail,
}

impl Run<'_> {
    /// Whether the rows it finds are kept.
    pub(super) fn stores_failures(&self) -> bool {
        let told = self.document.node.setting("store_failures").and_then(Json::as_bool);
        let kept_as = self.document.node.setting("store_failures_as").and_then(Json::as_str);
        kept_as != Some("ephemeral") && told.unwrap_or(self.ask.store_failures || kept_as.is_some())
    }

    /// Runs the test.
    pub(super) fn test(&self, around: &Around<'_>, report: &mut Report) -> Result<Outcome, TaskFailure> {
        self.test_arguments(around)?;
        let sql = self.compile(around)?;
        report.made();
        let wire = &around.scene.warehouse.wire;
        if self.stores_failures() {
            self.ready(around)?;
        }
        let engine = around.scene.engine;
        let node = &self.document.node;
        let found = engine.library().materialization(node.package(), "test");
        let Some((package, name)) = found.map(|found| (found.package.clone(), found.block.name.clone()))
        else {
            let message = format!("{}: nothing says how a test is run", self.who());
            return Err(TaskFailure::permanent(codes::MATERIALIZATION, message));
        };
        if sql.is_empty() {
            let message = format!("{}: the file renders to nothing; a test is one SELECT", self.who());
            return Err(TaskFailure::permanent(codes::RENDER, message));
        }
        let name = format!("{package}.{name}");
        let done = around.with(|| engine.call(node.package(), &name, &[], &[], around));
        done.map_err(|why| self.failure(around, &why))?;
        wire.commit().map_err(|why| self.sql_failure(around, why))?;
        let answer = wire.main.borrow_mut().take().unwrap_or_default();
        let row = answer.rows.first().map_or(&[][..], Vec::as_slice);
        let [failures, warns, fails] = row else {
            return Err(self.no_count(row.len()));
        };
        let failures = count(failures).ok_or_else(|| self.no_count(row.len()))?;
        report.response = Some(answer.response);
        report.failures = Some(failures);
        self.verdict(report, failures, truth(warns), truth(fails))
    }

    /// Puts what a generic test is called with beside the names its text knows.
    pub(super) fn test_arguments(&self, around: &Around<'_>) -> Result<(), TaskFailure> {
        let node = &self.document.node;
        let Some(told) = node.0.get("test_metadata").and_then(|told| told.get("kwargs")) else {
            return Ok(());
        };
        let rendered = around.with(|| {
            arguments::rendered(around.scene.engine, node.package(), &self.document.file, told, around)
        });
        let rendered = rendered.map_err(|why| self.failure(around, &why))?;
        around.put("_dbt_generic_test_kwargs", rendered);
        Ok(())
    }

    fn no_count(&self, width: usize) -> TaskFailure {
        let message = format!(
            "{}: the warehouse gave {width} values in place of a number of rows; check `fail_calc`, `warn_if` and \
             `error_if`",
            self.who()
        );
        TaskFailure::permanent(codes::COUNT, message)
    }

    fn verdict(
        &self,
        report: &mut Report,
        failures: u64,
        warns: bool,
        fails: bool,
    ) -> Result<Outcome, TaskFailure> {
        let node = &self.document.node;
        let condition = |key: &str| node.setting(key).and_then(Json::as_str).unwrap_or("!= 0").to_owned();
        let warning_only = node
            .setting("severity")
            .and_then(Json::as_str)
            .is_some_and(|severity| severity.eq_ignore_ascii_case("warn"));
        let (verdict, when) = if fails && !warning_only {
            (Verdict::Fail, ("fail", condition("error_if")))
        } else if warns {
            (Verdict::Warn, ("warn", condition("warn_if")))
        } else {
            (Verdict::Pass, ("", String::new()))
        };
        let plural = if failures == 1 { "result" } else { "results" };
        let message = format!("Got {failures} {plural}, configured to {} if {}", when.0, when.1);
        match verdict {
            Verdict::Pass => {
                report.status = "pass".to_owned();
                // What did not matter is not told.
                report.failures = Some(0);
                Ok(self.outcome(Some(failures), "passed"))
            }
            Verdict::Warn => {
                report.status = "warn".to_owned();
                report.message.clone_from(&message);
                self.cx.telemetry.log(Level::Warn, &format!("{}: {message}", self.who()));
                Ok(self.outcome(Some(failures), &format!("warning: {message}")))
            }
            Verdict::Fail => {
                report.status = "fail".to_owned();
                report.message.clone_from(&message);
                Err(TaskFailure {
                    kind: FailureKind::CheckFailed,
                    code: codes::CHECK_FAILED.to_owned(),
                    message: format!("{}: {message}", self.who()),
                })
            }
        }
    }
}

/// A count. A computed column may come as text, where the warehouse does not declare its type.
fn count(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::Integer(number) => u64::try_from(*number).ok(),
        Cell::Number(text) | Cell::Text(text) => {
            let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
            whole.parse().ok()
        }
        // A sum over no rows.
        Cell::Null => Some(0),
        _ => None,
    }
}

fn truth(cell: &Cell) -> bool {
    match cell {
        Cell::Boolean(truth) => *truth,
        Cell::Integer(number) => *number != 0,
        Cell::Number(text) => text.parse::<f64>().is_ok_and(|number| number != 0.0),
        Cell::Text(text) => {
            matches!(text.to_ascii_lowercase().as_str(), "1" | "t" | "true" | "y" | "yes")
        }
        _ => false,
    }
}
