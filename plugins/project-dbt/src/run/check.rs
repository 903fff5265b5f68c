//! Runs a test: counts the rows it finds.
//!
//! In: a query for rows that should not be there. Out: success where there are none.
//! Never: reads the rows themselves; only their number leaves the warehouse.
//! Fails: as a failed check where rows are found and the severity is `error`.
//! Source: `dbt test`.

use cofferdam_sdk::{Failure, Level, Outcome, Relation, TaskFailure, Value, read_all};

use super::Run;
use super::model::count;
use crate::check_sql::failing_rows;
use crate::codes;
use crate::config::Severity;
use crate::settings::Claim;

impl Run<'_> {
    pub(super) fn singular_test(&self) -> Result<Outcome, TaskFailure> {
        let source = self.source()?;
        let this = Relation::new(crate::names::TARGET_SCHEMA, self.attempt.node.name.as_str());
        let select = self.render(&source, this, false)?;
        self.verdict(&select, &source)
    }

    pub(super) fn generic_test(
        &self,
        relation: &Relation,
        column: &str,
        quote: bool,
        test: &Claim,
    ) -> Result<Outcome, TaskFailure> {
        let mark = self.connection.dialect().quote;
        let column = if quote { format!("{mark}{column}{mark}") } else { column.to_owned() };
        let to = match test {
            Claim::Relationships { to, .. } => self.connection.render(&to.relation()),
            _ => String::new(),
        };
        let condition = self.attempt.node.config.condition.as_deref();
        let select = failing_rows(test, &self.connection.render(relation), &column, &to, condition);
        self.log(Level::Debug, &format!("{}: {select}", self.attempt.node.name));
        self.verdict(&select, "")
    }

    /// Counts the rows of the query.
    fn verdict(&self, select: &str, source: &str) -> Result<Outcome, TaskFailure> {
        let failed = |why: Failure| self.sql_failure(why, source);
        let counting = format!("select count(*) as failures from (\n{select}\n) as found");
        let rows = self.connection.query(&counting, &[]).map_err(failed)?;
        let table = read_all(rows).map_err(failed)?;
        let Some(found) = table.rows.first().and_then(|row| row.first()).and_then(number) else {
            let message = format!("{}: the warehouse gave no number of rows", self.who());
            return Err(TaskFailure::permanent(codes::COUNT, message));
        };
        let node = &self.attempt.node;
        if found == 0 {
            return Ok(Outcome { rows_affected: Some(0), summary: format!("{}: passed", node.name) });
        }
        let message =
            format!("{} found {}; the statement stands in the log at level debug", self.who(), count(found));
        match node.config.severity {
            Some(Severity::Warn) => {
                self.log(Level::Warn, &message);
                let summary = format!("{}: warning, {}", node.name, count(found));
                Ok(Outcome { rows_affected: Some(found), summary })
            }
            _ => Err(TaskFailure::check_failed(codes::CHECK_FAILED, message)),
        }
    }
}

/// A count. A computed column may come as text, where the warehouse does not declare its type.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int64(number) => u64::try_from(*number).ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
